/**
 * How register types and constants are spelled in C. A scalar bool is an i32 of 0 or 1, a vector of them a vector of signed integers
 * whose lanes have all bits set or none. Nothing is declared here: module.ts does that for the types that a text uses.
 */
import type { RealScalar, RealStorage, Type } from '../ir.js';

/** The scalar types that every text declares; they need no header. */
export const scalarTypedefs: readonly string[] = [
  'typedef signed char i8;',
  'typedef unsigned char u8;',
  'typedef short i16;',
  'typedef unsigned short u16;',
  'typedef int i32;',
  'typedef unsigned int u32;',
  'typedef long long i64;',
  'typedef unsigned long long u64;',
  'typedef float f32;',
  'typedef double f64;',
];

/** The C type of an element in memory. */
export const elementTypes: Readonly<Record<RealStorage, string>> = {
  bool: 'u8',
  uint8: 'u8',
  int8: 'i8',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  float16: 'u16',
  bfloat16: 'u16',
  float32: 'f32',
  float64: 'f64',
};

export type NumberType = Exclude<RealScalar, 'bool'>;

/** The C type of a lane. */
export function laneTypeName({ scalar, lanes, laneBits }: Type): NumberType {
  if (scalar === 'bool') return lanes > 1 && laneBits === 64 ? 'i64' : 'i32';
  if (isNumber(scalar)) return scalar;
  throw new TypeError(`a kernel is printed with concrete types, got ${scalar}`);
}

function isNumber(scalar: string): scalar is NumberType {
  return scalar === 'i32' || scalar === 'i64' || scalar === 'f32' || scalar === 'f64';
}

export const isFloat = ({ scalar }: Type): boolean => scalar === 'f32' || scalar === 'f64';
export const isInteger = ({ scalar }: Type): boolean => scalar === 'i32' || scalar === 'i64';

/** The bits of a lane, or of a scalar. */
export function widthOf(type: Type): 32 | 64 {
  const name = laneTypeName(type);
  return name === 'i64' || name === 'f64' ? 64 : 32;
}

/** The signed integer type of the same width and lanes: what a comparison gives, and what bits are taken apart in. */
export function integerLike(type: Type): Type {
  return { ...type, scalar: widthOf(type) === 64 ? 'i64' : 'i32' };
}

const namedNumbers: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN };

export function numberOf(value: number | string): number {
  return typeof value === 'number' ? value : (namedNumbers[value] ?? Number(value));
}

/** An integer constant; the least one has no literal of its own. */
export function integerLiteral(type: 'i32' | 'i64', value: number | string): string {
  const [digits, suffix, least] = type === 'i32' ? [32, '', -(2n ** 31n)] : [64, 'll', -(2n ** 63n)];
  const wrapped = BigInt.asIntN(digits, BigInt(value));
  return wrapped === least ? `(${least + 1n}${suffix} - 1)` : `${wrapped}${suffix}`;
}

export function unsignedLiteral(type: 'i32' | 'i64', value: number | string): string {
  return type === 'i32' ? `${BigInt.asUintN(32, BigInt(value))}u` : `${BigInt.asUintN(64, BigInt(value))}ull`;
}

/** A finite floating-point constant: the shortest decimal that reads as exactly this number. */
export function floatLiteral(type: 'f32' | 'f64', value: number): string {
  const rounded = type === 'f32' ? Math.fround(value) : value;
  const digits = Object.is(rounded, -0) ? '-0' : String(rounded);
  return `${/[.e]/.test(digits) ? digits : `${digits}.0`}${type === 'f32' ? 'f' : ''}`;
}
