/**
 * Finding and running the C compiler: compilers that hang, crash, talk nonsense or produce it are scripts, some of which pass on to
 * the real one up to the point where they go wrong. None of them may do more than leave the library without native code.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Compiler, type CompilerProblem, findCompiler, NativeCompileError } from '../runtime/devices/cpu/native/compiler.js';
import { openLibrary } from '../runtime/devices/ffi.js';
import { KernelCache } from '../runtime/devices/kernel-cache.js';
import { OpwrightError } from '../runtime/errors.js';

const root = mkdtempSync(join(tmpdir(), 'opwright-compiler-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

let counter = 0;
const newPath = (name: string): string => join(root, `${counter++}-${name}`);
const newCache = (): KernelCache => new KernelCache(newPath('cache'));

/** The real compiler, if there is one; scripts pass on to it. */
const gcc = spawnSync('sh', ['-c', 'command -v gcc'], { encoding: 'utf8' }).stdout?.trim() ?? '';
const withGcc = gcc === '' ? test.skip : test;
const withShell = process.platform === 'win32' ? test.skip : test;

/** A program of that name in a folder of its own. */
function script(body: string, name = 'cc'): string {
  const folder = newPath('bin');
  mkdirSync(folder);
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

function find(environment: Readonly<Record<string, string>>, cache = newCache()): Compiler | CompilerProblem {
  return findCompiler(cache, { PATH: process.env.PATH, ...environment });
}

function found(environment: Readonly<Record<string, string>>, cache = newCache()): Compiler {
  const compiler = find(environment, cache);
  if (compiler instanceof Compiler) return compiler;
  throw new Error(compiler.problem);
}

function problemOf(t: ExecutionContext, environment: Readonly<Record<string, string>>): CompilerProblem {
  const cache = newCache();
  const outcome = find(environment, cache);
  if (outcome instanceof Compiler) throw new Error(`${outcome.path} was accepted`);
  t.deepEqual(
    existsSync(cache.folder) ? readdirSync(cache.folder) : [],
    [],
    'failures leave nothing behind and are not remembered',
  );
  t.true(outcome.remedy.length > 0);
  return outcome;
}

const add = 'int add(int a, int b) { return a + b; }\n';

// ---- Compilers that work

withGcc('what it compiles can be loaded and called', (t) => {
  const compiler = found({ OPWRIGHT_CC: 'gcc' });
  t.is(compiler.path, gcc);
  t.regex(compiler.version, /\d+\.\d+/);
  const path = newPath('add.so');
  compiler.build(add, path);
  t.is(openLibrary(path).function('add', 'i32', ['i32', 'i32'])(2, 40), 42);
});

withGcc('vectors are as wide as the target has them', (t) => {
  const defines = (flag: string): string =>
    spawnSync(gcc, [flag, '-dM', '-E', '-x', 'c', '-'], { input: '', encoding: 'utf8' }).stdout;
  const native = defines('-march=native');
  const wide = ['__AVX512F__', '__AVX512VL__', '__AVX512BW__', '__AVX512DQ__'].every((name) => native.includes(`${name} 1`));
  const widest = wide ? 64 : native.includes('__AVX2__ 1') ? 32 : 16;
  const identities = new Set<string>();
  const check = (environment: Readonly<Record<string, string>>, vectorBytes: number, flags: readonly string[]): void => {
    const compiler = found({ OPWRIGHT_CC: 'gcc', ...environment });
    t.is(compiler.vectorBytes, vectorBytes);
    t.deepEqual(compiler.machineFlags, flags);
    identities.add(compiler.identity);
  };
  check({}, widest, ['-march=native']);
  if (process.arch === 'x64') {
    check({ OPWRIGHT_MARCH: 'x86-64' }, 16, ['-march=x86-64']);
    if (widest >= 32) check({ OPWRIGHT_MARCH: 'x86-64-v3' }, 32, ['-march=x86-64-v3']);
    if (widest === 64) check({ OPWRIGHT_MARCH: 'x86-64-v4' }, 64, ['-march=x86-64-v4']);
    t.is(identities.size, 2 + (widest >= 32 ? 1 : 0) + (widest === 64 ? 1 : 0), 'the target is part of what identifies it');
  }
});

withGcc('what was found is remembered: a warm start runs no program', (t) => {
  const log = newPath('log');
  const compiler = script(`echo "$@" >> ${log}\nexec ${gcc} "$@"`);
  const runs = (): number => readFileSync(log, 'utf8').trimEnd().split('\n').length;
  const cache = newCache();
  const first = found({ OPWRIGHT_CC: compiler }, cache);
  t.is(runs(), 3); // Its macros, the trial as a program and as a library.
  const second = found({ OPWRIGHT_CC: compiler }, new KernelCache(cache.folder));
  t.is(runs(), 3);
  t.is(second.identity, first.identity);
  t.is(second.vectorBytes, first.vectorBytes);
  // Another compiler in the same place is asked again.
  utimesSync(compiler, new Date(), new Date(Date.now() - 10_000));
  found({ OPWRIGHT_CC: compiler }, new KernelCache(cache.folder));
  t.is(runs(), 6);
});

withGcc('a compiler that knows no -march=native compiles for any processor of the architecture', (t) => {
  const old = script(`case "$*" in *=native*) echo "error: bad value 'native'" >&2; exit 1;; esac\nexec ${gcc} "$@"`);
  const compiler = found({ OPWRIGHT_CC: old });
  t.deepEqual(compiler.machineFlags, []);
  t.is(compiler.vectorBytes, 16);
});

withGcc('the first compiler on PATH that works is used', (t) => {
  const broken = script('exit 1', 'gcc');
  const working = script(`exec ${gcc} "$@"`, 'cc');
  const PATH = [broken, working].map((path) => join(path, '..')).join(delimiter);
  // The assembler and the linker are looked up on PATH of the process, which stays.
  t.is(found({ PATH }).path, working);
});

withGcc('OPWRIGHT_CC is used alone', (t) => {
  const { problem } = problemOf(t, { OPWRIGHT_CC: script('exit 1') });
  t.notRegex(problem, /gcc/);
});

// ---- Compilers that are not there

withShell('without a compiler on PATH the problem names what was looked for, and what to install', (t) => {
  const { problem, remedy } = problemOf(t, { PATH: newPath('empty') });
  for (const name of ['gcc', 'clang', 'cc']) t.true(problem.includes(`${name} is not there`), problem);
  t.regex(remedy, /Install GCC or Clang/);
});

withShell('relative entries of PATH are not searched', (t) => {
  const { problem } = problemOf(t, { PATH: `.${delimiter}${delimiter}node_modules/.bin` });
  t.regex(problem, /gcc is not there; clang is not there; cc is not there/);
});

withShell('OPWRIGHT_CC is a program and no command line', (t) => {
  const victim = newPath('victim');
  const { problem, remedy } = problemOf(t, { OPWRIGHT_CC: `gcc; touch ${victim}` });
  t.regex(problem, /is not there/);
  t.regex(remedy, /OPWRIGHT_CC/);
  t.false(existsSync(victim));
});

withShell('a folder or a file that cannot be run is no compiler', (t) => {
  const file = newPath('file');
  writeFileSync(file, '');
  for (const OPWRIGHT_CC of [root, file]) t.regex(problemOf(t, { OPWRIGHT_CC }).problem, /is not there/);
});

// ---- Compilers that do not work

for (const [what, body, reason] of [
  ['crashes', 'kill -SEGV $$', /was ended by SIGSEGV/],
  ['says no', 'echo "fatal: out of sorts" >&2; exit 3', /ended with 3: fatal: out of sorts/],
  ['prints garbage', 'head -c 100000 /dev/urandom', /neither GCC nor Clang/],
  ['prints nothing', 'exit 0', /neither GCC nor Clang/],
  ['prints without end', 'yes', /printed without end/],
  ['compiles for 32 bits', 'echo "#define __GNUC__ 12"; echo "#define __SIZEOF_POINTER__ 4"', /does not compile for 64 bits/],
  ['is no program', '', /neither GCC nor Clang/],
] as const) {
  withShell(`a compiler that ${what} is not used`, (t) => {
    t.regex(problemOf(t, { OPWRIGHT_CC: script(body) }).problem, reason);
  });
}

/** Right about its macros, wrong afterwards. `$out` is the file to write. */
const after = (body: string): string => `
case "$*" in *-dM*) exec ${gcc} "$@";; esac
while [ "$1" != -o ]; do last="$1"; shift; done
out="$2"
${body}`;

const asProgram = (body: string): string => `
case "$*" in *-shared*) ;; *) exec ${gcc} "$@";; esac
${body}`;

for (const [what, body, reason] of [
  ['compiles nothing', after('cat > /dev/null'), /ended with 0 but wrote nothing/],
  ['writes an empty file', after(': > "$out"'), /ended with 0 but wrote nothing/],
  [
    'writes garbage',
    after('echo garbage > "$out"; chmod 755 "$out"'),
    /the program that it compiled (ended with|cannot be started)/,
  ],
  [
    'makes programs that crash',
    after(`printf '#!/bin/sh\\nkill -ILL $$\\n' > "$out"; chmod 755 "$out"`),
    /it compiled was ended by SIGILL/,
  ],
  [
    'makes programs that hang',
    after(`printf '#!/bin/sh\\nsleep 100\\n' > "$out"; chmod 755 "$out"`),
    /it compiled did not end within 1 s/,
  ],
  ['computes wrong results', `sed 's/i32 v_end) {/& v_end--;/' | ${gcc} "$@"`, /the program that it compiled ended with 1/],
  ['makes broken libraries', asProgram(after('echo garbage > "$out"')), /cannot be loaded/],
  ['makes libraries without the function', asProgram(`exec ${gcc} -Dow_trial=other "$@"`), /no usable function ow_trial/],
  [
    'makes libraries that compute wrong results',
    asProgram(`sed 's/i32 v_end) {/& v_end--;/' | ${gcc} "$@"`),
    /the library that it compiled computes wrong results/,
  ],
] as const) {
  withGcc(`a compiler that ${what} is not used`, (t) => {
    t.regex(problemOf(t, { OPWRIGHT_CC: script(body), OPWRIGHT_CC_TIMEOUT: '1' }).problem, reason);
  });
}

withGcc('a cache folder where programs cannot be started is named as the reason', (t) => {
  const folder = newPath('noexec');
  mkdirSync(folder, { mode: 0o700 });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'noexec,mode=700', 'tmpfs', folder]).status !== 0) {
    t.log('skipped: no file system can be mounted here');
    t.pass();
    return;
  }
  try {
    const outcome = find({ OPWRIGHT_CC: 'gcc' }, new KernelCache(folder));
    t.regex('problem' in outcome ? outcome.problem : '', /cannot be started \(EACCES\); .*noexec.* OPWRIGHT_CACHE_DIR/);
  } finally {
    spawnSync('umount', [folder]);
  }
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that was ended stays in the table until its parent looks.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

