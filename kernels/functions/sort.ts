/**
 * Sorting the rows of [rows, n], with the places that elements come from; a work item is one row. NaN counts as greater than all
 * numbers: last in ascending order, first in descending. Equal elements keep their order.
 */
import { type Buffer, bits, type f, type i32, idiv, irem, isNan, lanes, max, min } from './language.js';
import { precedes } from './order.js';

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

/** The `k` (at most n) greatest or least elements of each row, in order; for large k sort the row. */
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
    let held: i32 = 0;
    for (let place = 0; place < (k > 0 ? n : 0); place++) {
      const value = x[row * n + place]!;
      let enters: boolean = held < k;
      if (!enters) enters = precedes(value, values[base + k - 1]!, largest);
      if (enters) {
        held = min(held + 1, k);
        insert(values, index, base, held, value, place, largest);
      }
    }
  }
}

/** The signed integer in whose order elements of up to 32 bits stand; see radix.ts, whose keys are unsigned. */
function keyOf(value: f, fold: i32, flip: i32): i32 {
  const own = bits(value);
  const turned = value === 0 ? 0 : own ^ ((own >> 31) & fold);
  const ordered: i32 = isNan(value) ? 0x7fffffff : turned;
  return ordered ^ flip;
}

/**
 * The same for rows of at least 64 elements of up to 32 bits, and a k of at most 64. The best of each of 64 columns of a row are found first: the
 * k-th of these is a bound that few elements of the row reach. Stretches of 32 in which none reaches it are passed over. Once k
 * elements are held, the last of them is the bound.
 * `keys` holds 128 integers for each row: the keys of a stretch, and those of the elements held.
 */
export function topkRowsByKeys(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  keys: Buffer<'int32'>,
  n: i32,
  k: i32,
  fold: i32,
  flip: i32,
): void {
  const columns: i32 = 64;
  const lowestKey: i32 = -2147483648;
  for (let row = begin; row < end; row++) {
    const from = row * n;
    const base = row * k;
    const stretch = row * 2 * columns;
    const best = stretch + columns;
    for (const column of lanes(0, columns)) {
      let greatest: i32 = keyOf(x[from + column]!, fold, flip);
      for (let turn = 1; turn < idiv(n, columns); turn++) {
        greatest = max(greatest, keyOf(x[from + turn * columns + column]!, fold, flip));
      }
      keys[stretch + column] = greatest;
    }
    let bound: i32 = 0x7fffffff;
    for (let rank = 0; rank < k; rank++) {
      let next: i32 = lowestKey;
      for (const column of lanes(0, columns)) {
        const key = keys[stretch + column]!;
        next = max(next, rank === 0 || key < bound ? key : lowestKey);
      }
      bound = next;
    }
    let held: i32 = 0;
    for (let first = 0; first < n; first += 32) {
      const length = min(32, n - first);
      let greatest: i32 = lowestKey;
      for (const place of lanes(0, length)) {
        const key = keyOf(x[from + first + place]!, fold, flip);
        keys[stretch + place] = key;
        greatest = max(greatest, key);
      }
      if (greatest >= bound) {
        for (let place = 0; place < length; place++) {
          const key = keys[stretch + place]!;
          if (key >= bound) {
            let enters: boolean = held < k;
            if (!enters) enters = key > keys[best + k - 1]!;
            if (enters) {
              held = min(held + 1, k);
              let at: i32 = held - 1;
              while (at > 0) {
                if (keys[best + at - 1]! >= key) break;
                keys[best + at] = keys[best + at - 1]!;
                index[base + at] = index[base + at - 1]!;
                at--;
              }
              keys[best + at] = key;
              index[base + at] = first + place;
              if (held === k) bound = keys[best + k - 1]!;
            }
          }
        }
      }
    }
    for (let rank = 0; rank < k; rank++) values[base + rank] = x[from + index[base + rank]!]!;
  }
}
