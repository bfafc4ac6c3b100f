/**
 * Whole kernels as C and as CUDA C++, against the interpreter: fused kernels in all their forms and vector widths, kernel functions,
 * matrix products; and what nvcc says to the CUDA text of all of them. Operators and statements are in c-printer.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as generated from '../generated/kernels.js';
import { cudaC, gnuC } from '../kernels/c/dialect.js';
import { cudaFlags, flagsOf } from '../kernels/c/options.js';
import { printModule } from '../kernels/c/printer.js';
import { type FusedKernel, type FusedNode, fusedKernel } from '../kernels/fused.js';
import { encodeBfloat16, encodeFloat16 } from '../kernels/half.js';
import { bytesOf, type Kernel, registerOf, type Storage } from '../kernels/ir.js';
import { type Launch as BoundLaunch, type BufferSource, bind } from '../kernels/lower/bind.js';
import { lowerFused } from '../kernels/lower/fused.js';
import { gemmKernel } from '../kernels/lower/gemm.js';
import { inputName, outputName, scalarName } from '../kernels/lower/names.js';
import type { Dimension } from '../kernels/lower/space.js';
import { turnedKernel } from '../kernels/lower/thin.js';
import type { Dtype } from '../kernels/op.js';
import { specialise } from '../kernels/specialise.js';
import { vectorise } from '../kernels/vectorise.js';
import { compile, isThere, type Launch } from './c-harness.js';
import { type Expectations, type LabelledJob, Suite, vectorWidths } from './c-suite.js';
import { type Data, makeKernel } from './wasm-harness.js';

const suite = new Suite(test);

let state = 1;
/** Repeatable numbers from -2 to 2. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return ((state >>> 0) / 2 ** 32) * 4 - 2;
}

/** An array of that dtype: random numbers, or zeros. */
function arrayOf(storage: Storage, length: number, value: () => number = random): Data {
  const numbers = Array.from({ length }, value);
  switch (storage) {
    case 'bool':
      return Uint8Array.from(numbers, (number) => Number(number > 0.5));
    case 'uint8':
      return Uint8Array.from(numbers, (number) => Math.round(number * 50 + 100));
    case 'int8':
      return Int8Array.from(numbers, (number) => Math.round(number * 30));
    case 'int16':
      return Int16Array.from(numbers, (number) => Math.round(number * 900));
    case 'int32':
      return Int32Array.from(numbers, (number) => Math.round(number * 1000));
    case 'int64':
      return BigInt64Array.from(numbers, (number) => BigInt(Math.round(number * 1e12)));
    case 'float16':
      return Uint16Array.from(numbers, encodeFloat16);
    case 'bfloat16':
      return Uint16Array.from(numbers, encodeBfloat16);
    case 'float32':
      return Float32Array.from(numbers);
    case 'float64':
      return Float64Array.from(numbers);
    case 'complex64':
      return Float32Array.from([...numbers, ...numbers.map(() => value())]);
    case 'complex128':
      return Float64Array.from([...numbers, ...numbers.map(() => value())]);
  }
}

const zeros = (storage: Storage, length: number): Data => arrayOf(storage, length, () => 0);

// Fused kernels

/** Nodes written short: inputs by number, `map` and `reduce` of earlier nodes, scalars. */
class Graph {
  readonly nodes: FusedNode[] = [];
  constructor(readonly dtype: Dtype) {}

  #push(node: FusedNode): number {
    return this.nodes.push(node) - 1;
  }
  input(input: number, dtype: Dtype = this.dtype): number {
    return this.#push({ op: 'input', input, dtype });
  }
  scalar(scalar: number): number {
    return this.#push({ op: 'scalar', scalar, dtype: this.dtype });
  }
  map(map: Extract<FusedNode, { op: 'map' }>['map'], args: readonly number[], dtype: Dtype = this.dtype): number {
    return this.#push({ op: 'map', map, args, dtype });
  }
  reduce(reduce: Extract<FusedNode, { op: 'reduce' }>['reduce'], arg: number, dtype: Dtype = this.dtype): number {
    return this.#push({ op: 'reduce', reduce, arg, dtype });
  }
}

