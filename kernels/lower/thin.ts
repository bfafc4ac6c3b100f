/**
 * Matrix products of few rows as kernel IR, which are bound by the memory that b is read from: each element of b is read once, in the
 * order in which it lies, and nothing is packed. One kernel for a b that is contiguous along its columns, one along the summed axis.
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
  lane,
  load,
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

// ---- b contiguous along its columns

/** Rows of b whose products are added in one go over the columns, and rows of a that share what was loaded. */
const depths = [8, 1];
const heights = [4, 1];

/**
 * out[block][batch][m][n] = the sum over the k of a block. The sum is taken in the order in which register tiles take it. An item is
 * a block along k of a block of columns of one matrix.
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
  let firstRow: Expr = constant(I32, 0);
  for (const height of heights) {
    const endRow = body.let(`endOfRows${height}`, add(firstRow, mul(div(sub(param('m'), firstRow), height), height)));
    const inRows = (row: Expr, inner: Body): void => {
      const scalars = range(height).map((of) => {
        const aStart = inner.let(`a_${of}`, add(add(a, mul(add(row, of), param('aRow'))), mul(step, param('aStep'))));
        return range(depth).map((at) => inner.let(`scalar_${of}_${at}`, load(type, 'a', add(aStart, mul(param('aStep'), at)))));
      });
      const sums = range(height).map((of) => inner.let(`place_${of}`, add(out, mul(add(row, of), param('n')))));
      addProducts(inner, strip, bRows, scalars, sums);
    };
    body.for(`row`, firstRow, endRow, inRows, { step: height });
    firstRow = endRow;
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

/** Sides of the tiles of sums, in falling order down to 1: what the larger leave over is for the smaller. */
const sides = [4, 1];

/**
 * out[batch][row][column] = the sum over k of a[row][k] * b[column][k], both contiguous along k: lane l sums every `lanes`-th product,
 * from the l-th on, then lanes are added pairwise, then the products left over one by one. An item is a block of columns of one matrix.
 */
export function dotKernel(form: ThinForm): Kernel {
  const body = new Body();
  const { storage } = form;
  const [m, n] = [param('m'), param('n')];
  body.for('item', begin, end, (item, each) => {
    const batch = each.let('batch', div(item, param('columnBlocks')));
    const firstColumn = each.let('firstColumn', mul(rem(item, param('columnBlocks')), param('blockColumns')));
    const endColumn = each.let('endColumn', min(add(firstColumn, param('blockColumns')), n));
    const a = each.let('aMatrix', load(I32, 'aOffsets', batch));
    const b = each.let('bMatrix', load(I32, 'bOffsets', batch));
    const out = each.let('outMatrix', mul(mul(batch, m), n));
    const wholeK = each.let('wholeK', mul(div(param('k'), form.lanes), form.lanes));
    inTiles(each, 'column', firstColumn, endColumn, (inColumn, column, columns) => {
      inTiles(inColumn, 'row', constant(I32, 0), m, (inRow, row, rows) => {
        dotTile(inRow, form, { a, b, out, row, rows, column, columns, wholeK });
      });
    });
  });
  return kernel(
    `dot_${storage}_${form.lanes}`,
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

/** Goes from `from` to `to` in steps of each of the sides in turn. */
function inTiles(body: Body, name: string, from: Expr, to: Expr, write: (body: Body, at: Expr, side: number) => void): void {
  let start = from;
  for (const side of sides) {
    const last = body.let(`${name}End${side}`, add(start, mul(div(sub(to, start), side), side)));
    body.for(name, start, last, (at, inner) => write(inner, at, side), { step: side });
    start = last;
  }
}

interface DotTile {
  readonly a: Expr;
  readonly b: Expr;
  readonly out: Expr;
  readonly row: Expr;
  readonly rows: number;
  readonly column: Expr;
  readonly columns: number;
  /** The largest multiple of the lanes in k. */
  readonly wholeK: Expr;
}

function dotTile(body: Body, { storage, lanes }: ThinForm, tile: DotTile): void {
  const { row, rows, column, columns, wholeK } = tile;
  const vector = lanesType(storage, lanes);
  const scalar = scalarType(registerOf(storage));
  const aStarts = range(rows).map((at) => body.let(`a_${at}`, add(tile.a, mul(add(row, at), param('aRow')))));
  const bStarts = range(columns).map((at) => body.let(`b_${at}`, add(tile.b, mul(add(column, at), param('bColumn')))));
  const pairs = range(rows).flatMap((r) => range(columns).map((c) => ({ r, c })));
  const sums = pairs.map(({ r, c }) => body.variable(`sum_${r}_${c}`, constant(vector, 0)));
  const addProducts = (turn: Body, k: Expr, type: typeof vector, targets: readonly Expr[]): void => {
    const bs = bStarts.map((start, at) => turn.let(`y_${at}`, load(type, 'b', add(start, k))));
    const as = aStarts.map((start, at) => turn.let(`x_${at}`, load(type, 'a', add(start, k))));
    pairs.forEach(({ r, c }, at) => {
      turn.set(targets[at]!, multiplyAdd(as[r]!, bs[c]!, targets[at]!));
    });
  };
  body.for('k', 0, wholeK, (k, turn) => addProducts(turn, k, vector, sums), { step: lanes });
  const totals = lanesAdded(body, sums).map((sum, at) => body.variable(`total_${at}`, sum));
  body.for('k', wholeK, param('k'), (k, turn) => addProducts(turn, k, scalar, totals));
  pairs.forEach(({ r, c }, at) => {
    body.store('out', add(add(tile.out, mul(add(row, r), param('n'))), add(column, c)), totals[at]!);
  });
}

/** The lanes of each vector added pairwise: of as many vectors as they have lanes together, by turning the square that they are. */
function lanesAdded(body: Body, vectors: readonly Expr[]): Expr[] {
  const { lanes } = vectors[0]!.type;
  if (lanes === 1) return [...vectors];
  if (vectors.length % lanes !== 0) return vectors.map((vector) => pairwise(range(lanes).map((at) => lane(vector, at))));
  return range(vectors.length / lanes).flatMap((square) => {
    const columns = turnedSquare(body, vectors.slice(square * lanes, (square + 1) * lanes), `turned_${square}`);
    const sum = body.let(`sums_${square}`, pairwise(columns));
    return range(lanes).map((at) => lane(sum, at));
  });
}

function pairwise(values: readonly Expr[]): Expr {
  if (values.length === 1) return values[0]!;
  return pairwise(range(values.length / 2).map((at) => add(values[2 * at]!, values[2 * at + 1]!)));
}
