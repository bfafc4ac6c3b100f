/**
 * Random programs: what fast-check draws (genes), and what they decode to (inputs and calls). Decoding runs shapes and dtypes alone; each
 * call's results are known by asking the reference on arrays of that shape when the program runs.
 */
import fc from 'fast-check';
import type { Dtype } from '../../entry/index.js';
import { type Reference, Refused, sizeOf } from './array.js';
import { builders, type Mode } from './builders.js';
import { Choices } from './choices.js';
import type { Setting } from './elementwise.js';
import { allDtypes, type Element, isFloat, isInteger, roundTo, wrap } from './formats.js';
import { type Attrs, evaluate, type Inputs } from './reference.js';

/** An earlier value by number, a plain number, or a constant array. */
export type Argument = { readonly value: number } | number | { readonly constant: Reference };
export interface ProgramCall {
  readonly op: string;
  readonly inputs: Readonly<Record<string, Argument | readonly Argument[]>>;
  readonly attrs: Attrs;
  /** What it is expected to give; null where the library must refuse it. Decoding ends there. */
  readonly results: readonly Reference[] | null;
}

/** Values are numbered: the inputs first, then the results of each call. */
export interface Program {
  readonly inputs: readonly Reference[];
  readonly calls: readonly ProgramCall[];
}

export interface Genes {
  readonly inputs: readonly (readonly number[])[];
  readonly calls: readonly (readonly number[])[];
}

const gene = fc.array(fc.nat(0xfffff), { minLength: 14, maxLength: 14 });

export function genes(maxCalls: number): fc.Arbitrary<Genes> {
  return fc.record({
    inputs: fc.array(gene, { minLength: 1, maxLength: 3 }),
    calls: fc.array(gene, { minLength: 1, maxLength: maxCalls }),
  });
}

export function decode({ inputs, calls }: Genes, mode: Mode): Program {
  const values: Reference[] = inputs.map((numbers) => drawInput(new Choices(numbers), mode));
  const program = { inputs: [...values], calls: [] as ProgramCall[] };
  for (const numbers of calls) {
    const choices = new Choices(numbers);
    const call = drawCall(choices, values, mode);
    if (call === undefined) continue;
    program.calls.push(call);
    if (call.results === null) break;
    values.push(...call.results);
  }
  return program;
}

/** Results larger than this are not wanted: the reference is slow. */
const largestSize = 6000;
/** How many ops are tried, from the one drawn on, before a call is left out. */
const attempts = 12;

function drawCall(choices: Choices, values: readonly Reference[], mode: Mode): ProgramCall | undefined {
  const table = builders(mode);
  const first = choices.below(table.length);
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { op, build } = table[(first + attempt) % table.length]!;
    const built = build(choices, values, mode);
    if (built === undefined) continue;
    const setting = { loose: mode !== 'eager' };
    try {
      const results = evaluate(op, resolved(built.inputs, values), built.attrs, setting);
      if (results.some((result) => sizeOf(result.shape) > largestSize || result.shape.length > 6)) continue;
      return { op, ...built, results };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (mode === 'eager') return { op, ...built, results: null };
    }
  }
  return undefined;
}

/** A call's arguments as the reference takes them. */
export function resolved(inputs: ProgramCall['inputs'], values: readonly Reference[]): Inputs {
  const one = (argument: Argument): Reference | number => {
    if (typeof argument === 'number') return argument;
    return 'constant' in argument ? argument.constant : values[argument.value]!;
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, argument]) => [name, isList(argument) ? argument.map(one) : one(argument)]),
  );
}

export function isList(argument: Argument | readonly Argument[]): argument is readonly Argument[] {
  return Array.isArray(argument);
}

/** Evaluates the calls again, from other inputs. Throws where a call that was possible no longer is. */
export function reevaluate(program: Program, inputs: readonly Reference[], setting: Setting): Reference[] {
  const values = [...inputs];
  for (const call of program.calls) values.push(...evaluate(call.op, resolved(call.inputs, values), call.attrs, setting));
  return values;
}

