/**
 * Runs kernel functions in every form, for the tests of kernels/functions: as plain JavaScript over Float64Arrays, and compiled to IR,
 * as written and in lanes, by the interpreter and as WebAssembly. Each run is also split into two ranges of work items, which must not
 * change a bit. It holds no expectations of its own.
 */
import type { ExecutionContext } from 'ava';
import * as generated from '../generated/kernels.js';
import { distribute } from '../kernels/distribute.js';
import * as cholesky from '../kernels/functions/cholesky.js';
import * as divisors from '../kernels/functions/divisors.js';
import * as gather from '../kernels/functions/gather.js';
import { takeError } from '../kernels/functions/language.js';
import * as lu from '../kernels/functions/lu.js';
import * as exponential from '../kernels/functions/matrix-exponential.js';
import * as pool from '../kernels/functions/pool.js';
import * as qr from '../kernels/functions/qr.js';
import * as radix from '../kernels/functions/radix.js';
import * as ranks from '../kernels/functions/ranks.js';
import * as roi from '../kernels/functions/roi-align.js';
import * as scan from '../kernels/functions/scan.js';
import * as search from '../kernels/functions/search.js';
import * as selection from '../kernels/functions/select.js';
import * as singular from '../kernels/functions/singular-values.js';
import * as sorting from '../kernels/functions/sort.js';
import * as eigen from '../kernels/functions/symmetric-eigen.js';
import * as triangular from '../kernels/functions/triangular.js';
import * as unfolding from '../kernels/functions/unfold.js';
import * as unique from '../kernels/functions/unique.js';
import { groupThreads } from '../kernels/group.js';
import { type BufferArray, interpret } from '../kernels/interpret.js';
import { interpretGroups } from '../kernels/interpret-groups.js';
import type { Kernel, Storage } from '../kernels/ir.js';
import { specialise } from '../kernels/specialise.js';
import { vectorise } from '../kernels/vectorise.js';
import { runKernel } from './wasm-harness.js';

export const plain = new Map(
  Object.entries({
    ...{ ...gather, ...search, ...selection, ...scan, ...radix, ...ranks, ...sorting, ...unique, ...pool, ...roi, ...unfolding },
    ...{ ...cholesky, ...lu, ...qr, ...triangular, ...singular, ...eigen, ...exponential, ...divisors },
  }),
);

/** As they were compiled for the library, without those that come from index notation. */
export const kernels: ReadonlyMap<string, Kernel> = new Map(
  Object.values(generated)
    .filter(({ name }) => plain.has(name))
    .map((kernel) => [kernel.name, kernel]),
);

export type Arrays = Readonly<Record<string, BufferArray>>;
type Numbers = Readonly<Record<string, number>>;

interface Call {
  readonly name: string;
  readonly buffers: Arrays;
  readonly params: Numbers;
  readonly items: number;
  readonly bindings?: Readonly<Record<string, Storage>>;
  /** Whether groups of threads share the kernel, and give the same bits: none of it is an order of adding fractions. */
  readonly isShared?: boolean;
}

export interface Outcome {
  readonly buffers: Arrays;
  readonly error: number;
}

const kernelOf = (name: string): Kernel => {
  const kernel = kernels.get(name);
  if (kernel === undefined) throw new Error(`no kernel ${name}`);
  return kernel;
};

const copyOf = (buffers: Arrays): Record<string, BufferArray> =>
  Object.fromEntries(Object.entries(buffers).map(([name, array]) => [name, array.slice()]));

function runPlain({ name, buffers, params, items }: Call, cuts: readonly number[]): Outcome {
  const kernel = kernelOf(name);
  const arrays = copyOf(buffers);
  const rest = [...kernel.buffers.map((buffer) => arrays[buffer.name]), ...kernel.params.map((each) => params[each.name])];
  const called = plain.get(name);
  if (called === undefined) throw new Error(`no function ${name}`);
  for (const [begin, end] of ranges(items, cuts)) Reflect.apply(called, undefined, [begin, end, ...rest]);
  return { buffers: arrays, error: takeError() };
}

