/**
 * NVRTC, the compiler for CUDA C++ as a library: finding one that fits the driver and the GPU, and compiling a text to an image that
 * the driver loads. Where it knows the GPU's architecture, that is machine code (a cubin); where the GPU is newer, it is PTX for the
 * newest architecture that it knows, which the driver compiles further.
 */
import { OpwrightError } from '../../errors.js';
import { addressesOf, type NativeLibrary, type ParameterType } from '../ffi.js';
import { type CudaVersion, versionText } from './driver.js';
import { type Attempt, describeAttempts, nvrtcCandidates, tryToOpen } from './libraries.js';

function bind(library: NativeLibrary) {
  const entry = <const Parameters extends readonly ParameterType[]>(name: string, ...parameters: Parameters) =>
    library.function(name, 'i32', parameters);
  return {
    nvrtcVersion: entry('nvrtcVersion', 'bytes', 'bytes'),
    nvrtcGetNumSupportedArchs: entry('nvrtcGetNumSupportedArchs', 'bytes'),
    nvrtcGetSupportedArchs: entry('nvrtcGetSupportedArchs', 'bytes'),
    nvrtcCreateProgram: entry('nvrtcCreateProgram', 'bytes', 'string', 'string', 'i32', 'address', 'address'),
    nvrtcDestroyProgram: entry('nvrtcDestroyProgram', 'bytes'),
    nvrtcCompileProgram: entry('nvrtcCompileProgram', 'address', 'i32', 'bytes'),
    nvrtcGetCUBINSize: entry('nvrtcGetCUBINSize', 'address', 'bytes'),
    nvrtcGetCUBIN: entry('nvrtcGetCUBIN', 'address', 'bytes'),
    nvrtcGetPTXSize: entry('nvrtcGetPTXSize', 'address', 'bytes'),
    nvrtcGetPTX: entry('nvrtcGetPTX', 'address', 'bytes'),
    nvrtcGetProgramLogSize: entry('nvrtcGetProgramLogSize', 'address', 'bytes'),
    nvrtcGetProgramLog: entry('nvrtcGetProgramLog', 'address', 'bytes'),
    nvrtcGetErrorString: library.function('nvrtcGetErrorString', 'string', ['i32']),
  };
}

type NvrtcCalls = ReturnType<typeof bind>;

const success = 0;
const compilationFailed = 6;

/** What is compiled for. */
export interface Architecture {
  /** Of the GPU, or the newest below it: 90 for sm_90. */
  readonly number: number;
  /** Machine code, or PTX for the driver to compile. */
  readonly image: 'cubin' | 'ptx';
}

/** The outcome of compiling one text. */
export type Compiled = { readonly image: Uint8Array } | { readonly log: string };

export class Nvrtc {
  readonly version: CudaVersion;
  /** What it compiles for, in ascending order. */
  readonly architectures: readonly number[];

  private constructor(
    readonly library: NativeLibrary,
    private readonly calls: NvrtcCalls,
  ) {
    const numbers = [new Int32Array(1), new Int32Array(1)] as const;
    this.must('nvrtcVersion', calls.nvrtcVersion(...numbers));
    this.version = { major: numbers[0][0]!, minor: numbers[1][0]! };
    const count = new Int32Array(1);
    this.must('nvrtcGetNumSupportedArchs', calls.nvrtcGetNumSupportedArchs(count));
    const known = new Int32Array(count[0]!);
    this.must('nvrtcGetSupportedArchs', calls.nvrtcGetSupportedArchs(known));
    this.architectures = [...known].sort((left, right) => left - right);
  }

  /** The library at a path. Throws NATIVE_UNAVAILABLE where it is none, or one from before CUDA 11.2. */
  static load(library: NativeLibrary): Nvrtc {
    return new Nvrtc(library, bind(library));
  }

  /**
   * The first NVRTC, in the order of libraries.ts, that the driver can load the output of and that compiles for the GPU. Throws
   * DEVICE_UNAVAILABLE with every path tried.
   */
  static find(driver: CudaVersion, computeCapability: number): Nvrtc {
    const attempts: Attempt[] = [];
    for (const path of nvrtcCandidates()) {
      const opened = openNvrtc(path);
      const problem = opened instanceof Nvrtc ? opened.problemWith(driver, computeCapability) : opened.problem;
      if (opened instanceof Nvrtc && problem === undefined) return opened;
      attempts.push({ path, problem: problem ?? 'not usable' });
    }
    throw nvrtcMissing(driver, computeCapability, attempts);
  }

