/**
 * Every class of op at 2^20 elements, beside PyTorch's op of the same meaning: where we are slower than it is found here. A row is a
 * line, so that a new op gets one without ceremony. The cases of bench/cases are measured against all peers and have targets of their own.
 */

import type { Tensor } from '../entry/index.js';
import * as ow from '../entry/index.js';
import { benchCase, type Case, type InputSpec, type Ours } from './case.js';

const size = 2 ** 20;
const side = 2 ** 10;
const vector: InputSpec = { shape: [size] };
const positive: InputSpec = { ...vector, positive: true };
const unit: InputSpec = { ...vector, unit: true };
const integers: InputSpec = { ...vector, dtype: 'int32', below: 1000 };
const matrix: InputSpec = { shape: [side, side] };
const places: InputSpec = { shape: [side], dtype: 'int32', below: side };
const square: InputSpec = { shape: [512, 512] };
const squares: InputSpec = { shape: [64, 32, 32] };
/** Real and imaginary parts of complex numbers. */
const signal: InputSpec = { shape: [size, 2] };
const signals: InputSpec = { shape: [side, side, 2] };

type Inputs = Readonly<Record<string, InputSpec>>;
/** Factorisations of matrices of n rows, where it matters of one that is symmetric and positive definite. */
const factorisations = (n: number): readonly Row[] => [
  ['lu', (x) => ow.lu(x).lu, 'torch.linalg.lu_factor(x).LU'],
  ['inverse', (x) => ow.inverse(x), 'torch.linalg.inv(x)'],
  [
    'cholesky',
    (x) => ow.cholesky(ow.add(ow.add(x, ow.swapaxes(x, -1, -2)), ow.multiply(ow.eye(n), 99))),
    `torch.linalg.cholesky(x + x.mT + torch.eye(${n}) * 99)`,
  ],
  ['qr', (x) => ow.qr(x).q, 'torch.linalg.qr(x).Q'],
  ['eigh', (x) => ow.eigh(x, { uplo: 'L' }).eigenvalues, 'torch.linalg.eigh(x).eigenvalues'],
  ['svd', (x) => ow.svd(x).s, 'torch.linalg.svd(x, full_matrices=False).S'],
];

/** What we call, on the inputs in their order, and what PyTorch evaluates, on their names. */
type Row = readonly [name: string, ours: (...inputs: Tensor[]) => Ours, torch: string];

function rows(inputs: Inputs, group: string, list: readonly Row[]): Case[] {
  return list.map(([name, ours, torch]) =>
    benchCase({
      name: `${name} (${group})`,
      inputs,
      ours: (tensors) => {
        const operands = Object.keys(inputs).map((input) => tensors[input]!);
        return () => ow.tidy(() => ours(...operands));
      },
      torch,
    }),
  );
}

