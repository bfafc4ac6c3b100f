/** The kernel IR's own tools: construction, specialisation, the interpreter's meaning of each construct, and loops in lanes. */
import test from 'ava';
import {
  accumulate,
  add,
  and,
  BOOL,
  begin,
  bits,
  bool,
  break_,
  constant,
  continue_,
  convert,
  div,
  end,
  eq,
  F32,
  F64,
  f32,
  f64,
  fail,
  fma,
  forItems,
  forLoop,
  gt,
  I32,
  I64,
  i32,
  i64,
  if_,
  kernel,
  let_,
  load,
  local,
  lt,
  max,
  min,
  mul,
  ne,
  neg,
  type Operand,
  param,
  rem,
  scalarType,
  select,
  set,
  shl,
  shr,
  shru,
  sqrt,
  store,
  sub,
  unary,
  variable,
} from '../kernels/build.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../kernels/half.js';
import { type BufferArray, type Invocation, interpret } from '../kernels/interpret.js';
import type { AccumulateKind, BufferDeclaration, Expr, Kernel, RealStorage, Stmt, Type } from '../kernels/ir.js';
import { digamma, erf, erfc, erfinv, i0e, i1e, lgamma, pow } from '../kernels/scalar-math.js';
import { specialise } from '../kernels/specialise.js';
import { visitStatements } from '../kernels/traverse.js';
import { vectorise } from '../kernels/vectorise.js';

const read = (name: string, storage: RealStorage | string): BufferDeclaration => ({ name, storage, access: 'read' });
const written = (name: string, storage: RealStorage | string): BufferDeclaration => ({ name, storage, access: 'write' });
const x = local('x', I32);

// Construction

test('integer arithmetic on constants is folded, floating-point arithmetic is not', (t) => {
  const folded: [Expr, Expr][] = [
    [add(x, 0), x],
    [mul(x, 1), x],
    [mul(x, 0), i32(0)],
    [add(add(x, 3), 4), add(x, 7)],
    [add(3, x), add(x, 3)],
    [add(local('y', I32), add(x, 4)), add(add(local('y', I32), x), 4)],
    [sub(i32(-2147483648), 1), i32(2147483647)],
    [div(7, 0), i32(0)],
    [div(-7, 2), i32(-3)],
    [and(bool(true), eq(x, 1)), eq(x, 1)],
    [select(bool(false), x, 5), i32(5)],
    [lt(1, 2), bool(true)],
    [convert(I32, x), x],
  ];
  for (const [actual, expected] of folded) t.deepEqual(actual, expected);
  t.is(add(f32(1), 2).op, 'binary');
});

test('operands of different types are refused where they are built', (t) => {
  t.throws(() => add(x, f32(1)), { message: 'operands of i32 and f32' });
});

// Specialisation

const T = scalarType('T');

test('specialise puts the dtype into buffers, registers and limits', (t) => {
  const generic = kernel(
    'limits',
    [read('x', 'T'), written('out', 'T')],
    [{ name: 'scale', type: 'T' }],
    [
      store('out', 0, constant(T, 'lowest')),
      store('out', 1, constant(T, 'highest')),
      store('out', 2, mul(convert(T, convert(F32, load(T, 'x', 0))), param('scale', T))),
    ],
  );
  const int8 = specialise(generic, { T: 'int8' });
  t.deepEqual(int8.buffers[0], read('x', 'int8'));
  t.deepEqual(int8.params, [{ name: 'scale', type: 'i32' }]);
  t.deepEqual(int8.body.slice(0, 2), [store('out', 0, i32(-128)), store('out', 1, i32(127))]);
  const float = specialise(generic, { T: 'float16' });
  t.deepEqual(float.body, [
    store('out', 0, f32('-inf')),
    store('out', 1, f32('inf')),
    store('out', 2, mul(load(F32, 'x', 0), param('scale', F32))),
  ]);
  t.deepEqual(specialise(generic, { T: 'int64' }).body[0], store('out', 0, i64('-9223372036854775808')));
  t.throws(() => specialise(generic, {}), { message: 'kernel limits: no dtype is bound to T' });
});

// The interpreter

const arrays: Readonly<Record<RealStorage, (size: number) => BufferArray>> = {
  bool: (size) => new Uint8Array(size),
  uint8: (size) => new Uint8Array(size),
  int8: (size) => new Int8Array(size),
  int16: (size) => new Int16Array(size),
  int32: (size) => new Int32Array(size),
  int64: (size) => new BigInt64Array(size),
  float16: (size) => new Uint16Array(size),
  bfloat16: (size) => new Uint16Array(size),
  float32: (size) => new Float32Array(size),
  float64: (size) => new Float64Array(size),
};

