/**
 * Matrix products as kernel IR: out[b] = a[b] b[b], for operands of any strides. Three kernels: packing of one operand into panels,
 * the product in register tiles, and the product by rows for operands that are both contiguous along the summed axis.
 *
 * Which to use, and into what blocks the work is cut, is decided by the caller from shapes and strides alone. In tiles, a sum is taken
 * block by block of `blockLength` along k, each block in order, however the rest is cut.
 */
import {
  add,
  and,
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
  lt,
  min,
  mul,
  param,
  rem,
  scalarType,
  sub,
} from '../build.js';
import { type BufferDeclaration, type Expr, type Kernel, type ParamDeclaration, registerOf, type Storage } from '../ir.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

/** i32 parameters of those names. */
export const integers = (...names: readonly string[]): ParamDeclaration[] => names.map((name) => ({ name, type: 'i32' }));
export const reads = (name: string, storage: Storage): BufferDeclaration => ({ name, storage, access: 'read' });

// ---- Packing

export interface PackForm {
  /** Of the matrix that is read. */
  readonly storage: Storage;
  /** Columns side by side in a panel. */
  readonly width: number;
  /** Lanes by which columns are copied: only where `columnStride` is 1. 1 takes any stride. */
  readonly lanes: number;
  /** Element k of a column lies at rowOffsets[k] instead of k * rowStride. */
  readonly indexed: boolean;
}

/**
 * Panels of `width` columns: out[matrix][panel][k][width], with zeros in place of columns that are not there. An item is a panel.
 * `offsets` says where each matrix begins.
 */
export function packKernel(form: PackForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => {
    const panels = param('panels');
    const column = each.let('column', mul(rem(item, panels), form.width));
    const source = each.let('source', add(load(I32, 'offsets', div(item, panels)), mul(column, param('columnStride'))));
    const target = each.let('target', mul(mul(item, param('k')), form.width));
    const whole = le(add(column, form.width), param('n'));
    each.if(
      whole,
      (full) => packRows(full, form, source, target, (row, from, to) => copyRow(row, form, from, to)),
      (edge) => packRows(edge, form, source, target, (row, from, to) => copyEdge(row, form, column, from, to)),
    );
  });
  const kinds = form.indexed ? 'indexed_' : '';
  return kernel(
    `pack_${kinds}${form.storage}_${form.width}_${form.lanes}`,
    [
      reads('x', form.storage),
      reads('offsets', 'int32'),
      ...(form.indexed ? [reads('rowOffsets', 'int32')] : []),
      { name: 'out', storage: packedStorage(form.storage), access: 'write' },
    ],
    integers('panels', 'n', 'k', 'rowStride', 'columnStride'),
    body.statements,
  );
}

type RowWriter = (body: Body, from: Expr, to: Expr) => void;

function packRows(body: Body, form: PackForm, source: Expr, target: Expr, write: RowWriter): void {
  body.for('row', 0, param('k'), (row, inner) => {
    const offset = form.indexed ? load(I32, 'rowOffsets', row) : mul(row, param('rowStride'));
    write(inner, inner.let('from', add(source, offset)), inner.let('to', add(target, mul(row, form.width))));
  });
}

function copyRow(body: Body, form: PackForm, from: Expr, to: Expr): void {
  const { lanes } = form;
  const type = lanesType(form.storage, lanes);
  for (const part of range(form.width / lanes)) {
    const place = lanes === 1 ? add(from, mul(param('columnStride'), part)) : add(from, part * lanes);
    body.store('out', add(to, part * lanes), load(type, 'x', place));
  }
}

function copyEdge(body: Body, form: PackForm, column: Expr, from: Expr, to: Expr): void {
  const type = lanesType(form.storage, 1);
  for (const part of range(form.width)) {
    const place = add(from, mul(param('columnStride'), part));
    body.if(
      lt(add(column, part), param('n')),
      (inside) => inside.store('out', add(to, part), load(type, 'x', place)),
      (outside) => outside.store('out', add(to, part), constant(type, 0)),
    );
  }
}

// ---- The product in register tiles

export interface GemmForm {
  /** dtype of the operands as they are stored; what is packed is stored as `packedStorage` of it. */
  readonly storage: Storage;
  readonly rows: number;
  readonly vectors: number;
  /** 1 takes any stride of b's columns, more need them contiguous. */
  readonly lanes: number;
  readonly packedA: boolean;
  readonly packedB: boolean;
}

