/**
 * The mutation run: `npm run mutants -- [--class c] [--only text] [--sample n [--seed s]] [--no-baseline] [--verbose]`.
 *
 * Faults are planted one at a time, and the tests that should see each are run. It prints how many were killed, by class, and ends with
 * exit code 1 where one survived that test/mutants/survivors.json does not explain. `--class` and `--only` choose by part of the class's
 * and the mutant's name.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { allMutants, knownSurvivors, sampled } from './all.js';
import { failuresWithoutMutant, summary, type Trial, tryAll, unexplained } from './campaign.js';
import { dist } from './trial.js';

const { values } = parseArgs({
  options: {
    class: { type: 'string' },
    only: { type: 'string' },
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    baseline: { type: 'boolean', default: true },
    verbose: { type: 'boolean', default: false },
    log: { type: 'string' },
  },
  allowNegative: true,
});

const start = performance.now();
const { mutants: all, lost } = allMutants(dist);
const matching = all.filter(({ fault, id }) => fault.includes(values.class ?? '') && id.includes(values.only ?? ''));
const chosen = values.sample === undefined ? matching : sampled(matching, Number(values.sample), Number(values.seed));
console.log(`${chosen.length} of ${all.length} mutants`);
const broken = values.baseline ? await failuresWithoutMutant(chosen) : [];
if (broken.length > 0) {
  console.error(`the tests fail without a mutant:\n${broken.join('\n')}`);
  process.exit(1);
}

const known = knownSurvivors();
const trials = await tryAll(chosen, tell);
for (const line of summary(trials, known)) console.log(line);
for (const { mutant, verdict } of unexplained(trials, known))
  console.log(`${verdict.outcome}: ${mutant.id} (${mutant.file}; ${mutant.fault})${verdict.message && `\n  ${verdict.message}`}`);
const stale = [...staleReasons(), ...lost.map((line) => `a fault has lost its place: ${line}`)];
for (const line of stale) console.log(line);
console.log(`${((performance.now() - start) / 1000).toFixed(0)} s`);
process.exitCode = unexplained(trials, known).length + stale.length > 0 ? 1 : 0;

function tell({ mutant, verdict }: Trial): void {
  if (values.verbose) console.log(`${verdict.outcome} ${verdict.by}: ${mutant.id}`);
  if (values.log !== undefined)
    appendFileSync(values.log, `${JSON.stringify({ id: mutant.id, fault: mutant.fault, ...verdict })}\n`);
}

/** Reasons for what is not so, or not any more. */
function staleReasons(): string[] {
  const ids = new Set(all.map(({ id }) => id));
  const killed = new Set(trials.filter(({ verdict }) => verdict.outcome === 'killed').map(({ mutant }) => mutant.id));
  return [...known.keys()].flatMap((id) =>
    ids.has(id) ? (killed.has(id) ? [`killed, but listed in survivors.json: ${id}`] : []) : [`no such mutant: ${id}`],
  );
}