// ---- Inputs

const sizes = [2, 3, 1, 4, 5, 3, 2, 7, 8, 1, 16, 17, 0, 6, 33, 3, 2, 9, 64, 130];

function drawShape(choices: Choices, mode: Mode): number[] {
  const rank = choices.of([2, 1, 3, 0, 2, 4, 3, 5, 1, 2]);
  const shape = Array.from({ length: rank }, () => choices.of(mode === 'gradient' ? sizes.slice(0, 8) : sizes));
  const limit = mode === 'gradient' ? 40 : choices.rarely(8) ? 5000 : 600;
  while (sizeOf(shape) > limit) shape[shape.indexOf(Math.max(...shape))] = 2;
  return shape;
}

const inputDtypes: readonly Dtype[] = ['float32', 'float32', 'float64', 'float32', ...allDtypes, 'int32'];

function drawInput(choices: Choices, mode: Mode): Reference {
  const dtype = mode === 'gradient' ? 'float64' : choices.of(inputDtypes);
  const shape = drawShape(choices, mode);
  return drawArray(choices, dtype, shape, mode === 'gradient' ? 0 : choices.below(8));
}

/** Elements of a kind: 0 to 3 of moderate size, 4 and 5 small whole numbers, 6 with special values, 7 of all sizes. */
export function drawArray(choices: Choices, dtype: Dtype, shape: readonly number[], kind: number): Reference {
  const next = randomNumbers(choices.below(0xfffff));
  const values = Array.from({ length: sizeOf(shape) }, (): Element => {
    if (dtype === 'bool') return Number(next() < 0.5);
    if (isInteger(dtype)) return wrap(dtype, drawInteger(next, kind));
    return isFloat(dtype) ? roundTo(dtype, drawFloat(next, kind)) : 0;
  });
  return { dtype, shape, values, errors: new Array<number>(values.length).fill(0) };
}

function drawInteger(next: () => number, kind: number): bigint {
  if (kind < 6) return BigInt(Math.floor(next() * 21) - 10);
  return BigInt.asIntN(64, BigInt(Math.floor((next() - 0.5) * 2 ** (next() * 66))));
}

const specials = [0, -0, 1, -1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 65504, 1e-8, 3e38, 1e-40];

function drawFloat(next: () => number, kind: number): number {
  if (kind < 4) return (next() - 0.5) * (kind + 1) * 2;
  if (kind < 6) return Math.floor(next() * 9) - 4;
  if (kind === 6) return specials[Math.floor(next() * specials.length)]!;
  return (next() < 0.5 ? -1 : 1) * 2 ** ((next() - 0.5) * 80);
}

/** Mulberry32: the same numbers for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A program as text, for a failure's report. */
export function describe({ inputs, calls }: Program): string {
  const array = ({ dtype, shape, values }: Reference): string =>
    `${dtype}[${shape.join(',')}] ${values.length > 12 ? `${values.slice(0, 12).join(' ')} ...` : values.join(' ')}`;
  const argument = (one: Argument | readonly Argument[]): string => {
    if (isList(one)) return `[${one.map(argument).join(', ')}]`;
    if (typeof one === 'number') return String(one);
    return 'constant' in one ? array(one.constant) : `v${one.value}`;
  };
  let count = inputs.length;
  const lines = inputs.map((input, place) => `v${place} = ${array(input)}`);
  for (const { op, inputs: given, attrs, results } of calls) {
    const names = results === null ? 'refused' : results.map(() => `v${count++}`).join(', ');
    const shown = Object.entries(given).map(([name, one]) => `${name}: ${argument(one)}`);
    const shapes = results === null ? '' : `  -> ${results.map(({ dtype, shape }) => `${dtype}[${shape.join(',')}]`).join(', ')}`;
    lines.push(`${names} = ${op}(${shown.join(', ')}${Object.keys(attrs).length === 0 ? '' : `, ${JSON.stringify(attrs)}`})${shapes}`);
  }
  return lines.join('\n');
}
