/** Kernels that were compiled before, for each device: fused ones by structure and variant, kernel functions by dtypes. */
import type { FusedKernel } from '../kernels/fused.js';
import type { Kernel } from '../kernels/ir.js';
import type { Launch } from '../kernels/lower/bind.js';
import { lowerFused } from '../kernels/lower/fused.js';
import { specialise } from '../kernels/specialise.js';
import type { CompiledKernel, Device } from './devices/device.js';
import type { Dtype } from './dtype.js';

const compiledKernels = new WeakMap<Device, Map<string, CompiledKernel>>();

export function compiledFused(
  device: Device,
  { kernel, variant }: { kernel: FusedKernel; variant: Launch['variant'] },
): CompiledKernel {
  let cache = compiledKernels.get(device);
  if (cache === undefined) {
    cache = new Map();
    compiledKernels.set(device, cache);
  }
  const key = `${kernel.key}${JSON.stringify(variant)}`;
  let compiled = cache.get(key);
  if (compiled === undefined) {
    compiled = device.compile(lowerFused(kernel, variant));
    cache.set(key, compiled);
  }
  return compiled;
}

const compiledFunctions = new WeakMap<Device, WeakMap<Kernel, Map<string, CompiledKernel>>>();

/** A kernel function for concrete dtypes. */
export function compiledFunction(device: Device, kernel: Kernel, bindings: Readonly<Record<string, Dtype>>): CompiledKernel {
  let kernels = compiledFunctions.get(device);
  if (kernels === undefined) {
    kernels = new WeakMap();
    compiledFunctions.set(device, kernels);
  }
  let variants = kernels.get(kernel);
  if (variants === undefined) {
    variants = new Map();
    kernels.set(kernel, variants);
  }
  const key = JSON.stringify(bindings);
  let compiled = variants.get(key);
  if (compiled === undefined) {
    compiled = device.compile(specialise(kernel, bindings));
    variants.set(key, compiled);
  }
  return compiled;
}
