/**
 * Gradients of gradients, in float64: each input, and each incoming gradient, is moved in a direction of its own, and the change of the
 * first gradient (which runs as its fused plan) is compared with what differentiating it through `createGraph` says.
 */
import { type Dtype, grad, tidy } from '../../entry/index.js';
import { isComplexDtype, partsOf } from '../../runtime/dtype.js';
import { type Elements, randomValues } from '../support/samples.js';
import type { OpCase } from './cases.js';
import {
  contiguous,
  differentiableLeaves,
  gradientsOf,
  incomingGradients,
  type Leaf,
  leafElements,
  leafTensor,
  nameOf,
  withLeaf,
} from './differentiate.js';
import { changedDtype, choiceOf, widened } from './dtypes-of.js';
import { call, type ElementsByName, makeArguments, sampleElements, withoutLeak } from './invoke.js';
import type { Report } from './report.js';
import { makeTensor, readTensor } from './tensors.js';

export function checkSecondOrder(test: OpCase, place: number, report: Report): void {
  const sample = test.samples[place]!;
  const own = choiceOf(test, sample.inputs);
  const wide = widened(test, own);
  if (wide === undefined) return;
  const elements = sampleElements(test.op, place, sample.inputs, changedDtype(test, own, wide));
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length === 0) return;
  if (JSON.stringify(sample.inputs).match(/"fill":"(special|integers)"/)) {
    report.skip('ties or infinities among the elements');
    return;
  }
  const second = withoutLeak(() => secondGradients(test, place, elements, leaves));
  if (second === null) return;
  leaves.forEach((leaf, index) => {
    const own = leafElements(elements, leaf);
    const direction = directionOf(`${test.op}/direction/${nameOf(leaf)}`, own);
    const moved = (by: number) => firstGradient(test, place, withLeaf(elements, leaf, along(own, direction, by)), leaves, null);
    compareDirection(`with respect to ${nameOf(leaf)}`, second.ofLeaves[index]!, direction, moved, report);
  });
  second.ofIncoming.forEach((gradient, index) => {
    const direction = directionOf(`${test.op}/direction/${index}`, gradient);
    const moved = (by: number) => firstGradient(test, place, elements, leaves, { index, direction, by });
    compareDirection(`with respect to incoming gradient ${index}`, gradient, direction, moved, report);
  });
}

interface SecondGradients {
  readonly ofLeaves: readonly Elements[];
  /** For each output through which gradients flow. */
  readonly ofIncoming: readonly Elements[];
}

/** Of the first gradients' products with weights of their own. */
function secondGradients(test: OpCase, place: number, elements: ElementsByName, leaves: readonly Leaf[]): SecondGradients | null {
  return tidy(() => {
    const inputs = makeArguments(elements);
    const tensors = leaves.map((leaf) => leafTensor(inputs, leaf));
    for (const tensor of tensors) tensor.stopGradient = false;
    const results = call(test, inputs, test.samples[place]!.attrs);
    const flowing = results.filter((result) => !result.stopGradient);
    if (flowing.length === 0) return null;
    const incoming = incomingGradients(test, place, results).flatMap((one, index) =>
      results[index]!.stopGradient ? [] : [makeTensor(one)],
    );
    for (const one of incoming) one.stopGradient = false;
    const first = grad(flowing, tensors, { gradOutputs: incoming, createGraph: true, allowUnused: true });
    const roots = first.flatMap((gradient, index) => (gradient === null || gradient.stopGradient ? [] : [{ gradient, index }]));
    const all = [...tensors, ...incoming];
    const gradients =
      roots.length === 0
        ? all.map(() => null)
        : grad(
            roots.map(({ gradient }) => gradient),
            all,
            { gradOutputs: roots.map(({ gradient, index }) => makeTensor(weightsOf(test, index, gradient))), allowUnused: true },
          );
    const read = gradients.map((gradient, index): Elements => {
      const { shape, dtype, size } = all[index]!;
      const zeros = () => new Array<number>(size * partsOf(dtype)).fill(0);
      return gradient === null ? { shape, dtype, values: zeros() } : readTensor(gradient);
    });
    return { ofLeaves: read.slice(0, tensors.length), ofIncoming: read.slice(tensors.length) };
  });
}

function weightsOf(test: OpCase, index: number, { shape, dtype }: Pick<Elements, 'shape' | 'dtype'>): Elements {
  return { shape, dtype, values: randomValues(`${test.op}/second/${index}`, shape, drawnAs(dtype), 'normal') };
}

/** The first gradients' products with their weights, after an incoming gradient was moved. */
function firstGradient(
  test: OpCase,
  place: number,
  elements: ElementsByName,
  leaves: readonly Leaf[],
  shift: { readonly index: number; readonly direction: readonly number[]; readonly by: number } | null,
): number[] {
  const gradients = gradientsOf(test, place, elements, leaves, contiguous, (_, __, results) => {
    let flowing = 0;
    return incomingGradients(test, place, results).map((one, at) => {
      const isShifted = !results[at]!.stopGradient && flowing++ === shift?.index;
      return isShifted && shift !== null ? along(one, shift.direction, shift.by) : one;
    });
  });
  return gradients!.flatMap((gradient, index) => {
    const weights = weightsOf(test, index, gradient).values;
    return gradient.values.map((value, at) => value * weights[at]!);
  });
}

const directionOf = (text: string, { shape, dtype }: Elements): readonly number[] =>
  randomValues(text, shape, drawnAs(dtype), 'unit');

const drawnAs = (dtype: Dtype): Dtype => (isComplexDtype(dtype) ? 'complex64' : 'float32');

function along(elements: Elements, direction: readonly number[], by: number): Elements {
  return { ...elements, values: elements.values.map((value, at) => value + by * direction[at]!) };
}

function compareDirection(
  what: string,
  gradient: Elements,
  direction: readonly number[],
  moved: (by: number) => readonly number[],
  report: Report,
): void {
  const slope = (step: number) => {
    const above = moved(step);
    const below = moved(-step);
    const size = above.reduce((sum, value) => sum + Math.abs(value), 0);
    return { value: above.reduce((sum, value, at) => sum + value - below[at]!, 0) / (2 * step), noise: (2 ** -50 * size) / step };
  };
  const wide = slope(2 ** -16);
  const narrow = slope(2 ** -17);
  const terms = gradient.values.map((value, at) => value * direction[at]!);
  const actual = terms.reduce((sum, value) => sum + value, 0);
  const size = terms.reduce((sum, value) => sum + Math.abs(value), 0);
  if (!Number.isFinite(wide.value)) {
    report.skip('infinities among the elements');
    return;
  }
  // A jump of the first gradient between the two: its slope grows as the step shrinks.
  if (Math.abs(wide.value - narrow.value) > 1e-3 * Math.abs(wide.value) + 10 * narrow.noise) {
    report.skip('a jump of the first gradient');
    return;
  }
  // Richardson's extrapolation: the error of both is a multiple of their step's square.
  const expected = (4 * narrow.value - wide.value) / 3;
  const allowed = 2e-6 * Math.max(size, Math.abs(expected)) + 4 * narrow.noise + 1e-8;
  if (!(Math.abs(actual - expected) <= allowed))
    throw new Error(`second gradient ${what} along a direction is ${actual}, differences give ${expected}`);
  report.count();
}
