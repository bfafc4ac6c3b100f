/**
 * The language of kernel functions: a subset of TypeScript that runs as plain JavaScript over typed arrays (in float64 it is the
 * reference of its own compiled forms) and that codegen/functions/compile.ts turns into kernel IR.
 *
 * A kernel function is exported, takes `begin` and `end` (its work items), then buffers, then scalars, and returns nothing. The
 * statements: `const`, `let`, assignment, `if`, `while`, `break`, `continue`, counted `for`, `for ... of lanes(from, to)`, and calls of
 * helpers of the same file or imported from another, which are inlined. Where JavaScript's meaning would differ from the kernel's, there
 * is a helper here, and the compiler refuses the JavaScript form: `/` and `%` of integers, `>>>`, `&&`, `||` and `?:` that guard a load
 * (both sides always run). Integers of 64 bits are only taken apart and put together: in JavaScript they are bigints, which do not wrap.
 * The `!` after `x[i]` is what the compiler option noUncheckedIndexedAccess asks for; it means nothing else.
 */

/** A 32-bit integer: indices, sizes, counts. */
export type i32 = number & { readonly register?: 'i32' };
/** A value of the dtype variable T, computed in T's register type. */
export type f = number & { readonly register?: 'T' };
/** A number that is double precision whatever T is. */
export type f64 = number & { readonly register?: 'f64' };

/** A 64-bit integer. */
export type i64 = bigint & { readonly register?: 'i64' };

/** Elements in memory: of a dtype variable (T for values, I for indices that may be 32 or 64 bits wide), or of a dtype. */
export interface Buffer<Storage extends string> {
  [index: number]: Element<Storage>;
  readonly storage?: Storage;
}

export type Element<Storage extends string> = Storage extends 'T'
  ? f
  : Storage extends 'float64'
    ? f64
    : Storage extends 'int32' | 'int16' | 'int8' | 'uint8'
      ? i32
      : Storage extends 'int64'
        ? i64
        : Storage extends 'I'
          ? number | bigint
          : number;

/** Truncates toward zero; by 0 it is 0. */
export const idiv = (a: i32, b: i32): i32 => (b === 0 ? 0 : Math.trunc(a / b) | 0);
/** Has the sign of `a`; by 0 it is 0. */
export const irem = (a: i32, b: i32): i32 => (b === 0 ? 0 : (a % b) | 0);

/** Of values of T, with the sign of `a`; of integers by 0 it is 0. */
export const remainder = (a: f, b: f): f => (b === 0 ? 0 : a % b);

/** NaN where either is. */
export const min = Math.min;
export const max = Math.max;
/** a b + c, rounded once where the target can, twice where not. */
export const fma = (a: f, b: f, c: f): f => a * b + c;
export const abs = Math.abs;
export const sqrt = Math.sqrt;
export const exp = Math.exp;
export const log = Math.log;
export const floor = Math.floor;
export const ceil = Math.ceil;
export const isNan = Number.isNaN;

/** The least value of T's dtype: -Infinity for floats. */
export const lowest = (): f => -Infinity;
export const highest = (): f => Infinity;

/** Whether the kernel is for a machine whose threads share `lanes` loops in groups: for a GPU. */
export const grouped = (): boolean => false;

/** Truncates, saturates, and sends NaN to 0. */
export const toI32 = (value: number): i32 =>
  Number.isNaN(value) ? 0 : Math.trunc(Math.max(-2147483648, Math.min(2147483647, value)));
/** An element of an integer buffer of any width, held within the range of an i32. */
export const clampToI32 = (value: number | bigint): i32 =>
  Number(value < -2147483648 ? -2147483648 : value > 2147483647 ? 2147483647 : value);
/** `value` shifted right by 0 to 31 bits, zeros coming in from the left. */
export const shiftRight = (value: i32, count: i32): i32 => (value >>> count) | 0;

/** The bits of a value whose register has 32 of them; as plain JavaScript those of a float32. */
export const bits = (value: f): i32 => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0;
/** The bits of a value whose register has 64 of them; as plain JavaScript those of a float64. */
export const longBits = (value: f): i64 => new BigInt64Array(Float64Array.of(value).buffer)[0] ?? 0n;
/** The halves of a 64-bit integer, and the integer that two halves make. */
export const highHalf = (word: i64): i32 => Number(word >> 32n);
export const lowHalf = (word: i64): i32 => Number(BigInt.asIntN(32, word));
export const joined = (high: i32, low: i32): i64 => (BigInt(high) << 32n) | BigInt.asUintN(32, BigInt(low));

/**
 * An index that is stored to, of which the author knows what no compiler sees: no other turn of the lanes loop stores there. Turns may then
 * run in any order although the place was read from memory.
 */
export const alone = (place: i32): i32 => place;

/** As a value of T. */
export const toT = (value: number): f => value;

/**
 * The integers from `from` to `to` - 1. Turns are independent, so they may run in lanes, but for two things that depend on the turns before:
 * `+=`, `*=`, `min` and `max` into outer variables, which may be used later in the turn, and one count in memory that each turn takes
 * one further, `const count = counts[i]!; counts[i] = count + 1` or `counts[i]! += 1`.
 */
export function* lanes(from: i32, to: i32): Generator<i32, void, undefined> {
  for (let index = from; index < to; index++) yield index;
}

let errorCode = 0;

/** Reports `code` to the caller; the kernel goes on. Only the first code counts. */
export function fail(code: number): void {
  if (errorCode === 0) errorCode = code;
}

/** After a run as plain JavaScript: the error code, 0 where nothing failed. Clears it. */
export function takeError(): number {
  const code = errorCode;
  errorCode = 0;
  return code;
}
