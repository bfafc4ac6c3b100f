/**
 * The one memory of the cpu device: a shared WebAssembly.Memory and the host's views of it. It grows and never shrinks; who owns which
 * part of it is the allocator's business.
 */
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import { parseBytes } from '../settings.js';
import { type WasmMemory, webAssembly } from './webassembly.js';

const pageBytes = 65536;
const initialBytes = 64 << 20;
/** What an address of 32 bits reaches. */
const largestBytes = 2 ** 32;
/** Growing costs nothing until the pages are touched, so it is done in large steps. */
const largestStep = 256 << 20;

/** The views are replaced when the memory grows: read them from here each time. */
export class Heap {
  readonly memory: WasmMemory;
  u8: Uint8Array<SharedArrayBuffer>;
  i32: Int32Array<SharedArrayBuffer>;
  u32: Uint32Array<SharedArrayBuffer>;
  i64: BigInt64Array<SharedArrayBuffer>;
  f32: Float32Array<SharedArrayBuffer>;
  f64: Float64Array<SharedArrayBuffer>;

  constructor(readonly maximumBytes = readMaximum(process.env.OPWRIGHT_MEMORY)) {
    this.memory = createMemory(Math.min(initialBytes, maximumBytes), maximumBytes);
    const buffer = sharedBuffer(this.memory);
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }

  get bytes(): number {
    return this.u8.byteLength;
  }

  /** Makes room for at least `needed` more bytes at the end; false where the limit or the system forbids it. */
  grow(needed: number): boolean {
    const room = this.maximumBytes - this.bytes;
    if (needed > room) return false;
    const generous = Math.min(room, Math.max(needed, Math.min(this.bytes, largestStep)));
    if (!this.tryGrow(generous) && !this.tryGrow(needed)) return false;
    this.refreshViews();
    if (debugging.memory) report('memory', `the cpu memory grew to ${this.bytes} bytes`);
    return true;
  }

  private tryGrow(bytes: number): boolean {
    try {
      this.memory.grow(Math.ceil(bytes / pageBytes));
      return true;
    } catch {
      return false;
    }
  }

  private refreshViews(): void {
    const buffer = sharedBuffer(this.memory);
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.f32 = new Float32Array(buffer);
    this.f64 = new Float64Array(buffer);
  }
}

/** Reserving address space can be refused where processes are limited: less is tried then, down to the initial size. */
function createMemory(initial: number, maximum: number): WasmMemory {
  for (let attempt = maximum; ; attempt = Math.max(initial, attempt / 2)) {
    try {
      return new webAssembly.Memory({ initial: initial / pageBytes, maximum: Math.floor(attempt / pageBytes), shared: true });
    } catch (error) {
      if (attempt > initial) continue;
      throw new OpwrightError('OUT_OF_MEMORY', `The system refuses a WebAssembly memory of ${initial} bytes.`, {
        remedy:
          'Raise the limit on virtual memory (ulimit -v): engines reserve some 10 GiB of addresses for a memory of any size.',
        cause: error,
      });
    }
  }
}

function sharedBuffer(memory: WasmMemory): SharedArrayBuffer {
  const { buffer } = memory;
  if (buffer instanceof SharedArrayBuffer) return buffer;
  throw new TypeError('the cpu memory is not shared');
}

/** `512m`, `2g`, or a number of bytes; 4 GiB where nothing is set. Rounded down to whole pages. */
export function readMaximum(setting: string | undefined): number {
  if (setting === undefined || setting === '') return largestBytes;
  const bytes = parseBytes(setting) ?? 0;
  if (bytes >= 2 ** 20 && bytes <= largestBytes) return Math.floor(bytes / pageBytes) * pageBytes;
  throw new OpwrightError('INVALID_ARGUMENT', `OPWRIGHT_MEMORY is ${JSON.stringify(setting)}, which is no size.`, {
    argument: 'OPWRIGHT_MEMORY',
    rule: 'from 1m to 4g',
    remedy: 'Write a size such as 512m or 2g.',
  });
}
