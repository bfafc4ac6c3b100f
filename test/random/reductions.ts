/**
 * The reference's reductions, normalisations and products, in float64 and bigints, with bounds for sums in any order.
 *
 * The sum of n terms in float type u', in any order and grouping, is off by at most about (n + 2) u' times the sum of their sizes; a
 * product by n u' of itself. The 16-bit floats are summed in float32 and rounded once.
 */
import type { Dtype } from '../../entry/index.js';
import {
  axisOf,
  broadcastShapes,
  broadcastTo,
  coordinatesOf,
  placeOf,
  type Reference,
  Refused,
  sizeOf,
  withShape,
} from './array.js';
import { anything, type Bounded, rounded, sure, undecided } from './bounded.js';
import {
  applyBinary,
  applySmooth,
  converted,
  floatOf,
  integerOf,
  mapFloats,
  type Setting,
  smoothFunctions,
  unify,
} from './elementwise.js';
import type { Element, FloatDtype } from './formats.js';
import { formats, isFloat, wrap } from './formats.js';

export type Axes = number | readonly number[] | null;

export function axesOf(axis: Axes, rank: number): number[] {
  if (axis === null) return Array.from({ length: rank }, (_, place) => place);
  return (typeof axis === 'number' ? [axis] : axis).map((one) => axisOf(one, rank));
}

export function reducedShape(shape: readonly number[], axes: readonly number[], keepdim: boolean): number[] {
  return shape.flatMap((size, axis) => (axes.includes(axis) ? (keepdim ? [1] : []) : [size]));
}

/** The places that are reduced to each element, in row-major order. */
function groups(shape: readonly number[], axes: readonly number[]): number[][] {
  const kept = reducedShape(shape, axes, true);
  const result = Array.from({ length: sizeOf(kept) }, (): number[] => []);
  for (let place = 0; place < sizeOf(shape); place++) {
    const at = coordinatesOf(place, shape).map((coordinate, axis) => (axes.includes(axis) ? 0 : coordinate));
    result[placeOf(at, kept)]!.push(place);
  }
  return result;
}

type Fold = (values: readonly Element[], errors: readonly number[]) => readonly [Element, number];

export function reduce(x: Reference, axis: Axes, keepdim: boolean, dtype: Dtype, fold: Fold): Reference {
  const axes = axesOf(axis, x.shape.length);
  const results = groups(x.shape, axes).map((places) =>
    fold(
      places.map((place) => x.values[place]!),
      places.map((place) => x.errors[place]!),
    ),
  );
  return {
    dtype,
    shape: reducedShape(x.shape, axes, keepdim),
    values: results.map(([value]) => value),
    errors: results.map(([, error]) => error),
  };
}

// ---- Sums and products

export function sumOf(terms: readonly Bounded[], dtype: FloatDtype, loose: boolean): Bounded {
  let value = 0;
  let sizes = 0;
  let error = 0;
  for (const term of terms) {
    value += term.value;
    if (Number.isFinite(term.value)) sizes += Math.abs(term.value);
    error += term.error;
  }
  const { computeUnit } = formats[dtype];
  const widest = dtype === 'float64' ? Number.MAX_VALUE : formats.float32.largest;
  // Beside an infinite term, a part that overflows may make NaN of the sum.
  if (!Number.isNaN(value) && sizes > widest * 0.99) return { value, error: anything };
  const gathered = Number.isFinite(value) ? (terms.length + 2) * computeUnit * sizes : 0;
  return rounded(value, error + gathered, dtype, 1, loose);
}

function productOf(factors: readonly Bounded[], dtype: FloatDtype, loose: boolean): Bounded {
  let value = 1;
  let relative = factors.length * formats[dtype].computeUnit * 2;
  let up = 1;
  let down = 1;
  for (const factor of factors) {
    value *= factor.value;
    const size = Math.abs(factor.value);
    if (factor.error > 0) relative += size > 2 * factor.error ? (2 * factor.error) / size : anything;
    if (size > 1) up *= size;
    else if (size > 0) down *= size;
  }
  const { smallest, largest } = formats[dtype === 'float64' ? dtype : 'float32'];
  if (!Number.isFinite(value)) {
    // Infinity times zero is NaN in every order; but finite factors need not overflow, and may vanish before infinity meets them.
    const plain = factors.every((factor) => Number.isFinite(factor.value));
    const vanishing = !Number.isNaN(value) && down < smallest * 2 ** 30;
    return { value, error: plain || vanishing || relative === anything ? anything : 0 };
  }
  if (up > largest) return { value, error: anything };
  const vanished = down < smallest * 2 ** 30 ? up * smallest * factors.length : 0;
  return rounded(value, (value === 0 ? 0 : Math.abs(value) * relative) + vanished, dtype, 1, loose);
}

