/** Random calls of ops that take an index or order elements. Indices are constants; in eager programs now and then one is out of range. */
import { exact, type Reference, sizeOf } from './array.js';
import {
  type Builder,
  type Built,
  boolean,
  both,
  chooseAxis,
  chooseDtype,
  chooseValue,
  constant,
  type Mode,
  nonempty,
  numeric,
  ranked,
  unary,
} from './building.js';
import type { Choices } from './choices.js';
import { drawArray, randomNumbers } from './draw.js';

function chooseIndex(choices: Choices, shape: readonly number[], limits: readonly number[], mode: Mode): Reference {
  const next = randomNumbers(choices.below(0xfffff));
  const wild = mode === 'eager' && choices.rarely(30);
  const values = Array.from({ length: sizeOf(shape) }, (_, place) => {
    const limit = limits[place % limits.length]!;
    return BigInt(Math.floor(next() * 2 * limit) - limit + (wild && next() < 0.2 ? 2 * limit : 0));
  });
  return exact(choices.of(['int32', 'int64']), shape, values);
}

/** Each index once, so that it does not matter which of two updates of a place is the last. */
function distinct(choices: Choices, count: number, size: number): bigint[] {
  return choices
    .shuffled(Array.from({ length: size }, (_, place) => BigInt(place - (choices.flag() ? size : 0))))
    .slice(0, count);
}

const rows = both(ranked(1), nonempty);

function selecting(op: 'gather' | 'indexSelect'): Builder {
  return {
    op,
    smooth: true,
    traced: true,
    build: (choices, values, mode): Built | undefined => {
      const x = chooseValue(choices, values, rows);
      if (x === undefined) return undefined;
      const axis = op === 'gather' ? 0 : chooseAxis(choices, x.array.shape.length, mode);
      const index = chooseIndex(choices, [choices.of([3, 1, 0, 5, 9])], [x.array.shape.at(axis) ?? 1], mode);
      return { inputs: { x: x.argument, index: constant(index) }, ...(op === 'gather' ? { attrs: {} } : { attrs: { axis } }) };
    },
  };
}

/** A random array of a value's dtype. */
function updatesFor(choices: Choices, { dtype }: Reference, shape: readonly number[]): Reference {
  return drawArray(choices, dtype, shape, 1);
}

const gatherNd: Builder = {
  op: 'gatherNd',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(choices, values, rows);
    if (x === undefined) return undefined;
    const k = choices.between(1, x.array.shape.length);
    const index = chooseIndex(choices, [...choices.of([[3], [], [2, 2], [0]]), k], x.array.shape.slice(0, k), mode);
    return { inputs: { x: x.argument, index: constant(index) }, attrs: {} };
  },
};

const scatterNdAdd: Builder = {
  op: 'scatterNdAdd',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(choices, values, both(rows, numeric));
    if (x === undefined) return undefined;
    const { shape } = x.array;
    const k = choices.between(1, shape.length);
    const outer = choices.of([[3], [], [2, 2], [0]]);
    const index = chooseIndex(choices, [...outer, k], shape.slice(0, k), mode);
    const updates = updatesFor(choices, x.array, [...outer, ...shape.slice(k)]);
    return { inputs: { x: x.argument, index: constant(index), updates: constant(updates) }, attrs: {} };
  },
};

const scatter: Builder = {
  op: 'scatter',
  smooth: true,
  traced: true,
  build: (choices, values) => {
    const x = chooseValue(choices, values, both(rows, numeric));
    if (x === undefined) return undefined;
    const [size, ...inner] = x.array.shape;
    const overwrite = choices.flag();
    const count = choices.between(0, Math.min(size!, 4));
    const places = overwrite
      ? distinct(choices, count, size!)
      : Array.from({ length: count }, () => BigInt(choices.below(size!)));
    const index = exact(choices.of(['int32', 'int64']), [count], places);
    const updates = updatesFor(choices, x.array, [count, ...inner]);
    return { inputs: { x: x.argument, index: constant(index), updates: constant(updates) }, attrs: { overwrite } };
  },
};

