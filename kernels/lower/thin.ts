/**
 * Matrix products of few rows as kernel IR, which are bound by the memory that b is read from: each element of b is read once, in the
 * order in which it lies, and nothing is packed. One kernel for a b that is contiguous along its columns, one along the summed axis; both
 * take sums in the order in which register tiles take them.
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
  splat,
  sub,
} from '../build.js';
import { type Expr, type Kernel, registerOf, type Storage } from '../ir.js';
import { integers, reads } from './packing.js';
import { turnedSquare } from './square.js';
import { lanesType, multiplyAdd, packedStorage, range } from './tile.js';

export interface ThinForm {
  readonly storage: Storage;
  readonly lanes: number;
}

/** Rows of a that share what was loaded of b, in falling order down to 1. */
const heights = [4, 2, 1];

// ---- b contiguous along its columns

/** Rows of b whose products are added in one go over the columns. */
const depths = [8, 1];

/**
 * out[block][batch][m][n] = the sum over the k of a block. An item is a block along k of a block of columns of one matrix.
 */
export function rowSumsKernel(form: ThinForm): Kernel {
  const { storage, lanes } = form;
  const body = new Body();
  const [m, n] = [param('m'), param('n')];
  const type = scalarType(registerOf(storage));
  body.for('item', begin, end, (item, each) => {
    const blocks = each.let('blocks', div(item, param('columnBlocks')));
    const batch = each.let('batch', rem(blocks, param('batch')));
    const firstColumn = each.let('firstColumn', mul(rem(item, param('columnBlocks')), param('blockColumns')));
    const endColumn = each.let('endColumn', min(add(firstColumn, param('blockColumns')), n));
    const vectors = div(sub(endColumn, firstColumn), form.lanes);
    const lastVector = each.let('lastVector', add(firstColumn, mul(vectors, form.lanes)));
    const start = each.let('start', mul(div(blocks, param('batch')), param('blockLength')));
    const endStep = each.let('endStep', min(add(start, param('blockLength')), param('k')));
    const a = each.let('aMatrix', load(I32, 'aOffsets', batch));
    const b = each.let('bMatrix', load(I32, 'bOffsets', batch));
    const out = each.let('out', mul(mul(blocks, m), n));
    each.for('row', 0, m, (row, inRow) => {
      const place = inRow.let('place', add(out, mul(row, n)));
      const clear = (column: Expr, turn: Body): void => turn.store('out', add(place, column), constant(type, 0));
      inRow.for('column', firstColumn, endColumn, clear, { vector: true });
    });
    let from = start;
    for (const depth of depths) {
      const to = each.let(`endOf${depth}`, add(from, mul(div(sub(endStep, from), depth), depth)));
      const strip = { form, depth, a, b, out, firstColumn, lastVector, endColumn };
      each.for('step', from, to, (step, inStep) => addSteps(inStep, strip, step), { step: depth });
      from = to;
    }
  });
  return kernel(
    `rowSums_${storage}_${lanes}`,
    [
      reads('a', storage),
      reads('b', storage),
      reads('aOffsets', 'int32'),
      reads('bOffsets', 'int32'),
      { name: 'out', storage: packedStorage(storage), access: 'readwrite' },
    ],
    integers(...['m', 'n', 'k', 'batch', 'blockLength', 'columnBlocks', 'blockColumns', 'aRow', 'aStep', 'bStep']),
    body.statements,
  );
}

interface Strip {
  readonly form: ThinForm;
  readonly depth: number;
  readonly a: Expr;
  readonly b: Expr;
  readonly out: Expr;
  readonly firstColumn: Expr;
  /** Where columns begin that are no whole vector. */
  readonly lastVector: Expr;
  readonly endColumn: Expr;
}

/** Adds the products of `depth` rows of b, the first of them `step`, to the sums of all rows. */
function addSteps(body: Body, strip: Strip, step: Expr): void {
  const { form, depth, a, b, out } = strip;
  const type = scalarType(registerOf(form.storage));
  const bRows = range(depth).map((at) => body.let(`b_${at}`, add(b, mul(add(step, at), param('bStep')))));
  inHeights(body, param('m'), (inner, row, height) => {
    const scalars = range(height).map((of) => {
      const aStart = inner.let(`a_${of}`, add(add(a, mul(add(row, of), param('aRow'))), mul(step, param('aStep'))));
      return range(depth).map((at) => inner.let(`scalar_${of}_${at}`, load(type, 'a', add(aStart, mul(param('aStep'), at)))));
    });
    const sums = range(height).map((of) => inner.let(`place_${of}`, add(out, mul(add(row, of), param('n')))));
    addProducts(inner, strip, bRows, scalars, sums);
  });
}

