/**
 * float32 formulas of the trigonometric family. Arguments up to 8192 are reduced by pi/2 in four parts (Cody and Waite), larger ones
 * by exact integer arithmetic with the bits of 2/pi (Payne and Hanek), so that every finite argument keeps its accuracy.
 */
import {
  add,
  and,
  binary,
  bits,
  compare,
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
  or,
  select,
  shl,
  shr,
  shru,
  sqrt,
  sub,
  xor,
} from '../build.js';
import type { Expr } from '../ir.js';
import { oddPolynomial, ROUNDER } from './exponential.js';
import {
  type Formula,
  flipSign,
  infinity,
  integerBits,
  integerType,
  magnitude,
  notANumber,
  polynomial,
  signBit,
  type Writer,
  withSign,
} from './writer.js';

// (sin(s) / s - 1) / z, (cos(s) - 1 + z/2) / z^2, (tan(s) / s - 1) / z with z = s^2, |s| <= pi/4
const SIN = [-0.16666655242443085, 0.008332191966474056, -0.00019518780754879117];
const COS = [0.04166664555668831, -0.0013887312961742282, 2.443296580167953e-5];
const TAN = [
  0.3333335220813751, 0.13332590460777283, 0.054067324846982956, 0.02124711684882641, 0.010920334607362747,
  -1.1085649020969868e-5, 0.0044232383370399475,
];
// (asin(s) / s - 1) / z for |s| <= 1/2, (atan(s) / s - 1) / z for |s| <= 1
const ASIN = [0.16666753590106964, 0.07495250552892685, 0.04547639191150665, 0.02414964698255062, 0.04221705347299576];
const ATAN = [
  -0.33333301544189453, 0.1999862939119339, -0.1426515132188797, 0.10957101732492447, -0.08418115973472595, 0.05821217969059944,
  -0.031433939933776855, 0.011053000576794147, -0.001824702019803226,
];

const TWO_OVER_PI = 0.6366197466850281;
/** pi/2 as a sum; the first three parts have 11 bits, so that their products with 13 bits are exact. */
const HALF_PI_PARTS = [1.5703125, 0.0004837512969970703, 7.549533620476723e-8, 2.5633440682570896e-12] as const;
const HALF_PI_BEYOND_FIRST = 0.0004838267923332751;
const HALF_PI = [1.5707963705062866, -4.371138828673793e-8] as const;
const PI = [3.1415927410125732, -8.742277657347586e-8] as const;
const LARGE = 8192;

/** The bits of 2/pi in words, after a word of zeros. */
const TWO_OVER_PI_WORDS = [0, -1560706194, 1313084713, -64530479, -181084736, -614296167, 1011060801, -28220501] as const;

interface Quadrant {
  /** The number of quarter turns; only its two low bits count. */
  readonly turns: Expr;
  readonly r: Expr;
}

/** a = turns pi/2 + r, for a >= 0. */
function reduce(a: Expr, writer: Writer): Quadrant {
  const { share } = writer;
  const rounded = share(fma(a, constant(a.type, TWO_OVER_PI), constant(a.type, ROUNDER)));
  const turns = share(sub(rounded, ROUNDER));
  const near = HALF_PI_PARTS.reduce<Expr>((rest, part) => fma(turns, constant(a.type, -part), rest), a);
  const isLarge = share(ge(a, LARGE));
  const quadrant: Quadrant = { turns: writer.variable(integerBits(rounded)), r: writer.variable(near) };
  writer.ifAny(isLarge, (rare) => {
    const exact = reduceExactly(a, rare);
    rare.set(quadrant.turns, select(isLarge, exact.turns, quadrant.turns));
    rare.set(quadrant.r, select(isLarge, exact.r, quadrant.r));
  });
  return quadrant;
}

/**
 * For a = M 2^(e-23) with a 24-bit integer M and e >= 13: the 96 bits of 2/pi that start where M 2^(e-23) times them stops being a
 * multiple of 4 are multiplied with M modulo 2^96. The two top bits of that are the turns, the others their fraction.
 */
function reduceExactly(a: Expr, { share }: Writer): Quadrant {
  const pattern = share(integerBits(a));
  const integer = pattern.type;
  const significand = share(or(and(pattern, 0x7fffff), 0x800000));
  const [first, second, third] = wordsFrom(share(sub(shru(pattern, 23), 127 - 7)), share);

  const secondLow = share(mul(significand, second));
  const middle = share(add(secondLow, binary('mulhiu', significand, third)));
  const carry = select(compare('ltu', middle, secondLow), constant(integer, 1), 0);
  const top = share(add(add(mul(significand, first), binary('mulhiu', significand, second)), carry));

  const turns = share(shru(add(top, 0x20000000), 30));
  const fraction = share(sub(top, shl(turns, 30)));
  // The fraction is a signed 64-bit number; its ones' complement is as good as its negation here.
  const sign = share(shr(fraction, 31));
  const size = share(xor(fraction, sign));
  // Its 13 leading bits are exact times the 11 of pi/2's first part: only the last sum rounds.
  const high = share(mul(convert(a.type, and(size, -0x10000)), 2 ** -30));
  const below = mul(convert(a.type, shru(xor(middle, sign), 1)), 2 ** -31);
  const low = mul(add(convert(a.type, and(size, 0xffff)), below), 2 ** -30);
  const rest = fma(high, constant(a.type, HALF_PI_BEYOND_FIRST), mul(low, HALF_PI[0]));
  const r = fma(high, constant(a.type, HALF_PI_PARTS[0]), rest);
  return { turns, r: share(flipSign(r, shl(sign, 31))) };
}

