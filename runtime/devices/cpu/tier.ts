/** What the tiers of the cpu device share: compiled kernels that know how to run themselves, and a cache by what a kernel says. */
import { createHash } from 'node:crypto';
import { type Kernel, paramLayout } from '../../../kernels/ir.js';
import { canFail } from '../../../kernels/traverse.js';
import type { CompiledKernel, CpuTierName, Target, Tier } from '../device.js';

/** Addresses are distances from the start of the WebAssembly memory, in every tier. */
export const pointerBytes = 4;

export abstract class CpuKernel implements CompiledKernel {
  abstract readonly tier: CpuTierName;
  readonly offsets: ReadonlyMap<string, number>;
  readonly paramBytes: number;
  readonly mayFail: boolean;

  constructor(readonly kernel: Kernel) {
    const { offsets, size } = paramLayout(kernel, pointerBytes);
    this.offsets = offsets;
    this.paramBytes = size;
    this.mayFail = canFail(kernel);
  }

  /** Runs all items, with the help of other threads where there are more of them than `grain`. */
  abstract launch(place: number, work: number, grain: number): void;
}

export abstract class CpuTier<Compiled extends CpuKernel> implements Tier {
  abstract readonly name: CpuTierName;
  abstract readonly target: Target;
  private readonly byKernel = new WeakMap<Kernel, Compiled>();
  private readonly byContent = new Map<string, Compiled>();

  compile(kernel: Kernel): Compiled {
    const known = this.byKernel.get(kernel);
    if (known !== undefined) return known;
    const content = createHash('sha256').update(JSON.stringify(kernel)).digest('base64');
    let compiled = this.byContent.get(content);
    if (compiled === undefined) {
      compiled = this.build(kernel);
      this.byContent.set(content, compiled);
    }
    this.byKernel.set(kernel, compiled);
    return compiled;
  }

  protected abstract build(kernel: Kernel): Compiled;
}
