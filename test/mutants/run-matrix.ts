/**
 * The process that shows a mutant to the matrix: `node --import plant.js run-matrix.js <ops> <checks>`, each a list with commas. It stops
 * at the first check that fails and prints it as one line of JSON; it prints nothing where all hold.
 */
import { loadCases, type OpCase, shards } from '../matrix/cases.js';
import { type Check, checks } from '../matrix/checks.js';
import { Report } from '../matrix/report.js';

/** A check that did not hold. */
export interface Failure {
  readonly op: string;
  readonly check: string;
  readonly message: string;
}

const [opList = '', firstList = ''] = process.argv.slice(2);

function firstFailure(ops: readonly string[], first: readonly string[]): Failure | undefined {
  const cases = Array.from({ length: shards }, (_, shard) => loadCases(shard)).flat();
  const rank = ({ name }: Check) => (first.includes(name) ? first.indexOf(name) : name === 'size' ? Infinity : first.length);
  const ordered = checks.toSorted((a, b) => Math.sign(rank(a) - rank(b)) || 0);
  for (const op of ops) {
    const one = cases.find((each) => each.op === op);
    if (one === undefined) throw new Error(`there are no tests of ${op}`);
    for (const check of ordered) {
      const message = messageOf(one, check);
      if (message !== undefined) return { op, check: check.name, message };
    }
  }
  return undefined;
}

function messageOf(one: OpCase, check: Check): string | undefined {
  const report = new Report(check.name);
  for (const place of check.places(one).keys()) {
    try {
      check.run(one, place, report);
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }
  return undefined;
}

const failure = firstFailure(
  opList.split(',').filter((op) => op !== ''),
  firstList.split(',').filter((name) => name !== ''),
);
if (failure !== undefined) console.log(JSON.stringify(failure));
// The device's worker threads are not waited for.
process.exit(0);
