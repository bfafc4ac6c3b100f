/**
 * Layers whose parameters are matrices or tables of vectors: Linear and Embedding.
 */
import { byteSize } from '../../dtype.js';
import { OpwrightError } from '../../errors.js';
import { checkOptions } from '../../options.js';
import { ops } from '../../registry.js';
import type { Tensor } from '../../tensor.js';
import { createParameter, type ParameterizedOptions, parameterizedOptionNames } from '../attribute.js';
import { checkInteger } from '../check.js';
import { Constant, XavierUniform } from '../initializer.js';
import { Layer } from '../layer.js';
import type { Parameter } from '../parameter.js';

/**
 * An affine map of the last dimension: x · weight + bias.
 *
 * @example
 * ```ts
 * const layer = new Linear(3, 2);
 * console.log(layer.weight.shape, layer.bias?.shape);
 * console.log(layer.forward(ones([4, 3])).shape);
 * ```
 */
export class Linear extends Layer {
  /** [inFeatures, outFeatures]; XavierUniform by default. */
  readonly weight: Parameter;
  /** [outFeatures], or null. */
  readonly bias: Parameter | null;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: ParameterizedOptions = {},
  ) {
    super();
    checkOptions('Linear', options, parameterizedOptionNames);
    checkInteger('Linear', 'inFeatures', inFeatures);
    checkInteger('Linear', 'outFeatures', outFeatures);
    const { weightAttr, biasAttr, dtype } = options;
    this.weight = createParameter([inFeatures, outFeatures], new XavierUniform(), weightAttr, dtype);
    this.bias = biasAttr === false ? null : createParameter([outFeatures], new Constant(0), biasAttr, dtype);
  }

  /** [..., inFeatures] to [..., outFeatures]. Throws SHAPE_MISMATCH. */
  forward(x: Tensor): Tensor {
    return ops.linear(x, this.weight, this.bias === null ? {} : { bias: this.bias });
  }

  protected override describe(): string {
    return `${this.inFeatures}, ${this.outFeatures}`;
  }
}

export interface EmbeddingOptions extends Omit<ParameterizedOptions, 'biasAttr'> {
  /** A row that is zero from the beginning, whose indices give zeros and send it no gradient. Negative rows count from the end. */
  readonly paddingIndex?: number;
}

/**
 * A table of vectors, looked up by index.
 *
 * @example
 * ```ts
 * const table = new Embedding(10, 4);
 * console.log(table.forward(tensor([[1, 2], [3, 1]], { dtype: 'int32' })).shape);
 * ```
 */
export class Embedding extends Layer {
  /** [count, dimension]; XavierUniform by default. */
  readonly weight: Parameter;
  readonly paddingIndex: number | null;

  constructor(
    readonly count: number,
    readonly dimension: number,
    options: EmbeddingOptions = {},
  ) {
    super();
    checkOptions('Embedding', options, ['paddingIndex', 'weightAttr', 'dtype']);
    checkInteger('Embedding', 'count', count);
    checkInteger('Embedding', 'dimension', dimension);
    this.paddingIndex = placeOf(options.paddingIndex, count);
    this.weight = createParameter([count, dimension], new XavierUniform(), options.weightAttr, options.dtype);
    if (this.paddingIndex !== null) clearRow(this.weight, this.paddingIndex);
  }

  /** Indices [...] of dtype int32 or int64 to [..., dimension]. Throws INDEX_OUT_OF_RANGE, DTYPE_MISMATCH. */
  forward(index: Tensor): Tensor {
    return ops.embedding(index, this.weight, { paddingIndex: this.paddingIndex });
  }

  protected override describe(): string {
    return `${this.count}, ${this.dimension}`;
  }
}

/** Zeroes a row of a table that was just made, whose rows lie one after another. */
function clearRow({ device, storage, dtype, shape, size }: Parameter, row: number): void {
  const bytes = (size / shape[0]!) * byteSize(dtype);
  device.fill(storage.address + row * bytes, bytes, 0);
}

function placeOf(paddingIndex: number | undefined, count: number): number | null {
  if (paddingIndex === undefined) return null;
  if (Number.isInteger(paddingIndex) && paddingIndex >= -count && paddingIndex < count) return (paddingIndex + count) % count;
  throw new OpwrightError('INDEX_OUT_OF_RANGE', `paddingIndex ${paddingIndex} is no row of a table of ${count}.`, {
    op: 'Embedding',
    argument: 'paddingIndex',
    rule: `an integer in [-${count}, ${count})`,
  });
}
