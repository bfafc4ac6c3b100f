/**
 * Checks of what layers are constructed with. Arguments of forward are checked by the ops that compute with them.
 */
import { formatValue, OpwrightError } from '../errors.js';

/** Throws unless `value` is an integer of at least `least`. */
export function checkInteger(layer: string, argument: string, value: number, least = 1): void {
  if (Number.isInteger(value) && value >= least) return;
  const code = Number.isInteger(value) ? 'INVALID_ARGUMENT' : 'NOT_AN_INTEGER';
  throw new OpwrightError(code, `${argument} must be an integer of at least ${least}, not ${formatValue(value)}.`, {
    op: layer,
    argument,
  });
}

/** A number for height and width alike, or one for each. */
export type Pair = number | readonly [number, number];

/** Height and width of a pair of integers of at least 1. */
export function windowOf(layer: string, argument: string, value: Pair): readonly [number, number] {
  const [height, width] = typeof value === 'number' ? [value, value] : value;
  checkInteger(layer, argument, height);
  checkInteger(layer, argument, width);
  return [height, width];
}
