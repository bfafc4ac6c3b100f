/**
 * What is measured on a GPU, in several sizes: memory-bound ops, rows short and long, products in each dtype, convolutions, and a kernel so
 * small that only its launch counts.
 */
import {
  add,
  conv2d,
  cumsum,
  exp,
  gelu,
  layerNorm,
  matmul,
  multiply,
  relu,
  softmax,
  sort,
  sum,
  type Tensor,
  tidy,
} from '../../entry/index.js';
import { benchCase, type Case } from '../case.js';

const powers = [14, 20, 26] as const;
const rows = [
  [1 << 18, 64],
  [1 << 12, 1 << 10],
  [1 << 6, 1 << 18],
] as const;
const epsilon = 1e-5;

interface Sized {
  readonly elements: number;
  readonly made: Case;
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const elementwise = powers.flatMap((power): Sized[] => {
  const elements = 2 ** power;
  const one = { x: { shape: [elements] } };
  const two = { x: { shape: [elements] }, y: { shape: [elements] } };
  return [
    benchCase({
      name: `add, 2^${power}`,
      inputs: two,
      work: { bytes: 12 * elements },
      ours:
        ({ x, y }) =>
        () =>
          add(x, y),
      torch: 'x + y',
    }),
    benchCase({
      name: `exp, 2^${power}`,
      inputs: one,
      work: { bytes: 8 * elements },
      ours:
        ({ x }) =>
        () =>
          exp(x),
      torch: 'torch.exp(x)',
    }),
    benchCase({
      name: `gelu, 2^${power}`,
      inputs: one,
      work: { bytes: 8 * elements },
      ours:
        ({ x }) =>
        () =>
          gelu(x),
      torch: 'F.gelu(x)',
    }),
    benchCase({
      name: `relu(x * y + x), three calls, 2^${power}`,
      inputs: two,
      work: { bytes: 12 * elements },
      ours:
        ({ x, y }) =>
        () =>
          tidy(() => relu(add(multiply(x, y), x))),
      torch: 'torch.relu(x * y + x)',
    }),
    benchCase({
      name: `sum, 2^${power}`,
      inputs: one,
      work: { bytes: 4 * elements },
      ours:
        ({ x }) =>
        () =>
          sum(x),
      torch: 'torch.sum(x)',
    }),
    benchCase({
      name: `cumsum, 2^${power}`,
      inputs: one,
      work: { bytes: 8 * elements },
      ours:
        ({ x }) =>
        () =>
          cumsum(x),
      torch: 'torch.cumsum(x, 0)',
    }),
    benchCase({
      name: `sort, 2^${power}`,
      inputs: one,
      ours:
        ({ x }) =>
        () =>
          sort(x),
      torch: 'torch.sort(x)[0]',
    }),
  ].map((made) => ({ elements, made }));
});

const rowWise = rows.flatMap((shape): Sized[] => {
  const elements = sizeOf(shape);
  const text = shape.join('x');
  return [
    benchCase({
      name: `softmax of rows, ${text}`,
      inputs: { x: { shape } },
      work: { bytes: 8 * elements },
      ours:
        ({ x }) =>
        () =>
          softmax(x, { axis: 1 }),
      torch: 'torch.softmax(x, 1)',
    }),
    benchCase({
      name: `layer norm of rows, ${text}`,
      inputs: { x: { shape }, w: { shape: [shape[1]] }, b: { shape: [shape[1]] } },
      work: { bytes: 8 * elements },
      ours:
        ({ x, w, b }) =>
        () =>
          layerNorm(x, [shape[1]], { weight: w, bias: b, epsilon }),
      torch: `F.layer_norm(x, (${shape[1]},), w, b, ${epsilon})`,
    }),
    ...[0, 1].map((axis) =>
      benchCase({
        name: `sum along axis ${axis}, ${text}`,
        inputs: { x: { shape } },
        work: { bytes: 4 * elements },
        ours:
          ({ x }) =>
          () =>
            sum(x, { axis }),
        torch: `torch.sum(x, ${axis})`,
      }),
    ),
  ].map((made) => ({ elements, made }));
});

const torchDtypes = { float16: 'half', bfloat16: 'bfloat16', float32: 'float', float64: 'double' } as const;

const products = (['float32', 'float16', 'bfloat16', 'float64'] as const).flatMap((dtype) =>
  [128, 512, 1024, 4096].map((n): Sized => {
    const made = benchCase({
      name: `matmul, ${n}^3, ${dtype}`,
      inputs: { x: { shape: [n, n] }, y: { shape: [n, n] } },
      work: { operations: 2 * n ** 3 },
      ours: ({ x, y }) => {
        const [left, right] = [x, y].map((one: Tensor): Tensor => one.cast(dtype));
        return () => matmul(left!, right!);
      },
      // float32 as it stands: TF32 is off unless asked for, here and there.
      torchSetup: `x = x.${torchDtypes[dtype]}()\ny = y.${torchDtypes[dtype]}()`,
      torch: 'torch.matmul(x, y)',
    });
    return { elements: n * n, made };
  }),
);

const convolutions = [
  { name: 'conv 3x3, 32x64x56x56 to 64', x: [32, 64, 56, 56], weight: [64, 64, 3, 3], padding: 1, stride: 1 },
  { name: 'conv 1x1, 32x64x56x56 to 256', x: [32, 64, 56, 56], weight: [256, 64, 1, 1], padding: 0, stride: 1 },
  { name: 'conv 7x7 stride 2, 32x3x224x224 to 64', x: [32, 3, 224, 224], weight: [64, 3, 7, 7], padding: 3, stride: 2 },
].map(({ name, x, weight, padding, stride }): Sized => {
  const made = benchCase({
    name,
    inputs: { x: { shape: x }, w: { shape: weight } },
    work: { operations: (2 * x[0]! * x[2]! * x[3]! * sizeOf(weight)) / stride ** 2 },
    ours: (inputs) => () => conv2d(inputs.x, inputs.w, { padding, stride }),
    torch: `F.conv2d(x, w, padding=${padding}, stride=${stride})`,
  });
  return { elements: sizeOf(x), made };
});

const smallest: Sized = {
  elements: 16,
  made: benchCase({
    name: 'add, 16 elements',
    inputs: { x: { shape: [16] }, y: { shape: [16] } },
    ours:
      ({ x, y }) =>
      () =>
        add(x, y),
    torch: 'x + y',
  }),
};

/** The cases whose largest input has at most so many elements. */
export function gpuCases(mostElements: number): readonly Case[] {
  return [smallest, ...elementwise, ...rowWise, ...products, ...convolutions]
    .filter(({ elements }) => elements <= mostElements)
    .map(({ made }) => made);
}
