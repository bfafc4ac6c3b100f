/**
 * Ops whose results have a size that depends on data: nonzero, maskedSelect and unique. Each counts first, block by block, reads the
 * counts back, and then writes results of the right size. The loops are kernel functions (kernels/functions/select.ts, unique.ts).
 */
import { bytesOf } from '../../kernels/ir.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import type { Device } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { sizeOf } from '../layout.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { functionLaunch, type KernelLaunch, Table, withScratch } from './launch.js';
import { ContiguousInput, layoutOf, placeOf } from './operands.js';
import { type RowSort, rowSort } from './row-sort.js';

/** Elements that one work item counts and writes. */
const blockSize = 4096;

/** A launch with a work item for each block of n elements. */
const overBlocks = (device: Device, name: string, dtype: Dtype, integers: Record<string, number>, n: number): KernelLaunch =>
  functionLaunch(device, name, { T: dtype }, integers, Math.ceil(n / blockSize), blockSize);

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
    this.launch = overBlocks(device, countFunction, dtype, { n, blockSize }, n);
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
    this.write = overBlocks(device, 'nonzeroWrite', x.dtype, integers, n);
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
    this.write = overBlocks(device, 'maskedSelectWrite', x.dtype, { n, blockSize }, n);
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
  private readonly sort: RowSort;
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
    this.sort = rowSort(device, { rows: 1, n, dtype: x.dtype, descending: false });
    this.counts = new BlockCounts(device, 'uniqueCount', 'sorted', x.dtype, n);
    this.write = overBlocks(device, 'uniqueWrite', x.dtype, { n, blockSize }, n);
    this.sizes = functionLaunch(device, 'uniqueSizes', { T: x.dtype }, { n }, n, 1);
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, n, counts } = this;
    const [elements, places] = [n * bytesOf[this.dtype], n * bytesOf.int32];
    return this.input.with(inputs[this.place]!, (x) =>
      withScratch(device, [elements, places, places, counts.bytes], ([sorted, order, starts, offsets]) => {
        this.sort.run(x, sorted!, order!);
        const groups = counts.run(sorted!, offsets!);
        return this.writeGroups(groups, sorted!, order!, starts!, offsets!);
      }),
    );
  }

  free(): void {
    for (const part of [this.input, this.sort, this.counts, this.write, this.sizes]) part.free();
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
