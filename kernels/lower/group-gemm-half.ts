/**
 * Matrix products of float16 and bfloat16 for groups of threads, by tensor cores: as group-gemm.ts, but that warps multiply tiles of 16 x 16
 * by 16 x 8. In shared memory two elements that follow each other along k are one word, as the tensor cores take them. Sums are float32.
 */
import {
  add,
  and,
  Body,
  div,
  F32,
  f32,
  I32,
  i32,
  kernel,
  lane,
  load,
  local,
  lt,
  mul,
  or,
  param,
  rem,
  shl,
  shr,
  sub,
  vectorType,
} from '../build.js';
import { barrier, thread } from '../group.js';
import type { Expr, HalfStorage, Kernel, Storage } from '../ir.js';
import {
  gemmBuffers,
  groupGemmParams,
  isScattered,
  type Lies,
  overTiles,
  placeIn,
  runsAcross,
  storeRow,
  type Tile,
} from './group-gemm.js';
import { integers } from './packing.js';
import { range } from './tile.js';

export interface HalfGemmForm {
  readonly storage: HalfStorage;
  readonly outStorage: Storage;
  readonly a: Lies;
  readonly b: Lies;
  readonly size: keyof typeof halfTileSizes;
}

export const halfTileSizes = {
  small: { rows: 64, columns: 64 },
  large: { rows: 128, columns: 128 },
} as const;

const groupThreads = 256;
/** Steps along k that are in shared memory at once, and those of one multiplication of tiles. */
const depth = 32;
const tileDepth = 16;
/** How the 8 warps share a tile. */
const warps = { rows: 2, columns: 4 } as const;
/** Words of a line in shared memory: of 8 lines that follow each other no two words that are read together share a bank. */
const pitch = depth / 2 + 4;
/** Words that a thread fetches for every 64 lines of an operand. */
const wordsOfThread = 4;

/** The same items and parameters as `groupGemmKernel`. */
export function halfGemmKernel(form: HalfGemmForm): Kernel {
  const { rows, columns } = halfTileSizes[form.size];
  const body = new Body();
  overTiles(body, { rows, columns }, (each, tile) => {
    const a: Operand = { name: 'a', lies: form.a, lines: rows, first: tile.row, end: param('m'), start: tile.aStart };
    const b: Operand = { name: 'b', lies: form.b, lines: columns, first: tile.column, end: param('n'), start: tile.bStart };
    new HalfProduct(each, form.storage, a, b).write(tile);
  });
  // Elements travel to shared memory as they are: 16 bits.
  const buffers = gemmBuffers(form, 'int16');
  return {
    ...kernel(
      `half_gemm_${form.storage}_${form.outStorage}_${form.a}_${form.b}_${form.size}`,
      buffers,
      integers(...groupGemmParams),
      body.statements,
    ),
    group: {
      threads: groupThreads,
      items: 1,
      shared: [
        { name: 'aTile', storage: 'int32', length: 2 * rows * pitch },
        { name: 'bTile', storage: 'int32', length: 2 * columns * pitch },
      ],
    },
  };
}

interface Operand {
  readonly name: 'a' | 'b';
  readonly lies: Lies;
  readonly lines: number;
  readonly first: Expr;
  readonly end: Expr;
  readonly start: Expr;
}

/** Where a thread's elements of its warp's first tiles are: lines of a and of b, the word in them, and the column of the result. */
interface Places {
  readonly row: Expr;
  readonly column: Expr;
  readonly word: Expr;
  readonly outColumn: Expr;
}

/** Four words that a thread fetches: of one line, or of one place along k. */
interface Fetch {
  readonly operand: Operand;
  readonly name: string;
  readonly line: Expr;
  /** Along k, a multiple of 2. */
  readonly step: Expr;
  readonly words: readonly Expr[];
}

class HalfProduct {
  readonly #tiles: { readonly rows: number; readonly columns: number };

