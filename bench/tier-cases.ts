/** The same work in growing sizes, for each kind of work that the choice of a tier distinguishes. */
import { add, argmax, conv2d, cumsum, exp, matmul, sum } from '../entry/index.js';
import type { WorkKind } from '../runtime/devices/device.js';
import { benchCase, type Case } from './case.js';

export interface TierCase extends Case {
  readonly kind: WorkKind;
  /** As `Work.size` counts. */
  readonly size: number;
}

const powers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => 2 ** (from + at));
const row = 256;

export const tierCases: readonly TierCase[] = [
  ...powers(10, 19).flatMap((size) => [
    tierCase(
      'map',
      size,
      benchCase({
        name: `add, ${size}`,
        inputs: { x: { shape: [size] } },
        ours:
          ({ x }) =>
          () =>
            add(x, x),
      }),
    ),
    tierCase(
      'map',
      size,
      benchCase({
        name: `exp, ${size}`,
        inputs: { x: { shape: [size] } },
        ours:
          ({ x }) =>
          () =>
            exp(x),
      }),
    ),
    tierCase(
      'row',
      size,
      benchCase({
        name: `sum of rows, ${size}`,
        inputs: { x: { shape: [size / row, row] } },
        ours:
          ({ x }) =>
          () =>
            sum(x, { axis: 1 }),
      }),
    ),
    tierCase(
      'row',
      size,
      benchCase({
        name: `argmax of rows, ${size}`,
        inputs: { x: { shape: [size / row, row] } },
        ours:
          ({ x }) =>
          () =>
            argmax(x, { axis: 1 }),
      }),
    ),
    tierCase(
      'column',
      size,
      benchCase({
        name: `sum of columns, ${size}`,
        inputs: { x: { shape: [row, size / row] } },
        ours:
          ({ x }) =>
          () =>
            sum(x, { axis: 0 }),
      }),
    ),
    tierCase(
      'function',
      size,
      benchCase({
        name: `cumsum of rows, ${size}`,
        inputs: { x: { shape: [size / row, row] } },
        ours:
          ({ x }) =>
          () =>
            cumsum(x, { axis: 1 }),
      }),
    ),
  ]),
  ...[8, 16, 24, 32, 48, 64, 96, 128].map((side) =>
    tierCase(
      'product',
      side ** 3,
      benchCase({
        name: `matmul, ${side}^3`,
        inputs: { x: { shape: [side, side] } },
        ours:
          ({ x }) =>
          () =>
            matmul(x, x),
      }),
    ),
  ),
  ...[4, 8, 12, 16, 24, 32].map((side) =>
    tierCase(
      'convolution',
      8 * 8 * 9 * side ** 2,
      benchCase({
        name: `conv 3x3, 8 to 8 channels, ${side}x${side}`,
        inputs: { x: { shape: [1, 8, side, side] }, w: { shape: [8, 8, 3, 3] } },
        ours:
          ({ x, w }) =>
          () =>
            conv2d(x, w, { padding: 1 }),
      }),
    ),
  ),
];

function tierCase(kind: WorkKind, size: number, one: Case): TierCase {
  return { ...one, kind, size, name: `${kind}: ${one.name}` };
}