/** The value of a scalar expression, as stored. */
function storedValue(expr: Expr, storage: RealStorage, wide = false): number | bigint {
  const out = wide ? new Float64Array(1) : arrays[storage](1);
  interpret(kernel('value', [written('out', storage)], [], [store('out', 0, expr)]), {
    buffers: { out },
    begin: 0,
    end: 1,
    wide,
  });
  return out[0]!;
}

const least = i32(-2147483648);
/** An i32 that is not folded. */
const opaque = (value: number): Expr => bits(I32, bits(F32, i32(value)));

const integerCases: [string, Expr, number][] = [
  ['sums wrap', add(opaque(2147483647), 1), -2147483648],
  ['products wrap', mul(opaque(65536), 65537), 65536],
  ['division truncates', div(opaque(-7), 2), -3],
  ['division by 0 is 0', div(opaque(-7), opaque(0)), 0],
  ['the least by -1 wraps', div(bits(I32, bits(F32, least)), opaque(-1)), -2147483648],
  ['rem has the dividend sign', rem(opaque(-7), 4), -3],
  ['rem 0 is 0', rem(opaque(7), opaque(0)), 0],
  ['shift counts are modulo 32', shl(opaque(1), opaque(33)), 2],
  ['shr keeps the sign', shr(opaque(-8), 1), -4],
  ['shru does not', shru(opaque(-8), 1), 2147483644],
  ['mulhiu', { op: 'binary', type: I32, name: 'mulhiu', left: opaque(-1), right: opaque(-1) }, -2],
  ['clz', unary('clz', opaque(1)), 31],
  ['popcount', unary('popcount', opaque(-1)), 32],
  ['neg of the least wraps', neg(bits(I32, bits(F32, least))), -2147483648],
  ['float to integer saturates', convert(I32, f64(1e10)), 2147483647],
  ['float to integer truncates', convert(I32, f64(-2.7)), -2],
  ['NaN to integer is 0', convert(I32, f64('nan')), 0],
  ['int64 to int32 wraps', convert(I32, i64('4294967297')), 1],
  ['bool to integer', convert(I32, convert(BOOL, f32('nan'))), 1],
];
for (const [what, expr, expected] of integerCases)
  test(`interpreter: ${what}`, (t) => {
    t.is(storedValue(expr, 'int32'), expected);
  });

test('interpreter: int64 arithmetic', (t) => {
  const most = i64('9223372036854775807');
  t.is(storedValue(add(most, 1), 'int64'), -9223372036854775808n);
  t.is(storedValue(div(i64(-7), 2), 'int64'), -3n);
  t.is(storedValue(div(i64(7), 0), 'int64'), 0n);
  t.is(storedValue(shru(i64(-1), 63), 'int64'), 1n);
  t.is(storedValue(shl(i64(1), 65), 'int64'), 2n);
  t.is(storedValue(convert(I64, f64(1e30)), 'int64'), 9223372036854775807n);
  t.is(storedValue(convert(I64, f64(-1e30)), 'int64'), -9223372036854775808n);
  // 2^60 + 2^36 + 1 is just above the middle of two f32, of which a first rounding to f64 would lose the 1.
  t.is(storedValue(convert(F32, i64('1152921573326323713')), 'float32'), 2 ** 60 + 2 ** 37);
});

test('interpreter: floating-point minima, comparisons and rounding', (t) => {
  t.deepEqual(storedValue(min(f32('nan'), 1), 'float32'), NaN);
  t.true(Object.is(storedValue(min(f32(0), f32(-0)), 'float32'), -0));
  t.is(storedValue(convert(I32, ne(f32('nan'), f32('nan'))), 'int32'), 1);
  t.is(storedValue(convert(I32, eq(f32('nan'), f32('nan'))), 'int32'), 0);
  t.is(storedValue(unary('rint', f64(2.5)), 'float64'), 2);
  t.is(storedValue(unary('rint', f64(-3.5)), 'float64'), -4);
  t.is(storedValue(add(f32(1), 1e-9), 'float32'), 1);
  t.is(storedValue(add(f32(1), 1e-9), 'float32', true), 1 + 1e-9);
  t.is(storedValue(fma(f32(3), f32(2), f32(1)), 'float32'), 7);
  t.is(storedValue(bits(I32, f32(1)), 'int32'), 0x3f800000);
  t.is(storedValue(sqrt(f32(2)), 'float32'), Math.fround(Math.SQRT2));
});

