/**
 * The helper functions of vectors, in the extensions that GCC and Clang share. A loop over all lanes is what GCC makes the fitting
 * instruction of; where Clang needs another wording for that, both stand side by side.
 */
import { bytesOf, type RealStorage, type Type } from '../ir.js';
import { halfHelpers, ofOne, ofThree, ofTwo, rangeOf } from './helpers.js';
import type { HelperCatalogue, HelperName, HelperText, LanewiseName, Module, StreamedStorage } from './module.js';
import { elementTypes, integerLike, isFloat, laneTypeName, widthOf } from './types.js';

type Helper = (type: Type, module: Module) => HelperText;

const scalarOf = (type: Type): Type => ({ scalar: laneTypeName(type), lanes: 1 });

/** Computes the lanes of r one by one. */
function lanewise(type: Type, module: Module, lane: string): readonly string[] {
  return [`${module.type(type)} r;`, `for (i32 l = 0; l < ${type.lanes}; l += 1) r[l] = ${lane};`, 'return r;'];
}

const gccAndClang = (gcc: readonly string[], clang: readonly string[]): readonly string[] => [
  '#ifdef __clang__',
  ...clang,
  '#else',
  ...gcc,
  '#endif',
];

// Arithmetic

/** A function of the C library, lane by lane. */
const library =
  (name: string, arity: 1 | 2): Helper =>
  (type, module) => {
    const called = `${module.dialect.library}${name}${laneTypeName(type) === 'f32' ? 'f' : ''}`;
    const write = arity === 1 ? ofOne : ofTwo;
    return write(type, module, ...lanewise(type, module, `${called}(${arity === 1 ? 'a[l]' : 'a[l], b[l]'})`));
  };

/** A scalar helper, lane by lane. */
const repeated =
  (name: HelperName, arity: 1 | 2): Helper =>
  (type, module) => {
    const operands = arity === 1 ? ['a[l]'] : ['a[l]', 'b[l]'];
    const write = arity === 1 ? ofOne : ofTwo;
    return write(type, module, ...lanewise(type, module, module.call(name, scalarOf(type), ...operands)));
  };

/** The two halves of a vector of 32-bit lanes, as f64. */
function inDoubles(value: string, type: Type, module: Module): readonly [string, string] {
  const half = type.lanes / 2;
  const doubles = module.vector('f64', half, 8);
  const convert = (first: number): string => `__builtin_convertvector(${shuffle(value, first, half)}, ${doubles})`;
  return [convert(0), convert(half)];
}

/** Two halves of f64 lanes as one vector of 32-bit lanes. */
function fromDoubles(low: string, high: string, type: Type, module: Module): string {
  const half = module.vector(laneTypeName(type), type.lanes / 2, 4);
  const lanes = Array.from({ length: type.lanes }, (_, lane) => lane).join(', ');
  return `__builtin_shufflevector(__builtin_convertvector(${low}, ${half}), __builtin_convertvector(${high}, ${half}), ${lanes})`;
}

/** Quotients of 32-bit integers are exact in f64. */
function quotient(a: string, b: string, type: Type, module: Module): string {
  const [dividends, divisors] = [inDoubles(a, type, module), inDoubles(b, type, module)];
  return fromDoubles(`${dividends[0]} / ${divisors[0]}`, `${dividends[1]} / ${divisors[1]}`, type, module);
}

/** As of scalars (helpers.ts): 0 and -1 are no divisors of the processor's. */
const divide: Helper = (type, module) => {
  if (widthOf(type) === 64) return repeated('div', 2)(type, module);
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofTwo(
    type,
    module,
    `const ${name} zero = (${name})(b == 0), minus = (${name})(b == -1), plain = ~(zero | minus);`,
    `const ${name} divisor = (b & plain) | (1 & ~plain);`,
    `const ${name} q = ${quotient('a', 'divisor', type, module)};`,
    `return (q & plain) | ((${name})-(${unsigned})a & minus);`,
  );
};

const integerRemainder: Helper = (type, module) => {
  if (widthOf(type) === 64) return repeated('rem', 2)(type, module);
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofTwo(
    type,
    module,
    `const ${name} plain = ~((${name})(b == 0) | (${name})(b == -1));`,
    `const ${name} divisor = (b & plain) | (1 & ~plain);`,
    `const ${name} q = ${quotient('a', 'divisor', type, module)};`,
    `return (${name})((${unsigned})a - (${unsigned})q * (${unsigned})divisor) & plain;`,
  );
};

