/** Reading the arguments that library kernels are bound to, and handing them on as kernels need them. */
import type { Arguments, LayoutMeta } from '../../kernels/op.js';
import { addressOf, ContiguousCopy } from '../copies.js';
import type { Device } from '../devices/device.js';
import { stridedLayout } from '../layout.js';
import type { Tensor } from '../tensor.js';

/** The layout of an input that is there and no list. */
export function layoutOf(inputs: Arguments<LayoutMeta>, name: string): LayoutMeta {
  const layout = inputs[name];
  if (layout === undefined || !('shape' in layout)) throw new TypeError(`${name} must be one tensor`);
  return layout;
}

/** Where an input stands among the tensors of a run; the inputs before it must be there and no lists. */
export function placeOf(inputs: Arguments<LayoutMeta>, name: string): number {
  return Object.keys(inputs).indexOf(name);
}

/** An input that kernels read contiguous, copied first where it is not. */
export class ContiguousInput {
  private readonly copy: ContiguousCopy | null;

  constructor(device: Device, { shape, strides, dtype }: LayoutMeta) {
    const layout = stridedLayout(shape, strides, 0);
    this.copy = layout.contiguous ? null : new ContiguousCopy(device, layout, dtype);
  }

  with<R>(tensor: Tensor, use: (address: number) => R): R {
    if (this.copy === null) return use(addressOf(tensor));
    const copied = this.copy.run(tensor);
    try {
      return use(copied.storage.address);
    } finally {
      copied.dispose();
    }
  }

  free(): void {
    this.copy?.free();
  }
}
