/** The cpu device: allocation, kernels, threads. Kernels are written by hand. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import fc from 'fast-check';
import * as build from '../kernels/build.js';
import type { Kernel } from '../kernels/ir.js';
import { type CpuDevice, openCpu } from '../runtime/devices/cpu/device.js';
import { GuardedAllocator } from '../runtime/devices/cpu/guarded-allocator.js';
import { readMaximum } from '../runtime/devices/cpu/heap.js';
import { readThreads } from '../runtime/devices/cpu/pool.js';
import type { Work } from '../runtime/devices/device.js';
import { OpwrightError } from '../runtime/errors.js';

const { F32, F64, I32 } = build;

/** out = x * factor + item. */
const scaleKernel = build.kernel(
  'scale',
  [
    { name: 'x', storage: 'float32', access: 'read' },
    { name: 'out', storage: 'float32', access: 'write' },
  ],
  [{ name: 'factor', type: 'f32' }],
  [
    build.forItems('i', (i) => [
      build.store('out', i, build.add(build.mul(build.load(F32, 'x', i), build.param('factor', F32)), build.convert(F32, i))),
    ]),
  ],
);

/** out[item] = x[index[item]], with a failure where the index is out of range. */
const gatherKernel = build.kernel(
  'gather',
  [
    { name: 'x', storage: 'float64', access: 'read' },
    { name: 'index', storage: 'int32', access: 'read' },
    { name: 'out', storage: 'float64', access: 'write' },
  ],
  [{ name: 'size', type: 'i32' }],
  [
    build.forItems('i', (i) => [
      build.let_('at', build.load(I32, 'index', i)),
      build.if_(
        build.and(build.ge(build.local('at', I32), 0), build.lt(build.local('at', I32), build.param('size'))),
        [build.store('out', i, build.load(F64, 'x', build.local('at', I32)))],
        [build.fail(1)],
      ),
    ]),
  ],
);

const smallWork: Work = { kind: 'map', dtype: 'float32', size: 1 };

interface Launch {
  readonly kernel: Kernel;
  readonly buffers: Readonly<Record<string, number>>;
  readonly work: number;
  readonly grain?: number;
}

function launch(
  device: CpuDevice,
  { kernel, buffers, work, grain = 1 << 30 }: Launch,
  setScalars?: (set: ScalarSetters) => void,
): void {
  const compiled = device.tier(smallWork).compile(kernel);
  const params = device.createParams(compiled);
  const offset = (name: string) => compiled.offsets.get(name)!;
  for (const [name, address] of Object.entries(buffers)) params.setPointer(offset(name), address);
  setScalars?.({
    f32: (name, value) => params.setF32(offset(name), value),
    i32: (name, value) => params.setI32(offset(name), value),
  });
  try {
    device.launch(compiled, params, work, grain);
  } finally {
    params.free();
  }
}

interface ScalarSetters {
  f32(name: string, value: number): void;
  i32(name: string, value: number): void;
}

