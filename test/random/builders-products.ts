/** Random calls of products of matrices, convolution, pooling and layer normalisation. Other operands are drawn where no value fits. */
import type { Reference } from './array.js';
import { type Builder, type Built, both, chooseValue, constant, floating, numeric, ranked } from './building.js';
import type { Choices } from './choices.js';
import { drawArray } from './draw.js';
import type { Argument } from './program.js';

/** A value of that shape and dtype, or else a constant. */
function beside(choices: Choices, values: readonly Reference[], x: Reference, shape: readonly number[]): Argument {
  const same = chooseValue(choices, values, (one) => one.dtype === x.dtype && String(one.shape) === String(shape));
  return same?.argument ?? constant(drawArray(choices, x.dtype, shape, 1));
}

function product(
  op: string,
  fits: (array: Reference) => boolean,
  build: (choices: Choices, values: readonly Reference[], x: Reference, argument: Argument) => Built | undefined,
): Builder {
  return {
    op,
    smooth: true,
    traced: true,
    build: (choices, values) => {
      const x = chooseValue(choices, values, fits);
      return x === undefined ? undefined : build(choices, values, x.array, x.argument);
    },
  };
}

const columns = (choices: Choices): number => choices.of([3, 1, 8, 5, 17, 0, 33]);

const matmul = product('matmul', both(floating, ranked(1, 5)), (choices, values, x, argument): Built => {
  const transposeX = x.shape.length > 1 && choices.rarely(3);
  const transposeY = choices.rarely(3);
  const k = x.shape.at(transposeX ? -2 : -1)!;
  if (choices.rarely(5)) return { inputs: { x: argument, y: beside(choices, values, x, [k]) }, attrs: { transposeX } };
  const n = columns(choices);
  const batch = choices.rarely(3)
    ? x.shape.slice(0, -2).map((size) => (choices.flag() ? size : 1))
    : choices.rarely(4)
      ? [2, ...new Array<number>(Math.max(0, x.shape.length - 2)).fill(1)]
      : [];
  const shape = [...batch, ...(transposeY ? [n, k] : [k, n])];
  return { inputs: { x: argument, y: beside(choices, values, x, shape) }, attrs: { transposeX, transposeY } };
});

const bmm = product('bmm', both(floating, ranked(2, 4)), (choices, values, x, argument) => {
  const shape = [...x.shape.slice(0, -2), x.shape.at(-1)!, columns(choices)];
  return { inputs: { x: argument, y: beside(choices, values, x, shape) }, attrs: {} };
});

const mv = product('mv', both(floating, ranked(2, 2)), (choices, values, x, argument) => ({
  inputs: { x: argument, vec: beside(choices, values, x, [x.shape[1]!]) },
  attrs: {},
}));

const dot = product('dot', both(numeric, ranked(1, 2)), (choices, values, x, argument) => ({
  inputs: { x: argument, y: beside(choices, values, x, x.shape) },
  attrs: {},
}));

const layerNorm = product('layerNorm', both(floating, ranked(1)), (choices, values, x, argument) => {
  const count = choices.between(1, Math.min(2, x.shape.length));
  const tail = x.shape.slice(x.shape.length - count);
  if (tail.includes(0)) return undefined;
  const other = (): Argument => beside(choices, values, x, tail);
  return {
    inputs: { x: argument, ...choices.option('weight', other), ...choices.option('bias', other) },
    attrs: { normalizedShape: tail, ...choices.option('epsilon', () => 0.5) },
  };
});

const images = both(floating, ranked(4, 4), ({ shape }) => !shape.includes(0));

const conv2d = product('conv2d', images, (choices, values, x, argument) => {
  const [, c, h, w] = x.shape;
  const groups = c! % 2 === 0 && choices.rarely(3) ? 2 : 1;
  const filters = groups * choices.of([1, 2, 3]);
  const [padH, padW] = [choices.below(2), choices.below(3)];
  const kernel = [Math.min(choices.of([1, 3, 2]), h! + 2 * padH), Math.min(choices.of([1, 3, 2]), w! + 2 * padW)];
  return {
    inputs: {
      x: argument,
      weight: beside(choices, values, x, [filters, c! / groups, ...kernel]),
      ...choices.option('bias', () => beside(choices, values, x, [filters])),
    },
    attrs: { stride: [choices.between(1, 2), choices.between(1, 2)], padding: [padH, padW], groups },
  };
});

const pool = (op: string): Builder =>
  product(op, images, (choices, _, x, argument) => {
    const [, , h, w] = x.shape;
    const padding = [choices.below(2), choices.below(2)];
    const kernelSize = [
      Math.min(padding[0]! + choices.between(1, 2), h! + 2 * padding[0]!),
      Math.min(padding[1]! + choices.between(1, 2), w! + 2 * padding[1]!),
    ];
    return {
      inputs: { x: argument },
      attrs: {
        kernelSize,
        padding,
        ...choices.option('stride', () => [choices.between(1, 2), choices.between(1, 3)]),
        ...choices.option('ceilMode', () => choices.flag()),
        ...(op === 'avgPool2d' ? choices.option('exclusive', () => choices.flag()) : {}),
      },
    };
  });

const products: readonly Builder[] = [matmul, bmm, mv, dot, layerNorm, conv2d, pool('maxPool2d'), pool('avgPool2d')];

export const productBuilders: readonly Builder[] = [...products, ...products, matmul];