interface Program {
  readonly kernel: FusedKernel;
  /** Of the operands: inputs, then outputs. */
  readonly dimensions: readonly Dimension[];
  readonly scalars?: readonly number[];
  /** A transposition goes past the caches as if it were large. */
  readonly streams?: boolean;
}

function streaming(launch: BoundLaunch): BoundLaunch {
  const { transposes } = launch.variant;
  if (transposes === undefined) throw new TypeError('only transpositions stream');
  return { ...launch, variant: { ...launch.variant, transposes: { ...transposes, through: 'streams' } }, rows: [] };
}

const sizeOf = (dimensions: readonly Dimension[], operand: number): number =>
  1 + dimensions.reduce((last, { size, strides }) => last + Math.max(0, size - 1) * strides[operand]!, 0);

/** A program's launches on arrays of the size that its strides need. */
function fusedJob({ kernel, dimensions, scalars = [], streams }: Program, vectorBytes: number): LabelledJob {
  const { launches, scratch } = bind(kernel, dimensions, 'cpu', Math.max(16, vectorBytes));
  const data: Record<string, Data> = {};
  state = 1;
  kernel.inputs.forEach(({ dtype }, input) => {
    data[inputName(input)] = arrayOf(dtype, sizeOf(dimensions, input));
  });
  kernel.outputs.forEach(({ dtype }, output) => {
    data[outputName(output)] = zeros(dtype, sizeOf(dimensions, kernel.inputs.length + output));
  });
  const calls = launches.map((bound): Launch => {
    const launch = streams ? streaming(bound) : bound;
    const lowered = lowerFused(launch.kernel, launch.variant);
    const arrays: Record<string, string> = {};
    const scratchFor = (name: string, index: number): void => {
      const { storage } = lowered.buffers.find((buffer) => buffer.name === name)!;
      arrays[name] = `scratch${index}`;
      if (isStorage(storage)) data[`scratch${index}`] ??= zeros(storage, scratch[index]! / bytesOf[storage]);
    };
    const source = (name: string, from: BufferSource): void => {
      if (from.kind === 'scratch') scratchFor(name, from.scratch);
      else arrays[name] = from.kind === 'input' ? inputName(from.input) : outputName(from.output);
    };
    for (const [index, from] of launch.inputs.entries()) source(inputName(index), from);
    for (const [index, from] of launch.outputs.entries()) source(outputName(index), from);
    for (const row of launch.rows) scratchFor(row.name, row.scratch);
    const numbers = Object.fromEntries(scalars.map((value, index) => [scalarName(index), value]));
    return {
      kernel: vectorBytes === 0 ? lowered : vectorise(lowered, { vectorBytes }),
      arrays,
      params: { ...launch.params, ...numbers },
      range: [0, launch.work],
    };
  });
  return { label: vectorBytes === 0 ? 'scalars' : `${vectorBytes}-byte vectors`, data, launches: calls };
}

const isStorage = (name: string): name is Storage => Object.hasOwn(bytesOf, name);

function testFused(title: string, program: Program, expectations: Expectations = {}): void {
  const widths = [0, ...vectorWidths];
  suite.test(
    title,
    widths.map((width) => fusedJob(program, width)),
    expectations,
  );
}

const kept = (size: number, ...strides: readonly number[]): Dimension => ({ size, reduced: false, strides });
const reduced = (size: number, ...strides: readonly number[]): Dimension => ({ size, reduced: true, strides });

/** relu(a * b + a) * c + b */
function chain(dtype: Dtype): FusedKernel {
  const g = new Graph(dtype);
  const [a, b, c] = [g.input(0), g.input(1), g.scalar(0)];
  const sum = g.map('add', [g.map('mul', [a, b]), a]);
  const node = g.map('add', [g.map('mul', [g.map('max', [sum, g.map('sub', [a, a])]), c]), b]);
  return fusedKernel({
    inputs: [
      { dtype, level: 'element' },
      { dtype, level: 'element' },
    ],
    scalars: [dtype],
    nodes: g.nodes,
    outputs: [{ node, dtype, level: 'element' }],
  });
}

