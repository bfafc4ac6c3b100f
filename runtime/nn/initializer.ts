/**
 * How parameters begin. Random ones draw from the default generator, so that `seed()` decides every parameter, on every device. What
 * a layer uses unless told otherwise is written at the layer.
 */
import type { Shape } from '../../kernels/op.js';
import { type TensorData, tensor } from '../create.js';
import type { FloatingDtype } from '../dtype.js';
import { formatShape, OpwrightError } from '../errors.js';
import { sameShape } from '../layout.js';
import { ops } from '../registry.js';
import { Tensor } from '../tensor.js';

/** Makes the first values of a parameter. */
export interface Initializer {
  create(shape: Shape, dtype: FloatingDtype): Tensor;
}

/**
 * Every element the same.
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 2, { weightAttr: { initializer: new Constant(0.5) } });
 * console.log(layer.weight);
 * ```
 */
export class Constant implements Initializer {
  constructor(readonly value = 0) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    return ops.full(shape, this.value, { dtype });
  }
}

/**
 * Given values: a tensor of the parameter's shape, or nested arrays.
 *
 * @example
 * ```ts
 * const layer = new Linear(2, 2, { weightAttr: { initializer: new Assign([[1, 0], [0, 1]]) } });
 * console.log(layer.forward(tensor([[3, 4]])));
 * ```
 */
export class Assign implements Initializer {
  constructor(readonly values: Tensor | TensorData) {}

  /** Throws SHAPE_MISMATCH. */
  create(shape: Shape, dtype: FloatingDtype): Tensor {
    const { values } = this;
    const result = tensor(values instanceof Tensor ? values.dataSync() : values, {
      dtype,
      ...(values instanceof Tensor ? { shape: values.shape } : {}),
    });
    if (sameShape(result.shape, shape)) return result;
    result.dispose();
    throw new OpwrightError('SHAPE_MISMATCH', `The parameter has the shape ${formatShape(shape)}.`, {
      op: 'Assign',
      argument: 'values',
      shapes: { values: result.shape },
    });
  }
}

/**
 * Uniform between two bounds.
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new Uniform(-0.1, 0.1).create([2, 3], 'float32'));
 * ```
 */
export class Uniform implements Initializer {
  constructor(
    readonly low = -1,
    readonly high = 1,
  ) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    return ops.uniform(shape, { min: this.low, max: this.high, dtype });
  }
}

/**
 * Normal, with a mean and a standard deviation.
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new Normal(0, 0.02).create([2, 3], 'float32'));
 * ```
 */
export class Normal implements Initializer {
  constructor(
    readonly mean = 0,
    readonly standardDeviation = 1,
  ) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    return ops.normal(shape, { mean: this.mean, std: this.standardDeviation, dtype });
  }
}

/** How many inputs an output is computed from and how many outputs an input goes to; taken from the shape where not given. */
export interface FanOptions {
  readonly fanIn?: number;
  readonly fanOut?: number;
}

/**
 * Uniform within ±sqrt(6 / (fanIn + fanOut)): keeps the variance of activations and gradients through linear layers (Glorot and Bengio,
 * Understanding the difficulty of training deep feedforward neural networks, 2010).
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new XavierUniform().create([2, 3], 'float32'));
 * ```
 */
export class XavierUniform implements Initializer {
  constructor(readonly fans: FanOptions = {}) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    const { fanIn, fanOut } = fansOf(shape, this.fans);
    return uniformWithin(Math.sqrt(6 / (fanIn + fanOut)), shape, dtype);
  }
}

/**
 * Normal with variance 2 / (fanIn + fanOut); see XavierUniform.
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new XavierNormal().create([2, 3], 'float32'));
 * ```
 */
export class XavierNormal implements Initializer {
  constructor(readonly fans: FanOptions = {}) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    const { fanIn, fanOut } = fansOf(shape, this.fans);
    return new Normal(0, Math.sqrt(2 / (fanIn + fanOut))).create(shape, dtype);
  }
}

/**
 * Uniform within ±sqrt(6 / fanIn): keeps the variance of activations through layers followed by ReLU (He et al., Delving deep into
 * rectifiers, 2015).
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new KaimingUniform().create([2, 3], 'float32'));
 * ```
 */
export class KaimingUniform implements Initializer {
  constructor(readonly fans: Pick<FanOptions, 'fanIn'> = {}) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    return uniformWithin(Math.sqrt(6 / fansOf(shape, this.fans).fanIn), shape, dtype);
  }
}

/**
 * Normal with variance 2 / fanIn; see KaimingUniform.
 *
 * @example
 * ```ts
 * seed(1);
 * console.log(new KaimingNormal().create([2, 3], 'float32'));
 * ```
 */
export class KaimingNormal implements Initializer {
  constructor(readonly fans: Pick<FanOptions, 'fanIn'> = {}) {}

  create(shape: Shape, dtype: FloatingDtype): Tensor {
    return new Normal(0, Math.sqrt(2 / fansOf(shape, this.fans).fanIn)).create(shape, dtype);
  }
}

function uniformWithin(bound: number, shape: Shape, dtype: FloatingDtype): Tensor {
  return new Uniform(-bound, bound).create(shape, dtype);
}

/** A matrix is [in, out]; filters are [out, in, ...window]. A vector counts as both, an empty fan as 1. */
function fansOf(shape: Shape, given: FanOptions): Required<FanOptions> {
  const [first = 1, second = first, ...window] = shape;
  const area = window.reduce((product, size) => product * size, 1);
  const [fanIn, fanOut] = shape.length === 2 ? [first, second] : [second * area, first * area];
  return { fanIn: given.fanIn ?? Math.max(fanIn, 1), fanOut: given.fanOut ?? Math.max(fanOut, 1) };
}
