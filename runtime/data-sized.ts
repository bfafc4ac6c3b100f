/**
 * Functions whose results have a size that only the elements tell. Each asks an op for that size, waits for the answer, and leaves the rest to
 * ops that are given it; so gradients flow as they do through those.
 */
import { tensorOf } from './create.js';
import type { TensorLike } from './dispatch.js';
import { isInteger } from './dtype.js';
import { type ErrorCode, OpwrightError } from './errors.js';
import { tidy } from './memory.js';
import { checkOptions } from './options.js';
import { ops } from './registry.js';
import type { Tensor } from './tensor.js';

export interface BincountOptions {
  /** How much each element counts; 1 if left out. */
  readonly weights?: TensorLike;
  /** How many counts there are at least. */
  readonly minlength?: number;
}

export interface AxisOptions {
  /** The axis whose parts are meant; the flattened tensor if left out. */
  readonly axis?: number;
}

export interface UniqueConsecutive {
  /** The first part of each run. */
  readonly out: Tensor;
  /** For each part, the number of its run. */
  readonly inverse: Tensor;
  /** How many parts each run has. */
  readonly counts: Tensor;
}

/** How often each whole number from 0 up to the largest occurs in x [n], or the sum of the weights [n] of its places. */
export function bincount(x: TensorLike, options: BincountOptions = {}): Tensor {
  checkOptions('bincount', options, ['weights', 'minlength']);
  const { weights, minlength = 0 } = options;
  const refused = refusedBy('bincount');
  if (!Number.isInteger(minlength) || minlength < 0)
    throw refused('INVALID_ARGUMENT', 'minlength', 'minlength must be a whole number from 0 on.');
  return tidy(() => {
    const numbers = tensorOf(x, 'int32');
    if (!isInteger(numbers.dtype)) throw refused('DTYPE_MISMATCH', 'x', `x must hold integers, not ${numbers.dtype}.`);
    if (numbers.rank !== 1) throw refused('RANK_MISMATCH', 'x', `x must be a vector, but has ${numbers.rank} axes.`);
    const [least, largest] = numbers.size === 0 ? [0, -1] : [wholeNumber(ops.min(numbers)), wholeNumber(ops.max(numbers))];
    if (least < 0) throw refused('INVALID_ARGUMENT', 'x', `x must not hold negative numbers, but ${least} is among them.`);
    const length = Math.max(largest + 1, minlength);
    return ops.binCounts(numbers, weights ?? ops.ones(numbers.shape, { dtype: 'int32' }), length);
  });
}

/** The first part of each run of equal parts along an axis, with the way back and the lengths of the runs. */
export function uniqueConsecutive(x: TensorLike, options: AxisOptions = {}): UniqueConsecutive {
  checkOptions('uniqueConsecutive', options, ['axis']);
  return tidy(() => {
    const { parts, axis } = partsAlong('uniqueConsecutive', x, options.axis);
    const begins = ops.runBegins(parts, { axis });
    const places = ops.flatten(ops.nonzero(begins));
    return {
      out: ops.indexSelect(parts, places, { axis }),
      inverse: ops.runNumbers(begins),
      counts: ops.runLengths(places, begins.size),
    };
  });
}

/** Each part of a tensor along an axis as often in a row as `counts` [n] says of it. */
export function repeatByCounts(x: TensorLike, counts: TensorLike, options: AxisOptions = {}): Tensor {
  checkOptions('repeatByCounts', options, ['axis']);
  const refused = refusedBy('repeatByCounts');
  return tidy(() => {
    const { parts, axis } = partsAlong('repeatByCounts', x, options.axis);
    const times = tensorOf(counts, 'int32');
    if (!isInteger(times.dtype)) throw refused('DTYPE_MISMATCH', 'counts', `counts must hold integers, not ${times.dtype}.`);
    const size = parts.shape[axis];
    if (times.rank !== 1 || times.size !== size)
      throw refused('SHAPE_MISMATCH', 'counts', `counts must be a vector of ${size}, one for each part, not [${times.shape}].`);
    if (size === 0) return parts;
    if (wholeNumber(ops.min(times)) < 0) throw refused('INVALID_ARGUMENT', 'counts', 'counts must not be negative.');
    const ends = ops.cumsum(ops.cast(times, 'int32'));
    const length = wholeNumber(ops.slice(ends, [0], [size - 1], [size]));
    return ops.indexSelect(parts, ops.repeatedPlaces(ends, length), { axis });
  });
}

function partsAlong(op: string, x: TensorLike, axis: number | undefined): { parts: Tensor; axis: number } {
  const given = tensorOf(x);
  if (axis === undefined) return { parts: ops.reshape(given, [given.size]), axis: 0 };
  if (Number.isInteger(axis) && axis >= -given.rank && axis < given.rank)
    return { parts: given, axis: axis < 0 ? axis + given.rank : axis };
  const allowed = given.rank === 0 ? 'x has none' : `they run from ${-given.rank} to ${given.rank - 1}`;
  throw refusedBy(op)('AXIS_OUT_OF_RANGE', 'axis', `x has no axis ${axis}: ${allowed}.`);
}

const wholeNumber = (x: Tensor): number => Number(x.item());

const refusedBy =
  (op: string) =>
  (code: ErrorCode, argument: string, summary: string): OpwrightError =>
    new OpwrightError(code, summary, { op, argument });
