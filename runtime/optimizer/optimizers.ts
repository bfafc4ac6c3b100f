/**
 * The optimizers: each says what state it carries and which op computes one update. The formulas stand at the ops.
 */

import type { Parameter } from '../nn/parameter.js';
import { checkOptions } from '../options.js';
import { ops } from '../registry.js';
import type { Tensor } from '../tensor.js';
import { type Batch, checkNumber, Optimizer, type OptimizerOptions, optimizerOptionNames, type Slots } from './optimizer.js';

/**
 * parameter -= learningRate * (gradient + weightDecay * parameter).
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 1);
 * const optimizer = new SGD(layer.parameters(), { learningRate: 0.05 });
 * for (let step = 0; step < 200; step++) {
 *   layer.forward(tensor([[1, 2], [3, 4]])).subtract([[5], [11]]).square().mean().backward();
 *   optimizer.step();
 *   optimizer.clearGrad();
 * }
 * console.log(layer.forward(tensor([[1, 2], [3, 4]])).flatten().round());
 * ```
 */
export class SGD extends Optimizer {
  constructor(parameters: Iterable<Parameter>, options: OptimizerOptions = {}) {
    checkOptions('SGD', options, optimizerOptionNames);
    super(parameters, options, () => ({}));
  }

  protected updateBatch({ parameters, gradients }: Batch<Slots>, learningRate: number): void {
    ops.sgdUpdate(parameters, gradients, learningRate, { weightDecay: this.weightDecay });
  }
}

export interface MomentumOptions extends OptimizerOptions {
  /** How much of the velocity stays; 0.9 by default. */
  readonly momentum?: number;
  /** Whether to look ahead along the velocity (Nesterov); false by default. */
  readonly useNesterov?: boolean;
}

type Velocity = { readonly velocity: Tensor };

/**
 * velocity = momentum * velocity + g; parameter -= learningRate * velocity, with g = gradient + weightDecay * parameter; with
 * Nesterov's method parameter -= learningRate * (g + momentum * velocity).
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 1);
 * const optimizer = new Momentum(layer.parameters(), { learningRate: 0.1 });
 * for (let step = 0; step < 200; step++) {
 *   layer.forward(tensor([[1, 2], [3, 4]])).subtract([[5], [11]]).square().mean().backward();
 *   optimizer.step();
 *   optimizer.clearGrad();
 * }
 * console.log(layer.forward(tensor([[1, 2], [3, 4]])).flatten().round());
 * ```
 */
export class Momentum extends Optimizer<Velocity> {
  readonly momentum: number;
  readonly useNesterov: boolean;

  constructor(parameters: Iterable<Parameter>, options: MomentumOptions = {}) {
    checkOptions('Momentum', options, [...optimizerOptionNames, 'momentum', 'useNesterov']);
    super(parameters, options, (zeros) => ({ velocity: zeros() }));
    this.momentum = checkNumber('Momentum', 'momentum', options.momentum ?? 0.9);
    this.useNesterov = options.useNesterov ?? false;
  }

  protected updateBatch({ parameters, gradients, slots }: Batch<Velocity>, learningRate: number): void {
    const { momentum, useNesterov, weightDecay } = this;
    const velocities = slots.map(({ velocity }) => velocity);
    ops.momentumUpdate(parameters, gradients, velocities, learningRate, { momentum, nesterov: useNesterov, weightDecay });
  }
}

export interface AdamOptions extends OptimizerOptions {
  /** How much of the mean gradient stays; 0.9 by default. */
  readonly beta1?: number;
  /** How much of the mean squared gradient stays; 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root of the mean squared gradient; 1e-8 by default. */
  readonly epsilon?: number;
}

type Moments = { readonly moment1: Tensor; readonly moment2: Tensor };

/**
 * Steps along the mean gradient divided by the root of the mean squared one, both corrected for their start at 0 (Kingma and Ba, Adam,
 * 2015). Weight decay is added to the gradient.
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 1);
 * const optimizer = new Adam(layer.parameters(), { learningRate: 0.1 });
 * for (let step = 0; step < 200; step++) {
 *   layer.forward(tensor([[1, 2], [3, 4]])).subtract([[5], [11]]).square().mean().backward();
 *   optimizer.step();
 *   optimizer.clearGrad();
 * }
 * console.log(layer.forward(tensor([[1, 2], [3, 4]])).flatten().round());
 * ```
 */
export class Adam extends Optimizer<Moments> {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;

  constructor(parameters: Iterable<Parameter>, options: AdamOptions = {}) {
    checkOptions(new.target.name, options, [...optimizerOptionNames, 'beta1', 'beta2', 'epsilon']);
    super(parameters, options, (zeros) => ({ moment1: zeros(), moment2: zeros() }));
    this.beta1 = checkNumber(new.target.name, 'beta1', options.beta1 ?? 0.9, 1);
    this.beta2 = checkNumber(new.target.name, 'beta2', options.beta2 ?? 0.999, 1);
    this.epsilon = checkNumber(new.target.name, 'epsilon', options.epsilon ?? 1e-8);
  }

  protected updateBatch({ parameters, gradients, slots }: Batch<Moments>, learningRate: number, update: number): void {
    const { beta1, beta2, epsilon, weightDecay } = this;
    const corrections = [1 - beta1 ** update, 1 - beta2 ** update] as const;
    const options = { beta1, beta2, epsilon, weightDecay };
    const [moments1, moments2] = [slots.map(({ moment1 }) => moment1), slots.map(({ moment2 }) => moment2)];
    this.updateOp(parameters, gradients, moments1, moments2, learningRate, ...corrections, options);
  }

  protected get updateOp(): typeof ops.adamUpdate {
    return ops.adamUpdate;
  }
}

/**
 * Adam whose weight decay, 0.01 by default, acts on the parameters themselves (Loshchilov and Hutter, Decoupled weight decay, 2019).
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 1);
 * const optimizer = new AdamW(layer.parameters(), { learningRate: 0.1 });
 * for (let step = 0; step < 200; step++) {
 *   layer.forward(tensor([[1, 2], [3, 4]])).subtract([[5], [11]]).square().mean().backward();
 *   optimizer.step();
 *   optimizer.clearGrad();
 * }
 * console.log(layer.forward(tensor([[1, 2], [3, 4]])).flatten().round());
 * ```
 */
export class AdamW extends Adam {
  constructor(parameters: Iterable<Parameter>, options: AdamOptions = {}) {
    super(parameters, { ...options, weightDecay: options.weightDecay ?? 0.01 });
  }

  protected override get updateOp(): typeof ops.adamUpdate {
    return ops.adamwUpdate;
  }
}
