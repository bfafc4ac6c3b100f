/** Which nodes of a graph share a kernel: here are graphs in which sharing would give other results. test/random finds such. */
import test from 'ava';
import { maximum, minimum, sum, tensor, tidy, where } from '../entry/index.js';
import type { OpAlgebra } from '../generated/algebra.js';
import type { OpDefinition, Value } from '../kernels/op.js';
import { callOne } from '../runtime/dispatch.js';

interface Operands<V> {
  readonly x: V;
  readonly y: V;
  readonly z: V;
}

function opOf(define: <V extends Value>(g: OpAlgebra<V>, operands: Operands<V>) => V): OpDefinition {
  return {
    name: 'traced',
    source: 'test/partition.test.ts',
    inputs: ['x', 'y', 'z'].map((name) => ({ name, dtype: 'any', differentiable: false })),
    attrs: [],
    outputs: [{ name: 'out' }],
    dtypes: {},
    infer: () => [],
    body: {
      kind: 'define',
      run<V extends Value>(g: OpAlgebra<V>, { x, y, z }: { x: V; y: V; z: V }): readonly V[] {
        return [define(g, { x, y, z })];
      },
    },
    gradients: [],
  };
}

test('sums of rows that are read as a row of sums do not join the kernel that reads them so', (t) => {
  const x = tensor([[1, 20, 3], [40, 5, 60], [7, 80, 9]]); // biome-ignore format: a matrix
  const traced = opOf((g, { x }) => {
    const sums = g.sum(x, { axis: [1] });
    return g.minimum(g.maximum(sums, x), sums);
  });
  const sums = sum(x, { axis: 1 });
  const expected = tidy(() => minimum(maximum(sums, x), sums).tolist());
  t.deepEqual(callOne(traced, [x, x, x]).tolist(), expected);
  t.deepEqual(expected, [[24, 105, 96], [24, 105, 96], [24, 105, 96]]); // biome-ignore format: a matrix
});

test('kernels that sum along different axes do not become one with the node that reads both', (t) => {
  const x = tensor([[1, 2], [3, 5]]); // biome-ignore format: a matrix
  const [y, z] = tidy(() => [x.multiply(x), x.subtract(2)]);
  const traced = opOf((g, { x, y, z }) => {
    const chosen = g.greaterThan(z, 0);
    const rows = g.divide(x, g.sum(x, { axis: [1], keepdim: true }));
    return g.where(chosen, rows, g.divide(y, g.sum(y, { axis: [0], keepdim: true })));
  });
  const expected = tidy(() => {
    const rows = x.divide(sum(x, { axis: 1, keepdim: true }));
    return where(z.greaterThan(0), rows, y.divide(sum(y, { axis: 0, keepdim: true }))).tolist();
  });
  t.deepEqual(callOne(traced, [x, y, z]).tolist(), expected);
});

test('sums of one square along either axis are two sums', (t) => {
  const x = tensor([[1, 2], [4, 8]]); // biome-ignore format: a matrix
  const traced = opOf((g, { x }) => g.subtract(g.sum(x, { axis: [0] }), g.sum(x, { axis: [1] })));
  t.deepEqual(callOne(traced, [x, x, x]).tolist(), [2, -2]);
});

test('what one kernel hands to another is not rounded to 16 bits', (t) => {
  // 2049 is no float16.
  const x = tensor([[2048, 1], [-2048, 0]], { dtype: 'float16' }); // biome-ignore format: a matrix
  const traced = opOf((g, { x }) => g.sum(g.sum(x, { axis: [1] }), { axis: [0] }));
  t.is(callOne(traced, [x, x, x]).item(), 1);
});
