/**
 * The loops that fused kernels have for memory's sake, through the public API: tiles of transposed operands, rows folded together in
 * columns, maxima in lanes. Sizes lie on both sides of every tile and block. What ops compute is the matrix's.
 */
import test from 'ava';
import { add, flatten, max, min, multiply, sum, type Tensor, tensor, tidy, transpose } from '../entry/index.js';

const counting = (...shape: number[]): Tensor => {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, index) => index),
    { shape },
  );
};

for (const [rows, columns] of [
  [7, 9],
  [8, 8],
  [9, 515],
  [257, 16],
  [513, 263],
  [1030, 8],
  [512, 77],
  [70, 1024],
  [1027, 512],
  // Past the caches.
  [2064, 2051],
] as const) {
  test(`a transposed ${rows} x ${columns} matrix is written out in its order`, (t) => {
    const out = tidy(() => flatten(transpose(counting(rows, columns), [1, 0])));
    t.deepEqual(
      out.dataSync(),
      Float32Array.from({ length: rows * columns }, (_, at) => (at % rows) * columns + Math.floor(at / rows)),
    );
  });
}

test('channels move last in tiles for each image', (t) => {
  const [images, channels, pixels] = [3, 13, 529];
  const out = tidy(() => flatten(transpose(counting(images, channels, pixels), [0, 2, 1])));
  const expected = Float32Array.from({ length: images * channels * pixels }, (_, at) => {
    const [image, pixel, channel] = [Math.floor(at / (pixels * channels)), Math.floor(at / channels) % pixels, at % channels];
    return (image * channels + channel) * pixels + pixel;
  });
  t.deepEqual(out.dataSync(), expected);
});

test('an op takes straight, transposed and broadcast operands together', (t) => {
  const size = 67;
  const out = tidy(() => {
    const x = counting(size, size);
    return add(multiply(x, transpose(x, [1, 0])), counting(size));
  });
  const at = (row: number, column: number) => row * size + column;
  const expected = Float32Array.from({ length: size * size }, (_, place) => {
    const [row, column] = [Math.floor(place / size), place % size];
    return Math.fround(Math.fround(at(row, column) * at(column, row)) + column);
  });
  t.deepEqual(out.dataSync(), expected);
});

test('integers are transposed as floats are', (t) => {
  const [rows, columns] = [131, 512] as const;
  const x = tensor(
    Int32Array.from({ length: rows * columns }, (_, index) => index),
    { shape: [rows, columns] },
  );
  const expected = Int32Array.from({ length: rows * columns }, (_, at) => (at % rows) * columns + Math.floor(at / rows));
  t.deepEqual(tidy(() => flatten(transpose(x, [1, 0]))).dataSync(), expected);
});

test('the sum of a long column is as exact as that of a short one', (t) => {
  const [rows, columns] = [70_001, 3] as const;
  const values = new Float32Array(rows * columns).fill(0.1);
  const exact = rows * Math.fround(0.1);
  for (const value of sum(tensor(values, { shape: [rows, columns] }), { axis: 0 }).dataSync())
    t.true(Math.abs(Number(value) - exact) < 1e-5 * exact, `${value} is off from ${exact}`);
});

for (const rows of [1, 7, 8, 9, 17, 64]) {
  test(`columns of ${rows} rows are summed in the rows' order`, (t) => {
    const columns = 261;
    const values = Float32Array.from({ length: rows * columns }, (_, index) => Math.sin(index) * 1e3);
    const expected = Float32Array.from({ length: columns }, (_, column) => {
      let total = 0;
      for (let row = 0; row < rows; row++) total = Math.fround(total + values[row * columns + column]!);
      return total;
    });
    t.deepEqual(sum(tensor(values, { shape: [rows, columns] }), { axis: 0 }).dataSync(), expected);
  });
}

test('columns are summed over rows and over what lies around them together', (t) => {
  const [outer, kept, rows, columns] = [3, 4, 19, 5] as const;
  const shape = [outer, kept, rows, columns];
  const values = Float32Array.from({ length: outer * kept * rows * columns }, (_, index) => (index % 13) - 6);
  const expected = Float32Array.from({ length: kept * columns }, (_, place) => {
    const [middle, column] = [Math.floor(place / columns), place % columns];
    let total = 0;
    for (let block = middle; block < outer * kept; block += kept)
      for (let row = 0; row < rows; row++) total += values[(block * rows + row) * columns + column]!;
    return total;
  });
  t.deepEqual(sum(tensor(values, { shape }), { axis: [0, 2] }).dataSync(), expected);
});

for (const [shape, axis] of [
  [
    [9, 3, 5000],
    [0, 2],
  ],
  [
    [70_001, 2, 3],
    [0, 2],
  ],
  [
    [3, 2, 7, 4, 1500],
    [0, 2, 4],
  ],
] as const) {
  test(`a long sum of ${shape} over the axes ${axis} is put together from parts`, (t) => {
    const size = shape.reduce((product: number, length) => product * length, 1);
    const values = Float32Array.from({ length: size }, (_, index) => (index % 13) - 6);
    const strides = shape.map((_, at) => shape.slice(at + 1).reduce((product: number, length) => product * length, 1));
    const kept = shape.flatMap((_, at) => (axis.some((one) => one === at) ? [] : [at]));
    const expected = new Float32Array(kept.reduce((product, at) => product * shape[at]!, 1));
    values.forEach((value, place) => {
      const indices = shape.map((length, at) => Math.floor(place / strides[at]!) % length);
      expected[kept.reduce((row, at) => row * shape[at]! + indices[at]!, 0)]! += value;
    });
    t.deepEqual(sum(tensor(values, { shape }), { axis }).dataSync(), expected);
  });
}

test('a maximum or minimum is NaN wherever in the row NaN stands', (t) => {
  const length = 41;
  for (let place = 0; place < length; place++) {
    for (const quiet of [Number.NaN, -Number.NaN]) {
      const row = tensor(Float32Array.from({ length }, (_, index) => (index === place ? quiet : index - 20)));
      t.true(Number.isNaN(max(row).item()), `maximum with NaN at ${place}`);
      t.true(Number.isNaN(min(row).item()), `minimum with NaN at ${place}`);
    }
  }
});

test('a maximum of infinities and of one element is that', (t) => {
  t.is(max(tensor(new Float32Array(33).fill(-Infinity))).item(), -Infinity);
  t.is(min(tensor(new Float32Array(33).fill(Infinity))).item(), Infinity);
  t.is(max(tensor([-3])).item(), -3);
});
