/** Library kernels as steps. */
import type { Arguments } from '../../kernels/op.js';
import type { Device } from '../devices/device.js';
import { contiguousLayout, type Layout } from '../layout.js';
import { libraryKernel } from '../library/index.js';
import type { Tensor } from '../tensor.js';
import { type BoundStep, layoutMetas, type OpPlanStep } from './step.js';

export class LibraryStep implements BoundStep {
  private readonly kernel: ReturnType<ReturnType<typeof libraryKernel>>;
  private readonly inputs: Arguments<number>;

  constructor(
    device: Device,
    private readonly step: OpPlanStep,
    known: Map<number, Layout>,
  ) {
    const { body } = step.op;
    if (body.kind !== 'library') throw new TypeError(`${step.op.name} is no library op`);
    this.inputs = step.inputs;
    const metas = layoutMetas(step, known);
    this.kernel = libraryKernel(body.library)(device, metas, step.attrs, step.metas);
    step.outputs.forEach((value, index) => {
      known.set(value, contiguousLayout(step.metas[index]!.shape));
    });
  }

  run(values: (Tensor | undefined)[]): void {
    const inputs = Object.values(this.inputs).flatMap((value) =>
      value === undefined ? [] : Array.isArray(value) ? value.map((one: number) => values[one]!) : [values[value as number]!],
    );
    const outputs = this.kernel.run(inputs);
    this.step.outputs.forEach((value, index) => {
      values[value] = outputs[index]!;
    });
  }

  free(): void {
    this.kernel.free();
  }
}