test('interpreter: narrow stores wrap and bool is 0 or 1', (t) => {
  t.is(storedValue(i32(300), 'uint8'), 44);
  t.is(storedValue(i32(200), 'int8'), -56);
  t.is(storedValue(gt(f32(2), 1), 'bool'), 1);
  t.is(storedValue(f32(1 / 3), 'float16'), 0x3555);
  t.is(storedValue(f32(1 / 3), 'bfloat16'), 0x3eab);
});

test('interpreter: loops, break, continue and fail', (t) => {
  const i = local('i', I32);
  const body: Stmt[] = [
    variable('sum', i32(0)),
    forLoop('i', 0, 10, [
      if_(eq(i, 3), [continue_]),
      if_(eq(i, 6), [fail(7), fail(8), break_]),
      set('sum', add(local('sum', I32), i)),
    ]),
    store('out', 0, local('sum', I32)),
  ];
  const out = new Int32Array(1);
  t.is(interpret(kernel('loop', [written('out', 'int32')], [], body), { buffers: { out }, begin: 0, end: 1 }), 7);
  t.is(out[0], 0 + 1 + 2 + 4 + 5);
});

test('interpreter: what a compiled kernel would do silently is an error', (t) => {
  const run = (buffers: readonly BufferDeclaration[], body: readonly Stmt[]): number =>
    interpret(kernel('k', buffers, [], body), { buffers: { out: new Int32Array(2) }, begin: 0, end: 1 });
  t.throws(() => run([written('out', 'int32')], [store('out', 2, i32(1))]), {
    message: 'kernel k: index 2 is outside buffer out of 2 elements',
  });
  t.throws(() => run([read('out', 'int32')], [store('out', 0, i32(1))]), { message: 'kernel k: buffer out is declared read' });
  t.throws(() => run([written('out', 'int32')], [let_('a', i32(1)), set('a', i32(2))]), {
    message: 'kernel k: a is not mutable',
  });
  t.throws(() => run([written('out', 'int32')], [let_('a', i32(1)), let_('a', i32(2))]), {
    message: 'kernel k: a is declared twice',
  });
  t.throws(() => run([written('out', 'int32')], [store('out', 0, local('a', I32))]), { message: 'kernel k: unknown local a' });
});

test('float16 and bfloat16 round to nearest even and decode to what they encode', (t) => {
  const cases: [number, number, number][] = [
    [1, 0x3c00, 0x3f80],
    [-0, 0x8000, 0x8000],
    [65504, 0x7bff, 0x4780],
    [65519.996, 0x7bff, 0x4780],
    [65520, 0x7c00, 0x4780],
    [2 ** -24, 0x0001, 0x3380],
    [2 ** -25, 0x0000, 0x3300],
    [2 ** -14, 0x0400, 0x3880],
    [2 ** -14 - 2 ** -26, 0x0400, 0x3880],
    [1 + 2 ** -11, 0x3c00, 0x3f80],
    [1 + 3 * 2 ** -11, 0x3c02, 0x3f80],
    [Infinity, 0x7c00, 0x7f80],
  ];
  for (const [value, half, brain] of cases) {
    t.is(encodeFloat16(value), half, `${value}`);
    t.is(encodeBfloat16(value), brain, `${value}`);
  }
  for (let pattern = 0; pattern < 0x10000; pattern++) {
    const half = decodeFloat16(pattern);
    const brain = decodeBfloat16(pattern);
    if (!Number.isNaN(half) && encodeFloat16(half) !== pattern) t.fail(`float16 ${pattern}`);
    if (!Number.isNaN(brain) && encodeBfloat16(brain) !== pattern) t.fail(`bfloat16 ${pattern}`);
  }
  t.deepEqual([decodeFloat16(encodeFloat16(NaN)), decodeBfloat16(encodeBfloat16(NaN))], [NaN, NaN]);
});

