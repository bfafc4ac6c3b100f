/**
 * The C-family printer against the interpreter: every operator, conversion, storage type and statement, as scalars and in vectors of
 * 16, 32 and 64 bytes, in C and in CUDA C++ run on the host. Fused kernels and kernel functions are in c-kernels.test.ts.
 */
import test from 'ava';
import * as b from '../kernels/build.js';
import { cudaC, gnuC } from '../kernels/c/dialect.js';
import { printC } from '../kernels/c/printer.js';
import {
  type BinaryOp,
  type CompareOp,
  type Expr,
  type Kernel,
  type MathOp,
  type ParamDeclaration,
  type RealScalar,
  type RealStorage,
  registerOf,
  type Stmt,
  type Type,
  type UnaryOp,
} from '../kernels/ir.js';
import { type LabelledJob, Suite, vectorWidths } from './c-suite.js';
import { type Data, makeKernel } from './wasm-harness.js';

const suite = new Suite(test);

type NumberScalar = Exclude<RealScalar, 'bool'>;
const numberTypes: readonly NumberScalar[] = ['i32', 'i64', 'f32', 'f64'];
const storageOf = { bool: 'bool', i32: 'int32', i64: 'int64', f32: 'float32', f64: 'float64' } as const;
const wide = (scalar: RealScalar): boolean => scalar === 'i64' || scalar === 'f64';
const isFloat = (scalar: RealScalar): boolean => scalar === 'f32' || scalar === 'f64';

type Value = number | bigint;

function arrayOf(storage: RealStorage, values: readonly Value[]): Data {
  switch (storage) {
    case 'bool':
    case 'uint8':
      return Uint8Array.from(values, Number);
    case 'int8':
      return Int8Array.from(values, Number);
    case 'int16':
      return Int16Array.from(values, Number);
    case 'float16':
    case 'bfloat16':
      return Uint16Array.from(values, Number);
    case 'int32':
      return Int32Array.from(values, Number);
    case 'int64':
      return BigInt64Array.from(values, BigInt);
    case 'float32':
      return Float32Array.from(values, Number);
    case 'float64':
      return Float64Array.from(values, Number);
  }
}

const integers: readonly Value[] = [0, 1, -1, 2, -7, 100, 2147483647, -2147483648, 0x12345678, -1234567, 31, 33];
const longs: readonly Value[] = [...integers.map(BigInt), 2n ** 63n - 1n, -(2n ** 63n), 2n ** 40n + 5n, -(2n ** 33n)];
const floats: readonly Value[] = [
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, 3e38, -1e10, Infinity, -Infinity, NaN, 7.25],
  ...[2147483648, -2147483648, -2147483649, 2147483647.5, -9223372036854775808, 9223372036854775807, 1e300, 123456.789],
];
const valuesOf = { bool: [0, 1, 1, 0], i32: integers, i64: longs, f32: floats, f64: floats } as const;

/** All pairs of the type's values, made up to a multiple of sixteen. */
function pairsOf(scalar: RealScalar): { readonly x: readonly Value[]; readonly y: readonly Value[] } {
  const values: readonly Value[] = valuesOf[scalar];
  const x = values.flatMap((value) => values.map(() => value));
  const y = values.flatMap(() => values);
  const rest = (16 - (x.length % 16)) % 16;
  return { x: [...x, ...x.slice(0, rest)], y: [...y, ...y.slice(0, rest)] };
}

type Formulas = Readonly<Record<string, (x: Expr, y: Expr) => Expr>>;

/** One kernel that applies all formulas to all pairs; each has an output of its own. */
function mapKernel(from: RealScalar, to: RealStorage, formulas: Formulas, lanes: number, laneBits: 32 | 64): Kernel {
  const type = lanes === 1 ? b.scalarType(from) : b.vectorType(from, lanes, laneBits);
  const outputs = Object.fromEntries(Object.keys(formulas).map((name) => [`out_${name}`, to]));
  const body = b.forLoop(
    'i',
    b.begin,
    b.end,
    (i) => [
      b.let_('x', b.load(type, 'x', i)),
      b.let_('y', b.load(type, 'y', i)),
      ...Object.entries(formulas).map(([name, formula]) =>
        b.store(`out_${name}`, i, formula(b.local('x', type), b.local('y', type))),
      ),
    ],
    { step: lanes },
  );
  return makeKernel({ x: storageOf[from], y: storageOf[from], ...outputs }, [body]);
}

