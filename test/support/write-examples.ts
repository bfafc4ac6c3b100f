/** `npm run examples`: runs every example of the spec and writes down what it prints, for the documentation and the tests. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { OpCase } from '../matrix/cases.js';
import { recordFile, runExample } from './examples.js';

const folder = 'generated/tests';
const cases = readdirSync(folder)
  .sort()
  .map((file): OpCase => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')));
const record = Object.fromEntries(
  cases.flatMap(({ op, example }) => (example === null ? [] : [[op, runNamed(op, example)] as const])),
);
mkdirSync(dirname(recordFile), { recursive: true });
writeFileSync(recordFile, `${JSON.stringify(record, null, 1)}\n`);

function runNamed(op: string, example: string): readonly string[] {
  try {
    return runExample(example);
  } catch (error) {
    throw new Error(`the example of ${op} failed`, { cause: error });
  }
}
