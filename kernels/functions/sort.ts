/**
 * Sorting the rows of [rows, n], with the places that elements come from; a work item is one row. NaN counts as greater than all
 * numbers: last in ascending order, first in descending. Equal elements keep their order.
 */
import { type Buffer, type f, type i32, idiv, irem, isNan, lanes, min } from './language.js';

/** Whether `a` stands before `b` even if it comes later: greater or less, NaN being greater than numbers. */
function precedes(a: f, b: f, descending: i32): boolean {
  return descending !== 0 ? !(a <= b) && !isNan(b) : !(a >= b) && !isNan(a);
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
  let at: i32 = first;
  // Which run the next element comes from is random to the machine: it chooses faster than it branches.
  while (left < middle && right < last) {
    const leftValue = values[left]!;
    const rightValue = values[right]!;
    const fromRight = precedes(rightValue, leftValue, descending);
    const from = fromRight ? right : left;
    target[at] = fromRight ? rightValue : leftValue;
    targetIndex[at] = index[from]!;
    left = fromRight ? left : left + 1;
    right = fromRight ? right + 1 : right;
    at++;
  }
  const rest = left < middle ? left : right;
  for (let place = at; place < last; place++) {
    target[place] = values[rest + place - at]!;
    targetIndex[place] = index[rest + place - at]!;
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

/** Puts an element in its place among the `held` best so far; the last of them falls out. */
function insert(values: Buffer<'T'>, index: Buffer<'int32'>, base: i32, held: i32, value: f, place: i32, largest: i32): void {
  let at: i32 = base + held - 1;
  while (at > base) {
    const before = values[at - 1]!;
    if (!precedes(value, before, largest)) break;
    values[at] = before;
    index[at] = index[at - 1]!;
    at--;
  }
  values[at] = value;
  index[at] = place;
}

/**
 * The `k` (at most n) greatest or least elements of each row, in order; for large k sort the row. Of a long row the best of each of 64
 * columns are found first: the k-th of these is a bound that few elements of the row reach. Once k elements are held, the last of them is the
 * bound, and has to be surpassed. Runs in which no element gets that far are passed over.
 * `bests` holds 64 elements for each row.
 */
export function topkRows(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  bests: Buffer<'T'>,
  n: i32,
  k: i32,
  largest: i32,
): void {
  const columns: i32 = 64;
  const run: i32 = 32;
  for (let row = begin; row < end; row++) {
    const from = row * n;
    const base = row * k;
    const isBounded = k <= columns && n >= 4 * columns;
    let bound: f = 0;
    if (isBounded) {
      for (const column of lanes(0, columns)) {
        let best = x[from + column]!;
        for (let turn = 1; turn < idiv(n, columns); turn++) {
          const value = x[from + turn * columns + column]!;
          best = precedes(value, best, largest) ? value : best;
        }
        bests[row * columns + column] = best;
      }
      for (let column = 0; column < columns; column++) {
        const value = bests[row * columns + column]!;
        let enters: boolean = column < k;
        if (!enters) enters = precedes(value, bound, largest);
        if (enters) {
          insert(values, index, base, min(column + 1, k), value, column, largest);
          bound = values[base + min(column + 1, k) - 1]!;
        }
      }
    }
    let held: i32 = 0;
    for (let first = 0; first < (k > 0 ? n : 0); first += 32) {
      const last = min(first + run, n);
      let reaching: i32 = isBounded ? 0 : 1;
      const isFull = held === k;
      if (isBounded) {
        for (const place of lanes(first, last)) {
          const value = x[from + place]!;
          reaching += (isFull ? precedes(value, bound, largest) : !precedes(bound, value, largest)) ? 1 : 0;
        }
      }
      if (reaching > 0) {
        for (let place = first; place < last; place++) {
          const value = x[from + place]!;
          const enters = held < k ? !isBounded || !precedes(bound, value, largest) : precedes(value, bound, largest);
          if (enters) {
            held = min(held + 1, k);
            insert(values, index, base, held, value, place, largest);
            if (held === k) bound = values[base + k - 1]!;
          }
        }
      }
    }
  }
}
