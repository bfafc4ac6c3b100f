/**
 * What a machine may lack that is asked for `cuda`, and what may happen to a process that uses it: each is an error with what was tried
 * and what to do, or is repaired without a word. Every case is a process of its own, and `opwright doctor` explains the lasting ones.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { driverCandidates, nvrtcCandidates } from '../runtime/devices/cuda/libraries.js';
import { simulatedCuda } from './support/cuda-sim.js';

const paths = simulatedCuda();
const onSimulator = paths === undefined ? test.skip : test;
const { driver = '', nvrtc = '' } = paths ?? {};

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'opwright-cuda-absent-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

type Environment = Readonly<Record<string, string>>;

const simulated: Environment = { OPWRIGHT_CUDA_DRIVER: driver, OPWRIGHT_NVRTC: nvrtc };

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Of this environment, only what has nothing to do with CUDA. */
function environmentOf(settings: Environment): Record<string, string | undefined> {
  const {
    OPWRIGHT_CUDA_DRIVER: _,
    OPWRIGHT_NVRTC: __,
    OPWRIGHT_CUBLAS_LIBRARY: _____,
    CUDA_HOME: ___,
    CUDA_PATH: ____,
    ...rest
  } = process.env;
  return { ...rest, OPWRIGHT_CACHE_DIR: join(folder, 'kernels'), ...settings };
}

/** Runs a program with the names of the main entry. */
function run(program: string, settings: Environment): Ended {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, argumentsFor(program), {
    encoding: 'utf8',
    env: environmentOf(settings),
    timeout: 120_000,
  });
  return { status, signal, stdout, stderr };
}

function argumentsFor(program: string): string[] {
  const entry = JSON.stringify(join(dist, 'entry', 'index.js'));
  return [
    '--input-type=module',
    '-e',
    `import * as opwright from ${entry};\nconst { tensor, setDevice, cuda } = opwright;\n${program}`,
  ];
}

/** The error of asking for cuda, and what doctor says. */
function asked(
  settings: Environment,
  device = 'cuda',
): { readonly code: string; readonly message: string; readonly doctor: string } {
  const program = `try { setDevice(${JSON.stringify(device)}); } catch (error) { console.log(error.code + '\\n' + error.message); }`;
  const { stdout, stderr, status } = run(program, settings);
  if (status !== 0) throw new Error(stderr);
  const [code = '', ...lines] = stdout.split('\n');
  const doctor = spawnSync(process.execPath, [join(dist, 'codegen', 'cli.js'), 'doctor'], {
    encoding: 'utf8',
    env: environmentOf({ OPWRIGHT_NATIVE: '0', ...settings }),
  });
  return { code, message: lines.join('\n'), doctor: doctor.stdout };
}

// ---- What is looked for

test('what the environment names is all that is tried', (t) => {
  t.deepEqual(driverCandidates({ OPWRIGHT_CUDA_DRIVER: '/a/libcuda.so' }), ['/a/libcuda.so']);
  t.deepEqual(nvrtcCandidates({ OPWRIGHT_NVRTC: '/a/nvrtc.so', CUDA_HOME: '/b' }), ['/a/nvrtc.so']);
});

(process.platform === 'linux' ? test : test.skip)(
  'NVRTC is looked for in a toolkit, by name, and in wheels, in this order',
  (t) => {
    const toolkit = join(folder, 'toolkit');
    const environment = join(folder, 'venv');
    const site = join(environment, 'lib', 'python3.12', 'site-packages', 'nvidia');
    for (const place of [join(toolkit, 'lib64'), join(site, 'cuda_nvrtc', 'lib'), join(site, 'cu13', 'lib')])
      mkdirSync(place, { recursive: true });
    symlinkSync('/dev/null', join(toolkit, 'lib64', 'libnvrtc.so.11.2'));
    symlinkSync('/dev/null', join(toolkit, 'lib64', 'libnvrtc.so.12'));
    symlinkSync('/dev/null', join(site, 'cuda_nvrtc', 'lib', 'libnvrtc.so.12'));
    symlinkSync('/dev/null', join(site, 'cu13', 'lib', 'libnvrtc.so.13'));
    const candidates = nvrtcCandidates({ CUDA_HOME: toolkit, VIRTUAL_ENV: environment });
    const places = [
      join(toolkit, 'lib64', 'libnvrtc.so.12'),
      join(toolkit, 'lib64', 'libnvrtc.so.11.2'),
      'libnvrtc.so.13',
      'libnvrtc.so.12',
      '/usr/local/cuda/lib64/libnvrtc.so.13',
      join(site, 'cuda_nvrtc', 'lib', 'libnvrtc.so.12'),
      join(site, 'cu13', 'lib', 'libnvrtc.so.13'),
    ].map((path) => candidates.indexOf(path));
    t.false(places.includes(-1), candidates.join('\n'));
    t.deepEqual(
      places.slice(0, 5),
      places.slice(0, 5).toSorted((left, right) => left - right),
    );
    t.true(places[5]! > places[4]! && places[6]! > places[4]!);
  },
);