interface Map_ {
  readonly title: string;
  readonly from: RealScalar;
  readonly to: RealScalar;
  readonly formulas: Formulas;
  /** Whether the formulas have a form in lanes. */
  readonly inLanes?: boolean;
}

/** Asserts that C, in every width, and CUDA C++ compute what the interpreter does. */
function testMap({ title, from, to, formulas, inLanes = true }: Map_): void {
  const { x, y } = pairsOf(from);
  const storage = storageOf[to];
  const data: Record<string, Data> = { x: arrayOf(storageOf[from], x), y: arrayOf(storageOf[from], y) };
  for (const name of Object.keys(formulas))
    data[`out_${name}`] = arrayOf(
      storage,
      x.map(() => 0),
    );
  const laneBits = wide(from) || wide(to) ? 64 : 32;
  const widths = inLanes ? [1, ...vectorWidths.map((bytes) => (bytes * 8) / laneBits)] : [1];
  suite.test(
    title,
    widths.map((lanes) => ({
      label: lanes === 1 ? 'alone' : `in ${lanes} lanes`,
      data,
      launches: [{ kernel: mapKernel(from, storage, formulas, lanes, laneBits), range: [0, x.length] }],
    })),
  );
}

const binaryNames: Readonly<Record<'float' | 'integer', readonly BinaryOp[]>> = {
  float: ['add', 'sub', 'mul', 'div', 'rem', 'min', 'max'],
  integer: ['add', 'sub', 'mul', 'div', 'rem', 'min', 'max', 'and', 'or', 'xor', 'shl', 'shr', 'shru'],
};
const unaryNames: Readonly<Record<'float' | 'integer', readonly UnaryOp[]>> = {
  float: ['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'rint'],
  integer: ['neg', 'abs', 'bitNot', 'clz', 'popcount'],
};
const comparisons: readonly CompareOp[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];

const each = <Name extends string>(names: readonly Name[], formula: (name: Name) => Formulas[string]): Formulas =>
  Object.fromEntries(names.map((name) => [name, formula(name)]));

for (const scalar of numberTypes) {
  const kind = isFloat(scalar) ? 'float' : 'integer';
  const own: readonly BinaryOp[] = scalar === 'i32' ? ['mulhiu'] : [];
  testMap({
    title: `operators of two ${scalar}`,
    from: scalar,
    to: scalar,
    formulas: each([...binaryNames[kind], ...own], (name) => (x, y) => b.binary(name, x, y)),
  });
  testMap({
    title: `operators of one ${scalar}`,
    from: scalar,
    to: scalar,
    formulas: each(unaryNames[kind], (name) => (x) => b.unary(name, x)),
  });
  testMap({
    title: `comparisons of ${scalar}`,
    from: scalar,
    to: 'bool',
    formulas: each(kind === 'float' ? comparisons : [...comparisons, 'ltu'], (name) => (x, y) => b.compare(name, x, y)),
  });
  testMap({
    title: `choices and constants of ${scalar}`,
    from: scalar,
    to: scalar,
    formulas: {
      lesser: (x, y) => b.select(b.lt(x, y), x, y),
      zeroFirst: (x, y) => b.select(b.lt(x, y), 0, y),
      zeroLast: (x, y) => b.select(b.lt(x, y), x, 0),
      negativeZero: (x, y) => b.select(b.lt(x, y), b.constant(x.type, isFloat(scalar) ? -0 : 5), y),
      nested: (x, y) => b.select(b.lt(x, y), b.select(b.gt(x, 0), x, 3), b.select(b.eq(y, x), 4, y)),
      masks: (x, y) => b.select(b.and(b.not(b.lt(x, y)), b.or(b.gt(x, 0), b.eq(y, 1))), x, y),
      exclusive: (x, y) => b.select(b.xor(b.lt(x, y), b.lt(x, 0)), x, y),
      beside: (x, y) => b.sub(b.constant(x.type, 7), b.mul(b.add(x, -3), b.add(b.constant(x.type, 5), y))),
    },
  });
}

testMap({
  title: 'masks and bools',
  from: 'bool',
  to: 'bool',
  formulas: {
    ...each(comparisons, (name) => (x, y) => b.compare(name, x, y)),
    and: (x, y) => b.and(x, y),
    or: (x, y) => b.or(x, y),
    xor: (x, y) => b.xor(x, y),
    not: (x) => b.not(x),
    chain: (x, y) => b.or(b.and(x, b.not(y)), b.and(b.and(y, x), b.not(b.xor(x, y)))),
    choice: (x, y) => b.select(x, y, b.not(y)),
  },
});

for (const scalar of ['i32', 'i64'] as const) {
  const power = (x: Expr, y: Expr): Expr => b.binary('pow', x, y);
  testMap({
    title: `powers of ${scalar}`,
    from: scalar,
    to: scalar,
    formulas: {
      any: power,
      small: (x, y) => power(x, b.and(y, 15)),
      ofUnits: (x, y) => power(b.sub(b.and(x, 2), 1), y),
      ofThree: (x, y) => power(b.constant(x.type, 3), y),
    },
  });
  testMap({
    title: `shifts of ${scalar} by one count for all lanes`,
    from: scalar,
    to: scalar,
    formulas: Object.fromEntries(
      (['shl', 'shr', 'shru'] as const).flatMap((name) =>
        [5, 0, 37, 70].map((count) => [`${name}${count}`, (x: Expr) => b.binary(name, x, count)]),
      ),
    ),
  });
  testMap({
    title: `divisions of ${scalar} by constants`,
    from: scalar,
    to: scalar,
    formulas: Object.fromEntries(
      (['div', 'rem'] as const).flatMap((name) =>
        [3, 0, -1, -5].map((by, index) => [`${name}${index}`, (x: Expr) => b.binary(name, x, by)]),
      ),
    ),
  });
}

for (const from of ['bool', ...numberTypes] as const) testMap2(from);

/** Conversions between lanes of different widths are scalars' alone: a vectorised loop has one width. */
function testMap2(from: RealScalar): void {
  for (const to of ['bool', ...numberTypes] as const) {
    const inLanes = from === 'bool' || to === 'bool' || wide(from) === wide(to);
    const typeOf = (x: Expr): Type => (x.type.lanes === 1 ? b.scalarType(to) : { ...x.type, scalar: to });
    testMap({
      title: `conversion of ${from} to ${to}`,
      from,
      to,
      formulas: { value: (x) => b.convert(typeOf(x), x) },
      inLanes,
    });
  }
}

for (const [float, integer] of [
  ['f32', 'i32'],
  ['f64', 'i64'],
] as const) {
  const bitsOf = (scalar: RealScalar) => (x: Expr) => b.bits({ ...x.type, scalar }, x);
  testMap({ title: `bits of ${float}`, from: float, to: integer, formulas: { bits: bitsOf(integer) } });
  testMap({ title: `bits of ${integer}`, from: integer, to: float, formulas: { bits: bitsOf(float) } });
}

// RealStorage types

const storages: Readonly<Record<RealStorage, readonly Value[]>> = {
  bool: [0, 1, 255, 2, 0, 0, 128, 1],
  uint8: [0, 1, 127, 128, 255, 200, 3, 77],
  int8: [0, 1, 127, -128, -1, 55, -77, 3],
  int16: [0, 1, 32767, -32768, -1, 12345, -12345, 300],
  int32: integers,
  int64: longs,
  float16: [0, 0x8000, 0x3c00, 0xbc00, 1, 0x83ff, 0x7bff, 0x7c00, 0xfc00, 0x7e01, 0x5555, 0x0400],
  bfloat16: [0, 0x8000, 0x3f80, 0xbf80, 1, 0x807f, 0x7f7f, 0x7f80, 0xff80, 0x7fc1, 0x4049, 0x0080],
  float32: floats,
  float64: floats,
};

/** Elements to registers and back, next to a sum whose result has to wrap or round when it is stored. */
for (const [storage, values] of Object.entries(storages)) {
  if (!isStorage(storage)) continue;
  const scalar = registerOf(storage);
  const padded = Array.from({ length: 48 }, (_, index) => values[index % values.length]!);
  const kernelOf = (lanes: number): Kernel => {
    const type = lanes === 1 ? b.scalarType(scalar) : b.vectorType(scalar, lanes);
    const value = (i: Expr) => b.load(type, 'x', i);
    const changed = (i: Expr) =>
      scalar === 'bool' ? b.not(value(i)) : b.add(b.mul(value(i), 3), b.load(type, 'x', b.add(b.sub(47 - lanes + 1, i), 0)));
    const body = b.forLoop('i', b.begin, b.end, (i) => [b.store('same', i, value(i)), b.store('changed', i, changed(i))], {
      step: lanes,
    });
    return makeKernel({ x: storage, same: storage, changed: storage }, [body]);
  };
  const laneBits = wide(scalar) ? 64 : 32;
  suite.test(
    `${storage} is loaded and stored`,
    [1, ...vectorWidths.map((bytes) => (bytes * 8) / laneBits)].map((lanes) => ({
      label: lanes === 1 ? 'alone' : `in ${lanes} lanes`,
      data: {
        x: arrayOf(storage, padded),
        same: arrayOf(
          storage,
          padded.map(() => 1),
        ),
        changed: arrayOf(
          storage,
          padded.map(() => 1),
        ),
      },
      launches: [{ kernel: kernelOf(lanes), range: [0, 48] }],
    })),
  );
}

/** At multiples of the vector's size and one element beside them. */
for (const storage of ['int32', 'int64', 'float32', 'float64'] as const) {
  const scalar = registerOf(storage);
  const values = Array.from({ length: 48 }, (_, index) => storages[storage]![index % storages[storage]!.length]!);
  const kernelOf = (lanes: number): Kernel => {
    const type = lanes === 1 ? b.scalarType(scalar) : b.vectorType(scalar, lanes);
    const body = b.forLoop(
      'i',
      b.begin,
      b.end,
      (i) => [b.stream('whole', i, b.load(type, 'x', i)), b.stream('beside', b.add(i, 1), b.load(type, 'x', i))],
      { step: lanes },
    );
    return makeKernel({ x: storage, whole: storage, beside: storage }, [body]);
  };
  const zeros = (length: number): Data => arrayOf(storage, new Array<number>(length).fill(0));
  suite.test(
    `${storage} that streams is stored like any other, wherever it goes`,
    [1, ...vectorWidths.map((bytes) => (bytes * 8) / (wide(scalar) ? 64 : 32))].map((lanes) => ({
      label: lanes === 1 ? 'alone' : `in ${lanes} lanes`,
      data: { x: arrayOf(storage, values), whole: zeros(48), beside: zeros(49) },
      launches: [{ kernel: kernelOf(lanes), range: [0, 48] }],
    })),
  );
}

test('what is held is not read again: memory may have changed', (t) => {
  const body = new b.Body();
  body.store('out', 0, body.hold('x', b.load(b.F32, 'x', 0)));
  const text = printC(makeKernel({ x: 'float32', out: 'float32' }, body.statements), gnuC);
  t.regex(text, /const f32 v_x = b_x\[0\];\n {2}__asm__ volatile\("" ::: "memory"\);\n {2}b_out/);
});

test('what streams goes past the caches in C, and other threads are shown it', (t) => {
  const type = b.vectorType('f32', 16);
  const text = printC(makeKernel({ x: 'float32', out: 'float32' }, [b.stream('out', 0, b.load(type, 'x', 0))]), gnuC);
  t.regex(text, /ow_stream_float32_f32x16\(&b_out\[0\], .*\);\n {2}ow_drain_i32\(\);\n}/);
});

