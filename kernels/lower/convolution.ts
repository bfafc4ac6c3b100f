/**
 * Two-dimensional convolutions as kernel IR, in register tiles and without a matrix of unfolded windows. The image is first copied
 * into padded planes, one for each remainder of a pixel's row and column modulo the stride: in them neighbouring results read
 * neighbouring elements, whatever stride and dilation are, and every product of a window is a fixed distance away, which stands in the
 * table `taps`.
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
  kernel,
  lane,
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
import { integers, reads } from './gemm.js';
import { lanesType, packedStorage, RegisterTile, range } from './tile.js';

// ---- Padded planes

export interface PlanesForm {
  readonly storage: Storage;
  /** The elements of a plane's row lie side by side in the image: stride 1 along contiguous rows. */
  readonly contiguous: boolean;
}

/**
 * out[image][channel][strideRows][strideColumns][rows][pitch]: the pixel at row r * strideRows + phase - top, and likewise for columns,
 * or 0 where that lies outside. An item is one channel of one image.
 */
export function planesKernel(form: PlanesForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => {
    const image = mul(div(item, param('channels')), param('imageStride'));
    const channel = mul(rem(item, param('channels')), param('channelStride'));
    const source = each.let('source', add(image, channel));
    const planes = mul(param('strideRows'), param('strideColumns'));
    const planeSize = each.let('planeSize', mul(param('rows'), param('pitch')));
    const first = each.let('first', mul(mul(item, planes), planeSize));
    each.for('phase', 0, planes, (phase, inner) => {
      const rowPhase = inner.let('rowPhase', div(phase, param('strideColumns')));
      const columnPhase = inner.let('columnPhase', rem(phase, param('strideColumns')));
      const target = inner.let('target', add(first, mul(phase, planeSize)));
      writePlane(inner, form, { source, target, rowPhase, columnPhase });
    });
  });
  const axes = ['strideRows', 'strideColumns', 'top', 'left', 'rows', 'pitch'];
  return kernel(
    `planes_${form.storage}${form.contiguous ? '_contiguous' : ''}`,
    [reads('x', form.storage), { name: 'out', storage: packedStorage(form.storage), access: 'write' }],
    integers('channels', 'height', 'width', 'imageStride', 'channelStride', 'rowStride', 'columnStride', ...axes),
    body.statements,
  );
}

interface Plane {
  readonly source: Expr;
  readonly target: Expr;
  readonly rowPhase: Expr;
  readonly columnPhase: Expr;
}

function writePlane(body: Body, form: PlanesForm, { source, target, rowPhase, columnPhase }: Plane): void {
  const type = scalarType(registerOf(form.storage));
  const [step, pitch] = [param('strideColumns'), param('pitch')];
  // Columns from `from` on and before `to` lie in the image: those with 0 <= column * step + columnPhase - left < width.
  const before = body.let('before', sub(param('left'), columnPhase));
  const upward = (value: Expr): Expr => max(0, min(div(add(value, sub(step, 1)), step), pitch));
  const from = body.let('from', upward(before));
  const to = body.let('to', max(from, upward(add(before, param('width')))));
  body.for('row', 0, param('rows'), (row, inner) => {
    const start = inner.let('start', add(target, mul(row, pitch)));
    const y = inner.let('y', sub(add(mul(row, param('strideRows')), rowPhase), param('top')));
    const inside = inner.let('inside', and(ge(y, 0), lt(y, param('height'))));
    const zeros = (at: Body, first: Expr | number, last: Expr): void =>
      at.for('zero', first, last, (column, turn) => turn.store('out', add(start, column), constant(type, 0)), { vector: true });
    inner.if(
      inside,
      (some) => {
        const rowStart = add(source, mul(y, param('rowStride')));
        const line = some.let('line', sub(rowStart, mul(before, param('columnStride'))));
        zeros(some, 0, from);
        const place = (column: Expr): Expr =>
          form.contiguous ? add(line, column) : add(line, mul(mul(column, step), param('columnStride')));
        const copy = (column: Expr, turn: Body): void => turn.store('out', add(start, column), load(type, 'x', place(column)));
        some.for('column', from, to, copy, { vector: true });
        zeros(some, to, pitch);
      },
      (none) => zeros(none, 0, pitch),
    );
  });
}

