/**
 * A piece of device memory that one or more tensors look at. It counts its holders: tensors and whatever else calls `retain`. The
 * memory is freed when the last holder lets go, or after the collector found the storage unreachable (reclaim.ts). What the bytes
 * mean is known to the tensors alone.
 */
import type { Shape } from '../kernels/op.js';
import type { Device } from './devices/device.js';
import { OpwrightError } from './errors.js';
import { describeLargest, enterGroup, leaveGroup, type ReclaimGroup } from './reclaim.js';

export class Storage {
  readonly device: Device;
  readonly bytes: number;
  /** In-place ops add one: a gradient that kept a value knows by this that it was overwritten. */
  version = 0;
  /** The version up to which an in-place op changed where gradients go: tensors that are older do not know their place in the graph. */
  graphVersion = 0;
  /** The device address; not to be used once `isFreed`. */
  readonly address: number;
  private holders = 0;
  private freed = false;
  private readonly group: ReclaimGroup;
  private readonly slot: number;

  /** Allocates `bytes` with arbitrary contents. Nobody holds the storage yet: a tensor made over it does. Throws OUT_OF_MEMORY. */
  constructor(device: Device, bytes: number) {
    this.device = device;
    this.bytes = bytes;
    this.address = allocate(device, bytes);
    this.group = enterGroup(device, this.address, bytes);
    this.slot = this.group.members.addresses.length - 1;
  }

  /** Notes what lies in it, so that the error at the end of memory can tell. */
  describe(shape: Shape): void {
    if (this.bytes >= largeBytes) this.group.members.shapes[this.slot] ??= shape;
  }

  get isFreed(): boolean {
    return this.freed;
  }

  retain(): void {
    this.holders++;
  }

  /** Undoes one `retain`; the last one frees the memory. */
  release(): void {
    if (--this.holders <= 0) this.free();
  }

  private free(): void {
    if (this.freed) return;
    this.freed = true;
    leaveGroup(this.group, this.slot);
    this.device.free(this.address);
  }
}

/** From this size on a storage is named by its shape when memory runs out. */
const largeBytes = 1 << 20;
const storagesNamed = 5;

function allocate(device: Device, bytes: number): number {
  try {
    return device.allocate(bytes);
  } catch (error) {
    if (!(error instanceof OpwrightError) || error.code !== 'OUT_OF_MEMORY') throw error;
    const largest = `the largest live tensors are ${describeLargest(storagesNamed)}`;
    throw new OpwrightError(error.code, error.summary, {
      rule: error.rule === undefined ? largest : `${error.rule}; ${largest}`,
      remedy:
        'Dispose tensors, or wrap synchronous loops in tidy(): memory is reclaimed by itself only where the program awaits.',
      cause: error,
    });
  }
}
