/** Kernels on the simulated CUDA driver: right ones give their results in every order of threads, each wrong one is found and named. */
import test from 'ava';
import { eq, F32, fail, forItems, if_, kernel, let_, load, local, mul, param, store, unary } from '../kernels/build.js';
import { cudaC } from '../kernels/c/dialect.js';
import { printC, symbolOf } from '../kernels/c/printer.js';
import { encodeFloat16 } from '../kernels/half.js';
import { interpret } from '../kernels/interpret.js';
import { type Kernel, paramLayout } from '../kernels/ir.js';
import { type Argument, type Configuration, counting, fresh, type Machine } from './cuda-sim-harness.js';
import { brokenKernels, goodKernels, guiltyLines } from './cuda-sim-kernels.js';
import { simulatedCuda } from './support/cuda-sim.js';

const withSimulator = simulatedCuda() === undefined ? test.serial.skip : test.serial;

const orders = ['forward', 'reverse', 'shuffle:1', 'shuffle:2'];
const zeros = (count: number): Float32Array => new Float32Array(count);

interface Good {
  readonly kernel: string;
  readonly configuration: Configuration;
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly n?: number;
  readonly expected: ArrayLike<number>;
}

const goods: readonly Good[] = [
  {
    kernel: 'scale',
    configuration: { grid: 3, block: 32 },
    input: counting(1000),
    output: zeros(1000),
    expected: counting(1000).map((x) => 2 * x),
  },
  { kernel: 'reverse', configuration: { block: 64 }, input: counting(64), output: zeros(64), expected: counting(64).reverse() },
  {
    kernel: 'reverseDynamic',
    configuration: { block: 100, shared: 400 },
    input: counting(100),
    output: zeros(100),
    expected: counting(100).reverse(),
  },
  {
    kernel: 'transpose',
    configuration: { grid: [2, 2, 1], block: [8, 8, 1] },
    input: counting(256),
    output: zeros(256),
    expected: counting(256).map((at) => (at % 16) * 16 + Math.floor(at / 16)),
  },
  { kernel: 'total', configuration: { block: 256 }, input: counting(1000), output: zeros(1), expected: [499_500] },
  {
    kernel: 'scan',
    configuration: { block: 32 },
    input: counting(32),
    output: zeros(32),
    expected: counting(32).map((at) => ((at ^ 1) * ((at ^ 1) + 1)) / 2),
  },
  {
    kernel: 'vote',
    configuration: { block: 32 },
    input: zeros(1),
    output: zeros(32),
    expected: counting(32).map((lane) => 105 + (lane < 16 ? 3000 + (lane ^ 1) * 100_000 : 19_000)),
  },
  {
    kernel: 'match',
    configuration: { block: 32 },
    input: counting(32),
    output: zeros(32),
    expected: counting(32).map((lane) => (lane < 20 ? 0xfff : 0xfff000)),
  },
  {
    kernel: 'lastBlock',
    configuration: { grid: 8, block: 1 },
    input: counting(8),
    output: zeros(10),
    expected: [28, new Float32Array(Uint32Array.of(8).buffer)[0]!, ...counting(8)],
  },
  {
    kernel: 'vectors',
    configuration: { block: 4 },
    input: counting(16),
    output: zeros(16),
    expected: [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12],
  },
  {
    kernel: 'functions',
    configuration: {},
    input: zeros(1),
    output: zeros(6),
    expected: [1 + 1 + 10 + 5, Math.fround(Math.PI), 31 + 8 + 4 + 63, 3, 3 + 0.5 + 10, 1 + 4 + 3],
  },
];

for (const checks of [0, 1]) {
  withSimulator(`kernels give their results in every order of threads and blocks, ${checks ? 'with' : 'without'} checks`, (t) => {
    for (const order of orders) {
      const { cuda, sim } = fresh({ checks, order });
      for (const { kernel, configuration, input, output, n = input.length, expected } of goods) {
        const [from, to] = [cuda.upload(input), cuda.upload(output)];
        const handle = cuda.kernel(goodKernels, kernel);
        t.is(cuda.launch(handle, configuration, from, to, Int32Array.of(n)), 0, kernel);
        t.is(cuda.synchronize(), 0, `${kernel}: ${sim.report()}`);
        t.deepEqual(cuda.download(to, output.slice()), Float32Array.from(expected), `${kernel}, ${order}`);
      }
    }
  });
}

