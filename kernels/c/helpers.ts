/**
 * The helper functions of scalars: operators whose meaning in the IR is not that of a C operator. Bodies that both dialects share
 * stand first, then what each spells in its own way.
 */
import type { Expr, Type } from '../ir.js';
import { fromBfloat16, fromFloat16, type Share, toBfloat16, toFloat16 } from '../math/half.js';
import { printFormula } from './expressions.js';
import type { HelperCatalogue, HelperText, Module } from './module.js';
import { integerLike, laneTypeName, widthOf } from './types.js';

/** A helper of one or two operands of a type, named a and b, that returns one of the same type. */
export function ofOne(type: Type, module: Module, ...body: readonly string[]): HelperText {
  const name = module.type(type);
  return { result: name, parameters: [`${name} a`], body };
}

export function ofTwo(type: Type, module: Module, ...body: readonly string[]): HelperText {
  const name = module.type(type);
  return { result: name, parameters: [`${name} a`, `${name} b`], body };
}

export function ofThree(type: Type, module: Module, ...body: readonly string[]): HelperText {
  const name = module.type(type);
  return { result: name, parameters: [`${name} a`, `${name} b`, `${name} c`], body };
}

/** The names of what is there for 32 and 64 bits. */
const byWidth = (type: Type, narrow: string, wide: string): string => (widthOf(type) === 64 ? wide : narrow);

/** x / 0 is 0, and the least number / -1 is itself. */
function divide(type: Type, module: Module): HelperText {
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofTwo(type, module, 'if (b == 0) return 0;', `if (b == -1) return (${name})(0u - (${unsigned})a);`, 'return a / b;');
}

/**
 * Of f32: a - trunc(a / b) * b in f64 is exact while the quotient has at most 29 bits, and the quotient of 24-bit numbers cannot round
 * up to an integer. Huge quotients, infinities, zeros and NaN are left to the library, which takes its time.
 */
function remainder(type: Type, module: Module): HelperText {
  if (type.scalar !== 'f32') return ofTwo(type, module, 'return b == 0 || b == -1 ? 0 : a % b;');
  const { library, infinity } = module.dialect;
  return ofTwo(
    type,
    module,
    `const f64 x = a, y = b, quotient = ${library}trunc(x / y);`,
    `if (${library}fabs(quotient) < 536870912.0 && ${library}fabs(y) < ${infinity.f64})`,
    `  return (f32)${library}copysign(x - quotient * y, x);`,
    `return ${library}fmodf(a, b);`,
  );
}

/** By squaring; a negative exponent gives the quotient cut off, which only 1 and -1 have. */
function integerPower(type: Type, module: Module): HelperText {
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofTwo(
    type,
    module,
    'if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;',
    `${unsigned} r = 1;`,
    `for (${unsigned} base = (${unsigned})a; b != 0; b >>= 1, base *= base)`,
    '  if (b & 1) r *= base;',
    `return (${name})r;`,
  );
}

/**
 * Both orders of comparison give a and b where they are equal or unordered, and twice the same elsewhere. So their bits, joined, are
 * the lesser number, -0 of zeros, or a NaN.
 */
function minimum(type: Type, module: Module): HelperText {
  if (type.scalar === 'i32' || type.scalar === 'i64') return ofTwo(type, module, 'return a < b ? a : b;');
  const integer = integerLike(type);
  const [first, second] = ['a < b ? a : b', 'b < a ? b : a'].map((lesser) => module.call('bits', integer, lesser));
  return ofTwo(type, module, `return ${module.call('bits', type, `${first} | ${second}`)};`);
}

/** As the minimum, but that zeros have to lose their sign: x is the sign bit there, 0 where a and b are ordered. */
function maximum(type: Type, module: Module): HelperText {
  if (type.scalar === 'i32' || type.scalar === 'i64') return ofTwo(type, module, 'return a > b ? a : b;');
  const integer = integerLike(type);
  const [first, second] = ['a > b ? a : b', 'b > a ? b : a'].map((greater) => module.call('bits', integer, greater));
  return ofTwo(
    type,
    module,
    `const ${module.type(integer)} first = ${first};`,
    `const ${module.type(integer)} x = first ^ ${second};`,
    `return ${module.call('bits', type, 'first | x')} - ${module.call('bits', type, 'x')};`,
  );
}

function absolute(type: Type, module: Module): HelperText {
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofOne(type, module, `return a < 0 ? (${name})(0u - (${unsigned})a) : a;`);
}

/** The ends of the range that truncates into the type: [least, above). -2^31 less a fraction does, but no f32 lies there. */
const ranges = {
  f32: { i32: ['-2147483648.0f', '2147483648.0f'], i64: ['-9223372036854775808.0f', '9223372036854775808.0f'] },
  f64: { i32: ['-2147483648.0', '2147483648.0'], i64: ['-9223372036854775808.0', '9223372036854775808.0'] },
} as const;

export interface IntegerRange {
  readonly least: string;
  readonly above: string;
  /** The integers beyond both ends. */
  readonly lowest: string;
  readonly highest: string;
}

export function rangeOf(from: 'f32' | 'f64', type: Type): IntegerRange {
  const to = laneTypeName(type) === 'i64' ? 'i64' : 'i32';
  const [least, above] = ranges[from][to];
  const highest = to === 'i64' ? '9223372036854775807ll' : '2147483647';
  return { least, above, lowest: `-${highest} - 1`, highest };
}

