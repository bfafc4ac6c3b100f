/**
 * The exponential of matrices [n, n]: x is halved until it is small, the Taylor series up to the 16th power is added up by Paterson and
 * Stockmeyer's scheme, which needs six products, and the result is squared as often as x was halved. A work item is one matrix.
 */
import { abs, type Buffer, type f, type i32, lanes, max, toT } from './language.js';
import { addProduct } from './products.js';
import { addMultiple, copyElements, multiplyBy } from './vectors.js';

/** out = x y */
function multiply(out: Buffer<'T'>, to: i32, x: Buffer<'T'>, left: i32, y: Buffer<'T'>, right: i32, n: i32): void {
  for (const at of lanes(0, n * n)) out[to + at] = 0;
  addProduct(out, to, n, x, left, n, 1, y, right, n, n, n, n, 1);
}

/** The greatest sum of sizes in a row: no eigenvalue is larger. */
function rowNorm(x: Buffer<'T'>, base: i32, n: i32): f {
  let most: f = 0;
  for (let row = 0; row < n; row++) {
    let sum: f = 0;
    for (const at of lanes(0, n)) sum += abs(x[base + row * n + at]!);
    most = max(most, sum);
  }
  return most;
}

/**
 * Scratch: `powers` has room for four matrices, `product` for one. With B0 = 1 + x + x^2 / 2 + x^3 / 6 and so on, the series is
 * B0 + x^4 (B1 + x^4 (B2 + x^4 (B3 + x^4 / 16!))).
 */
export function matrixExponential(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  powers: Buffer<'T'>,
  product: Buffer<'T'>,
  n: i32,
): void {
  // Below it the series is exact to float64's rounding.
  const small: f = 0.75;
  const half: f = 0.5;
  const one: f = 1;
  // More halvings than any finite number allows: what is not finite is left as it is.
  const mostHalvings: i32 = 1100;
  const degree: i32 = 16;
  for (let item = begin; item < end; item++) {
    const size = n * n;
    const base = item * size;
    const first = item * 4 * size;
    copyElements(powers, first, x, base, size);
    let norm = rowNorm(x, base, n);
    let halvings: i32 = 0;
    while (norm > small) {
      if (halvings === mostHalvings) break;
      norm = norm * half;
      multiplyBy(powers, first, size, half);
      halvings++;
    }
    for (let power = 1; power < 4; power++)
      multiply(powers, first + power * size, powers, first + (power - 1) * size, powers, first, n);

    // 1 / 16!, and from there each coefficient down by one factor.
    let factorial: f = one;
    for (let k = 2; k < degree + 1; k++) factorial = factorial * toT(k);
    let coefficient: f = one / factorial;
    for (const at of lanes(0, size)) out[base + at] = coefficient * powers[first + 3 * size + at]!;
    for (let turn = 0; turn < 4; turn++) {
      const block = 3 - turn;
      if (block < 3) {
        multiply(product, base, out, base, powers, first + 3 * size, n);
        copyElements(out, base, product, base, size);
      }
      for (let back = 0; back < 4; back++) {
        const step = 3 - back;
        coefficient = coefficient * toT(block * 4 + step + 1);
        if (step > 0) {
          addMultiple(out, base, powers, first + (step - 1) * size, size, coefficient);
        } else {
          for (let row = 0; row < n; row++) out[base + row * n + row] = out[base + row * n + row]! + coefficient;
        }
      }
    }
    for (let squaring = 0; squaring < halvings; squaring++) {
      multiply(product, base, out, base, out, base, n);
      copyElements(out, base, product, base, size);
    }
  }
}
