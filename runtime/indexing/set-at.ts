/**
 * Writing by index, in place: `x.setAt('1:, 0', value)` writes what `x.at('1:, 0')` reads. The value is broadcast; where an index names a place
 * several times, its last value stays. What in-place forms refuse (runtime/in-place.ts) is refused here.
 *
 * Without gradients a view is written as such. Otherwise the same index chooses from the places of x's elements, and an op puts the values
 * there: its gradients are those of x elsewhere, and of the values.
 */
import { gradientsEnabled, noGrad } from '../autograd.js';
import { type TensorData, tensor } from '../create.js';
import { promote } from '../dtype.js';
import { tidy } from '../memory.js';
import { ops } from '../registry.js';
import { Tensor } from '../tensor.js';
import { chosen, isView } from './at.js';
import { type Component, type IndexPart, readIndex } from './components.js';

/**
 * Writes a value where an index points, and gives x back. A list is what `at` takes one by one: `setAt([0, [1, 2]], value)` writes what
 * `at(0, [1, 2])` reads.
 */
export function setAt(x: Tensor, index: IndexPart | readonly IndexPart[], value: Tensor | TensorData): Tensor {
  x.checkUsable('setAt', 'x');
  tidy(() => {
    const components = readIndex(isList(index) ? index : [index], x.shape);
    const values = valuesFor(x, value);
    const records = gradientsEnabled() && !(x.stopGradient && values.stopGradient);
    if (!records && isView(components)) noGrad(() => ops.overwrite_(chosen(x, components), values));
    else put(x, components, values);
  });
  return x;
}

const isList = (index: IndexPart | readonly IndexPart[]): index is readonly IndexPart[] => Array.isArray(index);

function put(x: Tensor, components: readonly Component[], values: Tensor): void {
  const places = chosen(ops.reshape(ops.arange(x.size), x.shape), components);
  ops.putAt_(x, places, values);
}

/** The value in x's dtype, without leading axes of size 1: these broadcast to nothing. A dtype that does not fit is refused by the op. */
function valuesFor(x: Tensor, value: Tensor | TensorData): Tensor {
  const given = value instanceof Tensor ? value : tensor(value, { dtype: x.dtype, device: x.device });
  given.checkUsable('setAt', 'value');
  const fitting = promote(x.dtype, given.dtype) === x.dtype ? ops.cast(given, x.dtype) : given;
  const first = fitting.shape.findIndex((size) => size !== 1);
  const ones = first < 0 ? fitting.rank : first;
  return ones > 0 ? ops.reshape(fitting, fitting.shape.slice(ones)) : fitting;
}
