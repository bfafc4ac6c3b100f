/**
 * The scalar functions that fused kernels are made of: one row each, saying how a kernel computes it and what it means.
 *
 * `lower` writes kernel IR over register values (float16 and bfloat16 are computed in f32, small integers in i32); `evaluate` is
 * the meaning over plain numbers, used by the float64 reference. Dtypes of results are the ops' business, not this table's. What complex
 * numbers make of the same names stands in complex/functions.ts.
 */
import {
  abs,
  add,
  and,
  binary,
  ceil,
  compare,
  constant,
  convert,
  div,
  eq,
  floor,
  ge,
  gt,
  isComplexType,
  le,
  lt,
  max,
  min,
  mul,
  ne,
  neg,
  not,
  type Operand,
  or,
  rem,
  rint,
  scalarType,
  select,
  shl,
  shr,
  shru,
  sqrt,
  sub,
  trunc,
  unary,
  xor,
} from './build.js';
import { complexFunctions } from './complex/functions.js';
import { type Expr, isComplexScalar, type MathOp, type Scalar } from './ir.js';
import { nextAfter as neighbourOf } from './math/neighbours.js';
import { hasSignBit, withSign } from './math/writer.js';
import { digamma, erfc, erfinv, i0e, i1e, lgamma, nextAfter } from './scalar-math.js';

/** Names a subexpression, so that it is computed once. */
export type Share = (value: Expr) => Expr;

export interface MapOperation {
  readonly arity: number;
  /** `to` is the register type of the result. */
  readonly lower: (args: readonly Expr[], share: Share, to: Scalar) => Expr;
  readonly evaluate: (...args: number[]) => number;
  /** Costly enough that a kernel should not compute it twice. */
  readonly heavy?: boolean;
}

/** How a kernel computes an operation: over real values as the table says, over complex ones as complex/functions.ts does. */
export function lowerMap(name: string, args: readonly Expr[], share: Share, to: Scalar): Expr {
  if (!isComplexScalar(to) && !args.some(({ type }) => isComplexType(type))) return mapOperations[name]!.lower(args, share, to);
  const lower = complexFunctions[name];
  if (lower === undefined) throw new TypeError(`${name} has no meaning for complex numbers`);
  return lower(args, share, to);
}

const isFloat = (value: Expr): boolean => value.type.scalar === 'f32' || value.type.scalar === 'f64';

function one(lower: (x: Expr, share: Share) => Expr, evaluate: (x: number) => number): MapOperation {
  return { arity: 1, lower: ([x], share) => lower(x!, share), evaluate };
}

function two(lower: (x: Expr, y: Expr, share: Share) => Expr, evaluate: (x: number, y: number) => number): MapOperation {
  return { arity: 2, lower: ([x, y], share) => lower(x!, y!, share), evaluate };
}

function math(name: MathOp, evaluate: (x: number) => number): MapOperation {
  return { ...one((x) => unary(name, x), evaluate), heavy: true };
}

/** Remainder with the sign of the divisor, as Python's %; a zero remainder of floats takes the divisor's sign too. */
function floorMod(x: Expr, y: Expr, share: Share): Expr {
  const r = share(rem(x, y));
  const zero = constant(x.type, 0);
  const opposite = compare('ne', lt(r, zero) as Expr, lt(y, zero));
  return select(and(ne(r, zero), opposite), add(r, y), r);
}

function evaluateFloorMod(x: number, y: number): number {
  const r = x % y;
  return r !== 0 && r < 0 !== y < 0 ? r + y : r;
}

function floorDivide(x: Expr, y: Expr, share: Share): Expr {
  if (isFloat(x)) return floor(div(x, y));
  const quotient = share(div(x, y));
  const inexact = ne(mul(quotient, y), x);
  const negative = compare('ne', lt(x, constant(x.type, 0)), lt(y, constant(y.type, 0)));
  return select(and(and(inexact, negative), ne(y, constant(y.type, 0))), sub(quotient, 1), quotient);
}

function sign(x: Expr): Expr {
  const [negative, zero, positive] = [-1, 0, 1].map((value) => constant(x.type, value)) as [Expr, Expr, Expr];
  const nonzero = select(gt(x, zero), positive, select(lt(x, zero), negative, zero));
  return isFloat(x) ? select(ne(x, x), x, nonzero) : nonzero;
}

/** How far a value can be shifted, less 1; shifts of the IR take counts modulo the width. */
const lastShift = (x: Expr): number => (x.type.scalar === 'i64' ? 63 : 31);

const isShift = (count: Expr, share: Share): Expr => {
  const places = share(count);
  return and(ge(places, 0), le(places, lastShift(places)));
};

function shiftLeft(x: Expr, y: Expr, share: Share): Expr {
  return select(isShift(y, share), shl(x, y), 0);
}

