/**
 * The cpu device: one shared memory, and kernels over it in two tiers. WebAssembly is always there; where a C compiler is found, large
 * work runs as native code. Launches are synchronous: when `launch` returns, the results are there.
 */
import { performance } from 'node:perf_hooks';
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import {
  type CompiledKernel,
  type CpuTierName,
  type Device,
  type DeviceMemory,
  type ParamBlock,
  type Tier,
  TierLost,
  type Work,
} from '../device.js';
import { kernelFailure } from '../failures.js';
import { type Allocator, PooledAllocator } from './allocator.js';
import { GuardedAllocator } from './guarded-allocator.js';
import { Heap } from './heap.js';
import { NativeTier } from './native/tier.js';
import { ThreadPool } from './pool.js';
import { CpuKernel } from './tier.js';
import { chooseTier, type NativeUse, readNativeUse, readTier } from './tiers.js';
import { WasmTier } from './wasm-tier.js';

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
  /** Whether native code is used: OPWRIGHT_NATIVE by default, which is 0, 1 or `require`. */
  readonly native?: NativeUse;
  /** One tier for all work; OPWRIGHT_TIER by default. */
  readonly tier?: CpuTierName;
}

/** The device that `getDevice('cpu')` gives. Tests open others, with options of their own. */
export function openCpu(options: CpuOptions = {}): CpuDevice {
  return new CpuDevice(options);
}

export class CpuDevice implements Device {
  readonly name = 'cpu';
  readonly settings = '';
  readonly machine = 'cpu';
  readonly allocator: Allocator;
  private readonly heap: Heap;
  private readonly pool: ThreadPool;
  readonly wasm: WasmTier;
  private readonly nativeUse: NativeUse;
  private readonly forced: CpuTierName | undefined;
  /** How many kernels each tier has launched. */
  readonly launches: Record<CpuTierName, number> = { wasm: 0, native: 0 };
  /** Opened when the first work is large enough for it; null where there is none, or none any more. */
  private native: NativeTier | null | undefined;

  constructor(options: CpuOptions) {
    this.heap = new Heap(options.maximumBytes);
    const pooled = new PooledAllocator(this.heap, reservedBytes);
    const guarded = options.guarded ?? process.env.OPWRIGHT_DEBUG_ALLOCATOR === '1';
    this.allocator = guarded ? new GuardedAllocator(pooled, this.heap) : pooled;
    this.pool = new ThreadPool(this.heap.memory, controlAddress, options.threads);
    this.wasm = new WasmTier(this.heap.memory, this.pool);
    this.nativeUse = options.native ?? readNativeUse(process.env.OPWRIGHT_NATIVE);
    this.forced = options.tier ?? readTier(process.env.OPWRIGHT_TIER);
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

  /** Errors show within the call, whose op dispatch knows. */
  announce(): void {}

  createParams(kernel: CompiledKernel): ParamBlock {
    return new CpuParamBlock(this, this.heap, this.allocate(kernel.paramBytes));
  }

  tier(work: Work): Tier {
    const chosen = this.forced ?? chooseTier(work);
    return chosen === 'native' ? (this.nativeTier() ?? this.wasm) : this.wasm;
  }

  /** Opens the native tier, where it may be used and is there. */
  nativeTier(): NativeTier | null {
    if (this.native === undefined) {
      this.native = null;
      if (this.nativeUse !== 'never') this.native = NativeTier.open(this.heap, this.pool.threads, this.nativeUse === 'require');
    }
    return this.native;
  }

  finishCompiling(): void {
    const { native } = this;
    if (native === undefined || native === null || native.finish()) return;
    this.native = null;
    throw new TierLost();
  }

  launch(kernel: CompiledKernel, params: ParamBlock, work: number, grain: number): void {
    if (!(kernel instanceof CpuKernel) || !(params instanceof CpuParamBlock)) {
      throw new TypeError('the kernel or its parameters belong to another device');
    }
    this.launches[kernel.tier]++;
    if (debugging.launch) this.launchTimed(kernel, params.address, work, grain);
    else kernel.launch(params.address, work, grain);
    if (kernel.mayFail) this.raiseError(kernel);
  }

  synchronize(): Promise<void> {
    return done;
  }

  memory(): DeviceMemory {
    return this.allocator.report();
  }

  private launchTimed(kernel: CpuKernel, place: number, work: number, grain: number): void {
    const start = performance.now();
    kernel.launch(place, work, grain);
    const time = ((performance.now() - start) * 1000).toFixed(1);
    const threads = work <= grain ? 1 : Math.min(this.pool.threads, Math.ceil(work / grain));
    report('launch', `${kernel.kernel.name}: ${kernel.tier}, ${work} items, up to ${threads} threads, ${time} us`);
  }

  private raiseError(kernel: CpuKernel): void {
    const word = errorWordAddress >>> 2;
    const code = this.heap.i32[word]!;
    if (code === 0) return;
    this.heap.i32[word] = 0;
    throw kernelFailure(code, kernel.kernel.name);
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
