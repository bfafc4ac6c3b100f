/**
 * What group programs are in CUDA C++: where a thread stands, shared arrays, barriers, exchanges in a warp, products of tiles, and
 * vectors, which are only moved. Arithmetic is that of one thread and stands elsewhere.
 *
 * A block's x is a group's threads, its y the groups that share the block: those of one warp, or of one thread, are put together.
 */

import { F32 } from '../build.js';
import { mostThreads, sharesBlocks, warpSize, warpsOfBlock } from '../group.js';
import {
  bytesOf,
  type ExchangeFrom,
  type Group,
  type HalfStorage,
  type PlaceName,
  type RealStorage,
  type TileElement,
  type Type,
} from '../ir.js';
import type { HelperCatalogue, HelperText, Module } from './module.js';
import { elementTypes, laneTypeName } from './types.js';

/** How group programs are written; absent where there are none. */
export interface GroupForm {
  readonly places: Readonly<Record<PlaceName, string>>;
  /** What stands before the function's name. */
  bounds(group: Group): string;
  /** Declares an array. */
  shared(name: string, array: { readonly storage: RealStorage; readonly length: number }, group: Group): readonly string[];
  barrier(group: Group): string;
  exchange(from: ExchangeFrom, value: string, distance: number): string;
  peers(value: string): string;
}

export const cudaGroups: GroupForm = {
  places: {
    thread: '(i32)threadIdx.x',
    threads: '(i32)blockDim.x',
    group: '(i32)(blockIdx.x * blockDim.y + threadIdx.y)',
    groups: '(i32)(gridDim.x * blockDim.y)',
  },
  bounds: ({ threads }) => `__launch_bounds__(${typeof threads === 'number' ? threads : mostThreads}) `,
  shared: (name, { storage, length }, group) => {
    const element = elementTypes[storage];
    const declared = (of: string, count: number): string => `__shared__ __align__(16) ${element} ${of}[${count}];`;
    if (!sharesBlocks(group)) return [declared(name, length)];
    return [declared(`all_${name}`, length * warpsOfBlock), `${element} *${name} = all_${name} + threadIdx.y * ${length};`];
  },
  barrier: (group) =>
    sharesBlocks(group)
      ? `if (blockDim.x > ${warpSize}) __syncthreads(); else if (blockDim.x > 1) __syncwarp();`
      : '__syncthreads();',
  exchange: (from, value, distance) =>
    `${from === 'across' ? '__shfl_xor_sync' : '__shfl_up_sync'}(0xffffffffu, ${value}, ${distance})`,
  peers: (value) => `(i32)__match_any_sync(0xffffffffu, ${value})`,
};

// Vectors

export const cudaVectors = {
  declare: (name: string, element: string, lanes: number, bytes: number) =>
    `struct __align__(${lanes * bytes}) ${name} { ${element} lane[${lanes}]; };`,
  lane: (vector: string, at: number) => `${vector}.lane[${at}]`,
  pack: (type: string, lanes: readonly string[]) => `${type}{{${lanes.join(', ')}}}`,
} as const;

const eachLane = (type: Type, write: (lane: number) => string): readonly string[] =>
  Array.from({ length: type.lanes }, (_, lane) => write(lane));

const memoryOf = (storage: RealStorage, type: Type, module: Module): string =>
  module.vector(elementTypes[storage], type.lanes, bytesOf[storage]);

const scalarOf = (type: Type): Type => ({ scalar: type.scalar, lanes: 1 });

function loaded(storage: RealStorage, type: Type, element: string, module: Module): string {
  if (storage === 'bool') return `${element} != 0`;
  if (storage === 'float16' || storage === 'bfloat16') return module.call(`from_${storage}`, scalarOf(type), element);
  return element;
}

function stored(storage: RealStorage, type: Type, value: string, module: Module): string {
  const narrow = `(${elementTypes[storage]})`;
  if (storage === 'float16' || storage === 'bfloat16') return narrow + module.call(`to_${storage}`, scalarOf(type), value);
  return storage === 'bool' ? `${narrow}(${value} != 0)` : narrow + value;
}

const inBraces = (head: string, lines: readonly string[]): readonly string[] => [
  `${head} {`,
  ...lines.map((line) => `  ${line}`),
  '}',
];

/** One access where the address allows it, else one for each element. */
function whereAligned(storage: RealStorage, type: Type, aligned: readonly string[], apart: readonly string[]): readonly string[] {
  const low = type.lanes * bytesOf[storage] - 1;
  return [...inBraces(`if (((u64)p & ${low}) == 0)`, aligned), ...inBraces('else', apart)];
}

function loadTogether(storage: RealStorage, type: Type, module: Module): readonly string[] {
  const memory = memoryOf(storage, type, module);
  return [
    `const ${memory} w = *(const ${memory} *)p;`,
    ...eachLane(type, (lane) => `r.lane[${lane}] = ${loaded(storage, type, `w.lane[${lane}]`, module)};`),
  ];
}

function loadHelper(storage: RealStorage, isAligned: boolean) {
  return (type: Type, module: Module): HelperText => {
    const together = loadTogether(storage, type, module);
    const apart = eachLane(type, (lane) => `r.lane[${lane}] = ${loaded(storage, type, `p[${lane}]`, module)};`);
    return {
      result: module.type(type),
      parameters: [`const ${elementTypes[storage]} *p`],
      body: [`${module.type(type)} r;`, ...(isAligned ? together : whereAligned(storage, type, together, apart)), 'return r;'],
    };
  };
}

