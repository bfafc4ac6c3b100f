/** The simulated CUDA driver as a driver: contexts, memory, streams, modules, launches, failures; and NVRTC. Kernels: cuda-sim.test.ts. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { webAssembly } from '../runtime/devices/cpu/webassembly.js';
import { type Cuda, counting, fresh, unopened } from './cuda-sim-harness.js';
import { brokenKernels, goodKernels, guiltyLines } from './cuda-sim-kernels.js';
import { type Simulator, simulatedCuda } from './support/cuda-sim.js';

const withSimulator = simulatedCuda() === undefined ? test.serial.skip : test.serial;

const handleOut = (): BigUint64Array => new BigUint64Array(1);

// ---- Devices and contexts

withSimulator('a machine without a device says so, and an unknown device is refused', (t) => {
  const { cuda, sim } = unopened({ devices: 0 });
  const init = cuda.entry('cuInit', 'u32');
  t.is(init(0), 100);
  t.is(cuda.entry('cuDeviceGetCount', 'bytes')(handleOut()), 3, 'nothing is initialised');
  sim.configure({ devices: 2 });
  t.is(init(0), 0);
  const count = new Int32Array(1);
  t.is(cuda.entry('cuDeviceGetCount', 'bytes')(count), 0);
  t.is(count[0], 2);
  t.is(cuda.entry('cuDeviceGet', 'bytes', 'i32')(count, 2), 101);
});

withSimulator('settings come from the environment where nothing else is said', (t) => {
  const { cuda, sim } = unopened();
  const version = new Int32Array(1);
  process.env.OPWRIGHT_SIM_DRIVER = '12.4';
  t.teardown(() => delete process.env.OPWRIGHT_SIM_DRIVER);
  cuda.must(cuda.entry('cuDriverGetVersion', 'bytes')(version));
  t.is(version[0], 12_040);
  sim.configure({ driver: '11.8' });
  cuda.must(cuda.entry('cuDriverGetVersion', 'bytes')(version));
  t.is(version[0], 11_080);
  t.throws(() => sim.configure({ ['colour' as 'driver']: 'red' }));
});

withSimulator('devices have a name, attributes and memory', (t) => {
  const { cuda } = fresh({ architecture: 86, memory: 1 << 20 });
  const attribute = cuda.entry('cuDeviceGetAttribute', 'bytes', 'i32', 'i32');
  const value = new Int32Array(1);
  const read = (number: number): number => {
    cuda.must(attribute(value, number, 0));
    return value[0]!;
  };
  t.deepEqual([75, 76, 10, 1].map(read), [8, 6, 32, 1024]);
  t.is(attribute(value, 12_345, 0), 1);
  const name = Buffer.alloc(12);
  cuda.must(cuda.entry('cuDeviceGetName', 'bytes', 'i32', 'i32')(name, 12, 0));
  t.is(name.toString(), 'Simulated d\0');
  t.is(
    cuda.outOf((out) => cuda.entry('cuDeviceTotalMem_v2', 'bytes', 'i32')(out, 0)),
    1 << 20,
  );
});

withSimulator('calls need a context, and one that was reset is none', (t) => {
  const { cuda, sim } = unopened();
  cuda.must(cuda.entry('cuInit', 'u32')(0));
  const allocate = cuda.entry('cuMemAlloc_v2', 'bytes', 'u64');
  t.is(allocate(handleOut(), 4), 201);
  cuda.start();
  const kept = cuda.allocate(4);
  cuda.outOf((out) => cuda.entry('cuStreamCreate', 'bytes', 'u32')(out, 0));
  cuda.outOf((out) => cuda.entry('cuEventCreate', 'bytes', 'u32')(out, 0));
  t.deepEqual([sim.live('memory'), sim.live('streams'), sim.live('events')], [1, 1, 1]);
  cuda.must(cuda.entry('cuDevicePrimaryCtxReset_v2', 'i32')(0));
  t.deepEqual([sim.live('memory'), sim.live('streams'), sim.live('events')], [0, 0, 0]);
  t.is(allocate(handleOut(), 4), 201);
  cuda.start();
  t.is(cuda.entry('cuMemFree_v2', 'address')(kept), 1);
  t.regex(sim.report(), /byte 0 of device memory of 4 bytes .*, which was freed/);
});

withSimulator('a context is current on the thread that made it so', async (t) => {
  const { cuda } = fresh();
  const address = cuda.allocate(4);
  const program = `import { openLibrary } from ${JSON.stringify(new URL('../runtime/devices/ffi.js', import.meta.url).href)};
    import { parentPort } from 'node:worker_threads';
    const driver = openLibrary(${JSON.stringify(simulatedCuda()?.driver)});
    parentPort.postMessage(driver.function('cuMemFree_v2', 'i32', ['address'])(${address}));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const [code] = await once(worker, 'message');
  t.is(code, 201);
  t.is(cuda.entry('cuMemFree_v2', 'address')(address), 0);
});

// ---- Memory

withSimulator('fresh memory is NaN, and what is freed cannot be used', (t) => {
  const { cuda, sim } = fresh();
  const address = cuda.allocate(40);
  t.true(cuda.download(address, new Float32Array(10)).every(Number.isNaN));
  cuda.must(cuda.entry('cuMemFree_v2', 'address')(address));
  t.throws(() => cuda.download(address, new Float32Array(10)), { message: /gave 1: invalid argument/ });
  t.regex(sim.report(), /a copy from the device of 40 bytes is refused: .*which was freed/);
});

withSimulator('copies and fills that leave an allocation are refused', (t) => {
  const { cuda, sim } = fresh();
  const address = cuda.allocate(40);
  t.throws(() => cuda.download(address, new Uint8Array(41)));
  t.regex(sim.report(), /begin in byte 0 of device memory of 40 bytes/);
  const fill = cuda.entry('cuMemsetD8Async', 'address', 'i32', 'u64', 'address');
  t.is(fill(address + 1, 1, 40, 0), 1);
  t.is(fill(address + 1, 1, 38, 0), 0);
  t.deepEqual([...cuda.download(address, new Uint8Array(40))], [255, ...Array.from({ length: 38 }, () => 1), 255]);
});

withSimulator('memory ends where the setting says, and comes back', (t) => {
  const { cuda } = fresh({ memory: 4096 });
  const allocate = cuda.entry('cuMemAlloc_v2', 'bytes', 'u64');
  const first = cuda.allocate(3000);
  t.is(allocate(handleOut(), 1025), 2);
  const [available, total] = [handleOut(), handleOut()];
  cuda.must(cuda.entry('cuMemGetInfo_v2', 'bytes', 'bytes')(available, total));
  t.deepEqual([available[0], total[0]], [1024n, 4096n]);
  t.is(allocate(handleOut(), 0), 1);
  cuda.must(cuda.entry('cuMemFree_v2', 'address')(first));
  t.is(allocate(handleOut(), 4096), 0);
});

for (const checks of [0, 1]) {
  withSimulator(`kernels cannot use what was freed, ${checks ? 'with' : 'without'} checks`, (t) => {
    const { cuda, sim } = fresh({ checks });
    const [from, to] = [cuda.upload(counting(64)), cuda.allocate(256)];
    // The struct hides its pointers: only the access shows it.
    const block = new DataView(new ArrayBuffer(32));
    block.setBigUint64(0, BigInt(from), true);
    block.setBigUint64(8, BigInt(to), true);
    block.setInt32(16, 64, true);
    cuda.must(cuda.entry('cuMemFree_v2', 'address')(from));
    const kernel = cuda.kernel(goodKernels, 'byValue');
    cuda.must(cuda.launch(kernel, { block: 64 }, new Uint8Array(block.buffer), Int32Array.of(0)));
    t.is(cuda.synchronize(), 700);
    t.regex(
      sim.report(),
      /kernel byValue, block \(0,0,0\), thread \(0,0,0\), line \d+: .*byte 0 of device memory of 256 bytes .*, which was freed/,
    );
  });
}

withSimulator('a pointer argument to freed memory is found before the kernel runs', (t) => {
  const { cuda, sim } = fresh();
  const [from, to] = [cuda.upload(counting(64)), cuda.allocate(256)];
  cuda.must(cuda.entry('cuMemFree_v2', 'address')(from));
  cuda.must(cuda.launch(cuda.kernel(brokenKernels, 'copyWords'), { block: 64 }, from, to, Int32Array.of(64)));
  t.is(cuda.synchronize(), 700);
  t.regex(sim.report(), /^kernel copyWords: argument 1 points to byte 0 .* which was freed/);
});

withSimulator('with checks, kernels cannot read what nothing was written to', (t) => {
  const { cuda, sim } = fresh({ checks: 1 });
  const kernel = cuda.kernel(brokenKernels, 'copyWords');
  const [partly, copied, to] = [cuda.allocate(256), cuda.allocate(256), cuda.allocate(256)];
  cuda.must(cuda.entry('cuMemsetD8Async', 'address', 'i32', 'u64', 'address')(partly, 0, 128, 0));
  cuda.must(cuda.entry('cuMemcpyDtoDAsync_v2', 'address', 'address', 'u64', 'address')(copied, partly, 256, 0));
  cuda.must(cuda.launch(kernel, { block: 32 }, copied, to, Int32Array.of(64)));
  t.is(cuda.synchronize(), 0, 'the first half is there');
  cuda.must(cuda.launch(kernel, { block: 64 }, copied, to, Int32Array.of(64)));
  t.is(cuda.synchronize(), 719);
  t.regex(sim.report(), /thread \(32,0,0\), line \d+: reads 4 bytes that nothing was written to: byte 128 of device memory/);
});

withSimulator('without checks, writing beside an allocation shows after the kernel', (t) => {
  const { cuda, sim } = fresh();
  const [from, to] = [cuda.upload(counting(64)), cuda.allocate(252)];
  cuda.must(cuda.launch(cuda.kernel(brokenKernels, 'copyWords'), { block: 64 }, from, to, Int32Array.of(64)));
  t.is(cuda.synchronize(), 700);
  t.is(sim.report().replace(/\d+\)$/, 'N)'), 'kernel copyWords: has written beside device memory of 252 bytes (allocation N)');
});

withSimulator('pinned memory is read when the copy runs, other memory when it is asked for', (t) => {
  const { cuda } = fresh();
  const copy = cuda.entry('cuMemcpyHtoDAsync_v2', 'address', 'address', 'u64', 'address');
  const copyBytes = cuda.entry('cuMemcpyHtoDAsync_v2', 'address', 'bytes', 'u64', 'address');
  const pinned = cuda.outOf((out) => cuda.entry('cuMemHostAlloc', 'bytes', 'u64', 'u32')(out, 4, 0));
  const set = (value: number): void => {
    cuda.must(cuda.entry('cuMemcpyDtoH_v2', 'address', 'address', 'u64')(pinned, cuda.upload(Int32Array.of(value)), 4));
  };
  const [fromPinned, fromOther] = [cuda.allocate(4), cuda.allocate(4)];
  const other = Int32Array.of(1);
  set(1);
  const stream = cuda.outOf((out) => cuda.entry('cuStreamCreate', 'bytes', 'u32')(out, 1));
  cuda.must(copy(fromPinned, pinned, 4, stream));
  cuda.must(copyBytes(fromOther, other, 4, stream));
  set(2);
  other[0] = 2;
  cuda.must(cuda.entry('cuStreamSynchronize', 'address')(stream));
  t.deepEqual(
    [fromPinned, fromOther].map((from) => cuda.download(from, new Int32Array(1))[0]),
    [2, 1],
  );
  cuda.must(cuda.entry('cuMemFreeHost', 'address')(pinned));
});

// ---- Streams and events

/** Stream `first` scales `from` into `middle`, stream `second` scales that into `to`. */
function twoStreams(t: { readonly teardown: (end: () => void) => void }, settings: Parameters<Simulator['configure']>[0] = {}) {
  const made = fresh(settings);
  const { cuda, sim } = made;
  const stream = (): number => cuda.outOf((out) => cuda.entry('cuStreamCreate', 'bytes', 'u32')(out, 1));
  const [first, second] = [stream(), stream()];
  const kernel = cuda.kernel(goodKernels, 'scale');
  const [from, middle, to] = [cuda.upload(counting(8)), cuda.upload(counting(8)), cuda.upload(counting(8))];
  const scale = (input: number, output: number, on: number): void =>
    cuda.must(cuda.launch(kernel, { block: 8, stream: on }, input, output, Int32Array.of(8)));
  t.teardown(() => sim.reset());
  return { ...made, first, second, from, middle, to, scale };
}