/** Goes through the rows, as many at a time as the first of the heights, and those left over as the next. */
function inHeights(body: Body, rows: Expr, write: (body: Body, row: Expr, height: number) => void): void {
  let first: Expr = constant(I32, 0);
  for (const height of heights) {
    const last = body.let(`endOfRows${height}`, add(first, mul(div(sub(rows, first), height), height)));
    body.for('row', first, last, (row, inner) => write(inner, row, height), { step: height });
    first = last;
  }
}

/** sums[of][column] += the sum over `at` of scalars[of][at] * bRows[at][column], in lanes and then one by one. */
function addProducts(
  body: Body,
  { form, firstColumn, lastVector, endColumn }: Strip,
  bRows: readonly Expr[],
  scalars: readonly (readonly Expr[])[],
  sums: readonly Expr[],
): void {
  const write = (lanes: number) => (column: Expr, turn: Body) => {
    const type = lanesType(form.storage, lanes);
    const values = bRows.map((start, at) => turn.let(`value_${at}`, load(type, 'b', add(start, column))));
    sums.forEach((start, of) => {
      const place = add(start, column);
      const products = (total: Expr, value: Expr, at: number): Expr => multiplyAdd(splat(type, scalars[of]![at]!), value, total);
      turn.store('out', place, values.reduce(products, load(type, 'out', place)));
    });
  };
  body.for('column', firstColumn, lastVector, write(form.lanes), { step: form.lanes });
  if (form.lanes > 1) body.for('column', lastVector, endColumn, write(1));
}

/** out[i] = the sum over the blocks of sums[block][i], in their order. An item is `itemSize` elements. */
export function addBlocksKernel(storage: Storage): Kernel {
  const body = new Body();
  const type = scalarType(registerOf(storage));
  const size = param('size');
  body.for('item', begin, end, (item, each) => {
    const first = each.let('first', mul(item, param('itemSize')));
    const last = each.let('last', min(add(first, param('itemSize')), size));
    const inElement = (at: Expr, turn: Body): void => {
      const sum = turn.variable('sum', load(type, 'sums', at));
      turn.for('block', 1, param('blocks'), (block, inBlock) => {
        inBlock.set(sum, add(sum, load(type, 'sums', add(mul(block, size), at))));
      });
      turn.store('out', at, sum);
    };
    each.for('at', first, last, inElement, { vector: true });
  });
  return kernel(
    `addBlocks_${storage}`,
    [reads('sums', packedStorage(storage)), { name: 'out', storage, access: 'write' }],
    integers('size', 'itemSize', 'blocks'),
    body.statements,
  );
}

// ---- b contiguous along the summed axis

/**
 * out[batch][row][column] = the sum over k of a[row][k] * b[k][column], for a b that is contiguous along k, with at least as many
 * columns and rows as there are lanes. Squares of b are turned in registers and used at once. An item is a block of columns of one
 * matrix; the last columns of all end with the matrix, and may be computed twice.
 */
export function turnedKernel(form: ThinForm): Kernel {
  const body = new Body();
  const { storage, lanes } = form;
  const [m, n] = [param('m'), param('n')];
  body.for('item', begin, end, (item, each) => {
    const batch = each.let('batch', div(item, param('columnBlocks')));
    const firstColumn = each.let('firstColumn', mul(rem(item, param('columnBlocks')), param('blockColumns')));
    const endColumn = each.let('endColumn', min(add(firstColumn, param('blockColumns')), n));
    const a = each.let('aMatrix', load(I32, 'aOffsets', batch));
    const b = each.let('bMatrix', load(I32, 'bOffsets', batch));
    const out = each.let('outMatrix', mul(mul(batch, m), n));
    const count = squaresOf(form);
    const inColumns = (at: Expr, inSquares: Body): void => {
      const squares = range(count).map((square) => {
        const column = inSquares.let(`column_${square}`, min(add(at, square * lanes), sub(n, lanes)));
        const place = (of: number): Expr => add(b, mul(add(column, of), param('bColumn')));
        const bColumns = range(lanes).map((of) => inSquares.let(`b_${square}_${of}`, place(of)));
        return { out: add(out, column), bColumns };
      });
      inHeights(inSquares, m, (tile, row, height) => turnedTile(tile, form, { a, squares, row, height }));
    };
    each.for('columns', firstColumn, endColumn, inColumns, { step: count * lanes });
  });
  return kernel(
    `turned_${storage}_${lanes}`,
    [
      reads('a', storage),
      reads('b', storage),
      reads('aOffsets', 'int32'),
      reads('bOffsets', 'int32'),
      { name: 'out', storage, access: 'write' },
    ],
    integers('m', 'n', 'k', 'blockLength', 'lengthBlocks', 'aRow', 'aStep', 'bColumn', 'blockColumns', 'columnBlocks'),
    body.statements,
  );
}

