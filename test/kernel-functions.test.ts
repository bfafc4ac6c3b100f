/** Kernel functions that scan, sort, select and gather, against straightforward references. */
import test, { type ExecutionContext } from 'ava';
import type { BufferArray } from '../kernels/interpret.js';
import type { Storage } from '../kernels/ir.js';
import {
  type Arrays,
  close,
  kernels,
  type Outcome,
  plain,
  random,
  randomInteger,
  randoms,
  range,
  run,
  tied,
} from './kernel-functions-harness.js';

// Scans

const scanShapes = [
  [2, 5, 1],
  [3, 4, 7],
  [1, 6, 21],
  [2, 0, 3],
  [0, 3, 2],
  [2, 1, 9],
  [3, 41, 1],
] as const;

for (const [outer, n, inner] of scanShapes)
  for (const reverse of [0, 1])
    test(`scans along the middle axis of [${outer}, ${n}, ${inner}], reverse ${reverse}`, (t) => {
      const x = tied(outer * n * inner);
      const sums = new Array<number>(x.length);
      const products = new Array<number>(x.length);
      const extrema = {
        cummax: [new Array<number>(x.length), new Array<number>(x.length)],
        cummin: [new Array<number>(x.length), new Array<number>(x.length)],
      };
      for (let column = 0; column < outer * inner; column++) {
        const order = reverse ? range(n).reverse() : range(n);
        const at = (k: number): number => (Math.floor(column / inner) * n + k) * inner + (column % inner);
        for (const [position, k] of order.entries()) {
          const seen = order.slice(0, position + 1);
          sums[at(k)] = seen.reduce((sum, each) => sum + x[at(each)]!, 0);
          products[at(k)] = seen.reduce((product, each) => product * x[at(each)]!, 1);
          for (const [name, sign] of [
            ['cummax', 1],
            ['cummin', -1],
          ] as const) {
            const nan = seen.findLast((each) => Number.isNaN(x[at(each)]));
            const best = nan ?? seen.reduce((held, each) => (sign * x[at(each)]! >= sign * x[at(held)]! ? each : held));
            extrema[name][0]![at(k)] = x[at(best)]!;
            extrema[name][1]![at(k)] = best;
          }
        }
      }
      const params = { n, inner, reverse };
      const items = outer * inner;
      const scanned = (name: string): Arrays =>
        run(t, {
          name,
          buffers: name.startsWith('cumm')
            ? { x, out: new Float64Array(x.length), index: new Int32Array(x.length) }
            : { x, out: new Float64Array(x.length) },
          params,
          items,
          isShared: true,
        }).buffers;
      close(t, scanned('cumsum').out, sums, 'cumsum');
      close(t, scanned('cumprod').out, products, 'cumprod');
      for (const name of ['cummax', 'cummin'] as const) {
        close(t, scanned(name).out, extrema[name][0]!, name);
        close(t, scanned(name).index, extrema[name][1]!, `${name} index`);
      }
    });

// Sorting

/** Ascending with NaN last; descending is its mirror, and equal elements keep their order in both. */
function sortedPlaces(row: readonly number[], descending: boolean): number[] {
  const order = (left: number, right: number): number =>
    Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || Number(left > right) - Number(left < right);
  return range(row.length).sort((a, b) => order(row[a]!, row[b]!) * (descending ? -1 : 1) || a - b);
}

for (const n of [0, 1, 2, 15, 16, 17, 33, 64, 65, 100, 257])
  for (const descending of [0, 1])
    test(`sortRows is stable and sets NaN apart, n ${n}, descending ${descending}`, (t) => {
      const rows = 3;
      const x = tied(rows * n);
      const places = range(rows).flatMap((row) => sortedPlaces([...x.subarray(row * n, (row + 1) * n)], descending === 1));
      const buffers = {
        x,
        values: new Float64Array(x.length),
        index: new Int32Array(x.length),
        scratch: new Float64Array(x.length),
        scratchIndex: new Int32Array(x.length),
      };
      const result = run(t, { name: 'sortRows', buffers, params: { n, descending }, items: rows });
      close(t, result.buffers.index, places, 'places');
      close(
        t,
        result.buffers.values,
        places.map((place, at) => x[Math.floor(at / n) * n + place]!),
        'values',
      );
    });

