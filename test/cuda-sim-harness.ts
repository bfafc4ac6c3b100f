/**
 * The CUDA driver and NVRTC as the tests of the simulator call them: a few functions over their entry points that give result codes, or
 * throw where a test relies on success. It is no device: it keeps nothing and frees nothing.
 */
import { addressOfBytes, openLibrary, type ParameterType } from '../runtime/devices/ffi.js';
import { type SimulatedCuda, type Simulator, simulatedCuda, simulator } from './support/cuda-sim.js';

export interface Configuration {
  readonly grid?: number | readonly [number, number, number];
  readonly block?: number | readonly [number, number, number];
  readonly shared?: number;
  readonly stream?: number;
}

/** The bytes of one argument; a number is an address. */
export type Argument = number | Int32Array | Uint32Array | Float32Array | Uint8Array;

export interface Compiled {
  readonly code: number;
  readonly log: string;
  readonly cubin: Uint8Array;
  readonly ptx: Uint8Array;
}

export type Cuda = ReturnType<typeof openCuda>;

export interface Machine {
  readonly cuda: Cuda;
  readonly sim: Simulator;
}

type Settings = Parameters<Simulator['configure']>[0];

let machine: Machine | undefined;

/** The driver without past, with these settings; nobody has initialised it. Problems are not printed: tests look at the report. */
export function unopened(settings: Settings = {}): Machine {
  const paths = simulatedCuda();
  if (paths === undefined) throw new Error('there is no simulated driver');
  machine ??= { cuda: openCuda(paths), sim: simulator(paths) };
  machine.sim.reset();
  machine.sim.configure({ quiet: 1, ...settings });
  return machine;
}

/** The same with a context that is current. */
export function fresh(settings: Settings = {}): Machine {
  const made = unopened(settings);
  made.cuda.start();
  return made;
}

export const counting = (count: number): Float32Array => Float32Array.from({ length: count }, (_, index) => index);

type Entry = (...values: readonly (number | string | NodeJS.ArrayBufferView | null)[]) => number;

