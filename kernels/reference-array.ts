/**
 * Arrays of the float64 reference: a shape, a dtype and contiguous values, with the index arithmetic that naive loops need.
 */
import { isComplex, isFloating } from './host.js';
import type { Arguments, Dtype, Shape, Value } from './op.js';

export interface ReferenceArray extends Value {
  /** Row-major; two numbers for a complex element. */
  readonly data: Float64Array;
  /** Made of plain numbers: takes the dtype of what it meets. */
  readonly weak?: boolean;
}

/** What the reference cannot compute: random draws, and kernels that nobody gave it. */
export class UnsupportedByReference extends Error {}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function contiguousStrides(shape: Shape): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

export function referenceArray(shape: Shape, dtype: Dtype, data: ArrayLike<number>): ReferenceArray {
  if (data.length !== elementCount(shape) * partsOf(dtype))
    throw new RangeError(`${data.length} values do not fill the shape [${shape.join(', ')}]`);
  return { shape, dtype, data: Float64Array.from(data, (value) => stored(dtype, value)) };
}

/** The value as an element of the dtype holds it, but for floating-point rounding. */
function stored(dtype: Dtype, value: number): number {
  if (dtype === 'bool') return Number(value !== 0);
  if (isDifferentiable(dtype)) return value;
  return Number.isFinite(value) ? Math.trunc(value) : 0;
}

/** Floating-point or complex numbers. */
export const isDifferentiable = (dtype: Dtype): boolean => isFloating(dtype) || isComplex(dtype);

export const partsOf = (dtype: Dtype): 1 | 2 => (isComplex(dtype) ? 2 : 1);

/** Zeros of a shape. */
export function zeroArray(shape: Shape, dtype: Dtype): ReferenceArray {
  return referenceArray(shape, dtype, new Float64Array(elementCount(shape) * partsOf(dtype)));
}

/** The elements at those places, one after the other. */
export function elementsAt({ data, dtype }: ReferenceArray, places: Iterable<number>): number[] {
  const parts = partsOf(dtype);
  return Array.from(places).flatMap((at) => Array.from(data.subarray(parts * at, parts * (at + 1))));
}

/** Numbers that had no dtype of their own, as elements of one. */
export function withDtype({ shape, data }: ReferenceArray, dtype: Dtype): ReferenceArray {
  return referenceArray(shape, dtype, isComplex(dtype) ? Array.from(data).flatMap((value) => [value, 0]) : data);
}

/** Every place of a shape in row-major order, as the index of that element under other strides. */
export function* offsets(shape: Shape, strides: readonly number[], start = 0): Generator<number> {
  const place = shape.map(() => 0);
  let at = start;
  for (let left = elementCount(shape); left > 0; left--) {
    yield at;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis]!++;
      at += strides[axis]!;
      if (place[axis]! < shape[axis]!) break;
      at -= place[axis]! * strides[axis]!;
      place[axis] = 0;
    }
  }
}

/** The strides that read a contiguous array as if it were broadcast to `shape`. */
export function broadcastStrides(from: Shape, shape: Shape): number[] {
  const own = contiguousStrides(from);
  const missing = shape.length - from.length;
  return shape.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : own[axis - missing]!));
}

export function isList<V>(argument: V | readonly V[]): argument is readonly V[] {
  return Array.isArray(argument);
}

export function single(inputs: Arguments<ReferenceArray>, name: string): ReferenceArray {
  const input = inputs[name];
  if (input === undefined || isList(input)) throw new TypeError(`the input ${name} must be one tensor`);
  return input;
}