for (const dtype of ['float32', 'float64', 'float16', 'bfloat16', 'int32', 'int64', 'int8', 'uint8', 'int16'] as const) {
  const kernel = chain(dtype);
  testFused(`a chain of ${dtype}, flat`, { kernel, dimensions: [kept(333, 1, 1, 1)], scalars: [3] }, { sameBits: true });
  testFused(
    `a chain of ${dtype} with a broadcast row and a transposed operand`,
    { kernel, dimensions: [kept(9, 0, 1, 37), kept(37, 1, 9, 1)], scalars: [3] },
    { sameBits: true },
  );
}

const copyOf = (dtype: Dtype): FusedKernel =>
  fusedKernel({
    inputs: [{ dtype, level: 'element' }],
    scalars: [],
    nodes: [
      { op: 'input', input: 0, dtype },
      { op: 'map', map: 'identity', args: [0], dtype },
    ],
    outputs: [{ node: 1, dtype, level: 'element' }],
  });

for (const [rows, columns] of [
  [37, 70],
  [512, 33],
  [48, 32],
] as const) {
  const dimensions = [kept(3, rows * columns, rows * columns), kept(rows, 1, columns), kept(columns, rows, 1)];
  for (const dtype of ['float32', 'int32'] as const) {
    testFused(`${columns} rows of ${rows} ${dtype} transposed`, { kernel: copyOf(dtype), dimensions });
    testFused(`${columns} rows of ${rows} ${dtype} transposed past the caches`, {
      kernel: copyOf(dtype),
      dimensions,
      streams: true,
    });
  }
}

/** The map's result in each lane has the same bits, but sums depend on the width. */
function softmax(dtype: Dtype): FusedKernel {
  const g = new Graph(dtype);
  const x = g.input(0);
  const e = g.map('exp', [g.map('sub', [x, g.reduce('max', x)])]);
  const node = g.map('div', [e, g.reduce('sum', e)]);
  return fusedKernel({
    inputs: [{ dtype, level: 'element' }],
    scalars: [],
    nodes: g.nodes,
    outputs: [{ node, dtype, level: 'element' }],
  });
}

for (const [dtype, tolerance] of [
  ['float32', 1e-6],
  ['float64', 1e-14],
  ['bfloat16', 1e-2],
  ['float16', 2e-3],
] as const) {
  const kernel = softmax(dtype);
  testFused(`softmax of ${dtype} along rows`, { kernel, dimensions: [kept(7, 150, 150), reduced(150, 1, 1)] }, { tolerance });
  testFused(`softmax of ${dtype} along columns`, { kernel, dimensions: [reduced(23, 45, 45), kept(45, 1, 1)] }, { tolerance });
}

for (const [reduce, dtype] of [
  ['sum', 'float32'],
  ['max', 'float32'],
  ['min', 'float64'],
  ['prod', 'int32'],
  ['sum', 'int64'],
  ['max', 'int8'],
  ['any', 'bool'],
  ['all', 'bool'],
] as const) {
  const g = new Graph(dtype);
  const node = g.reduce(reduce, g.input(0));
  const kernel = fusedKernel({
    inputs: [{ dtype, level: 'element' }],
    scalars: [],
    nodes: g.nodes,
    outputs: [{ node, dtype, level: 'row' }],
  });
  testFused(`${reduce} of ${dtype} rows`, { kernel, dimensions: [kept(5, 203, 1), reduced(203, 1, 0)] });
  testFused(`${reduce} of ${dtype} columns`, { kernel, dimensions: [reduced(31, 77, 0), kept(77, 1, 1)] });
  if (dtype !== 'float32') continue;
  testFused(`${reduce} of a long row in parts`, { kernel, dimensions: [reduced(40000, 1, 0)] });
  testFused(`${reduce} of long rows of two dimensions in parts`, {
    kernel,
    dimensions: [reduced(7, 10_400, 0), kept(2, 5200, 1), reduced(5200, 1, 0)],
  });
}

