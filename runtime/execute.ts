/**
 * Plans bound to operands: what runs when an op is called with shapes, dtypes and attributes that were seen before.
 *
 * Binding does everything that depends on layouts alone (variants, compiled kernels, parameter blocks, output layouts); a run fills
 * in addresses and numbers and launches. Nothing here records gradients or checks arguments: dispatch.ts does.
 */
import type { ScalarSource } from '../kernels/graph.js';
import { bytesOf, type Kernel, registerOf } from '../kernels/ir.js';
import { type BufferSource, bind, type Launch } from '../kernels/lower/bind.js';
import { inputName, outputName, scalarName } from '../kernels/lower/fused.js';
import { alignStrides, type Dimension, denseStrides } from '../kernels/lower/space.js';
import type { Arguments, Attrs, LayoutMeta, Shape } from '../kernels/op.js';
import type { FusedOperand, Plan, Step } from '../kernels/partition.js';
import { compiledFunction, compiledFused } from './compiled.js';
import { addressOf, ContiguousCopy, freshTensor, StridedCopy } from './copies.js';
import type { CompiledKernel, Device, ParamBlock } from './devices/device.js';
import type { Dtype } from './dtype.js';
import { contiguousLayout, type Layout, stridedLayout } from './layout.js';
import { libraryKernel } from './library/index.js';
import { defaultGenerator, type RandomDraw } from './random.js';
import { emptyTensor, Tensor } from './tensor.js';

/** A tensor to read, a number to hand to kernels, or nothing. */
export type SlotValue = Tensor | number | undefined;

/** Arguments of one run: what stands in each slot, and the attributes that are numbers for kernels. */
export interface RunArguments {
  readonly slots: readonly SlotValue[];
  readonly attrs: Attrs;
}

/** What a plan is bound to. Slots are named in the order in which a run's values come. */
export interface PlanOperands {
  readonly slotNames: readonly string[];
  /** The layout of each slot that holds a tensor. */
  readonly layouts: readonly (Layout | undefined)[];
  /** For an output that replaces an input: that input's slot. */
  readonly writes?: ReadonlyMap<number, number>;
}

interface BoundStep {
  run(values: (Tensor | undefined)[], context: RunContext): void;
  free(): void;
}

interface RunContext extends RunArguments {
  readonly draws: readonly RandomDraw[];
}

/** Values that are written into the tensor of a slot, instead of a fresh one. */
type WriteTargets = ReadonlyMap<number, number>;

export class BoundPlan {
  private readonly steps: BoundStep[] = [];
  /** Values to let go of after each step: intermediates at their last use. */
  private readonly releases: number[][] = [];
  /** Value and slot of each input tensor. */
  private readonly inputs: readonly (readonly [number, number])[];
  private readonly isInput: ReadonlySet<number>;
  /** Copies back into mutated inputs that no kernel writes itself. */
  private readonly copies: { readonly value: number; readonly slot: number; readonly copy: StridedCopy }[] = [];

  constructor(
    device: Device,
    private readonly plan: Plan,
    operands: PlanOperands,
  ) {
    const slotOf = new Map(operands.slotNames.map((name, slot) => [name, slot]));
    this.inputs = [...plan.inputs].map(([value, name]) => [value, slotOf.get(name)!] as const);
    this.isInput = new Set(plan.inputs.keys());
    const known = new Map<number, Layout>();
    for (const [value, slot] of this.inputs) {
      const layout = operands.layouts[slot];
      if (layout !== undefined) known.set(value, layout);
    }
    const writes = new Map([...(operands.writes ?? [])].map(([output, slot]) => [plan.outputs[output]!, slot]));
    const direct = directWrites(plan, writes, this.inputs);
    const binding: BindingContext = { device, known, direct, slotOf, layouts: operands.layouts };
    for (const step of plan.steps) this.steps.push(step.kind === 'fused' ? new FusedStep(binding, step) : opStep(binding, step));
    for (const [value, slot] of writes) {
      const target = operands.layouts[slot]!;
      const unchanged = this.inputs.some(([input, own]) => input === value && own === slot);
      if (!direct.has(value) && !unchanged)
        this.copies.push({ value, slot, copy: new StridedCopy(device, known.get(value)!, target, dtypeOf(plan, value)) });
    }
    this.planReleases();
  }

