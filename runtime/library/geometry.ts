/** The sizes of a convolution, as its kernels' bindings need them, from the shapes and attributes of the op. Nothing is checked here. */
import type { Attrs, Shape, TensorMeta } from '../../kernels/op.js';
import type { Work } from '../devices/device.js';

export type Pair = readonly [rows: number, columns: number];

export interface Geometry {
  readonly images: number;
  readonly groups: number;
  /** Of one group. */
  readonly channels: number;
  readonly filters: number;
  readonly image: Pair;
  readonly window: Pair;
  readonly result: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly top: number;
  readonly left: number;
}

export function geometryOf(x: Shape, weight: Shape, out: Shape, attrs: Attrs): Geometry {
  const padding = numbers(attrs, 'padding', 4);
  const [strideRows, strideColumns] = numbers(attrs, 'stride', 2);
  const [dilationRows, dilationColumns] = numbers(attrs, 'dilation', 2);
  const groups = Number(attrs['groups']);
  return {
    images: x[0]!,
    groups,
    channels: weight[1]!,
    filters: weight[0]! / groups,
    image: [x[2]!, x[3]!],
    window: [weight[2]!, weight[3]!],
    result: [out[2]!, out[3]!],
    stride: [strideRows!, strideColumns!],
    dilation: [dilationRows!, dilationColumns!],
    top: padding[0]!,
    left: padding[2]!,
  };
}

/** The multiplications of a convolution or of one of its gradients. */
export function workOf({ images, groups, channels, filters, window, result }: Geometry, { dtype }: TensorMeta): Work {
  const sizes = [images, groups, channels, filters, ...window, ...result];
  return { kind: 'convolution', dtype, size: sizes.reduce((product, size) => product * size, 1) };
}

function numbers(attrs: Attrs, name: string, count: number): readonly number[] {
  const value = attrs[name];
  if (!Array.isArray(value) || value.length !== count) throw new TypeError(`${name} must have ${count} numbers`);
  return value.map(Number);
}
