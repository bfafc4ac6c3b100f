/**
 * Copies of matrices as the register tiles of products read them: in panels of columns side by side, or row by row at another distance.
 * Numbers of 16 bits become float32 on the way. Which copy a product wants, and whether it wants one, is the caller's business.
 */
import {
  add,
  Body,
  begin,
  constant,
  div,
  end,
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
import { turnedSquare } from './square.js';
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
  /** Which elements are moved `lanes` at a time: `pitch` of a row where `columnStride` is 1, those of a column where `rowStride` is. */
  readonly along: 'rows' | 'columns';
  readonly lanes: number;
  /** Element k of a column lies at rowOffsets[k] instead of k * rowStride; columns are then moved one by one. */
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
      const panelRows = { source, target, firstRow, endRow };
      const copied = form.along === 'rows' && form.lanes > 1 ? form.pitch : form.width;
      inPanel.if(
        le(add(column, copied), param('n')),
        (whole) => {
          if (form.along === 'columns') turnPanel(whole, form, panelRows);
          else packRows(whole, form, panelRows, (row, from, to) => copyRow(row, form, copied, from, to));
        },
        (edge) => packRows(edge, form, panelRows, (row, from, to) => copyEdge(row, form, column, from, to)),
      );
    });
  });
  const kinds = form.indexed ? 'indexed_' : '';
  return kernel(
    `pack_${kinds}${form.storage}_${form.width}_${form.pitch}_${form.along}_${form.lanes}`,
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

/** Squares of as many rows and columns as a vector has lanes, turned in registers; the rows left over one element after the other. */
function turnPanel(body: Body, form: PackForm, { source, target, firstRow, endRow }: PanelRows): void {
  const { storage, width, pitch, lanes } = form;
  const wholeEnd = body.let('wholeEnd', add(firstRow, mul(div(sub(endRow, firstRow), lanes), lanes)));
  const inRows = (row: Expr, inRow: Body): void => {
    const inColumns = (column: Expr, square: Body): void => {
      const from = square.let('from', add(add(source, row), mul(column, param('columnStride'))));
      const to = square.let('to', add(add(target, mul(row, pitch)), column));
      const columns = range(lanes).map((at) => {
        const place = add(from, mul(param('columnStride'), at));
        return square.let(`column_${at}`, load(lanesType(storage, lanes), 'x', place));
      });
      turnedSquare(square, columns).forEach((values, at) => {
        square.store('out', add(to, at * pitch), values);
      });
    };
    inRow.for('inPanel', 0, width, inColumns, { step: lanes });
  };
  body.for('rows', firstRow, wholeEnd, inRows, { step: lanes });
  const rest = { source, target, firstRow: wholeEnd, endRow };
  packRows(body, form, rest, (row, from, to) => copyRow(row, { ...form, lanes: 1 }, width, from, to));
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
