/**
 * Sorting long rows by the digits of their keys, the lowest digit first; each pass keeps the order of equal digits, so that the whole
 * does. What is sorted are words: a key in the high half, the place in its row in the low half. Rows are cut into blocks, a work item
 * each: a pass counts the digits of every block, adds the counts up to where each block's share of each digit begins, and moves the
 * words there. The caller says how many passes there are (runtime/library/sort.ts).
 *
 * A key is an unsigned integer in the order of the elements. It is made of the bits of a number thus: those of a negative float are
 * turned around (`fold` is the mask of what is turned, 0 for integers); what the dtype does not use is shifted out (`up`, then `drop`),
 * and in between `flip` puts the sign in order, or all bits in reverse. All NaN have the greatest key, and both zeros the same one.
 */
import {
  alone,
  type Buffer,
  bits,
  highHalf,
  type i32,
  idiv,
  irem,
  isNan,
  joined,
  lanes,
  longBits,
  lowHalf,
  min,
  shiftRight,
} from './language.js';

/** Words of elements whose registers have 32 bits. */
export function sortWords(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  words: Buffer<'int64'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
  fold: i32,
  up: i32,
  flip: i32,
  drop: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks) * n;
    const first = irem(item, blocks) * blockSize;
    for (const place of lanes(first, min(first + blockSize, n))) {
      const value = x[row + place]!;
      const own = bits(value);
      const turned = value === 0 ? 0 : own ^ ((own >> 31) & fold);
      const ordered: i32 = isNan(value) ? 0x7fffffff : turned;
      words[row + place] = joined(shiftRight((ordered << up) ^ flip, drop), place);
    }
  }
}

/** Words of the low halves of 64-bit elements: sorted by these, then by the high halves, a row is in order. */
export function sortLowWords(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  words: Buffer<'int64'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
  fold: i32,
  flip: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks) * n;
    const first = irem(item, blocks) * blockSize;
    for (const place of lanes(first, min(first + blockSize, n))) {
      const value = x[row + place]!;
      const own = longBits(value);
      const turned = value === 0 ? 0 : lowHalf(own) ^ ((highHalf(own) >> 31) & fold);
      const ordered: i32 = isNan(value) ? -1 : turned;
      words[row + place] = joined(ordered ^ flip, place);
    }
  }
}

/** The keys of sorted words replaced by those of the elements' high halves. */
export function sortHighWords(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  words: Buffer<'int64'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
  fold: i32,
  flip: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks) * n;
    const first = irem(item, blocks) * blockSize;
    for (const at of lanes(first, min(first + blockSize, n))) {
      const place = lowHalf(words[row + at]!);
      const value = x[row + place]!;
      const own = highHalf(longBits(value));
      const turned = value === 0 ? 0 : own ^ ((own >> 31) & fold);
      const ordered: i32 = isNan(value) ? 0x7fffffff : turned;
      words[row + at] = joined(ordered ^ flip, place);
    }
  }
}

/** How often each of the `digits` digits occurs in each block; a digit is what the key has above `shift`. */
export function countDigits(
  begin: i32,
  end: i32,
  words: Buffer<'int64'>,
  counts: Buffer<'int32'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
  shift: i32,
  digits: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks) * n;
    const first = irem(item, blocks) * blockSize;
    const own = item * digits;
    for (const digit of lanes(0, digits)) counts[own + digit] = 0;
    for (const place of lanes(first, min(first + blockSize, n))) {
      const digit = shiftRight(highHalf(words[row + place]!), shift) & (digits - 1);
      counts[own + digit]! += 1;
    }
  }
}

/**
 * Turns each block's counts into how many words of that digit stand in the blocks before it, and finds where each digit begins in the
 * row; a work item is a row.
 */
export function startDigits(
  begin: i32,
  end: i32,
  counts: Buffer<'int32'>,
  starts: Buffer<'int32'>,
  blocks: i32,
  digits: i32,
): void {
  for (let row = begin; row < end; row++) {
    const first = row * blocks * digits;
    for (const digit of lanes(0, digits)) {
      let total: i32 = 0;
      for (let block = 0; block < blocks; block++) {
        const count = counts[first + block * digits + digit]!;
        counts[first + block * digits + digit] = total;
        total += count;
      }
      starts[row * digits + digit] = total;
    }
    let start: i32 = 0;
    for (let digit = 0; digit < digits; digit++) {
      const total = starts[row * digits + digit]!;
      starts[row * digits + digit] = start;
      start += total;
    }
  }
}

/**
 * The same in two steps, for machines with more threads than a row has digits: first for each digit of a row, leaving how many words have
 * it in `starts`; then `startRows`.
 */
export function startBlocks(
  begin: i32,
  end: i32,
  counts: Buffer<'int32'>,
  starts: Buffer<'int32'>,
  blocks: i32,
  digits: i32,
): void {
  for (let item = begin; item < end; item++) {
    const first = idiv(item, digits) * blocks * digits + irem(item, digits);
    let total: i32 = 0;
    for (const block of lanes(0, blocks)) {
      const at = first + block * digits;
      const count = counts[at]!;
      total += count;
      counts[at] = total - count;
    }
    starts[item] = total;
  }
}

/** Turns the numbers of words of each digit into where the digit begins in its row; a work item is a row. */
export function startRows(begin: i32, end: i32, starts: Buffer<'int32'>, digits: i32): void {
  for (let row = begin; row < end; row++) {
    let start: i32 = 0;
    for (const at of lanes(row * digits, (row + 1) * digits)) {
      const count = starts[at]!;
      start += count;
      starts[at] = start - count;
    }
  }
}

/** Moves the words of each block to where they belong in `target`; uses the counts up. */
export function moveDigits(
  begin: i32,
  end: i32,
  words: Buffer<'int64'>,
  counts: Buffer<'int32'>,
  starts: Buffer<'int32'>,
  target: Buffer<'int64'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
  shift: i32,
  digits: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks);
    const first = irem(item, blocks) * blockSize;
    const own = item * digits;
    for (const digit of lanes(0, digits)) counts[own + digit]! += starts[row * digits + digit]!;
    for (const place of lanes(first, min(first + blockSize, n))) {
      const word = words[row * n + place]!;
      const digit = shiftRight(highHalf(word), shift) & (digits - 1);
      const to = counts[own + digit]!;
      counts[own + digit] = to + 1;
      target[alone(row * n + to)] = word;
    }
  }
}

/** The elements and their places, as the words say. */
export function sortResults(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  words: Buffer<'int64'>,
  values: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  blocks: i32,
  blockSize: i32,
): void {
  for (let item = begin; item < end; item++) {
    const row = idiv(item, blocks) * n;
    const first = irem(item, blocks) * blockSize;
    for (const at of lanes(first, min(first + blockSize, n))) {
      const place = lowHalf(words[row + at]!);
      index[row + at] = place;
      values[row + at] = x[row + place]!;
    }
  }
}
