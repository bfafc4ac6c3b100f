/**
 * A device that computes nothing: it keeps the kernels that it is asked to compile, as the CUDA device would share them out. Memory is
 * numbers, and everything that is read is 0.
 */
import { distribute } from '../kernels/distribute.js';
import { type Kernel, paramLayout } from '../kernels/ir.js';
import type { CompiledKernel, Device, DeviceMemory, ParamBlock, Target, Tier } from '../runtime/devices/device.js';

const noParams: ParamBlock = {
  setPointer() {},
  setI32() {},
  setI64() {},
  setF32() {},
  setF64() {},
  free() {},
};

export class CollectingDevice implements Device, Tier {
  readonly name = 'cuda';
  readonly settings = '';
  readonly machine = 'gpu';
  readonly target: Target = { vectorBytes: 0, pointerBytes: 8, groups: true };
  /** By content, in the order in which they were asked for. */
  readonly kernels = new Map<string, Kernel>();
  private next = 64;

  tier(): Tier {
    return this;
  }

  compile(kernel: Kernel): CompiledKernel {
    const shared = distribute(kernel);
    this.kernels.set(JSON.stringify(shared), shared);
    const { offsets, size } = paramLayout(kernel, 8);
    return { kernel, tier: 'cuda', offsets, paramBytes: size, mayFail: false };
  }

  allocate(bytes: number): number {
    const address = this.next;
    this.next += Math.ceil(Math.max(bytes, 1) / 64) * 64;
    return address;
  }

  createParams(): ParamBlock {
    return noParams;
  }

  readSync(_address: number, bytes: Uint8Array): void {
    bytes.fill(0);
  }

  async read(address: number, bytes: Uint8Array): Promise<void> {
    this.readSync(address, bytes);
  }

  memory(): DeviceMemory {
    return { allocated: 0, pooled: 0, peak: 0, allocations: 0 };
  }

  free(): void {}
  write(): void {}
  fill(): void {}
  copy(): void {}
  announce(): void {}
  launch(): void {}
  finishCompiling(): void {}
  async synchronize(): Promise<void> {}
}
