/**
 * Tests of printed kernels that share one compilation: each test file states its jobs first, all of them are built and run before the
 * first test, in three programs, and a test then compares what its jobs gave with the interpreter.
 *
 * The programs are: C with the flags of kernels/c/options.ts; C without fused multiply-add and under the undefined-behaviour sanitiser,
 * which must equal the interpreter to the bit; and CUDA C++ on the host, also unfused, for the jobs without vectors.
 */
import type { ExecutionContext, TestFn } from 'ava';
import { cudaC, gnuC } from '../kernels/c/dialect.js';
import { compilerFlags, flagsOf } from '../kernels/c/options.js';
import { decodeBfloat16, decodeFloat16 } from '../kernels/half.js';
import { interpret } from '../kernels/interpret.js';
import type { Kernel } from '../kernels/ir.js';
import { expandMath } from '../kernels/math/expand.js';
import { expressionsOf, visitExpr, visitStatements } from '../kernels/traverse.js';
import { type Build, isThere, type Job, type Outcome, runJobs } from './c-harness.js';
import type { Data } from './wasm-harness.js';

export const vectorWidths: readonly number[] = [16, 32, 64];

export const compiler = process.env.OPWRIGHT_CC ?? ['gcc', 'clang', 'cc'].find(isThere);
const cxxCompiler = process.env.OPWRIGHT_CXX ?? ['g++', 'clang++', 'c++'].find(isThere);

const unfused = ['-DOW_FUSED=0', '-O1', '-ffp-contract=off', '-w'];
const sanitised = ['-fsanitize=undefined,float-cast-overflow', '-fno-sanitize-recover=all'];

/**
 * For another processor, a cross-compiler, its target and what runs its programs:
 * `OPWRIGHT_CC=aarch64-linux-gnu-gcc OPWRIGHT_MARCH=armv8-a OPWRIGHT_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu'`.
 */
const machine = process.env.OPWRIGHT_MARCH ?? 'native';
const machineFlags = flagsOf(compilerFlags).map((flag) => (flag === '-march=native' ? `-march=${machine}` : flag));

/** The programs that can be built here. */
const builds: Readonly<Record<'fast' | 'checked' | 'cuda', Build | undefined>> = {
  fast: compiler === undefined ? undefined : { dialect: gnuC, compiler, flags: machineFlags },
  checked: compiler === undefined ? undefined : { dialect: gnuC, compiler, flags: ['-std=gnu11', ...unfused, ...sanitised] },
  cuda:
    cxxCompiler === undefined ? undefined : { dialect: cudaC, compiler: cxxCompiler, flags: ['-O1', '-ffp-contract=off', '-w'] },
};

export interface LabelledJob extends Job {
  readonly label: string;
}

export interface Expectations {
  /** How far, relative to the value, results may be from the interpreter's where C fuses or calls its library. */
  readonly tolerance?: number;
  /** A test's jobs have to give the same bits as its first one. */
  readonly sameBits?: boolean;
}

type Results = ReadonlyMap<LabelledJob, Outcome>;

export class Suite {
  readonly #test: TestFn;
  readonly #jobs: LabelledJob[] = [];
  readonly #results: Partial<Record<keyof typeof builds, Results>> = {};

  constructor(test: TestFn) {
    this.#test = test;
    if (compiler === undefined) test.skip('no C compiler was found: printed C is not run', () => {});
    else test.before(async () => this.#run());
    if (cxxCompiler === undefined) test.skip('no C++ compiler was found: printed CUDA C++ is not run', () => {});
  }

  test(title: string, jobs: readonly LabelledJob[], expectations: Expectations = {}): void {
    if (compiler === undefined) {
      this.#test.skip(title, () => {});
      return;
    }
    this.#jobs.push(...jobs);
    this.#test(title, (t) => {
      for (const job of jobs) this.#check(t, job, expectations);
      if (expectations.sameBits) this.#checkBits(t, jobs);
    });
  }

  async #run(): Promise<void> {
    for (const name of ['fast', 'checked', 'cuda'] as const) {
      const build = builds[name];
      if (build === undefined) continue;
      const jobs =
        name === 'cuda' ? this.#jobs.filter((job) => job.launches.every(({ kernel }) => !hasVectors(kernel))) : this.#jobs;
      const outcomes = await runJobs(jobs, build);
      this.#results[name] = new Map(jobs.map((job, index) => [job, outcomes[index]!]));
    }
  }

  #check(t: ExecutionContext, job: LabelledJob, { tolerance }: Expectations): void {
    const expected = interpretJob(job);
    const fuses = job.launches.some(({ kernel }) => hasFma(expandMath(kernel)));
    for (const name of ['fast', 'checked', 'cuda'] as const) {
      const got = this.#results[name]?.get(job);
      if (got === undefined) continue;
      const exact = tolerance === undefined || (name !== 'fast' && !callsLibrary(job));
      if (exact && name === 'fast' && fuses) t.fail(`${job.label}: it fuses, and no tolerance is stated`);
      agree(t, job, got, expected, exact ? 0 : tolerance, `${job.label}, ${name}`);
    }
  }

  #checkBits(t: ExecutionContext, jobs: readonly LabelledJob[]): void {
    const outcomes = jobs.map((job) => this.#results.fast?.get(job));
    for (const [index, outcome] of outcomes.entries())
      agree(t, jobs[index]!, outcome!, outcomes[0]!, 0, `${jobs[index]!.label} against ${jobs[0]!.label}`);
  }
}

