/**
 * Ops that write into their inputs: what they wrote is compared with goldens by values.ts; here, that a gradient which needs the old value
 * refuses to run if, and only if, there is a new one.
 */
import { backward, multiply, OpwrightError, sum, Tensor, tensor, tidy } from '../../entry/index.js';
import type { InputElements } from '../support/samples.js';
import type { OpCase } from './cases.js';
import { call, isListOfElements, makeArguments, sampleElements } from './invoke.js';
import type { Report } from './report.js';
import { readTensor } from './tensors.js';

export function checkWrites(test: OpCase, place: number, report: Report): void {
  const { inputs: data, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, data);
  const written = test.inputs.filter(({ mutated }) => mutated).map(({ name }) => name);
  for (const [name, index] of written.flatMap((name) => placesOf(elements[name]).map((index) => [name, index] as const))) {
    tidy(() => {
      const inputs = makeArguments(elements);
      const written = [inputs[name]].flat()[index];
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

/** The places of a list; 0 for what is no list. */
function placesOf(elements: InputElements | undefined): number[] {
  return elements !== undefined && isListOfElements(elements) ? elements.map((_, index) => index) : [0];
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
