/**
 * Pooling over windows of the planes of [n, c, h, w] inputs; a work item is one plane. Output sizes are the caller's: windows may reach
 * into the padding and, with ceiling mode, beyond it, but each holds an element of the input.
 */
import { type Buffer, type f, type i32, idiv, isNan, lanes, max, min, toT } from './language.js';

/** The first window of a row that does not reach over the plane's left edge; with strides that have no lanes, none counts. */
function firstWithin(outWidth: i32, strideWidth: i32, padWidth: i32): i32 {
  const first = min(idiv(padWidth + strideWidth - 1, strideWidth), outWidth);
  return strideWidth > 2 ? outWidth : first;
}

/** The first window after those that does reach over the right edge. */
function endWithin(first: i32, w: i32, outWidth: i32, kernelWidth: i32, strideWidth: i32, padWidth: i32): i32 {
  const room = w + padWidth - kernelWidth;
  const last = idiv(max(room, 0), strideWidth);
  return max(room < 0 ? 0 : min(last + 1, outWidth), first);
}

/** Larger, or the first NaN. Values are random to the machine: it chooses faster than it branches. */
function wins(value: f, best: f): boolean {
  return !(value <= best) && !isNan(best);
}

/** One window, cut off at the edges; its results go to `place`. */
function maxOfWindow(
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  base: i32,
  place: i32,
  w: i32,
  top: i32,
  bottom: i32,
  before: i32,
  kernelWidth: i32,
): void {
  const left = max(before, 0);
  const right = min(before + kernelWidth, w);
  let at: i32 = top * w + left;
  let best = x[base + at]!;
  for (let row = top; row < bottom; row++) {
    for (let from = row * w + left; from < row * w + right; from++) {
      const value = x[base + from]!;
      const better = wins(value, best);
      best = better ? value : best;
      at = better ? from : at;
    }
  }
  out[place] = best;
  index[place] = at;
}

/** Windows of a row of results that reach over no side edge, side by side. `stride` is a literal: loads are then vectors. */
function maxOfRow(
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  base: i32,
  place: i32,
  w: i32,
  top: i32,
  bottom: i32,
  first: i32,
  last: i32,
  stride: i32,
  padWidth: i32,
  kernelWidth: i32,
): void {
  for (const j of lanes(first, last)) {
    let at: i32 = top * w + (j * stride - padWidth);
    let best = x[base + top * w + (j * stride - padWidth)]!;
    for (let row = top; row < bottom; row++) {
      for (let column = 0; column < kernelWidth; column++) {
        const from = row * w + column + (j * stride - padWidth);
        const value = x[base + from]!;
        const better = wins(value, best);
        best = better ? value : best;
        at = better ? from : at;
      }
    }
    out[place + j] = best;
    index[place + j] = at;
  }
}

/**
 * The maximum of each window, and where in the plane it is. NaN wins over numbers, the first of equals over the others, as in
 * PyTorch and Paddle.
 */
export function maxPool2d(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  index: Buffer<'int32'>,
  h: i32,
  w: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  padHeight: i32,
  padWidth: i32,
): void {
  const first = firstWithin(outWidth, strideWidth, padWidth);
  const last = endWithin(first, w, outWidth, kernelWidth, strideWidth, padWidth);
  for (let plane = begin; plane < end; plane++) {
    const base = plane * h * w;
    for (let i = 0; i < outHeight; i++) {
      const top = max(i * strideHeight - padHeight, 0);
      const bottom = min(i * strideHeight - padHeight + kernelHeight, h);
      const line = (plane * outHeight + i) * outWidth;
      // Those at the left edge, then those at the right edge.
      for (let edge = 0; edge < outWidth - (last - first); edge++) {
        const j = edge < first ? edge : edge + (last - first);
        maxOfWindow(x, out, index, base, line + j, w, top, bottom, j * strideWidth - padWidth, kernelWidth);
      }
      if (strideWidth === 1) maxOfRow(x, out, index, base, line, w, top, bottom, first, last, 1, padWidth, kernelWidth);
      else maxOfRow(x, out, index, base, line, w, top, bottom, first, last, 2, padWidth, kernelWidth);
    }
  }
}

/** The gradient: what came in for each window goes to its maximum. Also max unpooling, as `index` says where. */
export function maxPool2dGrad(
  begin: i32,
  end: i32,
  dout: Buffer<'T'>,
  index: Buffer<'int32'>,
  dx: Buffer<'T'>,
  planeSize: i32,
  outSize: i32,
): void {
  for (let plane = begin; plane < end; plane++) {
    const base = plane * planeSize;
    for (const at of lanes(base, base + planeSize)) dx[at] = 0;
    for (let at = plane * outSize; at < (plane + 1) * outSize; at++) dx[base + index[at]!]! += dout[at]!;
  }
}

