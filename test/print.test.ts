/** How tensors print; the expected texts follow NumPy's array2string. */
import { inspect } from 'node:util';
import test from 'ava';
import { tensor } from '../runtime/create.js';
import type { Dtype } from '../runtime/dtype.js';
import { OpwrightError } from '../runtime/errors.js';
import { formatElements, getPrintOptions, setPrintOptions } from '../runtime/print.js';

const floats = (values: readonly number[], shape: readonly number[] = [values.length], dtype: Dtype = 'float32') =>
  formatElements(dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values), shape, dtype);

test('floats show the fewest digits that read back unchanged, aligned at the point', (t) => {
  t.is(floats([1, 2.5, -3]), '[ 1. ,  2.5, -3. ]');
  t.is(floats([0.1, 0.25]), '[0.1 , 0.25]');
  t.is(floats([1 / 3]), '[0.33333334]');
  t.is(floats([1 / 3], [1], 'float64'), '[0.33333333]');
  t.is(floats([100, 1000]), '[ 100., 1000.]');
  t.is(floats([0, -0]), '[ 0., -0.]');
});

test('very large, very small and widely spread floats are scientific', (t) => {
  t.is(floats([1e10, 1]), '[1.e+10, 1.e+00]');
  t.is(floats([1.5e-5]), '[1.5e-05]');
  t.is(floats([1.5, 2000]), '[1.5e+00, 2.0e+03]');
  t.is(floats([1e100], [1], 'float64'), '[1.e+100]');
});

test('nan and inf take the width of the others', (t) => {
  t.is(floats([NaN, 1.5, -Infinity]), '[ nan,  1.5, -inf]');
  t.is(floats([NaN, Infinity]), '[nan, inf]');
});

test('16-bit floats show no more digits than they have', (t) => {
  t.is(floats([0.0999755859375], [1], 'float16'), '[0.1]');
  t.is(floats([0.10009765625], [1], 'bfloat16'), '[0.1]');
});

test('integers and booleans are aligned to the right', (t) => {
  t.is(formatElements(Int32Array.of(1, -20, 300), [3], 'int32'), '[  1, -20, 300]');
  t.is(formatElements(BigInt64Array.of(2n ** 60n), [1], 'int64'), '[1152921504606846976]');
  t.is(formatElements(Uint8Array.of(1, 0), [2], 'bool'), '[ true, false]');
});

test('dimensions nest, with an empty line between matrices', (t) => {
  t.is(formatElements(Int32Array.of(1, 2, 3, 4), [2, 2], 'int32'), '[[1, 2],\n [3, 4]]');
  t.is(formatElements(Int32Array.of(1, 2, 3, 4), [2, 1, 2], 'int32'), '[[[1, 2]],\n\n [[3, 4]]]');
  t.is(formatElements(Int32Array.of(7), [], 'int32'), '7');
  t.is(formatElements(new Float32Array(0), [0, 3], 'float32'), '[]');
  t.is(formatElements(new Float32Array(0), [2, 0], 'float32'), '[[],\n []]');
});

test('long rows are broken', (t) => {
  const text = formatElements(
    Int32Array.from({ length: 40 }, (_, index) => index + 10),
    [40],
    'int32',
  );
  const lines = text.split('\n');
  t.is(lines.length, 3);
  t.true(lines.every((line) => line.length <= getPrintOptions().lineWidth));
  t.true(lines[1]?.startsWith(' 28, '));
});

test('more than a thousand elements are summarised', (t) => {
  const numbers = Int32Array.from({ length: 2000 }, (_, index) => index);
  t.is(formatElements(numbers, [2000], 'int32'), '[   0,    1,    2, ..., 1997, 1998, 1999]');
  const matrix = formatElements(numbers, [1000, 2], 'int32').split('\n');
  t.is(matrix.length, 7);
  t.is(matrix[3], ' ...,');
});

test('a tensor prints with its shape, dtype and device', (t) => {
  const x = tensor([[1, 2.5]]);
  t.is(inspect(x), 'tensor([[1. , 2.5]], shape=[1, 2], dtype=float32, device=cpu)');
  t.is(String(tensor(3, { dtype: 'int32' })), 'tensor(3, shape=[], dtype=int32, device=cpu)');
  t.is(String(tensor(true, { stopGradient: false })), 'tensor(true, shape=[], dtype=bool, device=cpu, stopGradient=false)');
});

test('lines after the first are indented below the first bracket', (t) => {
  t.is(String(tensor([[1], [2]])), 'tensor([[1.],\n        [2.]], shape=[2, 1], dtype=float32, device=cpu)');
});

test('a disposed tensor still prints', (t) => {
  const x = tensor([1, 2]);
  x.dispose();
  t.is(String(x), 'tensor(disposed, shape=[2], dtype=float32, device=cpu)');
});

test.serial('print options change the digits and are checked', (t) => {
  const before = getPrintOptions();
  setPrintOptions({ precision: 2 });
  t.is(floats([1 / 3, 0.125]), '[0.33, 0.13]');
  setPrintOptions(before);
  const misspelt: object = { digits: 3 };
  t.is(t.throws(() => setPrintOptions(misspelt), { instanceOf: OpwrightError })?.code, 'UNKNOWN_OPTION');
  t.is(t.throws(() => setPrintOptions({ precision: -1 }), { instanceOf: OpwrightError })?.code, 'NOT_AN_INTEGER');
});
