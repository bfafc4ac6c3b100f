/**
 * The gradient of few filters, with kernels of kernels/lower/thin-gradient.ts. How work is cut is decided from shapes when the op is
 * bound; parts of the batch are summed apart, and then added in their order, so that results do not depend on threads.
 */
import { bytesOf } from '../../kernels/ir.js';
import { sumThinPartsKernel, thinGradientKernel } from '../../kernels/lower/thin-gradient.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { Geometry } from './geometry.js';
import type { LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch } from './launch.js';
import { copiesOf, joinedProducts, stripsOf, windowProducts } from './strips.js';

const thinGradientKernels = remembered(thinGradientKernel);
const sumThinPartsKernels = remembered(sumThinPartsKernel);

/** Items worth making for threads to share, and the multiplications an item should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Elements of a strip: every tile goes through all of it. */
const stripElements = 24 << 10;

/** Filters and places of the window in a tile, for as many filters; with 32 registers, and with 16. */
const wideTiles = [
  [1, 9],
  [2, 9],
  [4, 6],
  [6, 4],
] as const;
const narrowTiles = [
  [1, 6],
  [2, 4],
] as const;

/** Whether vectors of filters would be mostly empty; or half empty, with few channels to fill the other side of a tile. */
export function isThin({ filters, channels }: Geometry, lanes: number): boolean {
  return lanes > 1 && filters <= lanes / (channels <= 4 ? 2 : 4);
}

export class ThinGradient implements LibraryRun {
  private readonly tables: readonly Table[];
  private readonly products: KernelLaunch;
  private readonly sums: KernelLaunch;
  private readonly stripBytes: number;
  private readonly partialBytes: number;

  constructor(
    private readonly device: Device,
    tier: Tier,
    private readonly output: TensorMeta,
    geometry: Geometry,
    x: LayoutMeta,
    dout: LayoutMeta,
    private readonly places: { readonly dout: number; readonly x: number },
  ) {
    const { groups, channels, filters, result } = geometry;
    const { dtype } = output;
    const lanes = lanesFor(dtype, tier.target.vectorBytes);
    const tiles = tier.target.vectorBytes >= 64 ? wideTiles : narrowTiles;
    const [tileFilters, tileTaps] = tiles.find(([most]) => filters <= most) ?? tiles.at(-1)!;
    const windows = joinedProducts(windowProducts(geometry));
    const cuts = cutsOf(geometry);
    const strips = stripsOf(x, channels, windows, cuts.stripRows, result[1]);
    const length = strips.taps.length;
    const padded = (count: number, step: number): number => Math.ceil(count / step) * step;
    const [paddedFilters, paddedTaps] = [padded(filters, tileFilters), padded(length, tileTaps)];
    const groupPartial = paddedFilters * paddedTaps * lanes;
    const gradientStart = strips.size + lanes;
    const gradientSize = cuts.stripRows * result[1];
    const scratchSize = gradientStart + paddedFilters * gradientSize + lanes;
    const jobs = cuts.parts * groups;
    const itemJobs = Math.max(1, Math.ceil(jobs / wantedItems));
    const items = Math.ceil(jobs / itemJobs);
    const integers = {
      ...strips.integers,
      ...{ jobs, itemJobs, groups, ...cuts.strips, stripRows: cuts.stripRows, rows: result[0], filters, length },
      ...{ imageStride: x.strides[0]!, groupStride: channels * x.strides[1]!, gradientImage: dout.strides[0]! },
      ...{ gradientFilter: dout.strides[1]!, gradientRow: dout.strides[2]! },
      ...{ gradientColumn: dout.shape[3] === 1 ? 1 : dout.strides[3]! },
      ...{ gradientStart, gradientSize, scratchSize, groupPartial, paddedTaps },
    };
    const form = { storage: dtype, lanes, contiguous: strips.contiguous, filters: tileFilters, taps: tileTaps };
    const cost = itemJobs * cuts.strips.partStrips * gradientSize * filters * length;
    this.products = new KernelLaunch(device, tier.compile(thinGradientKernels(form)), integers, items, grainFor(cost));
    const sizes = { parts: cuts.parts, partSize: groups * groupPartial, groupPartial, length, filters, paddedTaps };
    const sumKernel = tier.compile(sumThinPartsKernels({ storage: dtype, lanes }));
    this.sums = new KernelLaunch(device, sumKernel, sizes, groups * filters, grainFor(cuts.parts * length * lanes));
    this.tables = [new Table(device, strips.copies), new Table(device, strips.taps)];
    this.products.point('copies', this.tables[0]!.address);
    this.products.point('taps', this.tables[1]!.address);
    const packed = bytesOf[packedStorage(dtype)];
    this.stripBytes = items * scratchSize * packed;
    this.partialBytes = jobs * groupPartial * packed;
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, products, sums } = this;
    return withScratch(device, [this.stripBytes, this.partialBytes], ([strip, partial]) => {
      const out = emptyTensor(device, this.output.shape, this.output.dtype);
      products.point('x', addressOf(inputs[this.places.x]!));
      products.point('dout', addressOf(inputs[this.places.dout]!));
      products.point('strip', strip!);
      products.point('partial', partial!);
      products.run();
      sums.point('partial', partial!);
      sums.point('out', out.storage.address);
      sums.run();
      return [out];
    });
  }

  free(): void {
    for (const part of [this.products, this.sums, ...this.tables]) part.free();
  }
}

interface Cuts {
  readonly stripRows: number;
  readonly parts: number;
  readonly strips: { readonly strips: number; readonly allStrips: number; readonly partStrips: number };
}

function cutsOf(geometry: Geometry): Cuts {
  const { images, groups, channels, filters, window, result } = geometry;
  const [rows, columns] = result;
  const { copyCount, extraRows } = copiesOf(joinedProducts(windowProducts(geometry)));
  const work = images * groups * channels * filters * window[0] * window[1] * rows * columns;
  const partsWanted = Math.ceil(Math.max(1, Math.min(wantedItems, work / smallestItem)) / groups);
  const rowElements = columns * (channels * copyCount + filters);
  const cached = Math.floor((stripElements - extraRows * channels * copyCount * columns) / Math.max(rowElements, 1));
  const most = Math.max(1, Math.min(rows, cached, Math.ceil((images * rows) / partsWanted)));
  const strips = Math.ceil(rows / most);
  const allStrips = images * strips;
  const partStrips = Math.ceil(allStrips / partsWanted);
  return {
    stripRows: Math.ceil(rows / strips),
    parts: Math.ceil(allStrips / partStrips),
    strips: { strips, allStrips, partStrips },
  };
}
