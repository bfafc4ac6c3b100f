/**
 * The distinct elements of a sorted vector of n, in three steps over blocks as in select.ts: count the groups of equal elements that begin in
 * each block, write them (the caller adds the counts up to `offsets`), and measure them. Elements that only touch are grouped too, so an
 * unsorted vector gives its runs. Every NaN is a group of its own.
 */
import { alone, type Buffer, type i32, lanes, max, min } from './language.js';

export function uniqueCount(begin: i32, end: i32, sorted: Buffer<'T'>, counts: Buffer<'int32'>, n: i32, blockSize: i32): void {
  for (let block = begin; block < end; block++) {
    let count: i32 = 0;
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) {
      const differs = sorted[at]! !== sorted[max(at - 1, 0)]!;
      count += at === 0 || differs ? 1 : 0;
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
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) {
      const value = sorted[at]!;
      const differs = value !== sorted[max(at - 1, 0)]!;
      const begins = at === 0 || differs;
      const origin = order[at]!;
      group += begins ? 1 : 0;
      if (begins) {
        values[alone(group)] = value;
        starts[alone(group)] = at;
        firstIndex[alone(group)] = origin;
      }
      inverse[alone(origin)] = group;
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
