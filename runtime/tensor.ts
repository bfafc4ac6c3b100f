/**
 * The tensor: a dtype and a layout over a storage, and its place in the gradient graph. Here are its properties, its reading and its
 * disposal. Ops are attached as methods by the entry points; making tensors is create.ts, printing them print.ts.
 */
import { inspect } from 'node:util';
import type { Shape } from '../kernels/op.js';
import type { GradientEdge } from './autograd-types.js';
import type { Device } from './devices/device.js';
import {
  byteSize,
  type Complex,
  type ComplexDtype,
  createRawArray,
  type DataArray,
  type DataArrays,
  type Dtype,
  decodeArray,
  isComplexDtype,
  partsOf,
  type RawArray,
} from './dtype.js';
import { OpwrightError } from './errors.js';
import { contiguousLayout, type Layout } from './layout.js';
import { type Place, placeOf } from './places.js';
import { formatTensor } from './print.js';
import { relievePressure } from './reclaim.js';
import { track } from './scope.js';
import { Storage } from './storage.js';

/** Numbers nested to the depth of a tensor's rank; a plain number for rank 0. */
export type NestedNumbers = Nested<number>;
export type Nested<Element> = Element | Nested<Element>[];
/** What an element is in JavaScript: a number, but of a dtype that is known to be complex `{ re, im }`. */
export type ElementOf<D extends Dtype> = [D] extends [ComplexDtype] ? Complex : number;

export class Tensor<D extends Dtype = Dtype> {
  readonly dtype: D;
  /** Whether backward() stops here: true for data, false for parameters and what was computed from them. */
  stopGradient: boolean;
  /** How it was computed, where gradients flow; null on leaves. */
  edge: GradientEdge | null = null;
  /** Set by keep(): no tidy scope disposes it. */
  isKept = false;
  private ownStorage: Storage;
  private ownLayout: Layout;
  /** The storage's version when the place in the gradient graph was last known to be right. */
  private knownVersion: number;
  private disposed = false;
  private gradient: Tensor | null = null;
  /** Whether the gradient was read, or set from outside: somebody may have it then, and it is not the library's to dispose. */
  private gradientIsLent = false;

  /** A tensor over a storage, of which it becomes a holder. The layout must fit the storage: nothing is checked. */
  constructor(storage: Storage, layout: Layout, dtype: D, stopGradient = true) {
    this.ownStorage = storage;
    this.ownLayout = layout;
    this.knownVersion = storage.version;
    this.dtype = dtype;
    this.stopGradient = stopGradient;
    storage.retain();
    track(this);
  }

  /** The memory, which views share. */
  get storage(): Storage {
    return this.ownStorage;
  }

  /** Where the elements lie in it. */
  get layout(): Layout {
    return this.ownLayout;
  }

  get shape(): Shape {
    return this.layout.shape;
  }

  get rank(): number {
    return this.layout.rank;
  }

  /** The number of elements. */
  get size(): number {
    return this.layout.size;
  }

  get device(): Device {
    return this.storage.device;
  }

