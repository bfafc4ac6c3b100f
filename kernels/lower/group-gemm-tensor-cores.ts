/**
 * Matrix products for groups of threads, by tensor cores: as group-gemm.ts, but that warps multiply tiles of 16 x 8 by 8 x 8 words. In
 * shared memory two elements of float16 or bfloat16 that follow each other along k are one word, as the tensor cores take them; one of
 * TF32 is, which is float32 rounded to 10 bits after the point on its way there. Sums are float32.
 */
import {
  add,
  and,
  Body,
  div,
  F32,
  f32,
  gt,
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
  select,
  shl,
  shr,
  sub,
  vectorType,
} from '../build.js';
import { barrier, thread } from '../group.js';
import type { Expr, Kernel, Storage, TileElement } from '../ir.js';
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

export interface TensorCoreForm {
  readonly element: TileElement;
  readonly outStorage: Storage;
  readonly a: Lies;
  readonly b: Lies;
  readonly size: keyof typeof tensorCoreTileSizes;
}

export const tensorCoreTileSizes = {
  small: { rows: 64, columns: 64 },
  large: { rows: 128, columns: 128 },
} as const;

const groupThreads = 256;
/** Words along k that are in shared memory at once, and those of one multiplication of tiles. */
const depth = 16;
const tileDepth = 8;
/** Elements of a word, and what operands are read as: elements travel to shared memory by their bits. */
const words = {
  float16: { elements: 2, storage: 'int16' },
  bfloat16: { elements: 2, storage: 'int16' },
  tf32: { elements: 1, storage: 'int32' },
} as const;
/** How the 8 warps share a tile. */
const warps = { rows: 2, columns: 4 } as const;
/** Words of a line in shared memory: of 8 lines that follow each other no two words that are read together share a bank. */
const pitch = depth + 4;
/** Words that a thread fetches for every 64 lines of an operand. */
const wordsOfThread = 4;

