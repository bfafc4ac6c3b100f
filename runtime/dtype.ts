/**
 * What dtypes are on the host: their classes, their typed arrays, how they promote, and the conversions that JavaScript lacks
 * (float16, bfloat16). It knows nothing of tensors or devices.
 */
import { bytesOf, type Storage } from '../kernels/ir.js';
import { formatValue, OpwrightError } from './errors.js';

export type Dtype = Storage;

/** Every dtype, in the order in which promotion climbs within a class. */
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
];

export type FloatingDtype = 'float16' | 'bfloat16' | 'float32' | 'float64';
export type IntegerDtype = 'uint8' | 'int8' | 'int16' | 'int32' | 'int64';

export function isDtype(value: unknown): value is Dtype {
  return typeof value === 'string' && Object.hasOwn(bytesOf, value);
}

export function isFloating(dtype: Dtype): dtype is FloatingDtype {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';
}

export function isInteger(dtype: Dtype): dtype is IntegerDtype {
  return dtype !== 'bool' && !isFloating(dtype);
}

/** The bytes of one element. */
export function byteSize(dtype: Dtype): number {
  return bytesOf[dtype];
}

/** The array that holds a dtype's elements bit for bit: float16 and bfloat16 as their 16 bits, bool as 0 and 1. */
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
} as const satisfies Record<Dtype, unknown>;

/** `count` zeros in the dtype's own representation. */
export function createRawArray(dtype: Dtype, count: number): RawArray {
  return new rawArrayConstructors[dtype](count);
}

/** The integers a dtype holds; bool counts as 0 and 1. */
export const integerRanges: Readonly<Record<Exclude<IntegerDtype, 'int64'>, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
};

const integerRanks: Readonly<Record<Exclude<IntegerDtype, 'uint8'>, number>> = { int8: 1, int16: 2, int32: 4, int64: 8 };

/**
 * The dtype in which two dtypes meet. A float wins over integers and bool; two floats meet in the wider, float16 and bfloat16 in
 * float32; two integers in the wider, uint8 with int8 in int16; bool yields to everything.
 */
export function promote(a: Dtype, b: Dtype): Dtype {
  if (a === b || b === 'bool') return a;
  if (a === 'bool') return b;
  if (isFloating(a)) return isFloating(b) ? promoteFloats(a, b) : a;
  if (isFloating(b)) return b;
  return promoteIntegers(a, b);
}

function promoteFloats(a: FloatingDtype, b: FloatingDtype): FloatingDtype {
  if (byteSize(a) === byteSize(b)) return 'float32';
  return byteSize(a) > byteSize(b) ? a : b;
}

function promoteIntegers(a: IntegerDtype, b: IntegerDtype): IntegerDtype {
  if (a === 'uint8') return b === 'int8' ? 'int16' : b;
  if (b === 'uint8') return a === 'int8' ? 'int16' : a;
  return integerRanks[a] >= integerRanks[b] ? a : b;
}

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

// 16-bit floats. Encoding rounds once, to nearest even, straight from the double; the two formats differ only in these numbers.
interface SmallFloat {
  readonly mantissaBits: number;
  readonly bias: number;
  /** The least positive normal number. */
  readonly leastNormal: number;
  /** Multiplies a subnormal number to an integer mantissa. */
  readonly subnormalScale: number;
  /** The least number that rounds to infinity. */
  readonly overflow: number;
  readonly infinity: number;
}

const float16Format: SmallFloat = {
  mantissaBits: 10,
  bias: 15,
  leastNormal: 2 ** -14,
  subnormalScale: 2 ** 24,
  overflow: 65520,
  infinity: 0x7c00,
};

const bfloat16Format: SmallFloat = {
  mantissaBits: 7,
  bias: 127,
  leastNormal: 2 ** -126,
  subnormalScale: 2 ** 133,
  overflow: 2 ** 128 - 2 ** 119,
  infinity: 0x7f80,
};

const float64View = new Float64Array(1);
const float64Words = new Uint32Array(float64View.buffer);
const float32View = new Float32Array(1);
const float32Words = new Uint32Array(float32View.buffer);

/** Adding and taking away 2^52 rounds a number in [0, 2^52) to an integer, half to even. */
const roundingConstant = 2 ** 52;

function encode(format: SmallFloat, value: number): number {
  if (Number.isNaN(value)) return format.infinity | (1 << (format.mantissaBits - 1));
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= format.overflow) return sign | format.infinity;
  if (magnitude < format.leastNormal) {
    return sign | (magnitude * format.subnormalScale + roundingConstant - roundingConstant);
  }
  float64View[0] = magnitude;
  const exponent = (float64Words[1]! >>> 20) - 1023;
  const mantissa = magnitude * 2 ** (format.mantissaBits - exponent) + roundingConstant - roundingConstant;
  // The mantissa's leading one, and a carry out of it, are added to the exponent field.
  return sign | (((exponent + format.bias - 1) << format.mantissaBits) + mantissa);
}

/** The 16 bits of the float16 nearest to `value`, ties to even. */
export function encodeFloat16(value: number): number {
  return encode(float16Format, value);
}

/** The 16 bits of the bfloat16 nearest to `value`, ties to even. */
export function encodeBfloat16(value: number): number {
  return encode(bfloat16Format, value);
}

export function decodeFloat16(bits: number): number {
  const exponent = (bits >>> 10) & 0x1f;
  const mantissa = bits & 0x3ff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

export function decodeBfloat16(bits: number): number {
  float32Words[0] = bits << 16;
  return float32View[0]!;
}

/** Elements in their own representation to what `data()` promises. */
export function decodeArray(dtype: Dtype, raw: RawArray): DataArray {
  if (!(raw instanceof Uint16Array)) return raw;
  const values = new Float32Array(raw.length);
  if (dtype === 'bfloat16') {
    const words = new Uint32Array(values.buffer);
    for (let index = 0; index < raw.length; index++) words[index] = raw[index]! << 16;
  } else {
    for (let index = 0; index < raw.length; index++) values[index] = decodeFloat16(raw[index]!);
  }
  return values;
}