  /** Where it is, in Paddle's words. */
  get place(): Place {
    return placeOf(this.storage.device);
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** What backward() accumulated for this tensor. Whoever reads it may keep it: it is neither written nor disposed when there is a new one. */
  get grad(): Tensor | null {
    this.gradientIsLent = true;
    return this.gradient;
  }

  set grad(value: Tensor | null) {
    this.gradientIsLent = true;
    this.gradient = value;
  }

  /** For the library, which does not keep what it reads here. */
  peekGradient(): Tensor | null {
    return this.gradient;
  }

  /** Sets a gradient that nobody else has, and lets go of the one before. */
  replaceGradient(value: Tensor | null): void {
    if (!this.gradientIsLent) this.gradient?.dispose();
    this.gradientIsLent = false;
    this.gradient = value;
  }

  /**
   * The elements in row-major order, as a copy. int64 comes as a BigInt64Array, bool as zeros and ones in a Uint8Array, float16 and
   * bfloat16 as a Float32Array, complex elements as real and imaginary parts in turn. A loop that awaits its reads also lets unreachable
   * tensors be reclaimed.
   */
  async data(): Promise<DataArrays[D]> {
    this.checkUsable('data');
    const span = new StorageSpan(this.storage, this.layout, this.dtype);
    await this.device.read(span.address, span.bytes);
    const relief = relievePressure();
    if (relief !== undefined) await relief;
    return span.decode();
  }

  /** As `data`, waiting in place. */
  dataSync(): DataArrays[D] {
    this.checkUsable('dataSync');
    return this.readElements();
  }

  /** The one element of a tensor of size 1, as a number: bool as 0 or 1, int64 rounded to a double; `{ re, im }` where it is complex. */
  item(): ElementOf<D> {
    this.checkUsable('item');
    if (this.size !== 1) {
      throw new OpwrightError('INVALID_ARGUMENT', `item() needs a tensor with one element, and this one has ${this.size}.`, {
        op: 'item',
        shapes: { x: this.shape },
        remedy: 'Use tolist(), dataSync() or await data(), or reduce the tensor first.',
      });
    }
    return elementReader(this.dtype, this.readElements())(0);
  }

  /** The elements as nested arrays of numbers: bool as 0 and 1, int64 rounded to doubles, complex ones as `{ re, im }`. */
  tolist(): Nested<ElementOf<D>> {
    this.checkUsable('tolist');
    return nest(elementReader(this.dtype, this.readElements()), this.shape);
  }

  /** Lets go of the storage, whose memory is freed if no other tensor looks at it. Disposing twice does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.edge?.release();
    this.edge = null;
    this.storage.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Takes the place in the gradient graph of a tensor that was written into this one's memory. Other tensors over that memory do not know
   * where gradients of the new elements go: they are refused where one would be recorded.
   */
  standFor(result: Tensor): void {
    const changes = this.edge !== null || result.edge !== null;
    this.takeEdge(result);
    this.stopGradient = result.stopGradient;
    if (changes) this.storage.graphVersion = this.storage.version;
    this.knownVersion = this.storage.version;
  }

  /** Becomes a view that was made of it, which is then disposed. Without `recorded` a leaf stays one. */
  become(view: Tensor, recorded: boolean): void {
    if (recorded || this.edge?.isLeaf === false) {
      this.takeEdge(view);
      this.stopGradient = view.stopGradient;
    }
    view.storage.retain();
    this.storage.release();
    this.ownStorage = view.storage;
    this.ownLayout = view.layout;
    this.knownVersion = view.knownVersion;
    view.dispose();
  }

  private takeEdge(other: Tensor): void {
    this.edge?.release();
    this.edge = other.edge;
    other.edge = null;
  }

  /** Throws OVERWRITTEN if another tensor over the same memory was changed in place in a way that this one's gradients do not know of. */
  checkGraph(op: string, argument: string): void {
    if (this.storage.graphVersion <= this.knownVersion) return;
    throw new OpwrightError(
      'OVERWRITTEN',
      `An in-place op on another tensor over the memory of ${argument} changed where its gradients go.`,
      {
        op,
        argument,
        shapes: { [argument]: this.shape },
        remedy: 'Take the view again from the tensor that was changed, or change a copy.',
      },
    );
  }

  /** Throws DISPOSED if the tensor was disposed; `op` is what is about to read it. */
  checkUsable(op: string, argument?: string): void {
    if (!this.disposed) return;
    throw new OpwrightError('DISPOSED', `The tensor was disposed and cannot be used by ${op}.`, {
      op,
      ...(argument === undefined ? {} : { argument }),
      shapes: { [argument ?? 'x']: this.shape },
      remedy: 'Return it from tidy(), or keep() it, or dispose it later.',
    });
  }

  toString(): string {
    return formatTensor(this, this.disposed ? null : this.readElements());
  }

  [inspect.custom](): string {
    return this.toString();
  }

  private readElements(): DataArrays[D] {
    const span = new StorageSpan(this.storage, this.layout, this.dtype);
    this.device.readSync(span.address, span.bytes);
    return span.decode();
  }
}

/** Whether a tensor's elements are complex numbers. */
export function isComplex(x: Tensor): x is Tensor<ComplexDtype> {
  return isComplexDtype(x.dtype);
}

/** Whether a value is a tensor. */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** A fresh tensor with arbitrary contents, contiguous. Throws SIZE_TOO_LARGE or OUT_OF_MEMORY. */
export function emptyTensor<D extends Dtype>(device: Device, shape: Shape, dtype: D): Tensor<D> {
  const layout = contiguousLayout(shape);
  const storage = new Storage(device, layout.size * byteSize(dtype));
  storage.describe(layout.shape);
  return new Tensor(storage, layout, dtype);
}

/** The part of a storage between a tensor's first and last element, copied to the host and put in row-major order there. */
class StorageSpan<D extends Dtype> {
  readonly address: number;
  /** To be filled from `address`. */
  readonly bytes: Uint8Array;
  private readonly raw: RawArray;
  private readonly lowest: number;

