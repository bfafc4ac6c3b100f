/**
 * The gradient of few filters of a group as kernel IR, depthwise convolutions above all: there are no neighbouring filters to fill
 * vectors with, so vectors hold neighbouring pixels, whose products are added up lane by lane until the end.
 *
 * How the work is cut is the caller's business (runtime/library/thin-gradient.ts).
 */
import {
  add,
  Body,
  begin,
  constant,
  convert,
  div,
  end,
  eq,
  I32,
  iota,
  kernel,
  lane,
  laneType,
  load,
  lt,
  min,
  mul,
  not,
  param,
  rem,
  select,
  splat,
  sub,
  vectorType,
} from '../build.js';
import type { Expr, Kernel } from '../ir.js';
import { integers, reads } from './packing.js';
import { inVectors, type Strip, type StripForm, splitItem, stripIntegers, writeStrip } from './strips.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

export interface ThinGradientForm extends StripForm {
  /** Of a tile. */
  readonly filters: number;
  readonly taps: number;
}

/**
 * partial[part][group][paddedFilter][paddedTap][lane], summed over the strips of the part: products of strip[taps[tap] + pixel] with
 * dout. A job is one group of one part, an item `itemJobs` of them. Items of one call share a part of the scratch.
 */
export function thinGradientKernel(form: ThinGradientForm): Kernel {
  const body = new Body();
  const scratch = body.let('scratch', mul(begin, param('scratchSize')));
  const firstJob = body.let('firstJob', mul(begin, param('itemJobs')));
  const endJob = body.let('endJob', min(mul(end, param('itemJobs')), param('jobs')));
  body.for('job', firstJob, endJob, (job, each) => {
    const { at, rest: part } = splitItem(each, job, ['group']);
    const group = at('group');
    const target = each.let('target', mul(job, param('groupPartial')));
    const firstStrip = each.let('firstStrip', mul(part, param('partStrips')));
    const endStrip = each.let('endStrip', min(add(firstStrip, param('partStrips')), param('allStrips')));
    each.for('strip', firstStrip, endStrip, (strip, inStrip) => {
      const image = inStrip.let('image', div(strip, param('strips')));
      const firstRow = inStrip.let('firstRow', mul(rem(strip, param('strips')), param('stripRows')));
      const rows = inStrip.let('rowsHere', min(param('stripRows'), sub(param('rows'), firstRow)));
      const source = inStrip.let('source', add(mul(image, param('imageStride')), mul(group, param('groupStride'))));
      writeStrip(inStrip, form, { source, scratch, firstRow, rows });
      const pixels = inStrip.let('pixels', mul(rows, param('columns')));
      const gradients = inStrip.let('gradients', add(scratch, param('gradientStart')));
      const groupStart = mul(mul(group, param('filters')), param('gradientFilter'));
      const first = inStrip.let('firstGradient', add(mul(image, param('gradientImage')), groupStart));
      copyGradients(inStrip, form, { source: first, scratch: gradients, firstRow, rows });
      tilesOfStrip(inStrip, form, { scratch, gradients, pixels, target, isFirst: inStrip.let('isFirst', eq(strip, firstStrip)) });
    });
  });
  const { storage, lanes, filters, taps, contiguous } = form;
  const packed = packedStorage(storage);
  return kernel(
    `thinGradient_${storage}_${filters}x${taps}x${lanes}${contiguous ? '_contiguous' : ''}`,
    [
      reads('x', storage),
      reads('dout', storage),
      reads('copies', 'int32'),
      reads('taps', 'int32'),
      { name: 'strip', storage: packed, access: 'readwrite' },
      { name: 'partial', storage: packed, access: 'readwrite' },
    ],
    integers(
      ...stripIntegers,
      ...['jobs', 'itemJobs', 'groups', 'partStrips', 'allStrips', 'strips', 'stripRows', 'rows', 'filters', 'length'],
      ...['imageStride', 'groupStride', 'gradientImage', 'gradientFilter', 'gradientRow', 'gradientColumn'],
      ...['gradientStart', 'gradientSize', 'scratchSize', 'groupPartial', 'paddedTaps'],
    ),
    body.statements,
  );
}

/** strip[filter][row][column]: dout as it is, its pixels side by side. */
function copyGradients(body: Body, form: StripForm, { source, scratch, firstRow, rows }: Strip): void {
  const step = param('gradientColumn');
  body.for('gradientFilterAt', 0, param('filters'), (filter, inFilter) => {
    const plane = inFilter.let('gradientPlane', add(source, mul(filter, param('gradientFilter'))));
    const target = inFilter.let('gradientTarget', add(scratch, mul(filter, param('gradientSize'))));
    inFilter.for('gradientRowAt', 0, rows, (row, inRow) => {
      const from = inRow.let('gradientFrom', add(plane, mul(add(firstRow, row), param('gradientRow'))));
      const to = inRow.let('gradientTo', add(target, mul(row, param('columns'))));
      const copy = (at: Expr, lanes: number, turn: Body): void =>
        turn.store(
          'strip',
          add(to, at),
          load(lanesType(form.storage, lanes), 'dout', add(from, lanes === 1 ? mul(at, step) : at)),
        );
      const all = (target: Body, lanes: number): void =>
        inVectors(target, 'gradient', lanes, constant(I32, 0), param('columns'), copy);
      inRow.if(
        eq(step, 1),
        (even) => all(even, form.lanes),
        (spread) => all(spread, 1),
      );
    });
  });
}

