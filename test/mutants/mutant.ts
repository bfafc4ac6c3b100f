/** What a planted fault is, which tests it is shown to, and what they say of it. Nothing is planted or run here. */

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
  'wrong bookkeeping of a call',
  'missing barrier',
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
  /** Ops whose matrix is run, one after another. */
  readonly ops: readonly string[];
  /** The matrix's checks that are likeliest to fail; the others come after them. */
  readonly first?: readonly string[];
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
  /** `invalid`: what was planted is no program, and says nothing about the tests. */
  readonly outcome: 'killed' | 'survived' | 'invalid';
  /** The check or suite that failed, `crash` or `hang`. */
  readonly by: string;
  readonly message: string;
}

export function applyEdits(text: string, edits: readonly Edit[]): string {
  return edits
    .toSorted((a, b) => b.start - a.start)
    .reduce((so, { start, end, text: inserted }) => so.slice(0, start) + inserted + so.slice(end), text);
}
