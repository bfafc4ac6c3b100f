/**
 * Kernel functions against straightforward references: as plain JavaScript over Float64Arrays, and compiled to IR, as written and in
 * lanes, interpreted in float64. Each run is also split into two ranges of work items, which must not change a bit.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { compileKernelFunctions, compileKernelSource } from '../codegen/functions/compile.js';
import * as gather from '../kernels/functions/gather.js';
import { takeError } from '../kernels/functions/language.js';
import * as pool from '../kernels/functions/pool.js';
import * as roi from '../kernels/functions/roi-align.js';
import * as scan from '../kernels/functions/scan.js';
import * as selection from '../kernels/functions/select.js';
import * as sorting from '../kernels/functions/sort.js';
import * as unfolding from '../kernels/functions/unfold.js';
import * as unique from '../kernels/functions/unique.js';
import { type BufferArray, interpret } from '../kernels/interpret.js';
import type { Kernel, Storage } from '../kernels/ir.js';
import { specialise } from '../kernels/specialise.js';
import { vectorise } from '../kernels/vectorise.js';

const folder = join(process.cwd(), 'kernels', 'functions');
const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && file !== 'language.ts');
const kernels = new Map(compileKernelFunctions(files.map((file) => join(folder, file))).map((kernel) => [kernel.name, kernel]));
const plain = new Map(Object.entries({ ...gather, ...pool, ...roi, ...scan, ...selection, ...sorting, ...unfolding, ...unique }));

type Arrays = Readonly<Record<string, BufferArray>>;
type Numbers = Readonly<Record<string, number>>;

interface Call {
  readonly name: string;
  readonly buffers: Arrays;
  readonly params: Numbers;
  readonly items: number;
  readonly bindings?: Readonly<Record<string, Storage>>;
}

interface Outcome {
  readonly buffers: Arrays;
  readonly error: number;
}

const kernelOf = (name: string): Kernel => {
  const kernel = kernels.get(name);
  if (kernel === undefined) throw new Error(`no kernel ${name}`);
  return kernel;
};

const copyOf = (buffers: Arrays): Record<string, BufferArray> =>
  Object.fromEntries(Object.entries(buffers).map(([name, array]) => [name, array.slice()]));

function runPlain({ name, buffers, params, items }: Call, cuts: readonly number[]): Outcome {
  const kernel = kernelOf(name);
  const arrays = copyOf(buffers);
  const rest = [...kernel.buffers.map((buffer) => arrays[buffer.name]), ...kernel.params.map((each) => params[each.name])];
  const called = plain.get(name);
  if (called === undefined) throw new Error(`no function ${name}`);
  for (const [begin, end] of ranges(items, cuts)) Reflect.apply(called, undefined, [begin, end, ...rest]);
  return { buffers: arrays, error: takeError() };
}

function runCompiled(
  { name, buffers, params, items, bindings = {} }: Call,
  cuts: readonly number[],
  vectorBytes: number,
): Outcome {
  const concrete = specialise(kernelOf(name), { T: 'float64', I: 'int32', ...bindings });
  const kernel = vectorBytes === 0 ? concrete : vectorise(concrete, { vectorBytes });
  const arrays = copyOf(buffers);
  let error = 0;
  for (const [begin, end] of ranges(items, cuts)) error ||= interpret(kernel, { buffers: arrays, params, begin, end });
  return { buffers: arrays, error };
}

function ranges(items: number, cuts: readonly number[]): [number, number][] {
  const edges = [0, ...cuts, items];
  return edges.slice(1).map((edge, at) => [edges[at]!, edge]);
}

/** Runs a call in every form; all must agree to the bit. Returns what they gave. */
function run(t: ExecutionContext, call: Call): Outcome {
  const expected = runPlain(call, []);
  const cut = [Math.floor(call.items / 3)];
  t.deepEqual(runPlain(call, cut), expected, `${call.name}: plain, split`);
  for (const vectorBytes of [0, 16, 64])
    for (const cuts of [[], cut])
      t.deepEqual(runCompiled(call, cuts, vectorBytes), expected, `${call.name}: compiled, ${vectorBytes}, cut at ${cuts}`);
  return expected;
}