for (const [n, k] of [
  [1, 1],
  [5, 0],
  [7, 7],
  [40, 3],
  [40, 11],
  [64, 64],
  [70, 5],
  [256, 32],
  [300, 10],
  [700, 3],
] as const)
  for (const largest of [0, 1])
    test(`topkRows takes the first ${k} of ${n} in order, largest ${largest}`, (t) => {
      const rows = 4;
      const x = tied(rows * n);
      const places = range(rows).flatMap((row) =>
        sortedPlaces([...x.subarray(row * n, (row + 1) * n)], largest === 1).slice(0, k),
      );
      const values = places.map((place, at) => x[Math.floor(at / k) * n + place]!);
      const buffers = { x, values: new Float64Array(rows * k), index: new Int32Array(rows * k) };
      const result = run(t, { name: 'topkRows', buffers, params: { n, k, largest }, items: rows });
      close(t, result.buffers.index, places, 'places');
      close(t, result.buffers.values, values, 'values');
      if (n < 64) return;
      const byKeys = {
        x: Float32Array.from(x),
        values: new Float32Array(rows * k),
        index: new Int32Array(rows * k),
        keys: new Int32Array(rows * 128),
      };
      const params = { n, k, fold: 0x7fffffff, flip: largest - 1 };
      const found = run(t, { name: 'topkRowsByKeys', buffers: byKeys, params, items: rows, bindings: { T: 'float32' } });
      close(t, found.buffers.index, places, 'places by keys');
      close(t, found.buffers.values, values, 'values by keys');
    });

/** Sorts rows by the digits of keys of 32 bits, in blocks shorter than a row; `x` holds values that fit its type. */
function sortedByDigits(t: ExecutionContext, x: Float32Array | Float64Array, rows: number, descending: boolean): Arrays {
  const n = x.length / rows;
  const [blockSize, shifts, digits] = [40, [0, 8, 16, 24], 256] as const;
  const blocks = Math.ceil(n / blockSize);
  const cut = { n, blocks, blockSize };
  const items = rows * blocks;
  const isShared = true;
  const isLong = x instanceof Float64Array;
  const bindings: Readonly<Record<string, Storage>> = isLong ? {} : { T: 'float32' };
  const turned = descending ? -1 : 0;
  const high = { fold: 0x7fffffff, flip: turned ^ (1 << 31) };
  const makers: readonly (readonly [string, Readonly<Record<string, number>>])[] = isLong
    ? [
        ['sortLowWords', { fold: -1, flip: turned }],
        ['sortHighWords', high],
      ]
    : [['sortWords', { ...high, up: 0, drop: 0 }]];
  let words: BufferArray = new BigInt64Array(x.length);
  for (const [name, integers] of makers) {
    words = run(t, { name, buffers: { x, words }, params: { ...cut, ...integers }, items, bindings, isShared }).buffers.words!;
    for (const shift of shifts) {
      const pass = { ...cut, shift, digits };
      const counted = run(t, {
        name: 'countDigits',
        buffers: { words, counts: new Int32Array(items * digits) },
        params: pass,
        items,
        isShared,
      });
      const started = run(t, {
        name: 'startDigits',
        buffers: { counts: counted.buffers.counts!, starts: new Int32Array(rows * digits) },
        params: { blocks, digits },
        items: rows,
      });
      const { counts, starts } = started.buffers;
      t.deepEqual(startedApart(t, counted.buffers.counts!, { rows, blocks, digits }), { counts, starts });
      const target = new BigInt64Array(x.length);
      const moved = run(t, {
        name: 'moveDigits',
        buffers: { words, counts: counts!, starts: starts!, target },
        params: pass,
        items,
        isShared,
      });
      words = moved.buffers.target!;
    }
  }
  const buffers = { x, words, values: x.slice().fill(0), index: new Int32Array(x.length) };
  return run(t, { name: 'sortResults', buffers, params: cut, items, bindings, isShared }).buffers;
}

/** Where digits begin, by the two steps that GPUs take. */
function startedApart(
  t: ExecutionContext,
  counts: BufferArray,
  { rows, blocks, digits }: Readonly<Record<'rows' | 'blocks' | 'digits', number>>,
): Readonly<Record<string, BufferArray>> {
  const items = rows * digits;
  const starts = new Int32Array(items);
  const added = run(t, { name: 'startBlocks', buffers: { counts, starts }, params: { blocks, digits }, items, isShared: true });
  const started = run(t, {
    name: 'startRows',
    buffers: { starts: added.buffers.starts! },
    params: { digits },
    items: rows,
    isShared: true,
  });
  return { counts: added.buffers.counts!, starts: started.buffers.starts! };
}

