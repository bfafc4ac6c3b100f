/**
 * The one door between the runtime and the generated ops: their definitions by name, their public functions, typed, and the kernel
 * functions that library ops are made of.
 *
 * generated/index.ts fills it when it is loaded, and merges each op's signature into `OpFunctions`; the runtime (autograd, layers,
 * optimizers) calls `ops.conv2d(...)` as a user would, without importing generated code.
 */
import type { Kernel } from '../kernels/ir.js';
import type { Algebra, AlgebraOf, OpDefinition, Value } from '../kernels/op.js';
import { OpwrightError } from './errors.js';

// biome-ignore lint/suspicious/noEmptyInterface: generated code merges one member for each public op into it
export interface OpFunctions {}

const definitions = new Map<string, OpDefinition>();
const functions: Record<string, unknown> = {};

/** The public function of each registered op. */
export const ops = functions as unknown as OpFunctions; // filled by name, which no type can follow

const kernels = new Map<string, Kernel>();

/** Adds kernel functions, for library kernels to use. */
export function registerKernelFunctions(compiled: readonly Kernel[]): void {
  for (const kernel of compiled) kernels.set(kernel.name, kernel);
}

export function kernelFunction(name: string): Kernel {
  const kernel = kernels.get(name);
  if (kernel === undefined) throw new OpwrightError('UNKNOWN_OP', `No kernel function named ${name} is registered.`);
  return kernel;
}

/** Adds a library's ops. A name that is taken is an error: ops are never replaced silently. */
export function registerOps(library: readonly OpDefinition[], publicFunctions: Readonly<Record<string, unknown>>): void {
  for (const op of library) {
    if (definitions.has(op.name))
      throw new OpwrightError('INVALID_ARGUMENT', `An op named ${op.name} is registered already.`, { op: op.name });
    definitions.set(op.name, op);
    addMethod(op);
  }
  Object.assign(functions, publicFunctions);
}

export function definitionOf(name: string): OpDefinition {
  const op = definitions.get(name);
  if (op === undefined) throw new OpwrightError('UNKNOWN_OP', `No op named ${name} is registered.`, { op: name });
  return op;
}

export function registeredOps(): IterableIterator<OpDefinition> {
  return definitions.values();
}

/**
 * An algebra with a method for each op: `g.softmax(x, { axis })` is `apply(softmax, { x }, { axis })`. The methods stand on an
 * object of their own, so that no op's name can hide a member of the algebra.
 */
class OpMethods<V extends Value> implements Algebra<V> {
  constructor(private readonly algebra: Algebra<V>) {}

  apply(...call: Parameters<Algebra<V>['apply']>): readonly V[] {
    return this.algebra.apply(...call);
  }
}

export function withOpMethods<V extends Value>(algebra: Algebra<V>): AlgebraOf<V> {
  return new OpMethods(algebra) as unknown as AlgebraOf<V>; // the methods are added by name, which no type can follow
}

function addMethod(op: OpDefinition): void {
  const required = op.attrs.filter((attr) => attr.required);
  const positional = op.inputs.filter((input) => !input.optional);
  const named = op.inputs.filter((input) => input.optional);
  Object.defineProperty(OpMethods.prototype, op.name, {
    value(this: Algebra<Value>, ...args: unknown[]): unknown {
      const inputs: Record<string, unknown> = {};
      const attrs: Record<string, unknown> = {};
      positional.forEach((input, index) => {
        inputs[input.name] = args[index];
      });
      required.forEach((attr, index) => {
        attrs[attr.name] = args[positional.length + index];
      });
      const options = (args[positional.length + required.length] ?? {}) as Record<string, unknown>;
      for (const [name, value] of Object.entries(options)) {
        if (named.some((input) => input.name === name)) inputs[name] = value;
        else attrs[name] = value;
      }
      return nameResults(op, this.apply(op, inputs as never, attrs as never));
    },
  });
}

/** One result as itself, several as an object by name. An algebra may leave hidden outputs out. */
export function nameResults<V>(op: OpDefinition, results: readonly V[]): V | readonly V[] | Record<string, V> {
  if (op.outputs[0]?.list) return results;
  const visible = op.outputs.filter((output) => !output.hidden && output.writes === undefined);
  const present = results.length === op.outputs.length ? op.outputs : visible;
  if (visible.length === 1) return results[present.indexOf(visible[0]!)]!;
  return Object.fromEntries(present.map((output, index) => [output.name, results[index]!]));
}
