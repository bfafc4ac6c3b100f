/** Functions as Tensor methods: `x.softmax({ axis: 1 })` is `softmax(x, { axis: 1 })`, and `loss.backward()` is `backward(loss)`. */
import type { Dtype } from '../kernels/op.js';
import { backward, type RootOptions } from './autograd.js';
import { type ToOptions, to } from './move.js';
import type { DeviceLike } from './places.js';
import { Tensor } from './tensor.js';

declare module './tensor.js' {
  interface Tensor<D extends Dtype = Dtype> {
    /** Adds to `grad` of each leaf that this tensor was computed from; see {@link backward}. */
    backward(options?: RootOptions): void;
    /** This tensor on another device, or in another dtype; see {@link to}. */
    to<E extends Dtype>(dtype: E): Tensor<E>;
    to<E extends Dtype>(device: DeviceLike, options: ToOptions<E> & { readonly dtype: E }): Tensor<E>;
    to(device: DeviceLike): Tensor<D>;
  }
}

/** Puts functions whose first argument is a tensor on the prototype. Their types are merged in by generated code. */
export function addTensorMethods(functions: Readonly<Record<string, (x: Tensor, ...rest: never[]) => unknown>>): void {
  for (const [name, fn] of Object.entries(functions)) {
    Object.defineProperty(Tensor.prototype, name, {
      configurable: true,
      writable: true,
      value(this: Tensor, ...rest: never[]): unknown {
        return fn(this, ...rest);
      },
    });
  }
}

addTensorMethods({ backward, to });
