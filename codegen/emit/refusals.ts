/**
 * What an op's rules say of its samples, of calls that differ from them in one argument, and of those that must be refused: shapes and
 * dtypes of the outputs, or code and message of the refusal. The spec's terms are evaluated for it, so that the code which is generated from them can be tested by it.
 */
import { prepareCall } from '../../kernels/call.js';
import { RuleError } from '../../kernels/host.js';
import type { OpDefinition, TensorMeta } from '../../kernels/op.js';
import { changedSamples } from '../spec/changed-samples.js';
import type { InputData, SampleData } from '../spec/sample-data.js';

/** What is thrown for a wrong call. */
export type Refusal = Pick<RuleError, 'code' | 'message'>;

export interface RuledSample {
  /** Hidden outputs included. */
  readonly outputs: readonly TensorMeta[];
  /** By what was changed; a change that is not named is accepted. */
  readonly refusals: Readonly<Record<string, Refusal>>;
}

export function ruledSample(op: OpDefinition, sample: SampleData): RuledSample {
  const refusals = changedSamples(op, sample).flatMap(({ change, sample: changed }) => {
    const refusal = refusalOf(op, changed);
    return refusal === null ? [] : [[change, refusal] as const];
  });
  const outputs = inferred(op, sample);
  if (outputs instanceof RuleError) throw new TypeError(`${op.name} refuses a sample of its own: ${outputs.message}`);
  return { outputs, refusals: Object.fromEntries(refusals) };
}

/** What the op's rules have against a call; null where they accept it, as they must where only the elements are wrong. */
export function refusalOf(op: OpDefinition, sample: SampleData): Refusal | null {
  const result = inferred(op, sample);
  return result instanceof RuleError ? { code: result.code, message: result.message } : null;
}

/** What the op's rules give for a call, or the error with which they refuse it. */
export function inferred(op: OpDefinition, { inputs, attrs }: SampleData): readonly TensorMeta[] | RuleError {
  try {
    const values = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, givenOf(data)]));
    const call = prepareCall<TensorMeta>(op, values, attrs);
    return op.infer(call.metas, call.attrs);
  } catch (error) {
    if (error instanceof RuleError) return error;
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
