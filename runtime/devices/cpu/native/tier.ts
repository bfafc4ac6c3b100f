/**
 * The tier that is there where a C compiler is: kernels printed as C, compiled once for a machine, kept in the disk cache, and run over
 * the memory and the parameter blocks of the WebAssembly tier. Threads and calls are the support library's (host-source.ts).
 *
 * Compiling is put off until a plan is complete, so that its kernels are compiled side by side. What goes wrong on the way, now or
 * later, costs the tier, not the program: see `finish`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { gnuC } from '../../../../kernels/c/dialect.js';
import { printC, printModule, symbolOf } from '../../../../kernels/c/printer.js';
import type { Kernel } from '../../../../kernels/ir.js';
import { vectorise } from '../../../../kernels/vectorise.js';
import { debugging, report } from '../../../debug.js';
import { OpwrightError } from '../../../errors.js';
import type { Target } from '../../device.js';
import { addressOfBytes, type NativeFunction, openLibrary } from '../../ffi.js';
import { cacheKey, kernelCache } from '../../kernel-cache.js';
import type { Heap } from '../heap.js';
import { CpuKernel, CpuTier, pointerBytes } from '../tier.js';
import { type Compiler, CompilerProblem, findCompiler } from './compiler.js';
import { hostSource } from './host-source.js';

class NativeKernel extends CpuKernel {
  readonly tier = 'native';
  /** Of the compiled function; 0 until there is one. */
  address = 0;
  /** In lanes, and under a name that says what it does: no two kernels that differ have one name, in no process. */
  readonly printed: Kernel;
  /** Of its entry in the cache. */
  readonly key: string;

  constructor(
    kernel: Kernel,
    private readonly owner: NativeTier,
  ) {
    super(kernel);
    const inLanes = vectorise(kernel, owner.target);
    const source = printC({ ...inLanes, name: 'kernel' }, gnuC);
    this.key = cacheKey({ what: 'kernel named by its key', source, compiler: owner.compiler.identity });
    this.printed = { ...inLanes, name: `kernel_${this.key.slice(0, 16)}` };
  }

  launch(place: number, work: number, grain: number): void {
    if (this.address === 0 && !this.owner.finish()) throw this.owner.problem!;
    this.owner.host.launch(this.address, this.owner.memory, place, work, grain);
  }
}

export class NativeTier extends CpuTier<NativeKernel> {
  readonly name = 'native';
  readonly target: Target;
  /** The address of the memory's start; shared memories stay where they are. */
  readonly memory: number;
  /** Why it compiles no more. */
  problem: OpwrightError | undefined;
  private pending: NativeKernel[] = [];

  private constructor(
    heap: Heap,
    readonly host: Host,
    readonly compiler: Compiler,
  ) {
    super();
    this.target = { vectorBytes: compiler.vectorBytes, pointerBytes, groups: false };
    this.memory = addressOfBytes(heap.u8);
  }

  /**
   * Null, with a warning, where there is no working compiler; NATIVE_UNAVAILABLE instead where it is required.
   */
  static open(heap: Heap, threads: number, required: boolean): NativeTier | null {
    try {
      const compiler = findCompiler();
      if (compiler instanceof CompilerProblem)
        throw new OpwrightError('NATIVE_UNAVAILABLE', compiler.problem, { remedy: compiler.remedy });
      const host = openHost(buildHost(compiler));
      host.threads(threads);
      if (debugging.device)
        report('device', `native: ${compiler.version} at ${compiler.path}, ${compiler.vectorBytes}-byte vectors`);
      return new NativeTier(heap, host, compiler);
    } catch (error) {
      const problem = asUnavailable(error);
      if (required) throw problem;
      warn(problem);
      return null;
    }
  }

