/** Tests many mutants, two at a time, and counts by class what the tests saw. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faultClasses, type Mutant, type Verdict } from './mutant.js';
import { showTo, tryMutant } from './trial.js';

const processes = 2;

export interface Trial {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
}

/** `ended` is told of each trial as it ends. Results come in the mutants' order. */
export async function tryAll(mutants: readonly Mutant[], ended: (trial: Trial) => void = () => {}): Promise<Trial[]> {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-mutants-'));
  const trials: Trial[] = [];
  let next = 0;
  const work = async (worker: number): Promise<void> => {
    for (let at = next++; at < mutants.length; at = next++) {
      const mutant = mutants[at]!;
      const trial = { mutant, verdict: await tryMutant(mutant, folder, worker) };
      trials[at] = trial;
      ended(trial);
    }
  };
  try {
    await Promise.all(Array.from({ length: processes }, (_, worker) => work(worker)));
  } finally {
    rmSync(folder, { recursive: true });
  }
  return trials;
}

/** What fails of the mutants' plans although nothing is planted: it would count every mutant as killed. */
export async function failuresWithoutMutant(mutants: readonly Mutant[]): Promise<string[]> {
  const ops = [...new Set(mutants.flatMap(({ plan }) => plan.ops))];
  const suites = [...new Set(mutants.flatMap(({ plan }) => plan.suites ?? []))];
  const plans = Array.from({ length: processes }, (_, part) => ({
    ops: ops.filter((_, at) => at % processes === part),
    suites: suites.filter((_, at) => at % processes === part),
  }));
  const verdicts = await Promise.all(plans.map((plan) => showTo(plan, null)));
  return verdicts.flatMap(({ outcome, by, message }) => (outcome === 'survived' ? [] : [`${by}: ${message}`]));
}

/** A line for each class: killed of planted, and how many are known to behave like the program. */
export function summary(trials: readonly Trial[], known: ReadonlyMap<string, string>): string[] {
  const line = (name: string, own: readonly Trial[]): string => {
    const killed = own.filter(({ verdict }) => verdict.outcome === 'killed').length;
    const equivalent = own.filter(({ mutant, verdict }) => verdict.outcome === 'survived' && known.has(mutant.id)).length;
    const note = equivalent === 0 ? '' : `, ${equivalent} of the rest ${equivalent === 1 ? 'is' : 'are'} listed as equivalent`;
    return `${name.padEnd(38)} ${String(killed).padStart(4)} / ${String(own.length).padStart(4)}${note}`;
  };
  const classes = faultClasses.flatMap((fault) => {
    const own = trials.filter(({ mutant }) => mutant.fault === fault);
    return own.length === 0 ? [] : [line(fault, own)];
  });
  return [...classes, line('all', trials)];
}

/** Trials that need somebody's attention: survivors without a reason, and mutants that are no programs. */
export function unexplained(trials: readonly Trial[], known: ReadonlyMap<string, string>): Trial[] {
  return trials.filter(
    ({ mutant, verdict }) => verdict.outcome === 'invalid' || (verdict.outcome === 'survived' && !known.has(mutant.id)),
  );
}
