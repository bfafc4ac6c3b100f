/**
 * What reading any part of a spec needs: a place where problems gather, and the steps from a YAML node to a typed value. A node of
 * the wrong form gives undefined in silence, for the schema has reported it; what a schema cannot see is reported here.
 */

import { bytesOf } from '../../kernels/ir.js';
import type { Dtype } from '../../kernels/op.js';
import type { Expression } from '../lang/ast.js';
import { type Diagnostic, DiagnosticError, diagnosticAt, didYouMean } from './diagnostic.js';
import type { DtypeClass, Elsewhere, Word } from './model.js';
import { otherLibraries } from './schema.js';
import { locationOf, type SourceFile, type SourceText, type Span } from './source.js';
import type { YamlEntry, YamlNode } from './yaml.js';

export class Problems {
  readonly #found: Diagnostic[] = [];

  add(code: string, message: string, span: Span, hint?: string): void {
    this.#found.push(diagnosticAt(code, message, span, hint));
  }

  addAll(diagnostics: readonly Diagnostic[]): void {
    this.#found.push(...diagnostics);
  }

  /** How many there are by now: unchanged after a step means that it went well. */
  get count(): number {
    return this.#found.length;
  }

  /** What a parser gives, or undefined if it found an error, which is kept. */
  attempt<Value>(parse: () => Value): Value | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof DiagnosticError)) throw error;
      this.addAll(error.diagnostics);
      return undefined;
    }
  }

  /** A name that is not among those that may stand there. */
  unknown(code: string, what: string, word: Word, known: Iterable<string>): void {
    const names = [...known];
    const all = names.length === 0 ? undefined : names.length > 20 ? undefined : `there are ${names.join(', ')}`;
    this.add(code, `unknown ${what} '${word.name}'`, word.span, didYouMean(word.name, names) ?? all);
  }

  /** In the order of the files, each once: a class's problem is found again in each of its members. */
  sorted(sources: readonly SourceFile[]): readonly Diagnostic[] {
    const order = (found: Diagnostic): number => sources.findIndex((source) => source.file === found.file);
    const key = ({ file, line, column, code, message }: Diagnostic): string => `${file}:${line}:${column} ${code} ${message}`;
    const distinct = new Map(this.#found.map((found) => [key(found), found]));
    return [...distinct.values()].sort((a, b) => order(a) - order(b) || a.line - b.line || a.column - b.column);
  }
}

/** The fields of an entry by name, its class's among them. */
export type Fields = ReadonlyMap<string, YamlEntry>;

const noFields: Fields = new Map();

export function fieldsOf(node: YamlNode | undefined): Fields {
  return node?.kind === 'map' ? node.entries : noFields;
}

export function itemsOf(node: YamlNode | undefined): readonly YamlNode[] {
  return node?.kind === 'list' ? node.items : [];
}

export function textOf(entry: YamlEntry | undefined): string | undefined {
  const value = entry?.value;
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value.trimEnd() : undefined;
}

export function flagOf(fields: Fields, key: string): boolean {
  const value = fields.get(key)?.value;
  return value?.kind === 'scalar' && value.value === true;
}

export function wordOf(node: YamlNode | undefined): Word | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? { name: node.value, span: node.span } : undefined;
}

export function wordsOf(node: YamlNode | undefined): readonly Word[] {
  return itemsOf(node).flatMap((item) => wordOf(item) ?? []);
}

/** Names in other libraries. */
export function elsewhereOf(fields: Fields): Elsewhere {
  const named = fieldsOf(fields.get('elsewhere')?.value);
  return Object.fromEntries(
    otherLibraries.flatMap((library) => {
      const name = textOf(named.get(library));
      return name === undefined ? [] : [[library, name]];
    }),
  );
}

export function keyOf(entry: YamlEntry): Word {
  return { name: entry.key, span: entry.keySpan };
}