function storeHelper(storage: RealStorage, isAligned: boolean) {
  return (type: Type, module: Module): HelperText => {
    const memory = memoryOf(storage, type, module);
    const together = [
      `${memory} w;`,
      ...eachLane(type, (lane) => `w.lane[${lane}] = ${stored(storage, type, `a.lane[${lane}]`, module)};`),
      `*(${memory} *)p = w;`,
    ];
    const apart = eachLane(type, (lane) => `p[${lane}] = ${stored(storage, type, `a.lane[${lane}]`, module)};`);
    return {
      result: 'void',
      parameters: [`${elementTypes[storage]} *p`, `${module.type(type)} a`],
      body: isAligned ? together : whereAligned(storage, type, together, apart),
    };
  };
}

const storages: readonly RealStorage[] = [
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
];

/** Loads and stores of vectors. In shared arrays they lie at multiples of their size. */
export const cudaVectorHelpers: HelperCatalogue = Object.fromEntries(
  storages.flatMap((storage) => [
    [`load_${storage}`, loadHelper(storage, false)],
    [`store_${storage}`, storeHelper(storage, false)],
    [`loadShared_${storage}`, loadHelper(storage, true)],
    [`storeShared_${storage}`, storeHelper(storage, true)],
  ]),
);

// Products of tiles

/** The instruction for tiles of 16 x 8 by 8 x 8 words, from what GPU on, and one for half as many words that older ones have. */
interface TensorCoreForm {
  readonly type: string;
  readonly shape: string;
  readonly olderShape?: string;
  /** The elements of a word. */
  elements(word: string, module: Module): readonly string[];
}

const halves = (storage: HalfStorage) => (word: string, module: Module) =>
  [`${word} & 0xffff`, `(i32)((u32)${word} >> 16)`].map((bits) => module.call(`from_${storage}`, F32, bits));

const tensorCoreForms: Readonly<Record<TileElement, TensorCoreForm>> = {
  float16: { type: 'f16', shape: 'm16n8k16', olderShape: 'm16n8k8', elements: halves('float16') },
  bfloat16: { type: 'bf16', shape: 'm16n8k16', elements: halves('bfloat16') },
  tf32: { type: 'tf32', shape: 'm16n8k8', elements: (word) => [`__int_as_float(${word})`] },
};

/** By the tensor cores; where there are none that take the type, from the other threads' registers. */
function multiply(element: TileElement) {
  const { type: elementType, shape, olderShape, elements } = tensorCoreForms[element];
  const sums = '{%0, %1, %2, %3}';
  const operands = '"+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)';
  const instruction = (of: string, a: string, b: string, inputs: string): string =>
    `asm volatile("mma.sync.aligned.${of}.row.col.f32.${elementType}.${elementType}.f32 ${sums}, {${a}}, {${b}}, ${sums};" : ${operands} : ${inputs});`;
  const older =
    olderShape === undefined
      ? []
      : [
          '#elif !defined(OPWRIGHT_SIMULATED) && __CUDA_ARCH__ >= 750',
          instruction(olderShape, '%4, %5', '%6', '"r"(a0), "r"(a1), "r"(b0)'),
          instruction(olderShape, '%4, %5', '%6', '"r"(a2), "r"(a3), "r"(b1)'),
        ];
  return (type: Type, module: Module): HelperText => ({
    result: 'void',
    parameters: ['c0', 'c1', 'c2', 'c3']
      .map((sum) => `${laneTypeName(type)} &${sum}`)
      .concat('a0 a1 a2 a3 b0 b1'.split(' ').map((word) => `i32 ${word}`)),
    body: [
      '#if !defined(OPWRIGHT_SIMULATED) && __CUDA_ARCH__ >= 800',
      instruction(shape, '%4, %5, %6, %7', '%8, %9', '"r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1)'),
      ...older,
      '#else',
      ...fromRegisters((word) => elements(word, module)),
      '#endif',
    ],
  });
}

/** Products are exact in f64, and added up along k. */
function fromRegisters(elements: (word: string) => readonly string[]): readonly string[] {
  const products = (sum: number, a: string, b: string): readonly string[] => {
    const others = elements(b);
    return elements(a).map((element, at) => `s${sum} += (f64)${element} * (f64)${others[at]};`);
  };
  const stretch = (upper: string, lower: string, b: string): readonly string[] =>
    // Once for each multiplication of a large tile, it would be a long text.
    [
      '#pragma unroll 1',
      ...inBraces('for (i32 k = 0; k < 4; k += 1)', [
        `const i32 x = __shfl_sync(0xffffffffu, ${upper}, row + k), y = __shfl_sync(0xffffffffu, ${lower}, row + k);`,
        `const i32 v = __shfl_sync(0xffffffffu, ${b}, column + k), w = __shfl_sync(0xffffffffu, ${b}, column + 4 + k);`,
        ...products(0, 'x', 'v'),
        ...products(1, 'x', 'w'),
        ...products(2, 'y', 'v'),
        ...products(3, 'y', 'w'),
      ]),
    ];
  return [
    'const i32 row = (i32)threadIdx.x & 28, column = ((i32)threadIdx.x & 3) * 8;',
    'f64 s0 = c0, s1 = c1, s2 = c2, s3 = c3;',
    ...stretch('a0', 'a1', 'b0'),
    ...stretch('a2', 'a3', 'b1'),
    ...[0, 1, 2, 3].map((at) => `c${at} = (f32)s${at};`),
  ];
}

export const multiplyHelpers = {
  multiply_float16: multiply('float16'),
  multiply_bfloat16: multiply('bfloat16'),
  multiply_tf32: multiply('tf32'),
} as const satisfies HelperCatalogue;
