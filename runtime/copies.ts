/** Copies of tensors from one layout to another, bound to layouts once and run with addresses. */
import type { FusedKernel } from '../kernels/fused.js';
import { bytesOf } from '../kernels/ir.js';
import type { Launch } from '../kernels/lower/bind.js';
import { inputName, outputName } from '../kernels/lower/names.js';
import type { Shape } from '../kernels/op.js';
import { boundFused, compiledFused, fusedWork } from './compiled.js';
import type { CompiledKernel, Device, ParamBlock } from './devices/device.js';
import type { Dtype } from './dtype.js';
import { contiguousLayout, type Layout } from './layout.js';
import { Storage } from './storage.js';
import { Tensor } from './tensor.js';

/** A tensor of a known contiguous layout; emptyTensor without the checks. */
export function freshTensor(device: Device, layout: Layout, dtype: Dtype): Tensor {
  const storage = new Storage(device, layout.size * bytesOf[dtype]);
  storage.describe(layout.shape);
  return new Tensor(storage, layout, dtype);
}

/** The address of a tensor's first element. */
export function addressOf(tensor: Tensor): number {
  return tensor.storage.address + tensor.layout.offset * bytesOf[tensor.dtype];
}

const identity = (dtype: Dtype): FusedKernel => ({
  key: `copy ${dtype}`,
  inputs: [{ dtype, level: 'element' }],
  scalars: [],
  nodes: [
    { op: 'input', input: 0, dtype },
    { op: 'map', map: 'identity', args: [0], dtype },
  ],
  outputs: [{ node: 1, dtype, level: 'element' }],
});

/** Copies between two layouts of one shape. */
export class StridedCopy {
  private readonly launches: readonly {
    readonly compiled: CompiledKernel;
    readonly params: ParamBlock;
    readonly launch: Launch;
  }[];
  private readonly scratch: readonly number[];

  constructor(
    private readonly device: Device,
    from: { readonly shape: Shape; readonly strides: readonly number[] },
    to: { readonly strides: readonly number[] },
    dtype: Dtype,
  ) {
    const kernel = identity(dtype);
    const dimensions = from.shape.map((size, axis) => ({
      size,
      reduced: false,
      strides: [from.strides[axis]!, to.strides[axis]!],
    }));
    const binding = boundFused(device, kernel, dimensions, from.shape);
    this.scratch = binding.scratch;
    this.launches = binding.launches.map((launch) => {
      const compiled = compiledFused(device.tier(fusedWork(launch, from.shape)), launch);
      const params = device.createParams(compiled);
      for (const [name, value] of Object.entries(launch.params)) {
        const offset = compiled.offsets.get(name);
        if (offset !== undefined) params.setI32(offset, value);
      }
      return { compiled, params, launch };
    });
  }

  /** Addresses are of the layouts' first elements. */
  run(from: number, to: number): void {
    const scratch = this.scratch.map((bytes) => this.device.allocate(bytes));
    for (const { compiled, params, launch } of this.launches) {
      params.setPointer(compiled.offsets.get(inputName(0))!, from);
      params.setPointer(compiled.offsets.get(outputName(0))!, to);
      for (const row of launch.rows) params.setPointer(compiled.offsets.get(row.name)!, scratch[row.scratch]!);
      this.device.launch(compiled, params, launch.work, launch.grain);
    }
    for (const address of scratch) this.device.free(address);
  }

  free(): void {
    for (const { params } of this.launches) params.free();
  }
}

/** A contiguous copy of tensors of one layout. */
export class ContiguousCopy {
  private readonly copy: StridedCopy;
  private readonly target: Layout;

  constructor(
    private readonly device: Device,
    layout: Layout,
    private readonly dtype: Dtype,
  ) {
    this.target = contiguousLayout(layout.shape);
    this.copy = new StridedCopy(device, layout, this.target, dtype);
  }

  run(source: Tensor): Tensor {
    const result = freshTensor(this.device, this.target, this.dtype);
    this.copy.run(addressOf(source), addressOf(result));
    return result;
  }

  free(): void {
    this.copy.free();
  }
}
