/**
 * The WebAssembly printer against JavaScript: every operator, conversion and storage type as scalars and as vectors. Statements are in
 * wasm-statements.test.ts, transcendental functions in math.test.ts.
 */
import { setFlagsFromString } from 'node:v8';
import test from 'ava';
import * as b from '../kernels/build.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from '../kernels/half.js';
import type { BinaryOp, CompareOp, Expr, RealScalar, RealStorage, Type, UnaryOp } from '../kernels/ir.js';
import { printWasm } from '../kernels/wasm/printer.js';
import { webAssembly } from '../runtime/devices/cpu/webassembly.js';
import { type Data, makeKernel, runKernel } from './wasm-harness.js';

const storageOf: Readonly<Record<RealScalar, RealStorage>> = {
  bool: 'bool',
  i32: 'int32',
  i64: 'int64',
  f32: 'float32',
  f64: 'float64',
};
type Number_ = Exclude<RealScalar, 'bool'>;
const numberTypes: readonly Number_[] = ['i32', 'i64', 'f32', 'f64'];

const wide = (scalar: string): boolean => scalar === 'i64' || scalar === 'f64';
const vectorOf = (scalar: RealScalar, laneBits: 32 | 64 = wide(scalar) ? 64 : 32): Type =>
  b.vectorType(scalar, laneBits === 64 ? 2 : 4, laneBits);

type Value = number | bigint;

function arrayOf(scalar: RealScalar, values: readonly Value[]): Data {
  switch (scalar) {
    case 'bool':
      return Uint8Array.from(values, Number);
    case 'i32':
      return Int32Array.from(values, Number);
    case 'i64':
      return BigInt64Array.from(values, BigInt);
    case 'f32':
      return Float32Array.from(values, Number);
    case 'f64':
      return Float64Array.from(values, Number);
  }
}

interface Case {
  readonly from: RealScalar;
  readonly to: RealScalar;
  readonly x: readonly Value[];
  readonly y?: readonly Value[];
  readonly formula: (x: Expr, y: Expr) => Expr;
}

/** The elements as a list, in which all NaN are alike. */
const list = (data: Data): readonly Value[] => Array.from<Value>(data);
/** The list of the values as that type holds them. */
const listOf = (scalar: RealScalar, values: readonly Value[]): readonly Value[] => list(arrayOf(scalar, values));

/** Applies a formula to all elements, in lanes or one by one. */
function apply({ from, to, x, y = x, formula }: Case, inLanes: boolean): readonly Value[] {
  const laneBits = wide(from) || wide(to) ? 64 : 32;
  const type = inLanes ? vectorOf(from, laneBits) : b.scalarType(from);
  const kernel = makeKernel({ x: storageOf[from], y: storageOf[from], out: storageOf[to] }, [
    b.forLoop('i', b.begin, b.end, (i) => [b.store('out', i, formula(b.load(type, 'x', i), b.load(type, 'y', i)))], {
      step: type.lanes,
    }),
  ]);
  const out = arrayOf(to, new Array<Value>(x.length).fill(0));
  runKernel(kernel, { x: arrayOf(from, x), y: arrayOf(from, y), out }, { range: [0, x.length] });
  return list(out);
}

const integers: readonly Value[] = [0, 1, -1, 2, -7, 100, 2147483647, -2147483648, 0x12345678, -1234567, 31, 33];
const longs: readonly Value[] = [...integers.map(BigInt), 2n ** 63n - 1n, -(2n ** 63n), 2n ** 40n + 5n, -(2n ** 33n)];
const floats: readonly Value[] = [
  ...[0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, 3e38, -1e10, Infinity, -Infinity, NaN, 7.25],
];
const valuesOf: Readonly<Record<RealScalar, readonly Value[]>> = {
  bool: [0, 1],
  i32: integers,
  i64: longs,
  f32: floats,
  f64: floats,
};

/** All pairs of the type's values. */
function pairsOf(scalar: RealScalar): { x: readonly Value[]; y: readonly Value[] } {
  const values = valuesOf[scalar];
  return { x: values.flatMap((value) => values.map(() => value)), y: values.flatMap(() => values) };
}

const round = (scalar: RealScalar, value: number): number => (scalar === 'f32' ? Math.fround(value) : value);
const wrap = (scalar: RealScalar, value: bigint): Value =>
  scalar === 'i32' ? Number(BigInt.asIntN(32, value)) : BigInt.asIntN(64, value);
