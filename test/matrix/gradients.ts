/**
 * Gradients of samples, in float64: against central differences along each element, and against goldens, for incoming gradients that
 * differ from element to element. Where left and right derivatives differ, anything between the two will do; where several elements
 * are equal and the op chooses one, goldens alone say which.
 */
import { noGrad } from '../../entry/index.js';
import { isDifferentiable, partsOf } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import { goldenOf, type OpCase } from './cases.js';
import { compareValues } from './compare.js';
import {
  differentiableLeaves,
  gradientsOf,
  incomingGradients,
  type Leaf,
  leafElements,
  nameOf,
  withLeaf,
} from './differentiate.js';
import { changedDtype, choiceOf, widened } from './dtypes-of.js';
import { call, type ElementsByName, makeArguments, sampleElements, withArguments, withoutLeak } from './invoke.js';
import type { Report } from './report.js';
import { readTensor } from './tensors.js';

/** Elements of one tensor along which differences are taken; of larger tensors only so many. */
const elementsChecked = 48;

export function checkGradients(test: OpCase, place: number, report: Report): void {
  const sample = test.samples[place]!;
  const own = choiceOf(test, sample.inputs);
  const wide = widened(test, own);
  if (wide === undefined) {
    report.skip('no floating-point input');
    return;
  }
  const elements = sampleElements(test.op, place, sample.inputs, changedDtype(test, own, wide));
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length === 0) {
    report.skip('no differentiable input');
    return;
  }
  if (isSpecial(sample.inputs)) {
    report.skip('infinities among the elements');
    return;
  }
  const gradients = withoutLeak(() => gradientsOf(test, place, elements, leaves));
  if (gradients === null) {
    report.skip('no differentiable output');
    return;
  }
  compareWithGolden(test, place, leaves, gradients, report);
  leaves.forEach((leaf, index) => {
    compareWithDifferences(test, place, elements, leaf, gradients[index]!);
    report.count();
  });
}

const isSpecial = (inputs: object): boolean => JSON.stringify(inputs).includes('"special"');

function compareWithGolden(
  test: OpCase,
  place: number,
  leaves: readonly Leaf[],
  gradients: readonly Elements[],
  report: Report,
): void {
  const golden = goldenOf(test.op, place)?.grads;
  if (golden === undefined) {
    report.skip('no golden gradient');
    return;
  }
  leaves.forEach(({ input, index }, at) => {
    const expected = golden[input];
    if (expected === undefined) {
      report.skip('no golden gradient');
      return;
    }
    const own = expected.flatMap((one) => (index === null || !Array.isArray(one) ? [one] : []));
    const ofList = index === null ? own : expected[index];
    if (!Array.isArray(ofList)) throw new Error(`the golden gradient of ${input} is no list`);
    compareValues(
      `gradient of ${nameOf({ input, index })}`,
      gradients[at]!.values,
      ofList,
      { relative: 1e-7, ofLargest: 1e-8 },
      partsOf(gradients[at]!.dtype),
    );
    report.count();
  });
}

// ---- Differences

/** The outputs' products with the incoming gradients, element by element. */
function weighted(test: OpCase, place: number, elements: ElementsByName): number[] {
  return noGrad(() =>
    withArguments(makeArguments(elements), (inputs) => {
      const results = call(test, inputs, test.samples[place]!.attrs);
      const weights = incomingGradients(test, place, results);
      try {
        return results.flatMap((result, index) =>
          isDifferentiable(result.dtype) ? readTensor(result).values.map((value, at) => value * weights[index]!.values[at]!) : [],
        );
      } finally {
        for (const result of results) result.dispose();
      }
    }),
  );
}

function compareWithDifferences(test: OpCase, place: number, elements: ElementsByName, leaf: Leaf, gradient: Elements): void {
  const hasGolden = goldenOf(test.op, place)?.grads?.[leaf.input] !== undefined;
  const { values } = leafElements(elements, leaf);
  const largest = gradient.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const middle = weighted(test, place, elements);
  const noise = 2 ** -50 * middle.reduce((sum, value) => sum + Math.abs(value), 0);
  for (const at of chosenPlaces(values.length)) {
    const step = 2 ** -17 * Math.max(1, 2 ** Math.round(Math.log2(Math.abs(values[at]!) || 1)));
    const shifted = (by: number) => weighted(test, place, withElement(elements, leaf, at, values[at]! + by));
    const above = shifted(step);
    const below = shifted(-step);
    const slope = (upper: readonly number[], lower: readonly number[], width: number) =>
      upper.reduce((sum, value, index) => sum + (value - lower[index]!), 0) / width;
    const expected = slope(above, below, 2 * step);
    if (!Number.isFinite(expected)) continue;
    const actual = gradient.values[at]!;
    const allowed = 1e-6 * Math.max(Math.abs(expected), 1e-2 * largest) + noise / step + 1e-9;
    if (Math.abs(actual - expected) <= allowed) continue;
    const sides = [slope(above, middle, step), slope(middle, below, step)];
    const size = Math.max(Math.abs(sides[0]!), Math.abs(sides[1]!));
    const isKink = Math.abs(sides[0]! - sides[1]!) > 1e-3 * size;
    const isBetween = actual >= Math.min(...sides) - 1e-4 * size && actual <= Math.max(...sides) + 1e-4 * size;
    if (isKink && (isBetween || hasGolden)) continue;
    throw new Error(
      `gradient of ${nameOf(leaf)}[${at}] is ${actual}, differences give ${expected} (from the right ${sides[0]}, from the left ${sides[1]})`,
    );
  }
}

/** All places of a small tensor, some of a large one. */
function chosenPlaces(length: number): number[] {
  const count = Math.min(length, elementsChecked);
  return Array.from({ length: count }, (_, index) => Math.floor((index * length) / count));
}

function withElement(elements: ElementsByName, leaf: Leaf, at: number, value: number): ElementsByName {
  const own = leafElements(elements, leaf);
  return withLeaf(elements, leaf, { ...own, values: own.values.with(at, value) });
}