function along(choices: Choices, x: Reference, mode: Mode, unrepeated: boolean): { index: Reference; axis: number } {
  const axis = chooseAxis(choices, x.shape.length, mode);
  const at = (axis + x.shape.length) % x.shape.length;
  const size = x.shape[at]!;
  const count = unrepeated ? Math.min(size, choices.of([1, 0, 2])) : choices.of([1, 3, 0, 2]);
  const shape = x.shape.map((one, a) => (a === at ? count : one));
  if (!unrepeated) return { index: chooseIndex(choices, shape, [size], mode), axis };
  // Consecutive places, wrapped around: no two along the axis are the same.
  const inner = sizeOf(shape.slice(at + 1));
  const start = choices.below(size);
  const values = Array.from({ length: sizeOf(shape) }, (_, place) =>
    BigInt((start + (count === 0 ? 0 : Math.floor(place / inner) % count)) % size),
  );
  return { index: exact('int32', shape, values), axis };
}

const takeAlongAxis: Builder = {
  op: 'takeAlongAxis',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(choices, values, rows);
    if (x === undefined) return undefined;
    const { index, axis } = along(choices, x.array, mode, false);
    return { inputs: { x: x.argument, index: constant(index) }, attrs: { axis } };
  },
};

const putAlongAxis: Builder = {
  op: 'putAlongAxis',
  smooth: true,
  traced: true,
  build: (choices, values, mode) => {
    const x = chooseValue(choices, values, both(rows, numeric));
    if (x === undefined) return undefined;
    const add = choices.flag();
    const { index, axis } = along(choices, x.array, mode, !add);
    const updates = updatesFor(choices, x.array, index.shape);
    return {
      inputs: { x: x.argument, index: constant(index), values: constant(updates) },
      attrs: { axis, reduce: add ? 'add' : 'assign' },
    };
  },
};

const maskedSelect: Builder = {
  op: 'maskedSelect',
  smooth: false,
  traced: false,
  build: (choices, values): Built | undefined => {
    const x = chooseValue(choices, values);
    if (x === undefined) return undefined;
    const same = chooseValue(
      choices,
      values,
      both(boolean, ({ shape }) => String(shape) === String(x.array.shape)),
    );
    const mask = same?.argument ?? constant(drawArray(choices, 'bool', x.array.shape, 0));
    return { inputs: { x: x.argument, mask }, attrs: {} };
  },
};

const sorting = (choices: Choices, { shape }: Reference, mode: Mode) => ({
  ...choices.option('axis', () => chooseAxis(choices, shape.length, mode)),
  ...choices.option('descending', () => choices.flag()),
});
const index32or64 = ({ dtype }: Reference): boolean => dtype === 'int32' || dtype === 'int64';
const withoutNaN = ({ values }: Reference): boolean => !values.some((value) => Number.isNaN(value));

export const indexingBuilders: readonly Builder[] = [
  selecting('gather'),
  selecting('indexSelect'),
  gatherNd,
  scatterNdAdd,
  scatter,
  takeAlongAxis,
  putAlongAxis,
  unary('oneHot', both(index32or64, ranked(0, 4)), (choices) => ({
    numClasses: choices.of([3, 1, 5]),
    ...choices.option('dtype', () => chooseDtype(choices)),
  })),
  unary('nonzero', () => true, undefined, { traced: false }),
  maskedSelect,
  unary('sort', both(numeric, ranked(1)), sorting, { smooth: true }),
  unary('argsort', both(numeric, ranked(1)), sorting),
  unary('topk', both(numeric, rows), (choices, { shape }, mode) => {
    const axis = chooseAxis(choices, shape.length, mode);
    return { axis, k: choices.between(1, shape.at(axis) ?? 1), ...choices.option('largest', () => choices.flag()) };
  }),
  unary(
    'unique',
    both(numeric, withoutNaN, ({ shape }) => sizeOf(shape) <= 300),
    undefined,
    { traced: false },
  ),
];
