/** The CUDA driver of this process, and the GPUs that it finds as devices. */
import { OpwrightError } from '../../errors.js';
import { CudaDevice } from './device.js';
import { Driver } from './driver.js';

let driver: Driver | undefined;

/** Throws DEVICE_UNAVAILABLE where there is none. */
export function cudaDriver(): Driver {
  driver ??= Driver.open();
  return driver;
}

/** The GPU of that index as a device. Throws DEVICE_UNAVAILABLE. */
export function openCuda(index: number): CudaDevice {
  return new CudaDevice(cudaDriver(), index);
}

/** 0 where there is no driver, or one that finds none. */
export function cudaDeviceCount(): number {
  try {
    return cudaDriver().deviceCount();
  } catch (error) {
    if (error instanceof OpwrightError && (error.code === 'DEVICE_UNAVAILABLE' || error.code === 'NATIVE_UNAVAILABLE')) return 0;
    throw error;
  }
}
