/**
 * How many threads run a launch: one place for all kernels. A thread runs the items that are a grid's width apart, so that any number of
 * blocks is right; more of them than the GPU holds at once gain nothing.
 */
import type { Gpu } from './gpu.js';

export interface LaunchShape {
  readonly blocks: number;
  readonly threads: number;
}

const mostThreads = 256;
const warp = 32;
/** So many rounds of blocks even out that some end early. */
const rounds = 4;

export function launchShape({ properties }: Gpu, work: number): LaunchShape {
  const threads = Math.min(mostThreads, Math.ceil(work / warp) * warp);
  const atOnce = Math.floor(properties.maximumThreadsPerMultiprocessor / threads) * properties.multiprocessors;
  return { blocks: Math.min(Math.ceil(work / threads), atOnce * rounds), threads };
}