function isStorage(name: string): name is RealStorage {
  return Object.hasOwn(storages, name);
}

for (const storage of ['float16', 'bfloat16'] as const) {
  const widen = (lanes: number, from: RealStorage, to: RealStorage): Kernel => {
    const type = lanes === 1 ? b.F32 : b.vectorType('f32', lanes);
    return makeKernel({ x: from, out: to }, [
      b.forLoop('i', b.begin, b.end, (i) => [b.store('out', i, b.load(type, 'x', i))], { step: lanes }),
    ]);
  };
  const patterns = Uint16Array.from({ length: 65536 }, (_, index) => index);
  const singles = new Float32Array(Uint32Array.from({ length: 32768 }, (_, index) => Math.imul(index, 131101)).buffer);
  suite.test(
    `every ${storage} is widened, and float32 of every size rounded`,
    [1, 8].flatMap((lanes) => [
      {
        label: `to float32, ${lanes}`,
        data: { x: patterns, out: new Float32Array(65536) },
        launches: [{ kernel: widen(lanes, storage, 'float32'), range: [0, 65536] as const }],
      },
      {
        label: `from float32, ${lanes}`,
        data: { x: singles, out: new Uint16Array(32768) },
        launches: [{ kernel: widen(lanes, 'float32', storage), range: [0, 32768] as const }],
      },
    ]),
  );
}

