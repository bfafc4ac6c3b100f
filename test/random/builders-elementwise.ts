/** Random calls of elementwise ops and reductions. */
import { broadcastShapes, type Reference } from './array.js';
import {
  type Builder,
  boolean,
  both,
  type Chosen,
  chooseAxes,
  chooseAxis,
  chooseDtype,
  chooseInteger,
  chooseNumber,
  chooseValue,
  floating,
  type Mode,
  nonempty,
  numeric,
  ranked,
  unary,
} from './building.js';
import type { Choices } from './choices.js';
import { comparisonNames, logicalFunctions, predicates } from './elementwise.js';
import { isFloat } from './formats.js';
import type { Argument } from './program.js';

export const smooth = { smooth: true } as const;

const always = [
  'sin',
  'cos',
  'atan',
  'tanh',
  'erf',
  'sigmoid',
  'logSigmoid',
  'softsign',
  'swish',
  'tanhshrink',
  'hardswish',
  'selu',
  'relu6',
];
const partly = [
  'exp',
  'expm1',
  'sinh',
  'cosh',
  'tan',
  'sqrt',
  'rsqrt',
  'reciprocal',
  'log',
  'log2',
  'log10',
  'log1p',
  'asin',
  'acos',
];
const jumping = ['floor', 'ceil', 'trunc', 'round'];

const withParameters: readonly Builder[] = [
  unary('elu', floating, (choices) => choices.option('alpha', () => choices.of([0.5, 2])), smooth),
  unary('gelu', floating, (choices) => choices.option('approximate', () => choices.flag()), smooth),
  unary(
    'softplus',
    floating,
    (choices) => ({ ...choices.option('beta', () => choices.of([0.5, 2])), ...choices.option('threshold', () => 1.5) }),
    smooth,
  ),
  unary('stanh', floating, (choices) => choices.option('scaleA', () => 0.5), smooth),
  unary('softshrink', floating, (choices) => choices.option('threshold', () => 0.25), smooth),
  unary('hardshrink', floating, (choices) => choices.option('threshold', () => 0.25)),
  unary('thresholdedRelu', floating, (choices) => choices.option('threshold', () => 0.25)),
  unary('hardtanh', floating, (choices) => ({ ...choices.option('min', () => -0.5), ...choices.option('max', () => 2) }), smooth),
  unary('hardsigmoid', floating, (choices) => choices.option('slope', () => 0.25), smooth),
  unary('leakyRelu', floating, (choices) => choices.option('negativeSlope', () => choices.of([0.25, -1])), smooth),
  unary(
    'scale',
    numeric,
    (choices, { dtype }, mode) => {
      const number = isFloat(dtype) || (mode === 'eager' && choices.rarely(8)) ? chooseNumber : chooseInteger;
      return { ...choices.option('scale', () => number(choices)), ...choices.option('bias', () => number(choices)) };
    },
    smooth,
  ),
];

/** Another operand: a value that fits beside it, or a number. In eager programs it may be of another dtype or not fit at all. */
export function chooseBeside(
  choices: Choices,
  values: readonly Reference[],
  x: Chosen,
  mode: Mode,
  withNumber = true,
): Argument | undefined {
  if (withNumber && choices.below(4) === 0)
    return isFloat(x.array.dtype) || (mode === 'eager' && choices.rarely(8)) ? chooseNumber(choices) : chooseInteger(choices);
  const reckless = mode === 'eager' && choices.rarely(40);
  const mixed = mode === 'eager' && choices.rarely(6);
  const beside = chooseValue(choices, values, (y) => {
    if (y.dtype !== x.array.dtype && !(mixed && y.dtype !== 'bool')) return false;
    return reckless || broadcasts(x.array.shape, y.shape);
  });
  return beside?.argument;
}

function broadcasts(...shapes: readonly (readonly number[])[]): boolean {
  try {
    return broadcastShapes(...shapes).length >= 0;
  } catch {
    return false;
  }
}

function binary(
  op: string,
  fits: (array: Reference) => boolean,
  options: { smooth?: boolean; withNumber?: boolean } = {},
): Builder {
  return {
    op,
    smooth: options.smooth ?? false,
    traced: true,
    build: (choices, values, mode) => {
      const x = chooseValue(choices, values, fits);
      const y = x === undefined ? undefined : chooseBeside(choices, values, x, mode, options.withNumber);
      if (x === undefined || y === undefined) return undefined;
      return { inputs: choices.flag() ? { x: y, y: x.argument } : { x: x.argument, y }, attrs: {} };
    },
  };
}

/** The derivative by the exponent is real for positive bases only. */
const powers: Builder = {
  op: 'pow',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(
      choices,
      values,
      both(floating, (one) => one.values.every((value) => value > 0)),
    );
    const y = x === undefined ? undefined : chooseBeside(choices, values, x, mode);
    return x === undefined || y === undefined ? undefined : { inputs: { x: x.argument, y }, attrs: {} };
  },
};

