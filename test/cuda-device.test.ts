/**
 * The CUDA device on the simulated driver: what is asynchronous, where errors show, memory, kernels and their cache. The op matrix runs on
 * it in ops-cuda-*.test.ts; what a machine may lack is tried in cuda-absent.test.ts.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  embedding,
  gather,
  matmul,
  noGrad,
  normal,
  OpwrightError,
  rand,
  seed,
  softmax,
  type Tensor,
  tensor,
  tidy,
} from '../entry/index.js';
import { warmGpu } from '../entry/warm.js';
import { F32, forItems, kernel as kernelOf, load, store, unary } from '../kernels/build.js';
import { digest } from '../runtime/devices/cache-folder.js';
import { Blocks, granule } from '../runtime/devices/cuda/blocks.js';
import type { CudaDevice } from '../runtime/devices/cuda/device.js';
import { Driver } from '../runtime/devices/cuda/driver.js';
import { Nvrtc } from '../runtime/devices/cuda/nvrtc.js';
import { withSourceLine } from '../runtime/devices/cuda/tier.js';
import { kernelCache } from '../runtime/devices/kernel-cache.js';
import { getDevice, withDefault } from '../runtime/devices/registry.js';
import { Storage } from '../runtime/storage.js';
import { cacheFolder, freshSimulator, isSimulated, openDevice } from './cuda-device-harness.js';

const onSimulator = isSimulated ? test.serial : test.serial.skip;

const counting = (count: number): Float32Array => Float32Array.from({ length: count }, (_, index) => index);

function errorOf(run: () => unknown): OpwrightError {
  try {
    run();
  } catch (error) {
    if (error instanceof OpwrightError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

// ---- Work

onSimulator('calls return before their kernels have run; a read waits for them', (t) => {
  const { device, sim } = openDevice();
  const x = tensor([1, 2, 3], { device });
  const y = x.add(1).multiply(2);
  t.is(sim.calls('kernel'), 0);
  t.deepEqual(y.tolist(), [4, 6, 8]);
  t.is(sim.calls('kernel'), 2);
});

onSimulator('awaited reads see what was there when they were called, and let the process go on', async (t) => {
  const { device } = openDevice();
  const x = tensor(counting(1000), { device });
  const reading = x.data();
  device.fill(x.storage.address, x.storage.bytes, 0);
  let turns = 0;
  const ticking = setInterval(() => turns++, 0);
  t.deepEqual(await reading, counting(1000));
  clearInterval(ticking);
  t.deepEqual(x.dataSync(), new Float32Array(1000));
});

onSimulator('what is written may change when the call has returned, and may be larger than the ring', (t) => {
  const { device } = openDevice();
  const data = counting(2_500_000);
  const x = tensor(new Float32Array(data.length), { device });
  const bytes = new Uint8Array(data.buffer);
  device.write(x.storage.address, bytes);
  const expected = data.slice();
  data.fill(-1);
  t.deepEqual(x.dataSync(), expected);
});

onSimulator('pinned buffers of awaited reads are used again', async (t) => {
  const { device, sim } = openDevice();
  const x = tensor(counting(100), { device });
  await x.data();
  const before = sim.live('pinned');
  for (let round = 0; round < 5; round++) await x.data();
  t.is(sim.live('pinned'), before);
  t.deepEqual(await Promise.all([x.data(), x.data()]), [counting(100), counting(100)]);
});

onSimulator('arguments that are written out are made on the device of the tensors beside them', (t) => {
  const { device } = openDevice();
  const x = tensor([1, 2, 3], { device });
  t.is(x.add([10, 20, 30]).device, device);
  t.deepEqual(x.add([10, 20, 30]).tolist(), [11, 22, 33]);
});

onSimulator('ops on tensors of two devices are refused', (t) => {
  const { device } = openDevice();
  const error = errorOf(() => tensor([1], { device }).add(tensor([1], { device: 'cpu' })));
  t.is(error.code, 'DEVICE_MISMATCH');
  t.regex(error.message, /to\(\)/);
});

onSimulator('random numbers are those of the cpu for the same seed', (t) => {
  const { device } = openDevice();
  const draw = (): Tensor[] => {
    seed(123);
    return [rand([1000]), rand([7, 3]), normal([501])];
  };
  const onCpu = withDefault(getDevice('cpu'), draw);
  const onGpu = withDefault(device, draw);
  t.deepEqual(onGpu[0]!.dataSync(), onCpu[0]!.dataSync());
  t.deepEqual(onGpu[1]!.dataSync(), onCpu[1]!.dataSync());
  const [expected, actual] = [onCpu, onGpu].map((drawn) => Array.from(drawn[2]!.dataSync(), Number));
  actual!.forEach((value, index) => {
    t.true(Math.abs(value - expected![index]!) <= 1e-6 * Math.abs(expected![index]!) + 1e-7, `${index}`);
  });
});

// ---- Errors of kernels

onSimulator('an index out of range shows at the next wait, with the op and the place of its call', (t) => {
  const { device } = openDevice();
  const x = tensor([1, 2, 3], { device });
  const index = tensor([7], { dtype: 'int32', device });
  const taken = gather(x, index);
  const later = x.add(1);
  const error = errorOf(() => later.dataSync());
  t.is(error.code, 'INDEX_OUT_OF_RANGE');
  t.is(error.op, 'gather');
  t.regex(error.summary, /called at .*cuda-device\.test\.js:\d+/);
  t.deepEqual(later.tolist(), [2, 3, 4], 'it is told once');
  taken.dispose();
});

onSimulator('of several calls, the one at fault is named', (t) => {
  const { device } = openDevice();
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    { device },
  );
  gather(x, tensor([1], { dtype: 'int32', device }));
  embedding(tensor([5], { dtype: 'int32', device }), x);
  gather(x, tensor([0], { dtype: 'int32', device }));
  t.is(errorOf(() => x.dataSync()).op, 'embedding');
});

onSimulator('more launches that may fail than there are words are looked at in between', (t) => {
  const { device } = openDevice();
  const x = tensor([1, 2, 3], { device });
  const good = tensor([1], { dtype: 'int32', device });
  const bad = tensor([3], { dtype: 'int32', device });
  gather(x, bad).dispose();
  const error = errorOf(() => {
    for (let call = 0; call < 1100; call++) gather(x, good).dispose();
  });
  t.is(error.code, 'INDEX_OUT_OF_RANGE');
  t.deepEqual(gather(x, good).tolist(), [2]);
});

onSimulator('synchronize throws what went wrong', async (t) => {
  const { device } = openDevice();
  gather(tensor([1], { device }), tensor([5], { dtype: 'int32', device }));
  await t.throwsAsync(device.synchronize(), { instanceOf: OpwrightError, message: /out of range/ });
  await t.notThrowsAsync(device.synchronize());
});

onSimulator('a fault of the GPU is DEVICE_LOST, with the name that CUDA has for it, and final', (t) => {
  const { device } = openDevice({ fail: 'kernel:1=719' });
  const x = tensor([1, 2], { device }).add(1);
  const error = errorOf(() => x.dataSync());
  t.is(error.code, 'DEVICE_LOST');
  t.regex(error.message, /CUDA_ERROR_LAUNCH_FAILED \(719/);
  t.is(errorOf(() => tensor([1], { device }).add(1).dataSync()).code, 'DEVICE_LOST');
});

onSimulator('any other failure of a call names the call', (t) => {
  const { device } = openDevice({ fail: 'cuLaunchKernel:1=1' });
  const x = tensor([1, 2], { device });
  const error = errorOf(() => x.add(1));
  t.is(error.code, 'DEVICE_ERROR');
  t.regex(error.message, /cuLaunchKernel gives CUDA_ERROR_INVALID_VALUE \(1/);
  t.deepEqual(x.add(1).tolist(), [2, 3]);
});

// ---- Memory

test('pieces are split, merged and found again by size', (t) => {
  const blocks = new Blocks();
  blocks.add(4096, 64 * granule);
  const pieces = [3, 5, 1, 7].map((count) => blocks.take(count * granule)!);
  t.deepEqual(
    pieces.map(({ address }) => (address - 4096) / granule),
    [0, 3, 8, 9],
  );
  t.is(blocks.freeBytes, 48 * granule);
  t.is(blocks.take(60 * granule), null);
  for (const place of [1, 3, 0, 2]) blocks.release(pieces[place]!);
  t.is(blocks.take(64 * granule)?.address, 4096, 'all of it is one piece again');
});

test('a random sequence of takes and releases never overlaps, and ends as it began', (t) => {
  const blocks = new Blocks();
  const segments = [1 << 20, 1 << 22, 1 << 21];
  segments.forEach((bytes, index) => {
    blocks.add((index + 1) * 2 ** 30, bytes);
  });
  const total = blocks.freeBytes;
  const live: NonNullable<ReturnType<Blocks['take']>>[] = [];
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 4000; round++) {
    const bytes = (1 + random(200)) * granule;
    const block = random(5) < 3 ? blocks.take(bytes) : null;
    if (block !== null) t.is(block.bytes, bytes);
    if (block !== null) live.push(block);
    else if (live.length > 0) blocks.release(live.splice(random(live.length), 1)[0]!);
    if (round % 100 !== 0) continue;
    const sorted = live.toSorted((left, right) => left.address - right.address);
    sorted.slice(1).forEach((next, index) => {
      t.true(sorted[index]!.address + sorted[index]!.bytes <= next.address);
    });
  }
  for (const block of live) blocks.release(block);
  t.is(blocks.freeBytes, total);
  t.is(blocks.removeUnused().length, segments.length);
  t.is(blocks.freeBytes, 0);
});

onSimulator('memory that was freed is dealt out again without asking the driver', (t) => {
  const { device, sim } = openDevice();
  const run = () => tidy(() => softmax(tensor(counting(5000), { device, shape: [5, 1000] })).dataSync());
  run();
  const before = { calls: sim.calls('cuMemAlloc_v2'), ...device.memory() };
  for (let round = 0; round < 10; round++) run();
  t.is(sim.calls('cuMemAlloc_v2'), before.calls);
  t.is(device.memory().allocated, before.allocated);
  t.is(device.memory().peak, before.peak);
});

onSimulator('where the GPU is full, memory kept for reuse is given back before an error', (t) => {
  const { device } = openDevice({ memory: 64 << 20 });
  const kept = device.allocate(1000);
  const large = device.allocate(40 << 20);
  device.free(large);
  t.true(device.memory().pooled >= 40 << 20);
  const other = device.allocate(50 << 20);
  t.true(other > 0);
  device.free(kept);
  device.free(other);
});

onSimulator('memory exhausted is an error with the figures and the largest tensors, after which all goes on', (t) => {
  const { device } = openDevice({ memory: 64 << 20 });
  const large = tensor(new Float32Array(10 << 20), { device });
  const error = errorOf(() => new Storage(device, 30 << 20));
  t.is(error.code, 'OUT_OF_MEMORY');
  t.regex(error.message, /cuda:0 has no room for 31457280 bytes/);
  t.regex(error.message, /\[10485760\]/);
  t.regex(error.message, /tidy\(\)/);
  large.dispose();
  t.notThrows(() => device.free(device.allocate(30 << 20)));
});

onSimulator('the figures of that error add up', (t) => {
  const { device } = openDevice({ memory: 64 << 20 });
  const used = device.allocate(20 << 20);
  const { summary, rule } = errorOf(() => device.allocate(60 << 20));
  t.regex(summary, /62914560 bytes/);
  t.regex(rule ?? '', /of 67108864 bytes, 20971520 are in use here/);
  device.free(used);
});

// ---- Kernels

onSimulator('a GPU that is newer than NVRTC gets PTX for the newest architecture below', (t) => {
  const { device } = openDevice({ architecture: 103, nvrtc_architectures: '75,80,90' });
  t.deepEqual(device.tier().architecture, { number: 90, image: 'ptx' });
  t.deepEqual(tensor([1, 2], { device }).add(1).tolist(), [2, 3]);
  t.true(readdirSync(cacheFolder).some((name) => name.endsWith('.ptx')));
});

const doubled = kernelOf(
  'twice',
  [
    { name: 'x', storage: 'float32', access: 'read' },
    { name: 'y', storage: 'float32', access: 'write' },
  ],
  [],
  [forItems('i', (i) => [store('y', i, unary('neg', load(F32, 'x', i)))])],
);

onSimulator('kernels of one plan are compiled as one text, and kept under a name each', (t) => {
  const { device, sim } = openDevice();
  kernelCache().clear();
  const x = tensor(counting(12), { device, shape: [3, 4] });
  const before = sim.calls('nvrtcCompileProgram');
  const y = matmul(softmax(x), x, { transposeY: true });
  y.dataSync();
  const compiled = sim.calls('nvrtcCompileProgram') - before;
  t.true(compiled >= 1);
  t.true(readdirSync(cacheFolder).length >= compiled);
});

onSimulator('kernels that were compiled together are loaded together', (t) => {
  kernelCache().clear();
  const { device, sim } = openDevice();
  for (const name of ['first', 'second', 'third']) device.tier().compile({ ...doubled, name, params: [{ name, type: 'i32' }] });
  device.finishCompiling();
  t.is(sim.calls('nvrtcCompileProgram'), 1);
  t.is(sim.live('modules'), 1);
  t.is(kernelCache().info().entries, 3);
});

onSimulator('a second process, or device, takes kernels from the cache', (t) => {
  openDevice().device.tier().compile(doubled);
  const first = openDevice();
  first.device.tier().compile(doubled);
  first.device.finishCompiling();
  const second = openDevice();
  second.device.tier().compile(doubled);
  second.device.finishCompiling();
  t.is(second.sim.calls('nvrtcCompileProgram'), 0);
});

onSimulator('kernels that were warmed, gradients among them, are not compiled again', (t) => {
  kernelCache().clear();
  const { device } = openDevice();
  const sample = { shape: [3, 4], dtype: 'float32' } as const;
  const index = { shape: [2], dtype: 'int32' } as const;
  warmGpu(device, [
    { op: 'softmax', inputs: { x: sample }, attrs: {} },
    { op: 'gather', inputs: { x: sample, index }, attrs: {} },
    { op: 'softmax', inputs: { x: sample }, attrs: { axis: 7 } },
  ]);
  const next = openDevice();
  const x = tensor(counting(12), { device: next.device, shape: [3, 4], stopGradient: false });
  const weights = tensor(counting(12), { device: next.device, shape: [3, 4] });
  const before = next.sim.calls('nvrtcCompileProgram');
  const y = softmax(x);
  y.backward({ gradient: weights });
  gather(x, tensor([2, 0], { dtype: 'int32', device: next.device })).dataSync();
  t.is(next.sim.calls('nvrtcCompileProgram'), before);
});

onSimulator('a damaged entry of the cache is compiled again without a word', (t) => {
  const prepare = (): CudaDevice => {
    const { device } = openDevice();
    device.tier().compile(doubled);
    device.finishCompiling();
    return device;
  };
  prepare();
  for (const name of readdirSync(cacheFolder)) {
    const path = join(cacheFolder, name);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  }
  t.notThrows(prepare);
});

onSimulator('an entry that the driver does not take is compiled again, once', (t) => {
  const { device } = openDevice();
  const compiled = device.tier().compile(doubled);
  device.finishCompiling();
  const path = kernelCache().find(compiled.key, 'cubin')!;
  kernelCache().discard(path);
  const foreign = Buffer.from('this is no image of a kernel');
  writeFileSync(join(cacheFolder, `${compiled.key}-${digest(foreign)}.cubin`), foreign);
  const next = openDevice();
  next.device.tier().compile(doubled);
  t.notThrows(() => next.device.finishCompiling());
  t.is(next.sim.calls('nvrtcCompileProgram'), 1);
});

onSimulator('images that the driver never takes are an error that says what to do', (t) => {
  const { device } = openDevice({ fail: 'cuModuleLoadData:1=200,cuModuleLoadData:1=200' });
  device.tier().compile(doubled);
  const error = errorOf(() => device.finishCompiling());
  t.is(error.code, 'NATIVE_COMPILE');
  t.regex(error.message, /OPWRIGHT_NVRTC/);
});

onSimulator('a kernel that does not compile is an error with the log; its op works when it does', (t) => {
  kernelCache().clear();
  const { device } = openDevice({ fail: 'nvrtcCompileProgram:1=6' });
  const x = tensor([1, 2], { device });
  const error = errorOf(() => noGrad(() => x.add(1)));
  t.is(error.code, 'NATIVE_COMPILE');
  t.regex(error.message, /NVRTC 13\.0/);
  t.deepEqual(x.add(1).tolist(), [2, 3]);
});

onSimulator('the log of the compiler comes with the line that its first error is about', (t) => {
  freshSimulator();
  const driver = Driver.open();
  const nvrtc = Nvrtc.find(driver.version, 90);
  const source = 'extern "C" __global__ void broken(float *x) {\n  x[0] = undeclared;\n}\n';
  const outcome = nvrtc.compile(source, nvrtc.architectureFor(90), []);
  t.true('log' in outcome);
  const log = 'log' in outcome ? withSourceLine(outcome.log, source) : '';
  t.regex(log, /undeclared/);
  t.regex(log, /line 2: x\[0\] = undeclared;/);
  // As NVRTC itself writes it.
  t.regex(withSourceLine('kernel.cu(2): error: identifier "undeclared" is undefined', source), /line 2: x\[0\] = undeclared;/);
});

onSimulator('an option that NVRTC does not know is an error with its log', (t) => {
  freshSimulator();
  const nvrtc = Nvrtc.find(Driver.open().version, 90);
  const error = errorOf(() => nvrtc.compile('', nvrtc.architectureFor(90), ['--no-such-option']));
  t.is(error.code, 'NATIVE_COMPILE');
  t.regex(error.message, /no-such-option/);
});
