/**
 * erf, erfc, erfinv, lgamma and digamma in float32 and float64: one set of formulas, with the polynomials of each type. They are made of the
 * elementary functions of their type and of minimax fits of the function that stands beside each table.
 */
import { abs, add, and, constant, div, eq, fma, ge, gt, lt, mul, ne, neg, or, rint, select, sqrt, sub } from '../build.js';
import type { Expr, Type } from '../ir.js';
import { DOUBLE, ERF_DENOMINATOR, ERF_DOUBLE, ERF_END, ERF_NUMERATOR, SINGLE, type SpecialTables } from './special-tables.js';
import {
  bounded,
  clamped,
  type Formula,
  horner,
  infinity,
  magnitude,
  notANumber,
  polynomial,
  upperHalf,
  type Writer,
  withSign,
} from './writer.js';

const tablesOf = (type: Type): SpecialTables => (type.scalar === 'f64' ? DOUBLE : SINGLE);

// The error function

/** e^(-a^2) F(q) / (1 + 2 a), q = (a - k) / (a + k), for a >= 0; a^2 is split so that its rounding does not count. */
function erfcOfMagnitude(a: Expr, writer: Writer): Expr {
  const { share } = writer;
  const { erfc, erfcCentre, erfcEnd } = tablesOf(a.type);
  const bounded = share(select(gt(a, erfcEnd), erfcEnd, a));
  const q = share(div(sub(bounded, erfcCentre), add(bounded, erfcCentre)));
  const high = share(upperHalf(bounded));
  const main = writer.apply('exp', neg(mul(high, high)));
  const rest = writer.apply('exp', mul(sub(high, bounded), add(high, bounded)));
  return mul(mul(main, rest), div(horner(q, erfc), add(add(bounded, bounded), 1)));
}

/**
 * x P(s) / Q(s), s = x^2, up to where the quotient passes 1; from there on s stands still, and the quotient is cut off at 1. It is off by up to 4 ulp close to 1, and takes half the time of forms that are
 * not. An odd function as it stands, it needs no sign put back.
 */
function erfByQuotient(x: Expr, writer: Writer): Expr {
  const { share } = writer;
  const square = share(bounded(mul(x, x), ERF_END * ERF_END));
  const numerator = mul(x, polynomial(square, ERF_NUMERATOR, writer));
  return clamped(share(div(numerator, polynomial(square, ERF_DENOMINATOR, writer))), -1, 1, writer);
}

/** a + a P(a^2) below 1, 1 - erfc a above. */
function erfInPieces(a: Expr, writer: Writer): Expr {
  const small = fma(a, horner(writer.share(mul(a, a)), ERF_DOUBLE), a);
  return select(lt(a, 1), small, sub(1, erfcOfMagnitude(a, writer)));
}

export const erf: Formula = (x, writer) =>
  x.type.scalar === 'f64' ? withSign(erfInPieces(magnitude(x, writer), writer), x) : erfByQuotient(x, writer);

export const erfc: Formula = (x, writer) => {
  const value = writer.share(erfcOfMagnitude(magnitude(x, writer), writer));
  return select(lt(x, 0), sub(2, value), value);
};

/**
 * x P(w), w = -log(1 - x^2), by pieces that begin further and further out, all but the first in sqrt(w). Infinite at 1 and -1, NaN beyond.
 */
export const erfinv: Formula = (x, writer) => {
  const { share } = writer;
  const a = magnitude(x, writer);
  const w = share(neg(writer.apply('log', mul(sub(1, a), add(1, a)))));
  const root = share(sqrt(w));
  const { erfinv: central, erfinvCentre, erfinvTail } = tablesOf(x.type);
  const tail = erfinvTail.reduce(
    (before, { from, centre, coefficients }) => {
      const piece = horner(share(sub(root, centre)), coefficients);
      return select(lt(root, from), before, piece);
    },
    horner(share(sub(w, erfinvCentre)), central),
  );
  return mul(x, select(eq(a, 1), infinity(x.type), tail));
};

// The gamma function

/** |x| from which Stirling's series is used. */
const ASYMPTOTIC = 8;

/** a, moved by whole steps into [low, low + 1], and the product of the values it passed. */
function stepDown(a: Expr, low: number, { share }: Writer, visit: (value: Expr, taken: Expr) => void): Expr {
  let value = a;
  for (let step = 0; step < ASYMPTOTIC - Math.floor(low) - 1; step++) {
    const taken = share(ge(value, low + 1));
    value = share(select(taken, sub(value, 1), value));
    visit(value, taken);
  }
  return value;
}