export const survey: readonly Case[] = [
  ...rows({ x: vector }, 'elementwise', [
    ['abs', ow.abs, 'x.abs()'],
    ['neg', ow.neg, '-x'],
    ['sign', ow.sign, 'x.sign()'],
    ['square', ow.square, 'x.square()'],
    ['floor', ow.floor, 'x.floor()'],
    ['round', ow.round, 'x.round()'],
    ['reciprocal', ow.reciprocal, 'x.reciprocal()'],
    ['exp', ow.exp, 'x.exp()'],
    ['expm1', ow.expm1, 'x.expm1()'],
    ['sin', ow.sin, 'x.sin()'],
    ['cos', ow.cos, 'x.cos()'],
    ['tan', ow.tan, 'x.tan()'],
    ['atan', ow.atan, 'x.atan()'],
    ['sinh', ow.sinh, 'x.sinh()'],
    ['cosh', ow.cosh, 'x.cosh()'],
    ['tanh', ow.tanh, 'x.tanh()'],
    ['erf', ow.erf, 'x.erf()'],
    ['sigmoid', ow.sigmoid, 'x.sigmoid()'],
    ['relu', ow.relu, 'F.relu(x)'],
    ['leakyRelu', (x) => ow.leakyRelu(x), 'F.leaky_relu(x)'],
    ['elu', (x) => ow.elu(x), 'F.elu(x)'],
    ['selu', (x) => ow.selu(x), 'F.selu(x)'],
    ['gelu', (x) => ow.gelu(x), 'F.gelu(x)'],
    ['softplus', (x) => ow.softplus(x), 'F.softplus(x)'],
    ['hardswish', ow.hardswish, 'F.hardswish(x)'],
    ['logSigmoid', ow.logSigmoid, 'F.logsigmoid(x)'],
    ['clip', (x) => ow.clip(x, { min: -1, max: 1 }), 'x.clamp(-1, 1)'],
    ['isnan', ow.isnan, 'x.isnan()'],
    ['cast to int32', (x) => ow.cast(x, 'int32'), 'x.to(torch.int32)'],
    ['cast to float64', (x) => ow.cast(x, 'float64'), 'x.to(torch.float64)'],
  ]),
  ...rows({ x: positive }, 'of positive numbers', [
    ['sqrt', ow.sqrt, 'x.sqrt()'],
    ['rsqrt', ow.rsqrt, 'x.rsqrt()'],
    ['log', ow.log, 'x.log()'],
    ['log2', ow.log2, 'x.log2()'],
    ['log1p', ow.log1p, 'x.log1p()'],
  ]),
  ...rows({ x: unit }, 'between -1 and 1', [
    ['asin', ow.asin, 'x.asin()'],
    ['acos', ow.acos, 'x.acos()'],
    ['erfinv', ow.erfinv, 'x.erfinv()'],
  ]),
  ...rows({ x: vector, y: positive }, 'of two', [
    ['add', ow.add, 'x + y'],
    ['subtract', ow.subtract, 'x - y'],
    ['multiply', ow.multiply, 'x * y'],
    ['divide', ow.divide, 'x / y'],
    ['mod', ow.mod, 'torch.remainder(x, y)'],
    ['floorDivide', ow.floorDivide, 'torch.floor_divide(x, y)'],
    ['pow', (x, y) => ow.pow(y, x), 'y.pow(x)'],
    ['maximum', ow.maximum, 'torch.maximum(x, y)'],
    ['lessThan', ow.lessThan, 'x < y'],
    ['where', (x, y) => ow.where(ow.lessThan(x, y), x, y), 'torch.where(x < y, x, y)'],
  ]),
  ...rows({ x: integers, y: integers }, 'of integers', [
    ['add', ow.add, 'x + y'],
    ['multiply', ow.multiply, 'x * y'],
    ['floorDivide', (x, y) => ow.floorDivide(x, ow.add(y, 1)), 'torch.floor_divide(x, y + 1)'],
    ['equal', ow.equal, 'x == y'],
    ['sum', (x) => ow.sum(x), 'x.sum(dtype=torch.int32)'],
  ]),
  ...rows({ x: matrix }, 'reduction', [
    ['sum', (x) => ow.sum(x), 'x.sum()'],
    ['sum of columns', (x) => ow.sum(x, { axis: 0 }), 'x.sum(0)'],
    ['sum of rows', (x) => ow.sum(x, { axis: 1 }), 'x.sum(1)'],
    ['mean of rows', (x) => ow.mean(x, { axis: 1 }), 'x.mean(1)'],
    ['max', (x) => ow.max(x), 'x.max()'],
    ['max of columns', (x) => ow.max(x, { axis: 0 }), 'x.amax(0)'],
    ['prod of rows', (x) => ow.prod(x, { axis: 1 }), 'x.prod(1)'],
    ['variance of rows', (x) => ow.variance(x, { axis: 1 }), 'x.var(1)'],
    ['std of columns', (x) => ow.std(x, { axis: 0 }), 'x.std(0)'],
    ['norm', (x) => ow.norm(x), 'x.norm()'],
    ['logsumexp of rows', (x) => ow.logsumexp(x, { axis: 1 }), 'x.logsumexp(1)'],
    ['argmax of rows', (x) => ow.argmax(x, { axis: 1 }), 'x.argmax(1)'],
    ['argmax of columns', (x) => ow.argmax(x, { axis: 0 }), 'x.argmax(0)'],
  ]),
  ...rows({ x: positive }, 'special functions', [
    ['lgamma', ow.lgamma, 'x.lgamma()'],
    ['digamma', ow.digamma, 'x.digamma()'],
    ['i0', ow.i0, 'torch.special.i0(x)'],
  ]),
  ...rows({ x: signal }, 'of 2^20 complex numbers', [
    ['fft', (x) => ow.viewAsReal(ow.fft(ow.viewAsComplex(x))), 'torch.view_as_real(torch.fft.fft(torch.view_as_complex(x)))'],
  ]),
  ...rows({ x: signals }, 'of 1024 x 1024 complex numbers', [
    [
      'fft of rows',
      (x) => ow.viewAsReal(ow.fft(ow.viewAsComplex(x))),
      'torch.view_as_real(torch.fft.fft(torch.view_as_complex(x)))',
    ],
    [
      'fft of columns',
      (x) => ow.viewAsReal(ow.fft(ow.viewAsComplex(x), { axis: 0 })),
      'torch.view_as_real(torch.fft.fft(torch.view_as_complex(x), dim=0))',
    ],
    ['fft2', (x) => ow.viewAsReal(ow.fft2(ow.viewAsComplex(x))), 'torch.view_as_real(torch.fft.fft2(torch.view_as_complex(x)))'],
  ]),
  ...rows({ x: matrix }, 'transforms of real rows', [
    ['rfft', (x) => ow.viewAsReal(ow.rfft(x)), 'torch.view_as_real(torch.fft.rfft(x))'],
  ]),
  ...rows({ x: matrix }, 'of rows', [
    ['softmax', (x) => ow.softmax(x), 'x.softmax(1)'],
    ['logSoftmax', (x) => ow.logSoftmax(x), 'x.log_softmax(1)'],
    ['layerNorm', (x) => ow.layerNorm(x, [side]), `F.layer_norm(x, (${side},))`],
    ['cumsum', (x) => ow.cumsum(x, { axis: 1 }), 'x.cumsum(1)'],
    ['cumsum of columns', (x) => ow.cumsum(x, { axis: 0 }), 'x.cumsum(0)'],
    ['sort', (x) => ow.sort(x), 'x.sort(1).values'],
    ['argsort', (x) => ow.argsort(x), 'x.argsort(1)'],
    ['topk', (x) => ow.topk(x, 10).values, 'x.topk(10).values'],
  ]),
  ...rows({ x: matrix }, 'movement', [
    ['transpose, copied', (x) => ow.multiply(ow.transpose(x, [1, 0]), 1), 'x.t().contiguous()'],
    ['flip', (x) => ow.multiply(ow.flip(x, 1), 1), 'x.flip(1)'],
    ['roll', (x) => ow.roll(x, 7, { axis: 1 }), 'x.roll(7, 1)'],
    ['tile', (x) => ow.tile(x, [2, 2]), 'x.tile(2, 2)'],
    ['pad', (x) => ow.pad(x, [1, 1, 1, 1]), 'F.pad(x, (1, 1, 1, 1))'],
    ['concat', (x) => ow.concat([x, x], { axis: 1 }), 'torch.cat([x, x], 1)'],
    ['stack', (x) => ow.stack([x, x]), 'torch.stack([x, x])'],
  ]),
  ...rows({ x: matrix, at: places }, 'indexing', [
    ['gather of rows', (x, at) => ow.gather(x, at), 'x[at]'],
    ['indexSelect of columns', (x, at) => ow.indexSelect(x, at, { axis: 1 }), 'x.index_select(1, at)'],
    ['scatter-add of rows', (x, at) => ow.scatterNdAdd(x, ow.unsqueeze(at, 1), x), 'x.index_add(0, at, x)'],
    ['nonzero', (x) => ow.nonzero(ow.greaterThan(x, 0)), '(x > 0).nonzero()'],
    ['maskedSelect', (x) => ow.maskedSelect(x, ow.greaterThan(x, 0)), 'x[x > 0]'],
    ['unique', (_, at) => ow.unique(at).out, 'at.unique()'],
  ]),
  ...rows({ x: matrix, y: matrix }, 'loss', [
    ['mseLoss', (x, y) => ow.mseLoss(x, y), 'F.mse_loss(x, y)'],
    ['l1Loss', (x, y) => ow.l1Loss(x, y), 'F.l1_loss(x, y)'],
    ['smoothL1Loss', (x, y) => ow.smoothL1Loss(x, y), 'F.smooth_l1_loss(x, y)'],
  ]),
  ...rows({ x: { shape: [size], dtype: 'bfloat16' }, y: { shape: [size], dtype: 'bfloat16' } }, 'in bfloat16', [
    ['add', ow.add, 'x + y'],
    ['exp', (x) => ow.exp(x), 'x.exp()'],
  ]),
  ...rows({ x: square, y: square }, 'of 512 x 512', [
    ...factorisations(512),
    ['solve', (x, y) => ow.solve(x, y), 'torch.linalg.solve(x, y)'],
    [
      'triangularSolve',
      (x, y) => ow.triangularSolve(ow.add(x, ow.multiply(ow.eye(512), 99)), y, { upper: false }),
      'torch.linalg.solve_triangular(x + torch.eye(512) * 99, y, upper=False)',
    ],
  ]),
  ...rows({ x: squares }, 'of 64 of 32 x 32', factorisations(32)),
  ...rows({}, 'creation', [
    ['zeros', () => ow.zeros([size]), `torch.zeros(${size})`],
    ['arange', () => ow.arange(size, { dtype: 'int32' }), `torch.arange(0, ${size}, dtype=torch.int32)`],
    ['rand', () => ow.rand([size]), `torch.rand(${size})`],
    ['randn', () => ow.randn([size]), `torch.randn(${size})`],
    ['randperm', () => ow.randperm(size), `torch.randperm(${size})`],
  ]),
];
