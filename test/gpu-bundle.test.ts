/**
 * The bundle for machines with a GPU and nothing else: made in a temporary folder, and run from there with an empty environment, no Node to be
 * found, and no network where the system can take it away. The GPU is the simulated one, whose compiler is all that is on the PATH.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import test from 'ava';
import { simulatedCuda, simulatedCudaProblem } from './support/cuda-sim.js';

const paths = simulatedCuda();
const folder = mkdtempSync(join(tmpdir(), 'opwright-bundle-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** What the simulated compiler and the bundle's own script are made of. */
const tools = ['sh', 'env', 'dirname', 'g++', 'as', 'ld', 'addr2line'];

/** A folder with these programs alone, in place of a PATH. */
function pathOfTools(): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const tool of tools) {
    const found = (process.env.PATH ?? '').split(delimiter).find((place) => existsSync(join(place, tool)));
    if (found !== undefined) symlinkSync(join(found, tool), join(bin, tool));
  }
  return bin;
}

const withoutNetwork = spawnSync('unshare', ['-n', 'true']).status === 0 ? ['unshare', '-n'] : [];

if (paths === undefined) test.skip(simulatedCudaProblem() ?? 'no simulated GPU', () => {});
else
  test('the bundle runs its doctor and the op matrix on a machine without Node, network or anything of the repository', (t) => {
    t.timeout(300_000);
    const bundle = join(folder, 'bundle');
    const made = spawnSync(process.execPath, [join('scripts', 'gpu-bundle.mjs'), bundle], { encoding: 'utf8' });
    t.is(made.status, 0, made.stderr);
    const libraries = join(folder, 'libraries');
    cpSync(dirname(paths.driver), libraries, {
      recursive: true,
      dereference: true,
      filter: (source) => !source.includes('images') && !source.endsWith('kernels'),
    });
    const path = pathOfTools();
    const run = (command: string, settings: readonly string[] = []) => {
      const variables = [
        `PATH=${path}`,
        `OPWRIGHT_CUDA_DRIVER=${join(libraries, 'libcuda.so.1')}`,
        `OPWRIGHT_NVRTC=${join(libraries, 'libnvrtc.so.13')}`,
        ...settings,
      ];
      const [program = 'env', ...args] = [...withoutNetwork, 'env', '-i', ...variables, join(bundle, 'run'), command];
      return spawnSync(program, args, { cwd: '/', encoding: 'utf8', timeout: 240_000 });
    };
    const doctor = run('doctor');
    t.is(doctor.status, 0, doctor.stderr);
    t.regex(doctor.stdout, /^ok {2}on cuda:0 +kernels run/m);
    const matrix = run('test', ['OPWRIGHT_TEST=add,softmax,matmul/values']);
    t.is(matrix.status, 0, `${matrix.stdout}\n${matrix.stderr}`);
    for (const op of ['add', 'softmax', 'matmul']) t.regex(matrix.stdout, new RegExp(`✔ .*${op}:cuda values`));
    t.true(readdirSync(join(bundle, 'kernels')).length > 0, 'kernels are kept within the bundle');
    t.is(run('').status, 2);
  });
