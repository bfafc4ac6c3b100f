/**
 * The cpu device: kernels as WebAssembly over one shared memory, run by the calling thread and, where a launch is large, by worker
 * threads. Launches are synchronous: when `launch` returns, the results are there.
 */
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { fma, kernel as kernelOf, load, store, vectorType } from '../../../kernels/build.js';
import { type Kernel, paramLayout } from '../../../kernels/ir.js';
import { visitStatements } from '../../../kernels/traverse.js';
import { vectorise } from '../../../kernels/vectorise.js';
import { compileWasm, mathImports } from '../../../kernels/wasm/compile.js';
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import type { CompiledKernel, Device, DeviceMemory, ParamBlock, Target } from '../device.js';
import { type Allocator, PooledAllocator } from './allocator.js';
import { GuardedAllocator } from './guarded-allocator.js';
import { Heap } from './heap.js';
import { type ThreadedKernel, ThreadPool } from './pool.js';
import { type WasmInstance, type WasmModule, webAssembly } from './webassembly.js';

/** The device's own words lie in front of all blocks. Printed kernels need that part to be at least 4 KiB long. */
const reservedBytes = 16 << 10;
const errorWordAddress = 64;
const controlAddress = 1024;

/** Copies shorter than this are made byte by byte: making a view of the bytes takes longer. */
const shortCopy = 32;

export interface CpuOptions {
  /** The most the memory may grow to; OPWRIGHT_MEMORY or 4 GiB by default. */
  readonly maximumBytes?: number;
  /** Threads, the caller's included; OPWRIGHT_THREADS or what the machine has by default. */
  readonly threads?: number;
  /** Guard bytes around every block; OPWRIGHT_DEBUG_ALLOCATOR=1 by default. */
  readonly guarded?: boolean;
}

/** The device that `getDevice('cpu')` gives. Tests open others, with options of their own. */
export function openCpu(options: CpuOptions = {}): CpuDevice {
  return new CpuDevice(options);
}

const float32x4 = vectorType('f32', 4);

type RunKernel = (params: number, begin: number, end: number) => void;

class CpuKernel implements CompiledKernel, ThreadedKernel {
  readonly offsets: ReadonlyMap<string, number>;
  readonly paramBytes: number;
  readonly mayFail: boolean;

  constructor(
    readonly id: number,
    readonly kernel: Kernel,
    readonly module: WasmModule,
    readonly run: RunKernel,
  ) {
    const { offsets, size } = paramLayout(kernel, 4);
    this.offsets = offsets;
    this.paramBytes = size;
    this.mayFail = canFail(kernel);
  }
}

export class CpuDevice implements Device {
  readonly name = 'cpu';
  readonly target: Target = { vectorBytes: 16, pointerBytes: 4 };
  readonly allocator: Allocator;
  private readonly heap: Heap;
  private readonly pool: ThreadPool;
  private readonly compiledByKernel = new WeakMap<Kernel, CpuKernel>();
  private readonly compiledByHash = new Map<string, CpuKernel>();
  /** Whether the engine has fused multiply-add; looked up when the first kernel is compiled. */
  private relaxedSimd: boolean | undefined;

  constructor(options: CpuOptions) {
    this.heap = new Heap(options.maximumBytes);
    const pooled = new PooledAllocator(this.heap, reservedBytes);
    const guarded = options.guarded ?? process.env.OPWRIGHT_DEBUG_ALLOCATOR === '1';
    this.allocator = guarded ? new GuardedAllocator(pooled, this.heap) : pooled;
    this.pool = new ThreadPool(this.heap.memory, controlAddress, options.threads);
    if (debugging.device) report('device', `cpu: at most ${this.heap.maximumBytes} bytes, ${this.pool.threads} threads`);
  }

  get threads(): number {
    return this.pool.threads;
  }

  /** How many chunks of launches worker threads have run so far; the rest ran on the calling thread. */
  get chunksHandedOver(): number {
    return this.pool.chunksHandedOver;
  }

  allocate(bytes: number): number {
    const address = this.allocator.allocate(bytes);
    if (address !== 0) return address;
    if (debugging.memory) report('memory', `no room for ${bytes} bytes: dropping the pool`);
    const again = this.allocator.dropPool() ? this.allocator.allocate(bytes) : 0;
    if (again !== 0) return again;
    const { allocated } = this.allocator.report();
    throw new OpwrightError('OUT_OF_MEMORY', `The cpu has no room for ${bytes} bytes: ${allocated} are in use.`, {
      rule: `the memory holds at most ${this.heap.maximumBytes} bytes (OPWRIGHT_MEMORY, up to 4g)`,
    });
  }

  free(address: number): void {
    this.allocator.free(address);
  }

  write(address: number, bytes: Uint8Array): void {
    const { u8 } = this.heap;
    if (bytes.length >= shortCopy) u8.set(bytes, address);
    else for (let index = 0; index < bytes.length; index++) u8[address + index] = bytes[index]!;
  }

  readSync(address: number, bytes: Uint8Array): void {
    const { u8 } = this.heap;
    if (bytes.length >= shortCopy) bytes.set(u8.subarray(address, address + bytes.length));
    else for (let index = 0; index < bytes.length; index++) bytes[index] = u8[address + index]!;
  }

  read(address: number, bytes: Uint8Array): Promise<void> {
    this.readSync(address, bytes);
    return done;
  }