function truncate(from: 'f32' | 'f64') {
  return (type: Type, module: Module): HelperText => {
    const { least, above, lowest, highest } = rangeOf(from, type);
    const name = module.type(type);
    return {
      result: name,
      parameters: [`${from} a`],
      body: [`if (a >= ${above}) return ${highest};`, `if (a <= ${least}) return ${lowest};`, `return a == a ? (${name})a : 0;`],
    };
  };
}

/** float16 and bfloat16 patterns, in the low 16 bits of an i32, to f32 and back: the formulas of kernels/math/half.ts. */
function halfFormula(from: 'i32' | 'f32', to: 'i32' | 'f32', formula: (value: Expr, share: Share) => Expr) {
  return (type: Type, module: Module): HelperText => {
    const [source, target] = [{ ...type, scalar: from } as const, { ...type, scalar: to } as const];
    const body = printFormula(module, source, 'a', formula);
    return { result: module.type(target), parameters: [`${module.type(source)} a`], body };
  };
}

export const halfHelpers = {
  from_float16: halfFormula('i32', 'f32', fromFloat16),
  from_bfloat16: halfFormula('i32', 'f32', fromBfloat16),
  to_float16: halfFormula('f32', 'i32', toFloat16),
  to_bfloat16: halfFormula('f32', 'i32', toBfloat16),
} as const satisfies HelperCatalogue;

const sharedHelpers = {
  ...halfHelpers,
  div: divide,
  rem: remainder,
  pow: integerPower,
  min: minimum,
  max: maximum,
  abs: absolute,
  truncate_f32: truncate('f32'),
  truncate_f64: truncate('f64'),
} as const satisfies HelperCatalogue;

/** The type whose bits `bits` takes to give this one. */
const sourceOfBits = { i32: 'f32', f32: 'i32', i64: 'f64', f64: 'i64' } as const;

function bitsHelper(type: Type, ...body: readonly string[]): HelperText {
  const name = laneTypeName(type);
  return { result: name, parameters: [`${sourceOfBits[name]} a`], body };
}

/** The conversion of one float16 where GCC knows x86's instruction for it, as the vectors have it. */
function withInstruction(name: 'from_float16' | 'to_float16', write: (pattern: string) => string) {
  return (type: Type, module: Module): HelperText => {
    const helper = halfHelpers[name](type, module);
    const own = `return ${write(module.vector('i16', 8, 2))};`;
    return { ...helper, body: ['#if defined(__F16C__) && !defined(__clang__)', own, '#else', ...helper.body, '#endif'] };
  };
}

export const gnuHelpers: HelperCatalogue = {
  ...sharedHelpers,
  from_float16: withInstruction('from_float16', (pattern) => `__builtin_ia32_vcvtph2ps((${pattern}){(i16)a})[0]`),
  to_float16: (type, module) => {
    const float = module.vector('f32', 4, 4);
    return withInstruction('to_float16', () => `(u16)__builtin_ia32_vcvtps2ph((${float}){a}, 0)[0]`)(type, module);
  },
  fma: (type, module) =>
    ofThree(
      type,
      module,
      '#if OW_FUSED',
      `return __builtin_fma${byWidth(type, 'f', '')}(a, b, c);`,
      '#else',
      'return a * b + c;',
      '#endif',
    ),
  bits: (type) => bitsHelper(type, `${laneTypeName(type)} r;`, '__builtin_memcpy(&r, &a, sizeof r);', 'return r;'),
  clz: (type, module) => {
    const call = byWidth(type, '__builtin_clz((u32)a)', '__builtin_clzll((u64)a)');
    return ofOne(type, module, `return a == 0 ? ${widthOf(type)} : ${call};`);
  },
  popcount: (type, module) =>
    ofOne(type, module, `return ${byWidth(type, '__builtin_popcount((u32)a)', '__builtin_popcountll((u64)a)')};`),
  mulhiu: (type, module) => ofTwo(type, module, 'return (i32)((u64)(u32)a * (u32)b >> 32);'),
  // What follows a store past the caches need not wait for it on x86, unlike all other stores there.
  drain: () => ({ result: 'void', parameters: [], body: ['#ifdef __SSE2__', '__builtin_ia32_sfence();', '#endif'] }),
};

const cudaBits = {
  i32: '__float_as_int',
  f32: '__int_as_float',
  i64: '__double_as_longlong',
  f64: '__longlong_as_double',
} as const;

/** As the processor converts, but where the text is compiled for another machine. */
function withPtx(name: 'from_float16' | 'to_float16', ...own: readonly string[]) {
  return (type: Type, module: Module): HelperText => {
    const helper = halfHelpers[name](type, module);
    return { ...helper, body: ['#ifdef OPWRIGHT_SIMULATED', ...helper.body, '#else', ...own, '#endif'] };
  };
}

export const cudaHelpers: HelperCatalogue = {
  ...sharedHelpers,
  from_float16: withPtx('from_float16', 'f32 r;', 'asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"((u16)a));', 'return r;'),
  to_float16: withPtx('to_float16', 'u16 r;', 'asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(a));', 'return r;'),
  fma: (type, module) => ofThree(type, module, `return ${byWidth(type, 'fmaf', 'fma')}(a, b, c);`),
  bits: (type) => bitsHelper(type, `return ${cudaBits[laneTypeName(type)]}(a);`),
  clz: (type, module) => ofOne(type, module, `return ${byWidth(type, '__clz', '__clzll')}(a);`),
  popcount: (type, module) => ofOne(type, module, `return ${byWidth(type, '__popc((u32)a)', '__popcll((u64)a)')};`),
  mulhiu: (type, module) => ofTwo(type, module, 'return (i32)__umulhi((u32)a, (u32)b);'),
};
