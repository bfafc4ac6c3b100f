/**
 * Host functions: the list language over dimensions in which the spec's shape rules, constraints and views are written. Generated
 * shape checkers call them, and so does the generator when it evaluates a rule. Each is pure and total: it gives a value or throws
 * a RuleError. Nothing here sees a tensor's elements.
 *
 * kernels/host-functions.ts lists those that expressions may call, with their types and meaning; what else is here (Dimensions,
 * axes, checks) is called by generated code alone.
 */
export { einsumKept, einsumLabels, einsumOwn, einsumPair, einsumProblem, einsumSizes } from './einsum.js';
export { chainSplit } from './matrix-chain.js';

import { isComplexStorage, partStorage } from './ir.js';
import type { Dtype, Shape } from './op.js';

/** Why an op refuses its arguments. */
export const ruleCodes = [
  'SHAPE_MISMATCH',
  'RANK_MISMATCH',
  'DTYPE_MISMATCH',
  'AXIS_OUT_OF_RANGE',
  'INDEX_OUT_OF_RANGE',
  'SINGULAR_MATRIX',
  'NOT_POSITIVE_DEFINITE',
  'NO_CONVERGENCE',
  'EMPTY_REDUCTION',
  'INVALID_ARGUMENT',
  'MISSING_ARGUMENT',
  'NOT_AN_INTEGER',
  'UNKNOWN_OPTION',
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

/** What a function makes of the first two entries, of that and the third, and so on. The list must not be empty. */
export function fold<T>(list: readonly T[], of: (sum: T, value: T) => T): T {
  return list.reduce((sum, value) => of(sum, value));
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
export function replace(list: Numbers, places: number | Numbers, values: number | Numbers): number[] {
  const result = [...list];
  placesOf(places).forEach((place, index) => {
    at(list, place);
    result[place] = typeof values === 'number' ? values : at(values, index);
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
  const result: T[] = [];
  for (const list of lists) result.push(...list);
  return result;
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

export const { abs, floor, ceil, sqrt } = Math;

// ---- Permutations -----------------------------------------------------------------------------------------------------------

/** Whether a list names each of 0 to rank - 1 once. */
export function isPermutation(list: Numbers, rank: number): boolean {
  return list.length === rank && range(rank).every((place) => list.includes(place));
}

export function inversePermutation(permutation: Numbers): number[] {
  if (!isPermutation(permutation, permutation.length))
    throw new RuleError('INVALID_ARGUMENT', `${show(permutation)} is not a permutation`);
  return permutation.map((_, place) => permutation.indexOf(place));
}

// ---- Shapes -----------------------------------------------------------------------------------------------------------------

/** The shape that all the given ones broadcast to, as NumPy does: aligned at the end, size 1 stretches. */
export function broadcast(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return range(rank).map((axis) => {
    const sizes = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const size = sizes.find((candidate) => candidate !== 1) ?? 1;
    if (sizes.every((candidate) => candidate === 1 || candidate === size)) return size;
    throw new RuleError(
      'SHAPE_MISMATCH',
      `shapes ${shapes.map(show).join(' and ')} do not broadcast: their sizes differ along axis ${axis - rank}`,
    );
  });
}

/** A reshape's target spelled out: -1 becomes what is left, 0 the input's size at that place. */
export function inferReshape(shape: Shape, target: Numbers): number[] {
  const copied = target.map((size, axis) => (size === 0 && axis < shape.length ? at(shape, axis) : size));
  const elements = count(shape);
  if (copied.some((size) => size < -1) || copied.filter((size) => size === -1).length > 1) {
    throw new RuleError('SHAPE_MISMATCH', `shape ${show(target)} may hold one -1, and no other negative size`);
  }
  const open = copied.indexOf(-1);
  const known = count(drop(copied, open < 0 ? [] : [open]));
  if (open < 0 ? known !== elements : known === 0 || elements % known !== 0) {
    throw new RuleError('SHAPE_MISMATCH', `${elements} elements of shape ${show(shape)} do not fit shape ${show(target)}`);
  }
  return open < 0 ? copied : replace(copied, open, elements / known);
}

/** Sizes of parts spelled out: one -1 becomes what is left, so that they add up to the whole. */
export function inferSizes(whole: number, sizes: Numbers): number[] {
  const open = sizes.indexOf(-1);
  const known = total(sizes.filter((size) => size >= 0));
  const fits = open < 0 ? known === whole : known <= whole;
  if (!fits || sizes.filter((size) => size < 0).length > (open < 0 ? 0 : 1)) {
    throw new RuleError('SHAPE_MISMATCH', `parts of sizes ${show(sizes)} do not make up ${whole}`);
  }
  return open < 0 ? [...sizes] : replace(sizes, open, whole - known);
}

/** The shape of a matrix product over broadcast leading axes; a vector is a row on the left and a column on the right. */
export function matmulShape(x: Shape, y: Shape, transposeX: boolean, transposeY: boolean): number[] {
  const left = x.length === 1 ? [1, ...x] : transposeX ? swapLast(x) : x;
  const right = y.length === 1 ? [...y, 1] : transposeY ? swapLast(y) : y;
  if (left.length < 2 || right.length < 2)
    throw new RuleError('RANK_MISMATCH', `shapes ${show(x)} and ${show(y)}: both need at least one axis`);
  const rows = at(left, left.length - 2);
  const columns = at(right, right.length - 1);
  if (at(left, left.length - 1) !== at(right, right.length - 2)) {
    throw new RuleError(
      'SHAPE_MISMATCH',
      `shapes ${show(x)} and ${show(y)} do not multiply: ${at(left, left.length - 1)} columns meet ${at(right, right.length - 2)} rows`,
    );
  }
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  return [...batch, ...(x.length === 1 ? [] : [rows]), ...(y.length === 1 ? [] : [columns])];
}

function swapLast(shape: Shape): number[] {
  const last = shape.length - 1;
  return [...shape.slice(0, -2), at(shape, last), at(shape, last - 1)];
}

// ---- Axes -------------------------------------------------------------------------------------------------------------------

/** An axis counted from the front. */
export function normaliseAxis(axis: number, rank: number): number {
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  const allowed = rank === 0 ? 'there are none' : `they run from ${-rank} to ${rank - 1}`;
  throw new RuleError('AXIS_OUT_OF_RANGE', `there is no axis ${axis}: ${allowed}`);
}

/** Axes counted from the front, ascending; none may be named twice. */
export function normaliseAxes(axes: Numbers, rank: number): number[] {
  const result = axes.map((axis) => normaliseAxis(axis, rank)).toSorted((left, right) => left - right);
  if (new Set(result).size === result.length) return result;
  throw new RuleError('INVALID_ARGUMENT', `the axes ${show(axes)} name one twice`);
}

// ---- Slices and strides -----------------------------------------------------------------------------------------------------

/** Where a slice begins, counted from the front: a negative start counts from the end, one outside is moved to the edge. */
export function sliceStart(size: number, start: number, step: number): number {
  const place = start < 0 ? start + size : start;
  return step > 0 ? Math.min(Math.max(place, 0), size) : Math.min(Math.max(place, -1), size - 1);
}

/** How many elements lie from start up to, not with, end. */
export function sliceSize(size: number, start: number, end: number, step: number): number {
  const first = sliceStart(size, start, step);
  const last = sliceStart(size, end, step);
  if (step === 0) throw new RuleError('INVALID_ARGUMENT', 'a step must not be 0');
  return Math.max(0, Math.ceil((last - first) / step));
}

/** The strides of a shape whose elements lie row by row. */
export function contiguousStrides(shape: Shape): number[] {
  return shape.map((_, axis) => count(shape.slice(axis + 1)));
}

/** The strides that show the same elements in another shape, or null where no strides can and a copy is needed. */
export function reshapeStrides(shape: Shape, strides: Numbers, target: Shape): number[] | null {
  if (count(target) === 0) return contiguousStrides(target);
  // Axes of size 1 have no step; what is left is cut into runs of axes that one stride steps through.
  const axes = range(shape.length).filter((axis) => shape[axis] !== 1);
  const result = fill(target.length, 1);
  let axis = axes.length - 1;
  let room = 1; // Elements of the current run that the target has not used up.
  let stride = 1; // The step to the next of them.
  for (let place = target.length - 1; place >= 0; place--) {
    const size = at(target, place);
    if (size === 1) continue;
    if (room === 1) {
      const inner = at(axes, axis--);
      room = at(shape, inner);
      stride = at(strides, inner);
    }
    result[place] = stride;
    // The size may reach over several axes, if each outer one goes on where the inner one ends.
    let covered = room;
    while (covered % size !== 0) {
      const outer = axes[axis--];
      if (outer === undefined || at(strides, outer) !== stride * covered) return null;
      covered *= at(shape, outer);
    }
    room = covered / size;
    stride *= size;
  }
  return result;
}

/** The strides of complex elements that lie as pairs of neighbours along the last axis; null where pairs lie otherwise. */
export function pairStrides(strides: Numbers): number[] | null {
  const outer = strides.slice(0, -1);
  if (strides.at(-1) !== 1 || outer.some((stride) => stride % 2 !== 0)) return null;
  return outer.map((stride) => stride / 2);
}

/** The strides that show a shape broadcast to another: 0 along the stretched axes. */
export function broadcastStrides(shape: Shape, strides: Numbers, target: Shape): number[] {
  const lead = target.length - shape.length;
  if (!equals(broadcast(shape, target), target))
    throw new RuleError('SHAPE_MISMATCH', `shape ${show(shape)} does not broadcast to ${show(target)}`);
  return target.map((size, axis) => (axis < lead || at(shape, axis - lead) !== size ? 0 : at(strides, axis - lead)));
}

// ---- Dtypes -----------------------------------------------------------------------------------------------------------------

const dtypeRank: Readonly<Record<Dtype, number>> = {
  bool: 0,
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 3,
  int64: 4,
  float16: 5,
  bfloat16: 5,
  float32: 6,
  float64: 7,
  complex64: 8,
  complex128: 9,
};

/** Of real numbers. */
export function isFloating(dtype: Dtype): boolean {
  return dtypeRank[dtype] >= dtypeRank.float16 && !isComplexStorage(dtype);
}

export function isInteger(dtype: Dtype): boolean {
  return dtype !== 'bool' && dtypeRank[dtype] < dtypeRank.float16;
}

export function isComplex(dtype: Dtype): boolean {
  return isComplexStorage(dtype);
}

/** The dtype of a complex dtype's parts; a real one itself. */
export function realOf(dtype: Dtype): Dtype {
  return isComplexStorage(dtype) ? partStorage[dtype] : dtype;
}

/** The complex dtype whose parts are of that dtype, or hold its elements. */
export function complexOf(dtype: Dtype): Dtype {
  return dtype === 'float64' || dtype === 'complex128' ? 'complex128' : 'complex64';
}

const integerBits: Readonly<Partial<Record<Dtype, number>>> = { uint8: 8, int8: 8, int16: 16, int32: 32, int64: 64 };

/** Whether a number can be an element of that dtype: of integers the whole numbers within their range, of the others all. */
export function holds(dtype: Dtype, value: number | boolean): boolean {
  const bits = integerBits[dtype];
  if (bits === undefined) return true;
  const [lowest, beyond] = dtype === 'uint8' ? [0, 2 ** bits] : [-(2 ** (bits - 1)), 2 ** (bits - 1)];
  return Number.isInteger(Number(value)) && Number(value) >= lowest && Number(value) < beyond;
}

/**
 * The dtype that two meet in: the wider; of an integer and a float the float; of two equally wide ones the next wider. Beside a complex
 * one it is complex, and its parts hold both.
 */
export function promote(left: Dtype, right: Dtype): Dtype {
  if (left === right) return left;
  if (isComplexStorage(left) || isComplexStorage(right)) return complexOf(promote(realOf(left), realOf(right)));
  if (dtypeRank[left] !== dtypeRank[right]) return dtypeRank[left] > dtypeRank[right] ? left : right;
  return isFloating(left) ? 'float32' : 'int16';
}

// ---- Called by generated code ------------------------------------------------------------------------------------------------

/** A computed shape, if it is one: whole sizes, none negative. */
export function checkShape(shape: Shape, output: string): Shape {
  const sound = shape.every((size) => Number.isInteger(size) && size >= 0) && count(shape) <= Number.MAX_SAFE_INTEGER;
  if (sound) return shape;
  throw new RuleError('SHAPE_MISMATCH', `the arguments lead to an impossible shape of ${output}: ${show(shape)}`);
}

export function checkRank(shape: Shape, least: number, most: number, input: string): void {
  if (shape.length >= least && shape.length <= most) return;
  const allowed =
    least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `from ${least} to ${most}`;
  throw new RuleError('RANK_MISMATCH', `${input} must have rank ${allowed}, but has shape ${show(shape)}`, input);
}

/** An input's shape against one that was computed. */
export function checkEqualShape(shape: Shape, expected: Shape, input: string): void {
  if (equals(shape, expected)) return;
  const code = shape.length === expected.length ? 'SHAPE_MISMATCH' : 'RANK_MISMATCH';
  throw new RuleError(code, `${input} must have shape ${show(expected)}, but has ${show(shape)}`, input);
}

/** One place of a shape pattern: a dimension `'m'`, a group `'...b'`, a size, or several sizes. */
export type PatternPart = string | number | Shape;

/**
 * What the names in the shape patterns of one call stand for. Inputs are matched in order; a name means what its first use bound.
 * A group that is the only one of its pattern and leads it broadcasts with its namesakes; any other must be the same everywhere.
 */
export class Dimensions {
  readonly #sizes = new Map<string, { readonly size: number; readonly input: string }>();
  readonly #groups = new Map<string, Shape>();

  match(input: string, shape: Shape, pattern: readonly PatternPart[]): void {
    const groups = pattern.filter(isGroup);
    const open = groups.filter((group) => !this.#isFixed(group, pattern, groups.length));
    if (open.length > 1)
      throw new RuleError('INVALID_ARGUMENT', `the pattern of ${input} has several groups of unknown length`, input);
    const taken = total(pattern.map((part) => (isGroup(part) && open.includes(part) ? 0 : this.#lengthOf(part))));
    const spare = shape.length - taken;
    if (spare < 0 || (open.length === 0 && spare > 0)) throw this.#mismatch('RANK_MISMATCH', input, shape, pattern);
    let axis = 0;
    for (const part of pattern) {
      const length = isGroup(part) && open.includes(part) ? spare : this.#lengthOf(part);
      const leads = groups.length === 1 && part === pattern[0];
      const problem = this.#bind(input, part, shape.slice(axis, axis + length), leads);
      if (problem !== undefined) throw this.#mismatch('SHAPE_MISMATCH', input, shape, pattern, problem);
      axis += length;
    }
  }

  /** The size bound to a name; an error where only absent inputs name it. */
  size(name: string): number {
    const bound = this.#sizes.get(name);
    if (bound === undefined) throw new RuleError('INVALID_ARGUMENT', `no input that was given has a dimension ${name}`);
    return bound.size;
  }

  /** The sizes bound to a group, broadcast over all the inputs that have it. */
  group(name: string): Shape {
    const bound = this.#groups.get(name);
    if (bound === undefined) throw new RuleError('INVALID_ARGUMENT', `no input that was given has dimensions ...${name}`);
    return bound;
  }

  /** Whether a group's length is known: it is bound, and must be the same here. */
  #isFixed(group: string, pattern: readonly PatternPart[], groups: number): boolean {
    return this.#groups.has(group.slice(3)) && !(groups === 1 && group === pattern[0]);
  }

  #lengthOf(part: PatternPart): number {
    if (isGroup(part)) return this.#groups.get(part.slice(3))?.length ?? 0;
    return typeof part === 'object' ? part.length : 1;
  }

  /** Binds one part or compares it with what is bound; says what is wrong. */
  #bind(input: string, part: PatternPart, sizes: Shape, leads: boolean): string | undefined {
    if (isGroup(part)) return this.#bindGroup(part.slice(3), sizes, leads);
    if (typeof part !== 'string') {
      const expected = typeof part === 'number' ? [part] : part;
      return equals(sizes, expected) ? undefined : `${show(sizes)} stands where ${show(expected)} is needed`;
    }
    const size = at(sizes, 0);
    const bound = this.#sizes.get(part);
    if (bound === undefined) this.#sizes.set(part, { size, input });
    else if (bound.size !== size) return `${part} is ${bound.size} in ${bound.input} and ${size} here`;
    return undefined;
  }

  #bindGroup(name: string, sizes: Shape, broadcasts: boolean): string | undefined {
    const bound = this.#groups.get(name);
    if (bound !== undefined && !broadcasts && !equals(bound, sizes))
      return `${name} is ${show(bound)} before and ${show(sizes)} here`;
    try {
      this.#groups.set(name, bound === undefined ? sizes : broadcast(bound, sizes));
    } catch {
      return `${show(bound ?? [])} and ${show(sizes)} do not broadcast`;
    }
    return undefined;
  }

  #mismatch(code: RuleCode, input: string, shape: Shape, pattern: readonly PatternPart[], problem?: string): RuleError {
    const expected = pattern.map((part) => (typeof part === 'object' ? part.join(', ') : part)).join(', ');
    const reason = problem === undefined ? '' : `: ${problem}`;
    return new RuleError(code, `${input} of shape ${show(shape)} does not fit [${expected}]${reason}`, input);
  }
}

function isGroup(part: PatternPart): part is string {
  return typeof part === 'string' && part.startsWith('...');
}

function show(list: Numbers): string {
  return `[${list.join(', ')}]`;
}

/** Computes a value when it is first asked for. Generated code uses it for values that only some calls need. */
export function lazy<T>(compute: () => T): () => T {
  let value: { readonly is: T } | undefined;
  return () => {
    value ??= { is: compute() };
    return value.is;
  };
}
