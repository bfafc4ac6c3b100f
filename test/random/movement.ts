/** The reference's ops that move elements: shapes, slices, joins, indexing, sorting. Nothing is computed, so errors move along. */
import type { Dtype } from '../../entry/index.js';
import {
  axisOf,
  broadcastTo,
  coordinatesOf,
  exact,
  placeOf,
  type Reference,
  Refused,
  rearranged,
  sizeOf,
  withShape,
} from './array.js';
import { anything, undecided } from './bounded.js';
import { applyBinary, converted, unify } from './elementwise.js';
import type { Element } from './formats.js';
import { isInteger } from './formats.js';

// ---- Shapes

export function reshape(x: Reference, shape: readonly number[]): Reference {
  const size = sizeOf(x.shape);
  const rest = sizeOf(shape.filter((one) => one !== -1));
  const target = shape.map((one) => (one === -1 ? (rest === 0 ? 0 : size / rest) : one));
  if (sizeOf(target) !== size) throw new Refused(`${size} elements in ${JSON.stringify(shape)}`);
  return withShape(x, target);
}

export function squeeze(x: Reference, axis: number | readonly number[] | null): Reference {
  const rank = x.shape.length;
  const named = axis === null ? x.shape.map((_, place) => place) : [axis].flat().map((one) => axisOf(one, rank));
  return withShape(
    x,
    x.shape.filter((size, place) => size !== 1 || !named.includes(place)),
  );
}

export function unsqueeze(x: Reference, axis: number | readonly number[]): Reference {
  const axes = [axis].flat();
  const rank = x.shape.length + axes.length;
  const places = axes.map((one) => axisOf(one, rank));
  const rest = [...x.shape];
  return withShape(
    x,
    Array.from({ length: rank }, (_, place) => (places.includes(place) ? 1 : rest.shift()!)),
  );
}

export function flatten(x: Reference, startAxis: number, stopAxis: number): Reference {
  const rank = Math.max(x.shape.length, 1);
  const [first, last] = [axisOf(startAxis, rank), axisOf(stopAxis, rank)];
  if (first > last) throw new Refused('axes in the wrong order');
  return withShape(x, [...x.shape.slice(0, first), sizeOf(x.shape.slice(first, last + 1)), ...x.shape.slice(last + 1)]);
}

export function transpose(x: Reference, perm: readonly number[]): Reference {
  const axes = perm.map((one) => axisOf(one, x.shape.length));
  if (new Set(axes).size !== x.shape.length || axes.length !== x.shape.length) throw new Refused('no permutation');
  return rearranged(
    x,
    axes.map((axis) => x.shape[axis]!),
    (at) => {
      const origin = new Array<number>(axes.length).fill(0);
      axes.forEach((axis, place) => {
        origin[axis] = at[place]!;
      });
      return placeOf(origin, x.shape);
    },
  );
}

export function expand(x: Reference, shape: readonly number[]): Reference {
  const lead = shape.length - x.shape.length;
  return broadcastTo(
    x,
    shape.map((size, axis) => (size === -1 ? x.shape[axis - lead]! : size)),
  );
}

// ---- Slices and joins

/** The places that a Python slice `start:stop:step` names. */
function slicePlaces(size: number, start: number, stop: number, step: number): number[] {
  const clamp = (place: number, low: number, high: number): number =>
    Math.min(Math.max(place < 0 ? place + size : place, low), high);
  const places: number[] = [];
  if (step > 0) for (let p = clamp(start, 0, size); p < clamp(stop, 0, size); p += step) places.push(p);
  else for (let p = clamp(start, -1, size - 1); p > clamp(stop, -1, size - 1); p += step) places.push(p);
  return places;
}

export function slice(
  x: Reference,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
  steps: readonly number[] | null,
): Reference {
  const chosen = x.shape.map((size) => Array.from({ length: size }, (_, place) => place));
  axes.forEach((named, i) => {
    const axis = axisOf(named, x.shape.length);
    chosen[axis] = slicePlaces(x.shape[axis]!, starts[i]!, ends[i]!, steps?.[i] ?? 1);
  });
  return selected(x, chosen);
}

