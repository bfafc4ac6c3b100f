/**
 * Two-dimensional convolutions as kernel IR, in register tiles and without a matrix of unfolded windows. A few rows of results, a
 * strip, are computed at a time. What their windows read is first copied into scratch: for each column of the window, the rows of the
 * image shifted by that column, with zeros where they reach beyond the edge, as long as the rows of results are. In such copies the
 * pixels of a strip are one run without gaps, whatever stride, padding and dilation are, and each product of a window is a fixed
 * distance away, which stands in the table `taps`.
 *
 * What the tables hold and how the work is cut is the caller's business (runtime/library/convolution.ts).
 */
import {
  add,
  and,
  Body,
  begin,
  constant,
  div,
  end,
  ge,
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
import { type Expr, type Kernel, registerOf, type Storage } from '../ir.js';
import { integers, reads } from './packing.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

// ---- Products of windows and filters

export interface ConvolutionForm {
  readonly storage: Storage;
  readonly lanes: number;
  /** Of a tile: filters, and vectors of pixels. */
  readonly rows: number;
  readonly vectors: number;
  /** Neighbouring elements of a copied row lie side by side in the image. */
  readonly contiguous: boolean;
  /** The results of a strip lie side by side. */
  readonly dense: boolean;
  readonly biased: boolean;
}

/** The numbers that the table `copies` has for each copy of a channel. */
export const copyFields = ['rowOffset', 'columnOffset', 'from', 'to'] as const;

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
      ...['jobs', 'itemJobs', 'strips', 'filterBlocks', 'groups', 'filters', 'blockFilters', 'rows', 'stripRows', 'columns'],
      ...['channels', 'height', 'imageStride', 'groupStride', 'channelStride', 'rowStride', 'columnStride', 'rowStep'],
      ...['copyCount', 'copySize', 'extraRows', 'scratchSize', 'tileStart', 'length', 'groupWeights'],
      ...['outImage', 'outGroup', 'outFilter', 'outRow', 'outColumn', 'outStart'],
    ),
    body.statements,
  );
}

/** The item's coordinates, the fastest first; each has as many values as the parameter of its name and an s says. `rest` is what remains. */
export function splitItem<Name extends string>(
  body: Body,
  item: Expr,
  names: readonly Name[],
): { readonly at: (name: Name) => Expr; readonly rest: Expr } {
  const parts = new Map<Name, Expr>();
  let rest = item;
  for (const name of names) {
    const size = param(`${name}s`);
    parts.set(name, body.let(name, rem(rest, size)));
    rest = body.let(`after_${name}`, div(rest, size));
  }
  return { at: (name) => parts.get(name)!, rest };
}

// ---- Strips

interface Strip {
  readonly source: Expr;
  readonly scratch: Expr;
  readonly firstRow: Expr;
  readonly rows: Expr;
}

/** strip[channel][copy][row][column]; element `column` of a row is the image's at column * step + columnOffset, for from <= column < to. */
function writeStrip(body: Body, form: ConvolutionForm, { source, scratch, firstRow, rows }: Strip): void {
  const columns = param('columns');
  const slots = body.let('slots', add(rows, param('extraRows')));
  body.for('channel', 0, param('channels'), (channel, inChannel) => {
    const plane = inChannel.let('plane', add(source, mul(channel, param('channelStride'))));
    inChannel.for('copy', 0, param('copyCount'), (copy, inCopy) => {
      const [rowOffset, columnOffset, from, to] = copyFields.map((field, at) =>
        inCopy.let(field, load(I32, 'copies', add(mul(copy, copyFields.length), at))),
      ) as [Expr, Expr, Expr, Expr];
      const copyAt = add(mul(channel, param('copyCount')), copy);
      const target = inCopy.let('copyTarget', add(scratch, mul(copyAt, param('copySize'))));
      const first = inCopy.let('first', add(plane, columnOffset));
      inCopy.for('slot', 0, slots, (slot, inRow) => {
        const start = inRow.let('start', add(target, mul(slot, columns)));
        const y = inRow.let('y', add(mul(add(firstRow, slot), param('rowStep')), rowOffset));
        const inside = inRow.let('inside', and(ge(y, 0), lt(y, param('height'))));
        const whole = and(inside, ge(sub(to, from), columns));
        const zeros = (at: Expr, lanes: number, turn: Body): void =>
          turn.store('strip', add(start, at), constant(lanesType(form.storage, lanes), 0));
        inRow.if(
          whole,
          () => {},
          (partial) => inVectors(partial, 'zero', form.lanes, i32(0), columns, zeros),
        );
        inRow.if(inside, (some) => {
          const line = some.let('line', add(first, mul(y, param('rowStride'))));
          const place = (at: Expr): Expr => add(line, form.contiguous ? at : mul(at, param('columnStride')));
          const copyOf = (at: Expr, lanes: number, turn: Body): void =>
            turn.store('strip', add(start, at), load(lanesType(form.storage, lanes), 'x', place(at)));
          inVectors(some, 'column', form.contiguous ? form.lanes : 1, from, to, copyOf);
        });
      });
    });
  });
}

/** Goes over a range in vectors, of which the last moves back to end with it; element by element where it is shorter than one. */
function inVectors(
  body: Body,
  name: string,
  lanes: number,
  from: Expr,
  to: Expr,
  write: (at: Expr, lanes: number, body: Body) => void,
): void {
  const single = (target: Body): void => target.for(name, from, to, (at, turn) => write(at, 1, turn));
  if (lanes === 1) return single(body);
  body.if(
    ge(sub(to, from), lanes),
    (long) =>
      long.for(name, from, to, (at, turn) => write(turn.let(`${name}At`, min(at, sub(to, lanes))), lanes, turn), { step: lanes }),
    single,
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
  if (!form.dense) return spread(body);
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
