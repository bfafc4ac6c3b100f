/** `npm start -- --device cuda`: a few steps of LeNet on the simulated driver, and the same on the cpu. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
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
