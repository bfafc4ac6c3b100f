/**
 * Pieces of large allocations, dealt out and taken back: two-level segregated fit (Masmano et al., TLSF: a new dynamic memory allocator
 * for real-time systems, 2004). Free pieces stand in lists by size, each doubling divided in eight; a list whose pieces all suffice is
 * found by a few comparisons, neighbours that are free merge at once. Where the allocations come from is not known here.
 */

/** All sizes are multiples of it, and all addresses are aligned to it. */
export const granule = 512;

const steps = 8;
const doublings = 40;

/** A piece of a segment; pieces of one segment know their neighbours. */
export interface Block {
  readonly address: number;
  bytes: number;
  free: boolean;
  /** By address, within the segment. */
  before: Block | null;
  after: Block | null;
  /** In its list while it is free. */
  previous: Block | null;
  next: Block | null;
}

export class Blocks {
  private readonly lists: (Block | null)[] = new Array(doublings * steps).fill(null);
  /** Of free pieces. */
  freeBytes = 0;

  /** Adds a fresh allocation, as one free piece. */
  add(address: number, bytes: number): void {
    this.enter({ address, bytes, free: true, before: null, after: null, previous: null, next: null });
  }

  /** A piece of at least `bytes`, a multiple of the granule, or null. What is left of a larger one stays free. */
  take(bytes: number): Block | null {
    const found = this.find(bytes);
    if (found === null) return null;
    this.leave(found);
    if (found.bytes > bytes) this.split(found, bytes);
    found.free = false;
    return found;
  }

  /** Takes a piece back. */
  release(block: Block): void {
    const { before, after } = block;
    let merged = block;
    if (before?.free) {
      this.leave(before);
      merged = join(before, block);
    }
    if (after?.free) {
      this.leave(after);
      merged = join(merged, after);
    }
    this.enter(merged);
  }

  /** Removes the allocations of which nothing is in use, and gives their addresses. */
  removeUnused(): number[] {
    const unused: Block[] = [];
    for (const first of this.lists)
      for (let block: Block | null = first; block !== null; block = block.next)
        if (block.before === null && block.after === null) unused.push(block);
    for (const block of unused) this.leave(block);
    return unused.map(({ address }) => address);
  }

  /** The smallest piece of the first list that has one large enough: only in the list of its own size may pieces be too small. */
  private find(bytes: number): Block | null {
    const { lists } = this;
    const own = listOf(bytes);
    for (let block = lists[own] ?? null; block !== null; block = block.next) if (block.bytes >= bytes) return block;
    for (let list = own + 1; list < lists.length; list++) {
      const first = lists[list] ?? null;
      if (first !== null) return first;
    }
    return null;
  }

  private split(block: Block, bytes: number): void {
    const { address, after } = block;
    const rest: Block = {
      address: address + bytes,
      bytes: block.bytes - bytes,
      free: true,
      before: block,
      after,
      previous: null,
      next: null,
    };
    if (after !== null) after.before = rest;
    block.after = rest;
    block.bytes = bytes;
    this.enter(rest);
  }

  private enter(block: Block): void {
    const list = listOf(block.bytes);
    const first = this.lists[list] ?? null;
    block.free = true;
    block.previous = null;
    block.next = first;
    if (first !== null) first.previous = block;
    this.lists[list] = block;
    this.freeBytes += block.bytes;
  }

  private leave(block: Block): void {
    const { previous, next } = block;
    if (previous === null) this.lists[listOf(block.bytes)] = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    block.previous = null;
    block.next = null;
    this.freeBytes -= block.bytes;
  }
}

/** Makes one piece of two neighbours. */
function join(left: Block, right: Block): Block {
  left.bytes += right.bytes;
  left.after = right.after;
  if (right.after !== null) right.after.before = left;
  return left;
}

/** Lists are in ascending order of their least size, and every size belongs to one. */
function listOf(bytes: number): number {
  const granules = bytes / granule;
  if (granules < steps) return granules;
  const doubling = 31 - Math.clz32(Math.min(granules, 2 ** 31 - 1));
  return (doubling - 2) * steps + Math.floor(granules / 2 ** (doubling - 3)) - steps;
}
