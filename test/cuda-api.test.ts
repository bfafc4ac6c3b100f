/** Devices as users name them, tensors that move between them, and the functions of `cuda`, on a simulated driver with two GPUs. */
import test from 'ava';
import {
  CPUPlace,
  CUDAPinnedPlace,
  CUDAPlace,
  cuda,
  getCudaRngState,
  getDevice,
  grad,
  isCompiledWithCuda,
  memory,
  OpwrightError,
  rand,
  seed,
  setCudaRngState,
  setDevice,
  tensor,
  tidy,
  XPUPlace,
} from '../entry/index.js';
import { Linear } from '../entry/nn.js';
import { freshSimulator, isSimulated } from './cuda-device-harness.js';

const onSimulator = isSimulated ? test.serial : test.serial.skip;

// Once for all tests: the devices that names stand for stay open.
if (isSimulated) freshSimulator({ devices: 2 });
test.afterEach(() => void setDevice('cpu'));

onSimulator('a device goes by its name, by another word for it, and by its place', (t) => {
  t.is(getDevice(), 'cpu');
  t.is(setDevice('cuda').name, 'cuda:0');
  t.is(getDevice(), 'cuda:0');
  t.is(setDevice('gpu'), setDevice('cuda:0'));
  t.is(setDevice(new CUDAPlace(1)), setDevice('gpu:1'));
  t.is(getDevice(), 'cuda:1');
  t.is(setDevice(new CUDAPinnedPlace()), setDevice(new CPUPlace()));
  t.is(setDevice(setDevice('cuda:1')).name, 'cuda:1');
});

onSimulator('a device that is not there is an error', (t) => {
  for (const name of ['cuda:2', 'gpu:7', 'xpu', 'xpu:0', 'cuda:', 'cuda:-1', 'CPU', ''])
    t.throws(() => setDevice(name), { instanceOf: OpwrightError, code: 'DEVICE_UNAVAILABLE' }, name);
  t.throws(() => setDevice('cuda:2'), { message: /finds 2 GPUs/ });
  t.throws(() => new XPUPlace(0), { code: 'DEVICE_UNAVAILABLE' });
  t.throws(() => new CUDAPlace(-1), { code: 'INVALID_ARGUMENT' });
  t.is(getDevice(), 'cpu');
});

onSimulator('tensors are made on the default device, or on the one that is given', (t) => {
  t.is(tensor([1], { device: 'cuda:1' }).device.name, 'cuda:1');
  setDevice('cuda:1');
  const x = tensor([1, 2]);
  t.is(`${x.place}`, 'Place(gpu:1)');
  t.is(rand([2]).device.name, 'cuda:1');
  t.is(x.add(1).device.name, 'cuda:1');
  t.is(`${tensor([1], { device: new CPUPlace() }).place}`, 'Place(cpu)');
  t.regex(`${x}`, /device=cuda:1/);
});

onSimulator('tensors move from any device to any, whatever their layout and dtype', (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  for (const name of ['cpu', 'cuda:0', 'cuda:1'])
    for (const target of ['cpu', 'cuda:0', 'cuda:1']) {
      const moved = x.to(name).transpose([1, 0]).to(target);
      t.is(moved.device.name, target);
      t.deepEqual(moved.tolist(), [
        [1, 4],
        [2, 5],
        [3, 6],
      ]);
    }
  for (const dtype of ['bool', 'int8', 'int64', 'float16', 'bfloat16', 'float64'] as const) {
    const moved = tensor([0, 1, 1], { dtype }).to('cuda');
    t.is(moved.dtype, dtype);
    t.deepEqual(moved.tolist(), [0, 1, 1]);
  }
  t.deepEqual(tensor([], { dtype: 'float32' }).to('cuda').tolist(), []);
});

onSimulator('to changes the dtype, the device, or both', (t) => {
  const x = tensor([1.5, 2.5]);
  t.is(x.to('int32').dtype, 'int32');
  t.is(x.to('int32').device.name, 'cpu');
  const both = x.to('cuda', { dtype: 'float64' });
  t.deepEqual([both.dtype, both.device.name, both.tolist()], ['float64', 'cuda:0', [1.5, 2.5]]);
  const narrow = x.to('cuda', { dtype: 'float16' });
  t.deepEqual([narrow.dtype, narrow.device.name, narrow.tolist()], ['float16', 'cuda:0', [1.5, 2.5]]);
});

onSimulator('where nothing has to be done, to gives another handle of the same memory', (t) => {
  const x = tensor([1, 2], { stopGradient: false });
  const same = x.to('cpu');
  t.is(same.storage, x.storage);
  same.sum().backward();
  t.deepEqual(x.grad?.tolist(), [1, 1]);
  same.dispose();
  t.deepEqual(x.tolist(), [1, 2]);
});

onSimulator('gradients go back to where they came from, and can be differentiated again', (t) => {
  const x = tensor([1, 2, 3], { stopGradient: false });
  const y = x.multiply(x).to('cuda');
  t.false(y.stopGradient);
  y.multiply(y).to('cuda:1').sum().backward();
  t.is(x.grad?.device.name, 'cpu');
  t.deepEqual(x.grad?.tolist(), [4, 32, 108]);
  const [first] = grad(x.multiply(x).to('cuda').multiply(3).sum(), x, { createGraph: true });
  t.is(first?.device.name, 'cpu');
  const [second] = grad(first!.multiply(first!).to('cuda').sum(), x);
  t.deepEqual(second?.tolist(), [72, 144, 216]);
  const index = tensor([1], { dtype: 'int32' });
  t.true(index.to('cuda').stopGradient);
});

