/**
 * What WebAssembly does with the statements of a kernel, its addresses and its parameters, what the printer refuses, and the
 * encoder's numbers. Operators and types are in wasm-printer.test.ts.
 */
import test from 'ava';
import * as b from '../kernels/build.js';
import type { AccumulateKind, BinaryOp, Expr, Stmt } from '../kernels/ir.js';
import { Code } from '../kernels/wasm/encoder.js';
import { printWasm } from '../kernels/wasm/printer.js';
import { makeKernel, runKernel } from './wasm-harness.js';

// Addresses and parameters

test('constant parts of an index may be negative, large or in the middle', (t) => {
  const x = Float32Array.from({ length: 3000 }, (_, index) => index);
  const out = new Float32Array(8);
  const raw = (name: BinaryOp, left: Expr, right: Expr): Expr => ({ op: 'binary', type: b.I32, name, left, right });
  const i = b.param('i');
  const indices = [
    raw('sub', i, b.i32(3)),
    raw('add', i, b.i32(2900)),
    raw('add', b.i32(7), raw('mul', i, b.i32(2))),
    raw('add', raw('sub', i, b.i32(9)), raw('add', i, b.i32(2))),
    raw('sub', raw('add', i, b.i32(5)), raw('sub', i, b.i32(1))),
    raw('sub', b.i32(20), i),
    b.i32(17),
    raw('sub', b.i32(5), b.i32(2)),
  ];
  const body = indices.map((index, at) => b.store('out', at, b.load(b.F32, 'x', index)));
  runKernel(makeKernel({ x: 'float32', out: 'float32' }, body, [{ name: 'i', type: 'i32' }]), { x, out }, { params: { i: 10 } });
  t.deepEqual(Array.from(out), [7, 2910, 27, 13, 6, 10, 17, 3]);
});

test('parameters of every type, first read inside of a loop', (t) => {
  const params = [
    { name: 'i', type: 'i32' },
    { name: 'l', type: 'i64' },
    { name: 'f', type: 'f32' },
    { name: 'd', type: 'f64' },
  ] as const;
  const sum = ['i', 'l', 'f', 'd'].map((name, at) => b.convert(b.F64, b.param(name, b.scalarType(params[at]!.type))));
  const kernel = makeKernel(
    { out: 'float64' },
    [
      b.forLoop('k', b.begin, b.end, (k) => [
        b.let_('unused', b.mul(k, 2)),
        b.store(
          'out',
          k,
          sum.reduce((x, y) => b.add(x, y)),
        ),
      ]),
    ],
    params,
  );
  const out = new Float64Array(3);
  runKernel(kernel, { out }, { params: { i: -5, l: 2n ** 40n, f: 0.5, d: 0.125 }, range: [0, 3] });
  t.deepEqual(Array.from(out), new Array(3).fill(2 ** 40 - 5 + 0.625));
});

// Statements

const i32Local = (name: string): Expr => b.local(name, b.I32);

/** Runs statements that leave their result in `out[0]`. */
function result(body: readonly Stmt[]): number {
  const out = new Int32Array(1);
  runKernel(makeKernel({ out: 'int32' }, body), { out });
  return out[0]!;
}

test('a for evaluates its bounds once and may be left or continued', (t) => {
  const [sum, limit] = [i32Local('sum'), i32Local('limit')];
  const loop = b.forLoop(
    'i',
    2,
    limit,
    (i) => [
      b.set('limit', b.i32(0)),
      b.if_(b.eq(b.rem(i, 3), 0), [b.continue_]),
      b.if_(b.gt(i, 14), [b.break_], [b.set('sum', b.add(sum, 1000))]),
      b.set('sum', b.add(sum, i)),
    ],
    { step: 2 },
  );
  const body = [b.variable('sum', b.i32(0)), b.variable('limit', b.i32(100)), loop, b.store('out', 0, b.add(sum, limit))];
  // 2, 4, 8, 10, 14; 16 leaves.
  t.is(result(body), 5038);
});

test('an empty range runs no turn', (t) => {
  const body = [
    b.variable('sum', b.i32(0)),
    b.forLoop('i', 5, 5, () => [b.set('sum', b.i32(1))]),
    b.forLoop('i', 5, -3, () => [b.set('sum', b.i32(2))]),
    b.store('out', 0, i32Local('sum')),
  ];
  t.is(result(body), 0);
});

test('break and continue belong to the innermost loop', (t) => {
  const sum = i32Local('sum');
  const body = [
    b.variable('sum', b.i32(0)),
    b.forLoop('i', 0, 4, (i) => [
      b.variable('j', b.i32(0)),
      b.while_(b.lt(i32Local('j'), 10), [
        b.set('j', b.add(i32Local('j'), 1)),
        b.if_(b.eq(i32Local('j'), 2), [b.continue_]),
        b.if_(b.gt(i32Local('j'), 4), [b.break_]),
        b.set('sum', b.add(sum, i32Local('j'))),
      ]),
      b.if_(b.eq(i, 1), [b.continue_]),
      b.set('sum', b.add(sum, 100)),
    ]),
    b.store('out', 0, sum),
  ];
  // Each of the four turns adds 1 + 3 + 4, and three of them 100.
  t.is(result(body), 332);
});

