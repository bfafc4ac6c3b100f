/**
 * From the text of a spec to its model and everything that is wrong with it, in one run: YAML, form, then each entry with its
 * class expanded, then what entries say of each other. Errors in one entry keep no other from being read. It opens no files, so that
 * it runs wherever the library does.
 */
import { parseExpression } from '../lang/parser.js';
import { type Diagnostic, nearestWord } from './diagnostic.js';
import { readOp } from './entry.js';
import type { Api, DtypeClass, Op, OpClass, Rule, SpecModel, Word } from './model.js';
import {
  checkDistinct,
  checkName,
  dtypeSet,
  elsewhereOf,
  type Fields,
  fieldsOf,
  itemsOf,
  keyOf,
  Problems,
  parseField,
  textOf,
  wordOf,
  wordsOf,
} from './reader.js';
import { checkForm, entryPoints } from './schema.js';
import type { SourceFile } from './source.js';
import { readYaml, type YamlNode } from './yaml.js';

export interface LoadedSpec {
  /** What is sound of it. */
  readonly model: SpecModel;
  /** In the order of the file. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a spec, which may lie in several files: an op pack sees all that the library's own file defines. */
export function loadSpec(...sources: readonly SourceFile[]): LoadedSpec {
  const problems = new Problems();
  const documents = sources.flatMap((source): readonly Fields[] => {
    const { root, diagnostics } = readYaml(source);
    problems.addAll(diagnostics);
    if (root === undefined) {
      if (diagnostics.length === 0) problems.add('EMPTY', 'the spec is empty', { source, start: 0, end: 0 });
      return [];
    }
    problems.addAll(checkForm(root));
    return [fieldsOf(root)];
  });
  const model = new SpecReader(problems, documents).read();
  return { model, diagnostics: problems.sorted(sources) };
}

interface ClassFields {
  readonly word: Word;
  readonly fields: Fields;
}

class SpecReader {
  readonly #problems: Problems;
  readonly #documents: readonly Fields[];

  constructor(problems: Problems, documents: readonly Fields[]) {
    this.#problems = problems;
    this.#documents = documents;
  }

  read(): SpecModel {
    const dtypes = this.#dtypes();
    const rules = this.#rules();
    const classFields = this.#classFields();
    const ops = new Map<string, Op>();
    const broken = new Set<string>();
    const members = new Map<string, string[]>();
    const named = this.#items('ops').flatMap((node) => this.#named(node, 'op') ?? []);
    let group = 'ops';
    let source: SourceFile | undefined;
    for (const { word, node } of named) {
      if (word.span.source !== source) group = 'ops';
      source = word.span.source;
      group = textOf(fieldsOf(node).get('group')) ?? group;
      const fields = this.#expand(node, classFields, members);
      const op = fields && readOp(this.#problems, word, group, fields, dtypes);
      if (op !== undefined && !ops.has(op.name)) ops.set(op.name, op);
      else broken.add(word.name);
    }
    const api = this.#api();
    this.#checkAcross(named, ops, api);
    const classes = [...classFields.values()].map(({ word }): [string, OpClass] => [
      word.name,
      { ...word, members: members.get(word.name) ?? [] },
    ]);
    return { dtypes, rules, classes: new Map(classes), ops, api, broken };
  }

  #items(field: string): readonly YamlNode[] {
    return this.#documents.flatMap((fields) => itemsOf(fields.get(field)?.value));
  }

  #named(node: YamlNode, key: string): { readonly word: Word; readonly node: YamlNode } | undefined {
    const word = wordOf(fieldsOf(node).get(key)?.value);
    return word && { word, node };
  }

