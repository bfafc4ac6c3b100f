/**
 * Matrix products, [...b, m, k] times [...b, k, n], broadcast over b. Operands are taken with the strides that they have: what would
 * be read badly is packed into scratch on the way. Everything is decided from shapes and strides when the op is bound.
 *
 * Whatever is decided, an element is the same chain of operations: products are added along k in order, in blocks of `blockLength`, and
 * the blocks in order. So the bits of a row depend neither on threads, nor on the rows that stand with it, nor on how operands lie.
 */
import { bytesOf } from '../../kernels/ir.js';
import { type GemmForm, gemmKernel } from '../../kernels/lower/gemm.js';
import { alignStrides } from '../../kernels/lower/space.js';
import { addBlocksKernel, rowSumsKernel, turnedKernel } from '../../kernels/lower/thin.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import type { LayoutMeta, Shape, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { groupProduct } from './group-gemm.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch, zeros } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { type MatrixCopy, Packing, RowCopy } from './packing.js';
import { vendorProduct } from './vendor-gemm.js';

const gemmKernels = remembered(gemmKernel);
const rowSumsKernels = remembered(rowSumsKernel);
const addBlocksKernels = remembered(addBlocksKernel);
const turnedKernels = remembered(turnedKernel);

/** Products along k between two additions to the result: what the cache nearest to a core holds of a panel. */
const blockLength = 384;

/** One operand: where each matrix of the batch begins, and how to walk it. `step` is the stride along k, `across` the other one. */
export interface Operand {
  readonly offsets: readonly number[];
  readonly step: number;
  readonly across: number;
}

/** out[b] = a[b] times b[b], written one after the other. */
export interface Product {
  readonly dtype: Dtype;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: Operand;
  readonly b: Operand;
  /** Where the operands stand among the tensors of a run. */
  readonly places: { readonly a: number; readonly b: number };
}

export const gemm: LibraryKernel = (device, inputs, _attrs, [output]) => {
  const places = { a: placeOf(inputs, 'x'), b: placeOf(inputs, 'y') };
  return bindProduct(device, output!, { ...productOf(layoutOf(inputs, 'x'), layoutOf(inputs, 'y'), output!), places });
};

export function bindProduct(device: Device, output: TensorMeta, product: Product): LibraryRun {
  const folded = columnAsRow(foldBatch(withoutIdleStrides(product)));
  return vendorProduct(device, output, folded) ?? new Gemm(device, output, folded);
}

function productOf(x: LayoutMeta, y: LayoutMeta, output: TensorMeta): Omit<Product, 'places'> {
  const batchShape = output.shape.slice(0, -2);
  const [m, n] = [output.shape.at(-2)!, output.shape.at(-1)!];
  const k = x.shape.at(-1)!;
  return {
    dtype: output.dtype,
    m,
    n,
    k,
    batch: batchShape.reduce((size, dimension) => size * dimension, 1),
    a: { offsets: offsetsOf(x, batchShape), step: x.strides.at(-1)!, across: x.strides.at(-2)! },
    b: { offsets: offsetsOf(y, batchShape), step: y.strides.at(-2)!, across: y.strides.at(-1)! },
  };
}

function offsetsOf({ shape, strides }: LayoutMeta, batchShape: Shape): number[] {
  const aligned = alignStrides(shape.slice(0, -2), strides.slice(0, -2), batchShape.length);
  return batchShape.reduce(
    (offsets, size, axis) => offsets.flatMap((offset) => Array.from({ length: size }, (_, at) => offset + at * aligned[axis]!)),
    [0],
  );
}

/** Strides along axes of size 1 could be anything; as 1 they look like what they are, contiguous. */
function withoutIdleStrides(product: Product): Product {
  const clean = ({ offsets, step, across }: Operand, size: number): Operand => ({
    offsets,
    step: product.k === 1 ? 1 : step,
    across: size === 1 ? 1 : across,
  });
  return { ...product, a: clean(product.a, product.m), b: clean(product.b, product.n) };
}

