/**
 * What dtypes are on the host: their classes, their typed arrays and ranges, and the default one. How dtypes promote and how 16-bit
 * floats are coded is the kernels' knowledge and only passed on here. It knows nothing of tensors or devices.
 */
import { decodeFloat16 } from '../kernels/half.js';
import * as host from '../kernels/host.js';
import { bytesOf, type Storage } from '../kernels/ir.js';
import { formatValue, OpwrightError } from './errors.js';

export { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../kernels/half.js';
export { promote, realOf } from '../kernels/host.js';

export type Dtype = Storage;

/**
 * Every dtype, bool first, then integers, floats and complex ones by width.
 *
 * @example
 * ```ts
 * console.log(dtypes.join(', '));
 * ```
 */
export const dtypes: readonly Dtype[] = [
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
  'complex64',
  'complex128',
];

export type FloatingDtype = 'float16' | 'bfloat16' | 'float32' | 'float64';
/** An element is two adjacent floats, the real part and the imaginary one. */
export type ComplexDtype = 'complex64' | 'complex128';
export type IntegerDtype = 'uint8' | 'int8' | 'int16' | 'int32' | 'int64';

export function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(bytesOf, value);
}

export function isFloating(dtype: Dtype): dtype is FloatingDtype {
  return host.isFloating(dtype);
}

export function isInteger(dtype: Dtype): dtype is IntegerDtype {
  return host.isInteger(dtype);
}

export function isComplexDtype(dtype: Dtype): dtype is ComplexDtype {
  return host.isComplex(dtype);
}

/** Gradients flow through floating-point and complex numbers. */
export function isDifferentiable(dtype: Dtype): dtype is FloatingDtype | ComplexDtype {
  return isFloating(dtype) || isComplexDtype(dtype);
}

/** How many numbers of the typed array an element takes: two where it is complex, one otherwise. */
export function partsOf(dtype: Dtype): 1 | 2 {
  return isComplexDtype(dtype) ? 2 : 1;
}

/** A complex number as plain data: what tensors are made from, and what `item()` and `tolist()` give of complex ones. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

export function isComplexNumber(value: unknown): value is Complex {
  return typeof value === 'object' && value !== null && 're' in value && 'im' in value;
}

/** The bytes of one element. */
export function byteSize(dtype: Dtype): number {
  return bytesOf[dtype];
}

/**
 * The array that holds a dtype's elements bit for bit: float16 and bfloat16 as their 16 bits, bool as 0 and 1, complex ones as real and
 * imaginary parts in turn.
 */
export interface RawArrays {
  bool: Uint8Array;
  uint8: Uint8Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
  complex64: Float32Array;
  complex128: Float64Array;
}
export type RawArray = RawArrays[Dtype];
/** What `data()` gives: as `RawArrays`, with the 16-bit floats widened to float32. */
export type DataArrays = Omit<RawArrays, 'float16' | 'bfloat16'> & { float16: Float32Array; bfloat16: Float32Array };
export type DataArray = DataArrays[Dtype];

const rawArrayConstructors = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  complex64: Float32Array,
  complex128: Float64Array,
} as const satisfies Record<Dtype, unknown>;

/** `count` zeros in the dtype's own representation. */
export function createRawArray(dtype: Dtype, count: number): RawArray {
  return new rawArrayConstructors[dtype](count * partsOf(dtype));
}

/** The complex dtype that a tensor of complex numbers has if none is named: as precise as the default dtype. */
export function defaultComplexDtype(): ComplexDtype {
  return currentDefault === 'float64' ? 'complex128' : 'complex64';
}

/** The integers a dtype holds; bool counts as 0 and 1. */
export const integerRanges: Readonly<Record<Exclude<IntegerDtype, 'int64'>, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
};

let currentDefault: FloatingDtype = 'float32';

/** The dtype of tensors made from plain numbers, and of random and filled tensors that name none. */
export function getDefaultDtype(): FloatingDtype {
  return currentDefault;
}

/** Sets the default dtype, which must be a floating one. */
export function setDefaultDtype(dtype: FloatingDtype): void {
  if (!isDtype(dtype) || !isFloating(dtype)) {
    throw new OpwrightError('DTYPE_MISMATCH', `The default dtype must be a floating one, not ${formatValue(dtype)}.`, {
      op: 'setDefaultDtype',
      argument: 'dtype',
      remedy: 'Use float16, bfloat16, float32 or float64.',
    });
  }
  currentDefault = dtype;
}

/** Elements in their own representation to what `data()` promises; not a copy where the two are the same. */
export function decodeArray<D extends Dtype>(dtype: D, raw: RawArray): DataArrays[D] {
  const data = raw instanceof Uint16Array ? widen(dtype, raw) : raw;
  if (isDataOf(dtype, data)) return data;
  throw new TypeError(`${dtype} elements cannot be decoded from a ${raw.constructor.name}`);
}

const dataArrayConstructors = { ...rawArrayConstructors, float16: Float32Array, bfloat16: Float32Array } as const;

function isDataOf<D extends Dtype>(dtype: D, data: DataArray): data is DataArrays[D] {
  return data instanceof dataArrayConstructors[dtype];
}

function widen(dtype: Dtype, raw: Uint16Array): Float32Array {
  const values = new Float32Array(raw.length);
  if (dtype === 'bfloat16') {
    const words = new Uint32Array(values.buffer);
    for (let index = 0; index < raw.length; index++) words[index] = raw[index]! << 16;
  } else {
    const table = float16Table();
    for (let index = 0; index < raw.length; index++) values[index] = table[raw[index]!]!;
  }
  return values;
}

let float16Values: Float32Array | null = null;

/** The values of all 65536 patterns. */
function float16Table(): Float32Array {
  float16Values ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => decodeFloat16(bits));
  return float16Values;
}
