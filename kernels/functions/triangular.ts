/**
 * Systems of equations with triangular matrices: a [n, n], x and out [n, k]. The columns are independent: a work item is `width` of them, of
 * one matrix, and rows of so many elements run in lanes. Rows are solved for in blocks of 16, each after the product of those that are known.
 */
import { type Buffer, type i32, idiv, irem, lanes, min } from './language.js';
import { addProduct, addToRow } from './products.js';

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
  const across = transpose !== 0 ? n : 1;
  const down = transpose !== 0 ? 1 : n;
  for (let item = begin; item < end; item++) {
    const base = idiv(item, blocks) * n * n;
    const start = irem(item, blocks) * width;
    const count = min(width, k - start);
    const from = idiv(item, blocks) * n * k + start;
    for (let row = 0; row < n; row++) {
      for (const at of lanes(0, count)) out[from + row * k + at] = x[from + row * k + at]!;
    }
    for (let known = 0; known < n; known += 16) {
      const rows = min(16, n - known);
      const first = backward ? n - known - rows : known;
      const others = backward ? first + rows : 0;
      const block = base + first * down;
      addProduct(
        out,
        from + first * k,
        k,
        a,
        block + others * across,
        down,
        across,
        out,
        from + others * k,
        k,
        rows,
        known,
        count,
        -1,
      );
      for (let turn = 0; turn < rows; turn++) {
        const row = backward ? first + rows - 1 - turn : first + turn;
        const solved = backward ? row + 1 : first;
        const own = from + row * k;
        addToRow(out, own, a, base + row * down + solved * across, across, out, from + solved * k, k, turn, count, -1);
        if (unit === 0) {
          const pivot = a[base + row * (n + 1)]!;
          for (const at of lanes(0, count)) out[own + at] = out[own + at]! / pivot;
        }
      }
    }
  }
}
