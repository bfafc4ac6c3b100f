/**
 * The gradient of a convolution's filters. The kernels are in kernels/lower/filter-gradient.ts; here stand their tables, and how work
 * is cut, decided from shapes and strides when the op is bound. Parts of the batch are summed apart, and then added in their order, so
 * that results do not depend on threads.
 */
import { bytesOf } from '../../kernels/ir.js';
import { filterGradientKernel, sumPartsKernel } from '../../kernels/lower/filter-gradient.js';
import { lanesFor, packedStorage, range } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { type Geometry, geometryOf, workOf } from './geometry.js';
import { groupFilterGradient } from './group-convolution.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch, zeros } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { isThin, ThinGradient } from './thin-gradient.js';

const filterGradientKernels = remembered(filterGradientKernel);
const sumPartsKernels = remembered(sumPartsKernel);

/** Items worth making for threads to share, and the multiplications an item should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Elements of a strip of images and gradients: what a core's second cache holds. */
const stripElements = 128 << 10;
/** Channels of a block, at most. */
const mostChannels = 64;
/** Elements of all partial sums together, at most; there is always one part. */
const largestPartials = 1 << 23;

export const convolutionWeightGrad: LibraryKernel = (device, inputs, attrs, [output]) => {
  const [dout, x] = [layoutOf(inputs, 'dout'), layoutOf(inputs, 'x')];
  const geometry = geometryOf(x.shape, output!.shape, dout.shape, attrs);
  const places = { dout: placeOf(inputs, 'dout'), x: placeOf(inputs, 'x') };
  const empty = [...output!.shape, ...dout.shape].includes(0);
  if (empty) return { run: () => [zeros(device, output!)], free: () => {} };
  const tier = device.tier(workOf(geometry, output!));
  if (tier.target.groups) return groupFilterGradient(device, tier, output!, geometry, { x, dout }, places);
  const thin = isThin(geometry, lanesFor(output!.dtype, tier.target.vectorBytes));
  return new (thin ? ThinGradient : FilterGradient)(device, tier, output!, geometry, x, dout, places);
};

interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly lanes: number;
}

/** As many sums as the registers hold beside the operands of a step, in the shape that computes least in vain. */
function tileFor({ target }: Tier, dtype: Dtype, filters: number, runLength: number): Tile {
  const lanes = lanesFor(dtype, target.vectorBytes);
  const vectors = filters > lanes ? 2 : 1;
  const sizes = target.vectorBytes >= 64 ? [12, 8, 7] : target.vectorBytes >= 32 ? [6, 4] : [4];
  // A step costs about one multiplication more than its rows.
  const cost = (rows: number): number => Math.ceil(runLength / rows) * (rows + 1);
  const rows = sizes.reduce((best, size) => (cost(size) < cost(best) ? size : best));
  return { rows, vectors, lanes };
}

/** How the places of windows are cut into blocks of channels, and runs of neighbours within those. */
interface Runs {
  readonly blockChannels: number;
  readonly channelBlocks: number;
  readonly runLength: number;
  /** Where runs begin in the strip. */
  readonly starts: readonly number[];
  /** Where the places of a filter lie in a part, in the order of the filter's elements. */
  readonly order: readonly number[];
}

function runsOf({ channels, window, dilation }: Geometry, pitch: number): Runs {
  const channelBlocks = Math.ceil(channels / mostChannels);
  const blockChannels = Math.ceil(channels / Math.max(channelBlocks, 1));
  const joined = dilation[1] === 1;
  const runColumns = joined ? 1 : window[1];
  const starts = range(window[0]).flatMap((row) =>
    range(runColumns).map((column) => (row * dilation[0] * pitch + column * dilation[1]) * blockChannels),
  );
  const runLength = joined ? window[1] * blockChannels : blockChannels;
  const order = range(channels).flatMap((channel) =>
    range(window[0]).flatMap((row) =>
      range(window[1]).map((column) => {
        const run = row * runColumns + (joined ? 0 : column);
        const block = Math.floor(channel / blockChannels);
        return (run * channelBlocks + block) * runLength + (joined ? column * blockChannels : 0) + (channel % blockChannels);
      }),
    ),
  );
  return { blockChannels, channelBlocks, runLength, starts, order };
}

