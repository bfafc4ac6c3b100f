/**
 * Helpers of the matrix factorisations: vectors that lie along memory, plane rotations of two of them, and Householder reflections
 * I - tau v v', of which v's first element is 1. There are no kernels here.
 */
import { abs, type Buffer, type f, fma, type i32, lanes, max, min, sqrt } from './language.js';

export function dot(x: Buffer<'T'>, xFrom: i32, y: Buffer<'T'>, yFrom: i32, length: i32): f {
  let sum: f = 0;
  for (const at of lanes(0, length)) sum += x[xFrom + at]! * y[yFrom + at]!;
  return sum;
}

/** y += factor * x. */
export function addMultiple(y: Buffer<'T'>, yFrom: i32, x: Buffer<'T'>, xFrom: i32, length: i32, factor: f): void {
  for (const at of lanes(0, length)) y[yFrom + at] = fma(factor, x[xFrom + at]!, y[yFrom + at]!);
}

export function copyElements(to: Buffer<'T'>, toFrom: i32, x: Buffer<'T'>, from: i32, length: i32): void {
  for (const at of lanes(0, length)) to[toFrom + at] = x[from + at]!;
}

export function multiplyBy(x: Buffer<'T'>, from: i32, length: i32, factor: f): void {
  for (const at of lanes(0, length)) x[from + at] = x[from + at]! * factor;
}

export function swapElements(x: Buffer<'T'>, first: i32, second: i32, length: i32): void {
  for (const at of lanes(0, length)) {
    const held = x[first + at]!;
    x[first + at] = x[second + at]!;
    x[second + at] = held;
  }
}

/** The `rows` first unit vectors, each of `length` elements. */
export function setUnitRows(x: Buffer<'T'>, from: i32, rows: i32, length: i32): void {
  for (let row = 0; row < rows; row++) {
    for (const at of lanes(0, length)) x[from + row * length + at] = 0;
    if (row < length) x[from + row * length + row] = 1;
  }
}

/** (x, y) to (c x + s y, c y - s x). */
export function rotate(x: Buffer<'T'>, first: i32, second: i32, length: i32, cosine: f, sine: f): void {
  for (const at of lanes(0, length)) {
    const a = x[first + at]!;
    const b = x[second + at]!;
    x[first + at] = fma(sine, b, cosine * a);
    x[second + at] = fma(cosine, b, -sine * a);
  }
}

/** The square root of a^2 + b^2 without a square that overflows. */
export function hypotenuse(a: f, b: f): f {
  const long = max(abs(a), abs(b));
  const short = min(abs(a), abs(b));
  const ratio: f = long > 0 ? short / long : 0;
  return long * sqrt(1 + ratio * ratio);
}

/** a / length, where that is no length the default: the cosine or sine of a rotation. */
export function quotient(a: f, length: f, otherwise: f): f {
  return length > 0 ? a / length : otherwise;
}

/** Whether `small` is lost when it is added to `large`. */
export function isNegligible(small: f, large: f): boolean {
  return abs(large) + abs(small) === abs(large);
}

/**
 * The size that diagonal elements d count as at least, when what lies beside them, e, is told from 0: rows that are nothing but rounding errors of
 * the others would have no end otherwise.
 */
export function noiseFloor(d: Buffer<'T'>, e: Buffer<'T'>, from: i32, length: i32): f {
  const share: f = 1e-7;
  let most: f = 0;
  for (const at of lanes(from, from + length)) most = max(most, abs(d[at]!) + abs(e[at]!));
  return share * most;
}

/** The element of greatest size, with its sign. */
export function leadingElement(x: Buffer<'T'>, from: i32, length: i32): f {
  let leading: f = 0;
  for (let at = 0; at < length; at++) {
    const value = x[from + at]!;
    if (abs(value) > abs(leading)) leading = value;
  }
  return leading;
}

/**
 * The reflection that sends x to a multiple of the first unit vector (LAPACK's larfg): x becomes v, heads[at] that multiple, whose sign
 * is opposite to x's first element, and factors[at] tau. What is such a multiple already stays, with tau 0.
 */
export function makeReflection(x: Buffer<'T'>, from: i32, length: i32, heads: Buffer<'T'>, factors: Buffer<'T'>, at: i32): void {
  let scale: f = 0;
  for (const place of lanes(from + 1, from + length)) scale = max(scale, abs(x[place]!));
  const head = x[from]!;
  heads[at] = head;
  factors[at] = 0;
  // A NaN counts too.
  if (!(scale === 0)) {
    const most = max(scale, abs(head));
    let squares: f = 0;
    for (const place of lanes(from, from + length)) squares += (x[place]! / most) * (x[place]! / most);
    const size = most * sqrt(squares);
    const image: f = head > 0 ? -size : size;
    heads[at] = image;
    factors[at] = (image - head) / image;
    for (const place of lanes(from + 1, from + length)) x[place] = x[place]! / (head - image);
  }
  x[from] = 1;
}

/** y - tau v (v' y). */
export function reflect(y: Buffer<'T'>, yFrom: i32, v: Buffer<'T'>, vFrom: i32, length: i32, tau: f): void {
  const amount = dot(v, vFrom, y, yFrom, length);
  addMultiple(y, yFrom, v, vFrom, length, -tau * amount);
}
