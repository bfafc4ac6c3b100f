/**
 * The first elements of rows by their ranks (kernels/functions/ranks.ts), on devices with a thread for every element. Each step keeps the
 * first k of every stretch, until one stretch is left of a row; the order of equal elements is kept throughout.
 */
import { bytesOf } from '../../kernels/ir.js';
import type { Device } from '../devices/device.js';
import { functionLaunch, type KernelLaunch, withScratch } from './launch.js';
import type { RowSort, Rows } from './row-sort.js';

/** Elements that each is compared with, but in the last step: enough of them fall away at a time. */
const stretch = 512;
/** Of a stretch at least three in four fall away. */
const mostKept = stretch / 4;

/** Whether steps get anywhere. */
export const isFoundByRanks = ({ n }: Rows, k: number): boolean => n <= stretch || k <= mostKept;

/** The first k of each row in order; with k = n rows are sorted, in one step. */
export const firstOfRows = (device: Device, rows: Rows, k: number): RowSort => new FirstOfRows(device, rows, k);

/** Elements and places, as a step reads or writes them. */
interface Elements {
  readonly values: number;
  readonly index: number;
}

class FirstOfRows implements RowSort {
  private readonly steps: readonly KernelLaunch[];
  /** Of what the first two steps keep, which later ones have room in: values, places, values, places. */
  private readonly scratch: readonly number[];

  constructor(
    private readonly device: Device,
    { rows, n, dtype, descending }: Rows,
    k: number,
  ) {
    const lengths = lengthsOf(n, k);
    this.steps = lengths.slice(0, -1).map((length, step) => {
      const isLast = step === lengths.length - 2;
      const integers = { n: length, stretch: isLast ? length : stretch, k, kept: lengths[step + 1]! };
      const flags = { descending: Number(descending), hasPlaces: Number(step > 0) };
      return functionLaunch(device, 'firstOfStretches', { T: dtype }, { ...integers, ...flags }, rows * length, stretch);
    });
    this.scratch = lengths
      .slice(1, -1)
      .slice(0, 2)
      .flatMap((length) => [rows * length * bytesOf[dtype], rows * length * bytesOf.int32]);
  }

  run(x: number, values: number, index: number): void {
    withScratch(this.device, this.scratch, (addresses) => {
      // The first step has no places to read.
      let from: Elements = { values: x, index };
      this.steps.forEach((step, number) => {
        const at = 2 * (number % 2);
        const isLast = number === this.steps.length - 1;
        const to = isLast ? { values, index } : { values: addresses[at]!, index: addresses[at + 1]! };
        step.runWith({ x: from.values, places: from.index, values: to.values, index: to.index });
        from = to;
      });
    });
  }

  free(): void {
    for (const step of this.steps) step.free();
  }
}

/** How long rows are before each step and after the last. */
function lengthsOf(n: number, k: number): readonly number[] {
  const lengths = [n];
  if (k < n)
    for (let length = n; length > stretch; lengths.push(length))
      length = Math.floor(length / stretch) * k + Math.min(k, length % stretch);
  return [...lengths, k];
}