// Kernel functions

const functions: readonly Kernel[] = Object.values(generated);
const dtypesOf: readonly Storage[] = ['float32', 'float64', 'bfloat16', 'int32', 'int64', 'uint8'];

const floatOnly: ReadonlySet<string> = new Set([
  ...['roiAlign', 'roiAlignGrad', 'logcumsumexp', 'linearRecurrence'],
  ...['choleskyFactor', 'luFactor', 'householderQr', 'solveTriangle', 'singularValues', 'symmetricEigen'],
  ...['fourierPass', 'matrixExponential'],
]);
const isFloat = (storage: Storage): boolean => registerOf(storage) === 'f32' || registerOf(storage) === 'f64';
const isLong = (storage: Storage): boolean => registerOf(storage) === 'f64' || registerOf(storage) === 'i64';
/** What takes the bits of its elements takes either those of 32 bits or those of 64. */
const takes = (name: string, T: Storage): boolean => {
  if (floatOnly.has(name)) return isFloat(T);
  if (name === 'greatestDivisors') return !isFloat(T);
  if (name === 'sortWords' || name === 'topkRowsByKeys') return !isLong(T);
  return isLong(T) || (name !== 'sortLowWords' && name !== 'sortHighWords');
};

/** T as given, indices in both widths, and the dtype that a kernel in index notation fixes for an input of its own. */
const bindingsFor = (kernel: Kernel, T: Storage): Readonly<Record<string, Storage>> => {
  const fixed = kernel.buffers.flatMap(({ storage }) => (storage.startsWith('Of_') ? [[storage, 'int32'] as const] : []));
  return { T, I: T === 'float64' ? 'int64' : 'int32', ...Object.fromEntries(fixed) };
};

/** Every kernel function in the dtypes that it takes, with the name of both. */
const specialised: readonly Kernel[] = functions.flatMap((kernel) => {
  const isGeneric = kernel.buffers.some(({ storage }) => storage === 'T');
  return (isGeneric ? dtypesOf : dtypesOf.slice(0, 1))
    .filter((T) => takes(kernel.name, T))
    .map((T) => ({ ...specialise(kernel, bindingsFor(kernel, T)), name: `${kernel.name}_${T}` }));
});

suite.test(
  'every kernel function compiles, and touches nothing where it has no items',
  specialised
    .filter(({ name }) => /_(float32|int64)$/.test(name))
    .map((kernel) => ({
      label: kernel.name,
      data: Object.fromEntries(
        kernel.buffers.map(({ name, storage }) => [name, isStorage(storage) ? zeros(storage, 1) : new Uint8Array()]),
      ),
      launches: [
        {
          kernel: vectorise(kernel, { vectorBytes: 32 }),
          params: Object.fromEntries(kernel.params.map(({ name }) => [name, 1])),
          range: [0, 0],
        },
      ],
    })),
  // Some fuse, but nothing is computed.
  { tolerance: 0 },
);

interface FunctionCall {
  readonly name: string;
  /** What sets it apart from another call of the same function. */
  readonly how?: string;
  readonly buffers: Readonly<Record<string, Data>>;
  readonly params: Readonly<Record<string, number>>;
  readonly items: number;
}

/** Few distinct values, so that there are ties, and some NaN. */
const tied = (): number => (random() > 1.7 ? NaN : Math.round(random()));
const window = {
  h: 7,
  w: 6,
  outHeight: 4,
  outWidth: 3,
  kernelHeight: 3,
  kernelWidth: 2,
  strideHeight: 2,
  strideWidth: 2,
  padHeight: 1,
  padWidth: 0,
};

