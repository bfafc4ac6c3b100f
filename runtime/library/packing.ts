/** Copies of matrices as products read them; layouts are bound once, addresses given for each run. */
import { bytesOf } from '../../kernels/ir.js';
import { copyRowsKernel, packKernel } from '../../kernels/lower/packing.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { grainFor, KernelLaunch, remembered, Table } from './launch.js';

const packKernels = remembered(packKernel);
const copyRowsKernels = remembered(copyRowsKernel);

/** Elements that are copied to a panel, row by row, before the next panel's turn, and elements that an item copies in that way. */
const elementsAtOnce = 1 << 8;
const elementsOfItem = 1 << 15;

/** Multiplications that take as long as copying an element in lanes. */
const copyCost = 6;

export interface PackingPlan {
  readonly dtype: Dtype;
  /** Columns of a panel. */
  readonly width: number;
  /** Elements from one row of a panel to the next: `width` where nothing else is said. */
  readonly pitch?: number;
  readonly columns: number;
  readonly columnStride: number;
  readonly length: number;
  /** Between the elements of a column, or where each of them lies. */
  readonly rowStride: number | readonly number[];
  /** Where each matrix begins. */
  readonly offsets: readonly number[];
  /** Whether the last panel ends with the last column, where there are enough of them, and overlaps the panel before. */
  readonly overlaps?: boolean;
}

/** Memory that a copy of matrices is written to, each `matrixSize` elements after the one before. */
export interface MatrixCopy {
  readonly matrixSize: number;
  readonly bytes: number;
  run(source: number, target: number): void;
  free(): void;
}

export class Packing implements MatrixCopy {
  readonly matrixSize: number;
  readonly bytes: number;
  private readonly launch: KernelLaunch;
  private readonly tables: readonly Table[];

  constructor(device: Device, tier: Tier, plan: PackingPlan) {
    const { dtype, width, pitch = width, columns, columnStride, length, rowStride, offsets, overlaps = false } = plan;
    const panels = Math.ceil(columns / width);
    this.matrixSize = panels * pitch * length;
    this.bytes = this.matrixSize * offsets.length * bytesOf[packedStorage(dtype)];
    const lanes = lanesFor(dtype, tier.target.vectorBytes);
    const indexed = typeof rowStride !== 'number';
    const byRows = columnStride === 1 && pitch % lanes === 0;
    const byColumns = !byRows && rowStride === 1 && width % lanes === 0;
    const copied = byRows || byColumns ? lanes : 1;
    const along = byColumns && lanes > 1 ? 'columns' : 'rows';
    const kernel = packKernels({ storage: dtype, width, pitch, along, lanes: copied, indexed });
    const lastStart = overlaps && columns >= width ? columns - width : (panels - 1) * width;
    const blocks = blocksOf(panels, pitch, length, byRows);
    const integers = { panels, n: columns, k: length, rowStride: indexed ? 0 : rowStride, columnStride, lastStart, ...blocks };
    const cost = pitch * blocks.blockPanels * blocks.blockRows * (copied > 1 ? copyCost : 4 * copyCost);
    const items = offsets.length * blocks.panelBlocks * blocks.rowBlocks;
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, items, grainFor(cost));
    this.tables = [offsets, ...(indexed ? [rowStride] : [])].map((values) => new Table(device, values));
    this.launch.point('offsets', this.tables[0]!.address);
    if (indexed) this.launch.point('rowOffsets', this.tables[1]!.address);
  }

  run(source: number, target: number): void {
    this.launch.point('x', source);
    this.launch.point('out', target);
    this.launch.run();
  }

  free(): void {
    this.launch.free();
    for (const table of this.tables) table.free();
  }
}

interface PackingBlocks {
  readonly panelBlocks: number;
  readonly blockPanels: number;
  readonly rowBlocks: number;
  readonly blockRows: number;
}

/** Rows that lie side by side are read some at a time, across the panels; columns one panel after the other. */
function blocksOf(panels: number, pitch: number, length: number, byRows: boolean): PackingBlocks {
  const blockRows = Math.max(1, byRows ? Math.min(Math.ceil(elementsAtOnce / pitch), length) : length);
  const blockPanels = byRows ? Math.ceil(elementsOfItem / (pitch * blockRows)) : 1;
  return { blockPanels, panelBlocks: Math.ceil(panels / blockPanels), blockRows, rowBlocks: Math.ceil(length / blockRows) };
}

export interface RowCopyPlan {
  readonly dtype: Dtype;
  readonly rows: number;
  readonly rowStride: number;
  readonly columns: number;
  readonly columnStride: number;
  /** Elements from one row of the copy to the next. */
  readonly pitch: number;
  /** Where each matrix begins. */
  readonly offsets: readonly number[];
}

/** Matrices copied row by row. */
export class RowCopy implements MatrixCopy {
  readonly matrixSize: number;
  readonly bytes: number;
  private readonly launch: KernelLaunch;
  private readonly table: Table;

  constructor(device: Device, tier: Tier, { dtype, rows, rowStride, columns, columnStride, pitch, offsets }: RowCopyPlan) {
    this.matrixSize = rows * pitch;
    this.bytes = this.matrixSize * offsets.length * bytesOf[packedStorage(dtype)];
    const kernel = copyRowsKernels({ storage: dtype, contiguous: columnStride === 1 });
    const integers = { rows, columns, rowStride, columnStride, pitch };
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, rows * offsets.length, grainFor(copyCost * columns));
    this.table = new Table(device, offsets);
    this.launch.point('offsets', this.table.address);
  }

  run(source: number, target: number): void {
    this.launch.point('x', source);
    this.launch.point('out', target);
    this.launch.run();
  }

  free(): void {
    this.launch.free();
    this.table.free();
  }
}
