/** Fused kernels as steps: operands placed in the iteration space, launches with their parameter blocks filled in. */
import type { ScalarSource } from '../../kernels/graph.js';
import { partScalar, type RealScalar, registerOf } from '../../kernels/ir.js';
import type { BufferSource, Launch } from '../../kernels/lower/bind.js';
import { inputName, outputName, scalarName } from '../../kernels/lower/names.js';
import { stepDimensions } from '../../kernels/lower/steps.js';
import { boundFused, compiledFused, fusedWork } from '../compiled.js';
import { addressOf, freshTensor } from '../copies.js';
import type { CompiledKernel, Device, ParamBlock } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { contiguousLayout, type Layout } from '../layout.js';
import { Tensor } from '../tensor.js';
import { type BindingContext, type BoundStep, type FusedPlanStep, type RunContext, type SlotValue, setScalar } from './step.js';

export class FusedStep implements BoundStep {
  private readonly launches: BoundLaunch[];
  private readonly scratch: readonly number[];
  private readonly outputs: readonly {
    readonly value: number;
    readonly layout: Layout;
    readonly dtype: Dtype;
    readonly slot: number | undefined;
  }[];
  private readonly inputValues: readonly number[];

  private readonly device: Device;

  constructor({ device, known, direct, slotOf, layouts }: BindingContext, step: FusedPlanStep) {
    this.device = device;
    this.inputValues = step.inputs.map(({ value }) => value);
    this.outputs = step.outputs.map(({ value, meta }) => {
      const slot = direct.get(value);
      const target = slot === undefined ? undefined : layouts[slot];
      const layout = target ?? contiguousLayout(meta.shape);
      known.set(value, layout);
      return { value, layout, dtype: meta.dtype, slot: target === undefined ? undefined : slot };
    });
    const dimensions = stepDimensions(step, (value) => known.get(value)!.strides);
    const binding = boundFused(device, step.kernel, dimensions, step.shape);

    this.scratch = binding.scratch;
    this.launches = binding.launches.map((launch) => new BoundLaunch(device, launch, step, slotOf));
  }

  run(values: (Tensor | undefined)[], context: RunContext): void {
    const { outputs, inputValues, launches } = this;
    for (let i = 0; i < outputs.length; i++) {
      const { value, layout, dtype, slot } = outputs[i]!;
      values[value] = slot === undefined ? freshTensor(this.device, layout, dtype) : aliasOf(context.slots[slot]);
    }
    const scratch = this.scratch.length === 0 ? noScratch : this.scratch.map((bytes) => this.device.allocate(bytes));
    try {
      for (let i = 0; i < launches.length; i++) launches[i]!.run(values, inputValues, outputs, scratch, context);
    } finally {
      for (const address of scratch) this.device.free(address);
    }
  }

  free(): void {
    for (const launch of this.launches) launch.free();
  }
}

const noScratch: readonly number[] = [];

function aliasOf(target: SlotValue): Tensor {
  if (!(target instanceof Tensor)) throw new TypeError('an output replaces a tensor');
  return new Tensor(target.storage, target.layout, target.dtype);
}

interface DynamicScalar {
  readonly offset: number;
  readonly type: RealScalar;
  readonly source: BoundSource;
}

/** A scalar's source with its slot found. */
type BoundSource = Exclude<ScalarSource, { from: 'input' }> | { readonly from: 'input'; readonly slot: number };

function boundSource(source: ScalarSource, slotOf: ReadonlyMap<string, number>): BoundSource {
  return source.from === 'input' ? { from: 'input', slot: slotOf.get(source.slot)! } : source;
}

class BoundLaunch {
  private readonly compiled: CompiledKernel;
  private readonly params: ParamBlock;
  private readonly scalars: readonly DynamicScalar[];
  private readonly pointers: readonly { readonly offset: number; readonly source: BufferSource }[];
  private readonly rows: readonly { readonly offset: number; readonly scratch: number }[];

  constructor(
    private readonly device: Device,
    private readonly launch: Launch,
    step: FusedPlanStep,
    slotOf: ReadonlyMap<string, number>,
  ) {
    this.compiled = compiledFused(device.tier(fusedWork(launch, step.shape)), launch);
    this.params = device.createParams(this.compiled);
    const { offsets } = this.compiled;
    for (const [name, value] of Object.entries(launch.params)) {
      const offset = offsets.get(name);
      if (offset !== undefined) this.params.setI32(offset, value);
    }
    const sources: [string, BufferSource][] = [
      ...launch.inputs.map((source, i): [string, BufferSource] => [inputName(i), source]),
      ...launch.outputs.map((source, i): [string, BufferSource] => [outputName(i), source]),
    ];
    this.pointers = sources.flatMap(([name, source]) => (offsets.has(name) ? [{ offset: offsets.get(name)!, source }] : []));
    this.rows = launch.rows.map(({ name, scratch }) => ({ offset: offsets.get(name)!, scratch }));
    const scalars = launch.kernel.scalars.map(
      (dtype, index): DynamicScalar => ({
        offset: offsets.get(scalarName(index))!,
        type: partScalar(registerOf(dtype)),
        source: boundSource(step.scalars[index]!, slotOf),
      }),
    );
    for (const { offset, type, source } of scalars) {
      if (source.from === 'constant') setScalar(this.params, offset, type, source.value);
    }
    this.scalars = scalars.filter(({ source }) => source.from !== 'constant');
  }

  run(
    values: readonly (Tensor | undefined)[],
    inputs: readonly number[],
    outputs: readonly { readonly value: number }[],
    scratch: readonly number[],
    context: RunContext,
  ): void {
    const { params, pointers, rows, scalars } = this;
    for (let i = 0; i < pointers.length; i++) {
      const { offset, source } = pointers[i]!;
      const address =
        source.kind === 'input'
          ? addressOf(values[inputs[source.input]!]!)
          : source.kind === 'output'
            ? addressOf(values[outputs[source.output]!.value]!)
            : scratch[source.scratch]!;
      params.setPointer(offset, address);
    }
    for (let i = 0; i < rows.length; i++) params.setPointer(rows[i]!.offset, scratch[rows[i]!.scratch]!);
    for (let i = 0; i < scalars.length; i++) {
      const { offset, type, source } = scalars[i]!;
      setScalar(params, offset, type, scalarValue(source, context));
    }
    this.device.launch(this.compiled, params, this.launch.work, this.launch.grain);
  }

  free(): void {
    this.params.free();
  }
}

function scalarValue(source: BoundSource, context: RunContext): number {
  switch (source.from) {
    case 'constant':
      return source.value;
    case 'attr':
      return Number(context.attrs[source.name]);
    case 'input':
      return Number(context.slots[source.slot]);
    case 'random': {
      const draw = context.draws[source.draw]!;
      const words = [draw.seedLow, draw.seedHigh, draw.offsetLow, draw.offsetHigh];
      return words[source.word]! | 0;
    }
  }
}
