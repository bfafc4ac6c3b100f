/** Tensors without ops: making them, reading them through any layout, their dtypes, and what is refused. */
import test from 'ava';
import fc from 'fast-check';
import { tensor, tensorFromRaw } from '../runtime/create.js';
import {
  type Dtype,
  decodeFloat16,
  dtypes,
  encodeBfloat16,
  encodeFloat16,
  getDefaultDtype,
  isComplexDtype,
  promote,
  setDefaultDtype,
} from '../runtime/dtype.js';
import { errorCodes, OpwrightError } from '../runtime/errors.js';
import { contiguousLayout, contiguousStrides, stridedLayout } from '../runtime/layout.js';
import { Tensor } from '../runtime/tensor.js';

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return error instanceof OpwrightError ? error.code : String(error);
  }
  return undefined;
};

// Making

test('the dtype follows from the data', (t) => {
  t.is(tensor([1, 2]).dtype, 'float32');
  t.is(tensor([true]).dtype, 'bool');
  t.is(tensor(5n).dtype, 'int64');
  t.is(tensor([true, 2]).dtype, 'float32');
  t.is(tensor(new Float64Array(2)).dtype, 'float64');
  t.is(tensor(new Uint16Array(2)).dtype, 'int32');
  t.is(tensor([new Int8Array(2), new Int8Array(2)]).dtype, 'int8');
  t.is(tensor([]).dtype, 'float32');
});

test('the shape follows from the nesting, or from the option', (t) => {
  t.deepEqual([...tensor(1).shape], []);
  t.deepEqual([...tensor([]).shape], [0]);
  t.deepEqual([...tensor([[], []]).shape], [2, 0]);
  t.deepEqual([...tensor([[[1], [2]]]).shape], [1, 2, 1]);
  t.deepEqual([...tensor([Float32Array.of(1, 2), [3, 4]]).shape], [2, 2]);
  t.deepEqual(tensor(Float32Array.of(1, 2, 3, 4), { shape: [2, 2] }).tolist(), [
    [1, 2],
    [3, 4],
  ]);
  t.is(
    codeOf(() => tensor([1, 2, 3], { shape: [2, 2] })),
    'SHAPE_MISMATCH',
  );
});

test('rows of different length or depth are ragged', (t) => {
  for (const data of [
    [[1, 2], [3]],
    [[1], 2],
    [1, [2]],
    [[1], [[2]]],
    [[], [1]],
    [[1], []],
    [[1, 2], Float32Array.of(1)],
  ]) {
    t.is(
      codeOf(() => tensor(data)),
      'RAGGED_ARRAY',
      JSON.stringify(data),
    );
  }
});

test('integer dtypes take integers that fit, and nothing else', (t) => {
  t.deepEqual(tensor([255, 0], { dtype: 'uint8' }).tolist(), [255, 0]);
  for (const value of [NaN, 1.5, Infinity, 256, -1])
    t.is(
      codeOf(() => tensor([value], { dtype: 'uint8' })),
      'NOT_AN_INTEGER',
    );
  t.is(
    codeOf(() => tensor([2 ** 31], { dtype: 'int32' })),
    'NOT_AN_INTEGER',
  );
  t.is(
    codeOf(() => tensor([2n ** 63n])),
    'NOT_AN_INTEGER',
  );
  t.is(
    codeOf(() => tensor([NaN], { dtype: 'int64' })),
    'NOT_AN_INTEGER',
  );
  t.deepEqual([...tensor([-(2n ** 63n)]).dataSync()], [-(2n ** 63n)]);
});

test('what is no number is refused, and so are unknown options', (t) => {
  const wrong: object = { data: 'text', options: { dtpye: 'int32' }, noDtype: { dtype: 'float' } };
  t.is(
    codeOf(() => tensor(Reflect.get(wrong, 'data'))),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => tensor([1], Reflect.get(wrong, 'options'))),
    'UNKNOWN_OPTION',
  );
  t.is(
    codeOf(() => tensor([1], Reflect.get(wrong, 'noDtype'))),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => contiguousLayout([2, -1])),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => contiguousLayout([2, 1.5])),
    'NOT_AN_INTEGER',
  );
  t.is(
    codeOf(() => contiguousLayout([1 << 20, 1 << 20])),
    'SIZE_TOO_LARGE',
  );
});