/** A batch that multiplies one and the same b is one tall matrix, if its rows follow each other evenly. */
function foldBatch(product: Product): Product {
  const { a, b, m, batch } = product;
  if (batch <= 1) return product;
  const across = m === 1 ? a.offsets[1]! - a.offsets[0]! : a.across;
  const even = a.offsets.every((offset, index) => offset === a.offsets[0]! + index * m * across);
  const shared = b.offsets.every((offset) => offset === b.offsets[0]);
  if (!even || !shared) return product;
  return {
    ...product,
    m: m * batch,
    batch: 1,
    a: { ...a, across, offsets: a.offsets.slice(0, 1) },
    b: { ...b, offsets: b.offsets.slice(0, 1) },
  };
}

/** A result of one column lies in memory as one of one row does: out^T = b^T a^T. */
function columnAsRow(product: Product): Product {
  if (product.n !== 1) return product;
  return { ...product, m: 1, n: product.m, a: product.b, b: product.a, places: { a: product.places.b, b: product.places.a } };
}

// ---- Choosing kernels

/** What suits the code that a tier compiles, by who compiles it and the bytes of a vector. */
interface Shapes {
  /** Rows of tiles two vectors wide, the highest first: they leave registers for the operands of a step. */
  readonly heights: readonly number[];
  /** With no more rows than these, a b that is contiguous along its columns, and large, or along k is read once and as it lies. */
  readonly streamedRows: number;
  readonly turnedRows: number;
}

/** Engines that compile WebAssembly spill with higher tiles, and have no vectors but of 16 bytes. */
const wasmShapes: Shapes = { heights: [4, 2, 1], streamedRows: 4, turnedRows: 8 };
const nativeShapes: Readonly<Record<number, Shapes>> = {
  16: { heights: [6, 4, 2, 1], streamedRows: 16, turnedRows: 16 },
  32: { heights: [6, 4, 2, 1], streamedRows: 16, turnedRows: 16 },
  64: { heights: [14, 8, 4, 2, 1], streamedRows: 16, turnedRows: 16 },
};

const shapesFor = ({ name, target }: Tier): Shapes =>
  (name === 'native' ? nativeShapes[target.vectorBytes] : undefined) ?? wasmShapes;

/** Up to this many multiplications a matrix is not worth packing, and from this many elements on it does not stay in a near cache. */
const tinyProduct = 1 << 11;
const largeMatrix = 1 << 17;
/** From this many tiles across on, packing a costs less than it saves; so does packing b with this many on top of each other. */
const tilesThatPayPacking = 4;
/** Lanes of a vector hold at least this many bytes together, if there are any. */
const smallestVector = 16;

/** How a product is computed: in tiles of that form, or by one of the kernels for few rows. */
type Method = GemmForm | 'rowSums' | 'turned' | 'groups';

function methodOf(tier: Tier, { dtype, m, n, k, b }: Product): Method {
  if (tier.target.groups) return 'groups';
  const { heights, streamedRows, turnedRows } = shapesFor(tier);
  const most = lanesFor(dtype, tier.target.vectorBytes);
  const operands = { storage: dtype, aStorage: dtype, bStorage: dtype, rowsAdjoin: false, narrow: false };
  if (most === 1 || (b.across !== 1 && m * n * k <= tinyProduct))
    return { ...operands, heights: wasmShapes.heights, vectors: n === 1 ? 1 : 2, lanes: 1 };
  if (b.across === 1 && n >= most && (m === 1 || (m <= streamedRows && n * k >= largeMatrix))) return 'rowSums';
  if (b.across !== 1 && b.step === 1 && n >= most && k >= most && m <= turnedRows) return 'turned';
  let lanes = most;
  while (lanes > n && lanes * bytesOf[packedStorage(dtype)] > smallestVector) lanes /= 2;
  return { ...operands, heights, vectors: n < 2 * lanes ? 1 : 2, lanes, narrow: n < lanes };
}

// ---- Operands

/** Where a product finds an operand: what its kernel takes as parameters. */
interface Placement {
  /** What each panel adds to the place that follows from the strides. */
  readonly panel: number;
  readonly across: number;
  readonly step: number;
}

/** The matrices of one operand, copied before the product or read where they are. */
class Feed {
  readonly offsets: Table;

