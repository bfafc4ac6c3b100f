/** What an entry says of an input's dtype, as the op's definition has it. */
import type { InputDefinition } from '../../kernels/op.js';
import type { Expression } from './ast.js';

/** A choice that anything but a boolean attribute decides is left to the op's constraints: any dtype will do at first. */
export function dtypeRule(dtype: Expression): Pick<InputDefinition, 'dtype' | 'dtypeWhen'> {
  const name = dtypeName(dtype);
  if (name !== undefined) return { dtype: name };
  if (dtype.kind !== 'conditional' || dtype.condition.kind !== 'name') return { dtype: 'any' };
  const [then, otherwise] = [dtypeName(dtype.then), dtypeName(dtype.otherwise)];
  if (then === undefined || otherwise === undefined) return { dtype: 'any' };
  return { dtype: otherwise, dtypeWhen: { attr: dtype.condition.name, dtype: then } };
}

function dtypeName(dtype: Expression): string | undefined {
  return dtype.kind === 'name' ? dtype.name : dtype.kind === 'string' ? dtype.value : undefined;
}
