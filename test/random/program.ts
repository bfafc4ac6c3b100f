/**
 * Random programs: what fast-check draws (genes), and what they decode to (inputs and calls). Each call is evaluated by the reference as
 * it is decoded, because the next one is chosen by the shapes and dtypes of what is there.
 */
import fc from 'fast-check';
import { type Reference, Refused, sizeOf } from './array.js';
import { builders } from './builders.js';
import type { Mode } from './building.js';
import { Choices } from './choices.js';
import { drawInput } from './draw.js';
import type { Setting } from './elementwise.js';
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

/**
 * Decodes genes call by call. `step` may run each call; what it gives stands for the call's results from then on, so that the reference can
 * go on from what the library gave. It is asked for refused calls too, after which decoding ends.
 */
export function decode(
  { inputs, calls }: Genes,
  mode: Mode,
  step: (call: ProgramCall, program: Program) => readonly Reference[] = ({ results }) => results ?? [],
): Program {
  const values: Reference[] = inputs.map((numbers) => drawInput(new Choices(numbers), mode));
  const program = { inputs: [...values], calls: [] as ProgramCall[] };
  for (const numbers of calls) {
    const call = drawCall(new Choices(numbers), values, mode);
    if (call === undefined) continue;
    program.calls.push(call);
    values.push(...step(call, program));
    if (call.results === null) break;
  }
  return program;
}

/** Results larger than this are not wanted: the reference is slow. */
const largestSize = 6000;
/** How many ops are tried, from the one drawn on, before a call is left out. */
const attempts = 12;

function drawCall(choices: Choices, values: readonly Reference[], mode: Mode): ProgramCall | undefined {
  const table = builders[mode];
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
    lines.push(
      `${names} = ${op}(${shown.join(', ')}${Object.keys(attrs).length === 0 ? '' : `, ${JSON.stringify(attrs)}`})${shapes}`,
    );
  }
  return lines.join('\n');
}
