/** Views as steps: a new layout over the same storage, or over a contiguous copy where strides cannot express it. */
import type { Shape } from '../../kernels/op.js';
import { ContiguousCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import { contiguousLayout, type Layout, stridedLayout } from '../layout.js';
import { Tensor } from '../tensor.js';
import { type BoundStep, layoutMetas, type OpPlanStep } from './step.js';

export class ViewStep implements BoundStep {
  private readonly input: number;
  private readonly output: number;
  private readonly strides: readonly number[];
  private readonly offset: number;
  private readonly shape: Shape;
  private readonly copy: ContiguousCopy | null;

  constructor(device: Device, step: OpPlanStep, known: Map<number, Layout>) {
    if (step.op.body.kind !== 'view') throw new TypeError(`${step.op.name} is no view`);
    this.input = Object.values(step.inputs)[0] as number;
    this.output = step.outputs[0]!;
    let layout = step.op.body.view(layoutMetas(step, known), step.attrs);
    this.copy = layout === null ? new ContiguousCopy(device, known.get(this.input)!, step.metas[0]!.dtype) : null;
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
    const base = this.copy === null ? source : this.copy.run(source);
    const { offset } = base.layout;
    const layout = offset === 0 ? this.resultLayout : stridedLayout(this.shape, this.strides, this.offset + offset);
    values[this.output] = new Tensor(base.storage, layout, base.dtype);
    if (this.copy !== null) base.dispose();
  }

  free(): void {
    this.copy?.free();
  }
}
