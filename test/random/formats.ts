/**
 * What the reference evaluator knows of dtypes, written without looking at the library's: how floats round, how integers wrap, what two
 * dtypes promote to. Floats are float64 numbers, integers bigints, booleans 0 and 1.
 */
import type { Dtype } from '../../entry/index.js';

export type Element = number | bigint;
export type FloatDtype = 'float16' | 'bfloat16' | 'float32' | 'float64';
export type IntegerDtype = 'uint8' | 'int8' | 'int16' | 'int32' | 'int64';

export interface Format {
  /** The relative error of one rounding to the dtype. */
  readonly unit: number;
  /** The same of the type that its arithmetic is done in. */
  readonly computeUnit: number;
  /** The smallest positive number. */
  readonly smallest: number;
  readonly largest: number;
  /** The significand's bits and the least exponent of a normal number. */
  readonly precision: number;
  readonly leastExponent: number;
}

function format(precision: number, leastExponent: number, largest: number, computeUnit: number): Format {
  return {
    unit: 2 ** -precision,
    computeUnit,
    smallest: 2 ** (leastExponent - precision + 1),
    largest,
    precision,
    leastExponent,
  };
}

export const formats: Readonly<Record<FloatDtype, Format>> = {
  float16: format(11, -14, 65504, 2 ** -24),
  bfloat16: format(8, -126, 2 ** 128 - 2 ** 120, 2 ** -24),
  float32: format(24, -126, 2 ** 128 - 2 ** 104, 2 ** -24),
  float64: format(53, -1022, Number.MAX_VALUE, 2 ** -53),
};

const integers: Readonly<Record<IntegerDtype, readonly [bits: number, signed: boolean]>> = {
  uint8: [8, false],
  int8: [8, true],
  int16: [16, true],
  int32: [32, true],
  int64: [64, true],
};

export const floatDtypes: readonly FloatDtype[] = ['float32', 'float64', 'float16', 'bfloat16'];
export const integerDtypes: readonly IntegerDtype[] = ['int32', 'int64', 'uint8', 'int8', 'int16'];
export const allDtypes: readonly Dtype[] = [...floatDtypes, ...integerDtypes, 'bool'];

export const isFloat = (dtype: Dtype): dtype is FloatDtype => dtype in formats;
export const isInteger = (dtype: Dtype): dtype is IntegerDtype => dtype in integers;

export function wrap(dtype: IntegerDtype, value: bigint): bigint {
  const [bits, signed] = integers[dtype];
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** Whether a number is an element of the dtype. */
export function isElement(dtype: Dtype, value: number): boolean {
  return !isInteger(dtype) || (Number.isInteger(value) && wrap(dtype, BigInt(value)) === BigInt(value));
}

/** The nearest integer of the dtype to a number that was cut off; 0 for NaN. */
export function saturate(dtype: IntegerDtype, value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  const [bits, signed] = integers[dtype];
  const lowest = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const highest = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  if (value <= Number(lowest)) return lowest;
  if (value >= Number(highest)) return highest;
  return BigInt(Math.trunc(value));
}

/** The nearest number of the dtype, ties to even. */
export function roundTo(dtype: FloatDtype, value: number): number {
  if (dtype === 'float64' || value === 0 || !Number.isFinite(value)) return value;
  const { precision, leastExponent, largest } = formats[dtype];
  let exponent = Math.max(Math.floor(Math.log2(Math.abs(value))), leastExponent);
  if (2 ** exponent > Math.abs(value) && exponent > leastExponent) exponent--;
  const spacing = 2 ** (exponent - precision + 1);
  const result = roundHalfToEven(value / spacing) * spacing;
  return Math.abs(result) > largest ? Math.sign(value) * Number.POSITIVE_INFINITY : result;
}

export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Of the dtypes that random programs use: complex ones are not among them. */
const widths: Readonly<Partial<Record<Dtype, number>>> = {
  bool: 0,
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  bfloat16: 5,
  float32: 6,
  float64: 7,
};

/** The wider of two dtypes, any float being wider than any integer; of two of one width the next that holds both. */
export function promoted(left: Dtype, right: Dtype): Dtype {
  if (left === right) return left;
  const [own, other] = [widths[left]!, widths[right]!];
  if (own !== other) return own > other ? left : right;
  return isFloat(left) ? 'float32' : 'int16';
}
