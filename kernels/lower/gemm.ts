/**
 * Matrix products as kernel IR: out[b] = a[b] b[b], computed in register tiles. How the operands lie in memory, packed or not, and into
 * what blocks the work is cut is said by parameters, which the caller decides from shapes and strides alone.
 *
 * A sum is taken block by block of `blockLength` along k, each block in order, however the rest is cut: the height of a tile, where it
 * stands, and how operands are packed make no difference to it.
 */
import {
  add,
  Body,
  begin,
  constant,
  div,
  end,
  eq,
  I32,
  kernel,
  le,
  load,
  min,
  mul,
  param,
  rem,
  scalarType,
  sub,
} from '../build.js';
import { type Expr, type Kernel, registerOf, type Storage } from '../ir.js';
import { integers, reads } from './packing.js';
import { lanesType, RegisterTile, range } from './tile.js';

export interface GemmForm {
  /** dtype of the result, and of operands that are not packed; what is packed is stored as `packedStorage` of it. */
  readonly storage: Storage;
  readonly aStorage: Storage;
  readonly bStorage: Storage;
  /** Rows of tiles, in falling order down to 1: rows that tiles of one height leave over go to the next. */
  readonly heights: readonly number[];
  readonly vectors: number;
  /** 1 takes any stride of b's columns, more need them contiguous. */
  readonly lanes: number;
  /** Whether rows of a lie side by side, in panels or in all of it; where not, aRow says how far apart they are. */
  readonly rowsAdjoin: boolean;
  /** n is less than the tile's width: b has zeros beyond it. */
  readonly narrow: boolean;
}

/**
 * An item is a block of one matrix of the batch: the panels of rows and of columns are shared out evenly between `rowBlocks` and
 * `columnBlocks`. Row r of a is found at (r / heights[0]) * aPanel + r * aRow, column c of b at (c / width) * bPanel + c * bColumn. The
 * last panel of columns ends with the matrix and overlaps the one before, which has to be in the same block, unless it is narrow.
 */
export function gemmKernel(form: GemmForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => gemmBlock(each, form, item));
  return kernel(
    nameOf(form),
    [
      reads('a', form.aStorage),
      reads('b', form.bStorage),
      reads('aOffsets', 'int32'),
      reads('bOffsets', 'int32'),
      { name: 'out', storage: form.storage, access: 'readwrite' },
    ],
    integers(
      ...['m', 'n', 'k', 'blockLength', 'lengthBlocks', 'rowPanels', 'rowBlocks', 'columnPanels', 'columnBlocks'],
      ...['aPanel', 'aRow', 'aStep', 'bPanel', 'bColumn', 'bStep'],
    ),
    body.statements,
  );
}

function nameOf({ storage, aStorage, bStorage, heights, vectors, lanes, rowsAdjoin, narrow }: GemmForm): string {
  const kinds = `${rowsAdjoin ? '_rowsAdjoin' : ''}${narrow ? '_narrow' : ''}`;
  return `gemm_${storage}_${aStorage}_${bStorage}_${heights.join('_')}x${vectors}x${lanes}${kinds}`;
}

function gemmBlock(body: Body, form: GemmForm, item: Expr): void {
  const [m, n] = [param('m'), param('n')];
  const blocks = body.let('blocks', div(item, param('columnBlocks')));
  const batch = body.let('batch', div(blocks, param('rowBlocks')));
  const [firstColumn, endColumn] = shareOf(body, 'column', rem(item, param('columnBlocks')), form.vectors * form.lanes, n);
  const [firstRow, endRow] = shareOf(body, 'row', rem(blocks, param('rowBlocks')), form.heights[0]!, m);
  const rows = rowRanges(body, form, firstRow, endRow);
  const aMatrix = body.let('aMatrix', load(I32, 'aOffsets', batch));
  const bMatrix = body.let('bMatrix', load(I32, 'bOffsets', batch));
  const outMatrix = body.let('outMatrix', mul(mul(batch, m), n));
  body.for('block', 0, param('lengthBlocks'), (block, inBlock) => {
    const start = inBlock.let('start', mul(block, param('blockLength')));
    const length = inBlock.let('length', min(param('blockLength'), sub(param('k'), start)));
    const aStart = inBlock.let('aStart', add(aMatrix, mul(start, param('aStep'))));
    const bStart = inBlock.let('bStart', add(bMatrix, mul(start, param('bStep'))));
    inPanels(inBlock, form, { firstColumn, endColumn, bStart }, (inPanel, panel) => {
      for (const { height, from, to } of rows) {
        const tile = (row: Expr, inRow: Body): void =>
          gemmTile(inRow, form, height, { ...panel, outMatrix, block, aStart, length, row });
        inPanel.for(`rowOf${height}`, from, to, tile, { step: height });
      }
    });
  });
}

/** From where to where the rows or columns of a block go: as many panels as the others', give or take one. */
function shareOf(body: Body, name: 'row' | 'column', block: Expr, size: number, end: Expr): readonly [Expr, Expr] {
  const number = body.let(`${name}Block`, block);
  const startOf = (at: Expr): Expr => mul(div(mul(at, param(`${name}Panels`)), param(`${name}Blocks`)), size);
  return [body.let(`${name}Start`, startOf(number)), body.let(`${name}End`, min(startOf(add(number, 1)), end))];
}

