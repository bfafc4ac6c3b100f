/**
 * Singular values and vectors of matrices with at least as many rows as columns: Householder reflections from both sides make the
 * matrix bidiagonal, implicit QR steps make that diagonal (Golub and Van Loan, Matrix Computations, 8.6; the cases are those of
 * LINPACK's dsvdc). Matrices are given and vectors returned by columns, so that reflections and rotations run along memory. A work
 * item is one matrix.
 */
import { abs, type Buffer, type f, fail, type i32, max, sqrt } from './language.js';
import { multiplyReflections } from './reflections.js';
import {
  addMultiple,
  copyElements,
  hypotenuse,
  isNegligible,
  leadingElement,
  makeReflection,
  multiplyBy,
  noiseFloor,
  quotient,
  reflect,
  rotate,
  setUnitRows,
  swapElements,
} from './vectors.js';

/**
 * The columns c [n, m] to the diagonal d and what lies above it, e. Column k of c keeps the k-th left reflection's vector, row k
 * of `right` [n, n] the right one's, from k + 1 on.
 */
function bidiagonalise(
  c: Buffer<'T'>,
  base: i32,
  right: Buffer<'T'>,
  rightBase: i32,
  d: Buffer<'T'>,
  e: Buffer<'T'>,
  leftFactors: Buffer<'T'>,
  rightFactors: Buffer<'T'>,
  product: Buffer<'T'>,
  productBase: i32,
  own: i32,
  m: i32,
  n: i32,
): void {
  for (let step = 0; step < n; step++) {
    const vector = base + step * m + step;
    makeReflection(c, vector, m - step, d, leftFactors, own + step);
    const tau = leftFactors[own + step]!;
    for (let column = step + 1; column < n; column++) reflect(c, base + column * m + step, c, vector, m - step, tau);
    e[own + step] = 0;
    rightFactors[own + step] = 0;
    if (step < n - 1) {
      const row = rightBase + step * n;
      for (let column = step + 1; column < n; column++) right[row + column] = c[base + column * m + step]!;
      makeReflection(right, row + step + 1, n - step - 1, e, rightFactors, own + step);
      const factor = rightFactors[own + step]!;
      // c - factor v (v' c), where v runs over columns.
      for (let at = step + 1; at < m; at++) product[productBase + at] = 0;
      for (let column = step + 1; column < n; column++)
        addMultiple(product, productBase + step + 1, c, base + column * m + step + 1, m - step - 1, right[row + column]!);
      for (let column = step + 1; column < n; column++)
        addMultiple(
          c,
          base + column * m + step + 1,
          product,
          productBase + step + 1,
          m - step - 1,
          -factor * right[row + column]!,
        );
    }
  }
}

/** The row before the last block of d and e [0, size) that nothing couples to the rows before it; -1 where it begins with the first. */
function rowBeforeBlock(d: Buffer<'T'>, e: Buffer<'T'>, own: i32, size: i32, floor: f): i32 {
  let row: i32 = size - 2;
  while (row >= 0) {
    if (isNegligible(e[own + row]!, abs(d[own + row]!) + abs(d[own + row + 1]!) + floor)) break;
    row--;
  }
  return row;
}

/** The last row after `before` whose diagonal element is as good as 0; `before` where there is none. */
function zeroRow(d: Buffer<'T'>, e: Buffer<'T'>, own: i32, before: i32, size: i32): i32 {
  let row: i32 = size - 1;
  while (row > before) {
    let beside: f = 0;
    if (row < size - 1) beside += abs(e[own + row]!);
    if (row > before + 1) beside += abs(e[own + row - 1]!);
    if (isNegligible(d[own + row]!, beside)) break;
    row--;
  }
  return row;
}