/** By mpmath in 40 digits; pow is C's. */
const known: [string, number, number][] = [
  ['erf(1e-09)', erf(1e-9), 1.1283791670955127e-9],
  ['erf(0.3)', erf(0.3), 0.3286267594591274],
  ['erf(0.99)', erf(0.99), 0.8385080695553698],
  ['erf(1.01)', erf(1.01), 0.8468104962282768],
  ['erf(-2.5)', erf(-2.5), -0.999593047982555],
  ['erfc(-1.0)', erfc(-1.0), 1.8427007929497148],
  ['erfc(0.4)', erfc(0.4), 0.5716076449533315],
  ['erfc(1.5)', erfc(1.5), 0.033894853524689274],
  ['erfc(5.25)', erfc(5.25), 1.1310313266887154e-13],
  ['erfc(26.0)', erfc(26.0), 5.663192408856143e-296],
  ['erfinv(1e-12)', erfinv(1e-12), 8.86226925452758e-13],
  ['erfinv(0.3)', erfinv(0.3), 0.2724627147267543],
  ['erfinv(-0.7)', erfinv(-0.7), -0.7328690779592167],
  ['erfinv(0.999)', erfinv(0.999), 2.3267537655135246],
  ['i0e(1e-09)', i0e(1e-9), 0.999999999],
  ['i1e(1e-09)', i1e(1e-9), 4.999999995000001e-10],
  ['i0e(-2.0)', i0e(-2.0), 0.30850832255367105],
  ['i1e(-2.0)', i1e(-2.0), -0.21526928924893765],
  ['i0e(8.5)', i0e(8.5), 0.13900184305484758],
  ['i1e(8.5)', i1e(8.5), 0.13054935509459586],
  ['i0e(29.5)', i0e(29.5), 0.07376861727872859],
  ['i1e(29.5)', i1e(29.5), 0.07250732615718372],
  ['i0e(31.0)', i0e(31.0), 0.07194649669698383],
  ['i1e(31.0)', i1e(31.0), 0.07077639283438568],
  ['lgamma(1e-05)', lgamma(1e-5), 11.512919692895826],
  ['lgamma(0.25)', lgamma(0.25), 1.2880225246980774],
  ['lgamma(0.9)', lgamma(0.9), 0.06637623973474295],
  ['lgamma(1.1)', lgamma(1.1), -0.049872441259839764],
  ['lgamma(1.999)', lgamma(1.999), -0.0004224618006921073],
  ['lgamma(2.3)', lgamma(2.3), 0.15418945495963046],
  ['lgamma(3.7)', lgamma(3.7), 1.428072326665388],
  ['lgamma(50.5)', lgamma(50.5), 146.51925549072064],
  ['lgamma(-1.5)', lgamma(-1.5), 0.860047015376481],
  ['digamma(0.0001)', digamma(0.0001), -10000.577051183514],
  ['digamma(0.5)', digamma(0.5), -1.9635100260214235],
  ['digamma(2.0)', digamma(2.0), 0.42278433509846713],
  ['digamma(7.25)', digamma(7.25), 1.910453526883736],
  ['digamma(100.0)', digamma(100.0), 4.600161852738087],
  ['digamma(-0.3)', digamma(-0.3), 2.113309779635399],
  ['pow(1, nan)', pow(1, NaN), 1],
  ['pow(-1, inf)', pow(-1, Infinity), 1],
  ['lgamma(0)', lgamma(0), Infinity],
  ['lgamma(1)', lgamma(1), 0],
  ['lgamma(2)', lgamma(2), 0],
  ['digamma(0)', digamma(0), -Infinity],
  ['digamma(-2)', digamma(-2), NaN],
];
test('special functions are right to a few ulp', (t) => {
  for (const [what, actual, expected] of known) {
    const near = Object.is(actual, expected) || Math.abs(actual - expected) <= 8e-15 * Math.abs(expected);
    t.true(near, `${what} is ${actual}, expected ${expected}`);
  }
});

// Loops in lanes

/** Numbers that exercise signs, zeros and NaN, as any storage. */
function filled(storage: RealStorage, size: number): BufferArray {
  const array = arrays[storage](size);
  for (let at = 0; at < size; at++) {
    const value = ((at * 37) % 23) - 11;
    if (array instanceof BigInt64Array) array[at] = BigInt(value);
    else if (array instanceof Uint16Array)
      array[at] = storage === 'float16' ? encodeFloat16(value / 4) : encodeBfloat16(value / 4);
    else if (storage === 'bool') array[at] = value > 0 ? 1 : 0;
    else array[at] = storage === 'float32' || storage === 'float64' ? (at % 13 === 5 ? NaN : value / 3) : value;
  }
  return array;
}

function runBoth(
  original: Kernel,
  vectorBytes: number,
  invocation: (out: BufferArray) => Invocation,
  out: RealStorage,
  size: number,
): [BufferArray, BufferArray] {
  const [scalar, vector] = [arrays[out](size), arrays[out](size)];
  interpret(original, invocation(scalar));
  interpret(vectorise(original, { vectorBytes }), invocation(vector));
  return [scalar, vector];
}

const hasVectors = (tested: Kernel): boolean => {
  let found = false;
  visitStatements(tested.body, (statement) => {
    if (statement.do === 'store' && statement.value.type.lanes > 1) found = true;
    if (statement.do === 'accumulate' && statement.value.type.lanes > 1) found = true;
  });
  return found;
};

