/**
 * The kernel IR: what every kernel of the project is, before a printer turns it into WebAssembly, C or CUDA.
 *
 * A kernel is data: a parameter block, and a structured body of statements over typed scalars and short vectors. It is generic
 * in dtype (a type may be a variable, `T`) until `specialise` puts concrete dtypes in. Nothing here knows of tensors, shapes or
 * devices. The meaning of every construct is written down in ARCHITECTURE.md ("Kernel IR"); a printer is written from that page.
 */

/** What an element is in memory: the public dtypes, or a dtype variable that `specialise` replaces. */
export type Storage = RealStorage | ComplexStorage;
/** All that printers know. */
export type RealStorage =
  | 'bool'
  | 'uint8'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64';
/** Two adjacent floats, the real part first. */
export type ComplexStorage = 'complex64' | 'complex128';

/**
 * What a value is in a register. `bool` is a predicate: 0 or 1 as a scalar, a lane mask as a vector. Complex values are there until
 * `splitComplex` makes two real ones of each: no printer, and not the interpreter, ever meets one.
 */
export type Scalar = RealScalar | ComplexScalar;
export type RealScalar = 'bool' | 'i32' | 'i64' | 'f32' | 'f64';
export type ComplexScalar = 'c64' | 'c128';

/** A dtype variable, such as `T`: any name that is neither a storage nor a scalar type. */
export type TypeVariable = string & { readonly variable?: never };

export interface Type {
  readonly scalar: Scalar | TypeVariable;
  /** 1 for a scalar; more for a vector, whose lanes are then `laneBits` wide (32 or 64). */
  readonly lanes: number;
  /** The lane width in bits of a vector (masks included); absent on scalars. */
  readonly laneBits?: 32 | 64;
}

/** One argument. `trunc` etc. keep the float type; `not` takes a bool; `bitNot` an integer. */
export type UnaryOp =
  | 'neg'
  | 'abs'
  | 'sqrt'
  | 'floor'
  | 'ceil'
  | 'trunc'
  /** Round half to even. */
  | 'rint'
  | 'not'
  | 'bitNot'
  | 'clz'
  | 'popcount'
  // Transcendentals: exact on the interpreter, expanded to polynomials or calls before printing.
  | MathOp;

export type MathOp =
  | 'exp'
  | 'exp2'
  | 'expm1'
  | 'log'
  | 'log2'
  | 'log10'
  | 'log1p'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'erf'
  | 'erfc'
  | 'cbrt'
  | 'erfinv'
  | 'lgamma'
  | 'digamma'
  /** e^(-|x|) times the modified Bessel function of order 0 and 1. */
  | 'i0e'
  | 'i1e';

export type BinaryOp =
  | 'add'
  | 'sub'
  | 'mul'
  /** Floats: IEEE. Integers: truncates toward zero; x / 0 is 0, and the most negative number / -1 wraps. */
  | 'div'
  /** Sign of the dividend (C's %, fmod). Integers: x rem 0 is 0. */
  | 'rem'
  /** The smaller, NaN if either is NaN; min(-0, +0) is -0. */
  | 'min'
  | 'max'
  | 'and'
  | 'or'
  | 'xor'
  /** Shift counts are taken modulo the width. `shr` keeps the sign, `shru` does not. */
  | 'shl'
  | 'shr'
  | 'shru'
  /** The high 32 bits of the unsigned 32 x 32 product (i32 only). */
  | 'mulhiu'
  /** Transcendentals of two arguments. */
  | 'pow'
  | 'atan2';

export type CompareOp = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' | 'ltu';

