/**
 * Data about ops for others to read: test cases for the matrix, records for the documentation, coverage of the public names. JSON,
 * one file an op, so that a change to an entry changes its own files only.
 */
import type { OpDefinition } from '../../kernels/op.js';
import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { gradientsOf } from '../lang/differentiate.js';
import { printProgram } from '../lang/print.js';
import type { Api, Op } from '../spec/model.js';
import { sampleData } from '../spec/sample-data.js';
import { originOf } from '../spec/source.js';
import { inPlaceName } from './names.js';
import { refusalOf, ruledSample } from './refusals.js';
import { givenType } from './types.js';

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

/** What JSON cannot write, as an object: `{ "number": "Infinity" }`. */
export const spelled = (_: string, value: unknown): unknown =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: Object.is(value, -0) ? '-0' : String(value) }
    : value;

/** What the test matrix needs to know of an op. `definition` evaluates its rules. */
export function testText({ model }: CheckedModel, { op, scalars }: CheckedOp, definition: OpDefinition): string {
  const samples = op.samples.map((sample) => sampleData(model, op, sample));
  const test = {
    op: op.name,
    source: originOf(op.span),
    class: op.class ?? null,
    internal: op.internal,
    kind: op.body.kind,
    random: op.random,
    inPlace: op.inPlace,
    inputs: op.inputs.map(({ name, optional, list, number, mutated, dtype }) => ({
      name,
      optional,
      list,
      number,
      mutated,
      dtype: spanText(dtype.span),
    })),
    attrs: op.attrs.map(({ name, required }) => ({ name, required, scalar: scalars.has(name) })),
    outputs: op.outputs.map(({ name, list, hidden, writes, dataSized }) => ({
      name,
      list,
      hidden,
      writes: writes?.name ?? null,
      dataSized,
    })),
    dtypes: Object.fromEntries(op.dtypes.map(({ name, members }) => [name, members])),
    samples: samples.map((sample) => ({ ...sample, ...ruledSample(definition, sample) })),
    errors: op.errors.map((sample) => {
      const data = sampleData(model, op, sample);
      return { ...data, code: sample.code, refusal: refusalOf(definition, data) };
    }),
    example: op.example ?? null,
  };
  return `${JSON.stringify(test, spelled, 1)}\n`;
}

/** What the documentation says of an op. */
export function recordText(model: CheckedModel, checked: CheckedOp): string {
  const { op } = checked;
  const gradients = gradientsOf(model, checked);
  return json({
    op: op.name,
    source: originOf(op.span),
    class: op.class ?? null,
    internal: op.internal,
    summary: op.summary,
    doc: op.doc ?? null,
    formula: op.formula ?? null,
    names: op.names.map(({ name }) => name),
    aliases: op.aliases.map(({ name }) => name),
    inPlace: op.inPlace ? inPlaceName(op) : null,
    keywords: op.keywords,
    elsewhere: op.elsewhere,
    layer: op.layer?.name ?? null,
    inputs: op.inputs.map((input) => ({
      name: input.name,
      dtype: spanText(input.dtype.span),
      shape:
        input.shape === undefined ? null : spanText(input.shape.kind === 'pattern' ? input.shape.span : input.shape.shape.span),
      optional: input.optional,
      list: input.list,
      summary: input.summary ?? null,
    })),
    attrs: op.attrs.map((attr) => ({
      name: attr.name,
      type: givenType(attr.type),
      default: attr.required ? null : attr.default,
      required: attr.required,
      summary: attr.summary ?? null,
    })),
    outputs: op.outputs
      .filter((output) => !output.hidden)
      .map((output) => ({
        name: output.name,
        dtype: spanText(output.dtype.span),
        shape: spanText(output.shape.span),
        summary: output.summary ?? null,
      })),
    dtypes: Object.fromEntries(op.dtypes.map(({ name, members }) => [name, members])),
    body: op.body.kind,
    definition: spanText(op.body.span),
    gradients: op.inputs.map((input) => {
      const gradient = gradients.find((one) => one.input === input.name);
      return {
        input: input.name,
        how: gradient === undefined ? 'none' : gradient.derived ? 'derived' : 'explicit',
        saved: gradient?.saved ?? [],
        program: gradient === undefined ? null : printProgram(gradient.program),
      };
    }),
    constraints: op.constraints.map(({ code, message }) => ({ code, message })),
    errors: [...new Set(op.errors.map(({ code }) => code))],
    escape: op.escape ?? null,
    differences: op.differences ?? null,
    example: op.example ?? null,
    seeAlso: op.seeAlso.map(({ name }) => name),
  });
}

function spanText({ source, start, end }: Op['span']): string {
  return source.text.slice(start, end);
}

/** What the documentation says of all that is public and written by hand. */
export function apiText(api: readonly Api[]): string {
  return json(
    api.map((one) => ({
      api: one.name,
      source: originOf(one.span),
      entry: one.entry,
      summary: one.summary,
      doc: one.doc ?? null,
      names: one.names.map(({ name }) => name),
      aliases: one.aliases.map(({ name }) => name),
      keywords: one.keywords,
      elsewhere: one.elsewhere,
      differences: one.differences ?? null,
      example: one.example,
      seeAlso: one.seeAlso.map(({ name }) => name),
    })),
  );
}

/** The Paddle names that something answers to, and what it is called here. An in-place form has its op's names, with an underscore. */
export function answers(one: Op | Api): readonly (readonly [string, string])[] {
  const own = one.names.map(({ name }) => [name, one.name] as const);
  const isInPlace = 'inPlace' in one && one.inPlace;
  return isInPlace ? [...own, ...own.map(([name]) => [`${name}_`, inPlaceName(one)] as const)] : own;
}

/** Which of the public names an op answers to, or something that is written by hand. */
export function coverageText(answering: readonly (Op | Api)[], names: readonly string[]): string {
  const by = new Map(answering.flatMap((one) => answers(one)));
  const covered = names.filter((name) => by.has(name));
  return json({
    total: names.length,
    covered: covered.length,
    names: Object.fromEntries(names.map((name) => [name, by.get(name) ?? null])),
  });
}
