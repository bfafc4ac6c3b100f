/**
 * Tensors from JavaScript values: numbers, nested arrays, typed arrays. It checks and converts; it computes nothing.
 */
import type { Shape } from '../kernels/op.js';
import { defaultDevice } from './devices/registry.js';
import {
  type Complex,
  createRawArray,
  type Dtype,
  defaultComplexDtype,
  encodeBfloat16,
  encodeFloat16,
  getDefaultDtype,
  integerRanges,
  isComplexDtype,
  isComplexNumber,
  isDtype,
  isFloating,
  partsOf,
  promote,
  type RawArray,
} from './dtype.js';
import { formatShape, formatValue, OpwrightError } from './errors.js';
import { sizeOf } from './layout.js';
import { type DeviceLike, deviceOf } from './places.js';
import { emptyTensor, Tensor } from './tensor.js';

/** A number of any kind. */
export type ScalarValue = number | boolean | bigint;
/** JavaScript's typed arrays; elements become the dtype's. */
export type NumericArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;
/**
 * What a tensor can be made from. Rows may be typed arrays; for a complex dtype these hold the real and the imaginary part of each element
 * in turn, as `data()` gives them. In plain arrays a number is a real one, and `{ re, im }` a complex one.
 */
export type TensorData = ScalarValue | Complex | NumericArray | readonly TensorData[];

export interface TensorOptions<D extends Dtype = Dtype> {
  /**
   * By default: of numbers the default dtype, of booleans bool, of bigints int64, of a typed array its own (those of unsigned 16 and
   * 32 bits become int32 and int64); complex64, or complex128 where those would be float64, as soon as one number is complex.
   */
  readonly dtype?: D;
  /** The shape to give the elements, in row-major order; by default that of the nesting. */
  readonly shape?: Shape;
  /** Whether gradients stop here; true by default. */
  readonly stopGradient?: boolean;
  /** The default device, unless given. */
  readonly device?: DeviceLike;
}

const optionNames: ReadonlySet<string> = new Set(['dtype', 'shape', 'stopGradient', 'device']);

/**
 * A tensor with a copy of the data.
 *
 * Throws RAGGED_ARRAY, NOT_AN_INTEGER (NaN, fractions and what does not fit, where the dtype is an integer one), INVALID_ARGUMENT,
 * UNKNOWN_OPTION, SHAPE_MISMATCH.
 */
export function tensor<D extends Dtype>(data: TensorData, options: TensorOptions<D> & { readonly dtype: D }): Tensor<D>;
export function tensor(data: TensorData, options?: TensorOptions): Tensor;
export function tensor(data: TensorData, options: TensorOptions = {}): Tensor {
  checkOptions(options);
  const dtype = options.dtype ?? inferDtype(data);
  const shape = shapeOf(data, partsOf(dtype));
  const raw = createRawArray(dtype, sizeOf(shape));
  new Writer(dtype, raw, shape).write(data);
  return tensorFromRaw(raw, reshaped(shape, options.shape), dtype, options);
}

/** What was given, as a tensor: itself where it is one, else of the dtype. */
export const tensorOf = (x: Tensor | TensorData, dtype?: Dtype): Tensor =>
  x instanceof Tensor ? x : tensor(x, dtype === undefined ? {} : { dtype });

