/**
 * Runs the matrix for the ops of one shard: one test for each op and check, which goes through the op's samples or error samples.
 *
 * A failure prints the sample and a command that repeats it alone. At the end stands how many comparisons were made, and what was left
 * out and why.
 */
import test from 'ava';
import { isChosen, isChosenPlace, loadCases, type OpCase } from './cases.js';
import { checkDtypes } from './dtypes.js';
import { checkEmpty } from './empty.js';
import { checkErrors, checkMisuse } from './errors.js';
import { checkExample } from './examples.js';
import { checkGradients } from './gradients.js';
import { checkLayouts } from './layouts.js';
import { Report } from './report.js';
import { checkSecondOrder } from './second-order.js';
import { checkSizes, hasSizes } from './sizes.js';
import { checkValues } from './values.js';
import { checkWrites } from './writes.js';

interface Check {
  readonly name: string;
  readonly places: (test: OpCase) => readonly unknown[];
  readonly run: (test: OpCase, place: number, report: Report) => void;
}

const checks: readonly Check[] = [
  { name: 'values', places: ({ samples }) => samples, run: checkValues },
  { name: 'gradient', places: ({ samples }) => samples, run: checkGradients },
  { name: 'second-order', places: ({ samples }) => samples, run: checkSecondOrder },
  { name: 'layout', places: ({ samples }) => samples, run: checkLayouts },
  { name: 'dtype', places: ({ samples }) => samples, run: checkDtypes },
  { name: 'size', places: (one) => (hasSizes(one) ? [one.op] : []), run: checkSizes },
  { name: 'empty', places: ({ samples }) => samples, run: checkEmpty },
  { name: 'writes', places: ({ inputs, samples }) => (inputs.some(({ mutated }) => mutated) ? samples : []), run: checkWrites },
  { name: 'errors', places: ({ errors }) => errors, run: checkErrors },
  { name: 'misuse', places: ({ op }) => [op], run: checkMisuse },
  { name: 'example', places: ({ example }) => (example === null ? [] : [example]), run: checkExample },
];

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
