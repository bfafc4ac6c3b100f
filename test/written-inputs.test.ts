/** Ops that write into an input: what their steps read of it is what it held before, whatever is written when. */
import test from 'ava';
import { tensor } from '../entry/index.js';
import type { OpAlgebra } from '../generated/algebra.js';
import type { OpDefinition, Value } from '../kernels/op.js';
import { callOne } from '../runtime/dispatch.js';

/** Doubles x in place, and gives the running sum of that plus what x was: the last step reads x after the first has written. */
const doubled: OpDefinition = {
  name: 'doubled',
  source: 'test/written-inputs.test.ts',
  inputs: [{ name: 'x', dtype: 'float32', differentiable: false, mutated: true }],
  attrs: [],
  outputs: [{ name: 'next', writes: 'x' }, { name: 'out' }],
  dtypes: {},
  infer: () => [],
  body: {
    kind: 'define',
    run<V extends Value>(g: OpAlgebra<V>, { x }: { x: V }): readonly V[] {
      const next = g.multiply(x, 2);
      return [next, g.add(g.cumsum(next, { axis: 0 }), x)];
    },
  },
  gradients: [],
};

test('a step that reads an input after another was to write it sees what it was', (t) => {
  for (const length of [3, 1000]) {
    const values = Array.from({ length }, (_, at) => at % 7);
    const x = tensor(values);
    let sum = 0;
    const expected = values.map((value) => {
      sum += 2 * value;
      return sum + value;
    });
    t.deepEqual(callOne(doubled, [x]).tolist(), expected);
    const written = values.map((value) => 2 * value);
    t.deepEqual(x.tolist(), written);
  }
});
