/**
 * What only GPUs have, as `cuda` of the main entry: how many there are and what they are, waiting for one, its memory, and measuring time
 * on it. A device is the GPU of an index, or its name; without one it is the first.
 */
import { CudaDevice } from './devices/cuda/device.js';
import { type DeviceProperties, propertiesAt } from './devices/cuda/gpu.js';
import { cudaDeviceCount, cudaDriver } from './devices/cuda/open.js';
import type { DeviceMemory } from './devices/device.js';
import { formatValue, OpwrightError } from './errors.js';
import { type DeviceLike, deviceOf } from './places.js';

export type { DeviceProperties };

type CudaDeviceLike = DeviceLike | number;

/** GPUs that the driver finds; 0 where there is no driver. */
export function deviceCount(): number {
  return cudaDeviceCount();
}

/** Asks the driver about a GPU, without beginning to use it. Throws DEVICE_UNAVAILABLE. */
export function deviceProperties(index = 0): DeviceProperties {
  return propertiesAt(cudaDriver(), index);
}

/** Waits until everything that was launched on it is done. Throws INDEX_OUT_OF_RANGE for a call before, DEVICE_LOST. */
export async function synchronize(device?: CudaDeviceLike): Promise<void> {
  await gpuOf(device).synchronize();
}

/** What this process has of the GPU's memory, and what of it is free for all. */
export interface CudaMemory extends DeviceMemory {
  readonly free: number;
  readonly total: number;
}

export function memory(device?: CudaDeviceLike): CudaMemory {
  const found = gpuOf(device);
  return { ...found.memory(), ...found.gpu.memoryInfo() };
}

/** Gives memory that is kept for reuse back to the driver. */
export function emptyCache(device?: CudaDeviceLike): void {
  gpuOf(device).emptyCache();
}

/** Whether products and convolutions of float32 may use TF32; false unless `setAllowTf32` was called. */
export function getAllowTf32(device?: CudaDeviceLike): boolean {
  return gpuOf(device).allowTf32;
}

/**
 * Lets a GPU round the elements of float32 matrices and images to TF32, 10 bits after the point, where it multiplies them: tensor cores (sm_80 and
 * later) are then several times as fast. Sums stay float32. Each element of a product differs from the exact one by at most
 * 2^-10 (1 + 2^-12) times the sum of the sizes of its terms, besides the rounding of sums. It holds for what is called from then on, for
 * gradients when they are computed. On older GPUs it changes nothing.
 */
export function setAllowTf32(allowed: boolean, device?: CudaDeviceLike): void {
  gpuOf(device).allowTf32 = allowed;
}

/** A mark in a GPU's work. */
export class Event {
  private constructor(
    private readonly device: CudaDevice,
    private readonly handle: number,
  ) {}

  /** Happens when what was launched so far is done. */
  static record(device?: CudaDeviceLike): Event {
    const found = gpuOf(device);
    return new Event(found, found.recordEvent());
  }

  /** Milliseconds from another event of the same GPU to this one, which it waits for. */
  async millisecondsSince(start: Event): Promise<number> {
    if (start.device !== this.device)
      throw new OpwrightError('DEVICE_MISMATCH', `One event is of ${start.device.name}, the other of ${this.device.name}.`);
    return this.device.millisecondsBetween(start.handle, this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  dispose(): void {
    this.device.destroyEvent(this.handle);
  }
}

/** Milliseconds that a GPU takes for what a function launches. */
export async function time(run: () => void, device?: CudaDeviceLike): Promise<number> {
  const start = Event.record(device);
  try {
    run();
    const end = Event.record(device);
    try {
      return await end.millisecondsSince(start);
    } finally {
      end.dispose();
    }
  } finally {
    start.dispose();
  }
}

function gpuOf(device: CudaDeviceLike = 0): CudaDevice {
  const found = typeof device === 'number' ? deviceOf(`cuda:${device}`) : deviceOf(device);
  if (found instanceof CudaDevice) return found;
  throw new OpwrightError('INVALID_ARGUMENT', `${formatValue(found.name)} is no GPU.`, { argument: 'device' });
}
