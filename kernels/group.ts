/**
 * What group programs are written with: where a thread stands, barriers, and the results of all threads of a group brought together.
 * The meaning of the constructs is in ARCHITECTURE.md, who writes such programs in distribute.ts and lower/.
 */
import { and, type Body, binary, eq, ge, gt, I32, load, local, lt, select, shr, vectorType } from './build.js';
import { combine, identity } from './combine.js';
import type { AccumulateKind, ExchangeFrom, Expr, Extent, Group, PlaceName, RealStorage, SharedArray, Stmt, Type } from './ir.js';

const place = (name: PlaceName): Expr => ({ op: 'place', type: I32, name });

export const thread = place('thread');
export const threads = place('threads');
export const group = place('group');
export const groups = place('groups');

export const barrier: Stmt = { do: 'barrier' };

export const warpSize = 32;

/** Of what another thread has in the value; to be declared as a local, or assigned to one. */
export const exchange = (value: Expr, from: ExchangeFrom, distance: number): Expr => ({
  op: 'exchange',
  type: value.type,
  value,
  from,
  distance,
});

/** Of the threads of the warp with the same value; a local as well. */
export const peers = (value: Expr): Expr => ({ op: 'peers', type: I32, value });

export function pack(lanes: readonly Expr[]): Expr {
  return { op: 'pack', type: vectorType(lanes[0]!.type.scalar, lanes.length), lanes };
}

// How many threads

/** The most threads that share a loop, and the turns of it that are worth one. */
export const mostThreads = 256;
const turnsOfThread = 8;
/** Loops shorter than this are left to one thread. */
const leastShared = 32;
/** Of threads that stand above each other, with items side by side. */
const mostParts = 8;

/**
 * How many threads of a group share loops of a length: 1, or a power of 2 of at least a warp. It follows from the length alone, and so
 * does the order in which results are brought together.
 */
export function threadsAlong({ items }: Group, length: number): number {
  if (items === warpSize) return warpSize * powerBelow(Math.min(Math.max(length / turnsOfThread, 1), mostParts));
  if (length < leastShared) return 1;
  return powerBelow(Math.min(Math.max(length / turnsOfThread, warpSize), mostThreads));
}

const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(value));

/** How many threads a group has, given the values of the kernel's parameters. */
export function groupThreads(group: Group, valueFor: (param: string) => number): number {
  return typeof group.threads === 'number' ? group.threads : threadsAlong(group, lengthOf(group.threads, valueFor));
}

const lengthOf = (extent: Extent, valueFor: (param: string) => number): number =>
  extent.reduce((sum, { factor, params }) => sum + params.reduce((product, name) => product * valueFor(name), factor), 0);

/** Groups that share a block, if they are of one warp or of one thread. */
export const warpsOfBlock = 8;
const singlesOfBlock = 256;

/** How many groups of so many threads a block has at most. */
export function groupsOfBlock(group: Group, threads: number): number {
  if (!sharesBlocks(group)) return 1;
  return threads === 1 ? singlesOfBlock : threads === warpSize ? warpsOfBlock : 1;
}

/** Whether groups of that kind may be in one block, each with its shared arrays. */
export const sharesBlocks = ({ threads, items }: Group): boolean => typeof threads !== 'number' && items === 1;

// Bringing together

export interface Part {
  readonly name: string;
  readonly kind: AccumulateKind;
  readonly type: Type;
}

const storageOf: Readonly<Record<string, RealStorage>> = {
  bool: 'bool',
  i32: 'int32',
  i64: 'int64',
  f32: 'float32',
  f64: 'float64',
};

/** The shared arrays of a kernel, handed out by what they hold; those handed out before `release` may be again. */
export class SharedArrays {
  readonly #arrays = new Map<string, SharedArray>();
  #used = new Set<string>();

