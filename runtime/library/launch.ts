/**
 * What library kernels are put together from: a compiled kernel with its parameter block, and small tables in device memory. Nothing
 * here knows of tensors.
 */
import type { Kernel } from '../../kernels/ir.js';
import type { CompiledKernel, Device, ParamBlock } from '../devices/device.js';

/** A kernel whose integers are set for good, and whose buffers are set for each run. */
export class KernelLaunch {
  private readonly compiled: CompiledKernel;
  private readonly params: ParamBlock;

  constructor(
    private readonly device: Device,
    kernel: Kernel,
    integers: Readonly<Record<string, number>>,
    private readonly work: number,
    private readonly grain: number,
  ) {
    this.compiled = device.compile(kernel);
    this.params = device.createParams(this.compiled);
    for (const [name, value] of Object.entries(integers)) this.params.setI32(this.offsetOf(name), value);
  }

  /** Says where a buffer lies. */
  point(buffer: string, address: number): void {
    this.params.setPointer(this.offsetOf(buffer), address);
  }

  run(): void {
    if (this.work > 0) this.device.launch(this.compiled, this.params, this.work, this.grain);
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
    if (kernel === undefined) made.set(key, (kernel = make(form)));
    return kernel;
  };
}