let state = 1;
/** Repeatable numbers in [0, 1). */
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};
const randomInteger = (from: number, to: number): number => from + Math.floor(random() * (to - from));
const randoms = (size: number): Float64Array => Float64Array.from({ length: size }, () => random() * 4 - 2);
/** Few distinct values, so that ties occur, and some NaN. */
const tied = (size: number): Float64Array =>
  Float64Array.from({ length: size }, () => (random() < 0.1 ? NaN : randomInteger(-3, 4)));
const range = (size: number): number[] => Array.from({ length: size }, (_, at) => at);

function close(t: ExecutionContext, actual: BufferArray | undefined, expected: readonly number[], what: string): void {
  t.is(actual?.length, expected.length, what);
  for (const [at, want] of expected.entries()) {
    const got = Number(actual?.[at]);
    const near = Object.is(got, want) || Math.abs(got - want) <= 1e-12 * (1 + Math.abs(want));
    if (!near) return t.fail(`${what}: element ${at} is ${got}, expected ${want}`);
  }
  t.pass();
}

// Windows

interface Window {
  readonly h: number;
  readonly w: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly padHeight: number;
  readonly padWidth: number;
  readonly dilationHeight: number;
  readonly dilationWidth: number;
}

const windows: readonly Window[] = [
  {
    h: 5,
    w: 7,
    kernelHeight: 2,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 0,
    padWidth: 0,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 6,
    w: 19,
    kernelHeight: 3,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 1,
    padWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 7,
    w: 8,
    kernelHeight: 3,
    kernelWidth: 2,
    strideHeight: 2,
    strideWidth: 3,
    padHeight: 1,
    padWidth: 1,
    dilationHeight: 1,
    dilationWidth: 1,
  },
  {
    h: 9,
    w: 9,
    kernelHeight: 2,
    kernelWidth: 3,
    strideHeight: 1,
    strideWidth: 1,
    padHeight: 2,
    padWidth: 3,
    dilationHeight: 3,
    dilationWidth: 2,
  },
];

const outSize = ({ h, w, kernelHeight, kernelWidth, ...s }: Window): { outHeight: number; outWidth: number } => ({
  outHeight: Math.floor((h + 2 * s.padHeight - s.dilationHeight * (kernelHeight - 1) - 1) / s.strideHeight) + 1,
  outWidth: Math.floor((w + 2 * s.padWidth - s.dilationWidth * (kernelWidth - 1) - 1) / s.strideWidth) + 1,
});

/** The places in the plane that a window covers, with the place in the window. */
function covered(window: Window, i: number, j: number): { at: number; tap: number }[] {
  const places: { at: number; tap: number }[] = [];
  for (let ki = 0; ki < window.kernelHeight; ki++)
    for (let kj = 0; kj < window.kernelWidth; kj++) {
      const row = i * window.strideHeight - window.padHeight + ki * window.dilationHeight;
      const column = j * window.strideWidth - window.padWidth + kj * window.dilationWidth;
      if (row >= 0 && row < window.h && column >= 0 && column < window.w)
        places.push({ at: row * window.w + column, tap: ki * window.kernelWidth + kj });
    }
  return places;
}

const pooling = windows.filter((window) => window.dilationHeight === 1);
const planes = 3;

