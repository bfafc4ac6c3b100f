/** Kernel functions, and kernels made from index notation, as steps. */

import { bytesOf, type RealScalar } from '../../kernels/ir.js';
import { kernelDtypes } from '../../kernels/lower/steps.js';
import type { TensorMeta } from '../../kernels/op.js';
import { compiledFunction } from '../compiled.js';
import { addressOf, ContiguousCopy } from '../copies.js';
import type { CompiledKernel, Device, ParamBlock } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { contiguousLayout, type Layout, sizeOf } from '../layout.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { type BoundStep, layoutMetas, type OpPlanStep, setScalar } from './step.js';

/** Hands a step its inputs contiguous, copying those that are not. */
class ContiguousInputs {
  private readonly copies = new Map<number, ContiguousCopy>();

  constructor(device: Device, values: readonly (readonly [number, Dtype])[], known: ReadonlyMap<number, Layout>) {
    for (const [value, dtype] of values) {
      const layout = known.get(value)!;
      if (!layout.contiguous) this.copies.set(value, new ContiguousCopy(device, layout, dtype));
    }
  }

  with<R>(values: readonly (Tensor | undefined)[], run: (read: (value: number) => Tensor) => R): R {
    if (this.copies.size === 0) return run((value) => values[value]!);
    const made = new Map<number, Tensor>();
    try {
      return run((value) => {
        const copy = this.copies.get(value);
        if (copy === undefined) return values[value]!;
        let tensor = made.get(value);
        if (tensor === undefined) {
          tensor = copy.run(values[value]!);
          made.set(value, tensor);
        }
        return tensor;
      });
    } finally {
      for (const tensor of made.values()) tensor.dispose();
    }
  }

  free(): void {
    for (const copy of this.copies.values()) copy.free();
  }
}

/** Elements of the largest tensor, an equal share of which falls to each work item, that are worth a thread's while. */
const leastElements = 1 << 14;

/** A kernel function, or a kernel made from index notation. */
export class KernelStep implements BoundStep {
  private readonly compiled: CompiledKernel;
  private readonly params: ParamBlock;
  private readonly contiguous: ContiguousInputs;
  private readonly work: number;
  private readonly grain: number;
  private readonly scratch: readonly { readonly name: string; readonly bytes: number }[];
  private readonly operands: readonly { readonly name: string; readonly value: number }[];

  constructor(
    private readonly device: Device,
    private readonly step: OpPlanStep,
    known: Map<number, Layout>,
  ) {
    const { body } = step.op;
    if (body.kind !== 'kernel') throw new TypeError(`${step.op.name} has no kernel`);
    const { dtypes } = step;
    const metas = layoutMetas(step, known);
    const call = body.call(metas, step.metas, step.attrs);
    const bindings = kernelDtypes(body.kernel, step, call.scratch);
    const size = largestSize(step.metas, Object.values(metas));
    const tier = device.tier({ kind: 'function', dtype: step.metas[0]!.dtype, size });
    this.compiled = compiledFunction(tier, body.kernel, bindings);
    this.params = device.createParams(this.compiled);
    for (const [name, value] of Object.entries(call.params)) this.setParam(name, value);
    this.work = call.work;
    this.grain = Math.max(call.grain ?? 1, Math.ceil((leastElements * call.work) / Math.max(size, 1)));
    this.scratch = Object.entries(call.scratch ?? {}).map(([name, { dtype, size }]) => ({ name, bytes: size * bytesOf[dtype] }));
    this.operands = Object.entries(step.inputs).map(([name, value]) => ({ name, value: value as number }));
    this.contiguous = new ContiguousInputs(
      device,
      this.operands.map(({ name, value }) => [value, dtypes[name]!] as const),
      known,
    );
    step.outputs.forEach((value, index) => {
      known.set(value, contiguousLayout(step.metas[index]!.shape));
    });
  }

  private setParam(name: string, value: number): void {
    const offset = this.compiled.offsets.get(name);
    const declared = this.compiled.kernel.params.find((param) => param.name === name);
    if (offset === undefined || declared === undefined)
      throw new TypeError(`${this.compiled.kernel.name} has no parameter ${name}`);
    setScalar(this.params, offset, declared.type as RealScalar, value);
  }

  run(values: (Tensor | undefined)[]): void {
    const { device, step, params, compiled } = this;
    const { body } = step.op;
    const outputs = step.metas.map((meta) => emptyTensor(device, meta.shape, meta.dtype));
    if (body.kind === 'kernel' && body.zeroed) for (const out of outputs) device.fill(out.storage.address, out.storage.bytes, 0);
    const scratch = this.scratch.map(({ name, bytes }) => ({ name, address: device.allocate(bytes) }));
    try {
      this.contiguous.with(values, (read) => {
        for (const { name, value } of this.operands) setPointerIfUsed(compiled, params, name, addressOf(read(value)));
        outputs.forEach((out, index) => {
          setPointerIfUsed(compiled, params, step.op.outputs[index]!.name, addressOf(out));
        });
        for (const { name, address } of scratch) setPointerIfUsed(compiled, params, name, address);
        if (this.work > 0) device.launch(compiled, params, this.work, this.grain);
      });
    } catch (error) {
      for (const out of outputs) out.dispose();
      throw error;
    } finally {
      for (const { address } of scratch) device.free(address);
    }
    step.outputs.forEach((value, index) => {
      values[value] = outputs[index]!;
    });
  }

  free(): void {
    this.params.free();
    this.contiguous.free();
  }
}

/** The elements of the largest tensor that a kernel goes through. */
function largestSize(
  outputs: readonly TensorMeta[],
  inputs: readonly (TensorMeta | readonly TensorMeta[] | undefined)[],
): number {
  const all = [...outputs, ...inputs.flat()];
  return all.reduce((largest, meta) => (meta === undefined ? largest : Math.max(largest, sizeOf(meta.shape))), 0);
}

function setPointerIfUsed(compiled: CompiledKernel, params: ParamBlock, name: string, address: number): void {
  const offset = compiled.offsets.get(name);
  if (offset !== undefined) params.setPointer(offset, address);
}