test('the first of each stretch are found by their ranks, equal ones in order', (t) => {
  const [rows, n, stretch, k] = [2, 70, 32, 5];
  const x = tied(rows * n).fill(NaN, 30, 33);
  const kept = 2 * k + k;
  const found = run(t, {
    name: 'firstOfStretches',
    buffers: { x, places: new Int32Array(0), values: new Float64Array(rows * kept), index: new Int32Array(rows * kept) },
    params: { n, stretch, k, kept, descending: 1, hasPlaces: 0 },
    items: rows * n,
  });
  const places = range(rows).flatMap((row) =>
    [0, 32, 64].flatMap((first) => {
      const part = [...x.subarray(row * n + first, row * n + Math.min(first + stretch, n))];
      return sortedPlaces(part, true)
        .slice(0, k)
        .map((place) => first + place);
    }),
  );
  t.deepEqual([...found.buffers.index!], places);
  t.deepEqual(
    [...found.buffers.values!],
    places.map((place, at) => x[Math.floor(at / kept) * n + place]!),
  );
  const last = run(t, {
    name: 'firstOfStretches',
    buffers: {
      x: found.buffers.values!,
      places: found.buffers.index!,
      values: new Float64Array(rows * k),
      index: new Int32Array(rows * k),
    },
    params: { n: kept, stretch: kept, k, kept: k, descending: 1, hasPlaces: 1 },
    items: rows * kept,
  });
  t.deepEqual(
    [...last.buffers.index!],
    range(rows).flatMap((row) => sortedPlaces([...x.subarray(row * n, (row + 1) * n)], true).slice(0, k)),
  );
});

for (const descending of [false, true])
  for (const dtype of ['float32', 'float64'] as const)
    test(`sorting ${dtype} by digits is stable and sets NaN apart, descending ${descending}`, (t) => {
      const [rows, n] = [2, 150];
      const values = tied(rows * n).map((value, at) => (at % 3 === 0 ? value * (random() - 0.5) * 1e6 : value));
      values.set([-0, 0, Infinity, -Infinity, -NaN, 5e-324, -5e-324, 0, -0], 20);
      const x = dtype === 'float32' ? Float32Array.from(values) : values;
      const places = range(rows).flatMap((row) => sortedPlaces([...x.subarray(row * n, (row + 1) * n)], descending));
      const result = sortedByDigits(t, x, rows, descending);
      close(t, result.index, places, 'places');
      t.deepEqual(
        [...result.values!],
        places.map((place, at) => x[Math.floor(at / n) * n + place]!),
      );
    });

// Sizes that depend on data

/** Where each block begins in the result, and the total. */
function offsetsOf(counts: BufferArray): { offsets: Int32Array; total: number } {
  let total = 0;
  const offsets = Int32Array.from({ length: counts.length }, (_, block) => {
    const count = counts[block] ?? 0;
    total += Number(count);
    return total - Number(count);
  });
  return { offsets, total };
}

