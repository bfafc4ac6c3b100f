/**
 * The header of a safetensors file: 8 bytes with the length of the JSON that follows (unsigned, little-endian), and the JSON, which
 * says of each tensor its dtype, shape and place in the data after it. Here it is composed, and parsed with every rule of the format
 * checked. Bytes of tensors are not touched here.
 */
import type { Shape } from '../../kernels/op.js';
import { byteSize, type Dtype, dtypes } from '../dtype.js';
import { formatShape, formatValue, OpwrightError } from '../errors.js';
import { sizeOf } from '../layout.js';

/** Free text that travels with the tensors. */
export type Metadata = Readonly<Record<string, string>>;

/** One tensor of a file; `begin` and `end` count bytes from the start of the data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order in which they lie in the file. */
  readonly entries: readonly TensorEntry[];
  readonly metadata: Metadata;
}

/** The bytes of the length in front of the JSON. */
export const lengthBytes = 8;
/** The format's own bound on the JSON, against files made to exhaust memory. */
export const maximumHeaderBytes = 100_000_000;
const metadataKey = '__metadata__';
/** The data begins at a multiple of this: the JSON is filled up with spaces. */
const alignment = 8;

const formatNames = {
  bool: 'BOOL',
  uint8: 'U8',
  int8: 'I8',
  int16: 'I16',
  int32: 'I32',
  int64: 'I64',
  float16: 'F16',
  bfloat16: 'BF16',
  float32: 'F32',
  float64: 'F64',
  complex64: 'C64',
} as const satisfies Partial<Record<Dtype, string>>;
type FormatDtype = keyof typeof formatNames;

const isInFormat = (dtype: Dtype): dtype is FormatDtype => Object.hasOwn(formatNames, dtype);
const dtypeOfFormatName: ReadonlyMap<unknown, Dtype> = new Map(
  dtypes.filter(isInFormat).map((dtype) => [formatNames[dtype], dtype]),
);
/** Dtypes that the format has and this library has not. */
const foreignNames: ReadonlySet<unknown> = new Set([
  'U16',
  'U32',
  'U64',
  'F8_E4M3',
  'F8_E5M2',
  'F8_E8M0',
  'F6_E2M3',
  'F6_E3M2',
  'F4',
]);

/** The places of tensors in a file to be: the widest elements first, so that all are aligned, then by name. */
export function layOut(
  tensors: readonly { readonly name: string; readonly dtype: Dtype; readonly shape: Shape }[],
): TensorEntry[] {
  const ordered = [...tensors].sort((a, b) => byteSize(b.dtype) - byteSize(a.dtype) || compareText(a.name, b.name));
  let end = 0;
  return ordered.map(({ name, dtype, shape }) => {
    const begin = end;
    end += sizeOf(shape) * byteSize(dtype);
    return { name, dtype, shape, begin, end };
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The length and the JSON, filled up so that the data after it is aligned. Throws INVALID_ARGUMENT for what the format cannot say. */
export function composeHeader({ entries, metadata }: Header): Uint8Array {
  const members: [string, unknown][] = entries.map(({ name, dtype, shape, begin, end }) => {
    if (name === metadataKey)
      throw invalid(`No tensor can have the name ${metadataKey}: the format keeps it for metadata.`, 'tensors');
    if (!isInFormat(dtype)) throw invalid(`${formatValue(name)} is ${dtype}, which the format does not have.`, 'tensors');
    return [name, { dtype: formatNames[dtype], shape, data_offsets: [begin, end] }];
  });
  if (!isTextRecord(metadata)) throw invalid('Metadata must be an object of strings.', 'metadata');
  if (Object.keys(metadata).length > 0) members.unshift([metadataKey, metadata]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(members)));
  const bytes = new Uint8Array(lengthBytes + Math.ceil(json.length / alignment) * alignment).fill(0x20);
  if (bytes.length - lengthBytes > maximumHeaderBytes) {
    throw invalid(`The header would have ${json.length} bytes, and the format allows ${maximumHeaderBytes}.`, 'tensors');
  }
  bytes.set(json, lengthBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - lengthBytes), true);
  return bytes;
}

function invalid(fault: string, argument: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', fault, { op: 'saveSafetensors', argument });
}

/** The length of the JSON, from the first bytes of a file of `fileBytes`. Throws FILE_FORMAT. */
export function parseHeaderLength(start: Uint8Array, fileBytes: number): number {
  if (fileBytes < lengthBytes)
    throw formatError(`it has ${fileBytes} bytes, fewer than the ${lengthBytes} of the header's length`);
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  if (length > maximumHeaderBytes)
    throw formatError(`its header claims ${length} bytes, and at most ${maximumHeaderBytes} are allowed`);
  if (Number(length) > fileBytes - lengthBytes) {
    throw formatError(
      `its header claims ${length} bytes, and only ${fileBytes - lengthBytes} follow: the file is cut off, or of another kind`,
    );
  }
  return Number(length);
}

/** What the JSON says, in front of `dataBytes` of data. Throws FILE_FORMAT, and NOT_SUPPORTED for dtypes that the library has not. */
export function parseHeader(json: Uint8Array, dataBytes: number): Header {
  const root = parseJson(json);
  const { [metadataKey]: metadata = {}, ...members } = root;
  if (!isTextRecord(metadata)) throw formatError(`its ${metadataKey} is no object of strings`);
  const entries = Object.entries(members).map(([name, value]) => parseEntry(name, value));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, dataBytes);
  return { entries, metadata };
}

