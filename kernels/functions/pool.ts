/**
 * Pooling over windows of the planes of [n, c, h, w] inputs; a work item is one plane. Output sizes are the caller's: windows may reach
 * into the padding and, with ceiling mode, beyond it, but each holds an element of the input.
 */
import { type Buffer, type f, type i32, isNan, lanes, max, min, toT } from './language.js';

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
  for (let plane = begin; plane < end; plane++) {
    const base = plane * h * w;
    for (let i = 0; i < outHeight; i++) {
      const top = max(i * strideHeight - padHeight, 0);
      const bottom = min(i * strideHeight - padHeight + kernelHeight, h);
      for (let j = 0; j < outWidth; j++) {
        const left = max(j * strideWidth - padWidth, 0);
        const right = min(j * strideWidth - padWidth + kernelWidth, w);
        let at: i32 = top * w + left;
        let best = x[base + at]!;
        for (let row = top; row < bottom; row++) {
          for (let place = row * w + left; place < row * w + right; place++) {
            const value = x[base + place]!;
            // Larger, or the first NaN. Values are random to the machine: it chooses faster than it branches.
            const wins = !(value <= best) && !isNan(best);
            best = wins ? value : best;
            at = wins ? place : at;
          }
        }
        const place = (plane * outHeight + i) * outWidth + j;
        out[place] = best;
        index[place] = at;
      }
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
  for (let plane = begin; plane < end; plane++) {
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
        let sum: f = 0;
        for (let row = top; row < bottom; row++)
          for (let column = left; column < right; column++) sum += x[(plane * h + row) * w + column]!;
        const count = windowDivisor((bottom - top) * (right - left), padded, exclusive, divisor);
        out[(plane * outHeight + i) * outWidth + j] = sum / toT(count);
      }
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
