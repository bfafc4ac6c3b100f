/**
 * Layers without parameters that act element by element or reshape: activations, Dropout, Flatten. They exist to stand in Sequential;
 * elsewhere the ops of the same names do as well.
 */
import { formatValue, OpwrightError } from '../../errors.js';
import { checkOptions } from '../../options.js';
import { ops } from '../../registry.js';
import type { Tensor } from '../../tensor.js';
import { Layer } from '../layer.js';

/**
 * max(x, 0).
 *
 * @example
 * ```ts
 * console.log(new ReLU().forward(tensor([-1, 0, 2])));
 * ```
 */
export class ReLU extends Layer {
  forward(x: Tensor): Tensor {
    return ops.relu(x);
  }
}

/**
 * 1 / (1 + exp(-x)).
 *
 * @example
 * ```ts
 * console.log(new Sigmoid().forward(tensor([-1, 0, 2])));
 * ```
 */
export class Sigmoid extends Layer {
  forward(x: Tensor): Tensor {
    return ops.sigmoid(x);
  }
}

/**
 * The hyperbolic tangent.
 *
 * @example
 * ```ts
 * console.log(new Tanh().forward(tensor([-1, 0, 2])));
 * ```
 */
export class Tanh extends Layer {
  forward(x: Tensor): Tensor {
    return ops.tanh(x);
  }
}

/**
 * x times the normal distribution function of x (Hendrycks and Gimpel, Gaussian error linear units, 2016).
 *
 * @example
 * ```ts
 * console.log(new GELU().forward(tensor([-1, 0, 2])));
 * ```
 */
export class GELU extends Layer {
  /** Whether to compute 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) instead. */
  readonly approximate: boolean;

  constructor(options: { readonly approximate?: boolean } = {}) {
    super();
    checkOptions('GELU', options, ['approximate']);
    this.approximate = options.approximate ?? false;
  }

  forward(x: Tensor): Tensor {
    return ops.gelu(x, { approximate: this.approximate });
  }
}

/**
 * Exponentials along an axis, scaled to sum to one.
 *
 * @example
 * ```ts
 * console.log(new Softmax().forward(tensor([[1, 2, 3]])));
 * ```
 */
export class Softmax extends Layer {
  readonly axis: number;

  constructor(options: { readonly axis?: number } = {}) {
    super();
    checkOptions('Softmax', options, ['axis']);
    this.axis = options.axis ?? -1;
  }

  /** Throws AXIS_OUT_OF_RANGE. */
  forward(x: Tensor): Tensor {
    return ops.softmax(x, { axis: this.axis });
  }
}

export interface DropoutOptions {
  /**
   * 'upscale_in_train' (the default) divides by 1 - p in training and changes nothing in evaluation; 'downscale_in_infer' only zeroes
   * in training and multiplies by 1 - p in evaluation.
   */
  readonly mode?: 'upscale_in_train' | 'downscale_in_infer';
}

/**
 * In training, zeroes each element with probability p, drawn from the default generator.
 *
 * @example
 * ```ts
 * seed(1);
 * const dropout = new Dropout(0.5);
 * console.log(dropout.forward(ones([6])));
 * dropout.eval();
 * console.log(dropout.forward(ones([6])));
 * ```
 */
export class Dropout extends Layer {
  readonly mode: 'upscale_in_train' | 'downscale_in_infer';

  constructor(
    readonly p = 0.5,
    options: DropoutOptions = {},
  ) {
    super();
    checkOptions('Dropout', options, ['mode']);
    this.mode = options.mode ?? 'upscale_in_train';
    if (p >= 0 && p <= 1) return;
    throw new OpwrightError('INVALID_ARGUMENT', `p must lie between 0 and 1, not be ${formatValue(p)}.`, {
      op: 'Dropout',
      argument: 'p',
    });
  }

  forward(x: Tensor): Tensor {
    return ops.dropout(x, { p: this.p, training: this.training, mode: this.mode });
  }

  protected override describe(): string {
    return `${this.p}`;
  }
}

/**
 * Merges the axes from startAxis to stopAxis into one; by default all but the first.
 *
 * @example
 * ```ts
 * console.log(new Flatten().forward(ones([2, 3, 4])).shape);
 * ```
 */
export class Flatten extends Layer {
  readonly startAxis: number;
  readonly stopAxis: number;

  constructor(options: { readonly startAxis?: number; readonly stopAxis?: number } = {}) {
    super();
    checkOptions('Flatten', options, ['startAxis', 'stopAxis']);
    this.startAxis = options.startAxis ?? 1;
    this.stopAxis = options.stopAxis ?? -1;
  }

  /** Throws AXIS_OUT_OF_RANGE. */
  forward(x: Tensor): Tensor {
    return ops.flatten(x, { startAxis: this.startAxis, stopAxis: this.stopAxis });
  }
}
