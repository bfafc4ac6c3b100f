/**
 * Runs library kernels on tensors of any layout and hands back what their naive references (kernels/reference-library.ts) give for
 * the same numbers. Values are small integers unless a test says otherwise, so that sums are exact in most dtypes.
 */
import type { Attrs, Dtype, LayoutMeta, Shape, TensorMeta } from '../kernels/op.js';
import { type ReferenceArray, referenceArray } from '../kernels/reference-array.js';
import { libraryReferences } from '../kernels/reference-library.js';
import { tensor } from '../runtime/create.js';
import { openCpu } from '../runtime/devices/cpu/device.js';
import type { Device } from '../runtime/devices/device.js';
import { contiguousStrides, sizeOf, stridedLayout } from '../runtime/layout.js';
import { type LibraryKernel, libraryKernel } from '../runtime/library/index.js';
import { Tensor } from '../runtime/tensor.js';

/** Red zones around every allocation show stores outside of it. */
export const device: Device = openCpu({ guarded: true, threads: 2 });

/** How an operand lies in memory; all hold the same numbers. */
export const arrangements = ['contiguous', 'transposed', 'strided', 'flipped'] as const;
export type Arrangement = (typeof arrangements)[number];

/** A small generator, so that every run sees the same numbers. */
export function numbersFrom(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

export interface Operand {
  readonly tensor: Tensor;
  readonly reference: ReferenceArray;
}

/** A tensor of that shape and arrangement. `broadcast` axes of it have stride 0. */
export function operand(
  shape: Shape,
  dtype: Dtype,
  valueAt: (place: number) => number,
  arrangement: Arrangement = 'contiguous',
  broadcast: readonly number[] = [],
  on: Device = device,
): Operand {
  const stored = shape.map((size, axis) => (broadcast.includes(axis) ? 1 : size));
  const { size, strides, offset } = arranged(stored, arrangement);
  const elements = new Float64Array(size);
  const places = [...walk(stored, strides, offset)];
  places.forEach((place, index) => {
    elements[place] = valueAt(index);
  });
  const seen = strides.map((stride, axis) => (broadcast.includes(axis) ? 0 : stride));
  const base = tensor(elements, { dtype, device: on });
  const view = new Tensor(base.storage, stridedLayout(shape, seen, offset), dtype);
  base.dispose();
  return {
    tensor: view,
    reference: referenceArray(
      shape,
      dtype,
      [...walk(shape, seen, offset)].map((at) => elements[at]!),
    ),
  };
}

export const integers = (seed: number, bound = 2): (() => number) => {
  const next = numbersFrom(seed);
  return () => Math.floor(next() * (2 * bound + 1)) - bound;
};

function arranged(shape: Shape, arrangement: Arrangement): { size: number; strides: readonly number[]; offset: number } {
  const dense = contiguousStrides(shape);
  const size = sizeOf(shape);
  switch (arrangement) {
    case 'contiguous':
      return { size, strides: dense, offset: 0 };
    case 'transposed': {
      const reversed = contiguousStrides([...shape].reverse());
      return { size, strides: [...reversed].reverse(), offset: 0 };
    }
    case 'strided':
      return { size: 3 * size + 5, strides: dense.map((stride) => 3 * stride), offset: 5 };
    case 'flipped': {
      const last = shape.reduce((place, length, axis) => place + Math.max(length - 1, 0) * dense[axis]!, 0);
      return { size, strides: dense.map((stride) => -stride), offset: size === 0 ? 0 : last };
    }
  }
}

function* walk(shape: Shape, strides: readonly number[], offset: number): Generator<number> {
  const rank = shape.length;
  if (rank === 0) return yield offset;
  const [size, stride] = [shape[0]!, strides[0]!];
  for (let at = 0; at < size; at++) yield* walk(shape.slice(1), strides.slice(1), offset + at * stride);
}

export interface Call {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Operand>>;
  readonly outputs: readonly TensorMeta[];
  readonly attrs?: Attrs;
}

/** Binds and runs a library kernel twice (a second run must not differ), and checks that only its results stay allocated. */
export function runLibrary({ name, inputs, outputs, attrs = {} }: Call, on: Device = device): Tensor[] {
  const before = on.memory().allocations;
  const kernel: LibraryKernel = libraryKernel(name);
  const metas = Object.fromEntries(Object.entries(inputs).map(([input, { tensor: value }]) => [input, metaOf(value)]));
  const bound = kernel(on, metas, attrs, outputs);
  const tensors = Object.values(inputs).map((input) => input.tensor);
  for (const result of bound.run(tensors)) result.dispose();
  const results = bound.run(tensors);
  bound.free();
  const leaked = on.memory().allocations - before - results.length;
  if (leaked !== 0) throw new Error(`${name} left ${leaked} allocations`);
  return results;
}

/** Layouts are bound at offset 0: the tensor's own offset counts at run time. */
function metaOf({ dtype, layout }: Tensor): LayoutMeta {
  const { shape, strides, offset } = layout.form;
  return { shape, strides, offset, dtype };
}

export function referenceOf({ name, inputs, outputs, attrs = {} }: Call): readonly ReferenceArray[] {
  const reference = libraryReferences[name];
  if (reference === undefined) throw new Error(`no reference for ${name}`);
  const arrays = Object.fromEntries(Object.entries(inputs).map(([input, each]) => [input, each.reference]));
  return reference(arrays, outputs, attrs);
}

/** The largest difference from the reference, over all outputs; every input and result is disposed. */
export function worstError(call: Call, on: Device = device): number {
  const results = runLibrary(call, on);
  const expected = referenceOf(call);
  let worst = 0;
  results.forEach((result, index) => {
    const data = result.dataSync();
    if (data.length !== expected[index]!.data.length) worst = Infinity;
    expected[index]!.data.forEach((value, at) => {
      const difference = Math.abs(Number(data[at]) - value);
      worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
    });
    result.dispose();
  });
  for (const { tensor: input } of Object.values(call.inputs)) input.dispose();
  return worst;
}
