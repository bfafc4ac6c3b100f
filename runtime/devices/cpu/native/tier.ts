/** Native code for the cpu: kernels printed as C, compiled by the system's compiler and run over the same memory. */

import type { Kernel } from '../../../../kernels/ir.js';
import type { Target } from '../../device.js';
import type { Heap } from '../heap.js';
import { type CpuKernel, CpuTier } from '../tier.js';

export class NativeTier extends CpuTier<CpuKernel> {
  readonly name = 'native';
  readonly target: Target = { vectorBytes: 64, pointerBytes: 4 };

  static open(_heap: Heap, _threads: number, _required: boolean): NativeTier | null {
    return null;
  }

  finish(): boolean {
    return true;
  }

  protected build(_kernel: Kernel): CpuKernel {
    throw new TypeError('not open');
  }
}
