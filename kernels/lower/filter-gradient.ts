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
  i32,
  kernel,
  lane,
  le,
  load,
  lt,
  min,
  mul,
  not,
  type Operand,
  param,
  rem,
  select,
  sub,
} from '../build.js';
import type { Expr, Kernel, Storage } from '../ir.js';
import { integers, reads } from './packing.js';
import { turnedSquare } from './square.js';
import { splitItem } from './strips.js';
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
      const firstImage = inStrip.let('firstImage', mul(div(strip, param('strips')), param('stripImages')));
      const images = inStrip.let('imagesHere', min(param('stripImages'), sub(param('images'), firstImage)));
      const firstRow = inStrip.let('firstRow', mul(rem(strip, param('strips')), param('stripRows')));
      const rows = inStrip.let('rowsHere', min(param('stripRows'), sub(param('rows'), firstRow)));
      const firstChannel = inStrip.let('firstChannel', mul(at('channelBlock'), param('blockChannels')));
      const panelSize = inStrip.let('panelSize', mul(mul(mul(images, rows), param('columns')), form.vectors * form.lanes));
      inStrip.for('imageHere', 0, images, (number, inImage) => {
        const image = inImage.let('image', add(firstImage, number));
        const imageScratch = inImage.let('imageScratch', add(scratch, mul(number, param('imageSize'))));
        copyImage(inImage, form, { image, group: at('group'), firstRow, rows, scratch: imageScratch }, firstChannel);
        const before = mul(mul(mul(number, rows), param('columns')), form.vectors * form.lanes);
        const gradients = inImage.let('imageGradients', add(add(scratch, param('gradientStart')), before));
        copyGradients(
          inImage,
          form,
          { image, group: at('group'), firstRow, rows, scratch },
          { gradients, filter, filters, panelSize },
        );
      });
      const gradients = inStrip.let('gradients', add(scratch, param('gradientStart')));
      const isFirst = inStrip.let('isFirst', eq(strip, firstStrip));
      tilesOfStrip(inStrip, form, { images, rows, scratch, gradients, filters, target, isFirst, panelSize });
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
      ...['partStrips', 'allStrips', 'strips', 'stripImages', 'images', 'imageSize'],
      ...['stripRows', 'rows', 'columns', 'runCount', 'runLength', 'runStride', 'groupPartial'],
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

/** strip[image][row][column][channel]: the rows of the image that the strip's windows reach, with zeros around. */
function copyImage(
  body: Body,
  form: FilterGradientForm,
  { image, group, firstRow, rows, scratch }: StripBlock,
  channel: Expr,
): void {
  const [left, pitch, blockChannels] = [param('left'), param('pitch'), param('blockChannels')];
  const channelHere = add(mul(group, param('channels')), channel);
  const plane = body.let('plane', add(mul(image, param('imageStride')), mul(channelHere, param('channelStride'))));
  const present = body.let('present', min(blockChannels, sub(param('channels'), channel)));
  const reach = body.let('reach', add(mul(sub(rows, 1), param('rowStep')), param('extraRows')));
  const last = body.let('last', min(add(left, param('width')), pitch));
  body.for('row', 0, reach, (row, inRow) => {
    const y = inRow.let('y', sub(add(mul(firstRow, param('rowStep')), row), param('top')));
    const line = inRow.let('line', add(scratch, mul(mul(row, pitch), blockChannels)));
    const zeros = (at: Body, name: string, from: Operand, to: Expr): void =>
      at.for(
        name,
        mul(blockChannels, from),
        mul(blockChannels, to),
        (place, turn) => turn.store('strip', add(line, place), constant(lanesType(form.storage, 1), 0)),
        { vector: true },
      );
    inRow.if(
      and(ge(y, 0), lt(y, param('height'))),
      (inside) => {
        zeros(inside, 'before', 0, left);
        turnRows(inside, form, {
          ...{ buffer: 'x', source: add(plane, mul(y, param('rowStride'))), target: add(line, mul(left, blockChannels)) },
          ...{ rowStride: param('channelStride'), columnStride: param('columnStride'), columns: sub(last, left) },
          ...{ present, rows: blockChannels, pitch: blockChannels },
        });
        zeros(inside, 'after', last, pitch);
      },
      (outside) => zeros(outside, 'column', 0, pitch),
    );
  });
}

