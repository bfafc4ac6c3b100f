/**
 * Copies of matrices as the register tiles of products read them: in panels of columns side by side, or row by row at another distance.
 * Numbers of 16 bits become float32 on the way. Which copy a product wants, and whether it wants one, is the caller's business.
 */
import { add, Body, begin, constant, div, end, I32, kernel, le, load, lt, min, mul, param, rem, scalarType } from '../build.js';
import { type BufferDeclaration, type Expr, type Kernel, type ParamDeclaration, registerOf, type Storage } from '../ir.js';
import { lanesType, packedStorage, range } from './tile.js';

/** i32 parameters of those names. */
export const integers = (...names: readonly string[]): ParamDeclaration[] => names.map((name) => ({ name, type: 'i32' }));
export const reads = (name: string, storage: Storage): BufferDeclaration => ({ name, storage, access: 'read' });

export interface PackForm {
  /** Of the matrix that is read. */
  readonly storage: Storage;
  /** Columns side by side in a panel, and from one row of the panel to the next. */
  readonly width: number;
  readonly pitch: number;
  /** Lanes by which columns are copied, `pitch` of them: only where `columnStride` is 1. 1 takes any stride. */
  readonly lanes: number;
  /** Element k of a column lies at rowOffsets[k] instead of k * rowStride. */
  readonly indexed: boolean;
}

/**
 * Panels of `width` columns: out[matrix][panel][k][pitch], with zeros in place of columns that are not there. No panel begins after
 * column `lastStart`. An item is a block of rows and panels of one matrix; `offsets` says where each matrix begins.
 */
export function packKernel(form: PackForm): Kernel {
  const body = new Body();
  const panels = param('panels');
  body.for('item', begin, end, (item, each) => {
    const blocks = each.let('blocks', div(item, param('panelBlocks')));
    const matrix = each.let('matrix', div(blocks, param('rowBlocks')));
    const start = each.let('start', load(I32, 'offsets', matrix));
    const firstPanel = each.let('firstPanel', mul(rem(item, param('panelBlocks')), param('blockPanels')));
    const endPanel = each.let('endPanel', min(add(firstPanel, param('blockPanels')), panels));
    const firstRow = each.let('firstRow', mul(rem(blocks, param('rowBlocks')), param('blockRows')));
    const endRow = each.let('endRow', min(add(firstRow, param('blockRows')), param('k')));
    each.for('panel', firstPanel, endPanel, (panel, inPanel) => {
      const column = inPanel.let('column', min(mul(panel, form.width), param('lastStart')));
      const source = inPanel.let('source', add(start, mul(column, param('columnStride'))));
      const target = inPanel.let('target', mul(mul(add(mul(matrix, panels), panel), param('k')), form.pitch));
      const copied = form.lanes === 1 ? form.width : form.pitch;
      const rows = (at: Body, write: RowWriter): void => packRows(at, form, { source, target, firstRow, endRow }, write);
      inPanel.if(
        le(add(column, copied), param('n')),
        (full) => rows(full, (row, from, to) => copyRow(row, form, copied, from, to)),
        (edge) => rows(edge, (row, from, to) => copyEdge(row, form, column, from, to)),
      );
    });
  });
  const kinds = form.indexed ? 'indexed_' : '';
  return kernel(
    `pack_${kinds}${form.storage}_${form.width}_${form.pitch}_${form.lanes}`,
    [
      reads('x', form.storage),
      reads('offsets', 'int32'),
      ...(form.indexed ? [reads('rowOffsets', 'int32')] : []),
      { name: 'out', storage: packedStorage(form.storage), access: 'write' },
    ],
    integers(
      ...['panels', 'n', 'k', 'rowStride', 'columnStride', 'lastStart'],
      ...['panelBlocks', 'blockPanels', 'rowBlocks', 'blockRows'],
    ),
    body.statements,
  );
}

type RowWriter = (body: Body, from: Expr, to: Expr) => void;

interface PanelRows {
  readonly source: Expr;
  readonly target: Expr;
  readonly firstRow: Expr;
  readonly endRow: Expr;
}

function packRows(body: Body, form: PackForm, { source, target, firstRow, endRow }: PanelRows, write: RowWriter): void {
  body.for('row', firstRow, endRow, (row, inner) => {
    const offset = form.indexed ? load(I32, 'rowOffsets', row) : mul(row, param('rowStride'));
    write(inner, inner.let('from', add(source, offset)), inner.let('to', add(target, mul(row, form.pitch))));
  });
}

function copyRow(body: Body, { storage, lanes }: PackForm, copied: number, from: Expr, to: Expr): void {
  const type = lanesType(storage, lanes);
  for (const part of range(copied / lanes)) {
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

export interface RowsForm {
  readonly storage: Storage;
  /** Whether the elements of a row lie side by side. */
  readonly contiguous: boolean;
}

/** out[matrix][row][pitch], the first `columns` of each row. An item is a row; `offsets` says where each matrix begins. */
export function copyRowsKernel({ storage, contiguous }: RowsForm): Kernel {
  const body = new Body();
  const type = scalarType(registerOf(storage));
  body.for('item', begin, end, (item, each) => {
    const start = load(I32, 'offsets', div(item, param('rows')));
    const source = each.let('source', add(start, mul(rem(item, param('rows')), param('rowStride'))));
    const target = each.let('target', mul(item, param('pitch')));
    const place = (column: Expr): Expr => add(source, contiguous ? column : mul(column, param('columnStride')));
    const copy = (column: Expr, turn: Body): void => turn.store('out', add(target, column), load(type, 'x', place(column)));
    each.for('column', 0, param('columns'), copy, { vector: true });
  });
  return kernel(
    `copyRows_${storage}${contiguous ? '_contiguous' : ''}`,
    [reads('x', storage), reads('offsets', 'int32'), { name: 'out', storage: packedStorage(storage), access: 'write' }],
    integers('rows', 'columns', 'rowStride', 'columnStride', 'pitch'),
    body.statements,
  );
}
