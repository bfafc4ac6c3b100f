/**
 * Ops at the edges of what they take: the first and the last place that an index may name, the places beyond them, and elements that must
 * be exact where others may be rounded.
 */
import test, { type ExecutionContext } from 'ava';
import {
  argsort,
  embedding,
  gather,
  gatherNd,
  grad,
  indexSelect,
  linspace,
  OpwrightError,
  putAlongAxis,
  roiAlign,
  scatter,
  scatterNdAdd,
  sort,
  sum,
  type Tensor,
  takeAlongAxis,
  tensor,
  topk,
} from '../entry/index.js';

// Read when the device opens, which is at the first tensor: a write outside of a tensor is an error.
process.env.OPWRIGHT_DEBUG_ALLOCATOR = '1';

const size = 3;
const width = 5;
const rows = (count: number) =>
  tensor(
    Float32Array.from({ length: count * width }, (_, at) => at),
    { shape: [count, width] },
  );
const row = (at: number) => Array.from({ length: width }, (_, column) => at * width + column);
const place = (at: number, shape: readonly number[]) =>
  tensor(new Int32Array(shape.reduce((product, one) => product * one, 1)).fill(at), { shape, dtype: 'int32' });
const ones = (shape: readonly number[]) =>
  tensor(new Float32Array(shape.reduce((product, one) => product * one, 1)).fill(1), { shape });

interface Indexing {
  readonly name: string;
  /** Names one row of a tensor. */
  readonly run: (x: Tensor, at: number) => Tensor;
  /** The result where row `at` is named, counted from the front. */
  readonly expected: (at: number) => unknown;
}

const withRow = (at: number, change: (value: number) => number) =>
  [0, 1, 2].map((own) => row(own).map(own === at ? change : (value) => value));

const indexings: readonly Indexing[] = [
  { name: 'gather', run: (x, at) => gather(x, place(at, [1])), expected: (at) => [row(at)] },
  { name: 'indexSelect', run: (x, at) => indexSelect(x, place(at, [1])), expected: (at) => [row(at)] },
  { name: 'gatherNd', run: (x, at) => gatherNd(x, place(at, [1])), expected: row },
  { name: 'embedding', run: (x, at) => embedding(place(at, [1]), x), expected: (at) => [row(at)] },
  {
    name: 'takeAlongAxis',
    run: (x, at) => takeAlongAxis(x, place(at, [1, width]), 0),
    expected: (at) => [row(at)],
  },
  {
    name: 'putAlongAxis',
    run: (x, at) => putAlongAxis(x, place(at, [1, width]), ones([1, width]), 0),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'putAlongAxis, adding',
    run: (x, at) => putAlongAxis(x, place(at, [1, width]), ones([1, width]), 0, { reduce: 'add' }),
    expected: (at) => withRow(at, (value) => value + 1),
  },
  {
    name: 'scatter',
    run: (x, at) => scatter(x, place(at, [1]), ones([1, width])),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'scatter, adding',
    run: (x, at) => scatter(x, place(at, [1]), ones([1, width]), { overwrite: false }),
    expected: (at) => withRow(at, () => 1),
  },
  {
    name: 'scatterNdAdd',
    run: (x, at) => scatterNdAdd(x, place(at, [1, 1]), ones([1, width])),
    expected: (at) => withRow(at, (value) => value + 1),
  },
];

function refused(t: ExecutionContext, run: () => Tensor): void {
  const error = t.throws(run, { instanceOf: OpwrightError });
  t.is(error?.code, 'INDEX_OUT_OF_RANGE');
}

for (const { name, run, expected } of indexings) {
  test(`${name}: the first and the last place are taken, from the end too, and those beyond them refused`, (t) => {
    const x = rows(size);
    for (const at of [0, size - 1]) {
      t.deepEqual(run(x, at).tolist(), expected(at));
      t.deepEqual(run(x, at - size).tolist(), expected(at));
    }
    for (const at of [size, -size - 1, 2 ** 31 - 1, -(2 ** 31)]) refused(t, () => run(x, at));
  });

  test(`${name}: of nothing, no place is taken`, (t) => {
    for (const at of [0, -1]) refused(t, () => run(rows(0), at));
  });
}

