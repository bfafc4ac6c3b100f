/**
 * QR factors by Householder reflections. Matrices are given and returned by columns, so that what a reflection reads and writes lies along
 * memory. A work item is one matrix.
 */
import { type Buffer, type i32, min } from './language.js';
import { copyElements, makeReflection, reflect, setUnitRows } from './vectors.js';

/**
 * The columns x [n, m] to those of q [width, m] and of r [n, height]; `height` and `width` are at most m. Signs are LAPACK's.
 * `columns` has the size of x, `heads` and `factors` min(m, n) elements.
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
  m: i32,
  n: i32,
  width: i32,
  height: i32,
): void {
  const steps = min(m, n);
  for (let item = begin; item < end; item++) {
    const base = item * n * m;
    copyElements(columns, base, x, base, n * m);
    for (let step = 0; step < steps; step++) {
      const vector = base + step * m + step;
      makeReflection(columns, vector, m - step, heads, factors, item * steps + step);
      const tau = factors[item * steps + step]!;
      for (let column = step + 1; column < n; column++)
        reflect(columns, base + column * m + step, columns, vector, m - step, tau);
    }
    for (let column = 0; column < n; column++) {
      const own = item * n * height + column * height;
      const above = min(column, height);
      copyElements(r, own, columns, base + column * m, above);
      for (let row = above; row < height; row++) r[own + row] = 0;
      if (column < height && column < steps) r[own + column] = heads[item * steps + min(column, steps - 1)]!;
    }
    setUnitRows(q, item * width * m, width, m);
    for (let back = 1; back < steps + 1; back++) {
      const step = steps - back;
      const tau = factors[item * steps + step]!;
      for (let column = step; column < width; column++)
        reflect(q, item * width * m + column * m + step, columns, base + step * m + step, m - step, tau);
    }
  }
}
