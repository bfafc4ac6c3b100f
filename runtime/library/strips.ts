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

/** The products of a window. Neighbouring columns share nothing: their shifts are 0. */
export interface WindowProducts {
  readonly rowProducts: readonly AxisProduct[];
  readonly columnProducts: readonly AxisProduct[];
  readonly step: Pair;
}

export function windowProducts({ window, stride, dilation, top, left }: Geometry): WindowProducts {
  const rowProducts = range(window[0]).map((index) => {
    const phase = (index * dilation[0]) % stride[0];
    return { index, offset: phase - top, shift: (index * dilation[0] - phase) / stride[0] };
  });
  const columnProducts = range(window[1]).map((index) => ({ index, offset: index * dilation[1] - left, shift: 0 }));
  return { rowProducts, columnProducts, step: stride };
}

/** Copies of a channel, and the rows that they have beyond those of the results. */
export function copiesOf({ rowProducts, columnProducts }: WindowProducts): { copyCount: number; extraRows: number } {
  const rowOffsets = new Set(rowProducts.map(({ offset }) => offset));
  const extraRows = rowProducts.reduce((most, { shift }) => Math.max(most, shift), 0);
  return { copyCount: rowOffsets.size * columnProducts.length, extraRows };
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

/** Strips of `rows` rows of results with that many columns, from some channels of the source. */
export function stripsOf(source: LayoutMeta, channels: number, products: WindowProducts, rows: number, columns: number): Strips {
  const { rowProducts, columnProducts, step } = products;
  const { shape, strides } = source;
  const { copyCount, extraRows } = copiesOf(products);
  const copySize = (rows + extraRows) * columns;
  const rowOffsets = [...new Set(rowProducts.map(({ offset }) => offset))];
  // The stride along an axis of one element could be anything.
  const perColumn = shape[3] === 1 ? 1 : strides[3]!;
  const copies = rowOffsets.flatMap((rowOffset) =>
    columnProducts.flatMap(({ offset }) => [rowOffset, offset * perColumn, ...insideOf(offset, step[1], columns, shape[3]!)]),
  );
  const copyOf = (channel: number, rowOffset: number, column: number): number =>
    (channel * rowOffsets.length + rowOffsets.indexOf(rowOffset)) * columnProducts.length + column;
  const taps = range(channels).flatMap((channel) =>
    rowProducts.flatMap(({ offset, shift }) =>
      columnProducts.map((_, column) => copyOf(channel, offset, column) * copySize + shift * columns),
    ),
  );
  const integers = {
    ...{ channels, height: shape[2]!, channelStride: strides[1]!, rowStride: strides[2]!, columnStride: step[1] * perColumn },
    ...{ rowStep: step[0], columns, copyCount, copySize, extraRows },
  };
  return { copies, taps, contiguous: step[1] * perColumn === 1, size: channels * copyCount * copySize, integers };
}

/** The columns of results whose pixel at offset + step * column lies in a row of that width: the first, and the one after the last. */
function insideOf(offset: number, step: number, columns: number, width: number): Pair {
  const clip = (column: number): number => Math.max(0, Math.min(Math.ceil(column / step), columns));
  return [clip(-offset), Math.max(clip(-offset), clip(width - offset))];
}
