/**
 * Layers that slide a window over images [n, c, h, w]: convolution and pooling.
 */
import { OpwrightError } from '../../errors.js';
import { checkOptions } from '../../options.js';
import { ops } from '../../registry.js';
import type { Tensor } from '../../tensor.js';
import { createParameter, type ParameterizedOptions, parameterizedOptionNames } from '../attribute.js';
import { checkInteger, type Pair, windowOf } from '../check.js';
import { Constant, Normal } from '../initializer.js';
import { Layer } from '../layer.js';
import type { Parameter } from '../parameter.js';

/**
 * What is put around an image: one number for all sides, [height, width], [top, bottom, left, right], 'same' for as many windows as
 * strides fit into the image, 'valid' for nothing.
 */
export type Padding = number | readonly [number, number] | readonly [number, number, number, number] | 'same' | 'valid';

export interface Conv2DOptions extends ParameterizedOptions {
  readonly stride?: Pair;
  readonly padding?: Padding;
  readonly dilation?: Pair;
  /** Channels and filters are split into so many blocks, each convolved on its own. */
  readonly groups?: number;
}

/**
 * A bank of filters, applied at every place of an image; the filters are not flipped.
 *
 * @example
 * ```ts
 * const layer = new Conv2D(3, 8, 5, { stride: 2, padding: 2 });
 * console.log(layer);
 * console.log(layer.forward(ones([1, 3, 32, 32])).shape);
 * ```
 */
export class Conv2D extends Layer {
  /** [outChannels, inChannels / groups, height, width]; Normal with variance 2 / (inChannels * height * width) by default. */
  readonly weight: Parameter;
  /** [outChannels], or null. */
  readonly bias: Parameter | null;
  readonly kernelSize: readonly [number, number];
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Pair,
    options: Conv2DOptions = {},
  ) {
    super();
    checkOptions('Conv2D', options, ['stride', 'padding', 'dilation', 'groups', ...parameterizedOptionNames]);
    const { stride = 1, padding = 0, dilation = 1, groups = 1, weightAttr, biasAttr, dtype } = options;
    this.kernelSize = windowOf('Conv2D', 'kernelSize', kernelSize);
    this.stride = stride;
    this.padding = padding;
    this.dilation = dilation;
    this.groups = groups;
    checkChannels(inChannels, outChannels, groups);
    const [height, width] = this.kernelSize;
    const initializer = new Normal(0, Math.sqrt(2 / (inChannels * height * width)));
    this.weight = createParameter([outChannels, inChannels / groups, height, width], initializer, weightAttr, dtype);
    this.bias = biasAttr === false ? null : createParameter([outChannels], new Constant(0), biasAttr, dtype);
  }

  /** [n, inChannels, h, w] to [n, outChannels, h', w'], h' = floor((h + padding - dilation * (height - 1) - 1) / stride) + 1. */
  forward(x: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return ops.conv2d(x, weight, { ...(bias === null ? {} : { bias }), stride, padding, dilation, groups });
  }

  protected override describe(): string {
    const { inChannels, outChannels, kernelSize, stride, padding } = this;
    return `${inChannels}, ${outChannels}, [${kernelSize.join(', ')}], stride ${stride}, padding ${padding}`;
  }
}

function checkChannels(inChannels: number, outChannels: number, groups: number): void {
  checkInteger('Conv2D', 'inChannels', inChannels);
  checkInteger('Conv2D', 'outChannels', outChannels);
  checkInteger('Conv2D', 'groups', groups);
  if (inChannels % groups === 0 && outChannels % groups === 0) return;
  throw new OpwrightError(
    'INVALID_ARGUMENT',
    `${inChannels} and ${outChannels} channels cannot be split into ${groups} groups.`,
    {
      op: 'Conv2D',
      argument: 'groups',
      rule: 'inChannels and outChannels are multiples of groups',
    },
  );
}

export interface PoolOptions {
  /** How far the window moves; by its own size unless given. */
  readonly stride?: Pair;
  readonly padding?: Padding;
  /** Counts a last window that reaches over the edge. */
  readonly ceilMode?: boolean;
}

/**
 * The largest element of each window; padding never is it.
 *
 * @example
 * ```ts
 * const image = tensor([[[[1, 2], [3, 4]]]]);
 * console.log(new MaxPool2D(2).forward(image));
 * ```
 */
export class MaxPool2D extends Layer {
  readonly kernelSize: readonly [number, number];

  constructor(
    kernelSize: Pair,
    readonly options: PoolOptions = {},
  ) {
    super();
    checkOptions('MaxPool2D', options, ['stride', 'padding', 'ceilMode']);
    this.kernelSize = windowOf('MaxPool2D', 'kernelSize', kernelSize);
  }

  /** [n, c, h, w] to [n, c, h', w'], h' = floor((h + padding - height) / stride) + 1. */
  forward(x: Tensor): Tensor {
    return ops.maxPool2d(x, this.kernelSize, this.options);
  }

  protected override describe(): string {
    return `[${this.kernelSize.join(', ')}]`;
  }
}

export interface AvgPoolOptions extends PoolOptions {
  /** Divides by the number of elements in the image instead of that of the window; true by default. */
  readonly exclusive?: boolean;
}

/**
 * The mean of each window.
 *
 * @example
 * ```ts
 * const image = tensor([[[[1, 2], [3, 4]]]]);
 * console.log(new AvgPool2D(2).forward(image));
 * ```
 */
export class AvgPool2D extends Layer {
  readonly kernelSize: readonly [number, number];

  constructor(
    kernelSize: Pair,
    readonly options: AvgPoolOptions = {},
  ) {
    super();
    checkOptions('AvgPool2D', options, ['stride', 'padding', 'ceilMode', 'exclusive']);
    this.kernelSize = windowOf('AvgPool2D', 'kernelSize', kernelSize);
  }

  /** [n, c, h, w] to [n, c, h', w'], h' = floor((h + padding - height) / stride) + 1. */
  forward(x: Tensor): Tensor {
    return ops.avgPool2d(x, this.kernelSize, this.options);
  }

  protected override describe(): string {
    return `[${this.kernelSize.join(', ')}]`;
  }
}
