/**
 * The base class of optimizers: parameters with their state, the learning rate, and the loop over gradients. What one update computes
 * is an op of ops.yaml; which op, and with what state, is optimizers.ts.
 */
import { noGrad } from '../autograd.js';
import { tensor } from '../create.js';
import { formatValue, OpwrightError } from '../errors.js';
import { tidy } from '../memory.js';
import type { GradientClip } from '../nn/gradient-clip.js';
import { clearGradient } from '../nn/layer.js';
import { BufferTensor, Parameter, settle } from '../nn/parameter.js';
import { restoreState, type StateDict } from '../nn/state.js';
import { emptyTensor, type Tensor } from '../tensor.js';

/** A rate for each update, counted from 0: `(update) => 0.1 * 0.5 ** Math.floor(update / 1000)`. */
export type LearningRateSchedule = (update: number) => number;

export interface OptimizerOptions {
  /** A number or a schedule; 0.001 by default. */
  readonly learningRate?: number | LearningRateSchedule;
  /** How strongly parameters are drawn to 0; what exactly is added where, the optimizer documents. */
  readonly weightDecay?: number;
  /** Keeps gradients small, before weight decay is added to them; see ClipGradByGlobalNorm of `opwright/nn`. */
  readonly gradClip?: GradientClip;
}

export const optimizerOptionNames = ['learningRate', 'weightDecay', 'gradClip'] as const;

/** Tensors of a parameter's shape and dtype that an optimizer carries from one update to the next. */
export type Slots = Readonly<Record<string, Tensor>>;

/** Parameters that are updated together: they share a dtype and a rate. The lists are in the same order. */
export interface Batch<S extends Slots> {
  readonly parameters: readonly Parameter[];
  readonly gradients: readonly Tensor[];
  readonly slots: readonly S[];
}

const updatesKey = 'updates';

/**
 * Updates parameters by their gradients. `S` is what it carries for each of them.
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 1);
 * const optimizer = new Momentum(layer.parameters(), { learningRate: (update) => 0.1 * 0.5 ** update });
 * console.log(optimizer.currentLearningRate);
 * layer.forward(ones([4, 2])).mean().backward();
 * optimizer.step();
 * optimizer.clearGrad();
 * console.log(optimizer.currentLearningRate, optimizer.updateCount);
 * ```
 */
export abstract class Optimizer<S extends Slots = Slots> {
  readonly parameters: readonly Parameter[];
  /** May be changed at any time. */
  learningRate: number | LearningRateSchedule;
  readonly weightDecay: number;
  readonly gradClip: GradientClip | undefined;
  private readonly slots: readonly S[];
  private updates = 0;

  /**
   * `createSlots` makes the slots of one parameter from zeros of its shape.
   *
   * Throws INVALID_ARGUMENT for parameters that are none, or given twice, and for options out of range.
   */
  constructor(parameters: Iterable<Parameter>, options: OptimizerOptions, createSlots: (zeros: () => Tensor) => S) {
    this.parameters = checkParameters([...parameters], this.constructor.name);
    this.learningRate = options.learningRate ?? 0.001;
    this.weightDecay = checkNumber(this.constructor.name, 'weightDecay', options.weightDecay ?? 0);
    this.gradClip = options.gradClip;
    this.slots = this.parameters.map((parameter) => createSlots(() => zerosLike(parameter)));
  }

  /** Updates parameters and their slots in place. `update` counts from 1. */
  protected abstract updateBatch(batch: Batch<S>, learningRate: number, update: number): void;

  /** How many updates were made. */
  get updateCount(): number {
    return this.updates;
  }

  /** The rate of the next update. Throws INVALID_ARGUMENT if the schedule gives no number >= 0. */
  get currentLearningRate(): number {
    const { learningRate } = this;
    const rate = typeof learningRate === 'function' ? learningRate(this.updates) : learningRate;
    return checkNumber(this.constructor.name, 'learningRate', rate);
  }

