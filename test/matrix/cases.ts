/**
 * The test cases: what the generator wrote about each op (generated/tests), the goldens (test/golden), and which of them this run is
 * asked for. It calls no op.
 *
 * OPWRIGHT_TEST chooses cases as `op/check/place`, each part optional: `softmax`, `softmax/gradient`, `softmax/gradient/0`;
 * ops may be several: `sort,topk/values`.
 * OPWRIGHT_FULL=1 runs what the short run leaves out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Refusal, RuledSample } from '../../codegen/emit/refusals.js';
import type { Dtype } from '../../kernels/op.js';
import type { Elements, SampleData } from '../support/samples.js';

export interface TestInput {
  readonly name: string;
  readonly optional: boolean;
  readonly list: boolean;
  /** Takes a plain number as it is. */
  readonly number: boolean;
  readonly mutated: boolean;
  /** The spec's text: a dtype variable, a dtype, a class of dtypes or an expression. */
  readonly dtype: string;
}

export interface TestOutput {
  readonly name: string;
  readonly list: boolean;
  readonly hidden: boolean;
  /** The input that it is written into. */
  readonly writes: string | null;
  readonly dataSized: boolean;
}

export interface ErrorCase extends SampleData {
  readonly code: string;
  /** What the spec's rules say of it; null where only the elements are wrong. */
  readonly refusal: Refusal | null;
}

/** What the spec's rules say of a sample is codegen/emit/refusals.ts's. */
export interface TestSample extends SampleData, RuledSample {}

/** A file of generated/tests. */
export interface OpCase {
  readonly op: string;
  readonly source: string;
  readonly class: string | null;
  readonly internal: boolean;
  readonly kind: string;
  readonly random: boolean;
  readonly inPlace: boolean;
  readonly inputs: readonly TestInput[];
  readonly attrs: readonly { readonly name: string; readonly required: boolean; readonly scalar: boolean }[];
  readonly outputs: readonly TestOutput[];
  readonly dtypes: Readonly<Record<string, readonly Dtype[]>>;
  readonly samples: readonly TestSample[];
  readonly errors: readonly ErrorCase[];
  readonly example: string | null;
}

export interface Golden {
  readonly op: string;
  readonly sample: number;
  readonly outputs: readonly Elements[];
  /** By input, row by row; the tensors of a list one after another. */
  readonly grads?: Readonly<Record<string, readonly number[]>>;
}

/** How many files the matrix is divided over, so that test processes share it. */
export const shards = 4;

export const fullRun = process.env.OPWRIGHT_FULL === '1';
/** Attributes as a sample writes them. */
export type SampleAttrs = SampleData['attrs'];

const [chosenOps = '', chosenCheck, chosenPlace] = (process.env.OPWRIGHT_TEST ?? '').split('/');

/** Whether nothing was picked. */
export const allChosen = chosenOps === '' && chosenCheck === undefined;

/** The ops of one shard, in the spec's order. */
export function loadCases(shard: number): readonly OpCase[] {
  const folder = 'generated/tests';
  return readdirSync(folder)
    .map((file): OpCase => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'), revive))
    .filter(({ op }) => shardOf(op) === shard && (chosenOps === '' || chosenOps.split(',').includes(op)));
}

export function isChosen(check: string): boolean {
  return chosenCheck === undefined || chosenCheck === check;
}

export function isChosenPlace(place: number): boolean {
  return chosenPlace === undefined || chosenPlace === String(place);
}

export function shardOf(op: string): number {
  let hash = 0;
  for (const character of op) hash = Math.imul(hash, 31) + character.charCodeAt(0);
  return (hash >>> 0) % shards;
}

/** Numbers that JSON cannot write stand as `{ "number": "Infinity" }` in generated data, and as text among the values of goldens. */
function revive(_: string, value: unknown): unknown {
  const isSpelled = typeof value === 'object' && value !== null && 'number' in value && typeof value.number === 'string';
  return isSpelled ? Number(value.number) : value;
}

function reviveGolden(_: string, value: unknown): unknown {
  return value === 'nan' ? Number.NaN : value === 'inf' ? Infinity : value === '-inf' ? -Infinity : value;
}

let goldens: ReadonlyMap<string, Golden> | undefined;

/** What a library that is not ours gives for a sample; undefined where there is none. */
export function goldenOf(op: string, sample: number): Golden | undefined {
  goldens ??= readGoldens();
  return goldens.get(`${op}/${sample}`);
}

function readGoldens(): ReadonlyMap<string, Golden> {
  const folder = 'test/golden';
  const all = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file): Golden[] => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'), reviveGolden));
  return new Map(all.map((golden) => [`${golden.op}/${golden.sample}`, golden]));
}
