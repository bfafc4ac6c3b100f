/**
 * Products of matrices inside of kernel functions: what blocked factorisations spend their time in. Elements lie along memory in the result and
 * in b, whose rows run in lanes; those of a may lie in any way. There are no kernels here.
 */
import { type Buffer, type f, fma, type i32, idiv, lanes } from './language.js';

/** Eight rows of the result, whose sums stay in registers. */
function addToEightRows(
  out: Buffer<'T'>,
  outFrom: i32,
  outRow: i32,
  a: Buffer<'T'>,
  aFrom: i32,
  aRow: i32,
  aStep: i32,
  b: Buffer<'T'>,
  bFrom: i32,
  bRow: i32,
  depth: i32,
  width: i32,
  factor: f,
): void {
  for (const at of lanes(0, width)) {
    let sum0: f = 0;
    let sum1: f = 0;
    let sum2: f = 0;
    let sum3: f = 0;
    let sum4: f = 0;
    let sum5: f = 0;
    let sum6: f = 0;
    let sum7: f = 0;
    for (let step = 0; step < depth; step++) {
      const element = b[bFrom + step * bRow + at]!;
      const own = aFrom + step * aStep;
      sum0 = fma(a[own]!, element, sum0);
      sum1 = fma(a[own + aRow]!, element, sum1);
      sum2 = fma(a[own + 2 * aRow]!, element, sum2);
      sum3 = fma(a[own + 3 * aRow]!, element, sum3);
      sum4 = fma(a[own + 4 * aRow]!, element, sum4);
      sum5 = fma(a[own + 5 * aRow]!, element, sum5);
      sum6 = fma(a[own + 6 * aRow]!, element, sum6);
      sum7 = fma(a[own + 7 * aRow]!, element, sum7);
    }
    out[outFrom + at] = fma(factor, sum0, out[outFrom + at]!);
    out[outFrom + outRow + at] = fma(factor, sum1, out[outFrom + outRow + at]!);
    out[outFrom + 2 * outRow + at] = fma(factor, sum2, out[outFrom + 2 * outRow + at]!);
    out[outFrom + 3 * outRow + at] = fma(factor, sum3, out[outFrom + 3 * outRow + at]!);
    out[outFrom + 4 * outRow + at] = fma(factor, sum4, out[outFrom + 4 * outRow + at]!);
    out[outFrom + 5 * outRow + at] = fma(factor, sum5, out[outFrom + 5 * outRow + at]!);
    out[outFrom + 6 * outRow + at] = fma(factor, sum6, out[outFrom + 6 * outRow + at]!);
    out[outFrom + 7 * outRow + at] = fma(factor, sum7, out[outFrom + 7 * outRow + at]!);
  }
}

/** One row of the result. */
export function addToRow(
  out: Buffer<'T'>,
  outFrom: i32,
  a: Buffer<'T'>,
  aFrom: i32,
  aStep: i32,
  b: Buffer<'T'>,
  bFrom: i32,
  bRow: i32,
  depth: i32,
  width: i32,
  factor: f,
): void {
  for (const at of lanes(0, width)) {
    let sum: f = 0;
    for (let step = 0; step < depth; step++) sum = fma(a[aFrom + step * aStep]!, b[bFrom + step * bRow + at]!, sum);
    out[outFrom + at] = fma(factor, sum, out[outFrom + at]!);
  }
}

/**
 * out += factor a b, with out [rows, width], a [rows, depth] and b [depth, width]: row r of the result begins at outFrom + r outRow, row s of b
 * at bFrom + s bRow, and element [r, s] of a stands at aFrom + r aRow + s aStep. What is added to is neither in a nor in b.
 */
export function addProduct(
  out: Buffer<'T'>,
  outFrom: i32,
  outRow: i32,
  a: Buffer<'T'>,
  aFrom: i32,
  aRow: i32,
  aStep: i32,
  b: Buffer<'T'>,
  bFrom: i32,
  bRow: i32,
  rows: i32,
  depth: i32,
  width: i32,
  factor: f,
): void {
  const eights = idiv(rows, 8) * 8;
  for (let row = 0; row < eights; row += 8)
    addToEightRows(out, outFrom + row * outRow, outRow, a, aFrom + row * aRow, aRow, aStep, b, bFrom, bRow, depth, width, factor);
  for (let row = eights; row < rows; row++)
    addToRow(out, outFrom + row * outRow, a, aFrom + row * aRow, aStep, b, bFrom, bRow, depth, width, factor);
}
