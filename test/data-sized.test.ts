/** Functions whose results have a size that only the elements tell, against NumPy's results (np.bincount, np.repeat) and PyTorch's (unique_consecutive). */
import test from 'ava';
import { bincount, grad, OpwrightError, repeatByCounts, type Tensor, tensor, uniqueConsecutive, zeros } from '../entry/index.js';

const integers = (values: readonly number[], dtype: 'int32' | 'int64' | 'uint8' = 'int32'): Tensor =>
  tensor([...values], { dtype });
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof OpwrightError) return error.code;
    throw error;
  }
  return 'no error';
};

test('bincount counts each whole number up to the largest', (t) => {
  t.deepEqual(bincount(integers([1, 3, 1, 0])).tolist(), [1, 2, 0, 1]);
  t.deepEqual(integers([2, 2], 'int64').bincount({ minlength: 5 }).tolist(), [0, 0, 2, 0, 0]);
  t.deepEqual(bincount(integers([255, 255], 'uint8')).shape, [256]);
  t.is(bincount(integers([0])).dtype, 'int32');
});

test('bincount of no elements has as many zeros as are asked for', (t) => {
  t.deepEqual(bincount(zeros([0], { dtype: 'int32' })).shape, [0]);
  t.deepEqual(bincount(zeros([0], { dtype: 'int64' }), { minlength: 2 }).tolist(), [0, 0]);
});

test('bincount adds weights, and their gradient is that of the places', (t) => {
  const weights = tensor([0.5, 2, 1], { stopGradient: false });
  const sums = bincount(integers([1, 3, 1]), { weights });
  t.deepEqual(sums.tolist(), [0, 1.5, 0, 2]);
  t.deepEqual(grad(sums.multiply([1, 2, 3, 4]).sum(), weights)[0]?.tolist(), [2, 4, 2]);
});

test('bincount refuses what cannot be counted', (t) => {
  t.is(
    codeOf(() => bincount(integers([1, -1]))),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => bincount(tensor([0.5]))),
    'DTYPE_MISMATCH',
  );
  t.is(
    codeOf(() => bincount(zeros([2, 2], { dtype: 'int32' }))),
    'RANK_MISMATCH',
  );
  t.is(
    codeOf(() => bincount(integers([1]), { weights: [1, 2] })),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => bincount(integers([1]), { minlength: -1 })),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => bincount(integers([1]), Object({ bins: 1 }))),
    'UNKNOWN_OPTION',
  );
});

test('uniqueConsecutive finds runs of the flattened tensor', (t) => {
  const { out, inverse, counts } = uniqueConsecutive([
    [1, 1, 2],
    [2, 3, 1],
  ]);
  t.deepEqual(out.tolist(), [1, 2, 3, 1]);
  t.deepEqual(inverse.tolist(), [0, 0, 1, 1, 2, 3]);
  t.deepEqual(counts.tolist(), [2, 2, 1, 1]);
});

test('uniqueConsecutive compares whole parts along an axis', (t) => {
  const x = tensor([
    [1, 1, 1],
    [2, 2, 3],
  ]);
  const { out, inverse, counts } = x.uniqueConsecutive({ axis: -1 });
  t.deepEqual(out.tolist(), [
    [1, 1],
    [2, 3],
  ]);
  t.deepEqual(inverse.tolist(), [0, 0, 1]);
  t.deepEqual(counts.tolist(), [2, 1]);
});

test('uniqueConsecutive knows no elements, one element, and NaN that equals nothing', (t) => {
  const none = uniqueConsecutive(zeros([0]));
  t.deepEqual([none.out.shape, none.inverse.shape, none.counts.shape], [[0], [0], [0]]);
  t.deepEqual(uniqueConsecutive(7).counts.tolist(), [1]);
  t.deepEqual(uniqueConsecutive([NaN, NaN, 0, -0]).counts.tolist(), [1, 1, 2]);
});

test('the gradient of uniqueConsecutive goes to the first of each run', (t) => {
  const x = tensor([1, 1, 2], { stopGradient: false });
  t.deepEqual(grad(uniqueConsecutive(x).out.multiply([3, 5]).sum(), x)[0]?.tolist(), [3, 0, 5]);
});

test('repeatByCounts repeats each part as often as its count says', (t) => {
  t.deepEqual(repeatByCounts([5, 6, 7], integers([2, 0, 1])).tolist(), [5, 5, 7]);
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);
  t.deepEqual(x.repeatByCounts(integers([1, 2], 'int64'), { axis: -1 }).tolist(), [
    [1, 2, 2],
    [3, 4, 4],
  ]);
  t.deepEqual(repeatByCounts([5, 6], integers([0, 0])).shape, [0]);
  t.deepEqual(repeatByCounts(zeros([0]), zeros([0], { dtype: 'int32' })).shape, [0]);
});

test('the gradient of repeatByCounts adds up', (t) => {
  const x = tensor([5, 6, 7], { stopGradient: false });
  t.deepEqual(
    grad(
      repeatByCounts(x, integers([2, 0, 1]))
        .multiply([1, 2, 3])
        .sum(),
      x,
    )[0]?.tolist(),
    [3, 0, 3],
  );
});

test('plain arrays of whole numbers are integers where only these are taken', (t) => {
  t.deepEqual(bincount([1, 1, 3]).tolist(), [0, 2, 0, 1]);
  t.deepEqual(bincount([]).tolist(), []);
  t.deepEqual(repeatByCounts([5, 6], [2, 1]).tolist(), [5, 5, 6]);
  t.is(
    codeOf(() => bincount([1.5])),
    'NOT_AN_INTEGER',
  );
});

test('repeatByCounts refuses counts that fit no tensor', (t) => {
  t.is(
    codeOf(() => repeatByCounts([1, 2], integers([1]))),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => repeatByCounts([1, 2], integers([1, -1]))),
    'INVALID_ARGUMENT',
  );
  t.is(
    codeOf(() => repeatByCounts([1, 2], tensor([1, 2]))),
    'DTYPE_MISMATCH',
  );
  t.is(
    codeOf(() => repeatByCounts([1, 2], integers([1, 1]), { axis: 1 })),
    'AXIS_OUT_OF_RANGE',
  );
  t.is(
    codeOf(() => uniqueConsecutive([1, 2], { axis: -2 })),
    'AXIS_OUT_OF_RANGE',
  );
  t.is(
    codeOf(() => uniqueConsecutive([1, 2], Object({ dim: 0 }))),
    'UNKNOWN_OPTION',
  );
});
