/**
 * A device whose kernels are run by the IR's interpreter, so that every load and store is checked against the end of the allocation
 * that it goes to. Its vectors may have any width, none included; where they are wider than WebAssembly's, kernels are shaped as for
 * native code. It is slow, and has no threads.
 */
import { type BufferArray, interpret } from '../kernels/interpret.js';
import { type Kernel, paramLayout, type RealStorage } from '../kernels/ir.js';
import { vectorise } from '../kernels/vectorise.js';
import type { CompiledKernel, CpuTierName, Device, DeviceMemory, ParamBlock, Target, Tier } from '../runtime/devices/device.js';

/** Addresses of allocations are this far apart. */
const spacing = 2 ** 32;

const tierOf = (vectorBytes: number): CpuTierName => (vectorBytes > 16 ? 'native' : 'wasm');

class InterpretedKernel implements CompiledKernel {
  readonly tier: CpuTierName;
  readonly offsets: ReadonlyMap<string, number>;
  readonly paramBytes: number;
  readonly mayFail = false;
  readonly inLanes: Kernel;

  constructor(
    readonly kernel: Kernel,
    vectorBytes: number,
  ) {
    const { offsets, size } = paramLayout(kernel, 8);
    this.tier = tierOf(vectorBytes);
    this.offsets = offsets;
    this.paramBytes = size;
    this.inLanes = vectorBytes === 0 ? kernel : vectorise(kernel, { vectorBytes });
  }
}

class InterpretedParams implements ParamBlock {
  readonly values = new Map<number, number | bigint>();

  setPointer(offset: number, address: number): void {
    this.values.set(offset, address);
  }
  setI32(offset: number, value: number): void {
    this.values.set(offset, value);
  }
  setI64(offset: number, value: bigint): void {
    this.values.set(offset, value);
  }
  setF32(offset: number, value: number): void {
    this.values.set(offset, value);
  }
  setF64(offset: number, value: number): void {
    this.values.set(offset, value);
  }
  free(): void {
    this.values.clear();
  }
}

/** A device, and its only tier. */
export class InterpretedDevice implements Device, Tier {
  readonly name: CpuTierName;
  readonly settings = '';
  readonly machine = 'cpu';
  readonly target: Target;
  private readonly blocks = new Map<number, ArrayBuffer>();
  private last = 0;

  constructor(vectorBytes: number) {
    this.name = tierOf(vectorBytes);
    this.target = { vectorBytes, pointerBytes: 8, groups: false };
  }

  allocate(bytes: number): number {
    this.last++;
    this.blocks.set(this.last, new ArrayBuffer(bytes));
    return this.last * spacing;
  }

  free(address: number): void {
    this.blocks.delete(address / spacing);
  }

  write(address: number, bytes: Uint8Array): void {
    this.bytesAt(address).set(bytes);
  }

  readSync(address: number, bytes: Uint8Array): void {
    bytes.set(this.bytesAt(address).subarray(0, bytes.length));
  }

  async read(address: number, bytes: Uint8Array): Promise<void> {
    this.readSync(address, bytes);
  }

  fill(address: number, bytes: number, value: number): void {
    this.bytesAt(address).fill(value, 0, bytes);
  }

  copy(from: number, to: number, bytes: number): void {
    this.bytesAt(to).set(this.bytesAt(from).subarray(0, bytes));
  }

  tier(): Tier {
    return this;
  }

  finishCompiling(): void {}

  compile(kernel: Kernel): InterpretedKernel {
    return new InterpretedKernel(kernel, this.target.vectorBytes);
  }

  announce(): void {}

  createParams(): ParamBlock {
    return new InterpretedParams();
  }

  launch(kernel: CompiledKernel, params: ParamBlock, work: number): void {
    if (!(kernel instanceof InterpretedKernel) || !(params instanceof InterpretedParams))
      throw new TypeError('of another device');
    const paramValue = (name: string): number | bigint => params.values.get(kernel.offsets.get(name)!)!;
    const { buffers, params: declared } = kernel.kernel;
    const arrays = buffers.map(({ name, storage }) => [name, this.view(Number(paramValue(name)), storage)] as const);
    const values = declared.map(({ name }) => [name, paramValue(name)] as const);
    interpret(kernel.inLanes, { buffers: Object.fromEntries(arrays), params: Object.fromEntries(values), begin: 0, end: work });
  }

  async synchronize(): Promise<void> {}

  memory(): DeviceMemory {
    return { allocated: 0, pooled: 0, peak: 0, allocations: this.blocks.size };
  }

  private bytesAt(address: number): Uint8Array {
    const block = this.blocks.get(Math.floor(address / spacing));
    if (block === undefined) throw new RangeError(`no allocation at ${address}`);
    return new Uint8Array(block, address % spacing);
  }

  private view(address: number, storage: string): BufferArray {
    const { buffer, byteOffset } = this.bytesAt(address);
    const make = views[storage as RealStorage];
    if (make === undefined || !(buffer instanceof ArrayBuffer)) throw new TypeError(`a kernel's buffer is of dtype ${storage}`);
    return make(buffer, byteOffset);
  }
}

const views: Readonly<Record<RealStorage, (buffer: ArrayBuffer, start: number) => BufferArray>> = {
  bool: (buffer, start) => new Uint8Array(buffer, start),
  uint8: (buffer, start) => new Uint8Array(buffer, start),
  int8: (buffer, start) => new Int8Array(buffer, start),
  int16: (buffer, start) => new Int16Array(buffer, start, (buffer.byteLength - start) >> 1),
  int32: (buffer, start) => new Int32Array(buffer, start, (buffer.byteLength - start) >> 2),
  int64: (buffer, start) => new BigInt64Array(buffer, start, (buffer.byteLength - start) >> 3),
  float16: (buffer, start) => new Uint16Array(buffer, start, (buffer.byteLength - start) >> 1),
  bfloat16: (buffer, start) => new Uint16Array(buffer, start, (buffer.byteLength - start) >> 1),
  float32: (buffer, start) => new Float32Array(buffer, start, (buffer.byteLength - start) >> 2),
  float64: (buffer, start) => new Float64Array(buffer, start, (buffer.byteLength - start) >> 3),
};