/** The same items and parameters as `groupGemmKernel`. */
export function tensorCoreGemmKernel(form: TensorCoreForm): Kernel {
  const { rows, columns } = tensorCoreTileSizes[form.size];
  const body = new Body();
  overTiles(body, { rows, columns }, (each, tile) => {
    const a: Operand = { name: 'a', lies: form.a, lines: rows, first: tile.row, end: param('m'), start: tile.aStart };
    const b: Operand = { name: 'b', lies: form.b, lines: columns, first: tile.column, end: param('n'), start: tile.bStart };
    new TensorCoreProduct(each, form.element, a, b).write(tile);
  });
  const buffers = gemmBuffers(form, words[form.element].storage);
  return {
    ...kernel(
      `tensor_core_gemm_${form.element}_${form.outStorage}_${form.a}_${form.b}_${form.size}`,
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
  /** Along k, the first element of a word. */
  readonly step: Expr;
  readonly words: readonly Expr[];
}

class TensorCoreProduct {
  readonly #tiles: { readonly rows: number; readonly columns: number };
  /** Elements of a word. */
  readonly #elements: number;

  constructor(
    readonly body: Body,
    readonly element: TileElement,
    readonly a: Operand,
    readonly b: Operand,
  ) {
    this.#elements = words[element].elements;
    this.#tiles = { rows: a.lines / warps.rows / 16, columns: b.lines / warps.columns / 8 };
    this.#each((row, column) => {
      for (const at of range(4)) body.variable(sumName(row, column, at), f32(0));
    });
  }

  write(tile: Tile): void {
    const { body } = this;
    const fetches = [this.a, this.b].flatMap((operand) => this.#fetches(operand));
    const length = depth * this.#elements;
    const steps = body.let('steps', div(add(sub(tile.to, tile.from), length - 1), length));
    const places = this.#places();
    for (const fetch of fetches) this.#read(body, fetch, 'first', tile.from, tile.to);
    for (const fetch of fetches) this.#put(body, fetch, i32(0));
    body.push(barrier);
    body.for('step', 0, steps, (step, each) => {
      const next = each.let('next', add(step, 1));
      const start = each.let('start', add(tile.from, mul(next, length)));
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
    const units = runsAcross(lies) ? lines / wordsOfThread : depth / wordsOfThread;
    return range(lines / 64).map((number) => {
      const unit = add(thread, number * groupThreads);
      const [outer, inner] = [div(unit, units), rem(unit, units)];
      const [line, word] = runsAcross(lies) ? [mul(inner, wordsOfThread), outer] : [outer, mul(inner, wordsOfThread)];
      const own = `${name}${number}`;
      return {
        operand,
        name: own,
        line: this.body.let(`${own}_line`, line),
        step: this.body.let(`${own}_step`, mul(word, this.#elements)),
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
    const placeOf = (at: number): readonly [Expr, Expr] =>
      runsAcross(lies) ? [add(row, at), k] : [row, add(k, this.#elements * at)];
    const apart = (target: Body): void => {
      for (const [at, word] of words.entries()) {
        const [ownRow, ownK] = placeOf(at);
        target.set(word, i32(0));
        for (const part of range(this.#elements))
          target.if(isInside(ownRow, add(ownK, part)), (inside) => {
            const element = inside.let(`${own}_element${at}_${part}`, load(I32, name, indexOf(ownRow, add(ownK, part))));
            inside.set(word, or(word, this.#placed(element, part)));
          });
      }
    };
    if (isScattered(lies)) {
      apart(body);
      return;
    }
    const [lastRow, lastK] = runsAcross(lies)
      ? [add(row, wordsOfThread - 1), add(k, this.#elements - 1)]
      : [row, add(k, this.#elements * wordsOfThread - 1)];
    body.if(
      isInside(lastRow, lastK),
      (whole) => {
        const elements = runsAcross(lies)
          ? this.#across(whole, own, name, (part) => indexOf(row, add(k, part)))
          : this.#along(whole, own, name, indexOf(row, k));
        for (const [at, word] of words.entries())
          whole.set(word, elements[at]!.map((element, part) => this.#placed(element, part)).reduce(or));
      },
      apart,
    );
  }

  /** The elements of each word. */
  #along(body: Body, own: string, name: string, index: Expr): readonly (readonly Expr[])[] {
    const all = body.let(`${own}_all`, load(vectorType('i32', this.#elements * wordsOfThread), name, index));
    return range(wordsOfThread).map((at) => range(this.#elements).map((part) => lane(all, at * this.#elements + part)));
  }

  #across(body: Body, own: string, name: string, indexOf: (part: number) => Expr): readonly (readonly Expr[])[] {
    const type = vectorType('i32', wordsOfThread);
    const parts = range(this.#elements).map((part) => body.let(`${own}_part${part}`, load(type, name, indexOf(part))));
    return range(wordsOfThread).map((at) => parts.map((part) => lane(part, at)));
  }

  /** An element's bits where they stand in a word. */
  #placed(element: Expr, part: number): Expr {
    if (this.element === 'tf32') return roundedToTf32(element);
    return part === 1 ? shl(element, 16) : and(element, 0xffff);
  }

  #put(body: Body, { operand, line, step, words }: Fetch, buffer: Expr): void {
    const across = runsAcross(operand.lies);
    for (const [at, word] of words.entries()) {
      const ownLine = add(mul(buffer, operand.lines), across ? add(line, at) : line);
      const place = add(mul(ownLine, pitch), add(div(step, this.#elements), across ? 0 : at));
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
      const place = add(mul(add(mul(buffer, operand.lines), line), pitch), add(word, part * tileDepth + words));
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
      body.push({ do: 'multiplyTiles', element: this.element, sums, a: rows[ownRow]!, b: columns[ownColumn]! });
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

/**
 * The bits of a float32, rounded to the 10 bits after the point that TF32 has, halves away from zero: what tensor cores would cut off. A NaN stays
 * one.
 */
function roundedToTf32(bits: Expr): Expr {
  const isNotANumber = gt(and(bits, 0x7fff_ffff), 0x7f80_0000);
  return select(isNotANumber, or(bits, 0x40_0000), and(add(bits, 0x1000), ~0x1fff));
}