withSimulator('work waits until something waits for it, so a forgotten cuStreamWaitEvent shows', (t) => {
  const { cuda, sim, first, second, from, middle, to, scale } = twoStreams(t);
  const event = cuda.outOf((out) => cuda.entry('cuEventCreate', 'bytes', 'u32')(out, 0));
  scale(from, middle, first);
  cuda.must(cuda.entry('cuEventRecord', 'address', 'address')(event, first));
  scale(middle, to, second);
  t.is(sim.calls('kernel'), 0);
  cuda.must(cuda.entry('cuStreamSynchronize', 'address')(second));
  t.is(sim.calls('kernel'), 1);
  t.deepEqual(
    cuda.download(to, counting(8)),
    counting(8).map((x) => 2 * x),
    'the second stream did not wait',
  );
  cuda.must(cuda.entry('cuStreamWaitEvent', 'address', 'address', 'u32')(second, event, 0));
  scale(middle, to, second);
  cuda.must(cuda.entry('cuStreamSynchronize', 'address')(second));
  t.deepEqual(
    cuda.download(to, counting(8)),
    counting(8).map((x) => 4 * x),
    'now it did',
  );
});

withSimulator('waiting for everything does not run streams in the order that one might expect', (t) => {
  const { cuda, first, second, from, middle, to, scale } = twoStreams(t);
  scale(from, middle, first);
  scale(middle, to, second);
  cuda.must(cuda.synchronize());
  t.deepEqual(
    cuda.download(to, counting(8)),
    counting(8).map((x) => 2 * x),
  );
});