for (const [n, blockSize] of [
  [0, 4],
  [24, 24],
  [24, 7],
  [24, 1],
] as const)
  test(`nonzero, masked selection and unique of ${n} elements in blocks of ${blockSize}`, (t) => {
    const blocks = Math.ceil(n / blockSize);
    const sizes = { n, blockSize };
    const x = Float64Array.from({ length: n }, (_, at) => (at % 5 === 2 ? NaN : randomInteger(-1, 2)));
    const kept = range(n).filter((at) => x[at] !== 0);
    const counted = run(t, {
      name: 'nonzeroCount',
      buffers: { x, counts: new Int32Array(blocks) },
      params: sizes,
      items: blocks,
      isShared: true,
    });
    const { offsets, total } = offsetsOf(counted.buffers.counts!);
    t.is(total, kept.length);

    const shape = Int32Array.from([2, 3, 4]);
    const coordinates = kept.flatMap((at) => [Math.floor(at / 12), Math.floor(at / 4) % 3, at % 4]);
    const written = run(t, {
      name: 'nonzeroWrite',
      buffers: { x, shape, offsets, out: new Int32Array(total * 3) },
      params: { ...sizes, rank: 3 },
      items: blocks,
      isShared: true,
    });
    t.deepEqual([...written.buffers.out!], coordinates);

    const mask = Uint8Array.from(x, (value) => (value !== 0 ? 1 : 0));
    const maskCounts = run(t, {
      name: 'nonzeroCount',
      buffers: { x: mask, counts: new Int32Array(blocks) },
      params: sizes,
      items: blocks,
      isShared: true,
      bindings: { T: 'bool' },
    });
    t.deepEqual(maskCounts.buffers.counts, counted.buffers.counts);
    const y = randoms(n);
    const selected = run(t, {
      name: 'maskedSelectWrite',
      buffers: { x: y, mask, offsets, out: new Float64Array(total) },
      params: sizes,
      items: blocks,
      isShared: true,
    });
    close(
      t,
      selected.buffers.out,
      kept.map((at) => y[at]!),
      'selected',
    );
    const dout = randoms(total);
    const gradient = run(t, {
      name: 'maskedSelectGrad',
      buffers: { dout, mask, offsets, dx: new Float64Array(n) },
      params: sizes,
      items: blocks,
      isShared: true,
    });
    close(
      t,
      gradient.buffers.dx,
      range(n).map((at) => (kept.includes(at) ? dout[kept.indexOf(at)]! : 0)),
      'gradient',
    );
  });

for (const [n, blockSize] of [
  [0, 4],
  [1, 4],
  [30, 7],
  [30, 30],
] as const)
  test(`unique values, places and counts of ${n} elements in blocks of ${blockSize}`, (t) => {
    const blocks = Math.ceil(n / blockSize);
    const x = Float64Array.from({ length: n }, () => randomInteger(0, 6));
    const order = Int32Array.from(sortedPlaces([...x], false));
    const sorted = Float64Array.from(order, (at) => x[at]!);
    const values = [...new Set(sorted)];
    const params = { n, blockSize };
    const counted = run(t, {
      name: 'uniqueCount',
      buffers: { sorted, counts: new Int32Array(blocks) },
      params,
      items: blocks,
      isShared: true,
    });
    const { offsets, total } = offsetsOf(counted.buffers.counts!);
    t.is(total, values.length);
    const groups = (): Int32Array => new Int32Array(total);
    const { buffers } = run(t, {
      name: 'uniqueWrite',
      buffers: {
        sorted,
        order,
        offsets,
        values: new Float64Array(total),
        starts: groups(),
        firstIndex: groups(),
        inverse: new Int32Array(n),
      },
      params,
      items: blocks,
      isShared: true,
    });
    t.deepEqual([...buffers.values!], values);
    t.deepEqual(
      [...buffers.firstIndex!],
      values.map((value) => x.indexOf(value)),
    );
    t.deepEqual(
      [...buffers.inverse!],
      [...x].map((value) => values.indexOf(value)),
    );
    const sizes = run(t, {
      name: 'uniqueSizes',
      buffers: { starts: buffers.starts!, sizes: groups() },
      params: { groups: total, n },
      items: total,
    });
    t.deepEqual(
      [...sizes.buffers.sizes!],
      values.map((value) => x.filter((each) => each === value).length),
    );
  });

test('unique sets every NaN apart', (t) => {
  const sorted = Float64Array.from([1, NaN, NaN]);
  const counted = run(t, {
    name: 'uniqueCount',
    buffers: { sorted, counts: new Int32Array(1) },
    params: { n: 3, blockSize: 8 },
    items: 1,
    isShared: true,
  });
  t.deepEqual([...counted.buffers.counts!], [3]);
});

// Rows by index