  constructor(
    device: Device,
    operand: Operand,
    readonly placement: Placement,
    private readonly copy: MatrixCopy | null,
  ) {
    const size = copy?.matrixSize ?? 0;
    const places = new Map(distinctOffsets(operand).map((offset, index) => [offset, index * size]));
    this.offsets = new Table(device, copy === null ? operand.offsets : operand.offsets.map((offset) => places.get(offset)!));
  }

  get bytes(): number {
    return this.copy?.bytes ?? 0;
  }

  get isCopied(): boolean {
    return this.copy !== null;
  }

  /** Where the product reads the operand. */
  prepare(source: number, scratch: number): number {
    if (this.copy === null) return source;
    this.copy.run(source, scratch);
    return scratch;
  }

  free(): void {
    this.copy?.free();
    this.offsets.free();
  }
}

const distinctOffsets = ({ offsets }: Operand): readonly number[] => [...new Set(offsets)];

const asItLies = (device: Device, operand: Operand): Feed => new Feed(device, operand, { ...operand, panel: 0 }, null);

function feedOfA(device: Device, tier: Tier, { dtype, m, n, k, a }: Product, { heights, vectors, lanes }: GemmForm): Feed {
  const offsets = distinctOffsets(a);
  const many = n >= tilesThatPayPacking * vectors * lanes;
  const converted = packedStorage(dtype) !== dtype;
  const large = m * k >= largeMatrix;
  const height = heights[0]!;
  const panels = (pitch: number): Feed => {
    const plan = { dtype, width: height, pitch, columns: m, columnStride: a.across, length: k, rowStride: a.step, offsets };
    const placement = { panel: k * pitch - height, across: 1, step: pitch };
    return new Feed(device, a, placement, new Packing(device, tier, plan));
  };
  const rows = (): Feed => {
    const pitch = oddLines(k, bytesOf[packedStorage(dtype)]);
    const plan = { dtype, rows: m, rowStride: a.across, columns: k, columnStride: a.step, pitch, offsets };
    return new Feed(device, a, { panel: 0, across: pitch, step: 1 }, new RowCopy(device, tier, plan));
  };
  if (lanes === 1) return asItLies(device, a);
  if (tier.name === 'wasm') return converted || many || (a.step !== 1 && large) ? panels(height) : asItLies(device, a);
  if (a.across === 1 && a.step !== 1) return converted || (many && large) ? panels(roundUp(height, lanes)) : asItLies(device, a);
  const fits = a.step === 1 && !rowsCollide(a.across * bytesOf[dtype], height);
  return converted || (many && !fits) ? rows() : asItLies(device, a);
}

/** Bytes of a line of a cache, and the lines between two that share a place in the nearest one, which holds a few of them. */
const lineBytes = 64;
const linesApart = 64;
const linesTogether = 8;

/** Whether more rows than the nearest cache can hold lie at the same distance from multiples of its size. */
function rowsCollide(strideBytes: number, rows: number): boolean {
  const counts = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    const place = Math.floor((row * Math.abs(strideBytes)) / lineBytes) % linesApart;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return Math.max(...counts.values()) > linesTogether;
}

/** At least `length`, and an odd number of lines, so that rows do not collide. */
function oddLines(length: number, bytes: number): number {
  const elements = lineBytes / bytes;
  return (Math.ceil(length / elements) | 1) * elements;
}

