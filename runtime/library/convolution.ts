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
import {
  convolutionKernel,
  filterGradientKernel,
  filterRows,
  planesKernel,
  sumPartsKernel,
} from '../../kernels/lower/convolution.js';
import { lanesFor, packedStorage, range } from '../../kernels/lower/tile.js';
import type { Attrs, LayoutMeta, Shape, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier, Work } from '../devices/device.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { bindProduct, type Product } from './gemm.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch, zeros } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { Packing, type PackingPlan } from './packing.js';

const planesKernels = remembered(planesKernel);
const convolutionKernels = remembered(convolutionKernel);
const filterGradientKernels = remembered(filterGradientKernel);
const sumPartsKernels = remembered(sumPartsKernel);

/** Items worth making for threads to share, and the multiplications an item should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Elements of the planes that an item should go through at most for each panel of filters: what a core's second cache holds. */
const cachedElements = 1 << 16;
/** Elements of all partial gradients of the filters together, at most; there is always one part. */
const largestPartials = 1 << 23;
/** Tiles may read this far beyond the last row. */
const slackVectors = 2;

type Pair = readonly [rows: number, columns: number];

interface Geometry {
  readonly images: number;
  readonly groups: number;
  /** Of one group. */
  readonly channels: number;
  readonly filters: number;
  readonly image: Pair;
  readonly window: Pair;
  readonly result: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly top: number;
  readonly left: number;
}

function geometryOf(x: Shape, weight: Shape, out: Shape, attrs: Attrs): Geometry {
  const padding = numbers(attrs, 'padding', 4);
  const [strideRows, strideColumns] = numbers(attrs, 'stride', 2);
  const [dilationRows, dilationColumns] = numbers(attrs, 'dilation', 2);
  const groups = Number(attrs['groups']);
  return {
    images: x[0]!,
    groups,
    channels: weight[1]!,
    filters: weight[0]! / groups,
    image: [x[2]!, x[3]!],
    window: [weight[2]!, weight[3]!],
    result: [out[2]!, out[3]!],
    stride: [strideRows!, strideColumns!],
    dilation: [dilationRows!, dilationColumns!],
    top: padding[0]!,
    left: padding[2]!,
  };
}

/** The multiplications of a convolution or of one of its gradients. */
function workOf({ images, groups, channels, filters, window, result }: Geometry, { dtype }: TensorMeta): Work {
  const sizes = [images, groups, channels, filters, ...window, ...result];
  return { kind: 'convolution', dtype, size: sizes.reduce((product, size) => product * size, 1) };
}

function numbers(attrs: Attrs, name: string, count: number): readonly number[] {
  const value = attrs[name];
  if (!Array.isArray(value) || value.length !== count) throw new TypeError(`${name} must have ${count} numbers`);
  return value.map(Number);
}

// ---- Padded planes

interface PlanesPlan {
  readonly stride: Pair;
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly pitch: number;
}

/** The padded copy of a batch of images; see planesKernel. */
class Planes {
  readonly bytes: number;
  /** Elements of all phases of one channel. */
  readonly channelSize: number;
  private readonly launch: KernelLaunch;

  constructor(
    device: Device,
    tier: Tier,
    { shape, strides, dtype }: LayoutMeta,
    readonly plan: PlanesPlan,
  ) {
    const { stride, top, left, rows, pitch } = plan;
    const [images, channels, height, width] = [shape[0]!, shape[1]!, shape[2]!, shape[3]!];
    this.channelSize = stride[0] * stride[1] * rows * pitch;
    const slack = slackVectors * lanesFor(dtype, tier.target.vectorBytes);
    this.bytes = (images * channels * this.channelSize + slack) * bytesOf[packedStorage(dtype)];
    // The stride along an axis of one element could be anything.
    const columnStride = width === 1 ? 1 : strides[3]!;
    const integers = {
      ...{ channels, height, width, strideRows: stride[0], strideColumns: stride[1], top, left, rows, pitch },
      ...{ imageStride: strides[0]!, channelStride: strides[1]!, rowStride: strides[2]!, columnStride },
    };
    const kernel = planesKernels({ storage: dtype, contiguous: stride[1] === 1 && columnStride === 1 });
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, images * channels, grainFor(4 * this.channelSize));
  }

  run(source: number, target: number): void {
    this.launch.point('x', source);
    this.launch.point('out', target);
    this.launch.run();
  }

  free(): void {
    this.launch.free();
  }
}

