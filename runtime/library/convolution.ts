/**
 * Two-dimensional convolution of [n, c, h, w] with [o, c / groups, kh, kw], and its gradients. Kernels are in
 * kernels/lower/convolution.ts; here stand the tables of distances, the phases of a strided gradient, and how work is cut, all of it
 * decided from shapes and strides when the op is bound. Windows of one pixel are matrix products.
 *
 * The gradient of the images is itself a convolution of `dout`: one for each remainder of a pixel's place modulo the stride, with
 * those products of the window that reach such pixels. The gradient of the filters is summed for a few images at a time, and these
 * parts are added in order, so that results do not depend on threads.
 */
import { bytesOf } from '../../kernels/ir.js';
import { convolutionKernel, tailVectors } from '../../kernels/lower/convolution.js';
import { lanesFor, packedStorage, range } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { bindProduct, type Product } from './gemm.js';
import { type Geometry, geometryOf, type Pair, workOf } from './geometry.js';
import { groupConvolution, groupImageGradient } from './group-convolution.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { Packing, type PackingPlan } from './packing.js';
import { copiesOf, joinedProducts, stripsOf, type WindowProducts, windowProducts } from './strips.js';

const convolutionKernels = remembered(convolutionKernel);

/** Items worth making for threads to share, and the multiplications an item should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Elements of a strip: what a core's second cache holds beside results and filters. */
const stripElements = 160 << 10;
// ---- Products of windows and filters

/** One pass over the images: which products it sums, with which weights, and where results go. */
interface Pass extends WindowProducts {
  readonly rows: number;
  readonly columns: number;
  readonly outStart: number;
  readonly outRow: number;
  readonly outColumn: number;
}

/** What the passes of an op share. */
interface PassContext {
  readonly device: Device;
  readonly tier: Tier;
  readonly output: TensorMeta;
  readonly source: LayoutMeta;
  readonly weight: LayoutMeta;
  readonly groups: number;
  /** Channels of the source, and of the result, of a group. */
  readonly sourceChannels: number;
  readonly resultChannels: number;
  /** Strides of the filters from one channel of the source to the next, and from one of the result. */
  readonly perSource: number;
  readonly perResult: number;
  readonly groupWeights: number;
  readonly bias?: LayoutMeta | undefined;
}

class PassRun {
  readonly weight: Packing;
  readonly stripBytes: number;
  private readonly tables: readonly Table[];
  private readonly launch: KernelLaunch;

  constructor(context: PassContext, pass: Pass) {
    const { device, tier, output, source, groups, sourceChannels, resultChannels, bias } = context;
    const { rows, columns, outStart, outRow, outColumn } = pass;
    const { strides, dtype } = source;
    const tile = tileFor(tier, dtype, resultChannels);
    const width = tile.vectors * tile.lanes;
    this.weight = new Packing(device, tier, filterPanels(context, pass, tile.rows));
    const length = sourceChannels * pass.rowProducts.length * pass.columnProducts.length;
    const sizes = { matrices: output.shape[0]! * groups, filters: resultChannels, rows, columns, length, sourceChannels, tile };
    const { isJoined, products, ...cuts } = cheapestCuts(sizes, pass);
    const { copies, taps, ...strips } = stripsOf(source, sourceChannels, products, cuts.stripRows, columns);
    const tileStart = strips.size + width;
    const scratchSize = tileStart + tile.rows * width;
    this.tables = [new Table(device, copies), new Table(device, taps)];
    const outFilter = output.shape[2]! * output.shape[3]!;
    const integers = {
      ...strips.integers,
      ...{ groups, filters: resultChannels, rows, length, ...cuts, scratchSize, tileStart, groupWeights: this.weight.matrixSize },
      ...{ joined: isJoined ? 1 : 0, biasStride: bias?.strides[0] ?? 0 },
      ...{ imageStride: strides[0]!, groupStride: sourceChannels * strides[1]!, outFilter, outRow, outColumn, outStart },
      ...{ outImage: groups * resultChannels * outFilter, outGroup: resultChannels * outFilter },
    };
    const dense = outColumn === 1 && (!isJoined || outRow === columns);
    const kernel = convolutionKernels({
      storage: dtype,
      ...tile,
      contiguous: strips.contiguous,
      dense,
      biased: bias !== undefined,
    });
    const items = Math.ceil(cuts.jobs / cuts.itemJobs);
    this.stripBytes = items * scratchSize * bytesOf[packedStorage(dtype)];
    const cost = cuts.itemJobs * cuts.stripRows * cuts.blockFilters * columns * length;
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, rows * columns === 0 ? 0 : items, grainFor(cost));
    this.launch.point('copies', this.tables[0]!.address);
    this.launch.point('taps', this.tables[1]!.address);
  }

  run(addresses: Readonly<Record<string, number>>): void {
    for (const [buffer, address] of Object.entries(addresses)) this.launch.point(buffer, address);
    this.launch.run();
  }

  free(): void {
    this.launch.free();
    this.weight.free();
    for (const table of this.tables) table.free();
  }
}

interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly lanes: number;
}

/** The tile's rows and vectors for that many filters: as many sums as the registers hold beside the operands of a step. */
function tileFor({ target }: Tier, dtype: Dtype, filters: number): Tile {
  const lanes = lanesFor(dtype, target.vectorBytes);
  const shapes = target.vectorBytes >= 64 ? wideTiles : target.vectorBytes >= 32 ? mediumTiles : narrowTiles;
  const [rows, vectors] = shapes.find(([most]) => filters <= most) ?? shapes.at(-1)!;
  return { rows, vectors, lanes };
}

/** For 32 registers, and for 16. */
const wideTiles: readonly Pair[] = [
  [1, 8],
  [2, 8],
  [3, 8],
  [4, 6],
  [6, 4],
  [8, 3],
];
const mediumTiles: readonly Pair[] = [
  [1, 8],
  [2, 6],
  [3, 4],
  [4, 3],
];
/** WebAssembly engines spill with more. */
const narrowTiles: readonly Pair[] = [[4, 2]];

/** The filters of a pass, in panels. */
function filterPanels(
  { weight, groups, sourceChannels, resultChannels, ...strides }: PassContext,
  pass: Pass,
  width: number,
): PackingPlan {
  const elements = range(sourceChannels).flatMap((channel) =>
    pass.rowProducts.flatMap((row) =>
      pass.columnProducts.map(
        (column) => channel * strides.perSource + row.index * weight.strides[2]! + column.index * weight.strides[3]!,
      ),
    ),
  );
  return {
    ...{ dtype: weight.dtype, width, columns: resultChannels, columnStride: strides.perResult, length: elements.length },
    rowStride: elements.every((element, at) => element === at) ? 1 : elements,
    offsets: range(groups).map((group) => group * strides.groupWeights),
  };
}

interface PassSizes {
  readonly matrices: number;
  readonly filters: number;
  readonly rows: number;
  readonly columns: number;
  readonly length: number;
  readonly sourceChannels: number;
  readonly tile: Tile;
}

interface Cuts {
  readonly stripRows: number;
  readonly strips: number;
  readonly blockFilters: number;
  readonly filterBlocks: number;
  readonly jobs: number;
  readonly itemJobs: number;
}

interface ChosenCuts extends Cuts {
  /** Whether the pixels of a strip are one run. */
  readonly isJoined: boolean;
  readonly products: WindowProducts;
}

/** What a vector costs to copy into a strip, in multiplications of a vector. */
const copyCost = 6;
/** Neighbouring tiles of narrow vectors share cache lines, and with more copies they would share less. */
const joinedLanes = 8;

/** Many copies of an image and no gaps in the runs of pixels, or few copies and a run for each row. */
function cheapestCuts(sizes: PassSizes, pass: Pass): ChosenCuts {
  const rows = { ...cutsOf(sizes, pass, false), isJoined: false, products: pass };
  if (sizes.tile.lanes < joinedLanes) return withoutCost(rows);
  const products = joinedProducts(pass);
  const joined = { ...cutsOf(sizes, products, true), isJoined: true, products };
  return withoutCost(joined.cost < rows.cost ? joined : rows);
}

const withoutCost = ({ cost: _, ...cuts }: ChosenCuts & { readonly cost: number }): ChosenCuts => cuts;