/** As of scalars (helpers.ts); where lanes are not common, these alone go through the library. */
const remainderOfSingles: Helper = (type, module) => {
  const half: Type = { scalar: 'f64', lanes: type.lanes / 2, laneBits: 64 };
  const [name, integer, doubles] = [module.type(type), module.type(integerLike(type)), module.type(half)];
  const mask = module.type(integerLike(half));
  const [x, y] = [inDoubles('a', type, module), inDoubles('b', type, module)];
  const trunc = (value: string): string => module.call('trunc', half, value);
  const abs = (value: string): string => module.call('abs', half, value);
  const any = (value: string): string => module.call('any', integerLike(half), value);
  return ofTwo(
    type,
    module,
    `const ${doubles} x0 = ${x[0]}, x1 = ${x[1]}, y0 = ${y[0]}, y1 = ${y[1]};`,
    `const ${doubles} q0 = ${trunc('x0 / y0')}, q1 = ${trunc('x1 / y1')};`,
    `const ${integer} sign = (${integer})a & (-2147483647 - 1);`,
    `${name} r = ${fromDoubles('x0 - q0 * y0', 'x1 - q1 * y1', type, module)};`,
    `r = (${name})(((${integer})r & 2147483647) | sign);`,
    `const ${mask} common0 = (${mask})(${abs('q0')} < 536870912.0) & (${mask})(${abs('y0')} < __builtin_inf());`,
    `const ${mask} common1 = (${mask})(${abs('q1')} < 536870912.0) & (${mask})(${abs('y1')} < __builtin_inf());`,
    `if (${any('~(common0 & common1)')})`,
    `  for (i32 l = 0; l < ${type.lanes}; l += 1)`,
    `    if (!(l < ${half.lanes} ? common0[l % ${half.lanes}] : common1[l % ${half.lanes}])) r[l] = __builtin_fmodf(a[l], b[l]);`,
    'return r;',
  );
};

const remainder: Helper = (type, module) => {
  if (!isFloat(type)) return integerRemainder(type, module);
  return (widthOf(type) === 32 ? remainderOfSingles : library('fmod', 2))(type, module);
};

/** As of scalars (helpers.ts), for as many rounds as the largest exponent has bits. */
const integerPower: Helper = (type, module) => {
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  return ofTwo(
    type,
    module,
    `const ${name} negative = (${name})(b < 0);`,
    `const ${name} unit = ((${name})(a == 1) & 1) | ((${name})(a == -1) & (1 - 2 * (b & 1)));`,
    `${unsigned} r = 1 + (${unsigned}){};`,
    `${unsigned} base = (${unsigned})a;`,
    `for (${name} left = b & ~negative; ${module.call('any', type, `(${name})(left != 0)`)}; left >>= 1) {`,
    `  const ${unsigned} odd = (${unsigned})-(left & 1);`,
    '  r *= (odd & base) | (~odd & 1);',
    '  base *= base;',
    '}',
    `return (negative & unit) | (~negative & (${name})r);`,
  );
};

const power: Helper = (type, module) => (isFloat(type) ? library('pow', 2) : integerPower)(type, module);

/** The operand that the comparison is true of: b where the lanes are unordered. */
const chosen =
  (comparison: string): Helper =>
  (type, module) => {
    const mask = `(${module.type(integerLike(type))})(a ${comparison} b)`;
    const masked = [`return ${module.call('select', type, mask, 'a', 'b')};`];
    return ofTwo(type, module, ...gccAndClang(lanewise(type, module, `a[l] ${comparison} b[l] ? a[l] : b[l]`), masked));
  };

/** See `minimum` and `maximum` in helpers.ts. */
const minimum: Helper = (type, module) => {
  const lesser = (...operands: string[]) => module.call('lesser', type, ...operands);
  if (!isFloat(type)) return ofTwo(type, module, `return ${lesser('a', 'b')};`);
  const integer = module.type(integerLike(type));
  return ofTwo(type, module, `return (${module.type(type)})((${integer})${lesser('a', 'b')} | (${integer})${lesser('b', 'a')});`);
};