type Run = (kernel: Kernel, arrays: Record<string, BufferArray>, params: Numbers, begin: number, end: number) => number;

const interpreted: Run = (kernel, buffers, params, begin, end) => interpret(kernel, { buffers, params, begin, end });
const inWasm: Run = (kernel, arrays, params, begin, end) => runKernel(kernel, arrays, { params, range: [begin, end] });

/** How a compiled kernel is run: the vector width (0 leaves it scalar), and by what. */
const targets: readonly (readonly [what: string, vectorBytes: number, run: Run])[] = [
  ['interpreted', 0, interpreted],
  ['interpreted in 16-byte vectors', 16, interpreted],
  ['interpreted in 64-byte vectors', 64, interpreted],
  ['WebAssembly', 0, inWasm],
  ['WebAssembly in vectors', 16, inWasm],
];

function runCompiled(call: Call, cuts: readonly number[], vectorBytes: number, runRange: Run): Outcome {
  const concrete = specialise(kernelOf(call.name), { T: 'float64', I: 'int32', ...call.bindings });
  const kernel = vectorBytes === 0 ? concrete : vectorise(concrete, { vectorBytes });
  const arrays = copyOf(call.buffers);
  const errors = ranges(call.items, cuts).map(([begin, end]) => runRange(kernel, arrays, call.params, begin, end));
  return { buffers: arrays, error: errors.find((error) => error !== 0) ?? 0 };
}

/** By the threads of two groups, which have more items than that. */
function runShared({ name, buffers, params, items, bindings }: Call): Outcome {
  const kernel = distribute(specialise(kernelOf(name), { T: 'float64', I: 'int32', ...bindings }, true));
  if (kernel.group === undefined) throw new Error(`${name} is not shared`);
  const arrays = copyOf(buffers);
  const threads = groupThreads(kernel.group, (param) => params[param]!);
  const error = interpretGroups(kernel, { buffers: arrays, params, begin: 0, end: items }, { groups: 2, threads });
  return { buffers: arrays, error };
}

function ranges(items: number, cuts: readonly number[]): [number, number][] {
  const edges = [0, ...cuts, items];
  return edges.slice(1).map((edge, at) => [edges[at]!, edge]);
}

/** Runs a call in every form; all must agree to the bit. Returns what they gave. */
export function run(t: ExecutionContext, call: Call): Outcome {
  const expected = runPlain(call, []);
  const cut = [Math.floor(call.items / 3)];
  t.deepEqual(runPlain(call, cut), expected, `${call.name}: plain, split`);
  for (const [what, vectorBytes, runRange] of targets)
    for (const cuts of [[], cut])
      t.deepEqual(runCompiled(call, cuts, vectorBytes, runRange), expected, `${call.name}: ${what}, cut at ${cuts}`);
  if (call.isShared) t.deepEqual(runShared(call), expected, `${call.name}: by groups of threads`);
  return expected;
}

let state = 1;
/** Repeatable numbers in [0, 1). */
export const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};
export const randomInteger = (from: number, to: number): number => from + Math.floor(random() * (to - from));
export const randoms = (size: number): Float64Array => Float64Array.from({ length: size }, () => random() * 4 - 2);
/** Few distinct values, so that ties occur, and some NaN. */
export const tied = (size: number): Float64Array =>
  Float64Array.from({ length: size }, () => (random() < 0.1 ? NaN : randomInteger(-3, 4)));
export const range = (size: number): number[] => Array.from({ length: size }, (_, at) => at);

export function close(t: ExecutionContext, actual: BufferArray | undefined, expected: readonly number[], what: string): void {
  t.is(actual?.length, expected.length, what);
  for (const [at, want] of expected.entries()) {
    const got = Number(actual?.[at]);
    const near = Object.is(got, want) || Math.abs(got - want) <= 1e-12 * (1 + Math.abs(want));
    if (!near) t.fail(`${what}: element ${at} is ${got}, expected ${want}`);
  }
}