  /** Classes of dtypes; a class may be made of those before it. */
  #dtypes(): ReadonlyMap<string, DtypeClass> {
    const dtypes = new Map<string, DtypeClass>();
    const entries = this.#documents.flatMap((fields) => [...fieldsOf(fields.get('dtypes')?.value).values()]);
    checkDistinct(this.#problems, entries.map(keyOf), 'the class of dtypes');
    for (const entry of entries) {
      dtypes.set(entry.key, { ...keyOf(entry), members: dtypeSet(this.#problems, entry.value, dtypes) });
    }
    return dtypes;
  }

  #rules(): ReadonlyMap<string, Rule> {
    const rules = new Map<string, Rule>();
    const words: Word[] = [];
    for (const node of this.#items('rules')) {
      const fields = fieldsOf(node);
      const word = wordOf(fields.get('rule')?.value);
      if (word === undefined) continue;
      words.push(word);
      const parameters = wordsOf(fields.get('parameters')?.value);
      for (const name of [word, ...parameters]) checkName(this.#problems, name);
      checkDistinct(this.#problems, parameters, 'the parameter');
      const define = parseField(this.#problems, fields.get('define'), parseExpression);
      if (define !== undefined)
        rules.set(word.name, { ...word, summary: textOf(fields.get('summary')) ?? '', parameters, define });
    }
    checkDistinct(this.#problems, words, 'the rule');
    return rules;
  }

  #classFields(): ReadonlyMap<string, ClassFields> {
    const named = this.#items('classes').flatMap((node) => this.#named(node, 'class') ?? []);
    checkDistinct(
      this.#problems,
      named.map((item) => item.word),
      'the class',
    );
    return new Map(named.map(({ word, node }) => [word.name, { word, fields: fieldsOf(node) }]));
  }

  #api(): readonly Api[] {
    const named = this.#items('api').flatMap((node) => this.#named(node, 'api') ?? []);
    return named.map(({ word, node }): Api => {
      const fields = fieldsOf(node);
      const entry = textOf(fields.get('entry'));
      return {
        ...word,
        entry: entryPoints.find((known) => known === entry) ?? 'opwright',
        summary: textOf(fields.get('summary')) ?? '',
        doc: textOf(fields.get('doc')),
        names: wordsOf(fields.get('names')?.value),
        aliases: wordsOf(fields.get('aliases')?.value),
        keywords: wordsOf(fields.get('keywords')?.value).map(({ name }) => name),
        elsewhere: elsewhereOf(fields),
        seeAlso: wordsOf(fields.get('seeAlso')?.value),
        differences: textOf(fields.get('differences')),
        example: textOf(fields.get('example')) ?? '',
      };
    });
  }

  /** The entry's fields over its class's: a field that the entry writes replaces the class's whole. */
  #expand(node: YamlNode, classes: ReadonlyMap<string, ClassFields>, members: Map<string, string[]>): Fields | undefined {
    const own = fieldsOf(node);
    const name = wordOf(own.get('class')?.value);
    if (name === undefined) return own;
    if (!classes.has(name.name)) this.#problems.unknown('UNKNOWN_CLASS', 'class', name, classes.keys());
    // A class that was mistyped is taken to be the nearest one, so that the entry's other problems are found in the same run.
    const inherited = classes.get(name.name) ?? classes.get(nearestWord(name.name, classes.keys()) ?? '');
    if (inherited === undefined) return undefined;
    members.set(name.name, [...(members.get(name.name) ?? []), textOf(own.get('op')) ?? '']);
    // What the class does not have, the entry decides; `define` and `kernel` exclude each other, so either replaces both.
    const replaced = own.has('define') || own.has('kernel') ? ['define', 'kernel'] : [];
    return new Map([...[...inherited.fields].filter(([key]) => !replaced.includes(key)), ...own]);
  }

  /** What needs all entries: exported names, Paddle names and references to other ops. */
  #checkAcross(
    named: readonly { readonly word: Word; readonly node: YamlNode }[],
    ops: ReadonlyMap<string, Op>,
    api: readonly Api[],
  ): void {
    const all = [...ops.values()];
    const words = [...named.map((item) => item.word), ...api];
    checkDistinct(this.#problems, [...words, ...[...all, ...api].flatMap((one) => one.aliases)], 'the op');
    checkDistinct(
      this.#problems,
      [...all, ...api].flatMap((one) => one.names),
      'the Paddle name',
    );
    checkDistinct(
      this.#problems,
      all.flatMap((op) => op.layer ?? []),
      'the layer',
    );
    const known = new Set(words.map((word) => word.name));
    for (const one of [...all, ...api]) {
      for (const word of one.seeAlso) {
        if (!known.has(word.name)) this.#problems.unknown('UNKNOWN_OP', 'op', word, known);
      }
    }
  }
}
