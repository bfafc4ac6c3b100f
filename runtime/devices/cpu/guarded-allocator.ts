/**
 * An allocator for tests (OPWRIGHT_DEBUG_ALLOCATOR=1): address sanitisers see nothing inside of one large memory. It surrounds each
 * block with guard bytes that are checked when it is freed, fills fresh blocks with a pattern that reads as NaN, and freed ones with
 * another that must still be there at reuse. It is slow, and meant to be.
 */
import type { DeviceMemory } from '../device.js';
import type { Allocator } from './allocator.js';
import type { Heap } from './heap.js';

const guardBytes = 64;
const guardPattern = 0xa7;
/** All bits set is NaN in every floating dtype, -1 or the highest value in the integer ones. */
const freshPattern = 0xff;
/** Blocks so large are not filled and not compared beyond their first bytes. */
const filledBytes = 1 << 20;
const freedPattern = 0xdd;

interface Block {
  readonly address: number;
  readonly bytes: number;
}

export class GuardedAllocator implements Allocator {
  private readonly sizes = new Map<number, number>();
  /** Freed blocks, which wait here a while so that writes after the end of their life are seen. */
  private readonly quarantine: Block[] = [];
  private quarantined = 0;
  /** Bytes that the program holds, as asked for. */
  private held = 0;

  constructor(
    private readonly inner: Allocator,
    private readonly heap: Heap,
  ) {}

  allocate(bytes: number): number {
    const block = this.inner.allocate(bytes + 2 * guardBytes);
    if (block === 0) return 0;
    const address = block + guardBytes;
    this.sizes.set(address, bytes);
    this.held += bytes;
    this.heap.u8.fill(guardPattern, block, address);
    this.heap.u8.fill(guardPattern, address + bytes, address + bytes + guardBytes);
    this.heap.u8.fill(freshPattern, address, address + Math.min(bytes, filledBytes));
    return address;
  }

  free(address: number): void {
    const bytes = this.sizes.get(address);
    if (bytes === undefined) throw new Error(`address ${address} is freed, but not allocated`);
    this.check(address - guardBytes, address, guardPattern, `before a block of ${bytes} bytes`);
    this.check(address + bytes, address + bytes + guardBytes, guardPattern, `after a block of ${bytes} bytes`);
    this.sizes.delete(address);
    this.held -= bytes;
    this.heap.u8.fill(freedPattern, address, address + Math.min(bytes, filledBytes));
    this.quarantine.push({ address, bytes });
    this.quarantined += bytes;
    while (this.quarantine.length > 256 || this.quarantined > 64 * filledBytes) this.releaseOldest();
  }

  dropPool(): boolean {
    const waiting = this.quarantine.length > 0;
    while (this.quarantine.length > 0) this.releaseOldest();
    return this.inner.dropPool() || waiting;
  }

  /** Checks every live block's guards now; a test calls it after the work that it distrusts. */
  checkAll(): void {
    for (const [address, bytes] of this.sizes) {
      this.check(address - guardBytes, address, guardPattern, `before a block of ${bytes} bytes`);
      this.check(address + bytes, address + bytes + guardBytes, guardPattern, `after a block of ${bytes} bytes`);
    }
    for (const { address, bytes } of this.quarantine) this.checkFreed(address, bytes);
  }

  /** What the program holds, without guards; all else that was taken counts as pooled, blocks in quarantine among it. */
  report(): DeviceMemory {
    const { allocated, pooled, peak } = this.inner.report();
    return { allocated: this.held, pooled: allocated + pooled - this.held, peak, allocations: this.sizes.size };
  }

  private releaseOldest(): void {
    const block = this.quarantine.shift();
    if (block === undefined) return;
    this.checkFreed(block.address, block.bytes);
    this.quarantined -= block.bytes;
    this.inner.free(block.address - guardBytes);
  }

  private checkFreed(address: number, bytes: number): void {
    this.check(address, address + Math.min(bytes, filledBytes), freedPattern, `into a block of ${bytes} bytes that was freed`);
  }

  private check(from: number, to: number, pattern: number, where: string): void {
    const { u8 } = this.heap;
    for (let at = from; at < to; at++) {
      if (u8[at] !== pattern) throw new Error(`something wrote ${where}, at address ${at} (byte ${at - from} of the guard)`);
    }
  }
}