/** The cheapest way to cut the work into as many jobs as are wanted, with strips that a cache holds. */
function cutsOf(sizes: PassSizes, products: WindowProducts, isJoined: boolean): Cuts & { readonly cost: number } {
  const { matrices, filters, rows, columns, length, sourceChannels, tile } = sizes;
  const worthwhile = Math.ceil((matrices * filters * rows * columns * length) / smallestItem);
  const wanted = Math.max(1, Math.min(wantedItems, worthwhile));
  const panels = Math.ceil(filters / tile.rows);
  const { copyCount, extraRows, extraColumns } = copiesOf(products);
  const rowElements = sourceChannels * copyCount * (columns + extraColumns);
  const cached = Math.floor(stripElements / Math.max(rowElements, 1)) - extraRows;
  const fewest = Math.ceil((tile.vectors * tile.lanes) / Math.max(columns, 1));
  const stripCost = (count: number, blocks: number): number => {
    const copied = (count + extraRows) * Math.ceil(rowElements / tile.lanes) * copyCost;
    const vectors = isJoined ? vectorsOf(count * columns, tile) : count * vectorsOf(columns, tile);
    return blocks * copied + panels * tile.rows * length * vectors;
  };
  let best = { stripRows: Math.max(rows, 1), strips: rows > 0 ? 1 : 0, panels: Math.max(panels, 1), blocks: 1 };
  let least = Infinity;
  for (let stripRows = Math.max(1, Math.min(rows, Math.max(cached, fewest))); stripRows >= 1; stripRows--) {
    const strips = Math.ceil(rows / stripRows);
    const blockPanels = Math.max(1, Math.floor(panels / Math.max(1, Math.ceil(wanted / Math.max(matrices * strips, 1)))));
    const blocks = Math.ceil(panels / blockPanels);
    const last = rows - (strips - 1) * stripRows;
    const idle = Math.max(1, wanted / Math.max(matrices * strips * blocks, 1));
    const cost = idle * ((strips - 1) * stripCost(stripRows, blocks) + stripCost(last, blocks));
    if (cost >= least) continue;
    least = cost;
    best = { stripRows, strips, panels: blockPanels, blocks };
  }
  const jobs = matrices * best.strips * best.blocks;
  return {
    ...{ stripRows: best.stripRows, strips: best.strips, filterBlocks: best.blocks, blockFilters: best.panels * tile.rows },
    ...{ jobs, itemJobs: Math.max(1, Math.ceil(jobs / wantedItems)), cost: least },
  };
}

/** The vectors that tiles compute for a run of pixels. */
function vectorsOf(pixels: number, { vectors, lanes }: Tile): number {
  const rest = Math.ceil((pixels % (vectors * lanes)) / lanes);
  const tail = rest === 0 ? 0 : tailVectors(vectors).find((size) => rest <= size)!;
  return Math.floor(pixels / (vectors * lanes)) * vectors + tail;
}

class WindowConvolution implements LibraryRun {
  private readonly passes: readonly PassRun[];

  constructor(
    private readonly context: PassContext,
    passes: readonly Pass[],
    private readonly places: { readonly source: number; readonly weight: number; readonly bias?: number | undefined },
  ) {
    this.passes = passes.map((pass) => new PassRun(context, pass));
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output } = this.context;
    const { source, weight, bias } = this.places;
    const most = (bytesOf: (pass: PassRun) => number): number => Math.max(0, ...this.passes.map(bytesOf));
    const sizes = [most((pass) => pass.stripBytes), most((pass) => pass.weight.bytes)];
    return withScratch(device, sizes, ([strip, packed]) => {
      const out = emptyTensor(device, output.shape, output.dtype);
      for (const pass of this.passes) {
        pass.weight.run(addressOf(inputs[weight]!), packed!);
        const addresses = { x: addressOf(inputs[source]!), weight: packed!, strip: strip!, out: out.storage.address };
        pass.run(bias === undefined ? addresses : { ...addresses, bias: addressOf(inputs[bias]!) });
      }
      return [out];
    });
  }

  free(): void {
    for (const pass of this.passes) pass.free();
  }
}

export const convolution: LibraryKernel = (device, inputs, attrs, [output]) => {
  const [x, weight] = [layoutOf(inputs, 'x'), layoutOf(inputs, 'weight')];
  const bias = inputs['bias'] === undefined ? undefined : layoutOf(inputs, 'bias');
  const places = {
    ...{ source: placeOf(inputs, 'x'), weight: placeOf(inputs, 'weight') },
    bias: bias && placeOf(inputs, 'bias'),
  };
  const geometry = geometryOf(x.shape, weight.shape, output!.shape, attrs);
  const tier = device.tier(workOf(geometry, output!));
  if (bias === undefined && isProduct(tier, geometry, x)) {
    const step = { across: weight.strides[0]!, step: weight.strides[1]! };
    return pointwise(device, output!, geometry, { source: x, weight, ...step, places });
  }
  if (tier.target.groups) return groupConvolution(device, tier, output!, geometry, { x, weight, bias }, places);
  const { groups, channels, filters, result } = geometry;
  const context: PassContext = {
    ...{ device, tier, output: output!, source: x, weight, groups, sourceChannels: channels, resultChannels: filters },
    ...{ perSource: weight.strides[1]!, perResult: weight.strides[0]!, groupWeights: filters * weight.strides[0]!, bias },
  };
  const pass: Pass = {
    ...windowProducts(geometry),
    ...{ rows: result[0], columns: result[1], outStart: 0, outRow: result[1], outColumn: 1 },
  };
  return new WindowConvolution(context, [pass], places);
};

// ---- Windows of one pixel

/**
 * Whether results are products of pixels with a matrix, for pixels that follow each other evenly. Where vectors are wide, strips are
 * the faster way to them.
 */
