/**
 * Convolution and its gradients on machines of many threads: matrix products whose operands are windows of images, found by tables. The
 * images are first written into a frame of zeros as wide as windows reach; where stride spreads a gradient out, zeros stand between.
 */
import { fusedKernel } from '../../kernels/fused.js';
import { bytesOf } from '../../kernels/ir.js';
import { bind, type Launch } from '../../kernels/lower/bind.js';
import { tablesOf } from '../../kernels/lower/group-gemm.js';
import { inputName, outputName } from '../../kernels/lower/names.js';
import { range } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { compiledFused, fusedWork } from '../compiled.js';
import { addressOf, StridedCopy } from '../copies.js';
import type { CompiledKernel, Device, ParamBlock, Tier } from '../devices/device.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { additionOf } from './gemm.js';
import type { Geometry, Pair } from './geometry.js';
import { groupProduct, type TableOperand } from './group-gemm.js';
import type { LibraryRun } from './index.js';
import { KernelLaunch, Table, withScratch, zeros } from './launch.js';

export function groupConvolution(
  device: Device,
  tier: Tier,
  output: TensorMeta,
  geometry: Geometry,
  { x, weight, bias }: { readonly x: LayoutMeta; readonly weight: LayoutMeta; readonly bias?: LayoutMeta | undefined },
  places: { readonly source: number; readonly weight: number; readonly bias?: number | undefined },
): LibraryRun {
  const { images, groups, channels, filters, window, result } = geometry;
  const frame = frameOfImages(device, geometry, x);
  const matrices = range(images).flatMap((image) => range(groups).map((group) => ({ image, group })));
  return new WindowProduct(device, tier, output, {
    sizes: { m: filters, n: result[0] * result[1], k: channels * window[0] * window[1], batch: matrices.length },
    a: {
      offsets: matrices.map(({ group }) => group * filters * weight.strides[0]!),
      lines: range(filters).map((filter) => filter * weight.strides[0]!),
      steps: overWindow(geometry, channels, (channel, row, column) => weightPlace(weight, 0, channel, row, column)),
      runs: 'along',
    },
    b: {
      offsets: matrices.map(({ image, group }) => image * frame.strides[0] + group * channels * frame.strides[1]),
      lines: overPixels(result, (row, column) => windowStart(geometry, frame, row, column)),
      steps: overWindow(geometry, channels, (channel, row, column) => windowPlace(geometry, frame, channel, row, column)),
      runs: 'across',
    },
    operands: { a: places.weight, b: places.source },
    frame,
    bias: bias === undefined ? undefined : { layout: bias, place: places.bias! },
  });
}

/** The gradient of the filters: over all images and pixels, what comes in times what the window saw. */
export function groupFilterGradient(
  device: Device,
  tier: Tier,
  output: TensorMeta,
  geometry: Geometry,
  { x, dout }: { readonly x: LayoutMeta; readonly dout: LayoutMeta },
  places: { readonly x: number; readonly dout: number },
): LibraryRun {
  const { images, groups, channels, filters, window, result } = geometry;
  const frame = frameOfImages(device, geometry, x);
  const overAll = (place: (image: number, row: number, column: number) => number): number[] =>
    range(images).flatMap((image) => overPixels(result, (row, column) => place(image, row, column)));
  const [dImage, dFilter, dRow, dColumn] = stridesOf(dout);
  return new WindowProduct(device, tier, output, {
    sizes: { m: filters, n: channels * window[0] * window[1], k: images * result[0] * result[1], batch: groups },
    a: {
      offsets: range(groups).map((group) => group * filters * dFilter),
      lines: range(filters).map((filter) => filter * dFilter),
      steps: overAll((image, row, column) => image * dImage + row * dRow + column * dColumn),
      runs: 'along',
    },
    b: {
      offsets: range(groups).map((group) => group * channels * frame.strides[1]),
      lines: overWindow(geometry, channels, (channel, row, column) => windowPlace(geometry, frame, channel, row, column)),
      steps: overAll((image, row, column) => image * frame.strides[0] + windowStart(geometry, frame, row, column)),
      runs: 'along',
    },
    operands: { a: places.dout, b: places.x },
    frame,
  });
}

/** The gradient of the images: what comes in, spread out by the stride, under the window turned around. */
export function groupImageGradient(
  device: Device,
  tier: Tier,
  output: TensorMeta,
  geometry: Geometry,
  { dout, weight }: { readonly dout: LayoutMeta; readonly weight: LayoutMeta },
  places: { readonly source: number; readonly weight: number },
): LibraryRun {
  const { images, groups, channels, filters, window, image, dilation } = geometry;
  const frame = frameOfGradient(device, geometry, dout);
  const matrices = range(images).flatMap((number) => range(groups).map((group) => ({ number, group })));
  const [imageStride, filterStride, rowStride] = frame.strides;
  return new WindowProduct(device, tier, output, {
    sizes: { m: channels, n: image[0] * image[1], k: filters * window[0] * window[1], batch: matrices.length },
    a: {
      offsets: matrices.map(({ group }) => group * filters * weight.strides[0]!),
      lines: range(channels).map((channel) => channel * weight.strides[1]!),
      steps: overWindow(geometry, filters, (filter, row, column) => weightPlace(weight, filter, 0, row, column)),
      runs: 'along',
    },
    b: {
      offsets: matrices.map(({ number, group }) => number * imageStride + group * filters * filterStride),
      lines: overPixels(image, (row, column) => row * rowStride + column),
      steps: overWindow(geometry, filters, (filter, row, column) => {
        const [down, right] = [(window[0] - 1 - row) * dilation[0], (window[1] - 1 - column) * dilation[1]];
        return filter * filterStride + down * rowStride + right;
      }),
      runs: 'across',
    },
    operands: { a: places.weight, b: places.source },
    frame,
  });
}