/** Parses the expression, program or pattern that a field holds. */
export function parseField<Value>(
  problems: Problems,
  entry: YamlEntry | undefined,
  parse: (text: SourceText) => Value,
): Value | undefined {
  if (entry === undefined || entry.value.kind === 'map') return undefined;
  const { text, span } = entry.value;
  if (text.text.trim() !== '') return problems.attempt(() => parse(text));
  problems.add(
    'SYNTAX',
    `'${entry.key}' is empty`,
    entry.value.kind === 'scalar' && entry.value.value === '' ? span : entry.keySpan,
  );
  return undefined;
}

/** Words that TypeScript keeps for itself, and that generated code could not use as names. */
const reserved: ReadonlySet<string> = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function ' +
    'if implements import in instanceof interface let new null package private protected public return static super switch this throw true try ' +
    'typeof undefined var void while with yield none'
  ).split(' '),
);

/** Reports a name that generated code could not use, or that does not follow the house's spelling. */
export function checkName(problems: Problems, word: Word): void {
  if (reserved.has(word.name)) {
    problems.add('INVALID_NAME', `'${word.name}' is a reserved word`, word.span, 'an op may have it among its aliases');
  } else if (!/^[a-z][A-Za-z0-9]*$/.test(word.name)) {
    const camel = word.name
      .replace(/[^A-Za-z0-9]+(.)?/g, (_, next: string | undefined) => next?.toUpperCase() ?? '')
      .replace(/^./, (first) => first.toLowerCase());
    problems.add(
      'INVALID_NAME',
      `'${word.name}' is not a name in camelCase`,
      word.span,
      /^[a-z]/.test(camel) ? `write '${camel}'` : undefined,
    );
  }
}

/** Reports each name that an earlier one of the same scope has. */
export function checkDistinct(problems: Problems, words: Iterable<Word>, what: string): void {
  const first = new Map<string, Word>();
  for (const word of words) {
    const earlier = first.get(word.name);
    if (earlier === undefined) first.set(word.name, word);
    else
      problems.add(
        'DUPLICATE_NAME',
        `${what} '${word.name}' is already there`,
        word.span,
        `first in ${locationOf(earlier.span)}`,
      );
  }
}

function isDtype(name: string): name is Dtype {
  return Object.hasOwn(bytesOf, name);
}

export const dtypeNames: readonly Dtype[] = Object.keys(bytesOf).filter(isDtype);

export function dtypeOf(problems: Problems, word: Word): Dtype | undefined {
  if (isDtype(word.name)) return word.name;
  problems.unknown('UNKNOWN_DTYPE', 'dtype', word, dtypeNames);
  return undefined;
}

/** The dtypes that a dtype, a class of dtypes, or a list of either means. */
export function dtypeSet(problems: Problems, node: YamlNode, classes: ReadonlyMap<string, DtypeClass>): readonly Dtype[] {
  const single = wordOf(node);
  const members = (single === undefined ? wordsOf(node) : [single]).flatMap((word): readonly Dtype[] => {
    const members = classes.get(word.name)?.members ?? (isDtype(word.name) ? [word.name] : undefined);
    if (members === undefined) problems.unknown('UNKNOWN_DTYPE', 'dtype', word, [...dtypeNames, ...classes.keys()]);
    return members ?? [];
  });
  return [...new Set(members)];
}

/** Reports dtype names that mean nothing, in whatever branch of an expression they stand. */
export function checkDtypeExpression(problems: Problems, expression: Expression, known: ReadonlySet<string>): void {
  switch (expression.kind) {
    case 'name':
      if (!known.has(expression.name)) problems.unknown('UNKNOWN_DTYPE', 'dtype', expression, known);
      return;
    case 'string':
      dtypeOf(problems, { name: expression.value, span: expression.span });
      return;
    case 'conditional':
      checkDtypeExpression(problems, expression.then, known);
      checkDtypeExpression(problems, expression.otherwise, known);
      return;
    case 'binary':
      if (expression.operator !== '??') break;
      checkDtypeExpression(problems, expression.left, known);
      checkDtypeExpression(problems, expression.right, known);
      return;
    case 'call':
    case 'member':
      return;
  }
  problems.add(
    'UNKNOWN_DTYPE',
    'this is not a dtype',
    expression.span,
    'a dtype variable, a dtype, a class of dtypes, x.dtype, or a choice between them',
  );
}
