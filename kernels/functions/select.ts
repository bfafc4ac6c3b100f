/**
 * Results whose size depends on data: indices of the elements that are not 0, and elements picked by a mask. The input is cut into blocks of
 * `blockSize` elements, a work item each: a first kernel counts, the caller adds the counts up to `offsets` (where each block
 * begins in the result, exclusive), a second one writes: where, is a running total of what was chosen.
 */
import { alone, type Buffer, type i32, idiv, irem, lanes, min } from './language.js';

export function nonzeroCount(begin: i32, end: i32, x: Buffer<'T'>, counts: Buffer<'int32'>, n: i32, blockSize: i32): void {
  for (let block = begin; block < end; block++) {
    let count: i32 = 0;
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) count += x[at]! !== 0 ? 1 : 0;
    counts[block] = count;
  }
}

/** One row of `rank` coordinates for each element that is not 0, in the input's order; `shape` has `rank` dimensions. */
export function nonzeroWrite(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  shape: Buffer<'int32'>,
  offsets: Buffer<'int32'>,
  out: Buffer<'int32'>,
  n: i32,
  blockSize: i32,
  rank: i32,
): void {
  for (let block = begin; block < end; block++) {
    let row: i32 = offsets[block]! - 1;
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) {
      const chosen = x[at]! !== 0;
      row += chosen ? 1 : 0;
      if (chosen) {
        let rest: i32 = at;
        for (let back = 1; back < rank + 1; back++) {
          const size = shape[rank - back]!;
          out[alone(row * rank + rank - back)] = irem(rest, size);
          rest = idiv(rest, size);
        }
      }
    }
  }
}

/** The elements of x whose mask is set, in order; counted by nonzeroCount of the mask. */
export function maskedSelectWrite(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  mask: Buffer<'bool'>,
  offsets: Buffer<'int32'>,
  out: Buffer<'T'>,
  n: i32,
  blockSize: i32,
): void {
  for (let block = begin; block < end; block++) {
    let place: i32 = offsets[block]! - 1;
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) {
      const chosen = mask[at]! !== 0;
      place += chosen ? 1 : 0;
      if (chosen) out[alone(place)] = x[at]!;
    }
  }
}

/** The adjoint: each selected element back at its place, 0 elsewhere. */
export function maskedSelectGrad(
  begin: i32,
  end: i32,
  dout: Buffer<'T'>,
  mask: Buffer<'bool'>,
  offsets: Buffer<'int32'>,
  dx: Buffer<'T'>,
  n: i32,
  blockSize: i32,
): void {
  for (let block = begin; block < end; block++) {
    let place: i32 = offsets[block]! - 1;
    for (const at of lanes(block * blockSize, min((block + 1) * blockSize, n))) {
      const chosen = mask[at]! !== 0;
      place += chosen ? 1 : 0;
      if (chosen) dx[at] = dout[place]!;
      else dx[at] = 0;
    }
  }
}