for (const [count, window] of windows.entries()) {
  const { outHeight, outWidth } = outSize(window);
  const [size, outs, taps] = [window.h * window.w, outHeight * outWidth, window.kernelHeight * window.kernelWidth];
  const { dilationHeight, dilationWidth, ...undilated } = window;

  test(`unfold lays out windows as columns and fold adds them back: ${count}`, (t) => {
    const x = randoms(planes * size);
    const columns = new Array<number>(planes * taps * outs).fill(0);
    const back = new Array<number>(planes * size).fill(0);
    const sent = randoms(columns.length);
    for (let plane = 0; plane < planes; plane++)
      for (let tapped = 0; tapped < taps; tapped++)
        for (let out = 0; out < outs; out++)
          for (const { at, tap } of covered(window, Math.floor(out / outWidth), out % outWidth))
            if (tap === tapped) {
              columns[(plane * taps + tap) * outs + out] = x[plane * size + at]!;
              back[plane * size + at]! += sent[(plane * taps + tap) * outs + out]!;
            }
    const params = { ...window, outHeight, outWidth };
    const unfolded = run(t, { name: 'unfold', buffers: { x, out: new Float64Array(columns.length) }, params, items: planes });
    close(t, unfolded.buffers['out'], columns, 'unfold');
    const folded = run(t, { name: 'fold', buffers: { columns: sent, out: new Float64Array(x.length) }, params, items: planes });
    close(t, folded.buffers['out'], back, 'fold');
  });

  if (!pooling.includes(window)) continue;
  const params = { ...undilated, outHeight, outWidth };

  test(`maxPool2d finds the first maximum of each window and NaN wins: ${count}`, (t) => {
    const x = tied(planes * size);
    const [values, places]: [number[], number[]] = [[], []];
    for (let plane = 0; plane < planes; plane++)
      for (let out = 0; out < outs; out++) {
        const inside = covered(window, Math.floor(out / outWidth), out % outWidth).map(({ at }) => at);
        const at =
          inside.find((place) => Number.isNaN(x[plane * size + place])) ?? firstMaximum(inside, x.subarray(plane * size));
        places.push(at);
        values.push(x[plane * size + at]!);
      }
    const buffers = { x, out: new Float64Array(planes * outs), index: new Int32Array(planes * outs) };
    const result = run(t, { name: 'maxPool2d', buffers, params, items: planes });
    close(t, result.buffers['out'], values, 'values');
    t.deepEqual([...result.buffers['index']!], places);

    const dout = randoms(planes * outs);
    const index = Int32Array.from(places);
    const expected = new Array<number>(planes * size).fill(0);
    for (const [at, place] of places.entries()) expected[Math.floor(at / outs) * size + place]! += dout[at]!;
    const sizes = { planeSize: size, outSize: outs };
    const gradient = run(t, {
      name: 'maxPool2dGrad',
      buffers: { dout, index, dx: new Float64Array(planes * size) },
      params: sizes,
      items: planes,
    });
    close(t, gradient.buffers['dx'], expected, 'gradient');
    const gathered = run(t, {
      name: 'maxPool2dGather',
      buffers: { x, index, out: new Float64Array(planes * outs) },
      params: sizes,
      items: planes,
    });
    close(t, gathered.buffers['out'], values, 'gather');
  });

  for (const [exclusive, divisor] of [
    [1, 0],
    [0, 0],
    [1, 5],
  ] as const)
    test(`avgPool2d means and their gradient, exclusive ${exclusive}, divisor ${divisor}: ${count}`, (t) => {
      const x = randoms(planes * size);
      const dout = randoms(planes * outs);
      const means: number[] = [];
      const gradient = new Array<number>(planes * size).fill(0);
      for (let plane = 0; plane < planes; plane++)
        for (let out = 0; out < outs; out++) {
          const inside = covered(window, Math.floor(out / outWidth), out % outWidth);
          const by = divisor || (exclusive ? inside.length : taps);
          means.push(inside.reduce((sum, { at }) => sum + x[plane * size + at]!, 0) / by);
          for (const { at } of inside) gradient[plane * size + at]! += dout[plane * outs + out]! / by;
        }
      const all = { ...params, exclusive, divisor };
      const forward = run(t, {
        name: 'avgPool2d',
        buffers: { x, out: new Float64Array(planes * outs) },
        params: all,
        items: planes,
      });
      close(t, forward.buffers['out'], means, 'means');
      const back = run(t, {
        name: 'avgPool2dGrad',
        buffers: { dout, dx: new Float64Array(planes * size) },
        params: all,
        items: planes,
      });
      close(t, back.buffers['dx'], gradient, 'gradient');
    });
}

