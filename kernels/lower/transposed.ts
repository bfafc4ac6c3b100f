/**
 * Transposition of 32-bit elements that are read along columns and written along rows: squares of as many rows and columns as a vector
 * register has elements are turned there (square.ts). Where that is less than a cache line and rows or columns lie a power of 2 apart,
 * those of a tile evict each other from the cache; such a tile is moved in strips that are put together in scratch, so that each line of
 * either side's memory is moved whole, and columns are read as far as they go in one piece.
 *
 * What is left over at the edges of a tile is the tile form's business (fused.ts).
 */
import { add, type Body, load, min, mul, scalarType, sub, vectorType } from '../build.js';
import type { Expr, Scalar } from '../ir.js';
import type { Transposition } from './declarations.js';
import { inputName, outputName, stripName } from './names.js';
import { turnedSquare } from './square.js';
import { range } from './tile.js';

/** Rows and columns that are moved together: at least half a cache line of a row. */
export const blockOf = ({ lanes }: Transposition): { readonly rows: number; readonly columns: number } => ({
  rows: lanes,
  columns: Math.max(lanes, 8),
});
/** A strip is as wide as a cache line of 32-bit elements. */
export const strip = { rows: 512, columns: 16 } as const;
export const stripElements = strip.rows * strip.columns;

export type Range = readonly [from: Expr, to: Expr];

export interface TransposedTile {
  readonly form: Transposition;
  readonly scalar: Scalar;
  /** Where a column begins in the input, and a row in the output. */
  readonly columnPlace: (column: Expr) => Expr;
  readonly rowPlace: (row: Expr) => Expr;
  /** Where the item's strip lies in scratch. */
  readonly strip: Expr;
  /** Whole blocks. */
  readonly rows: Range;
  readonly columns: Range;
}

export function transposeTile(body: Body, tile: TransposedTile): void {
  if (tile.form.through === 'strips') transposeStrips(body, tile, body.let('stripBase', tile.strip));
  else turn(body, tile, tile.rows, tile.columns, { buffer: outputName(0), rowPlace: tile.rowPlace });
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

/** Blocks along the columns: the lines that they touch stay in the cache. Those that stream go along the rows: lines leave whole. */
function turn(body: Body, { form, scalar, columnPlace }: TransposedTile, rows: Range, columns: Range, to: Destination): void {
  const type = vectorType(scalar, form.lanes);
  const block = blockOf(form);
  const streams = form.through === 'streams';
  const placesOf = (column: Expr, outer: Body) =>
    range(block.columns).map((at) => outer.let(`column${at}`, columnPlace(add(column, at))));
  const moveBlock = (row: Expr, column: Expr, places: readonly Expr[], loop: Body): void => {
    const down = places.map((place, at) => loop.let(`down${at}`, load(type, inputName(0), add(place, row))));
    const lines = range(block.rows).map((at) => loop.let(`line${at}`, add(to.rowPlace(add(row, at)), column)));
    for (let first = 0; first < block.columns; first += form.lanes) {
      turnedSquare(loop, down.slice(first, first + form.lanes), `turned${first}`).forEach((vector, at) => {
        const place = add(lines[at]!, first);
        if (streams) loop.stream(to.buffer, place, vector);
        else loop.store(to.buffer, place, vector);
      });
    }
  };
  const overRows = (outer: Body, write: (row: Expr, loop: Body) => void) =>
    outer.for('along', rows[0], rows[1], write, { step: block.rows });
  const overColumns = (outer: Body, write: (column: Expr, loop: Body) => void) =>
    outer.for('down', columns[0], columns[1], write, { step: block.columns });
  if (streams)
    overRows(body, (row, outer) => overColumns(outer, (column, loop) => moveBlock(row, column, placesOf(column, loop), loop)));
  else
    overColumns(body, (column, outer) => {
      const places = placesOf(column, outer);
      overRows(outer, (row, loop) => moveBlock(row, column, places, loop));
    });
}