/** The last diagonal element is 0: rotations of the right vectors take what lies above it out of the matrix. */
function clearLastColumn(
  d: Buffer<'T'>,
  e: Buffer<'T'>,
  own: i32,
  right: Buffer<'T'>,
  rightBase: i32,
  first: i32,
  last: i32,
  n: i32,
): void {
  let off: f = e[own + last - 1]!;
  e[own + last - 1] = 0;
  let row: i32 = last - 1;
  while (row >= first) {
    const length = hypotenuse(d[own + row]!, off);
    const cosine = quotient(d[own + row]!, length, 1);
    const sine = quotient(off, length, 0);
    d[own + row] = length;
    if (row > first) {
      off = -sine * e[own + row - 1]!;
      e[own + row - 1] = cosine * e[own + row - 1]!;
    }
    rotate(right, rightBase + row * n, rightBase + last * n, n, cosine, sine);
    row--;
  }
}

/** The diagonal element of row `zero` is 0: rotations of the left vectors take what lies beside it out of the matrix. */
function clearRow(
  d: Buffer<'T'>,
  e: Buffer<'T'>,
  own: i32,
  left: Buffer<'T'>,
  leftBase: i32,
  zero: i32,
  size: i32,
  m: i32,
): void {
  let off: f = e[own + zero]!;
  e[own + zero] = 0;
  for (let row = zero + 1; row < size; row++) {
    const length = hypotenuse(d[own + row]!, off);
    const cosine = quotient(d[own + row]!, length, 1);
    const sine = quotient(off, length, 0);
    d[own + row] = length;
    off = -sine * e[own + row]!;
    e[own + row] = cosine * e[own + row]!;
    rotate(left, leftBase + row * m, leftBase + zero * m, m, cosine, sine);
  }
}

/** One implicit QR step on rows `first` to `last`, shifted by the eigenvalue of the trailing 2 x 2 product that is nearer to its end. */
function stepQr(
  d: Buffer<'T'>,
  e: Buffer<'T'>,
  own: i32,
  left: Buffer<'T'>,
  leftBase: i32,
  right: Buffer<'T'>,
  rightBase: i32,
  first: i32,
  last: i32,
  m: i32,
  n: i32,
): void {
  const half: f = 0.5;
  const ends = max(max(abs(d[own + last]!), abs(d[own + last - 1]!)), abs(e[own + last - 1]!));
  const scale = max(ends, max(abs(d[own + first]!), abs(e[own + first]!)));
  const end = d[own + last]! / scale;
  const before = d[own + last - 1]! / scale;
  const beside = e[own + last - 1]! / scale;
  const start = d[own + first]! / scale;
  const next = e[own + first]! / scale;
  const b = half * ((before + end) * (before - end) + beside * beside);
  const c = end * beside * (end * beside);
  const root = sqrt(b * b + c);
  const denominator = b + (b < 0 ? -root : root);
  const shift: f = denominator === 0 ? 0 : c / denominator;
  let along: f = (start + end) * (start - end) + shift;
  let off: f = start * next;
  for (let row = first; row < last; row++) {
    const length = hypotenuse(along, off);
    const cosine = quotient(along, length, 1);
    const sine = quotient(off, length, 0);
    if (row > first) e[own + row - 1] = length;
    along = cosine * d[own + row]! + sine * e[own + row]!;
    e[own + row] = cosine * e[own + row]! - sine * d[own + row]!;
    off = sine * d[own + row + 1]!;
    d[own + row + 1] = cosine * d[own + row + 1]!;
    rotate(right, rightBase + row * n, rightBase + (row + 1) * n, n, cosine, sine);
    const size = hypotenuse(along, off);
    const cosine2 = quotient(along, size, 1);
    const sine2 = quotient(off, size, 0);
    d[own + row] = size;
    along = cosine2 * e[own + row]! + sine2 * d[own + row + 1]!;
    d[own + row + 1] = cosine2 * d[own + row + 1]! - sine2 * e[own + row]!;
    off = sine2 * e[own + row + 1]!;
    e[own + row + 1] = cosine2 * e[own + row + 1]!;
    rotate(left, leftBase + row * m, leftBase + (row + 1) * m, m, cosine2, sine2);
  }
  e[own + last - 1] = along;
}

