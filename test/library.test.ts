/**
 * Matrix products and convolutions against naive sums: at sizes around the edges of tiles and blocks, for operands of any layout and
 * every dtype, with vectors of several widths, and with several threads. Operands are small integers, so that results are exact.
 */
import test from 'ava';
import type { Attrs, Dtype, Shape } from '../kernels/op.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import type { Device } from '../runtime/devices/device.js';
import { InterpretedDevice } from './interpreted-device.js';
import {
  type Arrangement,
  arrangements,
  type Call,
  device,
  integers,
  numbersFrom,
  operand,
  runLibrary,
  worstError,
} from './library-harness.js';

// ---- Products

interface Product {
  readonly x: Shape;
  readonly y: Shape;
  readonly dtype?: Dtype;
  readonly xLies?: Arrangement;
  readonly yLies?: Arrangement;
  readonly xBroadcast?: readonly number[];
  readonly yBroadcast?: readonly number[];
  readonly valueAt?: (place: number) => number;
}

function productCall(product: Product, on: Device = device): Call {
  const { x, y, dtype = 'float32', xLies, yLies, xBroadcast, yBroadcast, valueAt = integers(7) } = product;
  return {
    name: 'gemm',
    inputs: {
      x: operand(x, dtype, valueAt, xLies, xBroadcast, on),
      y: operand(y, dtype, valueAt, yLies, yBroadcast, on),
    },
    outputs: [{ shape: [...broadcastShape(x.slice(0, -2), y.slice(0, -2)), x.at(-2)!, y.at(-1)!], dtype }],
  };
}

function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const sizeAt = (shape: Shape, axis: number): number => shape[shape.length - rank + axis] ?? 1;
  return Array.from({ length: rank }, (_, axis) => (sizeAt(a, axis) === 1 ? sizeAt(b, axis) : sizeAt(a, axis)));
}

const productError = (product: Product, on?: Device): number => worstError(productCall(product, on), on);

const layoutPairs: readonly (readonly [Arrangement, Arrangement])[] = [
  ['contiguous', 'contiguous'],
  ['transposed', 'contiguous'],
  ['contiguous', 'transposed'],
  ['transposed', 'transposed'],
  ['strided', 'flipped'],
  ['flipped', 'strided'],
];

test('products are exact at every size around a tile, for operands of any layout', (t) => {
  for (const m of [1, 2, 3, 4, 5, 8, 9])
    for (const n of [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 33])
      for (const k of [0, 1, 2, 17])
        for (const [xLies, yLies] of layoutPairs)
          t.is(productError({ x: [m, k], y: [k, n], xLies, yLies }), 0, `${m}x${k} (${xLies}) times ${k}x${n} (${yLies})`);
});

test('products are exact on both sides of the block sizes', (t) => {
  const sizes = [
    [127, 33, 383],
    [129, 17, 385],
    [132, 20, 769],
    [15, 200, 400],
    [17, 200, 400],
    [33, 520, 70],
    [1, 513, 1000],
    [700, 1, 300],
    [1, 1, 5000],
  ] as const;
  for (const [m, n, k] of sizes)
    for (const [xLies, yLies] of layoutPairs)
      t.is(productError({ x: [m, k], y: [k, n], xLies, yLies }), 0, `${m}x${k} (${xLies}) times ${k}x${n} (${yLies})`);
});

test('products take every dtype', (t) => {
  const shapes = [
    [
      [3, 5],
      [5, 9],
    ],
    [
      [70, 70],
      [70, 70],
    ],
    [
      [1, 40],
      [40, 30],
    ],
    [
      [2, 8, 9],
      [2, 9, 10],
    ],
  ] as const;
  const dtypes: readonly Dtype[] = ['float16', 'bfloat16', 'float64', 'int8', 'int16', 'int32', 'int64'];
  for (const dtype of dtypes)
    for (const [x, y] of shapes)
      for (const yLies of arrangements)
        t.is(productError({ x, y, dtype, yLies, valueAt: integers(3, 1) }), 0, `${dtype} [${x}] times [${y}] (${yLies})`);
});

test('batches broadcast', (t) => {
  const products: readonly Product[] = [
    { x: [2, 3, 4, 5], y: [5, 6] },
    { x: [2, 3, 4, 5], y: [3, 5, 6] },
    { x: [2, 1, 4, 5], y: [1, 3, 5, 6] },
    { x: [4, 5], y: [2, 3, 5, 6] },
    { x: [2, 3, 4, 5], y: [2, 3, 5, 16], xBroadcast: [0], yBroadcast: [1] },
    { x: [2, 3, 4, 5], y: [2, 3, 5, 16], xBroadcast: [2], yBroadcast: [3] },
    { x: [300, 3, 4], y: [4, 20] },
    { x: [20, 33, 8], y: [20, 8, 9] },
    { x: [0, 3, 4], y: [0, 4, 5] },
    { x: [2, 0, 4], y: [4, 5] },
    { x: [2, 3, 4], y: [4, 0] },
    { x: [2, 3, 0], y: [0, 4] },
  ];
  for (const product of products)
    for (const xLies of arrangements)
      for (const yLies of arrangements)
        t.is(productError({ ...product, xLies, yLies }), 0, `[${product.x}] (${xLies}) times [${product.y}] (${yLies})`);
});