test('without a driver, the error lists every path that was tried', (t) => {
  const missing = join(folder, 'no-driver', 'libcuda.so.1');
  const { code, message, doctor } = asked({ OPWRIGHT_CUDA_DRIVER: missing });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.true(message.includes(missing));
  t.regex(message, /OPWRIGHT_CUDA_DRIVER/);
  t.regex(doctor, /^-- {2}CUDA driver +There is no CUDA driver/m);
  t.true(doctor.includes(missing));
});

(process.platform === 'linux' && !driverCandidates({}).some(isThere) ? test : test.skip)(
  'without any setting, the usual places are tried and named',
  (t) => {
    const { code, message } = asked({});
    t.is(code, 'DEVICE_UNAVAILABLE');
    for (const path of driverCandidates({})) t.true(message.includes(path), path);
  },
);

function isThere(path: string): boolean {
  return spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout?.includes(path) ?? false;
}

onSimulator('without a GPU, the error says so, and programs that ask first do without', (t) => {
  const settings = { ...simulated, OPWRIGHT_SIM_DEVICES: '0' };
  const { code, message, doctor } = asked(settings);
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.regex(message, /finds no GPU/);
  t.regex(message, /CUDA_ERROR_NO_DEVICE/);
  t.regex(doctor, /finds no GPU.*\n.*CUDA_ERROR_NO_DEVICE.*\n.*nvidia-smi/);
  const { stdout } = run('console.log(opwright.isCompiledWithCuda(), cuda.deviceCount(), tensor([1]).device.name);', settings);
  t.is(stdout.trim(), 'false 0 cpu');
});

onSimulator('without NVRTC, the error lists every path that was tried', (t) => {
  const missing = join(folder, 'no-nvrtc', 'libnvrtc.so.13');
  const { code, message, doctor } = asked({ ...simulated, OPWRIGHT_NVRTC: missing });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.true(message.includes(missing));
  t.regex(message, /no NVRTC/);
  t.regex(message, /nvidia-cuda-nvrtc/);
  t.regex(doctor, /^ok {2}cuda:0 +Simulated device 0/m);
  t.regex(doctor, /^-- {2}on cuda:0 +There is a CUDA driver, but no NVRTC/m);
});

onSimulator('an NVRTC that is newer than the driver is passed over, and the error says which would do', (t) => {
  const { code, message, doctor } = asked({ ...simulated, OPWRIGHT_SIM_DRIVER: '12.4' });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.regex(message, /NVRTC 13\.0, and the driver, of CUDA 12\.4, is older/);
  t.regex(message, /nvidia-cuda-nvrtc-cu12/);
  t.regex(doctor, /older than that/);
});

onSimulator('an NVRTC that does not know so old a GPU is passed over', (t) => {
  const { code, message } = asked({ ...simulated, OPWRIGHT_SIM_ARCHITECTURE: '70' });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.regex(message, /compiles for sm_75 and later, and the GPU is sm_70/);
});

