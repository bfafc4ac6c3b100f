/**
 * Calls into shared libraries: the few things that devices ask of a foreign function interface, on top of koffi. Everything else in
 * the library knows these functions and no other, so that another interface can take koffi's place. koffi is loaded by the first
 * library that is opened; a program that never opens one loads nothing of it.
 *
 * A call costs 50 to 100 ns. An `address` is the cheapest way to hand a pointer over, about as cheap as an integer.
 */
import { createRequire } from 'node:module';
import { OpwrightError } from '../errors.js';

/** JavaScript's side of each type of C. */
interface Values {
  i32: number;
  u32: number;
  /** Integers beyond 2^53 are bigints, in both directions. */
  i64: number | bigint;
  u64: number | bigint;
  f32: number;
  f64: number;
  /** A pointer, as the number that it is. No system hands out addresses beyond 2^53. */
  address: number;
  /** A pointer to the bytes of a view, which the callee may use until it returns. */
  bytes: NodeJS.ArrayBufferView | null;
  /** Text that ends with a zero byte, as UTF-8. */
  string: string | null;
}

export type ParameterType = keyof Values;
export type ResultType = 'void' | Exclude<ParameterType, 'bytes'>;

type ArgumentsOf<Parameters extends readonly ParameterType[]> = {
  -readonly [Index in keyof Parameters]: Values[Parameters[Index]];
};

type ResultOf<Result extends ResultType> = Result extends ParameterType ? Values[Result] : undefined;

export type NativeFunction<Result extends ResultType, Parameters extends readonly ParameterType[]> = (
  ...values: ArgumentsOf<Parameters>
) => ResultOf<Result>;

/** A shared library. It stays loaded until the process ends. */
export interface NativeLibrary {
  readonly path: string;
  has(name: string): boolean;
  /** An exported function. Nothing checks that it is of that type. Throws NATIVE_UNAVAILABLE if there is none of that name. */
  function<Result extends ResultType, const Parameters extends readonly ParameterType[]>(
    name: string,
    result: Result,
    parameters: Parameters,
  ): NativeFunction<Result, Parameters>;
}

/** Opens a library by its path, or by a name that the system looks up. Throws NATIVE_UNAVAILABLE. */
export function openLibrary(path: string): NativeLibrary {
  const { koffi } = loaded();
  try {
    return new KoffiLibrary(path, koffi.load(path));
  } catch (error) {
    throw new OpwrightError('NATIVE_UNAVAILABLE', `The library ${path} cannot be loaded: ${messageOf(error)}.`, { cause: error });
  }
}

/**
 * The address of a view's first byte. It holds as long as the buffer behind the view: that of a shared WebAssembly.Memory never
 * moves, others may be collected once nothing refers to them.
 */
export function addressOfBytes(view: Uint8Array): number {
  return Number(loaded().koffi.address(view));
}

/** The text at an address, up to its zero byte, as UTF-8. */
export function textAt(address: number): string {
  return String(loaded().koffi.decode(BigInt(address), 'char', -1));
}

/** A view of memory that is not JavaScript's. Whose it is frees it, after the view was used last. */
export function bytesAt(address: number, count: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(loaded().koffi.view(BigInt(address), count));
}

/** The addresses of views, as functions take them that want an array of pointers. What `addressOfBytes` says of each holds. */
export function addressesOf(views: readonly Uint8Array[]): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(views, (view) => loaded().koffi.address(view));
}

export interface ForeignInterface {
  readonly name: string;
  readonly version: string;
  /** The file that was loaded. */
  readonly path: string;
  /** The stack that called functions run on. */
  readonly stackBytes: number;
}

/** What stands behind this file. Throws NATIVE_UNAVAILABLE, with what to do, where it is missing or cannot be loaded. */
export function foreignInterface(): ForeignInterface {
  const { koffi, path } = loaded();
  return { name: 'koffi', version: koffi.version, path, stackBytes: koffi.config().sync_stack_size ?? 0 };
}

// ---- koffi

type Koffi = typeof import('koffi');

const koffiTypes: Readonly<Record<ResultType | ParameterType, string>> = {
  void: 'void',
  i32: 'int32',
  u32: 'uint32',
  i64: 'int64',
  u64: 'uint64',
  f32: 'float',
  f64: 'double',
  // Checking that a number may be a pointer costs koffi as much as the rest of the call.
  address: 'uint64',
  bytes: 'void *',
  string: 'str',
};

/** koffi runs native code on a stack of its own, which compilers of CUDA code overflow at its usual size. */
const stackBytes = 16 << 20;

let interfaceLoaded: { readonly koffi: Koffi; readonly path: string } | undefined;

function loaded(): { readonly koffi: Koffi; readonly path: string } {
  interfaceLoaded ??= load();
  return interfaceLoaded;
}

function load(): { readonly koffi: Koffi; readonly path: string } {
  try {
    const require = createRequire(import.meta.url);
    const koffi: Koffi = require('koffi');
    raiseStack(koffi);
    return { koffi, path: require.resolve('koffi') };
  } catch (error) {
    throw new OpwrightError('NATIVE_UNAVAILABLE', `The package koffi cannot be loaded: ${messageOf(error)}.`, {
      remedy: 'Install it again with its optional dependencies, which hold its binaries: npm install koffi --include=optional.',
      cause: error,
    });
  }
}

function raiseStack(koffi: Koffi): void {
  try {
    koffi.config({ sync_stack_size: stackBytes, async_stack_size: stackBytes });
  } catch {
    // Another user of koffi in this process has opened a library, after which sizes stand. Kernels of the cpu need little.
  }
}

class KoffiLibrary implements NativeLibrary {
  constructor(
    readonly path: string,
    private readonly handle: ReturnType<Koffi['load']>,
  ) {}

  has(name: string): boolean {
    try {
      this.handle.symbol(name);
      return true;
    } catch {
      return false; // koffi says so by throwing.
    }
  }

  function<Result extends ResultType, const Parameters extends readonly ParameterType[]>(
    name: string,
    result: Result,
    parameters: Parameters,
  ): NativeFunction<Result, Parameters> {
    try {
      const types = parameters.map((parameter) => koffiTypes[parameter]);
      return this.handle.func(name, koffiTypes[result], types);
    } catch (error) {
      const problem = `The library ${this.path} has no usable function ${name}: ${messageOf(error)}.`;
      throw new OpwrightError('NATIVE_UNAVAILABLE', problem, { cause: error });
    }
  }
}

/** The first line, without the stop at its end: it goes into a sentence. */
function messageOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line.replace(/\.$/, '');
}