  fill(address: number, bytes: number, value: number): void {
    this.heap.u8.fill(value, address, address + bytes);
  }

  copy(from: number, to: number, bytes: number): void {
    this.heap.u8.copyWithin(to, from, from + bytes);
  }

  compile(kernel: Kernel): CpuKernel {
    const known = this.compiledByKernel.get(kernel);
    if (known !== undefined) return known;
    const hash = createHash('sha256').update(JSON.stringify(kernel)).digest('base64');
    let compiled = this.compiledByHash.get(hash);
    if (compiled === undefined) {
      compiled = this.build(kernel);
      this.compiledByHash.set(hash, compiled);
    }
    this.compiledByKernel.set(kernel, compiled);
    return compiled;
  }

  createParams(kernel: CompiledKernel): ParamBlock {
    return new CpuParamBlock(this, this.heap, this.allocate(kernel.paramBytes));
  }

  launch(kernel: CompiledKernel, params: ParamBlock, work: number, grain: number): void {
    if (!(kernel instanceof CpuKernel) || !(params instanceof CpuParamBlock)) {
      throw new TypeError('the kernel or its parameters belong to another device');
    }
    if (debugging.launch) this.launchTimed(kernel, params.address, work, grain);
    else this.launchAt(kernel, params.address, work, grain);
    if (kernel.mayFail) this.raiseError(kernel);
  }

  synchronize(): Promise<void> {
    return done;
  }

  memory(): DeviceMemory {
    return this.allocator.report();
  }

  private launchAt(kernel: CpuKernel, params: number, work: number, grain: number): void {
    if (work <= grain) kernel.run(params, 0, work);
    else this.pool.run(kernel, params, work, grain);
  }

  private launchTimed(kernel: CpuKernel, params: number, work: number, grain: number): void {
    const start = performance.now();
    this.launchAt(kernel, params, work, grain);
    const time = ((performance.now() - start) * 1000).toFixed(1);
    const threads = work <= grain ? 1 : Math.min(this.pool.threads, Math.ceil(work / grain));
    report('launch', `${kernel.kernel.name}: ${work} items, up to ${threads} threads, ${time} us`);
  }

  private raiseError(kernel: CpuKernel): void {
    const word = errorWordAddress >>> 2;
    const code = this.heap.i32[word]!;
    if (code === 0) return;
    this.heap.i32[word] = 0;
    throw new OpwrightError('INDEX_OUT_OF_RANGE', `An index is out of range in the kernel ${kernel.kernel.name}.`, {
      rule: `every index lies within the dimension that it selects from (failure ${code})`,
      remedy: 'Check the values of the index tensor against the size of that dimension.',
    });
  }

  private build(kernel: Kernel): CpuKernel {
    const start = performance.now();
    this.relaxedSimd ??= webAssembly.validate(compileWasm(relaxedSimdProbe, { relaxedSimd: true }));
    const bytes = compileWasm(vectorise(kernel, this.target), { relaxedSimd: this.relaxedSimd });
    const module = new webAssembly.Module(bytes);
    const instance = new webAssembly.Instance(module, { env: { memory: this.heap.memory }, math: mathImports });
    const compiled = new CpuKernel(this.compiledByHash.size + 1, kernel, module, exportedRun(instance));
    if (debugging.source) report('source', `${kernel.name}\n${JSON.stringify(kernel, null, 1)}`);
    if (debugging.compile) {
      report('compile', `${kernel.name}: ${bytes.length} bytes in ${(performance.now() - start).toFixed(2)} ms`);
    }
    return compiled;
  }
}

const done = Promise.resolve();

/** A parameter block in the device's memory: kernels read it where the host writes it. */
class CpuParamBlock implements ParamBlock {
  constructor(
    private readonly device: CpuDevice,
    private readonly heap: Heap,
    readonly address: number,
  ) {
    this.setPointer(0, errorWordAddress);
  }

  setPointer(offset: number, address: number): void {
    this.heap.u32[(this.address + offset) >>> 2] = address;
  }

  setI32(offset: number, value: number): void {
    this.heap.i32[(this.address + offset) >>> 2] = value;
  }

  setI64(offset: number, value: bigint): void {
    this.heap.i64[(this.address + offset) / 8] = value;
  }

  setF32(offset: number, value: number): void {
    this.heap.f32[(this.address + offset) >>> 2] = value;
  }

  setF64(offset: number, value: number): void {
    this.heap.f64[(this.address + offset) / 8] = value;
  }

  free(): void {
    this.device.free(this.address);
  }
}

function exportedRun(instance: WasmInstance): RunKernel {
  const { run } = instance.exports;
  if (!isRunKernel(run)) throw new TypeError('the module of a kernel exports no function run');
  return run;
}

/** The printer exports one function of this type and nothing else. */
function isRunKernel(exported: unknown): exported is RunKernel {
  return typeof exported === 'function' && exported.length === 3;
}

/** A kernel that is valid with relaxed SIMD only if the engine has it on: the library sets no engine flags. */
const relaxedSimdProbe = kernelOf(
  'probe',
  [{ name: 'x', storage: 'float32', access: 'readwrite' }],
  [],
  [store('x', 0, fma(load(float32x4, 'x', 0), load(float32x4, 'x', 0), load(float32x4, 'x', 0)))],
);

function canFail(kernel: Kernel): boolean {
  let found = false;
  visitStatements(kernel.body, (statement) => {
    if (statement.do === 'fail') found = true;
  });
  return found;
}
