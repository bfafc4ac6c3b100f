/** Calls into shared libraries through runtime/devices/ffi.ts: every type, errors, and that nothing is loaded before it is needed. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import { addressOfBytes, foreignInterface, type NativeLibrary, openLibrary } from '../runtime/devices/ffi.js';
import { OpwrightError } from '../runtime/errors.js';
import { isThere } from './c-harness.js';

const folder = mkdtempSync(join(tmpdir(), 'opwright-ffi-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const dist = dirname(dirname(fileURLToPath(import.meta.url)));
const withCompiler = isThere('gcc') ? test : test.skip;

const source = `
#include <stdint.h>
#include <string.h>
void nothing(void) {}
int32_t negate(int32_t x) { return -x; }
uint32_t complement(uint32_t x) { return ~x; }
int64_t decrement(int64_t x) { return x - 1; }
uint64_t increment(uint64_t x) { return x + 1; }
float half(float x) { return x / 2; }
double third(double x) { return x / 3; }
uint64_t sum(const unsigned char *bytes, uint32_t count) { uint64_t total = 0; while (count--) total += *bytes++; return total; }
uint8_t *at(uint8_t *bytes) { return bytes; }
void store(char *memory, uint32_t place, int32_t value) { memcpy(memory + place, &value, 4); }
uint32_t length(const char *text) { return text ? (uint32_t)strlen(text) : 99; }
const char *greeting(int32_t which) { return which ? "gr\\xc3\\xbc\\xc3\\x9f dich" : 0; }
`;

let library: NativeLibrary | undefined;

function opened(): NativeLibrary {
  if (library === undefined) {
    const path = join(folder, 'types.so');
    const { status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', path], {
      input: source,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    library = openLibrary(path);
  }
  return library;
}

withCompiler('numbers of each type go to C and come back', (t) => {
  const native = opened();
  t.is(native.function('nothing', 'void', [])(), undefined);
  t.is(native.function('negate', 'i32', ['i32'])(2 ** 31 - 1), -(2 ** 31) + 1);
  t.is(native.function('complement', 'u32', ['u32'])(1), 2 ** 32 - 2);
  t.is(native.function('decrement', 'i64', ['i64'])(-(2 ** 40)), -(2 ** 40) - 1);
  t.is(native.function('increment', 'u64', ['u64'])(2 ** 52), 2 ** 52 + 1);
  t.is(native.function('increment', 'u64', ['u64'])(2n ** 63n), 2n ** 63n + 1n);
  t.is(native.function('half', 'f32', ['f32'])(0.1), Math.fround(Math.fround(0.1) / 2));
  t.is(native.function('third', 'f64', ['f64'])(1), 1 / 3);
});

withCompiler('bytes and text go to C, and text comes back', (t) => {
  const native = opened();
  const sum = native.function('sum', 'u64', ['bytes', 'u32']);
  t.is(sum(Uint8Array.of(1, 2, 3, 200), 4), 206);
  t.is(sum(Uint8Array.of(1, 2, 3, 200).subarray(1), 2), 5);
  t.is(sum(Float32Array.of(1), 4), 0x80 + 0x3f);
  const length = native.function('length', 'u32', ['string']);
  t.is(length('grüß dich'), 11);
  t.is(length(null), 99);
  const greeting = native.function('greeting', 'string', ['i32']);
  t.is(greeting(1), 'grüß dich');
  t.is(greeting(0), null);
});

withCompiler('the address of shared memory is where C finds its bytes, and that of a part lies within', (t) => {
  const native = opened();
  const bytes = new Uint8Array(new SharedArrayBuffer(256));
  const address = addressOfBytes(bytes);
  t.true(Number.isSafeInteger(address) && address > 0);
  t.is(addressOfBytes(bytes.subarray(100)), address + 100);
  t.is(native.function('at', 'address', ['bytes'])(bytes), address);
  native.function('store', 'void', ['address', 'u32', 'i32'])(address, 64, -7);
  t.is(new Int32Array(bytes.buffer)[16], -7);
});

withCompiler('a library can be asked what it has', (t) => {
  const native = opened();
  t.true(native.has('negate'));
  t.false(native.has('negative'));
  const error = t.throws(() => native.function('negative', 'void', []), { instanceOf: OpwrightError });
  t.is(error?.code, 'NATIVE_UNAVAILABLE');
  t.regex(error?.message ?? '', /types\.so has no usable function negative/);
});

test('what is no library is an error with its path and what the system says', (t) => {
  const garbage = join(folder, 'garbage.so');
  writeFileSync(garbage, 'no library');
  for (const path of [garbage, join(folder, 'absent.so')]) {
    const error = t.throws(() => openLibrary(path), { instanceOf: OpwrightError });
    t.is(error?.code, 'NATIVE_UNAVAILABLE');
    t.true(error?.message.includes(`${path} cannot be loaded: `), error?.message);
  }
});

test('what stands behind it says its name, version, file and stack', (t) => {
  const { name, version, path, stackBytes } = foreignInterface();
  t.is(name, 'koffi');
  t.regex(version, /^\d+\.\d+\.\d+/);
  t.regex(path, /koffi/);
  t.is(stackBytes, 16 << 20);
});

test('importing it loads nothing, and where the package is missing the error says what to install', (t) => {
  const alone = join(folder, 'alone');
  mkdirSync(join(alone, 'runtime', 'devices'), { recursive: true });
  for (const file of ['runtime/errors.js', 'runtime/devices/ffi.js']) cpSync(join(dist, file), join(alone, file));
  writeFileSync(join(alone, 'package.json'), '{"type":"module"}');
  const program = `
    const { openLibrary, addressOfBytes, foreignInterface } = await import(${JSON.stringify(pathToFileURL(join(alone, 'runtime/devices/ffi.js')).href)});
    for (const use of [() => openLibrary('any'), () => addressOfBytes(new Uint8Array(1)), foreignInterface])
      try { use(); } catch ({ name, code, remedy }) { console.log(name, code, remedy); }`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: alone,
    encoding: 'utf8',
  });
  t.is(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 3);
  for (const line of lines) t.regex(line, /^OpwrightError NATIVE_UNAVAILABLE .*npm install koffi/);
});