const widthOf = (scalar: RealScalar): number => (scalar === 'i32' ? 32 : 64);

const floatBinary: Readonly<Partial<Record<BinaryOp, (x: number, y: number) => number>>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  rem: (x, y) => x % y,
  min: Math.min,
  max: Math.max,
};

const inOrder = (x: bigint, y: bigint): readonly [bigint, bigint] => (x < y ? [x, y] : [y, x]);

const integerBinary: Readonly<Partial<Record<BinaryOp, (x: bigint, y: bigint, width: number) => bigint>>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => (y === 0n ? 0n : x / y),
  rem: (x, y) => (y === 0n ? 0n : x % y),
  min: (x, y) => inOrder(x, y)[0],
  max: (x, y) => inOrder(x, y)[1],
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y, width) => x << BigInt.asUintN(Math.log2(width), y),
  shr: (x, y, width) => x >> BigInt.asUintN(Math.log2(width), y),
  shru: (x, y, width) => BigInt.asUintN(width, x) >> BigInt.asUintN(Math.log2(width), y),
};

const isFloat = (scalar: RealScalar): boolean => scalar === 'f32' || scalar === 'f64';
const names = <Name extends string>(table: Partial<Record<Name, unknown>>): Name[] =>
  Object.keys(table).filter((name): name is Name => name in table);

for (const scalar of numberTypes) {
  for (const name of names(isFloat(scalar) ? floatBinary : integerBinary)) {
    test(`${name} of ${scalar}, alone and in lanes`, (t) => {
      const { x, y } = pairsOf(scalar);
      const expected = x.map((value, index) => {
        const other = y[index]!;
        if (isFloat(scalar)) return round(scalar, floatBinary[name]!(round(scalar, Number(value)), round(scalar, Number(other))));
        return wrap(scalar, integerBinary[name]!(BigInt(value), BigInt(other), widthOf(scalar)));
      });
      for (const inLanes of [false, true]) {
        const got = apply({ from: scalar, to: scalar, x, y, formula: (left, right) => b.binary(name, left, right) }, inLanes);
        t.deepEqual(got, listOf(scalar, expected), inLanes ? 'in lanes' : 'alone');
      }
    });
  }
}

test('mulhiu is the high half of the unsigned product', (t) => {
  const { x, y } = pairsOf('i32');
  const expected = x.map((value, index) => {
    const product = BigInt.asUintN(32, BigInt(value)) * BigInt.asUintN(32, BigInt(y[index]!));
    return Number(BigInt.asIntN(32, product >> 32n));
  });
  for (const inLanes of [false, true]) {
    const got = apply({ from: 'i32', to: 'i32', x, y, formula: (left, right) => b.binary('mulhiu', left, right) }, inLanes);
    t.deepEqual(got, listOf('i32', expected));
  }
});

test('a shift of a vector by one count for all lanes', (t) => {
  for (const scalar of ['i32', 'i64'] as const) {
    for (const name of ['shl', 'shr', 'shru'] as const) {
      const x = valuesOf[scalar];
      const expected = x.map((value) => wrap(scalar, integerBinary[name]!(BigInt(value), 5n, widthOf(scalar))));
      const got = apply({ from: scalar, to: scalar, x, formula: (value) => b.binary(name, value, 5) }, true);
      t.deepEqual(got, listOf(scalar, expected), `${name} of ${scalar}`);
    }
  }
});

test('rem of f32 is exact for quotients of every size', (t) => {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const x = Array.from({ length: 4000 }, () => Math.fround((random() - 0.5) * 2 ** (random() * 80)));
  const y = Array.from({ length: 4000 }, () => Math.fround((random() - 0.5) * 2 ** (random() * 40 - 20)));
  const got = apply({ from: 'f32', to: 'f32', x, y, formula: (left, right) => b.rem(left, right) }, false);
  t.deepEqual(
    got,
    listOf(
      'f32',
      x.map((value, index) => value % y[index]!),
    ),
  );
});

function rint(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Object.is(value, -0) || (value < 0 && value > -0.5) ? -0 : Math.round(value);
  return floor % 2 === 0 ? floor : value < 0 && floor === -1 ? -0 : floor + 1;
}

const floatUnary: Readonly<Partial<Record<UnaryOp, (x: number) => number>>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  rint,
};

