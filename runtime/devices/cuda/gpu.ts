/**
 * One GPU as the driver shows it: its primary context, which PyTorch and others in the process share, the one stream that all work of
 * the device goes through in order, and its properties. A context is current on one thread at a time, so whoever calls the driver on
 * behalf of a GPU says `use()` first.
 */
import { OpwrightError } from '../../errors.js';
import { type Driver, type DriverCalls, results } from './driver.js';

/** What a program may want to know of a GPU. */
export interface DeviceProperties {
  readonly index: number;
  readonly name: string;
  /** 9.0 for sm_90. */
  readonly computeCapability: string;
  readonly totalMemory: number;
  readonly multiprocessors: number;
  readonly warpSize: number;
  readonly maximumThreadsPerBlock: number;
  readonly maximumThreadsPerMultiprocessor: number;
  readonly sharedMemoryPerBlock: number;
  /** With what a kernel may ask for beyond the usual. */
  readonly sharedMemoryPerBlockOptIn: number;
  readonly registersPerMultiprocessor: number;
  readonly level2CacheBytes: number;
}

/** Numbers of CUdevice_attribute. */
const attributes = {
  maximumThreadsPerBlock: 1,
  sharedMemoryPerBlock: 8,
  warpSize: 10,
  multiprocessors: 16,
  level2CacheBytes: 38,
  maximumThreadsPerMultiprocessor: 39,
  computeCapabilityMajor: 75,
  computeCapabilityMinor: 76,
  registersPerMultiprocessor: 82,
  sharedMemoryPerBlockOptIn: 97,
} as const;

/** The stream does not wait for, or hold up, work of others in the default stream. */
const nonBlocking = 1;

export class Gpu {
  readonly properties: DeviceProperties;
  /** 90 for sm_90. */
  readonly computeCapability: number;
  readonly stream: number;
  private readonly context: number;

  /** Throws DEVICE_UNAVAILABLE where there is no GPU of that index. */
  constructor(
    readonly driver: Driver,
    readonly index: number,
  ) {
    const handle = handleAt(driver, index);
    this.properties = propertiesAt(driver, index);
    this.computeCapability = Math.round(Number(this.properties.computeCapability) * 10);
    this.context = driver.handle('cuDevicePrimaryCtxRetain', (out) => driver.calls.cuDevicePrimaryCtxRetain(out, handle));
    this.use();
    this.stream = driver.handle('cuStreamCreate', (out) => driver.calls.cuStreamCreate(out, nonBlocking));
  }

  /** Makes the context the current one of this thread, and gives the driver's functions. */
  use(): DriverCalls {
    const { driver, context } = this;
    if (driver.current !== context) {
      driver.check('cuCtxSetCurrent', driver.calls.cuCtxSetCurrent(context));
      driver.current = context;
    }
    return driver.calls;
  }

  /** Waits for all work that was begun. */
  wait(): void {
    this.driver.check('cuStreamSynchronize', this.use().cuStreamSynchronize(this.stream));
  }

  /** Bytes that are free on the GPU, for all programs, and that it has. */
  memoryInfo(): { readonly free: number; readonly total: number } {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    this.driver.check('cuMemGetInfo', this.use().cuMemGetInfo(free, total));
    return { free: Number(free[0]), total: Number(total[0]) };
  }

  /** Whether an event has happened. */
  isDone(event: number): boolean {
    const code = this.use().cuEventQuery(event);
    if (code === results.notReady) return false;
    this.driver.check('cuEventQuery', code);
    return true;
  }
}

function handleAt(driver: Driver, index: number): number {
  const count = driver.deviceCount();
  if (index < count) return driver.integer('cuDeviceGet', (out) => driver.calls.cuDeviceGet(out, index));
  throw new OpwrightError('DEVICE_UNAVAILABLE', `There is no device cuda:${index}.`, {
    argument: 'device',
    rule: `the driver finds ${count} GPU${count === 1 ? '' : 's'}, numbered from 0`,
    remedy: 'cuda.deviceCount() tells how many there are; CUDA_VISIBLE_DEVICES hides the others.',
  });
}

/** What the driver says of a GPU, without making a context on it. Throws DEVICE_UNAVAILABLE where there is none of that index. */
export function propertiesAt(driver: Driver, index: number): DeviceProperties {
  const { calls } = driver;
  const handle = handleAt(driver, index);
  const attribute = (name: keyof typeof attributes): number =>
    driver.integer('cuDeviceGetAttribute', (out) => calls.cuDeviceGetAttribute(out, attributes[name], handle));
  const name = new Uint8Array(256);
  driver.check('cuDeviceGetName', calls.cuDeviceGetName(name, name.length, handle));
  return {
    index,
    name: Buffer.from(name.subarray(0, name.indexOf(0))).toString(),
    computeCapability: `${attribute('computeCapabilityMajor')}.${attribute('computeCapabilityMinor')}`,
    totalMemory: driver.handle('cuDeviceTotalMem', (out) => calls.cuDeviceTotalMem(out, handle)),
    multiprocessors: attribute('multiprocessors'),
    warpSize: attribute('warpSize'),
    maximumThreadsPerBlock: attribute('maximumThreadsPerBlock'),
    maximumThreadsPerMultiprocessor: attribute('maximumThreadsPerMultiprocessor'),
    sharedMemoryPerBlock: attribute('sharedMemoryPerBlock'),
    sharedMemoryPerBlockOptIn: attribute('sharedMemoryPerBlockOptIn'),
    registersPerMultiprocessor: attribute('registersPerMultiprocessor'),
    level2CacheBytes: attribute('level2CacheBytes'),
  };
}