function callsOf(T: Storage): readonly FunctionCall[] {
  const x = arrayOf(T, 3 * 42);
  const ties = arrayOf(T, 2 * 33, T === 'float32' || T === 'float64' ? tied : random);
  const places = Int32Array.from({ length: 11 }, (_, index) => (index * 7) % 6);
  const outs = () => zeros(T, 36);
  const index = (length: number) => new Int32Array(length);
  const scan = { n: 11, inner: 3, reverse: 0 };
  let at = 0;
  const long = arrayOf(T, 2 * 300, () => (at++ * 77) % 101);
  const words = BigInt64Array.from({ length: 66 }, (_, word) => (BigInt((word * 37) % 256) << 32n) | BigInt(word % 33));
  const cut = { n: 33, blocks: 2, blockSize: 20 };
  const pass = { ...cut, shift: 4, digits: 16 };
  const makeWords = { ...cut, fold: isFloat(T) ? 2 ** 31 - 1 : 0, flip: -(2 ** 31) };
  return [
    { name: 'cumsum', buffers: { x: ties, out: zeros(T, 66) }, params: scan, items: 6 },
    { name: 'cummax', buffers: { x: ties, out: zeros(T, 66), index: index(66) }, params: { ...scan, reverse: 1 }, items: 6 },
    {
      name: 'sortRows',
      buffers: { x: ties, values: zeros(T, 66), index: index(66), scratch: zeros(T, 66), scratchIndex: index(66) },
      params: { n: 33, descending: 1 },
      items: 2,
    },
    {
      name: 'topkRows',
      buffers: { x: ties, values: zeros(T, 10), index: index(10) },
      params: { n: 33, k: 5, largest: 1 },
      items: 2,
    },
    {
      name: 'topkRowsByKeys',
      buffers: { x: long, values: zeros(T, 10), index: index(10), keys: index(256) },
      params: { n: 300, k: 5, fold: isFloat(T) ? 2 ** 31 - 1 : 0, flip: -1 },
      items: 2,
    },
    ...(['sortLowWords', 'sortHighWords'] as const).map((name) => ({
      name,
      buffers: { x: ties, words },
      params: makeWords,
      items: 4,
    })),
    { name: 'sortWords', buffers: { x: ties, words }, params: { ...makeWords, up: 0, drop: 0 }, items: 4 },
    { name: 'sortResults', buffers: { x: ties, words, values: zeros(T, 66), index: index(66) }, params: cut, items: 4 },
    { name: 'countDigits', buffers: { words, counts: index(64) }, params: pass, items: 4 },
    {
      name: 'startDigits',
      buffers: { counts: index(64).fill(3), starts: index(32) },
      params: { blocks: 2, digits: 16 },
      items: 2,
    },
    {
      name: 'moveDigits',
      buffers: { words, counts: index(64), starts: index(32), target: new BigInt64Array(66) },
      params: pass,
      items: 4,
    },
    {
      name: 'cumsum',
      how: 'along memory',
      buffers: { x: ties, out: zeros(T, 66) },
      params: { n: 33, inner: 1, reverse: 0 },
      items: 2,
    },
    {
      name: 'gatherRows',
      buffers: { x, index: places, out: zeros(T, 11 * 21) },
      params: { n: 11, rows: 6, inner: 21, wrap: 0 },
      items: 11,
    },
    { name: 'maxPool2d', buffers: { x, out: outs(), index: index(36) }, params: window, items: 3 },
    {
      name: 'avgPool2d',
      buffers: { x, out: outs() },
      params: { ...window, paddedHeight: 8, paddedWidth: 6, exclusive: 0, divisor: 0 },
      items: 3,
    },
    {
      name: 'unfold',
      buffers: { x, out: zeros(T, 3 * 6 * 12) },
      params: { ...window, dilationHeight: 1, dilationWidth: 1 },
      items: 3,
    },
  ];
}

