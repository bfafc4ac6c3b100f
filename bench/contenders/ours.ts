/** Opwright itself, through its public eager API. Results are disposed after each call, so outputs are recycled. */
import { noGrad, type Tensor, tensor } from '../../entry/index.js';
import type { Case, InputValues, Ours } from '../case.js';
import { type Contender, fingerprint, type Prepared, timeCalls } from './contender.js';

export function openOurs(description: string): Contender {
  return {
    name: 'ours',
    description,
    prepare: async (benchCase, inputs) => prepare(benchCase, inputs),
    close: async () => {},
  };
}

function prepare(benchCase: Case, inputs: Readonly<Record<string, InputValues>>): Prepared {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { values, shape, dtype }] of Object.entries(inputs)) tensors[name] = tensor(values, { shape, dtype });
  const call = benchCase.ours(tensors);
  return {
    async result() {
      const result = listed(call());
      if (benchCase.unchecked) return null;
      const values = result.flatMap((one) => Array.from<number | bigint>(noGrad(() => one.cast('float64').dataSync())));
      for (const one of result) one.dispose();
      return fingerprint(values);
    },
    time: async (calls) => timeCalls(() => dispose(call()), calls),
    async release() {
      for (const input of Object.values(tensors)) input.dispose();
    },
  };
}

function dispose(result: Ours): void {
  if (result === undefined) return;
  if ('dispose' in result) result.dispose();
  else for (const one of result) one.dispose();
}

const listed = (result: Ours): readonly Tensor[] => (result === undefined ? [] : 'dispose' in result ? [result] : result);
