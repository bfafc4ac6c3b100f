/** Products of matrices. */
import { bmm, matmul } from '../../entry/index.js';
import { benchCase, type Case, type Group } from '../case.js';

export const matrices = [
  product('matmul, 1024^3', [1024, 1024], [1024, 1024], 'matmul'),
  product('matmul, 1000x1003x777', [1000, 1003], [1003, 777], 'matmul'),
  product('64 products of 64^3', [64, 64, 64], [64, 64, 64]),
  product('row times matrix, 4096x4096', [1, 4096], [4096, 4096]),
];

function product(name: string, x: readonly number[], y: readonly number[], group: Group = 'other'): Case {
  const multiply = x.length === 3 ? bmm : matmul;
  const operations = 2 * x.reduce((total, size) => total * size, 1) * y.at(-1)!;
  return benchCase({
    name,
    group,
    inputs: { x: { shape: x }, y: { shape: y } },
    work: { operations },
    ours: (inputs) => () => multiply(inputs.x, inputs.y),
    torch: 'torch.matmul(x, y)',
    onnx: { nodes: [{ type: 'MatMul', inputs: ['x', 'y'], outputs: ['out'] }], output: 'out', weights: ['y'] },
    tensorflow: (tf, inputs) => () => tf.matMul(inputs.x, inputs.y),
    jax: ({ numpy }, inputs) => numpy.matmul(inputs.x, inputs.y),
  });
}
