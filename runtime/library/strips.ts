/**
 * The tables of strips (kernels/lower/strips.ts): which copies of an image the windows of some results read, and where each product of
 * a window finds its pixel in them. How many rows a strip has is the caller's choice.
 */
import { range } from '../../kernels/lower/tile.js';
import type { LayoutMeta } from '../../kernels/op.js';
import type { Geometry, Pair } from './geometry.js';

/** One product of a window along one axis: it reads the image at `offset` + step * (place of the result + shift). */
export interface AxisProduct {
  /** Of the filter's element. */
  readonly index: number;
  readonly offset: number;
  readonly shift: number;
}

/** The products of a window. */
export interface WindowProducts {
  readonly rowProducts: readonly AxisProduct[];
  readonly columnProducts: readonly AxisProduct[];
  readonly step: Pair;
}

export function windowProducts({ window, stride, dilation, top, left }: Geometry): WindowProducts {
  const along = (axis: 0 | 1, before: number): AxisProduct[] =>
    range(window[axis]).map((index) => {
      const phase = (index * dilation[axis]) % stride[axis];
      return { index, offset: phase - before, shift: (index * dilation[axis] - phase) / stride[axis] };
    });
  return { rowProducts: along(0, top), columnProducts: along(1, left), step: stride };
}

/** The same products of columns that share nothing, so that the pixels of a strip are one run. */
export function joinedProducts({ columnProducts, ...rest }: WindowProducts): WindowProducts {
  const joined = columnProducts.map(({ index, offset, shift }) => ({ index, offset: offset + shift * rest.step[1], shift: 0 }));
  return { ...rest, columnProducts: joined };
}

/** Copies of a channel, and what they have beyond the rows and columns of the results. */
export function copiesOf({ rowProducts, columnProducts }: WindowProducts): Extent {
  const offsets = (products: readonly AxisProduct[]): number => new Set(products.map(({ offset }) => offset)).size;
  const most = (products: readonly AxisProduct[]): number => products.reduce((shift, each) => Math.max(shift, each.shift), 0);
  return {
    copyCount: offsets(rowProducts) * offsets(columnProducts),
    extraRows: most(rowProducts),
    extraColumns: most(columnProducts),
  };
}

interface Extent {
  readonly copyCount: number;
  readonly extraRows: number;
  readonly extraColumns: number;
}

export interface Strips {
  readonly copies: readonly number[];
  /** In the order of channels, rows and columns of the window. */
  readonly taps: readonly number[];
  readonly contiguous: boolean;
  /** Elements of all copies. */
  readonly size: number;
  readonly integers: Readonly<Record<string, number>>;
}

/** Strips of `rows` rows of results with that many columns, from some channels of the source. Each row begins at a multiple of `unit`. */
export function stripsOf(
  source: LayoutMeta,
  channels: number,
  products: WindowProducts,
  rows: number,
  columns: number,
  unit = 1,
): Strips {
  const { rowProducts, columnProducts, step } = products;
  const { shape, strides } = source;
  const { copyCount, extraRows, extraColumns } = copiesOf(products);
  const pitch = Math.ceil((columns + extraColumns) / unit) * unit;
  const copySize = (rows + extraRows) * pitch;
  const [rowOffsets, columnOffsets] = [rowProducts, columnProducts].map((along) => [
    ...new Set(along.map(({ offset }) => offset)),
  ]) as [number[], number[]];
  // The stride along an axis of one element could be anything.
  const perColumn = shape[3] === 1 ? 1 : strides[3]!;
  const copies = rowOffsets.flatMap((rowOffset) =>
    columnOffsets.flatMap((offset) => [rowOffset, offset * perColumn, ...insideOf(offset, step[1], pitch, shape[3]!)]),
  );
  const copyOf = (channel: number, row: AxisProduct, column: AxisProduct): number =>
    channel * copyCount + rowOffsets.indexOf(row.offset) * columnOffsets.length + columnOffsets.indexOf(column.offset);
  const taps = range(channels).flatMap((channel) =>
    rowProducts.flatMap((row) =>
      columnProducts.map((column) => copyOf(channel, row, column) * copySize + row.shift * pitch + column.shift),
    ),
  );
  const integers = {
    ...{ channels, height: shape[2]!, channelStride: strides[1]!, rowStride: strides[2]!, columnStride: step[1] * perColumn },
    ...{ rowStep: step[0], columns, copyCount, copySize, extraRows, pitch },
  };
  return { copies, taps, contiguous: step[1] * perColumn === 1, size: channels * copyCount * copySize, integers };
}

/** The columns of results whose pixel at offset + step * column lies in a row of that width: the first, and the one after the last. */
function insideOf(offset: number, step: number, columns: number, width: number): Pair {
  const clip = (column: number): number => Math.max(0, Math.min(Math.ceil(column / step), columns));
  return [clip(-offset), Math.max(clip(-offset), clip(width - offset))];
}
