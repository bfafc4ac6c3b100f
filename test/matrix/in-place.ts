/**
 * In-place forms: `x.op_(...)` must give what the op gives, to the bit, in x itself and in its memory; and its gradients, but where they need
 * what was overwritten, which must be an error then. Where the result does not fit into x, the call must refuse, and leave x as it was.
 */
import { assign, grad, OpwrightError, Tensor, tidy } from '../../entry/index.js';
import type { Elements } from '../support/samples.js';
import type { OpCase } from './cases.js';
import { compareElements, exact } from './compare.js';
import { contiguous, differentiableLeaves, gradientsOf, incomingGradients, leafTensor } from './differentiate.js';
import {
  type ArgumentsByName,
  argumentList,
  call,
  type ElementsByName,
  functionOf,
  makeArguments,
  sampleElements,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { makeTensor, readTensor } from './tensors.js';

export function checkInPlace(test: OpCase, place: number, report: Report): void {
  const { inputs, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, inputs);
  const first = elements[test.inputs[0]!.name];
  if (typeof first === 'number') {
    report.skip('a number, which nothing can be written into');
    return;
  }
  withoutLeak(() =>
    tidy(() => {
      const given = makeArguments(elements);
      const [expected] = call(test, makeArguments(elements), attrs);
      const x = firstTensor(test, given);
      const before = readTensor(x);
      const isView = test.kind === 'view';
      if (!isView && !fits(x, expected!)) {
        const code = codeOf(() => inPlace(test, given, attrs));
        if (code !== 'SHAPE_MISMATCH' && code !== 'DTYPE_MISMATCH') throw new Error(`the result does not fit, and gave ${code}`);
        compareElements('what was to be written into', readTensor(x), before, exact);
        report.count();
        return;
      }
      const alias = x.detach();
      const result = inPlace(test, given, attrs);
      if (result !== x) throw new Error('another tensor came back');
      compareElements('the result', readTensor(x), readTensor(expected!), exact);
      if (!isView) compareElements('what a view sees', readTensor(alias), readTensor(expected!), exact);
      report.count();
    }),
  );
  compareGradients(test, place, elements, report);
}

function compareGradients(test: OpCase, place: number, elements: ElementsByName, report: Report): void {
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length === 0) return;
  const expected = gradientsOf(test, place, elements, leaves);
  if (expected === null) return;
  const code = codeOf(() =>
    withoutLeak(() =>
      tidy(() => {
        const given = makeArguments(elements);
        const tensors = leaves.map((leaf) => leafTensor(given, leaf));
        for (const tensor of tensors) tensor.stopGradient = false;
        // A leaf itself is not changed in place.
        const name = test.inputs[0]!.name;
        const result = inPlace(test, { ...given, [name]: assign(firstTensor(test, given)) }, test.samples[place]!.attrs);
        const incoming = incomingGradients(test, place, [result]).map((one) => makeTensor(one, contiguous.incoming));
        const gradients = grad(result, tensors, { gradOutputs: incoming, allowUnused: true });
        gradients.forEach((gradient, index) => {
          compareElements(
            `the gradient of ${leaves[index]!.input}`,
            gradientOf(gradient, expected[index]!),
            expected[index]!,
            exact,
          );
        });
      }),
    ),
  );
  if (code === null) report.count();
  else if (code === 'OVERWRITTEN') report.skip('the gradient needs what is overwritten');
  else if (code !== 'SHAPE_MISMATCH' && code !== 'DTYPE_MISMATCH') throw new Error(`the gradient gave ${code}`);
}

const gradientOf = (gradient: Tensor | null, like: Elements): Elements =>
  gradient === null ? { ...like, values: like.values.map(() => 0) } : readTensor(gradient);

function inPlace(test: OpCase, given: ArgumentsByName, attrs: OpCase['samples'][number]['attrs']): Tensor {
  const result = functionOf(`${test.op}_`)(...argumentList(test, given, attrs));
  if (result instanceof Tensor) return result;
  throw new Error('no tensor came back');
}

function firstTensor(test: OpCase, given: ArgumentsByName): Tensor {
  const x = given[test.inputs[0]!.name];
  if (x instanceof Tensor) return x;
  throw new Error('the first input is no tensor');
}

const fits = (x: Tensor, result: Tensor): boolean => x.dtype === result.dtype && x.shape.join() === result.shape.join();

function codeOf(run: () => void): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof OpwrightError) return error.code;
    throw error;
  }
}