  /** One tensor for each output of the plan; the caller owns them. An output that is an input comes as a view of it. */
  run(args: RunArguments): Tensor[] {
    const values: (Tensor | undefined)[] = [];
    for (let i = 0; i < this.inputs.length; i++) {
      const [value, slot] = this.inputs[i]!;
      const tensor = args.slots[slot];
      if (tensor instanceof Tensor) values[value] = tensor;
    }
    const draws = this.plan.draws.length === 0 ? noDraws : this.plan.draws.map((count) => defaultGenerator.next(count));
    const context: RunContext = { slots: args.slots, attrs: args.attrs, draws };
    for (let i = 0; i < this.steps.length; i++) {
      this.steps[i]!.run(values, context);
      const releases = this.releases[i]!;
      for (let k = 0; k < releases.length; k++) values[releases[k]!]?.dispose();
    }
    for (const { value, slot, copy } of this.copies) {
      const target = args.slots[slot];
      if (target instanceof Tensor) copy.run(addressOf(values[value]!), addressOf(target));
    }
    const { outputs } = this.plan;
    const results: Tensor[] = new Array(outputs.length);
    for (let i = 0; i < outputs.length; i++) {
      const tensor = values[outputs[i]!]!;
      const shared = this.isInput.has(outputs[i]!) || outputs.indexOf(outputs[i]!) < i;
      results[i] = shared ? new Tensor(tensor.storage, tensor.layout, tensor.dtype) : tensor;
    }
    return results;
  }

  free(): void {
    for (const { copy } of this.copies) copy.free();
    for (const step of this.steps) step.free();
  }

  private planReleases(): void {
    const kept = new Set([...this.plan.outputs, ...this.plan.inputs.keys()]);
    const last = new Map<number, number>();
    this.plan.steps.forEach((step, index) => {
      for (const value of [...readsOf(step), ...writesOf(step)]) last.set(value, index);
    });
    this.plan.steps.forEach((_, index) => {
      this.releases.push([...last].filter(([value, at]) => at === index && !kept.has(value)).map(([value]) => value));
    });
  }
}

interface BindingContext {
  readonly device: Device;
  /** The layout of each value so far. */
  readonly known: Map<number, Layout>;
  readonly direct: WriteTargets;
  readonly slotOf: ReadonlyMap<string, number>;
  readonly layouts: readonly (Layout | undefined)[];
}

function dtypeOf(plan: Plan, value: number): Dtype {
  for (const step of plan.steps) {
    const at = writesOf(step).indexOf(value);
    if (at >= 0) return step.kind === 'fused' ? step.outputs[at]!.meta.dtype : step.metas[at]!.dtype;
  }
  throw new TypeError(`no step writes value ${value}`);
}

const noDraws: readonly RandomDraw[] = [];

function readsOf(step: Step): number[] {
  if (step.kind === 'fused') return step.inputs.flatMap(({ value }) => (value < 0 ? [] : [value]));
  return Object.values(step.inputs).flatMap((value) => (value === undefined ? [] : (value as number | readonly number[])));
}

function writesOf(step: Step): readonly number[] {
  return step.kind === 'fused' ? step.outputs.map(({ value }) => value) : step.outputs;
}

/** Outputs that an elementwise kernel may write straight into the input they replace: no later step reads that input. */
function directWrites(plan: Plan, writes: WriteTargets, inputs: readonly (readonly [number, number])[]): WriteTargets {
  const direct = new Map<number, number>();
  for (const [value, slot] of writes) {
    const at = plan.steps.findIndex((step) => writesOf(step).includes(value));
    const step = plan.steps[at];
    if (step === undefined || step.kind !== 'fused' || step.axes.length > 0) continue;
    const input = inputs.find(([, own]) => own === slot)?.[0];
    const broadcast = step.inputs.some((operand) => operand.value === input && !sameShape(operand.shape, step.shape));
    const readLater = plan.steps.slice(at + 1).some((later) => input !== undefined && readsOf(later).includes(input));
    if (!broadcast && !readLater) direct.set(value, slot);
  }
  return direct;
}

const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, axis) => size === b[axis]);

// ---- Fused steps

type FusedPlanStep = Extract<Step, { kind: 'fused' }>;

