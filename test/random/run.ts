/**
 * Runs random programs in three ways.
 *
 * Eager: op by op. Each result is compared with the reference's for the very operands that the library had, so that errors do not add up
 * and no bound grows; at the end every value is read again, and nothing may have leaked.
 * Fused: all calls as the definition of one op, which is traced, partitioned and fused. Results are compared with the reference's run of
 * the whole program, whose error bounds are carried from call to call.
 * Gradient: smooth programs in float64; what backward gives is compared with central differences of the reference, and products of the
 * second derivative with central differences of the gradient.
 */
import { memory, noGrad, OpwrightError, type Tensor, tidy } from '../../entry/index.js';
import type { AlgebraOf, Arguments, OpDefinition, Value } from '../../kernels/op.js';
import { callList } from '../../runtime/dispatch.js';
import { definitionOf } from '../../runtime/registry.js';
import type { Reference } from './array.js';
import type { Mode } from './building.js';
import { checkGradients } from './gradient.js';
import { type Coverage, callLibrary, compare, fromTensor, Mismatch, toTensor } from './library.js';
import { type Argument, decode, describe, type Genes, isList, type Program, type ProgramCall } from './program.js';

/** Throws a Mismatch with the program in its message. */
export function runProgram(genes: Genes, mode: Mode, coverage: Coverage): void {
  const before = memory();
  tidy(() => {
    if (mode === 'eager') runEager(genes, coverage);
    else {
      const program = decode(genes, mode);
      for (const { op } of program.calls) coverage.count(op);
      explaining(program, () => (mode === 'fused' ? runFused(program, coverage) : checkGradients(program, coverage)));
    }
  });
  // What gradients keep of a graph that is kept is freed when that is collected.
  if (mode === 'gradient') return void coverage.programs++;
  const after = memory();
  if (after.storages !== before.storages) throw new Mismatch(`${after.storages - before.storages} storages leaked`);
  coverage.programs++;
}

function explaining(program: Program, run: () => void): void {
  try {
    run();
  } catch (error) {
    const what =
      error instanceof Mismatch ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Mismatch(`${what}\n${describe(program)}`);
  }
}

// ---- Eager

function runEager(genes: Genes, coverage: Coverage): void {
  const tensors: Tensor[] = [];
  const seen: Reference[] = [];
  const step = (call: ProgramCall, program: Program): Reference[] => {
    let results: Reference[] = [];
    explaining(program, () => {
      if (tensors.length === 0) enter(program.inputs, tensors, seen);
      coverage.count(call.op);
      results = call.results === null ? refuse(call, tensors, coverage) : perform(call, call.results, tensors, coverage);
      seen.push(...results);
    });
    return results;
  };
  const program = decode(genes, 'eager', step);
  explaining(program, () => {
    tensors.forEach((tensor, place) => {
      compare(fromTensor(tensor), seen[place]!, coverage);
    });
  });
}

function enter(inputs: readonly Reference[], tensors: Tensor[], seen: Reference[]): void {
  for (const input of inputs) {
    const tensor = toTensor(input);
    tensors.push(tensor);
    seen.push(fromTensor(tensor));
    compare(seen.at(-1)!, input, { elements: 0, open: 0 } as Coverage);
  }
}

function perform(call: ProgramCall, expected: readonly Reference[], tensors: Tensor[], coverage: Coverage): Reference[] {
  const results = callLibrary(call, tensors);
  if (results.length !== expected.length) throw new Mismatch(`${results.length} results instead of ${expected.length}`);
  const read = results.map(fromTensor);
  expected.forEach((one, place) => {
    compare(read[place]!, one, coverage);
  });
  tensors.push(...results);
  return read;
}

/** Calls what must be refused, at once or when the results are read. */
function refuse(call: ProgramCall, tensors: readonly Tensor[], coverage: Coverage): Reference[] {
  try {
    callLibrary(call, tensors).forEach(fromTensor);
  } catch (error) {
    if (!(error instanceof OpwrightError)) throw error;
    coverage.refused++;
    return [];
  }
  throw new Mismatch('the call was not refused');
}

