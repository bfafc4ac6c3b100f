/**
 * What library kernels are put together from: a compiled kernel with its parameter block, small tables in device memory, scratch. What
 * any of it computes is told elsewhere.
 */
import type { Kernel } from '../../kernels/ir.js';
import type { TensorMeta } from '../../kernels/op.js';
import { compiledFunction } from '../compiled.js';
import type { CompiledKernel, Device, ParamBlock } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { kernelFunction } from '../registry.js';
import { emptyTensor, type Tensor } from '../tensor.js';

/** A kernel whose shapes are bound, and whose buffers are set for each run. */
export class KernelLaunch {
  private readonly params: ParamBlock;

  constructor(
    private readonly device: Device,
    private readonly compiled: CompiledKernel,
    integers: Readonly<Record<string, number>>,
    private readonly work: number,
    private readonly grain: number,
  ) {
    this.params = device.createParams(compiled);
    for (const [name, value] of Object.entries(integers)) this.set(name, value);
  }

  set(integer: string, value: number): void {
    this.params.setI32(this.offsetOf(integer), value);
  }

  /** Says where a buffer lies. */
  point(buffer: string, address: number): void {
    this.params.setPointer(this.offsetOf(buffer), address);
  }

  /** `work` where it depends on data. */
  run(work = this.work): void {
    if (work > 0) this.device.launch(this.compiled, this.params, work, this.grain);
  }

  /** Runs with buffers at these addresses. */
  runWith(buffers: Readonly<Record<string, number>>): void {
    for (const [name, address] of Object.entries(buffers)) this.point(name, address);
    this.run();
  }

  free(): void {
    this.params.free();
  }

  private offsetOf(name: string): number {
    const offset = this.compiled.offsets.get(name);
    if (offset === undefined) throw new TypeError(`the kernel ${this.compiled.kernel.name} has no ${name}`);
    return offset;
  }
}

/** A launch of a kernel function for those dtypes; `costOfItem` is in plain operations. */
export function functionLaunch(
  device: Device,
  name: string,
  dtypes: Readonly<Record<string, Dtype>>,
  integers: Readonly<Record<string, number>>,
  work: number,
  costOfItem: number,
): KernelLaunch {
  const tier = device.tier({ kind: 'function', dtype: dtypes.T ?? 'int32', size: work * costOfItem });
  const compiled = compiledFunction(tier, kernelFunction(name), dtypes);
  return new KernelLaunch(device, compiled, integers, work, grainFor(costOfItem));
}

/** 32-bit integers that kernels look up. */
export class Table {
  readonly address: number;

  constructor(
    private readonly device: Device,
    values: readonly number[],
  ) {
    const words = Int32Array.from(values);
    this.address = device.allocate(Math.max(words.byteLength, 4));
    device.write(this.address, new Uint8Array(words.buffer));
  }

  free(): void {
    this.device.free(this.address);
  }
}

/** Memory for the length of a run: one address for each size in bytes, freed whatever happens. */
export function withScratch<R>(device: Device, sizes: readonly number[], use: (addresses: readonly number[]) => R): R {
  const addresses: number[] = [];
  try {
    for (const size of sizes) addresses.push(device.allocate(Math.max(size, 1)));
    return use(addresses);
  } finally {
    for (const address of addresses) device.free(address);
  }
}

export function zeros(device: Device, { shape, dtype }: TensorMeta): Tensor {
  const out = emptyTensor(device, shape, dtype);
  device.fill(out.storage.address, out.storage.bytes, 0);
  return out;
}

/** Items whose multiplications or copies together are worth waking another thread for. */
export function grainFor(costOfItem: number): number {
  return Math.max(1, Math.ceil(200_000 / Math.max(costOfItem, 1)));
}

/** Remembers what `make` built for each form, so that devices recognise the kernel by its identity. */
export function remembered<Form>(make: (form: Form) => Kernel): (form: Form) => Kernel {
  const made = new Map<string, Kernel>();
  return (form) => {
    const key = JSON.stringify(form);
    let kernel = made.get(key);
    if (kernel === undefined) {
      kernel = make(form);
      made.set(key, kernel);
    }
    return kernel;
  };
}