const countOnes = (value: bigint): bigint => BigInt(value.toString(2).replaceAll('0', '').length);

const integerUnary: Readonly<Partial<Record<UnaryOp, (x: bigint, width: number) => bigint>>> = {
  neg: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  bitNot: (x) => ~x,
  clz: (x, width) => BigInt(x === 0n ? width : width - BigInt.asUintN(width, x).toString(2).length),
  popcount: (x, width) => (x === 0n ? 0n : countOnes(BigInt.asUintN(width, x))),
};

for (const scalar of numberTypes) {
  for (const name of names(isFloat(scalar) ? floatUnary : integerUnary)) {
    test(`${name} of ${scalar}, alone and in lanes`, (t) => {
      const x = valuesOf[scalar];
      const expected = x.map((value) =>
        isFloat(scalar)
          ? round(scalar, floatUnary[name]!(round(scalar, Number(value))))
          : wrap(scalar, integerUnary[name]!(BigInt(value), widthOf(scalar))),
      );
      for (const inLanes of [false, true]) {
        const got = apply({ from: scalar, to: scalar, x, formula: (value) => b.unary(name, value) }, inLanes);
        t.deepEqual(got, listOf(scalar, expected), inLanes ? 'in lanes' : 'alone');
      }
    });
  }
}

const comparisons: Readonly<Record<Exclude<CompareOp, 'ltu'>, (x: Value, y: Value) => boolean>> = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
  gt: (x, y) => x > y,
  ge: (x, y) => x >= y,
};

for (const scalar of [...numberTypes, 'bool'] as const) {
  test(`comparisons of ${scalar}, alone and in lanes`, (t) => {
    const { x, y } = scalar === 'bool' ? { x: [0, 0, 1, 1], y: [0, 1, 0, 1] } : pairsOf(scalar);
    for (const name of names(comparisons)) {
      const expected = x.map((value, index) => Number(comparisons[name](value, y[index]!)));
      for (const inLanes of [false, true]) {
        const got = apply({ from: scalar, to: 'bool', x, y, formula: (left, right) => b.compare(name, left, right) }, inLanes);
        t.deepEqual(got, listOf('bool', expected), `${name} ${inLanes ? 'in lanes' : 'alone'}`);
      }
    }
    if (isFloat(scalar) || scalar === 'bool') return;
    const unsigned = (value: Value) => BigInt.asUintN(widthOf(scalar), BigInt(value));
    const expected = x.map((value, index) => Number(unsigned(value) < unsigned(y[index]!)));
    for (const inLanes of [false, true]) {
      const got = apply({ from: scalar, to: 'bool', x, y, formula: (left, right) => b.compare('ltu', left, right) }, inLanes);
      t.deepEqual(got, listOf('bool', expected), 'ltu');
    }
  });
}

test('masks combine, and choose between values and zeros', (t) => {
  for (const scalar of numberTypes) {
    const { x, y } = pairsOf(scalar);
    const formulas: readonly ((x: Expr, y: Expr) => Expr)[] = [
      (left, right) => b.select(b.lt(left, right), left, right),
      (left, right) => b.select(b.lt(left, right), 0, right),
      (left, right) => b.select(b.lt(left, right), left, 0),
      (left, right) => b.select(b.and(b.not(b.lt(left, right)), b.or(b.gt(left, 0), b.eq(right, 1))), left, right),
      (left, right) => b.select(b.xor(b.lt(left, right), b.lt(left, 0)), left, right),
      (left, right) => b.select(b.lt(left, right), left, b.constant(left.type, isFloat(scalar) ? -0 : 5)),
      (left, right) => b.select(b.or(b.lt(left, right), b.constant(b.maskType(left.type), 1)), left, right),
      (left, right) => b.select(b.or(b.lt(left, right), b.constant(b.maskType(left.type), 0)), left, right),
    ];
    for (const formula of formulas) {
      const cases: Case = { from: scalar, to: scalar, x, y, formula };
      t.deepEqual(apply(cases, true), apply(cases, false));
    }
  }
});

test('fma rounds twice, in lanes as alone', (t) => {
  const x = floats.map((value) => Math.fround(Number(value)));
  const expected = x.map((value) => Math.fround(Math.fround(value * value) + value));
  for (const inLanes of [false, true]) {
    const got = apply({ from: 'f32', to: 'f32', x, formula: (value) => b.fma(value, value, value) }, inLanes);
    t.deepEqual(got, listOf('f32', expected));
  }
});

