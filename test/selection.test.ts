/** nonzero, maskedSelect and unique against JavaScript, for inputs of any layout and dtype, with one block of elements and several. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { compileKernelFunctions } from '../codegen/functions/compile.js';
import type { Dtype, Shape } from '../kernels/op.js';
import type { ReferenceArray } from '../kernels/reference-array.js';
import { registerKernelFunctions } from '../runtime/registry.js';
import type { Tensor } from '../runtime/tensor.js';
import { type Arrangement, arrangements, integers, operand, runLibrary, worstError } from './library-harness.js';

const folder = join(process.cwd(), 'kernels', 'functions');
const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && file !== 'language.ts');
registerKernelFunctions(compileKernelFunctions(files.map((file) => join(folder, file))));

const shapes: readonly Shape[] = [[], [1], [7], [0], [3, 0, 2], [4, 5], [2, 3, 4], [4095], [4096], [4097], [90, 100]];
const dtypes: readonly Dtype[] = [
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

const numbersOf = (result: Tensor): number[] => Array.from<number | bigint, number>(result.dataSync(), Number);

/** Values that a dtype holds: from 0 on where it has no sign. */
function valuesFor(dtype: Dtype, seed: number, bound = 2): () => number {
  const next = integers(seed, bound);
  const unsigned = dtype === 'bool' || dtype === 'uint8';
  return () => (unsigned ? Math.abs(next()) : next());
}

function coordinates(shape: Shape, place: number): number[] {
  let rest = place;
  return [...shape]
    .reverse()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .reverse();
}

function nonzeroOf({ shape, data }: ReferenceArray): number[][] {
  return [...data.keys()].filter((place) => data[place] !== 0).map((place) => coordinates(shape, place));
}

function cases(run: (shape: Shape, dtype: Dtype, lies: Arrangement, label: string) => void): void {
  for (const shape of shapes) for (const lies of arrangements) run(shape, 'float32', lies, `[${shape}] ${lies}`);
  for (const dtype of dtypes) run([5, 9], dtype, 'transposed', dtype);
}

test('nonzero gives the coordinates of all elements that are not 0, in order', (t) => {
  cases((shape, dtype, lies, label) => {
    const x = operand(shape, dtype, valuesFor(dtype, 3, 1), lies);
    const outputs = [{ shape: [x.tensor.size, shape.length], dtype: 'int32' as const }];
    const [out] = runLibrary({ name: 'nonzero', inputs: { x }, outputs });
    const expected = nonzeroOf(x.reference);
    t.deepEqual(out!.shape, [expected.length, shape.length], label);
    t.deepEqual(numbersOf(out!), expected.flat(), label);
  });
});

test('nonzero counts NaN and not -0', (t) => {
  const values = [0, NaN, -0, 1];
  const x = operand([4], 'float32', (place) => values[place]!);
  const [out] = runLibrary({ name: 'nonzero', inputs: { x }, outputs: [{ shape: [4, 1], dtype: 'int32' }] });
  t.deepEqual(numbersOf(out!), [1, 3]);
});

test('maskedSelect gives the elements where the mask is true, in order', (t) => {
  cases((shape, dtype, lies, label) => {
    const x = operand(shape, dtype, valuesFor(dtype, 5, 9), lies);
    const mask = operand(shape, 'bool', valuesFor('bool', 7, 1), lies === 'flipped' ? 'transposed' : 'contiguous');
    const [out] = runLibrary({ name: 'maskedSelect', inputs: { x, mask }, outputs: [{ shape: [x.tensor.size], dtype }] });
    const expected = [...x.reference.data].filter((_, place) => mask.reference.data[place] !== 0);
    t.deepEqual(numbersOf(out!), expected, label);
    t.is(out!.dtype, dtype, label);
  });
});

test('unique gives the distinct elements, their first places, the way back and their counts', (t) => {
  cases((shape, dtype, lies, label) => {
    if (dtype === 'bool') return;
    for (const bound of [2, 60]) {
      const x = operand(shape, dtype, valuesFor(dtype, 9, bound), lies);
      const size = [x.tensor.size];
      const indices = { shape: size, dtype: 'int32' as const };
      const error = worstError({ name: 'unique', inputs: { x }, outputs: [{ shape: size, dtype }, indices, indices, indices] });
      t.is(error, 0, label);
    }
  });
});
