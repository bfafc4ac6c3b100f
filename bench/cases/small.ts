/** Sixteen elements: what a call costs, with and without gradients recorded. */
import { add, backward, type Tensor, tidy } from '../../entry/index.js';
import { benchCase } from '../case.js';

const sixteen = { x: { shape: [16] }, y: { shape: [16] } } as const;
const links = 100;

export const small = [
  benchCase({
    name: 'add, 16 elements',
    inputs: sixteen,
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
    name: 'add, 16 elements, gradient recorded',
    inputs: sixteen,
    ours: ({ x, y }) => {
      x.stopGradient = false;
      return () => add(x, y);
    },
    torchSetup: 'x.requires_grad_()',
    torch: 'torch.add(x, y)',
  }),
  benchCase({
    name: '100 chained adds, 16 elements',
    inputs: sixteen,
    ours:
      ({ x, y }) =>
      () =>
        tidy(() => chainOf(x, y)),
    torchSetup: torchSetup(),
    torch: 'chain(x)',
    tensorflow:
      (tf, { x, y }) =>
      () => {
        let sum = x;
        for (let link = 0; link < links; link++) sum = tf.add(sum, y);
        return sum;
      },
  }),
  benchCase({
    name: '100 chained adds, gradients recorded',
    inputs: sixteen,
    ours: ({ x, y }) => {
      x.stopGradient = false;
      return () => tidy(() => chainOf(x, y));
    },
    torchSetup: `${torchSetup()}\nx.requires_grad_()`,
    torch: 'chain(x)',
  }),
  benchCase({
    name: '100 chained adds and their gradients',
    inputs: sixteen,
    ours: ({ x, y }) => {
      x.stopGradient = false;
      return () =>
        tidy(() => {
          backward(chainOf(x, y), { gradient: y });
          const gradient = x.grad;
          x.grad = null;
          return gradient ?? undefined;
        });
    },
    torchSetup: `${torchSetup()}\nx.requires_grad_()`,
    torch: 'torch.autograd.grad(chain(x), x, y)[0]',
  }),
];

function chainOf(x: Tensor, y: Tensor): Tensor {
  let sum = x;
  for (let link = 0; link < links; link++) sum = add(sum, y);
  return sum;
}

function torchSetup(): string {
  return `
def chain(x, y=y):
    for _ in range(${links}):
        x = x + y
    return x
`;
}
