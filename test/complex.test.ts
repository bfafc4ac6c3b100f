/** Complex tensors: how they are made, read, printed and kept, what they promote to, and where functions have their limits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as opwright from '../entry/index.js';
import { loadSafetensors, saveSafetensors } from '../entry/io.js';
import { promote } from '../runtime/dtype.js';
import { formatElements } from '../runtime/print.js';

const { tensor, OpwrightError } = opwright;

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof OpwrightError) return error.code;
    throw error;
  }
  return 'no error';
};

test('numbers { re, im } make a complex tensor, and numbers beside them are real', (t) => {
  const z = tensor([{ re: 1, im: -2 }, 3]);
  t.is(z.dtype, 'complex64');
  t.deepEqual(z.tolist(), [
    { re: 1, im: -2 },
    { re: 3, im: 0 },
  ]);
  t.deepEqual(tensor({ re: 0.5, im: 0.25 }, { dtype: 'complex128' }).item(), { re: 0.5, im: 0.25 });
});

test('typed arrays hold real and imaginary parts in turn, as data() gives them', async (t) => {
  const z = tensor(Float32Array.of(1, 2, 3, 4), { dtype: 'complex64' });
  t.deepEqual(z.shape, [2]);
  t.deepEqual(await z.data(), Float32Array.of(1, 2, 3, 4));
  t.deepEqual(tensor(new Float64Array(12), { dtype: 'complex128', shape: [2, 3] }).shape, [2, 3]);
  t.is(
    codeOf(() => tensor(Float32Array.of(1, 2, 3), { dtype: 'complex64' })),
    'RAGGED_ARRAY',
  );
});

test('a complex number is no element of a real dtype', (t) => {
  t.is(
    codeOf(() => tensor([{ re: 1, im: 2 }], { dtype: 'float32' })),
    'DTYPE_MISMATCH',
  );
});

test('complex tensors of any layout are read element by element', (t) => {
  const z = tensor([
    [{ re: 1, im: 2 }, 3],
    [4, { re: 5, im: 6 }],
  ]);
  t.deepEqual(opwright.transpose(z, [1, 0]).dataSync(), Float32Array.of(1, 2, 4, 0, 3, 0, 5, 6));
});

test('complex tensors print as in NumPy', (t) => {
  t.is(
    String(
      tensor([
        { re: 1, im: 2 },
        { re: -3.5, im: -0.25 },
      ]),
    ),
    'tensor([ 1. +2.j  , -3.5-0.25j], shape=[2], dtype=complex64, device=cpu)',
  );
  t.is(formatElements(Float32Array.of(NaN, 1, 1, Infinity, 2.5, -Infinity), [3], 'complex64'), '[nan +1.j, 1. +infj, 2.5-infj]');
});

test('beside complex numbers everything is complex, and as precise as the more precise', (t) => {
  t.is(promote('complex64', 'float32'), 'complex64');
  t.is(promote('complex64', 'float64'), 'complex128');
  t.is(promote('int64', 'complex64'), 'complex64');
  t.is(promote('bool', 'complex128'), 'complex128');
  t.is(promote('complex64', 'complex128'), 'complex128');
  const sum = tensor([1, 2]).add(tensor([{ re: 0, im: 1 }]));
  t.is(sum.dtype, 'complex64');
  t.is(tensor([1]).multiply({ re: 0, im: 1 }).dtype, 'complex64');
});

test('what orders numbers refuses complex ones', (t) => {
  const z = tensor([{ re: 1, im: 2 }]);
  for (const op of [opwright.sort, opwright.max, opwright.relu, opwright.floor, opwright.softmax])
    t.is(
      codeOf(() => op(z)),
      'DTYPE_MISMATCH',
      op.name,
    );
  t.is(
    codeOf(() => opwright.lessThan(z, z)),
    'DTYPE_MISMATCH',
  );
});

test('a plain number scales both parts, infinite ones too', (t) => {
  const z = tensor([{ re: Infinity, im: 1 }]).multiply(2);
  t.deepEqual(z.tolist(), [{ re: Infinity, im: 2 }]);
});

test('sizes and quotients do not overflow on the way', (t) => {
  const huge = tensor([{ re: 3e38, im: 1e38 }]);
  t.true(Math.abs(opwright.real(opwright.divide(huge, huge)).item() - 1) < 1e-6);
  t.is(opwright.abs(tensor([{ re: 3e-30, im: 4e-30 }])).item(), Math.fround(5e-30));
  t.is(opwright.abs(tensor([{ re: -Infinity, im: NaN }])).item(), Infinity);
});

test('roots and logarithms take the sign of zero for their side of the cut', (t) => {
  const above = tensor({ re: -4, im: 0 }, { dtype: 'complex128' });
  const below = tensor({ re: -4, im: -0 }, { dtype: 'complex128' });
  t.deepEqual(opwright.sqrt(above).dataSync(), Float64Array.of(0, 2));
  t.deepEqual(opwright.sqrt(below).dataSync(), Float64Array.of(0, -2));
  t.is(opwright.imag(opwright.log(above)).item(), Math.PI);
  t.is(opwright.imag(opwright.log(below)).item(), -Math.PI);
});

test('tanh of large numbers is 1, not NaN', (t) => {
  t.deepEqual(opwright.tanh(tensor({ re: 500, im: 1 }, { dtype: 'complex128' })).dataSync()[0], 1);
});

test('a view as real numbers writes through to the complex tensor', (t) => {
  const z = tensor([
    { re: 1, im: 2 },
    { re: 3, im: 4 },
  ]);
  const parts = opwright.viewAsReal(z);
  t.is(parts.storage, z.storage);
  t.deepEqual(parts.tolist(), [
    [1, 2],
    [3, 4],
  ]);
  t.is(opwright.viewAsComplex(parts).storage, z.storage);
  const turned = opwright.viewAsComplex(
    opwright.transpose(
      tensor([
        [1, 2],
        [3, 4],
      ]),
      [1, 0],
    ),
  );
  t.deepEqual(turned.dataSync(), Float32Array.of(1, 3, 2, 4));
});

test('what begins in the middle of a pair is copied to be seen as complex', (t) => {
  const odd = opwright.slice(tensor([0, 1, 2, 3, 4]), [0], [1], [5]);
  const pairs = opwright.reshape(odd, [2, 2]);
  t.deepEqual(opwright.viewAsComplex(pairs).dataSync(), Float32Array.of(1, 2, 3, 4));
});

test('the gradient of a real loss is the direction of steepest ascent in both parts', (t) => {
  const z = tensor([{ re: 1, im: 2 }], { stopGradient: false });
  opwright.square(opwright.abs(z)).sum().backward();
  t.deepEqual(z.grad!.dataSync(), Float32Array.of(2, 4));
});

test('a real tensor beside complex ones has a real gradient', (t) => {
  const x = tensor([3], { stopGradient: false });
  const z = tensor([{ re: 1, im: 2 }]);
  opwright.real(x.multiply(z)).sum().backward();
  t.is(x.grad!.dtype, 'float32');
  t.deepEqual(x.grad!.dataSync(), Float32Array.of(1));
});

test('complex64 is kept in safetensors files, complex128 is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-complex-'));
  const file = join(folder, 'z.safetensors');
  await saveSafetensors({ z: tensor([{ re: 1, im: -2 }]) }, file);
  const { tensors } = await loadSafetensors(file);
  t.is(tensors.z!.dtype, 'complex64');
  t.deepEqual(tensors.z!.dataSync(), Float32Array.of(1, -2));
  await t.throwsAsync(saveSafetensors({ z: tensor({ re: 1, im: 0 }, { dtype: 'complex128' }) }, file), {
    instanceOf: OpwrightError,
  });
  rmSync(folder, { recursive: true });
});