interface GradientBlock {
  readonly gradients: Expr;
  readonly filter: Expr;
  readonly filters: Expr;
  readonly panelSize: Expr;
}

/** strip[panel][image][row][column][filter of the panel], with zeros for filters that are not there. */
function copyGradients(
  body: Body,
  form: FilterGradientForm,
  block: StripBlock,
  { gradients, filter, filters, panelSize }: GradientBlock,
): void {
  const width = form.vectors * form.lanes;
  const columns = param('columns');
  // Rows that follow each other evenly are one.
  const even = body.let('even', eq(param('gradientRow'), mul(columns, param('gradientColumn'))));
  const lines = body.let('lines', select(even, 1, block.rows));
  const lineColumns = body.let('lineColumns', select(even, mul(block.rows, columns), columns));
  const firstFilter = add(mul(block.group, param('filters')), filter);
  const rowStart = add(mul(block.image, param('gradientImage')), mul(block.firstRow, param('gradientRow')));
  const first = body.let('firstGradient', add(rowStart, mul(firstFilter, param('gradientFilter'))));
  body.for(
    'panelFilter',
    0,
    filters,
    (panel, inPanel) => {
      const panelAt = inPanel.let('panelAt', add(gradients, mul(div(panel, width), panelSize)));
      const panelSource = inPanel.let('panelSource', add(first, mul(panel, param('gradientFilter'))));
      const present = inPanel.let('presentFilters', sub(sub(param('filters'), filter), panel));
      inPanel.for('line', 0, lines, (line, inLine) =>
        turnRows(inLine, form, {
          ...{ buffer: 'dout', source: add(panelSource, mul(line, param('gradientRow'))) },
          ...{ target: add(panelAt, mul(mul(line, columns), width)), rowStride: param('gradientFilter') },
          ...{ columnStride: param('gradientColumn'), columns: lineColumns, present, rows: i32(width), pitch: i32(width) },
        }),
      );
    },
    { step: width },
  );
}

interface TurnedRows {
  readonly buffer: string;
  readonly source: Expr;
  readonly rowStride: Expr;
  readonly columnStride: Expr;
  readonly columns: Expr;
  /** Rows that are there; those after them, up to `rows`, are zeros. */
  readonly present: Expr;
  readonly rows: Expr;
  readonly target: Expr;
  readonly pitch: Expr;
}

/** strip[target + column * pitch + row], in squares where they fit. The last square of a row moves back to end with it. */
function turnRows(body: Body, form: FilterGradientForm, turned: TurnedRows): void {
  const { buffer, columns, present, rows, pitch } = turned;
  const { storage, lanes } = form;
  const [source, target] = [body.let('turnSource', turned.source), body.let('turnTarget', turned.target)];
  const count = body.let('turnColumns', columns);
  const squares = body.let('squares', and(eq(turned.columnStride, 1), ge(count, lanes)));
  const from = (row: Expr): Expr => add(source, mul(row, turned.rowStride));
  const to = (column: Expr, row: Expr): Expr => add(add(target, mul(column, pitch)), row);
  const square = (row: Expr) => (column: Expr, turn: Body) => {
    const at = turn.let('squareAt', min(column, sub(count, lanes)));
    const vectors = range(lanes).map((number) =>
      turn.let(`row_${number}`, load(lanesType(storage, lanes), buffer, add(from(add(row, number)), at))),
    );
    turnedSquare(turn, vectors).forEach((vector, number) => {
      turn.store('strip', to(add(at, number), row), vector);
    });
  };
  const single = (row: Expr) => (column: Expr, turn: Body) =>
    turn.store('strip', to(column, row), load(lanesType(storage, 1), buffer, add(from(row), mul(column, turned.columnStride))));
  body.for(
    'firstOfRows',
    0,
    rows,
    (first, inRows) => {
      const whole = and(squares, le(add(first, lanes), present));
      inRows.if(
        whole,
        (whole) => whole.for('square', 0, count, square(first), { step: lanes }),
        (partial) =>
          partial.for('single', first, partial.let('endOfRows', min(add(first, lanes), rows)), (row, inRow) =>
            inRow.if(
              lt(row, present),
              (there) => there.for('turnColumn', 0, count, single(row)),
              (absent) =>
                absent.for('turnColumn', 0, count, (column, turn) =>
                  turn.store('strip', to(column, row), constant(lanesType(storage, 1), 0)),
                ),
            ),
          ),
      );
    },
    { step: lanes },
  );
}