test('a while without an end is left by break', (t) => {
  const body = [
    b.variable('n', b.i32(1)),
    b.while_(b.bool(true), [b.set('n', b.mul(i32Local('n'), 3)), b.if_(b.gt(i32Local('n'), 1000), [b.break_])]),
    b.store('out', 0, i32Local('n')),
  ];
  t.is(result(body), 2187);
});

test('blocks side by side may use the same name, and no name means two locals at once', (t) => {
  const body = [
    b.variable('sum', b.i32(5)),
    b.if_(b.gt(i32Local('sum'), 3), [b.let_('n', b.mul(i32Local('sum'), 2)), b.set('sum', i32Local('n'))]),
    b.forLoop('n', 0, i32Local('sum'), (n) => [b.set('sum', b.add(i32Local('sum'), n))]),
    b.store('out', 0, i32Local('sum')),
  ];
  t.is(result(body), 55);
  const shadowing = [b.let_('n', b.i32(1)), b.if_(b.gt(i32Local('n'), 0), [b.let_('n', b.i32(2))])];
  t.throws(() => result(shadowing), { message: 'kernel test: the local n is declared twice' });
});

test('accumulate combines by its kind', (t) => {
  const expected: Readonly<Record<AccumulateKind, number>> = { sum: 10, prod: 0, max: 4, min: 0, any: 1, all: 0 };
  for (const kind of ['sum', 'prod', 'max', 'min', 'any', 'all'] as const) {
    const isLogical = kind === 'any' || kind === 'all';
    const start = isLogical ? b.bool(kind === 'all') : b.i32(0);
    const value = (i: Expr) => (isLogical ? b.gt(i, 2) : i);
    const total = b.local('total', start.type);
    const body = [
      b.variable('total', start),
      b.forLoop('i', 0, 5, (i) => [b.accumulate('total', kind, value(i))]),
      b.store('out', 0, b.convert(b.I32, total)),
    ];
    t.is(result(body), expected[kind], kind);
  }
});

test('fail leaves the first code in the error word, and the kernel goes on', (t) => {
  const out = new Int32Array(6);
  const kernel = makeKernel({ out: 'int32' }, [
    b.forItems('i', (i) => [b.if_(b.eq(i, 3), [b.fail(7)]), b.if_(b.eq(i, 4), [b.fail(9)]), b.store('out', i, b.add(i, 1))]),
  ]);
  t.is(runKernel(kernel, { out }, { range: [0, 6] }), 7);
  t.deepEqual(Array.from(out), [1, 2, 3, 4, 5, 6]);
  t.is(runKernel(kernel, { out }, { range: [0, 3] }), 0);
});

// What is refused

test('a kernel that cannot be printed is refused with its reason', (t) => {
  const storing = (value: Expr, storage = 'float32') => makeKernel({ out: storage }, [b.store('out', 0, value)]);
  t.throws(() => printWasm(storing(b.f32(1), 'T')), { message: /still of dtype T/ });
  t.throws(() => printWasm(storing(b.i32(1))), { message: /holds float32, which is no i32/ });
  t.throws(() => printWasm(storing(b.unary('exp', b.f32(1)))), { message: /expandMath/ });
  t.throws(() => printWasm(storing(b.constant(b.vectorType('f32', 8), 1))), { message: /no vector of 8 f32/ });
  t.throws(() => printWasm(storing(b.local('nowhere', b.F32))), { message: /no local nowhere/ });
  t.throws(() => printWasm(makeKernel({}, [b.break_])), { message: /break outside of a loop/ });
});

// The encoder

test('LEB128 of edge values', (t) => {
  const encoded = (write: (code: Code) => void) => {
    const code = new Code();
    write(code);
    return code.bytes;
  };
  t.deepEqual(
    encoded((code) => code.unsigned(624485)),
    [0xe5, 0x8e, 0x26],
  );
  t.deepEqual(
    encoded((code) => code.unsigned(0xffffffff)),
    [0xff, 0xff, 0xff, 0xff, 0x0f],
  );
  t.deepEqual(
    encoded((code) => code.signed(-123456)),
    [0xc0, 0xbb, 0x78],
  );
  t.deepEqual(
    encoded((code) => code.signed(64)),
    [0xc0, 0x00],
  );
  t.deepEqual(
    encoded((code) => code.signed(-2147483648)),
    [0x80, 0x80, 0x80, 0x80, 0x78],
  );
  t.deepEqual(
    encoded((code) => code.signed64(-1n)),
    [0x7f],
  );
  t.deepEqual(
    encoded((code) => code.signed64(2n ** 63n - 1n)),
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
  );
});