/** The elements at some places along each axis. */
function selected(x: Reference, chosen: readonly (readonly number[])[]): Reference {
  return rearranged(
    x,
    chosen.map((places) => places.length),
    (at) =>
      placeOf(
        at.map((one, axis) => chosen[axis]![one]!),
        x.shape,
      ),
  );
}

export function flip(x: Reference, axis: number | readonly number[]): Reference {
  const axes = [axis].flat().map((one) => axisOf(one, x.shape.length));
  return rearranged(x, x.shape, (at) =>
    placeOf(
      at.map((one, a) => (axes.includes(a) ? x.shape[a]! - 1 - one : one)),
      x.shape,
    ),
  );
}

export function roll(x: Reference, shifts: number | readonly number[], axis: number | readonly number[] | null): Reference {
  if (axis === null) {
    if (typeof shifts !== 'number') throw new Refused('one shift for the flattened tensor');
    return withShape(roll(withShape(x, [sizeOf(x.shape)]), [shifts], [0]), x.shape);
  }
  const axes = [axis].flat().map((one) => axisOf(one, x.shape.length));
  const steps = [shifts].flat();
  return rearranged(x, x.shape, (at) => {
    const origin = [...at];
    axes.forEach((a, i) => {
      const size = x.shape[a]!;
      origin[a] = (((origin[a]! - steps[i]!) % size) + size) % size;
    });
    return placeOf(origin, x.shape);
  });
}

export function concat(given: readonly Reference[], axis: number): Reference {
  const { dtype } = unify(given.map((one) => ({ ...one, shape: [0], values: [], errors: [] })));
  const xs = given.map((one) => converted(one, dtype));
  const along = axisOf(axis, xs[0]!.shape.length);
  for (const one of xs)
    if (one.shape.length !== xs[0]!.shape.length || one.shape.some((size, a) => a !== along && size !== xs[0]!.shape[a]))
      throw new Refused('shapes differ');
  const size = xs.reduce((total, one) => total + one.shape[along]!, 0);
  const shape = xs[0]!.shape.map((one, a) => (a === along ? size : one));
  const values: Element[] = [];
  const errors: number[] = [];
  for (let place = 0; place < sizeOf(shape); place++) {
    const at = coordinatesOf(place, shape);
    let which = 0;
    while (at[along]! >= xs[which]!.shape[along]!) at[along]! -= xs[which++]!.shape[along]!;
    const origin = placeOf(at, xs[which]!.shape);
    values.push(xs[which]!.values[origin]!);
    errors.push(xs[which]!.errors[origin]!);
  }
  return { dtype, shape, values, errors };
}

export function stack(xs: readonly Reference[], axis: number): Reference {
  const place = axisOf(axis, xs[0]!.shape.length + 1);
  return concat(
    xs.map((one) => unsqueeze(one, place)),
    place,
  );
}

export function split(x: Reference, sections: number | readonly number[], axis: number): Reference[] {
  const along = axisOf(axis, x.shape.length);
  const size = x.shape[along]!;
  const known = typeof sections === 'number' ? [] : sections.filter((one) => one !== -1);
  const sizes =
    typeof sections === 'number'
      ? new Array<number>(sections).fill(size / sections)
      : sections.map((one) => (one === -1 ? size - known.reduce((a, b) => a + b, 0) : one));
  if (sizes.some((one) => !Number.isInteger(one) || one < 0) || sizes.reduce((a, b) => a + b, 0) !== size)
    throw new Refused('parts do not fit');
  let start = 0;
  return sizes.map((one) => {
    start += one;
    return slice(x, [along], [start - one], [start], null);
  });
}

export function unstack(x: Reference, axis: number): Reference[] {
  const along = axisOf(axis, x.shape.length);
  return Array.from({ length: x.shape[along]! }, (_, place) => squeeze(slice(x, [along], [place], [place + 1], null), along));
}

export function pad(x: Reference, padding: readonly number[], value: number): Reference {
  const shape = x.shape.map((size, a) => size + padding[2 * a]! + padding[2 * a + 1]!);
  if (shape.some((size) => size < 0)) throw new Refused('cropped too far');
  const filler: Element = isInteger(x.dtype) ? BigInt(value) : x.dtype === 'bool' ? Number(value !== 0) : value;
  return rearranged(
    x,
    shape,
    (at) => {
      const origin = at.map((one, a) => one - padding[2 * a]!);
      return origin.some((one, a) => one < 0 || one >= x.shape[a]!) ? undefined : placeOf(origin, x.shape);
    },
    filler,
  );
}

