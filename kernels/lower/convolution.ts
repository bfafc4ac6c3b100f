/**
 * Two-dimensional convolutions as kernel IR, in register tiles and without a matrix of unfolded windows: each strip of results
 * (strips.ts) is computed from copies of the image, in which the products of a window stand at the distances in the table `taps`.
 *
 * What the tables hold and how the work is cut is the caller's business (runtime/library/convolution.ts).
 */
import {
  add,
  and,
  Body,
  begin,
  div,
  end,
  gt,
  I32,
  i32,
  kernel,
  le,
  load,
  lt,
  max,
  min,
  mul,
  param,
  rem,
  scalarType,
  select,
  sub,
} from '../build.js';
import { type Expr, type Kernel, registerOf } from '../ir.js';
import { integers, reads } from './packing.js';
import { type StripForm, splitItem, stripIntegers, writeStrip } from './strips.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

// ---- Products of windows and filters

export interface ConvolutionForm extends StripForm {
  /** Of a tile: filters, and vectors of pixels. */
  readonly rows: number;
  readonly vectors: number;
  /** The results of a strip lie side by side. */
  readonly dense: boolean;
  readonly biased: boolean;
}

/**
 * out[image][group][filter][row][column] = bias[group][filter] + the sum over p of weight[group][filter][p] * strip[taps[p] + pixel],
 * with the weights in panels of `rows` filters. A job is one strip of one block of filters of one group of one image; an item is
 * `itemJobs` of them. Items of one call share a part of the scratch.
 */
export function convolutionKernel(form: ConvolutionForm): Kernel {
  const body = new Body();
  const scratch = body.let('scratch', mul(begin, param('scratchSize')));
  const firstJob = body.let('firstJob', mul(begin, param('itemJobs')));
  const endJob = body.let('endJob', min(mul(end, param('itemJobs')), param('jobs')));
  body.for('job', firstJob, endJob, (job, each) => {
    const { at, rest: image } = splitItem(each, job, ['strip', 'filterBlock', 'group']);
    const group = at('group');
    const firstRow = each.let('firstRow', mul(at('strip'), param('stripRows')));
    const rows = each.let('rowsHere', min(param('stripRows'), sub(param('rows'), firstRow)));
    const source = add(mul(image, param('imageStride')), mul(group, param('groupStride')));
    writeStrip(each, form, { source: each.let('source', source), scratch, firstRow, rows });
    const outStart = add(add(mul(image, param('outImage')), mul(group, param('outGroup'))), param('outStart'));
    const out = each.let('target', add(outStart, mul(firstRow, param('outRow'))));
    const pixels = each.let('pixels', mul(rows, param('columns')));
    const firstFilter = each.let('firstFilter', mul(at('filterBlock'), param('blockFilters')));
    const endFilter = each.let('endFilter', min(add(firstFilter, param('blockFilters')), param('filters')));
    const panels = (filter: Expr, inFilter: Body): void => {
      const weights = add(mul(group, param('groupWeights')), mul(filter, param('length')));
      const panel = inFilter.let('panel', weights);
      const outFilter = inFilter.let('outFilter', add(out, mul(filter, param('outFilter'))));
      const bias = inFilter.let('biasAt', add(mul(group, param('filters')), filter));
      stripOfTiles(inFilter, form, { panel, filter, outFilter, bias, scratch, pixels });
    };
    each.for('filter', firstFilter, endFilter, panels, { step: form.rows });
  });
  const { storage, lanes, rows, vectors } = form;
  const kinds = (['contiguous', 'dense', 'biased'] as const).filter((kind) => form[kind]).map((kind) => `_${kind}`);
  const packed = packedStorage(storage);
  return kernel(
    `convolution_${storage}_${rows}x${vectors}x${lanes}${kinds.join('')}`,
    [
      reads('x', storage),
      reads('weight', packed),
      ...(form.biased ? [reads('bias', storage)] : []),
      reads('copies', 'int32'),
      reads('taps', 'int32'),
      { name: 'strip', storage: packed, access: 'readwrite' },
      { name: 'out', storage, access: 'write' },
    ],
    integers(
      ...stripIntegers,
      ...['jobs', 'itemJobs', 'strips', 'filterBlocks', 'groups', 'filters', 'blockFilters', 'rows', 'stripRows'],
      ...['imageStride', 'groupStride', 'scratchSize', 'tileStart', 'length', 'groupWeights'],
      ...['outImage', 'outGroup', 'outFilter', 'outRow', 'outColumn', 'outStart'],
    ),
    body.statements,
  );
}

// ---- Tiles

interface StripOfTiles {
  readonly panel: Expr;
  readonly filter: Expr;
  readonly outFilter: Expr;
  readonly bias: Expr;
  readonly scratch: Expr;
  readonly pixels: Expr;
}

/** The vectors of the smaller tiles that take what is left of a strip. */
export const tailVectors = (vectors: number): readonly number[] => [1, 2, 4].filter((size) => size < vectors);