test('masks of 64-bit lanes are loaded and stored as bytes', (t) => {
  const type = b.vectorType('bool', 4, 64);
  const text = printC(makeKernel({ x: 'bool', out: 'bool' }, [b.store('out', 0, b.not(b.load(type, 'x', 0)))]), gnuC);
  t.regex(text, /i64x4 ow_load_bool_i64x4\(const u8 \*p\)/);
});

// Statements

const i32Local = (name: string): Expr => b.local(name, b.I32);

/** A kernel that leaves its results in `out`, of eight int32. */
function testBody(
  title: string,
  body: readonly Stmt[],
  params: readonly ParamDeclaration[] = [],
  values: Record<string, number | bigint> = {},
): void {
  suite.test(title, [
    {
      label: title,
      data: { out: new Int32Array(8), x: Float32Array.from({ length: 64 }, (_, index) => index) },
      launches: [{ kernel: makeKernel({ out: 'int32', x: 'float32' }, body, params), params: values, range: [0, 5] }],
    },
  ]);
}

testBody('loops are left, continued, and evaluate their bounds once', [
  b.variable('sum', b.i32(0)),
  b.variable('limit', b.i32(100)),
  b.forLoop(
    'i',
    2,
    i32Local('limit'),
    (i) => [
      b.set('limit', b.i32(0)),
      b.if_(b.eq(b.rem(i, 3), 0), [b.continue_]),
      b.if_(b.gt(i, 14), [b.break_], [b.set('sum', b.add(i32Local('sum'), 1000))]),
      b.set('sum', b.add(i32Local('sum'), i)),
    ],
    { step: 2 },
  ),
  b.store('out', 0, i32Local('sum')),
  b.forLoop('i', 5, 5, () => [b.store('out', 1, b.i32(1))]),
  b.forLoop('i', 5, -3, () => [b.store('out', 1, b.i32(2))]),
  b.variable('n', b.i32(1)),
  b.while_(b.bool(true), [b.set('n', b.mul(i32Local('n'), 3)), b.if_(b.gt(i32Local('n'), 1000), [b.break_])]),
  b.store('out', 2, i32Local('n')),
  b.while_(b.lt(i32Local('n'), 9000), [
    b.set('n', b.add(i32Local('n'), 1)),
    b.if_(b.ne(b.and(i32Local('n'), 1), 0), [b.continue_]),
    b.store('out', 3, i32Local('n')),
  ]),
]);

