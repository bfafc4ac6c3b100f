/**
 * One pass of sorting words by a digit of their keys (kernels/functions/radix.ts): words are counted, counts added up, words moved. How
 * rows are cut into blocks follows from their length alone, and the order that comes out does not depend on it at all.
 */
import { bytesOf } from '../../kernels/ir.js';
import type { Device } from '../devices/device.js';
import { functionLaunch, type KernelLaunch } from './launch.js';

/**
 * Words of a row that one work item counts and moves: on the cpu as many as make up for a table of counts, on a GPU as few as that leaves
 * sensible, since a block is one warp's.
 */
const blockSizes: Readonly<Record<Device['machine'], number>> = { cpu: 1 << 15, gpu: 1 << 10 };

/** Rows of n words, cut into blocks. */
export class BlockedRows {
  readonly blockSize: number;
  readonly blocks: number;
  /** What kernels over blocks are told of them. */
  readonly integers: Readonly<Record<string, number>>;
  readonly items: number;
  /** Words of an item. */
  readonly itemSize: number;
  readonly wordBytes: number;

  constructor(
    { machine }: Device,
    readonly rows: number,
    readonly n: number,
  ) {
    this.blockSize = blockSizes[machine];
    this.blocks = Math.ceil(n / this.blockSize);
    this.integers = { n, blocks: this.blocks, blockSize: this.blockSize };
    this.items = rows * this.blocks;
    this.itemSize = Math.min(n, this.blockSize);
    this.wordBytes = rows * n * bytesOf.int64;
  }
}

/** Which bits of a key a pass looks at: `width` of them, above `shift`. */
export interface Digit {
  readonly shift: number;
  readonly width: number;
}

export class DigitPass {
  private readonly count: KernelLaunch;
  /** How counts become places: a cpu adds up all digits of a row side by side, a GPU each on its own, and then their totals. */
  private readonly start: KernelLaunch;
  private readonly startRows: KernelLaunch | null;
  private readonly move: KernelLaunch;

  constructor(device: Device, cut: BlockedRows, { shift, width }: Digit) {
    const digits = 1 << width;
    const integers = { ...cut.integers, shift, digits };
    const cost = cut.itemSize + digits;
    this.count = functionLaunch(device, 'countDigits', {}, integers, cut.items, cost);
    const { rows, blocks } = cut;
    const isGpu = device.machine === 'gpu';
    this.start = isGpu
      ? functionLaunch(device, 'startBlocks', {}, { blocks, digits }, rows * digits, blocks)
      : functionLaunch(device, 'startDigits', {}, { blocks, digits }, rows, blocks * digits);
    this.startRows = isGpu ? functionLaunch(device, 'startRows', {}, { digits }, rows, digits) : null;
    this.move = functionLaunch(device, 'moveDigits', {}, integers, cut.items, 4 * cost);
  }

  /** The bytes of `counts` and of `starts`. */
  static tableBytes({ rows, items }: BlockedRows, width: number): readonly [number, number] {
    return [(items << width) * bytesOf.int32, (rows << width) * bytesOf.int32];
  }

  /** Leaves in `starts` where each digit begins in its row of `target`. */
  run(words: number, target: number, counts: number, starts: number): void {
    this.count.runWith({ words, counts });
    this.start.runWith({ counts, starts });
    this.startRows?.runWith({ starts });
    this.move.runWith({ words, target, counts, starts });
  }

  free(): void {
    for (const launch of [this.count, this.start, this.startRows, this.move]) launch?.free();
  }
}
