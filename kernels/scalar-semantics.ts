/**
 * What each scalar operator of the kernel IR computes (ARCHITECTURE.md, "Kernel IR"), for the interpreter and for folding.
 *
 * Values: i64 is a bigint, all else a number; bool is 0 or 1. Floating-point results come back in float64: rounding them to f32 is
 * the caller's choice (for the operators here, rounding the float64 result once is the same as computing in f32).
 */
import { rint } from './half.js';
import type { BinaryOp, CompareOp, Scalar, UnaryOp } from './ir.js';
import { digamma, erf, erfc, erfinv, i0e, i1e, lgamma, pow } from './scalar-math.js';

export type Element = number | bigint;

const isFloat = (type: string): boolean => type === 'f32' || type === 'f64';

const floatUnary: Readonly<Partial<Record<UnaryOp, (x: number) => number>>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  rint,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  erf,
  erfc,
  erfinv,
  cbrt: Math.cbrt,
  lgamma,
  digamma,
  i0e,
  i1e,
};

const intUnary: Readonly<Partial<Record<UnaryOp, (x: bigint, width: number) => bigint>>> = {
  neg: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  floor: (x) => x,
  ceil: (x) => x,
  trunc: (x) => x,
  rint: (x) => x,
  bitNot: (x) => ~x,
  clz: (x, width) => BigInt(width - (x < 0n ? width : x === 0n ? 0 : x.toString(2).length)),
  popcount: (x, width) => BigInt(BigInt.asUintN(width, x).toString(2).replaceAll('0', '').length),
};

export function unaryValue(name: UnaryOp, type: string, value: Element): Element {
  if (type === 'bool' && name === 'not') return value === 0 ? 1 : 0;
  if (isFloat(type)) return required(floatUnary[name], name, type)(Number(value));
  const width = integerWidth(type, name);
  return fromBigInt(width, required(intUnary[name], name, type)(BigInt(value), width));
}

const floatBinary: Readonly<Partial<Record<BinaryOp, (a: number, b: number) => number>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  rem: (a, b) => a % b,
  min: Math.min,
  max: Math.max,
  pow,
  atan2: Math.atan2,
};

/** The i32 operators that are hot in index arithmetic; the others go through `integerBinary`. */
const i32Binary: Readonly<Partial<Record<BinaryOp, (a: number, b: number) => number>>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? 0 : (a / b) | 0),
  rem: (a, b) => (b === 0 ? 0 : (a % b) | 0),
  min: Math.min,
  max: Math.max,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr: (a, b) => a >> b,
  shru: (a, b) => (a >>> b) | 0,
  mulhiu: (a, b) => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n) | 0,
};

function lesser(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

const integerBinary: Readonly<Partial<Record<BinaryOp, (a: bigint, b: bigint, width: number) => bigint>>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  rem: (a, b) => (b === 0n ? 0n : a % b),
  min: lesser,
  max: (a, b) => -lesser(-a, -b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, width) => a << (b & BigInt(width - 1)),
  shr: (a, b, width) => a >> (b & BigInt(width - 1)),
  shru: (a, b, width) => BigInt.asUintN(width, a) >> (b & BigInt(width - 1)),
  pow: integerPower,
};

export function binaryValue(name: BinaryOp, type: string, left: Element, right: Element): Element {
  if (typeof left === 'number' && typeof right === 'number') {
    const table = isFloat(type) ? floatBinary : type === 'bool' ? boolBinary : i32Binary;
    const operator = table[name];
    if (operator !== undefined) return operator(left, right);
  }
  const width = integerWidth(type, name);
  return fromBigInt(width, required(integerBinary[name], name, type)(BigInt(left), BigInt(right), width));
}

const boolBinary: Readonly<Partial<Record<BinaryOp, (a: number, b: number) => number>>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
};

