/**
 * Calls that differ from a sample in one argument: a tensor with an axis longer, empty, gone or added, a list with an item less, an attribute
 * with another value. Some of them an op must refuse; which, its rules say. The generator notes it (emit/refusals.ts) and the test
 * matrix makes the calls.
 */
import { isComplex } from '../../kernels/host.js';
import type { AttrValue } from '../../kernels/op.js';
import type { InputData, SampleData, TensorData } from './sample-data.js';

export interface ChangedSample {
  /** What differs, `x[0] + 1`: unique among the changes of a sample. */
  readonly change: string;
  readonly sample: SampleData;
}

/** What of an op decides how its samples can be changed. */
export interface Changeable {
  readonly inputs: readonly { readonly name: string; readonly optional?: boolean }[];
  readonly attrs: readonly { readonly name: string; readonly default?: AttrValue }[];
}

export function changedSamples({ inputs, attrs }: Changeable, sample: SampleData): readonly ChangedSample[] {
  const ofInputs = inputs.flatMap(({ name, optional }) => {
    const { [name]: given, ...others } = sample.inputs;
    const absent = given !== undefined && optional ? [{ change: `no ${name}`, sample: { ...sample, inputs: others } }] : [];
    return [...absent, ...withInput(sample, name, changedInputs)];
  });
  const ofAttrs = attrs.flatMap(({ name, default: usual }) =>
    changedValues(name, sample.attrs[name] ?? usual).map(([change, value]) => ({
      change,
      sample: { ...sample, attrs: { ...sample.attrs, [name]: value } },
    })),
  );
  return [...ofInputs, ...ofAttrs];
}

/** Those in which one tensor has an axis of size 1 instead, or lacks some: what an op may broadcast. */
export function narrowedSamples({ inputs }: Changeable, sample: SampleData): readonly ChangedSample[] {
  return inputs.flatMap(({ name }) =>
    withInput(sample, name, (_, data) => (typeof data === 'number' || isList(data) ? [] : narrowedTensors(name, data))),
  );
}

function withInput(
  sample: SampleData,
  name: string,
  change: (name: string, data: InputData) => readonly Changed<InputData>[],
): readonly ChangedSample[] {
  const given = sample.inputs[name];
  const changed = given === undefined ? [] : change(name, given);
  return changed.map(([what, data]) => ({ change: what, sample: { ...sample, inputs: { ...sample.inputs, [name]: data } } }));
}

type Changed<T> = readonly [change: string, value: T];

function changedInputs(name: string, data: InputData): readonly Changed<InputData>[] {
  if (typeof data === 'number') return [];
  if (!isList(data)) return changedTensors(name, data);
  const shorter: Changed<InputData>[] = data.length > 1 ? [[`${name} without its last`, data.slice(0, -1)]] : [];
  const items = data.flatMap((item, index) =>
    changedInputs(`${name}.${index}`, item).map(([change, one]): Changed<InputData> => [change, data.with(index, one)]),
  );
  return [...shorter, ...items];
}

function changedTensors(name: string, tensor: TensorData): readonly Changed<TensorData>[] {
  const { shape } = tensor;
  const longer = shape.map(
    (size, axis): Changed<TensorData> => [`${name}[${axis}] + 1`, withShape(tensor, shape.with(axis, size + 1))],
  );
  const empty = shape.flatMap((size, axis): Changed<TensorData>[] =>
    size > 0 ? [[`${name}[${axis}] = 0`, withShape(tensor, shape.with(axis, 0))]] : [],
  );
  const more: Changed<TensorData> = [`${name} of higher rank`, withShape(tensor, [2, ...shape])];
  return [...longer, ...narrowedTensors(name, tensor), ...empty, more];
}

function narrowedTensors(name: string, tensor: TensorData): readonly Changed<TensorData>[] {
  const { shape } = tensor;
  const narrow = shape.flatMap((size, axis): Changed<TensorData>[] =>
    size > 1 ? [[`${name}[${axis}] = 1`, withShape(tensor, shape.with(axis, 1))]] : [],
  );
  const lower: Changed<TensorData>[] = shape.length > 1 ? [[`${name} of lower rank`, withShape(tensor, shape.slice(1))]] : [];
  const lowest: Changed<TensorData>[] = shape.length > 0 ? [[`${name} of rank 0`, withShape(tensor, [])]] : [];
  return [...narrow, ...lower, ...lowest];
}

/** The tensor in another shape; elements that it states are repeated where they do not suffice. */
function withShape(tensor: TensorData, shape: readonly number[]): TensorData {
  if (!('values' in tensor)) return { ...tensor, shape };
  const { values, dtype } = tensor;
  const count = shape.reduce((product, size) => product * size, isComplex(dtype) ? 2 : 1);
  return { ...tensor, shape, values: Array.from({ length: count }, (_, place) => values[place % values.length] ?? 0) };
}

function changedValues(name: string, value: AttrValue): readonly Changed<AttrValue>[] {
  if (typeof value === 'number')
    return [...new Set([-1, 0, value + 1])]
      .filter((other) => other !== value)
      .map((other): Changed<AttrValue> => [`${name} = ${other}`, other]);
  if (typeof value === 'boolean') return [[`${name} = ${!value}`, !value]];
  if (!Array.isArray(value) || value.length === 0) return [];
  const entries: readonly AttrValue[] = value;
  const items = entries.flatMap((item, index) =>
    changedValues(`${name}.${index}`, item).map(([change, other]): Changed<AttrValue> => [change, entries.with(index, other)]),
  );
  return [
    [`${name} without its last`, entries.slice(0, -1)],
    [`${name} with its last twice`, [...entries, entries.at(-1)]],
    ...items,
  ];
}

function isList(data: InputData): data is readonly InputData[] {
  return Array.isArray(data);
}
