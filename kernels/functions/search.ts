/**
 * Places in sorted rows, by halving: of values [rows, perRow], each is looked for in its row of sorted [rows, n]. A work item is a value. NaN
 * belongs after all numbers, and equals itself.
 */
import { type Buffer, type i32, idiv, isNan, shiftRight } from './language.js';

export function searchSorted(
  begin: i32,
  end: i32,
  sorted: Buffer<'T'>,
  values: Buffer<'T'>,
  out: Buffer<'int32'>,
  n: i32,
  perRow: i32,
  right: i32,
): void {
  for (let item = begin; item < end; item++) {
    const start = idiv(item, perRow) * n;
    const value = values[item]!;
    let low: i32 = start;
    let high: i32 = start + n;
    while (low < high) {
      const middle = low + shiftRight(high - low, 1);
      const here = sorted[middle]!;
      const isBeyond = isNan(here) && (right === 0 || !isNan(value));
      const isReached = isBeyond || (right !== 0 ? here > value : here >= value);
      if (isReached) high = middle;
      else low = middle + 1;
    }
    out[item] = low - start;
  }
}
