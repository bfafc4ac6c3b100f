/**
 * What an op that users see should have beyond what it needs to work: documentation, an example, errors, oracles, its Paddle names. The
 * spec is sound without; `opwright stats` counts what is missing, and the library's own tests allow nothing to be.
 */
import type { Op } from './model.js';

/** What an op may lack, in the order of a report. */
const needs: Readonly<Record<string, Need>> = {
  example: { has: (op) => op.example !== undefined },
  'meaning of each attribute': { has: (op) => op.attrs.every(({ summary }) => summary !== undefined) },
  'error sample': { has: (op) => op.errors.length > 0 },
  golden: { has: (op, goldens) => op.random || goldens === undefined || op.samples.length <= (goldens[op.name] ?? 0) },
  'Paddle name': { has: (op) => op.names.length > 0 || op.differences !== undefined },
  'reason for a kernel by hand': { internalToo: true, has: (op) => op.body.kind !== 'library' || op.escape !== undefined },
};

interface Need {
  readonly internalToo?: boolean;
  /** `goldens` counts them by op; undefined where they are not installed. */
  readonly has: (op: Op, goldens: Goldens | undefined) => boolean;
}

export type Goldens = Readonly<Record<string, number>>;

/** The ops that lack something, by what they lack. */
export function gapsOf(ops: readonly Op[], goldens: Goldens | undefined): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    Object.entries(needs).map(([what, { internalToo = false, has }]) => [
      what,
      ops.filter((op) => (internalToo || !op.internal) && !has(op, goldens)).map(({ name }) => name),
    ]),
  );
}