test('products of real numbers are as exact as their dtype', (t) => {
  const next = numbersFrom(11);
  const valueAt = (): number => next() - 0.5;
  // Sums of 1000 products of at most 1/4.
  t.true(productError({ x: [65, 1000], y: [1000, 70], valueAt }) < 2e-4);
  t.true(productError({ x: [65, 1000], y: [1000, 70], dtype: 'float64', valueAt }) < 1e-12);
  t.true(productError({ x: [65, 1000], y: [1000, 70], dtype: 'float16', valueAt }) < 0.04);
});

/** With native code where there is a compiler. */
const tiers = (['wasm', 'native'] as const).map((tier) => ({ tier, on: openCpu({ guarded: true, threads: 2, tier }) }));

for (const { tier, on } of tiers) {
  test(`products are exact around the tiles of the ${tier} tier`, (t) => {
    for (const m of [6, 13, 14, 15, 29])
      for (const n of [6, 15, 17, 31, 47, 65])
        for (const k of [15, 37])
          for (const [xLies, yLies] of layoutPairs)
            t.is(productError({ x: [m, k], y: [k, n], xLies, yLies }, on), 0, `${m}x${k} (${xLies}) times ${k}x${n} (${yLies})`);
  });

  test(`a row of a product has the same bits in the ${tier} tier, whatever rows there are with it and however operands lie`, (t) => {
    const [rows, k] = [70, 403];
    for (const n of [3, 41, 330]) {
      const bitsOf = (m: number, xLies: Arrangement, yLies: Arrangement): Uint8Array => {
        const [inX, inY] = [numbersFrom(3), numbersFrom(4)];
        const x = operand([m, k], 'float32', () => inX() - 0.5, xLies, [], on);
        const y = operand([k, n], 'float32', () => inY() - 0.5, yLies, [], on);
        const call = { name: 'gemm', inputs: { x, y }, outputs: [{ shape: [m, n], dtype: 'float32' }] } as const;
        const [result] = runLibrary(call, on);
        const bytes = new Uint8Array(result!.storage.bytes);
        on.readSync(result!.storage.address, bytes);
        for (const used of [x.tensor, y.tensor, result!]) used.dispose();
        return bytes;
      };
      const expected = bitsOf(rows, 'contiguous', 'contiguous');
      for (const m of [1, 2, 5, 9, 14, 16, 17, 31, rows])
        for (const [xLies, yLies] of layoutPairs)
          t.deepEqual(
            bitsOf(m, xLies, yLies),
            expected.subarray(0, 4 * m * n),
            `${m} rows (${xLies}) of ${n} columns (${yLies})`,
          );
    }
  });
}

test('a NaN or an infinity reaches the sums that it belongs to, and no others', (t) => {
  const x = (place: number): number => (place === 5 * 9 + 3 ? NaN : 1);
  for (const n of [3, 9, 20]) {
    const call = productCall({ x: [7, 9], y: [9, n], valueAt: integers(1) });
    const tainted = { ...call, inputs: { ...call.inputs, x: operand([7, 9], 'float32', x) } };
    const [result] = runLibrary(tainted);
    t.deepEqual(
      Array.from<number | bigint, boolean>(result!.dataSync(), (value) => Number.isNaN(value)),
      Array.from({ length: 7 * n }, (_, place) => Math.floor(place / n) === 5),
    );
  }
});

// ---- Convolutions

interface Convolution {
  readonly images?: number;
  /** Of a group. */
  readonly channels: number;
  readonly filters: number;
  readonly image: readonly [number, number];
  readonly window: readonly [number, number];
  readonly stride?: readonly [number, number];
  /** Above, below, left, right. */
  readonly padding?: readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
  readonly groups?: number;
  readonly dtype?: Dtype;
  readonly lies?: Arrangement;
  readonly biased?: boolean;
}

