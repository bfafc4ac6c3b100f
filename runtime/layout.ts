/**
 * Where the elements of a tensor lie in its storage: shape, strides and offset, in elements. Layouts are immutable and interned, so
 * that comparing two is comparing their ids, and an id can stand in a cache key. Nothing here knows of memory or dtypes.
 */
import type { Shape } from '../kernels/op.js';
import { formatShape, formatValue, OpwrightError } from './errors.js';

export interface Layout {
  /** Equal ids mean equal layouts. An id is never used again, but a layout that was long unused may come back with a new one. */
  readonly id: number;
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
  /** The number of elements. */
  readonly size: number;
  readonly rank: number;
  /** Whether the elements follow each other in row-major order, from `offset` on. */
  readonly contiguous: boolean;
  /** The same shape and strides at offset 0: a cache keyed by `form.id` serves every slice of a tensor. */
  readonly form: Layout;
}

/** Kernels index elements with 32-bit integers. */
export const maximumSize = 2 ** 31 - 1;

/** Half of the layouts kept interned. In use or not, the less recent half is forgotten when as many new ones have been met. */
const generationSize = 4096;

let lastId = 0;

/**
 * Buckets of layouts by hash, in two generations: lookups move what they find into the young one, and when that is full the old
 * one is dropped. A loop over ever new shapes therefore holds a bounded table.
 */
class InternTable {
  private young = new Map<number, Layout[]>();
  private old = new Map<number, Layout[]>();
  private count = 0;

  find(hash: number, shape: Shape, strides: readonly number[] | null, offset: number): Layout | undefined {
    const young = findIn(this.young.get(hash), shape, strides, offset);
    if (young !== undefined) return young;
    const old = findIn(this.old.get(hash), shape, strides, offset);
    if (old !== undefined) this.add(hash, old);
    return old;
  }

  add(hash: number, layout: Layout): void {
    if (this.count >= generationSize) {
      this.old = this.young;
      this.young = new Map();
      this.count = 0;
    }
    const bucket = this.young.get(hash);
    if (bucket === undefined) this.young.set(hash, [layout]);
    else bucket.push(layout);
    this.count++;
  }
}

function findIn(
  bucket: readonly Layout[] | undefined,
  shape: Shape,
  strides: readonly number[] | null,
  offset: number,
): Layout | undefined {
  if (bucket === undefined) return undefined;
  for (const layout of bucket) {
    if (layout.offset !== offset || !sameNumbers(layout.shape, shape)) continue;
    if (strides === null ? layout.contiguous : sameNumbers(layout.strides, strides)) return layout;
  }
  return undefined;
}

// Contiguous layouts have a table of their own because their key has no strides to hash.
const contiguousTable = new InternTable();
const stridedTable = new InternTable();

/**
 * The row-major layout of a shape, at offset 0. Throws INVALID_ARGUMENT, NOT_AN_INTEGER or SIZE_TOO_LARGE for what is no shape;
 * a shape that was met before is not checked again.
 */
export function contiguousLayout(shape: Shape): Layout {
  const hash = hashNumbers(shape, 17);
  const known = contiguousTable.find(hash, shape, null, 0);
  if (known !== undefined) return known;
  checkShape(shape);
  const layout = createLayout(shape, contiguousStrides(shape), 0);
  contiguousTable.add(hash, layout);
  return layout;
}

/** The layout with these strides and offset, which the caller has computed and which therefore are not checked. */
export function stridedLayout(shape: Shape, strides: readonly number[], offset: number): Layout {
  if (offset === 0 && isContiguous(shape, strides)) return contiguousLayout(shape);
  const hash = hashNumbers(strides, hashNumbers(shape, offset | 0));
  const known = stridedTable.find(hash, shape, strides, offset);
  if (known !== undefined) return known;
  const layout = createLayout(shape, strides, offset);
  stridedTable.add(hash, layout);
  return layout;
}

/** Row-major strides. Of an empty shape they are those of the shape with 1 in place of 0. */
export function contiguousStrides(shape: Shape): readonly number[] {
  const strides: number[] = new Array(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= Math.max(shape[axis]!, 1);
  }
  return strides;
}

/** Whether the elements follow each other in row-major order; strides of dimensions of size 1 do not matter. */
export function isContiguous(shape: Shape, strides: readonly number[]): boolean {
  let expected = 1;
  let contiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size === 0) return true;
    if (size !== 1 && strides[axis] !== expected) contiguous = false;
    expected *= size;
  }
  return contiguous;
}

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dimension of shape) size *= dimension;
  return size;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a === b || sameNumbers(a, b);
}

/** Throws unless `shape` is an array of integers >= 0 whose product stays within `maximumSize`. */
export function checkShape(shape: Shape): void {
  if (!Array.isArray(shape)) {
    throw new OpwrightError('INVALID_ARGUMENT', `A shape must be an array of integers, not ${formatValue(shape)}.`, {
      argument: 'shape',
    });
  }
  for (let axis = 0; axis < shape.length; axis++) checkDimension(shape, axis);
  const size = sizeOf(shape.map((dimension) => Math.max(dimension, 1)));
  if (size > maximumSize) {
    throw new OpwrightError('SIZE_TOO_LARGE', `The shape ${formatShape(shape)} has ${size} elements.`, {
      argument: 'shape',
      rule: `at most ${maximumSize} elements, counting empty dimensions as 1`,
    });
  }
}

function checkDimension(shape: Shape, axis: number): void {
  const dimension = shape[axis];
  if (Number.isInteger(dimension) && dimension! >= 0) return;
  const fault = `Dimension ${axis} of the shape ${formatValue(shape)} is ${formatValue(dimension)}, which is no integer >= 0.`;
  throw new OpwrightError(Number.isInteger(dimension) ? 'INVALID_ARGUMENT' : 'NOT_AN_INTEGER', fault, { argument: 'shape' });
}

function createLayout(shape: Shape, strides: readonly number[], offset: number): Layout {
  return new InternedLayout(Object.freeze(shape.slice()), Object.freeze(strides.slice()), offset);
}

class InternedLayout implements Layout {
  readonly id = ++lastId;
  readonly size: number;
  readonly rank: number;
  readonly contiguous: boolean;
  readonly form: Layout;

  constructor(
    readonly shape: Shape,
    readonly strides: readonly number[],
    readonly offset: number,
  ) {
    this.size = sizeOf(shape);
    this.rank = shape.length;
    this.contiguous = isContiguous(shape, strides);
    this.form = offset === 0 ? this : stridedLayout(shape, strides, 0);
  }
}

function hashNumbers(numbers: readonly number[], seed: number): number {
  let hash = seed;
  for (let index = 0; index < numbers.length; index++) {
    hash = Math.imul(hash ^ numbers[index]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  // Small integers stay unboxed as map keys.
  return hash >> 2;
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
