/** Random calls of ops that move elements without an index. */
import { type Reference, sizeOf } from './array.js';
import { smooth } from './builders-elementwise.js';
import {
  type Builder,
  type Chosen,
  chooseAxes,
  chooseAxis,
  chooseInteger,
  chooseNumber,
  chooseValue,
  type Mode,
  ranked,
  unary,
} from './building.js';
import type { Choices } from './choices.js';
import { isFloat } from './formats.js';
import type { Attrs } from './reference.js';

const anything = (): boolean => true;

/** Sizes whose product is the given one, one of them perhaps as -1. */
function chooseShape(choices: Choices, { shape }: Reference, mode: Mode): { shape: number[] } {
  if (mode === 'eager' && choices.rarely(40)) return { shape: [5, 7] };
  const size = sizeOf(shape);
  if (size === 0) return { shape: choices.shuffled(shape) };
  const result: number[] = [];
  let rest = size;
  for (let axis = choices.between(0, 3); axis > 0 && rest > 1; axis--) {
    const divisors = Array.from({ length: Math.min(rest, 64) }, (_, d) => d + 1).filter((d) => rest % d === 0);
    const factor = choices.of(divisors);
    result.push(factor);
    rest /= factor;
  }
  if (rest > 1 || choices.rarely(4)) result.push(choices.flag() ? -1 : rest);
  return { shape: result };
}

function chooseSlice(choices: Choices, { shape }: Reference, mode: Mode) {
  const axes = choices.some(
    shape.map((_, axis) => axis),
    1,
  );
  if (axes.length === 0) return undefined;
  const sizes = axes.map((axis) => shape[axis]!);
  const backward = axes.map(() => choices.rarely(4));
  const stepped = choices.flag() || backward.includes(true);
  const starts = sizes.map((size, i) =>
    backward[i] ? choices.of([size - 1, -1, size, 100]) : choices.of([1, 0, -size, -2, size]),
  );
  const ends = sizes.map((size, i) => (backward[i] ? choices.of([-size - 1, 0, -2]) : choices.of([size, 100, -1, size - 1, 0])));
  const steps = sizes.map((_, i) => (backward[i] ? -1 : 1) * choices.of([1, 2, 3]));
  const named = axes.map((axis) => (choices.flag() ? axis : axis - shape.length));
  if (mode === 'eager' && choices.rarely(60)) named[0] = shape.length;
  return { axes: named, starts, ends, ...(stepped ? { steps } : {}) };
}

function chooseTarget(choices: Choices, { shape }: Reference, op: string): { shape: number[] } {
  const lead = Array.from({ length: choices.below(Math.max(1, 5 - shape.length)) }, () => choices.of([2, 3, 1, 0]));
  const stretched = shape.map((size) => (size === 1 ? choices.of([3, 1, 4, 0]) : op === 'expand' && choices.flag() ? -1 : size));
  return { shape: [...lead, ...stretched] };
}

function choosePadding(choices: Choices, { shape, dtype }: Reference) {
  const padding = shape.flatMap((size) => {
    const before = choices.of([0, 1, 2, -1]);
    return [Math.max(before, -size), Math.max(choices.of([0, 2, 1, -1]), -size - Math.min(before, 0))];
  });
  return {
    padding,
    ...choices.option('value', () => (dtype === 'bool' ? 1 : isFloat(dtype) ? chooseNumber(choices) : chooseInteger(choices))),
  };
}

function chooseSections(choices: Choices, { shape }: Reference, mode: Mode) {
  const axis = chooseAxis(choices, shape.length, mode);
  const size = shape.at(axis) ?? 1;
  if (choices.flag())
    return { sections: choices.of([1, 2, 3, size].filter((n) => n > 0 && (size % n === 0 || mode === 'eager'))), axis };
  const first = choices.between(0, size);
  return { sections: choices.flag() ? [first, -1] : [first, size - first], axis };
}

/** Several values that fit beside the first, in eager programs of any dtype. */
function chooseList(
  choices: Choices,
  values: readonly Reference[],
  first: Chosen,
  mode: Mode,
  fits: (array: Reference) => boolean,
): Chosen[] {
  const list = [first];
  const mixed = mode === 'eager' && choices.rarely(10);
  for (let count = choices.below(4); count > 0; count--) {
    const next = chooseValue(choices, values, (one) => (mixed || one.dtype === first.array.dtype) && fits(one));
    if (next !== undefined) list.push(next);
  }
  return choices.shuffled(list);
}