/** A negative exponent gives the truncated quotient: 0, or 1 and -1 for those bases. */
function integerPower(base: bigint, exponent: bigint, width: number): bigint {
  if (exponent < 0n) return base === 1n || (base === -1n && exponent % 2n === 0n) ? 1n : base === -1n ? -1n : 0n;
  let result = 1n;
  let factor = base;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = BigInt.asIntN(width, result * factor);
    factor = BigInt.asIntN(width, factor * factor);
  }
  return result;
}

export function compareValues(name: CompareOp, left: Element, right: Element): boolean {
  switch (name) {
    case 'eq':
      return left === right;
    case 'ne':
      return left !== right;
    case 'lt':
      return left < right;
    case 'le':
      return left <= right;
    case 'gt':
      return left > right;
    case 'ge':
      return left >= right;
    case 'ltu':
      return BigInt.asUintN(64, BigInt(left)) < BigInt.asUintN(64, BigInt(right));
  }
}

/** Conversion by value. To f32 the result is rounded, unless `wide` asks for float64 throughout. */
export function convertValue(from: string, to: string, value: Element, wide = false): Element {
  switch (to) {
    case 'bool':
      return value === 0 || value === 0n ? 0 : 1;
    case 'i32':
      return isFloat(from)
        ? Math.trunc(saturate(Number(value), -2147483648, 2147483647)) + 0
        : Number(BigInt.asIntN(32, BigInt(value)));
    case 'i64':
      return isFloat(from) ? floatToI64(Number(value)) : BigInt(value);
    case 'f32':
      return wide ? Number(value) : typeof value === 'bigint' ? i64ToF32(value) : Math.fround(value);
    case 'f64':
      return Number(value);
    default:
      throw new TypeError(`conversion to ${to}`);
  }
}

const saturate = (value: number, lowest: number, highest: number): number =>
  Number.isNaN(value) ? 0 : Math.min(Math.max(value, lowest), highest);

function floatToI64(value: number): bigint {
  const limit = 2 ** 63;
  if (value >= limit) return 2n ** 63n - 1n;
  return BigInt(Math.trunc(saturate(value, -limit, limit)));
}

/** Rounds once: the bits below a float64's precision are gathered into its last one, which f32 rounding then sees. */
function i64ToF32(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 2n ** 53n) return Math.fround(Number(value));
  const sticky = magnitude & 0x7ffn ? 1n : 0n;
  return Math.fround(Number((magnitude >> 11n) | sticky)) * 2048 * (value < 0n ? -1 : 1);
}

const view = new DataView(new ArrayBuffer(8));

/** The same bits read as another type of the same width. */
export function reinterpretValue(from: string, to: string, value: Element): Element {
  if (from === 'f32') view.setFloat32(0, Number(value));
  else if (from === 'f64') view.setFloat64(0, Number(value));
  else if (from === 'i64') view.setBigInt64(0, BigInt(value));
  else view.setInt32(0, Number(value));
  if (to === 'f32') return view.getFloat32(0);
  if (to === 'f64') return view.getFloat64(0);
  return to === 'i64' ? view.getBigInt64(0) : view.getInt32(0);
}

/** The value of a constant as the IR writes it. */
export function constantValue(type: Scalar | string, value: number | string): Element {
  if (type === 'i64') return BigInt(value);
  if (typeof value === 'number') return value;
  const named = namedConstants[value];
  if (named === undefined) throw new TypeError(`constant ${value} of type ${type}`);
  return named;
}

const namedConstants: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN };

function integerWidth(type: string, operator: string): 32 | 64 {
  if (type !== 'i32' && type !== 'i64') throw new TypeError(`${operator} of ${type}`);
  return type === 'i32' ? 32 : 64;
}

const fromBigInt = (width: 32 | 64, value: bigint): Element => {
  const wrapped = BigInt.asIntN(width, value);
  return width === 32 ? Number(wrapped) : wrapped;
};

function required<T>(operator: T | undefined, name: string, type: string): T {
  if (operator === undefined) throw new TypeError(`${name} of ${type}`);
  return operator;
}
