/**
 * What the library primitives (gemm, convolution, concat, ...) compute, as naive loops over float64: one function for each name
 * that an op's `kernel: { library }` may give. Shapes have been checked before; attributes are normalised.
 */
import type { Argument, Arguments, Attrs, Shape, TensorMeta } from './op.js';
import {
  broadcastStrides,
  contiguousStrides,
  elementCount,
  offsets,
  partsOf,
  type ReferenceArray,
  referenceArray,
  single,
  zeroArray,
} from './reference-array.js';

export type LibraryReference = (
  inputs: Arguments<ReferenceArray>,
  outputs: readonly TensorMeta[],
  attrs: Attrs,
) => readonly ReferenceArray[];

function zeros(meta: TensorMeta): ReferenceArray {
  return zeroArray(meta.shape, meta.dtype);
}

/** The element at one place of an array, put at a place of another of that dtype. */
function copyElement(from: ReferenceArray, at: number, to: ReferenceArray, place: number): void {
  const parts = partsOf(from.dtype);
  to.data.set(from.data.subarray(parts * at, parts * (at + 1)), parts * place);
}

function listOf(argument: Argument<ReferenceArray>): readonly ReferenceArray[] {
  if (argument === undefined) return [];
  return 'data' in argument ? [argument] : argument;
}

function numbers(attrs: Attrs, name: string): number[] {
  return [attrs[name] ?? []].flat().map(Number);
}

/** [...b, m, k] times [...b, k, n], broadcast over b. */
const gemm: LibraryReference = (inputs, [output]) => {
  const [x, y] = [single(inputs, 'x'), single(inputs, 'y')];
  const out = zeros(output!);
  const [m, k, n] = [x.shape.at(-2)!, x.shape.at(-1)!, y.shape.at(-1)!];
  const batch = out.shape.slice(0, -2);
  const xBatches = [...offsets(batch, broadcastStrides(x.shape.slice(0, -2), batch))];
  const yBatches = [...offsets(batch, broadcastStrides(y.shape.slice(0, -2), batch))];
  xBatches.forEach((xBatch, b) => {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let l = 0; l < k; l++) total += x.data[(xBatch * m + i) * k + l]! * y.data[(yBatches[b]! * k + l) * n + j]!;
        out.data[(b * m + i) * n + j] = total;
      }
    }
  });
  return [out];
};

interface Tap {
  readonly x: number;
  readonly weight: number;
  readonly out: number;
}

/** Every product of a convolution [n, c, h, w] * [o, c / groups, kh, kw], as places in the three arrays. */
function* taps(x: Shape, weight: Shape, out: Shape, attrs: Attrs): Generator<Tap> {
  const [stride, padding, dilation] = [numbers(attrs, 'stride'), numbers(attrs, 'padding'), numbers(attrs, 'dilation')];
  const perGroup = weight[0]! / Number(attrs.groups ?? 1);
  const [xs, ws] = [contiguousStrides(x), contiguousStrides(weight)];
  let place = 0;
  for (const [n, o, row, column] of places(out)) {
    const firstChannel = Math.floor(o! / perGroup) * weight[1]!;
    for (const [c, i, j] of places(weight.slice(1))) {
      const h = row! * stride[0]! - padding[0]! + i! * dilation[0]!;
      const w = column! * stride[1]! - padding[2]! + j! * dilation[1]!;
      if (h < 0 || h >= x[2]! || w < 0 || w >= x[3]!) continue;
      yield {
        x: n! * xs[0]! + (firstChannel + c!) * xs[1]! + h * xs[2]! + w,
        weight: o! * ws[0]! + c! * ws[1]! + i! * ws[2]! + j!,
        out: place,
      };
    }
    place++;
  }
}

function* places(shape: Shape): Generator<number[]> {
  const strides = contiguousStrides(shape);
  for (let at = 0; at < elementCount(shape); at++) yield shape.map((size, axis) => Math.floor(at / strides[axis]!) % size);
}

const convolution: LibraryReference = (inputs, [output], attrs) => {
  const [x, weight, out] = [single(inputs, 'x'), single(inputs, 'weight'), zeros(output!)];
  if (inputs.bias !== undefined) {
    const bias = single(inputs, 'bias');
    const [filters, pixels] = [out.shape[1]!, out.shape[2]! * out.shape[3]!];
    out.data.forEach((_, place) => {
      out.data[place] = bias.data[Math.floor(place / pixels) % filters]!;
    });
  }
  for (const tap of taps(x.shape, weight.shape, out.shape, attrs))
    out.data[tap.out]! += x.data[tap.x]! * weight.data[tap.weight]!;
  return [out];
};

/** The gradient of a convolution's images, from the filters and the gradient `dout` of its result. */
const convolutionInputGrad: LibraryReference = (inputs, [output], attrs) => {
  const [dout, weight, dx] = [single(inputs, 'dout'), single(inputs, 'weight'), zeros(output!)];
  for (const tap of taps(dx.shape, weight.shape, dout.shape, attrs))
    dx.data[tap.x]! += dout.data[tap.out]! * weight.data[tap.weight]!;
  return [dx];
};