interface Columns {
  readonly firstColumn: Expr;
  readonly endColumn: Expr;
  /** Where column 0 of b begins. */
  readonly bStart: Expr;
}

/** Goes through the panels of columns. Half a panel does for the last one where no more than that many columns are left. */
function inPanels(
  body: Body,
  form: GemmForm,
  { firstColumn, endColumn, bStart }: Columns,
  write: (body: Body, panel: Panel) => void,
): void {
  const n = param('n');
  const width = form.vectors * form.lanes;
  const half = Math.floor(form.vectors / 2);
  const inColumn = (column: Expr, inPanel: Body): void => {
    const tileColumn = form.narrow ? column : inPanel.let('tileColumn', min(column, sub(n, width)));
    const across = mul(div(column, width), param('bPanel'));
    const b = inPanel.let('b', add(bStart, add(across, mul(tileColumn, param('bColumn')))));
    const panel = { column, tileColumn, b, firstVector: 0 };
    if (half === 0) write(inPanel, panel);
    else
      inPanel.if(
        le(n, add(column, half * form.lanes)),
        (rest) => write(rest, { ...panel, firstVector: form.vectors - half }),
        (whole) => write(whole, panel),
      );
  };
  body.for('column', firstColumn, endColumn, inColumn, { step: width });
}

interface RowRange {
  readonly height: number;
  readonly from: Expr;
  readonly to: Expr;
}

/** Which rows of a block go to tiles of each height. */
function rowRanges(body: Body, { heights }: GemmForm, firstRow: Expr, endRow: Expr): RowRange[] {
  let from = firstRow;
  return heights.map((height) => {
    const to = body.let(`end_${height}`, add(from, mul(div(sub(endRow, from), height), height)));
    const range = { height, from, to };
    from = to;
    return range;
  });
}

interface Panel {
  /** Where its first column begins in b. */
  readonly b: Expr;
  /** The first column that it is there for, and the one that it begins with: less where it had to move to end with the matrix. */
  readonly column: Expr;
  readonly tileColumn: Expr;
  /** The vectors from this one on are all that is wanted: the columns of the others are another panel's. */
  readonly firstVector: number;
}

interface Tile extends Panel {
  readonly outMatrix: Expr;
  readonly block: Expr;
  /** Where row 0 of a begins. */
  readonly aStart: Expr;
  readonly length: Expr;
  readonly row: Expr;
}

function gemmTile(body: Body, form: GemmForm, rows: number, tile: Tile): void {
  const { storage, lanes } = form;
  const vectors = form.vectors - tile.firstVector;
  const sums = new RegisterTile(body, { storage, rows, vectors, lanes });
  const panelStart = mul(div(tile.row, form.heights[0]!), param('aPanel'));
  const aRow = param('aRow');
  const first = body.let('first', add(tile.aStart, add(panelStart, mul(tile.row, form.rowsAdjoin ? 1 : aRow))));
  const aPlaces = form.rowsAdjoin ? range(rows) : range(rows).map((at) => body.let(`row_${at}`, mul(aRow, at)));
  const skipped = tile.firstVector * lanes;
  const a = body.variable('aAt', first);
  const b = body.variable('bAt', add(tile.b, lanes === 1 ? mul(param('bColumn'), skipped) : skipped));
  const aType = scalarType(registerOf(form.storage));
  const bType = lanesType(form.storage, lanes);
  const bPlace = (vector: number): Expr | number => (lanes === 1 ? mul(param('bColumn'), vector) : vector * lanes);
  body.for('step', 0, tile.length, (_, step) => {
    sums.step(
      step,
      (row) => load(aType, 'a', add(a, aPlaces[row]!)),
      (vector) => load(bType, 'b', add(b, bPlace(vector))),
    );
    step.set(a, add(a, param('aStep')));
    step.set(b, add(b, param('bStep')));
  });
  storeTile(body, form, rows, tile, sums);
}

function storeTile(body: Body, form: GemmForm, rows: number, tile: Tile, sums: RegisterTile): void {
  const { row, column, block, firstVector } = tile;
  const n = param('n');
  const tileColumn = add(tile.tileColumn, firstVector * form.lanes);
  const place = body.let('place', add(tile.outMatrix, add(mul(row, n), tileColumn)));
  const index = (at: number): Expr => add(place, mul(n, at));
  const each = (store: (at: number) => void): void => range(rows).forEach(store);
  const storeRows = (target: Body, adds: boolean): void => {
    const columns = { first: column, from: column, to: n };
    const options = { columnStride: constant(I32, 1), adds };
    each((at) => {
      if (form.narrow) sums.storeColumns(target, at, 'out', index(at), columns, options);
      else sums.storeRow(target, at, 'out', index(at), adds);
    });
  };
  body.if(
    eq(block, 0),
    (first) => storeRows(first, false),
    (later) => {
      if (form.narrow) return storeRows(later, true);
      later.if(
        le(column, tileColumn),
        (whole) => storeRows(whole, true),
        (moved) => each((at) => sums.addFrom(moved, at, 'out', index(at), sub(column, tileColumn))),
      );
    },
  );
}