testBody('if, else if and else', [
  b.forLoop('i', 0, 6, (i) => [
    b.if_(
      b.lt(i, 2),
      [b.store('out', i, b.i32(10))],
      [b.if_(b.lt(i, 4), [b.store('out', i, b.i32(20))], [b.let_('k', b.mul(i, 7)), b.store('out', i, i32Local('k'))])],
    ),
  ]),
]);

suite.test('inner blocks reuse names and read outer ones, and names may be words of C', [
  {
    label: 'names',
    data: { double: new Int32Array(4) },
    launches: [
      {
        kernel: {
          name: 'floor',
          buffers: [{ name: 'double', storage: 'int32', access: 'readwrite' }],
          params: [{ name: 'int', type: 'i32' }],
          body: [
            b.let_('exp', b.param('int')),
            b.variable('sum', b.i32(0)),
            b.if_(b.gt(i32Local('exp'), 3), [
              b.let_('exp_2', b.i32(1)),
              b.let_('item', b.mul(i32Local('exp'), 2)),
              b.set('sum', b.add(i32Local('item'), i32Local('exp_2'))),
            ]),
            b.forLoop('register', 0, i32Local('exp'), (n) => [b.set('sum', b.add(i32Local('sum'), n))]),
            b.store('double', 0, b.add(b.mul(i32Local('sum'), 100), i32Local('exp'))),
          ],
        },
        params: { int: 5 },
        range: [0, 1],
      },
    ],
  },
]);