/** Exchanges singular values, and their vectors, into descending order. */
function sortDescending(
  d: Buffer<'T'>,
  own: i32,
  left: Buffer<'T'>,
  leftBase: i32,
  right: Buffer<'T'>,
  rightBase: i32,
  m: i32,
  n: i32,
): void {
  for (let place = 0; place < n - 1; place++) {
    let most: i32 = place;
    for (let other = place + 1; other < n; other++) {
      if (d[own + other]! > d[own + most]!) most = other;
    }
    if (most !== place) {
      swapElements(d, own + place, own + most, 1);
      swapElements(left, leftBase + place * m, leftBase + most * m, m);
      swapElements(right, rightBase + place * n, rightBase + most * n, n);
    }
  }
}

/**
 * The columns x [n, m], n at most m, to the columns of `left` [n, m], the `values` [n] in descending order, and the columns of
 * `right` [n, n], of each of which the element of greatest size is positive. Fails with 4 where a value does not settle, as where elements
 * are not finite. Scratch: `columns` has the size of x, `reflectors` that of right, `product` m elements for each matrix,
 * e and the factors n, v, z and `across` 16 m and `products` 16 n.
 */
export function singularValues(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  left: Buffer<'T'>,
  values: Buffer<'T'>,
  right: Buffer<'T'>,
  columns: Buffer<'T'>,
  reflectors: Buffer<'T'>,
  e: Buffer<'T'>,
  leftFactors: Buffer<'T'>,
  rightFactors: Buffer<'T'>,
  product: Buffer<'T'>,
  v: Buffer<'T'>,
  z: Buffer<'T'>,
  across: Buffer<'T'>,
  products: Buffer<'T'>,
  m: i32,
  n: i32,
): void {
  const patience: i32 = 75;
  for (let item = begin; item < end; item++) {
    const leftBase = item * n * m;
    const rightBase = item * n * n;
    const own = item * n;
    copyElements(columns, leftBase, x, leftBase, n * m);
    bidiagonalise(columns, leftBase, reflectors, rightBase, values, e, leftFactors, rightFactors, product, item * m, own, m, n);
    setUnitRows(left, leftBase, n, m);
    setUnitRows(right, rightBase, n, n);
    const vz = 16 * item * m;
    multiplyReflections(left, leftBase, n, v, z, vz, across, products, 16 * own, columns, leftBase, leftFactors, own, n, m, 0);
    multiplyReflections(
      right,
      rightBase,
      n,
      v,
      z,
      vz,
      across,
      products,
      16 * own,
      reflectors,
      rightBase,
      rightFactors,
      own,
      n - 1,
      n,
      1,
    );
    const floor = noiseFloor(values, e, own, n);
    let size: i32 = n;
    let turns: i32 = 0;
    while (size > 0) {
      const before = rowBeforeBlock(values, e, own, size, floor);
      if (before >= 0) e[own + before] = 0;
      if (before === size - 2) {
        size--;
        turns = 0;
      } else {
        if (turns === patience) {
          fail(4);
          break;
        }
        turns++;
        const zero = zeroRow(values, e, own, before, size);
        if (zero > before) values[own + zero] = 0;
        if (zero === before) {
          stepQr(values, e, own, left, leftBase, right, rightBase, before + 1, size - 1, m, n);
        } else {
          if (zero === size - 1) {
            clearLastColumn(values, e, own, right, rightBase, before + 1, size - 1, n);
          } else {
            clearRow(values, e, own, left, leftBase, zero, size, m);
          }
        }
      }
    }
    for (let row = 0; row < n; row++) {
      if (values[own + row]! < 0) {
        values[own + row] = -values[own + row]!;
        multiplyBy(right, rightBase + row * n, n, -1);
      }
      if (leadingElement(right, rightBase + row * n, n) < 0) {
        multiplyBy(left, leftBase + row * m, m, -1);
        multiplyBy(right, rightBase + row * n, n, -1);
      }
    }
    sortDescending(values, own, left, leftBase, right, rightBase, m, n);
  }
}
