/** Functions as Tensor methods: `x.softmax({ axis: 1 })` is `softmax(x, { axis: 1 })`, and `loss.backward()` is `backward(loss)`. */
import type { Dtype } from '../kernels/op.js';
import { backward, type RootOptions } from './autograd.js';
import type { TensorData } from './create.js';
import {
  type AxisOptions,
  type BincountOptions,
  bincount,
  repeatByCounts,
  type UniqueConsecutive,
  uniqueConsecutive,
} from './data-sized.js';
import type { TensorLike } from './dispatch.js';
import { at } from './indexing/at.js';
import type { IndexPart } from './indexing/components.js';
import { setAt } from './indexing/set-at.js';
import { type ToOptions, to } from './move.js';
import { type MultinomialOptions, multinomial } from './multinomial.js';
import type { DeviceLike } from './places.js';
import { Tensor } from './tensor.js';

declare module './tensor.js' {
  interface Tensor<D extends Dtype = Dtype> {
    /** Adds to `grad` of each leaf that this tensor was computed from; see {@link backward}. */
    backward(options?: RootOptions): void;
    /** Part of this tensor, or elements of it, chosen by an index; see {@link at}. */
    at(...index: readonly IndexPart[]): Tensor<D>;
    /** Writes a value where an index points, in place, and gives this tensor back; see {@link setAt}. */
    setAt(index: IndexPart | readonly IndexPart[], value: Tensor | TensorData): this;
    /** How often each whole number occurs; see {@link bincount}. */
    bincount(options?: BincountOptions): Tensor;
    /** Each part as often in a row as counts say; see {@link repeatByCounts}. */
    repeatByCounts(counts: TensorLike, options?: AxisOptions): Tensor;
    /** The first of each run of equal parts; see {@link uniqueConsecutive}. */
    uniqueConsecutive(options?: AxisOptions): UniqueConsecutive;
    /** Places drawn by weight; see {@link multinomial}. */
    multinomial(options?: MultinomialOptions): Tensor;
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

addTensorMethods({ at, backward, bincount, multinomial, repeatByCounts, setAt, to, uniqueConsecutive });