const elementwise: readonly [string, RealStorage, RealStorage, (i: Expr) => Expr][] = [
  ['float32', 'float32', 'float32', (i) => add(mul(load(F32, 'x', i), param('a', F32)), load(F32, 'x', 0))],
  ['float64', 'float64', 'float64', (i) => max(load(F64, 'x', i), f64(0.5))],
  ['a comparison', 'float32', 'bool', (i) => gt(load(F32, 'x', i), 1)],
  ['bool', 'bool', 'bool', (i) => unary('not', load(BOOL, 'x', i))],
  ['narrow integers', 'int8', 'int8', (i) => mul(load(I32, 'x', i), 100)],
  ['int64', 'int64', 'int64', (i) => select(lt(load(I64, 'x', i), 0), neg(load(I64, 'x', i)), load(I64, 'x', i))],
  ['float16', 'float16', 'float16', (i) => mul(load(F32, 'x', i), 3)],
  ['a conversion', 'int32', 'float32', (i) => convert(F32, load(I32, 'x', i))],
  ['the loop variable', 'float32', 'float32', (i) => mul(convert(F32, add(mul(i, 3), 1)), 0.5)],
  ['a uniform choice', 'float32', 'float32', (i) => select(gt(param('a', F32), 0), load(F32, 'x', i), f32(0))],
  ['a fill', 'float64', 'float64', () => convert(F64, param('a', F32))],
];
/** What vectors of 16 bytes leave to the scalar loop. */
const wide: typeof elementwise = [
  ['a wider result', 'float32', 'float64', (i) => convert(F64, load(F32, 'x', i))],
  ['a narrower result', 'float64', 'float32', (i) => convert(F32, load(F64, 'x', i))],
  ['integers to wider ones', 'int32', 'int64', (i) => convert(I64, load(I32, 'x', i))],
  ['integers to floats of 64 bits', 'int64', 'float64', (i) => convert(F64, load(I64, 'x', i))],
  ['a choice by a narrower comparison', 'float32', 'float64', (i) => select(lt(load(F32, 'x', i), 1), f64(0.5), f64(2))],
  ['a choice by a wider comparison', 'float64', 'float32', (i) => select(lt(load(F64, 'x', i), 1), f32(0.5), f32(2))],
  ['a mask of a narrower comparison', 'float32', 'bool', (i) => gt(convert(F64, load(F32, 'x', i)), 1)],
  ['a quotient of integers', 'int32', 'int32', (i) => div(load(I32, 'x', i), 7)],
  ['a remainder', 'float32', 'float32', (i) => rem(load(F32, 'x', i), param('a', F32))],
];
test('stores of every second element and of those between run in lanes', (t) => {
  for (const vectorBytes of [16, 64]) {
    const body = (i: Expr): Stmt[] => {
      const [even, odd] = [load(F32, 'x', mul(i, 2)), load(F32, 'x', add(mul(i, 2), 1))];
      return [
        let_('even', mul(even, 2)),
        let_('odd', sub(even, odd)),
        store('out', mul(i, 2), local('even', F32)),
        store('out', add(mul(i, 2), 1), local('odd', F32)),
      ];
    };
    const tested = kernel(
      'pairs',
      [read('x', 'float32'), written('out', 'float32')],
      [],
      [forItems('i', body, { vector: true })],
    );
    t.true(hasVectors(vectorise(tested, { vectorBytes })));
    const call = (out: BufferArray): Invocation => ({ buffers: { x: filled('float32', 140), out }, begin: 1, end: 68 });
    const [scalar, vector] = runBoth(tested, vectorBytes, call, 'float32', 140);
    t.deepEqual(vector, scalar);
  }
});

const mapped = [
  ...elementwise.flatMap((row) => [16, 64].map((vectorBytes) => [...row, vectorBytes] as const)),
  ...wide.map((row) => [...row, 64] as const),
];
for (const [what, from, to, expr, vectorBytes] of mapped)
  test(`lanes give the bits of the scalar loop: ${what}, ${vectorBytes} bytes`, (t) => {
    const tested = kernel(
      'map',
      [read('x', from), written('out', to)],
      [{ name: 'a', type: 'f32' }],
      [forItems('i', (i) => [store('out', i, expr(i))], { vector: true })],
    );
    t.true(hasVectors(vectorise(tested, { vectorBytes })));
    const size = 70;
    for (const [first, last] of [
      [0, 0],
      [0, 1],
      [0, size],
      [3, 20],
      [5, 6],
      [1, 66],
    ] as const) {
      const call = (out: BufferArray): Invocation => ({
        buffers: { x: filled(from, size), out },
        params: { a: 1.7 },
        begin: first,
        end: last,
      });
      const [scalar, vector] = runBoth(tested, vectorBytes, call, to, size);
      t.deepEqual(vector, scalar, `${first}..${last}`);
    }
  });

