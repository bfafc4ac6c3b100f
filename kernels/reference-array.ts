/**
 * Arrays of the float64 reference: a shape, a dtype and contiguous values, with the index arithmetic that naive loops need.
 */
import type { Arguments, Dtype, Shape, Value } from './op.js';

export interface ReferenceArray extends Value {
  /** Row-major. */
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
  if (data.length !== elementCount(shape))
    throw new RangeError(`${data.length} values do not fill the shape [${shape.join(', ')}]`);
  return { shape, dtype, data: Float64Array.from(data, (value) => stored(dtype, value)) };
}

/** The value as an element of the dtype holds it, but for floating-point rounding. */
function stored(dtype: Dtype, value: number): number {
  if (dtype === 'bool') return Number(value !== 0);
  if (isFloating(dtype)) return value;
  return Number.isFinite(value) ? Math.trunc(value) : 0;
}

export function isFloating(dtype: Dtype): boolean {
  return dtype === 'float16' || dtype === 'bfloat16' || dtype === 'float32' || dtype === 'float64';
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
