/**
 * Sorting the rows of [rows, n], with the places that elements come from; a work item is one row. NaN counts as greater than all
 * numbers: last in ascending order, first in descending. Equal elements keep their order.
 */
import { type Buffer, type f, type i32, irem, isNan, min } from './language.js';

/** Whether `a` stands before an equal or other `b`. */
function precedes(a: f, b: f, descending: i32): boolean {
  const greater = a > b || (isNan(a) && !isNan(b));
  const less = a < b || (isNan(b) && !isNan(a));
  return descending !== 0 ? greater : less;
}

/** Insertion sort of up to `block` elements at a time: for short runs faster than merging. */
function sortBlocks(
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  base: i32,
  n: i32,
  block: i32,
  descending: i32,
): void {
  for (let place = 0; place < n; place++) {
    const value = x[base + place]!;
    const first = base + place - irem(place, block);
    let at: i32 = base + place;
    while (at > first) {
      const before = values[at - 1]!;
      if (!precedes(value, before, descending)) break;
      values[at] = before;
      index[at] = index[at - 1]!;
      at--;
    }
    values[at] = value;
    index[at] = place;
  }
}

/** Merges the sorted runs [first, middle) and [middle, last) of `values` into `target`. */
function merge(
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  target: Buffer<'T'>,
  targetIndex: Buffer<'int32'>,
  first: i32,
  middle: i32,
  last: i32,
  descending: i32,
): void {
  let left: i32 = first;
  let right: i32 = middle;
  for (let at = first; at < last; at++) {
    let fromRight: boolean = left >= middle;
    if (left < middle && right < last) fromRight = precedes(values[right]!, values[left]!, descending);
    if (fromRight) {
      target[at] = values[right]!;
      targetIndex[at] = index[right]!;
      right++;
    } else {
      target[at] = values[left]!;
      targetIndex[at] = index[left]!;
      left++;
    }
  }
}

/** Merges neighbouring runs of `width` elements throughout a row. */
function mergeRuns(
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  target: Buffer<'T'>,
  targetIndex: Buffer<'int32'>,
  base: i32,
  n: i32,
  width: i32,
  descending: i32,
): void {
  let first: i32 = 0;
  while (first < n) {
    const middle = min(first + width, n);
    const last = min(middle + width, n);
    merge(values, index, target, targetIndex, base + first, base + middle, base + last, descending);
    first = last;
  }
}

/** Stable merge sort; `scratch` and `scratchIndex` have the size of the results. */
export function sortRows(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  scratch: Buffer<'T'>,
  scratchIndex: Buffer<'int32'>,
  n: i32,
  descending: i32,
): void {
  const block: i32 = 16;
  let passes: i32 = 0;
  let covered: i32 = block;
  while (covered < n) {
    covered = covered + min(covered, n - covered);
    passes++;
  }
  for (let row = begin; row < end; row++) {
    const base = row * n;
    // Each pass changes sides, so it begins on the side from which it ends in the results.
    let inScratch: boolean = irem(passes, 2) === 1;
    if (inScratch) {
      sortBlocks(x, scratch, scratchIndex, base, n, block, descending);
    } else {
      sortBlocks(x, values, index, base, n, block, descending);
    }
    let width: i32 = block;
    while (width < n) {
      if (inScratch) {
        mergeRuns(scratch, scratchIndex, values, index, base, n, width, descending);
      } else {
        mergeRuns(values, index, scratch, scratchIndex, base, n, width, descending);
      }
      inScratch = !inScratch;
      width = width + min(width, n - width);
    }
  }
}

/**
 * The `k` (at most n) greatest or least elements of each row, in order. Elements are inserted into the results as they come, which is fast
 * where k is small; for large k sort the row.
 */
export function topkRows(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  k: i32,
  largest: i32,
): void {
  for (let row = begin; row < end; row++) {
    const base = row * k;
    for (let place = 0; place < n; place++) {
      const value = x[row * n + place]!;
      const held = min(place, k);
      let enters: boolean = held < k;
      if (held === k && k > 0) enters = precedes(value, values[base + k - 1]!, largest);
      if (enters) {
        let at: i32 = min(held, k - 1);
        while (at > 0) {
          const before = values[base + at - 1]!;
          if (!precedes(value, before, largest)) break;
          values[base + at] = before;
          index[base + at] = index[base + at - 1]!;
          at--;
        }
        values[base + at] = value;
        index[base + at] = place;
      }
    }
  }
}