class FusedStep implements BoundStep {
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
    const binding = bind(
      step.kernel,
      dimensionsOf(
        step,
        known,
        this.outputs.map(({ layout }) => layout),
      ),
    );
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

/** The iteration space with every operand's strides, before collapsing. */
function dimensionsOf(step: FusedPlanStep, known: ReadonlyMap<number, Layout>, outputs: readonly Layout[]): Dimension[] {
  const strides = [
    ...step.inputs.map((operand) => (operand.value < 0 ? virtualStrides(operand) : known.get(operand.value)!.strides)),
    ...outputs.map((layout) => layout.strides),
  ];
  const operands: readonly FusedOperand[] = [...step.inputs, ...step.outputs];
  const aligned = operands.map((operand, index) => placeStrides(operand, strides[index]!, step));
  return step.shape.map((size, axis) => ({
    size,
    reduced: step.axes.includes(axis),
    strides: aligned.map((own) => own[axis]!),
  }));
}

function virtualStrides({ shape, axis }: FusedOperand): readonly number[] {
  return axis === -1 ? denseStrides(shape) : shape.map((_, position) => (position === axis ? 1 : 0));
}

function placeStrides(operand: FusedOperand, strides: readonly number[], step: FusedPlanStep): number[] {
  const rank = step.shape.length;
  if (operand.placement !== 'dropped') return alignStrides(operand.shape, strides, rank);
  const rowAxes = step.shape.flatMap((_, axis) => (step.axes.includes(axis) ? [] : [axis]));
  const aligned = alignStrides(operand.shape, strides, rowAxes.length);
  const placed = new Array<number>(rank).fill(0);
  rowAxes.forEach((axis, position) => {
    placed[axis] = aligned[position]!;
  });
  return placed;
}

interface DynamicScalar {
  readonly offset: number;
  readonly type: 'bool' | 'i32' | 'i64' | 'f32' | 'f64';
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
    this.compiled = compiledFused(device, launch);
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
        type: registerOf(dtype),
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

function setScalar(params: ParamBlock, offset: number, type: DynamicScalar['type'], value: number): void {
  if (type === 'f32') params.setF32(offset, value);
  else if (type === 'f64') params.setF64(offset, value);
  else if (type === 'i64') params.setI64(offset, toInt64(value));
  else params.setI32(offset, type === 'bool' ? Number(value !== 0) : value | 0);
}

function toInt64(value: number): bigint {
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

// ---- Op steps

type OpPlanStep = Extract<Step, { kind: 'op' }>;

function opStep({ device, known }: BindingContext, step: OpPlanStep): BoundStep {
  switch (step.op.body.kind) {
    case 'view':
      return new ViewStep(device, step, known);
    case 'kernel':
      return new KernelStep(device, step, known);
    case 'library':
      return new LibraryStep(device, step, known);
    default:
      throw new TypeError(`${step.op.name} is not a step of its own`);
  }
}

function layoutMetas(step: OpPlanStep, known: ReadonlyMap<number, Layout>): Arguments<LayoutMeta> {
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

class ViewStep implements BoundStep {
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

/** A kernel function, or a kernel made from index notation. */
class KernelStep implements BoundStep {
  private readonly compiled: CompiledKernel;
  private readonly params: ParamBlock;
  private readonly contiguous: ContiguousInputs;
  private readonly work: number;
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
    const bindings = kernelBindings(body.kernel, step, dtypes, call.scratch ?? {});
    this.compiled = compiledFunction(device, body.kernel, bindings);
    this.params = device.createParams(this.compiled);
    for (const [name, value] of Object.entries(call.params)) this.setParam(name, value);
    this.work = call.work;
    this.scratch = Object.entries(call.scratch ?? {}).map(([name, { dtype, size }]) => ({ name, bytes: size * bytesOf[dtype] }));
    this.operands = Object.entries(step.inputs).map(([name, value]) => ({ name, value: value as number }));
    this.contiguous = new ContiguousInputs(
      device,
      this.operands.map(({ name, value }) => [value, dtypes[name]!] as const),
      known,
    );
    step.outputs.forEach((value, index) => known.set(value, contiguousLayout(step.metas[index]!.shape)));
  }

  private setParam(name: string, value: number): void {
    const offset = this.compiled.offsets.get(name);
    const declared = this.compiled.kernel.params.find((param) => param.name === name);
    if (offset === undefined || declared === undefined)
      throw new TypeError(`${this.compiled.kernel.name} has no parameter ${name}`);
    setScalar(this.params, offset, declared.type as DynamicScalar['type'], value);
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
        if (this.work > 0) device.launch(compiled, params, this.work, 1);
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

function setPointerIfUsed(compiled: CompiledKernel, params: ParamBlock, name: string, address: number): void {
  const offset = compiled.offsets.get(name);
  if (offset !== undefined) params.setPointer(offset, address);
}

/** A concrete dtype for each dtype variable of the kernel, by the buffers that carry it. */
function kernelBindings(
  kernel: Kernel,
  step: OpPlanStep,
  dtypes: Readonly<Record<string, Dtype>>,
  scratch: Readonly<Record<string, { readonly dtype: Dtype }>>,
): Record<string, Dtype> {
  const bindings: Record<string, Dtype> = {};
  for (const buffer of kernel.buffers) {
    if (buffer.storage in bytesOf) continue;
    const output = step.op.outputs.findIndex(({ name }) => name === buffer.name);
    const dtype = dtypes[buffer.name] ?? scratch[buffer.name]?.dtype ?? step.metas[output]?.dtype;
    if (dtype !== undefined) bindings[buffer.storage] ??= dtype;
  }
  return bindings;
}

class LibraryStep implements BoundStep {
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
    step.outputs.forEach((value, index) => known.set(value, contiguousLayout(step.metas[index]!.shape)));
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
