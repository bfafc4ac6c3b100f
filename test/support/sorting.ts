/** Elements to sort that are hard to sort, and the order that they belong in. */
import { type Tensor, tensor } from '../../entry/index.js';
import type { Device } from '../../runtime/devices/device.js';
import type { Dtype } from '../../runtime/dtype.js';
import { numbersFrom } from '../library-harness.js';

export const sortedDtypes = ['uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'] as const;

export type Element = number | bigint;

const extremes: Readonly<Partial<Record<Dtype, readonly Element[]>>> = {
  uint8: [0, 255, 127, 128],
  int8: [-128, 127, 0, -1],
  int16: [-32768, 32767, 0, -1, 255, 256],
  int32: [-(2 ** 31), 2 ** 31 - 1, 0, -1, 65535, 65536],
  int64: [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 32n, 2n ** 32n - 1n, -(2n ** 32n), 2n ** 31n, -(2n ** 31n) - 1n],
};
const floatExtremes = [NaN, -0, 0, Infinity, -Infinity, 1e-7, -1e-7, NaN, 0, -0, 60000, -60000];

/** Elements of a dtype: many ties, its extremes, and numbers from all over its range. */
export function elements(dtype: Dtype, count: number): Element[] {
  const next = numbersFrom(count);
  const range = { uint8: 256, int8: 128, int16: 2 ** 15, int32: 2 ** 31 }[dtype as string] ?? 1000;
  const anywhere = (): Element => {
    if (dtype === 'int64') return (BigInt(Math.floor((next() - 0.5) * 2 ** 32)) << 31n) + BigInt(Math.floor(next() * 2 ** 31));
    if (dtype === 'uint8') return Math.floor(next() * range);
    return extremes[dtype] === undefined ? (next() - 0.5) * range : Math.floor((2 * next() - 1) * range);
  };
  const few = (): Element => (dtype === 'int64' ? BigInt(Math.floor(next() * 5)) : Math.floor(next() * 5));
  const all = Array.from({ length: count }, () => (next() < 0.5 ? few() : anywhere()));
  const special = extremes[dtype] ?? floatExtremes;
  special.forEach((value, at) => {
    all[(at * 7) % count] = value;
  });
  return all;
}

export function operand(values: readonly Element[], shape: readonly number[], dtype: Dtype, device: Device): Tensor {
  const data = dtype === 'int64' ? BigInt64Array.from(values.map(BigInt)) : Float64Array.from(values.map(Number));
  return tensor(data, { shape, dtype, device });
}

function order(left: Element, right: Element): number {
  const [leftIsNaN, rightIsNaN] = [Number.isNaN(left), Number.isNaN(right)];
  if (leftIsNaN || rightIsNaN) return Number(leftIsNaN) - Number(rightIsNaN);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Places within rows of n, in order. */
export function placesOf(data: ArrayLike<Element>, n: number, descending: boolean): number[] {
  return Array.from({ length: data.length / n }, (_, row) => row * n).flatMap((first) =>
    Array.from({ length: n }, (_, place) => place).sort(
      (a, b) => (descending ? -1 : 1) * order(data[first + a]!, data[first + b]!) || a - b,
    ),
  );
}