// ---- Products of windows and filters

export interface ConvolutionForm {
  readonly storage: Storage;
  readonly lanes: number;
  /** Results of neighbouring windows lie side by side. */
  readonly contiguous: boolean;
}

/** Filters in a tile, and vectors of results. */
export const filterRows = 4;
const tileVectors = 2;

/**
 * out[image][group][filter][row][column] = the sum over p of weight[group][filter][p] * x[image][group][taps[p] + row * pitch + column],
 * with the weights packed in panels of `filterRows`. An item is a block of rows and filters of one group of one image. Where a row has
 * fewer columns than a tile, elements beyond its end are read, and not used: there must be some after the last row.
 */
export function convolutionKernel(form: ConvolutionForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => {
    const { at, rest: image } = splitItem(each, item, ['filterBlock', 'rowBlock', 'group']);
    const group = at('group');
    const source = each.let('source', add(mul(image, param('imageSize')), mul(group, param('groupSize'))));
    const outImage = mul(image, param('outImage'));
    const out = each.let('target', add(add(outImage, param('outStart')), mul(group, param('outGroup'))));
    const firstFilter = each.let('firstFilter', mul(at('filterBlock'), param('blockFilters')));
    const endFilter = each.let('endFilter', min(add(firstFilter, param('blockFilters')), param('filters')));
    const firstRow = each.let('firstRow', mul(at('rowBlock'), param('blockRows')));
    const endRow = each.let('endRow', min(add(firstRow, param('blockRows')), param('rows')));
    const weights = each.let('weights', mul(group, param('groupWeights')));
    each.for(
      'filter',
      firstFilter,
      endFilter,
      (filter, inFilter) => {
        const panel = inFilter.let('panel', add(weights, mul(filter, param('length'))));
        const outFilter = inFilter.let('outFilter', add(out, mul(filter, param('outFilter'))));
        inFilter.for('row', firstRow, endRow, (row, inRow) => {
          const outRow = inRow.let('outRow', add(outFilter, mul(row, param('outRow'))));
          const sourceRow = inRow.let('sourceRow', add(source, mul(row, param('pitch'))));
          rowOfTiles(inRow, form, { panel, filter, outRow, sourceRow });
        });
      },
      { step: filterRows },
    );
  });
  return kernel(
    `convolution_${form.storage}_${form.lanes}${form.contiguous ? '_contiguous' : ''}`,
    [
      reads('x', packedStorage(form.storage)),
      reads('weight', packedStorage(form.storage)),
      reads('taps', 'int32'),
      { name: 'out', storage: form.storage, access: 'write' },
    ],
    integers(
      ...['groups', 'filters', 'rows', 'columns', 'length', 'filterBlocks', 'blockFilters', 'rowBlocks', 'blockRows'],
      ...['imageSize', 'groupSize', 'pitch', 'groupWeights'],
      ...['outImage', 'outGroup', 'outFilter', 'outRow', 'outColumn', 'outStart'],
    ),
    body.statements,
  );
}

