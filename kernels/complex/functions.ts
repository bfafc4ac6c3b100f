/**
 * The scalar functions of fused kernels for complex arguments or results: formulas over the two real parts. map-operations.ts has the
 * real ones under the same names; what is missing here has no meaning for complex numbers, or none that the library gives it.
 *
 * Branch cuts and signs of zero are C99's. Functions overflow where their result does, not where a square on the way would.
 */
import {
  abs,
  add,
  and,
  binary,
  constant,
  convert,
  div,
  eq,
  ge,
  gt,
  imaginaryPart,
  isComplexType,
  lt,
  mul,
  ne,
  neg,
  not,
  or,
  pair,
  realPart,
  scalarType,
  select,
  sqrt,
  sub,
  unary,
} from '../build.js';
import { type Expr, isComplexScalar, partScalar, type Scalar } from '../ir.js';
import type { Share } from '../math/half.js';
import { withSign } from '../math/writer.js';
import { scaledSizes, size } from './arithmetic.js';
import { inverseFunctions } from './inverse.js';

type ComplexFunction = (args: readonly Expr[], share: Share, to: Scalar) => Expr;

/** A function of one complex number's parts. */
type OfParts = (x: Expr, y: Expr, share: Share) => Expr;

const ofParts =
  (of: OfParts): ComplexFunction =>
  ([z], share) =>
    of(share(realPart(z!)), share(imaginaryPart(z!)), share);

const zero = (like: Expr): Expr => constant(like.type, 0);
const infinity = (like: Expr): Expr => constant(like.type, 'inf');
const [exp, log, log1p, sin, cos, tan, sinh, cosh] = (['exp', 'log', 'log1p', 'sin', 'cos', 'tan', 'sinh', 'cosh'] as const).map(
  (name) => (x: Expr) => unary(name, x),
) as [Real, Real, Real, Real, Real, Real, Real, Real];
type Real = (x: Expr) => Expr;

/** A factor times a sine or cosine, 0 where the factor is: beside exp(-inf) no angle matters. */
const damped = (factor: Expr, wave: Expr): Expr => select(eq(factor, 0), factor, mul(factor, wave));
/** The same for what is 0 with the angle: sin(0) exp(inf) is 0. */
const dampedSine = (factor: Expr, y: Expr, share: Share): Expr => select(eq(y, 0), y, damped(factor, share(sin(y))));

const exponential: OfParts = (x, y, share) => {
  const growth = share(exp(x));
  return pair(damped(growth, cos(y)), dampedSine(growth, y, share));
};

/** log|z| near |z| = 1 from |z|^2 - 1, elsewhere from the larger part and the ratio of both. */
function logSize(x: Expr, y: Expr, share: Share): Expr {
  const { larger, ratio } = scaledSizes(x, y, share);
  const smaller = share(mul(larger, ratio));
  const excess = add(mul(sub(larger, 1), add(larger, 1)), mul(smaller, smaller));
  const isNearOne = and(gt(larger, constant(x.type, 0.5)), lt(larger, constant(x.type, 1.5)));
  const plain = add(log(larger), mul(log1p(mul(ratio, ratio)), constant(x.type, 0.5)));
  return select(isNearOne, mul(log1p(excess), constant(x.type, 0.5)), plain);
}

const logarithm: OfParts = (x, y, share) => pair(logSize(x, y, share), binary('atan2', y, x));

const scaledLogarithm =
  (base: number): OfParts =>
  (x, y, share) => {
    const factor = constant(x.type, 1 / Math.log(base));
    return pair(mul(logSize(x, y, share), factor), mul(binary('atan2', y, x), factor));
  };

/** Half the sum of |z| and |x| under the root, both divided by the larger part first. */
const squareRoot: OfParts = (x, y, share) => {
  const { larger, ratio } = scaledSizes(x, y, share);
  const ofReal = select(ge(abs(x), abs(y)), constant(x.type, 1), ratio);
  const half = mul(add(sqrt(add(1, mul(ratio, ratio))), ofReal), constant(x.type, 0.5));
  const root = share(mul(sqrt(larger), sqrt(half)));
  const other = share(select(eq(root, 0), abs(y), div(abs(y), mul(root, constant(x.type, 2)))));
  const isRight = share(ge(x, 0));
  const endless = share(eq(abs(y), infinity(y)));
  const real = select(endless, infinity(x), select(isRight, root, other));
  return pair(real, withSign(select(endless, infinity(x), select(isRight, other, root)), y));
};

const sine: OfParts = (x, y, share) => pair(mul(sin(x), cosh(y)), share(mul(cos(x), sinh(y))));
const cosine: OfParts = (x, y, share) => pair(mul(cos(x), cosh(y)), share(neg(mul(sin(x), sinh(y)))));
const hyperbolicSine: OfParts = (x, y, share) => pair(mul(sinh(x), cos(y)), share(mul(cosh(x), sin(y))));
const hyperbolicCosine: OfParts = (x, y, share) => pair(mul(cosh(x), cos(y)), share(mul(sinh(x), sin(y))));

/** Kahan's formula, and the limits where the hyperbolic functions would overflow. */
function tangentParts(x: Expr, y: Expr, share: Share): { real: Expr; imaginary: Expr } {
  const slope = share(tan(y));
  const secant = share(add(1, mul(slope, slope)));
  const rise = share(sinh(x));
  const divisor = share(add(1, mul(secant, mul(rise, rise))));
  const real = div(mul(mul(secant, sqrt(add(1, mul(rise, rise)))), rise), divisor);
  const isFar = share(gt(abs(x), constant(x.type, x.type.scalar === 'f64' ? 22 : 11)));
  const fading = mul(mul(constant(x.type, 4), mul(sin(y), cos(y))), exp(mul(abs(x), constant(x.type, -2))));
  return {
    real: share(select(isFar, withSign(constant(x.type, 1), x), real)),
    imaginary: share(select(isFar, fading, div(slope, divisor))),
  };
}