  constructor(
    readonly body: Body,
    readonly storage: HalfStorage,
    readonly a: Operand,
    readonly b: Operand,
  ) {
    this.#tiles = { rows: a.lines / warps.rows / 16, columns: b.lines / warps.columns / 8 };
    this.#each((row, column) => {
      for (const at of range(4)) body.variable(sumName(row, column, at), f32(0));
    });
  }

  write(tile: Tile): void {
    const { body } = this;
    const fetches = [this.a, this.b].flatMap((operand) => this.#fetches(operand));
    const steps = body.let('steps', div(add(sub(tile.to, tile.from), depth - 1), depth));
    const places = this.#places();
    for (const fetch of fetches) this.#read(body, fetch, 'first', tile.from, tile.to);
    for (const fetch of fetches) this.#put(body, fetch, i32(0));
    body.push(barrier);
    body.for('step', 0, steps, (step, each) => {
      const next = each.let('next', add(step, 1));
      const start = each.let('start', add(tile.from, mul(next, depth)));
      each.if(lt(next, steps), (more) => {
        for (const fetch of fetches) this.#read(more, fetch, 'next', start, tile.to);
      });
      for (const part of range(depth / tileDepth)) this.#multiply(each, and(step, 1), part, places);
      each.if(lt(next, steps), (more) => {
        for (const fetch of fetches) this.#put(more, fetch, and(next, 1));
      });
      each.push(barrier);
    });
    this.#store(tile, places);
  }

  #each(visit: (row: number, column: number) => void): void {
    for (const row of range(this.#tiles.rows)) for (const column of range(this.#tiles.columns)) visit(row, column);
  }

  #fetches(operand: Operand): readonly Fetch[] {
    const { name, lies, lines } = operand;
    const units = runsAcross(lies) ? lines / wordsOfThread : depth / (2 * wordsOfThread);
    return range(lines / 64).map((number) => {
      const unit = add(thread, number * groupThreads);
      const [outer, inner] = [div(unit, units), rem(unit, units)];
      const [line, step] = runsAcross(lies) ? [mul(inner, wordsOfThread), mul(outer, 2)] : [outer, mul(inner, 2 * wordsOfThread)];
      const own = `${name}${number}`;
      return {
        operand,
        name: own,
        line: this.body.let(`${own}_line`, line),
        step: this.body.let(`${own}_step`, step),
        words: range(wordsOfThread).map((at) => this.body.variable(`${own}_word${at}`, i32(0))),
      };
    });
  }

  /** Beyond the matrix stands 0, which adds nothing. */
  #read(body: Body, { operand, name: own, line, step, words }: Fetch, when: string, start: Expr, to: Expr): void {
    const { name, lies, first } = operand;
    const row = body.let(`${own}_row_${when}`, add(first, line));
    const k = body.let(`${own}_k_${when}`, add(start, step));
    const indexOf = (ownRow: Expr, ownK: Expr): Expr => add(operand.start, placeIn(name, lies, ownRow, ownK));
    const isInside = (ownRow: Expr, ownK: Expr): Expr => and(lt(ownRow, operand.end), lt(ownK, to));
    const placeOf = (at: number): readonly [Expr, Expr] => (runsAcross(lies) ? [add(row, at), k] : [row, add(k, 2 * at)]);
    const apart = (target: Body): void => {
      for (const [at, word] of words.entries()) {
        const [ownRow, ownK] = placeOf(at);
        target.set(word, i32(0));
        for (const upper of [0, 1])
          target.if(isInside(ownRow, add(ownK, upper)), (inside) =>
            inside.set(word, or(word, half(load(I32, name, indexOf(ownRow, add(ownK, upper))), upper))),
          );
      }
    };
    if (isScattered(lies)) {
      apart(body);
      return;
    }
    const [lastRow, lastK] = runsAcross(lies) ? [add(row, wordsOfThread - 1), add(k, 1)] : [row, add(k, 2 * wordsOfThread - 1)];
    body.if(
      isInside(lastRow, lastK),
      (whole) => {
        const pairs = runsAcross(lies)
          ? this.#across(whole, own, name, indexOf, row, k)
          : this.#along(whole, own, name, indexOf(row, k));
        for (const [at, word] of words.entries()) whole.set(word, or(half(pairs[at]![0], 0), half(pairs[at]![1], 1)));
      },
      apart,
    );
  }

  #along(body: Body, own: string, name: string, index: Expr): readonly (readonly [Expr, Expr])[] {
    const eight = body.let(`${own}_eight`, load(vectorType('i32', 2 * wordsOfThread), name, index));
    return range(wordsOfThread).map((at) => [lane(eight, 2 * at), lane(eight, 2 * at + 1)]);
  }

  #across(
    body: Body,
    own: string,
    name: string,
    indexOf: (row: Expr, k: Expr) => Expr,
    row: Expr,
    k: Expr,
  ): readonly (readonly [Expr, Expr])[] {
    const type = vectorType('i32', wordsOfThread);
    const lower = body.let(`${own}_lower`, load(type, name, indexOf(row, k)));
    const upper = body.let(`${own}_upper`, load(type, name, indexOf(row, add(k, 1))));
    return range(wordsOfThread).map((at) => [lane(lower, at), lane(upper, at)]);
  }

  #put(body: Body, { operand, line, step, words }: Fetch, buffer: Expr): void {
    const across = runsAcross(operand.lies);
    for (const [at, word] of words.entries()) {
      const ownLine = add(mul(buffer, operand.lines), across ? add(line, at) : line);
      const place = add(mul(ownLine, pitch), add(shr(step, 1), across ? 0 : at));
      body.store(`${operand.name}Tile`, place, word);
    }
  }

  #places(): Places {
    const { body } = this;
    const warp = body.let('warp', shr(thread, 5));
    const line = body.let('laneLine', and(shr(thread, 2), 7));
    const firstColumn = body.let('firstColumn', mul(rem(warp, warps.columns), this.#tiles.columns * 8));
    const word = body.let('laneWord', and(thread, 3));
    return {
      row: body.let('warpRow', add(mul(div(warp, warps.columns), this.#tiles.rows * 16), line)),
      column: body.let('warpColumn', add(firstColumn, line)),
      word,
      outColumn: body.let('outColumn', add(firstColumn, mul(word, 2))),
    };
  }

  #multiply(body: Body, buffer: Expr, part: number, { row, column, word }: Places): void {
    const held = (name: string, operand: Operand, line: Expr, words: number): Expr => {
      const place = add(mul(add(mul(buffer, operand.lines), line), pitch), add(word, (part * tileDepth) / 2 + words));
      return body.let(`${name}_${part}`, load(I32, `${operand.name}Tile`, place));
    };
    const rows = range(this.#tiles.rows).map((tile) =>
      [0, 8, 0, 8].map((lines, at) => held(`aHeld_${tile}_${at}`, this.a, add(row, tile * 16 + lines), at < 2 ? 0 : 4)),
    );
    const columns = range(this.#tiles.columns).map((tile) =>
      [0, 4].map((words, at) => held(`bHeld_${tile}_${at}`, this.b, add(column, tile * 8), words)),
    );
    this.#each((ownRow, ownColumn) => {
      const sums = range(4).map((at) => sumName(ownRow, ownColumn, at));
      body.push({ do: 'multiplyTiles', storage: this.storage, sums, a: rows[ownRow]!, b: columns[ownColumn]! });
    });
  }

  #store(tile: Tile, { row, outColumn }: Places): void {
    const { body } = this;
    this.#each((ownRow, ownColumn) => {
      for (const half of [0, 1]) {
        const sums = range(2).map((at) => local(sumName(ownRow, ownColumn, half * 2 + at), F32));
        storeRow(
          body,
          tile,
          add(tile.row, add(row, ownRow * 16 + half * 8)),
          add(tile.column, add(outColumn, ownColumn * 8)),
          sums,
        );
      }
    });
  }
}

const sumName = (row: number, column: number, at: number): string => `sum_${row}_${column}_${at}`;

/** 16 bits, in that half of a word. */
const half = (value: Expr, upper: number): Expr => (upper === 1 ? shl(value, 16) : and(value, 0xffff));
