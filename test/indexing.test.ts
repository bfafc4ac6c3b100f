/** Indexing as in NumPy: what `at` reads and `setAt` writes against what NumPy does (test/golden/make_index.py), gradients, views, errors. */
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import {
  arange,
  at,
  type ErrorCode,
  grad,
  type IndexPart,
  memory,
  noGrad,
  OpwrightError,
  setAt,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../entry/index.js';

interface Recorded {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Case {
  readonly shape: readonly number[];
  readonly index: readonly IndexPart[];
  readonly result?: Recorded;
  readonly value?: readonly number[];
  readonly written?: Recorded;
}

const cases: readonly Case[] = JSON.parse(readFileSync('test/golden/index/cases.json', 'utf8'));

const counting = (shape: readonly number[], start = 0): Tensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  return tensor(
    Float32Array.from({ length: size }, (_, place) => start + place),
    { shape },
  );
};

const recorded = (x: Tensor): Recorded => ({ shape: x.shape, values: [...x.dataSync()].map(Number) });

/** The index's arrays as tensors. */
const withTensors = (index: readonly IndexPart[], dtype: 'int32' | 'int64' | 'uint8'): IndexPart[] =>
  index.map((part) => {
    if (!Array.isArray(part)) return part;
    const isMask = typeof part.flat(9)[0] === 'boolean';
    return tensor(part, { dtype: isMask ? 'bool' : dtype });
  });

const isBasic = (index: readonly IndexPart[]): boolean => !index.some((part) => Array.isArray(part));

for (const { shape, index, result } of cases) {
  if (result === undefined) continue;
  test(`x.at(${JSON.stringify(index).slice(1, -1)}) of [${shape}] is what NumPy gives`, (t) => {
    tidy(() => {
      t.deepEqual(recorded(counting(shape).at(...index)), result);
      t.deepEqual(recorded(at(counting(shape), ...withTensors(index, 'int64'))), result);
      // A tensor that is not contiguous.
      const turned = counting(shape.toReversed()).transpose(shape.map((_, axis) => shape.length - 1 - axis));
      const expected = tensor([...turned.dataSync()], { shape }).at(...index);
      t.deepEqual(recorded(turned.at(...withTensors(index, 'int32'))), recorded(expected));
      const x = counting(shape);
      t.is(x.at(...index).storage === x.storage, isBasic(index));
    });
  });
}

for (const { shape, index, value, written } of cases) {
  if (value === undefined || written === undefined) continue;
  test(`x.setAt(${JSON.stringify(index)}, values [${value}]) of [${shape}] writes what NumPy does`, (t) => {
    tidy(() => {
      const x = counting(shape);
      t.is(x.setAt(index, counting(value, 100)), x);
      t.deepEqual(recorded(x), written);
      // The way that gradients are recorded on.
      const values = counting(value, 100);
      values.stopGradient = false;
      t.deepEqual(recorded(setAt(counting(shape), withTensors(index, 'int32'), values)), written);
    });
  });
}

for (const { shape, index, result } of cases) {
  if (result === undefined || result.values.length === 0) continue;
  test(`gradients of x.at(${JSON.stringify(index).slice(1, -1)}) of [${shape}] go where elements came from`, (t) => {
    tidy(() => {
      const x = counting(shape);
      x.stopGradient = false;
      const weights = counting(result.shape, 1);
      const expected = new Array<number>(x.size).fill(0);
      result.values.forEach((place, at) => {
        expected[place]! += at + 1;
      });
      const [gradient] = grad(
        x
          .at(...index)
          .multiply(weights)
          .sum(),
        x,
      );
      t.deepEqual([...gradient!.dataSync()], expected);
    });
  });
}

test('gradients of setAt go to the values, and to what was not overwritten', (t) => {
  tidy(() => {
    const leaf = tensor([1, 2, 3, 4], { stopGradient: false });
    const value = tensor(5, { stopGradient: false });
    const x = leaf.multiply(1);
    x.setAt('1:3', value).setAt([[0, 0]], value.multiply(2));
    t.deepEqual(x.tolist(), [10, 5, 5, 4]);
    const [dx, dv] = grad(x.multiply([1, 10, 100, 1000]).sum(), [leaf, value]);
    t.deepEqual(dx?.tolist(), [0, 0, 0, 1000]);
    t.is(dv?.item(), 112);
    const data = zeros([3]).setAt(1, value);
    t.false(data.stopGradient);
  });
});

function raises(t: ExecutionContext, code: ErrorCode, run: () => unknown): void {
  tidy(() => {
    t.is(t.throws(run, { instanceOf: OpwrightError })?.code, code);
  });
}

test('setAt writes what an in-place form may write', (t) => {
  const leaf = tensor([1, 2], { stopGradient: false });
  raises(t, 'IN_PLACE_LEAF', () => leaf.setAt(0, 5));
  noGrad(() => leaf.setAt(0, 5));
  t.deepEqual(leaf.tolist(), [5, 2]);
  const y = leaf.exp();
  y.setAt(0, 1);
  raises(t, 'OVERWRITTEN', () => grad(y.sum(), leaf));
  raises(t, 'INVALID_ARGUMENT', () => tensor([1]).expand([3]).setAt('1:', 2));
  const line = arange(5);
  line.setAt('1:', line.at(':-1'));
  t.deepEqual(line.tolist(), [0, 0, 1, 2, 3]);
});

test('values are taken in the dtype of the tensor, if it holds them', (t) => {
  const x = zeros([3], { dtype: 'int32' });
  t.deepEqual(
    x
      .setAt(0, 7)
      .setAt([[1, 2]], tensor([1, 2], { dtype: 'uint8' }))
      .tolist(),
    [7, 1, 2],
  );
  raises(t, 'NOT_AN_INTEGER', () => x.setAt(0, 0.5));
  raises(t, 'DTYPE_MISMATCH', () => x.setAt(0, tensor(0.5)));
  raises(t, 'SHAPE_MISMATCH', () => x.setAt(':', [1, 2]));
  t.deepEqual(x.tolist(), [7, 1, 2]);
});

test('what is no index, or points outside, is refused', (t) => {
  const x = arange(12).reshape([3, 4]);
  raises(t, 'INDEX_OUT_OF_RANGE', () => x.at(3));
  raises(t, 'INDEX_OUT_OF_RANGE', () => x.at('..., -5'));
  raises(t, 'INDEX_OUT_OF_RANGE', () => x.at([0, 3]).dataSync());
  raises(t, 'INDEX_OUT_OF_RANGE', () => x.at([0, 1], [0, 4]).dataSync());
  raises(t, 'INDEX_OUT_OF_RANGE', () => x.setAt([[3]], 0).dataSync());
  raises(t, 'RANK_MISMATCH', () => x.at(0, 0, 0));
  raises(t, 'INVALID_ARGUMENT', () => x.at('..., 0, ...'));
  raises(t, 'INVALID_ARGUMENT', () => x.at('0:1:0'));
  raises(t, 'INVALID_ARGUMENT', () => x.at('1:2:3:4'));
  raises(t, 'INVALID_ARGUMENT', () => x.at('first'));
  raises(t, 'INVALID_ARGUMENT', () => x.at(''));
  raises(t, 'INVALID_ARGUMENT', () => Reflect.apply(at, null, [x, true]));
  raises(t, 'INVALID_ARGUMENT', () => Reflect.apply(at, null, [x, {}]));
  raises(t, 'NOT_AN_INTEGER', () => x.at(0.5));
  raises(t, 'NOT_AN_INTEGER', () => x.at([0.5]));
  raises(t, 'DTYPE_MISMATCH', () => x.at(tensor([0.5])));
  raises(t, 'SHAPE_MISMATCH', () => x.at([0, 1], [0, 1, 2]));
  raises(t, 'SHAPE_MISMATCH', () => x.at([true, false]));
});

test.serial('indexing leaves no memory behind but its result', (t) => {
  const before = memory().storages;
  const x = arange(12).reshape([3, 4]);
  x.setAt([[0, 2], 1], 7).setAt(x.greaterThan(8), 0);
  const y = x.at([true, false, true], '1:');
  t.is(memory().storages, before + 3, 'x, the mask and y');
  x.dispose();
  y.dispose();
});