test('relaxed SIMD rounds fma equally in lanes and alone', (t) => {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  const relaxed = (type: Type, step: number) =>
    makeKernel({ x: 'float32', out: 'float32' }, [
      b.forLoop(
        'i',
        b.begin,
        b.end,
        (i) => [b.store('out', i, b.fma(b.load(type, 'x', i), b.load(type, 'x', i), b.load(type, 'x', i)))],
        {
          step,
        },
      ),
    ]);
  const print = { relaxedSimd: true };
  if (!webAssembly.validate(printWasm(relaxed(b.F32, 1), print))) {
    t.pass('this engine has no relaxed SIMD');
    return;
  }
  const x = Float32Array.from({ length: 256 }, (_, index) => Math.sin(index) * 3);
  const [alone, inLanes] = [new Float32Array(256), new Float32Array(256)];
  runKernel(relaxed(b.F32, 1), { x, out: alone }, { range: [0, 256], print });
  runKernel(relaxed(vectorOf('f32'), 4), { x, out: inLanes }, { range: [0, 256], print });
  t.deepEqual(inLanes, alone);
});

// Conversions

function converted(value: Value, from: RealScalar, to: RealScalar): Value {
  if (to === 'bool') return Number(Number.isNaN(value) || Number(value) !== 0);
  if (to === 'f32') return Math.fround(from === 'i64' ? singleOf(BigInt(value)) : Number(value));
  if (to === 'f64') return Number(value);
  if (!isFloat(from)) return wrap(to, BigInt(value));
  const width = widthOf(to);
  if (Number.isNaN(value)) return wrap(to, 0n);
  const [least, greatest] = [-(2 ** (width - 1)), 2 ** (width - 1)];
  if (Number(value) <= least) return wrap(to, BigInt(least));
  return wrap(to, Number(value) >= greatest ? BigInt(greatest) - 1n : BigInt(Math.trunc(Number(value))));
}

/** The listed int64 have few significant bits, so that going through float64 rounds once. */
const singleOf = (value: bigint): number => Number(value);

for (const from of ['bool', ...numberTypes] as const) {
  for (const to of ['bool', ...numberTypes] as const) {
    const inLanesToo = from === 'bool' || to === 'bool' || wide(from) === wide(to);
    test(`conversion of ${from} to ${to}${inLanesToo ? ', alone and in lanes' : ''}`, (t) => {
      const x = (from === 'bool' ? [0, 1, 1, 0] : valuesOf[from]).map((value) =>
        converted(value, from, from === 'bool' ? 'i32' : from),
      );
      const expected = listOf(
        to,
        x.map((value) => converted(value, from, to)),
      );
      const lanesOf = (value: Expr): Type => (value.type.lanes === 1 ? b.scalarType(to) : { ...value.type, scalar: to });
      for (const inLanes of inLanesToo ? [false, true] : [false]) {
        const got = apply({ from, to, x, formula: (value) => b.convert(lanesOf(value), value) }, inLanes);
        t.deepEqual(got, expected, inLanes ? 'in lanes' : 'alone');
      }
    });
  }
}

test('bits keeps the pattern', (t) => {
  for (const [float, integer] of [
    ['f32', 'i32'],
    ['f64', 'i64'],
  ] as const) {
    const x = valuesOf[float];
    const bytes = arrayOf(float, x);
    const expected = integer === 'i32' ? new Int32Array(bytes.buffer) : new BigInt64Array(bytes.buffer);
    for (const inLanes of [false, true]) {
      const formula = (value: Expr) => b.bits({ ...value.type, scalar: integer }, value);
      t.deepEqual(apply({ from: float, to: integer, x, formula }, inLanes), list(expected));
      const back = (value: Expr) => b.bits({ ...value.type, scalar: float }, b.bits({ ...value.type, scalar: integer }, value));
      t.deepEqual(apply({ from: float, to: float, x, formula: back }, inLanes), list(bytes));
    }
  }
});