withSimulator('atomic operations of all threads add up', (t) => {
  for (const order of orders) {
    const { cuda } = fresh({ checks: 1, order });
    const out = cuda.upload(new Int32Array(12));
    const kernel = cuda.kernel(goodKernels, 'atomics');
    cuda.must(cuda.launch(kernel, { grid: 2, block: 64 }, cuda.upload(Float32Array.of(0.5)), out, Int32Array.of(1)));
    cuda.must(cuda.synchronize());
    const words = cuda.download(out, new Int32Array(12));
    t.is(new Float32Array(words.buffer)[0], 64);
    t.deepEqual([...words.slice(1, 8)], [256, 63, -63, 384, 7, 9, -1]);
    t.is(new BigUint64Array(words.buffer)[4], 128n << 32n);
    t.is(new Float64Array(words.buffer)[5], 64);
  }
});

withSimulator('structs travel by value, in kernelParams and in a buffer', (t) => {
  const { cuda, sim } = fresh({ checks: 1 });
  const [from, to] = [cuda.upload(counting(16)), cuda.upload(zeros(16))];
  const buffer = new ArrayBuffer(36);
  const view = new DataView(buffer);
  view.setBigUint64(0, BigInt(from), true);
  view.setBigUint64(8, BigInt(to), true);
  view.setInt32(16, 12, true);
  view.setFloat64(24, 3, true);
  view.setInt32(32, 1, true);
  const kernel = cuda.kernel(goodKernels, 'byValue');
  const expected = counting(16).map((x) => (x >= 1 && x < 12 ? 3 * x : 0));
  t.is(cuda.launch(kernel, { block: 16 }, new Uint8Array(buffer, 0, 32), Int32Array.of(1)), 0);
  t.is(cuda.synchronize(), 0, sim.report());
  t.deepEqual(cuda.download(to, zeros(16)), expected);
  const again = cuda.upload(zeros(16));
  view.setBigUint64(8, BigInt(again), true);
  t.is(cuda.launchBuffer(kernel, { block: 16 }, new Uint8Array(buffer)), 0);
  t.is(cuda.synchronize(), 0, sim.report());
  t.deepEqual(cuda.download(again, zeros(16)), expected);
  t.is(cuda.launchBuffer(kernel, { block: 16 }, new Uint8Array(buffer, 0, 32)), 1);
  t.regex(sim.report(), /byValue is refused: its arguments have 32 bytes, not 36/);
});

/** out = tanh(x) * factor, and an error where x is 7. */
const printed: Kernel = kernel(
  'tanh times',
  [
    { name: 'x', storage: 'float16', access: 'read' },
    { name: 'out', storage: 'float32', access: 'write' },
  ],
  [{ name: 'factor', type: 'f32' }],
  [
    forItems('i', (i) => [
      let_('value', load(F32, 'x', i)),
      if_(eq(local('value', F32), 7), [fail(3)]),
      store('out', i, mul(unary('tanh', local('value', F32)), param('factor', F32))),
    ]),
  ],
);

withSimulator('what the printer of kernels writes gives what the interpreter gives', (t) => {
  const { cuda, sim } = fresh({ checks: 1 });
  const x = Uint16Array.from({ length: 501 }, (_, index) => encodeFloat16(index / 50 - 3));
  const out = zeros(501);
  t.is(interpret(printed, { buffers: { x, out }, params: { factor: 3 }, begin: 0, end: 501 }), 3);
  const [error, result] = [cuda.upload(Int32Array.of(0)), cuda.upload(zeros(501))];
  const { size, offsets } = paramLayout(printed, 8);
  const block = new DataView(new ArrayBuffer(size));
  block.setBigUint64(0, BigInt(error), true);
  block.setBigUint64(offsets.get('x')!, BigInt(cuda.upload(x)), true);
  block.setBigUint64(offsets.get('out')!, BigInt(result), true);
  block.setFloat32(offsets.get('factor')!, 3, true);
  const handle = cuda.kernel(printC(printed, cudaC), symbolOf(printed.name));
  const values = [new Uint8Array(block.buffer), Int32Array.of(0), Int32Array.of(501)];
  t.is(cuda.launch(handle, { grid: 2, block: 128 }, ...values), 0);
  t.is(cuda.synchronize(), 0, sim.report());
  t.is(cuda.download(error, new Int32Array(1))[0], 3);
  const differences = cuda.download(result, zeros(501)).map((value, index) => Math.abs(value - out[index]!));
  t.true(Math.max(...differences) < 1e-6, `${Math.max(...differences)}`);
});

interface Broken {
  readonly kernel: string;
  readonly code: number;
  readonly report: RegExp;
  readonly configuration?: Configuration;
  /** The bytes of `out`; 256 if absent. */
  readonly output?: number;
  /** Found without checks too. */
  readonly always?: boolean;
}

