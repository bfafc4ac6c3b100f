/**
 * Two-dimensional convolutions as kernel IR, in register tiles and without a matrix of unfolded windows: each strip of results
 * (strips.ts) is computed from copies of the image, in which the products of a window stand at the distances in the table `taps`.
 *
 * What the tables hold and how the work is cut is the caller's business (runtime/library/convolution.ts).
 */
import {
  add,
  Body,
  begin,
  div,
  end,
  eq,
  ge,
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
    const joined = each.let('isJoined', eq(param('joined'), 1));
    const runs = each.let('runs', select(joined, 1, rows));
    const pixels = each.let('pixels', select(joined, mul(rows, param('columns')), param('columns')));
    const firstFilter = each.let('firstFilter', mul(at('filterBlock'), param('blockFilters')));
    const endFilter = each.let('endFilter', min(add(firstFilter, param('blockFilters')), param('filters')));
    const panels = (filter: Expr, inFilter: Body): void => {
      const weights = add(mul(group, param('groupWeights')), mul(filter, param('length')));
      const panel = inFilter.let('panel', weights);
      const outFilter = inFilter.let('outFilter', add(out, mul(filter, param('outFilter'))));
      const bias = inFilter.let('biasAt', mul(add(mul(group, param('filters')), filter), param('biasStride')));
      inFilter.for('run', 0, runs, (run, inRun) => {
        const source = inRun.let('runSource', add(scratch, mul(run, param('pitch'))));
        const target = inRun.let('runTarget', add(outFilter, mul(run, param('outRow'))));
        const tiles = { panel, filter, bias, scratch, source, target, pixels };
        runOfTiles(inRun, form, pixels, (at, tile) => convolutionTile(at, form, tiles, tile));
      });
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
      ...['imageStride', 'groupStride', 'scratchSize', 'tileStart', 'length', 'groupWeights', 'joined', 'biasStride'],
      ...['outImage', 'outGroup', 'outFilter', 'outRow', 'outColumn', 'outStart'],
    ),
    body.statements,
  );
}

// ---- Tiles

interface Run {
  readonly panel: Expr;
  readonly filter: Expr;
  readonly bias: Expr;
  readonly scratch: Expr;
  readonly source: Expr;
  readonly target: Expr;
  readonly pixels: Expr;
}

/** The vectors of the tiles that take what is left of a run. */
export const tailVectors = (vectors: number): readonly number[] => [...[1, 2, 4].filter((size) => size < vectors), vectors];

/** Whole tiles, and for the pixels left over the smallest that is enough: those of its vectors that reach beyond the run move back. */
export function runOfTiles(
  body: Body,
  { lanes, vectors }: TileWidth,
  pixels: Expr,
  write: (body: Body, tile: Tile) => void,
): void {
  const rest = body.let('rest', rem(pixels, vectors * lanes));
  const wholeEnd = body.let('wholeEnd', sub(pixels, rest));
  const whole = (pixel: Expr, inner: Body): void =>
    write(inner, { pixel, offsets: range(vectors).map((part) => i32(part * lanes)), isWhole: true });
  body.for('tile', 0, wholeEnd, whole, { step: vectors * lanes });
  const last = body.let('lastOffset', sub(max(sub(pixels, lanes), 0), wholeEnd));
  // What is left is known to fill as many vectors as the next smaller tile has: these stay where they are.
  const tail = (at: Body, [size, ...larger]: readonly number[], full: number): void => {
    if (size === undefined) return;
    const one = (inner: Body): void => {
      const offsets = range(size).map((part) =>
        part < full ? i32(part * lanes) : inner.let(`offset_${part}`, min(i32(part * lanes), last)),
      );
      write(inner, { pixel: wholeEnd, offsets, isWhole: false });
    };
    if (larger.length === 0) one(at);
    else at.if(le(rest, size * lanes), one, (next) => tail(next, larger, size));
  };
  body.if(lt(0, rest), (left) => tail(left, tailVectors(vectors), 0));
}

