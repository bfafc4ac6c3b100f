/**
 * Transposition by groups of threads: a tile is read with its rows along the threads of a warp, as they lie in the input, and written with
 * its columns along them, as they lie in the output. In between it is in an array that the group shares, so both sides' memory is touched
 * in whole lines.
 */
import { add, and, type Body, begin, div, end, load, lt, mul, scalarType, shr, sub } from '../build.js';
import { barrier, group, groups, thread, warpSize } from '../group.js';
import { type Expr, type Group, type RealStorage, registerOf } from '../ir.js';
import { inputName, outputName } from './names.js';
import type { Range } from './transposed.js';

/** Rows and columns of a tile: as many as a warp has threads. */
export const groupTile = { height: warpSize, width: warpSize } as const;

const threads = 256;
const tileName = 'tileOfGroup';
/** Of the tile's rows, one element longer than they need be: what lies below each other is then in different banks. */
const pitch = warpSize + 1;

export const transposingGroup = (storage: RealStorage): Group => ({
  threads,
  items: 1,
  shared: [{ name: tileName, storage, length: warpSize * pitch }],
});

/** Goes through the tiles of a group. */
export function overGroupTiles(body: Body, write: (item: Expr, body: Body) => void): void {
  const turns = div(add(sub(sub(end, begin), group), sub(groups, 1)), groups);
  body.for('turn', 0, turns, (turn, each) => write(each.let('item', add(begin, add(group, mul(turn, groups)))), each));
}

export interface GroupTile {
  readonly storage: RealStorage;
  readonly rows: Range;
  readonly columns: Range;
  /** Where an element lies in the input, and in the output. */
  readonly from: (row: Expr, column: Expr) => Expr;
  readonly to: (row: Expr, column: Expr) => Expr;
}

export function transposeByGroup(body: Body, { storage, rows, columns, from, to }: GroupTile): void {
  const type = scalarType(registerOf(storage));
  const along = body.let('along', and(thread, warpSize - 1));
  const first = body.let('firstAcross', shr(thread, 5));
  /** For each element of the thread: `along` in one direction, every eighth in the other. */
  const each = (name: string, write: (across: Expr, body: Body) => void): void =>
    body.for(name, 0, (warpSize * warpSize) / threads, (turn, loop) => {
      const step = mul(turn, threads / warpSize);
      write(loop.let(`${name}Across`, add(first, step)), loop);
    });
  const inside = (row: Expr, column: Expr): Expr => and(lt(row, rows[1]), lt(column, columns[1]));
  each('read', (across, loop) => {
    const [row, column] = [add(rows[0], along), add(columns[0], across)];
    loop.if(inside(row, column), (there) => {
      there.store(tileName, add(mul(across, pitch), along), load(type, inputName(0), from(row, column)));
    });
  });
  body.push(barrier);
  each('write', (across, loop) => {
    const [row, column] = [add(rows[0], across), add(columns[0], along)];
    loop.if(inside(row, column), (there) => {
      there.store(outputName(0), to(row, column), load(type, tileName, add(mul(along, pitch), across)));
    });
  });
  body.push(barrier);
}