  /** Compiles what is pending; false where that fails, and the tier is of no use for anything new. */
  finish(): boolean {
    if (this.pending.length === 0) return this.problem === undefined;
    const pending = this.pending;
    this.pending = [];
    try {
      this.compileTogether(pending.filter(({ key }) => kernelCache().find(key, extension) === undefined));
      for (const kernel of pending) kernel.address = this.load(kernel);
      return true;
    } catch (error) {
      this.problem = asUnavailable(error);
      warn(this.problem);
      return false;
    }
  }

  protected build(kernel: Kernel): NativeKernel {
    const compiled = new NativeKernel(kernel, this);
    this.pending.push(compiled);
    return compiled;
  }

  /** One library for all of them, which the cache then has under the key of each: most of a compiler's time goes into starting. */
  private compileTogether(kernels: readonly NativeKernel[]): void {
    if (kernels.length === 0) return;
    const start = performance.now();
    const source = printModule(
      kernels.map(({ printed }) => printed),
      gnuC,
    );
    if (debugging.source) report('source', `${kernels.map(({ kernel }) => kernel.name).join(', ')}\n${source}`);
    // Never copied from an entry: that of one kernel may be another process's, which has the other kernels in no library.
    let library: Uint8Array | undefined;
    const make = (path: string): void => {
      if (library === undefined) {
        this.compiler.build(source, path);
        library = readFileSync(path);
      } else writeFileSync(path, library);
    };
    for (const { key } of kernels) kernelCache().entry(key, extension, make);
    const time = (performance.now() - start).toFixed(2);
    if (debugging.compile)
      for (const { kernel, key } of kernels) report('compile', `${kernel.name}: ${key}, native, in ${time} ms`);
  }

  private load({ key, printed }: NativeKernel): number {
    // Another process may have cleared the cache since.
    const path = kernelCache().entry(key, extension, (output) => this.compiler.build(printC(printed, gnuC), output));
    return symbolIn(this.host, path, symbolOf(printed.name));
  }
}

/** Of the cache's entries that are libraries. */
const extension = 'so';

function buildHost(compiler: Compiler): string {
  const key = cacheKey({ source: hostSource, compiler: compiler.identity });
  return kernelCache().entry(key, extension, (path) => compiler.build(hostSource, path));
}

/** The support library's functions; what they do stands in its source. */
interface Host {
  readonly open: NativeFunction<'f64', ['string']>;
  readonly symbol: NativeFunction<'f64', ['f64', 'string']>;
  readonly error: NativeFunction<'string', []>;
  readonly launch: NativeFunction<'void', ['f64', 'f64', 'u32', 'i32', 'i32']>;
  readonly threads: NativeFunction<'i32', ['i32']>;
}

function openHost(path: string): Host {
  const library = openLibrary(path);
  return {
    open: library.function('ow_open', 'f64', ['string']),
    symbol: library.function('ow_symbol', 'f64', ['f64', 'string']),
    error: library.function('ow_error', 'string', []),
    launch: library.function('ow_launch', 'void', ['f64', 'f64', 'u32', 'i32', 'i32']),
    threads: library.function('ow_threads', 'i32', ['i32']),
  };
}

function symbolIn(host: Host, path: string, name: string): number {
  const library = host.open(path);
  const address = library === 0 ? 0 : host.symbol(library, name);
  if (address !== 0) return address;
  throw new OpwrightError('NATIVE_UNAVAILABLE', `The library ${path} cannot be loaded: ${host.error()}.`, {
    remedy: 'Remove it with opwright cache clear, or set OPWRIGHT_NATIVE=0 to do without native code.',
  });
}

function asUnavailable(error: unknown): OpwrightError {
  if (error instanceof OpwrightError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new OpwrightError('NATIVE_UNAVAILABLE', `Native code cannot be used: ${text}.`, { cause: error });
}

function warn({ summary, remedy }: OpwrightError): void {
  const text = [summary, 'All kernels run as WebAssembly.', remedy].filter((line) => line !== undefined).join('\n');
  process.emitWarning(text, { type: 'OpwrightWarning', code: 'OPWRIGHT_NATIVE' });
}
