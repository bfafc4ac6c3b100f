/**
 * Calls of ops as a user would write them, from a case's data: required inputs and attributes by position, all others as options.
 * Internal ops are called through the same functions, which the registry has too.
 */
import { type Dtype, memory, noGrad, OpwrightError, seed, Tensor } from '../../entry/index.js';
import { isComplexDtype, partsOf } from '../../runtime/dtype.js';
import { ops } from '../../runtime/registry.js';
import { type Elements, type InputData, type InputElements, inputElements, type TensorData } from '../support/samples.js';
import type { OpCase, SampleAttrs } from './cases.js';
import { type LayoutName, layElements, makeTensor, readTensor, toDtype } from './tensors.js';

export type Argument = Tensor | number | readonly (Tensor | number)[];
/** By name; an absent optional input has no entry. */
export type ArgumentsByName = Readonly<Record<string, Argument>>;

type OpFunction = (...args: unknown[]) => unknown;

const functions: ReadonlyMap<string, OpFunction> = new Map(Object.entries(ops));

export function functionOf(op: string): OpFunction {
  const found = functions.get(op);
  if (found === undefined) throw new Error(`no function named ${op} is registered`);
  return found;
}

/** The op's arguments in the order of its function. */
export function argumentList(test: OpCase, inputs: Readonly<Record<string, unknown>>, attrs: SampleAttrs): unknown[] {
  const positional = [
    ...test.inputs.filter(({ optional }) => !optional).map(({ name }) => inputs[name]),
    ...test.attrs.filter(({ required }) => required).map(({ name }) => attrs[name]),
  ];
  const options = {
    ...pickPresent(
      test.inputs.filter(({ optional }) => optional),
      inputs,
    ),
    ...pickPresent(
      test.attrs.filter(({ required }) => !required),
      attrs,
    ),
  };
  return Object.keys(options).length === 0 ? positional : [...positional, options];
}

function pickPresent(arguments_: readonly { readonly name: string }[], values: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(arguments_.flatMap(({ name }) => (name in values ? [[name, values[name]]] : [])));
}

/** Calls the op, with random numbers that are the same each time; gives its returned outputs in order, lists one after another. */
export function call(test: OpCase, inputs: ArgumentsByName, attrs: SampleAttrs): Tensor[] {
  seed(20);
  return tensorsOf(test, functionOf(test.op)(...argumentList(test, inputs, attrs)));
}

export function tensorsOf(test: OpCase, result: unknown): Tensor[] {
  if (result === undefined) return [];
  if (result instanceof Tensor) return [result];
  if (Array.isArray(result)) return result;
  const byName = new Map<string, unknown>(Object.entries(result ?? {}));
  const names = returnedOutputs(test).map(({ name }) => name);
  if ([...byName.keys()].sort().join() !== names.toSorted().join())
    throw new Error(`${test.op} returned ${[...byName.keys()].join(', ')} instead of ${names.join(', ')}`);
  return names.map((name) => {
    const value = byName.get(name);
    if (value instanceof Tensor) return value;
    throw new Error(`${test.op} returned no tensor as ${name}`);
  });
}

export const returnedOutputs = (test: OpCase) => test.outputs.filter(({ hidden, writes }) => !hidden && writes === null);

/** The name of each returned tensor; `parts` for all of a list. */
export function outputNames(test: OpCase, results: readonly Tensor[]): string[] {
  const outputs = returnedOutputs(test);
  return results.map((_, place) => (outputs[0]?.list ? outputs[0].name : outputs[place]!.name));
}

/** Every visible output: what was returned, and what was written into inputs. */
export function readOutputs(test: OpCase, inputs: ArgumentsByName, results: readonly Tensor[]): Elements[] {
  let returned = 0;
  return test.outputs
    .filter(({ hidden }) => !hidden)
    .flatMap(({ list, writes }) => {
      const found = writes !== null ? [inputs[writes]].flat() : list ? results : [results[returned++]];
      return found.map((tensor) => {
        if (!(tensor instanceof Tensor)) throw new Error(`${test.op} lacks an output`);
        return readTensor(tensor);
      });
    });
}

/** Calls the op and gives what came out, as elements. Everything that was made is disposed. */
export function evaluate(test: OpCase, inputs: ArgumentsByName, attrs: SampleAttrs): Elements[] {
  return evaluateBy(test, inputs, () => functionOf(test.op)(...argumentList(test, inputs, attrs)));
}

