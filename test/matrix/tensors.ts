/**
 * Tensors for the matrix: elements in any dtype and any layout, and elements back from tensors. What a layout means is told to the
 * public ops (transpose, slice, flip, expand), so a broken view shows here too.
 */

import type { Dtype, Tensor } from '../../entry/index.js';
import * as opwright from '../../entry/index.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16, partsOf } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';

/** How a tensor lies in memory. `expanded` repeats its first row, so its elements are others; see `layElements`. */
export type LayoutName = 'contiguous' | 'transposed' | 'strided' | 'flipped' | 'offset' | 'expanded';

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A number as an element of that dtype: rounded, wrapped, or told from 0. */
export function toDtype(value: number, dtype: Dtype): number {
  switch (dtype) {
    case 'bool':
      return Number(value !== 0);
    case 'float64':
    case 'complex128':
      return value;
    case 'complex64':
    case 'float32':
      return Math.fround(value);
    case 'float16':
      return decodeFloat16(encodeFloat16(value));
    case 'bfloat16':
      return decodeBfloat16(encodeBfloat16(value));
    case 'int64':
      return Number.isFinite(value) ? Math.trunc(value) : 0;
    default:
      return wrap(value, dtype);
  }
}

function wrap(value: number, dtype: 'uint8' | 'int8' | 'int16' | 'int32'): number {
  if (!Number.isFinite(value)) return 0;
  const bits = BigInt(Math.trunc(value));
  return Number(dtype === 'uint8' ? BigInt.asUintN(8, bits) : BigInt.asIntN(widths[dtype], bits));
}

const widths = { int8: 8, int16: 16, int32: 32 } as const;

/** The spacing of numbers near 1; 0 where elements are exact. */
export function epsilonOf(dtype: Dtype): number {
  const epsilons: Partial<Record<Dtype, number>> = {
    float16: 2 ** -10,
    bfloat16: 2 ** -7,
    float32: 2 ** -23,
    float64: 2 ** -52,
    complex64: 2 ** -23,
    complex128: 2 ** -52,
  };
  return epsilons[dtype] ?? 0;
}

/** The elements that a tensor of this layout will have. */
export function layElements(elements: Elements, layout: LayoutName): Elements {
  const axis = expandedAxis(elements.shape);
  if (layout !== 'expanded' || axis < 0) return elements;
  const { shape, values } = elements;
  const inner = sizeOf(shape.slice(axis + 1)) * partsOf(elements.dtype);
  const block = inner * shape[axis]!;
  return { ...elements, values: values.map((_, place) => values[Math.floor(place / block) * block + (place % inner)]!) };
}

/** The first axis along which there is something to repeat. */
function expandedAxis(shape: readonly number[]): number {
  return shape.findIndex((size) => size > 1);
}

/** A tensor of elements that `layElements` gave, in that layout; contiguous where the shape allows no other. */
export function makeTensor(elements: Elements, layout: LayoutName = 'contiguous'): Tensor {
  const { shape, dtype } = elements;
  const values = elementList(elements);
  const rank = shape.length;
  switch (layout) {
    case 'transposed': {
      if (rank < 2) return fromValues(values, shape, dtype);
      const reversed = shape.toReversed();
      const axes = shape.map((_, axis) => rank - 1 - axis);
      return view(fromValues(rearranged(values, shape, axes), reversed, dtype), (x) => opwright.transpose(x, axes));
    }
    case 'strided': {
      if (rank === 0) return fromValues(values, shape, dtype);
      const wide = shape.map((size) => 2 * size + 1);
      const axes = shape.map((_, axis) => axis);
      const starts = shape.map(() => 1);
      const steps = shape.map(() => 2);
      return view(fromValues(spread(values, shape, wide, dtype), wide, dtype), (x) =>
        opwright.slice(x, axes, starts, wide, { steps }),
      );
    }
    case 'flipped': {
      if (rank === 0) return fromValues(values, shape, dtype);
      return view(fromValues(values.toReversed(), shape, dtype), (x) =>
        opwright.flip(
          x,
          shape.map((_, axis) => axis),
        ),
      );
    }
    case 'offset': {
      const filler = [1, 0, 1].map((value): readonly number[] => new Array<number>(partsOf(dtype)).fill(value));
      const flat = view(fromValues([...filler, ...values], [values.length + filler.length], dtype), (x) =>
        opwright.slice(x, [0], [filler.length], [values.length + filler.length]),
      );
      return view(flat, (x) => opwright.reshape(x, shape));
    }
    case 'expanded': {
      const axis = expandedAxis(shape);
      if (axis < 0) return fromValues(values, shape, dtype);
      const inner = sizeOf(shape.slice(axis + 1));
      const narrow = shape.with(axis, 1);
      const kept = values.filter((_, place) => Math.floor(place / inner) % shape[axis]! === 0);
      return view(fromValues(kept, narrow, dtype), (x) => opwright.expand(x, shape));
    }
    default:
      return fromValues(values, shape, dtype);
  }
}

/** The numbers of each element: one, or the two parts of a complex one. */
function elementList({ values, dtype }: Elements): readonly (readonly number[])[] {
  const parts = partsOf(dtype);
  return Array.from({ length: values.length / parts }, (_, place) => values.slice(parts * place, parts * (place + 1)));
}

function fromValues(values: readonly (readonly number[])[], shape: readonly number[], dtype: Dtype): Tensor {
  return opwright.tensor(Float64Array.from(values.flat()), { shape, dtype });
}

/** A view whose base lives on only through it. */
function view(base: Tensor, of: (base: Tensor) => Tensor): Tensor {
  const result = opwright.noGrad(() => of(base));
  base.dispose();
  return result;
}

/** The elements in the order of the permuted shape. */
function rearranged<V>(values: readonly V[], shape: readonly number[], axes: readonly number[]): V[] {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const permuted = axes.map((axis) => shape[axis]!);
  return Array.from(values, (_, place) => {
    const from = coordinates(place, permuted).reduce((sum, coordinate, axis) => sum + coordinate * strides[axes[axis]!]!, 0);
    return values[from]!;
  });
}

/** The elements at the odd places of a wider array, ones elsewhere. */
function spread(
  values: readonly (readonly number[])[],
  shape: readonly number[],
  wide: readonly number[],
  dtype: Dtype,
): (readonly number[])[] {
  const ones = new Array<number>(partsOf(dtype)).fill(1);
  const result = new Array<readonly number[]>(sizeOf(wide)).fill(ones);
  const strides = wide.map((_, axis) => sizeOf(wide.slice(axis + 1)));
  values.forEach((value, place) => {
    const to = coordinates(place, shape).reduce((sum, coordinate, axis) => sum + (2 * coordinate + 1) * strides[axis]!, 0);
    result[to] = value;
  });
  return result;
}

function coordinates(place: number, shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length);
  let rest = place;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    result[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return result;
}

/** What a tensor holds now. */
export function readTensor(tensor: Tensor): Elements {
  return { shape: tensor.shape, dtype: tensor.dtype, values: Array.from(tensor.dataSync(), Number) };
}
