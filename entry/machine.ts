/**
 * What the commands `opwright doctor` and `opwright cache` ask of the library about the machine it runs on. They load this file when they
 * run; programs have no use for it, and it is no entry point of the package.
 */

import { openCpu } from '../runtime/devices/cpu/device.js';
import { Compiler, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import { type NativeUse, readNativeUse } from '../runtime/devices/cpu/tiers.js';
import { type ForeignInterface, foreignInterface } from '../runtime/devices/ffi.js';
import { type CacheInfo, type KernelCache, kernelCache } from '../runtime/devices/kernel-cache.js';
import { OpwrightError } from '../runtime/errors.js';

export type { CacheInfo };

/** Something that is not there, and what to do about it. */
export interface Missing {
  readonly problem: string;
  readonly remedy: string | undefined;
}

export interface NativeReport {
  /** What OPWRIGHT_NATIVE asks for. */
  readonly use: NativeUse;
  readonly compiler: Compiler | Missing;
  readonly foreignInterface: ForeignInterface | Missing;
  /** The native tier as a whole, with the threads of its pool. */
  readonly tier: { readonly threads: number } | Missing;
}

/** Looks for what native code needs, and opens the native tier. What is compiled for that is kept in the cache. */
export function examineNative(): NativeReport {
  return {
    use: readNativeUse(process.env.OPWRIGHT_NATIVE),
    compiler: orMissing(() => {
      const outcome = findCompiler();
      if (outcome instanceof Compiler) return outcome;
      return { problem: outcome.problem, remedy: outcome.remedy };
    }),
    foreignInterface: orMissing(foreignInterface),
    tier: orMissing(openNative),
  };
}

/** The cache that kernels of this process are kept in. */
export function cache(): KernelCache {
  return kernelCache();
}

/** Compiles ahead what every program needs on this machine, or says why it cannot. */
export function warm(): NativeReport['tier'] {
  return orMissing(openNative);
}

function openNative(): { readonly threads: number } {
  const device = openCpu({ native: 'require' });
  device.nativeTier();
  return { threads: device.threads };
}

function orMissing<Part>(look: () => Part): Part | Missing {
  try {
    return look();
  } catch (error) {
    if (error instanceof OpwrightError) return { problem: error.summary, remedy: error.remedy };
    throw error;
  }
}
