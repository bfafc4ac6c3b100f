/**
 * How the work of a convolution is cut: the tiles of its kernels, the rows of a strip, and the blocks of filters, all of it decided from
 * shapes when the op is bound.
 */
import { tailVectors } from '../../kernels/lower/convolution.js';
import { lanesFor } from '../../kernels/lower/tile.js';
import type { Tier } from '../devices/device.js';
import type { Dtype } from '../dtype.js';
import type { Pair } from './geometry.js';
import { copiesOf, joinedProducts, type WindowProducts } from './strips.js';

/** Items worth making for threads to share, and the multiplications an item should have at least. */
const wantedItems = 16;
const smallestItem = 1 << 15;
/** Elements of a strip: what a core's second cache holds beside results and filters. */
const stripElements = 160 << 10;

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly lanes: number;
}

/** The tile's rows and vectors for that many filters: as many sums as the registers hold beside the operands of a step. */
export function tileFor({ target }: Tier, dtype: Dtype, filters: number): Tile {
  const lanes = lanesFor(dtype, target.vectorBytes);
  const shapes = target.vectorBytes >= 64 ? wideTiles : target.vectorBytes >= 32 ? mediumTiles : narrowTiles;
  const [rows, vectors] = shapes.find(([most]) => filters <= most) ?? shapes.at(-1)!;
  return { rows, vectors, lanes };
}

/** For 32 registers, and for 16. */
const wideTiles: readonly Pair[] = [
  [1, 8],
  [2, 8],
  [3, 8],
  [4, 6],
  [6, 4],
  [8, 3],
];
const mediumTiles: readonly Pair[] = [
  [1, 8],
  [2, 6],
  [3, 4],
  [4, 3],
];
/** WebAssembly engines spill with more. */
const narrowTiles: readonly Pair[] = [[4, 2]];

export interface PassSizes {
  readonly matrices: number;
  readonly filters: number;
  readonly rows: number;
  readonly columns: number;
  readonly length: number;
  readonly sourceChannels: number;
  readonly tile: Tile;
}

export interface Cuts {
  readonly stripRows: number;
  readonly strips: number;
  readonly blockFilters: number;
  readonly filterBlocks: number;
  readonly jobs: number;
  readonly itemJobs: number;
}

export interface ChosenCuts extends Cuts {
  /** Whether the pixels of a strip are one run. */
  readonly isJoined: boolean;
  readonly products: WindowProducts;
}

/** What a vector costs to copy into a strip, in multiplications of a vector. */
const copyCost = 6;
/** Neighbouring tiles of narrow vectors share cache lines, and with more copies they would share less. */
export const joinedLanes = 8;

/** Many copies of an image and no gaps in the runs of pixels, or few copies and a run for each row. */
export function cheapestCuts(sizes: PassSizes, pass: WindowProducts): ChosenCuts {
  const rows = { ...cutsOf(sizes, pass, false), isJoined: false, products: pass };
  if (sizes.tile.lanes < joinedLanes) return withoutCost(rows);
  const products = joinedProducts(pass);
  const joined = { ...cutsOf(sizes, products, true), isJoined: true, products };
  return withoutCost(joined.cost < rows.cost ? joined : rows);
}

const withoutCost = ({ cost: _, ...cuts }: ChosenCuts & { readonly cost: number }): ChosenCuts => cuts;

/** The cheapest way to cut the work into as many jobs as are wanted, with strips that a cache holds. */
export function cutsOf(sizes: PassSizes, products: WindowProducts, isJoined: boolean): Cuts & { readonly cost: number } {
  const { matrices, filters, rows, columns, length, sourceChannels, tile } = sizes;
  const worthwhile = Math.ceil((matrices * filters * rows * columns * length) / smallestItem);
  const wanted = Math.max(1, Math.min(wantedItems, worthwhile));
  const panels = Math.ceil(filters / tile.rows);
  const { copyCount, extraRows, extraColumns } = copiesOf(products);
  const rowElements = sourceChannels * copyCount * (columns + extraColumns);
  const cached = Math.floor(stripElements / Math.max(rowElements, 1)) - extraRows;
  const fewest = Math.ceil((tile.vectors * tile.lanes) / Math.max(columns, 1));
  const stripCost = (count: number, blocks: number): number => {
    const copied = (count + extraRows) * Math.ceil(rowElements / tile.lanes) * copyCost;
    const vectors = isJoined ? vectorsOf(count * columns, tile) : count * vectorsOf(columns, tile);
    return blocks * copied + panels * tile.rows * length * vectors;
  };
  let best = { stripRows: Math.max(rows, 1), strips: rows > 0 ? 1 : 0, panels: Math.max(panels, 1), blocks: 1 };
  let least = Infinity;
  for (let stripRows = Math.max(1, Math.min(rows, Math.max(cached, fewest))); stripRows >= 1; stripRows--) {
    const strips = Math.ceil(rows / stripRows);
    const blockPanels = Math.max(1, Math.floor(panels / Math.max(1, Math.ceil(wanted / Math.max(matrices * strips, 1)))));
    const blocks = Math.ceil(panels / blockPanels);
    const last = rows - (strips - 1) * stripRows;
    const idle = Math.max(1, wanted / Math.max(matrices * strips * blocks, 1));
    const cost = idle * ((strips - 1) * stripCost(stripRows, blocks) + stripCost(last, blocks));
    if (cost >= least) continue;
    least = cost;
    best = { stripRows, strips, panels: blockPanels, blocks };
  }
  const jobs = matrices * best.strips * best.blocks;
  return {
    ...{ stripRows: best.stripRows, strips: best.strips, filterBlocks: best.blocks, blockFilters: best.panels * tile.rows },
    ...{ jobs, itemJobs: Math.max(1, Math.ceil(jobs / wantedItems)), cost: least },
  };
}

/** The vectors that tiles compute for a run of pixels. */
function vectorsOf(pixels: number, { vectors, lanes }: Tile): number {
  const rest = Math.ceil((pixels % (vectors * lanes)) / lanes);
  const tail = rest === 0 ? 0 : tailVectors(vectors).find((size) => rest <= size)!;
  return Math.floor(pixels / (vectors * lanes)) * vectors + tail;
}