function upload(device: CpuDevice, data: Float32Array | Float64Array | Int32Array): number {
  const address = device.allocate(data.byteLength);
  device.write(address, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return address;
}

function download<A extends Float32Array | Float64Array>(device: CpuDevice, address: number, into: A): A {
  device.readSync(address, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
  return into;
}

function scale(device: CpuDevice, count: number, grain: number): Float32Array {
  const x = upload(
    device,
    Float32Array.from({ length: count }, (_, index) => Math.sin(index)),
  );
  const out = device.allocate(count * 4);
  launch(device, { kernel: scaleKernel, buffers: { x, out }, work: count, grain }, (set) => set.f32('factor', 3));
  const result = download(device, out, new Float32Array(count));
  device.free(x);
  device.free(out);
  return result;
}

test('a kernel computes what its IR says', (t) => {
  const result = scale(openCpu({ threads: 1 }), 100, 1000);
  t.deepEqual(
    result,
    Float32Array.from({ length: 100 }, (_, index) => Math.fround(Math.fround(Math.fround(Math.sin(index)) * 3) + index)),
  );
});

test('equal kernels are compiled once, whoever made them', (t) => {
  const device = openCpu({ threads: 1 });
  const tier = device.tier(smallWork);
  t.is(tier.compile(scaleKernel), tier.compile(structuredClone(scaleKernel)));
  t.not(tier.compile(scaleKernel), tier.compile(gatherKernel));
});

test('results are the same bits with any number of threads', (t) => {
  const alone = openCpu({ threads: 1 });
  for (const threads of [2, 3, 4]) {
    const device = openCpu({ threads });
    for (const count of [1, 63, 1000, 4097, 100_003]) {
      for (const grain of [1, 100, 5000]) t.deepEqual(scale(device, count, grain), scale(alone, count, grain));
    }
  }
});

test('workers take a share of the work once they have started', async (t) => {
  const device = openCpu({ threads: 2 });
  const slow = slowKernel();
  const out = device.allocate(64 * 8);
  const deadline = performance.now() + 30_000;
  while (device.chunksHandedOver === 0 && performance.now() < deadline) {
    device.fill(out, 64 * 8, 0);
    launch(device, { kernel: slow, buffers: { out }, work: 64, grain: 1 });
    t.deepEqual(download(device, out, new Float64Array(64)), new Float64Array(64).fill(100_000));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.true(device.chunksHandedOver > 0);
});

/** Each item counts to a hundred thousand, so that a launch takes long enough for a second thread to matter. */
function slowKernel(): Kernel {
  return build.kernel(
    'slow',
    [{ name: 'out', storage: 'float64', access: 'write' }],
    [],
    [
      build.forItems('i', (i) => [
        build.variable('total', build.f64(0)),
        build.forLoop('k', 0, 100_000, [build.set('total', build.add(build.local('total', F64), build.f64(1)))]),
        build.store('out', i, build.local('total', F64)),
      ]),
    ],
  );
}

test('many short launches in a row are handed over soundly', async (t) => {
  const device = openCpu({ threads: 4 });
  scale(device, 1000, 10);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const expected = scale(openCpu({ threads: 1 }), 1000, 10);
  for (let round = 0; round < 3000; round++) {
    if (!sameBits(scale(device, 1000, 10), expected)) t.fail(`round ${round} differs`);
  }
  t.pass();
});

const sameBits = (a: Float32Array, b: Float32Array) => a.every((value, index) => Object.is(value, b[index]));

test('workers see memory that was added after they started', async (t) => {
  const device = openCpu({ threads: 2 });
  scale(device, 1000, 10);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const filler = device.allocate(200 << 20);
  t.deepEqual(scale(device, 500_000, 1000), scale(openCpu({ threads: 1 }), 500_000, 1000));
  device.free(filler);
});

test('an index out of range is an error, and the next launch starts clean', (t) => {
  const device = openCpu({ threads: 1 });
  const x = upload(device, Float64Array.of(10, 20, 30));
  const out = device.allocate(16);
  const gather = (indices: readonly number[]) => {
    const index = upload(device, Int32Array.from(indices));
    launch(device, { kernel: gatherKernel, buffers: { x, index, out }, work: indices.length }, (set) => set.i32('size', 3));
  };
  const error = t.throws(() => gather([0, 3]), { instanceOf: OpwrightError });
  t.is(error?.code, 'INDEX_OUT_OF_RANGE');
  gather([2, 0]);
  t.deepEqual(download(device, out, new Float64Array(2)), Float64Array.of(30, 10));
});

test('blocks are aligned, do not overlap, and all come back', (t) => {
  const size = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 300_000 }));
  const step = fc.record({ size, free: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
      const device = openCpu({ threads: 1, guarded: false, maximumBytes: 128 << 20 });
      const live: { address: number; size: number }[] = [];
      for (const { size: bytes, free } of steps) {
        const address = device.allocate(bytes);
        t.is(address % 64, 0);
        for (const block of live) {
          if (address < block.address + Math.max(block.size, 1) && block.address < address + Math.max(bytes, 1))
            t.fail('overlap');
        }
        live.push({ address, size: bytes });
        if (free % 3 !== 0) device.free(live.splice(free % live.length, 1)[0]!.address);
      }
      for (const block of live) device.free(block.address);
      t.is(device.memory().allocated, 0);
      t.is(device.memory().allocations, 0);
    }),
    { numRuns: 50 },
  );
});