/** The sum of f32 in the documented order. */
function documentedSum(values: Float32Array, lanes: number, unroll: number): number {
  const whole = values.length - (values.length % lanes);
  const parts = Array.from({ length: unroll }, () => new Float32Array(lanes));
  for (let at = 0; at < whole; at++) parts[Math.floor(at / lanes) % unroll]![at % lanes]! += values[at]!;
  const pairwise = (items: readonly number[]): number =>
    items.length === 1
      ? items[0]!
      : pairwise(items.filter((_, at) => at % 2 === 0).map((item, at) => Math.fround(item + items[2 * at + 1]!)));
  const lanesTotal = Array.from({ length: lanes }, (_, lane) => pairwise(parts.map((part) => part[lane]!)));
  let total = pairwise(lanesTotal);
  for (const value of values.subarray(whole)) total = Math.fround(total + value);
  return total;
}

const reduction = (kind: AccumulateKind, type: Type, storage: RealStorage, initial: Operand): Kernel =>
  kernel(
    'reduce',
    [read('x', storage), written('out', storage)],
    [{ name: 'n', type: 'i32' }],
    [
      variable('acc', typeof initial === 'number' ? constant(type, initial) : initial),
      forLoop('i', 0, param('n'), (i) => [accumulate('acc', kind, load(type, 'x', i))], { vector: true }),
      store('out', 0, local('acc', type)),
    ],
  );

test('a vector sum adds in the documented order', (t) => {
  for (const [vectorBytes, lanes] of [
    [16, 4],
    [64, 16],
  ] as const) {
    const tested = vectorise(reduction('sum', F32, 'float32', 0), { vectorBytes });
    for (const n of [0, 1, 3, 4, 5, 15, 16, 17, 31, 63, 64, 65, 100, 257]) {
      const values = Float32Array.from({ length: n }, (_, at) => Math.sin(at * 12.9898) * 10 ** (at % 5));
      const out = new Float32Array(1);
      interpret(tested, { buffers: { x: values, out }, params: { n }, begin: 0, end: 1 });
      t.is(out[0], documentedSum(values, lanes, 4), `${n} in ${lanes} lanes`);
    }
  }
});

const reductions: [AccumulateKind, Type, RealStorage, Operand][] = [
  ['sum', I32, 'int32', 5],
  ['prod', I64, 'int64', 3],
  ['max', F32, 'float32', f32('-inf')],
  ['min', F64, 'float64', f64('inf')],
  ['max', I32, 'int8', -1000],
  ['min', I64, 'int64', 0],
  ['any', BOOL, 'bool', bool(false)],
  ['all', BOOL, 'bool', bool(true)],
];
for (const [kind, type, storage, initial] of reductions)
  test(`a vector ${kind} of ${storage} equals the scalar one`, (t) => {
    for (const vectorBytes of [16, 64])
      for (const n of [0, 1, 7, 16, 45, 70]) {
        const call = (out: BufferArray): Invocation => ({
          buffers: { x: filled(storage, n), out },
          params: { n },
          begin: 0,
          end: 1,
        });
        const [scalar, vector] = runBoth(reduction(kind, type, storage, initial), vectorBytes, call, storage, 1);
        t.deepEqual(vector, scalar, `${n} elements`);
      }
  });

test('columns reduce in lanes: a loop inside a vector loop', (t) => {
  const tested = kernel(
    'columns',
    [read('x', 'float32'), written('out', 'float32')],
    [{ name: 'rows', type: 'i32' }],
    [
      forItems(
        'c',
        (c) => [
          variable('acc', f32(0)),
          forLoop('r', 0, param('rows'), (r) => [accumulate('acc', 'sum', load(F32, 'x', add(mul(r, 19), c)))]),
          store('out', c, local('acc', F32)),
        ],
        { vector: true },
      ),
    ],
  );
  t.true(hasVectors(vectorise(tested, { vectorBytes: 16 })));
  const call = (out: BufferArray): Invocation => ({
    buffers: { x: filled('float32', 95), out },
    params: { rows: 5 },
    begin: 0,
    end: 19,
  });
  const [scalar, vector] = runBoth(tested, 16, call, 'float32', 19);
  t.deepEqual(vector, scalar);
});