withShell('a compiler that hangs is ended in time, with all that it started', async (t) => {
  const pids = newPath('pids');
  const compiler = script(`sleep 100 &\necho $! > ${pids}\necho $$ >> ${pids}\nwait`);
  const start = Date.now();
  const { problem } = problemOf(t, { OPWRIGHT_CC: compiler, OPWRIGHT_CC_TIMEOUT: '0.5' });
  t.true(Date.now() - start < 20_000);
  t.regex(problem, /did not end within 0\.5 s/);
  const started = readFileSync(pids, 'utf8').trimEnd().split('\n').map(Number);
  t.is(started.length, 2);
  for (let waited = 0; started.some(isAlive) && waited < 100; waited++) await new Promise((resolve) => setTimeout(resolve, 50));
  t.false(started.some(isAlive));
});

// ---- Sources that do not compile

withGcc('a source that is wrong is an error with what the compiler says', (t) => {
  const output = newPath('broken.so');
  const compiler = found({ OPWRIGHT_CC: 'gcc' });
  const error = t.throws(() => compiler.build('int f(void) { return undeclared; }', output), { instanceOf: NativeCompileError });
  t.true(error instanceof OpwrightError);
  t.is(error?.code, 'NATIVE_COMPILE');
  t.regex(error?.log ?? '', /error: .*undeclared/);
  t.regex(error?.message ?? '', /gcc ended with 1\.\n.*error: .*to mend: .*OPWRIGHT_NATIVE=0/s);
  t.true((error?.log.split('\n').length ?? 0) <= 12);
  t.false(existsSync(output));
});

