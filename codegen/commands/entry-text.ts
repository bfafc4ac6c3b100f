/**
 * An entry of a spec as it is written: from the dash before its first key to the next entry.
 */
import type { Span } from '../spec/source.js';

/** The lines of the entry that a span stands in, without their common indentation. */
export function entryText({ source, start }: Span): string {
  const lines = source.text.slice(source.text.lastIndexOf('\n', start) + 1).split('\n');
  const margin = indentation(lines[0] ?? '');
  const end = lines.findIndex((line, index) => index > 0 && line.trim() !== '' && indentation(line) <= margin);
  return lines
    .slice(0, end < 0 ? lines.length : end)
    .map((line) => line.slice(margin))
    .join('\n')
    .trimEnd();
}

function indentation(line: string): number {
  return line.length - line.trimStart().length;
}
