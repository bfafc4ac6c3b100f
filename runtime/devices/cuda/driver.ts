/**
 * The CUDA driver: its functions as far as the device uses them, under the names that cuda.h gives their newest form, and what its
 * results mean. Every function gives a code; `check` turns one that is not 0 into an error with the call and CUDA's name for it.
 * Contexts, memory and kernels are other files' concern.
 */
import { OpwrightError } from '../../errors.js';
import { type NativeLibrary, type ParameterType, textAt } from '../ffi.js';
import { describeAttempts, driverCandidates, openFirst } from './libraries.js';

/** A version of CUDA: of the driver's interface, of NVRTC. */
export interface CudaVersion {
  readonly major: number;
  readonly minor: number;
}

export const versionText = ({ major, minor }: CudaVersion): string => `${major}.${minor}`;

/** The results that somebody tells from others. */
export const results = { success: 0, outOfMemory: 2, noDevice: 100, invalidImage: 200, noBinary: 209, notReady: 600 } as const;

function bind(library: NativeLibrary) {
  const entry = <const Parameters extends readonly ParameterType[]>(name: string, ...parameters: Parameters) =>
    library.function(name, 'i32', parameters);
  return {
    cuInit: entry('cuInit', 'u32'),
    cuDriverGetVersion: entry('cuDriverGetVersion', 'bytes'),
    cuGetErrorName: entry('cuGetErrorName', 'i32', 'bytes'),
    cuGetErrorString: entry('cuGetErrorString', 'i32', 'bytes'),
    cuDeviceGetCount: entry('cuDeviceGetCount', 'bytes'),
    cuDeviceGet: entry('cuDeviceGet', 'bytes', 'i32'),
    cuDeviceGetName: entry('cuDeviceGetName', 'bytes', 'i32', 'i32'),
    cuDeviceGetAttribute: entry('cuDeviceGetAttribute', 'bytes', 'i32', 'i32'),
    cuDeviceTotalMem: entry('cuDeviceTotalMem_v2', 'bytes', 'i32'),
    cuDevicePrimaryCtxRetain: entry('cuDevicePrimaryCtxRetain', 'bytes', 'i32'),
    cuCtxSetCurrent: entry('cuCtxSetCurrent', 'address'),
    cuMemGetInfo: entry('cuMemGetInfo_v2', 'bytes', 'bytes'),
    cuMemAlloc: entry('cuMemAlloc_v2', 'bytes', 'u64'),
    cuMemFree: entry('cuMemFree_v2', 'address'),
    cuMemHostAlloc: entry('cuMemHostAlloc', 'bytes', 'u64', 'u32'),
    cuMemFreeHost: entry('cuMemFreeHost', 'address'),
    cuMemcpyHtoDAsync: entry('cuMemcpyHtoDAsync_v2', 'address', 'address', 'u64', 'address'),
    cuMemcpyDtoHAsync: entry('cuMemcpyDtoHAsync_v2', 'bytes', 'address', 'u64', 'address'),
    cuMemcpyDtoDAsync: entry('cuMemcpyDtoDAsync_v2', 'address', 'address', 'u64', 'address'),
    cuMemsetD8Async: entry('cuMemsetD8Async', 'address', 'u32', 'u64', 'address'),
    cuStreamCreate: entry('cuStreamCreate', 'bytes', 'u32'),
    cuStreamSynchronize: entry('cuStreamSynchronize', 'address'),
    cuEventCreate: entry('cuEventCreate', 'bytes', 'u32'),
    cuEventDestroy: entry('cuEventDestroy_v2', 'address'),
    cuEventRecord: entry('cuEventRecord', 'address', 'address'),
    cuEventQuery: entry('cuEventQuery', 'address'),
    cuEventSynchronize: entry('cuEventSynchronize', 'address'),
    cuEventElapsedTime: entry('cuEventElapsedTime', 'bytes', 'address', 'address'),
    cuModuleLoadData: entry('cuModuleLoadData', 'bytes', 'bytes'),
    cuModuleUnload: entry('cuModuleUnload', 'address'),
    cuModuleGetFunction: entry('cuModuleGetFunction', 'bytes', 'address', 'string'),
    cuFuncGetAttribute: entry('cuFuncGetAttribute', 'bytes', 'i32', 'address'),
    cuFuncSetAttribute: entry('cuFuncSetAttribute', 'address', 'i32', 'i32'),
    cuOccupancyMaxActiveBlocksPerMultiprocessor: entry(
      'cuOccupancyMaxActiveBlocksPerMultiprocessor',
      'bytes',
      'address',
      'i32',
      'u64',
    ),
    cuLaunchKernel: entry(
      'cuLaunchKernel',
      'address',
      'u32',
      'u32',
      'u32',
      'u32',
      'u32',
      'u32',
      'u32',
      'address',
      'address',
      'address',
    ),
  };
}

