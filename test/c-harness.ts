/**
 * Compiles printed C or CUDA text and runs it, for the tests of the C-family printer. All jobs of a batch go into one program: it
 * reads an image of the memory (parameter blocks, buffers, red zones between them) from a file, calls the kernels, and writes the
 * image back. CUDA text runs on the host as one thread, under definitions of the few names that CUDA adds to C++.
 *
 * A tool of the tests, with no expectations of its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Dialect, gnuC } from '../kernels/c/dialect.js';
import { printModule, symbolOf } from '../kernels/c/printer.js';
import { type Kernel, paramLayout } from '../kernels/ir.js';
import type { Data } from './wasm-harness.js';

export interface Launch {
  readonly kernel: Kernel;
  /** The array behind each buffer, by name; the buffer's own name if absent. */
  readonly arrays?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, number | bigint>>;
  readonly range: readonly [number, number];
}

export interface Job {
  readonly data: Readonly<Record<string, Data>>;
  readonly launches: readonly Launch[];
}

export interface Outcome {
  readonly data: Readonly<Record<string, Data>>;
  readonly error: number;
}

export interface Build {
  readonly dialect: Dialect;
  readonly compiler: string;
  readonly flags: readonly string[];
}

const RED_ZONE = 64;
const FILL = 0xa5;

/** Where a job's parts lie in the image. */
interface Placed {
  readonly job: Job;
  readonly error: number;
  readonly arrays: ReadonlyMap<string, number>;
  readonly blocks: readonly number[];
}

