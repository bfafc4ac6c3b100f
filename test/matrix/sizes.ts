/**
 * Sizes on both sides of the lengths at which kernels change what they do: vectors and their tails, unrolled loops, blocks, threads.
 * Elementwise ops must give a long tensor what they give its pieces, bit for bit; reductions must give what they give in float64.
 */
import { isDifferentiable, partsOf } from '../../runtime/dtype.js';
import { type Elements, randomValues, type TensorData } from '../support/samples.js';
import { fullRun, type OpCase, type SampleAttrs } from './cases.js';
import { compareElements, compareValues, exact } from './compare.js';
import { isTried } from './dtypes.js';
import { changedDtype, choiceOf, hasFraction, widest } from './dtypes-of.js';
import {
  type ElementsByName,
  evaluate,
  isList,
  listElements,
  makeArguments,
  mapElements,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { epsilonOf, sizeOf, toDtype } from './tensors.js';

const elementwise: ReadonlySet<string> = new Set([
  'unary',
  'analytic',
  'predicate',
  'binary',
  'arithmetic',
  'comparison',
  'logical',
]);
const lengths = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 129, 1023, 4097, 70_001];
const longLengths = [257, 511, 513, 8191, 16_385, 32_769, 262_147, 1_048_577];

export function hasSizes(test: OpCase): boolean {
  return test.class !== null && (elementwise.has(test.class) || test.class === 'reduction') && test.samples.length > 0;
}

export function checkSizes(test: OpCase, _: number, report: Report): void {
  const sample = test.samples[0]!;
  const own = choiceOf(test, sample.inputs);
  const variables = Object.entries(test.dtypes);
  const dtypes =
    variables.length === 0
      ? [own]
      : variables[0]![1]
          .filter((dtype, _, members) => isTried(dtype, members, test.op, 0))
          .map((dtype) => ({ ...own, [variables[0]![0]]: dtype }));
  for (const choice of dtypes) {
    if (hasFraction(sample) && Object.values(choice).some((dtype) => !isDifferentiable(dtype))) {
      report.skip('a fraction among integers');
      continue;
    }
    const change = changedDtype(test, own, choice);
    for (const length of fullRun ? [...lengths, ...longLengths] : lengths) {
      const draw = (shape: readonly number[]) => drawn(test, shape, (input, data) => change(input, data.dtype));
      if (test.class === 'reduction')
        for (const form of reductionForms.filter(({ longest }) => length <= longest))
          checkReduction(test, draw(form.shape(length)), form.attrs, length);
      else checkPieces(test, draw([length]), sample.attrs, length);
      report.count();
    }
  }
  if (!fullRun) report.skip('longer tensors, which OPWRIGHT_FULL=1 tries', longLengths.length * dtypes.length);
}

/** Elements for every tensor input, all of one shape, filled as in the first sample. */
function drawn(
  test: OpCase,
  shape: readonly number[],
  dtypeOf: (input: string, data: TensorData) => Elements['dtype'],
): ElementsByName {
  return Object.fromEntries(
    Object.entries(test.samples[0]!.inputs).map(([name, data]) => {
      if (typeof data === 'number' || isList(data)) throw new Error(`${name} of the first sample is no tensor`);
      const dtype = dtypeOf(name, data);
      return [name, { shape, dtype, values: valuesOf(name, shape, dtype, 'fill' in data ? data.fill : 'normal') }];
    }),
  );
}

const known = new Map<string, readonly number[]>();

/** Drawn once for all ops: drawing takes longer than computing. */
function valuesOf(...[name, shape, dtype, fill]: Parameters<typeof randomValues>): readonly number[] {
  const key = [name, shape, dtype, fill].join('/');
  let values = known.get(key);
  if (values === undefined) {
    values = randomValues(`size/${name}`, shape, dtype, fill).map((value) => toDtype(value, dtype));
    known.set(key, values);
  }
  return values;
}

function run(test: OpCase, elements: ElementsByName, attrs: SampleAttrs): Elements {
  const outputs = withoutLeak(() => withArguments(makeArguments(elements), (inputs) => evaluate(test, inputs, attrs)));
  return outputs[0]!;
}

/** Pieces whose lengths leave other tails. */
function checkPieces(test: OpCase, elements: ElementsByName, attrs: SampleAttrs, length: number): void {
  const whole = run(test, elements, attrs);
  const piece = Math.max(1, Math.ceil(length / 7));
  const values: number[] = [];
  for (let start = 0; start < length; start += piece) {
    const part = mapElements(elements, (one) => {
      const parts = partsOf(one.dtype);
      const cut = one.values.slice(parts * start, parts * (start + piece));
      return { ...one, shape: [cut.length / parts], values: cut };
    });
    for (const value of run(test, part, attrs).values) values.push(value);
  }
  compareElements(`${whole.dtype} of ${length} elements`, whole, { ...whole, values }, exact);
}

interface ReductionForm {
  readonly shape: (length: number) => readonly number[];
  readonly attrs: SampleAttrs;
  readonly longest: number;
}

/** The last keeps rows that are longer than a tile of columns, and several of them. */
const reductionForms: readonly ReductionForm[] = [
  { shape: (length) => [length], attrs: {}, longest: Infinity },
  { shape: (length) => [3, length], attrs: { axis: 1 }, longest: Infinity },
  { shape: (length) => [length, 3], attrs: { axis: 0 }, longest: Infinity },
  { shape: (length) => [2, 9, length], attrs: { axis: 1 }, longest: 1100 },
];

function checkReduction(test: OpCase, elements: ElementsByName, attrs: SampleAttrs, length: number): void {
  const [first] = listElements(elements);
  if (first === undefined) throw new Error(`${test.op} reduces no tensor`);
  const actual = run(test, elements, attrs);
  if (!isDifferentiable(first.dtype)) {
    checkReversed(test, elements, attrs, actual);
    return;
  }
  const reference = run(
    test,
    mapElements(elements, (one) => ({ ...one, dtype: isDifferentiable(one.dtype) ? widest(one.dtype) : one.dtype })),
    attrs,
  );
  const epsilon = Math.max(epsilonOf(actual.dtype), 2 ** -52);
  const values = reference.values.map((value) => toDtype(value, actual.dtype));
  // What a sum of that many random terms, added one by one, may be off.
  const scale = 8 * Math.sqrt(sizeOf(first.shape));
  const what = `${actual.dtype} of ${length} elements along ${attrs.axis ?? 'all axes'}`;
  const tolerance = { relative: 32 * epsilon, ofLargest: 8 * epsilon, scale };
  const parts = partsOf(actual.dtype);
  // Where a complex product overflows, its parts are infinite or NaN as the order of the factors has it.
  const isUsable = (_: number, at: number): boolean =>
    parts === 1 || (Number.isFinite(values[at & -2]) && Number.isFinite(values[at | 1]));
  compareValues(what, actual.values.filter(isUsable), values.filter(isUsable), tolerance, parts);
}

/** Integers and booleans: what the same elements give in reverse, since their order does not matter. */
function checkReversed(test: OpCase, elements: ElementsByName, attrs: SampleAttrs, actual: Elements): void {
  const reversed = run(
    test,
    mapElements(elements, (one) => ({ ...one, values: one.values.toReversed() })),
    attrs,
  );
  const [first] = listElements(elements);
  const what = `${actual.dtype} of ${first!.shape.join(' x ')} elements`;
  compareElements(what, actual, { ...reversed, values: reversed.values.toReversed() }, exact);
}
