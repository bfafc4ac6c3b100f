/**
 * Samples as plain data, every dtype decided: what the tests' runner and the goldens' script read. It makes up no elements; these
 * follow from the op's name, the input's and the sample's place (test/support/samples.ts).
 */
import type { AttrValue, Dtype } from '../../kernels/op.js';
import type { Expression } from '../lang/ast.js';
import { isDtype } from '../lang/types.js';
import type { Fill, Input, Op, Sample, SampleValue, SpecModel } from './model.js';

export type TensorData =
  | { readonly shape: readonly number[]; readonly dtype: Dtype; readonly fill: Fill }
  | { readonly shape: readonly number[]; readonly dtype: Dtype; readonly values: readonly number[] };
export type InputData = TensorData | number | readonly InputData[];

export interface SampleData {
  /** An absent optional input has no entry. */
  readonly inputs: Readonly<Record<string, InputData>>;
  readonly attrs: Readonly<Record<string, AttrValue>>;
}

export function sampleData(model: SpecModel, op: Op, sample: Sample): SampleData {
  const inputs = op.inputs.flatMap((input): readonly (readonly [string, InputData])[] => {
    const value = sample.inputs.get(input.name);
    return value === undefined ? [] : [[input.name, inputData(value, dtypeOf(model, op, sample, input.dtype))]];
  });
  return { inputs: Object.fromEntries(inputs), attrs: Object.fromEntries(sample.attrs) };
}

function inputData(value: SampleValue, dtype: Dtype): InputData {
  switch (value.kind) {
    case 'number':
      return value.value;
    case 'list':
      return value.items.map((item) => inputData(item, dtype));
    case 'random':
      return { shape: value.shape, dtype: value.dtype ?? dtype, fill: value.fill };
    case 'values':
      return { shape: value.shape, dtype: value.dtype ?? dtype, values: value.values };
  }
}

/** The dtype of inputs for which a sample states none. */
function dtypeOf(model: SpecModel, op: Op, sample: Sample, dtype: Expression): Dtype {
  if (dtype.kind === 'conditional' && dtype.condition.kind === 'name') {
    const { name } = dtype.condition;
    const given = sample.attrs.get(name) ?? op.attrs.find((attr) => attr.name === name)?.default;
    return dtypeOf(model, op, sample, given === true ? dtype.then : dtype.otherwise);
  }
  if (dtype.kind !== 'name') return 'float32';
  const variable = op.dtypes.find(({ name }) => name === dtype.name);
  if (variable === undefined)
    return preferred(model.dtypes.get(dtype.name)?.members ?? (isDtype(dtype.name) ? [dtype.name] : []));
  const stated = op.inputs.filter((input) => isCalled(input, variable.name)).flatMap((input) => statedDtype(sample, input) ?? []);
  return stated[0] ?? preferred(variable.members);
}

function isCalled(input: Input, variable: string): boolean {
  return input.dtype.kind === 'name' && input.dtype.name === variable;
}

function statedDtype(sample: Sample, input: Input): Dtype | undefined {
  const value = sample.inputs.get(input.name);
  const first = value?.kind === 'list' ? value.items[0] : value;
  return first?.kind === 'random' || first?.kind === 'values' ? first.dtype : undefined;
}

/** What a user would most likely have. */
function preferred(dtypes: readonly Dtype[]): Dtype {
  const common: readonly Dtype[] = ['float32', 'int32'];
  return common.find((dtype) => dtypes.includes(dtype)) ?? dtypes[0] ?? 'float32';
}