withGcc('a compilation that takes too long is an error', (t) => {
  const slow = script(`case "$*" in *slow.so*) sleep 100;; esac\nexec ${gcc} "$@"`);
  const compiler = found({ OPWRIGHT_CC: slow, OPWRIGHT_CC_TIMEOUT: '1' });
  const error = t.throws(() => compiler.build(add, newPath('slow.so')), { instanceOf: NativeCompileError });
  t.regex(error?.message ?? '', /did not end within 1 s/);
});

// ---- Settings

withGcc('a target that the compiler does not know is a problem', (t) => {
  t.regex(problemOf(t, { OPWRIGHT_CC: 'gcc', OPWRIGHT_MARCH: 'z80' }).problem, /bad value .*z80/);
});

test('settings that make no sense are errors', (t) => {
  for (const [name, value] of [
    ['OPWRIGHT_MARCH', 'native -o /etc/passwd'],
    ['OPWRIGHT_CC_TIMEOUT', 'soon'],
    ['OPWRIGHT_CC_TIMEOUT', '0'],
    ['OPWRIGHT_CC_TIMEOUT', '-1'],
  ] as const) {
    const error = t.throws(() => find({ [name]: value }), { instanceOf: OpwrightError });
    t.is(error?.code, 'INVALID_ARGUMENT');
    t.is(error?.argument, name);
  }
});
