/**
 * The text of a new entry, and its place in a spec: lines, as an author would write them. What the lines mean is not looked at.
 */
import type { SpecModel } from '../spec/model.js';
import type { SourceFile } from '../spec/source.js';
import { readYaml } from '../spec/yaml.js';
import { UsageError } from './command.js';
import { entryText } from './entry-text.js';

export interface Skeleton {
  /** Without indentation, from the dash on. */
  readonly text: string;
  /** The op that it is a copy of. */
  readonly like: string | undefined;
}

export function skeleton(model: SpecModel, name: string, className: string | undefined): Skeleton {
  const like = className === undefined ? undefined : plainestMember(model, className);
  if (className === undefined || like === undefined) return { text: general(name, className), like: undefined };
  const head = [`- op: ${name}`, `  class: ${className}`, `  summary: ${summary}`];
  return { text: [...head, ...copiedFields(model, like)].join('\n'), like };
}

const summary = 'What it computes, in one sentence.';

function general(name: string, className: string | undefined): string {
  return [
    `- op: ${name}`,
    ...(className === undefined ? [] : [`  class: ${className}`]),
    `  summary: ${summary}`,
    '  inputs: { x: { dtype: T } }',
    '  outputs: { out: { dtype: T, shape: x.shape } }',
    '  dtypes: { T: [float32, float64] }',
    '  define: x',
    '  samples: [{ x: [3, 5] }, { x: [] }, { x: [0, 3] }]',
    '  errors: [{ x: { shape: [2], dtype: bool }, code: DTYPE_MISMATCH }]',
  ].join('\n');
}

/** The member of a class that says least of its own, and that by a definition if there is one: it leaves most to the class. */
function plainestMember(model: SpecModel, className: string): string | undefined {
  const members = (model.classes.get(className)?.members ?? []).flatMap((name) => model.ops.get(name) ?? []);
  const defined = members.filter((op) => op.body.kind === 'define');
  const length = (name: string): number => copiedFields(model, name).join('\n').length;
  const candidates = (defined.length > 0 ? defined : members).map(({ name }) => name);
  return candidates.toSorted((left, right) => length(left) - length(right))[0];
}

/** Fields that are an op's own, or that the new one states itself. */
const ownFields = new Set([
  'op',
  'class',
  'group',
  'summary',
  'doc',
  'formula',
  'names',
  'aliases',
  'layer',
  'seeAlso',
  'differences',
  'example',
]);

/** The lines of an entry's fields that mean the same under another name. */
function copiedFields(model: SpecModel, name: string): readonly string[] {
  const span = model.ops.get(name)?.span;
  if (span === undefined) return [];
  let field = 'op';
  return entryText(span)
    .replace(/^- /, '  ')
    .split('\n')
    .filter((line) => {
      field = /^ {2}(\w+):/.exec(line)?.[1] ?? field;
      return !ownFields.has(field) && line.trim() !== '';
    });
}

/** The spec with the entry after its last op. */
export function appendEntry(source: SourceFile, entry: string): string {
  const text = source.text === '' || source.text.endsWith('\n') ? source.text : `${source.text}\n`;
  const { root } = readYaml(source);
  const ops = root?.kind === 'map' ? root.entries.get('ops') : undefined;
  if (ops === undefined) return `${text}${text === '' ? '' : '\n'}ops:\n${indent(entry, 2)}\n`;
  const last = ops.value.kind === 'list' ? ops.value.items.at(-1) : undefined;
  if (last === undefined || text[ops.value.span.start] === '[')
    throw new UsageError(`the ops of ${source.file} are not written as a list of entries with dashes`);
  const start = text.lastIndexOf('\n', last.span.start) + 1;
  const margin = (/^ */.exec(text.slice(start))?.[0] ?? '').length;
  const end = endOfEntry(text, start, margin);
  return `${text.slice(0, end)}${indent(entry, margin)}\n${text.slice(end)}`;
}

/** Where the next line that is not deeper than the entry's dash begins; blank lines before it are left to what follows. */
function endOfEntry(text: string, start: number, margin: number): number {
  let end = text.indexOf('\n', start) + 1;
  for (let at = end; at < text.length; at = text.indexOf('\n', at) + 1) {
    const line = text.slice(at, text.indexOf('\n', at));
    if (line.trim() === '') continue;
    if (line.length - line.trimStart().length <= margin) break;
    end = text.indexOf('\n', at) + 1;
  }
  return end;
}

function indent(text: string, width: number): string {
  return text
    .split('\n')
    .map((line) => `${' '.repeat(width)}${line}`)
    .join('\n');
}
