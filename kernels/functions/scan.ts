/**
 * Running sums, products and extrema along the middle axis of [outer, n, inner]. A work item is one of the outer * inner columns;
 * columns that lie side by side run in lanes, and so does a running total along memory. On a GPU threads share a column where few lie
 * side by side: as a running total. With `reverse` a scan runs from the axis's end.
 */
import {
  abs,
  type Buffer,
  exp,
  type f,
  grouped,
  highest,
  type i32,
  idiv,
  irem,
  isNan,
  lanes,
  log,
  lowest,
  max,
  min,
} from './language.js';

/** Whether so few columns lie side by side that the threads of a GPU do better to share each of them. */
function areShared(inner: i32): boolean {
  return grouped() && inner < 32;
}

/** Where column number `item` begins. */
function startOf(item: i32, n: i32, inner: i32): i32 {
  return idiv(item, inner) * n * inner + irem(item, inner);
}

/** Where along the axis a scan comes to after k others. */
function placeOf(k: i32, n: i32, reverse: i32): i32 {
  return reverse !== 0 ? n - 1 - k : k;
}

export function cumsum(begin: i32, end: i32, x: Buffer<'T'>, out: Buffer<'T'>, n: i32, inner: i32, reverse: i32): void {
  if (inner === 1 && reverse === 0) {
    for (let row = begin; row < end; row++) {
      let sum: f = 0;
      for (const at of lanes(row * n, (row + 1) * n)) {
        sum += x[at]!;
        out[at] = sum;
      }
    }
  } else if (areShared(inner)) {
    for (let item = begin; item < end; item++) {
      const base = startOf(item, n, inner);
      let sum: f = 0;
      for (const k of lanes(0, n)) {
        const at = base + placeOf(k, n, reverse) * inner;
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
  } else if (areShared(inner)) {
    for (let item = begin; item < end; item++) {
      const base = startOf(item, n, inner);
      let product: f = 1;
      for (const k of lanes(0, n)) {
        const at = base + placeOf(k, n, reverse) * inner;
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
  if (areShared(inner)) {
    for (let item = begin; item < end; item++) {
      const base = startOf(item, n, inner);
      let top: f = lowest();
      let latest: i32 = 0;
      for (const k of lanes(0, n)) {
        const at = base + placeOf(k, n, reverse) * inner;
        const value = x[at]!;
        top = max(top, value);
        // What is taken is what the extremum has come to; NaN is unlike itself.
        latest = max(latest, value === top || isNan(value) ? k : 0);
        const taken = placeOf(latest, n, reverse);
        out[at] = x[base + taken * inner]!;
        index[at] = taken;
      }
    }
  } else {
    cumulativeExtremum(begin, end, x, out, index, n, inner, reverse, 1);
  }
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
  if (areShared(inner)) {
    for (let item = begin; item < end; item++) {
      const base = startOf(item, n, inner);
      let top: f = highest();
      let latest: i32 = 0;
      for (const k of lanes(0, n)) {
        const at = base + placeOf(k, n, reverse) * inner;
        const value = x[at]!;
        top = min(top, value);
        // What is taken is what the extremum has come to; NaN is unlike itself.
        latest = max(latest, value === top || isNan(value) ? k : 0);
        const taken = placeOf(latest, n, reverse);
        out[at] = x[base + taken * inner]!;
        index[at] = taken;
      }
    }
  } else {
    cumulativeExtremum(begin, end, x, out, index, n, inner, reverse, 0);
  }
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

/** Rows of n elements in which each element waits for the one before it: eight side by side, so that no processor has to. */
function eightRecurrences(a: Buffer<'T'>, b: Buffer<'T'>, out: Buffer<'T'>, base: i32, step: i32, n: i32): void {
  let value0: f = 0;
  let value1: f = 0;
  let value2: f = 0;
  let value3: f = 0;
  let value4: f = 0;
  let value5: f = 0;
  let value6: f = 0;
  let value7: f = 0;
  for (let k = 0; k < n; k++) {
    const at = base + k * step;
    value0 = a[at]! * value0 + b[at]!;
    value1 = a[at + n]! * value1 + b[at + n]!;
    value2 = a[at + 2 * n]! * value2 + b[at + 2 * n]!;
    value3 = a[at + 3 * n]! * value3 + b[at + 3 * n]!;
    value4 = a[at + 4 * n]! * value4 + b[at + 4 * n]!;
    value5 = a[at + 5 * n]! * value5 + b[at + 5 * n]!;
    value6 = a[at + 6 * n]! * value6 + b[at + 6 * n]!;
    value7 = a[at + 7 * n]! * value7 + b[at + 7 * n]!;
    out[at] = value0;
    out[at + n] = value1;
    out[at + 2 * n] = value2;
    out[at + 3 * n] = value3;
    out[at + 4 * n] = value4;
    out[at + 5 * n] = value5;
    out[at + 6 * n] = value6;
    out[at + 7 * n] = value7;
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
  const rest: i32 = inner === 1 ? begin + idiv(end - begin, 8) * 8 : begin;
  for (let row = begin; row < rest; row += 8) eightRecurrences(a, b, out, row * n + first, step, n);
  for (let outer = idiv(rest, inner); outer < idiv(end + inner - 1, inner); outer++) {
    for (const column of lanes(max(rest - outer * inner, 0), min(end - outer * inner, inner))) {
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
