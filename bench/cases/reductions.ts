/** Ops along the rows or columns of a [4096, 1024] matrix. */
import { argmax, cumsum, layerNorm, softmax, sum, topk } from '../../entry/index.js';
import { benchCase } from '../case.js';

const rows = 4096;
const columns = 1024;
const size = rows * columns;
const matrix = { x: { shape: [rows, columns] } } as const;
const epsilon = 1e-5;

export const reductions = [
  benchCase({
    name: 'sum of all, 2^20',
    group: 'reduction',
    inputs: { x: { shape: [2 ** 20] } },
    work: { bytes: 4 * 2 ** 20 },
    ours:
      ({ x }) =>
      () =>
        sum(x),
    torch: 'torch.sum(x)',
    onnx: { nodes: [{ type: 'ReduceSum', inputs: ['x'], outputs: ['out'], attributes: { keepdims: 0 } }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.sum(x),
    jax: ({ numpy }, { x }) => numpy.sum(x),
  }),
  ...[0, 1].map((axis) =>
    benchCase({
      name: `sum along axis ${axis}, 4096x1024`,
      group: 'reduction',
      inputs: matrix,
      work: { bytes: 4 * size },
      ours:
        ({ x }) =>
        () =>
          sum(x, { axis }),
      torch: `torch.sum(x, ${axis})`,
      onnx: {
        nodes: [{ type: 'ReduceSum', inputs: ['x', 'axes'], outputs: ['out'], attributes: { keepdims: 0 } }],
        constants: { axes: [axis] },
        output: 'out',
      },
      tensorflow:
        (tf, { x }) =>
        () =>
          tf.sum(x, axis),
      jax: ({ numpy }, { x }) => numpy.sum(x, axis),
    }),
  ),
  benchCase({
    name: 'argmax of rows, 4096x1024',
    group: 'reduction',
    inputs: matrix,
    work: { bytes: 4 * size },
    ours:
      ({ x }) =>
      () =>
        argmax(x, { axis: 1 }),
    torch: 'torch.argmax(x, 1)',
    onnx: {
      nodes: [{ type: 'ArgMax', inputs: ['x'], outputs: ['out'], attributes: { axis: 1, keepdims: 0 } }],
      output: 'out',
      outputDtype: 'int64',
    },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.argMax(x, 1),
    jax: ({ numpy }, { x }) => numpy.argmax(x, 1),
  }),
  benchCase({
    name: 'softmax of rows, 4096x1024',
    group: 'softmax',
    inputs: matrix,
    work: { bytes: 8 * size },
    ours:
      ({ x }) =>
      () =>
        softmax(x),
    torch: 'torch.softmax(x, -1)',
    onnx: { nodes: [{ type: 'Softmax', inputs: ['x'], outputs: ['out'], attributes: { axis: -1 } }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.softmax(x, -1),
    jax: ({ nn }, { x }) => nn.softmax(x, -1),
  }),
  benchCase({
    name: 'layer norm of rows, 4096x1024',
    group: 'layerNorm',
    inputs: { ...matrix, weight: { shape: [columns] }, bias: { shape: [columns] } },
    work: { bytes: 8 * size },
    ours:
      ({ x, weight, bias }) =>
      () =>
        layerNorm(x, columns, { weight, bias, epsilon }),
    torch: `F.layer_norm(x, (${columns},), weight, bias, ${epsilon})`,
    onnx: {
      nodes: [
        {
          type: 'LayerNormalization',
          inputs: ['x', 'weight', 'bias'],
          outputs: ['out'],
          attributes: { axis: -1, epsilon: { float: epsilon } },
        },
      ],
      output: 'out',
      weights: ['weight', 'bias'],
    },
    tensorflow:
      (tf, { x, weight, bias }) =>
      () => {
        const centred = tf.sub(x, tf.mean(x, -1, true));
        const variance = tf.mean(tf.square(centred), -1, true);
        return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), weight), bias);
      },
    jax: ({ numpy, nn }, { x, weight, bias }) => numpy.add(numpy.multiply(nn.standardize(x, -1), weight), bias),
  }),
  benchCase({
    name: 'cumsum along rows, 4096x1024',
    inputs: matrix,
    work: { bytes: 8 * size },
    ours:
      ({ x }) =>
      () =>
        cumsum(x, { axis: 1 }),
    torch: 'torch.cumsum(x, 1)',
    onnx: { nodes: [{ type: 'CumSum', inputs: ['x', 'axis'], outputs: ['out'] }], constants: { axis: [1] }, output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.cumsum(x, 1),
    jax: ({ numpy }, { x }) => numpy.cumsum(x, 1),
  }),
  benchCase({
    name: 'the 10 largest of rows, 4096x1024',
    inputs: matrix,
    work: { bytes: 4 * size },
    ours:
      ({ x }) =>
      () => {
        const { values, indices } = topk(x, 10);
        return [values, indices];
      },
    torch: 'torch.topk(x, 10)',
    onnx: {
      nodes: [
        { type: 'TopK', inputs: ['x', 'k'], outputs: ['values', 'places'] },
        { type: 'Cast', inputs: ['places'], outputs: ['indices'], attributes: { to: 1 } },
        { type: 'Concat', inputs: ['values', 'indices'], outputs: ['out'], attributes: { axis: 1 } },
      ],
      constants: { k: [10] },
      output: 'out',
    },
    tensorflow:
      (tf, { x }) =>
      () => {
        const { values, indices } = tf.topk(x, 10);
        return [values, indices];
      },
  }),
];
