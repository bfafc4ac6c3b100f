/**
 * Transposition of 32-bit elements that are read along columns and written along rows: registers that hold four elements of a column
 * are turned into four of a row. Where rows or columns lie a power of 2 apart, those of a tile evict each other from the cache; such a
 * tile is moved in strips that are put together in scratch, so that each line of either side's memory is moved whole, and columns are
 * read as far as they go in one piece.
 *
 * What is left over at the edges of a tile is the tile form's business (fused.ts).
 */
import { add, type Body, load, min, mul, scalarType, shuffle, sub, vectorType } from '../build.js';
import type { Expr, Scalar } from '../ir.js';
import { inputName, outputName, stripName } from './names.js';

/** The lanes of a 128-bit register, which all targets have. */
const lanes = 4;
/** Rows and columns that are moved together: half a cache line of a row. */
export const block = { rows: lanes, columns: 2 * lanes } as const;
/** A strip is as wide as a cache line of 32-bit elements. */
export const strip = { rows: 512, columns: 16 } as const;
export const stripElements = strip.rows * strip.columns;

export type Range = readonly [from: Expr, to: Expr];

export interface TransposedTile {
  readonly scalar: Scalar;
  /** Where a column begins in the input, and a row in the output. */
  readonly columnPlace: (column: Expr) => Expr;
  readonly rowPlace: (row: Expr) => Expr;
  /** Where the item's strip lies in scratch, if it has one. */
  readonly strip: Expr | undefined;
  /** Whole blocks. */
  readonly rows: Range;
  readonly columns: Range;
}

export function transposeTile(body: Body, tile: TransposedTile): void {
  if (tile.strip === undefined) turn(body, tile, tile.rows, tile.columns, { buffer: outputName(0), rowPlace: tile.rowPlace });
  else transposeStrips(body, tile, body.let('stripBase', tile.strip));
}

function transposeStrips(body: Body, tile: TransposedTile, base: Expr): void {
  inPieces(body, 'stripRow', strip.rows, tile.rows, (outer, rows) =>
    inPieces(outer, 'stripColumn', strip.columns, tile.columns, (inner, columns) => {
      const lineOf = (row: Expr) => sub(add(base, mul(sub(row, rows[0]), strip.columns)), columns[0]);
      turn(inner, tile, rows, columns, { buffer: stripName, rowPlace: lineOf });
      inner.for('row', rows[0], rows[1], (row, loop) => {
        const from = loop.let('stripLine', lineOf(row));
        const to = loop.let('outputLine', tile.rowPlace(row));
        const type = scalarType(tile.scalar);
        const move = (column: Expr, each: Body) =>
          each.store(outputName(0), add(to, column), load(type, stripName, add(from, column)));
        loop.for('column', columns[0], columns[1], move, { vector: true });
      });
    }),
  );
}

type WritePiece = (body: Body, range: Range) => void;

function inPieces(body: Body, name: string, size: number, [from, to]: Range, write: WritePiece): void {
  body.for(name, from, to, (first, loop) => write(loop, [first, loop.let(`${name}End`, min(add(first, size), to))]), {
    step: size,
  });
}

interface Destination {
  readonly buffer: string;
  /** Where column 0 of a row lies. */
  readonly rowPlace: (row: Expr) => Expr;
}

/** Blocks of rows and columns, along the columns: the lines that they touch stay in the cache. */
function turn(body: Body, { scalar, columnPlace }: TransposedTile, rows: Range, columns: Range, to: Destination): void {
  const type = vectorType(scalar, lanes);
  const count = (length: number) => Array.from({ length }, (_, at) => at);
  const alongColumns = (column: Expr, outer: Body) => {
    const places = count(block.columns).map((at) => outer.let(`column${at}`, columnPlace(add(column, at))));
    const moveBlock = (row: Expr, loop: Body) => {
      const down = places.map((place, at) => loop.let(`down${at}`, load(type, inputName(0), add(place, row))));
      const lines = count(block.rows).map((at) => loop.let(`line${at}`, add(to.rowPlace(add(row, at)), column)));
      for (let first = 0; first < block.columns; first += lanes) {
        turned(loop, down.slice(first, first + lanes), `${first}`).forEach((vector, at) => {
          loop.store(to.buffer, add(lines[at]!, first), vector);
        });
      }
    };
    outer.for('along', rows[0], rows[1], moveBlock, { step: block.rows });
  };
  body.for('down', columns[0], columns[1], alongColumns, { step: block.columns });
}

/** Four vectors as the columns of a square: its rows. Columns are joined in pairs first, then the pairs. */
function turned(body: Body, [a, b, c, d]: readonly Expr[], suffix: string): readonly Expr[] {
  const join = (name: string, left: Expr, right: Expr, picked: readonly number[]) =>
    body.let(`${name}${suffix}`, shuffle(left, right, picked));
  const pairs = [
    [join('abUpper', a!, b!, [0, 4, 1, 5]), join('cdUpper', c!, d!, [0, 4, 1, 5])],
    [join('abLower', a!, b!, [2, 6, 3, 7]), join('cdLower', c!, d!, [2, 6, 3, 7])],
  ] as const;
  return pairs.flatMap(([left, right]) => [shuffle(left, right, [0, 1, 4, 5]), shuffle(left, right, [2, 3, 6, 7])]);
}
