/**
 * The two kinds of tensors that a layer owns: parameters, which optimizers update, and buffers, which the layer itself updates. Both
 * keep one storage for as long as they stay on their device, are written in place, and survive every tidy(). How layers find theirs is
 * layer.ts.
 */
import { noGrad } from '../autograd.js';
import { tensor } from '../create.js';
import type { Device } from '../devices/device.js';
import { byteSize, type Dtype, isFloating } from '../dtype.js';
import { formatValue, OpwrightError } from '../errors.js';
import { to } from '../move.js';
import { emptyTensor, Tensor } from '../tensor.js';

export interface ParameterOptions {
  /** Whether backward() computes a gradient and optimizers update it; true by default. Change it later through `stopGradient`. */
  readonly trainable?: boolean;
  /** Multiplies the optimizer's learning rate for this parameter; 1 by default. */
  readonly learningRate?: number;
}

/**
 * A tensor that is trained.
 *
 * @example
 * ```ts
 * const weight = new Parameter(tensor([1, 2, 3]));
 * weight.square().sum().backward();
 * console.log(weight.stopGradient, weight.grad);
 * ```
 */
export class Parameter<D extends Dtype = Dtype> extends Tensor<D> {
  /** Multiplies the optimizer's learning rate. */
  learningRate: number;

  /** A parameter with a copy of the values. Throws DTYPE_MISMATCH unless they are floating, INVALID_ARGUMENT. */
  constructor(values: Tensor<D>, options: ParameterOptions = {}) {
    if (!isFloating(values.dtype)) {
      throw new OpwrightError('DTYPE_MISMATCH', `A parameter must have a floating dtype, not ${values.dtype}.`, {
        op: 'Parameter',
        argument: 'values',
        remedy: 'Keep integers in a BufferTensor.',
      });
    }
    const { trainable = true, learningRate = 1 } = options;
    if (!(learningRate >= 0 && learningRate < Infinity)) {
      throw new OpwrightError('INVALID_ARGUMENT', `learningRate must be a number >= 0, not ${formatValue(learningRate)}.`, {
        op: 'Parameter',
        argument: 'learningRate',
      });
    }
    const copy = copyOf(values);
    super(copy.storage, copy.layout, copy.dtype, !trainable);
    copy.dispose();
    this.learningRate = learningRate;
    this.isKept = true;
  }
}

/**
 * A tensor that belongs to a layer's state and is not trained, such as running statistics.
 *
 * @example
 * ```ts
 * const runningMean = new BufferTensor(zeros([3]));
 * console.log(runningMean.shape, runningMean.stopGradient);
 * ```
 */
export class BufferTensor<D extends Dtype = Dtype> extends Tensor<D> {
  /** A buffer with a copy of the values. */
  constructor(values: Tensor<D>) {
    const copy = copyOf(values);
    super(copy.storage, copy.layout, copy.dtype);
    copy.dispose();
    this.isKept = true;
  }
}

/** A contiguous copy with a storage of its own, outside of the gradient graph. */
function copyOf<D extends Dtype>(source: Tensor<D>): Tensor<D> {
  const copy = emptyTensor(source.device, source.shape, source.dtype);
  assign(copy, source);
  return copy;
}

/**
 * Writes the values of one tensor into another's storage, converted to its dtype. The target must be contiguous; the shapes must be
 * equal, and the dtypes equal or both floating, which the caller has checked.
 */
export function assign(target: Tensor, source: Tensor): void {
  source.checkUsable('assign');
  target.checkUsable('assign');
  const { device, dtype, shape, size } = target;
  if (source.device !== device || source.dtype !== dtype || !source.layout.contiguous) {
    using converted = tensor(source.dataSync(), { dtype, shape, device });
    assign(target, converted);
    return;
  }
  device.copy(addressOf(source), addressOf(target), size * byteSize(dtype));
  target.storage.version++;
}

/** Moves a parameter, or what belongs to a layer's or an optimizer's state, to a device. Whoever has it goes on having it. */
export function settle(state: Tensor, device: Device): void {
  if (state.device !== device)
    state.become(
      noGrad(() => to(state, device)),
      false,
    );
}

function addressOf({ storage, layout, dtype }: Tensor): number {
  return storage.address + layout.offset * byteSize(dtype);
}
