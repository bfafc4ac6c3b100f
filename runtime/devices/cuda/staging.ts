/**
 * Copies between JavaScript's memory and the GPU's. The driver copies in the background only from and to memory that is pinned, so what
 * is written goes through a ring of pinned chunks: the call returns when the bytes are in the ring. Reads that are awaited come
 * through pinned buffers too; a read that the caller waits for needs none.
 */
import { bytesAt } from '../ffi.js';
import { results } from './driver.js';
import type { Gpu } from './gpu.js';

const chunkBytes = 1 << 20;
const chunks = 4;
/** Copies in the ring begin at multiples of it. */
const alignment = 64;
/** Buffers of reads are kept for the next ones up to so many bytes. */
const keptBytes = 64 << 20;
const leastBuffer = 64 << 10;

const disableTiming = 2;

/** Pinned memory, and an event that tells when the copy from or to it is done. */
interface PinnedBuffer {
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly event: number;
}

interface Chunk extends PinnedBuffer {
  /** Copies from it have been begun since it was waited for last. */
  busy: boolean;
}

export class Staging {
  private readonly ring: Chunk[] = [];
  private at = 0;
  private used = 0;
  private readonly idle: PinnedBuffer[] = [];

  constructor(private readonly gpu: Gpu) {}

  /** Copies to the GPU; `bytes` may change when this returns. */
  write(to: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const chunk = this.chunkWithRoom();
      const count = Math.min(bytes.length - done, chunkBytes - this.used);
      chunk.bytes.set(bytes.subarray(done, done + count), this.used);
      const calls = this.gpu.use();
      const code = calls.cuMemcpyHtoDAsync(to + done, chunk.address + this.used, count, this.gpu.stream);
      this.gpu.driver.check('cuMemcpyHtoDAsync', code);
      this.used += Math.ceil(count / alignment) * alignment;
      done += count;
    }
  }

  /** Copies from the GPU, after all work that was begun, and waits for it. */
  readSync(from: number, bytes: Uint8Array): void {
    const calls = this.gpu.use();
    this.gpu.driver.check('cuMemcpyDtoHAsync', calls.cuMemcpyDtoHAsync(bytes, from, bytes.length, this.gpu.stream));
    this.gpu.wait();
  }

  /** As `readSync`, but that the process may do other things meanwhile. What is begun after the call is not waited for. */
  async read(from: number, bytes: Uint8Array): Promise<void> {
    const buffer = this.takeBuffer(bytes.length);
    if (buffer === null) {
      this.readSync(from, bytes);
      return;
    }
    const { gpu } = this;
    const target = buffer.bytes.subarray(0, bytes.length);
    gpu.driver.check('cuMemcpyDtoHAsync', gpu.use().cuMemcpyDtoHAsync(target, from, bytes.length, gpu.stream));
    gpu.driver.check('cuEventRecord', gpu.use().cuEventRecord(buffer.event, gpu.stream));
    await happened(gpu, buffer.event);
    bytes.set(target);
    this.giveBack(buffer);
  }

  private chunkWithRoom(): Chunk {
    const { ring, gpu } = this;
    const current = ring[this.at];
    if (current !== undefined && this.used < chunkBytes) {
      current.busy = true;
      return current;
    }
    if (current !== undefined) {
      gpu.driver.check('cuEventRecord', gpu.use().cuEventRecord(current.event, gpu.stream));
      this.at = (this.at + 1) % chunks;
    }
    this.used = 0;
    const next = ring[this.at];
    if (next === undefined) {
      const made = { ...this.makeBuffer(chunkBytes), busy: true };
      ring[this.at] = made;
      return made;
    }
    if (next.busy) gpu.driver.check('cuEventSynchronize', gpu.use().cuEventSynchronize(next.event));
    next.busy = true;
    return next;
  }

  /** Null where the system pins no more memory. */
  private takeBuffer(bytes: number): PinnedBuffer | null {
    const place = this.idle.findIndex(
      (buffer) => buffer.bytes.length >= bytes && buffer.bytes.length <= 4 * Math.max(bytes, leastBuffer),
    );
    if (place >= 0) return this.idle.splice(place, 1)[0]!;
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, leastBuffer)));
    return this.tryMakeBuffer(size);
  }

  private giveBack(buffer: PinnedBuffer): void {
    this.idle.push(buffer);
    let total = this.idle.reduce((sum, { bytes }) => sum + bytes.length, 0);
    while (total > keptBytes) {
      const oldest = this.idle.shift()!;
      total -= oldest.bytes.length;
      const { driver } = this.gpu;
      driver.check('cuEventDestroy', this.gpu.use().cuEventDestroy(oldest.event));
      driver.check('cuMemFreeHost', this.gpu.use().cuMemFreeHost(oldest.address));
    }
  }

  private makeBuffer(size: number): PinnedBuffer {
    const made = this.tryMakeBuffer(size);
    if (made !== null) return made;
    throw this.gpu.driver.failure('cuMemHostAlloc', results.outOfMemory);
  }

  private tryMakeBuffer(size: number): PinnedBuffer | null {
    const { driver } = this.gpu;
    const calls = this.gpu.use();
    const out = new BigUint64Array(1);
    const code = calls.cuMemHostAlloc(out, size, 0);
    if (code === results.outOfMemory) return null;
    driver.check('cuMemHostAlloc', code);
    const address = Number(out[0]);
    const event = driver.handle('cuEventCreate', (made) => calls.cuEventCreate(made, disableTiming));
    return { address, bytes: bytesAt(address, size), event };
  }
}

/** Turns of the event loop that are short before the process sleeps between looks. */
const shortTurns = 50;

/** Waits for an event without holding up the process. */
export async function happened(gpu: Gpu, event: number): Promise<void> {
  for (let turn = 0; !gpu.isDone(event); turn++)
    await new Promise<void>((resolve) => {
      if (turn < shortTurns) setImmediate(resolve);
      else setTimeout(resolve, 1);
    });
}