interface StripTiles {
  readonly images: Expr;
  readonly panelSize: Expr;
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
      const panel = inFilter.let('panel', add(strip.gradients, mul(div(filter, width), strip.panelSize)));
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

function gradientTile(body: Body, form: FilterGradientForm, { images, rows, isFirst }: StripTiles, tile: GradientTile): void {
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
  body.for('tileImage', 0, images, (image, inImage) => {
    const imageAt = inImage.let('imageAt', add(tile.source, mul(image, param('imageSize'))));
    inImage.for('tileRow', 0, rows, (row, inRow) => {
      const pixel = inRow.variable('pixelAt', add(imageAt, mul(row, rowElements)));
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
  });
  for (const row of range(form.rows))
    body.if(lt(row, present), (there) => sums.storeRow(there, row, 'partial', rowAt(row), false));
}

/**
 * out[group][filter][place] = the sum of the parts, in their order; `order` says where each place of a filter lies in a part. An item
 * is a vector of filters of one group.
 */
export function sumPartsKernel({ storage, lanes }: SumPartsForm): Kernel {
  const body = new Body();
  const [length, padded] = [param('length'), param('paddedFilters')];
  body.for('item', begin, end, (item, each) => {
    const vectors = div(padded, lanes);
    const group = each.let('group', div(item, vectors));
    const filter = each.let('filter', mul(rem(item, vectors), lanes));
    const present = each.let('present', sub(param('filters'), filter));
    const target = each.let('target', mul(add(mul(group, param('filters')), filter), length));
    const source = each.let('source', add(mul(group, param('groupPartial')), filter));
    const sum = (at: Body, name: string, place: Expr): Expr =>
      sumOfParts(at, lanesType(storage, lanes), name, add(source, mul(load(I32, 'order', place), padded)));
    const block = (place: Expr, inBlock: Body): void => {
      const first = inBlock.let('first', min(place, sub(length, lanes)));
      const sums = range(lanes).map((number) => sum(inBlock, `sum_${number}`, add(first, number)));
      turnedSquare(inBlock, sums).forEach((vector, number) => {
        inBlock.if(lt(number, present), (there) => there.store('out', add(add(target, first), mul(length, number)), vector));
      });
    };
    const single = (place: Expr, inPlace: Body): void => {
      const vector = sum(inPlace, 'sum', place);
      for (const number of range(lanes))
        inPlace.if(lt(number, present), (there) =>
          there.store('out', add(add(target, place), mul(length, number)), lanes === 1 ? vector : lane(vector, number)),
        );
    };
    each.if(
      ge(length, lanes),
      (long) => long.for('place', 0, length, block, { step: lanes }),
      (short) => short.for('place', 0, length, single),
    );
  });
  return kernel(
    `sumParts_${storage}_${lanes}`,
    [reads('partial', packedStorage(storage)), reads('order', 'int32'), { name: 'out', storage, access: 'write' }],
    integers('parts', 'partSize', 'groupPartial', 'length', 'filters', 'paddedFilters'),
    body.statements,
  );
}

export type SumPartsForm = Pick<FilterGradientForm, 'storage' | 'lanes'>;

function sumOfParts(body: Body, type: ReturnType<typeof lanesType>, name: string, at: Expr): Expr {
  const first = body.let(`${name}_at`, at);
  const sum = body.variable(name, load(type, 'partial', first));
  body.for('part', 1, param('parts'), (part, turn) => {
    turn.set(sum, add(sum, load(type, 'partial', add(first, mul(part, param('partSize'))))));
  });
  return sum;
}
