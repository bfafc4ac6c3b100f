/** Elements against what they should be: shapes and dtypes exactly, values exactly or within a stated distance. */
import type { Elements } from '../support/samples.js';

export interface Tolerance {
  /** Of each value's own size. */
  readonly relative: number;
  /** Of the size of the largest finite value, or of `scale` if that is more. */
  readonly ofLargest: number;
  readonly scale?: number;
}

/** The same bits but for NaN, which has many. */
export const exact: Tolerance = { relative: 0, ofLargest: 0 };

/** Throws where the two differ; `what` names what is compared. */
export function compareElements(what: string, actual: Elements, expected: Elements, tolerance: Tolerance): void {
  if (actual.dtype !== expected.dtype) throw new Error(`${what} has dtype ${actual.dtype}, expected ${expected.dtype}`);
  if (actual.shape.join() !== expected.shape.join() || actual.shape.length !== expected.shape.length)
    throw new Error(`${what} has shape [${actual.shape.join(', ')}], expected [${expected.shape.join(', ')}]`);
  compareValues(what, actual.values, expected.values, tolerance);
}

export function compareValues(
  what: string,
  actual: readonly number[],
  expected: readonly number[],
  { relative, ofLargest, scale = 0 }: Tolerance,
): void {
  if (actual.length !== expected.length) throw new Error(`${what} has ${actual.length} values, expected ${expected.length}`);
  const largest = expected.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), scale);
  const wrong = actual.flatMap((value, place) => {
    const wanted = expected[place]!;
    return isNear(value, wanted, relative * Math.abs(wanted) + ofLargest * largest) ? [] : [place];
  });
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 4).map((place) => `[${place}] is ${actual[place]}, expected ${expected[place]}`);
  throw new Error(`${what} differs in ${wrong.length} of ${actual.length} values: ${shown.join('; ')}`);
}

function isNear(value: number, wanted: number, allowed: number): boolean {
  if (Object.is(value, wanted) || (Number.isNaN(value) && Number.isNaN(wanted))) return true;
  if (allowed === 0) return false;
  return Math.abs(value - wanted) <= allowed || value === wanted;
}