test('the memory grows on demand, and freed neighbours merge', (t) => {
  const device = openCpu({ threads: 1, maximumBytes: 256 << 20 });
  const blocks = Array.from({ length: 20 }, () => device.allocate(10 << 20));
  t.throws(() => device.allocate(100 << 20), { instanceOf: OpwrightError });
  for (const address of blocks) device.free(address);
  t.notThrows(() => device.free(device.allocate(200 << 20)));
});

test('out of memory drops the pool first, and says what is in use', (t) => {
  const device = openCpu({ threads: 1, guarded: false, maximumBytes: 64 << 20 });
  const small = Array.from({ length: 1900 }, () => device.allocate(30_000));
  for (const address of small) device.free(address);
  t.notThrows(() => device.free(device.allocate(60 << 20)), 'the small blocks were given back');
  const error = t.throws(() => device.allocate(65 << 20), { instanceOf: OpwrightError });
  t.is(error?.code, 'OUT_OF_MEMORY');
});

test('the guarded allocator sees a write past a block, and one after its end of life', (t) => {
  const device = openCpu({ threads: 1, guarded: true });
  const address = device.allocate(100);
  device.fill(address, 100, 1);
  t.notThrows(() => device.free(address));
  const overrun = device.allocate(100);
  device.fill(overrun, 101, 1);
  t.throws(() => device.free(overrun), { message: /after a block of 100 bytes/ });
  const early = device.allocate(8);
  device.fill(early - 1, 1, 1);
  t.throws(() => device.free(early), { message: /before a block/ });
  const stale = openCpu({ threads: 1, guarded: true });
  const gone = stale.allocate(64);
  stale.free(gone);
  stale.fill(gone, 1, 0);
  t.throws(() => stale.allocator instanceof GuardedAllocator && stale.allocator.checkAll(), { message: /was freed/ });
  t.throws(() => stale.free(12_345), { message: /not allocated/ });
});

test('settings are read, and nonsense is refused', (t) => {
  t.is(readMaximum(undefined), 2 ** 32);
  t.is(readMaximum('512m'), 512 * 2 ** 20);
  t.is(readMaximum('2GiB'), 2 ** 31);
  for (const setting of ['lots', '0', '8g', '-1m']) t.throws(() => readMaximum(setting), { instanceOf: OpwrightError });
  t.is(readThreads('3'), 3);
  for (const setting of ['0', '2.5', 'all']) t.throws(() => readThreads(setting), { instanceOf: OpwrightError });
});

const deviceModule = new URL('../runtime/devices/cpu/device.js', import.meta.url).href;
const buildModule = new URL('../kernels/build.js', import.meta.url).href;

/** A program that launches across threads and then simply ends. */
const program = `
const { openCpu } = await import(${JSON.stringify(deviceModule)});
const build = await import(${JSON.stringify(buildModule)});
const device = openCpu({ threads: 3 });
const kernel = build.kernel('fill', [{ name: 'out', storage: 'float32', access: 'write' }], [], [
  build.forItems('i', (i) => [build.store('out', i, build.f32(1))]),
]);
const compiled = device.tier({ kind: 'map', dtype: 'float32', size: 1 }).compile(kernel);
const params = device.createParams(compiled);
const out = device.allocate(4000);
params.setPointer(compiled.offsets.get('out'), out);
for (let round = 0; round < 20; round++) {
  device.launch(compiled, params, 1000, 10);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
`;

test('worker threads do not keep a process alive', (t) => {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    encoding: 'utf8',
    timeout: 20_000,
  });
  t.is(status, 0, stderr);
  t.true(performance.now() - start < 10_000);
});

test('the device works inside a worker thread', async (t) => {
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const code = await new Promise((resolve, reject) => {
    worker.once('exit', resolve);
    worker.once('error', reject);
  });
  t.is(code, 0);
});
