/**
 * Tensors put together from parts: concat and pad. Each part is copied into a view of the output, so that any layout is taken as
 * it is.
 */
import { bytesOf } from '../../kernels/ir.js';
import type { Arguments, LayoutMeta, TensorMeta } from '../../kernels/op.js';
import { StridedCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import { contiguousStrides } from '../layout.js';
import { emptyTensor, type Tensor } from '../tensor.js';
import { FillKernel } from './fill.js';
import type { LibraryKernel, LibraryRun } from './index.js';

/** A box of an input that is copied to a box of the output; offsets in elements. */
interface Piece {
  readonly input: number;
  readonly copy: StridedCopy;
  readonly from: number;
  readonly to: number;
}

class Assembly implements LibraryRun {
  constructor(
    private readonly device: Device,
    private readonly output: TensorMeta,
    private readonly pieces: readonly Piece[],
    private readonly fill: FillKernel | null,
  ) {}

  run(inputs: readonly Tensor[]): Tensor[] {
    const out = emptyTensor(this.device, this.output.shape, this.output.dtype);
    const bytes = bytesOf[this.output.dtype];
    this.fill?.run(out.storage.address, out.size);
    for (const { input, copy, from, to } of this.pieces) {
      const source = inputs[input]!;
      copy.run(source.storage.address + (source.layout.offset + from) * bytes, out.storage.address + to * bytes);
    }
    return [out];
  }

  free(): void {
    for (const { copy } of this.pieces) copy.free();
    this.fill?.free();
  }
}

export const concat: LibraryKernel = (device, inputs, attrs, [output]) => {
  const parts = inputs.xs as readonly LayoutMeta[];
  const axis = attrs.axis as number;
  const strides = contiguousStrides(output!.shape);
  let start = 0;
  const pieces = parts.map((part, input): Piece => {
    const to = start * strides[axis]!;
    start += part.shape[axis]!;
    return { input, copy: new StridedCopy(device, part, { strides }, output!.dtype), from: 0, to };
  });
  return new Assembly(device, output!, pieces, null);
};

export const pad: LibraryKernel = (device, inputs, attrs, [output]) => {
  const x = onlyInput(inputs);
  const padding = attrs.padding as readonly number[];
  const strides = contiguousStrides(output!.shape);
  const shape: number[] = [];
  let from = 0;
  let to = 0;
  x.shape.forEach((size, axis) => {
    const before = padding[2 * axis]!;
    const after = padding[2 * axis + 1]!;
    shape.push(Math.max(0, size + Math.min(0, before) + Math.min(0, after)));
    from += Math.max(0, -before) * x.strides[axis]!;
    to += Math.max(0, before) * strides[axis]!;
  });
  const copy = new StridedCopy(device, { shape, strides: x.strides }, { strides }, output!.dtype);
  const covered = padding.every((amount) => amount <= 0);
  const fill = covered ? null : new FillKernel(device, output!, Number(attrs.value ?? 0));
  return new Assembly(device, output!, [{ input: 0, copy, from, to }], fill);
};

function onlyInput(inputs: Arguments<LayoutMeta>): LayoutMeta {
  const [only] = Object.values(inputs);
  return only as LayoutMeta;
}
