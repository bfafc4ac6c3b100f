/**
 * The gradient of a convolution's filters as kernel IR: for each place of the window and channel, and each filter, the sum over all
 * pixels of the product of the image and of `dout`. A strip of rows of both is first copied into scratch with its channels side by
 * side. There the places of a window that lie in one row are a run of neighbours, of which a tile takes some as scalars, and
 * neighbouring filters as vectors.
 *
 * How the work is cut is the caller's business (runtime/library/filter-gradient.ts).
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
  ge,
  I32,
  kernel,
  lane,
  load,
  lt,
  min,
  mul,
  not,
  param,
  rem,
  sub,
} from '../build.js';
import type { Expr, Kernel, Storage } from '../ir.js';
import { splitItem } from './convolution.js';
import { integers, reads } from './packing.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

export interface FilterGradientForm {
  readonly storage: Storage;
  readonly lanes: number;
  /** Of a tile: places of the run, and vectors of filters. */
  readonly rows: number;
  readonly vectors: number;
}

/**
 * partial[part][group][run][channelBlock][place][paddedFilters], summed over the strips of the part. An item is a block of channels and
 * a block of filters of one group of one part. Items of one call share a part of the scratch.
 */
export function filterGradientKernel(form: FilterGradientForm): Kernel {
  const body = new Body();
  const scratch = body.let('scratch', mul(begin, param('scratchSize')));
  body.for('item', begin, end, (item, each) => {
    const { at, rest: part } = splitItem(each, item, ['channelBlock', 'filterBlock', 'group']);
    const firstStrip = each.let('firstStrip', mul(part, param('partStrips')));
    const endStrip = each.let('endStrip', min(add(firstStrip, param('partStrips')), param('allStrips')));
    const partGroup = add(mul(part, param('groups')), at('group'));
    const filter = each.let('firstFilter', mul(at('filterBlock'), param('blockFilters')));
    const partial = add(
      mul(partGroup, param('groupPartial')),
      mul(mul(at('channelBlock'), param('runLength')), param('paddedFilters')),
    );
    const target = each.let('target', add(partial, filter));
    const filters = each.let('filtersHere', min(param('blockFilters'), sub(param('paddedFilters'), filter)));
    each.for('strip', firstStrip, endStrip, (strip, inStrip) => {
      const image = inStrip.let('image', div(strip, param('strips')));
      const firstRow = inStrip.let('firstRow', mul(rem(strip, param('strips')), param('stripRows')));
      const rows = inStrip.let('rowsHere', min(param('stripRows'), sub(param('rows'), firstRow)));
      const block = { image, group: at('group'), firstRow, rows, scratch };
      copyImage(inStrip, form, block, inStrip.let('firstChannel', mul(at('channelBlock'), param('blockChannels'))));
      const gradients = inStrip.let('gradients', add(scratch, param('gradientStart')));
      copyGradients(inStrip, form, block, { gradients, filter, filters });
      const isFirst = inStrip.let('isFirst', eq(strip, firstStrip));
      tilesOfStrip(inStrip, form, { rows, scratch, gradients, filters, target, isFirst });
    });
  });
  const packed = packedStorage(form.storage);
  return kernel(
    `filterGradient_${form.storage}_${form.rows}x${form.vectors}x${form.lanes}`,
    [
      reads('x', form.storage),
      reads('dout', form.storage),
      reads('runs', 'int32'),
      { name: 'strip', storage: packed, access: 'readwrite' },
      { name: 'partial', storage: packed, access: 'readwrite' },
    ],
    integers(
      ...['groups', 'channelBlocks', 'filterBlocks', 'blockChannels', 'blockFilters', 'channels', 'filters', 'paddedFilters'],
      ...[
        'partStrips',
        'allStrips',
        'strips',
        'stripRows',
        'rows',
        'columns',
        'runCount',
        'runLength',
        'runStride',
        'groupPartial',
      ],
      ...['height', 'width', 'imageStride', 'channelStride', 'rowStride', 'columnStride', 'rowStep', 'pixelStep', 'top', 'left'],
      ...[
        'extraRows',
        'pitch',
        'gradientImage',
        'gradientFilter',
        'gradientRow',
        'gradientColumn',
        'gradientStart',
        'scratchSize',
      ],
    ),
    body.statements,
  );
}

interface StripBlock {
  readonly image: Expr;
  readonly group: Expr;
  readonly firstRow: Expr;
  readonly rows: Expr;
  readonly scratch: Expr;
}

