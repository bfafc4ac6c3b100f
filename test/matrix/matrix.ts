/**
 * Runs the matrix for the ops of one shard: one test for each op and check, which goes through the op's samples or error samples.
 *
 * A failure prints the sample and a command that repeats it alone. At the end stands how many comparisons were made, and what was left
 * out and why.
 */
import test from 'ava';
import type { TierName } from '../../runtime/devices/device.js';
import { noteLeftOut } from '../support/left-out.js';
import { allChosen, fullRun, isChosen, isChosenPlace, loadCases, type OpCase } from './cases.js';
import { checks as allChecks, type Check, compiledChecks, isTriedPlace } from './checks.js';
import { Report } from './report.js';
import { chooseSubject } from './subject.js';

/** Failures of one op and check that are shown in full. */
const shownFailures = 3;

/**
 * One tier runs all kernels, whatever the size of a sample. Where it cannot be had, its matrix is a skip that says so.
 */
export function runMatrix(shard: number, tier: TierName = 'wasm'): void {
  const subject = chooseSubject(tier);
  if (subject.missing !== undefined) {
    test.skip(subject.missing, () => {});
    return;
  }
  const checks = tier !== 'wasm' && !fullRun ? allChecks.filter(({ name }) => compiledChecks.has(name)) : allChecks;
  const leftOut = allChecks.filter((check) => !checks.includes(check));
  const total = { done: new Map<string, number>(), skipped: new Map<string, number>(), others: 0 };
  for (const one of loadCases(shard)) {
    total.others += leftOut.filter((check) => check.places(one).length > 0).length;
    for (const check of checks) {
      if (check.places(one).length === 0 || !isChosen(check.name)) continue;
      test.serial(`${one.op}:${tier} ${check.name}`, (t) => {
        const before = subject.otherLaunches();
        const report = new Report(check.name);
        const failures = check
          .places(one)
          .flatMap((data, place) =>
            isChosenPlace(place) && isTriedPlace(check, tier, place)
              ? failureOf(one, check, place, data, report, `${subject.file}-${shard + 1}`)
              : [],
          );
        report.addTo(total);
        if (subject.otherLaunches() > before) failures.push('kernels were launched by another tier');
        if (failures.length > shownFailures)
          failures.splice(shownFailures, Infinity, `and ${failures.length - shownFailures} more`);
        if (failures.length > 0) t.fail(`${one.op} (${one.source})\n${failures.join('\n')}`);
        else t.pass();
      });
    }
  }
  test.serial(`part ${shard + 1}: what was done`, (t) => {
    const launches = subject.launches();
    t.log(`${launches} kernels were launched by the tier ${tier}`);
    // What was picked may be views, or calls that are refused: nothing is computed then.
    if (allChosen) t.true(launches > 0);
    for (const [name, count] of total.done) t.log(`${name}: ${count} comparisons`);
    for (const [reason, count] of total.skipped) t.log(`left out: ${reason} (${count})`);
    noteAll(total.skipped, total.others, subject.place);
    t.pass();
  });
}

/** What the full run would do besides, for the end of `npm test`. */
function noteAll(skipped: ReadonlyMap<string, number>, others: number, place: string): void {
  const command = 'OPWRIGHT_FULL=1 npm test';
  for (const [reason, count] of skipped) {
    const [check, what] = reason.split(/: |, which OPWRIGHT_FULL=1 tries$/);
    if (reason.endsWith('OPWRIGHT_FULL=1 tries'))
      noteLeftOut({ what: `comparisons of the op matrix, ${check} ${what}`, count, command });
  }
  noteLeftOut({ what: `checks of the op matrix in ${place}`, count: others, command });
}

function failureOf(one: OpCase, check: Check, place: number, data: unknown, report: Report, file: string): string[] {
  try {
    check.run(one, place, report);
    return [];
  } catch (error) {
    const what =
      error instanceof Error ? (error.constructor === Error ? error.message : (error.stack ?? error.message)) : String(error);
    const repeat = `OPWRIGHT_TEST=${one.op}/${check.name}/${place} npx ava dist/test/${file}.test.js`;
    return [`${what}\n  sample ${place}: ${JSON.stringify(data)}\n  repeat: ${repeat}`];
  }
}