function interpretJob({ data, launches }: Job): Outcome {
  const copies = Object.fromEntries(Object.entries(data).map(([name, array]) => [name, array.slice()]));
  let error = 0;
  for (const { kernel, arrays = {}, params, range } of launches) {
    const buffers = Object.fromEntries(kernel.buffers.map(({ name }) => [name, copies[arrays[name] ?? name]!]));
    const [begin, end] = range;
    const failed = interpret(expandMath(kernel), { buffers, ...(params === undefined ? {} : { params }), begin, end });
    if (error === 0) error = failed;
  }
  return { data: copies, error };
}

/** Asserts that outcomes are equal, all NaN alike, or as near as the tolerance says. */
export function agree(t: ExecutionContext, job: Job, got: Outcome, expected: Outcome, tolerance: number, what: string): void {
  t.is(got.error, expected.error, `${what}: the error word`);
  for (const name of Object.keys(expected.data)) {
    const [actual, wanted] = [valuesOf(job, name, got), valuesOf(job, name, expected)];
    const at = actual.findIndex((value, index) => !isNear(value, wanted[index]!, tolerance));
    if (at >= 0) t.fail(`${what}: ${name}[${at}] is ${show(actual[at]!)}, expected ${show(wanted[at]!)}`);
  }
}

const show = (value: number | bigint): string => (Object.is(value, -0) ? '-0' : String(value));

function isNear(value: number | bigint, wanted: number | bigint, tolerance: number): boolean {
  if (Object.is(value, wanted)) return true;
  if (tolerance === 0 || typeof value === 'bigint' || typeof wanted === 'bigint') return false;
  return Math.abs(value - wanted) <= tolerance * Math.max(Math.abs(wanted), 1e-30);
}

/** An array's values: half-precision patterns are decoded, as many of them are NaN. */
function valuesOf(job: Job, name: string, { data }: Outcome): readonly (number | bigint)[] {
  const array: Data = data[name]!;
  if (!(array instanceof Uint16Array)) return Array.from<number | bigint>(array);
  const storage = job.launches
    .flatMap(({ kernel, arrays = {} }) => kernel.buffers.filter((buffer) => (arrays[buffer.name] ?? buffer.name) === name))
    .map((buffer) => buffer.storage)[0];
  return Array.from(array, storage === 'bfloat16' ? decodeBfloat16 : decodeFloat16);
}

// What a kernel contains

function someExpression(kernel: Kernel, holds: (expr: Parameters<Parameters<typeof visitExpr>[1]>[0]) => boolean): boolean {
  let found = false;
  visitStatements(kernel.body, (statement) => {
    for (const expression of expressionsOf(statement))
      visitExpr(expression, (expr) => {
        found ||= holds(expr);
      });
  });
  return found;
}

export const hasVectors = (kernel: Kernel): boolean => someExpression(kernel, ({ type }) => type.lanes > 1);
const hasFma = (kernel: Kernel): boolean => someExpression(kernel, ({ op }) => op === 'fma');

const exactUnary: ReadonlySet<string> = new Set(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'rint']);

/** Whether a job calls functions of libm, which JavaScript's differ from. */
function callsLibrary({ launches }: Job): boolean {
  return launches.some(({ kernel }) =>
    someExpression(
      expandMath(kernel),
      (expr) =>
        expr.type.scalar === 'f64' &&
        ((expr.op === 'unary' && !exactUnary.has(expr.name)) || (expr.op === 'binary' && ['pow', 'atan2'].includes(expr.name))),
    ),
  );
}