withSimulator('eager streams run work at once', (t) => {
  const { sim, cuda, first, second, from, middle, to, scale } = twoStreams(t, { streams: 'eager' });
  scale(from, middle, first);
  scale(middle, to, second);
  t.is(sim.calls('kernel'), 2);
  t.deepEqual(
    cuda.download(to, counting(8)),
    counting(8).map((x) => 4 * x),
  );
});

withSimulator('the default stream waits for blocking streams', (t) => {
  const { cuda, from, middle, scale } = twoStreams(t);
  const blocking = cuda.outOf((out) => cuda.entry('cuStreamCreate', 'bytes', 'u32')(out, 0));
  scale(from, middle, blocking);
  t.deepEqual(
    cuda.download(middle, counting(8)),
    counting(8).map((x) => 2 * x),
  );
});

withSimulator('queries say that work is left, and get on with it', (t) => {
  const { cuda, sim, first, from, middle, scale } = twoStreams(t);
  const event = cuda.outOf((out) => cuda.entry('cuEventCreate', 'bytes', 'u32')(out, 0));
  const query = cuda.entry('cuEventQuery', 'address');
  t.is(query(event), 0, 'never recorded');
  scale(from, middle, first);
  cuda.must(cuda.entry('cuEventRecord', 'address', 'address')(event, first));
  scale(from, middle, first);
  t.deepEqual([query(event), query(event), query(event)], [600, 600, 0]);
  t.is(sim.calls('kernel'), 1);
  t.is(cuda.entry('cuStreamQuery', 'address')(first), 600);
  t.is(cuda.entry('cuStreamQuery', 'address')(first), 0);
});

