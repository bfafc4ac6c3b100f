/** Op functions as Tensor methods: `x.softmax({ axis: 1 })` is `softmax(x, { axis: 1 })`. */
import { Tensor } from './tensor.js';

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
