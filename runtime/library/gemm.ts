/**
 * Matrix products, [...b, m, k] times [...b, k, n], broadcast over b. Operands are taken with the strides that they have: what would
 * be read badly is packed into scratch on the way. Everything is decided from shapes and strides when the op is bound, so results
 * do not depend on the number of threads.
 */
import { dotKernel, type GemmForm, gemmKernel } from '../../kernels/lower/gemm.js';
import { alignStrides } from '../../kernels/lower/space.js';
import { lanesFor, packedStorage } from '../../kernels/lower/tile.js';
import type { LayoutMeta, Shape, TensorMeta } from '../../kernels/op.js';
import { addressOf } from '../copies.js';
import type { Device, Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import type { LibraryKernel, LibraryRun } from './index.js';
import { grainFor, KernelLaunch, remembered, Table, withScratch, zeros } from './launch.js';
import { layoutOf, placeOf } from './operands.js';
import { Packing } from './packing.js';

const gemmKernels = remembered(gemmKernel);
const dotKernels = remembered(dotKernel);

/** Products along k between two additions to the result: what the cache nearest to a core holds of a panel. */
const blockLength = 384;
/** Rows whose part of a stays in the second cache while the panels of b pass by. */
const largestBlockRows = 128;
/** Blocks worth making for threads to share, and the multiplications a block should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** From this many tiles side by side on, packing a costs less than it saves. */
const tilesThatPayPacking = 4;
/** From this many elements on, b is packed even if its rows could be read as they are. */
const largeMatrix = 1 << 16;
/** With fewer rows than this, packing a transposed b costs more than summing along it. */
const fewRows = 16;
/** Up to this many multiplications a matrix is not worth packing. */
const tinyProduct = 1 << 11;

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
  return new Gemm(device, output, columnAsRow(foldBatch(withoutIdleStrides(product))));
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

/** How a product is computed: null stands for the product by rows. */
function formOf({ target }: Tier, product: Product): GemmForm | null {
  const { dtype, m, n, k, a, b } = product;
  const lanes = lanesFor(dtype, target.vectorBytes);
  const along = a.step === 1 && b.step === 1 && b.across !== 1;
  if (along && lanes > 1 && m < fewRows && k >= 4 * lanes) return null;
  const rows = m === 1 ? 1 : 4;
  const scalar = { storage: dtype, rows, vectors: n === 1 ? 1 : 2, lanes: 1, packedA: false, packedB: false };
  if (lanes === 1 || (b.across !== 1 && m * n * k <= tinyProduct)) return scalar;
  if (m === 1 && (b.across !== 1 || n < lanes)) return scalar;
  const converted = packedStorage(dtype) !== dtype;
  const vectors = m === 1 ? widest(n, lanes) : n > lanes ? 2 : 1;
  const width = vectors * lanes;
  const packedA = m > 1 && (converted || n >= tilesThatPayPacking * width || (a.step !== 1 && m * k >= largeMatrix));
  const packedB = m > 1 && (converted || b.across !== 1 || n < width || (m >= 64 && n * k >= largeMatrix));
  return { storage: dtype, rows, vectors, lanes, packedA, packedB };
}

/** Of one row, up to 8 vectors: enough independent sums to hide the latency of an addition. */
function widest(n: number, lanes: number): number {
  return [8, 4, 2].find((vectors) => vectors * lanes <= n) ?? 1;
}

interface Blocks {
  readonly blockRows: number;
  readonly rowBlocks: number;
  readonly blockColumns: number;
  readonly columnBlocks: number;
}

function blocksOf({ m, n, k, batch }: Product, tileRows: number, tileColumns: number): Blocks {
  const worthwhile = Math.ceil((batch * m * n * k) / smallestItem);
  const wanted = Math.ceil(Math.min(wantedItems, worthwhile) / batch);
  const rowsWanted = Math.min(wanted, Math.ceil(m / tileRows));
  const blockRows = Math.min(largestBlockRows, roundUp(Math.ceil(m / rowsWanted), tileRows));
  const rowBlocks = Math.ceil(m / blockRows);
  const blockColumns = roundUp(Math.ceil(n / Math.ceil(wanted / rowBlocks)), tileColumns);
  return { blockRows, rowBlocks, blockColumns, columnBlocks: Math.ceil(n / blockColumns) };
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

// ---- Running

/** The matrices of one operand, packed before the product or read where they are. */
class Feed {
  readonly packing: Packing | null;
  readonly offsets: Table;

  constructor(device: Device, operand: Operand, packing: ((offsets: readonly number[]) => Packing) | null) {
    const distinct = [...new Set(operand.offsets)];
    this.packing = packing === null ? null : packing(distinct);
    const size = this.packing?.matrixSize ?? 0;
    const places = new Map(distinct.map((offset, index) => [offset, index * size]));
    this.offsets = new Table(device, packing === null ? operand.offsets : operand.offsets.map((offset) => places.get(offset)!));
  }

  get bytes(): number {
    return this.packing?.bytes ?? 0;
  }

  /** Where the product reads the operand. */
  prepare(source: number, scratch: number): number {
    if (this.packing === null) return source;
    this.packing.run(source, scratch);
    return scratch;
  }

  free(): void {
    this.packing?.free();
    this.offsets.free();
  }
}

class Gemm implements LibraryRun {
  private readonly work: { readonly launch: KernelLaunch; readonly a: Feed; readonly b: Feed } | null;

  constructor(
    private readonly device: Device,
    private readonly output: TensorMeta,
    private readonly product: Product,
  ) {
    const { m, n, k, batch } = product;
    if (m * n * k * batch === 0) {
      this.work = null;
      return;
    }
    const tier = device.tier({ kind: 'product', dtype: product.dtype, size: m * n * k * batch });
    const form = formOf(tier, product);
    const { launch, a, b } = form === null ? byRows(device, tier, product) : inTiles(device, tier, product, form);
    launch.point('aOffsets', a.offsets.address);
    launch.point('bOffsets', b.offsets.address);
    this.work = { launch, a, b };
  }

  run(inputs: readonly Tensor[]): Tensor[] {
    const { device, output, work } = this;
    if (work === null) return [zeros(device, output)];
    const { launch, a, b } = work;
    const { places } = this.product;
    return withScratch(device, [a.bytes, b.bytes], ([aScratch, bScratch]) => {
      const out = emptyTensor(device, output.shape, output.dtype);
      launch.point('a', a.prepare(addressOf(inputs[places.a]!), aScratch!));
      launch.point('b', b.prepare(addressOf(inputs[places.b]!), bScratch!));
      launch.point('out', out.storage.address);
      launch.run();
      return [out];
    });
  }

  free(): void {
    this.work?.launch.free();
    this.work?.a.free();
    this.work?.b.free();
  }
}

interface Prepared {
  readonly launch: KernelLaunch;
  readonly a: Feed;
  readonly b: Feed;
}

function inTiles(device: Device, tier: Tier, product: Product, form: GemmForm): Prepared {
  const { dtype, m, n, k, batch } = product;
  const width = form.vectors * form.lanes;
  const pack =
    ({ step, across }: Operand, columns: number, panel: number) =>
    (offsets: readonly number[]) =>
      new Packing(device, tier, { dtype, width: panel, columns, columnStride: across, length: k, rowStride: step, offsets });
  const a = new Feed(device, product.a, form.packedA ? pack(product.a, m, form.rows) : null);
  const b = new Feed(device, product.b, form.packedB ? pack(product.b, n, width) : null);
  // What is rounded to 16 bits is added up in one go.
  const length = packedStorage(dtype) === dtype ? Math.min(blockLength, k) : k;
  const blocks = blocksOf(product, form.rows, width);
  const integers = {
    ...{ m, n, k, ...blocks, blockLength: length, lengthBlocks: Math.ceil(k / length) },
    ...{ aRow: product.a.across, aStep: product.a.step, bColumn: product.b.across, bStep: product.b.step },
  };
  const grain = grainFor(blocks.blockRows * blocks.blockColumns * k);
  const launch = new KernelLaunch(
    device,
    tier.compile(gemmKernels(form)),
    integers,
    batch * blocks.rowBlocks * blocks.columnBlocks,
    grain,
  );
  return { launch, a, b };
}

function byRows(device: Device, tier: Tier, product: Product): Prepared {
  const { dtype, m, n, k, batch } = product;
  const { blockColumns, columnBlocks } = blocksOf({ ...product, batch: batch * m, m: 1 }, 1, 1);
  const integers = { m, n, k, aRow: product.a.across, bColumn: product.b.across, blockColumns, columnBlocks };
  const launch = new KernelLaunch(
    device,
    tier.compile(dotKernels(dtype)),
    integers,
    batch * m * columnBlocks,
    grainFor(blockColumns * k),
  );
  return { launch, a: new Feed(device, product.a, null), b: new Feed(device, product.b, null) };
}
