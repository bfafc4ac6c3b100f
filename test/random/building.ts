/**
 * What the builders of random calls share: choosing values, axes and numbers. A builder gives nothing where no value fits. In eager programs
 * it sometimes breaks a rule on purpose: the library must refuse the call then, as the reference does.
 */
import { type Reference, sizeOf } from './array.js';
import type { Choices } from './choices.js';
import { allDtypes, isFloat, isInteger } from './formats.js';
import type { Argument, ProgramCall } from './program.js';

/** Ops one by one on tensors, all ops in one traced graph, or smooth float64 ops for gradients. */
export type Mode = 'eager' | 'fused' | 'gradient';

export type Built = Pick<ProgramCall, 'inputs' | 'attrs'>;
export interface Builder {
  readonly op: string;
  /** Whether its gradient can be compared with central differences. */
  readonly smooth: boolean;
  /** Whether it can stand in a traced graph: its shape does not depend on data. */
  readonly traced: boolean;
  readonly build: (choices: Choices, values: readonly Reference[], mode: Mode) => Built | undefined;
}

export interface Chosen {
  readonly argument: Argument;
  readonly array: Reference;
}

/** A value that fits, the later ones being likelier. */
export function chooseValue(
  choices: Choices,
  values: readonly Reference[],
  fits: (array: Reference) => boolean = () => true,
): Chosen | undefined {
  const candidates = values.flatMap((array, value): Chosen[] => (fits(array) ? [{ argument: { value }, array }] : [])).reverse();
  if (candidates.length === 0) return undefined;
  const first = choices.below(2 * candidates.length);
  return candidates[first < candidates.length ? first : 0];
}

export const floating = ({ dtype }: Reference): boolean => isFloat(dtype);
export const integral = ({ dtype }: Reference): boolean => isInteger(dtype);
export const numeric = ({ dtype }: Reference): boolean => dtype !== 'bool';
export const boolean = ({ dtype }: Reference): boolean => dtype === 'bool';
export const ranked =
  (least: number, most = 6) =>
  ({ shape }: Reference): boolean =>
    shape.length >= least && shape.length <= most;
export const nonempty = ({ shape }: Reference): boolean => sizeOf(shape) > 0;
export const both =
  (...tests: readonly ((array: Reference) => boolean)[]) =>
  (array: Reference): boolean =>
    tests.every((test) => test(array));

/** Small numbers that every float dtype holds exactly. */
export const chooseNumber = (choices: Choices): number => choices.of([2, 1, 0.5, -1, 0, -2.5, 3, 0.25, -0.75, 4]);
export const chooseInteger = (choices: Choices): number => choices.of([2, 1, 3, -1, 0, -2, 5]);
export const chooseDtype = (choices: Choices): Reference['dtype'] => choices.of(allDtypes);

/** An axis, from the front or the end; in eager programs now and then one out of range. */
export function chooseAxis(choices: Choices, rank: number, mode: Mode): number {
  if (mode === 'eager' && choices.rarely(60)) return rank;
  const axis = choices.below(rank);
  return choices.flag() ? axis : axis - rank;
}

/** Null, one axis or several. */
export function chooseAxes(choices: Choices, rank: number, mode: Mode): number | number[] | null {
  const kind = choices.below(4);
  if (kind === 0 || rank === 0) return null;
  if (kind < 3) return chooseAxis(choices, rank, mode);
  return choices.shuffled(
    choices.some(
      Array.from({ length: rank }, (_, axis) => (choices.flag() ? axis : axis - rank)),
      1,
    ),
  );
}

export const constant = (array: Reference): Argument => ({ constant: array });

/** An op that takes its argument in one way only. */
export function unary(
  op: string,
  fits: (array: Reference) => boolean,
  attrs: (choices: Choices, array: Reference, mode: Mode) => ProgramCall['attrs'] | undefined = () => ({}),
  { smooth = false, traced = true } = {},
): Builder {
  return {
    op,
    smooth,
    traced,
    build: (choices, values, mode) => {
      const x = chooseValue(choices, values, fits);
      const given = x === undefined ? undefined : attrs(choices, x.array, mode);
      return x === undefined || given === undefined ? undefined : { inputs: { x: x.argument }, attrs: given };
    },
  };
}