/** strip[row][column][channel]: the rows of the image that the strip's windows reach, with zeros around. */
function copyImage(
  body: Body,
  form: FilterGradientForm,
  { image, group, firstRow, rows, scratch }: StripBlock,
  channel: Expr,
): void {
  const type = lanesType(form.storage, 1);
  const [width, left, pitch] = [param('width'), param('left'), param('pitch')];
  const channelHere = add(mul(group, param('channels')), channel);
  const plane = body.let('plane', add(mul(image, param('imageStride')), mul(channelHere, param('channelStride'))));
  const present = body.let('present', min(param('blockChannels'), sub(param('channels'), channel)));
  const reach = body.let('reach', add(mul(sub(rows, 1), param('rowStep')), param('extraRows')));
  body.for('row', 0, reach, (row, inRow) => {
    const y = inRow.let('y', sub(add(mul(firstRow, param('rowStep')), row), param('top')));
    const inside = inRow.let('inside', and(ge(y, 0), lt(y, param('height'))));
    const line = inRow.let('line', add(scratch, mul(mul(row, pitch), param('blockChannels'))));
    inRow.for('channel', 0, param('blockChannels'), (at, inChannel) => {
      const to = inChannel.let('to', add(line, at));
      const place = (column: Expr): Expr => add(to, mul(column, param('blockChannels')));
      const there = inChannel.let('there', and(inside, lt(at, present)));
      const zero = (column: Expr, turn: Body): void => turn.store('strip', place(column), constant(type, 0));
      inChannel.if(
        there,
        (copied) => {
          const source = add(add(plane, mul(at, param('channelStride'))), mul(y, param('rowStride')));
          const from = copied.let('from', sub(source, mul(left, param('columnStride'))));
          const last = copied.let('last', min(add(left, width), pitch));
          copied.for('before', 0, left, zero);
          copied.for('column', left, last, (column, turn) =>
            turn.store('strip', place(column), load(type, 'x', add(from, mul(column, param('columnStride'))))),
          );
          copied.for('after', last, pitch, zero);
        },
        (absent) => absent.for('column', 0, pitch, zero),
      );
    });
  });
}

interface GradientBlock {
  readonly gradients: Expr;
  readonly filter: Expr;
  readonly filters: Expr;
}

/** strip[panel][row][column][filter of the panel], with zeros for filters that are not there. */
function copyGradients(
  body: Body,
  form: FilterGradientForm,
  block: StripBlock,
  { gradients, filter, filters }: GradientBlock,
): void {
  const type = lanesType(form.storage, 1);
  const width = form.vectors * form.lanes;
  const columns = param('columns');
  const pixels = body.let('pixels', mul(block.rows, columns));
  const firstFilter = add(mul(block.group, param('filters')), filter);
  const rowStart = add(mul(block.image, param('gradientImage')), mul(block.firstRow, param('gradientRow')));
  const first = body.let('firstGradient', add(rowStart, mul(firstFilter, param('gradientFilter'))));
  const present = body.let('presentFilters', sub(param('filters'), filter));
  body.for(
    'panelFilter',
    0,
    filters,
    (panel, inPanel) => {
      const panelAt = inPanel.let('panelAt', add(gradients, mul(panel, pixels)));
      inPanel.for('gradientRowAt', 0, block.rows, (row, inRow) => {
        const line = inRow.let('gradientLine', add(panelAt, mul(mul(row, columns), width)));
        inRow.for('inPanel', 0, width, (at, inFilter) => {
          const to = inFilter.let('gradientTo', add(line, at));
          const number = inFilter.let('number', add(panel, at));
          const from = inFilter.let(
            'gradientFrom',
            add(add(first, mul(number, param('gradientFilter'))), mul(row, param('gradientRow'))),
          );
          const copy = (column: Expr, turn: Body): void =>
            turn.store('strip', add(to, mul(column, width)), load(type, 'dout', add(from, mul(column, param('gradientColumn')))));
          const zero = (column: Expr, turn: Body): void => turn.store('strip', add(to, mul(column, width)), constant(type, 0));
          inFilter.if(
            lt(number, present),
            (there) => there.for('gradient', 0, columns, copy),
            (absent) => absent.for('gradient', 0, columns, zero),
          );
        });
      });
    },
    { step: width },
  );
}

interface StripTiles {
  readonly rows: Expr;
  readonly scratch: Expr;
  readonly gradients: Expr;
  readonly filters: Expr;
  readonly target: Expr;
  readonly isFirst: Expr;
}