/** The planes in which the windows of a convolution find their pixels. */
function windowPlanes(
  device: Device,
  tier: Tier,
  x: LayoutMeta,
  { window, result, stride, dilation, top, left }: Geometry,
): Planes {
  const reach = (axis: 0 | 1): number =>
    Math.max(0, result[axis] + Math.floor(((window[axis] - 1) * dilation[axis]) / stride[axis]));
  return new Planes(device, tier, x, { stride, top, left, rows: reach(0), pitch: reach(1) });
}

/** Distances of a window's products from its first pixel, in the order of a filter's elements. */
function windowTaps({ channels, window, stride, dilation }: Geometry, { channelSize, plan }: Planes): number[] {
  const planeSize = plan.rows * plan.pitch;
  const distance = (i: number, j: number): number => {
    const [y, x] = [i * dilation[0], j * dilation[1]];
    const phase = (y % stride[0]) * stride[1] + (x % stride[1]);
    return phase * planeSize + Math.floor(y / stride[0]) * plan.pitch + Math.floor(x / stride[1]);
  };
  return range(channels).flatMap((channel) =>
    range(window[0]).flatMap((i) => range(window[1]).map((j) => channel * channelSize + distance(i, j))),
  );
}

// ---- Products of windows and filters

/** One pass over the planes: which products it sums, with which weights, and where results go. */
interface Pass {
  readonly taps: readonly number[];
  readonly weight: PackingPlan;
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
  readonly planes: Planes;
  readonly groups: number;
  /** Channels of the planes, and channels of the result, of a group. */
  readonly sourceChannels: number;
  readonly resultChannels: number;
}

class PassRun {
  readonly weight: Packing;
  private readonly taps: Table;
  private readonly launch: KernelLaunch;

  constructor(context: PassContext, pass: Pass) {
    const { device, tier, output, planes, groups, sourceChannels, resultChannels } = context;
    const { rows, columns, outStart, outRow, outColumn } = pass;
    this.weight = new Packing(device, tier, pass.weight);
    this.taps = new Table(device, pass.taps);
    const images = output.shape[0]!;
    const outFilter = output.shape[2]! * output.shape[3]!;
    const length = pass.taps.length;
    const blocks = passBlocks(images * groups, resultChannels, rows, columns * length, sourceChannels * planes.plan.pitch);
    const integers = {
      ...{ groups, filters: resultChannels, rows, columns, length, ...blocks },
      imageSize: groups * sourceChannels * planes.channelSize,
      ...{ groupSize: sourceChannels * planes.channelSize, pitch: planes.plan.pitch, groupWeights: this.weight.matrixSize },
      ...{ outImage: groups * resultChannels * outFilter, outGroup: resultChannels * outFilter, outFilter },
      ...{ outRow, outColumn, outStart },
    };
    const lanes = lanesFor(output.dtype, tier.target.vectorBytes);
    const kernel = convolutionKernels({ storage: output.dtype, lanes, contiguous: outColumn === 1 });
    const items = images * groups * blocks.rowBlocks * blocks.filterBlocks;
    const grain = grainFor(blocks.blockRows * blocks.blockFilters * columns * length);
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, rows * columns === 0 ? 0 : items, grain);
    this.launch.point('taps', this.taps.address);
  }

  run(planes: number, weight: number, packed: number, out: number): void {
    this.weight.run(weight, packed);
    this.launch.point('x', planes);
    this.launch.point('weight', packed);
    this.launch.point('out', out);
    this.launch.run();
  }

  free(): void {
    this.launch.free();
    this.weight.free();
    this.taps.free();
  }
}

interface PassBlocks {
  readonly blockRows: number;
  readonly rowBlocks: number;
  readonly blockFilters: number;
  readonly filterBlocks: number;
}