test('locals whose names are one identifier in C stay two', (t) => {
  const body = [b.let_('n.1', b.param('k')), b.let_('n 1', b.mul(i32Local('n.1'), 2)), b.store('out', 0, i32Local('n 1'))];
  const text = printC(makeKernel({ out: 'int32' }, body, [{ name: 'k', type: 'i32' }]), gnuC);
  t.true(text.includes('const i32 v_n_1_2 = (i32)((u32)v_n_1 * 2u);'), text);
  t.true(text.includes('b_out[0] = v_n_1_2;'), text);
});

test('no name means two locals at once', (t) => {
  const body = [b.let_('n', b.i32(1)), b.if_(b.bool(true), [b.let_('n', b.i32(2))])];
  t.throws(() => printC(makeKernel({ out: 'int32' }, body), gnuC), { message: 'kernel test: the local n is declared twice' });
});

testBody('accumulate combines by its kind', [
  ...(['sum', 'prod', 'max', 'min'] as const).flatMap((kind, at) => [
    b.variable(`${kind}Total`, b.i32(at)),
    b.forLoop('i', 0, 5, (i) => [b.accumulate(`${kind}Total`, kind, i)]),
    b.store('out', at, i32Local(`${kind}Total`)),
  ]),
  ...(['any', 'all'] as const).flatMap((kind, at) => [
    b.variable(kind, b.bool(kind === 'all')),
    b.forLoop('i', 0, 5, (i) => [b.accumulate(kind, kind, b.gt(i, 2))]),
    b.store('out', 4 + at, b.convert(b.I32, b.local(kind, b.BOOL))),
  ]),
]);

testBody('fail leaves the first code in the error word, and the kernel goes on', [
  b.forItems('i', (i) => [b.if_(b.eq(i, 3), [b.fail(7)]), b.if_(b.eq(i, 4), [b.fail(9)]), b.store('out', i, b.add(i, 1))]),
]);

testBody(
  'parameters of every type',
  [
    b.store('out', 0, b.param('i')),
    b.store('out', 1, b.convert(b.I32, b.shr(b.param('l', b.I64), 30))),
    b.store('out', 2, b.convert(b.I32, b.mul(b.param('f', b.F32), 4))),
    b.store('out', 3, b.convert(b.I32, b.mul(b.param('d', b.F64), 1000))),
    b.store('out', 4, b.param('last')),
  ],
  [
    { name: 'i', type: 'i32' },
    { name: 'l', type: 'i64' },
    { name: 'f', type: 'f32' },
    { name: 'd', type: 'f64' },
    { name: 'last', type: 'i32' },
  ],
  { i: -5, l: 2n ** 40n, f: 0.5, d: 0.125, last: 77 },
);