/** The item's coordinates, the fastest first; each has as many values as the parameter of its name and an s says. `rest` is what remains. */
function splitItem<Name extends string>(
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

interface RowOfTiles {
  readonly panel: Expr;
  readonly filter: Expr;
  readonly outRow: Expr;
  readonly sourceRow: Expr;
}

/** Whole tiles, and for the columns left over half a tile if that is enough. The last tile moves back to end with the row. */
function rowOfTiles(body: Body, form: ConvolutionForm, row: RowOfTiles): void {
  const width = tileVectors * form.lanes;
  const columns = param('columns');
  const rest = body.let('rest', rem(columns, width));
  const halfRest = body.let('halfRest', and(gt(rest, 0), le(rest, form.lanes)));
  const wholeEnd = body.let('wholeEnd', select(halfRest, sub(columns, rest), columns));
  const lastStart = (size: number): Expr => max(sub(columns, size), 0);
  body.for(
    'column',
    0,
    wholeEnd,
    (column, inner) => {
      convolutionTile(inner, form, tileVectors, row, inner.let('tileColumn', min(column, lastStart(width))));
    },
    { step: width },
  );
  body.if(halfRest, (half) => convolutionTile(half, form, 1, row, half.let('tileColumn', lastStart(form.lanes))));
}

function convolutionTile(body: Body, form: ConvolutionForm, vectors: number, row: RowOfTiles, column: Expr): void {
  const { storage, lanes } = form;
  const sums = new RegisterTile(body, { storage, lanes, rows: filterRows, vectors });
  const source = body.let('tileSource', add(row.sourceRow, column));
  const weight = body.variable('weightAt', row.panel);
  const scalar = scalarType(registerOf(storage));
  const vector = lanesType(storage, lanes);
  body.for('tap', 0, param('length'), (tap, step) => {
    const at = step.let('at', add(source, load(I32, 'taps', tap)));
    sums.step(
      step,
      (filter) => load(scalar, 'weight', add(weight, filter)),
      (part) => load(vector, 'x', add(at, part * lanes)),
    );
    step.set(weight, add(weight, filterRows));
  });
  const index = (filter: number): Expr => add(add(row.outRow, mul(param('outFilter'), filter)), mul(column, param('outColumn')));
  const inColumns = { first: column, from: column, to: param('columns') };
  for (const filter of range(filterRows)) {
    body.if(lt(add(row.filter, filter), param('filters')), (present) => {
      const place = present.let('place', index(filter));
      const options = { columnStride: form.contiguous ? constant(I32, 1) : param('outColumn'), adds: false };
      const single = (target: Body): void => sums.storeColumns(target, filter, 'out', place, inColumns, options);
      if (!form.contiguous) return single(present);
      const whole = le(add(column, vectors * lanes), param('columns'));
      present.if(whole, (full) => sums.storeRow(full, filter, 'out', place, false), single);
    });
  }
}

// ---- The gradient of the filters

/** Places of a window in a tile. */
const tapRows = 4;

export interface FilterGradientForm {
  readonly storage: Storage;
  readonly lanes: number;
  /** Vectors of filters in a tile: 2, or 1 where that holds all of them. */
  readonly vectors: 1 | 2;
}

/**
 * partial[part][group][tap][paddedFilters] = the sum over the part's images, rows and columns of x[taps[tap] + row * pitch + column] *
 * dout[image][group][filter][row, column], with dout packed in panels of filters. An item is a block of taps of one group of one part.
 */
export function filterGradientKernel(form: FilterGradientForm): Kernel {
  const body = new Body();
  body.for('item', begin, end, (item, each) => {
    const { at, rest: part } = splitItem(each, item, ['tapBlock', 'group']);
    const group = at('group');
    const firstTap = each.let('firstTap', mul(at('tapBlock'), param('blockTaps')));
    const endTap = each.let('endTap', min(add(firstTap, param('blockTaps')), param('length')));
    const partGroup = each.let('partGroup', add(mul(part, param('groups')), group));
    const partial = each.let('partialStart', mul(mul(partGroup, param('length')), param('paddedFilters')));
    const firstImage = each.let('firstImage', mul(part, param('partImages')));
    const endImage = each.let('endImage', min(add(firstImage, param('partImages')), param('images')));
    each.for('image', firstImage, endImage, (image, inImage) => {
      const isFirst = inImage.let('isFirst', le(image, firstImage));
      const source = inImage.let('source', add(mul(image, param('imageSize')), mul(group, param('groupSize'))));
      const gradients = inImage.let('gradients', mul(add(mul(image, param('groups')), group), param('groupGradients')));
      const width = form.vectors * form.lanes;
      inImage.for(
        'filter',
        0,
        param('paddedFilters'),
        (filter, inFilter) => {
          const panel = inFilter.let('panel', add(gradients, mul(filter, param('pixels'))));
          inFilter.for(
            'tap',
            firstTap,
            endTap,
            (tap, inTap) => {
              const target = inTap.let('target', add(add(partial, mul(tap, param('paddedFilters'))), filter));
              filterGradientTile(inTap, form, { source, panel, tap, target, isFirst });
            },
            { step: tapRows },
          );
        },
        { step: width },
      );
    });
  });
  const packed = packedStorage(form.storage);
  return kernel(
    `filterGradient_${form.storage}_${form.vectors}x${form.lanes}`,
    [
      reads('x', packed),
      reads('dout', packed),
      reads('taps', 'int32'),
      { name: 'partial', storage: packed, access: 'readwrite' },
    ],
    integers(
      ...['images', 'partImages', 'groups', 'length', 'blockTaps', 'tapBlocks', 'paddedFilters', 'rows', 'columns', 'pixels'],
      ...['imageSize', 'groupSize', 'groupGradients', 'pitch'],
    ),
    body.statements,
  );
}

interface FilterGradientTile {
  readonly source: Expr;
  readonly panel: Expr;
  readonly tap: Expr;
  readonly target: Expr;
  readonly isFirst: Expr;
}

function filterGradientTile(body: Body, form: FilterGradientForm, tile: FilterGradientTile): void {
  const { lanes, vectors } = form;
  const storage = packedStorage(form.storage);
  const sums = new RegisterTile(body, { storage, lanes, rows: tapRows, vectors });
  const last = sub(param('length'), 1);
  const places = range(tapRows).map((row) =>
    body.let(`tap_${row}`, add(tile.source, load(I32, 'taps', min(add(tile.tap, row), last)))),
  );
  const gradient = body.variable('gradientAt', tile.panel);
  const scalar = scalarType(registerOf(storage));
  const vector = lanesType(storage, lanes);
  body.for('row', 0, param('rows'), (row, inRow) => {
    const line = inRow.let('line', mul(row, param('pitch')));
    inRow.for('pixel', line, add(line, param('columns')), (pixel, step) => {
      sums.step(
        step,
        (tap) => load(scalar, 'x', add(places[tap]!, pixel)),
        (part) => load(vector, 'dout', add(gradient, part * lanes)),
      );
      step.set(gradient, add(gradient, vectors * lanes));
    });
  });
  const store = (target: Body, adds: boolean): void => {
    for (const row of range(tapRows)) {
      target.if(le(add(tile.tap, row), last), (present) => {
        sums.storeRow(present, row, 'partial', add(tile.target, mul(param('paddedFilters'), row)), adds);
      });
    }
  };
  body.if(
    tile.isFirst,
    (first) => store(first, false),
    (later) => store(later, true),
  );
}

/** out[group][filter][tap] = the sum of the parts, in their order. An item is a panel of filters of one group. */
export function sumPartsKernel({ storage, lanes, vectors }: FilterGradientForm): Kernel {
  const body = new Body();
  const width = vectors * lanes;
  const [length, padded, filters] = [param('length'), param('paddedFilters'), param('filters')];
  body.for('item', begin, end, (item, each) => {
    const panels = div(padded, width);
    const group = each.let('group', div(item, panels));
    const filter = each.let('filter', mul(rem(item, panels), width));
    const target = each.let('target', mul(add(mul(group, filters), filter), length));
    each.for('tap', 0, length, (tap, inTap) => {
      const first = inTap.let('first', add(mul(add(mul(group, length), tap), padded), filter));
      const sums = range(vectors).map((part) =>
        sumOfParts(inTap, lanesType(storage, lanes), `sum_${part}`, add(first, part * lanes)),
      );
      for (const column of range(width)) {
        const sum = sums[Math.floor(column / lanes)]!;
        inTap.if(lt(add(filter, column), filters), (present) =>
          present.store('out', add(add(target, tap), mul(length, column)), lanes === 1 ? sum : lane(sum, column % lanes)),
        );
      }
    });
  });
  return kernel(
    `sumParts_${storage}_${vectors}x${lanes}`,
    [reads('partial', packedStorage(storage)), { name: 'out', storage, access: 'write' }],
    integers('parts', 'groups', 'length', 'filters', 'paddedFilters'),
    body.statements,
  );
}

function sumOfParts(body: Body, type: ReturnType<typeof lanesType>, name: string, first: Expr): Expr {
  const sum = body.variable(name, load(type, 'partial', first));
  const partSize = mul(mul(param('groups'), param('length')), param('paddedFilters'));
  body.for('part', 1, param('parts'), (part, turn) => {
    turn.set(sum, add(sum, load(type, 'partial', add(first, mul(part, partSize)))));
  });
  return sum;
}
