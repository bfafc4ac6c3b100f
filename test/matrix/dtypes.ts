/**
 * Dtypes: each sample with every value of each dtype variable. Results and gradients of the smaller floating dtypes must be those of
 * float64, rounded; those of the smaller integers must be those of int64, wrapped; those of int64 must be those of float64, where these are
 * whole; and booleans must do as 0 and 1 do.
 */

import type { Dtype } from '../../kernels/op.js';
import { isComplexDtype, isDifferentiable, isFloating, partsOf } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import { fullRun, type OpCase } from './cases.js';
import { compareElements, compareValues, roundingTolerance } from './compare.js';
import { differentiableLeaves, gradientsOf, nameOf } from './differentiate.js';
import { type Choice, changedDtype, choiceOf, following, hasFraction } from './dtypes-of.js';
import {
  type ElementsByName,
  evaluate,
  makeArguments,
  mapElements,
  sampleElements,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { epsilonOf, toDtype } from './tensors.js';

export function checkDtypes(test: OpCase, place: number, report: Report): void {
  const sample = test.samples[place]!;
  const own = choiceOf(test, sample.inputs);
  for (const [variable, members] of Object.entries(test.dtypes)) {
    if (own[variable] === undefined) {
      report.skip('no tensor of a dtype variable');
      continue;
    }
    for (const dtype of members) {
      const reference = referenceOf(dtype, members);
      if (!isTried(dtype, members, test.op, place)) report.skip('further dtypes in native code, which OPWRIGHT_FULL=1 tries');
      else if (reference === undefined) report.skip(`nothing to compare ${dtype} with`);
      else if (test.random && isDifferentiable(dtype)) report.skip('random numbers depend on the dtype');
      else if (dtype === 'bool' && test.op === 'bitwiseNot') report.skip('the complement of 0 and 1, as numbers, is neither');
      else if (!isDifferentiable(dtype) && hasFraction(sample))
        report.skip('a fraction among integers, which makes them another dtype or is cut off');
      else checkDtype(test, place, { variable, dtype, reference, own }, report);
    }
  }
}

/** The short run in native code takes two dtypes for each sample, others for the next one. */
export function isTried(dtype: Dtype, members: readonly Dtype[], op: string, place: number): boolean {
  if (fullRun || process.env.OPWRIGHT_TIER !== 'native') return true;
  const turn = op.length + 2 * place;
  return [turn, turn + 1].some((at) => members[at % members.length] === dtype);
}

interface DtypeCase {
  readonly variable: string;
  readonly dtype: Dtype;
  readonly reference: Dtype;
  readonly own: Choice;
}

/** The dtype that stands for exact arithmetic. */
function referenceOf(dtype: Dtype, members: readonly Dtype[]): Dtype | undefined {
  if (isComplexDtype(dtype)) return dtype === 'complex64' && members.includes('complex128') ? 'complex128' : undefined;
  const wider: readonly Dtype[] = isFloating(dtype) ? ['float64'] : dtype === 'int64' ? ['float64'] : ['int64', 'float64'];
  return wider.find((one) => one !== dtype && members.includes(one));
}

function checkDtype(test: OpCase, place: number, one: DtypeCase, report: Report): void {
  const { inputs, attrs, outputs } = test.samples[place]!;
  const { variable, dtype, reference, own } = one;
  const change = changedDtype(test, own, { ...own, [variable]: dtype });
  const elements = sampleElements(test.op, place, inputs, change);
  const concerned = (input: string, given: Dtype): boolean => change(input, own[variable]!) === dtype && given === dtype;
  const exactElements = mapElements(elements, (each, input) =>
    concerned(input, each.dtype) ? { ...each, dtype: reference } : each,
  );
  const run = (of: ElementsByName) =>
    withoutLeak(() => withArguments(makeArguments(of), (given) => evaluate(test, given, attrs)));
  const actual = run(elements);
  const expected = run(exactElements);
  const stated = attrs.dtype !== undefined && attrs.dtype !== null;
  actual.forEach((output, index) => {
    const from = expected[index]!;
    // Some ops make fractions of integers, in a floating or complex dtype that the rules say.
    const isFraction = isDifferentiable(output.dtype) && !isDifferentiable(dtype);
    const keeps = stated || isWiderThan(outputs[index]?.dtype, own[variable]!);
    const wanted = isFraction ? output.dtype : keeps ? from.dtype : following(from.dtype, reference, dtype);
    compareRounded(test, `${dtype}: output ${index}`, output, from, wanted, elements);
  });
  report.count();
  if (isDifferentiable(dtype) && compareGradients(test, place, dtype, elements, exactElements)) report.count();
}

/** Whether an output is in double precision although the sample's inputs are not: it is so in every dtype. */
const isWiderThan = (output: Dtype | undefined, input: Dtype): boolean => isDouble(output) && !isDouble(input);
const isDouble = (dtype: Dtype | undefined): boolean => dtype === 'float64' || dtype === 'complex128';

function compareRounded(
  test: OpCase,
  what: string,
  actual: Elements,
  from: Elements,
  dtype: Dtype,
  inputs: ElementsByName,
): void {
  if (isDifferentiable(from.dtype) !== isDifferentiable(dtype) || from.dtype === 'int64') {
    // Numbers beyond 2^53 do not survive the reading, and quotients that are not whole differ rightly.
    const usable = from.values.map((value) => Number.isSafeInteger(value));
    const kept = (values: readonly number[]) => values.filter((_, index) => usable[index]);
    compareElements(
      what,
      { ...actual, values: kept(actual.values) },
      { ...from, dtype, values: kept(from.values).map((value) => toDtype(value, dtype)) },
      { relative: 0, ofLargest: 0 },
    );
    return;
  }
  const rounded = { ...from, dtype, values: from.values.map((value) => toDtype(value, dtype)) };
  compareElements(what, actual, rounded, roundingTolerance(test, dtype, inputs));
}

/** Whether there are gradients to compare. */
function compareGradients(
  test: OpCase,
  place: number,
  dtype: Dtype,
  elements: ElementsByName,
  exactElements: ElementsByName,
): boolean {
  const leaves = differentiableLeaves(test, elements);
  if (leaves.length === 0) return false;
  const actual = withoutLeak(() => gradientsOf(test, place, elements, leaves));
  const expected = gradientsOf(test, place, exactElements, leaves);
  if (actual === null || expected === null) return false;
  const epsilon = epsilonOf(dtype);
  leaves.forEach((leaf, index) => {
    const values = expected[index]!.values.map((value) => toDtype(value, dtype));
    const tolerance = { relative: 16 * epsilon, ofLargest: 8 * epsilon, scale: 1 };
    compareValues(`${dtype}: gradient of ${nameOf(leaf)}`, actual[index]!.values, values, tolerance, partsOf(dtype));
  });
  return true;
}
