/**
 * Plans bound to operands: what runs when an op is called with shapes, dtypes and attributes that were seen before.
 *
 * Binding does everything that depends on layouts alone (variants, compiled kernels, parameter blocks, output layouts); a run fills
 * in addresses and numbers and launches. Nothing here records gradients or checks arguments: dispatch.ts does.
 */
import type { Shape } from '../kernels/op.js';
import type { Plan, Step } from '../kernels/partition.js';
import { addressOf, StridedCopy } from './copies.js';
import { type Device, TierLost } from './devices/device.js';
import type { Dtype } from './dtype.js';
import type { Layout } from './layout.js';
import { defaultGenerator, type RandomDraw } from './random.js';
import { FusedStep } from './steps/fused.js';
import { KernelStep } from './steps/kernel.js';
import { LibraryStep } from './steps/library.js';
import type { BindingContext, BoundStep, OpPlanStep, RunArguments, RunContext, WriteTargets } from './steps/step.js';
import { ViewStep } from './steps/view.js';
import { Tensor } from './tensor.js';

/** What a plan is bound to. Slots are named in the order in which a run's values come. */
export interface PlanOperands {
  readonly slotNames: readonly string[];
  /** The layout of each slot that holds a tensor. */
  readonly layouts: readonly (Layout | undefined)[];
  /** For an output that replaces an input: that input's slot. */
  readonly writes?: ReadonlyMap<number, number>;
}

export class BoundPlan {
  private readonly steps: BoundStep[] = [];
  /** Values to let go of after each step: intermediates at their last use. */
  private readonly releases: number[][] = [];
  /** Value and slot of each input tensor. */
  private readonly inputs: readonly (readonly [number, number])[];
  private readonly isInput: ReadonlySet<number>;
  /** Of each output, whether its tensor is an input's or an earlier output's. */
  private readonly shared: readonly boolean[];
  /** The slots whose tensors a run overwrites. */
  readonly written: readonly number[];
  /** Copies back into mutated inputs that no kernel writes itself. */
  private readonly copies: { readonly value: number; readonly slot: number; readonly copy: StridedCopy }[] = [];

  /** Binds a plan, and once more where a tier that it was bound to turns out to be unable to compile. */
  static bind(device: Device, plan: Plan, operands: PlanOperands): BoundPlan {
    const bound = new BoundPlan(device, plan, operands);
    try {
      device.finishCompiling();
      return bound;
    } catch (error) {
      bound.free();
      if (error instanceof TierLost) return new BoundPlan(device, plan, operands);
      throw error;
    }
  }

  private constructor(
    readonly device: Device,
    private readonly plan: Plan,
    operands: PlanOperands,
  ) {
    const slotOf = new Map(operands.slotNames.map((name, slot) => [name, slot]));
    this.inputs = [...plan.inputs].map(([value, name]) => [value, slotOf.get(name)!] as const);
    this.isInput = new Set(plan.inputs.keys());
    this.shared = plan.outputs.map((value, place) => this.isInput.has(value) || plan.outputs.indexOf(value) < place);
    const known = new Map<number, Layout>();
    for (const [value, slot] of this.inputs) {
      const layout = operands.layouts[slot];
      if (layout !== undefined) known.set(value, layout);
    }
    const writes = new Map([...(operands.writes ?? [])].map(([output, slot]) => [plan.outputs[output]!, slot]));
    const direct = directWrites(plan, writes, this.inputs);
    const binding: BindingContext = { device, known, direct, slotOf, layouts: operands.layouts };
    for (const step of plan.steps) this.steps.push(step.kind === 'fused' ? new FusedStep(binding, step) : opStep(binding, step));
    const changing = [...writes].filter(([value, slot]) => !this.inputs.some(([input, own]) => input === value && own === slot));
    this.written = changing.map(([, slot]) => slot);
    for (const [value, slot] of changing) {
      const target = operands.layouts[slot]!;
      if (!direct.has(value))
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
    try {
      this.runSteps(values, args);
    } catch (error) {
      values.forEach((value, place) => {
        if (!this.isInput.has(place)) value?.dispose();
      });
      throw error;
    }
    const { outputs } = this.plan;
    const results: Tensor[] = new Array(outputs.length);
    for (let i = 0; i < outputs.length; i++) {
      const tensor = values[outputs[i]!]!;
      results[i] = this.shared[i] ? new Tensor(tensor.storage, tensor.layout, tensor.dtype) : tensor;
    }
    return results;
  }

  private runSteps(values: (Tensor | undefined)[], args: RunArguments): void {
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