/**
 * log Gamma of a >= 0, by distance t from 2: log Gamma(2 + t) is t P(t) for |t| <= 1/2; a larger a adds the logarithm of the factors
 * between, a smaller one subtracts it (with log1p around the zero at 1). From 8 on, Stirling's series.
 */
function lgammaOfMagnitude(a: Expr, writer: Writer): Expr {
  const { share } = writer;
  const tables = tablesOf(a.type);
  let product: Expr = constant(a.type, 1);
  const reduced = stepDown(a, 1.5, writer, (value, taken) => {
    product = share(select(taken, mul(product, value), product));
  });
  const isTiny = share(lt(a, 0.5));
  const isSmall = share(lt(a, 1.5));
  const isLarge = share(ge(a, ASYMPTOTIC));
  const t = share(select(isTiny, a, sub(reduced, select(isSmall, constant(a.type, 1), 2))));
  const argument = select(isTiny, mul(a, add(a, 1)), select(isLarge, a, product));
  const logarithm = share(writer.apply('log', argument));
  const belowTwo = select(isTiny, logarithm, writer.apply('log1p', t));
  const near = sub(mul(t, horner(t, tables.lgamma)), select(isSmall, belowTwo, neg(logarithm)));
  const inverse = share(div(1, a));
  const series = mul(inverse, horner(share(mul(inverse, inverse)), tables.stirling));
  const stirling = add(mul(sub(a, 0.5), sub(logarithm, 1)), add(series, tables.stirlingConstant));
  return select(isLarge, stirling, near);
}

/** How far a is from the nearest integer: exact. */
const fromInteger = (a: Expr, { share }: Writer): Expr => share(sub(a, rint(a)));

/** Below 0, log Gamma(-a) = log(pi / (a |sin pi a|)) - log Gamma(a): accurate to an absolute error at the zeros there. */
export const lgamma: Formula = (x, writer) => {
  const { share } = writer;
  const a = magnitude(x, writer);
  const value = share(lgammaOfMagnitude(a, writer));
  const sine = share(abs(writer.apply('sin', mul(fromInteger(a, writer), Math.PI))));
  const reflected = sub(writer.apply('log', div(Math.PI, mul(a, sine))), value);
  const mirrors = share(and(lt(x, 0), ge(a, tablesOf(x.type).epsilon)));
  const inf = infinity(x.type);
  const isPole = or(eq(a, inf), and(mirrors, eq(sine, 0)));
  return select(isPole, inf, select(mirrors, reflected, value));
};

/** digamma of a >= 0: (a - root) P(a - 3/2) on [1, 2], with the reciprocals of the steps that lead there added. */
function digammaOfMagnitude(a: Expr, writer: Writer): Expr {
  const { share } = writer;
  const tables = tablesOf(a.type);
  const isSmall = share(lt(a, 1));
  let sum = share(select(isSmall, div(-1, a), 0));
  const reduced = stepDown(select(isSmall, add(a, 1), a), 1, writer, (value, taken) => {
    sum = share(select(taken, add(sum, div(1, value)), sum));
  });
  const [rootHigh, rootLow] = tables.digammaRoot;
  const distance = sub(sub(reduced, rootHigh), rootLow);
  const near = add(mul(distance, horner(share(sub(reduced, 1.5)), tables.digamma)), sum);
  const inverse = share(div(1, a));
  const square = share(mul(inverse, inverse));
  const series = sub(mul(inverse, -0.5), mul(square, horner(square, tables.digammaSeries)));
  return select(ge(a, ASYMPTOTIC), add(writer.apply('log', a), series), near);
}

/** Below 0, digamma(-a) = digamma(1 + a) + pi cot(pi a). At 0 it is infinite, at the poles below NaN. */
export const digamma: Formula = (x, writer) => {
  const { share } = writer;
  const a = magnitude(x, writer);
  const isNegative = share(lt(x, 0));
  const value = digammaOfMagnitude(share(select(isNegative, add(a, 1), a)), writer);
  const r = fromInteger(a, writer);
  const cotangent = div(Math.PI, writer.apply('tan', mul(r, Math.PI)));
  const result = select(isNegative, select(ne(r, 0), add(value, cotangent), notANumber(x.type)), value);
  return select(eq(x, 0), div(-1, x), result);
};
