/** Random shapes, dtypes and elements. */
import type { Dtype } from '../../entry/index.js';
import { type Reference, sizeOf } from './array.js';
import type { Mode } from './building.js';
import type { Choices } from './choices.js';
import { allDtypes, type Element, isFloat, isInteger, roundTo, wrap } from './formats.js';

const sizes = [2, 3, 1, 4, 5, 3, 2, 7, 8, 1, 16, 17, 0, 6, 33, 3, 2, 9, 64, 130];

function drawShape(choices: Choices, mode: Mode): number[] {
  const rank = choices.of([2, 1, 3, 0, 2, 4, 3, 5, 1, 2]);
  const shape = Array.from({ length: rank }, () => choices.of(mode === 'gradient' ? sizes.slice(0, 8) : sizes));
  const limit = mode === 'gradient' ? 40 : choices.rarely(8) ? 5000 : 600;
  while (sizeOf(shape) > limit) shape[shape.indexOf(Math.max(...shape))] = 2;
  return shape;
}

const inputDtypes: readonly Dtype[] = ['float32', 'float32', 'float64', 'float32', ...allDtypes, 'int32'];

export function drawInput(choices: Choices, mode: Mode): Reference {
  const dtype = mode === 'gradient' ? 'float64' : choices.of(inputDtypes);
  const shape = drawShape(choices, mode);
  return drawArray(choices, dtype, shape, mode === 'gradient' ? 0 : choices.below(8));
}

/** Elements of a kind: 0 to 3 of moderate size, 4 and 5 small whole numbers, 6 with special values, 7 of all sizes. */
export function drawArray(choices: Choices, dtype: Dtype, shape: readonly number[], kind: number): Reference {
  const next = randomNumbers(choices.below(0xfffff));
  const values = Array.from({ length: sizeOf(shape) }, (): Element => {
    if (dtype === 'bool') return Number(next() < 0.5);
    if (isInteger(dtype)) return wrap(dtype, drawInteger(next, kind));
    return isFloat(dtype) ? roundTo(dtype, drawFloat(next, kind)) : 0;
  });
  return { dtype, shape, values, errors: new Array<number>(values.length).fill(0) };
}

function drawInteger(next: () => number, kind: number): bigint {
  if (kind < 6) return BigInt(Math.floor(next() * 21) - 10);
  return BigInt.asIntN(64, BigInt(Math.floor((next() - 0.5) * 2 ** (next() * 66))));
}

const specials = [0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 65504, 1e-8, 3e38, 1e-40];

function drawFloat(next: () => number, kind: number): number {
  if (kind < 4) return (next() - 0.5) * (kind + 1) * 2;
  if (kind < 6) return Math.floor(next() * 9) - 4;
  if (kind === 6) return specials[Math.floor(next() * specials.length)]!;
  return (next() < 0.5 ? -1 : 1) * 2 ** ((next() - 0.5) * 80);
}

/** Mulberry32: the same numbers for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
