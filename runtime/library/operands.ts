/** Reading the arguments that library kernels are bound to. */
import type { Arguments, LayoutMeta } from '../../kernels/op.js';

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
