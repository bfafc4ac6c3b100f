/**
 * What a formula needs to be written down: a place for shared subexpressions, and the sign, bit and polynomial helpers that all
 * formulas use. A formula is a function from an expression to an expression that works for a scalar and for a vector of any width,
 * so that a loop's lanes and its tail get the same bits. No formula stands here.
 */
import { abs, and, bits, constant, fma, lane, lt, mul, or, select, xor } from '../build.js';
import type { Expr, MathOp, Type } from '../ir.js';
import type { Share } from './half.js';

export interface Writer {
  /** Computes a value once and hands back an expression that reads it. */
  readonly share: Share;
  /** Another function of the same type: its formula, or left to the target. */
  apply(name: MathOp, x: Expr): Expr;
  /** A local that `set` may change. */
  variable(value: Expr): Expr;
  set(target: Expr, value: Expr): void;
  /** Runs what `rare` writes only if the condition holds in some lane. */
  ifAny(condition: Expr, rare: (writer: Writer) => void): void;
}

export type Formula = (x: Expr, writer: Writer) => Expr;

/** The integer type with the same lanes. */
export function integerType(type: Type): Type {
  return { ...type, scalar: type.scalar === 'f64' ? 'i64' : 'i32' };
}

export const integerBits = (x: Expr): Expr => bits(integerType(x.type), x);

const isDouble = (type: Type): boolean => type.scalar === 'f64' || type.scalar === 'i64';

/** The sign bit, as a constant of an integer type. */
function signMask(type: Type): Expr {
  return constant(type, isDouble(type) ? '-9223372036854775808' : -0x80000000);
}

/** The sign bit of a float, in an integer. */
export function signBit(x: Expr): Expr {
  const pattern = integerBits(x);
  return and(pattern, signMask(pattern.type));
}

export function hasSignBit(x: Expr): Expr {
  return lt(integerBits(x), 0);
}

/** A value without a sign bit, given the sign of `x`. */
export function withSign(magnitude: Expr, x: Expr): Expr {
  return bits(x.type, or(integerBits(magnitude), signBit(x)));
}

/** `value`, negated where the sign bit of the integer `sign` is set. */
export function flipSign(value: Expr, sign: Expr): Expr {
  return bits(value.type, xor(integerBits(value), sign));
}

/** `x` without the lower half of its fraction, so that its square is exact. */
export function upperHalf(x: Expr): Expr {
  const pattern = integerBits(x);
  return bits(x.type, and(pattern, constant(pattern.type, isDouble(x.type) ? '-134217728' : -4096)));
}

/** The smaller of `x` and `bound`; NaN stays NaN. Written as the comparison that machines have an instruction for. */
export function bounded(x: Expr, bound: number): Expr {
  const limit = constant(x.type, bound);
  return select(lt(limit, x), limit, x);
}

/** `x`, moved into [low, high]; NaN stays NaN. */
export function clamped(x: Expr, low: number, high: number, { share }: Writer): Expr {
  const below = share(bounded(x, high));
  const limit = constant(x.type, low);
  return share(select(lt(below, limit), limit, below));
}

export const infinity = (type: Type): Expr => constant(type, 'inf');
export const notANumber = (type: Type): Expr => constant(type, 'nan');
export const magnitude = (x: Expr, { share }: Writer): Expr => share(abs(x));

/**
 * c[0] + c[1] x + c[2] x^2 + ..., by Estrin's scheme: neighbours are joined with x, their results with x^2, those with x^4, ...
 * Horner's rule needs fewer operations, but each waits for the one before. The last three terms are joined by it all the same: that
 * saves a power and waits no longer than computing it would.
 */
export function polynomial(x: Expr, coefficients: readonly number[], { share }: Writer): Expr {
  let terms = coefficients.map((coefficient) => constant(x.type, coefficient));
  let power = x;
  while (terms.length > 3) {
    power = share(power);
    terms = joinNeighbours(terms, power);
    power = mul(power, power);
  }
  return hornerOf(share(power), terms);
}

/** The same by Horner's rule, whose rounding errors are smaller where the terms nearly cancel. */
export function horner(x: Expr, coefficients: readonly number[]): Expr {
  return hornerOf(
    x,
    coefficients.map((coefficient) => constant(x.type, coefficient)),
  );
}

const hornerOf = (x: Expr, terms: readonly Expr[]): Expr => terms.reduceRight((sum, term) => fma(sum, x, term));

function joinNeighbours(terms: readonly Expr[], power: Expr): Expr[] {
  const joined: Expr[] = [];
  for (let index = 0; index < terms.length; index += 2) {
    const [low, high] = [terms[index]!, terms[index + 1]];
    joined.push(high === undefined ? low : fma(high, power, low));
  }
  return joined;
}

/** Whether a mask holds in any lane, as a scalar. */
export function anyLane(mask: Expr): Expr {
  if (mask.type.lanes === 1) return mask;
  const lanes = Array.from({ length: mask.type.lanes }, (_, index) => lane(mask, index));
  return lanes.reduce((left, right) => or(left, right));
}