function shiftRight(x: Expr, y: Expr, share: Share): Expr {
  return shr(x, select(isShift(y, share), y, lastShift(x)));
}

const rounded = (lower: (x: Expr) => Expr) => (x: Expr) => (isFloat(x) ? lower(x) : x);
const comparison = (lower: (x: Operand, y: Operand) => Expr, evaluate: (x: number, y: number) => boolean): MapOperation =>
  two(
    (x, y) => lower(x, y),
    (x, y) => Number(evaluate(x, y)),
  );

/** min and max that hand on NaN. */
const nanAware = (choose: (x: number, y: number) => number) => (x: number, y: number) =>
  Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : choose(x, y);

export const mapOperations: Readonly<Record<string, MapOperation>> = {
  identity: one(
    (x) => x,
    (x) => x,
  ),
  /** The value in storage of its own; identity may share it. */
  copy: one(
    (x) => x,
    (x) => x,
  ),
  add: two(add, (x, y) => x + y),
  sub: two(sub, (x, y) => x - y),
  mul: two(mul, (x, y) => x * y),
  div: two(div, (x, y) => x / y),
  rem: two(rem, (x, y) => x % y),
  mod: two(floorMod, evaluateFloorMod),
  floorDivide: two(floorDivide, (x, y) => Math.floor(x / y)),
  min: two(min, nanAware(Math.min)),
  max: two(max, nanAware(Math.max)),
  pow: { ...two((x, y) => binary('pow', x, y), Math.pow), heavy: true },
  atan2: { ...two((y, x) => binary('atan2', y, x), Math.atan2), heavy: true },

  eq: comparison(eq, (x, y) => x === y),
  ne: comparison(ne, (x, y) => x !== y),
  lt: comparison(lt, (x, y) => x < y),
  le: comparison(le, (x, y) => x <= y),
  gt: comparison(gt, (x, y) => x > y),
  ge: comparison(ge, (x, y) => x >= y),
  and: two(and, (x, y) => x & y),
  or: two(or, (x, y) => x | y),
  xor: two(xor, (x, y) => x ^ y),
  shl: two(shl, (x, y) => x << y),
  shr: two(shr, (x, y) => x >> y),
  shiftLeft: two(shiftLeft, (x, y) => (y >= 0 && y < 32 ? x << y : 0)),
  shiftRight: two(shiftRight, (x, y) => x >> (y >= 0 && y < 32 ? y : 31)),
  not: one(not, (x) => (x === 0 ? 1 : 0)),
  bitNot: one(
    (x) => unary('bitNot', x),
    (x) => ~x,
  ),
  isnan: one(
    (x) => (isFloat(x) ? ne(x, x) : constant(scalarType('bool'), 0)),
    (x) => Number(Number.isNaN(x)),
  ),
  isinf: one(
    (x) => (isFloat(x) ? eq(abs(x), constant(x.type, 'inf')) : constant(scalarType('bool'), 0)),
    (x) => Number(Math.abs(x) === Number.POSITIVE_INFINITY),
  ),
  signbit: one(
    (x) => (isFloat(x) ? hasSignBit(x) : lt(x, 0)),
    (x) => Number(x < 0 || Object.is(x, -0)),
  ),
  copysign: two(
    (x, y, share) => withSign(share(abs(x)), y),
    (x, y) => (Object.is(Math.abs(y), y) ? Math.abs(x) : -Math.abs(x)),
  ),
  nextAfter: two(neighbourOf, nextAfter),
  isfinite: one(
    (x) => (isFloat(x) ? lt(abs(x), constant(x.type, 'inf')) : constant(scalarType('bool'), 1)),
    (x) => Number(Number.isFinite(x)),
  ),
  select: {
    arity: 3,
    lower: ([condition, x, y]) => select(condition!, x!, y!),
    evaluate: (condition, x, y) => (condition !== 0 ? x! : y!),
  },
  /** To the result's dtype; dispatch knows which. */
  cast: {
    arity: 1,
    lower: ([x], _share, to) => convert(x!.type.lanes === 1 ? scalarType(to) : { ...x!.type, scalar: to }, x!),
    evaluate: (x) => x,
  },

  // Complex numbers: of real ones these are trivial.
  complex: two(
    () => {
      throw new TypeError('two real numbers make a complex one');
    },
    () => Number.NaN,
  ),
  real: one(
    (x) => x,
    (x) => x,
  ),
  conj: one(
    (x) => x,
    (x) => x,
  ),
  imag: one(
    (x) => constant(x.type, 0),
    () => 0,
  ),
  angle: one(
    (x) => select(ne(x, x), x, select(lt(x, 0), constant(x.type, Math.PI), constant(x.type, 0))),
    (x) => (Number.isNaN(x) ? x : x < 0 ? Math.PI : 0),
  ),

  neg: one(neg, (x) => -x),
  abs: one(abs, Math.abs),
  sign: one(sign, Math.sign),
  floor: one(rounded(floor), Math.floor),
  ceil: one(rounded(ceil), Math.ceil),
  trunc: one(rounded(trunc), Math.trunc),
  round: one(rounded(rint), roundHalfToEven),
  sqrt: one(sqrt, Math.sqrt),
  rsqrt: one(
    (x) => div(1, sqrt(x)),
    (x) => 1 / Math.sqrt(x),
  ),
  reciprocal: one(
    (x) => div(1, x),
    (x) => 1 / x,
  ),
  square: one(
    (x) => mul(x, x),
    (x) => x * x,
  ),

  exp: math('exp', Math.exp),
  exp2: math('exp2', (x) => 2 ** x),
  expm1: math('expm1', Math.expm1),
  log: math('log', Math.log),
  log2: math('log2', Math.log2),
  log10: math('log10', Math.log10),
  log1p: math('log1p', Math.log1p),
  sin: math('sin', Math.sin),
  cos: math('cos', Math.cos),
  tan: math('tan', Math.tan),
  asin: math('asin', Math.asin),
  acos: math('acos', Math.acos),
  atan: math('atan', Math.atan),
  sinh: math('sinh', Math.sinh),
  cosh: math('cosh', Math.cosh),
  tanh: math('tanh', Math.tanh),
  asinh: math('asinh', Math.asinh),
  acosh: math('acosh', Math.acosh),
  atanh: math('atanh', Math.atanh),
  cbrt: math('cbrt', Math.cbrt),
  erf: math('erf', errorFunction),
  erfc: math('erfc', erfc),
  erfinv: math('erfinv', erfinv),
  lgamma: math('lgamma', lgamma),
  digamma: math('digamma', digamma),
  i0e: math('i0e', i0e),
  i1e: math('i1e', i1e),

  /** Word (index modulo 4) of Philox4x32-10 at counter offset + index / 4: index, key low, key high, offset low, offset high. */
  random: { arity: 5, lower: philox, evaluate: () => Number.NaN, heavy: true },
  /** 24 (float32) or 32 (float64) random bits to a number in [0, 1). */
  bitsToUniform: {
    arity: 1,
    lower: ([word], _share, to) => {
      const type = word!.type.lanes === 1 ? scalarType(to) : { ...word!.type, scalar: to };
      return mul(convert(type, shru(word!, 8)), constant(type, 2 ** -24));
    },
    evaluate: (word) => (word >>> 8) * 2 ** -24,
  },
};

