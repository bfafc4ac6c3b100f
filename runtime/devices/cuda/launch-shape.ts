/**
 * How many threads run a launch: one place for all kernels. Of a group program the threads of a group follow from the kernel and the
 * lengths of its loops (kernels/group.ts), as results do; groups of a warp or less share a block, as far as that leaves no
 * multiprocessor idle. Otherwise a thread runs the items that are a grid's width apart. Any number of blocks is right; more of them than
 * the GPU holds at once gain nothing.
 */
import { groupsOfBlock, groupThreads } from '../../../kernels/group.js';
import type { Group } from '../../../kernels/ir.js';

export interface LaunchShape {
  readonly blocks: number;
  /** Of a group, or of a block where a thread runs items on its own. */
  readonly threads: number;
  /** Of a block. */
  readonly groups: number;
}

/** What of a GPU and a kernel decides. */
export interface Room {
  readonly multiprocessors: number;
  /** Blocks of so many threads that one multiprocessor holds at once. */
  blocksAtOnce(threads: number): number;
}

const mostThreads = 256;
const warp = 32;
/** So many rounds of blocks even out that some end early. */
const rounds = 4;

/** `valueFor` gives the kernel's parameters. */
export function launchShape(
  room: Room,
  group: Group | undefined,
  work: number,
  valueFor: (param: string) => number,
): LaunchShape {
  if (group === undefined) {
    const threads = Math.min(mostThreads, roundUp(work, warp));
    return { blocks: blocksFor(room, Math.ceil(work / threads), threads), threads, groups: 1 };
  }
  const threads = groupThreads(group, valueFor);
  const wanted = Math.ceil(work / group.items);
  const spread = roundUp(Math.ceil(wanted / room.multiprocessors), Math.ceil(warp / threads));
  const groups = Math.min(groupsOfBlock(group, threads), spread);
  return { blocks: blocksFor(room, Math.ceil(wanted / groups), threads * groups), threads, groups };
}

function blocksFor(room: Room, wanted: number, threads: number): number {
  if (wanted <= room.multiprocessors) return wanted;
  return Math.min(wanted, room.multiprocessors * room.blocksAtOnce(threads) * rounds);
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;
