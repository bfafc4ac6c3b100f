/**
 * Line charts as SVG: small, without scripts, and coloured by the page's style sheet (classes `plot-1`, `plot-2`, ...), with colours of
 * their own where there is none.
 */

export interface Curve {
  readonly label: string;
  /** Points with a y that is no finite number end one piece of the curve and begin the next. */
  readonly points: readonly (readonly [number, number])[];
}

const [width, height] = [640, 320];
const margin = { left: 44, right: 16, top: 16, bottom: 30 };

/** A chart of curves over one x axis. `title` is for those who cannot see it. */
export function curveChart(title: string, curves: readonly Curve[]): string {
  const [left, right] = extent(curves.flatMap(({ points }) => points.map(([x]) => x)));
  const [bottom, top] = valueRange(curves);
  const x = (value: number): number => margin.left + ((value - left) / (right - left)) * (width - margin.left - margin.right);
  const y = (value: number): number =>
    height - margin.bottom - ((value - bottom) / (top - bottom)) * (height - margin.top - margin.bottom);
  const vertical = ticks(left, right).map((tick) => gridLine(tick, x(tick), margin.top, x(tick), height - margin.bottom, 'x'));
  const horizontal = ticks(bottom, top).map((tick) => gridLine(tick, margin.left, y(tick), width - margin.right, y(tick), 'y'));
  const inside = (value: number): boolean => value >= bottom - (top - bottom) && value <= top + (top - bottom);
  const paths = curves.map(({ points }, index) => {
    const d = pathOf(points, x, y, inside, top - bottom);
    return `<path class="plot-line plot-${index + 1}" d="${d}"/>`;
  });
  const legend = curves.map(
    ({ label }, index) =>
      `<g transform="translate(${margin.left + 10} ${margin.top + 14 + 18 * index})"><path class="plot-line plot-${index + 1}" d="M0 -4H18"/>` +
      `<text class="plot-label" x="24">${label}</text></g>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" class="plot">`,
    `<title>${title}</title>`,
    `<style>${style}</style>`,
    `<clipPath id="area"><rect x="${margin.left}" y="${margin.top}" width="${width - margin.left - margin.right}" height="${height - margin.top - margin.bottom}"/></clipPath>`,
    ...vertical,
    ...horizontal,
    `<g clip-path="url(#area)">${paths.join('')}</g>`,
    ...legend,
    '</svg>',
    '',
  ].join('\n');
}

const style =
  '.plot-grid{stroke:#8884;stroke-width:1}.plot-zero{stroke:#888;stroke-width:1}.plot-tick,.plot-label{font:12px system-ui,sans-serif;fill:#777}' +
  '.plot-line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}.plot-1{stroke:#2563eb}.plot-2{stroke:#ea580c;stroke-dasharray:6 5}';

function gridLine(tick: number, x1: number, y1: number, x2: number, y2: number, axis: 'x' | 'y'): string {
  const line = `<path class="${tick === 0 ? 'plot-zero' : 'plot-grid'}" d="M${fixed(x1)} ${fixed(y1)}L${fixed(x2)} ${fixed(y2)}"/>`;
  const text = String(Number(tick.toPrecision(6))).replace('-', '\u2212');
  const label =
    axis === 'x'
      ? `<text class="plot-tick" x="${fixed(x1)}" y="${height - 10}" text-anchor="middle">${text}</text>`
      : `<text class="plot-tick" x="${margin.left - 8}" y="${fixed(y1 + 4)}" text-anchor="end">${text}</text>`;
  return line + label;
}

/** A jump of more than half the range between neighbours is no line. */
function pathOf(
  points: Curve['points'],
  x: (value: number) => number,
  y: (value: number) => number,
  inside: (value: number) => boolean,
  range: number,
): string {
  let previous: number | undefined;
  let path = '';
  for (const [at, value] of points) {
    const drawn = Number.isFinite(value) && inside(value);
    if (drawn) {
      const joined = previous !== undefined && Math.abs(value - previous) < range / 2;
      path += `${joined ? 'L' : 'M'}${fixed(x(at))} ${fixed(y(value))}`;
    }
    previous = drawn ? value : undefined;
  }
  return path;
}

const fixed = (value: number): string => String(Number(value.toFixed(1)));

function extent(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** Where most of the values lie: poles and steep ends do not flatten the rest. */
function valueRange(curves: readonly Curve[]): readonly [number, number] {
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y).filter(Number.isFinite)).sort((a, b) => a - b);
  const at = (share: number): number => values[Math.round(share * (values.length - 1))] ?? 0;
  const [low, high] = [Math.max(at(0), at(0.04) * 2 - at(0.3) - 1), Math.min(at(1), at(0.96) * 2 - at(0.7) + 1)];
  const padding = Math.max((high - low) * 0.08, 0.1);
  return [low - padding, high + padding];
}

/** About six round numbers. */
function ticks(from: number, to: number): readonly number[] {
  const raw = (to - from) / 6;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((size) => size >= raw) ?? 10 * unit;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) => (first + index) * step);
}