// Reading

test('every dtype reads back what was written', async (t) => {
  for (const dtype of dtypes) {
    const x = tensor([1, 0, 1], { dtype });
    t.deepEqual(x.tolist(), isComplexDtype(dtype) ? [1, 0, 1].map((re) => ({ re, im: 0 })) : [1, 0, 1], dtype);
    t.deepEqual(await x.data(), x.dataSync(), dtype);
  }
  t.true(tensor([1n]).dataSync() instanceof BigInt64Array);
  t.true(tensor([1], { dtype: 'float16' }).dataSync() instanceof Float32Array);
});

test('reading gives a copy', (t) => {
  const x = tensor([1, 2], { dtype: 'float32' });
  x.dataSync()[0] = 9;
  t.deepEqual(x.tolist(), [1, 2]);
});

test('item gives the one element, and refuses to choose among several', (t) => {
  t.is(tensor([[7]]).item(), 7);
  t.is(tensor(true).item(), 1);
  t.is(tensor(3n).item(), 3);
  t.is(
    codeOf(() => tensor([1, 2]).item()),
    'INVALID_ARGUMENT',
  );
});

const view = (x: Tensor, shape: readonly number[], strides: readonly number[], offset: number) =>
  new Tensor(x.storage, stridedLayout(shape, strides, offset), x.dtype);

test('views read their own elements', (t) => {
  const x = tensor([0, 1, 2, 3, 4, 5]);
  const y = tensor([0n, 1n, 2n, 3n, 4n, 5n]);
  const transposed = [
    [0, 3],
    [1, 4],
    [2, 5],
  ];
  t.deepEqual(view(x, [3, 2], [1, 3], 0).tolist(), transposed);
  t.deepEqual(view(y, [3, 2], [1, 3], 0).tolist(), transposed);
  t.deepEqual(view(x, [2], [1], 3).tolist(), [3, 4]);
  t.deepEqual(view(x, [3], [-2], 5).tolist(), [5, 3, 1]);
  t.deepEqual(view(x, [2, 3], [0, 1], 1).tolist(), [
    [1, 2, 3],
    [1, 2, 3],
  ]);
  t.deepEqual(view(x, [0, 2], [1, 3], 0).tolist(), []);
  t.is(view(x, [], [], 4).item(), 4);
});

test('strided reads agree with indexing by hand', (t) => {
  const elements = Int32Array.from({ length: 500 }, (_, index) => index);
  const x = tensorFromRaw(elements, [500], 'int32');
  const dimension = fc.record({ size: fc.integer({ min: 0, max: 4 }), stride: fc.integer({ min: -10, max: 10 }) });
  fc.assert(
    fc.property(fc.array(dimension, { maxLength: 4 }), (dimensions) => {
      const shape = dimensions.map(({ size }) => size);
      const strides = dimensions.map(({ stride }) => stride);
      let expected: number[] = [250];
      for (const { size, stride } of dimensions) {
        expected = expected.flatMap((base) => Array.from({ length: size }, (_, index) => base + index * stride));
      }
      const seen = view(x, shape, strides, 250);
      t.deepEqual([...seen.dataSync()], expected);
      seen.dispose();
    }),
  );
});

test('a disposed tensor cannot be read, and its views can', (t) => {
  const x = tensor([1, 2, 3]);
  const tail = view(x, [2], [1], 1);
  x.dispose();
  x.dispose();
  t.true(x.isDisposed);
  t.is(
    codeOf(() => x.dataSync()),
    'DISPOSED',
  );
  t.deepEqual(tail.tolist(), [2, 3]);
  tail.dispose();
  t.true(tail.storage.isFreed);
});

test('data of a disposed tensor rejects', async (t) => {
  const x = tensor([1]);
  x.dispose();
  const error = await t.throwsAsync(x.data(), { instanceOf: OpwrightError });
  t.is(error?.code, 'DISPOSED');
});

test('using disposes at the end of the block', (t) => {
  const x = tensor([1]);
  x[Symbol.dispose]();
  t.true(x.isDisposed);
});

// Layouts

