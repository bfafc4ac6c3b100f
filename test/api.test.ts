/**
 * What is public and written by hand, against what the spec says of it (generated/api.json): it is exported where the spec says, and its
 * example prints what is on record.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as opwright from '../entry/index.js';
import * as io from '../entry/io.js';
import * as nn from '../entry/nn.js';
import * as optimizer from '../entry/optimizer.js';
import { differencesFile, differencesText } from './support/differences.js';
import { examplesOf, isSamePrint, readRecord, runExample } from './support/examples.js';

interface ApiRecord {
  readonly api: string;
  readonly entry: string;
  readonly aliases: readonly string[];
}

const api: readonly ApiRecord[] = JSON.parse(readFileSync('generated/api.json', 'utf8'));

const entries: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  opwright,
  'opwright/io': io,
  'opwright/nn': nn,
  'opwright/optimizer': optimizer,
};

for (const { api: name, entry, aliases } of api) {
  test(`${name} is exported by ${entry}`, (t) => {
    const exported = entries[entry]?.[name];
    t.true(typeof exported === 'function' || typeof exported === 'object', typeof exported);
    for (const alias of aliases) t.is(entries[entry]?.[alias], exported);
  });
}

for (const [name, example] of examplesOf('api')) {
  test(`the example of ${name} prints what the documentation shows`, (t) => {
    const printed = runExample(example);
    t.true(isSamePrint(printed, readRecord()[name] ?? []), printed.join('\n'));
  });
}

test('docs/differences.md is what the spec says', (t) => {
  t.is(readFileSync(differencesFile, 'utf8'), differencesText(), 'run npm run examples');
});

test('nothing is listed as written by hand that is an op', (t) => {
  const generated = new Set(examplesOf('ops').map(([op]) => op));
  t.deepEqual(
    api.filter(({ api: name }) => generated.has(name)),
    [],
  );
});
