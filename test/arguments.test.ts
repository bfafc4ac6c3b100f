/** What ops make of plain numbers and of options: dtypes, and the errors for what does not fit. */
import test from 'ava';
import {
  add,
  arange,
  clip,
  concat,
  full,
  fullLike,
  linear,
  matmul,
  maximum,
  pad,
  relu,
  scale,
  softmax,
  sum,
  tensor,
  where,
} from '../entry/index.js';
import { prepareCall } from '../kernels/call.js';
import { definitionOf } from '../runtime/registry.js';

const integers = () => tensor([1, 2, 3], { dtype: 'int32' });

test('a fraction next to integers makes floats of them', (t) => {
  const x = integers();
  for (const [result, expected] of [
    [add(x, 0.5), [1.5, 2.5, 3.5]],
    [x.multiply(0.5), [0.5, 1, 1.5]],
    [maximum(x, 1.5), [1.5, 2, 3]],
    [clip(x, { max: 2.5 }), [1, 2, 2.5]],
    [where(tensor([true, false, true]), x, 0.25), [1, 0.25, 3]],
    [add(x, Number.POSITIVE_INFINITY), [Infinity, Infinity, Infinity]],
  ] as const) {
    t.is(result.dtype, 'float32');
    t.deepEqual(result.tolist(), [...expected]);
  }
  t.deepEqual(x.lessThan(1.5).tolist(), [1, 0, 0]);
});

test('a whole number next to integers leaves their dtype', (t) => {
  t.is(add(integers(), 2).dtype, 'int32');
  // The same plan serves 2 and is not taken for 0.5.
  t.is(add(integers(), 0.5).dtype, 'float32');
  t.is(add(integers(), 3).dtype, 'int32');
});

test('an attribute that cannot be an element of an integer tensor is an error', (t) => {
  const x = integers();
  const refused = { code: 'NOT_AN_INTEGER' };
  t.deepEqual(scale(x, { scale: 2 }).tolist(), [2, 4, 6]);
  t.throws(() => scale(x, { scale: 0.5 }), refused);
  t.throws(() => scale(x, { scale: 2, bias: 0.5 }), refused);
  t.throws(() => full([2], 0.5, { dtype: 'int32' }), refused);
  t.throws(() => full([2], Number.NaN, { dtype: 'int64' }), refused);
  t.throws(() => full([2], -1, { dtype: 'uint8' }), refused);
  t.throws(() => full([2], 2 ** 63, { dtype: 'int64' }), refused);
  t.deepEqual(full([1], -(2 ** 63), { dtype: 'int64' }).dataSync(), BigInt64Array.of(-(2n ** 63n)));
  t.throws(() => fullLike(x, 0.5), refused);
  t.throws(() => pad(x, [1, 1], { value: 0.5 }), refused);
  t.throws(() => arange(0, { end: 3, step: 0.5, dtype: 'int32' }), refused);
});

// What JavaScript programs may write, for which TypeScript has an error.
const called = (f: (...given: never[]) => unknown, ...given: readonly unknown[]): unknown => f(...(given as never[]));

test('an option that an op does not have is an error, also where it has none', (t) => {
  const x = tensor([1, -1]);
  const unknown = { code: 'UNKNOWN_OPTION', message: /inplace/ };
  t.throws(() => called(relu, x, { inplace: true }), unknown);
  t.throws(() => called(add, x, x, { inplace: true }), unknown);
  t.throws(() => called(concat, [x, x], { inplace: true }), unknown);
  t.throws(() => called(softmax, x, { inplace: true }), unknown);
  t.throws(() => called(full, [2], 1, { inplace: true }), unknown);
  t.throws(() => called(x.relu.bind(x), { inplace: true }), unknown);
  t.notThrows(() => called(relu, x, {}));
});

test('what stands in the place of options and is none is an error', (t) => {
  const x = tensor([[1, -1]]);
  const wrong = { code: 'INVALID_ARGUMENT' };
  t.throws(() => called(arange, 0, 5), wrong);
  t.throws(() => called(linear, x, x.t(), tensor([1])), wrong);
  t.throws(() => called(matmul, x, x, true), wrong);
  t.throws(() => called(softmax, x, null), wrong);
  t.throws(() => called(relu, x, x), wrong);
});

test('functions of tensors are callbacks for map and reduce', (t) => {
  const xs = [tensor([1, -1]), tensor([-2, 2])];
  t.deepEqual(xs.map(relu).map(String), xs.map((x) => relu(x)).map(String));
  t.deepEqual(xs.reduce(add).tolist(), [-1, 1]);
});

test('what a number makes of integers is decided in every call, whatever the calls before were', (t) => {
  for (const [number, dtype] of [
    [2, 'int32'],
    [0.5, 'float32'],
    [3, 'int32'],
  ] as const)
    t.is(add(integers(), number).dtype, dtype);
});

test('a number is checked in every call, whatever the calls before were', (t) => {
  t.deepEqual(scale(integers(), { scale: 2 }).tolist(), [2, 4, 6]);
  t.throws(() => scale(integers(), { scale: 0.5 }), { code: 'NOT_AN_INTEGER' });
  t.deepEqual(scale(integers(), { scale: 3 }).tolist(), [3, 6, 9]);
});

test('of two tensors the one with the narrower dtype is cast, in either order', (t) => {
  const [whole, short, long] = [integers(), tensor([0.5, 1, 1.5]), tensor([0.5, 1, 1.5], { dtype: 'float64' })];
  for (const [x, y, dtype] of [
    [whole, short, 'float32'],
    [short, whole, 'float32'],
    [short, long, 'float64'],
    [long, whole, 'float64'],
  ] as const)
    t.is(add(x, y).dtype, dtype);
  t.deepEqual(add(whole, short).tolist(), [1.5, 3, 4.5]);
});

test('axes may be named in any order', (t) => {
  const x = arange(24, { dtype: 'float32' }).reshape([2, 3, 4]);
  t.deepEqual(sum(x, { axis: [2, 0] }).tolist(), sum(x, { axis: [0, 2] }).tolist());
  const { attrs } = prepareCall(definitionOf('sum'), { x }, { axis: [-1, 0] });
  t.deepEqual(attrs['axis'], [0, 2]);
});