/** `rowCost` multiplications give a row of one filter, from `rowElements` elements of the planes. */
function passBlocks(matrices: number, filters: number, rows: number, rowCost: number, rowElements: number): PassBlocks {
  const worthwhile = Math.ceil((matrices * filters * rows * rowCost) / smallestItem);
  const wanted = Math.ceil(Math.min(wantedItems, worthwhile) / Math.max(matrices, 1));
  const cached = Math.max(1, Math.floor(cachedElements / Math.max(rowElements, 1)));
  const blockRows = Math.max(1, Math.min(Math.ceil(rows / Math.max(wanted, 1)), cached));
  const rowBlocks = Math.ceil(rows / blockRows);
  const filtersWanted = Math.ceil(wanted / Math.max(rowBlocks, 1));
  const blockFilters = Math.max(filterRows, Math.ceil(filters / Math.max(filtersWanted, 1) / filterRows) * filterRows);
  return { blockRows, rowBlocks, blockFilters, filterBlocks: Math.ceil(filters / blockFilters) };
}

class WindowConvolution implements LibraryRun {
  constructor(
    private readonly context: PassContext,
    private readonly passes: readonly PassRun[],
    private readonly places: { readonly source: number; readonly weight: number },
  ) {}

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output, planes } = this.context;
    const largest = this.passes.reduce((bytes, { weight }) => Math.max(bytes, weight.bytes), 0);
    const weight = addressOf(inputs[this.places.weight]!);
    return withScratch(device, [planes.bytes, largest], ([padded, packed]) => {
      const out = emptyTensor(device, output.shape, output.dtype);
      planes.run(addressOf(inputs[this.places.source]!), padded!);
      for (const pass of this.passes) pass.run(padded!, weight, packed!, out.storage.address);
      return [out];
    });
  }

  free(): void {
    this.context.planes.free();
    for (const pass of this.passes) pass.free();
  }
}

export const convolution: LibraryKernel = (device, inputs, attrs, [output]) => {
  const [x, weight] = [layoutOf(inputs, 'x'), layoutOf(inputs, 'weight')];
  const places = { source: placeOf(inputs, 'x'), weight: placeOf(inputs, 'weight') };
  const geometry = geometryOf(x.shape, weight.shape, output!.shape, attrs);
  if (isPointwise(geometry, x)) {
    const step = { across: weight.strides[0]!, step: weight.strides[1]! };
    return pointwise(device, output!, geometry, { source: x, weight, ...step, places });
  }
  const { groups, channels, filters, result } = geometry;
  const tier = device.tier(workOf(geometry, output!));
  const planes = windowPlanes(device, tier, x, geometry);
  const context = { device, tier, output: output!, planes, groups, sourceChannels: channels, resultChannels: filters };
  const pass = new PassRun(context, {
    taps: windowTaps(geometry, planes),
    weight: filterPacking(weight, geometry),
    ...{ rows: result[0], columns: result[1], outStart: 0, outRow: result[1], outColumn: 1 },
  });
  return new WindowConvolution(context, [pass], places);
};

function filterPacking({ strides, dtype }: LayoutMeta, { groups, channels, filters, window }: Geometry): PackingPlan {
  const [perFilter, perChannel, perRow, perColumn] = [strides[0]!, strides[1]!, strides[2]!, strides[3]!];
  const elements = range(channels).flatMap((c) =>
    range(window[0]).flatMap((i) => range(window[1]).map((j) => c * perChannel + i * perRow + j * perColumn)),
  );
  return {
    ...{ dtype, width: filterRows, columns: filters, columnStride: perFilter, length: elements.length },
    rowStride: elements.every((element, at) => element === at) ? 1 : elements,
    offsets: range(groups).map((group) => group * filters * perFilter),
  };
}

// ---- Windows of one pixel

/** Whether results are products of pixels with a matrix, for pixels that follow each other evenly. */
function isPointwise({ window, stride, top, left, image, result }: Geometry, { shape, strides }: LayoutMeta): boolean {
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
  if (isPointwise(geometry, dout)) {
    const step = { across: weight.strides[1]!, step: weight.strides[0]! };
    return pointwise(device, output!, geometry, { source: dout, weight, ...step, places });
  }
  const { groups, channels, filters, stride, image } = geometry;
  const [rowPhases, columnPhases] = [phasesOf(geometry, 0), phasesOf(geometry, 1)];
  const [rows, columns] = [extentOf(rowPhases), extentOf(columnPhases)];
  const plan: PlanesPlan = { stride: [1, 1], top: rows.before, left: columns.before, rows: rows.size, pitch: columns.size };
  const tier = device.tier(workOf(geometry, output!));
  const planes = new Planes(device, tier, dout, plan);
  const context = { device, tier, output: output!, planes, groups, sourceChannels: filters, resultChannels: channels };
  const passes = rowPhases.flatMap((row) =>
    columnPhases.map((column): Pass => {
      const products = phaseProducts(row, column, geometry, weight, planes);
      return {
        taps: products.map(({ tap }) => tap),
        weight: gradientPacking(
          weight,
          geometry,
          products.map(({ element }) => element),
        ),
        ...{ rows: row.count, columns: column.count, outStart: row.first * image[1] + column.first },
        ...{ outRow: stride[0] * image[1], outColumn: stride[1] },
      };
    }),
  );
  return new WindowConvolution(
    context,
    passes.map((pass) => new PassRun(context, pass)),
    places,
  );
};

