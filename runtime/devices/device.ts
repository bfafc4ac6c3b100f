/**
 * What the runtime asks of a device: memory, compiled kernels, launches. Everything above this line is the same for every device;
 * nothing below it knows of tensors, ops or gradients.
 */
import type { Kernel } from '../../kernels/ir.js';
import type { Machine } from '../../kernels/lower/bind.js';
import type { Dtype } from '../dtype.js';

/** How kernels are shaped for a device before they are printed. */
export interface Target {
  /** Bytes of a vector register; 0 where kernels stay scalar. */
  readonly vectorBytes: number;
  readonly pointerBytes: 4 | 8;
  /** Whether kernels may be group programs. */
  readonly groups: boolean;
  /** Whether products of float32 may round their operands to TF32 (10 bits after the point) for tensor cores; false unless given. */
  readonly tf32?: boolean;
}

/** The tiers of the cpu; a GPU has one, named as the device. */
export type CpuTierName = 'wasm' | 'native';
export type TierName = CpuTierName | 'cuda';

/**
 * One way in which a device compiles kernels. What the tiers of a device compile lives in one memory and reads the same parameter
 * blocks, so that a plan may mix them.
 */
export interface Tier {
  readonly name: TierName;
  readonly target: Target;
  compile(kernel: Kernel): CompiledKernel;
}

/** What a launch is about to do, as far as the choice of a tier goes: it depends on nothing else. */
export interface Work {
  readonly kind: WorkKind;
  readonly dtype: Dtype;
  /** Elements gone through; multiplications of products and convolutions. */
  readonly size: number;
}

/** `map`, `row` and `column` are the forms of fused kernels; `function` stands for kernel functions and index notation. */
export type WorkKind = 'map' | 'row' | 'column' | 'function' | 'product' | 'convolution';

/** A kernel ready to be launched. Devices add what they need. */
export interface CompiledKernel {
  readonly kernel: Kernel;
  readonly tier: TierName;
  /** Offsets into a parameter block, by buffer or parameter name. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly paramBytes: number;
  /** Whether the kernel contains `fail`, so that the error word must be looked at. */
  readonly mayFail: boolean;
}

/** A parameter block that the host fills; typed views over the same bytes. Offsets are those of `CompiledKernel.offsets`. */
export interface ParamBlock {
  setPointer(offset: number, address: number): void;
  setI32(offset: number, value: number): void;
  setI64(offset: number, value: bigint): void;
  setF32(offset: number, value: number): void;
  setF64(offset: number, value: number): void;
  free(): void;
}

export interface DeviceMemory {
  /** Bytes handed out to live allocations, bytes kept in the pool for reuse, and the most ever handed out at once. */
  readonly allocated: number;
  readonly pooled: number;
  readonly peak: number;
  readonly allocations: number;
}

export interface Device {
  readonly name: string;
  /** What fused kernels are bound for. */
  readonly machine: Machine;
  /** What plans follow besides the call, as text: they are made anew when it changes. */
  readonly settings: string;
  /** Who compiles the kernels of that work. */
  tier(work: Work): Tier;
  /**
   * Brings kernels that tiers have put off compiling to an end, many at a time. Where a tier fails at it, it is not offered any more
   * and TierLost is thrown: what was bound to it has to be bound anew.
   */
  finishCompiling(): void;
  /** The address of `bytes` fresh bytes, aligned to 64; contents are arbitrary. Throws OUT_OF_MEMORY after dropping the pool. */
  allocate(bytes: number): number;
  free(address: number): void;
  write(address: number, bytes: Uint8Array): void;
  /** Copies `bytes.length` bytes out, waiting for the work before it. */
  readSync(address: number, bytes: Uint8Array): void;
  read(address: number, bytes: Uint8Array): Promise<void>;
  fill(address: number, bytes: number, value: number): void;
  copy(from: number, to: number, bytes: number): void;
  /** Says which op asks for the launches that come next, for errors that show after its call has returned. */
  announce(op: string): void;
  /** A library of others for products of that dtype and so many multiplications, where the device has one that it prefers. */
  productLibrary?(dtype: ProductDtype, size: number): ProductLibrary | undefined;
  createParams(kernel: CompiledKernel): ParamBlock;
  /**
   * Runs items 0 <= item < work. `grain` is the fewest items worth handing to another thread: the device may run any
   * consecutive ranges of them in any order. The block may be changed once `launch` returns. A non-zero error word is raised
   * as the error that failures.ts gives it, by `launch` itself (cpu) or by the next synchronise.
   */
  launch(kernel: CompiledKernel, params: ParamBlock, work: number, grain: number): void;
  synchronize(): Promise<void>;
  memory(): DeviceMemory;
}

export type ProductDtype = Extract<Dtype, 'float16' | 'bfloat16' | 'float32' | 'float64'>;

/** An operand of a product: whether elements lie side by side along k or across it, and what is between lines, and between matrices. */
export interface ProductOperand {
  readonly lies: 'along' | 'across';
  readonly pitch: number;
  readonly batchStride: number;
}

/** out = a b for a batch: a is m x k, b is k x n; the results lie row by row, one matrix after the other. */
export interface LibraryProduct {
  readonly dtype: ProductDtype;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: ProductOperand;
  readonly b: ProductOperand;
  /** Whether operands of float32 may be rounded to TF32. */
  readonly tf32: boolean;
}

export interface ProductLibrary {
  multiply(product: LibraryProduct, addresses: { readonly a: number; readonly b: number; readonly out: number }): void;
}

/** A tier can compile no more; see `finishCompiling`. Never reaches the user. */
export class TierLost extends Error {
  override readonly name = 'TierLost';
}
