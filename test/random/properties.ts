/** The properties that random programs are checked by, for the short run in the tests and the long one by command. */
import fc from 'fast-check';
import type { Mode } from './building.js';
import { Coverage } from './library.js';
import { genes } from './program.js';
import { runProgram } from './run.js';

export const modes: readonly Mode[] = ['eager', 'fused', 'gradient'];

/** Calls of a program at most: gradients take many evaluations of each. */
const lengths: Readonly<Record<Mode, number>> = { eager: 10, fused: 14, gradient: 5 };

export interface Outcome {
  readonly coverage: Coverage;
  /** What went wrong in the smallest failing program, and how to repeat it; undefined where nothing did. */
  readonly failure: string | undefined;
}

interface CheckOptions {
  /** Begins with the program of an earlier run, and runs only that. */
  readonly path?: string | undefined;
  /** Whether a failing program is made smaller. */
  readonly shrink?: boolean;
  /** Called with the number of each program before it runs; smaller forms of a failing one keep its number. */
  readonly begins?: (program: number) => void;
}

/** The command that runs one program of a seed again. */
export const repeatCommand = (mode: Mode, seed: number, program: number): string =>
  `npm run fuzz -- --mode ${mode} --seed ${seed} --path ${program}`;

export function checkPrograms(
  mode: Mode,
  count: number,
  seed: number,
  { path, shrink = true, begins }: CheckOptions = {},
): Outcome {
  const coverage = new Coverage();
  let program = Number.parseInt(path ?? '0', 10);
  let failed = false;
  const property = fc.property(genes(lengths[mode]), (drawn) => {
    begins?.(program);
    try {
      runProgram(drawn, mode, coverage);
    } catch (error) {
      failed = true;
      throw error;
    }
    if (!failed) program++;
  });
  const details = fc.check(property, {
    seed,
    endOnFailure: !shrink,
    ...(path === undefined ? { numRuns: count } : { path, numRuns: 1 }),
  });
  if (!details.failed) return { coverage, failure: undefined };
  const error = details.errorInstance instanceof Error ? details.errorInstance.message : String(details.errorInstance);
  return {
    coverage,
    failure: `${error}\n  after ${details.numRuns} programs and ${details.numShrinks} steps of shrinking\n  repeat: ${repeatCommand(mode, seed, program)}`,
  };
}