/** The adjoint of maxPool2dGrad: the elements at `index`. */
export function maxPool2dGather(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  index: Buffer<'int32'>,
  out: Buffer<'T'>,
  planeSize: i32,
  outSize: i32,
): void {
  for (let plane = begin; plane < end; plane++)
    for (let at = plane * outSize; at < (plane + 1) * outSize; at++) out[at] = x[plane * planeSize + index[at]!]!;
}

/**
 * How many elements a window's mean divides by: `divisor` where it is not 0, else those in the input, or with them those in the padding.
 * Neither counts what the last window, in ceiling mode, covers beyond the padding.
 */
function windowDivisor(inside: i32, padded: i32, exclusive: i32, divisor: i32): i32 {
  const own = exclusive !== 0 ? inside : padded;
  return divisor !== 0 ? divisor : own;
}

/** The sum of one window, cut off at the side edges. */
function sumOfWindow(x: Buffer<'T'>, base: i32, w: i32, top: i32, bottom: i32, left: i32, right: i32): f {
  let sum: f = 0;
  for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) sum += x[base + row * w + column]!;
  return sum;
}

/** Windows of a row of results that reach over no side edge, side by side. `stride` is a literal: loads are then vectors. */
function meansOfRow(
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  base: i32,
  place: i32,
  w: i32,
  top: i32,
  bottom: i32,
  first: i32,
  last: i32,
  stride: i32,
  padWidth: i32,
  kernelWidth: i32,
  count: f,
): void {
  for (const j of lanes(first, last)) {
    let sum: f = 0;
    for (let row = top; row < bottom; row++)
      for (let column = 0; column < kernelWidth; column++) sum += x[base + row * w + column + (j * stride - padWidth)]!;
    out[place + j] = sum / count;
  }
}

/** The mean of each window. With `exclusive` padding does not count; `divisor`, where it is not 0, is what the sum is divided by. */
export function avgPool2d(
  begin: i32,
  end: i32,
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  h: i32,
  w: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  padHeight: i32,
  padWidth: i32,
  paddedHeight: i32,
  paddedWidth: i32,
  exclusive: i32,
  divisor: i32,
): void {
  const first = firstWithin(outWidth, strideWidth, padWidth);
  const last = endWithin(first, w, outWidth, kernelWidth, strideWidth, padWidth);
  for (let plane = begin; plane < end; plane++) {
    const base = plane * h * w;
    for (let i = 0; i < outHeight; i++) {
      const above = i * strideHeight - padHeight;
      const below = above + kernelHeight;
      const top = max(above, 0);
      const bottom = min(below, h);
      const paddedRows = min(below, paddedHeight) - above;
      const line = (plane * outHeight + i) * outWidth;
      // Those at the left edge, then those at the right edge.
      for (let edge = 0; edge < outWidth - (last - first); edge++) {
        const j = edge < first ? edge : edge + (last - first);
        const before = j * strideWidth - padWidth;
        const after = before + kernelWidth;
        const left = max(before, 0);
        const right = min(after, w);
        const padded = paddedRows * (min(after, paddedWidth) - before);
        const count = windowDivisor((bottom - top) * (right - left), padded, exclusive, divisor);
        out[line + j] = sumOfWindow(x, base, w, top, bottom, left, right) / toT(count);
      }
      const count = toT(windowDivisor((bottom - top) * kernelWidth, paddedRows * kernelWidth, exclusive, divisor));
      if (strideWidth === 1) meansOfRow(x, out, base, line, w, top, bottom, first, last, 1, padWidth, kernelWidth, count);
      else meansOfRow(x, out, base, line, w, top, bottom, first, last, 2, padWidth, kernelWidth, count);
    }
  }
}

/** The gradient: what came in for each window, spread evenly over its elements. */
export function avgPool2dGrad(
  begin: i32,
  end: i32,
  dout: Buffer<'T'>,
  dx: Buffer<'T'>,
  h: i32,
  w: i32,
  outHeight: i32,
  outWidth: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  padHeight: i32,
  padWidth: i32,
  paddedHeight: i32,
  paddedWidth: i32,
  exclusive: i32,
  divisor: i32,
): void {
  for (let plane = begin; plane < end; plane++) {
    for (const at of lanes(plane * h * w, (plane + 1) * h * w)) dx[at] = 0;
    for (let i = 0; i < outHeight; i++) {
      const above = i * strideHeight - padHeight;
      const below = above + kernelHeight;
      const top = max(above, 0);
      const bottom = min(below, h);
      const paddedRows = min(below, paddedHeight) - above;
      for (let j = 0; j < outWidth; j++) {
        const before = j * strideWidth - padWidth;
        const after = before + kernelWidth;
        const left = max(before, 0);
        const right = min(after, w);
        const padded = paddedRows * (min(after, paddedWidth) - before);
        const count = windowDivisor((bottom - top) * (right - left), padded, exclusive, divisor);
        const share = dout[(plane * outHeight + i) * outWidth + j]! / toT(count);
        for (let row = top; row < bottom; row++)
          for (let column = left; column < right; column++) dx[(plane * h + row) * w + column]! += share;
      }
    }
  }
}
