/**
 * `opwright stats`: what a spec holds, in numbers, and above all how many parts of it are written by hand.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from '../emit/records.js';
import type { CheckedModel } from '../lang/check.js';
import { gradientsOf } from '../lang/differentiate.js';
import { gapsOf } from '../spec/completeness.js';
import { renderDiagnostic } from '../spec/diagnostic.js';
import type { Api, Op } from '../spec/model.js';
import { locationOf } from '../spec/source.js';
import { diagnosticJson } from './check.js';
import { type Command, commonOptions, exitCodes, expectAtMost, type JsonObject, parseArguments } from './command.js';
import { countOf, indented, table } from './format.js';
import { paddleNames } from './generate.js';
import { packageRoot } from './package-root.js';
import { loadSpecs, specOptions } from './spec-files.js';

const options = {
  missing: { type: 'boolean', summary: 'List the Paddle names that nothing answers to, and the ops that lack something.' },
  ...specOptions,
  ...commonOptions,
} as const;

export const command: Command = {
  help: {
    name: 'stats',
    arguments: '',
    description:
      'Counts ops by kind, gradients by where they come from, parts that are written by hand with their reasons, the Paddle names that\n' +
      'are covered, and goldens.',
    examples: ['opwright stats', 'opwright stats --missing', 'opwright stats --json'],
    options,
  },
  run(args) {
    const { values, positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    const { checked, diagnostics } = loadSpecs(values);
    if (diagnostics.length > 0) {
      const text = [...diagnostics.map(renderDiagnostic), 'the spec has problems: its numbers would mislead'].join('\n');
      return { exitCode: exitCodes.problems, text, json: { diagnostics: diagnostics.map(diagnosticJson) } };
    }
    const stats = count(checked);
    return { exitCode: exitCodes.ok, text: textOf(stats, values.missing ?? false), json: jsonOf(stats) };
  },
};

export interface Stats {
  readonly ops: { readonly total: number; readonly public: number; readonly internal: number };
  /** By kind of body: define, map, reduce, ... */
  readonly bodies: Readonly<Record<string, number>>;
  /** Of inputs: stated in the spec, derived from the definition, and refused with `none`. */
  readonly gradients: { readonly stated: number; readonly derived: number; readonly none: number };
  readonly classes: Readonly<Record<string, number>>;
  readonly escapes: readonly { readonly op: string; readonly source: string; readonly reason: string }[];
  /** The ops without something that they should have, by what it is. */
  readonly gaps: Readonly<Record<string, readonly string[]>>;
  /** Public ops with more than a summary. */
  readonly described: number;
  readonly aliases: number;
  readonly layers: number;
  readonly samples: number;
  readonly errors: number;
  /** Public functions and classes that are no ops. */
  readonly api: number;
  readonly paddle: {
    readonly total: number;
    readonly covered: number;
    readonly missing: readonly string[];
    readonly unknown: readonly string[];
  };
  /** Undefined where there is no folder of goldens. */
  readonly goldens:
    | { readonly total: number; readonly byOp: Readonly<Record<string, number>>; readonly without: readonly string[] }
    | undefined;
}

export function count(checked: CheckedModel): Stats {
  const { model } = checked;
  const ops = [...model.ops.values()];
  const gradients = [...checked.ops.values()].flatMap((op) => gradientsOf(checked, op));
  const derived = gradients.filter((gradient) => gradient.derived).length;
  const internal = ops.filter((op) => op.internal).length;
  const goldens = countGoldens(ops);
  const escapes = ops.flatMap((op) =>
    op.escape === undefined ? [] : [{ op: op.name, source: locationOf(op.span), reason: op.escape }],
  );
  return {
    ops: { total: ops.length, public: ops.length - internal, internal },
    bodies: tally(ops.map((op) => op.body.kind)),
    gradients: {
      stated: gradients.length - derived,
      derived,
      none: sum(ops, (op) => op.gradients.filter((gradient) => gradient.program === undefined).length),
    },
    classes: Object.fromEntries([...model.classes.values()].map(({ name, members }) => [name, members.length])),
    escapes,
    gaps: gapsOf(ops, goldens?.byOp),
    described: ops.filter((op) => !op.internal && (op.doc !== undefined || op.formula !== undefined)).length,
    aliases: sum(ops, (op) => op.aliases.length),
    layers: ops.filter((op) => op.layer !== undefined).length,
    samples: sum(ops, (op) => op.samples.length),
    errors: sum(ops, (op) => op.errors.length),
    api: model.api.length,
    paddle: coverage([...ops, ...model.api]),
    goldens,
  };
}