test('splat, lane and iota', (t) => {
  for (const scalar of numberTypes) {
    const type = vectorOf(scalar);
    const kernel = makeKernel({ x: storageOf[scalar], out: storageOf[scalar] }, [
      b.store('out', 0, b.add(b.iota(type), b.splat(type, b.load(b.scalarType(scalar), 'x', 0)))),
      b.store('out', type.lanes, b.splat(type, b.lane(b.load(type, 'x', 0), type.lanes - 1))),
    ]);
    const lanes = Array.from({ length: type.lanes }, (_, index) => index + 5);
    const out = arrayOf(scalar, new Array<Value>(2 * type.lanes).fill(0));
    runKernel(kernel, { x: arrayOf(scalar, lanes), out });
    t.deepEqual(out, arrayOf(scalar, [...lanes, ...lanes.map(() => type.lanes + 4)]), scalar);
  }
});

test('splat and lane of bool', (t) => {
  for (const laneBits of [32, 64] as const) {
    const type = vectorOf('bool', laneBits);
    const kernel = makeKernel({ x: 'bool', out: 'bool' }, [
      b.forLoop('i', b.begin, b.end, (i) => [
        b.store('out', b.mul(i, type.lanes), b.splat(type, b.load(b.BOOL, 'x', i))),
        b.store('out', b.add(b.mul(i, type.lanes), 8), b.splat(type, b.lane(b.load(type, 'x', 0), 1))),
      ]),
    ]);
    const out = new Uint8Array(16);
    runKernel(kernel, { x: Uint8Array.from([0, 1, 0, 0]), out }, { range: [0, 2] });
    const once = Uint8Array.from({ length: 16 }, (_, at) => Number(at >= type.lanes && at < 2 * type.lanes));
    for (let at = 8; at < 8 + 2 * type.lanes; at++) once[at] = 1;
    t.deepEqual(out, once);
  }
});

// RealStorage types

const storages: Readonly<Record<RealStorage, { data: Data; scalar: RealScalar; decode?: (pattern: number) => number }>> = {
  bool: { data: Uint8Array.from([0, 1, 1, 0]), scalar: 'bool' },
  uint8: { data: Uint8Array.from([0, 1, 127, 128, 255, 7, 200, 3]), scalar: 'i32' },
  int8: { data: Int8Array.from([0, 1, 127, -128, -1, 7, -100, 3]), scalar: 'i32' },
  int16: { data: Int16Array.from([0, 1, 32767, -32768, -1, 700, -30000, 3]), scalar: 'i32' },
  int32: { data: Int32Array.from(integers, Number), scalar: 'i32' },
  int64: { data: BigInt64Array.from(longs, BigInt), scalar: 'i64' },
  float16: { data: Uint16Array.from({ length: 65536 }, (_, pattern) => pattern), scalar: 'f32', decode: decodeFloat16 },
  bfloat16: { data: Uint16Array.from({ length: 65536 }, (_, pattern) => pattern), scalar: 'f32', decode: decodeBfloat16 },
  float32: { data: Float32Array.from(floats, Number), scalar: 'f32' },
  float64: { data: Float64Array.from(floats, Number), scalar: 'f64' },
};

/** Copies between two buffers through a register. */
function copy(from: RealStorage, to: RealStorage, scalar: RealScalar, type: Type, x: Data): Data {
  const kernel = makeKernel({ x: from, out: to }, [
    b.forLoop('i', b.begin, b.end, (i) => [b.store('out', i, b.load(type, 'x', i))], { step: type.lanes }),
  ]);
  const registers = new Array<Value>(x.length).fill(0);
  const out = to === 'uint8' ? Uint8Array.from(registers, Number) : to === 'int8' ? Int8Array.from(registers, Number) : undefined;
  const halves = to === 'int16' ? new Int16Array(x.length) : to.endsWith('float16') ? new Uint16Array(x.length) : undefined;
  const result = out ?? halves ?? arrayOf(scalar, registers);
  runKernel(kernel, { x, out: result }, { range: [0, x.length] });
  return result;
}

for (const storage of names(storages)) {
  const { data, scalar, decode } = storages[storage];
  const meaning = (stored: Data) => list(stored).map((value) => (decode === undefined ? value : decode(Number(value))));
  test(`${storage} is loaded and stored, alone and in lanes`, (t) => {
    for (const type of [b.scalarType(scalar), vectorOf(scalar)]) {
      const loaded = copy(storage, storageOf[scalar], scalar, type, data);
      const expected = arrayOf(scalar, meaning(data));
      t.deepEqual(list(loaded), list(expected), 'loaded');
      const stored = copy(storageOf[scalar], storage, scalar, type, expected);
      // A NaN need not keep its pattern, so what is compared is what the patterns mean.
      t.deepEqual(meaning(stored), meaning(data), 'stored');
    }
  });
}