function feedOfB(
  device: Device,
  tier: Tier,
  { dtype, m, n, k, b }: Product,
  { heights, vectors, lanes, narrow }: GemmForm,
): Feed {
  if (lanes === 1) return asItLies(device, b);
  const width = vectors * lanes;
  const many = m >= tilesThatPayPacking * heights[0]!;
  const converted = packedStorage(dtype) !== dtype;
  if (b.across === 1 && !narrow && !(many && (converted || n * k >= largeMatrix))) return asItLies(device, b);
  const offsets = distinctOffsets(b);
  const plan = { dtype, width, columns: n, columnStride: b.across, length: k, rowStride: b.step, offsets, overlaps: true };
  return new Feed(device, b, { panel: k * width, across: 0, step: width }, new Packing(device, tier, plan));
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

// ---- Blocks

/** Blocks worth making for threads to share, and the multiplications that one should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Rows whose part of a stays in the second cache while the panels of b pass by. */
const largestBlockRows = 144;
/** Columns along which it is worth going through a row of b. */
const smallestStrip = 2048;

/** How many items a product should have for each of `parts` that it has anyway. */
function itemsWanted({ m, n, k, batch }: Product, parts: number): number {
  return Math.ceil(Math.min(wantedItems, (batch * m * n * k) / smallestItem) / parts);
}

interface Blocks {
  readonly rowPanels: number;
  readonly rowBlocks: number;
  readonly columnPanels: number;
  readonly columnBlocks: number;
}

function blocksOf(product: Product, { heights, vectors, lanes }: GemmForm): Blocks {
  const { m, n, batch } = product;
  const width = vectors * lanes;
  const [rowPanels, columnPanels] = [Math.ceil(m / heights[0]!), Math.ceil(n / width)];
  const wanted = itemsWanted(product, batch);
  const rowBlocks = Math.min(rowPanels, Math.max(wanted, Math.ceil(m / largestBlockRows)));
  // A panel that overlaps another is in its block.
  const mostColumnBlocks = n % width === 0 ? columnPanels : Math.max(1, Math.floor(columnPanels / 2));
  return { rowPanels, rowBlocks, columnPanels, columnBlocks: Math.min(mostColumnBlocks, Math.ceil(wanted / rowBlocks)) };
}

// ---- Running

interface Prepared {
  readonly a: Feed;
  readonly b: Feed;
  readonly launch: KernelLaunch;
  /** Adds up what `launch` has left in scratch, and rounds it; null where that is the result. */
  readonly addition: { readonly launch: KernelLaunch; readonly bytes: number } | null;
}

class Gemm implements LibraryRun {
  private readonly work: Prepared | null;

  constructor(
    private readonly device: Device,
    private readonly output: TensorMeta,
    private readonly product: Product,
  ) {
    const { dtype, m, n, k, batch } = product;
    const size = m * n * k * batch;
    this.work = size === 0 ? null : prepare(device, device.tier({ kind: 'product', dtype, size }), product);
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output, work } = this;
    if (work === null) return [zeros(device, output)];
    const { a, b, launch, addition } = work;
    const { places } = this.product;
    return withScratch(device, [a.bytes, b.bytes, addition?.bytes ?? 0], ([aScratch, bScratch, sums]) => {
      const out = emptyTensor(device, output.shape, output.dtype);
      launch.point('a', a.prepare(addressOf(inputs[places.a]!), aScratch!));
      launch.point('b', b.prepare(addressOf(inputs[places.b]!), bScratch!));
      launch.point('out', addition === null ? out.storage.address : sums!);
      launch.run();
      addition?.launch.point('sums', sums!);
      addition?.launch.point('out', out.storage.address);
      addition?.launch.run();
      return [out];
    });
  }

  free(): void {
    this.work?.launch.free();
    this.work?.addition?.launch.free();
    this.work?.a.free();
    this.work?.b.free();
  }
}

function prepare(device: Device, tier: Tier, product: Product): Prepared {
  const method = methodOf(tier, product);
  const prepared =
    method === 'groups'
      ? byGroups(device, tier, product)
      : method === 'rowSums'
        ? inRowSums(device, tier, product)
        : method === 'turned'
          ? inTurnedSquares(device, tier, product)
          : inTiles(device, tier, product, method);
  prepared.launch.point('aOffsets', prepared.a.offsets.address);
  prepared.launch.point('bOffsets', prepared.b.offsets.address);
  return prepared;
}

