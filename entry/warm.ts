/**
 * Compiling ahead for GPUs: calls ops, and the gradients of what they give, on a GPU for the sake of the kernels that this compiles, which
 * the cache keeps. What the calls compute is nobody's concern. It belongs to what the command `opwright cache warm` asks of the library.
 */
import '../generated/index.js';
import type { Attrs, Dtype } from '../kernels/op.js';
import { backward } from '../runtime/autograd.js';
import { tensor } from '../runtime/create.js';
import type { CudaDevice } from '../runtime/devices/cuda/device.js';
import { withDefault } from '../runtime/devices/registry.js';
import { dispatch, type InputArgument, type TensorLike } from '../runtime/dispatch.js';
import { isFloating } from '../runtime/dtype.js';
import { OpwrightError } from '../runtime/errors.js';
import { sizeOf } from '../runtime/layout.js';
import { tidy } from '../runtime/memory.js';
import { definitionOf } from '../runtime/registry.js';
import type { Tensor } from '../runtime/tensor.js';

interface TensorSample {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly values?: readonly number[];
}

type InputSample = TensorSample | number | readonly InputSample[];

/** A call as the spec's samples describe it; elements that are not stated are ones, or zeros where they may be indices. */
export interface SampleCall {
  readonly op: string;
  readonly inputs: Readonly<Record<string, InputSample>>;
  readonly attrs: Attrs;
}

/** Makes the calls on a GPU. A call that fails is left: its op says why when a program makes it. */
export function warmGpu(device: CudaDevice, calls: Iterable<SampleCall>): void {
  withDefault(device, () => {
    for (const call of calls) {
      try {
        tidy(() => callWithGradients(call));
      } catch (error) {
        if (!(error instanceof OpwrightError)) throw error;
      }
    }
  });
}

function callWithGradients({ op, inputs, attrs }: SampleCall): void {
  const definition = definitionOf(op);
  const given = definition.inputs.map(({ name, mutated }) => {
    const sample = inputs[name];
    return sample === undefined ? undefined : argument(sample, mutated === true);
  });
  for (const result of dispatch(definition, given, attrs))
    if (!result.stopGradient) backward(result, { gradient: ones(result), retainGraph: true });
}

function argument(sample: InputSample, mutated: boolean): InputArgument {
  return isList(sample) ? sample.map((one) => single(one, mutated)) : single(sample, mutated);
}

function single(sample: InputSample, mutated: boolean): TensorLike {
  if (typeof sample === 'number') return sample;
  if (isList(sample)) throw new TypeError('a list of lists is no argument');
  const { shape, dtype, values } = sample;
  const filler = isFloating(dtype) ? 1 : 0;
  const elements = Float64Array.from(values ?? new Array<number>(sizeOf(shape)).fill(filler));
  return tensor(elements, { shape, dtype, stopGradient: mutated || !isFloating(dtype) });
}

const ones = ({ shape, dtype }: Tensor): Tensor => tensor(new Float64Array(sizeOf(shape)).fill(1), { shape, dtype });

function isList(sample: InputSample): sample is readonly InputSample[] {
  return Array.isArray(sample);
}