onSimulator('what is no library at all is named with what the system says', (t) => {
  const { code, message } = asked({ ...simulated, OPWRIGHT_CUDA_DRIVER: fileURLToPath(import.meta.url) });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.regex(message, /cuda-absent\.test\.js \(/);
});

onSimulator('a driver that cannot be started says why', (t) => {
  const { code, message, doctor } = asked({ ...simulated, OPWRIGHT_SIM_FAIL: 'cuInit:1=803' });
  t.is(code, 'DEVICE_UNAVAILABLE');
  t.regex(message, /CUDA_ERROR_SYSTEM_DRIVER_MISMATCH \(803/);
  t.regex(doctor, /cannot be started/);
});

onSimulator('doctor explains a kernel that does not compile, a driver that takes no image, and memory that is exhausted', (t) => {
  const doctorWith = (name: string, settings: Environment): string =>
    spawnSync(process.execPath, [join(dist, 'codegen', 'cli.js'), 'doctor'], {
      encoding: 'utf8',
      env: environmentOf({ ...simulated, OPWRIGHT_NATIVE: '0', OPWRIGHT_CACHE_DIR: join(folder, name), ...settings }),
    }).stdout;
  // Each injection fails the next call that none before it has failed.
  const always = (call: string, code: number) => new Array(9).fill(`${call}:1=${code}`).join(',');
  const compiler = doctorWith('compiler', { OPWRIGHT_SIM_FAIL: always('nvrtcCompileProgram', 6) });
  t.regex(compiler, /^-- {2}on cuda:0 +The kernel \S+ does not compile\.\n +NVRTC 13\.0 .*says: /m);
  t.regex(compiler, /please report it/);
  const images = doctorWith('images', { OPWRIGHT_SIM_FAIL: always('cuModuleLoadData', 200) });
  t.regex(images, /^-- {2}on cuda:0 +The CUDA driver does not load what NVRTC compiled/m);
  t.regex(images, /OPWRIGHT_NVRTC/);
  const memory = doctorWith('memory', { OPWRIGHT_SIM_FAIL: always('cuMemAlloc_v2', 2) });
  t.regex(memory, /^-- {2}on cuda:0 +The GPU has no memory left: cuMemAlloc gives CUDA_ERROR_OUT_OF_MEMORY/m);
  t.regex(memory, /nvidia-smi shows what other programs hold/);
});

onSimulator('a damaged entry of the cache is repaired by the next process, and doctor finds nothing wrong', (t) => {
  const cache = join(folder, 'damaged-kernels');
  const settings = { ...simulated, OPWRIGHT_NATIVE: '0', OPWRIGHT_CACHE_DIR: cache };
  const doctor = () =>
    spawnSync(process.execPath, [join(dist, 'codegen', 'cli.js'), 'doctor'], { encoding: 'utf8', env: environmentOf(settings) });
  t.regex(doctor().stdout, /^ok {2}on cuda:0 +kernels run/m);
  const entries = readdirSync(cache).filter((name) => name.endsWith('.cubin'));
  t.true(entries.length > 0);
  for (const name of entries) writeFileSync(join(cache, name), 'damaged');
  const again = doctor();
  t.regex(again.stdout, /^ok {2}on cuda:0 +kernels run/m);
  t.is(again.stderr, '');
});

// ---- What may happen to a process

const compute = `const x = tensor([[1, 2], [3, 4]], { device: 'cuda' });
const y = x.softmax().matmul(x).exp().sum();`;

onSimulator('a process that ends with work in flight ends as others do', (t) => {
  for (const ending of ['', 'process.exit(0);', 'y.data(); process.exit(0);']) {
    const { status, signal, stderr } = run(`${compute}\nfor (let i = 0; i < 50; i++) x.exp();\n${ending}`, simulated);
    t.deepEqual([status, signal, stderr], [0, null, ''], ending);
  }
});

onSimulator('a worker thread computes on the GPU beside the main one', (t) => {
  const source = `import(${JSON.stringify(join(dist, 'entry', 'index.js'))}).then(({ tensor }) =>
  require('node:worker_threads').parentPort.postMessage(tensor([1, 2], { device: 'cuda' }).add(1).tolist()));`;
  const program = `const { Worker } = await import('node:worker_threads');
const mine = tensor([10], { device: 'cuda' }).add(1);
const worker = new Worker(${JSON.stringify(source)}, { eval: true, execArgv: [] });
worker.on('message', (theirs) => {
  console.log(JSON.stringify([theirs, mine.tolist()]));
  void worker.terminate();
});`;
  const { status, stdout, stderr } = run(program, simulated);
  t.deepEqual([status, stdout.trim()], [0, '[[2,3],[11]]'], stderr);
});

onSimulator('a read that nobody waits for does not keep the process from ending', (t) => {
  const { status, signal, stderr } = run(`${compute}\nvoid y.data();`, simulated);
  t.deepEqual([status, signal, stderr], [0, null, '']);
});

onSimulator('an error that nobody catches ends the process with the op and the place', (t) => {
  const program = `const x = tensor([1, 2], { device: 'cuda' });
x.gather(tensor([9], { dtype: 'int32', device: 'cuda' })).dataSync();`;
  const { status, stderr } = run(program, simulated);
  t.is(status, 1);
  t.regex(stderr, /INDEX_OUT_OF_RANGE/);
  t.regex(stderr, /op: +gather/);
});

onSimulator('two processes fill one cache at the same time, and a third compiles nothing', async (t) => {
  const cache = join(folder, 'shared-kernels');
  const settings = environmentOf({ ...simulated, OPWRIGHT_CACHE_DIR: cache });
  const program = argumentsFor(`${compute}\nconsole.log(y.item());`);
  const start = () =>
    new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, program, { env: settings, stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.on('data', (chunk) => {
        output += chunk;
      });
      child.on('error', reject);
      child.on('close', () => resolve(output));
    });
  const [first, second] = await Promise.all([start(), start()]);
  t.is(first, second);
  t.true(Number(first) > 0);
  const third = run(`${compute}\nconsole.log(y.item());`, { ...simulated, OPWRIGHT_CACHE_DIR: cache, DEBUG: 'opwright:compile' });
  t.is(third.stdout, first);
  t.notRegex(third.stderr, / ms$/m);
});

onSimulator('a cache that cannot be written costs a warning and nothing else', (t) => {
  const cache = join(folder, 'a-file-in-place-of-a-cache');
  cpSync(fileURLToPath(import.meta.url), cache);
  const { status, stdout, stderr } = run(`${compute}\nconsole.log(y.item() > 0);`, { ...simulated, OPWRIGHT_CACHE_DIR: cache });
  t.deepEqual([status, stdout.trim()], [0, 'true']);
  t.regex(stderr, /OPWRIGHT_CACHE/);
});
