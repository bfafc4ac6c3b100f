/**
 * float32 formulas of the exponential family. Arguments are reduced to |r| <= ln 2 / 2 by x = n ln 2 + r; polynomials are minimax fits
 * of the function that stands beside them; 2^n is put together from exponent bits.
 */
import { add, bits, constant, div, fma, gt, lt, min, mul, select, shl, shr, sub } from '../build.js';
import type { Expr } from '../ir.js';
import { bounded, type Formula, integerBits, magnitude, polynomial, type Writer, withSign } from './writer.js';

/** Added to a small number, it leaves the nearest integer in the low bits: 1.5 * 2^23, and its pattern. */
export const ROUNDER = 12582912;
export const ROUNDER_BITS = 0x4b400000;

const ONE_BITS = 0x3f800000;
/** What the exponent field of a float32 holds for 2^0. */
const BIAS = 127;
/** ln 2 in two parts, the first of 10 bits so that its products with exponents are exact. */
export const LN2_HIGH = 0.693359375;
export const LN2_LOW = -0.00021219444170128554;
const LOG2_E = 1.4426950216293335;

/** Below it every result of e^x rounds to 0. */
const LOWEST = -105;
/** The exponent is cut off here: e^r then overflows in its stead. */
const HIGHEST = 160;
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
  /** The rounder's pattern plus n. */
  readonly exponent: Expr;
  readonly r: Expr;
}

/** x = n ln 2 + r. With n cut off at `highest`, an x that is too large leaves an r so large that the result overflows. */
function reduce(x: Expr, writer: Writer, highest: number): Reduced {
  const { share } = writer;
  const rounded = fma(x, constant(x.type, LOG2_E), constant(x.type, ROUNDER));
  const exponent = share(min(integerBits(rounded), ROUNDER_BITS + highest));
  const n = share(sub(bits(x.type, exponent), ROUNDER));
  return { exponent, r: remainder(x, n, writer) };
}

/** x - n ln 2 */
function remainder(x: Expr, n: Expr, { share }: Writer): Expr {
  const high = fma(n, constant(x.type, -LN2_HIGH), x);
  return share(fma(n, constant(x.type, -LN2_LOW), high));
}

/** e^r - 1 for the reduced argument. */
const expm1OfReduced = (r: Expr, writer: Writer): Expr => fma(mul(r, r), polynomial(r, EXP, writer), r);

/** 2^n for an n between -126 and 127, from the rounder's pattern plus n. */
const power = (exponent: Expr): Expr => bits(floatType(exponent), add(shl(exponent, 23), ONE_BITS));

const floatType = (integer: Expr) => ({ ...integer.type, scalar: 'f32' });

/** value * 2^n, overflowing or rounded to a subnormal where it must be: in two steps of about n / 2. */
function scale(value: Expr, exponent: Expr, { share }: Writer): Expr {
  const half = share(shl(shr(exponent, 1), 23));
  const rest = sub(shl(exponent, 23), half);
  const type = floatType(exponent);
  return mul(mul(value, bits(type, add(half, ONE_BITS))), bits(type, add(rest, ONE_BITS)));
}

interface ExponentialOptions {
  /** Added to x; small against it. */
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
  const { power, r } = reduceOrdinary(x, writer, halvings);
  const argument = tail === undefined ? r : writer.share(add(r, tail));
  return mul(add(expm1OfReduced(argument, writer), 1), power);
}

/** x = n ln 2 + r, and 2^(n - halvings), for |x| <= ORDINARY: the rounder leaves the biased exponent in the low bits. */
function reduceOrdinary(x: Expr, writer: Writer, halvings = 0): { readonly power: Expr; readonly r: Expr } {
  const { share } = writer;
  const rounder = ROUNDER + BIAS - halvings;
  const rounded = share(fma(x, constant(x.type, LOG2_E), constant(x.type, rounder)));
  const r = remainder(x, share(sub(rounded, rounder)), writer);
  return { power: share(bits(x.type, shl(integerBits(rounded), 23))), r };
}

function anyExponential(x: Expr, writer: Writer, { tail, halvings = 0 }: ExponentialOptions): Expr {
  const { exponent, r } = reduce(x, writer, HIGHEST);
  const argument = tail === undefined ? r : writer.share(add(r, tail));
  const value = add(expm1OfReduced(argument, writer), 1);
  const scaled = scale(value, halvings === 0 ? exponent : writer.share(sub(exponent, halvings)), writer);
  return select(lt(x, LOWEST), 0, scaled);
}

export const exp: Formula = (x, writer) => exponential(x, writer);

export const exp2: Formula = (x, writer) => {
  const { share } = writer;
  const exponent = share(min(integerBits(add(x, ROUNDER)), ROUNDER_BITS + HIGHEST));
  const r = share(sub(x, sub(bits(x.type, exponent), ROUNDER)));
  return select(lt(x, -152), 0, scale(fma(r, polynomial(r, EXP2, writer), constant(x.type, 1)), exponent, writer));
};

/** 2^n (e^r - 1) + (2^n - 1), computed at half its size so that n = 128 does not overflow early. */
export const expm1: Formula = (x, writer) => {
  const { share } = writer;
  const bounded = share(select(lt(x, -20), -20, x));
  const { exponent, r } = reduce(bounded, writer, 128);
  const half = share(power(sub(exponent, 1)));
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
  const { power, r } = reduceOrdinary(share(add(a, a)), writer);
  const e = share(fma(power, expm1OfReduced(r, writer), sub(power, 1)));
  return withSign(div(e, add(e, 2)), x);
};
