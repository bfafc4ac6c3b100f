/**
 * Tensors in files: writes and reads the safetensors format (https://github.com/huggingface/safetensors), in which PyTorch, JAX and
 * Paddle programs exchange weights. A file holds named tensors and free text, and no code. The header's rules are
 * safetensors-header.ts.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { tensor } from '../create.js';
import type { Device } from '../devices/device.js';
import { defaultDevice } from '../devices/registry.js';
import { byteSize } from '../dtype.js';
import { formatValue, OpwrightError } from '../errors.js';
import { checkOptions } from '../options.js';
import { type DeviceLike, deviceOf } from '../places.js';
import { emptyTensor, Tensor } from '../tensor.js';
import {
  composeHeader,
  formatError,
  layOut,
  lengthBytes,
  type Metadata,
  parseHeader,
  parseHeaderLength,
  type TensorEntry,
} from './safetensors-header.js';

export type { Metadata } from './safetensors-header.js';

/** Tensors by name, such as a layer's `stateDict()`. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

export interface SaveOptions {
  /** Free text to keep with the tensors, `{ format: 'pt' }` for readers that ask for it. */
  readonly metadata?: Metadata;
}

export interface LoadOptions {
  /** Where the tensors shall lie; the default device unless given. */
  readonly device?: DeviceLike;
}

/** What a file holds. The tensors are fresh and belong to the caller. */
export interface SafetensorsContents {
  readonly tensors: Record<string, Tensor>;
  readonly metadata: Metadata;
}

/**
 * Writes tensors of any dtype to a file. It appears under its name when it is complete: a crash leaves an earlier file of that name
 * whole. The same tensors give the same bytes.
 *
 * Throws INVALID_ARGUMENT, DISPOSED, UNKNOWN_OPTION, and the errors of the file system.
 *
 * @example
 * ```ts
 * const folder = await mkdtemp(join(tmpdir(), 'weights-'));
 * const file = join(folder, 'linear.safetensors');
 * await saveSafetensors(new Linear(3, 2).stateDict(), file);
 * console.log(Object.keys((await loadSafetensors(file)).tensors));
 * await rm(folder, { recursive: true });
 * ```
 */
export async function saveSafetensors(tensors: NamedTensors, path: string, options: SaveOptions = {}): Promise<void> {
  const pieces = compose(tensors, options);
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'wx');
  try {
    try {
      for await (const piece of pieces) await writeAll(file, piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * The bytes of the file that `saveSafetensors` would write.
 *
 * @example
 * ```ts
 * const bytes = await encodeSafetensors({ x: tensor([1, 2]) });
 * console.log(bytes.length);
 * ```
 */
export async function encodeSafetensors(tensors: NamedTensors, options: SaveOptions = {}): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of compose(tensors, options)) pieces.push(piece);
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/**
 * Reads all tensors of a file, dtypes unchanged.
 *
 * Throws FILE_FORMAT where the file breaks a rule of the format, NOT_SUPPORTED for dtypes that the library has not, OUT_OF_MEMORY,
 * UNKNOWN_OPTION, and the errors of the file system.
 *
 * @example
 * ```ts
 * const folder = await mkdtemp(join(tmpdir(), 'weights-'));
 * const file = join(folder, 'linear.safetensors');
 * const layer = new Linear(3, 2);
 * await saveSafetensors(layer.stateDict(), file);
 * const { tensors } = await loadSafetensors(file);
 * layer.setStateDict(tensors);
 * console.log(tensors.weight?.shape);
 * await rm(folder, { recursive: true });
 * ```
 */
export async function loadSafetensors(path: string, options: LoadOptions = {}): Promise<SafetensorsContents> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return await read({ size, read: (position, into) => readAll(file, position, into) }, options);
  } catch (error) {
    throw error instanceof OpwrightError ? error.with({ argument: path }) : error;
  } finally {
    await file.close();
  }
}

/**
 * As `loadSafetensors`, of a file that is in memory.
 *
 * @example
 * ```ts
 * const bytes = await encodeSafetensors({ x: tensor([1, 2]) });
 * console.log((await decodeSafetensors(bytes)).tensors);
 * ```
 */
