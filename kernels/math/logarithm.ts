/**
 * float32 formulas of the logarithm family, and pow. A positive x is m 2^e with sqrt(1/2) <= m < sqrt(2); with f = m - 1 and
 * s = f / (2 + f), log m = log((1 + s) / (1 - s)) = f - (f^2/2 - s (f^2/2 + R(s^2))): the form of fdlibm, whose R is fitted here.
 */
import {
  abs,
  add,
  and,
  bits,
  constant,
  convert,
  div,
  eq,
  fma,
  ge,
  gt,
  lt,
  mul,
  ne,
  not,
  or,
  select,
  shr,
  sqrt,
  sub,
  trunc,
} from '../build.js';
import type { Expr } from '../ir.js';
import { exponential, LN2_HIGH, LN2_LOW } from './exponential.js';
import {
  type Formula,
  flipSign,
  infinity,
  integerBits,
  magnitude,
  notANumber,
  polynomial,
  upperHalf,
  type Writer,
  withSign,
} from './writer.js';

const SMALLEST_NORMAL = 2 ** -126;
const HALF_ROOT_BITS = 0x3f3504f3;
const FRACTION = 0x7fffff;
const LN2 = 0.6931471824645996;

// R(z) / z, z = s^2
const LOG = [0.6666677594184875, 0.39977577328681946, 0.2987106442451477];
const LOG_FOR_POW = [0.6666666269302368, 0.40000852942466736, 0.2850988805294037, 0.24034428596496582];

// 1 / ln 2, 1 / ln 10 and log10 2, each as a sum whose first part has few bits.
const INVERSE_LN2 = [1.4423828125, 0.00031222839606925845] as const;
const INVERSE_LN10 = [0.4342041015625, 9.038033749675378e-5] as const;
const LOG10_2 = [0.301025390625, 4.605039066518657e-6] as const;

interface Decomposed {
  /** e, as a float. */
  readonly exponent: Expr;
  /** m - 1, exact. */
  readonly f: Expr;
}

/** Of a normal positive x. */
function decomposeNormal(x: Expr, { share }: Writer): Decomposed {
  const pattern = share(sub(integerBits(x), HALF_ROOT_BITS));
  const m = bits(x.type, add(and(pattern, FRACTION), HALF_ROOT_BITS));
  return { exponent: share(convert(x.type, shr(pattern, 23))), f: share(sub(m, 1)) };
}

/** Of any positive x: a subnormal is scaled first. */
function decompose(x: Expr, writer: Writer): Decomposed {
  const subnormal = writer.share(lt(x, SMALLEST_NORMAL));
  const normal = select(subnormal, mul(x, 2 ** 23), x);
  const { exponent, f } = decomposeNormal(normal, writer);
  return { exponent: writer.share(sub(exponent, select(subnormal, constant(x.type, 23), 0))), f };
}

interface Series {
  readonly halfSquare: Expr;
  /** s (f^2/2 + R) */
  readonly correction: Expr;
}

function series(f: Expr, writer: Writer): Series {
  const { share } = writer;
  const s = share(div(f, add(f, 2)));
  const z = share(mul(s, s));
  const halfSquare = share(mul(mul(f, f), 0.5));
  return { halfSquare, correction: mul(s, fma(z, polynomial(z, LOG, writer), halfSquare)) };
}

/** e ln 2 + log(1 + f) + tail */
function combine(exponent: Expr, f: Expr, writer: Writer, tail?: Expr): Expr {
  const { halfSquare, correction } = series(f, writer);
  const low = mul(exponent, LN2_LOW);
  const small = add(correction, tail === undefined ? low : add(low, tail));
  return sub(mul(exponent, LN2_HIGH), sub(sub(halfSquare, small), f));
}

/** What a logarithm gives outside of its finite domain: -inf at 0, NaN below, and inf and NaN for themselves. */
function outsideDomain(x: Expr, result: Expr, position: Expr): Expr {
  const finite = select(lt(x, infinity(x.type)), result, x);
  const outside = select(eq(position, 0), constant(x.type, '-inf'), notANumber(x.type));
  return select(gt(position, 0), finite, outside);
}