export type Expr =
  /** int64 constants beyond 2^53 are written as decimal strings; `'inf'`, `'-inf'`, `'nan'` for those floats; `'lowest'` and
   * `'highest'` for the least and greatest value of the type (-inf and inf for floats), `'grouped'` for whether the kernel is for
   * a machine whose threads come in groups: resolved by `specialise`. */
  | { readonly op: 'const'; readonly type: Type; readonly value: number | string }
  | { readonly op: 'local'; readonly type: Type; readonly name: string }
  /** A scalar of the parameter block. */
  | { readonly op: 'param'; readonly type: Type; readonly name: string }
  /** Element `index` (i32, in elements) of a buffer; a vector type reads that many consecutive elements. */
  | { readonly op: 'load'; readonly type: Type; readonly buffer: string; readonly index: Expr }
  | { readonly op: 'unary'; readonly type: Type; readonly name: UnaryOp; readonly value: Expr }
  | { readonly op: 'binary'; readonly type: Type; readonly name: BinaryOp; readonly left: Expr; readonly right: Expr }
  | { readonly op: 'compare'; readonly type: Type; readonly name: CompareOp; readonly left: Expr; readonly right: Expr }
  /** Both branches are evaluated. */
  | { readonly op: 'select'; readonly type: Type; readonly condition: Expr; readonly then: Expr; readonly else: Expr }
  /** a * b + c, rounded once where the target has it and twice where not. */
  | { readonly op: 'fma'; readonly type: Type; readonly a: Expr; readonly b: Expr; readonly c: Expr }
  /** Value conversion. Float to integer truncates, saturates and sends NaN to 0; integers wrap; to bool is `!= 0`. */
  | { readonly op: 'convert'; readonly type: Type; readonly value: Expr }
  /** The same bits as another type of the same width. */
  | { readonly op: 'bits'; readonly type: Type; readonly value: Expr }
  | { readonly op: 'splat'; readonly type: Type; readonly value: Expr }
  /** One lane of a vector. */
  | { readonly op: 'lane'; readonly type: Type; readonly value: Expr; readonly lane: number }
  /** Lanes picked from two vectors of one type: number l is lane `lanes[l]` of left's lanes followed by right's. */
  | { readonly op: 'shuffle'; readonly type: Type; readonly left: Expr; readonly right: Expr; readonly lanes: readonly number[] }
  /** The vector 0, 1, 2, ... */
  | { readonly op: 'iota'; readonly type: Type }
  /** A complex value of two real ones. */
  | { readonly op: 'pair'; readonly type: Type; readonly real: Expr; readonly imaginary: Expr }
  /** One of the two real values of a complex one. */
  | { readonly op: 'part'; readonly type: Type; readonly value: Expr; readonly part: ComplexPart }
  /** A vector of these scalars. */
  | { readonly op: 'pack'; readonly type: Type; readonly lanes: readonly Expr[] }
  // Of group programs (see Group) only
  /** Where a thread stands, an i32. */
  | { readonly op: 'place'; readonly type: Type; readonly name: PlaceName }
  /**
   * What `value` is in another thread of the warp: in number `thread xor distance` (across), or in `thread - distance` (before), where
   * there is one; else in the thread itself. All threads of the group have to come here together. Stands only as the value of a local.
   */
  | {
      readonly op: 'exchange';
      readonly type: Type;
      readonly value: Expr;
      readonly from: ExchangeFrom;
      readonly distance: number;
    }
  /** Which threads of the warp have the same value as this one, an i32: thread t is bit t. Stands, and is come to, as `exchange`. */
  | { readonly op: 'peers'; readonly type: Type; readonly value: Expr };

/** A thread's number in its group, and how many it has; the group's number, and how many there are. */
export type PlaceName = 'thread' | 'threads' | 'group' | 'groups';

export type ComplexPart = 'real' | 'imaginary';

export type ExchangeFrom = 'across' | 'before';

export type AccumulateKind = 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all';

export type Stmt =
  /**
   * Declares a local, visible to the end of the enclosing block; `mutable` ones may be the target of `set` and `accumulate`. What was loaded
   * to be `held` is not to be loaded again for each use.
   */
  | { readonly do: 'let'; readonly name: string; readonly value: Expr; readonly mutable?: boolean; readonly held?: boolean }
  | { readonly do: 'set'; readonly name: string; readonly value: Expr }
  /** `name = name (kind) value`; the order in which a vectorised loop combines is stated in ARCHITECTURE.md. */
  | { readonly do: 'accumulate'; readonly name: string; readonly kind: AccumulateKind; readonly value: Expr }
  /**
   * What `streams` is not read again soon: it may go past the caches. `alone`: no other turn of the loops marked `vector` around it stores
   * there, though nothing in the index says so.
   */
  | {
      readonly do: 'store';
      readonly buffer: string;
      readonly index: Expr;
      readonly value: Expr;
      readonly streams?: boolean;
      readonly alone?: boolean;
    }
  /**
   * for (name = from; name < to; name += step), i32; bounds are evaluated once. `vector` asks `vectorise` to run it in lanes, and promises
   * that turns are independent but for what they accumulate: none loads or stores what another one stores.
   */
  | {
      readonly do: 'for';
      readonly name: string;
      readonly from: Expr;
      readonly to: Expr;
      readonly step: number;
      readonly vector?: boolean;
      readonly body: readonly Stmt[];
    }
  | { readonly do: 'while'; readonly condition: Expr; readonly body: readonly Stmt[] }
  | { readonly do: 'if'; readonly condition: Expr; readonly then: readonly Stmt[]; readonly else?: readonly Stmt[] }
  /** Leaves the innermost loop. */
  | { readonly do: 'break' }
  /** Begins the next turn of the innermost loop. */
  | { readonly do: 'continue' }
  /** Writes `code` (not 0) into the error word, unless one is there; the kernel goes on. */
  | { readonly do: 'fail'; readonly code: number }
  // Of group programs only
  /** Waits until all threads of the group are here; what they wrote before, all see after. All come here, or none. */
  | { readonly do: 'barrier' }
  /**
   * sums += a b, by the 32 threads of a warp together: a has 16 x 8 words, b 8 x 8, the sums are 16 x 8 of f32. ARCHITECTURE.md says which
   * words each thread holds, as i32; each has the bits of two elements that follow each other along k, or of one of TF32. All threads of
   * the group have to come here together.
   */
  | {
      readonly do: 'multiplyTiles';
      readonly element: TileElement;
      readonly sums: readonly string[];
      readonly a: readonly Expr[];
      readonly b: readonly Expr[];
    };

