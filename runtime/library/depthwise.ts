/**
 * Passes of convolutions over one channel with one filter each (kernels/lower/depthwise.ts): where they are of use, and their binding.
 */
import { bytesOf } from '../../kernels/ir.js';
import { depthwiseKernel } from '../../kernels/lower/depthwise.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import { cutsOf, joinedLanes } from './convolution-cuts.js';
import { type BoundPass, filterPanels, type Pass, type PassContext } from './convolution-pass.js';
import { grainFor, KernelLaunch, remembered, Table } from './launch.js';
import { Packing } from './packing.js';
import { type AxisProduct, stripsOf } from './strips.js';

const depthwiseKernels = remembered(depthwiseKernel);

/** Products of the largest window whose kernel is short: each is written out for all rows of a tile. */
const mostProducts = 25;
/** Of a tile: the fewest sums that keep multipliers busy. Taller and wider ones gain nothing, and take longer to compile. */
const tile = { rows: 4, vectors: 2 } as const;

/** Whether there is one channel and one filter, a window without gaps, and a wide vector or more in a row of results. */
export function slides({ tier, source, sourceChannels, resultChannels }: PassContext, pass: Pass): boolean {
  const { rowProducts, columnProducts, columns, outColumn } = pass;
  const lanes = lanesFor(source.dtype, tier.target.vectorBytes);
  if (lanes < joinedLanes || columns < lanes || sourceChannels !== 1 || resultChannels !== 1) return false;
  return (
    outColumn === 1 &&
    rowProducts.length * columnProducts.length <= mostProducts &&
    isGapless(rowProducts) &&
    isGapless(columnProducts)
  );
}

const isGapless = (products: readonly AxisProduct[]): boolean =>
  products.length > 0 && inOrder(products).every(({ offset, shift }, at) => shift === at && offset === products[0]!.offset);

const inOrder = (products: readonly AxisProduct[]): AxisProduct[] => products.toSorted((a, b) => a.shift - b.shift);

export class DepthwisePass implements BoundPass {
  readonly weight: Packing;
  readonly stripBytes: number;
  private readonly copies: Table;
  private readonly launch: KernelLaunch;

  constructor(context: PassContext, pass: Pass) {
    const { device, tier, output, source, groups, bias } = context;
    const { rows, columns, outStart, outRow } = pass;
    const { strides, dtype } = source;
    const [rowProducts, columnProducts] = [inOrder(pass.rowProducts), inOrder(pass.columnProducts)];
    const products = { rowProducts, columnProducts, step: pass.step };
    const length = rowProducts.length * columnProducts.length;
    const lanes = lanesFor(dtype, tier.target.vectorBytes);
    this.weight = new Packing(device, tier, filterPanels(context, { ...pass, ...products }, 1));
    const cutTile = { rows: 1, vectors: tile.vectors, lanes };
    const sizes = { matrices: output.shape[0]! * groups, filters: 1, rows, columns, length, sourceChannels: 1, tile: cutTile };
    const { stripRows, strips: stripCount, jobs, itemJobs } = cutsOf(sizes, products, false);
    const { copies, ...strips } = stripsOf(source, 1, products, stripRows, columns, lanes);
    // The pixels of a row begin at a multiple of a vector, after as many zeros as there are before them.
    const before = copies[2]!;
    const lead = (lanes - (before % lanes)) % lanes;
    const outFilter = output.shape[2]! * output.shape[3]!;
    const integers = {
      ...strips.integers,
      ...{ groups, rows, jobs, itemJobs, strips: stripCount, stripRows, scratchSize: strips.size + lanes, lead },
      ...{ groupWeights: this.weight.matrixSize, biasStride: bias?.strides[0] ?? 0 },
      ...{ imageStride: strides[0]!, groupStride: strides[1]!, outStart, outRow },
      ...{ outImage: groups * outFilter, outGroup: outFilter },
    };
    const kernel = depthwiseKernels({
      ...{ storage: dtype, lanes, ...tile, contiguous: strips.contiguous, biased: bias !== undefined },
      ...{ windowRows: rowProducts.length, windowColumns: columnProducts.length },
    });
    const items = Math.ceil(jobs / itemJobs);
    this.stripBytes = items * (strips.size + lanes) * bytesOf[packedStorage(dtype)];
    this.copies = new Table(device, copies);
    this.launch = new KernelLaunch(
      device,
      tier.compile(kernel),
      integers,
      items,
      grainFor(itemJobs * stripRows * columns * length),
    );
    this.launch.point('copies', this.copies.address);
  }

  run(addresses: Readonly<Record<string, number>>): void {
    this.launch.runWith(addresses);
  }

  free(): void {
    this.launch.free();
    this.weight.free();
    this.copies.free();
  }
}
