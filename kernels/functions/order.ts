/** The order in which elements are sorted. */
import { type f, type i32, isNan } from './language.js';

/** Whether `a` stands before `b` even if it comes later: greater or less, NaN being greater than numbers. */
export function precedes(a: f, b: f, descending: i32): boolean {
  return descending !== 0 ? !(a <= b) && !isNan(b) : !(a >= b) && !isNan(a);
}
