/**
 * How a GPU's kernels are compiled: printed as CUDA C++, compiled by NVRTC for the GPU's architecture, kept in the disk cache, and
 * loaded into its context. Compiling is put off until a plan is complete, and its kernels are compiled as one text: most of a compiler's
 * time goes into starting.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { cudaC } from '../../../kernels/c/dialect.js';
import { cudaFlags, flagsOf } from '../../../kernels/c/options.js';
import { printC, printModule, symbolOf } from '../../../kernels/c/printer.js';
import { distribute } from '../../../kernels/distribute.js';
import { type Kernel, paramLayout } from '../../../kernels/ir.js';
import { canFail } from '../../../kernels/traverse.js';
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import { digest } from '../cache-folder.js';
import type { CompiledKernel, Target, Tier } from '../device.js';
import { cacheKey, kernelCache } from '../kernel-cache.js';
import { versionText } from './driver.js';
import type { Gpu } from './gpu.js';
import type { Room } from './launch-shape.js';
import type { Architecture, Nvrtc } from './nvrtc.js';

const pointerBytes = 8;
const usualTarget: Target = { vectorBytes: 0, pointerBytes, groups: true };
const roundingTarget: Target = { ...usualTarget, tf32: true };
/** sm_80, whose tensor cores are the first to take it. */
const firstWithTf32 = 80;

export class CudaKernel implements CompiledKernel {
  readonly tier = 'cuda';
  readonly offsets: ReadonlyMap<string, number>;
  readonly paramBytes: number;
  readonly mayFail: boolean;
  /** As it is shared out between threads, under a name that says what it does: no two kernels that differ have one name. */
  readonly printed: Kernel;
  /** Of its entry in the cache. */
  readonly key: string;
  /** The driver's handle; 0 until it is loaded. */
  function = 0;
  private readonly blocksAtOnce = new Map<number, number>();

  constructor(
    readonly kernel: Kernel,
    identity: string,
  ) {
    const { offsets, size } = paramLayout(kernel, pointerBytes);
    this.offsets = offsets;
    this.paramBytes = size;
    this.mayFail = canFail(kernel);
    const shared = distribute(kernel);
    this.key = cacheKey({ what: 'kernel named by its key', source: printC({ ...shared, name: 'kernel' }, cudaC), identity });
    this.printed = { ...shared, name: `kernel_${this.key.slice(0, 16)}` };
  }

  /** What launches of the loaded kernel have to fit into. */
  room(gpu: Gpu): Room {
    const blocksAtOnce = (threads: number): number => {
      let blocks = this.blocksAtOnce.get(threads);
      if (blocks === undefined) {
        blocks = gpu.driver.integer('cuOccupancyMaxActiveBlocksPerMultiprocessor', (out) =>
          gpu.use().cuOccupancyMaxActiveBlocksPerMultiprocessor(out, this.function, threads, 0),
        );
        this.blocksAtOnce.set(threads, blocks);
      }
      return blocks;
    };
    return { multiprocessors: gpu.properties.multiprocessors, blocksAtOnce };
  }
}

export class CudaTier implements Tier {
  readonly name = 'cuda';
  /** Whether products of float32 may use TF32. */
  allowTf32 = false;
  readonly architecture: Architecture;
  private readonly identity: string;
  private readonly byKernel = new WeakMap<Kernel, CudaKernel>();
  private readonly byContent = new Map<string, CudaKernel>();
  /** By what is in the image: kernels that were compiled together are loaded together. */
  private readonly modules = new Map<string, number>();
  private pending: CudaKernel[] = [];

  constructor(
    private readonly gpu: Gpu,
    readonly nvrtc: Nvrtc,
  ) {
    this.architecture = nvrtc.architectureFor(gpu.computeCapability);
    this.identity = JSON.stringify({ nvrtc: nvrtc.version, architecture: this.architecture, options });
  }

  get target(): Target {
    return this.allowTf32 && this.gpu.computeCapability >= firstWithTf32 ? roundingTarget : usualTarget;
  }

  compile(kernel: Kernel): CudaKernel {
    const known = this.byKernel.get(kernel);
    if (known !== undefined) return known;
    const content = createHash('sha256').update(JSON.stringify(kernel)).digest('base64');
    let compiled = this.byContent.get(content);
    if (compiled === undefined) {
      compiled = new CudaKernel(kernel, this.identity);
      this.byContent.set(content, compiled);
      this.pending.push(compiled);
    }
    this.byKernel.set(kernel, compiled);
    return compiled;
  }

  /** Compiles and loads what is pending. Throws NATIVE_COMPILE for a kernel that does not compile; the others are there then. */
  finish(): void {
    const { pending } = this;
    if (pending.length === 0) return;
    this.pending = [];
    const missing = pending.filter(({ key }) => kernelCache().find(key, this.extension) === undefined);
    if (missing.length > 1) this.compileTogether(missing);
    const problems = pending.flatMap((kernel) => this.problemOf(kernel));
    if (problems.length > 0) throw problems[0];
  }