  take({ scalar }: Type, length: number): string {
    for (let number = 0; ; number++) {
      const name = `shared_${scalar}_${number}`;
      if (this.#used.has(name)) continue;
      this.#used.add(name);
      const known = this.#arrays.get(name);
      this.#arrays.set(name, { name, storage: storageOf[scalar]!, length: Math.max(length, known?.length ?? 0) });
      return name;
    }
  }

  /** Threads have met since what was handed out was used. */
  release(): void {
    this.#used = new Set();
  }

  get all(): readonly SharedArray[] {
    return [...this.#arrays.values()];
  }
}

const joined = ({ name, kind, type }: Part, other: Expr): Expr => binary(combine[kind], local(name, type), other);

/**
 * Gives every thread of a group what the parts of all of them come to: first of each pair of neighbours, of pairs of pairs and so on
 * within a warp, then of the warps in order.
 */
export function overGroup(body: Body, parts: readonly Part[], shared: SharedArrays, fresh: (wanted: string) => string): void {
  body.if(gt(threads, 1), (several) => {
    for (const part of parts)
      for (let distance = 1; distance < warpSize; distance *= 2) {
        const own = local(part.name, part.type);
        const other = several.let(fresh(`${part.name}_other`), exchange(own, 'across', distance));
        several.set(own, joined(part, other));
      }
    several.if(gt(threads, warpSize), (warps) => {
      const arrays = parts.map(({ type }) => shared.take(type, mostThreads / warpSize));
      warps.if(eq(and(thread, warpSize - 1), 0), (first) => storeAll(first, parts, arrays, shr(thread, 5)));
      warps.push(barrier);
      addUp(warps, parts, arrays, shr(threads, 5), (warp) => warp, fresh);
      warps.push(barrier);
      shared.release();
    });
  });
}

/** The same where 32 items stand side by side: for each of them, the parts of the threads above each other, in order. */
export function overColumn(body: Body, parts: readonly Part[], shared: SharedArrays, fresh: (wanted: string) => string): void {
  body.if(gt(threads, warpSize), (several) => {
    const arrays = parts.map(({ type }) => shared.take(type, mostParts * warpSize));
    storeAll(several, parts, arrays, thread);
    several.push(barrier);
    const column = several.let(fresh('column'), and(thread, warpSize - 1));
    addUp(several, parts, arrays, shr(threads, 5), (row) => binary('add', binary('mul', row, warpSize), column), fresh);
    several.push(barrier);
    shared.release();
  });
}

/** Makes parts what `count` elements of their arrays come to. */
function addUp(
  body: Body,
  parts: readonly Part[],
  arrays: readonly string[],
  count: Expr,
  placeOf: (number: Expr) => Expr,
  fresh: (wanted: string) => string,
): void {
  for (const { name, kind, type } of parts) body.set(local(name, type), identity(kind, type));
  body.for(fresh('part'), 0, count, (number, each) => {
    for (const [at, { name, kind, type }] of parts.entries())
      each.accumulate(local(name, type), kind, load(type, arrays[at]!, placeOf(number)));
  });
}

function storeAll(body: Body, parts: readonly Part[], arrays: readonly string[], place: Expr): void {
  for (const [at, { name, type }] of parts.entries()) body.store(arrays[at]!, place, local(name, type));
}

/**
 * Running totals over a group: makes `part` what the parts of all threads up to this one come to, and returns what those of all do. Within
 * a warp each takes in what stands 1, 2, 4, ... before; then come the warps before, in order.
 */
export function running(body: Body, part: Part, shared: SharedArrays, fresh: (wanted: string) => string): Expr {
  const { name, kind, type } = part;
  const own = local(name, type);
  const total = body.variable(fresh(`${name}_total`), own);
  body.if(gt(threads, 1), (several) => {
    const lane = several.let(fresh('lane'), and(thread, warpSize - 1));
    for (let distance = 1; distance < warpSize; distance *= 2) {
      const before = several.let(fresh(`${name}_before`), exchange(own, 'before', distance));
      several.set(own, select(ge(lane, distance), joined(part, before), own));
    }
    const array = shared.take(type, mostThreads / warpSize);
    several.if(eq(lane, warpSize - 1), (last) => last.store(array, shr(thread, 5), own));
    several.push(barrier);
    const earlier = several.variable(fresh(`${name}_earlier`), identity(kind, type));
    several.set(total, identity(kind, type));
    several.for(fresh('warp'), 0, shr(binary('add', threads, warpSize - 1), 5), (warp, each) => {
      const sum = each.let(fresh(`${name}_warp`), load(type, array, warp));
      each.if(lt(warp, shr(thread, 5)), (less) => less.accumulate(earlier, kind, sum));
      each.accumulate(total, kind, sum);
    });
    several.set(own, binary(combine[kind], earlier, own));
    several.push(barrier);
    shared.release();
  });
  return total;
}