function firstMaximum(places: readonly number[], values: Float64Array): number {
  return places.reduce((best, place) => (values[place]! > values[best]! ? place : best));
}

// Regions

/** torchvision's bilinear_interpolate, as weights over the plane's elements. */
function bilinearWeights(h: number, w: number, y: number, x: number): [at: number, weight: number][] {
  if (y < -1 || y > h || x < -1 || x > w) return [];
  const clampedY = Math.max(y, 0);
  const clampedX = Math.max(x, 0);
  let yLow = Math.trunc(clampedY);
  let xLow = Math.trunc(clampedX);
  const atBottom = yLow >= h - 1;
  const atRight = xLow >= w - 1;
  if (atBottom) yLow = h - 1;
  if (atRight) xLow = w - 1;
  const yHigh = atBottom ? h - 1 : yLow + 1;
  const xHigh = atRight ? w - 1 : xLow + 1;
  const ly = atBottom ? 0 : clampedY - yLow;
  const lx = atRight ? 0 : clampedX - xLow;
  return [
    [yLow * w + xLow, (1 - ly) * (1 - lx)],
    [yLow * w + xHigh, (1 - ly) * lx],
    [yHigh * w + xLow, ly * (1 - lx)],
    [yHigh * w + xHigh, ly * lx],
  ];
}

for (const [samplingRatio, aligned] of [
  [2, 0],
  [2, 1],
  [0, 0],
  [0, 1],
] as const)
  test(`roiAlign and its gradient follow torchvision, sampling ratio ${samplingRatio}, aligned ${aligned}`, (t) => {
    const [images, channels, h, w, pooledHeight, pooledWidth, spatialScale] = [2, 2, 6, 7, 2, 3, 0.5];
    const rois = Float64Array.from([0, 0, 10, 9, 3.3, 2.1, 3.6, 2.4, -6, -4, 20, 18, 8, 1, 13, 11]);
    const image = Int32Array.from([1, 0, 1, 1]);
    const regions = image.length;
    const x = randoms(images * channels * h * w);
    const out = new Array<number>(regions * channels * pooledHeight * pooledWidth).fill(0);
    const dout = randoms(out.length);
    const dx = new Array<number>(x.length).fill(0);
    for (let r = 0; r < regions; r++) {
      const [x1, y1, x2, y2] = [...rois.subarray(r * 4, r * 4 + 4)].map((value) => value * spatialScale - (aligned ? 0.5 : 0));
      const width = aligned ? x2! - x1! : Math.max(x2! - x1!, 1);
      const height = aligned ? y2! - y1! : Math.max(y2! - y1!, 1);
      const gridH = samplingRatio > 0 ? samplingRatio : Math.ceil(height / pooledHeight);
      const gridW = samplingRatio > 0 ? samplingRatio : Math.ceil(width / pooledWidth);
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < pooledHeight; i++)
          for (let j = 0; j < pooledWidth; j++)
            for (let sample = 0; sample < gridH * gridW; sample++) {
              const y = y1! + (i + (Math.floor(sample / gridW) + 0.5) / gridH) * (height / pooledHeight);
              const across = x1! + (j + ((sample % gridW) + 0.5) / gridW) * (width / pooledWidth);
              const place = ((r * channels + c) * pooledHeight + i) * pooledWidth + j;
              for (const [at, weight] of bilinearWeights(h, w, y, across)) {
                const source = (image[r]! * channels + c) * h * w + at;
                out[place]! += (weight * x[source]!) / Math.max(gridH * gridW, 1);
                dx[source]! += (weight * dout[place]!) / Math.max(gridH * gridW, 1);
              }
            }
    }
    const params = { images, channels, h, w, pooledHeight, pooledWidth, spatialScale, samplingRatio, aligned, regions };
    const forward = run(t, {
      name: 'roiAlign',
      buffers: { x, rois, image, out: new Float64Array(out.length) },
      params,
      items: regions * channels,
    });
    close(t, forward.buffers['out'], out, 'out');
    const back = run(t, {
      name: 'roiAlignGrad',
      buffers: { dout, rois, image, dx: new Float64Array(x.length) },
      params,
      items: images * channels,
    });
    close(t, back.buffers['dx'], dx, 'dx');
  });

