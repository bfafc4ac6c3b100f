/**
 * What the kinds of steps share: how a plan binds and runs them. A step is bound once to layouts, and then run with tensors in place
 * of values.
 */
import type { RealScalar } from '../../kernels/ir.js';
import type { Arguments, Attrs, LayoutMeta } from '../../kernels/op.js';
import type { Step } from '../../kernels/partition.js';
import type { Device, ParamBlock } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { formatValue, OpwrightError } from '../errors.js';
import type { Layout } from '../layout.js';
import type { RandomDraw } from '../random.js';
import type { Tensor } from '../tensor.js';

/** A tensor to read, a number to hand to kernels, or nothing. */
export type SlotValue = Tensor | number | undefined;

/** Arguments of one run: what stands in each slot, and the attributes that are numbers for kernels. */
export interface RunArguments {
  readonly slots: readonly SlotValue[];
  readonly attrs: Attrs;
}

export interface BoundStep {
  run(values: (Tensor | undefined)[], context: RunContext): void;
  free(): void;
}

export interface RunContext extends RunArguments {
  readonly draws: readonly RandomDraw[];
}

/** Values that are written into the tensor of a slot, instead of a fresh one. */
export type WriteTargets = ReadonlyMap<number, number>;

export interface BindingContext {
  readonly device: Device;
  /** The layout of each value so far. */
  readonly known: Map<number, Layout>;
  readonly direct: WriteTargets;
  readonly slotOf: ReadonlyMap<string, number>;
  readonly layouts: readonly (Layout | undefined)[];
}

export type FusedPlanStep = Extract<Step, { kind: 'fused' }>;
export type OpPlanStep = Extract<Step, { kind: 'op' }>;

/** The layouts of an op's inputs, at offset 0: a run's tensors may begin anywhere. */
export function layoutMetas(step: OpPlanStep, known: ReadonlyMap<number, Layout>): Arguments<LayoutMeta> {
  const meta = (value: number, dtype: Dtype): LayoutMeta => {
    const { shape, strides, offset } = known.get(value)!.form;
    return { shape, strides, offset, dtype };
  };
  const metas: Record<string, LayoutMeta | readonly LayoutMeta[] | undefined> = {};
  for (const [name, value] of Object.entries(step.inputs)) {
    const dtype = step.dtypes[name]!;
    metas[name] =
      value === undefined
        ? undefined
        : Array.isArray(value)
          ? value.map((one: number) => meta(one, dtype))
          : meta(value as number, dtype);
  }
  return metas;
}

/** Writes a number into a parameter block as its register type. Throws NOT_AN_INTEGER rather than cut a fraction off. */
export function setScalar(params: ParamBlock, offset: number, type: RealScalar, value: number): void {
  if (type === 'f32') params.setF32(offset, value);
  else if (type === 'f64') params.setF64(offset, value);
  else if (type === 'bool') params.setI32(offset, Number(value !== 0));
  else if (!Number.isInteger(value)) throw notAnInteger(value);
  else if (type === 'i64') params.setI64(offset, BigInt(value));
  else params.setI32(offset, value | 0);
}

function notAnInteger(value: number): OpwrightError {
  return new OpwrightError('NOT_AN_INTEGER', `${formatValue(value)} is no integer and meets elements of an integer dtype.`, {
    remedy: 'Cast the tensor to a floating dtype first, or round the number.',
  });
}