const bounded = (values: readonly Element[], errors: readonly number[]): Bounded[] =>
  values.map((value, place) => ({ value: Number(value), error: errors[place]! }));

function accumulate(
  x: Reference,
  axis: Axes,
  keepdim: boolean,
  float: (terms: readonly Bounded[], dtype: FloatDtype) => Bounded,
  integer: (terms: readonly bigint[]) => bigint,
): Reference {
  return reduce(x, axis, keepdim, x.dtype, (values, errors) => {
    if (isFloat(x.dtype)) {
      const { value, error } = float(bounded(values, errors), x.dtype);
      return [value, error];
    }
    const error = errors.some((one) => one > 0) ? anything : 0;
    return [wrap(integerOf(x.dtype), integer(values.map(BigInt))), error];
  });
}

export function sum(x: Reference, axis: Axes, keepdim: boolean, { loose }: Setting): Reference {
  return accumulate(
    x,
    axis,
    keepdim,
    (terms, dtype) => sumOf(terms, dtype, loose),
    (terms) => terms.reduce((total, term) => total + term, 0n),
  );
}

export function prod(x: Reference, axis: Axes, keepdim: boolean, { loose }: Setting): Reference {
  return accumulate(
    x,
    axis,
    keepdim,
    (factors, dtype) => productOf(factors, dtype, loose),
    (factors) => factors.reduce((total, factor) => BigInt.asIntN(64, total * factor), 1n),
  );
}

export function cumsum(x: Reference, axis: number | null, { loose }: Setting): Reference {
  const flat = axis === null ? withShape(x, [sizeOf(x.shape)]) : x;
  const along = axisOf(axis ?? 0, flat.shape.length);
  const values = [...flat.values];
  const errors = [...flat.errors];
  for (const places of groups(flat.shape, [along])) {
    places.forEach((place, count) => {
      const before = places.slice(0, count + 1);
      const part = {
        ...flat,
        shape: [count + 1],
        values: before.map((p) => flat.values[p]!),
        errors: before.map((p) => flat.errors[p]!),
      };
      const total = sum(part, null, false, { loose });
      values[place] = total.values[0]!;
      errors[place] = total.errors[0]!;
    });
  }
  return { ...flat, values, errors };
}

// ---- Extremes

/** There is no extreme of nothing, even where no result would be. */
function refuseNothing(x: Reference, axis: Axes): void {
  if (axesOf(axis, x.shape.length).some((one) => x.shape[one] === 0)) throw new Refused('there is no extreme of nothing');
}

/** The largest (sign 1) or smallest (sign -1); NaN if there is one. */
export function extreme(x: Reference, axis: Axes, keepdim: boolean, sign: 1 | -1): Reference {
  refuseNothing(x, axis);
  return reduce(x, axis, keepdim, x.dtype, (values, errors) => {
    const nan = values.find((value) => Number.isNaN(value));
    const best = nan ?? values.reduce((so, value) => ((sign > 0 ? value > so : value < so) ? value : so));
    return [best, Math.max(...errors)];
  });
}

/** The place of the first extreme; NaN counts as one. */
export function extremePlace(x: Reference, axis: number | null, keepdim: boolean, dtype: Dtype, sign: 1 | -1): Reference {
  refuseNothing(x, axis);
  return reduce(x, axis, keepdim, dtype, (values, errors) => {
    let best = 0;
    for (let place = 1; place < values.length; place++) {
      if (Number.isNaN(values[best])) break;
      const [value, so] = [values[place]!, values[best]!];
      if (Number.isNaN(value) || (sign > 0 ? value > so : value < so)) best = place;
    }
    const at = (place: number): Bounded => ({ value: Number(values[place]), error: errors[place]! });
    const open = values.some((_, place) => place !== best && undecided(at(place), at(best)));
    return [BigInt(best), open ? anything : 0];
  });
}

