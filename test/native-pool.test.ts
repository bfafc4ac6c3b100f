/** The native tier's support library: its threads, run on kernels written by hand, from JavaScript and from a program in C. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import fc from 'fast-check';
import { hostSource } from '../runtime/devices/cpu/native/host-source.js';
import { webAssembly } from '../runtime/devices/cpu/webassembly.js';
import { addressOfBytes, openLibrary } from '../runtime/devices/ffi.js';
import { isThere } from './c-harness.js';
import { driverSource, kernelSource } from './native-pool-driver.js';

const compiler = ['cc', 'gcc', 'clang'].find(isThere);
const test: TestFn = anyTest;
const testCompiled = compiler === undefined ? test.skip : test.serial;
const testLinux = compiler === undefined || process.platform !== 'linux' ? test.skip : test.serial;

const folder = mkdtempSync(join(tmpdir(), 'opwright-pool-'));
const hostLibrary = join(folder, 'host.so');
const kernelLibrary = join(folder, 'kernels.so');
const driver = join(folder, 'driver');
test.after.always(() => rmSync(folder, { recursive: true }));

/** Compiles C text; gives what the compiler said where it failed. */
function compile(output: string, source: string, flags: readonly string[]): string | undefined {
  const file = `${output}.c`;
  writeFileSync(file, source);
  const options = [...flags, '-std=gnu11', '-Wall', '-Wextra', '-Werror', '-pthread', file, '-o', output, '-ldl'];
  const { status, stderr } = spawnSync(compiler ?? 'cc', options, { encoding: 'utf8' });
  return status === 0 ? undefined : stderr;
}

const library = ['-O2', '-shared', '-fPIC', '-fvisibility=hidden'];
const wholeDriver = [hostSource, kernelSource, driverSource].join('\n');

if (compiler !== undefined)
  test.before('the texts compile without a warning', (t) => {
    t.is(compile(hostLibrary, hostSource, library), undefined);
    t.is(compile(kernelLibrary, kernelSource, ['-O2', '-shared', '-fPIC']), undefined);
    t.is(compile(driver, wholeDriver, ['-O2']), undefined);
  });

function openHost(path: string) {
  const host = openLibrary(path);
  return {
    open: host.function('ow_open', 'f64', ['string']),
    symbol: host.function('ow_symbol', 'f64', ['f64', 'string']),
    error: host.function('ow_error', 'string', []),
    launch: host.function('ow_launch', 'void', ['f64', 'f64', 'u32', 'i32', 'i32']),
    threads: host.function('ow_threads', 'i32', ['i32']),
    handedOver: host.function('ow_chunks_handed_over', 'i32', []),
  };
}

/** A memory with a block and items, and the kernels to run over them. */
class Bench {
  readonly host = openHost(hostLibrary);
  readonly memory = new webAssembly.Memory({ initial: 32, maximum: 32, shared: true });
  readonly block = new Int32Array(this.memory.buffer, 64, 4);
  readonly items = new Int32Array(this.memory.buffer, 4096, 100_000);
  private readonly base = addressOfBytes(new Uint8Array(this.memory.buffer));
  private readonly kernels = this.host.open(kernelLibrary);

  /** Returns how often the kernel was called, and the most items of a call. */
  launch(kernel: string, work: number, grain: number, effort = 0): { calls: number; most: number } {
    this.block.set([this.items.byteOffset, 0, 0, effort]);
    this.host.launch(this.host.symbol(this.kernels, kernel), this.base, this.block.byteOffset, work, grain);
    return { calls: this.block[1]!, most: this.block[2]! };
  }

  /** Launches that last until a worker has had part in one. */
  wake(): void {
    const before = this.host.handedOver();
    while (this.host.handedOver() === before) this.launch('ow_uneven', 400, 1, 100);
    this.items.fill(0);
  }

  /** Whether just the items of the work ran, each once. */
  ranOnce(work: number): boolean {
    const right = this.items.every((count, item) => count === (item < work ? 1 : 0));
    this.items.fill(0);
    return right;
  }
}

const threadCount = (): number => readdirSync('/proc/self/task').length;

testLinux('one thread is no thread of the pool, and the number can change', (t) => {
  const bench = new Bench();
  const before = threadCount();
  t.is(bench.host.threads(0), 1);
  bench.launch('ow_count', 100_000, 1);
  t.is(threadCount(), before);
  for (const threads of [2, 4, 3]) {
    t.is(bench.host.threads(threads), threads);
    t.is(threadCount(), before, 'they start with a launch');
    bench.wake();
    t.is(threadCount(), before + threads - 1);
  }
  t.is(bench.host.threads(1), 1);
  t.is(threadCount(), before);
});

const works = [0, 1, 2, 3, 5, 7, 16, 63, 64, 65, 255, 257, 512, 1000, 4097, 65_536, 100_000];
const grains = [0, 1, 2, 3, 7, 64, 500, 30_000, 2 ** 31 - 1];