test('roiAlign takes points up to an element beyond the edge as the edge, those farther out as 0', (t) => {
  const x = tensor(
    Float32Array.from({ length: 64 }, (_, at) => at + 1),
    { shape: [1, 1, 8, 8], stopGradient: false },
  );
  const image = tensor(Int32Array.of(0), { dtype: 'int32' });
  /** The one sample of a region lies in its middle. */
  const at = (row: number, column: number) =>
    roiAlign(x, tensor([[column - 1, row - 1, column + 1, row + 1]]), image, {
      pooledHeight: 1,
      pooledWidth: 1,
      samplingRatio: 1,
    });
  for (const [row, column, expected] of [
    [8, 1, 58],
    [1, 8, 16],
    [-1, 1, 2],
    [1, -1, 9],
    [8.5, 1, 0],
    [-1.5, 1, 0],
    [1, 8.5, 0],
    [1, -1.5, 0],
  ] as const) {
    const value = at(row, column);
    t.is(value.item(), expected, `${row}, ${column}`);
    const [gradient] = grad(sum(value), x);
    const flat = [...gradient!.dataSync()];
    t.deepEqual(
      flat.flatMap((one, place) => (one === 0 ? [] : [[place + 1, one]])),
      expected === 0 ? [] : [[expected, 1]],
    );
  }
});

test('roiAlign reads nothing beyond the last column and the last row', (t) => {
  // What lies next in memory is infinite, and would not vanish by a weight of 0.
  const elements = Float32Array.from({ length: 128 }, (_, at) => (at % 8 === 0 || at >= 64 ? Infinity : at));
  const x = tensor(elements, { shape: [1, 2, 8, 8] });
  const image = tensor(Int32Array.of(0), { dtype: 'int32' });
  for (const [row, column] of [
    [3, 7],
    [7, 3],
    [7, 7],
  ] as const) {
    const region = tensor([[column - 1, row - 1, column + 1, row + 1]]);
    const values = roiAlign(x, region, image, { pooledHeight: 1, pooledWidth: 1, samplingRatio: 1 });
    t.is(values.dataSync()[0], elements[row * 8 + column], `${row}, ${column}`);
  }
});

/** The places of `values` in order, of equal ones the first first, NaN above all numbers. */
function ordered(values: readonly number[], descending: boolean): number[] {
  const key = (value: number) => (Number.isNaN(value) ? Infinity : value);
  const compare = (a: number, b: number) => (descending ? key(b) - key(a) : key(a) - key(b));
  return values.map((_, at) => at).toSorted((a, b) => compare(values[a]!, values[b]!) || a - b);
}

for (const length of [1, 2, 15, 16, 17, 31, 33, 64, 65, 100, 257]) {
  test(`${length} elements, many of them equal, are sorted in the order in which they stand`, (t) => {
    const values = Array.from({ length }, (_, at) => (at % 11 === 3 ? Number.NaN : (at * 7) % 5));
    const rows = tensor([values, values.toReversed()]);
    for (const descending of [false, true]) {
      const expected = [values, values.toReversed()].map((row) => ordered(row, descending));
      t.deepEqual(argsort(rows, { axis: 1, descending }).tolist(), expected);
      const sorted = expected.map((order, row) => order.map((at) => (row === 0 ? values : values.toReversed())[at]!));
      t.deepEqual(sort(rows, { axis: 1, descending }).tolist(), sorted);
    }
    for (const largest of [false, true]) {
      for (const k of new Set([1, Math.ceil(length / 2), length])) {
        const { indices } = topk(rows, k, { largest });
        const expected = [values, values.toReversed()].map((row) => ordered(row, largest).slice(0, k));
        t.deepEqual(indices.tolist(), expected, `topk of ${k}, ${largest ? 'largest' : 'smallest'}`);
      }
    }
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
