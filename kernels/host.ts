/**
 * Host functions: the list language over dimensions in which the spec's shape rules, constraints and views are written. Generated
 * shape checkers call them, and so does the generator when it evaluates a rule. Each is pure and total: it gives a value or throws
 * a RuleError. Nothing here sees a tensor's elements.
 *
 * `hostFunctions` (kernels/host-table.ts) lists those that expressions may call, with their types and meaning.
 */
import type { Dtype, Shape } from './op.js';

/** Why an op refuses its arguments. */
export const ruleCodes = [
  'SHAPE_MISMATCH',
  'RANK_MISMATCH',
  'DTYPE_MISMATCH',
  'AXIS_OUT_OF_RANGE',
  'INDEX_OUT_OF_RANGE',
  'EMPTY_REDUCTION',
  'INVALID_ARGUMENT',
] as const;
export type RuleCode = (typeof ruleCodes)[number];

/** A rule of an op that its arguments break. Whoever called the op adds its name and the arguments' shapes. */
export class RuleError extends Error {
  readonly code: RuleCode;
  /** The argument at fault, where it is one alone. */
  readonly argument: string | undefined;

  constructor(code: RuleCode, message: string, argument?: string) {
    super(message);
    this.name = 'RuleError';
    this.code = code;
    this.argument = argument;
  }
}

type Numbers = readonly number[];

/** Longer lists come from a wrong argument, never from a shape. */
const longestList = 1 << 24;

function checkLength(length: number): number {
  if (Number.isInteger(length) && length >= 0 && length <= longestList) return length;
  throw new RuleError('INVALID_ARGUMENT', `a list cannot have ${length} entries`);
}

// ---- Lists ------------------------------------------------------------------------------------------------------------------

export function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new RuleError('INVALID_ARGUMENT', `there is no entry ${index} in a list of ${list.length}`);
  return value;
}

/** `range(3)` is [0, 1, 2]; `range(2, 5)` is [2, 3, 4]; empty where `to` does not exceed `from`. */
export function range(from: number, to?: number): number[] {
  const [first, end] = to === undefined ? [0, from] : [from, to];
  return Array.from({ length: checkLength(Math.max(0, end - first)) }, (_, index) => first + index);
}

export function fill<T>(length: number, value: T): T[] {
  return Array.from({ length: checkLength(length) }, () => value);
}

export function each<T, U>(list: readonly T[], of: (value: T, index: number) => U): U[] {
  return list.map((value, index) => of(value, index));
}

export function filter<T>(list: readonly T[], keep: (value: T, index: number) => boolean): T[] {
  return list.filter((value, index) => keep(value, index));
}

export function all<T>(list: readonly T[], holds: (value: T, index: number) => boolean): boolean {
  return list.every((value, index) => holds(value, index));
}

export function some<T>(list: readonly T[], holds: (value: T, index: number) => boolean): boolean {
  return list.some((value, index) => holds(value, index));
}

export function count(list: Numbers): number {
  return list.reduce((product, size) => product * size, 1);
}

export function total(list: Numbers): number {
  return list.reduce((sum, size) => sum + size, 0);
}

/** The list with other values at some places: one value for all of them, or one for each. */
export function replace<T>(list: readonly T[], places: number | Numbers, values: T | readonly T[]): T[] {
  const result = [...list];
  placesOf(places).forEach((place, index) => {
    at(list, place);
    result[place] = isList(values) ? at(values, index) : values;
  });
  return result;
}

export function drop<T>(list: readonly T[], places: number | Numbers): T[] {
  const dropped = placesOf(places);
  for (const place of dropped) at(list, place);
  return list.filter((_, index) => !dropped.includes(index));
}

/** The list with a value put in so that it stands at each of the places of the result. */
export function insert<T>(list: readonly T[], places: number | Numbers, value: T): T[] {
  const result = [...list];
  for (const place of placesOf(places).toSorted((left, right) => left - right)) {
    if (!Number.isInteger(place) || place < 0 || place > result.length) {
      throw new RuleError('INVALID_ARGUMENT', `there is no place ${place} in a list of ${result.length}`);
    }
    result.splice(place, 0, value);
  }
  return result;
}

/** The entries from one place up to, not with, another; what lies outside the list is left out. */
export function take<T>(list: readonly T[], from: number, to: number): T[] {
  return list.slice(Math.max(0, from), Math.max(0, to));
}

/** The entries at some places, in the places' order. */
export function pick<T>(list: readonly T[], places: Numbers): T[] {
  return places.map((place) => at(list, place));
}

export function reverse<T>(list: readonly T[]): T[] {
  return list.toReversed();
}

export function flatten<T>(lists: readonly (readonly T[])[]): T[] {
  return lists.flat() as T[];
}

export function contains<T>(list: readonly T[], value: T): boolean {
  return list.includes(value);
}

/** Whether two values are the same, lists entry by entry. */
export function equals(left: unknown, right: unknown): boolean {
  if (!isList(left) || !isList(right)) return left === right;
  return left.length === right.length && left.every((value, index) => equals(value, right[index]));
}

function placesOf(places: number | Numbers): Numbers {
  return typeof places === 'number' ? [places] : places;
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

export function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

/** Whether an optional argument was given. */
export function present<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}

// ---- Arithmetic -------------------------------------------------------------------------------------------------------------

/** The quotient rounded down. */
export function idiv(left: number, right: number): number {
  if (right === 0) throw new RuleError('INVALID_ARGUMENT', `${left} cannot be divided by 0`);
  return Math.floor(left / right);
}

export function min(...values: Numbers): number {
  return Math.min(...values);
}

export function max(...values: Numbers): number {
  return Math.max(...values);
}

export const { abs, floor, ceil, sqrt, exp, log } = Math;