test('equal layouts are one object, and slices share their form', (t) => {
  t.is(contiguousLayout([2, 3]), contiguousLayout([2, 3]));
  t.is(stridedLayout([2, 3], [3, 1], 0), contiguousLayout([2, 3]));
  t.is(stridedLayout([3, 2], [1, 3], 0), stridedLayout([3, 2], [1, 3], 0));
  const slice = stridedLayout([3], [1], 6);
  t.true(slice.contiguous);
  t.is(slice.form, contiguousLayout([3]));
  t.not(slice.id, slice.form.id);
});

test('ids are never used for two layouts, even after the table has forgotten some', (t) => {
  const seen = new Map<number, number>();
  for (let round = 0; round < 2; round++) {
    for (let size = 1; size < 20_000; size++) {
      const { id } = contiguousLayout([size]);
      t.true((seen.get(id) ?? size) === size);
      seen.set(id, size);
    }
  }
});

test('the shapes of layouts cannot be changed', (t) => {
  const shape = [2, 3];
  const layout = contiguousLayout(shape);
  shape[0] = 9;
  t.deepEqual([...layout.shape], [2, 3]);
  t.true(Object.isFrozen(layout.shape));
  t.deepEqual([...contiguousStrides([2, 0, 3])], [3, 3, 1]);
});

// Dtypes

test('promotion is symmetric and follows the table', (t) => {
  for (const a of dtypes) for (const b of dtypes) t.is(promote(a, b), promote(b, a), `${a} ${b}`);
  const table: readonly (readonly [Dtype, Dtype, Dtype])[] = [
    ['bool', 'uint8', 'uint8'],
    ['uint8', 'int8', 'int16'],
    ['uint8', 'int16', 'int16'],
    ['int32', 'int64', 'int64'],
    ['int64', 'float16', 'float16'],
    ['float16', 'bfloat16', 'float32'],
    ['bfloat16', 'float32', 'float32'],
    ['float32', 'float64', 'float64'],
  ];
  for (const [a, b, meeting] of table) t.is(promote(a, b), meeting);
});

test('every float16 pattern survives decoding and encoding', (t) => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = decodeFloat16(bits);
    if (!Number.isNaN(value)) t.is(encodeFloat16(value), bits);
  }
});

test('16-bit floats round to nearest even, once', (t) => {
  t.is(encodeFloat16(65519), 0x7bff);
  t.is(encodeFloat16(65520), 0x7c00);
  t.is(encodeFloat16(2 ** -25), 0);
  t.is(encodeFloat16(2 ** -25 * 1.001), 1);
  // Between 1 and the next float16, just above the tie: rounding to float32 first would make it the tie, and then 1.
  t.is(encodeFloat16(1 + 2 ** -11 + 2 ** -40), 0x3c01);
  t.is(encodeBfloat16(1 + 2 ** -8), 0x3f80);
  t.is(encodeBfloat16(1 + 3 * 2 ** -8), 0x3f82);
  t.is(encodeBfloat16(3.4e38), 0x7f80);
  t.is(encodeBfloat16(-0), 0x8000);
});

test.serial('the default dtype is that of plain numbers', (t) => {
  t.is(getDefaultDtype(), 'float32');
  setDefaultDtype('float64');
  t.is(tensor([1]).dtype, 'float64');
  setDefaultDtype('float32');
  const wrong: object = { dtype: 'int32' };
  t.is(
    codeOf(() => setDefaultDtype(Reflect.get(wrong, 'dtype'))),
    'DTYPE_MISMATCH',
  );
});

// Errors

test('an error says what, where, and how to mend it', (t) => {
  const error = new OpwrightError('SHAPE_MISMATCH', 'The shapes do not broadcast.', {
    op: 'add',
    shapes: { x: [2, 3], y: [2, 4] },
    rule: 'broadcast(x.shape, y.shape)',
  }).with({ argument: 'y', op: 'unused' });
  t.is(
    error.message,
    [
      'The shapes do not broadcast.',
      '  op:       add',
      '  argument: y',
      '  shapes:   x [2, 3], y [2, 4]',
      '  rule:     broadcast(x.shape, y.shape)',
    ].join('\n'),
  );
  t.is(error.op, 'add');
  t.true(error.code in errorCodes);
});