withSimulator('events measure the time between them', (t) => {
  const { cuda, first, from, middle, scale } = twoStreams(t);
  const events = [0, 0, 2].map((flags) => cuda.outOf((out) => cuda.entry('cuEventCreate', 'bytes', 'u32')(out, flags)));
  const [start, end, untimed] = [events[0]!, events[1]!, events[2]!];
  const record = cuda.entry('cuEventRecord', 'address', 'address');
  const elapsed = cuda.entry('cuEventElapsedTime', 'bytes', 'address', 'address');
  const time = new Float32Array(1);
  t.is(elapsed(time, start, end), 400, 'not recorded');
  cuda.must(record(start, first));
  scale(from, middle, first);
  cuda.must(record(end, first));
  t.is(elapsed(time, start, end), 600);
  cuda.must(cuda.entry('cuEventSynchronize', 'address')(end));
  t.is(elapsed(time, start, end), 0);
  t.true(time[0]! > 0 && time[0]! < 10_000);
  cuda.must(record(untimed, first));
  t.is(elapsed(time, start, untimed), 400);
});

withSimulator('handles that are none are refused', (t) => {
  const { cuda } = fresh();
  const stream = cuda.outOf((out) => cuda.entry('cuStreamCreate', 'bytes', 'u32')(out, 1));
  cuda.must(cuda.entry('cuStreamDestroy_v2', 'address')(stream));
  t.is(cuda.entry('cuStreamSynchronize', 'address')(stream), 400);
  t.is(cuda.entry('cuEventSynchronize', 'address')(stream), 400);
  t.is(cuda.entry('cuModuleUnload', 'address')(stream), 400);
  t.is(cuda.launch(stream, {}), 400);
});