onSimulator('a copy that nobody holds on to leaves nothing behind', (t) => {
  const x = tensor([1, 2, 3], { stopGradient: false });
  const before = memory();
  tidy(() => x.to('cuda').to('cuda:1').to('cpu', { dtype: 'float64' }).sum().item());
  t.is(memory().storages, before.storages);
  t.is(memory().bytes, before.bytes);
});

onSimulator('a tensor that is copied in order first leaves nothing behind either', (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]).transpose([1, 0]);
  x.to('cuda').dispose();
  const before = memory();
  x.to('cuda').dispose();
  t.is(memory().storages, before.storages);
  t.is(memory().bytes, before.bytes);
});

onSimulator('each GPU has its own memory', (t) => {
  const before = [cuda.memory(0).free, cuda.memory(1).free];
  const x = tensor(new Float32Array(16 << 20), { device: 'cuda:1' });
  t.is(cuda.memory(0).free, before[0]!);
  t.true(cuda.memory(1).free <= before[1]! - (64 << 20));
  x.dispose();
});

onSimulator('a layer on a GPU trains there', (t) => {
  setDevice('cuda:1');
  seed(3);
  const layer = new Linear(4, 2);
  const x = rand([5, 4]);
  layer.forward(x).sum().backward();
  for (const parameter of layer.parameters()) t.is(parameter.grad?.device.name, 'cuda:1');
});

onSimulator('cuda tells what there is, and what is in use', async (t) => {
  t.is(cuda.deviceCount(), 2);
  t.true(isCompiledWithCuda());
  const properties = cuda.deviceProperties(1);
  t.is(properties.name, 'Simulated device 1');
  t.is(properties.computeCapability, '9.0');
  t.is(properties.totalMemory, 2 ** 31);
  t.throws(() => cuda.deviceProperties(2), { code: 'DEVICE_UNAVAILABLE' });
  const before = cuda.memory(0).allocated;
  const x = tensor(new Float32Array(1 << 20), { device: 'cuda' });
  t.true(cuda.memory('cuda').allocated >= before + (4 << 20));
  t.true(cuda.memory().free < cuda.memory().total);
  x.dispose();
  await cuda.synchronize();
  const pooled = cuda.memory().pooled;
  cuda.emptyCache();
  t.true(cuda.memory().pooled < pooled);
  t.throws(() => cuda.memory('cpu'), { code: 'INVALID_ARGUMENT' });
});

onSimulator('time on a GPU is measured by events', async (t) => {
  const x = rand([1000]);
  const onGpu = x.to('cuda');
  const milliseconds = await cuda.time(() => onGpu.exp().dispose());
  t.true(milliseconds >= 0 && milliseconds < 60_000);
  const start = cuda.Event.record('cuda:0');
  const other = cuda.Event.record('cuda:1');
  await t.throwsAsync(other.millisecondsSince(start), { code: 'DEVICE_MISMATCH' });
  start.dispose();
  other.dispose();
});

onSimulator('the state of random numbers is one for all devices', (t) => {
  seed(5);
  const states = getCudaRngState();
  const onGpu = tidy(() => {
    setDevice('cuda');
    return rand([8]).dataSync();
  });
  setCudaRngState(states);
  setDevice('cpu');
  t.deepEqual(rand([8]).dataSync(), onGpu);
  t.throws(() => setCudaRngState([]), { code: 'INVALID_ARGUMENT' });
});

onSimulator(
  'TF32 is used where it was allowed, in products, convolutions and their gradients, and nowhere before or after',
  (t) => {
    const x = tensor([[1 / 3, 1]], { device: 'cuda:0', stopGradient: false });
    const y = tensor([[1 / 7], [2 / 3]], { device: 'cuda:0' });
    const image = tensor([1 / 3, 1 / 7], { shape: [1, 1, 1, 2], device: 'cuda:0' });
    const filter = tensor([2 / 3], { shape: [1, 1, 1, 1], device: 'cuda:0' });
    const results = (): number[] => {
      const out = x.matmul(y);
      const [dx] = grad(out, [x]);
      return [out, dx!, image.conv2d(filter)].flatMap((one) => Array.from(one.dataSync(), Number));
    };
    t.false(cuda.getAllowTf32());
    const exact = results();
    cuda.setAllowTf32(true);
    t.true(cuda.getAllowTf32());
    t.false(cuda.getAllowTf32('cuda:1'));
    const rounded = results();
    for (const [place, value] of rounded.entries()) {
      t.not(value, exact[place]);
      t.true(Math.abs(value - exact[place]!) <= 2 ** -9 * Math.abs(exact[place]!));
    }
    cuda.setAllowTf32(false);
    t.deepEqual(results(), exact);
    // A call that was recorded without it, and is gone back through with it.
    const recorded = x.matmul(y);
    cuda.setAllowTf32(true);
    t.deepEqual(grad(recorded, [x])[0]!.tolist(), [rounded.slice(1, 3)]);
    cuda.setAllowTf32(false);
    t.deepEqual(results(), exact);
  },
);
