/**
 * The float64 reference: an algebra that computes ops at once, with naive loops over contiguous arrays of float64.
 *
 * It says what every primitive means, whatever its dtype: numbers are kept in float64 (integers truncated to whole numbers), so
 * that definitions and gradients can be compared without rounding getting in the way. It favours being evidently right over
 * speed, draws no random numbers and knows nothing of devices. Primitives that devices drive themselves are in
 * reference-library.ts.
 */
import { type Call, prepareCall } from './call.js';
import { fusedKernel } from './fused.js';
import { isComplex, isFloating } from './host.js';
import { type BufferArray, interpret } from './interpret.js';
import { lowerFused } from './lower/fused.js';
import { inputName, outputName } from './lower/names.js';
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
  Shape,
  TensorMeta,
} from './op.js';
import {
  broadcastStrides,
  contiguousStrides,
  elementCount,
  elementsAt,
  isList,
  offsets,
  type ReferenceArray,
  referenceArray,
  single,
  UnsupportedByReference,
  withDtype,
  zeroArray,
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
      if (typeof value === 'number') return withDtype(referenceArray([], 'float64', [value]), dtype);
      return value.weak ? withDtype(value, dtype) : value;
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
  const columns = inputs.map((input) => elementsAt(input, offsets(output.shape, broadcastStrides(input.shape, output.shape))));
  if ([output, ...inputs].some(({ dtype }) => isComplex(dtype))) return complexMap(name, inputs, columns, output);
  const whole = !isFloating(output.dtype) && name === 'div';
  const data = Float64Array.from({ length: elementCount(output.shape) }, (_, place) => {
    const args = columns.map((column) => column[place]!);
    return whole && args[1] === 0 ? 0 : operation.evaluate(...args);
  });
  return referenceArray(output.shape, output.dtype, data);
}

/** What an operation makes of complex numbers is said in kernel IR alone: a fused kernel of it is run in float64. */
function complexMap(
  name: string,
  inputs: readonly ReferenceArray[],
  columns: readonly (readonly number[])[],
  { shape, dtype }: TensorMeta,
): ReferenceArray {
  const kernel = fusedKernel({
    inputs: inputs.map((input) => ({ dtype: input.dtype, level: 'element' })),
    scalars: [],
    nodes: [
      ...inputs.map((input, index) => ({ op: 'input', input: index, dtype: input.dtype }) as const),
      { op: 'map', map: name, args: [...inputs.keys()], dtype },
    ],
    outputs: [{ node: inputs.length, dtype, level: 'element' }],
  });
  const result = wideBuffer(dtype, zeroArray(shape, dtype).data);
  const buffers = Object.fromEntries(
    inputs.map((input, index) => [inputName(index), wideBuffer(input.dtype, Float64Array.from(columns[index]!))]),
  );
  const inner = new Array<'1'>(inputs.length + 1).fill('1');
  interpret(lowerFused(kernel, { form: 'flat', kept: 1, reduced: 0, inner }), {
    buffers: { ...buffers, [outputName(0)]: result },
    begin: 0,
    end: elementCount(shape),
    wide: true,
  });
  return referenceArray(shape, dtype, Array.from(result, Number));
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
  if (isComplex(input.dtype)) return complexReduce(kind, input, kept, output);
  const { initial, combine } = reducers[kind];
  const totals = new Float64Array(elementCount(kept)).fill(initial);
  let place = 0;
  for (const at of offsets(input.shape, broadcastStrides(kept, input.shape))) {
    totals[at] = combine(totals[at]!, input.data[place++]!);
  }
  return referenceArray(output.shape, output.dtype, totals);
}

function complexReduce(kind: ReduceKind, input: ReferenceArray, kept: Shape, { shape, dtype }: TensorMeta): ReferenceArray {
  if (kind !== 'sum' && kind !== 'prod') throw new TypeError(`complex numbers cannot be reduced by ${kind}`);
  const totals = zeroArray(kept, dtype).data;
  if (kind === 'prod') for (let at = 0; at < totals.length; at += 2) totals[at] = 1;
  let place = 0;
  for (const at of offsets(input.shape, broadcastStrides(kept, input.shape))) {
    const [re, im] = [totals[2 * at]!, totals[2 * at + 1]!];
    const [x, y] = [input.data[2 * place]!, input.data[2 * place + 1]!];
    totals.set(kind === 'sum' ? [re + x, im + y] : [re * x - im * y, re * y + im * x], 2 * at);
    place++;
  }
  return referenceArray(shape, dtype, totals);
}

function axisList(axis: Attrs[string], rank: number): number[] {
  if (axis === null || axis === undefined) return Array.from({ length: rank }, (_, index) => index);
  return [axis].flat().map((entry) => (Number(entry) < 0 ? Number(entry) + rank : Number(entry)));
}

function create(kind: 'full' | 'iota' | 'random', attrs: Attrs, output: TensorMeta): ReferenceArray {
  if (kind === 'random') throw new UnsupportedByReference('the float64 reference draws no random numbers');
  if (kind === 'full')
    return withDtype(referenceArray(output.shape, 'float64', filledWith(output.shape, Number(attrs.value))), output.dtype);
  const [axis = 0] = axisList(attrs.axis ?? 0, output.shape.length);
  const strides = output.shape.map((_, index) => Number(index === axis));
  return withDtype(referenceArray(output.shape, 'float64', [...offsets(output.shape, strides)]), output.dtype);
}

const filledWith = (shape: Shape, value: number): Float64Array => new Float64Array(elementCount(shape)).fill(value);

type BodyOf<Kind extends OpBody['kind']> = Extract<OpBody, { readonly kind: Kind }>;

function view(body: BodyOf<'view'>, op: OpDefinition, inputs: Inputs, attrs: Attrs, output: TensorMeta): ReferenceArray {
  const layouts = Object.fromEntries(op.inputs.map(({ name }) => [name, layoutOf(inputs[name])]));
  const layout = body.view(layouts, attrs);
  if (layout === null) throw new TypeError(`${op.name}: contiguous strides must always be expressible as a view`);
  // A view may see the parts of complex elements as real ones, or the other way round.
  const seen = { ...single(inputs, op.inputs[0]!.name), dtype: output.dtype };
  return referenceArray(output.shape, output.dtype, elementsAt(seen, offsets(layout.shape, layout.strides, layout.offset)));
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
  const results = outputs.map((output) => wideBuffer(output.dtype, zeroArray(output.shape, output.dtype).data));
  const buffers: Record<string, BufferArray> = {};
  for (const { name } of present) buffers[name] = wideBuffer(single(inputs, name).dtype, single(inputs, name).data);
  op.outputs.forEach(({ name }, index) => {
    buffers[name] = results[index]!;
  });
  for (const [name, { dtype, size }] of Object.entries(call.scratch ?? {}))
    buffers[name] = wideBuffer(dtype, zeroArray([size], dtype).data);
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