const maximum: Helper = (type, module) => {
  const greater = (...operands: string[]) => module.call('greater', type, ...operands);
  if (!isFloat(type)) return ofTwo(type, module, `return ${greater('a', 'b')};`);
  const [name, integer] = [module.type(type), module.type(integerLike(type))];
  return ofTwo(
    type,
    module,
    `const ${integer} first = (${integer})${greater('a', 'b')};`,
    `const ${integer} x = first ^ (${integer})${greater('b', 'a')};`,
    `return (${name})(first | x) - (${name})x;`,
  );
};

const absolute: Helper = (type, module) => {
  const [name, integer] = [module.type(type), module.type(integerLike(type))];
  const width = widthOf(type);
  if (isFloat(type)) {
    const magnitude = width === 64 ? '0x7fffffffffffffffll' : '0x7fffffff';
    return ofOne(type, module, `return (${name})((${integer})a & ${magnitude});`);
  }
  const unsigned = module.unsigned(type);
  return ofOne(
    type,
    module,
    `const ${unsigned} sign = (${unsigned})(a >> ${width - 1});`,
    `return (${name})(((${unsigned})a ^ sign) - sign);`,
  );
};

/** Products of the even and of the odd lanes, for Clang. */
const highProduct: Helper = (type, module) => {
  const [name, unsigned] = [module.type(type), module.unsigned(type)];
  const wide = module.vector('u64', type.lanes / 2, 8);
  return ofTwo(
    type,
    module,
    ...gccAndClang(lanewise(type, module, '(i32)((u64)(u32)a[l] * (u32)b[l] >> 32)'), [
      `const ${wide} x = (${wide})(${unsigned})a, y = (${wide})(${unsigned})b;`,
      `const ${wide} even = (x & 0xffffffffull) * (y & 0xffffffffull) >> 32;`,
      `return (${name})(even | ((x >> 32) * (y >> 32) & 0xffffffff00000000ull));`,
    ]),
  );
};

const fusedMultiplyAdd: Helper = (type, module) => {
  const call = `__builtin_fma${laneTypeName(type) === 'f32' ? 'f' : ''}(a[l], b[l], c[l])`;
  return ofThree(
    type,
    module,
    '#ifdef __clang__',
    '#pragma clang fp contract(on)',
    '#endif',
    '#if OW_FUSED && !defined(__clang__)',
    ...lanewise(type, module, call),
    '#else',
    'return a * b + c;',
    '#endif',
  );
};

/** Above the range, and where it is NaN, a lane is 0 before it is converted; below, it is the least number. */
const truncate =
  (from: 'f32' | 'f64'): Helper =>
  (type, module) => {
    const source: Type = { scalar: from, lanes: type.lanes, laneBits: from === 'f64' ? 64 : 32 };
    const [name, float, mask] = [module.type(type), module.type(source), module.type(integerLike(source))];
    const { least, above, highest } = rangeOf(from, type);
    const converted = (value: string) => `__builtin_convertvector(${value}, ${name})`;
    return {
      result: name,
      parameters: [`${float} a`],
      body: [
        `const ${float} below = (${float})((${mask})(a < ${above}) & (${mask})a);`,
        `const ${name} value = ${converted(module.call('greater', source, 'below', `${least} + (${float}){}`))};`,
        `return value | (${converted(`(${mask})(a >= ${above})`)} & ${highest});`,
      ],
    };
  };

// Lanes

const splat: Helper = (type, module) => {
  const name = module.type(type);
  const lanes = Array<string>(type.lanes).fill('a').join(', ');
  return { result: name, parameters: [`${laneTypeName(type)} a`], body: [`return (${name}){${lanes}};`] };
};

const select: Helper = (type, module) => {
  const [name, mask] = [module.type(type), module.type(integerLike(type))];
  return {
    result: name,
    parameters: [`${mask} mask`, `${name} a`, `${name} b`],
    body: [`return (${name})((mask & (${mask})a) | (~mask & (${mask})b));`],
  };
};

/** Whether any lane of a mask holds: its words are joined by halves. */
const any: Helper = (type, module) => {
  const parameters = [`${module.type(type)} a`];
  const count = (type.lanes * widthOf(type)) / 64;
  if (count < 2) return { result: 'i32', parameters, body: ['return (a[0] | a[1]) != 0;'] };
  const body = [`const ${module.vector('u64', count, 8)} w${count} = (${module.vector('u64', count, 8)})a;`];
  for (let words = count / 2; words >= 2; words /= 2) {
    const [low, high] = [0, words].map((first) => shuffle(`w${words * 2}`, first, words));
    body.push(`const ${module.vector('u64', words, 8)} w${words} = ${low} | ${high};`);
  }
  return { result: 'i32', parameters, body: [...body, 'return (w2[0] | w2[1]) != 0;'] };
};

