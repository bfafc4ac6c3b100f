/**
 * Runs of pages: the lower half of the allocator. It takes runs from the free place that fits best among a few, and merges freed
 * runs with their free neighbours at once. A run carries a tag, which the allocator uses to tell its slabs apart.
 */
import type { Heap } from './heap.js';

export const pageBytes = 16 << 10;
const pageShift = 14;

/** Free runs are kept in bins by the logarithm of their length. */
const binCount = 20;

export class PageRuns {
  /** At the first and last page of a run: its length in pages, negative where it is free. Inside a run: stale. */
  private readonly lengths: Int32Array;
  /** For every page in use: the first page of its run, and the run's tag. */
  private readonly starts: Int32Array;
  private readonly tags: Uint8Array;
  /** The free runs of each bin, doubly linked by their first pages; 0, which is never free, ends a list. */
  private readonly heads = new Int32Array(binCount);
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private end: number;
  freeBytes = 0;

  /** Manages the heap from `firstFree` on; everything below stays untouched and must be at least one page. */
  constructor(
    private readonly heap: Heap,
    firstFree: number,
  ) {
    const pages = Math.ceil(heap.maximumBytes / pageBytes) + 1;
    this.lengths = new Int32Array(pages);
    this.starts = new Int32Array(pages);
    this.tags = new Uint8Array(pages);
    this.next = new Int32Array(pages);
    this.previous = new Int32Array(pages);
    const first = Math.ceil(firstFree / pageBytes);
    this.end = Math.floor(heap.bytes / pageBytes);
    this.insert(first, this.end - first);
  }

  /** The tag of the run in which the address lies. */
  tagAt(address: number): number {
    return this.tags[address >>> pageShift]!;
  }

  /** Where the run begins in which the address lies. */
  startOf(address: number): number {
    return this.starts[address >>> pageShift]! * pageBytes;
  }

  /** The address of a run of so many pages, or 0 where neither the free runs nor the heap's growth can give one. */
  take(pages: number, tag: number): number {
    const found = this.find(pages);
    if (found === 0) return this.extend(pages) ? this.take(pages, tag) : 0;
    const available = -this.lengths[found]!;
    this.remove(found);
    if (available > pages) this.insert(found + pages, available - pages);
    this.lengths[found] = pages;
    this.lengths[found + pages - 1] = pages;
    // Only slabs are asked about addresses inside of them.
    if (tag === 0) {
      this.tags[found] = 0;
      this.starts[found] = found;
    } else {
      this.tags.fill(tag, found, found + pages);
      this.starts.fill(found, found, found + pages);
    }
    return found * pageBytes;
  }

  /** Frees a run by its first address and gives its size in bytes. */
  release(address: number): number {
    let first = address >>> pageShift;
    const size = this.lengths[first]!;
    let length = size;
    const after = first + length;
    if (after < this.end && this.lengths[after]! < 0) {
      length -= this.lengths[after]!;
      this.remove(after);
    }
    const before = this.lengths[first - 1]!;
    if (before < 0) {
      first += before;
      length -= before;
      this.remove(first);
    }
    this.insert(first, length);
    return size * pageBytes;
  }

  /** The shortest of the free runs that fit, among the first few of the first bin that has one. */
  private find(pages: number): number {
    for (let bin = binOf(pages); bin < binCount; bin++) {
      let best = 0;
      let examined = 0;
      for (let run = this.heads[bin]!; run !== 0; run = this.next[run]!) {
        const length = -this.lengths[run]!;
        if (length === pages) return run;
        if (length > pages && (best === 0 || length < -this.lengths[best]!)) best = run;
        if (best !== 0 && ++examined === 32) break;
      }
      if (best !== 0) return best;
    }
    return 0;
  }

  /** Grows the heap so that a run of so many pages is free at its end. */
  private extend(pages: number): boolean {
    const last = this.lengths[this.end - 1]!;
    const missing = pages - (last < 0 ? -last : 0);
    if (!this.heap.grow(missing * pageBytes)) return false;
    const first = this.end;
    const end = Math.floor(this.heap.bytes / pageBytes);
    this.end = end;
    this.lengths[first] = end - first;
    this.release(first * pageBytes);
    return true;
  }

  private insert(first: number, length: number): void {
    if (length === 0) return;
    this.lengths[first] = -length;
    this.lengths[first + length - 1] = -length;
    const bin = binOf(length);
    const head = this.heads[bin]!;
    this.next[first] = head;
    this.previous[first] = 0;
    if (head !== 0) this.previous[head] = first;
    this.heads[bin] = first;
    this.freeBytes += length * pageBytes;
  }

  private remove(first: number): void {
    const length = -this.lengths[first]!;
    const next = this.next[first]!;
    const previous = this.previous[first]!;
    if (next !== 0) this.previous[next] = previous;
    if (previous === 0) this.heads[binOf(length)] = next;
    else this.next[previous] = next;
    this.freeBytes -= length * pageBytes;
  }
}

function binOf(pages: number): number {
  return Math.min(31 - Math.clz32(pages), binCount - 1);
}