function tilesOfStrip(body: Body, form: FilterGradientForm, strip: StripTiles): void {
  const width = form.vectors * form.lanes;
  body.for(
    'filter',
    0,
    strip.filters,
    (filter, inFilter) => {
      const panel = inFilter.let('panel', add(strip.gradients, mul(filter, mul(strip.rows, param('columns')))));
      inFilter.for('run', 0, param('runCount'), (run, inRun) => {
        const source = inRun.let('source', add(strip.scratch, load(I32, 'runs', run)));
        const runTarget = inRun.let('runTarget', add(add(strip.target, mul(run, param('runStride'))), filter));
        inRun.for(
          'place',
          0,
          param('runLength'),
          (place, inTile) => {
            const target = inTile.let('tileTarget', add(runTarget, mul(place, param('paddedFilters'))));
            gradientTile(inTile, form, strip, { panel, source: inTile.let('tileSource', add(source, place)), place, target });
          },
          { step: form.rows },
        );
      });
    },
    { step: width },
  );
}

interface GradientTile {
  readonly panel: Expr;
  readonly source: Expr;
  readonly place: Expr;
  readonly target: Expr;
}

function gradientTile(body: Body, form: FilterGradientForm, { rows, isFirst }: StripTiles, tile: GradientTile): void {
  const { lanes, vectors } = form;
  const storage = packedStorage(form.storage);
  const sums = new RegisterTile(body, { ...form, storage });
  const present = body.let('presentPlaces', min(form.rows, sub(param('runLength'), tile.place)));
  const rowAt = (row: number): Expr => add(tile.target, mul(param('paddedFilters'), row));
  body.if(not(isFirst), (later) => {
    for (const row of range(form.rows)) later.if(lt(row, present), (there) => sums.addRow(there, row, 'partial', rowAt(row)));
  });
  const gradient = body.variable('gradientAt', tile.panel);
  const [scalar, vector] = [lanesType(storage, 1), lanesType(storage, lanes)];
  const rowElements = body.let('rowElements', mul(mul(param('rowStep'), param('pitch')), param('blockChannels')));
  body.for('tileRow', 0, rows, (row, inRow) => {
    const pixel = inRow.variable('pixelAt', add(tile.source, mul(row, rowElements)));
    inRow.for('pixel', 0, param('columns'), (_, step) => {
      sums.step(
        step,
        (place) => load(scalar, 'strip', add(pixel, place)),
        (part) => load(vector, 'strip', add(gradient, part * lanes)),
      );
      step.set(gradient, add(gradient, vectors * lanes));
      step.set(pixel, add(pixel, param('pixelStep')));
    });
  });
  for (const row of range(form.rows))
    body.if(lt(row, present), (there) => sums.storeRow(there, row, 'partial', rowAt(row), false));
}

/**
 * out[group][filter][place] = the sum of the parts, in their order; `order` says where each place of a filter lies in a part. An item
 * is a panel of filters of one group.
 */
export function sumPartsKernel({ storage, lanes, vectors }: FilterGradientForm): Kernel {
  const body = new Body();
  const width = vectors * lanes;
  const [length, padded, filters] = [param('length'), param('paddedFilters'), param('filters')];
  body.for('item', begin, end, (item, each) => {
    const panels = div(padded, width);
    const group = each.let('group', div(item, panels));
    const filter = each.let('filter', mul(rem(item, panels), width));
    const target = each.let('target', mul(add(mul(group, filters), filter), length));
    each.for('place', 0, length, (place, inPlace) => {
      const row = add(mul(group, param('groupPartial')), mul(load(I32, 'order', place), padded));
      const first = inPlace.let('first', add(row, filter));
      const sums = range(vectors).map((part) =>
        sumOfParts(inPlace, lanesType(storage, lanes), `sum_${part}`, add(first, part * lanes)),
      );
      for (const column of range(width)) {
        const sum = sums[Math.floor(column / lanes)]!;
        inPlace.if(lt(add(filter, column), filters), (present) =>
          present.store('out', add(add(target, place), mul(length, column)), lanes === 1 ? sum : lane(sum, column % lanes)),
        );
      }
    });
  });
  return kernel(
    `sumParts_${storage}_${vectors}x${lanes}`,
    [reads('partial', packedStorage(storage)), reads('order', 'int32'), { name: 'out', storage, access: 'write' }],
    integers('parts', 'partSize', 'groupPartial', 'length', 'filters', 'paddedFilters'),
    body.statements,
  );
}

function sumOfParts(body: Body, type: ReturnType<typeof lanesType>, name: string, first: Expr): Expr {
  const sum = body.variable(name, load(type, 'partial', first));
  body.for('part', 1, param('parts'), (part, turn) => {
    turn.set(sum, add(sum, load(type, 'partial', add(first, mul(part, param('partSize'))))));
  });
  return sum;
}
