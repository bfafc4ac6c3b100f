/** Elements against what they should be: shapes and dtypes exactly, values exactly or within a stated distance. */
import type { Dtype } from '../../kernels/op.js';
import { partsOf } from '../../runtime/dtype.js';
import type { Elements } from '../support/samples.js';
import type { OpCase } from './cases.js';
import { type ElementsByName, listElements } from './invoke.js';
import { epsilonOf } from './tensors.js';

export interface Tolerance {
  /** Of each value's own size. */
  readonly relative: number;
  /** Of the size of the largest finite value, or of `scale` if that is more. */
  readonly ofLargest: number;
  readonly scale?: number;
}

/** The same bits, the sign of 0 included; NaN, which has many, is like NaN. */
export const exact: Tolerance = { relative: 0, ofLargest: 0 };

/** Goldens have nine digits. */
export const goldenTolerance = 1e-8;

/**
 * How far the results of two ways of rounding may lie apart. Elementwise kernels are good to some units in the last place; in all else
 * terms may cancel, and what is left of them is measured by what went in.
 */
export function roundingTolerance(test: OpCase, dtype: Dtype, inputs: ElementsByName, besides = 0): Tolerance {
  const epsilon = epsilonOf(dtype);
  if (epsilon === 0) return { relative: 0, ofLargest: 0 };
  if (test.kind === 'map') return { relative: 8 * epsilon + besides, ofLargest: 0 };
  const scale = Math.min(1, largestOf(listElements(inputs).flatMap(({ values }) => values)));
  return { relative: 16 * epsilon + besides, ofLargest: 4 * epsilon + besides, scale };
}

/** Throws where the two differ; `what` names what is compared. */
export function compareElements(what: string, actual: Elements, expected: Elements, tolerance: Tolerance): void {
  if (actual.dtype !== expected.dtype) throw new Error(`${what} has dtype ${actual.dtype}, expected ${expected.dtype}`);
  if (actual.shape.join() !== expected.shape.join() || actual.shape.length !== expected.shape.length)
    throw new Error(`${what} has shape [${actual.shape.join(', ')}], expected [${expected.shape.join(', ')}]`);
  compareValues(what, actual.values, expected.values, tolerance, partsOf(expected.dtype));
}

/** `parts` is 2 where values are those of complex elements: an element's own size is then its distance from 0. */
export function compareValues(
  what: string,
  actual: readonly number[],
  expected: readonly number[],
  tolerance: Tolerance,
  parts: 1 | 2 = 1,
): void {
  if (actual.length !== expected.length) throw new Error(`${what} has ${actual.length} values, expected ${expected.length}`);
  const { relative, ofLargest, scale = 0 } = tolerance;
  const largest = Math.max(scale, largestOf(expected));
  /** A complex number of which one part is infinite is so as a whole: the other part may be anything but NaN. */
  const sizeAt = (place: number): number =>
    parts === 1 ? Math.abs(expected[place]!) : Math.hypot(expected[place & -2]!, expected[place | 1]!);
  const isNear = (value: number, wanted: number, place: number): boolean => {
    if (Object.is(value, wanted)) return true;
    if (tolerance === exact) return false;
    // Nothing but itself is near to infinity, from which all else is infinitely far.
    if (!Number.isFinite(wanted)) return value === wanted;
    return Math.abs(value - wanted) <= relative * sizeAt(place) + ofLargest * largest;
  };
  const wrong = actual.flatMap((value, place) => (isNear(value, expected[place]!, place) ? [] : [place]));
  if (wrong.length === 0) return;
  const show = (value: number | undefined) => (Object.is(value, -0) ? '-0' : String(value));
  const shown = wrong.slice(0, 4).map((place) => `[${place}] is ${show(actual[place])}, expected ${show(expected[place])}`);
  throw new Error(`${what} differs in ${wrong.length} of ${actual.length} values: ${shown.join('; ')}`);
}

/** The size of the largest finite value. */
export function largestOf(values: readonly number[]): number {
  return values.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
}