export function decodeSafetensors(bytes: Uint8Array, options: LoadOptions = {}): Promise<SafetensorsContents> {
  const source: ByteSource = {
    size: bytes.length,
    async read(position, into) {
      into.set(bytes.subarray(position, position + into.length));
    },
  };
  return read(source, options);
}

/** The file's bytes, piece by piece: the header, then each tensor. Arguments are checked at once, tensors read as pieces are taken. */
function compose(tensors: NamedTensors, options: SaveOptions): AsyncGenerator<Uint8Array> {
  checkOptions('saveSafetensors', options, ['metadata']);
  for (const [name, value] of Object.entries(tensors)) checkTensor(name, value);
  const entries = layOut(Object.entries(tensors).map(([name, { dtype, shape }]) => ({ name, dtype, shape })));
  const header = composeHeader({ entries, metadata: options.metadata ?? {} });
  return (async function* () {
    yield header;
    for (const { name } of entries) {
      // The caller had the turns in between.
      checkTensor(name, tensors[name]);
      yield await rawBytes(tensors[name]!);
    }
  })();
}

function checkTensor(name: string, value: unknown): void {
  if (!(value instanceof Tensor)) {
    throw new OpwrightError('INVALID_ARGUMENT', `${formatValue(name)} is ${formatValue(value)}, not a tensor.`, {
      op: 'saveSafetensors',
      argument: 'tensors',
    });
  }
  value.checkUsable('saveSafetensors', name);
}

/** A tensor's elements in row-major order, as they are in memory; devices are little-endian, as the format is. */
async function rawBytes(source: Tensor): Promise<Uint8Array> {
  const { dtype, shape, device, layout } = source;
  if (!layout.contiguous) {
    using copy = tensor(await source.data(), { dtype, shape, device });
    return await rawBytes(copy);
  }
  const bytes = new Uint8Array(layout.size * byteSize(dtype));
  await device.read(source.storage.address + layout.offset * byteSize(dtype), bytes);
  return bytes;
}

interface ByteSource {
  readonly size: number;
  /** Fills `into` from `position` on, which must be there. */
  read(position: number, into: Uint8Array): Promise<void>;
}

async function read(source: ByteSource, options: LoadOptions): Promise<SafetensorsContents> {
  checkOptions('loadSafetensors', options, ['device']);
  const start = new Uint8Array(Math.min(lengthBytes, source.size));
  await source.read(0, start);
  const json = new Uint8Array(parseHeaderLength(start, source.size));
  await source.read(lengthBytes, json);
  const dataStart = lengthBytes + json.length;
  const { entries, metadata } = parseHeader(json, source.size - dataStart);
  const device = options.device === undefined ? defaultDevice() : deviceOf(options.device);
  const loaded: [string, Tensor][] = [];
  try {
    for (const entry of entries) loaded.push([entry.name, await readTensor(source, dataStart, entry, device)]);
  } catch (error) {
    for (const [, tensor] of loaded) tensor.dispose();
    throw error;
  }
  // Own properties even for names such as __proto__.
  return { tensors: Object.fromEntries(loaded), metadata };
}

async function readTensor(source: ByteSource, dataStart: number, entry: TensorEntry, device: Device): Promise<Tensor> {
  const bytes = new Uint8Array(entry.end - entry.begin);
  await source.read(dataStart + entry.begin, bytes);
  if (entry.dtype === 'bool' && bytes.some((byte) => byte > 1)) {
    throw formatError(`its bool tensor ${formatValue(entry.name)} has bytes that are neither 0 nor 1`);
  }
  const result = emptyTensor(device, entry.shape, entry.dtype);
  device.write(result.storage.address, bytes);
  return result;
}

/** A read or write call takes at most 2 GiB, and may do less than it was asked to. */
const chunkBytes = 1 << 30;

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, Math.min(chunkBytes, bytes.length - at))).bytesWritten;
  }
}

async function readAll(file: FileHandle, position: number, into: Uint8Array): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, Math.min(chunkBytes, into.length - at), position + at);
    if (bytesRead === 0) throw formatError('it became shorter while it was read');
    at += bytesRead;
  }
}