/**
 * The pixels of one axis whose place in the padded image is congruent to a phase: first, first + stride, ... The t-th of them gets
 * products with the results `start + t - back`, one for each `index` along the window.
 */
interface Phase {
  readonly first: number;
  readonly count: number;
  readonly start: number;
  readonly products: readonly { readonly index: number; readonly back: number }[];
}

function phasesOf({ stride, dilation, window, image, top, left }: Geometry, axis: 0 | 1): Phase[] {
  const [step, before] = [stride[axis], axis === 0 ? top : left];
  return range(step).map((phase) => {
    const first = (((phase - before) % step) + step) % step;
    const indices = range(window[axis]).filter((index) => (index * dilation[axis]) % step === phase);
    return {
      first,
      count: Math.max(0, Math.ceil((image[axis] - first) / step)),
      start: (first + before - phase) / step,
      products: indices.map((index) => ({ index, back: (index * dilation[axis] - phase) / step })),
    };
  });
}

/** How far the products of all phases reach: zeros before the results, and elements in all. */
function extentOf(phases: readonly Phase[]): { readonly before: number; readonly size: number } {
  let [before, end] = [0, 0];
  for (const { count, start, products } of phases) {
    for (const { back } of products) {
      before = Math.max(before, back - start);
      end = Math.max(end, start + count - back);
    }
  }
  return { before, size: before + end };
}

interface PhaseProduct {
  readonly tap: number;
  /** The weight's place, from its channel's in the first filter of the group. */
  readonly element: number;
}

function phaseProducts(
  row: Phase,
  column: Phase,
  { filters }: Geometry,
  { strides }: LayoutMeta,
  planes: Planes,
): PhaseProduct[] {
  const { top, left, pitch } = planes.plan;
  return range(filters).flatMap((filter) =>
    row.products.flatMap((y) =>
      column.products.map((x) => ({
        tap: filter * planes.channelSize + (top + row.start - y.back) * pitch + left + column.start - x.back,
        element: filter * strides[0]! + y.index * strides[2]! + x.index * strides[3]!,
      })),
    ),
  );
}

function gradientPacking({ strides, dtype }: LayoutMeta, geometry: Geometry, elements: readonly number[]): PackingPlan {
  const { groups, channels, filters } = geometry;
  return {
    ...{ dtype, width: filterRows, columns: channels, columnStride: strides[1]!, length: elements.length, rowStride: elements },
    offsets: range(groups).map((group) => group * filters * strides[0]!),
  };
}

// ---- The gradient of the filters

export const convolutionWeightGrad: LibraryKernel = (device, inputs, attrs, [output]) => {
  const [dout, x] = [layoutOf(inputs, 'dout'), layoutOf(inputs, 'x')];
  const geometry = geometryOf(x.shape, output!.shape, dout.shape, attrs);
  const places = { dout: placeOf(inputs, 'dout'), x: placeOf(inputs, 'x') };
  return new FilterGradient(device, output!, geometry, x, dout, places);
};

class FilterGradient implements LibraryRun {
  private readonly planes: Planes;
  private readonly gradients: Packing;
  private readonly taps: Table;
  private readonly products: KernelLaunch;
  private readonly sums: KernelLaunch;
  private readonly partialBytes: number;
  private readonly empty: boolean;

