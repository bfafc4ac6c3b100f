/**
 * Sorting along the last axis, and the k best of each row: found in one go over the row where k is small, on a GPU by the ranks within ever
 * fewer stretches, else by sorting it. The loops are kernel functions (kernels/functions/sort.ts, radix.ts, ranks.ts).
 */
import { bytesOf } from '../../kernels/ir.js';
import type { Attrs, LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { StridedCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import { sizeOf } from '../layout.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { functionLaunch, type KernelLaunch, withScratch } from './launch.js';
import { ContiguousInput, layoutOf, placeOf } from './operands.js';
import { firstOfRows, isFoundByRanks } from './ranks.js';
import { keyOrder, type RowSort, type Rows, rowSort } from './row-sort.js';

/** More than so many of a row are found by sorting it. */
const mostSelected = 32;
/** Rows of at least so many elements have columns to be looked through first (kernels/functions/sort.ts, topkRowsByKeys). */
const leastByKeys = 64;
/** The integers for each row that topkRowsByKeys keeps aside. */
const keysOfRow = 128;

function rowsOf({ shape, dtype }: LayoutMeta, descending: boolean): Rows {
  return { rows: sizeOf(shape.slice(0, -1)), n: shape.at(-1)!, dtype, descending };
}

/** A kernel from rows of x to values and places. */
abstract class RowKernel implements LibraryRun {
  private readonly input: ContiguousInput;

  constructor(
    protected readonly device: Device,
    x: LayoutMeta,
    private readonly place: number,
    private readonly outputs: readonly TensorMeta[],
  ) {
    this.input = new ContiguousInput(device, x);
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    return this.input.with(inputs[this.place]!, (x) => {
      const results = this.outputs.map(({ shape, dtype }) => emptyTensor(this.device, shape, dtype));
      const [values, index] = results.map(({ storage }) => storage.address);
      this.fill(x, values!, index!);
      return results;
    });
  }

  free(): void {
    this.input.free();
  }

  protected abstract fill(x: number, values: number, index: number): void;
}

export const sortRows: LibraryKernel = (device, inputs, attrs, outputs) => {
  const x = layoutOf(inputs, 'x');
  const sort = rowSort(device, rowsOf(x, attrs.descending === true));
  return new SortRows(device, x, placeOf(inputs, 'x'), outputs, sort);
};

class SortRows extends RowKernel {
  constructor(
    device: Device,
    x: LayoutMeta,
    place: number,
    outputs: readonly TensorMeta[],
    private readonly sort: RowSort,
  ) {
    super(device, x, place, outputs);
  }

  override free(): void {
    super.free();
    this.sort.free();
  }

  protected override fill(x: number, values: number, index: number): void {
    this.sort.run(x, values, index);
  }
}

export const topkRows: LibraryKernel = (device, inputs, attrs, outputs) => {
  const x = layoutOf(inputs, 'x');
  const place = placeOf(inputs, 'x');
  const k = Number(attrs.k);
  if (device.machine === 'gpu') {
    const rows = rowsOf(x, attrs.largest === true);
    if (isFoundByRanks(rows, k)) return new SortRows(device, x, place, outputs, firstOfRows(device, rows, k));
    return new TopOfSorted(device, x, place, outputs, attrs);
  }
  const Kernel = k > mostSelected ? TopOfSorted : TopSelected;
  return new Kernel(device, x, place, outputs, attrs);
};

class TopSelected extends RowKernel {
  private readonly launch: KernelLaunch;
  /** Of the keys of topkRowsByKeys; null where rows are short or keys too wide. */
  private readonly keyBytes: number | null;

  constructor(device: Device, x: LayoutMeta, place: number, outputs: readonly TensorMeta[], { k, largest }: Attrs) {
    super(device, x, place, outputs);
    const { rows, n, dtype } = rowsOf(x, false);
    const hasKeys = bytesOf[dtype] < 8 && n >= leastByKeys;
    const order = hasKeys ? keyOrder(dtype, largest !== true) : { largest: Number(largest) };
    const name = hasKeys ? 'topkRowsByKeys' : 'topkRows';
    this.launch = functionLaunch(device, name, { T: dtype }, { n, k: Number(k), ...order }, rows, 2 * n);
    this.keyBytes = hasKeys ? rows * keysOfRow * bytesOf.int32 : null;
  }

  override free(): void {
    super.free();
    this.launch.free();
  }

  protected override fill(x: number, values: number, index: number): void {
    const { launch, keyBytes } = this;
    if (keyBytes === null) launch.runWith({ x, values, index });
    else withScratch(this.device, [keyBytes], ([keys]) => launch.runWith({ x, values, index, keys: keys! }));
  }
}

class TopOfSorted extends RowKernel {
  private readonly sort: RowSort;
  private readonly copies: readonly StridedCopy[];
  private readonly sortedBytes: readonly number[];

  constructor(device: Device, x: LayoutMeta, place: number, outputs: readonly TensorMeta[], { k, largest }: Attrs) {
    super(device, x, place, outputs);
    const rows = rowsOf(x, largest === true);
    this.sort = rowSort(device, rows);
    const shape = [rows.rows, Number(k)];
    this.copies = outputs.map(
      ({ dtype }) => new StridedCopy(device, { shape, strides: [rows.n, 1] }, { strides: [Number(k), 1] }, dtype),
    );
    this.sortedBytes = outputs.map(({ dtype }) => rows.rows * rows.n * bytesOf[dtype]);
  }

  override free(): void {
    super.free();
    for (const part of [this.sort, ...this.copies]) part.free();
  }

  protected override fill(x: number, values: number, index: number): void {
    withScratch(this.device, this.sortedBytes, (sorted) => {
      this.sort.run(x, sorted[0]!, sorted[1]!);
      for (const [output, to] of [values, index].entries()) this.copies[output]!.run(sorted[output]!, to);
    });
  }
}