/** Three words of 2/pi from that bit on. */
function wordsFrom(bit: Expr, share: Writer['share']): readonly [Expr, Expr, Expr] {
  const word = share(shr(bit, 5));
  const shift = share(and(bit, 31));
  const back = share(sub(31, shift));
  const masks = [1, 2, 3, 4].map((index) => share(ge(word, index)));
  const select4 = (offset: number): Expr =>
    share(
      masks.reduce<Expr>(
        (value, mask, index) => select(mask, constant(bit.type, TWO_OVER_PI_WORDS[index + 1 + offset]!), value),
        constant(bit.type, TWO_OVER_PI_WORDS[offset]!),
      ),
    );
  const words = [select4(0), select4(1), select4(2), select4(3)] as const;
  const joined = (left: Expr, right: Expr) => share(or(binary('shl', left, shift), binary('shru', shru(right, 1), back)));
  return [joined(words[0], words[1]), joined(words[1], words[2]), joined(words[2], words[3])];
}

const sinOfReduced = (r: Expr, writer: Writer): Expr => oddPolynomial(r, SIN, writer);

function cosOfReduced(r: Expr, writer: Writer): Expr {
  const z = writer.share(mul(r, r));
  return fma(mul(z, z), polynomial(z, COS, writer), sub(1, mul(z, 0.5)));
}

const isOdd = (turns: Expr): Expr => ne(and(turns, 1), 0);
/** The sign bit of the functions whose sign changes every two quarter turns. */
const turnSign = (turns: Expr): Expr => shl(and(turns, 2), 30);

const finiteOnly = (a: Expr, result: Expr): Expr => select(lt(a, infinity(a.type)), result, notANumber(a.type));

export const sin: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  const { turns, r } = reduce(a, writer);
  const value = select(isOdd(turns), cosOfReduced(r, writer), sinOfReduced(r, writer));
  return finiteOnly(a, flipSign(value, xor(turnSign(turns), signBit(x))));
};

export const cos: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  const { turns, r } = reduce(a, writer);
  const value = select(isOdd(turns), sinOfReduced(r, writer), cosOfReduced(r, writer));
  return finiteOnly(a, flipSign(value, turnSign(add(turns, 1))));
};

export const tan: Formula = (x, writer) => {
  const a = magnitude(x, writer);
  const { turns, r } = reduce(a, writer);
  const value = writer.share(oddPolynomial(r, TAN, writer));
  return finiteOnly(a, flipSign(select(isOdd(turns), div(-1, value), value), signBit(x)));
};

interface ArcSine {
  readonly large: Expr;
  /** asin |x|, or for a large |x| half of acos |x|. */
  readonly value: Expr;
}

function arcSine(a: Expr, writer: Writer): ArcSine {
  const { share } = writer;
  const large = share(gt(a, 0.5));
  const halved = share(mul(sub(1, a), 0.5));
  const s = share(select(large, sqrt(halved), a));
  const z = share(select(large, halved, mul(a, a)));
  return { large, value: share(fma(mul(s, z), polynomial(z, ASIN, writer), s)) };
}

/** (c[0] + c[1]) - value */
function from([high, low]: readonly [number, number], value: Expr): Expr {
  return sub(high, sub(value, low));
}

export const asin: Formula = (x, writer) => {
  const { large, value } = arcSine(magnitude(x, writer), writer);
  return withSign(select(large, from(HALF_PI, add(value, value)), value), x);
};

export const acos: Formula = (x, writer) => {
  const { large, value } = arcSine(magnitude(x, writer), writer);
  const twice = writer.share(add(value, value));
  const outer = select(lt(x, 0), from(PI, twice), twice);
  return select(large, outer, from(HALF_PI, flipSign(value, signBit(x))));
};

/** atan t for 0 <= t <= 1, or pi/2 less that. */
function atanOfQuotient(t: Expr, inverted: Expr, writer: Writer): Expr {
  const value = writer.share(oddPolynomial(t, ATAN, writer));
  return select(inverted, from(HALF_PI, value), value);
}

export const atan: Formula = (x, writer) => {
  const { share } = writer;
  const a = magnitude(x, writer);
  const inverted = share(gt(a, 1));
  const t = share(select(inverted, div(1, a), a));
  return withSign(atanOfQuotient(t, inverted, writer), x);
};

/** The angle of the point (x, y), with C's values at zeros and infinities. */
export function atan2(y: Expr, x: Expr, writer: Writer): Expr {
  const { share } = writer;
  const [up, along] = [magnitude(y, writer), magnitude(x, writer)];
  const inverted = share(gt(up, along));
  const numerator = share(select(inverted, along, up));
  const denominator = share(select(inverted, up, along));
  // Equal sides may be zeros or infinities, whose quotient is NaN.
  const diagonal = select(eq(numerator, 0), numerator, 1);
  const t = share(select(eq(numerator, denominator), diagonal, div(numerator, denominator)));
  const angle = share(atanOfQuotient(t, inverted, writer));
  const isLeft = lt(bits(integerType(x.type), x), 0);
  return withSign(select(isLeft, from(PI, angle), angle), y);
}