const hyperbolicTangent: OfParts = (x, y, share) => {
  const { real, imaginary } = tangentParts(x, y, share);
  return pair(real, imaginary);
};

/** -i tanh(i z). */
const tangent: OfParts = (x, y, share) => {
  const { real, imaginary } = tangentParts(share(neg(y)), x, share);
  return pair(imaginary, neg(real));
};

const reciprocalOf = (z: Expr): Expr =>
  binary('div', convert(z.type, constant(scalarType(partScalar(z.type.scalar as Scalar)), 1)), z);

/** exp(w log z); 1 where w is 0, and 0 where only z is. */
const power: ComplexFunction = ([base, exponent], share) => {
  const [x, y] = [share(realPart(base!)), share(imaginaryPart(base!))];
  const logOfBase = share(pair(logSize(x, y, share), binary('atan2', y, x)));
  const scaled = share(mul(logOfBase, exponent!));
  const result = share(exponential(share(realPart(scaled)), share(imaginaryPart(scaled)), share));
  const isZero = share(and(eq(x, 0), eq(y, 0)));
  const isUnit = share(and(eq(realPart(exponent!), 0), eq(imaginaryPart(exponent!), 0)));
  const choose = (value: Expr, atZeroExponent: number): Expr =>
    select(isUnit, constant(value.type, atZeroExponent), select(isZero, zero(value), value));
  return pair(choose(realPart(result), 1), choose(imaginaryPart(result), 0));
};

/** z / |z|, and 0 of 0. */
const direction: OfParts = (x, y, share) => {
  const length = size(x, y, share);
  const isZero = share(eq(length, 0));
  return pair(select(isZero, x, div(x, length)), select(isZero, y, div(y, length)));
};

const isNaNOf = (x: Expr): Expr => ne(x, x);
const isInfiniteOf = (x: Expr): Expr => eq(abs(x), infinity(x));

const conversion: ComplexFunction = ([x], _share, to) => {
  const type = scalarType(to);
  if (!isComplexScalar(to) || isComplexType(x!.type)) return convert(type, x!);
  const real = convert(scalarType(partScalar(to)), x!);
  return pair(real, zero(real));
};

const partsOf = (z: Expr, share: Share) => ({ real: share(realPart(z)), imaginary: share(imaginaryPart(z)) });
const inverses = inverseFunctions({
  squareRoot: ({ real, imaginary }, share) => partsOf(squareRoot(real, imaginary, share), share),
  logSize: ({ real, imaginary }, share) => logSize(real, imaginary, share),
});
const inverse =
  (name: keyof typeof inverses): ComplexFunction =>
  ([z], share) => {
    const { real, imaginary } = inverses[name](partsOf(z!, share), share);
    return pair(real, imaginary);
  };

const operator =
  (name: 'add' | 'sub' | 'mul' | 'div'): ComplexFunction =>
  ([x, y]) =>
    binary(name, x!, y!);

export const complexFunctions: Readonly<Record<string, ComplexFunction>> = {
  identity: ([z]) => z!,
  copy: ([z]) => z!,
  cast: conversion,
  select: ([condition, x, y]) => select(condition!, x!, y!),
  complex: ([x, y]) => pair(x!, y!),
  real: ([z]) => realPart(z!),
  imag: ([z]) => imaginaryPart(z!),
  conj: ofParts((x, y) => pair(x, neg(y))),
  angle: ofParts((x, y) => binary('atan2', y, x)),
  abs: ofParts(size),
  sign: ofParts(direction),

  add: operator('add'),
  sub: operator('sub'),
  mul: operator('mul'),
  div: operator('div'),
  neg: ([z]) => neg(z!),
  square: ([z], share) => {
    const shared = share(z!);
    return mul(shared, shared);
  },
  reciprocal: ([z]) => reciprocalOf(z!),
  pow: power,
  eq: ([x, y]) => eq(x!, y!),
  ne: ([x, y]) => ne(x!, y!),
  isnan: ofParts((x, y) => or(isNaNOf(x), isNaNOf(y))),
  isinf: ofParts((x, y) => or(isInfiniteOf(x), isInfiniteOf(y))),
  isfinite: ofParts((x, y) => not(or(or(isNaNOf(x), isNaNOf(y)), or(isInfiniteOf(x), isInfiniteOf(y))))),

  exp: ofParts(exponential),
  log: ofParts(logarithm),
  log2: ofParts(scaledLogarithm(2)),
  log10: ofParts(scaledLogarithm(10)),
  sqrt: ofParts(squareRoot),
  rsqrt: ([z], share) => reciprocalOf(share(ofParts(squareRoot)([z!], share, 'f32'))),
  sin: ofParts(sine),
  cos: ofParts(cosine),
  tan: ofParts(tangent),
  sinh: ofParts(hyperbolicSine),
  cosh: ofParts(hyperbolicCosine),
  tanh: ofParts(hyperbolicTangent),
  asin: inverse('asin'),
  acos: inverse('acos'),
  atan: inverse('atan'),
  asinh: inverse('asinh'),
  acosh: inverse('acosh'),
  atanh: inverse('atanh'),
};