test('roiAlign reports a region of an image that does not exist', (t) => {
  const params = {
    images: 1,
    channels: 1,
    h: 2,
    w: 2,
    pooledHeight: 1,
    pooledWidth: 1,
    spatialScale: 1,
    samplingRatio: 1,
    aligned: 0,
  };
  const buffers = { x: randoms(4), rois: Float64Array.from([0, 0, 1, 1]), image: Int32Array.from([1]), out: new Float64Array(1) };
  t.is(run(t, { name: 'roiAlign', buffers, params, items: 1 }).error, 1);
});

// Scans

const scanShapes = [
  [2, 5, 1],
  [3, 4, 7],
  [1, 6, 21],
  [2, 0, 3],
  [0, 3, 2],
  [2, 1, 9],
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
        }).buffers;
      close(t, scanned('cumsum')['out'], sums, 'cumsum');
      close(t, scanned('cumprod')['out'], products, 'cumprod');
      for (const name of ['cummax', 'cummin'] as const) {
        close(t, scanned(name)['out'], extrema[name][0]!, name);
        close(t, scanned(name)['index'], extrema[name][1]!, `${name} index`);
      }
    });

// Sorting

/** Ascending with NaN last; descending is its mirror, and equal elements keep their order in both. */
function sortedPlaces(row: readonly number[], descending: boolean): number[] {
  const rank = (value: number): number => (Number.isNaN(value) ? Infinity : value);
  return range(row.length).sort((a, b) => (rank(row[a]!) - rank(row[b]!) || 0) * (descending ? -1 : 1) || a - b);
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
      close(t, result.buffers['index'], places, 'places');
      close(
        t,
        result.buffers['values'],
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
] as const)
  for (const largest of [0, 1])
    test(`topkRows takes the first ${k} of ${n} in order, largest ${largest}`, (t) => {
      const rows = 4;
      const x = tied(rows * n);
      const places = range(rows).flatMap((row) =>
        sortedPlaces([...x.subarray(row * n, (row + 1) * n)], largest === 1).slice(0, k),
      );
      const buffers = { x, values: new Float64Array(rows * k), index: new Int32Array(rows * k) };
      const result = run(t, { name: 'topkRows', buffers, params: { n, k, largest }, items: rows });
      close(t, result.buffers['index'], places, 'places');
      close(
        t,
        result.buffers['values'],
        places.map((place, at) => x[Math.floor(at / k) * n + place]!),
        'values',
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
    });
    const { offsets, total } = offsetsOf(counted.buffers['counts']!);
    t.is(total, kept.length);

    const shape = Int32Array.from([2, 3, 4]);
    const coordinates = kept.flatMap((at) => [Math.floor(at / 12), Math.floor(at / 4) % 3, at % 4]);
    const written = run(t, {
      name: 'nonzeroWrite',
      buffers: { x, shape, offsets, out: new Int32Array(total * 3) },
      params: { ...sizes, rank: 3 },
      items: blocks,
    });
    t.deepEqual([...written.buffers['out']!], coordinates);

    const mask = Uint8Array.from(x, (value) => (value !== 0 ? 1 : 0));
    const maskCounts = run(t, {
      name: 'nonzeroCount',
      buffers: { x: mask, counts: new Int32Array(blocks) },
      params: sizes,
      items: blocks,
      bindings: { T: 'bool' },
    });
    t.deepEqual(maskCounts.buffers['counts'], counted.buffers['counts']);
    const y = randoms(n);
    const selected = run(t, {
      name: 'maskedSelectWrite',
      buffers: { x: y, mask, offsets, out: new Float64Array(total) },
      params: sizes,
      items: blocks,
    });
    close(
      t,
      selected.buffers['out'],
      kept.map((at) => y[at]!),
      'selected',
    );
    const dout = randoms(total);
    const gradient = run(t, {
      name: 'maskedSelectGrad',
      buffers: { dout, mask, offsets, dx: new Float64Array(n) },
      params: sizes,
      items: blocks,
    });
    close(
      t,
      gradient.buffers['dx'],
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
    const counted = run(t, { name: 'uniqueCount', buffers: { sorted, counts: new Int32Array(blocks) }, params, items: blocks });
    const { offsets, total } = offsetsOf(counted.buffers['counts']!);
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
    });
    t.deepEqual([...buffers['values']!], values);
    t.deepEqual(
      [...buffers['firstIndex']!],
      values.map((value) => x.indexOf(value)),
    );
    t.deepEqual(
      [...buffers['inverse']!],
      [...x].map((value) => values.indexOf(value)),
    );
    const sizes = run(t, {
      name: 'uniqueSizes',
      buffers: { starts: buffers['starts']!, sizes: groups() },
      params: { groups: total, n },
      items: total,
    });
    t.deepEqual(
      [...sizes.buffers['sizes']!],
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
  });
  t.deepEqual([...counted.buffers['counts']!], [3]);
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
      close(t, taken.buffers['out'], gathered, 'gathered');
      t.is(taken.error, 0);
      const sums = run(t, {
        name: 'scatterAddRows',
        buffers: { updates, index, out: x },
        params,
        items: outer * inner,
        bindings,
      });
      close(t, sums.buffers['out'], added, 'added');
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
  t.deepEqual([call(3n, 1).error, call(3n, 1).buffers['out']![0]], [1, 3]);
  t.deepEqual([call(-4n, 1).error, call(-4n, 1).buffers['out']![0]], [1, 1]);
  t.deepEqual([call(-1n, 0).error, call(-1n, 0).buffers['out']![0]], [1, 1]);
  t.deepEqual([call(2n ** 32n, 1).error, call(2n ** 32n, 1).buffers['out']![0]], [1, 3]);
  t.is(call(0n, 1, 0).error, 1);
});

