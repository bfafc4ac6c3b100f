/**
 * Sorting on the CUDA device, on the simulated driver, which checks bounds, races and what was never written, in several orders of threads:
 * the order is JavaScript's to the bit, whatever the dtype, and groups of threads share the work.
 */
import test, { type ExecutionContext } from 'ava';
import { argsort, sort, topk } from '../entry/index.js';
import type { Device } from '../runtime/devices/device.js';
import type { Dtype } from '../runtime/dtype.js';
import { isSimulated, openDevice, openNoting } from './cuda-device-harness.js';
import { type Element, elements, operand, placesOf, sortedDtypes } from './support/sorting.js';

const withSimulator = isSimulated ? test.serial : test.serial.skip;

function sorts(
  t: ExecutionContext,
  device: Device,
  dtype: Dtype,
  [rows, n]: readonly [number, number],
  descending: boolean,
): void {
  const x = operand(elements(dtype, rows * n), [rows, n], dtype, device);
  const stored: ArrayLike<Element> = x.dataSync();
  const [values, index] = [sort(x, { descending }), argsort(x, { descending })];
  const expected = placesOf(stored, n, descending);
  t.deepEqual([...index.dataSync()], expected, `${dtype} [${rows}, ${n}], descending ${descending}`);
  t.deepEqual(
    Array.from<Element>(values.dataSync()),
    expected.map((place, at) => stored[Math.floor(at / n) * n + place]!),
  );
  for (const one of [x, values, index]) one.dispose();
}

for (const dtype of sortedDtypes)
  withSimulator(`rows of ${dtype} are sorted as on the cpu, by ranks and by digits`, (t) => {
    for (const order of ['forward', 'shuffle:5']) {
      const { device } = openDevice({ checks: 1, order });
      for (const descending of [false, true]) {
        sorts(t, device, dtype, [3, 61], descending);
        if (descending || order !== 'forward') sorts(t, device, dtype, [2, 2100], descending);
      }
    }
  });

withSimulator('fifty thousand elements are sorted by blocks of a warp each', (t) => {
  const device = openNoting({});
  const threads = device.threadsOf(() => sorts(t, device, 'float32', [1, 50_000], false));
  for (const name of ['countDigits', 'moveDigits']) t.is(threads.get(name), 32, name);
  for (const name of ['sortWords', 'sortResults']) t.true(threads.get(name)! > 32, name);
  t.is(threads.get('startRows'), 32);
  t.true(threads.get('startBlocks')! >= 32);
});

withSimulator('the best of long rows are found by ranks, and many of them by sorting', (t) => {
  const device = openNoting({ order: 'shuffle:2' });
  for (const [n, k, kernel, launches] of [
    [300, 300, 'firstOfStretches', 1],
    [5000, 1, 'firstOfStretches', 2],
    [5000, 100, 'firstOfStretches', 3],
    [3000, 200, 'moveDigits', 4],
  ] as const)
    for (const largest of [true, false]) {
      const x = operand(elements('float32', 2 * n), [2, n], 'float32', device);
      device.noted.length = 0;
      const best = topk(x, k, { largest });
      t.is(device.noted.filter(({ name }) => name === kernel).length, launches, `${k} of ${n}`);
      const stored: ArrayLike<Element> = x.dataSync();
      const expected = placesOf(stored, n, largest).filter((_, at) => at % n < k);
      t.deepEqual([...best.indices.dataSync()], expected, `${k} of ${n}, largest ${largest}`);
      t.deepEqual(
        Array.from<Element>(best.values.dataSync()),
        expected.map((place, at) => stored[Math.floor(at / k) * n + place]!),
      );
    }
});
