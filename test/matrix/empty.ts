/**
 * Empty tensors: each sample with one of its sizes made 0 wherever it occurs. The op must give something, or say by an OpwrightError that it
 * cannot; so must its gradients; and nothing may leak. What it should give is known for the empty samples of the spec, which have goldens.
 */
import type { OpCase } from './cases.js';
import { differentiableLeaves, gradientsOf } from './differentiate.js';
import {
  type ElementsByName,
  evaluate,
  isRefusal,
  listElements,
  makeArguments,
  mapElements,
  sampleElements,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { sizeOf } from './tensors.js';

export function checkEmpty(test: OpCase, place: number, report: Report): void {
  if (test.internal) {
    report.skip('an internal op, which is never called so');
    return;
  }
  const { inputs, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, inputs);
  const sizes = new Set(listElements(elements).flatMap(({ shape }) => shape));
  sizes.delete(0);
  for (const size of sizes) {
    const emptied = mapElements(elements, (one) => {
      const shape = one.shape.map((own) => (own === size ? 0 : own));
      return sizeOf(shape) === 0 ? { ...one, shape, values: [] } : one;
    });
    attempt(() => withArguments(makeArguments(emptied), (given) => void evaluate(test, given, attrs)));
    attempt(() => void differentiate(test, place, emptied));
    report.count();
  }
}

function differentiate(test: OpCase, place: number, elements: ElementsByName): void {
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length > 0) gradientsOf(test, place, elements, leaves);
}

function attempt(run: () => void): void {
  withoutLeak(() => {
    try {
      run();
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  });
}
