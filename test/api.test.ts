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

test('created and random tensors that name no dtype have the default one', (t) => {
  const { eye, full, linspace, ones, rand, randn, setDefaultDtype, tensor, zeros, zerosLike } = opwright;
  setDefaultDtype('float64');
  try {
    const made = [zeros([1]), ones([1]), full([1], 2), eye(1), linspace(0, 1, 2), rand([1]), randn([1])];
    for (const { dtype } of made) t.is(dtype, 'float64');
    t.is(zeros([1], { dtype: 'int32' }).dtype, 'int32');
    t.is(zerosLike(tensor([1], { dtype: 'float16' })).dtype, 'float16');
  } finally {
    setDefaultDtype('float32');
  }
  t.is(zeros([1]).dtype, 'float32');
});

test('nothing is listed as written by hand that is an op', (t) => {
  const generated = new Set(examplesOf('ops').map(([op]) => op));
  t.deepEqual(
    api.filter(({ api: name }) => generated.has(name)),
    [],
  );
});