export function tile(x: Reference, repeats: readonly number[]): Reference {
  const rank = Math.max(x.shape.length, repeats.length);
  const inner = [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
  const outer = [...new Array<number>(rank - repeats.length).fill(1), ...repeats];
  return rearranged(
    x,
    inner.map((size, a) => size * outer[a]!),
    (at) =>
      placeOf(
        at.map((one, a) => one % inner[a]!),
        inner,
      ),
  );
}

// ---- Indexing

/** Integers in an index, counted from the front; refused out of range. */
function counted(index: Reference, size: number): number[] {
  return index.values.map((value) => {
    const place = Number(value) < 0 ? Number(value) + size : Number(value);
    if (place < 0 || place >= size) throw new Refused(`index ${value} of ${size}`);
    return place;
  });
}

export function indexSelect(x: Reference, index: Reference, axis: number): Reference {
  const along = axisOf(axis, x.shape.length);
  const places = counted(index, x.shape[along]!);
  return selected(
    x,
    x.shape.map((size, a) => (a === along ? places : Array.from({ length: size }, (_, p) => p))),
  );
}

export function gatherNd(x: Reference, index: Reference): Reference {
  const k = index.shape.at(-1)!;
  const tail = x.shape.slice(k);
  const rows = sizeOf(index.shape.slice(0, -1));
  const starts = Array.from({ length: rows }, (_, row) =>
    x.shape.slice(0, k).reduce((place, size, j) => {
      const [one] = counted(exact('int64', [1], [index.values[row * k + j]!]), size);
      return place * size + one!;
    }, 0),
  );
  const inner = sizeOf(tail);
  return rearranged(x, [...index.shape.slice(0, -1), ...tail], (at) => {
    const place = placeOf(at, [...index.shape.slice(0, -1), ...tail]);
    return starts[Math.floor(place / inner)]! * inner + (place % inner);
  });
}

/** Updates set or added at places of a copy, one after another. */
function updated(x: Reference, updates: Reference, target: (place: number) => number, add: boolean): Reference {
  const values = [...x.values];
  const errors = [...x.errors];
  for (let place = 0; place < updates.values.length; place++) {
    const to = target(place);
    const one = { ...updates, shape: [], values: [updates.values[place]!], errors: [updates.errors[place]!] };
    const so = { ...x, shape: [], values: [values[to]!], errors: [errors[to]!] };
    const next = add ? applyBinary('add', [so, one], { loose: false }) : one;
    values[to] = next.values[0]!;
    errors[to] = next.errors[0]!;
  }
  return { ...x, values, errors };
}

export function scatter(x: Reference, index: Reference, updates: Reference, overwrite: boolean): Reference {
  const places = counted(index, x.shape[0]!);
  const inner = sizeOf(x.shape.slice(1));
  const target = (place: number): number => places[Math.floor(place / inner)]! * inner + (place % inner);
  if (overwrite) return updated(x, updates, target, false);
  const zeros = {
    ...updates,
    values: updates.values.map((value) => (typeof value === 'bigint' ? 0n : 0)),
    errors: updates.errors.map(() => 0),
  };
  return updated(updated(x, zeros, target, false), updates, target, true);
}

export function scatterNdAdd(x: Reference, index: Reference, updates: Reference): Reference {
  const k = index.shape.at(-1)!;
  const rows = sizeOf(x.shape.slice(0, k));
  const inner = sizeOf(x.shape.slice(k));
  const numbers = withShape(
    exact(
      'int64',
      [rows * inner],
      Array.from({ length: rows * inner }, (_, p) => BigInt(p)),
    ),
    x.shape,
  );
  const targets = gatherNd(numbers, index).values.map(Number);
  return updated(x, updates, (place) => targets[place]!, true);
}

/** Where each element of an index along an axis points. */
function pointed(x: Reference, index: Reference, axis: number): (place: number) => number {
  const along = axisOf(axis, x.shape.length);
  const places = counted(index, x.shape[along]!);
  return (place) => {
    const at = coordinatesOf(place, index.shape);
    at[along] = places[place]!;
    return placeOf(at, x.shape);
  };
}

export function takeAlongAxis(x: Reference, index: Reference, axis: number): Reference {
  const origin = pointed(x, index, axis);
  return rearranged(x, index.shape, (at) => origin(placeOf(at, index.shape)));
}

export function putAlongAxis(x: Reference, index: Reference, values: Reference, axis: number, add: boolean): Reference {
  return updated(x, values, pointed(x, index, axis), add);
}

export function oneHot(x: Reference, classes: number, dtype: Dtype): Reference {
  const values = x.values.flatMap((value) => Array.from({ length: classes }, (_, place) => Number(Number(value) === place)));
  const errors = x.errors.flatMap((error) => new Array<number>(classes).fill(error > 0 ? anything : 0));
  return converted({ dtype: 'bool', shape: [...x.shape, classes], values, errors }, dtype);
}

export function nonzero(x: Reference): Reference {
  const found = x.values.flatMap((value, place) => (Number(value) !== 0 ? [coordinatesOf(place, x.shape)] : []));
  return exact('int32', [found.length, x.shape.length], found.flat().map(BigInt));
}

export function maskedSelect(x: Reference, mask: Reference): Reference {
  const places = mask.values.flatMap((value, place) => (value !== 0 ? [place] : []));
  return rearranged(withShape(x, [x.values.length]), [places.length], ([place]) => places[place!]!);
}

// ---- Sorting

/** Negative where the first comes first, ascending; NaN comes last. */
function order(a: Element, b: Element): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The first `k` places along an axis in stable order. */
export function sorted(x: Reference, axis: number, descending: boolean, k?: number): { values: Reference; index: Reference } {
  const along = axisOf(axis, x.shape.length);
  const n = x.shape[along]!;
  const shape = x.shape.map((size, a) => (a === along ? (k ?? size) : size));
  const index = new Array<Element>(sizeOf(shape)).fill(0n);
  const open = new Array<number>(sizeOf(shape)).fill(0);
  const errors = new Array<number>(sizeOf(shape)).fill(0);
  const lines = x.shape.map((size, a) => (a === along ? 1 : size));
  for (let line = 0; line < sizeOf(lines); line++) {
    const at = coordinatesOf(line, lines);
    const place = (one: number, inShape: readonly number[]): number =>
      placeOf(
        at.map((c, a) => (a === along ? one : c)),
        inShape,
      );
    const from = Array.from({ length: n }, (_, one) => place(one, x.shape));
    const bounded = (one: number) => ({ value: Number(x.values[from[one]!]), error: x.errors[from[one]!]! });
    const places = Array.from({ length: n }, (_, one) => one).sort(
      (a, b) => (descending ? -1 : 1) * order(x.values[from[a]!]!, x.values[from[b]!]!) || a - b,
    );
    const unclear = places.some((one, i) => i > 0 && undecided(bounded(places[i - 1]!), bounded(one)));
    const worst = Math.max(0, ...from.map((one) => x.errors[one]!));
    for (let i = 0; i < (k ?? n); i++) {
      index[place(i, shape)] = BigInt(places[i]!);
      open[place(i, shape)] = unclear ? anything : 0;
      errors[place(i, shape)] = worst;
    }
  }
  const indices: Reference = { dtype: 'int32', shape, values: index, errors: open };
  return { values: { ...takeAlongAxis(x, { ...indices }, along), errors }, index: indices };
}

export function unique(x: Reference): Reference[] {
  const places = x.values.map((_, place) => place).sort((a, b) => order(x.values[a]!, x.values[b]!) || a - b);
  const firsts = places.filter((place, i) => i === 0 || order(x.values[places[i - 1]!]!, x.values[place]!) !== 0);
  const rank = (place: number): number => firsts.findIndex((first) => order(x.values[first]!, x.values[place]!) === 0);
  const inverse = x.values.map((_, place) => rank(place));
  const counts = firsts.map((_, which) => inverse.filter((one) => one === which).length);
  const integers = (values: readonly number[]): Reference => exact('int32', [values.length], values.map(BigInt));
  return [
    rearranged(withShape(x, [x.values.length]), [firsts.length], ([at]) => firsts[at!]!),
    integers(firsts),
    integers(inverse),
    integers(counts),
  ];
}