function sum(ops: readonly Op[], numberOf: (op: Op) => number): number {
  return ops.reduce((total, op) => total + numberOf(op), 0);
}

function tally(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).toSorted(([, left], [, right]) => right - left));
}

function coverage(answering: readonly (Op | Api)[]): Stats['paddle'] {
  const names = paddleNames();
  const answered = new Set(answering.flatMap((one) => answers(one).map(([name]) => name)));
  const known = new Set(names);
  const written = answering.flatMap((one) => one.names.map(({ name }) => name));
  const missing = names.filter((name) => !answered.has(name));
  const unknown = names.length === 0 ? [] : written.filter((name) => !known.has(name));
  return { total: names.length, covered: names.length - missing.length, missing, unknown };
}

/** Goldens are lists of `{ op, sample, ... }` in files of any name. */
function countGoldens(ops: readonly Op[]): Stats['goldens'] {
  const folder = join(packageRoot(), 'test', 'golden');
  if (!existsSync(folder)) return undefined;
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => goldenOps(JSON.parse(readFileSync(join(folder, file), 'utf8'))));
  const byOp = tally(names);
  return { total: names.length, byOp, without: ops.map(({ name }) => name).filter((name) => byOp[name] === undefined) };
}

function goldenOps(goldens: unknown): readonly string[] {
  if (!Array.isArray(goldens)) return [];
  return goldens.flatMap((golden: unknown) =>
    typeof golden === 'object' && golden !== null && 'op' in golden && typeof golden.op === 'string' ? [golden.op] : [],
  );
}

// ---- Reports

/** Beyond it the language lacks something that it should have. */
export const mostEscapes = 15;

function textOf(stats: Stats, missing: boolean): string {
  const { ops, bodies, gradients, classes, escapes, paddle, goldens } = stats;
  const parts = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, number]) => `${number} ${name}`)
      .join(', ');
  const rows = [
    ['ops', `${ops.total}: ${ops.public} public, ${ops.internal} internal`],
    ['bodies', parts(bodies)],
    ['gradients', `${gradients.stated} stated, ${gradients.derived} derived, ${gradients.none} refused`],
    ['classes', parts(classes)],
    ['aliases', String(stats.aliases)],
    ['layers', String(stats.layers)],
    ['beside ops', `${stats.api} public functions and classes, written by hand in runtime/`],
    ['samples', `${stats.samples}, and ${stats.errors} that must be refused`],
    ['Paddle names', paddle.total === 0 ? 'the list of names is not installed' : coverageText(paddle)],
    ['goldens', goldens === undefined ? 'not installed' : `${goldens.total} for ${ops.total - goldens.without.length} ops`],
    ['described', `${stats.described} of ${ops.public} public ops say more than a summary`],
    ...Object.entries(stats.gaps).map(([what, { length }]) => [`no ${what}`, length === 0 ? 'none' : countOf(length, 'op')]),
    ['by hand', `${escapes.length} of ${ops.total} ops have a part that is written by hand (at most ${mostEscapes} may)`],
  ];
  const reasons = escapes.map(({ op, source, reason }) => indented(`${op} (${source}): ${reason}`));
  const gaps = Object.entries(stats.gaps).flatMap(([what, names]) => list(`Ops without: ${what}`, names));
  const lists = missing
    ? [
        ...gaps,
        ...list('Paddle names that nothing answers to', paddle.missing),
        ...list('Ops without goldens', goldens?.without ?? []),
      ]
    : [];
  return [...table(rows), ...reasons, ...list('Names that are not Paddle names', paddle.unknown), ...lists].join('\n');
}

function coverageText({ total, covered }: Stats['paddle']): string {
  return `${covered} of ${total} (${((100 * covered) / total).toFixed(0)} %)`;
}

function list(title: string, names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : ['', `${title}: ${names.length}`, ...names.map((name) => `  ${name}`)];
}

function jsonOf({ goldens, ...stats }: Stats): JsonObject {
  return {
    ...stats,
    escapes: stats.escapes.map((one) => ({ ...one })),
    gaps: { ...stats.gaps },
    paddle: { ...stats.paddle },
    goldens: goldens && { ...goldens },
  };
}
