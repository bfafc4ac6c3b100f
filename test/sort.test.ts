/**
 * Sorting against JavaScript's, in every dtype and in each tier: rows that are merged, rows that are sorted by digits, and rows of several
 * blocks. Equal elements keep their order, and so both zeros; NaN counts as the greatest.
 */
import test from 'ava';
import { argsort, sort, type Tensor, tensor, topk, unique } from '../entry/index.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import { CompilerProblem, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import type { Device } from '../runtime/devices/device.js';
import type { Dtype } from '../runtime/dtype.js';
import { numbersFrom } from './library-harness.js';

type Element = number | bigint;

const extremes: Readonly<Partial<Record<Dtype, readonly Element[]>>> = {
  uint8: [0, 255, 127, 128],
  int8: [-128, 127, 0, -1],
  int16: [-32768, 32767, 0, -1, 255, 256],
  int32: [-(2 ** 31), 2 ** 31 - 1, 0, -1, 65535, 65536],
  int64: [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 32n, 2n ** 32n - 1n, -(2n ** 32n), 2n ** 31n, -(2n ** 31n) - 1n],
};
const floatExtremes = [NaN, -0, 0, Infinity, -Infinity, 1e-7, -1e-7, NaN, 0, -0, 60000, -60000];

/** Elements of a dtype: many ties, its extremes, and numbers from all over its range. */
function elements(dtype: Dtype, count: number): Element[] {
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

function operand(values: readonly Element[], shape: readonly number[], dtype: Dtype, device: Device): Tensor {
  const data = dtype === 'int64' ? BigInt64Array.from(values.map(BigInt)) : Float64Array.from(values.map(Number));
  return tensor(data, { shape, dtype, device });
}

function order(left: Element, right: Element): number {
  const [leftIsNaN, rightIsNaN] = [Number.isNaN(left), Number.isNaN(right)];
  if (leftIsNaN || rightIsNaN) return Number(leftIsNaN) - Number(rightIsNaN);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Places within rows of n, in order. */
function placesOf(data: ArrayLike<Element>, n: number, descending: boolean): number[] {
  return Array.from({ length: data.length / n }, (_, row) => row * n).flatMap((first) =>
    Array.from({ length: n }, (_, place) => place).sort(
      (a, b) => (descending ? -1 : 1) * order(data[first + a]!, data[first + b]!) || a - b,
    ),
  );
}

const dtypes = ['uint8', 'int8', 'int16', 'int32', 'int64', 'float16', 'bfloat16', 'float32', 'float64'] as const;
const shapes: readonly (readonly [rows: number, n: number, how: string])[] = [
  [7, 60, 'merged'],
  [3, 700, 'by narrow digits'],
  [2, 40_000, 'by wide digits, in two blocks'],
];

const [wasm, native] = (['wasm', 'native'] as const).map((tier) =>
  openCpu({ guarded: true, threads: 2, tier, native: 'where found' }),
);
const hasCompiler = !(findCompiler() instanceof CompilerProblem);

for (const [tier, device] of [
  ['wasm', wasm!],
  ['native', native!],
] as const)
  for (const [rows, n, how] of shapes)
    (tier === 'native' && !hasCompiler ? test.skip : test)(`rows of ${n} are sorted ${how}: ${tier}`, (t) => {
      for (const dtype of dtypes)
        for (const descending of [false, true]) {
          const before = device.memory().allocated;
          const x = operand(elements(dtype, rows * n), [rows, n], dtype, device);
          // As it was stored: rounded to the dtype.
          const stored: ArrayLike<Element> = x.dataSync();
          const [values, index] = [sort(x, { descending }), argsort(x, { descending })];
          const expected = placesOf(stored, n, descending);
          t.deepEqual([...index.dataSync()], expected, `${dtype}, descending ${descending}`);
          t.deepEqual(
            Array.from<Element>(values.dataSync()),
            expected.map((place, at) => stored[Math.floor(at / n) * n + place]!),
            `${dtype}, descending ${descending}`,
          );
          for (const one of [x, values, index]) one.dispose();
          t.true(device.memory().allocated <= before + (1 << 16), 'what was allocated was freed, but for plans');
        }
    });

test('a million elements are sorted alike by both tiers', (t) => {
  const values = elements('float32', 1_000_000);
  const expected = placesOf(Float32Array.from(values, Number), values.length, false);
  for (const device of [wasm!, native!]) {
    const x = operand(values, [values.length], 'float32', device);
    const index = argsort(x);
    t.deepEqual(index.dataSync(), Int32Array.from(expected));
    for (const one of [x, index]) one.dispose();
  }
});

test('the best of long rows, found by looking and by sorting', (t) => {
  const [rows, n] = [3, 5000];
  for (const device of [wasm!, native!])
    for (const dtype of ['float32', 'float64', 'int16', 'int64', 'bfloat16'] as const)
      for (const largest of [false, true])
        for (const k of [1, 10, 32, 33, 200]) {
          const x = operand(elements(dtype, rows * n), [rows, n], dtype, device);
          const best = topk(x, k, { largest });
          const stored: ArrayLike<Element> = x.dataSync();
          const expected = placesOf(stored, n, largest).filter((_, at) => at % n < k);
          t.deepEqual([...best.indices.dataSync()], expected, `${k} of ${dtype}, largest ${largest}`);
          t.deepEqual(
            Array.from<Element>(best.values.dataSync()),
            expected.map((place, at) => stored[Math.floor(at / k) * n + place]!),
          );
          for (const one of [x, best.values, best.indices]) one.dispose();
        }
});

test('rows in ascending and in descending order, which are the worst for insertion', (t) => {
  const n = 4000;
  for (const sign of [1, -1])
    for (const largest of [false, true]) {
      const data = Float32Array.from({ length: n }, (_, place) => sign * place);
      const x = tensor(data, { device: 'cpu' });
      t.deepEqual([...topk(x, 20, { largest }).indices.dataSync()], placesOf(data, n, largest).slice(0, 20));
    }
});

test('unique of a long vector', (t) => {
  const data = Int32Array.from(elements('int16', 50_000), Number);
  const found = unique(tensor(data));
  const values = [...new Set(data)].sort((a, b) => a - b);
  t.deepEqual([...found.out.dataSync()], values);
  t.deepEqual(
    [...found.indices.dataSync()],
    values.map((value) => data.indexOf(value)),
  );
});