function openCuda(paths: SimulatedCuda) {
  const driver = openLibrary(paths.driver);
  const nvrtc = openLibrary(paths.nvrtc);
  const entry = (name: string, ...parameters: readonly ParameterType[]): Entry => {
    const native = (name.startsWith('cu') ? driver : nvrtc).function(name, 'i32', parameters);
    return (...values) => Number(Reflect.apply(native, undefined, values));
  };
  const init = entry('cuInit', 'u32');
  const retain = entry('cuDevicePrimaryCtxRetain', 'bytes', 'i32');
  const setCurrent = entry('cuCtxSetCurrent', 'address');
  const synchronize = entry('cuCtxSynchronize');
  const memAlloc = entry('cuMemAlloc_v2', 'bytes', 'u64');
  const toDevice = entry('cuMemcpyHtoD_v2', 'address', 'bytes', 'u64');
  const toHost = entry('cuMemcpyDtoH_v2', 'bytes', 'address', 'u64');
  const loadData = entry('cuModuleLoadData', 'bytes', 'bytes');
  const getFunction = entry('cuModuleGetFunction', 'bytes', 'address', 'string');
  const eleven: readonly ParameterType[] = [
    'address',
    'u32',
    'u32',
    'u32',
    'u32',
    'u32',
    'u32',
    'u32',
    'address',
    'bytes',
    'bytes',
  ];
  const launchKernel = entry('cuLaunchKernel', ...eleven);
  const errorString = entry('cuGetErrorString', 'i32', 'bytes');
  const createProgram = entry('nvrtcCreateProgram', 'bytes', 'string', 'string', 'i32', 'address', 'address');
  const compileProgram = entry('nvrtcCompileProgram', 'address', 'i32', 'bytes');
  const destroyProgram = entry('nvrtcDestroyProgram', 'bytes');

  /** What an entry point with a name of its own gives through its first parameter. */
  const outOf = (call: (out: BigUint64Array) => number): number => {
    const out = new BigUint64Array(1);
    must(call(out));
    return Number(out[0]);
  };

  const must = (code: number): void => {
    if (code !== 0) throw new Error(`the driver gave ${code}: ${textOf(code)}`);
  };

  const textOf = (code: number): string => {
    const out = new BigUint64Array(1);
    if (errorString(code, out) !== 0) return 'no such code';
    return textAt(Number(out[0]));
  };

  // Of C's functions that give the text at an address back, the one that does nothing else: it looks for an empty text.
  const strstr = openLibrary('libc.so.6').function('strstr', 'string', ['address', 'string']);
  const textAt = (address: number): string => strstr(address, '') ?? '';

  const bytesOf = (program: number, size: string, get: string): Uint8Array => {
    const bytes = new BigUint64Array(1);
    if (entry(size, 'address', 'bytes')(program, bytes) !== 0) return new Uint8Array(0);
    const out = new Uint8Array(Number(bytes[0]));
    entry(get, 'address', 'bytes')(program, out);
    return out;
  };

  const compile = (text: string, options: readonly string[] = ['--gpu-architecture=sm_90']): Compiled => {
    const program = new BigUint64Array(1);
    must(createProgram(program, text, 'kernel.cu', 0, 0, 0));
    const handle = Number(program[0]);
    const [list, kept] = pointersTo(options.map((option) => Buffer.from(`${option}\0`)));
    const code = compileProgram(handle, options.length, list);
    const log = Buffer.from(bytesOf(handle, 'nvrtcGetProgramLogSize', 'nvrtcGetProgramLog'))
      .toString()
      .replace(/\0$/, '');
    const cubin = bytesOf(handle, 'nvrtcGetCUBINSize', 'nvrtcGetCUBIN');
    const ptx = bytesOf(handle, 'nvrtcGetPTXSize', 'nvrtcGetPTX');
    must(destroyProgram(program));
    kept.length = 0;
    return { code, log, cubin, ptx };
  };

  const load = (image: Uint8Array, name: string): number => {
    const module = outOf((out) => loadData(out, image));
    return outOf((out) => getFunction(out, module, name));
  };

  return {
    entry,
    must,
    outOf,
    textOf,
    compile,
    load,
    /** Makes device 0 and its context ready for the calling thread. */
    start: (): void => {
      must(init(0));
      must(setCurrent(outOf((out) => retain(out, 0))));
    },
    loadData: (image: Uint8Array): number => loadData(new BigUint64Array(1), image),
    /** The function of a text's kernel. */
    kernel: (text: string, name: string): number => {
      const { code, log, cubin } = compile(text);
      if (code !== 0) throw new Error(`NVRTC gave ${code}\n${log}`);
      return load(cubin, name);
    },
    allocate: (bytes: number): number => outOf((out) => memAlloc(out, bytes)),
    upload: (data: NodeJS.ArrayBufferView): number => {
      const address = outOf((out) => memAlloc(out, data.byteLength));
      must(toDevice(address, data, data.byteLength));
      return address;
    },
    download: <Data extends NodeJS.ArrayBufferView>(address: number, into: Data): Data => {
      must(toHost(into, address, into.byteLength));
      return into;
    },
    /** Launches with kernelParams. */
    launch: (
      kernel: number,
      { grid = 1, block = 1, shared = 0, stream = 0 }: Configuration,
      ...values: readonly Argument[]
    ): number => {
      const [list, kept] = pointersTo(
        values.map((value) => (typeof value === 'number' ? BigUint64Array.of(BigInt(value)) : value)),
      );
      const code = launchKernel(kernel, ...threeOf(grid), ...threeOf(block), shared, stream, list, null);
      kept.length = 0;
      return code;
    },
    /** Launches with a buffer of arguments, in the `extra` list. */
    launchBuffer: (
      kernel: number,
      { grid = 1, block = 1, shared = 0, stream = 0 }: Configuration,
      buffer: Uint8Array,
    ): number => {
      const bytes = BigUint64Array.of(BigInt(buffer.byteLength));
      const list = BigUint64Array.of(1n, addressOf(buffer), 2n, addressOf(bytes), 0n);
      return launchKernel(kernel, ...threeOf(grid), ...threeOf(block), shared, stream, null, list);
    },
    synchronize: (): number => synchronize(),
  };
}

const threeOf = (size: number | readonly [number, number, number]): readonly [number, number, number] =>
  typeof size === 'number' ? [size, 1, 1] : size;

const addressOf = (data: NodeJS.ArrayBufferView): bigint =>
  BigInt(addressOfBytes(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));

/** An array of pointers, and what has to stay alive as long as it is used. */
function pointersTo(data: readonly NodeJS.ArrayBufferView[]): [BigUint64Array, NodeJS.ArrayBufferView[]] {
  return [BigUint64Array.from(data, addressOf), [...data]];
}
