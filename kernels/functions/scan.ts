/**
 * Running sums, products and extrema along the middle axis of [outer, n, inner]. A work item is one of the outer * inner columns;
 * columns that lie side by side run in lanes, and so does a running total along memory. With `reverse` a scan runs from the axis's end.
 */
import { abs, type Buffer, exp, type f, highest, type i32, idiv, isNan, lanes, log, lowest, max, min } from './language.js';

export function cumsum(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32, reverse: i32): void {
  if (inner === 1 && reverse === 0) {
    for (let row = begin; row < end; row++) {
      let sum: f = 0;
      for (const at of lanes(row * n, (row + 1) * n)) {
        sum += x[at]!;
        out[at] = sum;
      }
    }
  } else {
    const first: i32 = reverse !== 0 ? n - 1 : 0;
    const step: i32 = reverse !== 0 ? -1 : 1;
    for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
      for (const column of lanes(max(begin - outer * inner, 0), min(end - outer * inner, inner))) {
        let sum: f = 0;
        for (let k = 0; k < n; k++) {
          const at = (outer * n + first + k * step) * inner + column;
          sum += x[at]!;
          out[at] = sum;
        }
      }
    }
  }
}

export function cumprod(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32, reverse: i32): void {
  if (inner === 1 && reverse === 0) {
    for (let row = begin; row < end; row++) {
      let product: f = 1;
      for (const at of lanes(row * n, (row + 1) * n)) {
        product *= x[at]!;
        out[at] = product;
      }
    }
  } else {
    const first: i32 = reverse !== 0 ? n - 1 : 0;
    const step: i32 = reverse !== 0 ? -1 : 1;
    for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
      for (const column of lanes(max(begin - outer * inner, 0), min(end - outer * inner, inner))) {
        let product: f = 1;
        for (let k = 0; k < n; k++) {
          const at = (outer * n + first + k * step) * inner + column;
          product *= x[at]!;
          out[at] = product;
        }
      }
    }
  }
}

/** The running maximum and its place along the axis: the latest of equals; from the first NaN on, the latest NaN. */
export function cummax(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  inner: i32,
  reverse: i32,
): void {
  cumulativeExtremum(begin, end, x, out, index, n, inner, reverse, 1);
}

/** The running minimum, likewise. */
export function cummin(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  inner: i32,
  reverse: i32,
): void {
  cumulativeExtremum(begin, end, x, out, index, n, inner, reverse, 0);
}

function cumulativeExtremum(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  n: i32,
  inner: i32,
  reverse: i32,
  largest: i32,
): void {
  if (n > 0) {
    const first: i32 = reverse !== 0 ? n - 1 : 0;
    const step: i32 = reverse !== 0 ? -1 : 1;
    for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
      for (const column of lanes(max(begin - outer * inner, 0), min(end - outer * inner, inner))) {
        let best = x[(outer * n + first) * inner + column]!;
        let place: i32 = first;
        for (let k = 0; k < n; k++) {
          const at = (outer * n + first + k * step) * inner + column;
          const value = x[at]!;
          const reaches = largest !== 0 ? value >= best : value <= best;
          const taken = isNan(value) || (!isNan(best) && reaches);
          best = taken ? value : best;
          place = taken ? first + k * step : place;
          out[at] = best;
          index[at] = place;
        }
      }
    }
  }
}

/** out[k] = a[k] * out[k - 1] + b[k], from 0 before the axis's start, or after its end. */
export function linearRecurrence(
  begin: i32,
  end: i32,
  a: Buffer<'T'>,
  b: Buffer<'T'>,
  out: Buffer<'T'>,
  n: i32,
  inner: i32,
  reverse: i32,
): void {
  const first: i32 = reverse !== 0 ? n - 1 : 0;
  const step: i32 = reverse !== 0 ? -1 : 1;
  for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
    for (const column of lanes(max(begin - outer * inner, 0), min(end - outer * inner, inner))) {
      let value: f = 0;
      for (let k = 0; k < n; k++) {
        const at = (outer * n + first + k * step) * inner + column;
        value = a[at]! * value + b[at]!;
        out[at] = value;
      }
    }
  }
}

/** The logarithm of the running sum of exponentials, which is kept as a multiple of e to the running maximum. */
export function logcumsumexp(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32): void {
  for (let outer = idiv(begin, inner); outer < idiv(end + inner - 1, inner); outer++) {
    for (const column of lanes(max(begin - outer * inner, 0), min(end - outer * inner, inner))) {
      let top: f = lowest();
      let sum: f = 0;
      for (let k = 0; k < n; k++) {
        const at = (outer * n + k) * inner + column;
        const value = x[at]!;
        const next = max(top, value);
        const shift = abs(next) === highest() ? 0 : next;
        sum = sum * exp(top - shift) + exp(value - shift);
        top = next;
        out[at] = log(sum) + shift;
      }
    }
  }
}