interface StripTiles {
  readonly scratch: Expr;
  readonly gradients: Expr;
  readonly pixels: Expr;
  readonly target: Expr;
  readonly isFirst: Expr;
}

function tilesOfStrip(body: Body, form: ThinGradientForm, strip: StripTiles): void {
  const last = sub(param('length'), 1);
  const tiles = (filter: Expr, inFilter: Body): void =>
    inFilter.for(
      'tap',
      0,
      param('length'),
      (tap, inTap) => {
        const places = range(form.taps).map((number) =>
          inTap.let(`tap_${number}`, add(strip.scratch, load(I32, 'taps', min(add(tap, number), last)))),
        );
        gradientTile(inTap, form, strip, { places, filter, tap });
      },
      { step: form.taps },
    );
  body.for('filter', 0, param('filters'), tiles, { step: form.filters });
}

interface GradientTile {
  readonly places: readonly Expr[];
  readonly filter: Expr;
  readonly tap: Expr;
}

function gradientTile(body: Body, form: ThinGradientForm, strip: StripTiles, { places, filter, tap }: GradientTile): void {
  const { lanes } = form;
  const storage = packedStorage(form.storage);
  const vector = lanesType(storage, lanes);
  const sums = new RegisterTile(body, { storage, lanes, rows: form.filters, vectors: form.taps });
  const rowAt = (row: number): Expr => add(strip.target, mul(add(mul(add(filter, row), param('paddedTaps')), tap), lanes));
  body.if(not(strip.isFirst), (later) => {
    for (const row of range(form.filters)) sums.addRow(later, row, 'partial', rowAt(row));
  });
  const gradients = range(form.filters).map((row) =>
    body.let(`gradientAt_${row}`, add(strip.gradients, mul(add(filter, row), param('gradientSize')))),
  );
  const products = (at: Body, pixel: Expr, kept: (value: Expr) => Expr): void =>
    sums.step(
      at,
      (row) => kept(load(vector, 'strip', add(gradients[row]!, pixel))),
      (number) => kept(load(vector, 'strip', add(places[number]!, pixel))),
    );
  const rest = body.let('rest', rem(strip.pixels, lanes));
  const whole = body.let('whole', sub(strip.pixels, rest));
  body.for('pixel', 0, whole, (pixel, step) => products(step, pixel, (value) => value), { step: lanes });
  // Behind the strip's end lies anything.
  if (lanes > 1) body.if(lt(0, rest), (tail) => products(tail, whole, (value) => firstLanes(value, rest)));
  for (const row of range(form.filters)) sums.storeRow(body, row, 'partial', rowAt(row), false);
}

/** The vector with zeros from lane `count` on. */
function firstLanes(value: Expr, count: Expr): Expr {
  const integers = vectorType(value.type.laneBits === 64 ? 'i64' : 'i32', value.type.lanes);
  const inside = lt(iota(integers), splat(integers, convert(laneType(integers), count)));
  return select(inside, value, constant(value.type, 0));
}

/** out[group][filter][tap] = the sum of the parts, in their order, and then of the lanes in pairs. An item is a filter of one group. */
export function sumThinPartsKernel({ storage, lanes }: Pick<ThinGradientForm, 'storage' | 'lanes'>): Kernel {
  const body = new Body();
  const type = lanesType(storage, lanes);
  const filters = param('filters');
  body.for('item', begin, end, (item, each) => {
    const filter = mul(mul(rem(item, filters), param('paddedTaps')), lanes);
    const source = each.let('source', add(mul(div(item, filters), param('groupPartial')), filter));
    each.for('tap', 0, param('length'), (tap, inTap) => {
      const first = inTap.let('first', add(source, mul(tap, lanes)));
      const sum = inTap.variable('sum', load(type, 'partial', first));
      inTap.for('part', 1, param('parts'), (part, turn) => {
        turn.set(sum, add(sum, load(type, 'partial', add(first, mul(part, param('partSize'))))));
      });
      inTap.store('out', add(mul(item, param('length')), tap), sumOfLanes(sum));
    });
  });
  return kernel(
    `sumThinParts_${storage}_${lanes}`,
    [reads('partial', packedStorage(storage)), { name: 'out', storage, access: 'write' }],
    integers('parts', 'partSize', 'groupPartial', 'length', 'filters', 'paddedTaps'),
    body.statements,
  );
}

function sumOfLanes(vector: Expr): Expr {
  if (vector.type.lanes === 1) return vector;
  let sums = range(vector.type.lanes).map((number) => lane(vector, number));
  while (sums.length > 1) sums = range(sums.length / 2).map((at) => add(sums[2 * at]!, sums[2 * at + 1]!));
  return sums[0]!;
}