/** The convolution and its two gradients; none where the window does not fit. */
function convolutionCalls(convolution: Convolution, on: Device = device): Call[] {
  const { images = 2, channels, filters, image, window, groups = 1, dtype = 'float32', lies, biased = false } = convolution;
  const { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1] } = convolution;
  const result = ([0, 1] as const).map((axis) => {
    const room = image[axis] + padding[2 * axis]! + padding[2 * axis + 1]! - (window[axis] - 1) * dilation[axis] - 1;
    return Math.floor(room / stride[axis]) + 1;
  });
  if (result.some((size) => size < 1)) return [];
  const x = [images, channels * groups, ...image];
  const weight = [filters * groups, channels, ...window];
  const out = [images, filters * groups, ...result];
  const attrs: Attrs = { stride, padding, dilation, groups };
  const valueAt = integers(5);
  const make = (shape: Shape) => operand(shape, dtype, valueAt, lies, [], on);
  const call = (name: string, inputs: Readonly<Record<string, Shape>>, shape: Shape): Call => ({
    name,
    inputs: Object.fromEntries(Object.entries(inputs).map(([input, its]) => [input, make(its)])),
    outputs: [{ shape, dtype }],
    attrs,
  });
  return [
    call('convolution', { x, weight, ...(biased ? { bias: [filters * groups] } : {}) }, out),
    call('convolutionInputGrad', { dout: out, weight }, x),
    call('convolutionWeightGrad', { dout: out, x }, weight),
  ];
}

const networks: readonly Convolution[] = [
  { images: 3, channels: 1, filters: 6, image: [28, 28], window: [5, 5], padding: [2, 2, 2, 2] },
  { images: 3, channels: 6, filters: 16, image: [14, 14], window: [5, 5] },
  { images: 1, channels: 16, filters: 9, image: [14, 13], window: [3, 3], padding: [1, 1, 1, 1] },
  { images: 3, channels: 4, filters: 8, image: [15, 15], window: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] },
  { images: 3, channels: 16, filters: 5, image: [9, 7], window: [1, 1] },
  { images: 3, channels: 3, filters: 5, image: [9, 7], window: [1, 1], stride: [2, 2] },
  { images: 3, channels: 3, filters: 5, image: [9, 7], window: [1, 1], groups: 2 },
  { images: 2, channels: 1, filters: 1, image: [11, 10], window: [3, 3], padding: [1, 1, 1, 1], groups: 8 },
  { images: 2, channels: 3, filters: 5, image: [5, 5], window: [5, 5] },
];

/** Small convolutions of every stride, dilation, padding and number of groups. */
function randomConvolutions(count: number, seed: number): Convolution[] {
  const next = numbersFrom(seed);
  const below = (bound: number): number => Math.floor(next() * bound);
  return Array.from({ length: count }, () => ({
    images: 1 + below(3),
    channels: 1 + below(3),
    filters: 1 + below(10),
    image: [1 + below(12), 1 + below(20)],
    window: [1 + below(4), 1 + below(4)],
    stride: [1 + below(3), 1 + below(3)],
    padding: [below(3), below(3), below(3), below(3)],
    dilation: [1 + below(3), 1 + below(3)],
    groups: 1 + below(3),
    dtype: (['float32', 'float64', 'float16', 'int32'] as const)[below(4)]!,
    lies: arrangements[below(arrangements.length)]!,
    biased: below(2) === 1,
  }));
}

/** Sizes on both sides of every tile of 8 and 16 lanes: numbers of filters, and of pixels in a row and in a strip. */
const aroundTiles: readonly Convolution[] = [
  ...[1, 2, 3, 4, 5, 6, 7, 9, 17, 33].map(
    (filters): Convolution => ({ channels: 2, filters, image: [6, 18], window: [3, 3], padding: [1, 1, 1, 1], biased: true }),
  ),
  ...[1, 7, 8, 15, 16, 17, 31, 33, 48, 49, 65, 129, 140].map(
    (width): Convolution => ({ channels: 3, filters: 9, image: [3, width], window: [2, 2], padding: [0, 1, 0, 1] }),
  ),
  ...[1, 2, 7, 20].map(
    (height): Convolution => ({ channels: 17, filters: 18, image: [height, 9], window: [1, 3], padding: [0, 0, 1, 1] }),
  ),
  ...[15, 33, 70].map(
    (width): Convolution => ({ channels: 1, filters: 1, image: [5, width], window: [3, 3], groups: 3, stride: [1, 2] }),
  ),
  ...[8, 15, 16, 17, 31, 33, 63, 70].map(
    (width): Convolution => ({
      channels: 1,
      filters: 1,
      groups: 3,
      image: [9, width],
      window: [3, 3],
      padding: [1, 1, 1, 1],
      biased: true,
    }),
  ),
  ...[1, 2, 5].map(
    (rows): Convolution => ({ channels: 1, filters: 1, groups: 2, image: [7, 21], window: [rows, 4], padding: [2, 0, 1, 3] }),
  ),
  {
    channels: 1,
    filters: 1,
    groups: 2,
    image: [6, 40],
    window: [3, 2],
    dilation: [2, 1],
    padding: [2, 2, 0, 0],
    dtype: 'bfloat16',
  },
  { images: 3, channels: 40, filters: 20, image: [7, 7], window: [3, 3], padding: [1, 1, 1, 1], dtype: 'float64' },
  { images: 1, channels: 70, filters: 3, image: [6, 17], window: [2, 3], stride: [2, 2], dilation: [1, 2], dtype: 'float16' },
];