// ---- Tables

const overPixels = ([rows, columns]: Pair, place: (row: number, column: number) => number): number[] =>
  range(rows).flatMap((row) => range(columns).map((column) => place(row, column)));

const overWindow = (
  { window }: Geometry,
  count: number,
  place: (channel: number, row: number, column: number) => number,
): number[] => range(count).flatMap((channel) => overPixels(window, (row, column) => place(channel, row, column)));

const weightPlace = ({ strides }: LayoutMeta, filter: number, channel: number, row: number, column: number): number =>
  filter * strides[0]! + channel * strides[1]! + row * strides[2]! + column * strides[3]!;

const windowStart = ({ stride }: Geometry, { strides }: Frame, row: number, column: number): number =>
  row * stride[0] * strides[2] + column * stride[1] * strides[3];

const windowPlace = ({ dilation }: Geometry, { strides }: Frame, channel: number, row: number, column: number): number =>
  channel * strides[1] + row * dilation[0] * strides[2] + column * dilation[1] * strides[3];

// ---- Frames

type Strides = readonly [number, number, number, number];

const stridesOf = ({ strides }: LayoutMeta): Strides => [strides[0]!, strides[1]!, strides[2]!, strides[3]!];

/** Images with zeros around and between them, or the images as they lie. */
interface Frame {
  readonly strides: Strides;
  /** Absent where nothing has to be written. */
  readonly copy?: { readonly run: StridedCopy; readonly from: number; readonly to: number; readonly bytes: number };
}

/** Which places of an axis are copied, and where the first of them goes: places lie `step` apart from `before` on. */
function overlap(count: number, step: number, before: number, size: number): { first: number; count: number; to: number } {
  const first = Math.max(0, Math.ceil(-before / step));
  const end = Math.min(count, Math.ceil((size - before) / step));
  return { first, count: Math.max(0, end - first), to: before + first * step };
}

function frameOf(device: Device, source: LayoutMeta, size: Pair, step: Pair, before: Pair): Frame {
  const [images, channels, rows, columns] = source.shape as readonly [number, number, number, number];
  const strides: Strides = [channels * size[0] * size[1], size[0] * size[1], size[1], 1];
  const [down, right] = [overlap(rows, step[0], before[0], size[0]), overlap(columns, step[1], before[1], size[1])];
  const shape = [images, channels, down.count, right.count];
  const spread = [strides[0], strides[1], step[0] * strides[2], step[1]];
  const run = new StridedCopy(device, { shape, strides: source.strides }, { strides: spread }, source.dtype);
  const from = down.first * source.strides[2]! + right.first * source.strides[3]!;
  return {
    strides,
    copy: { run, from, to: down.to * strides[2] + right.to, bytes: images * strides[0] * bytesOf[source.dtype] },
  };
}

function frameOfImages(device: Device, { window, dilation, stride, result, top, left }: Geometry, x: LayoutMeta): Frame {
  const reach = (axis: 0 | 1): number => (result[axis] - 1) * stride[axis] + (window[axis] - 1) * dilation[axis] + 1;
  const size: Pair = [reach(0), reach(1)];
  const isWhole = top === 0 && left === 0 && size[0] <= x.shape[2]! && size[1] <= x.shape[3]!;
  return isWhole ? { strides: stridesOf(x) } : frameOf(device, x, size, [1, 1], [top, left]);
}

function frameOfGradient(device: Device, { window, dilation, stride, image, top, left }: Geometry, dout: LayoutMeta): Frame {
  const margin: Pair = [(window[0] - 1) * dilation[0], (window[1] - 1) * dilation[1]];
  return frameOf(device, dout, [image[0] + margin[0], image[1] + margin[1]], stride, [margin[0] - top, margin[1] - left]);
}

// ---- Running

interface WindowPlan {
  readonly sizes: { readonly m: number; readonly n: number; readonly k: number; readonly batch: number };
  readonly a: TableOperand;
  readonly b: TableOperand;
  /** Where the operands stand among the tensors of a run. */
  readonly operands: { readonly a: number; readonly b: number };
  /** Of b. */
  readonly frame: Frame;
  readonly bias?: { readonly layout: LayoutMeta; readonly place: number } | undefined;
}

