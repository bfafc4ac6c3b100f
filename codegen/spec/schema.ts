/**
 * The form of a spec, as Zod schemas: which keys there are and what kind of value each takes, for every entry, class and rule, and for what is
 * written by hand.
 * Unknown keys are errors. What values mean, and what an entry must have once its class is expanded, is load.ts's business.
 */
import { z } from 'zod';
import { type Diagnostic, diagnosticAt, didYouMean } from './diagnostic.js';
import { nodeAt, plainValue, pointAt, type YamlNode } from './yaml.js';

/** Keys that authors look for, and what to write instead. */
const insteadOf: Readonly<Record<string, string>> = {
  required: "an attribute without 'default' is required",
  mutated: "an output says which input it is written into: 'writes: runningMean'",
  description: "the first sentence is 'summary', the rest 'doc'",
  gradient: "gradients are 'grad'",
  backward: "gradients are 'grad'",
  attributes: "attributes are 'attrs'",
};

/** A strict object whose unknown keys are reported with the keys that it knows (see `unknownKeys`). */
function strict<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  const known = Object.keys(shape).join(' ');
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? known : undefined) });
}

const text = z.string();
const flag = z.boolean();
const word = z.string();
const words = z.array(word);
/** What the expression language parses: text, a number, a boolean, null, or a list such as `[...b, m, k]` without quotes. */
const expression = z.custom(
  (value) => value === null || typeof value !== 'object' || Array.isArray(value),
  'expected an expression, found a map',
);
const named = <Value extends z.ZodType>(value: Value): z.ZodRecord<z.ZodString, Value> => z.record(z.string(), value);

const input = strict({
  dtype: expression,
  shape: expression.optional(),
  rank: z
    .custom((value) => typeof value === 'number' || typeof value === 'string', 'expected a rank: 2, ">=1" or "2..4"')
    .optional(),
  optional: flag.optional(),
  list: flag.optional(),
  number: flag.optional(),
  summary: text.optional(),
});

const attribute = strict({
  type: expression,
  default: z.unknown().optional(),
  followsDefault: flag.optional(),
  summary: text.optional(),
});

const output = strict({
  dtype: expression,
  shape: expression,
  list: flag.optional(),
  hidden: flag.optional(),
  writes: word.optional(),
  size: z.literal('data').optional(),
  summary: text.optional(),
});

const kernel = strict({
  map: word.optional(),
  reduce: z.enum(['sum', 'prod', 'max', 'min', 'any', 'all']).optional(),
  create: z.enum(['full', 'iota', 'random']).optional(),
  view: strict({ shape: expression, strides: expression, offset: expression }).optional(),
  index: expression.optional(),
  function: word.optional(),
  library: word.optional(),
  work: expression.optional(),
  params: named(expression).optional(),
  scratch: named(strict({ dtype: expression, size: expression })).optional(),
  zeroed: flag.optional(),
});

const dtypeSet = z.custom(
  (value) => typeof value === 'string' || (Array.isArray(value) && value.every((member) => typeof member === 'string')),
  'expected a dtype, a class of dtypes, or a list of them',
);

/** What an entry and a class may both have. */
const sharedFields = {
  summary: text.optional(),
  doc: text.optional(),
  formula: text.optional(),
  inputs: named(input).optional(),
  attrs: named(attribute).optional(),
  let: named(expression).optional(),
  constraints: z.array(strict({ require: expression, code: word, message: text })).optional(),
  outputs: named(output).optional(),
  dtypes: named(dtypeSet).optional(),
  define: expression.optional(),
  kernel: kernel.optional(),
  grad: named(expression).optional(),
  inPlace: flag.optional(),
  random: flag.optional(),
  internal: flag.optional(),
  escape: text.optional(),
  samples: z.array(z.record(z.string(), z.unknown())).optional(),
  errors: z.array(z.record(z.string(), z.unknown())).optional(),
  example: text.optional(),
  seeAlso: words.optional(),
  differences: text.optional(),
};

/** The package's entry points. */
export const entryPoints = ['opwright', 'opwright/nn', 'opwright/optimizer', 'opwright/io'] as const;

/** The libraries that a reader may come from besides Paddle, whose names are in `names`. */
export const otherLibraries = ['numpy', 'pytorch', 'tensorflow'] as const;
const elsewhere = strict({ numpy: text.optional(), pytorch: text.optional(), tensorflow: text.optional() });

const spec = strict({
  dtypes: named(dtypeSet).optional(),
  rules: z.array(strict({ rule: word, summary: text, parameters: words, define: expression })).optional(),
  classes: z.array(strict({ class: word, ...sharedFields })).optional(),
  api: z
    .array(
      strict({
        api: word,
        entry: z.enum(entryPoints).optional(),
        summary: text,
        doc: text.optional(),
        names: words.optional(),
        aliases: words.optional(),
        keywords: words.optional(),
        elsewhere: elsewhere.optional(),
        seeAlso: words.optional(),
        differences: text.optional(),
        example: text,
      }),
    )
    .optional(),
  ops: z
    .array(
      strict({
        op: word,
        group: text.optional(),
        class: word.optional(),
        ...sharedFields,
        names: words.optional(),
        aliases: words.optional(),
        keywords: words.optional(),
        elsewhere: elsewhere.optional(),
        layer: word.optional(),
      }),
    )
    .optional(),
});

/** Fields that every entry has when its class is expanded, and why. */
export const neededFields = {
  summary: 'the first line of its documentation',
  outputs: 'what it gives',
  samples: 'what it is tested with',
} as const;

/** All that is wrong with the form of a spec. */
export function checkForm(root: YamlNode): readonly Diagnostic[] {
  const result = spec.safeParse(plainValue(root));
  return result.success ? [] : result.error.issues.flatMap((issue) => diagnosticsOf(root, issue));
}

function diagnosticsOf(root: YamlNode, issue: z.core.$ZodIssue): readonly Diagnostic[] {
  const node = nodeAt(root, issue.path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(node, key, issue.message.split(' ')));
  const key = String(issue.path.at(-1) ?? 'the spec');
  if (isMissing(root, issue)) return [diagnosticAt('MISSING_FIELD', `'${key}' is missing`, pointAt(node))];
  return [diagnosticAt('WRONG_FORM', `'${key}': ${explain(issue, node)}`, pointAt(node))];
}

function unknownKey(node: YamlNode, key: string, known: readonly string[]): Diagnostic {
  const span = (node.kind === 'map' ? node.entries.get(key)?.keySpan : undefined) ?? node.span;
  const advice = insteadOf[key];
  const hint = known.includes(key) ? undefined : (advice ?? didYouMean(key, known) ?? `known keys are ${known.join(', ')}`);
  return diagnosticAt('UNKNOWN_KEY', `unknown key '${key}'`, span, hint);
}

/** Whether the issue is about a key that is not there at all. */
function isMissing(root: YamlNode, issue: z.core.$ZodIssue): boolean {
  const parent = nodeAt(root, issue.path.slice(0, -1));
  return parent.kind === 'map' && !parent.entries.has(String(issue.path.at(-1)));
}

const kindWords: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function explain(issue: z.core.$ZodIssue, node: YamlNode): string {
  const found = node.kind === 'scalar' ? (node.value === null ? 'nothing' : `'${node.value}'`) : `a ${node.kind}`;
  if (issue.code === 'invalid_type') return `expected ${kindWords[issue.expected] ?? issue.expected}, found ${found}`;
  if (issue.code === 'invalid_value')
    return `expected ${issue.values.map((value) => `'${String(value)}'`).join(' or ')}, found ${found}`;
  return issue.message;
}
