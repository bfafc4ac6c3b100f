/**
 * Layers that shift and scale to mean 0 and variance 1, by channel over the batch or by example over its features.
 */
import type { Shape } from '../../../kernels/op.js';
import { type FloatingDtype, getDefaultDtype } from '../../dtype.js';
import { formatShape, OpwrightError } from '../../errors.js';
import { checkOptions } from '../../options.js';
import { ops } from '../../registry.js';
import type { Tensor } from '../../tensor.js';
import { createParameter, type ParameterAttribute, type ParameterizedOptions, parameterizedOptionNames } from '../attribute.js';
import { checkInteger } from '../check.js';
import { Constant } from '../initializer.js';
import { Layer } from '../layer.js';
import { BufferTensor, type Parameter } from '../parameter.js';

export interface BatchNormOptions extends ParameterizedOptions {
  /** running = running * momentum + batch * (1 - momentum); 0.9 by default. */
  readonly momentum?: number;
  /** Added to the variance; 1e-5 by default. */
  readonly epsilon?: number;
}

/**
 * Normalizes each channel of images: by the batch in training, by running statistics in evaluation.
 *
 * @example
 * ```ts
 * const layer = new BatchNorm2D(3);
 * console.log(layer.forward(ones([2, 3, 4, 4])).shape);
 * console.log(layer.runningMean);
 * ```
 */
export class BatchNorm2D extends Layer {
  /** [features]; ones by default. */
  readonly weight: Parameter;
  /** [features]; with biasAttr false it stays 0. */
  readonly bias: Parameter;
  /** [features], from 0 on. */
  readonly runningMean: BufferTensor;
  /** [features], from 1 on; the biased variance. */
  readonly runningVariance: BufferTensor;
  readonly momentum: number;
  readonly epsilon: number;

  constructor(
    readonly features: number,
    options: BatchNormOptions = {},
  ) {
    super();
    checkOptions('BatchNorm2D', options, ['momentum', 'epsilon', ...parameterizedOptionNames]);
    checkInteger('BatchNorm2D', 'features', features);
    const { momentum = 0.9, epsilon = 1e-5, weightAttr, biasAttr, dtype } = options;
    this.momentum = momentum;
    this.epsilon = epsilon;
    this.weight = createParameter([features], new Constant(1), weightAttr, dtype);
    this.bias = createParameter([features], new Constant(0), frozenWithout(biasAttr), dtype);
    this.runningMean = createBuffer([features], 0, dtype);
    this.runningVariance = createBuffer([features], 1, dtype);
  }

  /** [n, features, h, w], the same shape back. Throws RANK_MISMATCH, SHAPE_MISMATCH. */
  forward(x: Tensor): Tensor {
    if (x.rank !== 4) {
      throw new OpwrightError('RANK_MISMATCH', `BatchNorm2D takes images [n, c, h, w], not ${formatShape(x.shape)}.`, {
        op: 'BatchNorm2D',
        argument: 'x',
        shapes: { x: x.shape },
      });
    }
    const { weight, bias, training, momentum, epsilon } = this;
    return ops.batchNorm(x, this.runningMean, this.runningVariance, { weight, bias, training, momentum, epsilon });
  }

  protected override describe(): string {
    return `${this.features}`;
  }
}

function frozenWithout(attribute: ParameterAttribute | false | undefined): ParameterAttribute | undefined {
  return attribute === false ? { trainable: false } : attribute;
}

function createBuffer(shape: Shape, value: number, dtype: FloatingDtype = getDefaultDtype()): BufferTensor {
  using values = new Constant(value).create(shape, dtype);
  return new BufferTensor(values);
}

export interface LayerNormOptions extends Omit<ParameterizedOptions, 'weightAttr'> {
  /** The weight begins at 1; false for no weight. */
  readonly weightAttr?: ParameterAttribute | false;
  /** Added to the variance; 1e-5 by default. */
  readonly epsilon?: number;
}

/**
 * Normalizes the last dimensions of each example (Ba, Kiros and Hinton, Layer normalization, 2016).
 *
 * @example
 * ```ts
 * console.log(new LayerNorm(3).forward(tensor([[1, 2, 3], [4, 6, 8]])));
 * ```
 */
export class LayerNorm extends Layer {
  readonly normalizedShape: Shape;
  /** Of normalizedShape, or null. */
  readonly weight: Parameter | null;
  /** Of normalizedShape, or null. */
  readonly bias: Parameter | null;
  readonly epsilon: number;

  /** `normalizedShape`: the sizes of the last dimensions, or the size of the last one. */
  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    checkOptions('LayerNorm', options, ['epsilon', ...parameterizedOptionNames]);
    this.normalizedShape = typeof normalizedShape === 'number' ? [normalizedShape] : [...normalizedShape];
    for (const size of this.normalizedShape) checkInteger('LayerNorm', 'normalizedShape', size);
    const { weightAttr, biasAttr, dtype, epsilon = 1e-5 } = options;
    this.epsilon = epsilon;
    this.weight = weightAttr === false ? null : createParameter(this.normalizedShape, new Constant(1), weightAttr, dtype);
    this.bias = biasAttr === false ? null : createParameter(this.normalizedShape, new Constant(0), biasAttr, dtype);
  }

  /** [..., ...normalizedShape], the same shape back. Throws SHAPE_MISMATCH. */
  forward(x: Tensor): Tensor {
    const { weight, bias, epsilon } = this;
    return ops.layerNorm(x, this.normalizedShape, {
      ...(weight === null ? {} : { weight }),
      ...(bias === null ? {} : { bias }),
      epsilon,
    });
  }

  protected override describe(): string {
    return formatShape(this.normalizedShape);
  }
}
