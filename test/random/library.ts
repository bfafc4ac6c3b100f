/** The library's side: tensors of reference arrays, calls as a user writes them, and results compared with the reference's. */
import { type Dtype, Tensor, tensor } from '../../entry/index.js';
import { definitionOf, ops } from '../../runtime/registry.js';
import type { Reference } from './array.js';
import { type Element, isInteger } from './formats.js';
import { type Argument, isList, type ProgramCall } from './program.js';

export function toTensor({ dtype, shape, values }: Reference, stopGradient = true): Tensor {
  return tensor([...values], { dtype, shape: [...shape], stopGradient });
}

export function fromTensor(from: Tensor): Reference {
  const { dtype, shape } = from;
  const values = Array.from<number | bigint, Element>(from.dataSync(), isInteger(dtype) ? BigInt : Number);
  return { dtype, shape, values, errors: new Array<number>(values.length).fill(0) };
}

const functions: ReadonlyMap<string, (...args: readonly unknown[]) => unknown> = new Map(Object.entries(ops));

/** Required inputs and attributes by position, the others as options, as in a user's program. */
export function callLibrary({ op, inputs, attrs }: ProgramCall, tensors: readonly Tensor[]): Tensor[] {
  const definition = definitionOf(op);
  const one = (argument: Argument): Tensor | number => {
    if (typeof argument === 'number') return argument;
    return 'constant' in argument ? toTensor(argument.constant) : tensors[argument.value]!;
  };
  const given = (name: string): unknown => {
    const argument = inputs[name];
    if (argument === undefined) return undefined;
    return isList(argument) ? argument.map(one) : one(argument);
  };
  const positional = [
    ...definition.inputs.filter(({ optional }) => !optional).map(({ name }) => given(name)),
    ...definition.attrs.filter(({ required }) => required).map(({ name }) => attrs[name]),
  ];
  const options = Object.fromEntries([
    ...definition.inputs.filter(({ optional, name }) => optional && name in inputs).map(({ name }) => [name, given(name)]),
    ...definition.attrs.filter(({ required, name }) => !required && name in attrs).map(({ name }) => [name, attrs[name]]),
  ]);
  return tensorsOf(functions.get(op)?.(...positional, ...(Object.keys(options).length === 0 ? [] : [options])));
}

function tensorsOf(result: unknown): Tensor[] {
  if (result instanceof Tensor) return [result];
  const list: unknown[] = Array.isArray(result) ? result : Object.values(result ?? {});
  return list.filter((one) => one instanceof Tensor);
}

/** How much was compared, over all programs. */
export class Coverage {
  programs = 0;
  calls = 0;
  refused = 0;
  elements = 0;
  /** Elements whose bound is infinite. */
  open = 0;
  readonly ops = new Map<string, number>();

  count(op: string): void {
    this.calls++;
    this.ops.set(op, (this.ops.get(op) ?? 0) + 1);
  }

  toString(): string {
    const open = this.elements === 0 ? 0 : (100 * this.open) / this.elements;
    return `${this.programs} programs, ${this.calls} calls of ${this.ops.size} ops (${this.refused} refused), ${this.elements} elements compared, ${open.toFixed(2)} % of them with an infinite bound`;
  }
}

export class Mismatch extends Error {}

export function compare(got: Reference, expected: Reference, coverage: Coverage): void {
  if (got.dtype !== expected.dtype) throw new Mismatch(`dtype ${got.dtype} instead of ${expected.dtype}`);
  if (String(got.shape) !== String(expected.shape))
    throw new Mismatch(`shape [${got.shape.join()}] instead of [${expected.shape.join()}]`);
  coverage.elements += expected.values.length;
  expected.values.forEach((value, place) => {
    const error = expected.errors[place]!;
    if (error === Number.POSITIVE_INFINITY) coverage.open++;
    else if (!agrees(got.values[place]!, value, error))
      throw new Mismatch(`element ${place} is ${got.values[place]} instead of ${value} within ${error}`);
  });
}

function agrees(got: Element, value: Element, error: number): boolean {
  if (got === value) return true;
  if (typeof got === 'bigint' || typeof value === 'bigint') return Math.abs(Number(BigInt(got) - BigInt(value))) <= error;
  if (Number.isNaN(value)) return Number.isNaN(got);
  return Math.abs(got - value) <= error;
}

/** Where gradients flow: float tensors. */
export const isFloatTensor = ({ dtype }: { readonly dtype: Dtype }): boolean => dtype.includes('float');