// ---- Launches

withSimulator('launches that no device takes are refused with a reason', (t) => {
  const { cuda, sim } = fresh();
  const kernel = cuda.kernel(goodKernels, 'reverse');
  const address = cuda.upload(counting(64));
  const values = [address, address, Int32Array.of(64)];
  const refused = (configuration: Parameters<Cuda['launch']>[1], reason: RegExp): void => {
    t.is(cuda.launch(kernel, configuration, ...values), 1);
    t.regex(sim.report(), reason);
  };
  refused({ grid: 0 }, /grid is empty/);
  refused({ grid: [1, 65_536, 1] }, /grid is empty or larger/);
  refused({ block: [1, 1, 65] }, /blocks are empty or larger/);
  refused({ block: 65 }, /blocks have 65 threads, and no more than 64/);
  refused({ block: 64, shared: 48 << 10 }, /dynamic shared memory/);
  t.is(cuda.launchBuffer(kernel, {}, new Uint8Array(12)), 1);
  t.regex(sim.report(), /arguments have 12 bytes, not 20/);
  t.is(cuda.synchronize(), 0, 'and nothing stays');
});

withSimulator('a function may be given more dynamic shared memory, up to what a block can have', (t) => {
  const { cuda } = fresh();
  const kernel = cuda.kernel(goodKernels, 'reverseDynamic');
  const attribute = cuda.entry('cuFuncSetAttribute', 'address', 'i32', 'i32');
  const count = 1000;
  const [from, to] = [cuda.upload(counting(count)), cuda.allocate(4 * count)];
  const launch = (): number => cuda.launch(kernel, { block: count, shared: 200_000 }, from, to, Int32Array.of(count));
  t.is(launch(), 1);
  t.is(attribute(kernel, 8, 228 << 10), 1);
  t.is(attribute(kernel, 8, 200_000), 0);
  t.is(launch(), 0);
  t.deepEqual(cuda.download(to, counting(count)), counting(count).reverse());
});

withSimulator('functions tell their limits, and how many blocks run at once', (t) => {
  const { cuda } = fresh();
  const kernel = cuda.kernel(goodKernels, 'reverse');
  const value = new Int32Array(1);
  const read = (attribute: number): number => {
    cuda.must(cuda.entry('cuFuncGetAttribute', 'bytes', 'i32', 'address')(value, attribute, kernel));
    return value[0]!;
  };
  t.deepEqual([0, 1, 6, 8].map(read), [64, 256, 90, (48 << 10) - 256]);
  const occupancy = cuda.entry('cuOccupancyMaxActiveBlocksPerMultiprocessor', 'bytes', 'address', 'i32', 'u64');
  const blocks = (threads: number, shared: number): number => {
    cuda.must(occupancy(value, kernel, threads, shared));
    return value[0]!;
  };
  t.deepEqual([blocks(64, 0), blocks(64, 100_000), blocks(65, 0)], [32, 2, 0]);
  const potential = cuda.entry('cuOccupancyMaxPotentialBlockSize', 'bytes', 'bytes', 'address', 'address', 'u64', 'i32');
  const grid = new Int32Array(1);
  cuda.must(potential(grid, value, kernel, 0, 0, 0));
  t.deepEqual([grid[0], value[0]], [32 * 8, 64]);
});

// ---- Failures

