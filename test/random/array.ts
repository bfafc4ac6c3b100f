/**
 * The reference evaluator's arrays: row-major elements, each with a bound on how far the library's element may lie from it.
 *
 * The bound is a running error bound: each operation adds its own roundings to what it passes on of its operands' bounds. Infinity means
 * that anything goes, for example because the operands' bounds leave open which way a comparison goes. An infinite or NaN element
 * with bound 0 must be met exactly.
 */
import type { Dtype } from '../../entry/index.js';
import type { Element } from './formats.js';

export interface Reference {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly values: readonly Element[];
  readonly errors: readonly number[];
}

/** The library must refuse the call, too. */
export class Refused extends Error {}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Elements without error. */
export function exact(dtype: Dtype, shape: readonly number[], values: readonly Element[]): Reference {
  return { dtype, shape, values, errors: new Array<number>(values.length).fill(0) };
}

export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** The coordinates of each place, in row-major order. */
export function coordinatesOf(place: number, shape: readonly number[]): number[] {
  const coordinates = new Array<number>(shape.length).fill(0);
  let rest = place;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    coordinates[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return coordinates;
}

export function placeOf(coordinates: readonly number[], shape: readonly number[]): number {
  return coordinates.reduce((place, coordinate, axis) => place * shape[axis]! + coordinate, 0);
}

/** An array whose element at each coordinate is found at a place of another; `undefined` gives the filler. */
export function rearranged(
  source: Reference,
  shape: readonly number[],
  from: (coordinates: readonly number[]) => number | undefined,
  filler: Element = 0,
): Reference {
  const values: Element[] = [];
  const errors: number[] = [];
  const size = sizeOf(shape);
  for (let place = 0; place < size; place++) {
    const origin = from(coordinatesOf(place, shape));
    values.push(origin === undefined ? filler : source.values[origin]!);
    errors.push(origin === undefined ? 0 : source.errors[origin]!);
  }
  return { dtype: source.dtype, shape, values, errors };
}

export function broadcastShapes(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1).filter((size) => size !== 1);
    if (sizes.some((size) => size !== sizes[0])) throw new Refused(`shapes ${JSON.stringify(shapes)} do not broadcast`);
    return sizes[0] ?? 1;
  });
}

export function broadcastTo(source: Reference, shape: readonly number[]): Reference {
  const strides = stridesOf(source.shape);
  const lead = shape.length - source.shape.length;
  if (String(broadcastShapes(source.shape, shape)) !== String([...shape])) throw new Refused('it does not stretch to that shape');
  if (lead === 0 && source.shape.every((size, axis) => size === shape[axis])) return source;
  return rearranged(source, shape, (at) =>
    source.shape.reduce((place, size, axis) => place + (size === 1 ? 0 : at[lead + axis]! * strides[axis]!), 0),
  );
}

export function axisOf(axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) throw new Refused(`axis ${axis} of rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

export function withShape(source: Reference, shape: readonly number[]): Reference {
  return { ...source, shape };
}

export const floats = (source: Reference): readonly number[] => source.values.map(Number);
export const bigints = (source: Reference): readonly bigint[] => source.values.map(BigInt);
