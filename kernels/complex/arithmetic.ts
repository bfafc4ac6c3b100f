/**
 * Complex arithmetic over pairs of real expressions: the operators that any kernel may use on complex values, and the parts of formulas
 * that functions.ts shares. Nothing here knows where the pairs come from.
 */
import { abs, add, and, constant, div, eq, ge, max, min, mul, ne, neg, or, select, sqrt, sub } from '../build.js';
import type { Expr } from '../ir.js';
import type { Share } from '../math/half.js';

export interface Pair {
  readonly real: Expr;
  /** Null where the value is a real number beside complex ones: it scales both parts, and 0 times infinity is never computed. */
  readonly imaginary: Expr | null;
}

/** The imaginary part, 0 where there is none. */
export const imaginaryOf = ({ real, imaginary }: Pair): Expr => imaginary ?? constant(real.type, 0);

const both = (change: (part: Expr) => Expr, { real, imaginary }: Pair): Pair => ({
  real: change(real),
  imaginary: imaginary === null ? null : change(imaginary),
});

export const negative = (a: Pair): Pair => both(neg, a);

export function sum(a: Pair, b: Pair): Pair {
  const imaginary = a.imaginary === null ? b.imaginary : b.imaginary === null ? a.imaginary : add(a.imaginary, b.imaginary);
  return { real: add(a.real, b.real), imaginary };
}

export function difference(a: Pair, b: Pair): Pair {
  if (b.imaginary === null) return { real: sub(a.real, b.real), imaginary: a.imaginary };
  const imaginary = a.imaginary === null ? neg(b.imaginary) : sub(a.imaginary, b.imaginary);
  return { real: sub(a.real, b.real), imaginary };
}

export function product(a: Pair, b: Pair): Pair {
  if (a.imaginary === null) return both((part) => mul(a.real, part), b);
  if (b.imaginary === null) return both((part) => mul(part, b.real), a);
  return {
    real: sub(mul(a.real, b.real), mul(a.imaginary, b.imaginary)),
    imaginary: add(mul(a.real, b.imaginary), mul(a.imaginary, b.real)),
  };
}

/** Smith's formula: the divisor's parts are divided by the larger of them, so that no square of them overflows. */
export function quotient(a: Pair, b: Pair, share: Share): Pair {
  if (b.imaginary === null) return both((part) => div(part, b.real), a);
  const realIsLarger = share(ge(abs(b.real), abs(b.imaginary)));
  const larger = share(select(realIsLarger, b.real, b.imaginary));
  const smaller = select(realIsLarger, b.imaginary, b.real);
  const ratio = share(select(eq(larger, 0), constant(larger.type, 0), div(smaller, larger)));
  const divisor = share(add(larger, mul(smaller, ratio)));
  const imaginary = imaginaryOf(a);
  const first = share(select(realIsLarger, a.real, imaginary));
  const second = share(select(realIsLarger, imaginary, a.real));
  const crossed = share(sub(second, mul(first, ratio)));
  return {
    real: div(add(first, mul(second, ratio)), divisor),
    imaginary: div(select(realIsLarger, crossed, neg(crossed)), divisor),
  };
}

/** Equal where both parts are. */
export const equal = (a: Pair, b: Pair): Expr => and(eq(a.real, b.real), eq(imaginaryOf(a), imaginaryOf(b)));
export const unequal = (a: Pair, b: Pair): Expr => or(ne(a.real, b.real), ne(imaginaryOf(a), imaginaryOf(b)));

export function chosen(condition: Expr, a: Pair, b: Pair): Pair {
  return {
    real: select(condition, a.real, b.real),
    imaginary: a.imaginary === null && b.imaginary === null ? null : select(condition, imaginaryOf(a), imaginaryOf(b)),
  };
}

/** The sizes of both parts: the larger, and the smaller divided by it (1 where they are equal, 0 and infinity included). */
export function scaledSizes(real: Expr, imaginary: Expr, share: Share): { larger: Expr; ratio: Expr } {
  const [a, b] = [share(abs(real)), share(abs(imaginary))];
  const larger = share(max(a, b));
  const smaller = share(min(a, b));
  return { larger, ratio: share(select(eq(larger, smaller), constant(real.type, 1), div(smaller, larger))) };
}

/** The distance from 0, without squares that overflow; infinite where a part is, even beside NaN. */
export function size(real: Expr, imaginary: Expr, share: Share): Expr {
  const { larger, ratio } = scaledSizes(real, imaginary, share);
  const infinity = constant(real.type, 'inf');
  const isInfinite = or(eq(abs(real), infinity), eq(abs(imaginary), infinity));
  return share(select(isInfinite, infinity, mul(larger, sqrt(add(1, mul(ratio, ratio))))));
}
