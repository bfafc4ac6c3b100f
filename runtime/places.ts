/** Paddle's words for where a tensor is, and whatever else names a device where one is asked for. */
import type { Device } from './devices/device.js';
import { getDevice } from './devices/registry.js';
import { formatValue, OpwrightError } from './errors.js';

/** The memory of the machine. */
export class CPUPlace {
  readonly device = 'cpu';

  toString(): string {
    return 'Place(cpu)';
  }
}

/** The memory of a GPU, by its index. */
export class CUDAPlace {
  readonly device: string;

  constructor(readonly index = 0) {
    if (!Number.isSafeInteger(index) || index < 0)
      throw new OpwrightError('INVALID_ARGUMENT', `A GPU's index is a whole number from 0, not ${formatValue(index)}.`, {
        op: 'CUDAPlace',
        argument: 'index',
      });
    this.device = `cuda:${index}`;
  }

  getDeviceId(): number {
    return this.index;
  }

  toString(): string {
    return `Place(gpu:${this.index})`;
  }
}

/**
 * The memory of the machine, from which Paddle copies to GPUs in the background. Copies to GPUs go through pinned memory here whatever
 * the place, so this is the cpu.
 */
export class CUDAPinnedPlace {
  readonly device = 'cpu';

  toString(): string {
    return 'Place(gpu_pinned)';
  }
}

/** There are no XPUs here: making this place throws DEVICE_UNAVAILABLE. */
export class XPUPlace {
  constructor(index = 0) {
    throw new OpwrightError('DEVICE_UNAVAILABLE', `There is no device xpu:${index}: Opwright has no support for Kunlun XPUs.`, {
      op: 'XPUPlace',
      remedy: 'Use CPUPlace or CUDAPlace.',
    });
  }
}

export type Place = CPUPlace | CUDAPlace | CUDAPinnedPlace;

/** A device, its name (`cpu`, `cuda`, `cuda:1`, `gpu:1`), or a place. */
export type DeviceLike = Device | Place | string;

/** Throws DEVICE_UNAVAILABLE where there is no such device. */
export function deviceOf(like: DeviceLike): Device {
  if (typeof like === 'string') return getDevice(like);
  if (like instanceof CPUPlace || like instanceof CUDAPlace || like instanceof CUDAPinnedPlace) return getDevice(like.device);
  return like;
}

export function placeOf({ name }: Device): Place {
  const [, index] = name.split(':');
  return index === undefined ? new CPUPlace() : new CUDAPlace(Number(index));
}
