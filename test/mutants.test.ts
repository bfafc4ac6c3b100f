/**
 * A few of the planted faults, always the same, and that all others still find their place. `npm run mutants` plants them all, which takes
 * some minutes.
 */
import test from 'ava';
import { allMutants, knownSurvivors, sampled } from './mutants/all.js';
import { tryAll } from './mutants/campaign.js';
import { faultClasses } from './mutants/mutant.js';
import { dist } from './mutants/trial.js';
import { noteLeftOut } from './support/left-out.js';

const tried = 20;

test('there are faults of every class, each has its place, and survivors that are explained are among them', (t) => {
  const { mutants, lost } = allMutants(dist);
  t.deepEqual(lost, [], 'code changed: change test/mutants/picked with it');
  for (const fault of faultClasses)
    t.true(
      mutants.some((mutant) => mutant.fault === fault),
      fault,
    );
  const ids = new Set(mutants.map(({ id }) => id));
  for (const [id, why] of knownSurvivors()) t.true(ids.has(id) && why.length > 20, id);
});

test(`the tests see ${tried} planted faults`, async (t) => {
  const known = knownSurvivors();
  const { mutants } = allMutants(dist);
  const quick = mutants.filter(({ id, plan }) => !known.has(id) && (plan.suites ?? []).length === 0);
  noteLeftOut({ what: 'planted faults', count: mutants.length - tried, command: 'npm run mutants' });
  const trials = await tryAll(sampled(quick, tried, 1));
  for (const { mutant, verdict } of trials) t.is(verdict.outcome, 'killed', `${mutant.id}: ${verdict.message}`);
  t.log(`npm run mutants plants all ${mutants.length}`);
});
