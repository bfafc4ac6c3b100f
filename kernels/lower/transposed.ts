/**
 * Transposition of 32-bit elements that are read along columns and written along rows. A square is put together in scratch, out of
 * registers that hold four elements of a column and are turned into four of a row, and then written out row by row: each line of
 * either side's memory is moved whole, even where rows lie a power of 2 apart and would evict each other from the cache.
 *
 * What is left over at the edges of a tile is the tile form's business (fused.ts).
 */
import { add, type Body, load, min, mul, shuffle, sub, vectorType } from '../build.js';
import type { Expr, Scalar } from '../ir.js';
import { inputName, outputName, squareName } from './names.js';

/** The lanes of a 128-bit register, which all targets have. */
export const registerSide = 4;
/** Two cache lines. */
export const squareSide = 32;

export type Range = readonly [from: Expr, to: Expr];

export interface TransposedTile {
  readonly scalar: Scalar;
  /** Where a column begins in the input, and a row in the output. */
  readonly columnPlace: (column: Expr) => Expr;
  readonly rowPlace: (row: Expr) => Expr;
  /** Where the item's square lies in scratch. */
  readonly square: Expr;
  /** Multiples of `registerSide` long. */
  readonly rows: Range;
  readonly columns: Range;
}

export function transposeSquares(body: Body, tile: TransposedTile): void {
  const square = body.let('squareBase', tile.square);
  inSquares(body, 'squareColumn', tile.columns, (outer, columns) =>
    inSquares(outer, 'squareRow', tile.rows, (inner, rows) => {
      fillSquare(inner, tile, square, rows, columns);
      inner.for('row', rows[0], rows[1], (row, loop) => {
        const from = loop.let('squareLine', sub(add(square, mul(sub(row, rows[0]), squareSide)), columns[0]));
        const to = loop.let('outputLine', tile.rowPlace(row));
        const type = { scalar: tile.scalar, lanes: 1 };
        const move = (column: Expr, each: Body) =>
          each.store(outputName(0), add(to, column), load(type, squareName, add(from, column)));
        loop.for('column', columns[0], columns[1], move, { vector: true });
      });
    }),
  );
}

function inSquares(body: Body, name: string, [from, to]: Range, write: (body: Body, range: Range) => void): void {
  body.for(name, from, to, (first, loop) => write(loop, [first, loop.let(`${name}End`, min(add(first, squareSide), to))]), {
    step: squareSide,
  });
}

function fillSquare(body: Body, { scalar, columnPlace }: TransposedTile, square: Expr, rows: Range, columns: Range): void {
  const type = vectorType(scalar, registerSide);
  const each = Array.from({ length: registerSide }, (_, at) => at);
  body.for(
    'down',
    columns[0],
    columns[1],
    (column, outer) => {
      const places = each.map((at) => outer.let(`column${at}`, columnPlace(add(column, at))));
      const across = outer.let('across', add(square, sub(column, columns[0])));
      outer.for(
        'along',
        rows[0],
        rows[1],
        (row, loop) => {
          const down = places.map((place, at) => loop.let(`down${at}`, load(type, inputName(0), add(place, row))));
          const line = loop.let('line', add(across, mul(sub(row, rows[0]), squareSide)));
          turned(loop, down).forEach((vector, at) => {
            loop.store(squareName, add(line, at * squareSide), vector);
          });
        },
        { step: registerSide },
      );
    },
    { step: registerSide },
  );
}

/** Four vectors as the columns of a square: its rows. Columns are joined in pairs first, then the pairs. */
function turned(body: Body, [a, b, c, d]: readonly Expr[]): readonly Expr[] {
  const join = (name: string, left: Expr, right: Expr, lanes: readonly number[]) => body.let(name, shuffle(left, right, lanes));
  const pairs = [
    [join('abUpper', a!, b!, [0, 4, 1, 5]), join('cdUpper', c!, d!, [0, 4, 1, 5])],
    [join('abLower', a!, b!, [2, 6, 3, 7]), join('cdLower', c!, d!, [2, 6, 3, 7])],
  ] as const;
  return pairs.flatMap(([left, right]) => [shuffle(left, right, [0, 1, 4, 5]), shuffle(left, right, [2, 3, 6, 7])]);
}
