/** Which dtypes an op's arguments may have: variables, their values in a sample, and other choices of them. */

import { complexOf } from '../../kernels/host.js';
import type { Dtype } from '../../kernels/op.js';
import { type ComplexDtype, type FloatingDtype, isComplexDtype, isDifferentiable, realOf } from '../../runtime/dtype.js';
import type { InputData, SampleData } from '../support/samples.js';
import type { OpCase } from './cases.js';
import { isList } from './invoke.js';

/** A dtype for some of an op's dtype variables. */
export type Choice = Readonly<Record<string, Dtype>>;

type Inputs = Readonly<Record<string, InputData>>;

/** What each dtype variable stands for in a sample; a variable of which the sample has no tensor is absent. */
export function choiceOf(test: OpCase, inputs: Inputs): Choice {
  return Object.fromEntries(
    Object.keys(test.dtypes).flatMap((variable): [string, Dtype][] => {
      const own = test.inputs.flatMap(({ name, dtype }) => (mentions(dtype, variable) ? dtypesIn(inputs[name]) : []));
      const members = test.dtypes[variable]!;
      const found = own.find((dtype) => members.includes(dtype));
      return found === undefined ? [] : [[variable, found]];
    }),
  );
}

function dtypesIn(data: InputData | undefined): Dtype[] {
  if (data === undefined || typeof data === 'number') return [];
  return isList(data) ? data.flatMap(dtypesIn) : [data.dtype];
}

const mentions = (text: string, variable: string): boolean => new RegExp(`\\b${variable}\\b`).test(text);

/** The dtype of an input's tensors after a variable has got another value. */
export function changedDtype(test: OpCase, from: Choice, to: Choice): (input: string, own: Dtype) => Dtype {
  return (name, own) => {
    const text = test.inputs.find((input) => input.name === name)!.dtype;
    const variable = Object.keys(to).find((one) => mentions(text, one) && from[one] === own);
    return variable === undefined ? own : to[variable]!;
  };
}

/** The dtype in which a floating or complex one loses nothing. */
export const widest = (dtype: FloatingDtype | ComplexDtype): Dtype => (isComplexDtype(dtype) ? 'complex128' : 'float64');

/** What an op gives in a dtype that it gives in another one, if its inputs are of that dtype too: a size is of the parts' dtype. */
export function following(given: Dtype, from: Dtype, to: Dtype): Dtype {
  if (given === from) return to;
  if (isComplexDtype(from) && given === realOf(from)) return realOf(to);
  return isComplexDtype(given) && isDifferentiable(to) ? complexOf(to) : given;
}

/** The same sample with every floating dtype widened to float64, every complex one to complex128; undefined where none can be. */
export function widened(test: OpCase, from: Choice): Choice | undefined {
  const wide = Object.entries(from).flatMap(([variable, dtype]): [string, Dtype][] =>
    isDifferentiable(dtype) && test.dtypes[variable]!.includes(widest(dtype)) ? [[variable, widest(dtype)]] : [],
  );
  return wide.length === 0 ? undefined : { ...from, ...Object.fromEntries(wide) };
}

/** Whether a number among the arguments makes another dtype of integers, or is refused beside them. */
export const hasFraction = ({ inputs, attrs }: SampleData): boolean =>
  [...Object.values(inputs), ...Object.values(attrs)].some((value) => typeof value === 'number' && !Number.isInteger(value));
