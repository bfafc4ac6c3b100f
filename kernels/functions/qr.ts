/**
 * QR factors by Householder reflections, blocked. Matrices are given and returned by columns, so that what a reflection reads and writes lies
 * along memory. The reflections of 16 columns are applied to all others at once. A work item is one matrix.
 */
import { type Buffer, type i32, max, min } from './language.js';
import { applyBlock, blockOf, multiplyReflections } from './reflections.js';
import { copyElements, makeReflection, reflect, setUnitRows } from './vectors.js';

/** Reflections `first` to `last` - 1, each applied to the columns before `end`. */
function reflectBlock(
  columns: Buffer<'T'>,
  base: i32,
  heads: Buffer<'T'>,
  factors: Buffer<'T'>,
  factorBase: i32,
  first: i32,
  last: i32,
  end: i32,
  m: i32,
): void {
  for (let step = first; step < last; step++) {
    const vector = base + step * m + step;
    makeReflection(columns, vector, m - step, heads, factors, factorBase + step);
    const tau = factors[factorBase + step]!;
    for (let column = step + 1; column < end; column++)
      reflect(columns, base + column * m + step, columns, vector, m - step, tau);
  }
}

/**
 * The columns x [n, m] to those of q [width, m] and of r [n, height]; `height` and `width` are at most m. Signs are LAPACK's.
 * `columns` has the size of x, `heads` and `factors` min(m, n) elements, v, z and `across` 16 m and `products` 16 max(n, width).
 */
export function householderQr(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  q: Buffer<'T'>,
  r: Buffer<'T'>,
  columns: Buffer<'T'>,
  heads: Buffer<'T'>,
  factors: Buffer<'T'>,
  v: Buffer<'T'>,
  z: Buffer<'T'>,
  across: Buffer<'T'>,
  products: Buffer<'T'>,
  m: i32,
  n: i32,
  width: i32,
  height: i32,
): void {
  const steps = min(m, n);
  const most = max(n, width);
  for (let item = begin; item < end; item++) {
    const base = item * n * m;
    const own = item * steps;
    const vz = item * 16 * m;
    const sums = item * 16 * most;
    copyElements(columns, base, x, base, n * m);
    for (let first = 0; first < steps; first += 16) {
      const last = min(first + 16, steps);
      const isWhole = last - first === 16;
      reflectBlock(columns, base, heads, factors, own, first, last, isWhole ? last : n, m);
      if (isWhole && last < n) {
        blockOf(v, z, vz, columns, base, factors, own, first, m, 0);
        applyBlock(columns, base + last * m, n - last, z, v, vz, across, products, sums, first, m);
      }
    }
    for (let column = 0; column < n; column++) {
      const place = item * n * height + column * height;
      const above = min(column, height);
      copyElements(r, place, columns, base + column * m, above);
      for (let row = above; row < height; row++) r[place + row] = 0;
      if (column < height && column < steps) r[place + column] = heads[own + min(column, steps - 1)]!;
    }
    setUnitRows(q, item * width * m, width, m);
    multiplyReflections(q, item * width * m, width, v, z, vz, across, products, sums, columns, base, factors, own, steps, m, 0);
  }
}