/**
 * An item is a block of `blockRows` x `blockColumns` of one matrix of the batch, multiples of the tile's sides. Where b is not packed,
 * n must be at least the tile's width.
 */
export function gemmKernel(form: GemmForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => gemmBlock(each, form, item));
  const packed = `${form.packedA ? '_packedA' : ''}${form.packedB ? '_packedB' : ''}`;
  return kernel(
    `gemm_${form.storage}_${form.rows}x${form.vectors}x${form.lanes}${packed}`,
    [
      reads('a', form.packedA ? packedStorage(form.storage) : form.storage),
      reads('b', form.packedB ? packedStorage(form.storage) : form.storage),
      reads('aOffsets', 'int32'),
      reads('bOffsets', 'int32'),
      { name: 'out', storage: form.storage, access: 'readwrite' },
    ],
    integers(
      ...['m', 'n', 'k', 'blockLength', 'lengthBlocks', 'blockRows', 'rowBlocks', 'blockColumns', 'columnBlocks'],
      ...['aRow', 'aStep', 'bColumn', 'bStep'],
    ),
    body.statements,
  );
}

function gemmBlock(body: Body, form: GemmForm, item: Expr): void {
  const [m, n, k] = [param('m'), param('n'), param('k')];
  const blocks = body.let('blocks', div(item, param('columnBlocks')));
  const batch = body.let('batch', div(blocks, param('rowBlocks')));
  const firstColumn = body.let('firstColumn', mul(rem(item, param('columnBlocks')), param('blockColumns')));
  const endColumn = body.let('endColumn', min(add(firstColumn, param('blockColumns')), n));
  const firstRow = body.let('firstRow', mul(rem(blocks, param('rowBlocks')), param('blockRows')));
  const endRow = body.let('endRow', min(add(firstRow, param('blockRows')), m));
  const aMatrix = body.let('aMatrix', load(I32, 'aOffsets', batch));
  const bMatrix = body.let('bMatrix', load(I32, 'bOffsets', batch));
  const outMatrix = body.let('outMatrix', mul(mul(batch, m), n));
  body.for('block', 0, param('lengthBlocks'), (block, inBlock) => {
    const start = inBlock.let('start', mul(block, param('blockLength')));
    const length = inBlock.let('length', min(param('blockLength'), sub(k, start)));
    const columns = { step: form.vectors * form.lanes };
    inBlock.for(
      'column',
      firstColumn,
      endColumn,
      (column, inColumn) => {
        const panel = bPanel(inColumn, form, bMatrix, column, start);
        const rows = { step: form.rows };
        inColumn.for(
          'row',
          firstRow,
          endRow,
          (row, inRow) => {
            gemmTile(inRow, form, { ...panel, aMatrix, outMatrix, block, start, length, row, column, endRow });
          },
          rows,
        );
      },
      columns,
    );
  });
}

interface Panel {
  /** Where the tile's part of b begins. */
  readonly bStart: Expr;
  /** The column that the tile's first one stands for: less than `column` where the tile had to move to stay inside of b. */
  readonly tileColumn: Expr;
}

function bPanel(body: Body, form: GemmForm, bMatrix: Expr, column: Expr, start: Expr): Panel {
  const width = form.vectors * form.lanes;
  if (form.packedB) {
    const bStart = add(bMatrix, add(mul(column, param('k')), mul(start, width)));
    return { bStart: body.let('bStart', bStart), tileColumn: column };
  }
  const tileColumn = body.let('tileColumn', min(column, sub(param('n'), width)));
  const across = form.lanes === 1 ? mul(tileColumn, param('bColumn')) : tileColumn;
  return { bStart: body.let('bStart', add(bMatrix, add(across, mul(start, param('bStep'))))), tileColumn };
}

interface Tile extends Panel {
  readonly aMatrix: Expr;
  readonly outMatrix: Expr;
  readonly block: Expr;
  readonly start: Expr;
  readonly length: Expr;
  readonly row: Expr;
  readonly column: Expr;
  readonly endRow: Expr;
}