test('what wide vectors leave over runs in narrow ones, and one by one only where the order of adding would change', (t) => {
  const scaled = kernel(
    'scaled',
    [read('x', 'float32'), written('out', 'float32')],
    [],
    [forItems('i', (i) => [store('out', i, mul(load(F32, 'x', i), 2))], { vector: true })],
  );
  const lanesOf = (tested: Kernel): number[] => {
    const found = new Set<number>();
    visitStatements(tested.body, (statement) => {
      if (statement.do === 'store') found.add(statement.value.type.lanes);
    });
    return [...found].sort((a, b) => a - b);
  };
  t.deepEqual(lanesOf(vectorise(scaled, { vectorBytes: 64 })), [1, 4, 16]);
  t.deepEqual(lanesOf(vectorise(scaled, { vectorBytes: 16 })), [1, 4]);
  t.false(JSON.stringify(vectorise(reduction('sum', F32, 'float32', 0), { vectorBytes: 64 })).includes('"lanes":4,'));
  for (const n of [0, 3, 4, 15, 16, 19, 31, 33, 63, 70]) {
    const call = (out: BufferArray): Invocation => ({ buffers: { x: filled('float32', n), out }, begin: 0, end: n });
    const [scalar, vector] = runBoth(scaled, 64, call, 'float32', n);
    t.deepEqual(vector, scalar, `${n} elements`);
  }
});

for (const [which, elements, placeOf] of [
  ['every second element is loaded', 2, (i: Expr) => add(mul(i, 2), 1)],
  ['elements are loaded backwards', 1, (i: Expr) => sub(sub(end, 1), i)],
] as const)
  test(`${which} in lanes, and none beyond the last`, (t) => {
    for (const [storage, type] of [
      ['float32', F32],
      ['int64', I64],
    ] as const)
      for (const vectorBytes of [16, 64])
        for (const n of [1, 7, 16, 33]) {
          const body = (i: Expr): Stmt[] => [store('out', i, load(type, 'x', placeOf(i)))];
          const tested = kernel('k', [read('x', storage), written('out', storage)], [], [forItems('i', body, { vector: true })]);
          t.true(hasVectors(vectorise(tested, { vectorBytes })));
          const x = filled(storage, elements * n);
          const call = (out: BufferArray): Invocation => ({ buffers: { x, out }, begin: 0, end: n });
          const [scalar, vector] = runBoth(tested, vectorBytes, call, storage, n);
          t.deepEqual(vector, scalar, `${n} elements of ${storage}`);
        }
  });

test('a loop in lanes that ends before it begins has no turn', (t) => {
  const body = (i: Expr): Stmt[] => [store('out', i, f32(1))];
  const params = ['from', 'to'].map((name) => ({ name, type: 'i32' }) as const);
  const loop = forLoop('i', param('from'), param('to'), body, { vector: true });
  const tested = vectorise(kernel('k', [written('out', 'float32')], params, [loop]), { vectorBytes: 16 });
  t.true(hasVectors(tested));
  for (const [from, to] of [
    [9, 8],
    [9, 6],
    [12, 4],
  ] as const) {
    const out = new Float32Array(16);
    interpret(tested, { buffers: { out }, params: { from, to }, begin: 0, end: 0 });
    t.deepEqual(out, new Float32Array(16), `from ${from} to ${to}`);
  }
});

test('what an inner loop would load is not loaded where it has no turn', (t) => {
  const inner = forLoop('r', 0, param('rows'), () => [accumulate('acc', 'sum', load(F32, 's', 0))]);
  const body = (c: Expr): Stmt[] => [variable('acc', load(F32, 'x', c)), inner, store('out', c, local('acc', F32))];
  const tested = vectorise(
    kernel(
      'k',
      [read('x', 'float32'), read('s', 'float32'), written('out', 'float32')],
      [{ name: 'rows', type: 'i32' }],
      [forItems('c', body, { vector: true })],
    ),
    { vectorBytes: 16 },
  );
  t.true(hasVectors(tested));
  const [x, out] = [filled('float32', 9), new Float32Array(9)];
  const buffers = { x, s: new Float32Array(0), out };
  t.is(interpret(tested, { buffers, params: { rows: 0 }, begin: 0, end: 9 }), 0);
  t.deepEqual(out, x);
});

test('a uniform load is moved before the loop, and not made where no vector turn runs', (t) => {
  const tested = vectorise(
    kernel(
      'scale',
      [read('x', 'float32'), read('s', 'float32'), written('out', 'float32')],
      [],
      [
        forItems('i', (i) => [let_('factor', load(F32, 's', 0)), store('out', i, mul(load(F32, 'x', i), local('factor', F32)))], {
          vector: true,
        }),
      ],
    ),
    { vectorBytes: 16 },
  );
  const nothing = new Float32Array(0);
  t.is(interpret(tested, { buffers: { x: nothing, s: nothing, out: nothing }, begin: 0, end: 0 }), 0);
  let loadsInLoop = 0;
  visitStatements(tested.body, (statement) => {
    if (statement.do === 'for' && statement.step === 4) loadsInLoop += JSON.stringify(statement).split('"buffer":"s"').length - 1;
  });
  t.is(loadsInLoop, 0);
});

