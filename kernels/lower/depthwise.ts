/**
 * Two-dimensional convolutions of one channel with one filter each, at unit stride, as kernel IR. What makes them slow is loading: a tile
 * is some rows of results high, and each vector that it loads is used for all of its rows whose windows reach there. The filter stays in
 * registers. Images are read from strips (strips.ts), in rows.
 *
 * How the work is cut is the caller's business (runtime/library/depthwise.ts).
 */
import { add, Body, begin, constant, div, end, kernel, load, min, mul, param, splat, sub } from '../build.js';
import type { Expr, Kernel } from '../ir.js';
import { runOfTiles, type Tile } from './convolution.js';
import { integers, reads } from './packing.js';
import { type StripForm, splitItem, stripIntegers, writeStrip } from './strips.js';
import { lanesType, multiplyAdd, packedStorage, range } from './tile.js';

export interface DepthwiseForm extends StripForm {
  readonly windowRows: number;
  readonly windowColumns: number;
  /** Of a tile: rows of results, and vectors of pixels. */
  readonly rows: number;
  readonly vectors: number;
  readonly biased: boolean;
}

/**
 * out[image][group][row][column] = the sum over r and c of weight[group][r][c] * strip[row + r][column + c], + bias[group]. There are at
 * least as many columns as lanes. A job is one strip of one image of a group; an item is `itemJobs` of them. Items of one call share a
 * part of the scratch.
 */
export function depthwiseKernel(form: DepthwiseForm): Kernel {
  const { storage, lanes } = form;
  const body = new Body();
  const vector = lanesType(storage, lanes);
  const scalar = lanesType(storage, 1);
  const scratch = body.let('scratch', add(mul(begin, param('scratchSize')), param('lead')));
  const firstJob = body.let('firstJob', mul(begin, param('itemJobs')));
  const endJob = body.let('endJob', min(mul(end, param('itemJobs')), param('jobs')));
  body.for('job', firstJob, endJob, (job, each) => {
    const { at, rest: image } = splitItem(each, job, ['strip', 'group']);
    const group = at('group');
    const firstRow = each.let('firstRow', mul(at('strip'), param('stripRows')));
    const rows = each.let('rowsHere', min(param('stripRows'), sub(param('rows'), firstRow)));
    const source = add(mul(image, param('imageStride')), mul(group, param('groupStride')));
    writeStrip(each, form, { source: each.let('source', source), scratch, firstRow, rows });
    const place = add(mul(image, param('outImage')), mul(group, param('outGroup')));
    const out = each.let('target', add(add(place, param('outStart')), mul(firstRow, param('outRow'))));
    const panel = each.let('panel', mul(group, param('groupWeights')));
    const weights = range(form.windowRows * form.windowColumns).map((tap) =>
      each.let(`weight_${tap}`, splat(vector, load(lanesType(packedStorage(storage), 1), 'weight', add(panel, tap)))),
    );
    const bias = form.biased
      ? each.let('biasOfAll', splat(vector, load(scalar, 'bias', mul(group, param('biasStride')))))
      : undefined;
    const tilesOf = (height: number) => (row: Expr, inRow: Body) => {
      const stripRow = inRow.let('stripRow', add(scratch, mul(row, param('pitch'))));
      const outRow = inRow.let('resultRow', add(out, mul(row, param('outRow'))));
      runOfTiles(inRow, form, param('columns'), (tile, span) =>
        depthwiseTile(tile, form, span, { height, stripRow, outRow, weights, bias }),
      );
    };
    const wholeRows = each.let('wholeRows', mul(div(rows, form.rows), form.rows));
    each.for('row', 0, wholeRows, tilesOf(form.rows), { step: form.rows });
    if (form.rows > 1) each.for('row', wholeRows, rows, tilesOf(1));
  });
  const { windowRows, windowColumns, vectors } = form;
  const kinds = (['contiguous', 'biased'] as const).filter((kind) => form[kind]).map((kind) => `_${kind}`);
  const packed = packedStorage(storage);
  return kernel(
    `depthwise_${storage}_${windowRows}x${windowColumns}_${form.rows}x${vectors}x${lanes}${kinds.join('')}`,
    [
      reads('x', storage),
      reads('weight', packed),
      ...(form.biased ? [reads('bias', storage)] : []),
      reads('copies', 'int32'),
      { name: 'strip', storage: packed, access: 'readwrite' },
      { name: 'out', storage, access: 'write' },
    ],
    integers(
      ...stripIntegers,
      ...['jobs', 'itemJobs', 'strips', 'groups', 'rows', 'stripRows', 'imageStride', 'groupStride', 'scratchSize', 'lead'],
      ...['groupWeights', 'biasStride', 'outImage', 'outGroup', 'outRow', 'outStart'],
    ),
    body.statements,
  );
}

interface TileRows {
  readonly height: number;
  /** Where the tile's first row begins, in the strip and in the result. */
  readonly stripRow: Expr;
  readonly outRow: Expr;
  readonly weights: readonly Expr[];
  readonly bias: Expr | undefined;
}

/** Each result takes the products of its window row by row, as they come in; it is stored when the last is there. */
function depthwiseTile(body: Body, form: DepthwiseForm, { pixel, offsets }: Tile, tile: TileRows): void {
  const { storage, lanes, windowRows, windowColumns } = form;
  const { height, stripRow, outRow, weights, bias } = tile;
  const vector = lanesType(storage, lanes);
  const zero = constant(lanesType(packedStorage(storage), lanes), 0);
  const source = body.let('tileSource', add(stripRow, pixel));
  const sums = range(height).map((row) => offsets.map((_, part) => body.variable(`sum_${row}_${part}`, zero)));
  for (const slot of range(height + windowRows - 1)) {
    const line = body.let(`line_${slot}`, add(source, mul(param('pitch'), slot)));
    const lines = offsets.map((offset, part) => body.let(`line_${slot}_${part}`, add(line, offset)));
    for (const column of range(windowColumns))
      lines.forEach((start, part) => {
        // GCC would read it from memory again for each row.
        const value = body.hold(`x_${slot}_${column}_${part}`, load(vector, 'strip', add(start, column)));
        for (const row of range(height)) {
          const tap = slot - row;
          if (tap < 0 || tap >= windowRows) continue;
          const sum = sums[row]![part]!;
          body.set(sum, multiplyAdd(weights[tap * windowColumns + column]!, value, sum));
        }
      });
    const done = slot - windowRows + 1;
    if (done < 0) continue;
    const place = body.let(`place_${done}`, add(add(outRow, mul(param('outRow'), done)), pixel));
    offsets.forEach((offset, part) => {
      const sum = sums[done]![part]!;
      body.store('out', add(place, offset), bias === undefined ? sum : add(sum, bias));
    });
  }
}