/** The gradient of a convolution's filters, from the images and the gradient `dout` of its result. */
const convolutionWeightGrad: LibraryReference = (inputs, [output], attrs) => {
  const [dout, x, dweight] = [single(inputs, 'dout'), single(inputs, 'x'), zeros(output!)];
  for (const tap of taps(x.shape, dweight.shape, dout.shape, attrs))
    dweight.data[tap.weight]! += dout.data[tap.out]! * x.data[tap.x]!;
  return [dweight];
};

const concat: LibraryReference = (inputs, [output], attrs) => {
  const out = zeros(output!);
  const strides = contiguousStrides(out.shape);
  const axis = Number(attrs.axis);
  let start = 0;
  for (const x of listOf(inputs.xs)) {
    let from = 0;
    for (const to of offsets(x.shape, strides, start * strides[axis]!)) copyElement(x, from++, out, to);
    start += x.shape[axis]!;
  }
  return [out];
};

/** `padding` has amounts before and after for each axis; negative ones crop. */
const pad: LibraryReference = (inputs, [output], attrs) => {
  const x = single(inputs, 'x');
  const out = zeros(output!);
  const strides = contiguousStrides(out.shape);
  const padding = numbers(attrs, 'padding');
  for (let at = 0; at < out.data.length; at += partsOf(x.dtype)) out.data[at] = Number(attrs.value);
  let from = 0;
  for (const place of places(x.shape)) {
    const target = place.map((index, axis) => index + padding[2 * axis]!);
    const inside = target.every((index, axis) => index >= 0 && index < out.shape[axis]!);
    if (inside) {
      const to = target.reduce((at, index, axis) => at + index * strides[axis]!, 0);
      copyElement(x, from, out, to);
    }
    from++;
  }
  return [out];
};

/** The distinct elements in ascending order, with first places, the way back, and counts. */
const unique: LibraryReference = (inputs, [out, indices, inverse, counts]) => {
  const { data } = single(inputs, 'x');
  const values = [...new Set(data)].sort((left, right) => left - right);
  const perValue = (meta: TensorMeta, entry: (value: number) => number): ReferenceArray =>
    referenceArray([values.length], meta.dtype, values.map(entry));
  return [
    perValue(out!, (value) => value),
    perValue(indices!, (value) => data.indexOf(value)),
    referenceArray(
      [data.length],
      inverse!.dtype,
      Array.from(data, (value) => values.indexOf(value)),
    ),
    perValue(counts!, (value) => data.reduce((count, other) => count + Number(other === value), 0)),
  ];
};

/** The coordinates of elements that are not 0, one row each. */
const nonzero: LibraryReference = (inputs, [out]) => {
  const x = single(inputs, 'x');
  const rows = [...places(x.shape)].filter((_, at) => x.data[at] !== 0);
  return [referenceArray([rows.length, x.shape.length], out!.dtype, rows.flat())];
};

const maskedSelect: LibraryReference = (inputs, [out]) => {
  const [x, mask] = [single(inputs, 'x'), single(inputs, 'mask')];
  const kept = x.data.filter((_, at) => mask.data[at] !== 0);
  return [referenceArray([kept.length], out!.dtype, kept)];
};

/** The places of a row's elements in order; NaN counts as the greatest. */
function orderOf(row: Float64Array, descending: boolean): number[] {
  const compare = (left: number, right: number): number =>
    Number(Number.isNaN(left)) - Number(Number.isNaN(right)) || Number(left > right) - Number(left < right);
  return [...row.keys()].sort((a, b) => compare(row[a]!, row[b]!) * (descending ? -1 : 1) || a - b);
}

/** The first `count` elements of each row in order, and their places. */
function firstInOrder(x: ReferenceArray, count: number, descending: boolean, [values, index]: readonly TensorMeta[]) {
  const n = x.shape.at(-1)!;
  const rows = Array.from({ length: elementCount(x.shape.slice(0, -1)) }, (_, row) => x.data.subarray(row * n, (row + 1) * n));
  const orders = rows.map((row) => orderOf(row, descending).slice(0, count));
  return [
    referenceArray(
      values!.shape,
      values!.dtype,
      orders.flatMap((order, row) => order.map((place) => rows[row]![place]!)),
    ),
    referenceArray(index!.shape, index!.dtype, orders.flat()),
  ];
}

const sortRows: LibraryReference = (inputs, outputs, attrs) => {
  const x = single(inputs, 'x');
  return firstInOrder(x, x.shape.at(-1)!, attrs.descending === true, outputs);
};

const topkRows: LibraryReference = (inputs, outputs, attrs) =>
  firstInOrder(single(inputs, 'x'), Number(attrs.k), attrs.largest === true, outputs);

export const libraryReferences: Readonly<Record<string, LibraryReference>> = {
  gemm,
  convolution,
  convolutionInputGrad,
  convolutionWeightGrad,
  concat,
  pad,
  unique,
  nonzero,
  maskedSelect,
  sortRows,
  topkRows,
};
