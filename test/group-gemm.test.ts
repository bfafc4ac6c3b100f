/**
 * Matrix products for groups of threads on the simulated driver, which checks bounds, races and what was never written, in several
 * orders of threads: results against sums in float64, and faults planted in the kernels, each of which has to be found.
 */
import test, { type ExecutionContext } from 'ava';
import { add } from '../kernels/build.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../kernels/half.js';
import { interpretGroups } from '../kernels/interpret-groups.js';
import type { Kernel, Stmt } from '../kernels/ir.js';
import { mapStatement } from '../kernels/traverse.js';
import type { CudaDevice } from '../runtime/devices/cuda/device.js';
import type { Product } from '../runtime/library/gemm.js';
import { groupProduct } from '../runtime/library/group-gemm.js';
import { KernelLaunch } from '../runtime/library/launch.js';
import { isSimulated, openDevice } from './cuda-device-harness.js';

// Every buffer ends where its allocation does.
process.env.OPWRIGHT_DEBUG_ALLOCATOR = '1';

const withSimulator = isSimulated ? test.serial : test.serial.skip;

type Dtype = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int32';
type Elements = Float32Array | Float64Array | Uint16Array | Int32Array;

interface Format {
  make(values: readonly number[]): Elements;
  read(element: number): number;
  /** Of the size of the largest term, for every addition. */
  readonly precision: number;
}

const formats: Readonly<Record<Dtype, Format>> = {
  float32: { make: (values) => Float32Array.from(values), read: (x) => x, precision: 2 ** -24 },
  float64: { make: (values) => Float64Array.from(values), read: (x) => x, precision: 2 ** -53 },
  float16: { make: (values) => Uint16Array.from(values, encodeFloat16), read: decodeFloat16, precision: 2 ** -11 },
  bfloat16: { make: (values) => Uint16Array.from(values, encodeBfloat16), read: decodeBfloat16, precision: 2 ** -8 },
  int32: { make: (values) => Int32Array.from(values), read: (x) => x, precision: 0 },
};

interface Case {
  readonly dtype: Dtype;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  /** Whether operands of float32 are rounded to TF32. */
  readonly tf32?: boolean;
  /** Whether a is stored as its transpose, and b. */
  readonly a?: 'turned' | 'apart';
  readonly b?: 'turned' | 'apart';
}

/** Thirtieths have more bits than TF32, thirty-seconds fewer than any float. */
const numbers = (count: number, { dtype, tf32 }: Case): number[] =>
  Array.from({ length: count }, (_, at) => (((at * 37) % 101) - 50) / (dtype === 'int32' ? 1 : tf32 ? 30 : 32));

/** The strides of rows x columns, and the elements that they reach. */
function layout(
  rows: number,
  columns: number,
  how: 'turned' | 'apart' | undefined,
): { row: number; column: number; size: number } {
  if (how === 'turned') return { row: 1, column: rows, size: rows * columns };
  return how === 'apart'
    ? { row: 3 * columns, column: 3, size: 3 * rows * columns }
    : { row: columns, column: 1, size: rows * columns };
}

function set(one: Case) {
  const { dtype, m, n, k, batch = 1 } = one;
  const [aLies, bLies] = [layout(m, k, one.a), layout(k, n, one.b)];
  const { make, read } = formats[dtype];
  const [a, b] = [make(numbers(batch * aLies.size, one)), make(numbers(batch * bLies.size, one))];
  const offsets = (size: number): number[] => Array.from({ length: batch }, (_, matrix) => matrix * size);
  const product: Product & { readonly tf32: boolean } = {
    ...{ dtype, m, n, k, batch, tf32: one.tf32 ?? false },
    a: { offsets: offsets(aLies.size), step: aLies.column, across: aLies.row },
    b: { offsets: offsets(bLies.size), step: bLies.row, across: bLies.column },
    places: { a: 0, b: 1 },
  };
  const expected = Array.from({ length: batch * m * n }, (_, at) => {
    const [matrix, row, column] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
    let sum = 0;
    for (let step = 0; step < k; step++) {
      const left = a[matrix * aLies.size + row * aLies.row + step * aLies.column]!;
      sum += read(left) * read(b[matrix * bLies.size + step * bLies.row + column * bLies.column]!);
    }
    return sum;
  });
  return { product, a, b, expected };
}

