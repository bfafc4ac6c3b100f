/**
 * Ops whose results have a size that depends on data: nonzero, maskedSelect and unique. Each counts first, block by block, reads the
 * counts back, and then writes results of the right size. The loops are kernel functions (kernels/functions/select.ts, unique.ts,
 * sort.ts).
 */
import { bytesOf } from '../../kernels/ir.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { compiledFunction } from '../compiled.js';
import { addressOf, ContiguousCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { sizeOf, stridedLayout } from '../layout.js';
import { kernelFunction } from '../registry.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, Table, withScratch } from './launch.js';
import { layoutOf, placeOf } from './operands.js';

/** Elements that one work item counts and writes. */
const blockSize = 4096;

function functionLaunch(
  device: Device,
  name: string,
  dtype: Dtype,
  integers: Record<string, number>,
  work: number,
): KernelLaunch {
  const tier = device.tier({ kind: 'function', dtype, size: work * blockSize });
  const compiled = compiledFunction(tier, kernelFunction(name), { T: dtype });
  return new KernelLaunch(device, compiled, integers, work, grainFor(blockSize));
}

/** An input that kernels read contiguous, copied first where it is not. */
class ContiguousInput {
  private readonly copy: ContiguousCopy | null;

  constructor(device: Device, { shape, strides, dtype }: LayoutMeta) {
    const layout = stridedLayout(shape, strides, 0);
    this.copy = layout.contiguous ? null : new ContiguousCopy(device, layout, dtype);
  }

  with<R>(tensor: Tensor, use: (address: number) => R): R {
    if (this.copy === null) return use(addressOf(tensor));
    const copied = this.copy.run(tensor);
    try {
      return use(copied.storage.address);
    } finally {
      copied.dispose();
    }
  }

  free(): void {
    this.copy?.free();
  }
}

/** Counts in blocks, and where in the result each block begins. */
class BlockCounts {
  readonly bytes: number;
  private readonly launch: KernelLaunch;
  private readonly words: Int32Array<ArrayBuffer>;

  constructor(
    private readonly device: Device,
    countFunction: string,
    private readonly inputName: string,
    dtype: Dtype,
    n: number,
  ) {
    this.words = new Int32Array(Math.ceil(n / blockSize));
    this.bytes = this.words.byteLength;
    this.launch = functionLaunch(device, countFunction, dtype, { n, blockSize }, this.words.length);
  }

  /** Leaves the blocks' places at `offsets`, and gives the number of all. Waits for the device. */
  run(input: number, offsets: number): number {
    this.launch.point(this.inputName, input);
    this.launch.point('counts', offsets);
    this.launch.run();
    const { words, device } = this;
    if (words.length === 0) return 0;
    const bytes = new Uint8Array(words.buffer);
    device.readSync(offsets, bytes);
    let total = 0;
    for (let block = 0; block < words.length; block++) {
      const count = words[block]!;
      words[block] = total;
      total += count;
    }
    device.write(offsets, bytes);
    return total;
  }

  free(): void {
    this.launch.free();
  }
}

// ---- nonzero

export const nonzero: LibraryKernel = (device, inputs, _attrs, [output]) =>
  new Nonzero(device, layoutOf(inputs, 'x'), placeOf(inputs, 'x'), output!);

class Nonzero implements LibraryRun {
  private readonly input: ContiguousInput;
  private readonly counts: BlockCounts;
  private readonly shape: Table;
  private readonly write: KernelLaunch;
  private readonly rank: number;

  constructor(
    private readonly device: Device,
    x: LayoutMeta,
    private readonly place: number,
    private readonly output: TensorMeta,
  ) {
    const n = sizeOf(x.shape);
    this.rank = x.shape.length;
    this.input = new ContiguousInput(device, x);
    this.counts = new BlockCounts(device, 'nonzeroCount', 'x', x.dtype, n);
    this.shape = new Table(device, x.shape);
    const integers = { n, blockSize, rank: this.rank };
    this.write = functionLaunch(device, 'nonzeroWrite', x.dtype, integers, Math.ceil(n / blockSize));
    this.write.point('shape', this.shape.address);
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { counts, write, device, rank } = this;
    return this.input.with(inputs[this.place]!, (x) =>
      withScratch(device, [counts.bytes], ([offsets]) => {
        const out = emptyTensor(device, [counts.run(x, offsets!), rank], this.output.dtype);
        write.point('x', x);
        write.point('offsets', offsets!);
        write.point('out', out.storage.address);
        write.run();
        return [out];
      }),
    );
  }

  free(): void {
    for (const part of [this.input, this.counts, this.shape, this.write]) part.free();
  }
}

// ---- maskedSelect

export const maskedSelect: LibraryKernel = (device, inputs) =>
  new MaskedSelect(device, layoutOf(inputs, 'x'), layoutOf(inputs, 'mask'), {
    x: placeOf(inputs, 'x'),
    mask: placeOf(inputs, 'mask'),
  });

class MaskedSelect implements LibraryRun {
  private readonly x: ContiguousInput;
  private readonly mask: ContiguousInput;
  private readonly counts: BlockCounts;
  private readonly write: KernelLaunch;
  private readonly dtype: Dtype;

  constructor(
    private readonly device: Device,
    x: LayoutMeta,
    mask: LayoutMeta,
    private readonly places: { readonly x: number; readonly mask: number },
  ) {
    const n = sizeOf(x.shape);
    this.dtype = x.dtype;
    this.x = new ContiguousInput(device, x);
    this.mask = new ContiguousInput(device, mask);
    this.counts = new BlockCounts(device, 'nonzeroCount', 'x', mask.dtype, n);
    this.write = functionLaunch(device, 'maskedSelectWrite', x.dtype, { n, blockSize }, Math.ceil(n / blockSize));
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { counts, write, device } = this;
    return this.x.with(inputs[this.places.x]!, (x) =>
      this.mask.with(inputs[this.places.mask]!, (mask) =>
        withScratch(device, [counts.bytes], ([offsets]) => {
          const out = emptyTensor(device, [counts.run(mask, offsets!)], this.dtype);
          write.point('x', x);
          write.point('mask', mask);
          write.point('offsets', offsets!);
          write.point('out', out.storage.address);
          write.run();
          return [out];
        }),
      ),
    );
  }

  free(): void {
    for (const part of [this.x, this.mask, this.counts, this.write]) part.free();
  }
}

// ---- unique

export const unique: LibraryKernel = (device, inputs, _attrs, outputs) =>
  new Unique(device, layoutOf(inputs, 'x'), placeOf(inputs, 'x'), outputs);

class Unique implements LibraryRun {
  private readonly input: ContiguousInput;
  private readonly sort: KernelLaunch;
  private readonly counts: BlockCounts;
  private readonly write: KernelLaunch;
  private readonly sizes: KernelLaunch;
  private readonly n: number;
  private readonly dtype: Dtype;

  constructor(
    private readonly device: Device,
    x: LayoutMeta,
    private readonly place: number,
    private readonly outputs: readonly TensorMeta[],
  ) {
    const n = sizeOf(x.shape);
    this.n = n;
    this.dtype = x.dtype;
    this.input = new ContiguousInput(device, x);
    this.sort = functionLaunch(device, 'sortRows', x.dtype, { n, descending: 0 }, n === 0 ? 0 : 1);
    this.counts = new BlockCounts(device, 'uniqueCount', 'sorted', x.dtype, n);
    this.write = functionLaunch(device, 'uniqueWrite', x.dtype, { n, blockSize }, Math.ceil(n / blockSize));
    this.sizes = functionLaunch(device, 'uniqueSizes', x.dtype, { n }, 0);
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, n, counts } = this;
    const [elements, places] = [n * bytesOf[this.dtype], n * bytesOf.int32];
    return this.input.with(inputs[this.place]!, (x) =>
      withScratch(device, [elements, places, elements, places, counts.bytes], ([sorted, order, spare, spareOrder, offsets]) => {
        this.sortInto(x, sorted!, order!, spare!, spareOrder!);
        const groups = counts.run(sorted!, offsets!);
        // The spare order has served, and has room for the places where groups start.
        return this.writeGroups(groups, sorted!, order!, spareOrder!, offsets!);
      }),
    );
  }

  free(): void {
    for (const part of [this.input, this.sort, this.counts, this.write, this.sizes]) part.free();
  }

  private sortInto(x: number, sorted: number, order: number, spare: number, spareOrder: number): void {
    const { sort } = this;
    sort.point('x', x);
    sort.point('values', sorted);
    sort.point('index', order);
    sort.point('scratch', spare);
    sort.point('scratchIndex', spareOrder);
    sort.run();
  }

  private writeGroups(groups: number, sorted: number, order: number, starts: number, offsets: number): Tensor[] {
    const { device, outputs, write, sizes } = this;
    const lengths = [groups, groups, this.n, groups];
    const results = lengths.map((length, index) => emptyTensor(device, [length], outputs[index]!.dtype));
    const [values, firstIndex, inverse, counts] = results.map(({ storage }) => storage.address);
    write.point('sorted', sorted);
    write.point('order', order);
    write.point('offsets', offsets);
    write.point('values', values!);
    write.point('starts', starts);
    write.point('firstIndex', firstIndex!);
    write.point('inverse', inverse!);
    write.run();
    sizes.set('groups', groups);
    sizes.point('starts', starts);
    sizes.point('sizes', counts!);
    sizes.run(groups);
    return results;
  }
}