  constructor(
    private readonly device: Device,
    private readonly output: TensorMeta,
    geometry: Geometry,
    x: LayoutMeta,
    dout: LayoutMeta,
    private readonly places: { readonly dout: number; readonly x: number },
  ) {
    const { images, groups, channels, filters, result } = geometry;
    const storage = output.dtype;
    const tier = device.tier(workOf(geometry, output));
    const lanes = lanesFor(storage, tier.target.vectorBytes);
    const form = { storage, lanes, vectors: filters > lanes ? 2 : 1 } as const;
    const width = form.vectors * lanes;
    const paddedFilters = Math.ceil(filters / width) * width;
    this.planes = windowPlanes(device, tier, x, geometry);
    this.gradients = new Packing(device, tier, gradientPanels(dout, geometry, width));
    const taps = windowTaps(geometry, this.planes);
    this.taps = new Table(device, taps);
    const [length, pixels] = [taps.length, result[0] * result[1]];
    const partSize = groups * length * paddedFilters;
    const { parts, partImages, tapBlocks, blockTaps } = partsOf(images, groups, length, pixels * paddedFilters, partSize);
    const groupSize = channels * this.planes.channelSize;
    const integers = {
      ...{ images, partImages, groups, length, blockTaps, tapBlocks, paddedFilters, rows: result[0], columns: result[1], pixels },
      ...{ imageSize: groups * groupSize, groupSize, groupGradients: this.gradients.matrixSize, pitch: this.planes.plan.pitch },
    };
    const cost = partImages * blockTaps * pixels * paddedFilters;
    this.products = new KernelLaunch(
      device,
      tier.compile(filterGradientKernels(form)),
      integers,
      parts * groups * tapBlocks,
      grainFor(cost),
    );
    this.products.point('taps', this.taps.address);
    const sizes = { parts, groups, length, filters, paddedFilters };
    const panels = (groups * paddedFilters) / width;
    this.sums = new KernelLaunch(device, tier.compile(sumPartsKernels(form)), sizes, panels, grainFor(parts * length * width));
    this.partialBytes = parts * partSize * bytesOf[packedStorage(storage)];
    this.empty = images * pixels === 0;
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, planes, gradients, products, sums } = this;
    if (this.empty) return [zeros(device, this.output)];
    return withScratch(device, [planes.bytes, gradients.bytes, this.partialBytes], ([padded, packed, partial]) => {
      const out = emptyTensor(device, this.output.shape, this.output.dtype);
      planes.run(addressOf(inputs[this.places.x]!), padded!);
      gradients.run(addressOf(inputs[this.places.dout]!), packed!);
      products.point('x', padded!);
      products.point('dout', packed!);
      products.point('partial', partial!);
      products.run();
      sums.point('partial', partial!);
      sums.point('out', out.storage.address);
      sums.run();
      return [out];
    });
  }

  free(): void {
    for (const part of [this.planes, this.gradients, this.taps, this.products, this.sums]) part.free();
  }
}

/** `dout` with its pixels in a row and a panel of filters side by side. */
function gradientPanels(
  { strides, dtype }: LayoutMeta,
  { images, groups, filters, result }: Geometry,
  width: number,
): PackingPlan {
  const [perImage, perFilter, perRow, perColumn] = [strides[0]!, strides[1]!, strides[2]!, strides[3]!];
  const even = result[0] === 1 || perRow === result[1] * perColumn;
  const places = (): number[] => range(result[0]).flatMap((row) => range(result[1]).map((at) => row * perRow + at * perColumn));
  return {
    ...{ dtype, width, columns: filters, columnStride: perFilter, length: result[0] * result[1] },
    rowStride: even ? perColumn : places(),
    offsets: range(images).flatMap((image) => range(groups).map((group) => image * perImage + group * filters * perFilter)),
  };
}

interface Parts {
  readonly parts: number;
  readonly partImages: number;
  readonly tapBlocks: number;
  readonly blockTaps: number;
}

/** Parts by images first, then by places in the window; `tapCost` multiplications are made for each place of one image. */
function partsOf(images: number, groups: number, length: number, tapCost: number, partSize: number): Parts {
  const worthwhile = Math.ceil((images * groups * length * tapCost) / smallestItem);
  const wanted = Math.max(1, Math.ceil(Math.min(wantedItems, worthwhile) / Math.max(groups, 1)));
  const room = Math.max(1, Math.floor(largestPartials / Math.max(partSize, 1)));
  const partImages = Math.max(1, Math.ceil(images / Math.min(wanted, room)));
  const parts = Math.max(1, Math.ceil(images / partImages));
  const blocks = Math.ceil(wanted / parts);
  const blockTaps = Math.max(4, Math.ceil(length / blocks / 4) * 4);
  return { parts, partImages, tapBlocks: Math.ceil(length / blockTaps), blockTaps };
}