export const log: Formula = (x, writer) => {
  const { exponent, f } = decompose(x, writer);
  return outsideDomain(x, combine(exponent, f, writer), x);
};

interface SplitLog {
  readonly exponent: Expr;
  /** log(m) = high + low; high has 12 bits. */
  readonly high: Expr;
  readonly low: Expr;
}

function splitLog(x: Expr, writer: Writer): SplitLog {
  const { exponent, f } = decompose(x, writer);
  const { halfSquare, correction } = series(f, writer);
  const high = writer.share(upperHalf(sub(f, halfSquare)));
  const low = writer.share(add(sub(sub(f, high), halfSquare), correction));
  return { exponent, high, low };
}

/** (high + low) * (factor[0] + factor[1]) without the leading product */
function smallProducts({ high, low }: SplitLog, [factorHigh, factorLow]: readonly [number, number]): Expr {
  return add(mul(add(low, high), factorLow), mul(low, factorHigh));
}

export const log2: Formula = (x, writer) => {
  const split = splitLog(x, writer);
  const fraction = add(smallProducts(split, INVERSE_LN2), mul(split.high, INVERSE_LN2[0]));
  return outsideDomain(x, add(fraction, split.exponent), x);
};

export const log10: Formula = (x, writer) => {
  const split = splitLog(x, writer);
  const small = add(mul(split.exponent, LOG10_2[1]), smallProducts(split, INVERSE_LN10));
  const result = add(add(small, mul(split.high, INVERSE_LN10[0])), mul(split.exponent, LOG10_2[0]));
  return outsideDomain(x, result, x);
};

/** log u for u = 1 + x rounded, and what the rounding lost, divided by u; close to 0, f is x itself. */
export const log1p: Formula = (x, writer) => {
  const { share } = writer;
  const u = share(add(x, 1));
  const near = share(and(gt(x, -0.2929), lt(x, 0.4142)));
  const decomposed = decomposeNormal(u, writer);
  const lost = select(ge(u, 2), sub(1, sub(u, x)), sub(x, sub(u, 1)));
  const exponent = share(select(near, 0, decomposed.exponent));
  const f = share(select(near, x, decomposed.f));
  const result = combine(exponent, f, writer, select(near, 0, div(lost, u)));
  const tiny = lt(abs(x), 2 ** -25);
  return outsideDomain(x, select(tiny, x, result), u);
};

// Inverse hyperbolic functions, from log1p

const LARGE = 2 ** 28;

/** log(1 + small), or log(2 a) where a is so large that a + 1 is a. */
function log1pOrDoubled(a: Expr, small: Expr, writer: Writer): Expr {
  const large = writer.share(gt(a, LARGE));
  const value = writer.apply('log1p', select(large, a, small));
  return add(value, select(large, constant(a.type, LN2), 0));
}

export const asinh: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  const square = writer.share(mul(a, a));
  const small = add(a, div(square, add(sqrt(add(square, 1)), 1)));
  return withSign(log1pOrDoubled(a, small, writer), x);
};

export const acosh: Formula = (x, writer) => {
  const t = writer.share(sub(x, 1));
  const small = add(t, sqrt(fma(t, t, add(t, t))));
  return select(lt(x, 1), notANumber(x.type), log1pOrDoubled(x, small, writer));
};

export const atanh: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  return withSign(mul(writer.apply('log1p', div(add(a, a), sub(1, a))), 0.5), x);
};

// pow

/** log(m) + e ln 2 to about 30 bits, as a sum. */
function preciseLog(x: Expr, writer: Writer): { readonly high: Expr; readonly low: Expr } {
  const { share } = writer;
  const { exponent, f } = decompose(x, writer);
  const divisor = share(add(f, 2));
  const s = share(div(f, divisor));
  const sHigh = share(upperHalf(s));
  const divisorHigh = share(upperHalf(divisor));
  const divisorLow = add(sub(divisor, divisorHigh), sub(f, sub(divisor, 2)));
  const sLow = share(div(sub(sub(f, mul(sHigh, divisorHigh)), mul(sHigh, divisorLow)), divisor));
  const z = share(mul(s, s));
  const tail = fma(mul(s, z), polynomial(z, LOG_FOR_POW, writer), add(sLow, sLow));
  const whole = share(mul(exponent, LN2_HIGH));
  const double = share(add(sHigh, sHigh));
  const high = share(add(whole, double));
  const lost = sub(double, sub(high, whole));
  return { high, low: share(add(lost, fma(exponent, constant(x.type, LN2_LOW), tail))) };
}

