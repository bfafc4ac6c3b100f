/** Views as steps: a new layout over the same storage, or over a contiguous copy where strides cannot express it. */
import type { Shape } from '../../kernels/op.js';
import { ContiguousCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import { byteSize, type Dtype } from '../dtype.js';
import { contiguousLayout, type Layout, stridedLayout } from '../layout.js';
import { Storage } from '../storage.js';
import { extent, Tensor } from '../tensor.js';
import { type BoundStep, layoutMetas, type OpPlanStep } from './step.js';

export class ViewStep implements BoundStep {
  private readonly input: number;
  private readonly output: number;
  private readonly strides: readonly number[];
  private readonly offset: number;
  private readonly shape: Shape;
  private readonly dtype: Dtype;
  /** Elements of the result in one of the input: a half where a view sees two floats as a complex number. */
  private readonly scale: number;
  private readonly copy: ContiguousCopy | null;

  constructor(device: Device, step: OpPlanStep, known: Map<number, Layout>) {
    if (step.op.body.kind !== 'view') throw new TypeError(`${step.op.name} is no view`);
    const [name, input] = Object.entries(step.inputs)[0]! as [string, number];
    this.input = input;
    this.output = step.outputs[0]!;
    this.dtype = step.metas[0]!.dtype;
    const source = step.dtypes[name]!;
    this.scale = byteSize(source) / byteSize(this.dtype);
    let layout = step.op.body.view(layoutMetas(step, known), step.attrs);
    this.copy = layout === null ? new ContiguousCopy(device, known.get(this.input)!, source) : null;
    if (layout === null) {
      const copied = new Map(known).set(this.input, contiguousLayout(known.get(this.input)!.shape));
      layout = step.op.body.view(layoutMetas(step, copied), step.attrs)!;
    }
    this.shape = layout.shape;
    this.strides = layout.strides;
    this.offset = layout.offset;
    this.resultLayout = stridedLayout(this.shape, this.strides, this.offset);
    known.set(this.output, this.resultLayout);
  }

  readonly resultLayout: Layout;

  run(values: (Tensor | undefined)[]): void {
    const source = values[this.input]!;
    const base = this.copy !== null ? this.copy.run(source) : this.isAligned(source) ? source : alignedCopy(source);
    const offset = base.layout.offset * this.scale;
    const layout = offset === 0 ? this.resultLayout : stridedLayout(this.shape, this.strides, this.offset + offset);
    values[this.output] = new Tensor(base.storage, layout, this.dtype);
    if (base !== source) base.dispose();
  }

  /** Whether a tensor begins at an element of the result. */
  private isAligned({ layout }: Tensor): boolean {
    return Number.isInteger(layout.offset * this.scale);
  }

  free(): void {
    this.copy?.free();
  }
}

/** The bytes from a tensor's first element to its last in a storage of their own, strides unchanged. */
function alignedCopy({ storage, layout, dtype, device }: Tensor): Tensor {
  const { lowest, highest } = extent(layout);
  const size = byteSize(dtype);
  const bytes = layout.size === 0 ? 0 : (highest - lowest + 1) * size;
  const copied = new Storage(device, bytes);
  copied.describe(layout.shape);
  device.copy(storage.address + lowest * size, copied.address, bytes);
  return new Tensor(copied, stridedLayout(layout.shape, layout.strides, layout.offset - lowest), dtype);
}