function parseJson(json: Uint8Array): Readonly<Record<string, unknown>> {
  if (json[0] !== 0x7b) throw formatError('its header does not begin with {');
  let root: unknown;
  try {
    root = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
  } catch (cause) {
    throw formatError(`its header is no JSON in UTF-8 (${cause instanceof Error ? cause.message : cause})`, cause);
  }
  if (!isRecord(root)) throw formatError('its header is no JSON object');
  return root;
}

function parseEntry(name: string, value: unknown): TensorEntry {
  if (!isRecord(value)) throw entryError(name, `is described by ${formatValue(value)}, which is no object`);
  const { dtype: formatName, shape, data_offsets: offsets, ...others } = value;
  const [extra] = Object.keys(others);
  if (extra !== undefined) throw entryError(name, `has the unknown field ${formatValue(extra)}`);
  const dtype = dtypeOfFormatName.get(formatName);
  if (dtype === undefined) throw dtypeError(name, formatName);
  if (!isCounts(shape)) throw entryError(name, `has the shape ${formatValue(shape)}, which is no list of integers >= 0`);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw entryError(name, `has the data_offsets ${formatValue(offsets)}, which are no two integers >= 0`);
  }
  const [begin, end] = [offsets[0]!, offsets[1]!];
  const bytes = sizeOf(shape) * byteSize(dtype);
  if (end - begin !== bytes) {
    const needs = `${dtype} ${formatShape(shape)} takes ${bytes} bytes`;
    throw entryError(name, `lies from byte ${begin} to ${end}, but ${needs}`);
  }
  return { name, dtype, shape, begin, end };
}

/** The format wants every byte of the data to belong to exactly one tensor. */
function checkCoverage(entries: readonly TensorEntry[], dataBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin < covered) throw entryError(name, `begins at byte ${begin}, inside the tensor before it, which ends at ${covered}`);
    if (begin > covered) throw entryError(name, `begins at byte ${begin}, and no tensor has the bytes from ${covered} on`);
    covered = end;
  }
  if (covered > dataBytes)
    throw formatError(`its tensors take ${covered} bytes, and ${dataBytes} are there: the file is cut off`);
  if (covered < dataBytes) throw formatError(`its tensors take ${covered} bytes, and ${dataBytes} are there`);
}

function dtypeError(name: string, formatName: unknown): OpwrightError {
  if (!foreignNames.has(formatName)) return entryError(name, `has the unknown dtype ${formatValue(formatName)}`);
  return new OpwrightError(
    'NOT_SUPPORTED',
    `The tensor ${formatValue(name)} has the dtype ${formatName}, which this library has not.`,
    {
      op: 'loadSafetensors',
      remedy: `Convert it to one of ${Object.values(formatNames).join(', ')} first.`,
    },
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTextRecord(value: unknown): value is Metadata {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

function entryError(name: string, fault: string): OpwrightError {
  return formatError(`its tensor ${formatValue(name)} ${fault}`);
}

/** The error for a file that is no safetensors file, or a broken one. */
export function formatError(fault: string, cause?: unknown): OpwrightError {
  return new OpwrightError('FILE_FORMAT', `This is no valid safetensors file: ${fault}.`, { op: 'loadSafetensors', cause });
}