function roundHalfToEven(x: number): number {
  const floored = Math.floor(x);
  const rest = x - floored;
  if (rest !== 0.5) return Math.round(x);
  return floored % 2 === 0 ? floored : floored + 1;
}

/** erf by its Taylor series near 0 and the continued fraction of erfc elsewhere; accurate to a few units of float64. */
export function errorFunction(x: number): number {
  const size = Math.abs(x);
  if (!(size < 6)) return Number.isNaN(x) ? x : Math.sign(x);
  if (size < 2.5) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); n++) {
      term *= (-x * x) / n;
      total += term / (2 * n + 1);
      if (term === 0) break;
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  }
  let fraction = 0;
  for (let n = 80; n >= 1; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (size + fraction));
}

function philox(args: readonly Expr[], share: Share): Expr {
  const [index, keyLow, keyHigh, offsetLow, offsetHigh] = args as [Expr, Expr, Expr, Expr, Expr];
  const type = index.type;
  const high = (a: Expr, multiplier: number) => binary('mulhiu', a, constant(type, multiplier | 0));
  const low = (a: Expr, multiplier: number) => mul(a, constant(type, multiplier | 0));
  const word = share(index);
  let c0 = share(add(offsetLow, shru(word, 2)));
  let c1 = share(add(offsetHigh, select(compare('ltu', c0, offsetLow), constant(type, 1), constant(type, 0))));
  let c2 = constant(type, 0);
  let c3 = constant(type, 0);
  for (let round = 0; round < 10; round++) {
    const k0 = add(keyLow, constant(type, Math.imul(round, 0x9e3779b9)));
    const k1 = add(keyHigh, constant(type, Math.imul(round, 0xbb67ae85)));
    const n0 = share(xor(xor(high(c2, 0xcd9e8d57), c1), k0));
    const n1 = share(low(c2, 0xcd9e8d57));
    const n2 = share(xor(xor(high(c0, 0xd2511f53), c3), k1));
    const n3 = share(low(c0, 0xd2511f53));
    [c0, c1, c2, c3] = [n0, n1, n2, n3];
  }
  const which = share(and(word, 3));
  return select(eq(which, 0), c0, select(eq(which, 1), c1, select(eq(which, 2), c2, c3)));
}
