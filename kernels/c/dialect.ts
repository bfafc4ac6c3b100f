/**
 * The dialects of the C-family printer, as data: how each spells what the other spells differently. Everything else, and so the
 * meaning of a kernel, is shared.
 *
 * `gnuC` is C11 with the vector extensions of GCC and Clang, for machines with 64-bit pointers. A kernel is
 *
 *     void ow_name(char *memory, u32 place, i32 begin, i32 end)
 *
 * Addresses are distances from the memory's start, `place` that of the block, which is laid out as `paramLayout(kernel, 4)` says (C
 * lays out that struct so): the very block that the WebAssembly form of the kernel reads.
 *
 * `cudaC` is CUDA C++ without any header, for NVRTC. The block travels by value as the first launch argument, then begin and end; a
 * thread runs the items begin + thread, begin + thread + threads, ... of a one-dimensional grid of any size, unless the kernel is a
 * group program (groups.ts). Vectors are moved, but not computed with.
 */
import type { Type } from '../ir.js';
import { cudaGroups, cudaVectorHelpers, cudaVectors, type GroupForm, multiplyHelpers } from './groups.js';
import { cudaHelpers, gnuHelpers } from './helpers.js';
import type { HelperCatalogue, HelperText } from './module.js';
import { vectorHelpers } from './vectors.js';

export interface Dialect {
  readonly name: string;
  readonly vectors: VectorForm;
  /** Lines before everything else. */
  readonly preamble: readonly string[];
  /** What the definition of a helper of that type begins with. */
  inline(lanes: number): string;
  /** What the names of the standard library's functions begin with. */
  readonly library: string;
  readonly infinity: Readonly<Record<'f32' | 'f64', string>>;
  readonly notANumber: Readonly<Record<'f32' | 'f64', string>>;
  /** The helpers for that type. */
  helpers(type: Type): HelperCatalogue;
  /** Whether stores that stream go past the caches: there are the helpers `stream_*` then, and `drain`. */
  readonly streams: boolean;
  /** A statement after which memory may have changed, as far as the compiler knows. */
  readonly forget?: string;
  /** (error, code): stores the code unless one is there. */
  readonly fail: HelperText;
  readonly kernel: KernelForm;
}

/** How vectors are written. */
export interface VectorForm {
  /** Whether there is arithmetic of them; they are only loaded, stored, packed and taken apart where not. */
  readonly arithmetic: boolean;
  declare(name: string, element: string, lanes: number, bytes: number): string;
  lane(vector: string, at: number): string;
  pack(type: string, lanes: readonly string[]): string;
}

/** How a kernel's function is framed. */
export interface KernelForm {
  readonly result: string;
  /** The parameters before begin and end, given the block's struct. */
  parameters(struct: string): string;
  /** Statements before all others. */
  open(struct: string): readonly string[];
  /** How a member of the block is read. */
  readonly member: string;
  /** Whether addresses are u32 distances from `memory`; they are pointers where not. */
  readonly distances: boolean;
  /** The loop over the items that one call runs one by one, if there is one; within it the item is named `item`. */
  readonly items?: string;
  readonly groups?: GroupForm;
}

const failParameters = ['i32 *error', 'i32 code'];

export const gnuC: Dialect = {
  name: 'C',
  vectors: {
    arithmetic: true,
    declare: (name, element, lanes, bytes) => `typedef ${element} ${name} __attribute__((vector_size(${lanes * bytes})));`,
    lane: (vector, at) => `${vector}[${at}]`,
    pack: (type, lanes) => `(${type}){${lanes.join(', ')}}`,
  },
  preamble: [
    '_Static_assert(sizeof(void *) == 8, "kernels are printed for 64-bit pointers");',
    '#ifndef OW_FUSED',
    '#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)',
    '#define OW_FUSED 1',
    '#else',
    '#define OW_FUSED 0',
    '#endif',
    '#endif',
  ],
  // Vectors are never passed by a call, as their registers depend on the target; scalars the compiler may weigh.
  inline: (lanes) => (lanes === 1 ? 'static inline' : 'static inline __attribute__((always_inline))'),
  library: '__builtin_',
  infinity: { f32: '__builtin_inff()', f64: '__builtin_inf()' },
  notANumber: { f32: '__builtin_nanf("")', f64: '__builtin_nan("")' },
  helpers: ({ lanes }) => (lanes === 1 ? gnuHelpers : vectorHelpers),
  streams: true,
  forget: '__asm__ volatile("" ::: "memory");',
  fail: {
    result: 'void',
    parameters: failParameters,
    body: ['i32 none = 0;', '__atomic_compare_exchange_n(error, &none, code, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);'],
  },
  kernel: {
    result: 'void',
    parameters: () => 'char *memory, u32 place',
    open: (struct) => [`const struct ${struct} *block = (const struct ${struct} *)(memory + place);`],
    member: 'block->',
    distances: true,
  },
};

export const cudaC: Dialect = {
  name: 'CUDA C++',
  vectors: { arithmetic: false, ...cudaVectors },
  preamble: [],
  inline: () => 'static __device__ __forceinline__',
  library: '',
  infinity: { f32: '__int_as_float(0x7f800000)', f64: '__longlong_as_double(0x7ff0000000000000ll)' },
  notANumber: { f32: '__int_as_float(0x7fc00000)', f64: '__longlong_as_double(0x7ff8000000000000ll)' },
  helpers: ({ lanes }) => (lanes === 1 ? { ...cudaHelpers, ...multiplyHelpers } : cudaVectorHelpers),
  streams: false,
  fail: { result: 'void', parameters: failParameters, body: ['atomicCAS(error, 0, code);'] },
  kernel: {
    result: 'extern "C" __global__ void',
    parameters: (struct) => `const ${struct} block`,
    open: () => [],
    member: 'block.',
    distances: false,
    items: 'for (i64 item = begin + (i64)blockIdx.x * blockDim.x + threadIdx.x; item < end; item += (i64)gridDim.x * blockDim.x)',
    groups: cudaGroups,
  },
};