const scalarLoops: readonly [string, (i: Expr) => readonly Stmt[]][] = [
  ['a store of every second element', (i) => [store('out', mul(i, 2), f32(1))]],
  ['a gather', (i) => [store('out', i, load(F32, 'x', mul(i, 3)))]],
  ['an if', (i) => [if_(gt(load(F32, 'x', i), 0), [store('out', i, f32(1))])]],
  ['a fail', (i) => [store('out', i, f32(1)), fail(1)]],
  ['a store to one place', (i) => [store('out', 0, load(F32, 'x', i))]],
  ['mixed widths', (i) => [store('out', i, convert(F32, convert(F64, load(F32, 'x', i))))]],
  [
    'a read of its accumulator beforehand',
    (i) => [store('out', i, local('acc', F32)), accumulate('acc', 'sum', load(F32, 'x', i))],
  ],
  ['a running maximum', (i) => [accumulate('acc', 'max', load(F32, 'x', i)), store('out', i, local('acc', F32))]],
  ['a running sum of one number', (i) => [accumulate('acc', 'sum', f32(1)), store('out', i, local('acc', F32))]],
  ['an outer local that is set', (i) => [set('acc', load(F32, 'x', i))]],
  ['a load of every third element', (i) => [store('out', i, load(F32, 'x', mul(i, 3)))]],
  ['two kinds of accumulation into one', (i) => [accumulate('acc', 'sum', load(F32, 'x', i)), accumulate('acc', 'max', f32(1))]],
  [
    'an index that is set again',
    (i) => [variable('at', i), set('at', i32(0)), store('out', i, load(F32, 'x', local('at', I32)))],
  ],
  ['integer division', (i) => [store('out', i, convert(F32, div(add(i, 1), param('n'))))]],
];
for (const [what, body] of scalarLoops)
  test(`a loop with ${what} stays scalar`, (t) => {
    const out: BufferDeclaration = { name: 'out', storage: 'float32', access: 'readwrite' };
    const tested = kernel(
      'k',
      [read('x', 'float32'), out],
      [{ name: 'n', type: 'i32' }],
      [variable('acc', f32(0)), forLoop('i', begin, end, body, { vector: true })],
    );
    t.is(vectorise(tested, { vectorBytes: 16 }), tested);
  });

/** What ARCHITECTURE.md says of running totals: within a vector by doubling distances, then what came before. */
function runningSums(x: Float32Array, lanes: number): Float32Array {
  const out = new Float32Array(x.length);
  const whole = x.length - (x.length % lanes);
  let before = 0;
  for (let first = 0; first < whole; first += lanes) {
    let own = x.slice(first, first + lanes);
    for (let distance = 1; distance < lanes; distance *= 2) {
      const last = own;
      own = last.map((value, at) => (at < distance ? value : value + last[at - distance]!));
    }
    out.set(
      own.map((value) => value + before),
      first,
    );
    before = Math.fround(before + own.at(-1)!);
  }
  for (let at = whole; at < x.length; at++) {
    before = Math.fround(before + x[at]!);
    out[at] = before;
  }
  return out;
}

for (const vectorBytes of [16, 64])
  for (const length of [0, 3, 16, 37])
    test(`a running sum of ${length} elements adds up in the order that is stated, in vectors of ${vectorBytes} bytes`, (t) => {
      const original = kernel(
        'running',
        [read('x', 'float32'), written('out', 'float32')],
        [],
        [
          variable('acc', f32(0)),
          forItems('i', (i) => [accumulate('acc', 'sum', load(F32, 'x', i)), store('out', i, local('acc', F32))], {
            vector: true,
          }),
        ],
      );
      const tested = vectorise(original, { vectorBytes });
      t.true(hasVectors(tested));
      const x = filled('float32', length) as Float32Array;
      const out = new Float32Array(length);
      interpret(tested, { buffers: { x, out }, begin: 0, end: length });
      t.deepEqual(out, runningSums(x, vectorBytes / 4));
    });

test('vectorising twice changes nothing more', (t) => {
  const once = vectorise(reduction('sum', F32, 'float32', 0), { vectorBytes: 16 });
  t.is(vectorise(once, { vectorBytes: 16 }), once);
});
