/**
 * `npm run examples`: runs every example of the spec and writes down what it prints, for the documentation and the tests; and writes the
 * table of differences from Paddle.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { differencesFile, differencesText } from './differences.js';
import { examplesOf, recordFile, runExample } from './examples.js';

const examples = [...examplesOf('ops'), ...examplesOf('api')];
const record = Object.fromEntries(examples.map(([name, example]) => [name, runNamed(name, example)] as const));
mkdirSync(dirname(recordFile), { recursive: true });
writeFileSync(recordFile, `${JSON.stringify(record, null, 1)}\n`);
writeFileSync(differencesFile, differencesText());

function runNamed(name: string, example: string): readonly string[] {
  try {
    return runExample(example);
  } catch (error) {
    throw new Error(`the example of ${name} failed`, { cause: error });
  }
}
