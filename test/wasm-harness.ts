/**
 * Runs one kernel on typed arrays through the WebAssembly back end: it lays the buffers out in a memory of its own, fills the
 * parameter block, and hands back the error word. A tool of the tests, with no assertions.
 */
import { type BufferDeclaration, type Kernel, type ParamDeclaration, paramLayout, type Stmt } from '../kernels/ir.js';
import { compileWasm, mathImports, type PrintOptions } from '../kernels/wasm/compile.js';
import { type WasmMemory, webAssembly } from '../runtime/devices/cpu/webassembly.js';

export type Data = Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

const PAGE = 65536;
/** Buffers start here, apart by RED_ZONE bytes of FILL that a kernel must not touch. */
const FIRST_BUFFER = 8192;
const RED_ZONE = 64;
const FILL = 0xa5;
const ERROR_WORD = 1024;
const PARAMETER_BLOCK = 1088;

type Run = (parameterBlock: number, begin: number, end: number) => void;

export interface Instance {
  readonly memory: WasmMemory;
  readonly run: Run;
}

export function instantiate(kernel: Kernel, pages = 16, options: PrintOptions = {}): Instance {
  const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const module = new webAssembly.Module(compileWasm(kernel, options));
  const { run } = new webAssembly.Instance(module, { env: { memory }, math: mathImports }).exports;
  if (!isRun(run)) throw new TypeError('the module exports no run');
  return { memory, run };
}

const isRun = (value: unknown): value is Run => typeof value === 'function';

export interface RunOptions {
  readonly params?: Readonly<Record<string, number | bigint>>;
  readonly range?: readonly [number, number];
  readonly print?: PrintOptions;
}

/** Runs the kernel over `data` (one array for each buffer, changed in place) and returns the error word. */
export function runKernel(kernel: Kernel, data: Readonly<Record<string, Data>>, options: RunOptions = {}): number {
  const { params = {}, range = [0, 0], print = {} } = options;
  const bytes = Object.values(data).reduce((sum, array) => sum + array.byteLength + RED_ZONE + 16, FIRST_BUFFER);
  const { memory, run } = instantiate(kernel, Math.ceil(bytes / PAGE), print);
  const heap = new Uint8Array(memory.buffer);
  heap.fill(FILL, FIRST_BUFFER);
  const addresses = placeBuffers(kernel, data, heap);
  writeParameters(kernel, new DataView(memory.buffer), addresses, params);
  run(PARAMETER_BLOCK, ...range);
  readBack(data, heap, addresses);
  return new DataView(memory.buffer).getInt32(ERROR_WORD, true);
}

function bytesIn(array: Data): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function placeBuffers(kernel: Kernel, data: Readonly<Record<string, Data>>, heap: Uint8Array): Map<string, number> {
  const addresses = new Map<string, number>();
  let at = FIRST_BUFFER;
  for (const { name } of kernel.buffers) {
    const array = data[name]!;
    addresses.set(name, at);
    heap.set(bytesIn(array), at);
    at = Math.ceil((at + array.byteLength + RED_ZONE) / 16) * 16;
  }
  return addresses;
}

function writeParameters(
  kernel: Kernel,
  view: DataView,
  addresses: ReadonlyMap<string, number>,
  params: Readonly<Record<string, number | bigint>>,
): void {
  const { offsets, errorWord } = paramLayout(kernel, 4);
  view.setInt32(PARAMETER_BLOCK + errorWord, ERROR_WORD, true);
  for (const [name, address] of addresses) view.setInt32(PARAMETER_BLOCK + offsets.get(name)!, address, true);
  for (const { name, type } of kernel.params) {
    const at = PARAMETER_BLOCK + offsets.get(name)!;
    const value = params[name]!;
    if (type === 'i64') view.setBigInt64(at, BigInt(value), true);
    else if (type === 'f64') view.setFloat64(at, Number(value), true);
    else if (type === 'f32') view.setFloat32(at, Number(value), true);
    else view.setInt32(at, Number(value), true);
  }
}

function readBack(data: Readonly<Record<string, Data>>, heap: Uint8Array, addresses: ReadonlyMap<string, number>): void {
  for (const [name, at] of addresses) {
    const bytes = bytesIn(data[name]!);
    bytes.set(heap.subarray(at, at + bytes.length));
    const zone = heap.subarray(at + bytes.length, at + bytes.length + RED_ZONE);
    const first = zone.findIndex((byte) => byte !== FILL);
    if (first >= 0) throw new Error(`the kernel wrote ${first + 1} bytes behind the end of ${name}`);
  }
}

export function makeKernel(
  buffers: Readonly<Record<string, BufferDeclaration['storage']>>,
  body: readonly Stmt[],
  params: readonly ParamDeclaration[] = [],
): Kernel {
  const declarations = Object.entries(buffers).map(([name, storage]) => ({ name, storage, access: 'readwrite' }) as const);
  return { name: 'test', buffers: declarations, params, body };
}