const concat: Builder = {
  op: 'concat',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const first = chooseValue(choices, values, ranked(1));
    if (first === undefined) return undefined;
    const { shape } = first.array;
    const axis = chooseAxis(choices, shape.length, mode);
    const along = axis < 0 ? axis + shape.length : axis;
    const beside = (one: Reference): boolean =>
      one.shape.length === shape.length && one.shape.every((size, a) => a === along || size === shape[a]);
    const xs = chooseList(choices, values, first, mode, beside);
    return { inputs: { xs: xs.map(({ argument }) => argument) }, attrs: { axis } };
  },
};

const stack: Builder = {
  op: 'stack',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const first = chooseValue(choices, values, ranked(0, 4));
    if (first === undefined) return undefined;
    const xs = chooseList(choices, values, first, mode, ({ shape }) => String(shape) === String(first.array.shape));
    const axis = chooseAxis(choices, first.array.shape.length + 1, mode);
    return { inputs: { xs: xs.map(({ argument }) => argument) }, attrs: { axis } };
  },
};

function chooseNewAxes(choices: Choices, { shape }: Reference) {
  const rank = shape.length + 1;
  if (choices.flag()) return { axis: choices.below(2 * rank) - rank };
  const places = choices.shuffled(Array.from({ length: rank + 1 }, (_, place) => place)).slice(0, 2);
  return { axis: places.map((place) => (choices.flag() ? place : place - rank - 1)) };
}

function chooseFlattened(choices: Choices, { shape }: Reference) {
  const rank = Math.max(shape.length, 1);
  const startAxis = choices.below(rank);
  return { startAxis, stopAxis: choices.between(startAxis, rank - 1) - (choices.flag() ? rank : 0) };
}

function chooseRoll(choices: Choices, { shape }: Reference, mode: Mode): Attrs {
  if (shape.length === 0 || choices.rarely(3)) return { shifts: choices.of([1, -2, 5]) };
  if (choices.flag()) return { shifts: choices.of([1, -2, 5]), axis: chooseAxis(choices, shape.length, mode) };
  const axis = choices.some(
    shape.map((_, a) => a),
    1,
  );
  return { shifts: axis.map(() => choices.of([1, -2, 5])), axis };
}

const views: readonly Builder[] = [
  unary('reshape', anything, chooseShape, smooth),
  unary(
    'squeeze',
    anything,
    (choices, { shape }, mode) => choices.option('axis', () => chooseAxes(choices, shape.length, mode)),
    smooth,
  ),
  unary('unsqueeze', ranked(0, 4), chooseNewAxes, smooth),
  unary('flatten', anything, chooseFlattened, smooth),
  unary(
    'transpose',
    ranked(1),
    (choices, { shape }) => ({
      perm: choices.shuffled(shape.map((_, axis) => axis)).map((axis) => (choices.rarely(4) ? axis - shape.length : axis)),
    }),
    smooth,
  ),
  unary('t', ranked(0, 2), undefined, smooth),
  unary('broadcastTo', anything, (choices, array) => chooseTarget(choices, array, 'broadcastTo'), smooth),
  unary('expand', anything, (choices, array) => chooseTarget(choices, array, 'expand'), smooth),
  unary('slice', ranked(1), chooseSlice, smooth),
  unary(
    'flip',
    ranked(1),
    (choices, { shape }) => ({
      axis: choices.some(
        shape.map((_, axis) => axis),
        1,
      ),
    }),
    smooth,
  ),
];

export const movementBuilders: readonly Builder[] = [
  ...views,
  ...views,
  unary('roll', anything, chooseRoll, smooth),
  concat,
  stack,
  unary(
    'unstack',
    ranked(1, 4),
    (choices, { shape }, mode) => {
      const axis = chooseAxis(choices, shape.length, mode);
      return (shape.at(axis) ?? 0) > 8 ? undefined : { axis };
    },
    smooth,
  ),
  unary('split', ranked(1), chooseSections, smooth),
  unary('pad', anything, choosePadding, smooth),
  unary(
    'tile',
    ranked(0, 4),
    (choices, { shape }) => ({
      repeats: Array.from({ length: choices.below(shape.length + 2) }, () => choices.of([2, 1, 3, 0])),
    }),
    smooth,
  ),
];
