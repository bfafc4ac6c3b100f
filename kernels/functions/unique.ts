/**
 * The distinct elements of a sorted vector of n, in three steps over blocks as in select.ts: count the groups of equal elements that begin in
 * each block, write them (the caller adds the counts up to `offsets`), and measure them. Elements that only touch are grouped too, so an
 * unsorted vector gives its runs. Every NaN is a group of its own.
 */
import { type Buffer, type i32, min } from './language.js';

export function uniqueCount(begin: i32, end: i32, sorted: Buffer<'T'>, counts: Buffer<'int32'>, n: i32, blockSize: i32): void {
  for (let block = begin; block < end; block++) {
    let count: i32 = 0;
    for (let at = block * blockSize; at < min((block + 1) * blockSize, n); at++) {
      if (at === 0) {
        count++;
      } else {
        if (sorted[at]! !== sorted[at - 1]!) count++;
      }
    }
    counts[block] = count;
  }
}

/**
 * `order` says where each sorted element came from (0, 1, 2, ... for runs). For each group: its value, where it starts in the sorted
 * vector, and its first place in the original one; for each original element: its group.
 */
export function uniqueWrite(
  begin: i32,
  end: i32,
  sorted: Buffer<'T'>,
  order: Buffer<'int32'>,
  offsets: Buffer<'int32'>,
  values: Buffer<'T'>,
  starts: Buffer<'int32'>,
  firstIndex: Buffer<'int32'>,
  inverse: Buffer<'int32'>,
  n: i32,
  blockSize: i32,
): void {
  for (let block = begin; block < end; block++) {
    // A group that began in an earlier block goes on.
    let group: i32 = offsets[block]! - 1;
    for (let at = block * blockSize; at < min((block + 1) * blockSize, n); at++) {
      let begins: boolean = at === 0;
      if (at > 0) begins = sorted[at]! !== sorted[at - 1]!;
      if (begins) {
        group++;
        values[group] = sorted[at]!;
        starts[group] = at;
        firstIndex[group] = order[at]!;
      }
      inverse[order[at]!] = group;
    }
  }
}

/** The size of each of `groups` groups; a work item is a group. */
export function uniqueSizes(begin: i32, end: i32, starts: Buffer<'int32'>, sizes: Buffer<'int32'>, groups: i32, n: i32): void {
  for (let group = begin; group < end; group++) {
    let next: i32 = n;
    if (group + 1 < groups) next = starts[group + 1]!;
    sizes[group] = next - starts[group]!;
  }
}
