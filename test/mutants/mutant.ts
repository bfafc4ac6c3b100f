/** What a planted fault is, and what a run of the tests says of it. */

/** The classes that faults are counted by. */
export const faultClasses = [
  'flipped sign in a gradient',
  'wrong derivative rule',
  'missing un-broadcast',
  'wrong saved value',
  'wrong shape rule',
  'dropped constraint',
  'wrong formula',
  'wrong stride',
  'wrong parameter of a kernel',
  'wrong reduction identity',
  'off-by-one loop bound or vector tail',
  'wrong dtype conversion',
  'overrun',
  'wrong partition of a graph',
  'wrong instruction',
] as const;
export type FaultClass = (typeof faultClasses)[number];

/** Replaces the text from `start` to `end`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Which tests are run, in this order, until one fails. */
export interface Plan {
  /** Ops whose matrix is run. */
  readonly ops: readonly string[];
  /** The matrix's checks, the likeliest to fail first; all of them where none are named. */
  readonly first?: readonly string[];
  /** Whether random programs are run, and the matrix's sizes: what a fault in one op's definition does not need. */
  readonly thorough?: boolean;
  /** Test files, without `.test.js`. */
  readonly suites?: readonly string[];
}

export interface Mutant {
  /** Stable, so that survivors can be recorded: what is mutated and how. */
  readonly id: string;
  readonly fault: FaultClass;
  /** In dist/. */
  readonly file: string;
  readonly edits: readonly Edit[];
  readonly plan: Plan;
}

export interface Verdict {
  readonly killed: boolean;
  /** The check or suite that failed, `crash` or `hang`. */
  readonly by: string;
  readonly message: string;
}

export function applyEdits(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((so, { start, end, text: inserted }) => so.slice(0, start) + inserted + so.slice(end), text);
}