function gemmTile(body: Body, form: GemmForm, tile: Tile): void {
  const { vectors, lanes } = form;
  const width = vectors * lanes;
  const sums = new RegisterTile(body, form);
  const aPlaces = aRows(body, form, tile);
  const bStep = form.packedB ? width : param('bStep');
  const aStep = form.packedA ? form.rows : param('aStep');
  const a = body.variable('aAt', add(tile.aMatrix, form.packedA ? aPacked(form, tile) : mul(tile.start, aStep)));
  const b = body.variable('bAt', tile.bStart);
  const aType = scalarType(registerOf(form.storage));
  const bType = lanesType(form.storage, lanes);
  body.for('step', 0, tile.length, (_, step) => {
    const bPlace = (vector: number) => (lanes === 1 && !form.packedB ? mul(param('bColumn'), vector) : vector * lanes);
    sums.step(
      step,
      (row) => load(aType, 'a', add(a, aPlaces[row]!)),
      (vector) => load(bType, 'b', add(b, bPlace(vector))),
    );
    step.set(a, add(a, aStep));
    step.set(b, add(b, bStep));
  });
  storeTile(body, form, tile, sums);
}

function aPacked(form: GemmForm, { row, start }: Tile): Expr {
  return add(mul(row, param('k')), mul(start, form.rows));
}

/** Where the tile's rows lie, from its moving place in a. Rows beyond the last are that one again: they are not stored. */
function aRows(body: Body, form: GemmForm, { row }: Tile): (Expr | number)[] {
  if (form.packedA) return range(form.rows);
  const last = sub(param('m'), 1);
  return range(form.rows).map((at) => body.let(`row_${at}`, mul(min(add(row, at), last), param('aRow'))));
}

function storeTile(body: Body, form: GemmForm, tile: Tile, sums: RegisterTile): void {
  const width = form.vectors * form.lanes;
  const { row, column, tileColumn, endRow } = tile;
  const n = param('n');
  const place = body.let('place', add(tile.outMatrix, add(mul(row, n), tileColumn)));
  const index = (at: number): Expr => add(place, mul(n, at));
  const store = (target: Body, adds: boolean): void => {
    const whole = and(le(add(row, form.rows), endRow), and(eq(column, tileColumn), le(add(tileColumn, width), n)));
    target.if(
      whole,
      (full) => {
        for (const at of range(form.rows)) sums.storeRow(full, at, 'out', index(at), adds);
      },
      (edge) => {
        for (const at of range(form.rows)) {
          const columns = { first: tileColumn, from: column, to: n };
          edge.if(lt(add(row, at), endRow), (inside) =>
            sums.storeColumns(inside, at, 'out', index(at), columns, { columnStride: constant(I32, 1), adds }),
          );
        }
      },
    );
  };
  body.if(
    eq(tile.block, 0),
    (first) => store(first, false),
    (later) => store(later, true),
  );
}

// ---- The product by rows

/**
 * For few rows, where a's rows and b's columns are both contiguous along k: each sum is a loop of its own, in lanes. An item is a
 * block of `blockColumns` columns of one row.
 */
export function dotKernel(storage: Storage): Kernel {
  const body = new Body();
  const type = scalarType(registerOf(storage));
  const [m, n] = [param('m'), param('n')];
  body.for('item', begin, end, (item, each) => {
    const row = each.let('row', div(item, param('columnBlocks')));
    const firstColumn = each.let('firstColumn', mul(rem(item, param('columnBlocks')), param('blockColumns')));
    const batch = each.let('batch', div(row, m));
    const a = each.let('aRowStart', add(load(I32, 'aOffsets', batch), mul(rem(row, m), param('aRow'))));
    const b = each.let('bMatrix', load(I32, 'bOffsets', batch));
    each.for('column', firstColumn, min(add(firstColumn, param('blockColumns')), n), (column, inner) => {
      const bStart = inner.let('bColumnStart', add(b, mul(column, param('bColumn'))));
      const sum = inner.variable('sum', constant(type, 0));
      const product = (k: Expr): Expr => mul(load(type, 'a', add(a, k)), load(type, 'b', add(bStart, k)));
      inner.for('k', 0, param('k'), (k, turn) => turn.accumulate(sum, 'sum', product(k)), { vector: true });
      inner.store('out', add(mul(row, n), column), sum);
    });
  });
  return kernel(
    `dot_${storage}`,
    [
      reads('a', storage),
      reads('b', storage),
      reads('aOffsets', 'int32'),
      reads('bOffsets', 'int32'),
      { name: 'out', storage, access: 'write' },
    ],
    integers('m', 'n', 'k', 'aRow', 'bColumn', 'blockColumns', 'columnBlocks'),
    body.statements,
  );
}