/** Squares of different columns, so that sums do not wait for each other; wide ones fill the registers alone. */
const squaresOf = ({ lanes }: ThinForm): number => (lanes > 4 ? 1 : 2);

interface TurnedTile {
  readonly a: Expr;
  readonly squares: readonly SquareColumns[];
  readonly row: Expr;
  readonly height: number;
}

interface SquareColumns {
  /** Where each column of b begins. */
  readonly bColumns: readonly Expr[];
  /** Where the columns begin in row 0 of the result. */
  readonly out: Expr;
}

function turnedTile(body: Body, { storage, lanes }: ThinForm, { a, squares, row, height }: TurnedTile): void {
  const vector = lanesType(storage, lanes);
  const scalar = scalarType(registerOf(storage));
  const aRows = range(height).map((of) => body.let(`a_${of}`, add(a, mul(add(row, of), param('aRow')))));
  const zeros = (at: Body, name: string): Expr[][] =>
    squares.map((_, square) => range(height).map((of) => at.variable(`${name}_${square}_${of}`, constant(vector, 0))));
  const totals = zeros(body, 'total');
  body.for('block', 0, param('lengthBlocks'), (block, inBlock) => {
    const start = inBlock.let('start', mul(block, param('blockLength')));
    const endStep = inBlock.let('endStep', min(add(start, param('blockLength')), param('k')));
    const wholeEnd = inBlock.let('wholeEnd', add(start, mul(div(sub(endStep, start), lanes), lanes)));
    const sums = zeros(inBlock, 'sum');
    const turned = (at: Body, square: number, step: Expr): readonly Expr[] => {
      const load_ = (column: Expr, of: number): Expr => at.let(`row_${square}_${of}`, load(vector, 'b', add(column, step)));
      return turnedSquare(at, squares[square]!.bColumns.map(load_), `turned_${square}`);
    };
    const addProducts = (body: Body, rows: readonly (readonly Expr[])[], at: number, step: Expr): void =>
      aRows.forEach((aRow, of) => {
        const scalarAt = load(scalar, 'a', add(aRow, mul(add(step, at), param('aStep'))));
        const factor = body.let(`factor_${at}_${of}`, splat(vector, scalarAt));
        rows.forEach((values, square) => {
          const sum = sums[square]![of]!;
          body.set(sum, multiplyAdd(factor, values[at]!, sum));
        });
      });
    const inSteps = (step: Expr, turn: Body): void => {
      const rows = squares.map((_, square) => turned(turn, square, step));
      for (const at of range(lanes)) addProducts(turn, rows, at, step);
    };
    inBlock.for('step', start, wholeEnd, inSteps, { step: lanes });
    // The rows left over are the last of a square that ends with them.
    inBlock.if(lt(wholeEnd, endStep), (rest) => {
      const first = rest.let('first', sub(endStep, lanes));
      const rows = squares.map((_, square) => turned(rest, square, first));
      for (const at of range(lanes)) rest.if(le(wholeEnd, add(first, at)), (isLeft) => addProducts(isLeft, rows, at, first));
    });
    sums.forEach((ofSquare, square) => {
      ofSquare.forEach((sum, of) => {
        inBlock.set(totals[square]![of]!, add(totals[square]![of]!, sum));
      });
    });
  });
  totals.forEach((ofSquare, square) => {
    ofSquare.forEach((total, of) => {
      body.store('out', add(squares[square]!.out, mul(add(row, of), param('n'))), total);
    });
  });
}
