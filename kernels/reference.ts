/**
 * The float64 reference: an algebra that computes ops at once, with naive loops over contiguous arrays of float64.
 *
 * It says what every primitive means, whatever its dtype: numbers are kept in float64 (integers truncated to whole numbers), so
 * that definitions and gradients can be compared without rounding getting in the way. It favours being evidently right over
 * speed, draws no random numbers and knows nothing of devices. Primitives that devices drive themselves are in
 * reference-library.ts.
 */
import { type Call, prepareCall } from './call.js';
import { type BufferArray, interpret } from './interpret.js';
import { mapOperations } from './map-operations.js';
import type {
  Algebra,
  Argument,
  Arguments,
  Attrs,
  Dtype,
  LayoutMeta,
  OpBody,
  OpDefinition,
  ReduceKind,
  TensorMeta,
} from './op.js';
import {
  broadcastStrides,
  contiguousStrides,
  elementCount,
  isFloating,
  isList,
  offsets,
  type ReferenceArray,
  referenceArray,
  single,
  UnsupportedByReference,
} from './reference-array.js';
import { libraryReferences } from './reference-library.js';
import { specialise } from './specialise.js';

type Inputs = Arguments<ReferenceArray>;

export class ReferenceAlgebra implements Algebra<ReferenceArray> {
  /** Ops are applied through `apply` alone: methods named after ops belong to algebras that know the ops. */
  readonly [method: string]: unknown;

  apply(op: OpDefinition, inputs: Arguments<ReferenceArray | number>, attrs: Attrs): readonly ReferenceArray[] {
    const call = prepareCall(op, inputs, attrs);
    const arrays = asArrays(call);
    const outputs = op.infer(call.metas, call.attrs);
    const results = execute(this, op, arrays, outputs, call.attrs);
    return call.weak ? results.map((result) => ({ ...result, weak: true })) : results;
  }
}

/** Numbers, and arrays made of numbers alone, take the dtype that the op's other inputs decide. */
function asArrays({ inputs, dtypes }: Call<ReferenceArray>): Inputs {
  const entries = Object.entries(inputs).map(([name, given]): [string, Argument<ReferenceArray>] => {
    const dtype = dtypes[name];
    if (given === undefined || dtype === undefined) return [name, undefined];
    const strong = (value: ReferenceArray | number): ReferenceArray => {
      if (typeof value === 'number') return referenceArray([], dtype, [value]);
      return value.weak ? referenceArray(value.shape, dtype, value.data) : value;
    };
    return [name, isList(given) ? given.map(strong) : strong(given)];
  });
  return Object.fromEntries(entries);
}

function execute(
  algebra: ReferenceAlgebra,
  op: OpDefinition,
  inputs: Inputs,
  outputs: readonly TensorMeta[],
  attrs: Attrs,
): readonly ReferenceArray[] {
  const { body } = op;
  switch (body.kind) {
    case 'define':
      return body.run(algebra, inputs, attrs);
    case 'map':
      return [
        map(
          body.map,
          op.inputs.map((input) => single(inputs, input.name)),
          outputs[0]!,
        ),
      ];
    case 'reduce':
      return [reduce(body.reduce, single(inputs, op.inputs[0]!.name), attrs, outputs[0]!)];
    case 'create':
      return [create(body.create, attrs, outputs[0]!)];
    case 'view':
      return [view(body, op, inputs, attrs, outputs[0]!)];
    case 'kernel':
      return runKernel(body, op, inputs, outputs, attrs);
    case 'library':
      return library(body.library, inputs, outputs, attrs);
  }
}

function map(name: string, inputs: readonly ReferenceArray[], output: TensorMeta): ReferenceArray {
  const operation = mapOperations[name];
  if (operation === undefined) throw new TypeError(`no map operation is called ${name}`);
  if (name === 'random') throw new UnsupportedByReference('the float64 reference draws no random numbers');
  const columns = inputs.map((input) => {
    const strides = broadcastStrides(input.shape, output.shape);
    return Array.from(offsets(output.shape, strides), (at) => input.data[at]!);
  });
  const whole = !isFloating(output.dtype) && name === 'div';
  const data = Float64Array.from({ length: elementCount(output.shape) }, (_, place) => {
    const args = columns.map((column) => column[place]!);
    return whole && args[1] === 0 ? 0 : operation.evaluate(...args);
  });
  return referenceArray(output.shape, output.dtype, data);
}

const reducers: Readonly<
  Record<ReduceKind, { readonly initial: number; readonly combine: (total: number, value: number) => number }>
> = {
  sum: { initial: 0, combine: (total, value) => total + value },
  prod: { initial: 1, combine: (total, value) => total * value },
  max: { initial: Number.NEGATIVE_INFINITY, combine: Math.max },
  min: { initial: Number.POSITIVE_INFINITY, combine: Math.min },
  any: { initial: 0, combine: (total, value) => Number(total !== 0 || value !== 0) },
  all: { initial: 1, combine: (total, value) => Number(total !== 0 && value !== 0) },
};

