/**
 * Layers run one after the other.
 */
import { formatValue, OpwrightError } from '../../errors.js';
import type { Tensor } from '../../tensor.js';
import { Layer } from '../layer.js';

/** A layer of one tensor that gives one tensor. */
export type UnaryLayer = Layer & { forward(x: Tensor): Tensor };

/**
 * A chain of layers, each given the result of the one before. They are named 0, 1, ... or as given:
 *
 *     new Sequential(new Linear(784, 32), new ReLU(), ['output', new Linear(32, 10)])   // parameters 0.weight, ..., output.bias
 *
 * @example
 * ```ts
 * const model = new Sequential(new Linear(4, 8), new ReLU(), ['output', new Linear(8, 2)]);
 * console.log(model);
 * console.log(model.forward(ones([3, 4])).shape);
 * ```
 */
export class Sequential extends Layer {
  readonly #layers: readonly (readonly [string, UnaryLayer])[];

  /** Throws INVALID_ARGUMENT for what is no layer, and for a name that is used twice. */
  constructor(...layers: (UnaryLayer | readonly [string, UnaryLayer])[]) {
    super();
    this.#layers = layers.map((layer, index) => (layer instanceof Layer ? [`${index}`, layer] : layer));
    const names = new Set<string>();
    for (const [name, layer] of this.#layers) {
      if (!(layer instanceof Layer)) throw invalid(`${formatValue(layer)} is no layer.`);
      if (names.has(name)) throw invalid(`Two layers are named ${formatValue(name)}.`);
      names.add(name);
    }
  }

  forward(x: Tensor): Tensor {
    let result = x;
    for (const [, layer] of this.#layers) result = layer.forward(result);
    return result;
  }

  override members(): Iterable<readonly [string, unknown]> {
    return this.#layers;
  }
}

function invalid(fault: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', fault, { op: 'Sequential', argument: 'layers' });
}