for (const threads of [1, 2, 4]) {
  testCompiled(`every item runs once, whatever the work and the grain, with ${threads} threads`, (t) => {
    const bench = new Bench();
    bench.host.threads(threads);
    if (threads > 1) bench.wake();
    for (const work of works)
      for (const grain of grains) {
        const { calls, most } = bench.launch('ow_count', work, grain);
        const label = `work ${work}, grain ${grain}: ${calls} calls, of up to ${most} items`;
        t.true(bench.ranOnce(work), label);
        const grains = Math.ceil(work / Math.max(1, grain));
        t.true(calls <= Math.min(4 * threads, 2 * Math.max(1, grains) - 1), label);
        if (calls === 1) continue;
        // Calls of 256 items and more begin at multiples of 64.
        t.true(most <= Math.ceil(work / Math.min(threads, grains)) + (most < 256 ? 0 : 63), label);
        t.true(most < 256 || most % 64 === 0, label);
      }
  });
}

testCompiled('a large launch is cut into several chunks for each thread', (t) => {
  const bench = new Bench();
  bench.host.threads(2);
  t.is(bench.launch('ow_count', 100_000, 1000).calls, 8);
  const most = 2 ** 31 - 1;
  t.is(bench.launch('ow_note', most, 1).calls, 8);
  t.deepEqual(bench.launch('ow_note', most, most - 1), { calls: 2, most: 2 ** 30 });
});

testCompiled('every item runs once where some take longer than others', (t) => {
  const bench = new Bench();
  bench.host.threads(2);
  const sizes = fc.tuple(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 0, max: 20 }));
  const property = fc.property(sizes, ([work, grain, effort]) => {
    bench.launch('ow_uneven', work, grain, effort);
    return bench.ranOnce(work);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});