function isProduct({ target }: Tier, geometry: Geometry, { shape, strides, dtype }: LayoutMeta): boolean {
  const { window, stride, top, left, image, result } = geometry;
  if (lanesFor(dtype, target.vectorBytes) >= joinedLanes) return false;
  const plain = [...window, ...stride].every((one) => one === 1) && top === 0 && left === 0;
  const unpadded = image[0] === result[0] && image[1] === result[1];
  return plain && unpadded && (shape[2] === 1 || strides[2] === shape[3]! * strides[3]!);
}

interface Pointwise {
  readonly source: LayoutMeta;
  readonly weight: LayoutMeta;
  /** Strides of the weight from one channel of the result to the next, and from one of the source. */
  readonly across: number;
  readonly step: number;
  readonly places: { readonly source: number; readonly weight: number };
}

function pointwise(device: Device, output: TensorMeta, { images, groups, filters }: Geometry, of: Pointwise): LibraryRun {
  const { source, weight, across, step, places } = of;
  const m = output.shape[1]! / groups;
  const k = source.shape[1]! / groups;
  const matrices = range(images).flatMap((image) => range(groups).map((group) => ({ image, group })));
  const sourceStart = (image: number, group: number): number => image * source.strides[0]! + group * k * source.strides[1]!;
  const product: Product = {
    ...{ dtype: output.dtype, m, n: output.shape[2]! * output.shape[3]!, k, batch: matrices.length },
    a: { offsets: matrices.map(({ group }) => group * filters * weight.strides[0]!), across, step },
    b: {
      offsets: matrices.map(({ image, group }) => sourceStart(image, group)),
      across: source.shape[3] === 1 ? source.strides[2]! : source.strides[3]!,
      step: source.strides[1]!,
    },
    places: { a: places.weight, b: places.source },
  };
  return bindProduct(device, output, product);
}

// ---- The gradient of the images

export const convolutionInputGrad: LibraryKernel = (device, inputs, attrs, [output]) => {
  const [dout, weight] = [layoutOf(inputs, 'dout'), layoutOf(inputs, 'weight')];
  const places = { source: placeOf(inputs, 'dout'), weight: placeOf(inputs, 'weight') };
  const geometry = geometryOf(output!.shape, weight.shape, dout.shape, attrs);
  const tier = device.tier(workOf(geometry, output!));
  if (isProduct(tier, geometry, dout)) {
    const step = { across: weight.strides[1]!, step: weight.strides[0]! };
    return pointwise(device, output!, geometry, { source: dout, weight, ...step, places });
  }
  if (tier.target.groups) return groupImageGradient(device, tier, output!, geometry, { dout, weight }, places);
  const { groups, channels, filters, stride, image } = geometry;
  const context: PassContext = {
    ...{ device, tier, output: output!, source: dout, weight, groups, sourceChannels: filters, resultChannels: channels },
    ...{
      perSource: weight.strides[0]!,
      perResult: weight.strides[1]!,
      groupWeights: filters * weight.strides[0]!,
    },
  };
  const [rowPhases, columnPhases] = [phasesOf(geometry, 0), phasesOf(geometry, 1)];
  const passes = rowPhases.flatMap((row) =>
    columnPhases.map((column): Pass => {
      const least = Math.min(...row.products.map(({ offset }) => offset));
      const left = Math.min(...column.products.map(({ offset }) => offset));
      return {
        rowProducts: row.products.map(({ index, offset }) => ({ index, offset: least, shift: offset - least })),
        columnProducts: column.products.map(({ index, offset }) => ({ index, offset: left, shift: offset - left })),
        ...{ step: [1, 1], rows: row.count, columns: column.count, outStart: row.first * image[1] + column.first },
        ...{ outRow: stride[0] * image[1], outColumn: stride[1] },
      };
    }),
  );
  return new WindowConvolution(context, passes, places);
};

/**
 * The pixels of one axis whose place in the padded image is congruent to a phase: first, first + stride, ... The t-th of them gets
 * products with the results t + offset, one for each `index` along the window.
 */
interface Phase {
  readonly first: number;
  readonly count: number;
  readonly products: readonly { readonly index: number; readonly offset: number }[];
}

function phasesOf({ stride, dilation, window, image, top, left }: Geometry, axis: 0 | 1): Phase[] {
  const [step, before] = [stride[axis], axis === 0 ? top : left];
  return range(step).map((phase) => {
    const first = (((phase - before) % step) + step) % step;
    const indices = range(window[axis]).filter((index) => (index * dilation[axis]) % step === phase);
    const start = (first + before - phase) / step;
    return {
      first,
      count: Math.max(0, Math.ceil((image[axis] - first) / step)),
      products: indices.map((index) => ({ index, offset: start - (index * dilation[axis] - phase) / step })),
    };
  });
}
