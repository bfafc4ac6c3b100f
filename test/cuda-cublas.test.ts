/**
 * Products by cuBLAS, with a stand-in for it: every dtype and layout against sums computed here, what is left to our own kernels, how it is
 * asked for and done without, and what its errors become.
 */
import test, { type ExecutionContext } from 'ava';
import { noGrad, type Tensor, tensor } from '../entry/index.js';
import { cublasCandidates } from '../runtime/devices/cuda/libraries.js';
import { freshSimulator, isSimulated, type Opened, openDevice } from './cuda-device-harness.js';
import type { SimulatorSetting } from './support/cuda-sim.js';

const onSimulator = isSimulated ? test.serial : test.serial.skip;
const gemm = 'cublasGemmStridedBatchedEx';

function open(settings: Partial<Record<SimulatorSetting, string | number>> = {}, use: string | null = '1'): Opened {
  if (use === null) delete process.env.OPWRIGHT_CUBLAS;
  else process.env.OPWRIGHT_CUBLAS = use;
  return openDevice(settings);
}

type Dtype = 'float32' | 'float64' | 'float16' | 'bfloat16';

/** Quarters up to 3: their products and short sums are exact in every dtype. */
const quarters = (count: number, from: number): number[] =>
  Array.from({ length: count }, (_, at) => (((at * 7 + from) % 13) - 6) / 4);

const numbersOf = (x: Tensor): number[] => Array.from(x.dataSync(), Number);

/** A matrix or batch of that shape on the device, lying as `how` says: what stands between lines is never read. */
function operand(
  { device }: Opened,
  shape: readonly number[],
  dtype: Dtype,
  how: 'as it is' | 'turned' | 'within a wider one',
  from: number,
): Tensor {
  const rows = shape.at(-2)!;
  const columns = shape.at(-1)!;
  const outer = shape.slice(0, -2);
  const count = shape.reduce((product, size) => product * size, 1);
  const order = [...outer.keys(), outer.length + 1, outer.length];
  const values = quarters(count, from);
  if (how === 'as it is') return tensor(values, { shape: [...shape], dtype, device });
  const natural = tensor(values, { shape: [...shape], dtype, device });
  if (how === 'turned') {
    const turned = tensor(natural.transpose(order).cast('float64').dataSync(), {
      shape: [...outer, columns, rows],
      dtype,
      device,
    });
    return turned.transpose(order);
  }
  return natural
    .pad([...outer.flatMap(() => [0, 0]), 0, 0, 0, 5], { value: Number.NaN })
    .slice([shape.length - 1], [0], [columns]);
}

function expected(a: Tensor, b: Tensor): number[] {
  const product = noGrad(() =>
    tensor(a.cast('float64').dataSync(), { shape: a.shape, dtype: 'float64', device: 'cpu' }).matmul(
      tensor(b.cast('float64').dataSync(), { shape: b.shape, dtype: 'float64', device: 'cpu' }),
    ),
  );
  return numbersOf(product);
}

/** Who computes the product, and that it is right. */
function check(t: ExecutionContext, { sim }: Opened, a: Tensor, b: Tensor, by: 'cuBLAS' | 'us', what: string): void {
  const want = expected(a, b);
  const before = [sim.calls(gemm), sim.calls('cuLaunchKernel')] as const;
  const out = a.matmul(b);
  const calls = [sim.calls(gemm) - before[0], sim.calls('cuLaunchKernel') - before[1]];
  if (by === 'cuBLAS') t.deepEqual(calls, [1, 0], what);
  else t.true(calls[0] === 0 && calls[1]! > 0, what);
  t.deepEqual(numbersOf(out.cast('float64')), want, what);
}