withSimulator('the call that the setting names fails, once', (t) => {
  const { cuda, sim } = fresh({ fail: 'cuMemAlloc_v2:2=2,cuStreamCreate:1=999' });
  const allocate = cuda.entry('cuMemAlloc_v2', 'bytes', 'u64');
  t.deepEqual(
    [1, 2, 3].map(() => allocate(handleOut(), 4)),
    [0, 2, 0],
  );
  t.is(sim.calls('cuMemAlloc_v2'), 3);
  t.is(cuda.entry('cuStreamCreate', 'bytes', 'u32')(handleOut(), 0), 999);
  sim.configure({ fail: 'nvrtcCompileProgram:1=6' });
  t.is(cuda.compile(goodKernels).code, 6);
  t.is(cuda.compile(goodKernels).code, 0);
});

withSimulator('a failing kernel shows at the next wait, and in every call until the context is reset', (t) => {
  const { cuda, sim } = fresh({ fail: 'kernel:2=719' });
  const kernel = cuda.kernel(goodKernels, 'scale');
  const address = cuda.upload(counting(8));
  const launch = (): number => cuda.launch(kernel, { block: 8 }, address, address, Int32Array.of(8));
  t.deepEqual([launch(), launch(), launch()], [0, 0, 0]);
  t.is(cuda.synchronize(), 719);
  t.is(sim.calls('kernel'), 2, 'what was queued behind it does not run');
  t.is(cuda.entry('cuMemAlloc_v2', 'bytes', 'u64')(handleOut(), 4), 719);
  t.is(launch(), 719);
  t.is(cuda.textOf(719), 'unspecified launch failure: kernel scale: an injected failure');
  t.is(cuda.textOf(700), 'an illegal memory access was encountered');
  cuda.must(cuda.entry('cuDevicePrimaryCtxReset_v2', 'i32')(0));
  cuda.start();
  t.is(cuda.synchronize(), 0);
});

for (const checks of [0, 1]) {
  withSimulator(`the watchdog ends kernels that do not end, ${checks ? 'with' : 'without'} checks`, (t) => {
    for (const name of ['endless', 'endlessBarriers']) {
      const { cuda, sim } = fresh({ watchdog: 100, checks });
      const [from, to] = [cuda.upload(new Float32Array(64)), cuda.allocate(256)];
      cuda.must(cuda.launch(cuda.kernel(brokenKernels, name), { block: 64 }, from, to, Int32Array.of(64)));
      t.is(cuda.synchronize(), 702);
      t.regex(sim.report(), new RegExp(`^kernel ${name}.*runs for longer than the watchdog allows`));
      const line = /line (\d+)/.exec(sim.report())?.[1];
      t.true(line === undefined || name !== 'endless' || guiltyLines(name).includes(Number(line)), sim.report());
    }
  });
}

withSimulator("faults of kernels leave WebAssembly's alone", (t) => {
  const { cuda } = fresh();
  const kernel = cuda.kernel(brokenKernels, 'farAway');
  const address = cuda.upload(counting(64));
  cuda.must(cuda.launch(kernel, { block: 64 }, address, address, Int32Array.of(64)));
  t.is(cuda.synchronize(), 700);
  // (func (export "f") (drop (i32.load (i32.const -1)))) with a memory of one page.
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0];
  const code = [10, 10, 1, 8, 0, 65, 127, 40, 2, 0, 26, 11];
  const { exports } = new webAssembly.Instance(new webAssembly.Module(Uint8Array.from([...bytes, ...code])), {});
  const { f } = exports;
  t.throws(() => (typeof f === 'function' ? f() : undefined), { name: 'RuntimeError' });
});

// ---- NVRTC and modules

withSimulator('errors of the text are in the log, with their lines', (t) => {
  const { cuda } = fresh();
  const { code, log, cubin } = cuda.compile('extern "C" __global__ void k(float *x) {\n  x[0] = undeclared;\n}\n');
  t.is(code, 6);
  t.regex(log, /kernel\.cu:2.*error.*undeclared/);
  t.is(cubin.length, 0);
});

withSimulator('where there is no compiler for kernels, the log says so', (t) => {
  const { cuda } = fresh({ compiler: '/absent/g++' });
  const { code, log } = cuda.compile(goodKernels);
  t.is(code, 6);
  t.is(log, 'the compiler /absent/g++ cannot be run');
});