export type DriverCalls = ReturnType<typeof bind>;

export class Driver {
  readonly calls: DriverCalls;
  readonly version: CudaVersion;
  /** The context that is current on this thread, as far as this file's users have said. */
  current = 0;

  private constructor(readonly library: NativeLibrary) {
    this.calls = bind(library);
    this.version = versionOf(this.integer('cuDriverGetVersion', (out) => this.calls.cuDriverGetVersion(out)));
  }

  /** Finds the driver and starts it. Throws DEVICE_UNAVAILABLE, with every path tried, where there is none or it finds no GPU. */
  static open(): Driver {
    const { library, attempts } = openFirst(driverCandidates());
    if (library === undefined) throw driverMissing(describeAttempts(attempts));
    const driver = new Driver(library);
    const code = driver.calls.cuInit(0);
    if (code === results.success && driver.deviceCount() > 0) return driver;
    const problem = code === results.success || code === results.noDevice ? 'finds no GPU' : 'cannot be started';
    throw new OpwrightError('DEVICE_UNAVAILABLE', `The CUDA driver ${library.path} ${problem}.`, {
      rule: code === results.success ? 'cuDeviceGetCount gives at least 1' : `cuInit gives ${driver.describe(code)}`,
      remedy:
        'Run nvidia-smi, which should list the GPU; in a container, start it with access to GPUs (--gpus all); look at CUDA_VISIBLE_DEVICES.',
    });
  }

  deviceCount(): number {
    return this.integer('cuDeviceGetCount', (out) => this.calls.cuDeviceGetCount(out));
  }

  /** Throws where a result is not 0. */
  check(call: keyof DriverCalls, code: number): void {
    if (code !== results.success) throw this.failure(call, code);
  }

  /** The error of a call that gave a code. */
  failure(call: keyof DriverCalls, code: number): OpwrightError {
    const what = `${call} gives ${this.describe(code)}`;
    if (code === results.outOfMemory)
      return new OpwrightError('OUT_OF_MEMORY', `The GPU has no memory left: ${what}.`, {
        remedy: 'Dispose tensors, or make batches smaller; nvidia-smi shows what other programs hold.',
      });
    if (isLasting(code))
      return new OpwrightError('DEVICE_LOST', `The GPU stopped in the middle of its work: ${what}.`, {
        rule: 'after this error nothing more can be computed on the GPU by this process',
        remedy:
          'Start the program again. If it happens once more, OPWRIGHT_DEBUG_ALLOCATOR=1 and compute-sanitizer find where; please report it.',
      });
    return new OpwrightError('DEVICE_ERROR', `The CUDA driver reports an error: ${what}.`, {
      remedy: 'opwright doctor says which driver and which NVRTC are in use.',
    });
  }

  /** `CUDA_ERROR_NO_DEVICE (100, no CUDA-capable device is detected)`. */
  describe(code: number): string {
    const { cuGetErrorName, cuGetErrorString } = this.calls;
    const text = (ask: typeof cuGetErrorName): string | undefined => {
      const out = new BigUint64Array(1);
      return ask(code, out) === results.success ? textAt(Number(out[0])) : undefined;
    };
    const meaning = text(cuGetErrorString);
    return `${text(cuGetErrorName) ?? 'an unknown error'} (${code}${meaning === undefined ? '' : `, ${meaning}`})`;
  }

  /** The handle, address or size that a call gives through its first parameter. */
  handle(call: keyof DriverCalls, run: (out: BigUint64Array) => number): number {
    const out = new BigUint64Array(1);
    this.check(call, run(out));
    return Number(out[0]);
  }

  /** The int that a call gives through its first parameter. */
  integer(call: keyof DriverCalls, run: (out: Int32Array) => number): number {
    const out = new Int32Array(1);
    this.check(call, run(out));
    return out[0]!;
  }
}

const versionOf = (number: number): CudaVersion => ({
  major: Math.floor(number / 1000),
  minor: Math.floor((number % 1000) / 10),
});

/** Codes after which a context answers every call with the same: faults of kernels, and of the machine. */
const lastingCodes: ReadonlySet<number> = new Set([214, 700, 702, 710, 714, 715, 716, 717, 718, 719]);

const isLasting = (code: number): boolean => lastingCodes.has(code);

function driverMissing(tried: string): OpwrightError {
  return new OpwrightError('DEVICE_UNAVAILABLE', 'There is no CUDA driver on this machine.', {
    argument: 'device',
    rule: `the driver is one of these libraries, and none could be loaded: ${tried}`,
    remedy:
      "Install NVIDIA's driver, or say where its library is with OPWRIGHT_CUDA_DRIVER; setDevice('cpu') computes without a GPU.",
  });
}