class FilterGradient implements LibraryRun {
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
    const { images, groups, channels, filters, window, result, stride, dilation, top, left } = geometry;
    const [rows, columns] = result;
    const pitch = Math.max(0, (columns - 1) * stride[1] + (window[1] - 1) * dilation[1] + 1);
    const extraRows = (window[0] - 1) * dilation[0] + 1;
    const { blockChannels, channelBlocks, runLength, starts, order } = runsOf(geometry, pitch);
    const tile = tileFor(tier, output.dtype, filters, runLength);
    const width = tile.vectors * tile.lanes;
    const paddedFilters = Math.ceil(filters / width) * width;
    const groupPartial = starts.length * channelBlocks * runLength * paddedFilters;
    const cuts = cutsOf(geometry, {
      width,
      paddedFilters,
      channelBlocks,
      blockChannels,
      pitch,
      extraRows,
      partSize: groups * groupPartial,
    });
    const imageSize = ((cuts.stripRows - 1) * stride[0] + extraRows) * pitch * blockChannels;
    const gradientStart = cuts.stripImages * imageSize + tile.rows;
    const scratchSize = gradientStart + cuts.stripImages * cuts.stripRows * columns * cuts.blockFilters;
    const packed = bytesOf[packedStorage(output.dtype)];
    const perColumn = ({ shape, strides }: LayoutMeta): number => (shape[3] === 1 ? 1 : strides[3]!);
    const integers = {
      ...{ groups, channelBlocks, filterBlocks: cuts.filterBlocks, blockChannels, blockFilters: cuts.blockFilters },
      ...{ channels, filters, paddedFilters, partStrips: cuts.partStrips, allStrips: cuts.allStrips, strips: cuts.strips },
      ...{ images, stripImages: cuts.stripImages, imageSize },
      ...{ stripRows: cuts.stripRows, rows, columns, runCount: starts.length, runLength, groupPartial },
      ...{ runStride: channelBlocks * runLength * paddedFilters, height: x.shape[2]!, width: x.shape[3]! },
      ...{ imageStride: x.strides[0]!, channelStride: x.strides[1]!, rowStride: x.strides[2]!, columnStride: perColumn(x) },
      ...{ rowStep: stride[0], pixelStep: stride[1] * blockChannels, top, left, extraRows, pitch },
      ...{ gradientImage: dout.strides[0]!, gradientFilter: dout.strides[1]!, gradientRow: dout.strides[2]! },
      ...{ gradientColumn: perColumn(dout), gradientStart, scratchSize },
    };
    const form = { storage: output.dtype, ...tile };
    const items = cuts.parts * groups * cuts.filterBlocks * channelBlocks;
    const cost = cuts.partStrips * cuts.stripRows * columns * cuts.blockFilters * starts.length * runLength;
    this.products = new KernelLaunch(device, tier.compile(filterGradientKernels(form)), integers, items, grainFor(cost));
    const length = order.length;
    const sizes = { parts: cuts.parts, partSize: groups * groupPartial, groupPartial, length, filters, paddedFilters };
    const sumParts = sumPartsKernels({ storage: output.dtype, lanes: tile.lanes });
    const vectors = (groups * paddedFilters) / tile.lanes;
    this.sums = new KernelLaunch(device, tier.compile(sumParts), sizes, vectors, grainFor(cuts.parts * length * tile.lanes));
    this.tables = [new Table(device, starts), new Table(device, order)];
    this.products.point('runs', this.tables[0]!.address);
    this.sums.point('order', this.tables[1]!.address);
    this.stripBytes = items * scratchSize * packed;
    this.partialBytes = cuts.parts * groups * groupPartial * packed;
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

interface Sizes {
  readonly width: number;
  readonly paddedFilters: number;
  readonly channelBlocks: number;
  readonly blockChannels: number;
  readonly pitch: number;
  readonly extraRows: number;
  readonly partSize: number;
}

interface Cuts {
  /** More than one where a strip has room for whole images. */
  readonly stripImages: number;
  readonly allStrips: number;
  readonly stripRows: number;
  readonly strips: number;
  readonly parts: number;
  readonly partStrips: number;
  readonly filterBlocks: number;
  readonly blockFilters: number;
}

/** Strips that a cache holds, in as many parts as threads want; where there is no room for those, filters are cut into blocks. */
function cutsOf({ images, groups, channels, filters, window, result, stride }: Geometry, sizes: Sizes): Cuts {
  const { width, paddedFilters, channelBlocks, blockChannels, pitch, extraRows, partSize } = sizes;
  const [rows, columns] = result;
  const work = images * groups * channels * filters * window[0] * window[1] * rows * columns;
  const wanted = Math.max(1, Math.min(wantedItems, Math.ceil(work / smallestItem)));
  const rowElements = stride[0] * pitch * blockChannels + columns * paddedFilters;
  const imageElements = rows * rowElements + extraRows * pitch * blockChannels;
  const partsWanted = Math.max(1, Math.ceil(wanted / Math.max(groups * channelBlocks, 1)));
  const cachedRows = Math.floor((stripElements - extraRows * pitch * blockChannels) / Math.max(rowElements, 1));
  const most = Math.max(1, Math.min(rows, cachedRows, Math.ceil((images * rows) / partsWanted)));
  const strips = Math.max(1, Math.ceil(rows / most));
  const stripRows = Math.max(1, Math.ceil(rows / strips));
  const cachedImages = Math.min(Math.floor(stripElements / Math.max(imageElements, 1)), Math.ceil(images / partsWanted));
  const stripImages = strips > 1 ? 1 : Math.max(1, cachedImages);
  const allStrips = Math.ceil(images / stripImages) * strips;
  const room = Math.max(1, Math.floor(largestPartials / Math.max(partSize, 1)));
  const partStrips = Math.max(1, Math.ceil(allStrips / Math.min(room, partsWanted)));
  const parts = Math.max(1, Math.ceil(allStrips / partStrips));
  const blocksWanted = Math.max(1, Math.ceil(wanted / Math.max(parts * groups * channelBlocks, 1)));
  const blockFilters = Math.max(width, Math.ceil(paddedFilters / width / blocksWanted) * width);
  const filterBlocks = Math.ceil(paddedFilters / blockFilters);
  return { stripImages, allStrips, stripRows, strips, parts, partStrips, blockFilters, filterBlocks };
}