for (const T of ['float32', 'float64', 'int32', 'bfloat16'] as const)
  for (const call of callsOf(T)) {
    const kernel = specialised.find(({ name }) => name === `${call.name}_${T}`);
    // gatherRows of float64 takes int64 indices.
    if (kernel === undefined || (call.name === 'gatherRows' && T === 'float64')) continue;
    suite.test(
      `${call.name} of ${T}${call.how === undefined ? '' : `, ${call.how}`}`,
      [0, ...vectorWidths].map((vectorBytes) => ({
        label: `${vectorBytes}-byte vectors`,
        data: call.buffers,
        launches: [
          {
            kernel: vectorBytes === 0 ? kernel : vectorise(kernel, { vectorBytes }),
            params: call.params,
            range: [0, call.items],
          },
        ],
      })),
      { sameBits: true },
    );
  }

// Matrix products

for (const storage of ['float32', 'float64', 'bfloat16'] as const) {
  const [m, n, k] = [9, 70, 13];
  const blocks = { blockLength: k, lengthBlocks: 1, rowPanels: 3, rowBlocks: 2, columnBlocks: 2 };
  const strides = { aPanel: 0, aRow: k, aStep: 1, bPanel: 0, bColumn: 1, bStep: n };
  const operands = { storage, aStorage: storage, bStorage: storage, rowsAdjoin: false, narrow: false };
  suite.test(
    `a product of ${storage} matrices in register tiles`,
    vectorWidths.map((bytes) => {
      const lanes = bytes / (storage === 'float64' ? 8 : 4);
      const kernel = gemmKernel({ ...operands, heights: [4, 2, 1], vectors: 2, lanes });
      return {
        label: `${bytes}-byte vectors`,
        data: {
          a: arrayOf(storage, m * k),
          b: arrayOf(storage, k * n),
          aOffsets: Int32Array.of(0),
          bOffsets: Int32Array.of(0),
          out: zeros(storage, m * n),
        },
        launches: [
          { kernel, params: { m, n, k, ...blocks, columnPanels: Math.ceil(n / (2 * lanes)), ...strides }, range: [0, 4] },
        ],
      };
    }),
    { tolerance: storage === 'bfloat16' ? 2e-2 : 1e-4 },
  );
}

// CUDA

const programs: readonly Program[] = [
  { kernel: chain('float32'), dimensions: [kept(333, 1, 1, 1)] },
  { kernel: chain('bfloat16'), dimensions: [kept(9, 0, 1, 37), kept(37, 1, 9, 1)] },
  { kernel: softmax('float32'), dimensions: [kept(7, 150, 150), reduced(150, 1, 1)] },
  { kernel: softmax('float64'), dimensions: [reduced(23, 45, 45), kept(45, 1, 1)] },
];

/** Everything that has scalars only, each under a name of its own. */
function cudaKernels(): readonly Kernel[] {
  const fused = programs.flatMap((program) => fusedJob(program, 0).launches.map(({ kernel }) => kernel));
  const products = (['float32', 'float64'] as const).map((storage) => turnedKernel({ storage, lanes: 1 }));
  return [...specialised, ...[...fused, ...products].map((kernel, index) => ({ ...kernel, name: `${kernel.name}_${index}` }))];
}

const nvcc = process.env.OPWRIGHT_NVCC ?? 'nvcc';
const testNvcc = isThere(nvcc) ? test : test.skip;
testNvcc('nvcc compiles the CUDA text of every kernel, if it is there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-cuda-'));
  try {
    const source = join(folder, 'kernels.cu');
    writeFileSync(source, printModule(cudaKernels(), cudaC));
    await compile(nvcc, [
      '-ptx',
      '-arch=sm_80',
      ...flagsOf(cudaFlags),
      '-Werror',
      'all-warnings',
      // Locals that are never read, which fused kernels may have.
      '-diag-suppress',
      '177',
      source,
      '-o',
      join(folder, 'kernels.ptx'),
    ]);
    t.pass();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('kernels of one name cannot share a text', (t) => {
  const kernel = makeKernel({}, []);
  t.throws(() => printModule([kernel, { ...kernel }], gnuC), { message: /same name/ });
});
