/**
 * Where text stands: files, spans of them, and texts cut out of them (a YAML scalar whose escapes and indentation are gone), with
 * the way back from each character to its place in the file. It knows nothing of YAML or of expressions.
 */

export interface Position {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units, as editors do. */
  readonly column: number;
}

export class SourceFile {
  /** As a person in the current folder would write it: diagnostics name it so. */
  readonly file: string;
  readonly text: string;
  /** As it is called wherever the program runs: generated files name it so. */
  readonly origin: string;
  readonly #lineStarts: readonly number[];

  constructor(file: string, text: string, origin = file) {
    this.file = file;
    this.text = text;
    this.origin = origin;
    const starts = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    this.#lineStarts = starts;
  }

  position(offset: number): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  /** One line, counted from 1, without its line break. */
  line(number: number): string {
    const start = this.#lineStarts[number - 1] ?? this.text.length;
    const end = this.#lineStarts[number] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, '');
  }
}

/** A stretch of a file, in offsets of its text. Everything that can be wrong carries one. */
export interface Span {
  readonly source: SourceFile;
  readonly start: number;
  readonly end: number;
}

/** `file:line` of a span, for a person in the current folder. */
export function locationOf(span: Span): string {
  return `${span.source.file}:${span.source.position(span.start).line}`;
}

/** `file:line` of a span, as generated files and the registry name it. */
export function originOf(span: Span): string {
  return `${span.source.origin}:${span.source.position(span.start).line}`;
}

/** A text to be parsed, and where each of its characters stands. */
export interface SourceText {
  readonly text: string;
  readonly source: SourceFile;
  /** The file offset of each character, and of the text's end: `text.length + 1` numbers. */
  readonly offsets: ArrayLike<number>;
}

export function spanOf(text: SourceText, start: number, end: number): Span {
  const first = text.offsets[start] ?? text.offsets[text.text.length] ?? 0;
  // The end follows the last character that belongs to the span: what a line break or an escape skips does not.
  const last = end > start ? (text.offsets[end - 1] ?? first) + 1 : first;
  return { source: text.source, start: first, end: Math.max(first, last) };
}

/** A text that stands on its own, for tests, the command line and expressions that no file holds. */
export function inlineText(text: string, file = '<expression>'): SourceText {
  return sliceText(new SourceFile(file, text), 0, text.length);
}

/** A stretch of a file taken literally. */
export function sliceText(source: SourceFile, start: number, end: number): SourceText {
  return {
    text: source.text.slice(start, end),
    source,
    offsets: Array.from({ length: end - start + 1 }, (_, index) => start + index),
  };
}