const bytesIn = (array: NodeJS.ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function upload(device: CudaDevice, array: NodeJS.ArrayBufferView): number {
  const address = device.allocate(array.byteLength);
  device.write(address, bytesIn(array));
  return address;
}

/** What the kernel leaves of each part, added up. */
function run(
  device: CudaDevice,
  kernel: Kernel,
  { product, a, b, expected }: ReturnType<typeof set>,
  faults: Readonly<Record<string, number>> = {},
): number[] {
  const { integers, items, parts } = groupProduct(product);
  const dtype = product.dtype as Dtype;
  const outDtype = parts > 1 && (dtype === 'float16' || dtype === 'bfloat16') ? 'float32' : dtype;
  const out = formats[outDtype].make(new Array<number>(expected.length * parts).fill(0));
  const addresses = {
    ...{ a: upload(device, a), b: upload(device, b), out: device.allocate(out.byteLength) },
    aOffsets: upload(device, Int32Array.from(product.a.offsets)),
    bOffsets: upload(device, Int32Array.from(product.b.offsets)),
  };
  new KernelLaunch(device, device.tier().compile(kernel), { ...integers, ...faults }, items, 1).runWith(addresses);
  device.readSync(addresses.out, bytesIn(out));
  return expected.map((_, at) => {
    let sum = 0;
    for (let part = 0; part < parts; part++) sum += formats[outDtype].read(out[part * expected.length + at]!);
    return sum;
  });
}

function agree(t: ExecutionContext, one: Case, got: readonly number[], expected: readonly number[]): void {
  const { precision } = formats[one.dtype];
  // Elements are at most 50 / 30. Both operands of a term are rounded to 10 bits where TF32 is.
  const term = one.tf32 ? 2.8 : 2.5;
  const bound = precision * term + (2 ** -23 + (one.tf32 ? 2 ** -10 * (1 + 2 ** -12) : 0)) * one.k * term;
  const at = got.findIndex(
    (value, place) => !(Math.abs(value - expected[place]!) <= bound + precision * Math.abs(expected[place]!)),
  );
  t.is(at, -1, `${JSON.stringify(one)}: element ${at} is ${got[at]}, expected ${expected[at]}`);
}

const shapes = [
  { m: 1, n: 1, k: 1 },
  { m: 70, n: 66, k: 37 },
  { m: 64, n: 64, k: 64 },
  { m: 5, n: 130, k: 18, batch: 3 },
] as const;

for (const dtype of ['float32', 'float64', 'float16', 'bfloat16', 'int32'] as const)
  withSimulator(`products of ${dtype}, as they lie and turned, whole tiles and edges`, (t) => {
    for (const order of ['forward', 'reverse', 'shuffle:3']) {
      const { device } = openDevice({ checks: 1, order });
      for (const shape of shapes)
        for (const lies of [{}, { a: 'turned' }, { b: 'turned' }, { a: 'apart', b: 'apart' }] as const) {
          if (order !== 'forward' && shape.k !== 37) continue;
          const one: Case = { dtype, ...shape, ...lies };
          const prepared = set(one);
          agree(t, one, run(device, groupProduct(prepared.product).kernel, prepared), prepared.expected);
        }
    }
  });

withSimulator('products of float32 with TF32 stay within its rounding, and are not exact', (t) => {
  const { device } = openDevice({ checks: 1, order: 'shuffle:3' });
  const orders = [{}, { a: 'turned' }, { b: 'turned' }, { a: 'apart', b: 'apart' }] as const;
  const long = { m: 3, n: 5, k: 2100 };
  const large = { m: 130, n: 129, k: 9, batch: 32 };
  for (const form of [...shapes.flatMap((shape) => orders.map((lies) => ({ ...shape, ...lies }))), long, large]) {
    const one: Case = { dtype: 'float32', tf32: true, ...form };
    const prepared = set(one);
    const got = run(device, groupProduct(prepared.product).kernel, prepared);
    agree(t, one, got, prepared.expected);
    if (one.k > 1)
      t.true(
        got.some((value, at) => Math.abs(value - prepared.expected[at]!) > 2 ** -14),
        'nothing was rounded',
      );
  }
});

/** To 10 bits after the point, halves away from zero. */
function toTf32(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const unit = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x)))) - 10);
  return Math.fround(Math.sign(x) * Math.floor(Math.abs(x) / unit + 0.5) * unit);
}

/** NaNs of which TF32 would keep nothing, or overflow into the sign. */
const narrowNaNs = [0x7f80_0001, 0x7fff_ffff, -1];

