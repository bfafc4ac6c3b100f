/** The figures of bench/RESULTS.md: its text as it is, and a chart before each table that gives times over ours in brackets. */
import { readFileSync } from 'node:fs';
import { escapeHtml } from './markdown.js';

export function benchText(): string {
  const text = readFileSync('bench/RESULTS.md', 'utf8');
  return text
    .replace(/^# .*\n/, '')
    .replace(/^(?:\|.*\|\n?)+/gm, (table) => {
      const chart = ratioChart(table);
      return chart === undefined ? table : `${chart}\n\n${table}`;
    })
    .trim();
}

interface Ratio {
  readonly label: string;
  readonly values: readonly (number | undefined)[];
}

/** Bars on a logarithmic scale: right of the middle this library is faster. Undefined for a table without ratios. */
function ratioChart(table: string): string | undefined {
  const [heading = [], , ...rows] = table
    .trim()
    .split('\n')
    .map((line) =>
      line
        .replace(/^\||\|$/g, '')
        .split('|')
        .map((cell) => cell.trim()),
    );
  const ratios = rows.map(
    ([label = '', ...cells]): Ratio => ({
      label,
      values: cells
        .map((cell) => Number(/\(([\d.]+)\)/.exec(cell)?.[1] ?? Number.NaN))
        .map((value) => (Number.isNaN(value) ? undefined : value)),
    }),
  );
  const column = heading
    .slice(1)
    .findLastIndex((_, index) => ratios.filter(({ values }) => values[index] !== undefined).length >= 4);
  if (column < 0) return undefined;
  const shown = ratios.filter(({ values }) => values[column] !== undefined);
  return barChart(
    heading[column + 1] ?? '',
    shown.map(({ label, values }) => ({ label, value: values[column] ?? 1 })),
  );
}

const [width, rowHeight, left, right] = [720, 24, 270, 60];

function barChart(peer: string, bars: readonly { readonly label: string; readonly value: number }[]): string {
  const reach = Math.max(2, ...bars.map(({ value }) => Math.max(value, 1 / value)));
  const low = Math.max(1 / reach, Math.min(0.5, ...bars.map(({ value }) => value)));
  const [from, to] = [Math.log2(low) - 0.2, Math.log2(Math.max(2, ...bars.map(({ value }) => value))) + 0.2];
  const x = (value: number): number => left + ((Math.log2(value) - from) / (to - from)) * (width - left - right);
  const marks = [0.25, 0.5, 1, 2, 4, 8, 16, 32].filter((mark) => Math.log2(mark) >= from && Math.log2(mark) <= to);
  const height = bars.length * rowHeight + 40;
  const fixed = (value: number): string => String(Number(value.toFixed(1)));
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" class="plot bars">`,
    `<title>Time of ${escapeHtml(peer)} over ours, by case; right of 1 ours is faster</title>`,
    ...marks.map(
      (mark) =>
        `<path class="${mark === 1 ? 'plot-zero' : 'plot-grid'}" d="M${fixed(x(mark))} 22V${height - 10}"/><text class="plot-tick" x="${fixed(x(mark))}" y="14" text-anchor="middle">${mark}×</text>`,
    ),
    ...bars.map(({ label, value }, index) => {
      const y = 28 + index * rowHeight;
      const [start, end] = value >= 1 ? [x(1), x(value)] : [x(value), x(1)];
      return (
        `<text class="plot-label" x="${left - 10}" y="${y + 12}" text-anchor="end">${escapeHtml(label)}</text>` +
        `<rect class="${value >= 1 ? 'plot-faster' : 'plot-slower'}" x="${fixed(start)}" y="${y}" width="${fixed(Math.max(1, end - start))}" height="16" rx="2"/>` +
        `<text class="plot-tick" x="${fixed(value >= 1 ? end + 6 : x(1) + 6)}" y="${y + 12}">${value}</text>`
      );
    }),
    '</svg>',
  ];
  return `<figure>\n${lines.join('\n')}\n<figcaption>The time of ${escapeHtml(peer)} over ours: right of the line ours is faster.</figcaption>\n</figure>`;
}
