/**
 * Two-dimensional convolution of [n, c, h, w] with [o, c / groups, kh, kw], and its gradients. Kernels are in
 * kernels/lower/convolution.ts; here stand the tables of distances and the phases of a strided gradient, all of it decided from shapes
 * and strides when the op is bound. Windows of one pixel are matrix products.
 *
 * The gradient of the images is itself a convolution of `dout`: one for each remainder of a pixel's place modulo the stride, with
 * those products of the window that reach such pixels. The gradient of the filters is summed for a few images at a time, and these
 * parts are added in order, so that results do not depend on threads.
 */
import { bytesOf } from '../../kernels/ir.js';
import { convolutionKernel } from '../../kernels/lower/convolution.js';
import { lanesFor, packedStorage, range } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { cheapestCuts, joinedLanes, tileFor } from './convolution-cuts.js';
import { type BoundPass, filterPanels, type Pass, type PassContext } from './convolution-pass.js';
import { DepthwisePass, slides } from './depthwise.js';
import { bindProduct, type Product } from './gemm.js';
import { type Geometry, geometryOf, workOf } from './geometry.js';
import { groupConvolution, groupImageGradient } from './group-convolution.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { Packing } from './packing.js';
import { stripsOf, windowProducts } from './strips.js';

const convolutionKernels = remembered(convolutionKernel);

// ---- Products of windows and filters

class TiledPass implements BoundPass {
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

class WindowConvolution implements LibraryRun {
  private readonly passes: readonly BoundPass[];

  constructor(
    private readonly context: PassContext,
    passes: readonly Pass[],
    private readonly places: { readonly source: number; readonly weight: number; readonly bias?: number | undefined },
  ) {
    this.passes = passes.map((pass) => (slides(context, pass) ? new DepthwisePass(context, pass) : new TiledPass(context, pass)));
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output } = this.context;
    const { source, weight, bias } = this.places;
    const most = (bytesOf: (pass: BoundPass) => number): number => Math.max(0, ...this.passes.map(bytesOf));
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