// The language

const refused: readonly [string, string, RegExp][] = [
  ['division of integers', 'x[0] = toT(n / 2);', /kernel\.ts:2:\d+: .*use idiv/],
  ['% of integers', 'x[0] = toT(n % 2);', /use irem/],
  ['a load behind &&', 'if (n > 0 && x[0]! > 0) x[0] = 1;', /use if/],
  ['a load in a branch of ?:', 'x[0] = n > 0 ? x[n]! : 0;', /use if/],
  ['a loop whose bound changes', 'let m: i32 = n; for (let i = 0; i < m; i++) m--; x[0] = toT(m);', /computed once/],
  ['a loop that counts down', 'for (let i = n; i > 0; i--) x[0] = 1;', /counts up/],
  ['mixed types', 'x[0] = n;', /expected T, got i32/],
  ['an unknown function', 'x[0] = Math.sin(x[0]!);', /neither of the language/],
  ['an outer variable set in lanes', 'let last: f = 0; for (const i of lanes(0, n)) last = x[i]!; x[0] = last;', /only by \+=/],
  ['an array', 'const a = [1]; x[0] = 1;', /not part of the language/],
  ['a fraction without a type', 'const half = 0.5; x[0] = half;', /has no type here/],
  ['a helper that calls itself', 'x[0] = loop(n);', /may not call itself/],
];
for (const [what, statements, message] of refused)
  test(`a kernel function with ${what} is refused, with its place`, (t) => {
    const text = `export function k(begin: i32, end: i32, x: Buffer<'T'>, n: i32): void {\n${statements}\n}\nfunction loop(n: i32): f { return loop(n); }`;
    t.throws(() => compileKernelSource(text), { message });
  });

test('compiled kernels are plain data', (t) => {
  for (const kernel of kernels.values()) t.deepEqual<unknown, unknown>(JSON.parse(JSON.stringify(kernel)), kernel);
});

test('every exported function is compiled and tested here', (t) => {
  t.deepEqual([...kernels.keys()].sort(), [...plain.keys()].sort());
});
