/**
 * Samples against goldens: what the op returns and what it writes into its inputs, in the sample's own dtypes and in float64, called as
 * a function, as a method, and with nested arrays in place of tensors. Nothing may leak.
 */
import { type Dtype, type NestedNumbers, Tensor } from '../../entry/index.js';
import { isDifferentiable } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import { goldenOf, type OpCase, type SampleAttrs, type TestInput } from './cases.js';
import { compareElements, exact, goldenTolerance, roundingTolerance } from './compare.js';
import { changedDtype, choiceOf, widened, widest } from './dtypes-of.js';
import {
  type ArgumentsByName,
  argumentList,
  evaluate,
  evaluateBy,
  functionOf,
  makeArguments,
  sampleElements,
  withArguments,
  withoutLeak,
} from './invoke.js';
import type { Report } from './report.js';
import { toDtype } from './tensors.js';

const greatest = (2 - 2 ** -23) * 2 ** 127;

export function checkValues(test: OpCase, place: number, report: Report): void {
  const golden = goldenOf(test.op, place)?.outputs;
  checkCalls(test, place, golden);
  report.count(4);
  if (golden === undefined) {
    if (!test.random && !test.internal) throw new Error('there is no golden: run test/golden/make.py');
    report.skip(test.random ? 'no golden of random numbers' : 'no golden of an internal op');
    return;
  }
  if (checkInFloat64(test, place, golden)) report.count();
}

/** In the sample's own dtypes: as a function, once more with the plan that the first call made, and as a method. */
function checkCalls(test: OpCase, place: number, golden: readonly Elements[] | undefined): void {
  const { inputs: data, attrs } = test.samples[place]!;
  const elements = sampleElements(test.op, place, data);
  const run = (of: (inputs: ArgumentsByName) => Elements[]) => withoutLeak(() => withArguments(makeArguments(elements), of));
  const outputs = run((inputs) => evaluate(test, inputs, attrs));
  if (golden !== undefined && golden.length !== outputs.length)
    throw new Error(`${outputs.length} outputs instead of ${golden.length}`);
  golden?.forEach((expected, index) => {
    compareElements(
      `output ${index}`,
      outputs[index]!,
      // Goldens are computed in float64: what is too small for the dtype is 0 in it.
      { ...expected, values: expected.values.map((value) => toDtype(value, expected.dtype)) },
      roundingTolerance(test, expected.dtype, elements, goldenTolerance),
    );
  });
  const again = run((inputs) => evaluate(test, inputs, attrs));
  again.forEach((output, index) => {
    compareElements(`output ${index} of a second call`, output, outputs[index]!, exact);
  });
  const method = run((inputs) => callMethod(test, inputs, attrs) ?? outputs);
  method.forEach((output, index) => {
    compareElements(`output ${index} of the method`, output, outputs[index]!, exact);
  });
  const arrays = run((inputs) =>
    evaluateBy(test, inputs, () => functionOf(test.op)(...argumentList(test, asArrays(test, inputs), attrs))),
  );
  arrays.forEach((output, index) => {
    compareElements(`output ${index} of arrays`, output, outputs[index]!, exact);
  });
}

/** Nested arrays in place of the tensors that they can stand for. */
function asArrays(test: OpCase, inputs: ArgumentsByName): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => {
      const input = test.inputs.find((one) => one.name === name)!;
      return [name, Array.isArray(value) ? value.map((one) => asArray(test, input, one)) : asArray(test, input, value)];
    }),
  );
}

/** Arrays do not show the inner sizes of what is empty; and numbers are int32 only where the input takes no floats. */
function asArray(test: OpCase, input: TestInput, value: unknown): unknown {
  if (!(value instanceof Tensor) || input.mutated || value.size === 0) return value;
  if (isOf(value, 'bool')) return toBooleans(value.tolist());
  const takesFloats = (test.dtypes[input.dtype] ?? ['float32']).includes('float32');
  return value.dtype === (takesFloats ? 'float32' : 'int32') ? value.tolist() : value;
}

function isOf<D extends Dtype>(tensor: Tensor, dtype: D): tensor is Tensor<D> {
  return tensor.dtype === dtype;
}

function toBooleans(value: NestedNumbers): unknown {
  return typeof value === 'number' ? value !== 0 : value.map(toBooleans);
}

/** As `x.op(...)`; undefined where there is no such method. */
function callMethod(test: OpCase, inputs: ArgumentsByName, attrs: SampleAttrs): Elements[] | undefined {
  const [first, ...rest] = argumentList(test, inputs, attrs);
  const method: unknown = first instanceof Tensor && !test.internal ? Reflect.get(first, test.op) : undefined;
  return typeof method === 'function' ? evaluateBy(test, inputs, () => method.apply(first, rest)) : undefined;
}

/** Whether there is something to widen. In float64 the definition must agree with the golden to all its digits. */
function checkInFloat64(test: OpCase, place: number, golden: readonly Elements[]): boolean {
  const sample = test.samples[place]!;
  const own = choiceOf(test, sample.inputs);
  const wide = widened(test, own);
  if (wide === undefined) return false;
  const elements = sampleElements(test.op, place, sample.inputs, changedDtype(test, own, wide));
  const outputs = withArguments(makeArguments(elements), (inputs) => evaluate(test, inputs, sample.attrs));
  outputs.forEach((output, index) => {
    const expected = golden[index]!;
    const dtype = isDifferentiable(expected.dtype) && !('dtype' in sample.attrs) ? widest(expected.dtype) : expected.dtype;
    const tolerance = roundingTolerance(test, dtype, elements, goldenTolerance);
    compareElements(`in float64, output ${index}`, withinFloat32(output), { ...expected, dtype }, tolerance);
  });
  return true;
}

/** Goldens say infinity from where float32 ends. */
function withinFloat32(elements: Elements): Elements {
  return { ...elements, values: elements.values.map((value) => (Math.abs(value) > greatest ? value * Infinity : value)) };
}
