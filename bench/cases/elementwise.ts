/** Elementwise ops on 2^20 elements, and a chain of them: as a user would write it, and as one op. */
import { add, exp, gelu, multiply, relu, tidy } from '../../entry/index.js';
import type { OpAlgebra } from '../../generated/algebra.js';
import type { OpDefinition, TensorMeta, Value } from '../../kernels/op.js';
import { callOne } from '../../runtime/dispatch.js';
import { benchCase, type CaseOf } from '../case.js';

const size = 2 ** 20;
const vector = { shape: [size] } as const;
const pair = { x: vector, y: vector };

/** What the generator writes for an entry with `define: relu(a * b + a) * 0.5 + b`. */
const gatedChain: OpDefinition = {
  name: 'gatedChain',
  source: 'bench',
  inputs: [
    { name: 'a', dtype: 'T', differentiable: false },
    { name: 'b', dtype: 'T', differentiable: false },
  ],
  attrs: [],
  outputs: [{ name: 'out' }],
  dtypes: { T: ['float32'] },
  infer: ({ a }: { a: TensorMeta }) => [a],
  body: {
    kind: 'define',
    run: <V extends Value>(g: OpAlgebra<V>, { a, b }: { a: V; b: V }) => [
      g.add(g.multiply(g.relu(g.add(g.multiply(a, b), a)), 0.5), b),
    ],
  },
  gradients: [],
};

const chain: Pick<CaseOf<'a' | 'b'>, 'inputs' | 'torch' | 'onnx' | 'tensorflow' | 'jax'> = {
  inputs: { a: vector, b: vector },
  torch: 'torch.relu(a * b + a) * 0.5 + b',
  onnx: {
    nodes: [
      { type: 'Mul', inputs: ['a', 'b'], outputs: ['product'] },
      { type: 'Add', inputs: ['product', 'a'], outputs: ['sum'] },
      { type: 'Relu', inputs: ['sum'], outputs: ['positive'] },
      { type: 'Constant', inputs: [], outputs: ['half'], attributes: { value_float: { float: 0.5 } } },
      { type: 'Mul', inputs: ['positive', 'half'], outputs: ['halved'] },
      { type: 'Add', inputs: ['halved', 'b'], outputs: ['out'] },
    ],
    output: 'out',
  },
  tensorflow:
    (tf, { a, b }) =>
    () =>
      tf.add(tf.mul(tf.relu(tf.add(tf.mul(a, b), a)), 0.5), b),
  jax: ({ numpy, nn }, { a, b }) => numpy.add(numpy.multiply(nn.relu(numpy.add(numpy.multiply(a.ref, b.ref), a)), 0.5), b),
};

export const elementwise = [
  benchCase({
    name: 'add, 2^20',
    group: 'elementwise',
    inputs: pair,
    work: { bytes: 12 * size },
    ours:
      ({ x, y }) =>
      () =>
        add(x, y),
    torch: 'torch.add(x, y)',
    onnx: { nodes: [{ type: 'Add', inputs: ['x', 'y'], outputs: ['out'] }], output: 'out' },
    tensorflow:
      (tf, { x, y }) =>
      () =>
        tf.add(x, y),
    jax: ({ numpy }, { x, y }) => numpy.add(x, y),
  }),
  benchCase({
    name: 'exp, 2^20',
    group: 'elementwise',
    inputs: { x: vector },
    work: { bytes: 8 * size },
    ours:
      ({ x }) =>
      () =>
        exp(x),
    torch: 'torch.exp(x)',
    onnx: { nodes: [{ type: 'Exp', inputs: ['x'], outputs: ['out'] }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.exp(x),
    jax: ({ numpy }, { x }) => numpy.exp(x),
  }),
  benchCase({
    name: 'gelu (erf), 2^20',
    group: 'elementwise',
    inputs: { x: vector },
    work: { bytes: 8 * size },
    ours:
      ({ x }) =>
      () =>
        gelu(x),
    torch: 'F.gelu(x)',
    onnx: { nodes: [{ type: 'Gelu', inputs: ['x'], outputs: ['out'] }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
    jax: ({ nn }, { x }) => nn.gelu(x, { approximate: false }),
  }),
  benchCase({
    name: 'add in bfloat16, 2^20',
    inputs: { x: { ...vector, dtype: 'bfloat16' }, y: { ...vector, dtype: 'bfloat16' } },
    work: { bytes: 6 * size },
    ours:
      ({ x, y }) =>
      () =>
        add(x, y),
    torch: 'torch.add(x, y)',
  }),
  benchCase({
    name: 'relu(a*b+a)*0.5+b, 2^20, five calls',
    ...chain,
    ours:
      ({ a, b }) =>
      () =>
        tidy(() => add(multiply(relu(add(multiply(a, b), a)), 0.5), b)),
  }),
  benchCase({
    name: 'the same as one op',
    group: 'fused',
    ...chain,
    work: { bytes: 12 * size },
    ours:
      ({ a, b }) =>
      () =>
        callOne(gatedChain, [a, b]),
  }),
];
