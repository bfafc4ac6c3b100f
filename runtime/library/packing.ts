/** Copies of matrices in panels, as the register tiles of products read them; layouts are bound once, addresses given for each run. */

import { bytesOf } from '../../kernels/ir.js';
import { packKernel } from '../../kernels/lower/gemm.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { grainFor, KernelLaunch, remembered, Table } from './launch.js';

const packKernels = remembered(packKernel);

export interface PackingPlan {
  readonly dtype: Dtype;
  /** Columns of a panel. */
  readonly width: number;
  readonly columns: number;
  readonly columnStride: number;
  readonly length: number;
  /** Between the elements of a column, or where each of them lies. */
  readonly rowStride: number | readonly number[];
  /** Where each matrix begins. */
  readonly offsets: readonly number[];
}

export class Packing {
  /** Of one packed matrix, in elements. */
  readonly matrixSize: number;
  readonly bytes: number;
  private readonly launch: KernelLaunch;
  private readonly tables: readonly Table[];

  constructor(device: Device, tier: Tier, { dtype, width, columns, columnStride, length, rowStride, offsets }: PackingPlan) {
    const panels = Math.ceil(columns / width);
    this.matrixSize = panels * width * length;
    this.bytes = this.matrixSize * offsets.length * bytesOf[packedStorage(dtype)];
    const lanes = lanesFor(dtype, tier.target.vectorBytes);
    const indexed = typeof rowStride !== 'number';
    const copied = columnStride === 1 && width % lanes === 0 ? lanes : 1;
    const kernel = packKernels({ storage: dtype, width, lanes: copied, indexed });
    const integers = { panels, n: columns, k: length, rowStride: indexed ? 0 : rowStride, columnStride };
    this.launch = new KernelLaunch(
      device,
      tier.compile(kernel),
      integers,
      panels * offsets.length,
      grainFor((8 * width * length) / copied),
    );
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