  /** Loads a kernel that is not loaded yet, compiling it if need be. */
  load(kernel: CudaKernel): void {
    const path = this.entryOf(kernel);
    kernel.function = this.loadImage(kernel, path) ?? this.rebuild(kernel, path);
  }

  private get extension(): string {
    return this.architecture.image;
  }

  private problemOf(kernel: CudaKernel): unknown[] {
    try {
      this.load(kernel);
      return [];
    } catch (error) {
      return [error];
    }
  }

  /** The path of its image, which is made if the cache has none. */
  private entryOf({ kernel, printed, key }: CudaKernel): string {
    return kernelCache().entry(key, this.extension, (path) => {
      const source = printC(printed, cudaC);
      const compiled = this.compileText(source, [kernel.name]);
      if ('log' in compiled) throw doesNotCompile(kernel.name, compiled.log, source, this.nvrtc);
      writeFileSync(path, compiled.image);
    });
  }

  /** One image for all of them, which the cache then has under the key of each. Where one is at fault, none is made here. */
  private compileTogether(kernels: readonly CudaKernel[]): void {
    const source = printModule(
      kernels.map(({ printed }) => printed),
      cudaC,
    );
    const compiled = this.compileText(
      source,
      kernels.map(({ kernel }) => kernel.name),
    );
    if ('log' in compiled) return;
    // Never copied from an entry: that of one kernel may be another process's, which has the other kernels in no image.
    const cache = kernelCache();
    for (const { key } of kernels) cache.entry(key, this.extension, (path) => writeFileSync(path, compiled.image));
  }

  private compileText(source: string, names: readonly string[]): ReturnType<Nvrtc['compile']> {
    const start = performance.now();
    if (debugging.source) report('source', `${names.join(', ')}\n${source}`);
    const compiled = this.nvrtc.compile(source, this.architecture, options);
    if (debugging.compile) {
      const { image, number } = this.architecture;
      const target = `${image} for ${image === 'cubin' ? 'sm' : 'compute'}_${number}`;
      report('compile', `${names.join(', ')}: ${target}, in ${(performance.now() - start).toFixed(1)} ms`);
    }
    return compiled;
  }

  /** The handle of a kernel in an image, or undefined where the driver takes the image for none. */
  private loadImage(kernel: CudaKernel, path: string): number | undefined {
    const image = readFileSync(path);
    const contents = digest(image);
    const module = this.modules.get(contents) ?? this.loadModule(image);
    if (module === undefined) return undefined;
    this.modules.set(contents, module);
    return this.gpu.driver.handle('cuModuleGetFunction', (out) =>
      this.gpu.use().cuModuleGetFunction(out, module, symbolOf(kernel.printed.name)),
    );
  }

  private loadModule(image: Uint8Array): number | undefined {
    const out = new BigUint64Array(1);
    const code = this.gpu.use().cuModuleLoadData(out, image);
    if (unusable.has(code)) return undefined;
    this.gpu.driver.check('cuModuleLoadData', code);
    return Number(out[0]);
  }

  /** Makes an image anew that the driver did not take: it may be another driver's. A second refusal is an error. */
  private rebuild(kernel: CudaKernel, path: string): number {
    kernelCache().discard(path);
    const made = this.loadImage(kernel, this.entryOf(kernel));
    if (made !== undefined) return made;
    const { image, number } = this.architecture;
    throw new OpwrightError('NATIVE_COMPILE', `The CUDA driver does not load what NVRTC compiled for sm_${number} (${image}).`, {
      rule: `the driver is of CUDA ${versionText(this.gpu.driver.version)}, NVRTC ${versionText(this.nvrtc.version)} is ${this.nvrtc.library.path}`,
      remedy: 'Use an NVRTC that is no newer than the driver (OPWRIGHT_NVRTC), or update the driver.',
    });
  }
}

const options = flagsOf(cudaFlags);

/** The results of loading an image that is damaged, or was made for another driver or GPU. */
const unusable: ReadonlySet<number> = new Set([200, 209, 218, 222]);

function doesNotCompile(name: string, log: string, source: string, nvrtc: Nvrtc): OpwrightError {
  return new OpwrightError('NATIVE_COMPILE', `The kernel ${name} does not compile.`, {
    rule: `NVRTC ${versionText(nvrtc.version)} (${nvrtc.library.path}) says: ${withSourceLine(log, source)}`,
    remedy: 'This is a fault of the library: please report it with this message. DEBUG=opwright:source prints the whole kernel.',
  });
}

/** The compiler's log, with the line that its first error is about. */
export function withSourceLine(log: string, source: string): string {
  const place = /kernel\.cu(?:\((\d+)\)|:(\d+))[^\n]*error/.exec(log);
  if (place === null) return log;
  const number = Number(place[1] ?? place[2]);
  const line = source.split('\n')[number - 1];
  return line === undefined ? log : `${log}\n    line ${number}: ${line.trim()}`;
}
