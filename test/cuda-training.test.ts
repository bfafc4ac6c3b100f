/**
 * `npm start -- --device cuda`: a few steps of LeNet on the simulated driver, and the same on the cpu; and a model that moves from one to
 * the other.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { seed, tensor } from '../entry/index.js';
import { BatchNorm2D, Conv2D, Flatten, Linear, Sequential } from '../entry/nn.js';
import { Momentum } from '../entry/optimizer.js';
import { cacheFolder, isSimulated } from './cuda-device-harness.js';
import { useSimulatedCuda } from './support/cuda-sim.js';

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'examples', 'mnist', 'main.js');

/** What the program prints, without times. */
function train(device: string): string[] {
  const steps = ['--examples', '160', '--batch-size', '32', '--epochs', '1'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...steps, '--device', device], {
    encoding: 'utf8',
    env: { ...process.env, OPWRIGHT_CACHE_DIR: cacheFolder },
    timeout: 240_000,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.split('\n').map((line) => line.replaceAll(/, [\d.]+ s$/g, '').replace(/ on \S+.*epoch in [\d.]+ s/, ''));
}

(isSimulated ? test : test.skip)('LeNet has the same losses and reads the same digits on the GPU as on the cpu', (t) => {
  useSimulatedCuda();
  const onCpu = train('cpu');
  t.regex(onCpu[0] ?? '', /loss \d\.\d{4}, \d+\.\d\d % of test images right/);
  t.deepEqual(train('cuda'), onCpu);
});

test('without a driver, the example says why and what to do, without a stack', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--device', 'cuda'], {
    encoding: 'utf8',
    env: { ...process.env, OPWRIGHT_CUDA_DRIVER: '/no/libcuda.so.1' },
  });
  t.deepEqual([status, stdout], [1, '']);
  t.regex(stderr, /^DEVICE_UNAVAILABLE: There is no CUDA driver on this machine\.\n/);
  t.regex(stderr, /to mend: .*OPWRIGHT_CUDA_DRIVER/);
  t.notRegex(stderr, /^ +at /m);
});

/** What three steps leave of a model that moves to those devices before the first step and after it. */
function trained(before: string, after: string): number[] {
  seed(3);
  const model = new Sequential(new Conv2D(1, 2, 2), new BatchNorm2D(2), new Flatten(), new Linear(8, 2));
  const weight = model.parameters()[0];
  const optimizer = new Momentum(model.parameters(), { learningRate: 0.01 });
  model.to(before);
  for (let step = 0; step < 3; step++) {
    if (step === 1) model.to(after);
    const x = tensor([1, 2, 3, -1, 0, 2, 4, 5, 7, 1, -2, 3, 6, 2, 0, 1, 4, 3], {
      shape: [2, 1, 3, 3],
      device: step === 0 ? before : after,
    });
    model.forward(x).square().mean().backward();
    optimizer.step();
    optimizer.clearGrad();
  }
  if (model.parameters()[0] !== weight) throw new Error('the parameter is another one');
  return Object.values(model.stateDict()).flatMap((state) => {
    if (state.device.name.replace(':0', '') !== after) throw new Error(`state is left on ${state.device.name}`);
    return Array.from(state.dataSync(), Number);
  });
}

(isSimulated ? test : test.skip)(
  'a model that moves between devices trains on, with its parameters, buffers and optimizer',
  (t) => {
    useSimulatedCuda();
    const expected = trained('cpu', 'cpu');
    for (const [before, after] of [
      ['cpu', 'cuda'],
      ['cuda', 'cpu'],
    ] as const) {
      const moved = trained(before, after);
      t.is(moved.length, expected.length);
      for (const [place, value] of moved.entries())
        t.true(Math.abs(value - expected[place]!) < 1e-5, `${before} to ${after}, ${place}`);
    }
    t.throws(() => new Linear(2, 2).to('cuda:7'), { code: 'DEVICE_UNAVAILABLE' });
  },
);