function shuffle(vector: string, first: number, count: number): string {
  const lanes = Array.from({ length: count }, (_, at) => first + at).join(', ');
  return `__builtin_shufflevector(${vector}, ${vector}, ${lanes})`;
}

// Memory

/** A vector type that may lie at any element's address and alias anything. */
function inMemory(storage: RealStorage, lanes: number): string {
  const bytes = bytesOf[storage];
  return `typedef ${elementTypes[storage]} memory __attribute__((vector_size(${lanes * bytes}), aligned(${bytes}), may_alias));`;
}

/** The integer types between an element and a lane, each twice as wide as the one before: compilers do one such step well. */
function steps(storage: RealStorage, type: Type, module: Module): readonly string[] {
  const between: string[] = [];
  for (let bytes = bytesOf[storage] * 2; bytes * 8 < widthOf(type); bytes *= 2)
    between.push(module.vector(bytes === 2 ? 'i16' : 'i32', type.lanes, bytes));
  return between;
}

const converted = (value: string, types: readonly string[]): string =>
  types.reduce((text, name) => `__builtin_convertvector(${text}, ${name})`, value);

const isNative = (storage: RealStorage, type: Type): boolean => bytesOf[storage] * 8 === widthOf(type);

/** How GCC names the instructions of x86 that convert float16, by lanes, and what a processor that has them defines. */
const halfInstructions: Readonly<Record<number, HalfInstructions>> = {
  8: {
    condition: 'defined(__F16C__)',
    widen: (pattern) => `__builtin_ia32_vcvtph2ps256(${pattern})`,
    narrow: (value) => `__builtin_ia32_vcvtps2ph256(${value}, 0)`,
  },
  16: {
    condition: 'defined(__AVX512F__)',
    widen: (pattern, float) => `__builtin_ia32_vcvtph2ps512_mask(${pattern}, (${float}){}, -1, 4)`,
    narrow: (value, _, integer) => `__builtin_ia32_vcvtps2ph512_mask(${value}, 0, (${integer}){}, -1)`,
  },
};

interface HalfInstructions {
  readonly condition: string;
  widen(pattern: string, float: string, integer: string): string;
  /** Rounds to nearest even. */
  narrow(value: string, float: string, integer: string): string;
}

/** With the processor's own conversion where it has one, else otherwise. */
function withInstruction(
  storage: RealStorage,
  type: Type,
  module: Module,
  write: (instructions: HalfInstructions, float: string, integer: string) => string,
  otherwise: string,
): readonly string[] {
  const instructions = storage === 'float16' ? halfInstructions[type.lanes] : undefined;
  if (instructions === undefined) return [otherwise];
  const own = write(instructions, module.type(type), module.vector('i16', type.lanes, 2));
  return [`#if ${instructions.condition} && !defined(__clang__)`, own, '#else', otherwise, '#endif'];
}

function load(storage: RealStorage): Helper {
  return (type, module) => {
    const name = module.type(type);
    const pattern = module.type(integerLike(type));
    const element = `*(const memory *)p`;
    const wide = isNative(storage, type) ? element : converted(element, [...steps(storage, type, module), pattern]);
    return {
      result: name,
      parameters: [`const ${elementTypes[storage]} *p`],
      body: [
        inMemory(storage, type.lanes),
        ...withInstruction(
          storage,
          type,
          module,
          ({ widen }, float, integer) => `return ${widen(`(${integer})${element}`, float, integer)};`,
          `return ${loaded(storage, type, wide, module)};`,
        ),
      ],
    };
  };
}

function loaded(storage: RealStorage, type: Type, wide: string, module: Module): string {
  if (storage === 'bool') return `(${module.type(type)})(${wide} != 0)`;
  if (storage === 'float16' || storage === 'bfloat16') return module.call(`from_${storage}`, type, wide);
  return wide;
}

function store(storage: RealStorage): Helper {
  return (type, module) => {
    const narrow = isNative(storage, type)
      ? 'a'
      : converted(storedForm(storage, type, module), [...[...steps(storage, type, module)].reverse(), 'memory']);
    return {
      result: 'void',
      parameters: [`${elementTypes[storage]} *p`, `${module.type(type)} a`],
      body: [
        inMemory(storage, type.lanes),
        ...withInstruction(
          storage,
          type,
          module,
          (instructions, float, integer) => `*(memory *)p = (memory)${instructions.narrow('a', float, integer)};`,
          `*(memory *)p = ${narrow};`,
        ),
      ],
    };
  };
}

