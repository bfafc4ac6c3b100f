/**
 * Rows along the middle axis of [outer, rows, inner], taken or added by index (32 or 64 bits). An index out of range is reported (error
 * code 1) and replaced by the nearest; with `wrap` negative ones count from the end.
 */
import { type Buffer, clampToI32, fail, type i32, idiv, lanes, max, min } from './language.js';

function checkedRow(index: i32, rows: i32, wrap: i32): i32 {
  const row = wrap !== 0 && index < 0 ? index + rows : index;
  if (row < 0 || row >= rows) fail(1);
  return min(max(row, 0), rows - 1);
}

/** Of eight rows of single elements those that `index` names: it is read and checked once for all of them. */
function gatherFromEight(x: Buffer<'T'>, index: Buffer<'I'>, out: Buffer<'T'>, outer: i32, n: i32, rows: i32, wrap: i32): void {
  for (let j = 0; j < n; j++) {
    const row = checkedRow(clampToI32(index[j]!), rows, wrap);
    const source = outer * rows + row;
    const target = outer * n + j;
    if (rows > 0) {
      out[target] = x[source]!;
      out[target + n] = x[source + rows]!;
      out[target + 2 * n] = x[source + 2 * rows]!;
      out[target + 3 * n] = x[source + 3 * rows]!;
      out[target + 4 * n] = x[source + 4 * rows]!;
      out[target + 5 * n] = x[source + 5 * rows]!;
      out[target + 6 * n] = x[source + 6 * rows]!;
      out[target + 7 * n] = x[source + 7 * rows]!;
    }
  }
}

/** out[o, j, i] = x[o, index[j], i]; a work item is one of the outer * n rows of the result. */
export function gatherRows(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  index: Buffer<'I'>,
  out: Buffer<'T'>,
  n: i32,
  rows: i32,
  inner: i32,
  wrap: i32,
): void {
  // The outers of which all rows are asked for; those in groups of eight are done when the others' turn comes.
  const first = idiv(begin + n - 1, n);
  const last: i32 = inner === 1 ? first + idiv(idiv(end, n) - first, 8) * 8 : first;
  for (let outer = first; outer < last; outer += 8) gatherFromEight(x, index, out, outer, n, rows, wrap);
  for (let outer = idiv(begin, n); outer < idiv(end + n - 1, n); outer++) {
    const from: i32 = outer >= first && outer < last ? n : max(begin - outer * n, 0);
    for (let j = from; j < min(end - outer * n, n); j++) {
      const row = checkedRow(clampToI32(index[j]!), rows, wrap);
      const source = (outer * rows + row) * inner;
      const target = (outer * n + j) * inner;
      if (rows > 0) {
        if (inner === 1) out[target] = x[source]!;
        else for (const at of lanes(0, inner)) out[target + at] = x[source + at]!;
      } else for (const at of lanes(0, inner)) out[target + at] = 0;
    }
  }
}

/**
 * out[o, index[j], i] += updates[o, j, i], in the order of j. A work item is one of the outer * inner columns, so that no two items add
 * to the same element and columns that lie side by side run in lanes.
 */
export function scatterAddRows(
  begin: i32,
  end: i32,
  updates: Buffer<'T'>,
  index: Buffer<'I'>,
  out: Buffer<'T'>,
  n: i32,
  rows: i32,
  inner: i32,
  wrap: i32,
): void {
  for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
    const first = max(begin - outer * inner, 0);
    const last = min(end - outer * inner, inner);
    for (let j = 0; j < n; j++) {
      const row = checkedRow(clampToI32(index[j]!), rows, wrap);
      const target = (outer * rows + row) * inner;
      const source = (outer * n + j) * inner;
      if (rows > 0) for (const column of lanes(first, last)) out[target + column]! += updates[source + column]!;
    }
  }
}