test('convolutions and their gradients are exact', (t) => {
  for (const convolution of networks)
    for (const lies of arrangements)
      for (const call of convolutionCalls({ ...convolution, lies }))
        t.is(worstError(call), 0, `${call.name} ${JSON.stringify({ ...convolution, lies })}`);
});

test('convolutions are exact at every size around a tile', (t) => {
  for (const convolution of aroundTiles)
    for (const call of convolutionCalls(convolution)) t.is(worstError(call), 0, `${call.name} ${JSON.stringify(convolution)}`);
});

test('kernels of convolutions read and write within their operands, with wide vectors', (t) => {
  for (const vectorBytes of [32, 64]) {
    const on = new InterpretedDevice(vectorBytes);
    for (const convolution of aroundTiles)
      for (const call of convolutionCalls({ ...convolution, images: 1 }, on))
        t.is(worstError(call, on), 0, `${vectorBytes}: ${call.name} ${JSON.stringify(convolution)}`);
  }
});

test('convolutions take every stride, padding, dilation, number of groups, layout and dtype', (t) => {
  for (const convolution of randomConvolutions(200, 3))
    for (const call of convolutionCalls(convolution)) t.is(worstError(call), 0, `${call.name} ${JSON.stringify(convolution)}`);
});

test('convolutions without images, channels or filters give zeros or nothing', (t) => {
  const plain: Convolution = { channels: 2, filters: 3, image: [5, 6], window: [3, 3], padding: [1, 1, 1, 1] };
  for (const empty of [{ images: 0 }, { channels: 0 }, { filters: 0 }])
    for (const call of convolutionCalls({ ...plain, ...empty }))
      t.is(worstError(call), 0, `${call.name} ${JSON.stringify(empty)}`);
});

// ---- Any device

/** Flipped operands begin before their tensor's first element, where the interpreter's buffers begin. */
const forward = ['contiguous', 'transposed', 'strided'] as const;

test('kernels read and write within their operands, with vectors of any width', (t) => {
  for (const vectorBytes of [0, 16, 32, 64]) {
    const on = new InterpretedDevice(vectorBytes);
    for (const [m, n, k] of [
      [1, 1, 1],
      [1, 70, 9],
      [4, 3, 20],
      [5, 9, 6],
      [9, 17, 5],
      [3, 66, 40],
      [29, 37, 18],
    ] as const)
      for (const xLies of forward)
        for (const yLies of forward)
          t.is(productError({ x: [m, k], y: [k, n], xLies, yLies }, on), 0, `${vectorBytes}: ${m} ${n} ${k} ${xLies} ${yLies}`);
    for (const convolution of randomConvolutions(25, vectorBytes + 1)) {
      const lies = convolution.lies === 'flipped' ? 'contiguous' : convolution.lies!;
      const small: Convolution = { ...convolution, image: [5, 9], images: 1, filters: 5, channels: 1, dtype: 'float32', lies };
      for (const call of convolutionCalls(small, on))
        t.is(worstError(call, on), 0, `${vectorBytes}: ${call.name} ${JSON.stringify(small)}`);
    }
  }
});

test('results have the same bits with 1, 2 and 4 threads', (t) => {
  const bitsOn = (threads: number): Uint8Array[] => {
    const on = openCpu({ threads });
    const seeded = integers(31, 1000);
    const scaled = (): number => seeded() / 1009;
    const product = (x: Shape, y: Shape, yLies?: Arrangement): Call => ({
      ...productCall({ x, y, ...(yLies === undefined ? {} : { yLies }), valueAt: scaled }, on),
    });
    const calls = [
      product([130, 400], [400, 70]),
      product([1, 1000], [1000, 500]),
      product([7, 1000], [1000, 300], 'transposed'),
      product([64, 30, 40], [64, 40, 50]),
      ...convolutionCalls({ ...networks[0]!, images: 17 }, on),
      ...convolutionCalls({ ...networks[3]!, images: 17 }, on),
      ...convolutionCalls({ ...networks[7]!, images: 17 }, on),
    ];
    return calls.flatMap((call) =>
      // The first launches run before the worker threads have started.
      Array.from({ length: 5 }, () => {
        const [result] = runLibrary(call, on);
        const bytes = new Uint8Array(result!.storage.bytes);
        on.readSync(result!.storage.address, bytes);
        result!.dispose();
        return bytes;
      }),
    );
  };
  const expected = bitsOn(1);
  for (const threads of [2, 4])
    bitsOn(threads).forEach((bytes, index) => {
      t.is(Buffer.compare(bytes, expected[index]!), 0, `run ${index} with ${threads} threads`);
    });
});
