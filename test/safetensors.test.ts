/**
 * Files in the safetensors format: what is written is read back bit for bit, files composed by hand are read, and files that break any
 * rule of the format are refused by name.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { tensor } from '../runtime/create.js';
import { dtypes } from '../runtime/dtype.js';
import { type ErrorCode, OpwrightError } from '../runtime/errors.js';
import { decodeSafetensors, encodeSafetensors, loadSafetensors, saveSafetensors } from '../runtime/io/safetensors.js';
import { stridedLayout } from '../runtime/layout.js';
import { memory } from '../runtime/memory.js';
import { Tensor } from '../runtime/tensor.js';

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'opwright-'));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A file composed without the library: the header's text and the data. */
function fileOf(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const headerOf = (entries: Record<string, unknown>): string => JSON.stringify(entries);

// The format has no complex128.
for (const dtype of dtypes.filter((one) => one !== 'complex128')) {
  test.serial(`${dtype} comes back bit for bit`, async (t) => {
    const values = dtype === 'bool' ? [1, 0, 1, 1, 0, 0] : [1, 0, 2, 3, 100, 7];
    using source = tensor(values, { dtype, shape: [2, 3] });
    const { tensors } = await decodeSafetensors(await encodeSafetensors({ x: source }));
    using x = tensors.x!;
    t.is(x.dtype, dtype);
    t.deepEqual(x.shape, [2, 3]);
    t.deepEqual(x.dataSync(), source.dataSync());
  });
}

test.serial('infinities, NaN, minus zero and the extremes of int64 survive', async (t) => {
  using halves = tensor([Infinity, -Infinity, -0, NaN, 6.1e-5], { dtype: 'float16' });
  using wide = tensor([2n ** 63n - 1n, -(2n ** 63n)]);
  const { tensors } = await decodeSafetensors(await encodeSafetensors({ halves, wide }));
  t.deepEqual(tensors.halves!.dataSync(), halves.dataSync());
  t.deepEqual(tensors.wide!.dataSync(), wide.dataSync());
});

test.serial('scalars, empty tensors and no tensors at all are files', async (t) => {
  using scalar = tensor(3.5);
  using empty = tensor([], { shape: [0, 3], dtype: 'int16' });
  const { tensors } = await decodeSafetensors(await encodeSafetensors({ scalar, empty }));
  t.is(tensors.scalar!.item(), 3.5);
  t.deepEqual(tensors.empty!.shape, [0, 3]);
  t.deepEqual(await decodeSafetensors(await encodeSafetensors({})), { tensors: {}, metadata: {} });
});

for (const dtype of ['float32', 'bfloat16', 'int64'] as const) {
  test.serial(`a transposed ${dtype} view is written in row-major order`, async (t) => {
    using source = tensor([0, 1, 2, 3, 4, 5], { dtype, shape: [2, 3] });
    using view = new Tensor(source.storage, stridedLayout([3, 2], [1, 3], 0), dtype);
    const { tensors } = await decodeSafetensors(await encodeSafetensors({ view }));
    t.deepEqual(tensors.view!.tolist(), [[0, 3], [1, 4], [2, 5]]); // biome-ignore format: a matrix
  });
}

test.serial('a slice at an offset is written without its surroundings', async (t) => {
  using source = tensor([0, 1, 2, 3, 4, 5], { shape: [3, 2] });
  using row = new Tensor(source.storage, stridedLayout([2], [1], 2), 'float32');
  const bytes = await encodeSafetensors({ row });
  t.deepEqual((await decodeSafetensors(bytes)).tensors.row!.tolist(), [2, 3]);
});

test.serial('the bytes are those of the format: length, padded JSON, wide elements first', async (t) => {
  using b = tensor([true, false]);
  using a = tensor([1, 2]);
  const header = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BOOL","shape":[2],"data_offsets":[8,10]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const data = new Uint8Array([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 1, 0]);
  t.deepEqual(await encodeSafetensors({ b, a }), fileOf(padded, data));
});

test.serial('a file composed by hand is read, tensors in any order of the header', async (t) => {
  const header = headerOf({
    late: { dtype: 'U8', shape: [2], data_offsets: [4, 6] },
    __metadata__: { format: 'pt' },
    early: { dtype: 'I16', shape: [1, 2], data_offsets: [0, 4] },
  });
  const { tensors, metadata } = await decodeSafetensors(fileOf(header, new Uint8Array([1, 0, 0xff, 0xff, 7, 8])));
  t.deepEqual(tensors.early!.tolist(), [[1, -1]]);
  t.deepEqual(tensors.late!.tolist(), [7, 8]);
  t.deepEqual(metadata, { format: 'pt' });
});

test.serial('metadata and strange names come back', async (t) => {
  using x = tensor(1);
  const named = Object.fromEntries([['__proto__', x], ['', x], ['a"\n\u{1f600}', x]]); // biome-ignore format: three names
  const { tensors, metadata } = await decodeSafetensors(
    await encodeSafetensors(named, { metadata: { epoch: '3', note: 'grün' } }),
  );
  t.deepEqual(Object.keys(tensors).sort(), Object.keys(named).sort());
  t.deepEqual(metadata, { epoch: '3', note: 'grün' });
});

test.serial('a file is replaced as a whole and nothing is left beside it', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model.safetensors');
    await writeFile(path, 'what was there before');
    using x = tensor([1, 2, 3]);
    await saveSafetensors({ x }, path);
    const { tensors } = await loadSafetensors(path);
    t.deepEqual(tensors.x!.tolist(), [1, 2, 3]);
    t.deepEqual(await readdir(folder), ['model.safetensors']);
  });
});