function inTiles(device: Device, tier: Tier, product: Product, shape: GemmForm): Prepared {
  const { dtype, m, n, k, batch } = product;
  const a = feedOfA(device, tier, product, shape);
  const b = feedOfB(device, tier, product, shape);
  const packed = packedStorage(dtype);
  const length = Math.min(blockLength, k);
  const lengthBlocks = Math.ceil(k / length);
  const addition = lengthBlocks === 1 || packed === dtype ? null : additionOf(device, tier, product, 1);
  const form = {
    ...shape,
    storage: addition === null ? dtype : packed,
    aStorage: a.isCopied ? packed : dtype,
    bStorage: b.isCopied ? packed : dtype,
    rowsAdjoin: a.placement.across === 1 && a.placement.step !== 1,
  };
  const blocks = blocksOf(product, shape);
  const integers = {
    ...{ m, n, k, ...blocks, blockLength: length, lengthBlocks },
    ...{ aPanel: a.placement.panel, aRow: a.placement.across, aStep: a.placement.step },
    ...{ bPanel: b.placement.panel, bColumn: b.placement.across, bStep: b.placement.step },
  };
  const items = batch * blocks.rowBlocks * blocks.columnBlocks;
  const grain = grainFor((batch * m * n * k) / items);
  return { a, b, addition, launch: new KernelLaunch(device, tier.compile(gemmKernels(form)), integers, items, grain) };
}

function inRowSums(device: Device, tier: Tier, product: Product): Prepared {
  const { dtype, m, n, k, batch } = product;
  const length = Math.min(blockLength, k);
  const lengthBlocks = Math.ceil(k / length);
  const wanted = itemsWanted(product, batch * lengthBlocks);
  const blockColumns = Math.max(smallestStrip, roundUp(Math.ceil(n / wanted), lineBytes));
  const columnBlocks = Math.ceil(n / blockColumns);
  const integers = {
    ...{ m, n, k, batch, blockLength: length, columnBlocks, blockColumns },
    ...{ aRow: product.a.across, aStep: product.a.step, bStep: product.b.step },
  };
  const lanes = lanesFor(dtype, tier.target.vectorBytes);
  const isResult = lengthBlocks === 1 && packedStorage(dtype) === dtype;
  return {
    a: asItLies(device, product.a),
    b: asItLies(device, product.b),
    launch: new KernelLaunch(
      device,
      tier.compile(rowSumsKernels({ storage: dtype, lanes })),
      integers,
      batch * lengthBlocks * columnBlocks,
      grainFor(m * blockColumns * length),
    ),
    addition: isResult ? null : additionOf(device, tier, product, lengthBlocks),
  };
}

/** On machines of many threads. */
function byGroups(device: Device, tier: Tier, product: Product): Prepared {
  const { kernel, integers, items, parts } = groupProduct({ ...product, tf32: tier.target.tf32 ?? false });
  return {
    a: asItLies(device, product.a),
    b: asItLies(device, product.b),
    launch: new KernelLaunch(device, tier.compile(kernel), integers, items, 1),
    addition: parts === 1 ? null : additionOf(device, tier, product, parts),
  };
}

/** Adds up blocks of results that lie one after the other, and rounds them. */
export function additionOf(
  device: Device,
  tier: Tier,
  { dtype, m, n, batch }: Pick<Product, 'dtype' | 'm' | 'n' | 'batch'>,
  blocks: number,
): NonNullable<Prepared['addition']> {
  const size = batch * m * n;
  const itemSize = 1 << 12;
  const integers = { size, itemSize, blocks };
  const items = Math.ceil(size / itemSize);
  const launch = new KernelLaunch(device, tier.compile(addBlocksKernels(dtype)), integers, items, grainFor(itemSize * blocks));
  return { launch, bytes: size * blocks * bytesOf[packedStorage(dtype)] };
}

function inTurnedSquares(device: Device, tier: Tier, product: Product): Prepared {
  const { dtype, m, n, k, batch } = product;
  const form = { storage: dtype, lanes: lanesFor(dtype, tier.target.vectorBytes) };
  const blockColumns = roundUp(Math.ceil(n / itemsWanted(product, batch)), form.lanes);
  const columnBlocks = Math.ceil(n / blockColumns);
  const length = Math.min(blockLength, k);
  const integers = {
    ...{ m, n, k, blockLength: length, lengthBlocks: Math.ceil(k / length), blockColumns, columnBlocks },
    ...{ aRow: product.a.across, aStep: product.a.step, bColumn: product.b.across },
  };
  const grain = grainFor(m * blockColumns * k);
  return {
    a: asItLies(device, product.a),
    b: asItLies(device, product.b),
    launch: new KernelLaunch(device, tier.compile(turnedKernels(form)), integers, batch * columnBlocks, grain),
    addition: null,
  };
}