const raw = (name: BinaryOp, left: Expr, right: Expr): Expr => ({ op: 'binary', type: b.I32, name, left, right });
testBody(
  'constant parts of an index may be negative, large or in the middle',
  [
    raw('sub', b.param('i'), b.i32(3)),
    raw('add', b.param('i'), b.i32(-9)),
    raw('add', b.i32(7), raw('mul', b.param('i'), b.i32(2))),
    raw('add', raw('sub', b.param('i'), b.i32(9)), raw('add', b.param('i'), b.i32(2))),
    raw('sub', raw('add', b.param('i'), b.i32(5)), raw('sub', b.param('i'), b.i32(1))),
    raw('mul', raw('sub', b.i32(20), b.param('i')), b.i32(3)),
  ].map((index, at) => b.store('out', at, b.convert(b.I32, b.load(b.F32, 'x', index)))),
  [{ name: 'i', type: 'i32' }],
  { i: 10 },
);

// Lanes

for (const scalar of ['i32', 'i64', 'f32', 'f64', 'bool'] as const)
  for (const laneBits of [32, 64] as const) {
    if (scalar !== 'bool' && wide(scalar) !== (laneBits === 64)) continue;
    suite.test(
      `lanes of ${scalar}, ${laneBits} bits`,
      vectorWidths.map((bytes) => {
        const lanes = (bytes * 8) / laneBits;
        const type = b.vectorType(scalar, lanes, laneBits);
        const storage = storageOf[scalar];
        const element = b.local('element', b.scalarType(scalar));
        const out: Stmt[] = [
          b.let_('element', b.load(b.scalarType(scalar), 'x', 3)),
          b.let_('all', b.load(type, 'x', 0)),
          b.store('splat', 0, b.splat(type, element)),
          ...Array.from({ length: lanes }, (_, lane) => b.store('turned', lanes - 1 - lane, b.lane(b.local('all', type), lane))),
        ];
        if (scalar !== 'bool') out.push(b.store('iota', 0, b.iota(type)));
        const values = Array.from({ length: lanes }, (_, lane) => (scalar === 'bool' ? (lane % 3) & 1 : lane * 3 - 5));
        const blank = () =>
          arrayOf(
            storage,
            values.map(() => 0),
          );
        return {
          label: `${lanes} lanes`,
          data: { x: arrayOf(storage, [...values, 1, 1]), splat: blank(), turned: blank(), iota: blank() },
          launches: [{ kernel: makeKernel({ x: storage, splat: storage, turned: storage, iota: storage }, out), range: [0, 1] }],
        };
      }),
    );
  }

suite.test(
  'any lane of a mask',
  ([32, 64] as const).flatMap((laneBits) =>
    [8, ...vectorWidths].flatMap((bytes) => {
      const lanes = (bytes * 8) / laneBits;
      if (lanes < 2) return [];
      const mask = b.vectorType('bool', lanes, laneBits);
      const joined = Array.from({ length: lanes }, (_, lane) => b.lane(b.local('mask', mask), lane)).reduce((left, right) =>
        b.or(left, right),
      );
      const kernel = makeKernel({ x: 'bool', out: 'bool' }, [
        b.forItems('item', (item) => [b.let_('mask', b.load(mask, 'x', b.mul(item, lanes))), b.store('out', item, joined)]),
      ]);
      // No lane in the first item, one more to the right in each that follows, all in the last.
      const items = lanes + 2;
      const x = Uint8Array.from({ length: items * lanes }, (_, at) => {
        const [item, lane] = [Math.floor(at / lanes), at % lanes];
        return Number(item === lane + 1 || item === items - 1);
      });
      const label = `${lanes} of ${laneBits} bits`;
      return [{ label, data: { x, out: new Uint8Array(items) }, launches: [{ kernel, range: [0, items] as const }] }];
    }),
  ),
);

// Functions

