/**
 * Memory of a GPU. Asking the driver costs tens of microseconds and freeing waits for all work, so memory is asked for in large
 * segments, dealt out in pieces (blocks.ts) and kept. A piece may be dealt out again while kernels that use it still run: all work is
 * in one stream, so whatever uses it next comes after them.
 *
 * Where the driver has no more, the segments that nothing uses go back to it and it is asked once more; then it is an error, with
 * the figures. With OPWRIGHT_DEBUG_ALLOCATOR=1 every block is an allocation of the driver's own, so that compute-sanitizer sees the end
 * of each and uses after it.
 */
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import type { DeviceMemory } from '../device.js';
import { type Block, Blocks, granule } from './blocks.js';
import { results } from './driver.js';
import type { Gpu } from './gpu.js';

export interface GpuAllocator {
  allocate(bytes: number): number;
  free(address: number): void;
  report(): DeviceMemory;
  /** Gives what is kept for reuse back to the driver. */
  dropPool(): void;
}

/** Requests up to so many bytes share segments of a size of their own, so that they do not cut up those of large tensors. */
const sizes = [
  { upTo: 1 << 20, segment: 2 << 20 },
  { upTo: 10 << 20, segment: 20 << 20 },
] as const;
/** Larger requests have segments of their own, in multiples of this. */
const largeGranule = 2 << 20;

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export class CachingAllocator implements GpuAllocator {
  private readonly pools = [new Blocks(), new Blocks(), new Blocks()];
  private readonly used = new Map<number, { readonly block: Block; readonly pool: Blocks }>();
  private allocated = 0;
  private peak = 0;

  constructor(private readonly gpu: Gpu) {}

  allocate(bytes: number): number {
    const rounded = Math.max(granule, roundUp(bytes, granule));
    const place = sizes.findIndex(({ upTo }) => rounded <= upTo);
    const pool = this.pools[place < 0 ? sizes.length : place]!;
    const block = pool.take(rounded) ?? this.takeFresh(pool, rounded, sizes[place]?.segment ?? roundUp(rounded, largeGranule));
    this.used.set(block.address, { block, pool });
    this.allocated += block.bytes;
    if (this.allocated > this.peak) this.peak = this.allocated;
    return block.address;
  }

  free(address: number): void {
    const entry = this.used.get(address);
    if (entry === undefined) throw new TypeError(`address ${address} is freed, but not allocated`);
    this.used.delete(address);
    this.allocated -= entry.block.bytes;
    entry.pool.release(entry.block);
  }

  report(): DeviceMemory {
    const pooled = this.pools.reduce((sum, { freeBytes }) => sum + freeBytes, 0);
    return { allocated: this.allocated, pooled, peak: this.peak, allocations: this.used.size };
  }

  dropPool(): void {
    for (const pool of this.pools) for (const address of pool.removeUnused()) freeOn(this.gpu, address);
  }

  /** From a new segment; where there is no room for one as large as usual, one that is just large enough will do. */
  private takeFresh(pool: Blocks, bytes: number, segment: number): Block {
    let size = segment;
    let address = tryAllocate(this.gpu, segment);
    if (address === 0) {
      if (debugging.memory) report('memory', `cuda:${this.gpu.index} has no room for ${segment} bytes: dropping the pool`);
      this.dropPool();
      address = tryAllocate(this.gpu, segment);
    }
    if (address === 0 && segment > bytes) {
      size = bytes;
      address = tryAllocate(this.gpu, bytes);
    }
    if (address === 0) throw outOfMemory(this.gpu, bytes, this.report());
    pool.add(address, size);
    return pool.take(bytes)!;
  }
}

/** Every block is an allocation of the driver. */
export class DirectAllocator implements GpuAllocator {
  private readonly sizes = new Map<number, number>();
  private allocated = 0;
  private peak = 0;

  constructor(private readonly gpu: Gpu) {}

  allocate(bytes: number): number {
    const size = Math.max(bytes, 1);
    const address = tryAllocate(this.gpu, size);
    if (address === 0) throw outOfMemory(this.gpu, bytes, this.report());
    this.sizes.set(address, size);
    this.allocated += size;
    if (this.allocated > this.peak) this.peak = this.allocated;
    return address;
  }

  free(address: number): void {
    const bytes = this.sizes.get(address);
    if (bytes === undefined) throw new TypeError(`address ${address} is freed, but not allocated`);
    this.sizes.delete(address);
    this.allocated -= bytes;
    freeOn(this.gpu, address);
  }

  report(): DeviceMemory {
    return { allocated: this.allocated, pooled: 0, peak: this.peak, allocations: this.sizes.size };
  }

  dropPool(): void {}
}

/** The address of fresh memory, or 0 where the driver has none. */
function tryAllocate(gpu: Gpu, bytes: number): number {
  const calls = gpu.use();
  const out = new BigUint64Array(1);
  const code = calls.cuMemAlloc(out, bytes);
  if (code === results.outOfMemory) return 0;
  gpu.driver.check('cuMemAlloc', code);
  return Number(out[0]);
}

function freeOn(gpu: Gpu, address: number): void {
  gpu.driver.check('cuMemFree', gpu.use().cuMemFree(address));
}

function outOfMemory(gpu: Gpu, bytes: number, { allocated, pooled }: DeviceMemory): OpwrightError {
  const { free, total } = gpu.memoryInfo();
  const others = Math.max(0, total - free - allocated - pooled);
  return new OpwrightError('OUT_OF_MEMORY', `cuda:${gpu.index} has no room for ${bytes} bytes.`, {
    rule: `of ${total} bytes, ${allocated} are in use here, ${pooled} are kept in pieces that are too small, ${others} belong to other programs and the driver, and ${free} are free`,
  });
}
