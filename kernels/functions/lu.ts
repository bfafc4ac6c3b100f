/**
 * LU factors with partial pivoting, blocked: a panel of 16 columns is factored, the rows beside it are solved with its triangle, and what is
 * left takes their product off. The panel is worked on as columns that lie along memory. A work item is one matrix.
 */
import { abs, type Buffer, type f, fail, type i32, lanes, max, min } from './language.js';
import { addProduct, addToRow } from './products.js';
import { copyElements, swapElements } from './vectors.js';

/** The place, from `from` on, of the first element of greatest size; the first place where one is NaN. */
function largestElement(x: Buffer<'T'>, from: i32, length: i32): i32 {
  let most: f = 0;
  for (const at of lanes(0, length)) most = max(most, abs(x[from + at]!));
  let best: i32 = 0;
  for (let at = 0; at < length; at++) {
    if (abs(x[from + at]!) === most) {
      best = at;
      break;
    }
  }
  return best;
}

/** The panel's columns, each of m elements, take what the columns before have in common with `column`. */
function updateColumn(panel: Buffer<'T'>, base: i32, first: i32, column: i32, m: i32): void {
  const own = base + (column - first) * m;
  for (let row = first + 1; row < column; row++) {
    let value: f = panel[own + row]!;
    for (let other = first; other < row; other++) value = value - panel[base + (other - first) * m + row]! * panel[own + other]!;
    panel[own + row] = value;
  }
  addToRow(panel, own + column, panel, own + first, 1, panel, base + column, m, column - first, m - column, -1);
}

/** Columns `first` to `last` - 1 of the rows from `first` on, which lie in `panel`; rows of `lu` are exchanged whole. */
function factorPanel(
  lu: Buffer<'T'>,
  base: i32,
  panel: Buffer<'T'>,
  panelBase: i32,
  pivots: Buffer<'int32'>,
  pivotBase: i32,
  first: i32,
  last: i32,
  m: i32,
  n: i32,
  regular: i32,
): void {
  for (let column = first; column < last; column++) {
    const own = panelBase + (column - first) * m;
    updateColumn(panel, panelBase, first, column, m);
    const chosen = column + largestElement(panel, own + column, m - column);
    pivots[pivotBase + column] = chosen + 1;
    if (chosen !== column) {
      swapElements(lu, base + column * n, base + chosen * n, n);
      for (let other = 0; other < last - first; other++) {
        const held = panel[panelBase + other * m + column]!;
        panel[panelBase + other * m + column] = panel[panelBase + other * m + chosen]!;
        panel[panelBase + other * m + chosen] = held;
      }
    }
    const pivot = panel[own + column]!;
    if (pivot === 0) {
      if (regular !== 0) fail(2);
    } else {
      for (const row of lanes(column + 1, m)) panel[own + row] = panel[own + row]! / pivot;
    }
  }
}

/**
 * x [m, n] to both factors in one matrix, the ones of the lower one's diagonal left out. pivots[i] - 1 is the row that row i was
 * exchanged with, in this order; `permutation` lists the rows of x in the order that they ended in. With `regular` a pivot of 0
 * fails with 2. `panel` has 16 m elements.
 */
export function luFactor(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  lu: Buffer<'T'>,
  pivots: Buffer<'int32'>,
  permutation: Buffer<'int32'>,
  panel: Buffer<'T'>,
  m: i32,
  n: i32,
  regular: i32,
): void {
  const size = min(m, n);
  for (let item = begin; item < end; item++) {
    const base = item * m * n;
    const panelBase = item * 16 * m;
    copyElements(lu, base, x, base, m * n);
    for (let first = 0; first < size; first += 16) {
      const last = min(first + 16, size);
      for (let row = first; row < m; row++) {
        for (let column = first; column < last; column++)
          panel[panelBase + (column - first) * m + row] = lu[base + row * n + column]!;
      }
      factorPanel(lu, base, panel, panelBase, pivots, item * size, first, last, m, n, regular);
      for (let row = first; row < m; row++) {
        for (let column = first; column < last; column++)
          lu[base + row * n + column] = panel[panelBase + (column - first) * m + row]!;
      }
      const beside = base + first * n + last;
      for (let row = first + 1; row < last; row++) {
        const own = base + row * n;
        addToRow(lu, own + last, lu, own + first, 1, lu, beside, n, row - first, n - last, -1);
      }
      const below = base + last * n;
      addProduct(lu, below + last, n, lu, below + first, n, 1, lu, beside, n, m - last, last - first, n - last, -1);
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