test('a condition on some lanes of a mask asks for no others', (t) => {
  const type = vectorOf('f32');
  const mask = b.local('mask', b.maskType(type));
  const kernel = makeKernel({ x: 'float32', out: 'float32' }, [
    b.let_('mask', b.gt(b.load(type, 'x', 0), 0)),
    b.if_(b.or(b.lane(mask, 0), b.lane(mask, 2)), [b.store('out', 0, b.f32(1))]),
    b.if_(b.or(b.or(b.lane(mask, 0), b.lane(mask, 1)), b.or(b.lane(mask, 2), b.lane(mask, 3))), [b.store('out', 1, b.f32(1))]),
  ]);
  for (let set = 0; set < 16; set++) {
    const x = Float32Array.from({ length: 4 }, (_, lane) => (set >> lane) & 1);
    const out = new Float32Array(2);
    runKernel(kernel, { x, out });
    t.deepEqual(Array.from(out), [Number((set & 5) !== 0), Number(set !== 0)], `lanes ${set.toString(2)}`);
  }
});

test('a NaN stays one in 16 bits, whatever its payload', (t) => {
  const x = new Float32Array(Uint32Array.from([0x7f800001, 0x7fffffff, 0xffffffff, 0xff800001]).buffer);
  for (const [storage, decode] of [
    ['float16', decodeFloat16],
    ['bfloat16', decodeBfloat16],
  ] as const)
    for (const type of [b.F32, vectorOf('f32')])
      t.deepEqual(
        list(copy('float32', storage, 'f32', type, x)).map((pattern) => decode(Number(pattern))),
        [NaN, NaN, NaN, NaN],
        storage,
      );
});

test('a mask of 64-bit lanes is loaded and stored as bytes', (t) => {
  const x = Uint8Array.from([0, 1, 1, 0, 1, 1]);
  t.deepEqual(copy('bool', 'bool', 'bool', vectorOf('bool', 64), x), x);
});

test('every byte but 0 is true, and is stored as 1', (t) => {
  const x = Uint8Array.from([0, 2, 255, 128, 1, 0, 64, 0]);
  for (const type of [b.BOOL, vectorOf('bool')])
    t.deepEqual(copy('bool', 'bool', 'bool', type, x), Uint8Array.from([0, 1, 1, 1, 1, 0, 1, 0]));
});

test('stores to narrow integers wrap', (t) => {
  const x = Int32Array.from([300, -300, 65536 + 5, -1, 40000, -40000, 255, 128]);
  for (const type of [b.I32, vectorOf('i32')]) {
    t.deepEqual(copy('int32', 'uint8', 'i32', type, x), Uint8Array.from(x));
    t.deepEqual(copy('int32', 'int8', 'i32', type, x), Int8Array.from(x));
    t.deepEqual(copy('int32', 'int16', 'i32', type, x), Int16Array.from(x));
  }
});

test('stores to float16 and bfloat16 round to nearest even', (t) => {
  // Every pattern's neighbourhood: halfway to the next one, and just beside that.
  for (const [storage, encode, decode] of [
    ['float16', encodeFloat16, decodeFloat16],
    ['bfloat16', encodeBfloat16, decodeBfloat16],
  ] as const) {
    const values = Array.from({ length: 65536 }, (_, pattern) => pattern).flatMap((pattern) => {
      const [low, high] = [decode(pattern), decode((pattern & 0x7fff) === 0x7fff ? pattern : pattern + 1)];
      const middle = Math.fround((low + high) / 2);
      return Number.isFinite(middle)
        ? [middle, Math.fround(middle * (1 + 2 ** -22)), Math.fround(middle * (1 - 2 ** -22)), low]
        : [];
    });
    const x = Float32Array.from([...values, 65519.99, 65520, 1e30, 3.4028234663852886e38]);
    const expected = Uint16Array.from(x, encode);
    for (const type of [b.F32, vectorOf('f32')]) {
      const got = copy('float32', storage, 'f32', type, x);
      const at = Array.from<Value>(got).findIndex((pattern, index) => pattern !== expected[index]);
      t.is(at, -1, `${storage} of ${x[at]} is ${got[at]}, not ${expected[at]}`);
    }
  }
});
