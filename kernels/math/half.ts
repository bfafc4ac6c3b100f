/**
 * float16 and bfloat16 to float32 and back as bit arithmetic in the kernel IR, for targets that have no instruction for it. The
 * 16-bit pattern is an i32; every formula works on scalars and on vectors. Rounding is to nearest even, subnormals and infinities
 * included; a NaN stays a NaN.
 */
import { add, and, bits, constant, ge, gt, lt, mul, or, select, shl, shr, shru, sub } from '../build.js';
import type { Expr, Type } from '../ir.js';

/** Computes a value once and hands back an expression that reads it. */
export type Share = (value: Expr) => Expr;

const INFINITY_BITS = 0x7f800000;
const MAGNITUDE = 0x7fffffff;

const integersLike = (type: Type): Type => ({ ...type, scalar: 'i32' });
const floatsLike = (type: Type): Type => ({ ...type, scalar: 'f32' });

/** The f32 of a float16 pattern in the low 16 bits (the high ones are 0). */
export function fromFloat16(pattern: Expr, share: Share): Expr {
  const float = floatsLike(pattern.type);
  const magnitude = share(and(pattern, 0x7fff));
  // Exponent and fraction moved into place give the value times 2^-112, for subnormals too.
  const scaled = bits(pattern.type, mul(bits(float, shl(magnitude, 13)), constant(float, 2 ** 112)));
  const finite = share(scaled);
  const value = select(ge(magnitude, 0x7c00), or(finite, INFINITY_BITS), finite);
  return bits(float, or(value, shl(and(pattern, 0x8000), 16)));
}

/** The float16 pattern of an f32, in the low 16 bits. */
export function toFloat16(value: Expr, share: Share): Expr {
  const integer = integersLike(value.type);
  const pattern = share(bits(integer, value));
  const magnitude = share(and(pattern, MAGNITUDE));
  // Adding half of the last place kept, less one if the kept part is even, carries as rounding to nearest even does.
  const rounded = add(sub(magnitude, (112 << 23) - 0xfff), and(shru(magnitude, 13), 1));
  const normal = shru(rounded, 13);
  // In a subnormal result the last place is 2^-24, which is the last place of 0.5: the addition rounds.
  const half = constant(value.type, 0.5);
  const subnormal = sub(bits(integer, add(bits(value.type, magnitude), half)), bits(integer, half));
  const notANumber = or(and(shru(magnitude, 13), 0x3ff), 0x7e00);
  const special = select(gt(magnitude, INFINITY_BITS), notANumber, 0x7c00);
  const finite = select(lt(magnitude, 113 << 23), subnormal, normal);
  return or(select(ge(magnitude, 143 << 23), special, finite), and(shru(pattern, 16), 0x8000));
}

/** The f32 of a bfloat16 pattern in the low 16 bits. */
export function fromBfloat16(pattern: Expr): Expr {
  return bits(floatsLike(pattern.type), shl(pattern, 16));
}

/** The bfloat16 pattern of an f32, in the low 16 bits. */
export function toBfloat16(value: Expr, share: Share): Expr {
  const pattern = share(bits(integersLike(value.type), value));
  const rounded = shr(add(pattern, add(and(shru(pattern, 16), 1), 0x7fff)), 16);
  const isUnordered = gt(and(pattern, MAGNITUDE), INFINITY_BITS);
  return and(select(isUnordered, or(shr(pattern, 16), 0x40), rounded), 0xffff);
}
