/**
 * Words that several commands print alike: counts, times, shapes, tables.
 */
import type { TensorMeta } from '../../kernels/op.js';
import type { Diagnostic } from '../spec/diagnostic.js';

/** `1 op`, `2 ops`, `3 classes`. */
export function countOf(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun}${/(s|ch|sh|x)$/.test(noun) ? 'es' : 's'}`;
}

export function problemCount(diagnostics: readonly Diagnostic[]): string {
  const files = new Set(diagnostics.map(({ file }) => file));
  const where = files.size > 1 ? ` in ${countOf(files.size, 'file')}` : '';
  return `${countOf(diagnostics.length, 'problem')}${where}`;
}

/** `float32 [3, 5]`. */
export function metaText({ dtype, shape }: TensorMeta): string {
  return `${dtype} [${shape.join(', ')}]`;
}

/** Lines under a heading are set in by two spaces. */
export function indented(text: string, indent = '  '): string {
  return text.replace(/^(?=.)/gm, indent);
}

/** Rows with every column but the last padded to its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `12.5 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? countOf(bytes, 'byte') : `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
