/**
 * Ways of keeping gradients small before an optimizer uses them: `new Adam(parameters, { gradClip: new ClipGradByGlobalNorm(1) })`. What
 * they compute are ops of ops.yaml; the gradients that layers hold stay as they are.
 */
import { formatValue, OpwrightError } from '../errors.js';
import { ops } from '../registry.js';
import type { Tensor } from '../tensor.js';

/** Gives gradients in the place of gradients, in their order, shapes and dtypes. */
export interface GradientClip {
  clip(gradients: readonly Tensor[]): readonly Tensor[];
}

/**
 * Holds each element between two bounds.
 *
 * @example
 * ```ts
 * const [clipped] = new ClipGradByValue(1).clip([tensor([-3, 0.5, 2])]);
 * console.log(clipped);
 * ```
 */
export class ClipGradByValue implements GradientClip {
  readonly max: number;
  readonly min: number;

  /** `min` is `-max` if left out. Throws INVALID_ARGUMENT if it exceeds `max`. */
  constructor(max: number, min = -max) {
    if (!(min <= max)) throw refused('ClipGradByValue', 'min', `min must not exceed max, ${max}, but is ${formatValue(min)}.`);
    this.max = max;
    this.min = min;
  }

  clip(gradients: readonly Tensor[]): readonly Tensor[] {
    return gradients.map((gradient) => ops.clip(gradient, { min: this.min, max: this.max }));
  }
}

/**
 * Scales each gradient whose norm is larger than `clipNorm` down to it.
 *
 * @example
 * ```ts
 * const clipped = new ClipGradByNorm(1).clip([tensor([3, 4]), tensor([0.3])]);
 * console.log(clipped[0], clipped[1]);
 * ```
 */
export class ClipGradByNorm implements GradientClip {
  readonly clipNorm: number;

  /** Throws INVALID_ARGUMENT unless `clipNorm` is positive. */
  constructor(clipNorm: number) {
    this.clipNorm = checkNorm('ClipGradByNorm', clipNorm);
  }

  clip(gradients: readonly Tensor[]): readonly Tensor[] {
    return gradients.map((gradient) => ops.clipByNorm(gradient, this.clipNorm));
  }
}

/**
 * Scales all gradients by one factor, so that the norm of all their elements together is at most `clipNorm`.
 *
 * @example
 * ```ts
 * const layer = new Linear(3, 2);
 * const optimizer = new SGD(layer.parameters(), { learningRate: 0.1, gradClip: new ClipGradByGlobalNorm(1) });
 * layer.forward(ones([4, 3])).sum().backward();
 * optimizer.step();
 * console.log(layer.bias);
 * ```
 */
export class ClipGradByGlobalNorm implements GradientClip {
  readonly clipNorm: number;

  /** Throws INVALID_ARGUMENT unless `clipNorm` is positive. */
  constructor(clipNorm: number) {
    this.clipNorm = checkNorm('ClipGradByGlobalNorm', clipNorm);
  }

  /** Gradients of several dtypes are scaled in the widest of them. */
  clip(gradients: readonly Tensor[]): readonly Tensor[] {
    const clipped = ops.clipByGlobalNorm(gradients, this.clipNorm);
    return clipped.map((one, index) => {
      const { dtype } = gradients[index]!;
      return one.dtype === dtype ? one : ops.cast(one, dtype);
    });
  }
}

function checkNorm(name: string, norm: number): number {
  if (norm > 0) return norm;
  throw refused(name, 'clipNorm', `clipNorm must be a positive number, not ${formatValue(norm)}.`);
}

function refused(op: string, argument: string, message: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', message, { op, argument });
}
