/**
 * Losses: layers of a prediction and what it should have been.
 */
import { checkOptions } from '../../options.js';
import { ops } from '../../registry.js';
import type { Tensor } from '../../tensor.js';
import { Layer } from '../layer.js';

/** What becomes of the losses of single elements. */
export type Reduction = 'mean' | 'sum' | 'none';

export interface CrossEntropyOptions {
  /** [classes]: a factor for each class. It is a constant, not a parameter. */
  readonly weight?: Tensor;
  /** A label whose examples do not count; -100 by default. */
  readonly ignoreIndex?: number;
  /** 'mean' by default, weighted where there is a weight. */
  readonly reduction?: Reduction;
  /** Whether labels are distributions instead of class numbers. */
  readonly softLabel?: boolean;
  /** The axis of classes; the last by default. */
  readonly axis?: number;
}

/**
 * The cross entropy between logits and labels; softmax is part of it.
 *
 * @example
 * ```ts
 * const scores = tensor([[2, 0.5, 0], [0, 1, 3]]);
 * const labels = tensor([0, 2], { dtype: 'int32' });
 * console.log(new CrossEntropyLoss().forward(scores, labels));
 * ```
 */
export class CrossEntropyLoss extends Layer {
  constructor(readonly options: CrossEntropyOptions = {}) {
    super();
    checkOptions('CrossEntropyLoss', options, ['weight', 'ignoreIndex', 'reduction', 'softLabel', 'axis']);
  }

  /**
   * Logits [..., classes] and class numbers [...] (int32 or int64), or distributions of the logits' shape with softLabel; gives a
   * tensor of shape [], or of the labels' shape without reduction. Throws SHAPE_MISMATCH, DTYPE_MISMATCH.
   */
  forward(input: Tensor, label: Tensor): Tensor {
    return ops.crossEntropy(input, label, this.options);
  }
}

export interface MSELossOptions {
  /** 'mean' by default. */
  readonly reduction?: Reduction;
}

/**
 * The squared difference.
 *
 * @example
 * ```ts
 * console.log(new MSELoss().forward(tensor([1, 2, 3]), tensor([1, 1, 1])));
 * ```
 */
export class MSELoss extends Layer {
  constructor(readonly options: MSELossOptions = {}) {
    super();
    checkOptions('MSELoss', options, ['reduction']);
  }

  /** Two tensors that broadcast; gives a tensor of shape [], or of the broadcast shape without reduction. Throws SHAPE_MISMATCH. */
  forward(input: Tensor, label: Tensor): Tensor {
    return ops.mseLoss(input, label, this.options);
  }
}