function storedForm(storage: RealStorage, type: Type, module: Module): string {
  if (storage === 'bool') return '(a & 1)';
  if (storage === 'float16' || storage === 'bfloat16') return module.call(`to_${storage}`, type, 'a');
  return 'a';
}

/** GCC's instructions of x86 that store past the caches, by bytes, and what a processor that has them defines. */
const streamInstructions: Readonly<Record<number, { readonly name: string; readonly condition: string }>> = {
  16: { name: '__builtin_ia32_movntps', condition: 'defined(__SSE__)' },
  32: { name: '__builtin_ia32_movntps256', condition: 'defined(__AVX__)' },
  64: { name: '__builtin_ia32_movntps512', condition: 'defined(__AVX512F__)' },
};

/** Only vectors at multiples of their size go past the caches; Clang has words for it on every processor. */
function stream(storage: StreamedStorage): Helper {
  return (type, module) => {
    const bytes = type.lanes * bytesOf[storage];
    const name = module.type(type);
    const instruction = streamInstructions[bytes];
    const aligned = `if (((u64)p & ${bytes - 1}) == 0)`;
    const floats = module.vector('f32', bytes / 4, 4);
    const gcc =
      instruction === undefined
        ? []
        : [`#elif ${instruction.condition}`, `${aligned} { ${instruction.name}((f32 *)p, (${floats})a); return; }`];
    return {
      result: 'void',
      parameters: [`${elementTypes[storage]} *p`, `${name} a`],
      body: [
        '#if defined(__clang__)',
        `${aligned} { __builtin_nontemporal_store(a, (${name} *)p); return; }`,
        ...gcc,
        '#endif',
        `${module.call(`store_${storage}`, type, 'p', 'a')};`,
      ],
    };
  };
}

const libraryUnary = {
  floor: library('floor', 1),
  ceil: library('ceil', 1),
  trunc: library('trunc', 1),
  rint: library('rint', 1),
  sqrt: library('sqrt', 1),
  exp: library('exp', 1),
  exp2: library('exp2', 1),
  expm1: library('expm1', 1),
  log: library('log', 1),
  log2: library('log2', 1),
  log10: library('log10', 1),
  log1p: library('log1p', 1),
  sin: library('sin', 1),
  cos: library('cos', 1),
  tan: library('tan', 1),
  asin: library('asin', 1),
  acos: library('acos', 1),
  atan: library('atan', 1),
  sinh: library('sinh', 1),
  cosh: library('cosh', 1),
  tanh: library('tanh', 1),
  asinh: library('asinh', 1),
  acosh: library('acosh', 1),
  atanh: library('atanh', 1),
  cbrt: library('cbrt', 1),
  pow: power,
  atan2: library('atan2', 2),
  rem: remainder,
} as const satisfies Record<LanewiseName, Helper>;

export const vectorHelpers: HelperCatalogue = {
  ...libraryUnary,
  ...halfHelpers,
  min: minimum,
  max: maximum,
  lesser: chosen('<'),
  greater: chosen('>'),
  div: divide,
  abs: absolute,
  clz: repeated('clz', 1),
  popcount: repeated('popcount', 1),
  mulhiu: highProduct,
  fma: fusedMultiplyAdd,
  truncate_f32: truncate('f32'),
  truncate_f64: truncate('f64'),
  splat,
  select,
  any,
  load_bool: load('bool'),
  load_uint8: load('uint8'),
  load_int8: load('int8'),
  load_int16: load('int16'),
  load_int32: load('int32'),
  load_int64: load('int64'),
  load_float16: load('float16'),
  load_bfloat16: load('bfloat16'),
  load_float32: load('float32'),
  load_float64: load('float64'),
  store_bool: store('bool'),
  store_uint8: store('uint8'),
  store_int8: store('int8'),
  store_int16: store('int16'),
  store_int32: store('int32'),
  store_int64: store('int64'),
  store_float16: store('float16'),
  store_bfloat16: store('bfloat16'),
  store_float32: store('float32'),
  store_float64: store('float64'),
  stream_int32: stream('int32'),
  stream_int64: stream('int64'),
  stream_float32: stream('float32'),
  stream_float64: stream('float64'),
};