function reduce(kind: ReduceKind, input: ReferenceArray, attrs: Attrs, output: TensorMeta): ReferenceArray {
  const axes = axisList(attrs.axis, input.shape.length);
  const kept = input.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const { initial, combine } = reducers[kind];
  const totals = new Float64Array(elementCount(kept)).fill(initial);
  let place = 0;
  for (const at of offsets(input.shape, broadcastStrides(kept, input.shape))) {
    totals[at] = combine(totals[at]!, input.data[place++]!);
  }
  return referenceArray(output.shape, output.dtype, totals);
}

function axisList(axis: Attrs[string], rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, index) => index);
  return [axis].flat().map((entry) => (Number(entry) < 0 ? Number(entry) + rank : Number(entry)));
}

function create(kind: 'full' | 'iota' | 'random', attrs: Attrs, output: TensorMeta): ReferenceArray {
  if (kind === 'random') throw new UnsupportedByReference('the float64 reference draws no random numbers');
  if (kind === 'full')
    return referenceArray(output.shape, output.dtype, new Float64Array(elementCount(output.shape)).fill(Number(attrs.value)));
  const [axis = 0] = axisList(attrs.axis ?? 0, output.shape.length);
  const strides = output.shape.map((_, index) => Number(index === axis));
  return referenceArray(output.shape, output.dtype, [...offsets(output.shape, strides)]);
}

type BodyOf<Kind extends OpBody['kind']> = Extract<OpBody, { readonly kind: Kind }>;

function view(body: BodyOf<'view'>, op: OpDefinition, inputs: Inputs, attrs: Attrs, output: TensorMeta): ReferenceArray {
  const layouts = Object.fromEntries(op.inputs.map(({ name }) => [name, layoutOf(inputs[name])]));
  const layout = body.view(layouts, attrs);
  if (layout === null) throw new TypeError(`${op.name}: contiguous strides must always be expressible as a view`);
  const { data } = single(inputs, op.inputs[0]!.name);
  return referenceArray(
    output.shape,
    output.dtype,
    Array.from(offsets(layout.shape, layout.strides, layout.offset), (at) => data[at]!),
  );
}

function layoutOf(argument: Argument<ReferenceArray>): Argument<LayoutMeta> {
  if (argument === undefined) return undefined;
  const one = ({ shape, dtype }: ReferenceArray): LayoutMeta => ({ shape, dtype, strides: contiguousStrides(shape), offset: 0 });
  return isList(argument) ? argument.map(one) : one(argument);
}

/** Buffers of a kernel are called as the op's inputs and outputs; its dtype variables are bound by what these are. */
function runKernel(
  body: BodyOf<'kernel'>,
  op: OpDefinition,
  inputs: Inputs,
  outputs: readonly TensorMeta[],
  attrs: Attrs,
): readonly ReferenceArray[] {
  const call = body.call(inputs, outputs, attrs);
  const present = op.inputs.filter(({ name }) => inputs[name] !== undefined);
  const results = outputs.map((output) => wideBuffer(output.dtype, new Float64Array(elementCount(output.shape))));
  const buffers: Record<string, BufferArray> = {};
  for (const { name } of present) buffers[name] = wideBuffer(single(inputs, name).dtype, single(inputs, name).data);
  op.outputs.forEach(({ name }, index) => {
    buffers[name] = results[index]!;
  });
  for (const [name, { dtype, size }] of Object.entries(call.scratch ?? {}))
    buffers[name] = wideBuffer(dtype, new Float64Array(size));
  const dtypeOf = (buffer: string): Dtype | undefined =>
    outputs[op.outputs.findIndex(({ name }) => name === buffer)]?.dtype ??
    (inputs[buffer] === undefined ? call.scratch?.[buffer]?.dtype : single(inputs, buffer).dtype);
  const dtypes = body.kernel.buffers.flatMap(({ name, storage }) => {
    const dtype = dtypeOf(name);
    return dtype === undefined ? [] : [[storage, dtype] as const];
  });
  const failure = interpret(specialise(body.kernel, Object.fromEntries(dtypes)), {
    buffers,
    params: call.params,
    begin: 0,
    end: call.work,
    wide: true,
  });
  if (failure !== 0) throw new RangeError(`${op.name}: the kernel failed with code ${failure}`);
  return outputs.map((output, index) => referenceArray(output.shape, output.dtype, Array.from(results[index]!, Number)));
}

/** Floats stay in float64; integers and booleans are stored as kernels store them. */
function wideBuffer(dtype: Dtype, data: Float64Array): BufferArray {
  switch (dtype) {
    case 'bool':
    case 'uint8':
      return Uint8Array.from(data);
    case 'int8':
      return Int8Array.from(data);
    case 'int16':
      return Int16Array.from(data);
    case 'int32':
      return Int32Array.from(data);
    case 'int64':
      return BigInt64Array.from(Array.from(data, BigInt));
    default:
      return Float64Array.from(data);
  }
}

function library(name: string, inputs: Inputs, outputs: readonly TensorMeta[], attrs: Attrs): readonly ReferenceArray[] {
  const run = libraryReferences[name];
  if (run === undefined) throw new UnsupportedByReference(`the float64 reference has no library function called ${name}`);
  return run(inputs, outputs, attrs);
}