// ---- Fused

function runFused(program: Program, coverage: Coverage): void {
  const { definition, constants, outputs } = definitionOfProgram(program);
  if (outputs.length === 0) return;
  const all = [...program.inputs, ...program.calls.flatMap(({ results }) => results ?? [])];
  const results = noGrad(() =>
    callList(
      definition,
      [...program.inputs, ...constants].map((one) => toTensor(one)),
    ),
  );
  outputs.forEach((value, place) => {
    try {
      compare(fromTensor(results[place]!), all[value]!, coverage);
    } catch (error) {
      throw error instanceof Mismatch ? new Mismatch(`v${value}: ${error.message}`) : error;
    }
  });
}

/** The program as an op whose outputs are the values that nothing reads, and every third of the others. */
function definitionOfProgram(program: Program): { definition: OpDefinition; constants: Reference[]; outputs: number[] } {
  const constants: Reference[] = [];
  const read = new Set<number>();
  const calls = program.calls.map((call) => ({
    ...call,
    inputs: Object.fromEntries(
      Object.entries(call.inputs).map(([name, argument]) => [name, mapArgument(argument, (one) => named(one, constants, read))]),
    ),
  }));
  const count = program.inputs.length + program.calls.reduce((total, { results }) => total + (results?.length ?? 0), 0);
  const outputs = Array.from({ length: count }, (_, value) => value)
    .slice(program.inputs.length)
    .filter((value) => !read.has(value) || value % 3 === 0);
  const names = [...program.inputs.map((_, value) => `v${value}`), ...constants.map((_, place) => `c${place}`)];
  const run = <V extends Value>(g: AlgebraOf<V>, inputs: Arguments<V>): readonly V[] => {
    const values = new Map<string, V>();
    for (const name of names) {
      const value = inputs[name];
      if (isSingle(value)) values.set(name, value);
    }
    let next = program.inputs.length;
    for (const { op, inputs: given, attrs } of calls) {
      const args = Object.fromEntries(Object.entries(given).map(([name, argument]) => [name, lookUp(argument, values)] as const));
      const definition = definitionOf(op);
      const results = g.apply(definition, args, attrs);
      definition.outputs.forEach((output, place) => {
        if (!output.hidden && !output.list) values.set(`v${next++}`, results[place]!);
      });
      if (definition.outputs[0]?.list) for (const result of results) values.set(`v${next++}`, result);
    }
    return outputs.map((value) => values.get(`v${value}`)!);
  };
  return { definition: wrapped(names, outputs.length, run), constants, outputs };
}

type Named = string | number;

function mapArgument<T>(argument: Argument | readonly Argument[], change: (one: Argument) => T): T | readonly T[] {
  return isList(argument) ? argument.map(change) : change(argument);
}

function named(argument: Argument, constants: Reference[], read: Set<number>): Named {
  if (typeof argument === 'number') return argument;
  if ('constant' in argument) return `c${constants.push(argument.constant) - 1}`;
  read.add(argument.value);
  return `v${argument.value}`;
}

function lookUp<V extends Value>(
  argument: Named | readonly Named[],
  values: ReadonlyMap<string, V>,
): V | number | readonly (V | number)[] {
  const one = (name: Named): V | number => (typeof name === 'number' ? name : values.get(name)!);
  return typeof argument === 'object' ? argument.map(one) : one(argument);
}

function isSingle<V extends Value>(value: V | readonly V[] | undefined): value is V {
  return value !== undefined && !Array.isArray(value);
}

function wrapped(names: readonly string[], count: number, run: (OpDefinition['body'] & { kind: 'define' })['run']): OpDefinition {
  return {
    name: 'randomProgram',
    source: 'test/random',
    inputs: names.map((name) => ({ name, dtype: 'any', differentiable: false })),
    attrs: [],
    outputs: Array.from({ length: count }, (_, place) => ({ name: `out${place}` })),
    dtypes: {},
    // Dispatch infers a definition only for its errors, and there are none here.
    infer: () => [],
    body: { kind: 'define', run },
    gradients: [],
  };
}