export function quantified(x: Reference, axis: Axes, keepdim: boolean, all: boolean): Reference {
  return reduce(x, axis, keepdim, 'bool', (values, errors) => [
    Number(all ? values.every((value) => value !== 0) : values.some((value) => value !== 0)),
    errors.some((error) => error > 0) ? anything : 0,
  ]);
}

// ---- Composites: computed in the compute type, rounded once. Their bounds follow from those of their parts.

function inComputeType(x: Reference, setting: Setting, run: (wide: Reference) => Reference): Reference {
  const dtype = floatOf(x.dtype);
  const half = dtype === 'float16' || dtype === 'bfloat16';
  const result = run(half ? converted(x, 'float32') : x);
  return half ? mapFloats(result, dtype, ({ value, error }) => rounded(value, error, dtype, 1, setting.loose)) : result;
}

const plain: Setting = { loose: false };
const smooth = (name: string, x: Reference): Reference => applySmooth(x, smoothFunctions[name]!({}), plain);
const binary = (name: string, a: Reference | number, b: Reference | number): Reference => applyBinary(name, [a, b], plain);

const count = (x: Reference, axis: Axes): number => axesOf(axis, x.shape.length).reduce((n, a) => n * x.shape[a]!, 1);

function meanOf(x: Reference, axis: Axes, keepdim: boolean): Reference {
  return binary('divide', sum(x, axis, keepdim, plain), count(x, axis));
}

function varianceOf(x: Reference, axis: Axes, unbiased: boolean, keepdim: boolean): Reference {
  const centred = binary('subtract', x, meanOf(x, axis, true));
  const divisor = Math.max(count(x, axis) - (unbiased ? 1 : 0), 0);
  return binary('divide', sum(binary('multiply', centred, centred), axis, keepdim, plain), divisor);
}

export const mean = (x: Reference, axis: Axes, keepdim: boolean, setting: Setting): Reference =>
  inComputeType(x, setting, (wide) => meanOf(wide, axis, keepdim));
export const variance = (x: Reference, axis: Axes, unbiased: boolean, keepdim: boolean, setting: Setting): Reference =>
  inComputeType(x, setting, (wide) => varianceOf(wide, axis, unbiased, keepdim));
export const std = (x: Reference, axis: Axes, unbiased: boolean, keepdim: boolean, setting: Setting): Reference =>
  inComputeType(x, setting, (wide) => smooth('sqrt', varianceOf(wide, axis, unbiased, keepdim)));

/** Exponentials less the largest, which is taken as a plain number: its error cancels. */
function shifted(x: Reference, axis: Axes): { top: Reference; exponentials: Reference; shifted: Reference } {
  const top = extreme(x, axis, true, 1);
  const difference = binary('subtract', x, top);
  return { top, shifted: difference, exponentials: smooth('exp', difference) };
}

export function softmax(x: Reference, axis: number, setting: Setting): Reference {
  return inComputeType(x, setting, (wide) => {
    const { exponentials } = shifted(wide, axis);
    return binary('divide', exponentials, sum(exponentials, axis, true, plain));
  });
}

export function logSoftmax(x: Reference, axis: number, setting: Setting): Reference {
  return inComputeType(x, setting, (wide) => {
    const { exponentials, shifted: difference } = shifted(wide, axis);
    return binary('subtract', difference, smooth('log', sum(exponentials, axis, true, plain)));
  });
}

/** Its parts may be stored in the dtype and read back. */
export function logsumexp(x: Reference, axis: Axes, keepdim: boolean): Reference {
  const { top } = shifted(x, axis);
  const shift = mapFloats(top, floatOf(top.dtype), (at) => (Number.isFinite(at.value) ? at : sure(0)));
  const total = sum(smooth('exp', binary('subtract', x, shift)), axis, true, plain);
  const result = binary('add', smooth('log', total), shift);
  return withShape(result, reducedShape(x.shape, axesOf(axis, x.shape.length), keepdim));
}

