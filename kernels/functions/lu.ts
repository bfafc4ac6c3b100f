/**
 * LU factors with partial pivoting, blocked: a panel of columns is factored, the rows beside it are solved with its triangle, and what is
 * left takes their product off, four columns of the panel at a time. A work item is one matrix.
 */
import { abs, type Buffer, type f, fail, type i32, lanes, min } from './language.js';
import { addMultiple, copyElements, swapElements } from './vectors.js';

/** The row, from `from` on, with the element of greatest size in a column. */
function pivotRow(lu: Buffer<'T'>, base: i32, from: i32, column: i32, m: i32, n: i32): i32 {
  let best: i32 = from;
  let most: f = abs(lu[base + from * n + column]!);
  for (let row = from + 1; row < m; row++) {
    const size = abs(lu[base + row * n + column]!);
    if (size > most) {
      most = size;
      best = row;
    }
  }
  return best;
}

/** Columns `first` to `last` - 1 of the rows from `first` on; rows are exchanged whole. */
function factorPanel(
  lu: Buffer<'T'>,
  base: i32,
  pivots: Buffer<'int32'>,
  pivotBase: i32,
  first: i32,
  last: i32,
  m: i32,
  n: i32,
  regular: i32,
): void {
  for (let column = first; column < last; column++) {
    const chosen = pivotRow(lu, base, column, column, m, n);
    pivots[pivotBase + column] = chosen + 1;
    if (chosen !== column) swapElements(lu, base + column * n, base + chosen * n, n);
    const pivot = lu[base + column * n + column]!;
    if (pivot === 0) {
      if (regular !== 0) fail(2);
    } else {
      for (let row = column + 1; row < m; row++) {
        const factor = lu[base + row * n + column]! / pivot;
        lu[base + row * n + column] = factor;
        addMultiple(lu, base + row * n + column + 1, lu, base + column * n + column + 1, last - column - 1, -factor);
      }
    }
  }
}

/** From each row on from `last`, the products of its factors in the panel with the panel's rows, right of the panel. */
function updateRest(lu: Buffer<'T'>, base: i32, first: i32, last: i32, m: i32, n: i32): void {
  const whole = last - first === 16;
  for (let row = last; row < m; row++) {
    const own = base + row * n;
    if (whole) {
      for (let panel = first; panel < last; panel += 4) {
        const a = lu[own + panel]!;
        const b = lu[own + panel + 1]!;
        const c = lu[own + panel + 2]!;
        const d = lu[own + panel + 3]!;
        const source = base + panel * n;
        for (const column of lanes(last, n)) {
          const upper = a * lu[source + column]! + b * lu[source + n + column]!;
          const lower = c * lu[source + 2 * n + column]! + d * lu[source + 3 * n + column]!;
          lu[own + column] = lu[own + column]! - (upper + lower);
        }
      }
    } else {
      for (let panel = first; panel < last; panel++)
        addMultiple(lu, own + last, lu, base + panel * n + last, n - last, -lu[own + panel]!);
    }
  }
}

/**
 * x [m, n] to both factors in one matrix, the ones of the lower one's diagonal left out. pivots[i] - 1 is the row that row i was
 * exchanged with, in this order; `permutation` lists the rows of x in the order that they ended in. With `regular` a pivot of 0
 * fails with 2.
 */
export function luFactor(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  lu: Buffer<'T'>,
  pivots: Buffer<'int32'>,
  permutation: Buffer<'int32'>,
  m: i32,
  n: i32,
  regular: i32,
): void {
  const size = min(m, n);
  for (let item = begin; item < end; item++) {
    const base = item * m * n;
    copyElements(lu, base, x, base, m * n);
    for (let first = 0; first < size; first += 16) {
      const last = min(first + 16, size);
      factorPanel(lu, base, pivots, item * size, first, last, m, n, regular);
      for (let panel = first; panel < last; panel++) {
        for (let row = panel + 1; row < last; row++)
          addMultiple(lu, base + row * n + last, lu, base + panel * n + last, n - last, -lu[base + row * n + panel]!);
      }
      updateRest(lu, base, first, last, m, n);
    }
    for (const row of lanes(0, m)) permutation[item * m + row] = row;
    for (let row = 0; row < size; row++) {
      const other = item * m + pivots[item * size + row]! - 1;
      const held = permutation[item * m + row]!;
      permutation[item * m + row] = permutation[other]!;
      permutation[other] = held;
    }
  }
}