/** As `evaluate`, for another way to call the op. */
export function evaluateBy(test: OpCase, inputs: ArgumentsByName, calling: () => unknown): Elements[] {
  seed(20);
  return noGrad(() => {
    const results = tensorsOf(test, calling());
    try {
      return readOutputs(test, inputs, results);
    } finally {
      for (const result of results) result.dispose();
    }
  });
}

// ---- Arguments from elements

export type ElementsByName = Readonly<Record<string, InputElements>>;

/** The elements of a sample. `inDtype` says which dtype a tensor is to have in place of its own. */
export function sampleElements(
  op: string,
  place: number,
  inputs: Readonly<Record<string, InputData>>,
  inDtype: (input: string, own: Dtype) => Dtype = (_, own) => own,
): ElementsByName {
  const drawn = Object.entries(inputs).map(([name, data]): [string, InputElements] => {
    const wanted = mapData(data, (one) => inAnotherDtype(one, inDtype(name, one.dtype)));
    return [name, inputElements(op, name, place, wanted)];
  });
  return mapElements(Object.fromEntries(drawn), (one) => ({
    ...one,
    values: one.values.map((value) => toDtype(value, one.dtype)),
  }));
}

/** Stated values get or lose imaginary parts where the dtype asks for it; random ones are drawn in the dtype. */
function inAnotherDtype(data: TensorData, dtype: Dtype): TensorData {
  if (!('values' in data) || partsOf(data.dtype) === partsOf(dtype)) return { ...data, dtype };
  const { values } = data;
  return {
    ...data,
    dtype,
    values: isComplexDtype(dtype) ? values.flatMap((value) => [value, 0]) : values.filter((_, at) => at % 2 === 0),
  };
}

function mapData(data: InputData, change: (data: TensorData) => TensorData): InputData {
  if (typeof data === 'number') return data;
  return isList(data) ? data.map((one) => mapData(one, change)) : change(data);
}

export function mapElements(elements: ElementsByName, change: (one: Elements, input: string) => Elements): ElementsByName {
  const visit = (name: string, value: InputElements): InputElements =>
    typeof value === 'number' ? value : isListOfElements(value) ? value.map((one) => visit(name, one)) : change(value, name);
  return Object.fromEntries(Object.entries(elements).map(([name, value]) => [name, visit(name, value)]));
}

/** All that is no plain number, lists one after another. */
export function listElements(elements: ElementsByName): Elements[] {
  const visit = (value: InputElements): Elements[] =>
    typeof value === 'number' ? [] : isListOfElements(value) ? value.flatMap(visit) : [value];
  return Object.values(elements).flatMap(visit);
}

/** Tensors of elements, in a layout that may depend on the input. */
export function makeArguments(
  elements: ElementsByName,
  layoutOf: (input: string) => LayoutName = () => 'contiguous',
): ArgumentsByName {
  const make = (name: string, value: InputElements): Tensor | number => {
    if (typeof value === 'number') return value;
    if (isListOfElements(value)) throw new Error(`${name} is a list of lists`);
    return makeTensor(layElements(value, layoutOf(name)), layoutOf(name));
  };
  return Object.fromEntries(
    Object.entries(elements).map(([name, value]): [string, Argument] => [
      name,
      isListOfElements(value) ? value.map((one) => make(name, one)) : make(name, value),
    ]),
  );
}

export function isList(data: InputData): data is readonly InputData[] {
  return Array.isArray(data);
}

export function isListOfElements(value: InputElements): value is readonly InputElements[] {
  return Array.isArray(value);
}

export function tensorsIn(inputs: ArgumentsByName): Tensor[] {
  return Object.values(inputs)
    .flat()
    .filter((one) => one instanceof Tensor);
}

/** Runs with arguments that are disposed afterwards. */
export function withArguments<R>(inputs: ArgumentsByName, run: (inputs: ArgumentsByName) => R): R {
  try {
    return run(inputs);
  } finally {
    for (const tensor of tensorsIn(inputs)) tensor.dispose();
  }
}

/** Runs, and throws if storages were left behind that had not been there. */
export function withoutLeak<R>(run: () => R): R {
  const before = memory();
  const result = run();
  const after = memory();
  if (after.storages !== before.storages || after.bytes !== before.bytes)
    throw new Error(`${after.storages - before.storages} storages of ${after.bytes - before.bytes} bytes leaked`);
  return result;
}

/** Faults of a device, and of kernels that it cannot make. */
const faults: ReadonlySet<string> = new Set(['DEVICE_ERROR', 'DEVICE_LOST', 'NATIVE_COMPILE']);

/** Whether it is an op that refuses its arguments, rather than one that went wrong. */
export function isRefusal(error: unknown): error is OpwrightError {
  return error instanceof OpwrightError && !faults.has(error.code);
}