export function norm(x: Reference, p: number | string, axis: Axes, keepdim: boolean, setting: Setting): Reference {
  return inComputeType(x, setting, (wide) => {
    const size = mapFloats(wide, floatOf(wide.dtype), ({ value, error }) => ({ value: Math.abs(value), error }));
    if (p === 'inf') return extreme(size, axis, keepdim, 1);
    if (p === '-inf') return extreme(size, axis, keepdim, -1);
    if (p === 1) return sum(size, axis, keepdim, plain);
    if (p === 0) {
      const counted = mapFloats(size, floatOf(size.dtype), (at) =>
        undecided(at, sure(0)) ? { value: 1, error: 1 } : sure(Number(at.value !== 0)),
      );
      return sum(counted, axis, keepdim, plain);
    }
    if (p === 'fro' || p === 2) return smooth('sqrt', sum(binary('multiply', size, size), axis, keepdim, plain));
    return binary('pow', sum(binary('pow', size, Number(p)), axis, keepdim, plain), 1 / Number(p));
  });
}

export function layerNorm(
  x: Reference,
  weight: Reference | undefined,
  bias: Reference | undefined,
  tail: number,
  epsilon: number,
  setting: Setting,
): Reference {
  return inComputeType(x, setting, (wide) => {
    const axes = Array.from({ length: tail }, (_, place) => wide.shape.length - tail + place);
    const centred = binary('subtract', wide, meanOf(wide, axes, true));
    const deviation = smooth('rsqrt', binary('add', meanOf(binary('multiply', centred, centred), axes, true), epsilon));
    const scaled = binary('multiply', centred, deviation);
    const weighted = weight === undefined ? scaled : binary('multiply', scaled, weight);
    return bias === undefined ? weighted : binary('add', weighted, bias);
  });
}

// ---- Products of matrices

function matrixOf(x: Reference, transpose: boolean): Reference {
  if (!transpose) return x;
  const shape = [...x.shape.slice(0, -2), x.shape.at(-1)!, x.shape.at(-2)!];
  const places = Array.from({ length: sizeOf(shape) }, (_, place) => {
    const at = coordinatesOf(place, shape);
    return placeOf([...at.slice(0, -2), at.at(-1)!, at.at(-2)!], x.shape);
  });
  return { ...x, shape, values: places.map((p) => x.values[p]!), errors: places.map((p) => x.errors[p]!) };
}

export function matmul(
  left: Reference,
  right: Reference,
  transposeX: boolean,
  transposeY: boolean,
  { loose }: Setting,
): Reference {
  const { dtype } = unifyDtypes(left, right);
  if (left.shape.length === 0 || right.shape.length === 0) throw new Refused('a number is no matrix');
  const [x, y] = [converted(left, dtype), converted(right, dtype)];
  const a = x.shape.length === 1 ? withShape(x, [1, ...x.shape]) : matrixOf(x, transposeX);
  const b = y.shape.length === 1 ? withShape(y, [...y.shape, 1]) : matrixOf(y, transposeY);
  const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  if (b.shape.at(-2) !== k) throw new Refused('inner sizes differ');
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [wideA, wideB] = [broadcastTo(a, [...batch, m, k]), broadcastTo(b, [...batch, k, n])];
  const values: number[] = [];
  const errors: number[] = [];
  for (let which = 0; which < sizeOf(batch); which++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        const terms = Array.from({ length: k }, (_, l) =>
          productTerm(wideA, (which * m + i) * k + l, wideB, (which * k + l) * n + j),
        );
        const { value, error } = sumOf(terms, dtype, loose);
        values.push(value);
        errors.push(error);
      }
  const rows = x.shape.length === 1 ? [] : [m];
  const columns = y.shape.length === 1 ? [] : [n];
  return { dtype, shape: [...batch, ...rows, ...columns], values, errors };
}

function productTerm(a: Reference, p: number, b: Reference, q: number): Bounded {
  const [x, y, ex, ey] = [Number(a.values[p]), Number(b.values[q]), a.errors[p]!, b.errors[q]!];
  const error = ex + ey === 0 ? 0 : Math.abs(x) * ey + Math.abs(y) * ex + ex * ey;
  return { value: x * y, error: Number.isNaN(error) ? anything : error };
}

function unifyDtypes(x: Reference, y: Reference): { dtype: FloatDtype } {
  const empty = (one: Reference): Reference => ({ ...one, shape: [0], values: [], errors: [] });
  return { dtype: floatOf(unify([empty(x), empty(y)]).dtype) };
}