const brokens: readonly Broken[] = [
  { kernel: 'missingBarrier', code: 719, report: /(a race: |that nothing was written to: ).* of static shared memory/ },
  { kernel: 'missingBarrierInLoop', code: 719, report: /a race: .* of static shared memory, which thread .* has (read|written)/ },
  { kernel: 'missingSyncwarp', code: 719, report: /(a race: |that nothing was written to: )/, configuration: { block: 32 } },
  {
    kernel: 'wrongStride',
    code: 719,
    report: /a race: writes byte .* which block .* has written/,
    configuration: { grid: 3, block: 32 },
  },
  { kernel: 'strideBeyond', code: 700, report: /reads 4 bytes: \d+ bytes beyond the end of device memory of 256 bytes/ },
  { kernel: 'overrun', code: 700, report: /writes 4 bytes: 0 bytes beyond the end of device memory of 256 bytes/ },
  { kernel: 'underrun', code: 700, report: /reads 4 bytes: 4 bytes before device memory of 256 bytes/ },
  { kernel: 'farAway', code: 700, report: /bytes beyond the end of device memory|no allocation/, always: true },
  { kernel: 'nullPointer', code: 700, report: /null/, always: true },
  {
    kernel: 'uninitialisedShared',
    code: 719,
    report: /reads 4 bytes that nothing was written to: byte 20 of static shared memory/,
  },
  { kernel: 'divergentBarrier', code: 719, report: /wait for each other: .*waits at the barrier of line \d+/, always: true },
  {
    kernel: 'twoBarriers',
    code: 719,
    report: /wait for each other: .*waits at the barrier .*waits at the barrier/,
    always: true,
  },
  {
    kernel: 'absentLanes',
    code: 719,
    report: /waits for the lanes 0xffffffff in line \d+; .* has ended/,
    always: true,
    configuration: { block: 32 },
  },
  { kernel: 'foreignMask', code: 719, report: /the mask of a warp operation does not name the thread itself/, always: true },
  { kernel: 'counter', code: 719, report: /a race: / },
  { kernel: 'atomicAndPlain', code: 719, report: /a race: / },
  {
    kernel: 'blocksRace',
    code: 719,
    report: /a race: writes byte 0 .* which block .* has written/,
    configuration: { grid: 2, block: 64 },
  },
  {
    kernel: 'readsOtherBlock',
    code: 719,
    report: /a race: .*which block .* has/,
    configuration: { grid: 2, block: 64 },
    output: 512,
  },
  {
    kernel: 'missingFence',
    code: 719,
    report: /a race: reads .* which block .* has written/,
    configuration: { grid: 4, block: 1 },
  },
  { kernel: 'misaligned', code: 716, report: /reads 4 bytes that are misaligned: byte \d+ of/ },
  { kernel: 'beyondArray', code: 700, report: /index 8 is beyond the array/ },
  {
    kernel: 'beyondDynamic',
    code: 700,
    report: /writes 4 bytes: byte \d+ of dynamic shared memory/,
    configuration: { block: 64, shared: 128 },
  },
  { kernel: 'divisionByZero', code: 719, report: /divides an integer by zero/, always: true },
  { kernel: 'wideShift', code: 719, report: /shifts by a negative number of bits or as many/ },
  { kernel: 'unsafeConversion', code: 719, report: /converts a number that the integer type cannot hold/ },
  { kernel: 'deepStack', code: 719, report: /64 KiB of stack/, always: true },
  { kernel: 'trap', code: 719, report: /thread \(3,0,0\).*__trap was called/, always: true },
];

/** Runs one on 64 floats; gives the code of the wait for it. */
function runBroken(
  { cuda }: Machine,
  { kernel, configuration = { block: 64 }, output = 256 }: Broken,
  input: Argument,
  out?: number,
): number {
  const to = out ?? cuda.upload(new Uint8Array(output));
  const handle = cuda.kernel(brokenKernels, kernel);
  cuda.must(cuda.launch(handle, configuration, input, to, Int32Array.of(64)));
  return cuda.synchronize();
}

for (const broken of brokens) {
  withSimulator(`a kernel that is wrong is found: ${broken.kernel}`, (t) => {
    for (const order of orders) {
      const found = fresh({ checks: 1, order });
      const code = runBroken(found, broken, found.cuda.upload(counting(64)));
      const report = found.sim.report();
      t.is(code, broken.code, `${order}: ${report}`);
      t.regex(report, broken.report);
      t.true(report.startsWith(`kernel ${broken.kernel}`), report);
      const line = /line (\d+)/.exec(report)?.[1];
      t.true(guiltyLines(broken.kernel).includes(Number(line)), `line ${line}: ${report}`);
      t.is(found.cuda.synchronize(), broken.code, 'the error stays');
    }
    if (!broken.always) return;
    const found = fresh();
    t.is(runBroken(found, broken, found.cuda.upload(counting(64))), broken.code, `without checks: ${found.sim.report()}`);
  });
}
