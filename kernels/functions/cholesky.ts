/** Cholesky factors, row by row: each element is a product of two rows that lie along memory. A work item is one matrix. */
import { type Buffer, type f, fail, type i32, sqrt } from './language.js';
import { dot } from './vectors.js';

/** Of (x + x') / 2, which is x where x is symmetric, the lower factor; fails with 3 where it is not positive definite. */
export function choleskyFactor(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32): void {
  const half: f = 0.5;
  for (let item = begin; item < end; item++) {
    const base = item * n * n;
    for (let row = 0; row < n; row++) {
      const own = base + row * n;
      for (let column = 0; column < row; column++) {
        const other = base + column * n;
        const value = half * x[own + column]! + half * x[other + row]!;
        out[own + column] = (value - dot(out, own, out, other, column)) / out[other + column]!;
      }
      const square = x[own + row]! - dot(out, own, out, own, row);
      if (!(square > 0)) fail(3);
      out[own + row] = sqrt(square);
      for (let column = row + 1; column < n; column++) out[own + column] = 0;
    }
  }
}
