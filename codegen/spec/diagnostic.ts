/**
 * What the generator says when a spec is wrong: one record for each problem, made at a span, rendered with the source line and a
 * caret. It decides nothing about what is wrong.
 */
import type { Span } from './source.js';

export interface Diagnostic {
  /** Stable, in capitals: `UNKNOWN_KEY`, `SYNTAX`, ... */
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** How much of the line the problem covers, at least 1. */
  readonly length: number;
  /** How to mend it. */
  readonly hint?: string;
  /** The line it stands on. */
  readonly excerpt: string;
}

export function diagnosticAt(code: string, message: string, span: Span, hint?: string): Diagnostic {
  const { line, column } = span.source.position(span.start);
  const excerpt = span.source.line(line);
  // A span over several lines is underlined to the end of its first.
  const length = Math.max(1, Math.min(span.end - span.start, excerpt.length - column + 1));
  return { code, message, file: span.source.file, line, column, length, excerpt, ...(hint === undefined ? {} : { hint }) };
}

/**
 *     ops.yaml:12:9: error UNKNOWN_KEY: unknown key 'summry'
 *         summry: Smooth gate.
 *         ^~~~~~
 *       hint: did you mean 'summary'?
 */
export function renderDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, length, code, message, hint, excerpt } = diagnostic;
  const { text, caret } = window(excerpt, column, length);
  const lines = [`${file}:${line}:${column}: error ${code}: ${message}`, `  ${text}`, `  ${caret}`];
  if (hint !== undefined) lines.push(`  hint: ${hint}`);
  return lines.join('\n');
}

const widestExcerpt = 120;

/** The part of a long line around the problem, with its caret line; tabs are kept in the caret line so that both align. */
function window(excerpt: string, column: number, length: number): { text: string; caret: string } {
  const start = excerpt.length <= widestExcerpt ? 0 : Math.max(0, Math.min(column - 1 - 40, excerpt.length - widestExcerpt));
  const end = Math.min(excerpt.length, start + widestExcerpt);
  const before = start > 0 ? '...' : '';
  const indent = before.replace(/./g, ' ') + excerpt.slice(start, column - 1).replace(/[^\t]/g, ' ');
  const tildes = '~'.repeat(Math.max(0, Math.min(length, end - column + 1) - 1));
  return { text: before + excerpt.slice(start, end) + (end < excerpt.length ? '...' : ''), caret: `${indent}^${tildes}` };
}

/** Thrown where nothing sensible can be returned; carries every problem found. */
export class DiagnosticError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(renderDiagnostic).join('\n'));
    this.name = 'DiagnosticError';
    this.diagnostics = diagnostics;
  }
}

/** `did you mean 'x'?` for the nearest candidate, or nothing if none is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const nearest = nearestWord(word, candidates);
  return nearest === undefined ? undefined : `did you mean '${nearest}'?`;
}

/** The candidate with the least edit distance, if that is at most a third of the word (2 edits at least), or one that it begins. */
export function nearestWord(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    // Two edits turn any word of two letters into any other: such a match says nothing.
    if (distance < bestDistance && distance < Math.max(word.length, candidate.length)) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (best !== undefined || word.length < 3) return best;
  return [...candidates].find((candidate) => candidate.toLowerCase().startsWith(word.toLowerCase()));
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(left: string, right: string): number {
  let previous: number[] = [];
  let current = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const next = [row];
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1];
      let cost = Math.min((next[column - 1] ?? 0) + 1, (current[column] ?? 0) + 1, (current[column - 1] ?? 0) + (same ? 0 : 1));
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]) {
        cost = Math.min(cost, (previous[column - 2] ?? 0) + 1);
      }
      next.push(cost);
    }
    previous = current;
    current = next;
  }
  return current[right.length] ?? 0;
}