interface TileWidth {
  readonly lanes: number;
  readonly vectors: number;
}

export interface Tile {
  readonly pixel: Expr;
  /** Of its vectors, from `pixel` on. */
  readonly offsets: readonly Expr[];
  /** Whether it lies within the run for certain. */
  readonly isWhole: boolean;
}

function convolutionTile(body: Body, form: ConvolutionForm, run: Run, tile: Tile): void {
  const { storage, lanes, rows } = form;
  const sums = new RegisterTile(body, { storage, lanes, rows, vectors: tile.offsets.length });
  const source = body.let('tileSource', add(run.source, tile.pixel));
  const weight = body.variable('weightAt', run.panel);
  const scalar = scalarType(registerOf(storage));
  const vector = lanesType(storage, lanes);
  body.for('tap', 0, param('length'), (tap, step) => {
    const at = step.let('at', add(source, load(I32, 'taps', tap)));
    sums.step(
      step,
      (filter) => load(scalar, 'weight', add(weight, filter)),
      (part) => load(vector, 'strip', add(at, tile.offsets[part]!)),
    );
    step.set(weight, add(weight, rows));
  });
  const present = body.let('present', min(rows, sub(param('filters'), run.filter)));
  if (form.biased) addBias(body, form, sums, run, present);
  const spread = (target: Body): void => spreadTile(target, form, run, { sums, tile, present });
  const direct = (target: Body): void => storeTile(target, form, run, { sums, tile, present });
  if (!form.dense) spread(body);
  else if (tile.isWhole) direct(body);
  else body.if(ge(run.pixels, lanes), direct, spread);
}

function storeTile(body: Body, form: ConvolutionForm, run: Run, { sums, tile, present }: TileSums): void {
  const first = body.let('outPixel', add(run.target, tile.pixel));
  for (const row of range(form.rows))
    body.if(lt(row, present), (there) => {
      const place = there.let('place', add(first, mul(param('outFilter'), row)));
      sums.row(row).forEach((sum, part) => {
        there.store('out', add(place, tile.offsets[part]!), sum);
      });
    });
}

function addBias(body: Body, form: ConvolutionForm, sums: RegisterTile, run: Run, present: Expr): void {
  const scalar = scalarType(registerOf(form.storage));
  for (const row of range(form.rows))
    body.if(lt(row, present), (there) =>
      sums.addToRow(there, row, load(scalar, 'bias', add(run.bias, mul(param('biasStride'), row)))),
    );
}

interface TileSums {
  readonly sums: RegisterTile;
  readonly tile: Tile;
  readonly present: Expr;
}

/** Stores a tile by way of scratch, vector by vector and pixel by pixel, in rows of results. */
function spreadTile(body: Body, form: ConvolutionForm, run: Run, { sums, tile, present }: TileSums): void {
  const { lanes } = form;
  const columns = param('columns');
  const scratch = body.let('tileAt', add(run.scratch, param('tileStart')));
  const vectors = tile.offsets.length;
  for (const row of range(form.rows)) sums.storeRow(body, row, 'strip', add(scratch, row * vectors * lanes), false);
  tile.offsets.forEach((offset, part) => {
    const pixel = body.let(`spreadPixel_${part}`, add(tile.pixel, offset));
    const count = body.let(`count_${part}`, min(lanes, sub(run.pixels, pixel)));
    const firstColumn = body.let(`firstColumn_${part}`, rem(pixel, columns));
    const firstLine = body.let(`firstLine_${part}`, add(run.target, mul(div(pixel, columns), param('outRow'))));
    body.for('spreadFilter', 0, present, (filter, inFilter) => {
      const values = inFilter.let('values', add(add(scratch, mul(filter, vectors * lanes)), part * lanes));
      const line = inFilter.variable('outLine', add(firstLine, mul(filter, param('outFilter'))));
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
  });
}
