/** Ops that move elements: transposes that are written out, gathers, scatters, sorts. */
import { flatten, gather, scatterNdAdd, sort, type Tensor, tidy, transpose } from '../../entry/index.js';
import { benchCase } from '../case.js';

const side = 2048;
const image = [8, 64, 56, 56] as const;
const imageBytes = 4 * image.reduce((product, size) => product * size, 1);
const table = { shape: [16384, 256] };
const tableBytes = 4 * 16384 * 256;
const updates = 2 ** 20;
const bins = 16384;

/** A transpose is a view; making it one-dimensional writes it out. */
const writtenOut = (x: Tensor, permutation: readonly number[]): Tensor => tidy(() => flatten(transpose(x, permutation)));

export const movement = [
  benchCase({
    name: 'transpose, 2048^2',
    group: 'transpose',
    inputs: { x: { shape: [side, side] } },
    work: { bytes: 8 * side * side },
    ours:
      ({ x }) =>
      () =>
        writtenOut(x, [1, 0]),
    torch: 'x.t().contiguous()',
    onnx: { nodes: [{ type: 'Transpose', inputs: ['x'], outputs: ['out'], attributes: { perm: [1, 0] } }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.transpose(x, [1, 0]),
    jax: ({ numpy }, { x }) => numpy.transpose(x, [1, 0]).reshape([side * side]),
  }),
  benchCase({
    name: 'NCHW to NHWC, 8x64x56x56',
    group: 'transpose',
    inputs: { x: { shape: image } },
    work: { bytes: 2 * imageBytes },
    ours:
      ({ x }) =>
      () =>
        writtenOut(x, [0, 2, 3, 1]),
    torch: 'x.permute(0, 2, 3, 1).contiguous()',
    onnx: { nodes: [{ type: 'Transpose', inputs: ['x'], outputs: ['out'], attributes: { perm: [0, 2, 3, 1] } }], output: 'out' },
    tensorflow:
      (tf, { x }) =>
      () =>
        tf.transpose(x, [0, 2, 3, 1]),
    jax: ({ numpy }, { x }) => numpy.transpose(x, [0, 2, 3, 1]).reshape([imageBytes / 4]),
  }),
  benchCase({
    name: 'gather of 16384 rows of 256',
    inputs: { x: table, index: { shape: [16384], dtype: 'int32', below: 16384 } },
    work: { bytes: 2 * tableBytes },
    ours:
      ({ x, index }) =>
      () =>
        gather(x, index),
    torch: 'torch.index_select(x, 0, index)',
    onnx: { nodes: [{ type: 'Gather', inputs: ['x', 'index'], outputs: ['out'] }], output: 'out' },
    tensorflow:
      (tf, { x, index }) =>
      () =>
        tf.gather(x, index),
    jax: ({ numpy }, { x, index }) => numpy.take(x, index, 0),
  }),
  benchCase({
    name: 'scatter-add of 2^20 rows of 16',
    inputs: {
      x: { shape: [bins, 16] },
      index: { shape: [updates], dtype: 'int32', below: bins },
      rows: { shape: [updates, 16] },
    },
    work: { bytes: 4 * 16 * updates },
    ours: ({ x, index, rows }) => {
      const places = index.reshape([updates, 1]);
      return () => scatterNdAdd(x, places, rows);
    },
    torch: 'torch.index_add(x, 0, index, rows)',
    tensorflow: (tf, { x, index, rows }) => {
      const places = tf.reshape(index, [updates, 1]);
      return () => tf.add(x, tf.scatterND(places, rows, [bins, 16]));
    },
  }),
  benchCase({
    name: 'sort, 2^20',
    inputs: { x: { shape: [2 ** 20] } },
    ours:
      ({ x }) =>
      () =>
        sort(x),
    torch: 'torch.sort(x)[0]',
    jax: ({ numpy }, { x }) => numpy.sort(x),
  }),
];
