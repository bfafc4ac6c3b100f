/**
 * The documentation's examples: running one and taking down what it prints, and comparing that with what docs/examples.json has on record.
 * An example is JavaScript as after `import { ... } from 'opwright'` with every name that it uses; which examples there are, the spec says.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { format } from 'node:util';
import { isReservedWord } from '../../codegen/lang/reserved.js';
import * as opwright from '../../entry/index.js';
import * as io from '../../entry/io.js';
import * as nn from '../../entry/nn.js';
import * as optimizer from '../../entry/optimizer.js';
import type { OpCase } from '../matrix/cases.js';

/** What the documentation shows below each example, line by line. */
export const recordFile = 'docs/examples.json';

/** The examples of ops, or of what is written by hand, by name. */
export function examplesOf(kind: 'ops' | 'api'): readonly (readonly [string, string])[] {
  const named = (name: string, example: string | null) => (example === null ? [] : [[name, example] as const]);
  if (kind === 'api') {
    const records: readonly { api: string; example: string }[] = JSON.parse(readFileSync('generated/api.json', 'utf8'));
    return records.flatMap(({ api, example }) => named(api, example));
  }
  return readdirSync('generated/tests')
    .sort()
    .flatMap((file) => {
      const { op, example }: OpCase = JSON.parse(readFileSync(`generated/tests/${file}`, 'utf8'));
      return named(op, example);
    });
}

export type ExampleRecord = Readonly<Record<string, readonly string[]>>;

export function readRecord(): ExampleRecord {
  return JSON.parse(readFileSync(recordFile, 'utf8'));
}

/** The names of all entry points; `var` is one, which no program can refer to as it is. */
export const exampleScope = Object.entries({ ...io, ...optimizer, ...nn, ...opwright }).filter(([name]) => !isReservedWord(name));

/** The lines that an example prints. Throws if it prints nothing, or leaves memory behind in tidy. */
export function runExample(text: string): readonly string[] {
  const before = opwright.memory();
  const printed = opwright.tidy(() => printsOf(text));
  const { storages, bytes } = opwright.memory();
  if (storages !== before.storages || bytes !== before.bytes)
    throw new Error(`the example leaves ${bytes - before.bytes} bytes behind`);
  if (printed.length === 0) throw new Error('the example prints nothing');
  return printed;
}

/** The lines that a program prints, with random numbers that are the same each time. */
export function printsOf(text: string): readonly string[] {
  const printed: string[] = [];
  const console = { log: (...values: readonly unknown[]) => printed.push(format(...values)) };
  // In a block of its own, where variables may be called like ops that the program does not use.
  const run = new Function('console', ...exampleScope.map(([name]) => name), `'use strict';\n{\n${text}\n}`);
  opwright.seed(20);
  run(console, ...exampleScope.map(([, value]) => value));
  return printed.flatMap((text) => text.split('\n'));
}

const numbers = /-?\d+(?:\.\d*)?(?:e[+-]?\d+)?/g;
/** Of printed numbers: kernels with fused multiply-add and without it differ in the last places. */
const tolerance = 1e-5;

/** Whether two texts say the same, but for the last digits of numbers and the width of columns. */
export function isSamePrint(actual: readonly string[], expected: readonly string[]): boolean {
  const [text, wanted] = [actual, expected].map((lines) => lines.join('\n'));
  const skeleton = (one: string) =>
    one
      .replace(numbers, '#')
      .replace(/\s+/g, ' ')
      .replace(/ (?=[,\]])/g, '');
  if (text === undefined || wanted === undefined || skeleton(text) !== skeleton(wanted)) return false;
  const values = (one: string) => (one.match(numbers) ?? []).map(Number);
  const expectedValues = values(wanted);
  return values(text).every((value, place) => {
    const want = expectedValues[place] ?? Number.NaN;
    return Math.abs(value - want) <= tolerance * Math.max(1, Math.abs(want));
  });
}
