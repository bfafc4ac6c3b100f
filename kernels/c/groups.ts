/**
 * What group programs are in CUDA C++: where a thread stands, shared arrays, barriers, exchanges in a warp, products of tiles, and
 * vectors, which are only moved. Arithmetic is that of one thread and stands elsewhere.
 *
 * A block's x is a group's threads, its y the groups that share the block: those of one warp, or of one thread, are put together.
 */
import { mostThreads, sharesBlocks, warpSize, warpsOfBlock } from '../group.js';
import { bytesOf, type ExchangeFrom, type Group, type PlaceName, type RealStorage, type Type } from '../ir.js';
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

/** By the tensor cores; where there are none that take the type, from the other threads' registers. */
function multiply(storage: 'float16' | 'bfloat16') {
  return (type: Type, module: Module): HelperText => {
    const name = laneTypeName(type);
    const half = storage === 'float16' ? 'f16' : 'bf16';
    const sums = '{%0, %1, %2, %3}';
    const operands = '"+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3)';
    const instruction = (shape: string, a: string, b: string, inputs: string): string =>
      `asm volatile("mma.sync.aligned.${shape}.row.col.f32.${half}.${half}.f32 ${sums}, {${a}}, {${b}}, ${sums};" : ${operands} : ${inputs});`;
    const older =
      storage === 'float16'
        ? [
            '#elif __CUDA_ARCH__ >= 750',
            instruction('m16n8k8', '%4, %5', '%6', '"r"(a0), "r"(a1), "r"(b0)'),
            instruction('m16n8k8', '%4, %5', '%6', '"r"(a2), "r"(a3), "r"(b1)'),
          ]
        : [];
    return {
      result: 'void',
      parameters: ['c0', 'c1', 'c2', 'c3']
        .map((sum) => `${name} &${sum}`)
        .concat('a0 a1 a2 a3 b0 b1'.split(' ').map((word) => `i32 ${word}`)),
      body: [
        '#if !defined(OPWRIGHT_SIMULATED) && __CUDA_ARCH__ >= 800',
        instruction('m16n8k16', '%4, %5, %6, %7', '%8, %9', '"r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1)'),
        ...(older.length === 0 ? [] : [older[0]!.replace('#elif ', '#elif !defined(OPWRIGHT_SIMULATED) && '), ...older.slice(1)]),
        '#else',
        ...fromRegisters((word) => module.call(`from_${storage}`, type, word)),
        '#endif',
      ],
    };
  };
}

/** Products are exact in f64, and added up along k. */
function fromRegisters(decode: (word: string) => string): readonly string[] {
  const halves = (word: string): readonly string[] => [decode(`${word} & 0xffff`), decode(`(i32)((u32)${word} >> 16)`)];
  const products = (sum: number, a: string, b: string): readonly string[] => {
    const [lowA, highA] = halves(a);
    const [lowB, highB] = halves(b);
    return [`s${sum} += (f64)${lowA} * (f64)${lowB};`, `s${sum} += (f64)${highA} * (f64)${highB};`];
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
} as const satisfies HelperCatalogue;
