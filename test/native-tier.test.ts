/**
 * The native tier as a part of the cpu device: which work it gets, what a compiler that fails on the way costs, and that the test
 * allocator sees what native code writes outside of its buffers. The op matrix runs in it in ops-native-*.test.ts.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { add, end, F32, f32, forItems, kernel as kernelOf, load, store } from '../kernels/build.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import { CompilerProblem, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import type { WorkKind } from '../runtime/devices/device.js';

const compiler = findCompiler();
const withCompiler = compiler instanceof CompilerProblem ? test.skip : test;
const folder = mkdtempSync(join(tmpdir(), 'opwright-native-tier-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const kinds: readonly WorkKind[] = ['map', 'row', 'column', 'function', 'product', 'convolution'];

withCompiler('small work of every kind goes to WebAssembly, large work to native code', (t) => {
  const device = openCpu({});
  for (const kind of kinds) {
    t.is(device.tier({ kind, dtype: 'float32', size: 100 }).name, 'wasm', kind);
    t.is(device.tier({ kind, dtype: 'float32', size: 1 << 24 }).name, 'native', kind);
  }
});

test('a tier can be forced, and native code turned off', (t) => {
  const size = 1 << 24;
  for (const kind of kinds) {
    t.is(openCpu({ tier: 'wasm' }).tier({ kind, dtype: 'float32', size }).name, 'wasm');
    t.is(openCpu({ native: 'never' }).tier({ kind, dtype: 'float32', size }).name, 'wasm');
    t.is(openCpu({ native: 'never', tier: 'native' }).tier({ kind, dtype: 'float32', size }).name, 'wasm');
  }
});

withCompiler('the test allocator notices what native code writes beyond a buffer', (t) => {
  const overrun = kernelOf(
    'overrun',
    [{ name: 'x', storage: 'float32', access: 'readwrite' }],
    [],
    [forItems('i', (i) => [store('x', i, add(load(F32, 'x', i), f32(1)))], { vector: true }), store('x', end, f32(2))],
  );
  const device = openCpu({ guarded: true, tier: 'native' });
  const compiled = device.tier({ kind: 'map', dtype: 'float32', size: 1 }).compile(overrun);
  device.finishCompiling();
  t.is(compiled.tier, 'native');
  const params = device.createParams(compiled);
  const run = (bytes: number, items: number): void => {
    const address = device.allocate(bytes);
    params.setPointer(compiled.offsets.get('x')!, address);
    device.launch(compiled, params, items, 1 << 20);
    device.free(address);
  };
  t.notThrows(() => run(400, 99));
  t.throws(() => run(400, 100), { message: /after a block of 400 bytes/ });
});

/** Prints sums that are right in any tier. */
const program = `
const { arange } = await import(${JSON.stringify(new URL('../entry/index.js', import.meta.url).href)});
for (let round = 0; round < 3; round++) {
  const x = arange(100_000, { dtype: 'float32' });
  console.log(x.add(1).subtract(x).sum().item());
}
`;

function runProgram(environment: Readonly<Record<string, string>>): { readonly sums: string[]; readonly errors: string } {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, OPWRIGHT_CACHE_DIR: join(folder, 'cache'), ...environment },
  });
  return { sums: stdout.trim().split('\n'), errors: stderr };
}

function script(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const right = ['100000', '100000', '100000'];

withCompiler('a compiler that begins to fail costs one warning; plans are bound to WebAssembly instead', (t) => {
  // It passes the trial and compiles the support library, but no kernel.
  const path = compiler instanceof CompilerProblem ? '' : compiler.path;
  const failing = script(
    'failing-cc',
    `input=$(cat)\ncase "$input" in *ow_kernel_*) echo no >&2; exit 1;; esac\nprintf '%s' "$input" | ${path} "$@"`,
  );
  const { sums, errors } = runProgram({ OPWRIGHT_CC: failing });
  t.deepEqual(sums, right);
  t.is(errors.match(/\[OPWRIGHT_NATIVE\]/g)?.length, 1, errors);
  t.regex(errors, /OPWRIGHT_NATIVE=0/);
});

test('a compiler that is not there costs one warning, or is an error where it is required', (t) => {
  const absent = { OPWRIGHT_CC: join(folder, 'no-such-compiler') };
  const { sums, errors } = runProgram(absent);
  t.deepEqual(sums, right);
  t.is(errors.match(/\[OPWRIGHT_NATIVE\]/g)?.length, 1, errors);
  const required = runProgram({ ...absent, OPWRIGHT_NATIVE: 'require' });
  t.regex(required.errors, /NATIVE_UNAVAILABLE/);
  t.deepEqual(runProgram({ ...absent, OPWRIGHT_NATIVE: '0' }), { sums: right, errors: '' });
});

test('settings that make no sense are errors', (t) => {
  t.regex(runProgram({ OPWRIGHT_NATIVE: 'maybe' }).errors, /INVALID_ARGUMENT/);
  t.regex(runProgram({ OPWRIGHT_TIER: 'cuda' }).errors, /INVALID_ARGUMENT/);
});
