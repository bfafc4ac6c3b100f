/**
 * What the commands `opwright doctor` and `opwright cache` ask of the library about the machine it runs on. They load this file when they
 * run; programs have no use for it, and it is no entry point of the package.
 */

import { noGrad } from '../runtime/autograd.js';
import { tensor } from '../runtime/create.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import { Compiler, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import { type NativeUse, readNativeUse } from '../runtime/devices/cpu/tiers.js';
import type { Cublas } from '../runtime/devices/cuda/cublas.js';
import { versionText } from '../runtime/devices/cuda/driver.js';
import { type DeviceProperties, propertiesAt } from '../runtime/devices/cuda/gpu.js';
import type { Nvrtc } from '../runtime/devices/cuda/nvrtc.js';
import { cudaDeviceCount, cudaDriver, openCuda } from '../runtime/devices/cuda/open.js';
import { type ForeignInterface, foreignInterface } from '../runtime/devices/ffi.js';
import { type CacheInfo, type KernelCache, kernelCache } from '../runtime/devices/kernel-cache.js';
import { OpwrightError } from '../runtime/errors.js';
import { tidy } from '../runtime/memory.js';
import './index.js';
import { type SampleCall, warmGpu } from './warm.js';

export type { CacheInfo };

/** Something that is not there, and what to do about it. */
export interface Missing {
  readonly problem: string;
  readonly remedy: string | undefined;
  /** What was tried, or what should hold. */
  readonly rule?: string | undefined;
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

/** With what a GPU's kernels are compiled, and what multiplies matrices besides them. */
export interface UsableGpu {
  readonly nvrtc: string;
  readonly cublas: string | undefined;
}

export interface CudaReport {
  readonly driver: { readonly path: string; readonly version: string } | Missing;
  /** The GPUs that the driver finds; each with what happened when a kernel was compiled and run on it. */
  readonly gpus: readonly { readonly properties: DeviceProperties; readonly device: UsableGpu | Missing }[];
}

/** Looks for the CUDA driver and NVRTC, and computes something on every GPU. */
export function examineCuda(): CudaReport {
  const driver = orMissing(cudaDriver);
  if ('problem' in driver) return { driver, gpus: [] };
  return {
    driver: { path: driver.library.path, version: versionText(driver.version) },
    gpus: Array.from({ length: driver.deviceCount() }, (_, index) => ({
      properties: propertiesAt(driver, index),
      device: orMissing(() => tryGpu(index)),
    })),
  };
}

function tryGpu(index: number): UsableGpu {
  const device = openCuda(index);
  tidy(() => noGrad(() => tensor([1, 2, 3], { device }).add(1).dataSync()));
  const describe = ({ version, library }: Nvrtc | Cublas): string => `${versionText(version)}: ${library.path}`;
  const { nvrtc, cublas } = device;
  return { nvrtc: describe(nvrtc), cublas: cublas === undefined ? undefined : describe(cublas) };
}

/** The cache that kernels of this process are kept in. */
export function cache(): KernelCache {
  return kernelCache();
}

export interface WarmReport {
  readonly native: NativeReport['tier'];
  /** By GPU, how many kernels the cache has gained. Empty where there is none. */
  readonly gpus: readonly { readonly name: string; readonly kernels: number }[];
}

/** Compiles ahead what every program needs on this machine and, for its GPUs, the kernels of the calls; or says why it cannot. */
export function warm(calls: () => Iterable<SampleCall>): WarmReport {
  return {
    native: orMissing(openNative),
    gpus: Array.from({ length: cudaDeviceCount() }, (_, index) => {
      const device = openCuda(index);
      const before = kernelCache().info().entries;
      warmGpu(device, calls());
      return { name: device.name, kernels: kernelCache().info().entries - before };
    }),
  };
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
    if (error instanceof OpwrightError) return { problem: error.summary, remedy: error.remedy, rule: error.rule };
    throw error;
  }
}
