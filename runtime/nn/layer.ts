/**
 * The base class of layers. A layer owns what is assigned to its properties: parameters, buffers, other layers, and arrays, maps and
 * plain objects of those. Nothing is registered; names are property names joined by dots. Computing is left to `forward`.
 */
import { type InspectOptions, inspect } from 'node:util';
import { type DeviceLike, deviceOf } from '../places.js';
import { BufferTensor, Parameter, settle } from './parameter.js';
import { restoreState, type StateDict } from './state.js';

/**
 * A part of a network with state.
 *
 *     class Perceptron extends Layer {
 *       hidden = new Linear(784, 32);
 *       output = new Linear(32, 10);
 *
 *       forward(x: Tensor): Tensor {
 *         return this.output.forward(relu(this.hidden.forward(x)));
 *       }
 *     }
 *
 * Its parameters are `hidden.weight`, `hidden.bias`, `output.weight` and `output.bias`. Fields whose names begin with `#` are not
 * seen, plain tensors are not state, and what can be reached by two names counts under the first.
 *
 * @example
 * ```ts
 * class Perceptron extends Layer {
 *   hidden = new Linear(4, 8);
 *   output = new Linear(8, 2);
 *
 *   forward(x: Tensor): Tensor {
 *     return this.output.forward(relu(this.hidden.forward(x)));
 *   }
 * }
 *
 * const model = new Perceptron();
 * console.log(model);
 * console.log(model.forward(ones([3, 4])).shape);
 * console.log(Object.keys(model.stateDict()));
 * ```
 */
export abstract class Layer {
  /** Whether the layer behaves as in training: set by train() and eval(), read by Dropout, BatchNorm2D and the like. */
  training = true;

  /** Computes the layer's result. Subclasses choose their arguments and their result. */
  abstract forward(...inputs: never[]): unknown;

  /** What the layer owns, under the names it shall have; by default its properties. */
  members(): Iterable<readonly [string, unknown]> {
    return Object.entries(this);
  }

  /** What a printed layer shows between its brackets; nothing by default. */
  protected describe(): string {
    return '';
  }

  /** Parameters of this layer and all below it, the frozen ones included. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  namedParameters(): [string, Parameter][] {
    return namedMembers(this, (member) => member instanceof Parameter);
  }

  /** Buffers of this layer and all below it. */
  buffers(): BufferTensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  namedBuffers(): [string, BufferTensor][] {
    return namedMembers(this, (member) => member instanceof BufferTensor);
  }

  /** All layers below this one, outer ones before what they contain. */
  sublayers(): Layer[] {
    return this.namedSublayers().map(([, layer]) => layer);
  }

  namedSublayers(): [string, Layer][] {
    return namedMembers(this, (member) => member instanceof Layer);
  }

  /** Puts this layer and all below it into training mode. */
  train(): this {
    return this.setTraining(true);
  }

  /** Puts this layer and all below it into evaluation mode: dropout passes everything, batch normalisation uses running statistics. */
  eval(): this {
    return this.setTraining(false);
  }

  /** Drops the gradients of all parameters. */
  clearGradients(): void {
    for (const parameter of this.parameters()) clearGradient(parameter);
  }

  /** Parameters and buffers by name. They are the layer's own tensors, not copies: training goes on changing them. */
  stateDict(): StateDict {
    return Object.fromEntries([...this.namedParameters(), ...this.namedBuffers()]);
  }

  /**
   * Copies values into parameters and buffers, converting between floating dtypes. All names must be there and no others. Throws
   * INVALID_ARGUMENT, SHAPE_MISMATCH or DTYPE_MISMATCH with a list of all that does not fit; then nothing was changed.
   */
  setStateDict(state: Readonly<StateDict>): void {
    restoreState(this.constructor.name, this.stateDict(), state);
  }

  /**
   * Moves parameters and buffers of this layer and all below it to another device, and gives the layer. They stay the same tensors, so
   * optimizers that have them go on; their gradients are dropped.
   *
   * Throws DEVICE_UNAVAILABLE where there is no such device; then nothing was moved.
   */
  to(device: DeviceLike): this {
    const target = deviceOf(device);
    this.clearGradients();
    for (const tensor of Object.values(this.stateDict())) settle(tensor, target);
    return this;
  }

  /** Frees parameters, their gradients and buffers. The layer cannot be used any more. */
  dispose(): void {
    this.clearGradients();
    for (const tensor of Object.values(this.stateDict())) tensor.dispose();
  }

  [inspect.custom](depth: number, options: InspectOptions, print: typeof inspect): string {
    const lines = directSublayers(this).map(([name, layer]) => {
      const text = depth < 0 ? layer.constructor.name : print(layer, { ...options, depth: depth - 1 });
      return `  ${name}: ${text.replaceAll('\n', '\n  ')}`;
    });
    const heading = `${this.constructor.name}(${this.describe()})`;
    return lines.length === 0 ? heading : `${heading} {\n${lines.join('\n')}\n}`;
  }

  private setTraining(training: boolean): this {
    for (const layer of [this, ...this.sublayers()]) layer.training = training;
    return this;
  }
}

/** Drops a parameter's gradient, and frees its memory unless somebody has read it. */
export function clearGradient(parameter: Parameter): void {
  parameter.replaceGradient(null);
}

function namedMembers<T>(layer: Layer, wanted: (member: unknown) => member is T): [string, T][] {
  const found: [string, T][] = [];
  for (const [name, member] of walk(layer, '', new Set([layer]), () => true)) if (wanted(member)) found.push([name, member]);
  return found;
}

function directSublayers(layer: Layer): [string, Layer][] {
  const found: [string, Layer][] = [];
  for (const [name, member] of walk(layer, '', new Set([layer]), () => false))
    if (member instanceof Layer) found.push([name, member]);
  return found;
}

/** Everything a layer owns, depth first, each once, under its path; `enter` says whether to go into a layer that was met. */
function* walk(owner: object, prefix: string, met: Set<unknown>, enter: (layer: Layer) => boolean): Generator<[string, object]> {
  for (const [name, member] of membersOf(owner)) {
    if (typeof member !== 'object' || member === null || met.has(member)) continue;
    met.add(member);
    const path = prefix + name;
    const isLayer = member instanceof Layer;
    if (isLayer || member instanceof Parameter || member instanceof BufferTensor) yield [path, member];
    if (isLayer ? enter(member) : isContainer(member)) yield* walk(member, `${path}.`, met, enter);
  }
}

function membersOf(owner: object): Iterable<readonly [string, unknown]> {
  if (owner instanceof Layer) return owner.members();
  return owner instanceof Map ? [...owner].map(([key, value]) => [String(key), value]) : Object.entries(owner);
}

/** Instances of other classes are not looked into: what they hold is theirs. */
function isContainer(value: object): boolean {
  if (Array.isArray(value) || value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