/** A tensor over elements in the dtype's own representation, in row-major order. */
export function tensorFromRaw<D extends Dtype>(
  raw: RawArray,
  shape: Shape,
  dtype: D,
  options: { readonly stopGradient?: boolean; readonly device?: DeviceLike } = {},
): Tensor<D> {
  const device = options.device === undefined ? defaultDevice() : deviceOf(options.device);
  const result = emptyTensor(device, shape, dtype);
  device.write(result.storage.address, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
  if (options.stopGradient !== undefined) result.stopGradient = options.stopGradient;
  return result;
}

function checkOptions(options: TensorOptions): void {
  for (const name of Object.keys(options)) {
    if (optionNames.has(name)) continue;
    throw new OpwrightError('UNKNOWN_OPTION', `tensor() has no option ${name}.`, {
      op: 'tensor',
      argument: name,
      remedy: `Use ${[...optionNames].join(', ')}.`,
    });
  }
  if (options.dtype !== undefined && !isDtype(options.dtype)) {
    throw new OpwrightError('INVALID_ARGUMENT', `${formatValue(options.dtype)} is no dtype.`, {
      op: 'tensor',
      argument: 'dtype',
    });
  }
}

function reshaped(shape: Shape, wanted: Shape | undefined): Shape {
  if (wanted === undefined) return shape;
  if (sizeOf(wanted) === sizeOf(shape)) return wanted;
  const fault = `${sizeOf(shape)} elements cannot have the shape ${formatShape(wanted)}.`;
  throw new OpwrightError('SHAPE_MISMATCH', fault, { op: 'tensor', argument: 'shape', shapes: { data: shape, shape: wanted } });
}

function isNumericArray(data: unknown): data is NumericArray {
  return ArrayBuffer.isView(data) && !(data instanceof DataView);
}

function isRow(data: TensorData): data is readonly TensorData[] {
  return Array.isArray(data);
}

/** The shape that the first elements suggest; the writer checks that all others follow it. Typed arrays hold the elements' parts. */
function shapeOf(data: TensorData, parts: 1 | 2): number[] {
  const shape: number[] = [];
  let at: TensorData | undefined = data;
  while (at !== undefined && isRow(at)) {
    shape.push(at.length);
    at = at[0];
  }
  if (isNumericArray(at)) shape.push(Math.ceil(at.length / parts));
  return shape;
}

type LeafKind = 'number' | 'boolean' | 'bigint' | 'complex';

function dtypeOfLeaf(kind: LeafKind): Dtype {
  switch (kind) {
    case 'number':
      return getDefaultDtype();
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int64';
    case 'complex':
      return defaultComplexDtype();
  }
}

const dtypeOfArray: Readonly<Record<string, Dtype>> = {
  Int8Array: 'int8',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
  Int16Array: 'int16',
  Uint16Array: 'int32',
  Int32Array: 'int32',
  Uint32Array: 'int64',
  BigInt64Array: 'int64',
  BigUint64Array: 'int64',
  Float16Array: 'float16',
  Float32Array: 'float32',
  Float64Array: 'float64',
};

/** The dtype of the first leaf, unless a later number among booleans or bigints makes it a float, or a complex number complex. */
function inferDtype(data: TensorData): Dtype {
  let found: Dtype | undefined;
  const visit = (part: TensorData): void => {
    if (isRow(part)) part.forEach(visit);
    else {
      const dtype = isNumericArray(part) ? dtypeOfArray[part[Symbol.toStringTag]] : dtypeOfLeaf(leafKind(part));
      if (found === undefined || dtype === undefined) found ??= dtype;
      else if (isComplexDtype(dtype) || isComplexDtype(found)) found = promote(found, dtype);
      else if (isFloating(dtype)) found = dtype;
    }
  };
  visit(data);
  return found ?? getDefaultDtype();
}

function leafKind(value: unknown): LeafKind {
  const kind = typeof value;
  if (kind === 'number' || kind === 'boolean' || kind === 'bigint') return kind;
  if (isComplexNumber(value)) return 'complex';
  throw new OpwrightError('INVALID_ARGUMENT', `A tensor cannot be made from ${formatValue(value)}.`, {
    op: 'tensor',
    argument: 'data',
    remedy: 'Give a number, a boolean, a bigint, a complex number { re, im }, a typed array, or nested arrays of those.',
  });
}

/** Fills a raw array from nested data, checking the nesting against the shape and each element against the dtype. */
class Writer {
  private at = 0;
  /** Writes one number of the raw array; of complex elements these are the parts. */
  private readonly set: (index: number, value: ScalarValue) => void;

  constructor(
    private readonly dtype: Dtype,
    raw: RawArray,
    private readonly shape: Shape,
  ) {
    this.set = elementSetter(dtype, raw);
  }

  write(data: TensorData, axis = 0): void {
    if (isRow(data)) {
      this.checkLength(data.length, axis, data);
      for (let index = 0; index < data.length; index++) this.write(data[index]!, axis + 1);
    } else if (isNumericArray(data)) {
      this.checkLength(data.length / partsOf(this.dtype), axis, data);
      if (axis !== this.shape.length - 1) throw ragged(this.shape, `a typed array at depth ${axis}`);
      for (let index = 0; index < data.length; index++) this.set(this.at++, data[index]!);
    } else {
      leafKind(data);
      if (axis !== this.shape.length) throw ragged(this.shape, `the value ${formatValue(data)} at depth ${axis}`);
      this.writeLeaf(data);
    }
  }

  private writeLeaf(value: ScalarValue | Complex): void {
    const isPair = isComplexNumber(value);
    if (isComplexDtype(this.dtype)) {
      this.set(this.at++, isPair ? value.re : value);
      this.set(this.at++, isPair ? value.im : 0);
    } else if (isPair) throw notReal(value, this.dtype);
    else this.set(this.at++, value);
  }

  private checkLength(length: number, axis: number, data: TensorData): void {
    if (length === this.shape[axis]) return;
    const place =
      axis >= this.shape.length ? `the array ${formatValue(data)} where a ${this.dtype} was expected` : `a row of ${length}`;
    throw ragged(this.shape, `${place} at depth ${axis}`);
  }
}

function ragged(shape: Shape, found: string): OpwrightError {
  return new OpwrightError(
    'RAGGED_ARRAY',
    `The nested arrays begin with the shape ${formatShape(shape)}, but contain ${found}.`,
    {
      op: 'tensor',
      argument: 'data',
      remedy: 'Make all rows of one dimension equally long, or pad them.',
    },
  );
}

function elementSetter(dtype: Dtype, raw: RawArray): (index: number, value: ScalarValue) => void {
  if (raw instanceof BigInt64Array) {
    return (index, value) => {
      raw[index] = toInt64(value);
    };
  }
  const convert = elementConverter(dtype);
  return (index, value) => {
    raw[index] = convert(value);
  };
}

function elementConverter(dtype: Dtype): (value: ScalarValue) => number {
  if (dtype === 'bool') return (value) => (Number(value) === 0 ? 0 : 1);
  if (dtype === 'float16') return (value) => encodeFloat16(Number(value));
  if (dtype === 'bfloat16') return (value) => encodeBfloat16(Number(value));
  if (isFloating(dtype) || isComplexDtype(dtype) || dtype === 'int64') return Number;
  const [lowest, highest] = integerRanges[dtype];
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < lowest || number > highest) throw notAnInteger(value, dtype);
    return number;
  };
}

function notReal(value: Complex, dtype: Dtype): OpwrightError {
  return new OpwrightError('DTYPE_MISMATCH', `${formatValue(value)} is complex and cannot become an element of dtype ${dtype}.`, {
    op: 'tensor',
    argument: 'data',
    remedy: 'Choose complex64 or complex128, or give its real part.',
  });
}

function toInt64(value: ScalarValue): bigint {
  if (typeof value === 'number' && !Number.isInteger(value)) throw notAnInteger(value, 'int64');
  const integer = BigInt(value);
  if (BigInt.asIntN(64, integer) !== integer) throw notAnInteger(value, 'int64');
  return integer;
}

function notAnInteger(value: ScalarValue, dtype: Dtype): OpwrightError {
  const fault = typeof value === 'number' && !Number.isInteger(value) ? 'is no integer' : 'does not fit';
  return new OpwrightError('NOT_AN_INTEGER', `${formatValue(value)} ${fault} and cannot become an element of dtype ${dtype}.`, {
    op: 'tensor',
    argument: 'data',
    remedy: 'Round or clip the values first, or choose a floating dtype.',
  });
}