/** e^(y (high + low)), with the product to about 30 bits. */
function powerOfMagnitude(a: Expr, y: Expr, writer: Writer): Expr {
  const { share } = writer;
  // Any larger y gives 0, 1 or infinity as 2^31 does, and the products stay finite.
  const bounded = share(select(gt(y, 2 ** 31), 2 ** 31, select(lt(y, -(2 ** 31)), -(2 ** 31), y)));
  const logarithm = preciseLog(a, writer);
  const logHigh = share(upperHalf(add(logarithm.high, logarithm.low)));
  const logLow = add(sub(logarithm.high, logHigh), logarithm.low);
  const yHigh = share(upperHalf(bounded));
  const high = share(mul(yHigh, logHigh));
  const low = share(fma(sub(bounded, yHigh), logHigh, mul(bounded, logLow)));
  const sum = share(add(high, low));
  return exponential(sum, writer, { tail: sub(low, sub(sum, high)) });
}

/** C's pow: 1 for y = 0 and for x = 1 whatever the other is, infinities as limits, NaN for a negative x and a y with a fraction. */
export function pow(x: Expr, y: Expr, writer: Writer): Expr {
  const { share } = writer;
  const { type } = x;
  const a = magnitude(x, writer);
  const inf = infinity(type);
  const extremeBase = or(eq(a, 0), eq(a, inf));
  const infinitePower = share(eq(abs(y), inf));
  const grows = eq(integerOne(lt(a, 1)), integerOne(lt(y, 0)));
  const limit = select(and(infinitePower, eq(a, 1)), 1, select(grows, inf, 0));
  const size = share(select(or(extremeBase, infinitePower), limit, powerOfMagnitude(a, y, writer)));

  const halfPower = share(mul(y, 0.5));
  const isInteger = eq(trunc(y), y);
  const isOdd = and(isInteger, ne(trunc(halfPower), halfPower));
  const oddSign = select(isOdd, constant(integerBits(x).type, -0x80000000), 0);
  const signed = flipSign(size, and(integerBits(x), oddSign));
  const hasNoValue = and(and(lt(x, 0), lt(a, inf)), not(isInteger));
  const isUnordered = or(ne(x, x), ne(y, y));
  const result = select(or(hasNoValue, isUnordered), notANumber(type), signed);
  return select(or(eq(y, 0), eq(x, 1)), 1, result);
}

/** A mask as 0 or 1, which can be compared on every target. */
const integerOne = (mask: Expr): Expr => convert({ ...mask.type, scalar: 'i32' }, mask);

/** x^(1/3) from a third of the exponent bits by three Newton steps; a subnormal is scaled by 2^24. */
export const cbrt: Formula = (x, writer) => {
  const { share } = writer;
  const a = magnitude(x, writer);
  const subnormal = share(lt(a, SMALLEST_NORMAL));
  const scaled = share(select(subnormal, mul(a, 2 ** 24), a));
  const pattern = integerBits(scaled);
  const third: Expr = {
    op: 'binary',
    type: pattern.type,
    name: 'mulhiu',
    left: pattern,
    right: constant(pattern.type, 0x55555556),
  };
  let root = share(bits(x.type, add(third, 0x2a5119f2)));
  for (let step = 0; step < 3; step++) {
    root = share(sub(root, mul(sub(root, div(scaled, mul(root, root))), 1 / 3)));
  }
  const result = withSign(select(subnormal, mul(root, 2 ** -8), root), x);
  return select(and(gt(a, 0), lt(a, infinity(x.type))), result, x);
};
