/**
 * Windows of [n, c, h, w] as columns, [n, c * kernelHeight * kernelWidth, outHeight * outWidth] (im2col), and the adjoint that adds
 * columns back (col2im). A work item is one plane of n * c. Rows are contiguous where the stride is 1, and then run in lanes.
 */
import { type Buffer, type i32, lanes, max, min } from './language.js';

/** The columns: what lies in the padding is 0. */
export function unfold(
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
  dilationHeight: i32,
  dilationWidth: i32,
): void {
  for (let plane = begin; plane < end; plane++) {
    for (let ki = 0; ki < kernelHeight; ki++) {
      for (let kj = 0; kj < kernelWidth; kj++) {
        const shift = kj * dilationWidth - padWidth;
        for (let i = 0; i < outHeight; i++) {
          const row = i * strideHeight - padHeight + ki * dilationHeight;
          const target = (((plane * kernelHeight + ki) * kernelWidth + kj) * outHeight + i) * outWidth;
          if (row < 0 || row >= h) {
            for (const j of lanes(0, outWidth)) out[target + j] = 0;
          } else {
            unfoldRow(x, out, (plane * h + row) * w, target, w, outWidth, strideWidth, shift);
          }
        }
      }
    }
  }
}

/** out[target + j] = x[source + j * stride + shift], 0 outside the row of `w` elements. */
function unfoldRow(
  x: Buffer<'T'>,
  out: Buffer<'T'>,
  source: i32,
  target: i32,
  w: i32,
  outWidth: i32,
  stride: i32,
  shift: i32,
): void {
  if (stride === 1) {
    const first = min(max(-shift, 0), outWidth);
    const last = max(min(w - shift, outWidth), first);
    for (const j of lanes(0, first)) out[target + j] = 0;
    for (const j of lanes(first, last)) out[target + j] = x[source + shift + j]!;
    for (const j of lanes(last, outWidth)) out[target + j] = 0;
  } else {
    for (let j = 0; j < outWidth; j++) {
      const column = j * stride + shift;
      if (column >= 0 && column < w) {
        out[target + j] = x[source + column]!;
      } else {
        out[target + j] = 0;
      }
    }
  }
}

/** The adjoint: every column element is added to where unfold took it from, in the columns' order. */
export function fold(
  begin: i32,
  end: i32,
  columns: Buffer<'T'>,
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
  dilationHeight: i32,
  dilationWidth: i32,
): void {
  for (let plane = begin; plane < end; plane++) {
    for (const at of lanes(plane * h * w, (plane + 1) * h * w)) out[at] = 0;
    for (let ki = 0; ki < kernelHeight; ki++) {
      for (let kj = 0; kj < kernelWidth; kj++) {
        const shift = kj * dilationWidth - padWidth;
        for (let i = 0; i < outHeight; i++) {
          const row = i * strideHeight - padHeight + ki * dilationHeight;
          const source = (((plane * kernelHeight + ki) * kernelWidth + kj) * outHeight + i) * outWidth;
          if (row >= 0 && row < h) foldRow(columns, out, source, (plane * h + row) * w, w, outWidth, strideWidth, shift);
        }
      }
    }
  }
}

/** out[target + j * stride + shift] += columns[source + j], where that is inside the row of `w` elements. */
function foldRow(
  columns: Buffer<'T'>,
  out: Buffer<'T'>,
  source: i32,
  target: i32,
  w: i32,
  outWidth: i32,
  stride: i32,
  shift: i32,
): void {
  if (stride === 1) {
    const first = min(max(-shift, 0), outWidth);
    const last = max(min(w - shift, outWidth), first);
    for (const j of lanes(first, last)) out[target + shift + j]! += columns[source + j]!;
  } else {
    for (let j = 0; j < outWidth; j++) {
      const column = j * stride + shift;
      if (column >= 0 && column < w) out[target + column]! += columns[source + j]!;
    }
  }
}
