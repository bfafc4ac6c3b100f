/**
 * Results whose size depends on data on the CUDA device, with the simulated driver, which checks bounds, races and what was never written:
 * of several blocks of elements, against JavaScript's.
 */
import test from 'ava';
import { maskedSelect, nonzero, tensor, unique } from '../entry/index.js';
import { isSimulated, type NotingDevice, openNoting } from './cuda-device-harness.js';

const withSimulator = isSimulated ? test.serial : test.serial.skip;

const count = 10_000;
/** Many zeros, and many that are equal. */
const numbers = Int32Array.from({ length: count }, (_, at) => Math.max(0, ((at * 7919) % 1009) - 700));

const openAnyOrder = (): NotingDevice => openNoting({ checks: 1, order: 'shuffle:11' });

withSimulator('nonzero and maskedSelect keep the order, and blocks of threads share each block of elements', (t) => {
  const device = openAnyOrder();
  const x = tensor(numbers, { device, shape: [100, 100], dtype: 'int32' });
  const chosen = [...numbers.keys()].filter((place) => numbers[place] !== 0);
  const threads = device.threadsOf(() => {
    t.deepEqual(
      [...nonzero(x).dataSync()],
      chosen.flatMap((place) => [Math.floor(place / 100), place % 100]),
    );
    const mask = tensor(
      Uint8Array.from(numbers, (value) => Number(value !== 0)),
      { device, shape: [100, 100], dtype: 'bool' },
    );
    t.deepEqual(
      [...maskedSelect(x, mask).dataSync()],
      chosen.map((place) => numbers[place]!),
    );
  });
  for (const name of ['nonzeroCount', 'nonzeroWrite', 'maskedSelectWrite']) t.is(threads.get(name), 256, name);
});

withSimulator('unique gives values, first places, the way back and counts, and blocks of threads share its blocks', (t) => {
  const device = openAnyOrder();
  const values = [...new Set(numbers)].sort((a, b) => a - b);
  const threads = device.threadsOf(() => {
    const found = unique(tensor(numbers, { device, dtype: 'int32' }));
    t.deepEqual([...found.out.dataSync()], values);
    t.deepEqual(
      [...found.indices.dataSync()],
      values.map((value) => numbers.indexOf(value)),
    );
    t.deepEqual(
      [...found.inverse.dataSync()],
      [...numbers].map((value) => values.indexOf(value)),
    );
    t.deepEqual(
      [...found.counts.dataSync()],
      values.map((value) => numbers.filter((each) => each === value).length),
    );
  });
  for (const name of ['uniqueCount', 'uniqueWrite']) t.is(threads.get(name), 256, name);
});
