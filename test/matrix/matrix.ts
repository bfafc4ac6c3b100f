/**
 * Runs the matrix for the ops of one shard: one test for each op and check, which goes through the op's samples or error samples.
 *
 * A failure prints the sample and a command that repeats it alone. At the end stands how many comparisons were made, and what was left
 * out and why.
 */
import test from 'ava';
import { isChosen, isChosenPlace, loadCases, type OpCase } from './cases.js';
import { type Check, checks } from './checks.js';
import { Report } from './report.js';

/** Failures of one op and check that are shown in full. */
const shownFailures = 3;

export function runMatrix(shard: number): void {
  const total = { done: new Map<string, number>(), skipped: new Map<string, number>() };
  for (const one of loadCases(shard)) {
    for (const check of checks) {
      if (check.places(one).length === 0 || !isChosen(check.name)) continue;
      test.serial(`${one.op}:cpu ${check.name}`, (t) => {
        const report = new Report(check.name);
        const failures = check
          .places(one)
          .flatMap((data, place) => (isChosenPlace(place) ? failureOf(one, check, place, data, report, shard) : []));
        report.addTo(total);
        if (failures.length > shownFailures)
          failures.splice(shownFailures, Infinity, `and ${failures.length - shownFailures} more`);
        if (failures.length > 0) t.fail(`${one.op} (${one.source})\n${failures.join('\n')}`);
        else t.pass();
      });
    }
  }
  test.serial(`part ${shard + 1}: what was done`, (t) => {
    for (const [name, count] of total.done) t.log(`${name}: ${count} comparisons`);
    for (const [reason, count] of total.skipped) t.log(`left out: ${reason} (${count})`);
    t.pass();
  });
}

function failureOf(one: OpCase, check: Check, place: number, data: unknown, report: Report, shard: number): string[] {
  try {
    check.run(one, place, report);
    return [];
  } catch (error) {
    const what =
      error instanceof Error ? (error.constructor === Error ? error.message : (error.stack ?? error.message)) : String(error);
    const repeat = `OPWRIGHT_TEST=${one.op}/${check.name}/${place} npx ava dist/test/ops-${shard + 1}.test.js`;
    return [`${what}\n  sample ${place}: ${JSON.stringify(data)}\n  repeat: ${repeat}`];
  }
}
