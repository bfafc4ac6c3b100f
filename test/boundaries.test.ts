/**
 * Ops at the edges of what they take: the first and the last place that an index may name, the places beyond them, and elements that must
 * be exact where others may be rounded.
 */
import test, { type ExecutionContext } from 'ava';
import {
  embedding,
  gather,
  gatherNd,
  indexSelect,
  linspace,
  OpwrightError,
  putAlongAxis,
  scatter,
  scatterNdAdd,
  type Tensor,
  takeAlongAxis,
  tensor,
} from '../entry/index.js';

// Read when the device opens, which is at the first tensor: a write outside of a tensor is an error.
process.env.OPWRIGHT_DEBUG_ALLOCATOR = '1';

const size = 3;
const width = 5;
const x = () =>
  tensor(
    Array.from({ length: size * width }, (_, at) => at),
    { dtype: 'float32' },
  ).reshape([size, width]);
const row = (at: number) => Array.from({ length: width }, (_, column) => at * width + column);
const place = (at: number, shape: readonly number[]) =>
  tensor(new Int32Array(shape.reduce((product, one) => product * one, 1)).fill(at), { shape, dtype: 'int32' });
const ones = (shape: readonly number[]) =>
  tensor(new Float32Array(shape.reduce((product, one) => product * one, 1)).fill(1), { shape });

interface Indexing {
  readonly name: string;
  /** Names one place along an axis of three rows. */
  readonly run: (at: number) => Tensor;
  /** The result where row `at` is named, counted from the front. */
  readonly expected: (at: number) => unknown;
}

const withRow = (at: number, change: (value: number) => number) =>
  [0, 1, 2].map((own) => row(own).map(own === at ? change : (value) => value));

const indexings: readonly Indexing[] = [
  { name: 'gather', run: (at) => gather(x(), place(at, [1])), expected: (at) => [row(at)] },
  { name: 'indexSelect', run: (at) => indexSelect(x(), place(at, [1])), expected: (at) => [row(at)] },
  { name: 'gatherNd', run: (at) => gatherNd(x(), place(at, [1])), expected: row },
  { name: 'embedding', run: (at) => embedding(place(at, [1]), x()), expected: (at) => [row(at)] },
  {
    name: 'takeAlongAxis',
    run: (at) => takeAlongAxis(x(), place(at, [1, width]), 0),
    expected: (at) => [row(at)],
  },
  {
    name: 'putAlongAxis',
    run: (at) => putAlongAxis(x(), place(at, [1, width]), ones([1, width]), 0),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'putAlongAxis, adding',
    run: (at) => putAlongAxis(x(), place(at, [1, width]), ones([1, width]), 0, { reduce: 'add' }),
    expected: (at) => withRow(at, (value) => value + 1),
  },
  {
    name: 'scatter',
    run: (at) => scatter(x(), place(at, [1]), ones([1, width])),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'scatter, adding',
    run: (at) => scatter(x(), place(at, [1]), ones([1, width]), { overwrite: false }),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'scatterNdAdd',
    run: (at) => scatterNdAdd(x(), place(at, [1, 1]), ones([1, width])),
    expected: (at) => withRow(at, (value) => value + 1),
  },
];

function refused(t: ExecutionContext, run: () => Tensor): void {
  const error = t.throws(run, { instanceOf: OpwrightError });
  t.is(error?.code, 'INDEX_OUT_OF_RANGE');
}

for (const { name, run, expected } of indexings) {
  test(`${name}: the first and the last place are taken, from the end too, and those beyond them refused`, (t) => {
    for (const at of [0, size - 1]) t.deepEqual(run(at).tolist(), expected(at));
    refused(t, () => run(size));
    refused(t, () => run(2 ** 31 - 1));
    for (const at of [0, size - 1]) t.deepEqual(run(at - size).tolist(), expected(at));
    refused(t, () => run(-size - 1));
  });
}

test('linspace begins with start and ends with stop, to the bit', (t) => {
  for (let num = 2; num < 60; num++) {
    for (const [start, stop] of [
      [0, 1],
      [0.1, 0.7],
      [-3, 1e-3],
      [1e6, 1 / 3],
    ] as const) {
      for (const dtype of ['float32', 'float64'] as const) {
        const values = linspace(start, stop, num, { dtype }).dataSync();
        const exact = (value: number) => (dtype === 'float32' ? Math.fround(value) : value);
        t.is(values[0], exact(start));
        t.is(values.at(-1), exact(stop), `${num} numbers from ${start} to ${stop} in ${dtype}`);
      }
    }
  }
});