  /** Updates every parameter that has a gradient and is not frozen. The gradients stay until clearGrad(). */
  step(): void {
    const rate = this.currentLearningRate;
    this.updates++;
    noGrad(() => tidy(() => this.updateAll(rate)));
  }

  private updateAll(rate: number): void {
    const places = this.parameters.flatMap((parameter, place) =>
      parameter.peekGradient() === null || parameter.stopGradient ? [] : [place],
    );
    // A model may have moved to another device since the last step.
    for (const place of places)
      for (const slot of Object.values(this.slots[place]!)) settle(slot, this.parameters[place]!.device);
    const own = places.map((place) => this.parameters[place]!.peekGradient()!);
    const gradients = this.gradClip === undefined || own.length === 0 ? own : this.gradClip.clip(own);
    const batches = new Map<string, number[]>();
    places.forEach((place, index) => {
      const { dtype, learningRate } = this.parameters[place]!;
      const key = `${dtype} ${learningRate}`;
      const batch = batches.get(key);
      if (batch === undefined) batches.set(key, [index]);
      else batch.push(index);
    });
    for (const indices of batches.values()) {
      const batch: Batch<S> = {
        parameters: indices.map((index) => this.parameters[places[index]!]!),
        gradients: indices.map((index) => gradients[index]!),
        slots: indices.map((index) => this.slots[places[index]!]!),
      };
      this.updateBatch(batch, rate * batch.parameters[0]!.learningRate, this.updates);
    }
  }

  /** Drops all gradients, so that the next backward() starts anew. */
  clearGrad(): void {
    for (const parameter of this.parameters) clearGradient(parameter);
  }

  /** What the optimizer carries: its slots, `<place of the parameter>.<slot>`, which are not copied, and the count of updates. */
  stateDict(): StateDict {
    const state: StateDict = { [updatesKey]: tensor(this.updates, { dtype: 'int32' }) };
    this.slots.forEach((slots, index) => {
      for (const [name, slot] of Object.entries(slots)) state[`${index}.${name}`] = slot;
    });
    return state;
  }

  /** Restores what stateDict() gave, for the same parameters in the same order. Errors are those of Layer.setStateDict. */
  setStateDict(state: Readonly<StateDict>): void {
    const target = this.stateDict();
    restoreState(this.constructor.name, target, state);
    this.updates = target[updatesKey]!.item();
  }

  /** Frees the slots. The optimizer cannot be used any more. */
  dispose(): void {
    for (const slot of Object.values(this.stateDict())) slot.dispose();
  }
}

function zerosLike({ device, shape, dtype }: Parameter): Tensor {
  using zeros = emptyTensor(device, shape, dtype);
  device.fill(zeros.storage.address, zeros.storage.bytes, 0);
  return new BufferTensor(zeros);
}

function checkParameters(parameters: readonly Parameter[], optimizer: string): readonly Parameter[] {
  const fault = parametersFault(parameters);
  if (fault === undefined) return parameters;
  throw new OpwrightError('INVALID_ARGUMENT', fault, {
    op: optimizer,
    argument: 'parameters',
    remedy: 'Give layer.parameters().',
  });
}

function parametersFault(parameters: readonly Parameter[]): string | undefined {
  if (parameters.length === 0) return 'There are no parameters to optimize.';
  const wrong = parameters.find((parameter) => !(parameter instanceof Parameter));
  if (wrong !== undefined) return `${formatValue(wrong)} is no parameter.`;
  return new Set(parameters).size < parameters.length ? 'A parameter was given twice.' : undefined;
}

/** The number, if it lies in [0, below). Throws INVALID_ARGUMENT. */
export function checkNumber(optimizer: string, argument: string, value: number, below = Infinity): number {
  if (value >= 0 && value < below) return value;
  throw new OpwrightError('INVALID_ARGUMENT', `${argument} must be a number in [0, ${below}), not ${formatValue(value)}.`, {
    op: optimizer,
    argument,
  });
}
