/** Integers at the ends of their ranges: what reductions begin with, how casts saturate, and that arithmetic wraps at every step of a kernel. */
import test from 'ava';
import { cast, type Dtype, equal, full, logicalAnd, max, min, pow, tensor } from '../entry/index.js';
import type { OpAlgebra } from '../generated/algebra.js';
import type { OpDefinition, Value } from '../kernels/op.js';
import { callOne } from '../runtime/dispatch.js';

const ranges = [
  ['uint8', 0n, 255n],
  ['int8', -128n, 127n],
  ['int16', -32768n, 32767n],
  ['int32', -(2n ** 31n), 2n ** 31n - 1n],
  ['int64', -(2n ** 63n), 2n ** 63n - 1n],
] as const satisfies readonly (readonly [Dtype, bigint, bigint])[];

const repeated = (value: bigint, length: number, dtype: Dtype) =>
  tensor(
    Array.from({ length }, () => value),
    { dtype },
  );

for (const [dtype, lowest, highest] of ranges) {
  test(`the largest of ${dtype} elements may be its least number, and the smallest its greatest`, (t) => {
    // Lengths with and without a vector, an unrolled block and a tail.
    for (const length of [1, 3, 4, 17, 64, 100]) {
      t.is(BigInt(max(repeated(lowest, length, dtype)).dataSync()[0]!), lowest);
      t.is(BigInt(min(repeated(highest, length, dtype)).dataSync()[0]!), highest);
      const columns = (value: bigint) => repeated(value, 2 * length, dtype).reshape([2, length]);
      t.is(BigInt(max(columns(lowest), { axis: 0 }).dataSync()[length - 1]!), lowest);
      t.is(BigInt(min(columns(highest), { axis: 0 }).dataSync()[length - 1]!), highest);
    }
  });

  test(`floats beyond the range of ${dtype} become its ends`, (t) => {
    const far = Array.from({ length: 9 }, (_, at) => (at % 2 === 0 ? -1e30 : 1e30));
    for (const from of ['float32', 'float64'] as const)
      t.deepEqual(
        Array.from(cast(tensor(far, { dtype: from }), dtype).dataSync(), BigInt),
        far.map((value) => (value < 0 ? lowest : highest)),
      );
  });
}

/** An op of one kernel, which goes on from a value that was never stored. */
function traced(define: <V extends Value>(g: OpAlgebra<V>, x: V) => V): OpDefinition {
  return {
    name: 'traced',
    source: 'test/integers.test.ts',
    inputs: [{ name: 'x', dtype: 'any', differentiable: false }],
    attrs: [],
    outputs: [{ name: 'out' }],
    dtypes: {},
    infer: () => [],
    body: {
      kind: 'define',
      run<V extends Value>(g: OpAlgebra<V>, { x }: { x: V }): readonly V[] {
        return [define(g, x)];
      },
    },
    gradients: [],
  };
}

for (const [dtype, , highest] of ranges.slice(0, 3)) {
  test(`sums of ${dtype} wrap before they are compared, within a kernel as without`, (t) => {
    // So many that no wrapped sum exceeds 100.
    const length = 200;
    const x = repeated(highest, length, dtype);
    const stored = (added: bigint) => Number(BigInt[dtype === 'uint8' ? 'asUintN' : 'asIntN'](dtype === 'int16' ? 16 : 8, added));
    const above = (value: number) => Number(value > 100);
    t.deepEqual(
      callOne(
        traced((g, x) => g.greaterThan(g.add(x, x), 100)),
        [x],
      ).tolist(),
      Array.from({ length }, () => above(stored(2n * highest))),
    );
    t.is(
      callOne(
        traced((g, x) => g.greaterThan(g.sum(x, { axis: [0] }), 100)),
        [x],
      ).item(),
      above(stored(BigInt(length) * highest)),
    );
  });
}

test('a power of integers wraps as a product does, and a negative exponent gives the quotient cut off', (t) => {
  const pairs = [
    ...[
      [3n, 200n],
      [7n, 129n],
      [-5n, 131n],
      [2n, 31n],
      [-1n, 255n],
      [0n, 0n],
      [9n, 1n],
      [6n, 0n],
    ],
    ...[
      [-1n, -3n],
      [-1n, -4n],
      [1n, -7n],
      [5n, -1n],
      [0n, -2n],
      [-2n, -1n],
    ],
  ] as const;
  // Lanes and a tail.
  const all = Array.from({ length: 3 }, () => pairs).flat();
  for (const [dtype, width] of [
    ['int32', 32],
    ['int64', 64],
  ] as const) {
    const [x, y] = [0, 1].map((side) =>
      tensor(
        all.map((pair) => pair[side]!),
        { dtype },
      ),
    );
    t.deepEqual(
      Array.from(pow(x!, y!).dataSync(), BigInt),
      all.map(([base, exponent]) => {
        if (exponent >= 0n) return BigInt.asIntN(width, base! ** exponent!);
        return base === 1n || base === -1n ? base ** -exponent! : 0n;
      }),
    );
  }
});

test('a number beyond the range of narrow integers wraps within a kernel as it would in memory', (t) => {
  const x = tensor([1, 200, 255], { dtype: 'uint8' });
  t.deepEqual(
    callOne(
      traced((g, x) => g.cast(g.maximum(x, 300), 'int32')),
      [x],
    ).tolist(),
    [44, 44, 44],
  );
});

test('a whole number next to bools is true unless it is 0', (t) => {
  const x = tensor([true, false]);
  for (const number of [1, 2, -1, 1 << 16]) {
    t.deepEqual(equal(x, number).tolist(), [1, 0], `${number}`);
    t.deepEqual(logicalAnd(x, number).tolist(), [1, 0], `${number}`);
  }
  t.deepEqual(equal(x, 0).tolist(), [0, 1]);
  for (const [number, element] of [
    [0.5, 1],
    [2, 1],
    [0, 0],
  ] as const)
    t.deepEqual(full([2], number, { dtype: 'bool' }).tolist(), [element, element], `${number}`);
});