const binaries: readonly Builder[] = [
  ...['add', 'subtract', 'multiply', 'maximum', 'minimum'].map((op) => binary(op, numeric, smooth)),
  binary('divide', floating, smooth),
  binary('mod', numeric),
  binary('floorDivide', numeric),
  binary('pow', numeric),
  powers,
  ...comparisonNames.map((op) => binary(op, () => true)),
  ...Object.keys(logicalFunctions).map((op) => binary(op, boolean, { withNumber: false })),
];

const where: Builder = {
  op: 'where',
  smooth: false,
  traced: true,
  build: (choices, values, mode) => {
    const condition = chooseValue(choices, values, boolean);
    const x = chooseValue(choices, values, (one) => condition !== undefined && broadcasts(one.shape, condition.array.shape));
    const y = x === undefined ? undefined : chooseBeside(choices, values, x, mode);
    if (condition === undefined || x === undefined || y === undefined) return undefined;
    return { inputs: { condition: condition.argument, x: x.argument, y }, attrs: {} };
  },
};

const clip: Builder = {
  op: 'clip',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(choices, values, numeric);
    if (x === undefined) return undefined;
    // No gradient flows to the bounds.
    const bound = (): Argument => (mode === 'gradient' ? chooseNumber(choices) : (chooseBeside(choices, values, x, mode) ?? 1));
    return { inputs: { x: x.argument, ...choices.option('min', bound), ...choices.option('max', bound) }, attrs: {} };
  },
};

const axisAndKeepdim = (choices: Choices, { shape }: Reference, mode: Mode) => ({
  ...choices.option('axis', () => chooseAxes(choices, shape.length, mode)),
  ...choices.option('keepdim', () => choices.flag()),
});
const oneAxisAndKeepdim = (choices: Choices, { shape }: Reference, mode: Mode) => ({
  ...(shape.length === 0 ? {} : choices.option('axis', () => chooseAxis(choices, shape.length, mode))),
  ...choices.option('keepdim', () => choices.flag()),
});
const axis = (choices: Choices, { shape }: Reference, mode: Mode) =>
  choices.option('axis', () => chooseAxis(choices, shape.length, mode));

const reductions: readonly Builder[] = [
  ...['sum', 'prod'].map((op) => unary(op, numeric, axisAndKeepdim, smooth)),
  ...['max', 'min'].map((op) => unary(op, numeric, axisAndKeepdim, smooth)),
  ...['any', 'all'].map((op) => unary(op, boolean, axisAndKeepdim)),
  unary('mean', floating, axisAndKeepdim, smooth),
  ...['variance', 'std'].map((op) =>
    unary(
      op,
      both(floating, nonempty),
      (choices, array, mode) => ({
        ...axisAndKeepdim(choices, array, mode),
        ...choices.option('unbiased', () => choices.flag()),
      }),
      smooth,
    ),
  ),
  unary('logsumexp', floating, axisAndKeepdim, smooth),
  unary(
    'norm',
    floating,
    (choices, array, mode) => ({
      ...axisAndKeepdim(choices, array, mode),
      ...choices.option('p', () => choices.of<number | string>(['fro', 1, 2, 'inf', '-inf', 0, 3])),
    }),
    smooth,
  ),
  ...['argmax', 'argmin'].map((op) =>
    unary(op, numeric, (choices, array, mode) => ({
      ...oneAxisAndKeepdim(choices, array, mode),
      ...choices.option('dtype', () => choices.of(['int64', 'int32'])),
    })),
  ),
  ...['softmax', 'logSoftmax'].map((op) => unary(op, both(floating, ranked(1)), axis, smooth)),
  unary('cumsum', numeric, (choices, array, mode) => (array.shape.length === 0 ? {} : axis(choices, array, mode)), smooth),
];

export const elementwiseBuilders: readonly Builder[] = [
  ...always.map((op) => unary(op, floating, undefined, smooth)),
  ...partly.map((op) => unary(op, floating, undefined, smooth)),
  ...jumping.map((op) => unary(op, floating)),
  ...['neg', 'abs', 'square', 'relu'].map((op) => unary(op, numeric, undefined, smooth)),
  unary('sign', numeric),
  ...withParameters,
  ...Object.keys(predicates).map((op) => unary(op, numeric)),
  unary('logicalNot', boolean),
  unary(
    'cast',
    () => true,
    (choices) => ({ dtype: chooseDtype(choices) }),
  ),
  ...['zerosLike', 'onesLike'].map((op) =>
    unary(
      op,
      () => true,
      (choices) => choices.option('dtype', () => chooseDtype(choices)),
    ),
  ),
  unary(
    'fullLike',
    () => true,
    (choices) => ({ value: chooseInteger(choices), ...choices.option('dtype', () => chooseDtype(choices)) }),
  ),
  ...binaries,
  ...binaries,
  where,
  where,
  clip,
  ...reductions,
  ...reductions,
];