const shapes = [
  [
    [3, 4],
    [4, 5],
  ],
  [
    [1, 6],
    [6, 5],
  ],
  [
    [5, 6],
    [6, 1],
  ],
  [
    [4, 1],
    [1, 3],
  ],
  [
    [2, 3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [3, 4],
    [2, 4, 5],
  ],
  [
    [2, 3, 2, 4],
    [2, 3, 4, 3],
  ],
] as const;

for (const dtype of ['float32', 'float64', 'float16', 'bfloat16'] as const)
  onSimulator(`products of ${dtype} by cuBLAS, as operands lie, turned and within wider ones, and in batches`, (t) => {
    const opened = open({ checks: 1 });
    for (const [left, right] of shapes)
      for (const a of ['as it is', 'turned', 'within a wider one'] as const)
        for (const b of ['as it is', 'turned', 'within a wider one'] as const) {
          const [x, y] = [operand(opened, left, dtype, a, 1), operand(opened, right, dtype, b, 5)];
          check(t, opened, x, y, 'cuBLAS', `${dtype} [${left}] ${a}, [${right}] ${b}`);
        }
  });

onSimulator('operands that cuBLAS cannot read are left to our kernels', (t) => {
  const opened = open();
  const { device } = opened;
  const x = operand(opened, [4, 4], 'float32', 'as it is', 0);
  const wide = tensor(quarters(64, 2), { shape: [8, 8], device });
  check(t, opened, x, wide.at('::2, ::2'), 'us', 'every other element');
  check(t, opened, x, x.flip([0]), 'us', 'backwards');
  check(t, opened, x, tensor([1, 2, 3, 4], { device }).reshape([4, 1]).expand([4, 4]), 'us', 'one column over and over');
  t.is(opened.sim.calls(gemm), 0);
});

onSimulator('gradients of products go the same way', (t) => {
  const opened = open();
  const x = operand(opened, [3, 4], 'float32', 'as it is', 0);
  const y = operand(opened, [4, 5], 'float32', 'as it is', 3);
  x.stopGradient = false;
  y.stopGradient = false;
  const weights = operand(opened, [3, 5], 'float32', 'as it is', 2);
  x.matmul(y).multiply(weights).sum().backward();
  t.is(opened.sim.calls(gemm), 3);
  t.deepEqual(numbersOf(x.grad!), expected(weights, y.detach().transpose([1, 0])));
  t.deepEqual(numbersOf(y.grad!), expected(x.detach().transpose([1, 0]), weights));
});

onSimulator('work goes into the stream of the device, after what was launched before and before what comes after', (t) => {
  const opened = open({ streams: 'lazy' });
  const x = operand(opened, [3, 3], 'float32', 'as it is', 0).add(1);
  const want = expected(x, x);
  const out = x.matmul(x).multiply(2);
  t.deepEqual(
    numbersOf(out),
    want.map((value) => 2 * value),
  );
});

onSimulator('TF32 is asked of cuBLAS where it was allowed', (t) => {
  const { device } = open();
  const x = tensor([[1 / 3]], { device });
  const exact = x.matmul(x).item();
  device.allowTf32 = true;
  const rounded = x.matmul(x).item();
  t.not(rounded, exact);
  t.true(Math.abs(rounded - exact) <= 2 ** -9 * exact);
});

onSimulator('cuBLAS is not used unless it is asked for, until somebody has measured that it is faster', (t) => {
  for (const use of [null, '', '0']) {
    const opened = open({}, use);
    check(
      t,
      opened,
      operand(opened, [64, 64], 'float32', 'as it is', 0),
      operand(opened, [64, 64], 'float32', 'as it is', 1),
      'us',
      `${use}`,
    );
    t.is(opened.sim.calls('cublasCreate_v2'), 0);
  }
  t.throws(() => open({}, 'perhaps'), { code: 'INVALID_ARGUMENT', message: /OPWRIGHT_CUBLAS is "perhaps"/ });
});

onSimulator('its handle is made once, released with the memory that is kept for reuse, and made anew', (t) => {
  const { device, sim } = open();
  const x = tensor([[2]], { device });
  t.is(sim.live('cublas'), 0);
  for (let time = 0; time < 3; time++) x.matmul(x);
  t.deepEqual([sim.live('cublas'), sim.calls('cublasCreate_v2'), sim.calls('cublasSetStream_v2')], [1, 1, 1]);
  device.emptyCache();
  t.is(sim.live('cublas'), 0);
  t.is(x.matmul(x).item(), 4);
  t.deepEqual([sim.live('cublas'), sim.calls('cublasCreate_v2')], [1, 2]);
});

const failures = [
  { fail: 'cublasCreate_v2:1=1', code: 'DEVICE_ERROR', message: /cublasCreate gives CUBLAS_STATUS_NOT_INITIALIZED \(1\)/ },
  { fail: 'cublasCreate_v2:1=3', code: 'OUT_OF_MEMORY', message: /no memory left for cuBLAS/ },
  { fail: 'cublasSetStream_v2:1=14', code: 'DEVICE_ERROR', message: /CUBLAS_STATUS_INTERNAL_ERROR/ },
  { fail: `${gemm}:1=13`, code: 'DEVICE_ERROR', message: /CUBLAS_STATUS_EXECUTION_FAILED \(13\)/ },
  { fail: `${gemm}:1=99`, code: 'DEVICE_ERROR', message: /an unknown status \(99\)/ },
] as const;

for (const { fail, code, message } of failures)
  onSimulator(
    `an error of cuBLAS (${fail}) has a code and a remedy, leaves nothing behind, and the next product is right`,
    (t) => {
      const { device, sim } = open();
      const x = tensor([[3]], { device });
      const { allocations } = device.memory();
      sim.configure({ fail });
      const error = t.throws(() => x.matmul(x), { code, message });
      t.regex(error?.message ?? '', /OPWRIGHT_CUBLAS=0/);
      t.is(device.memory().allocations, allocations);
      t.is(x.matmul(x).item(), 9);
    },
  );

onSimulator('without the library, a warning lists every path that was tried, and our kernels compute', async (t) => {
  const missing = '/no/libcublas.so.13';
  const opened = open();
  const found = process.env.OPWRIGHT_CUBLAS_LIBRARY;
  process.env.OPWRIGHT_CUBLAS_LIBRARY = missing;
  const warned = new Promise<Error>((resolve) => void process.once('warning', resolve));
  const x = operand(opened, [2, 2], 'float32', 'as it is', 0);
  check(t, opened, x, x, 'us', 'missing');
  check(t, opened, x.add(1), x, 'us', 'missing, once more');
  process.env.OPWRIGHT_CUBLAS_LIBRARY = found;
  t.true((await warned).message.includes(missing));
});

onSimulator('a cuBLAS that is newer than the driver is passed over', async (t) => {
  const opened = open({ cublas: '14.0' });
  const warned = new Promise<Error>((resolve) => void process.once('warning', resolve));
  const x = operand(opened, [2, 2], 'float32', 'as it is', 0);
  check(t, opened, x, x, 'us', 'newer');
  t.regex((await warned).message, /cuBLAS 14\.0, newer than the driver/);
});

test('cuBLAS is looked for where NVRTC is', (t) => {
  t.deepEqual(cublasCandidates({ OPWRIGHT_CUBLAS_LIBRARY: '/a/cublas.so', CUDA_HOME: '/b' }), ['/a/cublas.so']);
  if (process.platform !== 'linux') return;
  const candidates = cublasCandidates({ CUDA_HOME: '/b' });
  t.true(candidates.indexOf('/b/lib64/libcublas.so.13') < candidates.indexOf('libcublas.so.13'));
  t.true(candidates.indexOf('libcublas.so.13') < candidates.indexOf('libcublas.so.11'));
});

test.after.always(() => {
  if (isSimulated) freshSimulator();
});
