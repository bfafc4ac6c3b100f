/**
 * YAML with places: a tree of nodes that each know their span, and the way from the characters of a scalar back to the file
 * through quotes, escapes, folding and the indentation of block scalars. The only file that sees the YAML library; it knows nothing of ops.
 */
import { isMap, isScalar, isSeq, type Node as LibraryNode, parseDocument, Scalar, visit } from 'yaml';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { type SourceFile, type SourceText, type Span, sliceText } from './source.js';

export type YamlNode = YamlScalar | YamlList | YamlMap;

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly span: Span;
  readonly value: string | number | boolean | null;
  /** What is written, without quotes and indentation: what an expression is parsed from. */
  readonly text: SourceText;
}
export interface YamlList {
  readonly kind: 'list';
  readonly span: Span;
  readonly items: readonly YamlNode[];
  /** What is written, brackets and all: `[...b, m, k]` is a list of the expression language too. */
  readonly text: SourceText;
}
export interface YamlMap {
  readonly kind: 'map';
  readonly span: Span;
  readonly entries: ReadonlyMap<string, YamlEntry>;
}
export interface YamlEntry {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: YamlNode;
}

/** The tree, and what is wrong with the YAML itself; no tree where its structure cannot be trusted. */
export function readYaml(source: SourceFile): {
  readonly root: YamlNode | undefined;
  readonly diagnostics: readonly Diagnostic[];
} {
  const document = parseDocument(source.text, { prettyErrors: false });
  const diagnostics = document.errors.map((error) => {
    const [start, end] = error.pos;
    const code = error.code === 'DUPLICATE_KEY' ? error.code : 'YAML';
    return diagnosticAt(code, lowerFirst(error.message), { source, start, end }, yamlHint(error.code));
  });
  visit(document, {
    // They could contain themselves, and what they save is a class's or a rule's work.
    Alias(_, { range }) {
      const span = { source, start: range?.[0] ?? 0, end: range?.[1] ?? 0 };
      diagnostics.push(diagnosticAt('YAML', 'a spec has no aliases', span, 'write it out, or share it as a class or a rule'));
    },
  });
  const sound = diagnostics.every(({ code }) => code === 'DUPLICATE_KEY');
  const root = sound && document.contents !== null ? convert(source, document.contents, { source, start: 0, end: 0 }) : undefined;
  return { root, diagnostics };
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function yamlHint(code: string): string | undefined {
  if (code === 'TAB_AS_INDENT') return 'indent with spaces';
  if (code === 'BAD_INDENT') return 'keys of one map stand in one column';
  if (
    code === 'BLOCK_AS_IMPLICIT_KEY' ||
    code === 'MULTILINE_IMPLICIT_KEY' ||
    code === 'MISSING_CHAR' ||
    code === 'UNEXPECTED_TOKEN'
  ) {
    return "an expression with ': ', ', ', '{' or '[' in it needs quotes";
  }
  return undefined;
}

function convert(source: SourceFile, node: LibraryNode | null, before: Span): YamlNode {
  // What is left out (`key:`) stands just behind what comes before it.
  const [start, end] = node?.range ?? [before.end, before.end];
  const span: Span = { source, start, end };
  if (isMap<unknown, LibraryNode | null>(node)) {
    const entries = node.items.map((pair): [string, YamlEntry] => {
      const keySpan = isScalar(pair.key) && pair.key.range ? { source, start: pair.key.range[0], end: pair.key.range[1] } : span;
      const key = String(isScalar(pair.key) ? pair.key.value : pair.key);
      return [key, { key, keySpan, value: convert(source, pair.value, keySpan) }];
    });
    return { kind: 'map', span, entries: new Map(entries) };
  }
  if (isSeq<LibraryNode | null>(node)) {
    const items = node.items.map((item) => convert(source, item, span));
    return { kind: 'list', span, items, text: sliceText(source, start, end) };
  }
  if (isScalar(node)) return scalar(source, node, span);
  return { kind: 'scalar', span, value: null, text: sliceText(source, start, start) };
}

function scalar(source: SourceFile, node: Scalar, written: Span): YamlScalar {
  const { value } = node;
  if (typeof value !== 'string') {
    const plain = typeof value === 'number' || typeof value === 'boolean' ? value : null;
    return { kind: 'scalar', span: written, value: plain, text: sliceText(source, written.start, written.end) };
  }
  const offsets = offsetsOf(value, source.text, node, written);
  const block = node.type === Scalar.BLOCK_LITERAL || node.type === Scalar.BLOCK_FOLDED;
  const last = (offsets[value.trimEnd().length - 1] ?? written.start) + 1;
  // A block's span begins with its text: the header line says nothing.
  const span = block ? { source, start: offsets[0] ?? written.start, end: last } : written;
  return { kind: 'scalar', span, value, text: { text: value, source, offsets } };
}

/** The file offset of each character of a scalar's value, and of its end. */
function offsetsOf(value: string, text: string, node: Scalar, span: Span): readonly number[] {
  switch (node.type) {
    case Scalar.BLOCK_LITERAL:
      return literalOffsets(value, text, span);
    case Scalar.BLOCK_FOLDED:
      return foldedOffsets(value, text, span);
    case Scalar.QUOTE_DOUBLE:
      return flowOffsets(value, text, { ...span, start: span.start + 1, end: span.end - 1 }, doubleQuotedLength);
    case Scalar.QUOTE_SINGLE:
      return flowOffsets(value, text, { ...span, start: span.start + 1, end: span.end - 1 }, (at) =>
        text.startsWith("''", at) ? 2 : 1,
      );
    default:
      return flowOffsets(value, text, span, () => 1);
  }
}

/** `|`: the value's lines are the file's, each without the same indentation. */
function literalOffsets(value: string, text: string, span: Span): readonly number[] {
  const offsets: number[] = [];
  let lineStart = text.indexOf('\n', span.start) + 1;
  for (const line of value.split('\n')) {
    const lineEnd = text.indexOf('\n', lineStart) < 0 ? text.length : text.indexOf('\n', lineStart);
    const contentEnd = text[lineEnd - 1] === '\r' ? lineEnd - 1 : lineEnd;
    const start = Math.min(Math.max(lineStart, contentEnd - line.length), text.length);
    for (let index = 0; index <= line.length; index++) offsets.push(start + index);
    lineStart = lineEnd + 1;
  }
  return offsets;
}

/** `>`: line breaks and the indentation after them became single characters; everything else stands as written. */
function foldedOffsets(value: string, text: string, span: Span): readonly number[] {
  const offsets: number[] = [];
  const skipSpace = (from: number): number => from + (/^\s*/.exec(text.slice(from, span.end))?.[0].length ?? 0);
  let at = skipSpace(text.indexOf('\n', span.start));
  for (const character of value) {
    if (/\s/.test(character) && text[at] !== character && at > 0 && /\s/.test(text[at - 1] ?? '')) {
      offsets.push(at - 1); // A further character of a break that was skipped whole.
      continue;
    }
    for (let unit = 0; unit < character.length; unit++) offsets.push(at + unit);
    at = /[\r\n]/.test(text[at] ?? '') ? skipSpace(at) : at + character.length;
  }
  return [...offsets, at];
}

/** A plain or quoted scalar, which may run over lines; `lengthAt` says how many characters of the file one of the value takes. */
function flowOffsets(value: string, text: string, span: Span, lengthAt: (at: number, text: string) => number): readonly number[] {
  const offsets: number[] = [];
  const fold = /[ \t]*\r?\n\s*/y;
  let at = span.start;
  for (let index = 0; index < value.length; ) {
    fold.lastIndex = at;
    const broken = fold.exec(text)?.[0];
    if (broken === undefined) {
      const length = lengthAt(at, text);
      // An escaped line break stands for nothing; an escape beyond the basic plane for two units.
      const units = length < 0 ? 0 : (value.codePointAt(index) ?? 0) > 0xffff && length === 10 ? 2 : 1;
      for (let unit = 0; unit < units; unit++) offsets.push(at);
      index += units;
      at += Math.abs(length);
    } else {
      // One break is a space; each further empty line is a break.
      const breaks = Math.max(1, broken.split('\n').length - 2);
      for (let count = 0; count < breaks; count++) offsets.push(at);
      index += breaks;
      at += broken.length;
    }
  }
  return [...offsets, at];
}

/** How long an escape is; negative for an escaped line break, which goes with the indentation of the next line. */
function doubleQuotedLength(at: number, text: string): number {
  if (text[at] !== '\\') return 1;
  const letter = text[at + 1];
  if (letter === 'x') return 4;
  if (letter === 'u') return 6;
  if (letter === 'U') return 10;
  const lineBreak = /^\\\r?\n[ \t]*/.exec(text.slice(at))?.[0];
  return lineBreak === undefined ? 2 : -lineBreak.length;
}

/** The values alone, as a schema sees them. */
export function plainValue(node: YamlNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainValue);
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, plainValue(entry.value)]));
  }
}

/** The node at a path of keys and places, or the last one on the way that is there. */
export function nodeAt(root: YamlNode, path: readonly PropertyKey[]): YamlNode {
  const [step, ...rest] = path;
  if (step === undefined) return root;
  const next =
    root.kind === 'map' ? root.entries.get(String(step))?.value : root.kind === 'list' ? root.items[Number(step)] : undefined;
  return next === undefined ? root : nodeAt(next, rest);
}

/** Where a node is best pointed at: a map by its first key, anything else by itself. */
export function pointAt(node: YamlNode): Span {
  const [first] = node.kind === 'map' ? node.entries.values() : [];
  return first?.keySpan ?? node.span;
}
