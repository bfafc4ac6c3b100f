/** A pass of a convolution over the images: what it is, before it is decided how it runs. */
import { range } from '../../kernels/lower/tile.js';
import type { LayoutMeta, TensorMeta } from '../../kernels/op.js';
import type { Device, Tier } from '../devices/device.js';
import type { MatrixCopy, PackingPlan } from './packing.js';
import type { WindowProducts } from './strips.js';

/** One pass over the images: which products it sums, with which weights, and where results go. */
export interface Pass extends WindowProducts {
  readonly rows: number;
  readonly columns: number;
  readonly outStart: number;
  readonly outRow: number;
  readonly outColumn: number;
}

/** What the passes of an op share. */
export interface PassContext {
  readonly device: Device;
  readonly tier: Tier;
  readonly output: TensorMeta;
  readonly source: LayoutMeta;
  readonly weight: LayoutMeta;
  readonly groups: number;
  /** Channels of the source, and of the result, of a group. */
  readonly sourceChannels: number;
  readonly resultChannels: number;
  /** Strides of the filters from one channel of the source to the next, and from one of the result. */
  readonly perSource: number;
  readonly perResult: number;
  readonly groupWeights: number;
  readonly bias?: LayoutMeta | undefined;
}

/** A pass that is bound: the weights are packed first, and then it runs. */
export interface BoundPass {
  readonly weight: MatrixCopy;
  readonly stripBytes: number;
  run(addresses: Readonly<Record<string, number>>): void;
  free(): void;
}

/** The filters of a pass, in panels. */
export function filterPanels(
  { weight, groups, sourceChannels, resultChannels, ...strides }: PassContext,
  pass: Pass,
  width: number,
): PackingPlan {
  const elements = range(sourceChannels).flatMap((channel) =>
    pass.rowProducts.flatMap((row) =>
      pass.columnProducts.map(
        (column) => channel * strides.perSource + row.index * weight.strides[2]! + column.index * weight.strides[3]!,
      ),
    ),
  );
  return {
    ...{ dtype: weight.dtype, width, columns: resultChannels, columnStride: strides.perResult, length: elements.length },
    rowStride: elements.every((element, at) => element === at) ? 1 : elements,
    offsets: range(groups).map((group) => group * strides.groupWeights),
  };
}