withSimulator('TF32 rounds to nearest, halves away from zero, and keeps infinities and NaNs', (t) => {
  const { device } = openDevice({ checks: 1 });
  const a = new Float32Array(
    [1, 1 + 2 ** -11, 1 + 2 ** -11 - 2 ** -23, -1 - 2 ** -11, 1 + 3 * 2 ** -11, 1 / 3, -1e30, 3e-39, 0, -0, 3.4e38]
      .concat([Infinity, -Infinity])
      .concat(narrowNaNs.map(() => 0)),
  );
  new Int32Array(a.buffer).set(narrowNaNs, a.length - narrowNaNs.length);
  const one: Case = { dtype: 'float32', tf32: true, m: a.length, n: 1, k: 1 };
  const prepared = { ...set(one), a, b: Float32Array.of(1) };
  const { kernel, integers } = groupProduct(prepared.product);
  const expected = [...a].map(toTf32);
  const plain = (values: Iterable<number>) => [...values].map((value) => value + 0);
  t.deepEqual(plain(run(device, kernel, prepared)), plain(expected));
  const out = new Float32Array(a.length);
  const buffers = { a: new Int32Array(a.buffer), b: new Int32Array(prepared.b.buffer), out };
  const tables = { aOffsets: new Int32Array(1), bOffsets: new Int32Array(1) };
  const invocation = { buffers: { ...buffers, ...tables }, params: integers, begin: 0, end: 1 };
  interpretGroups(kernel, invocation, { groups: 1, threads: 256 });
  t.deepEqual(plain(out), plain(expected));
});

withSimulator('a long sum of few elements is cut into parts, and many tiles are large ones', (t) => {
  const { device } = openDevice({ checks: 1 });
  for (const dtype of ['float32', 'float16'] as const) {
    const long = { dtype, m: 3, n: 5, k: 2100 };
    const prepared = set(long);
    t.is(groupProduct(prepared.product).parts, 4);
    agree(t, long, run(device, groupProduct(prepared.product).kernel, prepared), prepared.expected);
    const many = { dtype, m: 130, n: 129, k: 9, batch: 32 };
    const large = set(many);
    t.regex(groupProduct(large.product).kernel.name, /large$/);
    agree(t, many, run(device, groupProduct(large.product).kernel, large), large.expected);
  }
});

test('the interpreter gives the same product', (t) => {
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const one: Case = { dtype, m: 9, n: 12, k: 20 };
    const { product, a, b, expected } = set(one);
    const { kernel, integers } = groupProduct(product);
    const out = formats[dtype].make(new Array<number>(expected.length).fill(0));
    const asStored = (elements: Elements) =>
      elements instanceof Uint16Array ? new Int16Array(elements.buffer, elements.byteOffset, elements.length) : elements;
    const buffers = { a: asStored(a), b: asStored(b), aOffsets: new Int32Array(1), bOffsets: new Int32Array(1), out };
    interpretGroups(kernel, { buffers, params: integers, begin: 0, end: 1 }, { groups: 1, threads: 256 });
    agree(t, one, [...out].map(formats[dtype].read), expected);
  }
});

// ---- Planted faults

/** Rewrites statements, outermost first; nothing takes one out. */
function rewritten(kernel: Kernel, change: (statement: Stmt) => readonly Stmt[] | undefined): Kernel {
  const block = (statements: readonly Stmt[]): readonly Stmt[] =>
    statements.flatMap((statement) => change(statement) ?? [mapStatement(statement, (expr) => expr, block)]);
  return { ...kernel, name: `${kernel.name}_faulty`, body: block(kernel.body) };
}

const faulty: Case = { dtype: 'float32', m: 70, n: 66, k: 37 };

function problemOf(t: ExecutionContext, kernel: Kernel, order: string, faults: Readonly<Record<string, number>> = {}): string {
  const { device, sim } = openDevice({ checks: 1, order });
  t.throws(() => run(device, kernel, set(faulty), faults), undefined, order);
  return sim.report();
}

withSimulator('each barrier of the product is missed when it is taken out, whatever the order of threads', (t) => {
  const { kernel } = groupProduct(set(faulty).product);
  let barriers = 0;
  rewritten(kernel, (statement) => {
    if (statement.do === 'barrier') barriers++;
    return undefined;
  });
  t.is(barriers, 2);
  for (let missing = 0; missing < barriers; missing++)
    for (const order of ['forward', 'reverse', 'shuffle:1']) {
      let at = 0;
      const without = rewritten(kernel, (statement) => (statement.do === 'barrier' && at++ === missing ? [] : undefined));
      t.regex(problemOf(t, without, order), /race|nothing was written/i, `barrier ${missing}, ${order}`);
    }
});

withSimulator('a wrong stride of an operand, and an overrun of the result, are found', (t) => {
  const { kernel } = groupProduct(set(faulty).product);
  t.regex(problemOf(t, kernel, 'forward', { aAcross: 1000 }), /reads 4 bytes/);
  const overrun = rewritten(kernel, (statement) =>
    statement.do === 'store' && statement.buffer === 'out' ? [{ ...statement, index: add(statement.index, 1 << 16) }] : undefined,
  );
  t.regex(problemOf(t, overrun, 'forward'), /writes \d+ bytes/);
});
