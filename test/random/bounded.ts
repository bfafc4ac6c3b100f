/**
 * Numbers with error bounds: what one rounding adds, and how functions pass errors on.
 *
 * A result computed in p ulp from operands with bounds e is bounded by |f(x + e) - f(x)| + |f(x)| (u + 2 p u') + s, where u is the unit
 * roundoff of the dtype, u' that of the type it is computed in (float32 for the 16-bit floats), and s the smallest positive number.
 */
import type { FloatDtype } from './formats.js';
import { formats } from './formats.js';

export interface Bounded {
  readonly value: number;
  readonly error: number;
}

export const anything = Number.POSITIVE_INFINITY;
export const sure = (value: number): Bounded => ({ value, error: 0 });

/**
 * A value with what it was computed from, rounded to a dtype. Beyond the largest number it is infinite. In a fused kernel a 16-bit float
 * may stay a float32 until it is stored, so that there (`loose`) beyond means that anything goes.
 */
export function rounded(value: number, error: number, dtype: FloatDtype, ulps = 1, loose = false): Bounded {
  const { unit, computeUnit, smallest, largest } = formats[dtype];
  if (!(error < anything)) return { value, error: anything };
  if (!Number.isFinite(value)) return { value, error: error > 0 ? anything : 0 };
  const bound = error + Math.abs(value) * (unit + 2 * ulps * computeUnit) + smallest * (1 + ulps);
  if (Math.abs(value) + bound <= largest) return { value, error: bound };
  const certain = Math.abs(value) - bound > largest * (1 + unit) && !loose;
  return certain ? sure(Math.sign(value) * Number.POSITIVE_INFINITY) : { value, error: anything };
}

/** How far f may move while its argument moves within its bound; f must be monotone there, or nearly linear. */
export function spread(f: (x: number) => number, { value, error }: Bounded): number {
  if (error === 0) return 0;
  if (!(error < 0.25 * (1 + Math.abs(value)))) return anything;
  const at = f(value);
  const moved = 1.5 * Math.max(Math.abs(f(value - error) - at), Math.abs(f(value + error) - at));
  return Number.isFinite(moved) ? moved : anything;
}

/** A function whose result jumps: off by the jump where one lies within the bound. */
export function stepped(f: (x: number) => number, { value, error }: Bounded): Bounded {
  if (error === 0) return sure(f(value));
  if (!(error < anything)) return { value, error: anything };
  const jump = Math.abs(f(value + error) - f(value - error));
  return { value: f(value), error: Number.isNaN(jump) ? anything : jump };
}

/** Whether a comparison of two numbers is open. */
export function undecided(a: Bounded, b: Bounded): boolean {
  const error = a.error + b.error;
  return error > 0 && !(Math.abs(a.value - b.value) > error);
}
