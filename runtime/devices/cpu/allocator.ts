/**
 * Who owns which part of the cpu memory. Addresses are aligned to 64 bytes. All bookkeeping lies outside of the memory, so that a
 * kernel that writes where it should not cannot break it.
 *
 * Memory is dealt out in pages of 16 KiB. Large blocks are runs of pages; freed neighbours merge at once. Small blocks come in size
 * classes, cut from runs of pages that hold one class only, and wait in a stack for their reuse: the last freed, and so the one in
 * cache, goes first.
 */
import type { DeviceMemory } from '../device.js';
import type { Heap } from './heap.js';
import { PageRuns, pageBytes } from './page-runs.js';

/** What the device needs of an allocator; the guarded one of guarded-allocator.ts is another. */
export interface Allocator {
  /** The address of at least `bytes` bytes, or 0 where there is no room. */
  allocate(bytes: number): number;
  free(address: number): void;
  /** Gives blocks that wait for reuse back to the pages; whether that made any room. */
  dropPool(): boolean;
  report(): DeviceMemory;
}

const granule = 64;
const largestSmall = 32 << 10;
/** Small blocks are cut from runs of this many bytes. */
const slabBytes = 64 << 10;
const slabPages = slabBytes / pageBytes;

/** The sizes of small blocks: every 64 bytes up to 1 KiB, then four steps to each doubling. */
const classSizes = createClassSizes();
/** The class of a small size, by size in granules rounded up. */
const classOfGranules = createClassTable();

export class PooledAllocator implements Allocator {
  private readonly runs: PageRuns;
  private readonly stacks = classSizes.map(() => new BlockStack());
  /** For each slab, by its address: into how many blocks it was cut. */
  private readonly slabBlocks = new Map<number, number>();
  private allocated = 0;
  private peak = 0;
  private pooled = 0;
  private allocations = 0;

  constructor(heap: Heap, firstFree: number) {
    this.runs = new PageRuns(heap, firstFree);
  }

  allocate(bytes: number): number {
    return bytes <= largestSmall ? this.allocateSmall(bytes) : this.allocateLarge(bytes);
  }

  free(address: number): void {
    const slabClass = this.runs.tagAt(address);
    this.allocations--;
    if (slabClass === 0) {
      this.allocated -= this.runs.release(address);
      return;
    }
    const size = classSizes[slabClass - 1]!;
    this.allocated -= size;
    this.pooled += size;
    this.stacks[slabClass - 1]!.push(address);
  }

  dropPool(): boolean {
    const used = this.countUsedBlocks();
    let dropped = false;
    for (const [slab, count] of used) {
      if (count > 0) continue;
      const index = this.runs.tagAt(slab) - 1;
      const size = classSizes[index]!;
      this.stacks[index]!.removeRange(slab, slab + slabBytes);
      this.pooled -= size * Math.floor(slabBytes / size);
      this.slabBlocks.delete(slab);
      this.runs.release(slab);
      dropped = true;
    }
    return dropped;
  }

  report(): DeviceMemory {
    const { allocated, pooled, peak, allocations } = this;
    return { allocated, pooled: pooled + this.runs.freeBytes, peak, allocations };
  }

  private allocateSmall(bytes: number): number {
    const index = classOfGranules[(bytes + granule - 1) >>> 6]!;
    const stack = this.stacks[index]!;
    if (stack.length === 0 && !this.addSlab(index)) return 0;
    const size = classSizes[index]!;
    this.pooled -= size;
    this.count(size);
    return stack.pop();
  }

  private allocateLarge(bytes: number): number {
    const pages = Math.ceil(bytes / pageBytes);
    const address = this.runs.take(pages, 0);
    if (address !== 0) this.count(pages * pageBytes);
    return address;
  }

  private count(bytes: number): void {
    this.allocations++;
    this.allocated += bytes;
    if (this.allocated > this.peak) this.peak = this.allocated;
  }

  private addSlab(index: number): boolean {
    const slab = this.runs.take(slabPages, index + 1);
    if (slab === 0) return false;
    const size = classSizes[index]!;
    const blocks = Math.floor(slabBytes / size);
    for (let block = blocks - 1; block >= 0; block--) this.stacks[index]!.push(slab + block * size);
    this.slabBlocks.set(slab, blocks);
    this.pooled += blocks * size;
    return true;
  }

  /** For each slab, how many of its blocks do not wait in a stack. Counted when needed, so that freeing need not keep count. */
  private countUsedBlocks(): ReadonlyMap<number, number> {
    const used = new Map(this.slabBlocks);
    for (const stack of this.stacks) {
      stack.forEach((address) => {
        const slab = this.runs.startOf(address);
        used.set(slab, used.get(slab)! - 1);
      });
    }
    return used;
  }
}

/** Addresses in a typed array: unlike an ordinary one, it holds those above 2^31 without boxing. */
class BlockStack {
  private items = new Uint32Array(64);
  length = 0;

  push(address: number): void {
    if (this.length === this.items.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.items);
      this.items = larger;
    }
    this.items[this.length++] = address;
  }

  pop(): number {
    return this.items[--this.length]!;
  }

  forEach(visit: (address: number) => void): void {
    for (let index = 0; index < this.length; index++) visit(this.items[index]!);
  }

  removeRange(from: number, to: number): void {
    const kept = this.items.subarray(0, this.length).filter((address) => address < from || address >= to);
    this.items.set(kept);
    this.length = kept.length;
  }
}

function createClassSizes(): readonly number[] {
  const sizes: number[] = [];
  for (let size = granule; size <= 1024; size += granule) sizes.push(size);
  for (let base = 1024; base < largestSmall; base *= 2) {
    for (let step = 1; step <= 4; step++) sizes.push(base + (base / 4) * step);
  }
  return sizes;
}

function createClassTable(): Uint8Array {
  const table = new Uint8Array(largestSmall / granule + 1);
  for (let granules = 0, index = 0; granules < table.length; granules++) {
    if (granules * granule > classSizes[index]!) index++;
    table[granules] = index;
  }
  return table;
}
