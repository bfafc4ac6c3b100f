/**
 * Samples against goldens: what the op returns and what it writes into its inputs, in the sample's own dtypes and in float64, called as
 * a function and as a method. Nothing may leak.
 */
import { isFloating } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import { goldenOf, type OpCase } from './cases.js';
import { compareElements, exact, type Tolerance } from './compare.js';
import { changedDtype, choiceOf, widened } from './dtypes-of.js';
import {
  argumentList,
  type ArgumentsByName,
  call,
  evaluate,
  makeArguments,
  readOutputs,
  sampleElements,
  tensorsOf,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { epsilonOf } from './tensors.js';
import { seed, Tensor } from '../../entry/index.js';

/** Goldens have nine digits. */
const goldenTolerance = 1e-8;
const greatest = (2 - 2 ** -23) * 2 ** 127;

export function checkValues(test: OpCase, place: number, report: Report): void {
  const golden = goldenOf(test.op, place);
  const sample = test.samples[place]!;
  const own = choiceOf(test, sample.inputs);
  const wide = widened(test, own);
  checkCall(test, place, golden?.outputs, (one) => one, report);
  if (golden === undefined) {
    if (!test.random && !test.internal) throw new Error('there is no golden: run test/golden/make.py');
    report.skip(test.random ? 'no golden of random numbers' : 'no golden of an internal op');
    return;
  }
  report.count();
  if (wide === undefined) return;
  const elements = sampleElements(test.op, place, sample.inputs, changedDtype(test, own, wide));
  const outputs = withArguments(makeArguments(elements), (inputs) => evaluate(test, inputs, sample.attrs));
  const stated = 'dtype' in sample.attrs;
  outputs.forEach((output, index) => {
    const expected = golden.outputs[index]!;
    const dtype = isFloating(expected.dtype) && !stated ? 'float64' : expected.dtype;
    const tolerance = { relative: 2 * goldenTolerance, ofLargest: goldenTolerance };
    compareElements(
      `in float64, output ${index}`,
      withinFloat32(output),
      { ...expected, dtype },
      dtype === 'float64' ? tolerance : toleranceOf(dtype),
    );
  });
  report.count();
}

/** In the sample's own dtypes, as a function and as a method, twice: the second call runs the plan that the first one made. */
function checkCall(
  test: OpCase,
  place: number,
  golden: readonly Elements[] | undefined,
  _: (one: Elements) => Elements,
  report: Report,
): void {
  const { inputs: data, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, data);
  const run = (of: (inputs: ArgumentsByName) => Elements[]) => withoutLeak(() => withArguments(makeArguments(elements), of));
  const outputs = run((inputs) => evaluate(test, inputs, attrs));
  golden?.forEach((expected, index) => {
    const output = outputs[index];
    if (output === undefined) throw new Error(`there is no output ${index}`);
    compareElements(`output ${index}`, output, expected, toleranceOf(expected.dtype));
  });
  if (golden !== undefined && golden.length !== outputs.length)
    throw new Error(`${outputs.length} outputs instead of ${golden.length}`);
  const again = run((inputs) => evaluate(test, inputs, attrs));
  again.forEach((output, index) => compareElements(`output ${index} of a second call`, output, outputs[index]!, exact));
  const method = run((inputs) => callMethod(test, inputs, attrs) ?? outputs);
  method.forEach((output, index) => compareElements(`output ${index} of the method`, output, outputs[index]!, exact));
  report.count(2);
}

/** As `x.op(...)`; undefined where there is no such method. */
function callMethod(test: OpCase, inputs: ArgumentsByName, attrs: Parameters<typeof call>[2]): Elements[] | undefined {
  const [first, ...rest] = argumentList(test, inputs, attrs);
  if (!(first instanceof Tensor) || test.internal) return undefined;
  const method: unknown = Reflect.get(first, test.op);
  if (typeof method !== 'function') return undefined;
  seed(20);
  const results = tensorsOf(test, method.apply(first, rest));
  try {
    return readOutputs(test, inputs, results);
  } finally {
    for (const result of results) result.dispose();
  }
}

/** Float results may be a few roundings away, of the whole where terms cancel; all others are exact. */
function toleranceOf(dtype: Elements['dtype']): Tolerance {
  const epsilon = epsilonOf(dtype);
  return { relative: 16 * epsilon + goldenTolerance, ofLargest: epsilon === 0 ? 0 : 4 * epsilon + goldenTolerance };
}

/** Goldens say infinity from where float32 ends. */
function withinFloat32(elements: Elements): Elements {
  return { ...elements, values: elements.values.map((value) => (Math.abs(value) > greatest ? value * Infinity : value)) };
}
