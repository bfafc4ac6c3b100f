/**
 * Running sums, products and extrema along the middle axis of [outer, n, inner]. A work item is one of the outer * inner columns;
 * columns that lie side by side run in lanes. With `reverse` a scan runs from the axis's end.
 */
import { type Buffer, type f, type i32, idiv, isNan, lanes, max, min } from './language.js';

export function cumsum(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32, reverse: i32): void {
  const first: i32 = reverse !== 0 ? n - 1 : 0;
  const step: i32 = reverse !== 0 ? -1 : 1;
  if (inner === 1) {
    sumRows(begin, end, x, out, n, first, step);
  } else {
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

/** Four rows at a time: a sum has to wait for the one before it, but not for those of other rows. */
function sumRows(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, first: i32, step: i32): void {
  const whole = end - ((end - begin) & 3);
  for (let row = begin; row < whole; row += 4) {
    let sum0: f = 0;
    let sum1: f = 0;
    let sum2: f = 0;
    let sum3: f = 0;
    for (let k = 0; k < n; k++) {
      const at = row * n + first + k * step;
      sum0 += x[at]!;
      sum1 += x[at + n]!;
      sum2 += x[at + 2 * n]!;
      sum3 += x[at + 3 * n]!;
      out[at] = sum0;
      out[at + n] = sum1;
      out[at + 2 * n] = sum2;
      out[at + 3 * n] = sum3;
    }
  }
  for (let row = whole; row < end; row++) {
    let sum: f = 0;
    for (let k = 0; k < n; k++) {
      const at = row * n + first + k * step;
      sum += x[at]!;
      out[at] = sum;
    }
  }
}

export function cumprod(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32, reverse: i32): void {
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
