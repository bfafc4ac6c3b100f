/**
 * Matrix products against naive sums, at sizes around the edges of tiles and blocks, for operands of any layout and every dtype.
 */
import test from 'ava';
import type { Dtype, Shape } from '../kernels/op.js';
import { type Arrangement, arrangements, integers, numbersFrom, operand, worstError } from './library-harness.js';

interface ProductCase {
  readonly x: Shape;
  readonly y: Shape;
  readonly dtype?: Dtype;
  readonly xLies?: Arrangement;
  readonly yLies?: Arrangement;
  readonly xBroadcast?: readonly number[];
  readonly yBroadcast?: readonly number[];
  readonly valueOf?: () => number;
}

function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [p, q] = [a[a.length - rank + axis] ?? 1, b[b.length - rank + axis] ?? 1];
    return p === 1 ? q : p;
  });
}

function productError({
  x,
  y,
  dtype = 'float32',
  xLies,
  yLies,
  xBroadcast,
  yBroadcast,
  valueOf = integers(7),
}: ProductCase): number {
  const shape = [...broadcastShape(x.slice(0, -2), y.slice(0, -2)), x.at(-2)!, y.at(-1)!];
  const inputs = {
    x: operand(x, dtype, valueOf, xLies, xBroadcast),
    y: operand(y, dtype, valueOf, yLies, yBroadcast),
  };
  return worstError({ name: 'gemm', inputs, outputs: [{ shape, dtype }] });
}

test('products are exact at every size around the tile', (t) => {
  for (const m of [1, 2, 3, 4, 5, 8, 9])
    for (const n of [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 31, 33, 65])
      for (const k of [1, 2, 7, 17]) t.is(productError({ x: [m, k], y: [k, n] }), 0, `${m}x${k} times ${k}x${n}`);
});
