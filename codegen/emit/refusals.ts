/**
 * What an op's rules say of its samples, and of calls that differ from them in one argument: shapes and dtypes of the outputs, and the
 * code of each refusal. The spec's terms are evaluated for it, so that the code which is generated from them can be tested by it.
 */
import { prepareCall } from '../../kernels/call.js';
import { RuleError } from '../../kernels/host.js';
import type { OpDefinition, TensorMeta } from '../../kernels/op.js';
import { changedSamples } from '../spec/changed-samples.js';
import type { InputData, SampleData } from '../spec/sample-data.js';

export interface RuledSample {
  /** Hidden outputs included. */
  readonly outputs: readonly TensorMeta[];
  /** The code by what was changed; a change that is not named is accepted. */
  readonly refusals: Readonly<Record<string, string>>;
}

export function ruledSample(op: OpDefinition, sample: SampleData): RuledSample {
  const refusals = changedSamples(op, sample).flatMap(({ change, sample: changed }) => {
    const result = inferred(op, changed);
    return typeof result === 'string' ? [[change, result] as const] : [];
  });
  const outputs = inferred(op, sample);
  if (typeof outputs === 'string') throw new TypeError(`${op.name} refuses a sample of its own: ${outputs}`);
  return { outputs, refusals: Object.fromEntries(refusals) };
}

/** What the op's rules give for a call, or the code of the refusal. */
export function inferred(op: OpDefinition, { inputs, attrs }: SampleData): readonly TensorMeta[] | string {
  try {
    const values = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, givenOf(data)]));
    const call = prepareCall<TensorMeta>(op, values, attrs);
    return op.infer(call.metas, call.attrs);
  } catch (error) {
    if (error instanceof RuleError) return error.code;
    throw error;
  }
}

type Given = TensorMeta | number;

function givenOf(data: InputData): Given | readonly Given[] {
  return isList(data) ? data.map(oneOf) : oneOf(data);
}

function oneOf(data: InputData): Given {
  if (isList(data)) throw new TypeError('a sample has a list of lists');
  return data;
}

function isList(data: InputData): data is readonly InputData[] {
  return Array.isArray(data);
}