withSimulator('texts cannot use what NVRTC does not have', (t) => {
  const { cuda } = fresh();
  const kernel = (body: string): string => `extern "C" __global__ void k(float *x) { ${body} }`;
  t.is(cuda.compile(`#include <stdint.h>\n${kernel('')}`).code, 6, 'headers');
  t.is(cuda.compile(kernel('uint32_t y = 0; x[0] = y;')).code, 6, 'types of headers');
  t.is(cuda.compile(kernel('x[0] = INFINITY;')).code, 6, 'macros of headers');
  t.is(
    cuda.compile(`static float helper() { __shared__ float y; return y; } ${kernel('x[0] = helper();')}`).code,
    6,
    'shared memory in helpers',
  );
  t.is(cuda.compile(kernel('asm("bar.sync 0;"); malloc(3);')).code, 6, 'functions of the host');
});

withSimulator('options that NVRTC does not have are refused, definitions are there', (t) => {
  const { cuda } = fresh();
  const text = 'extern "C" __global__ void k(float *x) { x[0] = FACTOR * __CUDA_ARCH__; }';
  t.is(cuda.compile(text, ['--gpu-architecture=sm_90', '--fast']).code, 5);
  t.is(cuda.compile(text, ['--gpu-architecture=sm_91']).code, 5);
  const { code, log, cubin } = cuda.compile(text, ['-arch=sm_90', '-DFACTOR=2', '--fmad=false', '-default-device']);
  t.is(code, 0, log);
  const out = cuda.allocate(4);
  cuda.must(cuda.launch(cuda.load(cubin, 'k'), {}, out));
  t.is(cuda.download(out, new Float32Array(1))[0], 1800);
});

withSimulator('NVRTC tells its version and the architectures that it knows', (t) => {
  const { cuda } = unopened({ nvrtc: '12.4', nvrtc_architectures: '80,86,90' });
  const [major, minor, count] = [new Int32Array(1), new Int32Array(1), new Int32Array(1)];
  cuda.must(cuda.entry('nvrtcVersion', 'bytes', 'bytes')(major, minor));
  cuda.must(cuda.entry('nvrtcGetNumSupportedArchs', 'bytes')(count));
  const known = new Int32Array(count[0]!);
  cuda.must(cuda.entry('nvrtcGetSupportedArchs', 'bytes')(known));
  t.deepEqual([major[0], minor[0], [...known]], [12, 4, [80, 86, 90]]);
});

withSimulator('images run on the architectures and drivers that they are for', (t) => {
  const { cuda, sim } = fresh();
  const { cubin, ptx } = cuda.compile(goodKernels, ['--gpu-architecture=sm_86']);
  const codes = (): readonly number[] => [cuda.loadData(cubin), cuda.loadData(ptx)];
  t.deepEqual(codes(), [209, 0], 'sm_90');
  sim.configure({ architecture: 89 });
  t.deepEqual(codes(), [0, 0], 'sm_89');
  sim.configure({ architecture: 80 });
  t.deepEqual(codes(), [209, 209], 'sm_80');
  sim.configure({ architecture: 86, driver: '12.9' });
  t.deepEqual(codes(), [200, 222], 'a driver older than NVRTC');
  const virtual = cuda.compile(goodKernels, ['--gpu-architecture=compute_80']);
  t.is(virtual.cubin.length, 0, 'there is no cubin for a virtual architecture');
  t.true(virtual.ptx.length > 0);
});

withSimulator('damaged images, and those of the other mode, are refused', (t) => {
  const { cuda, sim } = fresh();
  const { cubin } = cuda.compile(goodKernels);
  t.is(cuda.loadData(cubin), 0);
  t.is(sim.live('modules'), 1);
  const damaged = cubin.slice();
  damaged[damaged.length - 1000]! ^= 1;
  t.is(cuda.loadData(damaged), 200);
  t.is(cuda.loadData(Buffer.from('.version 8.0\0')), 200);
  const checked = fresh({ checks: 1 });
  t.is(checked.cuda.loadData(cubin), 200);
  t.regex(sim.report(), /compiled without checks/);
});

withSimulator('a kernel that is not in a module is not found', (t) => {
  const { cuda } = fresh();
  const { cubin } = cuda.compile(goodKernels);
  t.throws(() => cuda.load(cubin, 'absent'), { message: /gave 500: named symbol not found/ });
});