  constructor(
    storage: Storage,
    private readonly layout: Layout,
    private readonly dtype: D,
  ) {
    const { lowest, highest } = extent(layout);
    this.lowest = lowest;
    this.raw = createRawArray(dtype, layout.size === 0 ? 0 : highest - lowest + 1);
    this.bytes = new Uint8Array(this.raw.buffer, 0, this.raw.byteLength);
    this.address = storage.address + lowest * byteSize(dtype);
  }

  decode(): DataArrays[D] {
    const { layout, dtype, raw } = this;
    return decodeArray(dtype, layout.contiguous ? raw : gather(raw, layout, layout.offset - this.lowest, dtype));
  }
}

/** The lowest and highest element that a layout reaches, from the start of the storage. */
export function extent(layout: Layout): { lowest: number; highest: number } {
  let lowest = layout.offset;
  let highest = layout.offset;
  if (layout.size === 0) return { lowest, highest };
  for (let axis = 0; axis < layout.rank; axis++) {
    const reach = layout.strides[axis]! * (layout.shape[axis]! - 1);
    if (reach < 0) lowest += reach;
    else highest += reach;
  }
  return { lowest, highest };
}

function gather(raw: RawArray, layout: Layout, start: number, dtype: Dtype): RawArray {
  const result = createRawArray(dtype, layout.size);
  const parts = partsOf(dtype);
  if (raw instanceof BigInt64Array) {
    if (result instanceof BigInt64Array) gatherInto(raw, result, layout, start, parts);
  } else if (!(result instanceof BigInt64Array)) {
    gatherInto(raw, result, layout, start, parts);
  }
  return result;
}

/** Copies the elements at `start + sum(index * stride)`, of so many numbers each, in row-major order. */
function gatherInto<V>(
  raw: ArrayLike<V>,
  result: { [index: number]: V; length: number },
  layout: Layout,
  start: number,
  parts: 1 | 2,
): void {
  const { shape, strides, rank } = layout;
  const index = new Array<number>(rank).fill(0);
  let from = start;
  for (let to = 0; to < layout.size; to++) {
    for (let part = 0; part < parts; part++) result[parts * to + part] = raw[parts * from + part]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}

/** Elements by their place in row-major order, as JavaScript has them. */
function elementReader<D extends Dtype>(dtype: D, values: DataArray): (place: number) => ElementOf<D> {
  const read = isComplexDtype(dtype)
    ? (place: number): Complex => ({ re: Number(values[2 * place]), im: Number(values[2 * place + 1]) })
    : (place: number): number => Number(values[place]);
  // The compiler does not follow that the dtype, which was looked at, decides the element's type.
  return read as (place: number) => ElementOf<D>;
}

function nest<Element>(elementAt: (place: number) => Element, shape: Shape): Nested<Element> {
  let at = 0;
  const build = (axis: number): Nested<Element> => {
    if (axis === shape.length) return elementAt(at++);
    return Array.from({ length: shape[axis]! }, () => build(axis + 1));
  };
  return build(0);
}