/** float32 of every size and sign, and those at which formulas change. */
function samples(): Float32Array {
  const special = [0, -0, Infinity, -Infinity, NaN, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4028234663852886e38];
  const corners = [0.25, 0.5, 0.625, 1.5, 2, 2.5, 8, 10, 86, 88.72283, 103.97, 128, 8192, 2 ** 24].flatMap((corner) => [
    corner,
    -corner,
  ]);
  const patterns = new Float32Array(Uint32Array.from({ length: 1024 }, (_, index) => Math.imul(index, 4195331)).buffer);
  const values = [...special, ...corners, ...patterns];
  return Float32Array.from({ length: Math.ceil(values.length / 16) * 16 }, (_, index) => values[index] ?? 0);
}

const single = samples();
const turned = single.slice().reverse();
const moderate = Float64Array.from({ length: 64 }, (_, index) => (index - 32) / 9.5);
const mathUnary: readonly MathOp[] = [
  ...(['exp', 'exp2', 'expm1', 'log', 'log2', 'log10', 'log1p', 'sin', 'cos', 'tan', 'asin', 'acos', 'atan'] as const),
  ...(['sinh', 'cosh', 'tanh', 'asinh', 'acosh', 'atanh', 'erf', 'erfc', 'cbrt', 'lgamma', 'digamma'] as const),
  ...(['erfinv', 'i0e', 'i1e'] as const),
];

function functionJob(scalar: 'f32' | 'f64', lanes: number, formula: (x: Expr, y: Expr) => Expr): LabelledJob {
  const type = lanes === 1 ? b.scalarType(scalar) : b.vectorType(scalar, lanes);
  const storage = storageOf[scalar];
  const [x, y] = scalar === 'f32' ? [single, turned] : [moderate, moderate.slice().reverse()];
  const kernel = makeKernel({ x: storage, y: storage, out: storage }, [
    b.forLoop('i', b.begin, b.end, (i) => [b.store('out', i, formula(b.load(type, 'x', i), b.load(type, 'y', i)))], {
      step: lanes,
    }),
  ]);
  return {
    label: `${scalar}, ${lanes === 1 ? 'alone' : `in ${lanes} lanes`}`,
    data: { x, y, out: x.slice().fill(0) },
    launches: [{ kernel, range: [0, x.length] }],
  };
}

const mathFormulas: Readonly<Record<string, (x: Expr, y: Expr) => Expr>> = {
  ...Object.fromEntries(mathUnary.map((name) => [name, (x: Expr) => b.unary(name, x)])),
  pow: (x, y) => b.binary('pow', x, y),
  atan2: (x, y) => b.binary('atan2', x, y),
  fma: (x, y) => b.fma(x, y, x),
};

/** Where a result is next to a zero of the function, rounding once or twice is a great relative difference. */
const looseNames: ReadonlySet<string> = new Set(['lgamma', 'digamma', 'tan', 'sin', 'cos', 'fma', 'pow']);

for (const [name, formula] of Object.entries(mathFormulas)) {
  suite.test(
    `${name} of float32 has the same bits in lanes as alone`,
    [1, 4, 16].map((lanes) => functionJob('f32', lanes, formula)),
    { tolerance: looseNames.has(name) ? 1e-3 : 1e-6, sameBits: true },
  );
  suite.test(
    `${name} of float64 has the same bits in lanes as alone`,
    [1, 8].map((lanes) => functionJob('f64', lanes, formula)),
    { tolerance: 1e-11, sameBits: true },
  );
}

// What is refused, and how it reads

test('a kernel that cannot be printed is refused with its reason', (t) => {
  const storing = (value: Expr, storage: string = 'float32') => makeKernel({ out: storage }, [b.store('out', 0, value)]);
  t.throws(() => printC(storing(b.f32(1), 'T'), gnuC), { message: /still of dtype T/ });
  t.throws(() => printC(storing(b.i32(1)), gnuC), { message: /holds float32, which is no i32/ });
  t.throws(() => printC(storing(b.constant(b.vectorType('f32', 8), 1)), cudaC), { message: /CUDA C\+\+ has no splat/ });
  t.throws(() => printC(storing(b.local('nowhere', b.F32)), gnuC), { message: /no local nowhere/ });
  t.throws(() => printC(makeKernel({}, [b.break_]), gnuC), { message: /break outside of a loop/ });
});
