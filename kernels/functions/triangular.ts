/**
 * Systems of equations with triangular matrices: a [n, n], x and out [n, k]. The columns are independent: a work item is `width` of them, of
 * one matrix, and rows of so many elements run in lanes.
 */
import { type Buffer, type i32, idiv, irem, lanes, min } from './language.js';

/** The element of `a`, or of its transpose, in a row and column. */
function place(base: i32, row: i32, column: i32, n: i32, transpose: i32): i32 {
  return base + (transpose !== 0 ? column * n + row : row * n + column);
}

/** `upper` tells which triangle of `a` counts, `unit` that its diagonal counts as ones. */
export function solveTriangle(
  begin: i32,
  end: i32,
  a: Buffer<'T'>,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  n: i32,
  k: i32,
  width: i32,
  blocks: i32,
  upper: i32,
  transpose: i32,
  unit: i32,
): void {
  const backward = upper !== transpose;
  for (let item = begin; item < end; item++) {
    const base = idiv(item, blocks) * n * n;
    const first = irem(item, blocks) * width;
    const count = min(width, k - first);
    const from = idiv(item, blocks) * n * k + first;
    for (let turn = 0; turn < n; turn++) {
      const row = backward ? n - 1 - turn : turn;
      const own = from + row * k;
      for (const at of lanes(0, count)) out[own + at] = x[own + at]!;
      // The rows that are known already, four at a time.
      const known = backward ? row + 1 : 0;
      const fours = idiv(turn, 4) * 4;
      for (let group = 0; group < fours; group += 4) {
        const other = known + group;
        const p = a[place(base, row, other, n, transpose)]!;
        const q = a[place(base, row, other + 1, n, transpose)]!;
        const r = a[place(base, row, other + 2, n, transpose)]!;
        const s = a[place(base, row, other + 3, n, transpose)]!;
        const source = from + other * k;
        for (const at of lanes(0, count)) {
          const upperPair = p * out[source + at]! + q * out[source + k + at]!;
          const lowerPair = r * out[source + 2 * k + at]! + s * out[source + 3 * k + at]!;
          out[own + at] = out[own + at]! - (upperPair + lowerPair);
        }
      }
      for (let rest = fours; rest < turn; rest++) {
        const factor = a[place(base, row, known + rest, n, transpose)]!;
        for (const at of lanes(0, count)) out[own + at] = out[own + at]! - factor * out[from + (known + rest) * k + at]!;
      }
      if (unit === 0) {
        const pivot = a[base + row * n + row]!;
        for (const at of lanes(0, count)) out[own + at] = out[own + at]! / pivot;
      }
    }
  }
}
