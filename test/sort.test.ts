/**
 * Sorting against JavaScript's, in every dtype and in each tier: rows that are merged, rows that are sorted by digits, and rows of several
 * blocks. Equal elements keep their order, and so both zeros; NaN counts as the greatest.
 */
import test from 'ava';
import { argsort, sort, tensor, topk, unique } from '../entry/index.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import { CompilerProblem, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import { type Element, elements, operand, placesOf, sortedDtypes } from './support/sorting.js';

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
      for (const dtype of sortedDtypes)
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
