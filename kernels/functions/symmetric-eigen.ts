/**
 * Eigenvalues and eigenvectors of symmetric matrices: Householder reflections make the matrix tridiagonal, implicit QL steps make that
 * diagonal (Golub and Van Loan, Matrix Computations, 8.3). Eigenvectors are kept as rows, so that a rotation runs along memory. A
 * work item is one matrix.
 */
import { abs, type Buffer, type f, fail, fma, type i32, idiv, lanes } from './language.js';
import { multiplyReflections } from './reflections.js';
import {
  addMultiple,
  dot,
  hypotenuse,
  isNegligible,
  leadingElement,
  makeReflection,
  multiplyBy,
  noiseFloor,
  rotate,
  setUnitRows,
  swapElements,
} from './vectors.js';

/** a [n, n] to the diagonal d and what lies beside it, e; row k of a keeps the k-th reflection's vector, from k + 1 on. */
function tridiagonalise(
  a: Buffer<'T'>,
  base: i32,
  d: Buffer<'T'>,
  e: Buffer<'T'>,
  factors: Buffer<'T'>,
  product: Buffer<'T'>,
  own: i32,
  n: i32,
): void {
  const half: f = 0.5;
  for (let step = 0; step < n - 1; step++) {
    const length = n - step - 1;
    const vector = base + step * n + step + 1;
    d[own + step] = a[base + step * n + step]!;
    makeReflection(a, vector, length, e, factors, own + step);
    const tau = factors[own + step]!;
    if (tau !== 0) {
      // a - v w' - w v', with p = tau a v and w = p - (tau p'v / 2) v.
      for (let row = 0; row < length; row++) product[own + row] = tau * dot(a, vector + (row + 1) * n, a, vector, length);
      const along = dot(product, own, a, vector, length);
      addMultiple(product, own, a, vector, length, -half * tau * along);
      for (let row = 0; row < length; row++) {
        const v = a[vector + row]!;
        const w = product[own + row]!;
        const target = vector + (row + 1) * n;
        for (const at of lanes(0, length))
          a[target + at] = fma(-v, product[own + at]!, fma(-w, a[vector + at]!, a[target + at]!));
      }
    }
  }
  if (n > 0) {
    d[own + n - 1] = a[base + n * n - 1]!;
    e[own + n - 1] = 0;
  }
}

/** The last row of the block that begins at `first`: the first one below which the matrix falls apart. */
function blockEnd(d: Buffer<'T'>, e: Buffer<'T'>, own: i32, first: i32, n: i32, floor: f): i32 {
  let last: i32 = first;
  while (last < n - 1) {
    if (isNegligible(e[own + last]!, abs(d[own + last]!) + abs(d[own + last + 1]!) + floor)) break;
    last++;
  }
  return last;
}

/** One implicit QL step on rows `first` to `last`. */
function stepQl(d: Buffer<'T'>, e: Buffer<'T'>, own: i32, rows: Buffer<'T'>, base: i32, first: i32, last: i32, n: i32): void {
  const two: f = 2;
  const ratio = (d[own + first + 1]! - d[own + first]!) / (two * e[own + first]!);
  const length = hypotenuse(ratio, 1);
  let g: f = d[own + last]! - d[own + first]! + e[own + first]! / (ratio + (ratio < 0 ? -length : length));
  let sine: f = 1;
  let cosine: f = 1;
  let shift: f = 0;
  let place: i32 = last - 1;
  while (place >= first) {
    const off = e[own + place]!;
    const across = sine * off;
    const b = cosine * off;
    const r = hypotenuse(across, g);
    e[own + place + 1] = r;
    if (r === 0) break;
    sine = across / r;
    cosine = g / r;
    const lower = d[own + place + 1]! - shift;
    const turn = (d[own + place]! - lower) * sine + two * cosine * b;
    shift = sine * turn;
    d[own + place + 1] = lower + shift;
    g = cosine * turn - b;
    rotate(rows, base + (place + 1) * n, base + place * n, n, cosine, sine);
    place--;
  }
  if (place >= first) {
    // The block fell apart within.
    d[own + place + 1] = d[own + place + 1]! - shift;
  } else {
    d[own + first] = d[own + first]! - shift;
    e[own + first] = g;
  }
  e[own + last] = 0;
}

/** Exchanges eigenvalues, and their rows, into ascending order. */
function sortAscending(d: Buffer<'T'>, own: i32, rows: Buffer<'T'>, base: i32, n: i32): void {
  for (let place = 0; place < n - 1; place++) {
    let least: i32 = place;
    for (let other = place + 1; other < n; other++) {
      if (d[own + other]! < d[own + least]!) least = other;
    }
    if (least !== place) {
      swapElements(d, own + place, own + least, 1);
      swapElements(rows, base + place * n, base + least * n, n);
    }
  }
}

/** Puts small before large: QL finds the eigenvalues of a matrix that is graded the other way less exactly. */
function reverseRows(d: Buffer<'T'>, e: Buffer<'T'>, own: i32, rows: Buffer<'T'>, base: i32, n: i32): void {
  for (let place = 0; place < idiv(n, 2); place++) {
    const other = n - 1 - place;
    swapElements(d, own + place, own + other, 1);
    swapElements(rows, base + place * n, base + other * n, n);
    if (place < other - 1) swapElements(e, own + place, own + other - 1, 1);
  }
}

/**
 * Of (x + x') / 2 [n, n], the eigenvalues in ascending order and their vectors, one a row, the element of greatest size positive.
 * Fails with 4 where a value does not settle, as where elements are not finite. Scratch: `a` has the size of x,
 * e, factors and product have that of values, the others 16 times as much.
 */
export function symmetricEigen(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  values: Buffer<'T'>,
  rows: Buffer<'T'>,
  a: Buffer<'T'>,
  e: Buffer<'T'>,
  factors: Buffer<'T'>,
  product: Buffer<'T'>,
  v: Buffer<'T'>,
  z: Buffer<'T'>,
  across: Buffer<'T'>,
  products: Buffer<'T'>,
  n: i32,
): void {
  const half: f = 0.5;
  const patience: i32 = 60;
  for (let item = begin; item < end; item++) {
    const base = item * n * n;
    const own = item * n;
    for (let row = 0; row < n; row++) {
      for (let column = 0; column < n; column++)
        a[base + row * n + column] = half * x[base + row * n + column]! + half * x[base + column * n + row]!;
    }
    tridiagonalise(a, base, values, e, factors, product, own, n);
    setUnitRows(rows, base, n, n);
    multiplyReflections(rows, base, n, v, z, 16 * own, across, products, 16 * own, a, base, factors, own, n - 1, n, 1);
    if (n > 0) {
      if (abs(values[own]!) > abs(values[own + n - 1]!)) reverseRows(values, e, own, rows, base, n);
    }
    const floor = noiseFloor(values, e, own, n);
    let turns: i32 = 0;
    let first: i32 = 0;
    while (first < n) {
      const last = blockEnd(values, e, own, first, n, floor);
      if (last === first) {
        first++;
        turns = 0;
      } else {
        if (turns === patience) {
          fail(4);
          break;
        }
        stepQl(values, e, own, rows, base, first, last, n);
        turns++;
      }
    }
    sortAscending(values, own, rows, base, n);
    for (let row = 0; row < n; row++) {
      if (leadingElement(rows, base + row * n, n) < 0) multiplyBy(rows, base + row * n, n, -1);
    }
  }
}
