/**
 * float32 formulas of the exponential family. Arguments are reduced to |r| <= ln 2 / 2 by x = n ln 2 + r; polynomials are minimax fits
 * of the function that stands beside them; 2^n is put together from exponent bits.
 */
import { add, bits, constant, div, fma, gt, lt, mul, select, shl, shr, sub } from '../build.js';
import type { Expr } from '../ir.js';
import { bounded, clamped, type Formula, integerBits, magnitude, polynomial, type Writer, withSign } from './writer.js';

/** Added to a small number, it leaves the nearest integer in the low bits: 1.5 * 2^23. */
export const ROUNDER = 12582912;

/** What the exponent field of a float32 holds for 2^0. */
const BIAS = 127;

/** ln 2 in two parts, the first of 10 bits so that its products with exponents are exact. */
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -0.00021219444170128554;
const LOG2_E = 1.4426950216293335;

/** Arguments are moved into this range: beyond it e^x rounds to 0, and e^x / 4 to infinity. */
const LOWEST = -105;
const HIGHEST = 91;
/** Up to this |x|, e^x and e^x / 4 are far from overflow and from subnormals. */
const ORDINARY = 86;

// (e^r - 1 - r) / r^2
const EXP = [0.4999999403953552, 0.1666651964187622, 0.04166824743151665, 0.008368851616978645, 0.001382274553179741];
// (2^r - 1) / r
const EXP2 = [
  0.6931471824645996, 0.24022643268108368, 0.05550358444452286, 0.00961899571120739, 0.0013391474494710565,
  0.00015199602057691664,
];
// (sinh(s) / s - 1) / z, z = s^2
const SINH = [0.1666666716337204, 0.008333316072821617, 0.0001984139089472592, 2.791893393805367e-6];

interface Reduced {
  /** An integer whose low bits hold n + offset. */
  readonly exponent: Expr;
  readonly r: Expr;
}

/** x = n ln 2 + r, for an |x| of at most some hundreds. */
function reduce(x: Expr, writer: Writer, offset: number): Reduced {
  const { share } = writer;
  const rounder = ROUNDER + offset;
  const rounded = share(fma(x, constant(x.type, LOG2_E), constant(x.type, rounder)));
  return { exponent: integerBits(rounded), r: remainder(x, share(sub(rounded, rounder)), writer) };
}

/** x - n ln 2 */
function remainder(x: Expr, n: Expr, { share }: Writer): Expr {
  const high = fma(n, constant(x.type, -LN2_HIGH), x);
  return share(fma(n, constant(x.type, -LN2_LOW), high));
}

/** e^r - 1 for the reduced argument. */
const expm1OfReduced = (r: Expr, writer: Writer): Expr => fma(mul(r, r), polynomial(r, EXP, writer), r);

/** 2^n for an n between -126 and 127, from n + BIAS. */
const power = (exponent: Expr): Expr => bits(floatType(exponent), shl(exponent, 23));

const floatType = (integer: Expr) => ({ ...integer.type, scalar: 'f32' });

/** value * 2^n, overflowing or rounded to a subnormal where it must be: in two steps of about n / 2, from n + BIAS. */
function scale(value: Expr, exponent: Expr, { share }: Writer): Expr {
  const both = share(add(exponent, BIAS));
  const half = share(shl(shr(both, 1), 23));
  const rest = sub(shl(both, 23), half);
  return mul(mul(value, bits(value.type, half)), bits(value.type, rest));
}

interface ExponentialOptions {
  /** Added to x; small against it, and no larger than 1 where e^x neither overflows nor rounds to 0. */
  readonly tail?: Expr;
  /** The result is divided by 2 so often; at most 2. */
  readonly halvings?: number;
}

/** e^x over the whole range. Nearly all arguments are ordinary, and their power of 2 needs no care. */
export function exponential(x: Expr, writer: Writer, options: ExponentialOptions = {}): Expr {
  const result = writer.variable(ordinaryExponential(x, writer, options));
  writer.ifAny(gt(mul(x, x), ORDINARY ** 2), (rare) => rare.set(result, anyExponential(x, rare, options)));
  return result;
}

/** NaN stays NaN, as the product's first factor is. */
function ordinaryExponential(x: Expr, writer: Writer, { tail, halvings = 0 }: ExponentialOptions): Expr {
  const { exponent, r } = reduce(x, writer, BIAS - halvings);
  const argument = tail === undefined ? r : writer.share(add(r, tail));
  return mul(add(expm1OfReduced(argument, writer), 1), power(exponent));
}

function anyExponential(x: Expr, writer: Writer, { tail, halvings = 0 }: ExponentialOptions): Expr {
  const near = clamped(x, LOWEST, HIGHEST, writer);
  const { exponent, r } = reduce(near, writer, BIAS - halvings);
  const argument = tail === undefined ? r : writer.share(add(r, clamped(tail, -1, 1, writer)));
  return scale(add(expm1OfReduced(argument, writer), 1), exponent, writer);
}

export const exp: Formula = (x, writer) => exponential(x, writer);

export const exp2: Formula = (x, writer) => {
  const { share } = writer;
  const near = clamped(x, -152, 129, writer);
  const rounded = share(add(near, ROUNDER + BIAS));
  const r = share(sub(near, sub(rounded, ROUNDER + BIAS)));
  return scale(fma(r, polynomial(r, EXP2, writer), constant(x.type, 1)), integerBits(rounded), writer);
};

/** 2^n (e^r - 1) + (2^n - 1), computed at half its size so that n = 128 does not overflow early. */
export const expm1: Formula = (x, writer) => {
  const { share } = writer;
  const { exponent, r } = reduce(clamped(x, -20, 89, writer), writer, BIAS - 1);
  const half = share(power(exponent));
  const result = mul(fma(half, expm1OfReduced(r, writer), sub(half, 0.5)), 2);
  return select(lt(magnitude(x, writer), 2 ** -25), x, result);
};

/** s + s^3 P(s^2) */
export function oddPolynomial(s: Expr, coefficients: readonly number[], writer: Writer): Expr {
  const square = writer.share(mul(s, s));
  return fma(mul(s, square), polynomial(square, coefficients, writer), s);
}

export const sinh: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  const half = writer.share(exponential(a, writer, { halvings: 1 }));
  const large = sub(half, div(0.25, half));
  return withSign(select(lt(a, 1), oddPolynomial(a, SINH, writer), large), x);
};

export const cosh: Formula = (x, writer) => {
  const half = writer.share(exponential(magnitude(x, writer), writer, { halvings: 1 }));
  return add(half, div(0.25, half));
};

/** e / (e + 2) with e = e^2a - 1, and a bounded where the quotient is 1 long since. */
export const tanh: Formula = (x, writer) => {
  const { share } = writer;
  const a = share(bounded(magnitude(x, writer), 10));
  const { exponent, r } = reduce(share(add(a, a)), writer, BIAS);
  const scale = share(power(exponent));
  const e = share(fma(scale, expm1OfReduced(r, writer), sub(scale, 1)));
  return withSign(div(e, add(e, 2)), x);
};