/** Whole tiles, and for the pixels left over a smaller one if that is enough. The last tile moves back to end with the strip. */
function stripOfTiles(body: Body, form: ConvolutionForm, strip: StripOfTiles): void {
  const { pixels } = strip;
  const width = form.vectors * form.lanes;
  const smaller = tailVectors(form.vectors);
  const rest = body.let('rest', rem(pixels, width));
  const few = and(gt(rest, 0), le(rest, (smaller.at(-1) ?? 0) * form.lanes));
  const wholeEnd = body.let('wholeEnd', select(few, sub(pixels, rest), pixels));
  const tile = (at: Body, vectors: number, pixel: Expr): void =>
    convolutionTile(at, form, vectors, strip, at.let('pixel', pixel));
  const lastStart = (vectors: number): Expr => max(sub(pixels, vectors * form.lanes), 0);
  body.for('tile', 0, wholeEnd, (at, inner) => tile(inner, form.vectors, min(at, lastStart(form.vectors))), { step: width });
  const tail = (at: Body, [vectors, ...larger]: readonly number[]): void => {
    if (vectors === undefined) return;
    const one = (inner: Body): void => tile(inner, vectors, lastStart(vectors));
    if (larger.length === 0) one(at);
    else at.if(le(rest, vectors * form.lanes), one, (next) => tail(next, larger));
  };
  body.if(lt(wholeEnd, pixels), (left) => tail(left, smaller));
}

function convolutionTile(body: Body, form: ConvolutionForm, vectors: number, strip: StripOfTiles, pixel: Expr): void {
  const { storage, lanes, rows } = form;
  const sums = new RegisterTile(body, { storage, lanes, rows, vectors });
  const source = body.let('tileSource', add(strip.scratch, pixel));
  const weight = body.variable('weightAt', strip.panel);
  const scalar = scalarType(registerOf(storage));
  const vector = lanesType(storage, lanes);
  body.for('tap', 0, param('length'), (tap, step) => {
    const at = step.let('at', add(source, load(I32, 'taps', tap)));
    sums.step(
      step,
      (filter) => load(scalar, 'weight', add(weight, filter)),
      (part) => load(vector, 'strip', add(at, part * lanes)),
    );
    step.set(weight, add(weight, rows));
  });
  const present = body.let('present', min(rows, sub(param('filters'), strip.filter)));
  if (form.biased) addBias(body, form, sums, strip, present);
  const spread = (target: Body): void => spreadTile(target, form, { sums, vectors, strip, pixel, present });
  if (!form.dense) {
    spread(body);
    return;
  }
  const fits = le(add(pixel, vectors * lanes), strip.pixels);
  body.if(
    fits,
    (whole) => {
      const first = whole.let('outPixel', add(strip.outFilter, pixel));
      for (const row of range(rows))
        whole.if(lt(row, present), (there) => {
          sums.storeRow(there, row, 'out', there.let('place', add(first, mul(param('outFilter'), row))), false);
        });
    },
    spread,
  );
}

function addBias(body: Body, form: ConvolutionForm, sums: RegisterTile, strip: StripOfTiles, present: Expr): void {
  const scalar = scalarType(registerOf(form.storage));
  for (const row of range(form.rows))
    body.if(lt(row, present), (there) => sums.addToRow(there, row, load(scalar, 'bias', add(strip.bias, row))));
}

interface TileSums {
  readonly sums: RegisterTile;
  readonly vectors: number;
  readonly strip: StripOfTiles;
  readonly pixel: Expr;
  readonly present: Expr;
}

/** Stores a tile by way of scratch: pixel by pixel, in rows of results. */
function spreadTile(body: Body, form: ConvolutionForm, { sums, vectors, strip, pixel, present }: TileSums): void {
  const width = vectors * form.lanes;
  const tile = body.let('tileAt', add(strip.scratch, param('tileStart')));
  for (const row of range(form.rows)) sums.storeRow(body, row, 'strip', add(tile, row * width), false);
  const columns = param('columns');
  const firstRow = body.let('tileRow', div(pixel, columns));
  const firstColumn = body.let('tileColumn', rem(pixel, columns));
  const count = body.let('count', min(width, sub(strip.pixels, pixel)));
  body.for('spreadFilter', 0, present, (filter, inFilter) => {
    const values = inFilter.let('values', add(tile, mul(filter, width)));
    const target = add(strip.outFilter, mul(filter, param('outFilter')));
    const line = inFilter.variable('outLine', add(target, mul(firstRow, param('outRow'))));
    const column = inFilter.variable('outColumnAt', firstColumn);
    const done = inFilter.variable('done', i32(0));
    inFilter.while(lt(done, count), (inRow) => {
      const some = inRow.let('some', min(sub(count, done), sub(columns, column)));
      inRow.for('each', 0, some, (each, turn) => {
        const place = add(line, mul(add(column, each), param('outColumn')));
        turn.store('out', place, load(lanesType(form.storage, 1), 'strip', add(add(values, done), each)));
      });
      inRow.set(done, add(done, some));
      inRow.set(line, add(line, param('outRow')));
      inRow.set(column, i32(0));
    });
  });
}