for (const [outer, rows, inner, n] of [
  [1, 4, 5, 7],
  [2, 3, 19, 4],
  [3, 2, 1, 0],
  [2, 3, 0, 2],
] as const)
  for (const wide of [false, true])
    test(`gatherRows and scatterAddRows, ${n} of [${outer}, ${rows}, ${inner}], ${wide ? 'int64' : 'int32'} indices`, (t) => {
      const places = Array.from({ length: n }, () => randomInteger(-rows, rows));
      const index = wide ? BigInt64Array.from(places.map(BigInt)) : Int32Array.from(places);
      const bindings: Readonly<Record<string, Storage>> = { I: wide ? 'int64' : 'int32' };
      const x = randoms(outer * rows * inner);
      const updates = randoms(outer * n * inner);
      const gathered: number[] = [];
      const added = [...x];
      for (let o = 0; o < outer; o++)
        for (let j = 0; j < n; j++)
          for (let i = 0; i < inner; i++) {
            const row = (places[j]! + rows) % rows;
            gathered.push(x[(o * rows + row) * inner + i]!);
            added[(o * rows + row) * inner + i]! += updates[(o * n + j) * inner + i]!;
          }
      const params = { n, rows, inner, wrap: 1 };
      const taken = run(t, {
        name: 'gatherRows',
        buffers: { x, index, out: new Float64Array(gathered.length) },
        params,
        items: outer * n,
        bindings,
      });
      close(t, taken.buffers.out, gathered, 'gathered');
      t.is(taken.error, 0);
      const sums = run(t, {
        name: 'scatterAddRows',
        buffers: { updates, index, out: x },
        params,
        items: outer * inner,
        bindings,
      });
      close(t, sums.buffers.out, added, 'added');
    });

test('an index out of range is clamped and reported', (t) => {
  const x = Float64Array.from([1, 2, 3]);
  const call = (at: bigint, wrap: number, rows = 3): Outcome =>
    run(t, {
      name: 'gatherRows',
      buffers: { x: x.slice(0, rows), index: BigInt64Array.from([at]), out: new Float64Array(1) },
      params: { n: 1, rows, inner: 1, wrap },
      items: 1,
      bindings: { I: 'int64' },
    });
  t.deepEqual([call(3n, 1).error, call(3n, 1).buffers.out![0]], [1, 3]);
  t.deepEqual([call(-4n, 1).error, call(-4n, 1).buffers.out![0]], [1, 1]);
  t.deepEqual([call(-1n, 0).error, call(-1n, 0).buffers.out![0]], [1, 1]);
  t.deepEqual([call(2n ** 32n, 1).error, call(2n ** 32n, 1).buffers.out![0]], [1, 3]);
  t.is(call(0n, 1, 0).error, 1);
});

test('greatest common divisors are never negative, and that of 0 and a number is the number', (t) => {
  const call = {
    buffers: { x: Int32Array.of(12, -18, 0, 0, 7), y: Int32Array.of(18, 12, -5, 0, -7), out: new Int32Array(5) },
    params: {},
    items: 5,
  };
  const { buffers } = run(t, { name: 'greatestDivisors', ...call, bindings: { T: 'int32' } });
  t.deepEqual(buffers.out, Int32Array.of(6, 6, 5, 0, 7));
});

test('the exponential of a rotation has its cosine and sine, that of a nilpotent matrix three terms', (t) => {
  const rotation = [0, -20, 20, 0];
  const nilpotent = [0, 1, 2, 0, 0, 3, 0, 0, 0];
  const exponential = (n: number, x: readonly number[]) =>
    run(t, {
      name: 'matrixExponential',
      buffers: {
        x: Float64Array.from(x),
        out: new Float64Array(n * n),
        powers: new Float64Array(4 * n * n),
        product: new Float64Array(n * n),
      },
      params: { n },
      items: 1,
    }).buffers.out;
  close(t, exponential(2, rotation), [Math.cos(20), -Math.sin(20), Math.sin(20), Math.cos(20)], 'rotation');
  close(t, exponential(3, nilpotent), [1, 1, 3.5, 0, 1, 3, 0, 0, 1], 'nilpotent');
});

test('NaN at the end of a sorted row is beyond all numbers, and found like one', (t) => {
  const sorted = Float64Array.of(-1, 2, Infinity, NaN, NaN);
  const values = Float64Array.of(-2, 2, 3, Infinity, NaN);
  const places = (right: number) =>
    run(t, {
      name: 'searchSorted',
      buffers: { sorted, values, out: new Int32Array(5) },
      params: { n: 5, perRow: 5, right },
      items: 5,
    }).buffers.out;
  // As np.searchsorted.
  t.deepEqual([places(0), places(1)], [Int32Array.of(0, 1, 2, 2, 3), Int32Array.of(0, 2, 2, 3, 5)]);
});

// The whole folder

test('compiled kernels are plain data', (t) => {
  for (const kernel of kernels.values()) t.deepEqual<unknown, unknown>(JSON.parse(JSON.stringify(kernel)), kernel);
});

test('every exported function is compiled', (t) => {
  t.deepEqual([...kernels.keys()].sort(), [...plain.keys()].sort());
});