class WindowProduct implements LibraryRun {
  private readonly launch: KernelLaunch | null;
  private readonly addition: ReturnType<typeof additionOf> | null = null;
  private readonly tables: readonly Table[];
  private readonly bias: BiasAddition | null;

  constructor(
    private readonly device: Device,
    tier: Tier,
    private readonly output: TensorMeta,
    private readonly plan: WindowPlan,
  ) {
    const { sizes, a, b, bias } = plan;
    const { dtype } = output;
    this.bias = bias === undefined ? null : new BiasAddition(device, output, bias.layout);
    this.tables = [];
    this.launch = null;
    if (sizes.m * sizes.n * sizes.k * sizes.batch === 0) return;
    const { kernel, integers, items, parts } = groupProduct({ ...sizes, dtype, a, b, tf32: tier.target.tf32 ?? false });
    this.launch = new KernelLaunch(device, tier.compile(kernel), integers, items, 1);
    if (parts > 1) this.addition = additionOf(device, tier, { ...sizes, dtype }, parts);
    const point = (buffer: string, values: readonly number[]): Table => {
      const table = new Table(device, values);
      this.launch!.point(buffer, table.address);
      return table;
    };
    this.tables = (
      [
        ['a', a],
        ['b', b],
      ] as const
    ).flatMap(([name, { offsets, lines, steps }]) => {
      const [lineTable, stepTable] = tablesOf(name);
      return [point(`${name}Offsets`, offsets), point(lineTable, lines), point(stepTable, steps)];
    });
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output, plan, launch, addition, bias } = this;
    if (launch === null) return [this.withBias(zeros(device, output), inputs)];
    const { copy } = plan.frame;
    return withScratch(device, [copy?.bytes ?? 0, addition?.bytes ?? 0], ([frame, sums]) => {
      const source = inputs[plan.operands.b]!;
      if (copy !== undefined) this.fillFrame(copy, addressOf(source), frame!);
      const out = emptyTensor(device, output.shape, output.dtype);
      launch.runWith({
        a: addressOf(inputs[plan.operands.a]!),
        b: copy === undefined ? addressOf(source) : frame!,
        out: addition === null ? out.storage.address : sums!,
      });
      addition?.launch.runWith({ sums: sums!, out: out.storage.address });
      return [bias === null ? out : this.withBias(out, inputs)];
    });
  }

  free(): void {
    this.launch?.free();
    this.addition?.launch.free();
    this.bias?.free();
    this.plan.frame.copy?.run.free();
    for (const table of this.tables) table.free();
  }

  private fillFrame({ run, from, to, bytes }: NonNullable<Frame['copy']>, source: number, frame: number): void {
    const element = bytesOf[this.output.dtype];
    this.device.fill(frame, bytes, 0);
    run.run(source + from * element, frame + to * element);
  }

  private withBias(out: Tensor, inputs: readonly Tensor[]): Tensor {
    const { bias } = this.plan;
    if (bias !== undefined) this.bias?.run(out.storage.address, addressOf(inputs[bias.place]!));
    return out;
  }
}

/** Adds a number to all pixels of each channel, in place. */
class BiasAddition {
  private readonly parts: readonly { readonly launch: Launch; readonly compiled: CompiledKernel; readonly params: ParamBlock }[];

  constructor(
    private readonly device: Device,
    { shape, dtype }: TensorMeta,
    bias: LayoutMeta,
  ) {
    const kernel = fusedKernel({
      inputs: [
        { dtype, level: 'element' },
        { dtype, level: 'element' },
      ],
      scalars: [],
      nodes: [
        { op: 'input', input: 0, dtype },
        { op: 'input', input: 1, dtype },
        { op: 'map', map: 'add', args: [0, 1], dtype },
      ],
      outputs: [{ node: 2, dtype, level: 'element' }],
    });
    const [images, channels, rows, columns] = shape as readonly [number, number, number, number];
    const dimension = (size: number, own: number, other: number) => ({ size, reduced: false, strides: [own, other, own] });
    const pixels = rows * columns;
    const dimensions = [
      dimension(images, channels * pixels, 0),
      dimension(channels, pixels, bias.strides[0]!),
      dimension(pixels, 1, 0),
    ];
    this.parts = bind(kernel, dimensions, device.machine).launches.map((launch) => {
      const compiled = compiledFused(device.tier(fusedWork(launch, shape)), launch);
      const params = device.createParams(compiled);
      for (const [name, value] of Object.entries(launch.params)) {
        const offset = compiled.offsets.get(name);
        if (offset !== undefined) params.setI32(offset, value);
      }
      return { launch, compiled, params };
    });
  }

  run(out: number, bias: number): void {
    for (const { launch, compiled, params } of this.parts) {
      for (const [name, address] of [
        [inputName(0), out],
        [inputName(1), bias],
        [outputName(0), out],
      ] as const)
        params.setPointer(compiled.offsets.get(name)!, address);
      this.device.launch(compiled, params, launch.work, launch.grain);
    }
  }

  free(): void {
    for (const { params } of this.parts) params.free();
  }
}
