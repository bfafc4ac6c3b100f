/**
 * Ops that write into their inputs: what they wrote is compared with goldens by values.ts; here, that a gradient which needs the old value
 * refuses to run if, and only if, there is a new one.
 */
import { backward, multiply, OpwrightError, sum, Tensor, tensor, tidy } from '../../entry/index.js';
import type { OpCase } from './cases.js';
import { call, makeArguments, sampleElements } from './invoke.js';
import type { Report } from './report.js';
import { readTensor } from './tensors.js';

export function checkWrites(test: OpCase, place: number, report: Report): void {
  const { inputs: data, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, data);
  for (const { name } of test.inputs.filter(({ mutated }) => mutated)) {
    tidy(() => {
      const inputs = makeArguments(elements);
      const written = inputs[name];
      if (!(written instanceof Tensor)) throw new Error(`${name} is no tensor`);
      const before = readTensor(written).values;
      const factor = tensor(1, { stopGradient: false });
      const product = sum(multiply(factor, written));
      call(test, inputs, attrs);
      const changed = readTensor(written).values.some((value, at) => !Object.is(value, before[at]));
      const code = codeOf(() => backward(product));
      if (code !== (changed ? 'OVERWRITTEN' : null))
        throw new Error(`${name} was ${changed ? '' : 'not '}written, and backward gave ${code ?? 'no error'}`);
      report.count();
    });
  }
}

function codeOf(run: () => void): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof OpwrightError) return error.code;
    throw error;
  }
}