export type HalfStorage = 'float16' | 'bfloat16';
/** What tensor cores multiply. TF32 is float32 whose last 13 bits are 0. */
export type TileElement = HalfStorage | 'tf32';

export interface BufferDeclaration {
  readonly name: string;
  readonly storage: Storage | TypeVariable;
  readonly access: 'read' | 'write' | 'readwrite';
}

export interface ParamDeclaration {
  readonly name: string;
  readonly type: Exclude<RealScalar, 'bool'> | TypeVariable;
}

/**
 * A kernel processes the work items `begin` <= item < `end` (two i32 locals that are always there). Items are independent: any
 * split of them over threads or blocks gives the same bits.
 */
export interface Kernel {
  readonly name: string;
  readonly buffers: readonly BufferDeclaration[];
  readonly params: readonly ParamDeclaration[];
  readonly body: readonly Stmt[];
  /** What lies side by side in memory, if not what turns of the `vector` loops use: what items that follow each other do. */
  readonly adjoining?: 'items';
  readonly group?: Group;
}

/**
 * Makes a kernel a *group program*, for machines that run thousands of threads: threads of a group work on one item together. The
 * body is then run once by each thread of each group, with `begin` and `end` the whole range; it shares the items out itself.
 */
export interface Group {
  /** How many threads: so many, or as many as suit a loop of that length (`threadsAlong`). */
  readonly threads: number | Extent;
  /** Items that a group works on at a time. */
  readonly items: number;
  /** Arrays that the threads of a group have in common, loaded and stored like buffers. What is in them at first is arbitrary. */
  readonly shared: readonly SharedArray[];
}

/** A sum of products of parameters, which a launch knows. */
export type Extent = readonly { readonly factor: number; readonly params: readonly string[] }[];

export interface SharedArray {
  readonly name: string;
  readonly storage: RealStorage;
  readonly length: number;
}

/** Where everything lies in the parameter block, in bytes: the error word's address, the buffers' addresses, then the scalars. */
export interface ParamLayout {
  readonly size: number;
  /** Always 0: the address of the error word. */
  readonly errorWord: 0;
  readonly offsets: ReadonlyMap<string, number>;
}

/** The block's layout for a target with pointers of 4 (WebAssembly) or 8 bytes; i64 and f64 are aligned to 8. */
export function paramLayout(kernel: Kernel, pointerBytes: 4 | 8): ParamLayout {
  const offsets = new Map<string, number>();
  let at: number = pointerBytes;
  for (const buffer of kernel.buffers) {
    offsets.set(buffer.name, at);
    at += pointerBytes;
  }
  for (const param of kernel.params) {
    const bytes = param.type === 'i64' || param.type === 'f64' ? 8 : 4;
    at = Math.ceil(at / bytes) * bytes;
    offsets.set(param.name, at);
    at += bytes;
  }
  return { size: Math.ceil(at / 16) * 16, errorWord: 0, offsets };
}

/** The register type in which a storage type is computed with. */
export function registerOf(storage: RealStorage): RealScalar;
export function registerOf(storage: Storage): Scalar;
export function registerOf(storage: Storage): Scalar {
  switch (storage) {
    case 'bool':
      return 'bool';
    case 'uint8':
    case 'int8':
    case 'int16':
    case 'int32':
      return 'i32';
    case 'int64':
      return 'i64';
    case 'float16':
    case 'bfloat16':
    case 'float32':
      return 'f32';
    case 'float64':
      return 'f64';
    case 'complex64':
      return 'c64';
    case 'complex128':
      return 'c128';
  }
}

export function isComplexStorage(storage: string): storage is ComplexStorage {
  return storage === 'complex64' || storage === 'complex128';
}

/** The floats that a complex element is two of. */
export const partStorage: Readonly<Record<ComplexStorage, 'float32' | 'float64'>> = {
  complex64: 'float32',
  complex128: 'float64',
};

export function isComplexScalar(scalar: string): scalar is ComplexScalar {
  return scalar === 'c64' || scalar === 'c128';
}

/** A printer met what `splitComplex` should have taken apart. */
export function unsplit(): never {
  throw new TypeError('complex values must be split before a kernel is printed or run');
}

/** The register type of the parts of a complex one; a real one itself. */
export function partScalar(scalar: Scalar): RealScalar {
  return scalar === 'c64' ? 'f32' : scalar === 'c128' ? 'f64' : scalar;
}

export const bytesOf: Readonly<Record<Storage, number>> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  bfloat16: 2,
  float32: 4,
  float64: 8,
  complex64: 8,
  complex128: 16,
};