  /** Why its output is of no use, or undefined. */
  problemWith(driver: CudaVersion, computeCapability: number): string | undefined {
    if (this.version.major > driver.major)
      return `it is NVRTC ${versionText(this.version)}, and the driver, of CUDA ${versionText(driver)}, is older than that`;
    const [oldest] = this.architectures;
    if (oldest === undefined || oldest > computeCapability)
      return `NVRTC ${versionText(this.version)} compiles for sm_${oldest} and later, and the GPU is sm_${computeCapability}`;
    return undefined;
  }

  /** What it compiles to for a GPU of that compute capability. */
  architectureFor(computeCapability: number): Architecture {
    const newest = this.architectures.findLast((number) => number <= computeCapability);
    if (newest === undefined) throw new TypeError(`NVRTC does not compile for sm_${computeCapability}`);
    return { number: newest, image: newest === computeCapability ? 'cubin' : 'ptx' };
  }

  /** Compiles a text. A text that is at fault gives the compiler's log; anything else that fails throws NATIVE_COMPILE. */
  compile(text: string, architecture: Architecture, options: readonly string[]): Compiled {
    const { calls } = this;
    const program = new BigUint64Array(1);
    this.must('nvrtcCreateProgram', calls.nvrtcCreateProgram(program, text, 'kernel.cu', 0, 0, 0));
    try {
      const handle = Number(program[0]);
      const target = architecture.image === 'cubin' ? 'sm' : 'compute';
      const texts = [`--gpu-architecture=${target}_${architecture.number}`, ...options].map((option) =>
        Buffer.from(`${option}\0`),
      );
      const code = calls.nvrtcCompileProgram(handle, texts.length, addressesOf(texts));
      if (code === compilationFailed) return { log: this.logOf(handle) };
      this.must('nvrtcCompileProgram', code, () => this.logOf(handle));
      const image =
        architecture.image === 'cubin'
          ? this.output(handle, 'nvrtcGetCUBINSize', 'nvrtcGetCUBIN')
          : this.output(handle, 'nvrtcGetPTXSize', 'nvrtcGetPTX');
      return { image };
    } finally {
      calls.nvrtcDestroyProgram(program);
    }
  }

  private logOf(program: number): string {
    const bytes = this.output(program, 'nvrtcGetProgramLogSize', 'nvrtcGetProgramLog');
    return Buffer.from(bytes).toString().replace(/\0$/, '').trimEnd();
  }

  private output(
    program: number,
    size: 'nvrtcGetCUBINSize' | 'nvrtcGetPTXSize' | 'nvrtcGetProgramLogSize',
    get: 'nvrtcGetCUBIN' | 'nvrtcGetPTX' | 'nvrtcGetProgramLog',
  ): Uint8Array {
    const count = new BigUint64Array(1);
    this.must(size, this.calls[size](program, count));
    const bytes = new Uint8Array(Number(count[0]));
    this.must(get, this.calls[get](program, bytes));
    return bytes;
  }

  private must(call: keyof NvrtcCalls, code: number, log: () => string = () => ''): void {
    if (code === success) return;
    const name = this.calls.nvrtcGetErrorString(code) ?? 'an unknown error';
    const details = log();
    throw new OpwrightError('NATIVE_COMPILE', `NVRTC failed: ${call} gives ${name} (${code}).`, {
      ...(details === '' ? {} : { rule: details }),
      remedy: `It is the library ${this.library.path}; OPWRIGHT_NVRTC names another one.`,
    });
  }
}

function openNvrtc(path: string): Nvrtc | Attempt {
  const library = tryToOpen(path);
  if ('problem' in library) return library;
  try {
    return Nvrtc.load(library);
  } catch (error) {
    if (error instanceof OpwrightError) return { path, problem: error.summary };
    throw error;
  }
}

function nvrtcMissing(driver: CudaVersion, computeCapability: number, attempts: readonly Attempt[]): OpwrightError {
  const { major } = driver;
  const wheel = major >= 13 ? 'nvidia-cuda-nvrtc' : `nvidia-cuda-nvrtc-cu${major}`;
  return new OpwrightError('DEVICE_UNAVAILABLE', 'There is a CUDA driver, but no NVRTC to compile kernels with.', {
    argument: 'device',
    rule: `NVRTC is one of these libraries, and none could be used: ${describeAttempts(attempts)}`,
    remedy: `Install NVRTC ${major} or older for sm_${computeCapability} (the wheel ${wheel}, or the CUDA toolkit), or say where it is with OPWRIGHT_NVRTC.`,
  });
}
