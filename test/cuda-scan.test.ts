/**
 * Running totals on the CUDA device, with the simulated driver, which checks bounds, races and what was never written: the threads of a
 * block share each of few columns, and what comes out is the cpu's, to the bit where nothing is rounded.
 */
import test from 'ava';
import { cummax, cummin, cumprod, cumsum, tensor } from '../entry/index.js';
import { isSimulated, openNoting } from './cuda-device-harness.js';

const withSimulator = isSimulated ? test.serial : test.serial.skip;

/** Ties, both zeros, infinities, and NaN in the second half. */
const numbers = Float32Array.from({ length: 6000 }, (_, at) => [(at * 7919) % 1009, -0, 0, -Infinity, -5][at % 5]!);
numbers[4003] = NaN;
numbers[4010] = NaN;

for (const [shape, axis, what] of [
  [[6000], 0, 'one long row'],
  [[3, 500, 4], 1, 'few columns'],
] as const)
  withSimulator(`running extrema and their places, and running sums and products of ${what}`, (t) => {
    const device = openNoting({ checks: 1, order: 'shuffle:4' });
    const [x, expected] = [tensor(numbers, { device, shape: [...shape] }), tensor(numbers, { device: 'cpu', shape: [...shape] })];
    const threads = device.threadsOf(() => {
      for (const scan of [cummax, cummin]) {
        const [own, other] = [scan(x, { axis }), scan(expected, { axis })];
        t.deepEqual([...own.values.dataSync()], [...other.values.dataSync()], scan.name);
        t.deepEqual([...own.indices.dataSync()], [...other.indices.dataSync()], scan.name);
      }
      const integers = Int32Array.from(numbers, (_, at) => (at % 7) - 3);
      for (const scan of [cumsum, cumprod]) {
        const [own, other] = [device, 'cpu'].map((where) =>
          scan(tensor(integers, { device: where, shape: [...shape] }), { axis }),
        );
        t.deepEqual([...own!.dataSync()], [...other!.dataSync()], scan.name);
      }
    });
    for (const name of ['cummax', 'cummin', 'cumsum', 'cumprod']) t.true(threads.get(name)! >= 32, name);
  });