/** Runs all jobs in one program. Results come in the jobs' order. */
export async function runJobs(jobs: readonly Job[], build: Build): Promise<readonly Outcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-c-'));
  try {
    const names = nameKernels(jobs);
    const program = await compileProgram(folder, names, build);
    const { image, placed, calls, pointers } = layOut(jobs, names, build.dialect);
    writeFileSync(
      join(folder, 'calls'),
      Int32Array.from([image.length, pointers.length, calls.length / 4, ...pointers, ...calls]),
    );
    writeFileSync(join(folder, 'image'), image);
    const [runner, ...options] = [...(process.env.OPWRIGHT_RUNNER?.split(' ') ?? []), program];
    const files = [join(folder, 'calls'), join(folder, 'image')];
    const { status, stderr, signal } = spawnSync(runner!, [...options, ...files], { encoding: 'utf8' });
    if (status !== 0 || stderr !== '') throw new Error(`the program ended with ${status ?? signal}\n${stderr.slice(0, 4000)}`);
    const after = readFileSync(join(folder, 'image'));
    return placed.map((place) => readBack(place, after));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Each distinct kernel under a name of its own. */
function nameKernels(jobs: readonly Job[]): ReadonlyMap<Kernel, Kernel> {
  const named = new Map<Kernel, Kernel>();
  for (const { launches } of jobs)
    for (const { kernel } of launches)
      if (!named.has(kernel)) named.set(kernel, { ...kernel, name: `${kernel.name}_${named.size}` });
  return named;
}

// Compiling

async function compileProgram(folder: string, names: ReadonlyMap<Kernel, Kernel>, build: Build): Promise<string> {
  const kernels = [...names.values()];
  const extension = build.dialect === gnuC ? 'c' : 'cpp';
  const shim = build.dialect === gnuC ? '' : cudaOnHost;
  const parts = Math.min(availableParallelism(), 4, Math.max(1, kernels.length));
  const sources = Array.from({ length: parts }, (_, part) => {
    const source = join(folder, `part${part}.${extension}`);
    const own = kernels.filter((_, index) => index % parts === part);
    const callers = build.dialect === gnuC ? [] : own.map(({ name }) => callerOf(symbolOf(name)));
    writeFileSync(source, shim + printModule(own, build.dialect) + callers.join(''));
    return source;
  });
  const main = join(folder, 'main.c');
  writeFileSync(
    main,
    mainProgram(
      kernels.map(({ name }) => symbolOf(name)),
      build.dialect,
    ),
  );
  const program = join(folder, 'program');
  const objects = await Promise.all([...sources, main].map((source) => compileObject(source, build)));
  await compile(build.compiler, [...build.flags, ...objects, '-o', program, '-lm']);
  return program;
}

/** Takes the block's address, as kernels in C do. */
const callerOf = (symbol: string): string =>
  `extern "C" void ${symbol}_call(const void *block, int begin, int end) { ${symbol}(*(const ${symbol}_block *)block, begin, end); }\n`;

async function compileObject(source: string, { compiler, flags, dialect }: Build): Promise<string> {
  const object = `${source}.o`;
  const language = source.endsWith('main.c') && dialect !== gnuC ? ['-x', 'c'] : [];
  await compile(compiler, [...flags, ...language, '-c', source, '-o', object]);
  return object;
}

/** Runs a compiler; what it says is the error's text. */
export function compile(compiler: string, options: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, options, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${compiler} ended with ${code}\n${said.slice(0, 4000)}`));
    });
  });
}

/** Whether a program can be run. */
export const isThere = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

function mainProgram(symbols: readonly string[], dialect: Dialect): string {
  const isC = dialect === gnuC;
  const functions = symbols.map((symbol) => (isC ? symbol : `${symbol}_call`));
  const parameters = isC ? 'char *, unsigned, int, int' : 'const void *, int, int';
  return `
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
${functions.map((name) => `void ${name}(${parameters});`).join('\n')}
static void (*const kernels[])(${parameters}) = { ${functions.join(', ')} };
int main(int count, char **arguments) {
  int32_t head[3];
  FILE *file = fopen(arguments[1], "rb");
  if (count != 3 || !file || fread(head, 4, 3, file) != 3) return 2;
  int32_t *words = malloc(4 * ((size_t)head[1] + 4 * (size_t)head[2]) + 4);
  size_t wanted = (size_t)head[1] + 4 * (size_t)head[2];
  if (fread(words, 4, wanted, file) != wanted) return 3;
  unsigned char *image = aligned_alloc(64, head[0]);
  FILE *memory = fopen(arguments[2], "r+b");
  if (!memory || fread(image, 1, head[0], memory) != (size_t)head[0]) return 4;
  for (int i = 0; i < head[1]; i++) *(uint64_t *)(image + words[i]) += (uint64_t)image;
  const int32_t *call = words + head[1];
  for (int i = 0; i < head[2]; i++, call += 4) kernels[call[0]](${isC ? '(char *)image, call[1]' : 'image + call[1]'}, call[2], call[3]);
  rewind(memory);
  if (fwrite(image, 1, head[0], memory) != (size_t)head[0] || fclose(memory)) return 5;
  return 0;
}
`;
}

/** The names that CUDA adds to C++, for one thread of one block; fma rounds twice, as the interpreter has it. */
const cudaOnHost = `
#include <math.h>
#include <string.h>
#define OPWRIGHT_SIMULATED 1
#define __global__
#define __device__
#define __forceinline__ inline
#define fmaf(a, b, c) ((a) * (b) + (c))
#define fma(a, b, c) ((a) * (b) + (c))
struct Index { unsigned x, y, z; };
static const Index blockIdx = { 0, 0, 0 }, threadIdx = { 0, 0, 0 }, blockDim = { 1, 1, 1 }, gridDim = { 1, 1, 1 };
template <typename To, typename From> static To bitsOf(From from) { To to; memcpy(&to, &from, sizeof to); return to; }
static inline int __float_as_int(float x) { return bitsOf<int>(x); }
static inline float __int_as_float(int x) { return bitsOf<float>(x); }
static inline long long __double_as_longlong(double x) { return bitsOf<long long>(x); }
static inline double __longlong_as_double(long long x) { return bitsOf<double>(x); }
static inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz((unsigned)x); }
static inline int __clzll(long long x) { return x == 0 ? 64 : __builtin_clzll((unsigned long long)x); }
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline int atomicCAS(int *at, int expected, int value) { int old = *at; if (old == expected) *at = value; return old; }
`;

// The image

interface Image {
  readonly image: Uint8Array;
  readonly placed: readonly Placed[];
  /** (kernel, block, begin, end) of each call. */
  readonly calls: readonly number[];
  /** Where a pointer is; addresses are written as distances from the image's start. */
  readonly pointers: readonly number[];
}

const aligned = (at: number): number => Math.ceil(at / 64) * 64;

function layOut(jobs: readonly Job[], names: ReadonlyMap<Kernel, Kernel>, { kernel: { distances } }: Dialect): Image {
  const pointerBytes = distances ? 4 : 8;
  const indices = new Map([...names.keys()].map((kernel, index) => [kernel, index]));
  const placed: Placed[] = [];
  const calls: number[] = [];
  let at = 0;
  const take = (bytes: number, offset = 0): number => {
    const start = aligned(at + RED_ZONE) + offset;
    at = start + bytes;
    return start;
  };
  for (const job of jobs) {
    const error = take(4);
    // Vectors have to be read and written wherever elements may lie.
    const arrays = new Map(
      Object.entries(job.data).map(([name, array]) => [name, take(array.byteLength, array.BYTES_PER_ELEMENT)]),
    );
    const blocks = job.launches.map(({ kernel, range }) => {
      const block = take(paramLayout(kernel, pointerBytes).size);
      calls.push(indices.get(kernel)!, block, ...range);
      return block;
    });
    placed.push({ job, error, arrays, blocks });
  }
  const image = new Uint8Array(aligned(at + RED_ZONE)).fill(FILL);
  const addresses = placed.flatMap((place) => fill(place, image, pointerBytes));
  return { image, placed, calls, pointers: distances ? [] : addresses };
}

const bytesIn = (array: Data): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Writes a job's arrays and blocks; returns where the addresses are. */
function fill({ job, error, arrays, blocks }: Placed, image: Uint8Array, pointerBytes: 4 | 8): readonly number[] {
  const view = new DataView(image.buffer);
  const pointers: number[] = [];
  const pointer = (at: number, target: number): void => {
    if (pointerBytes === 4) view.setUint32(at, target, true);
    else view.setBigUint64(at, BigInt(target), true);
    pointers.push(at);
  };
  view.setInt32(error, 0, true);
  for (const [name, at] of arrays) image.set(bytesIn(job.data[name]!), at);
  job.launches.forEach(({ kernel, arrays: renamed = {}, params = {} }, launch) => {
    const block = blocks[launch]!;
    const { errorWord, offsets } = paramLayout(kernel, pointerBytes);
    pointer(block + errorWord, error);
    for (const { name } of kernel.buffers) pointer(block + offsets.get(name)!, arrays.get(renamed[name] ?? name)!);
    for (const { name, type } of kernel.params) {
      const at = block + offsets.get(name)!;
      const value = params[name]!;
      if (type === 'i64') view.setBigInt64(at, BigInt(value), true);
      else if (type === 'f64') view.setFloat64(at, Number(value), true);
      else if (type === 'f32') view.setFloat32(at, Number(value), true);
      else view.setInt32(at, Number(value), true);
    }
  });
  return pointers;
}

function readBack({ job, error, arrays }: Placed, image: Uint8Array): Outcome {
  const data: Record<string, Data> = {};
  for (const [name, at] of arrays) {
    const array = job.data[name]!.slice();
    bytesIn(array).set(image.subarray(at, at + array.byteLength));
    data[name] = array;
    const end = at + array.byteLength;
    const around = [image.subarray(at - array.BYTES_PER_ELEMENT, at), image.subarray(end, end + RED_ZONE)];
    if (around.some((zone) => zone.some((byte) => byte !== FILL)))
      throw new Error(`${job.launches[0]?.kernel.name} wrote beside ${name}`);
  }
  return { data, error: new DataView(image.buffer, image.byteOffset).getInt32(error, true) };
}
