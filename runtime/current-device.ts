/** The public functions about devices in general: which one tensors are made on, and what Paddle asks of its build. */
import { cudaDeviceCount } from './devices/cuda/open.js';
import type { Device } from './devices/device.js';
import { defaultDevice, makeDefault } from './devices/registry.js';
import { OpwrightError } from './errors.js';
import { type DeviceLike, deviceOf } from './places.js';
import { defaultGenerator, type GeneratorState } from './random.js';

/**
 * Makes a device the one that tensors are made on from now on, and gives it.
 *
 * Throws DEVICE_UNAVAILABLE where it is not there, with everything that was tried: nothing ever falls back to another device.
 */
export function setDevice(device: DeviceLike): Device {
  const found = deviceOf(device);
  makeDefault(found);
  return found;
}

/** The name of the device that tensors are made on: `cpu`, `cuda:0`. */
export function getDevice(): string {
  return defaultDevice().name;
}

/** Whether there is a GPU that CUDA can use: a program that asks runs on machines with and without. */
export function isCompiledWithCuda(): boolean {
  return cudaDeviceCount() > 0;
}

export function isCompiledWithXpu(): boolean {
  return false;
}

/** null: convolutions are the library's own, and cuDNN is not used. */
export function getCudnnVersion(): null {
  return null;
}

/** The state of random numbers on GPUs. It is one for all devices, the cpu included. */
export function getCudaRngState(): readonly GeneratorState[] {
  return [defaultGenerator.getState()];
}

/** Sets the state that `getCudaRngState` gave. */
export function setCudaRngState(states: readonly GeneratorState[]): void {
  const [state] = states;
  if (state === undefined || states.length > 1)
    throw new OpwrightError('INVALID_ARGUMENT', `One state is needed, and there are ${states.length}.`, {
      op: 'setCudaRngState',
      argument: 'states',
      remedy: 'Hand over what getCudaRngState() gave.',
    });
  defaultGenerator.setState(state);
}