test.serial('a write that fails leaves the earlier file and nothing beside it', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'model.safetensors');
    await writeFile(path, 'what was there before');
    const x = tensor([1, 2, 3]);
    const late = tensor(new Uint8Array([1]));
    const saving = saveSafetensors({ x, late }, path);
    late.dispose();
    await t.throwsAsync(saving);
    t.is(await readFile(path, 'utf8'), 'what was there before');
    t.deepEqual(await readdir(folder), ['model.safetensors']);
    x.dispose();
  });
});

test.serial('errors of the file system come through', async (t) => {
  await t.throwsAsync(loadSafetensors('/nowhere/model.safetensors'), { code: 'ENOENT' });
  await t.throwsAsync(saveSafetensors({}, '/nowhere/model.safetensors'), { code: 'ENOENT' });
});

test.serial('the error of a broken file names the file', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'broken.safetensors');
    await writeFile(path, 'short');
    const error = await t.throwsAsync(loadSafetensors(path), { instanceOf: OpwrightError, code: 'FILE_FORMAT' });
    t.is(error.argument, path);
  });
});

const four = new Uint8Array(4);
const entry = (fields: object) => headerOf({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...fields } });

const refused: readonly [string, Uint8Array, RegExp, ErrorCode?][] = [
  ['shorter than the length', new Uint8Array(7), /has 7 bytes/],
  ['a length beyond the file', fileOf('{}').subarray(0, 9), /claims 2 bytes, and only 1 follow/],
  ['a length beyond the limit', new Uint8Array(8).fill(255), /at most 100000000 are allowed/],
  ['no brace first', fileOf(' {}'), /does not begin with \{/],
  ['no JSON', fileOf('{"x":'), /is no JSON in UTF-8/],
  ['no UTF-8', (() => { const bytes = fileOf('{"?":1}'); bytes[10] = 0xff; return bytes; })(), /is no JSON in UTF-8/], // biome-ignore format: one row a case
  ['an entry that is no object', fileOf('{"x":[]}'), /"x" is described by \[\], which is no object/],
  ['an unknown field', fileOf(entry({ strides: [1] }), four), /unknown field "strides"/],
  ['an unknown dtype', fileOf(entry({ dtype: 'F31' }), four), /unknown dtype "F31"/],
  ['a dtype of the prototype', fileOf(entry({ dtype: 'toString' }), four), /unknown dtype "toString"/],
  ['a dtype that the library has not', fileOf(entry({ dtype: 'U32' }), four), /dtype U32/, 'NOT_SUPPORTED'],
  ['a negative dimension', fileOf(entry({ shape: [-1] }), four), /has the shape \[-1\]/],
  ['a fractional dimension', fileOf(entry({ shape: [0.5, 2] }), four), /has the shape \[0.5, 2\]/],
  ['offsets that are no pair', fileOf(entry({ data_offsets: [0] }), four), /has the data_offsets \[0\]/],
  ['offsets in reverse', fileOf(entry({ data_offsets: [4, 0] }), four), /takes 4 bytes/],
  ['offsets that do not fit the shape', fileOf(entry({ shape: [2] }), four), /lies from byte 0 to 4, but float32 \[2\] takes 8 bytes/],
  ['a shape whose size overflows', fileOf(entry({ shape: [2 ** 40, 2 ** 40] }), four), /takes/],
  ['data missing', fileOf(entry({}), four.subarray(1)), /take 4 bytes, and 3 are there: the file is cut off/],
  ['data too long', fileOf(entry({}), new Uint8Array(5)), /take 4 bytes, and 5 are there/],
  ['a gap before the first tensor', fileOf(entry({ data_offsets: [1, 5] }), new Uint8Array(5)), /no tensor has the bytes from 0 on/],
  [
    'overlapping tensors',
    fileOf(headerOf({ x: { dtype: 'U8', shape: [3], data_offsets: [0, 3] }, y: { dtype: 'U8', shape: [2], data_offsets: [2, 4] } }), four),
    /"y" begins at byte 2, inside the tensor before it/,
  ],
  ['metadata that is no text', fileOf('{"__metadata__":{"epoch":3}}'), /no object of strings/],
  ['a bool that is neither 0 nor 1', fileOf(entry({ dtype: 'BOOL', shape: [4] }), new Uint8Array([0, 1, 2, 0])), /neither 0 nor 1/],
]; // biome-ignore format: one row a case

for (const [name, bytes, message, code = 'FILE_FORMAT'] of refused) {
  test.serial(`a file with ${name} is refused`, async (t) => {
    const before = memory().storages;
    const error = await t.throwsAsync(decodeSafetensors(bytes), { instanceOf: OpwrightError, message });
    t.is(error.code, code);
    t.is(memory().storages, before);
  });
}

test.serial('every file cut short is refused and leaks nothing', async (t) => {
  using x = tensor([1, 2, 3]);
  using y = tensor([true]);
  const bytes = await encodeSafetensors({ x, y });
  const before = memory().storages;
  for (let length = 0; length < bytes.length; length++) {
    await t.throwsAsync(decodeSafetensors(bytes.subarray(0, length)), { code: 'FILE_FORMAT' }, `${length} bytes`);
  }
  t.is(memory().storages, before);
});

test.serial('what cannot be saved is refused before a file is opened', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'x.safetensors');
    const gone = tensor(1);
    gone.dispose();
    using x = tensor(1);
    await t.throwsAsync(saveSafetensors({ gone }, path), { code: 'DISPOSED' });
    await t.throwsAsync(saveSafetensors({ __metadata__: x }, path), { code: 'INVALID_ARGUMENT' });
    await t.throwsAsync(saveSafetensors(JSON.parse('{"x":1}'), path), { code: 'INVALID_ARGUMENT' });
    await t.throwsAsync(saveSafetensors({ x }, path, JSON.parse('{"meta":{}}')), { code: 'UNKNOWN_OPTION' });
    await t.throwsAsync(saveSafetensors({ x }, path, JSON.parse('{"metadata":{"epoch":3}}')), { code: 'INVALID_ARGUMENT' });
    t.deepEqual(await readdir(folder), []);
  });
});