testCompiled('workers that sleep are not woken for two grains of work, and are for more', async (t) => {
  const bench = new Bench();
  bench.host.threads(2);
  bench.wake();
  // When they fall asleep is for the system to say.
  for (let tries = 0; tries < 200 && bench.launch('ow_count', 2000, 1000).calls !== 1; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.is(bench.launch('ow_count', 2000, 1000).calls, 1);
  t.true(bench.launch('ow_count', 2001, 1000).calls > 1);
});

testCompiled('a library or a function that is not there has address 0 and a reason', (t) => {
  const { host } = new Bench();
  t.is(host.open(join(folder, 'none.so')), 0);
  t.regex(host.error() ?? '', /none\.so/);
  t.is(host.symbol(host.open(kernelLibrary), 'ow_none'), 0);
  t.regex(host.error() ?? '', /ow_none/);
});

/** What a JavaScript thread of its own runs: opens the library, launches over its own memory, counts launches that went wrong. */
function launchElsewhere(launches: number): Promise<number> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { koffi: path, hostLibrary, kernelLibrary, launches } = workerData;
    const koffi = require(path);
    const host = koffi.load(hostLibrary);
    const launch = host.func('void ow_launch(double, double, uint32_t, int, int)');
    const library = host.func('double ow_open(const char *)')(kernelLibrary);
    const kernel = host.func('double ow_symbol(double, const char *)')(library, 'ow_count');
    host.func('int ow_threads(int)')(2);
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const base = Number(koffi.address(new Uint8Array(buffer)));
    new Int32Array(buffer).set([64, 0, 1 << 30, 0]);
    const items = new Int32Array(buffer, 64, 5000);
    let wrong = 0;
    for (let round = 0; round < launches; round++) {
      const work = 1 + ((round * 7919) % items.length);
      launch(kernel, base, 0, work, 20);
      if (!items.every((count, item) => count === (item < work ? 1 : 0))) wrong++;
      items.fill(0);
    }
    parentPort.postMessage(wrong);`;
  const koffi = createRequire(import.meta.url).resolve('koffi');
  const worker = new Worker(source, { eval: true, workerData: { koffi, hostLibrary, kernelLibrary, launches } });
  return new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
}

testCompiled('JavaScript threads share the pool, each with its memory', async (t) => {
  const bench = new Bench();
  bench.host.threads(2);
  bench.wake();
  let running = true;
  const others = Promise.all([launchElsewhere(3000), launchElsewhere(3000)]).finally(() => {
    running = false;
  });
  for (let launches = 0; running; launches++) {
    bench.launch('ow_count', 3000, 20);
    t.true(bench.ranOnce(3000));
    if (launches % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  t.deepEqual(await others, [0, 0]);
});

/** Runs the driver, or a program in its place. A part of it that hangs is killed. */
function drive(t: ExecutionContext, program: string, ...commandLine: readonly string[]): string {
  const { status, signal, stdout, stderr } = spawnSync(program, commandLine, { encoding: 'utf8', timeout: 20_000 });
  t.is(status, 0, `${commandLine.join(' ')} ended with ${signal ?? status}: ${stdout.slice(0, 2000)}${stderr.slice(0, 2000)}`);
  t.regex(stdout, /ok\n$/);
  return stdout;
}

testCompiled('100,000 launches with pauses, from two threads, while the number of threads changes', (t) => {
  drive(t, driver, 'stress', '50000');
});

testCompiled('workers end when there are to be fewer, whatever they are about to do', (t) => {
  drive(t, driver, 'changes', '3000');
});

testCompiled('a child that was forked between launches, in one, or beside one starts threads of its own', (t) => {
  drive(t, driver, 'fork-between-launches');
  drive(t, driver, 'fork-in-launch');
  drive(t, driver, 'fork-beside-launch');
});

testCompiled('workers take no signals', (t) => {
  drive(t, driver, 'signals');
});

testLinux('workers keep off the processor of the caller', (t) => {
  drive(t, driver, 'affinity');
});

testCompiled('a kernel that launches runs that launch on its own thread', (t) => {
  drive(t, driver, 'nested');
});

testCompiled('a program ends at once while workers spin or sleep', (t) => {
  drive(t, driver, 'leave-spinning');
  drive(t, driver, 'leave-sleeping');
});

testLinux('two threads on one processor do not spin', (t) => {
  const [ratio = ''] = drive(t, driver, 'one-processor').split(' ');
  t.log(`${ratio} times the processor time of one thread`);
  t.true(Number(ratio) < 1.4);
});

/** How to start a program under ThreadSanitizer: it needs a memory layout that some kernels give only without randomisation. */
function sanitisedStart(): readonly [string, ...string[]] | undefined {
  const program = join(folder, 'sanitised');
  if (compiler === undefined || compile(program, 'int main(void) { return 0; }', sanitised) !== undefined) return undefined;
  const starts: [string, ...string[]][] = [[program], ['setarch', '-R', program]];
  return starts.find(([command, ...rest]) => spawnSync(command, rest).status === 0);
}

const sanitised = ['-O1', '-g', '-fsanitize=thread'];
const start = sanitisedStart();

if (start === undefined) test.skip('ThreadSanitizer finds no race: no program runs under it here', () => {});
else
  test.serial('ThreadSanitizer finds no race', (t) => {
    const [command, ...rest] = start;
    t.is(compile(join(folder, 'sanitised'), wholeDriver, sanitised), undefined);
    drive(t, command, ...rest, 'stress', '10000');
    drive(t, command, ...rest, 'nested');
  });

/** A program of its own, which ends by itself: nothing that the pool holds may keep it, or crash it. */
function runProgram(body: string): { status: number | null; stderr: string; stdout: string } {
  const ffi = fileURLToPath(new URL('../runtime/devices/ffi.js', import.meta.url));
  const koffi = createRequire(import.meta.url).resolve('koffi');
  const source = `
    const [hostLibrary, kernelLibrary, koffi] = ${JSON.stringify([hostLibrary, kernelLibrary, koffi])};
    const { openLibrary, addressOfBytes } = await import(${JSON.stringify(ffi)});
    ${body}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', source], { encoding: 'utf8', timeout: 20_000 });
}

testCompiled('node ends with status 0 while workers spin', (t) => {
  const { status, stderr } = runProgram(`
    const host = openLibrary(hostLibrary);
    const library = host.function('ow_open', 'f64', ['string'])(kernelLibrary);
    const kernel = host.function('ow_symbol', 'f64', ['f64', 'string'])(library, 'ow_empty');
    host.function('ow_threads', 'i32', ['i32'])(2);
    host.function('ow_launch', 'void', ['f64', 'f64', 'u32', 'i32', 'i32'])(kernel, 0, 0, 1000, 1);`);
  t.is(status, 0, stderr);
});

testLinux('the library stays when the JavaScript thread that opened it ends', (t) => {
  const { status, stdout, stderr } = runProgram(`
    const { Worker } = await import('node:worker_threads');
    const { readFileSync } = await import('node:fs');
    const worker = new Worker(\`
      const host = require(\${JSON.stringify(koffi)}).load(\${JSON.stringify(hostLibrary)});
      const library = host.func('double ow_open(const char *)')(\${JSON.stringify(kernelLibrary)});
      const kernel = host.func('double ow_symbol(double, const char *)')(library, 'ow_empty');
      host.func('int ow_threads(int)')(2);
      host.func('void ow_launch(double, double, uint32_t, int, int)')(kernel, 0, 0, 1000, 1);
      host.unload();\`, { eval: true, execArgv: [] });
    worker.on('exit', () => setTimeout(() => console.log(readFileSync('/proc/self/maps', 'utf8').includes(hostLibrary)), 5));`);
  t.is(status, 0, stderr);
  t.is(stdout, 'true\n');
});
