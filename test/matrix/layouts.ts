/**
 * Layouts: each sample with its tensors transposed, strided, flipped, at an offset and expanded, all alike and mixed. Results and gradients
 * must be those of contiguous tensors with the same elements: the same bits from elementwise kernels and in integers, and all but so where
 * an order of summation may follow the layout.
 */
import { OpwrightError } from '../../entry/index.js';
import { isDifferentiable } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import { fullRun, type OpCase, shardOf } from './cases.js';
import { compareElements, exact, roundingTolerance } from './compare.js';
import { differentiableLeaves, gradientsOf, type Layouts, nameOf } from './differentiate.js';
import { type Choice, changedDtype, choiceOf, hasFraction } from './dtypes-of.js';
import {
  type ElementsByName,
  evaluate,
  listElements,
  makeArguments,
  mapElements,
  sampleElements,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { type LayoutName, layElements } from './tensors.js';

/** In turn, for the inputs of a call. */
const combinations: readonly (readonly LayoutName[])[] = [
  ['transposed'],
  ['strided'],
  ['flipped'],
  ['offset'],
  ['expanded'],
  ['contiguous', 'transposed', 'expanded'],
  ['strided', 'contiguous'],
];

export function checkLayouts(test: OpCase, place: number, report: Report): void {
  const { inputs } = test.samples[place]!;
  if (Object.keys(inputs).length === 0) {
    report.skip('no input');
    return;
  }
  const own = choiceOf(test, inputs);
  const choices = choicesToTry(test, own, place);
  for (const choice of choices.tried) {
    const elements = sampleElements(test.op, place, inputs, changedDtype(test, own, choice));
    for (const combination of combinations) checkCombination(test, place, elements, combination, report);
  }
  if (choices.left > 0) report.skip('in further dtypes, which OPWRIGHT_FULL=1 tries', choices.left * combinations.length);
}

/** In a short run the sample's own dtypes and one other, in turn. Integers do not go with a sample's fractions. */
function choicesToTry(test: OpCase, own: Choice, place: number): { readonly tried: readonly Choice[]; readonly left: number } {
  const fraction = hasFraction(test.samples[place]!);
  const others = Object.entries(test.dtypes).flatMap(([variable, members]) =>
    own[variable] === undefined
      ? []
      : members
          .filter((dtype) => dtype !== own[variable] && (isDifferentiable(dtype) || !fraction))
          .map((dtype) => ({ ...own, [variable]: dtype })),
  );
  const chosen = others.filter((_, index) => fullRun || index === (place + shardOf(test.op)) % others.length);
  return { tried: [own, ...chosen], left: others.length - chosen.length };
}

function checkCombination(
  test: OpCase,
  place: number,
  elements: ElementsByName,
  combination: readonly LayoutName[],
  report: Report,
): void {
  const of = (input: string): LayoutName => {
    const index = test.inputs.findIndex(({ name }) => name === input);
    const layout = combination[index % combination.length]!;
    // Elements that lie in one place cannot be written apart.
    return layout === 'expanded' && test.inputs[index]!.mutated ? 'strided' : layout;
  };
  const laid = mapElements(elements, (one, input) => layElements(one, of(input)));
  const dtypes = [...new Set(listElements(elements).map(({ dtype }) => dtype))];
  const name = `${dtypes.join(', ')}, ${combination.join(' and ')}`;
  try {
    compareResults(test, place, laid, of, name);
    report.count();
    if (compareGradients(test, place, laid, { of, incoming: combination[0]! }, name)) report.count();
  } catch (error) {
    if (!(error instanceof NoResult)) throw error;
    report.skip('a matrix that an expanded tensor makes singular');
  }
}

/** What there is to compare with fails for its elements: an expanded tensor is a singular matrix. */
class NoResult extends Error {}

const failuresOfElements: readonly string[] = ['SINGULAR_MATRIX', 'NOT_POSITIVE_DEFINITE'];

function reference<R>(run: () => R): R {
  try {
    return run();
  } catch (error) {
    throw error instanceof OpwrightError && failuresOfElements.includes(error.code) ? new NoResult() : error;
  }
}

function compareResults(
  test: OpCase,
  place: number,
  elements: ElementsByName,
  of: (input: string) => LayoutName,
  name: string,
): void {
  const { attrs } = test.samples[place]!;
  const expected = reference(() => withArguments(makeArguments(elements), (inputs) => evaluate(test, inputs, attrs)));
  const actual = withoutLeak(() => withArguments(makeArguments(elements, of), (inputs) => evaluate(test, inputs, attrs)));
  if (actual.length !== expected.length) throw new Error(`${name}: ${actual.length} outputs instead of ${expected.length}`);
  actual.forEach((output, index) => {
    compareLaid(test, `${name}: output ${index}`, output, expected[index]!, elements);
  });
}

function compareLaid(test: OpCase, what: string, actual: Elements, expected: Elements, inputs: ElementsByName): void {
  const elementwise = test.kind === 'map' || !isDifferentiable(expected.dtype);
  compareElements(what, actual, expected, elementwise ? exact : roundingTolerance(test, expected.dtype, inputs));
}

/** Whether there are gradients to compare. */
function compareGradients(test: OpCase, place: number, elements: ElementsByName, layouts: Layouts, name: string): boolean {
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length === 0) return false;
  const incoming = layouts.incoming === 'expanded' ? 'expanded' : 'contiguous';
  const expected = reference(() => gradientsOf(test, place, elements, leaves, { of: () => 'contiguous', incoming }));
  if (expected === null) return false;
  const actual = withoutLeak(() => gradientsOf(test, place, elements, leaves, layouts))!;
  leaves.forEach((leaf, index) => {
    compareElements(
      `${name}: gradient of ${nameOf(leaf)}`,
      actual[index]!,
      expected[index]!,
      roundingTolerance(test, expected[index]!.dtype, elements),
    );
  });
  return true;
}
