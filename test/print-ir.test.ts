/**
 * Kernel IR as text: every construct reads as its meaning, with brackets where they are needed and nowhere else.
 */
import test from 'ava';
import * as build from '../kernels/build.js';
import type { Expr, Kernel } from '../kernels/ir.js';
import { printExpr, printKernel, printStatements } from '../kernels/print-ir.js';

const {
  F32,
  I32,
  add,
  and,
  binary,
  constant,
  convert,
  eq,
  f32,
  fma,
  i32,
  load,
  local,
  lt,
  mul,
  neg,
  not,
  or,
  param,
  select,
  sub,
  vectorType,
} = build;

const [i, j] = [local('i', I32), local('j', I32)];
const x = local('x', F32);
const lanes = vectorType('f32', 4);

const expressions: readonly (readonly [Expr, string])[] = [
  [add(mul(i, param('n')), j), 'i * n + j'],
  [mul(add(i, j), i), '(i + j) * i'],
  [sub(i, sub(i, j)), 'i - (i - j)'],
  [sub(sub(i, j), i), 'i - j - i'],
  [neg(add(x, x)), '-(x + x)'],
  [add(neg(x), x), '-x + x'],
  [and(lt(i, j), eq(i, 3)), '(i < j) & (i == 3)'],
  [or(local('a', build.BOOL), not(local('b', build.BOOL))), 'a | !b'],
  [and(binary('shru', i, 3), 255), 'i >>> 3 & 255'],
  [select(lt(x, 0), f32(0), x), 'x < 0 ? 0 : x'],
  [mul(select(lt(x, 0), f32(0), x), x), '(x < 0 ? 0 : x) * x'],
  [binary('max', x, f32('-inf')), 'max(x, -inf)'],
  [build.unary('exp', neg(x)), 'exp(-x)'],
  [fma(x, x, x), 'fma(x, x, x)'],
  [convert(F32, i), 'f32(i)'],
  [build.bits(I32, x), 'bitsAs.i32(x)'],
  [load(F32, 'in0', add(i, 1)), 'in0[i + 1]'],
  [load(lanes, 'in0', add(i, 1)), 'in0[i + 1 .. 4]'],
  [build.splat(lanes, x), 'splat(x)'],
  [build.lane(local('v', lanes), 2), 'lane(v, 2)'],
  [constant(I32, -3), '-3'],
  [build.compare('ltu', i, j), 'i <u j'],
];

for (const [expr, text] of expressions) {
  test(`prints ${text}`, (t) => {
    t.is(printExpr(expr), text);
  });
}

test('prints a kernel with its operands, loops and conditions', (t) => {
  const kernel: Kernel = build.kernel(
    'rows',
    [
      { name: 'in0', storage: 'float32', access: 'read' },
      { name: 'out0', storage: 'bfloat16', access: 'write' },
    ],
    [{ name: 'n', type: 'i32' }],
    [
      build.forItems('item', (item) => [
        build.let_('at', mul(item, param('n'))),
        build.variable('sum', f32(0)),
        build.forLoop(
          'k',
          i32(0),
          param('n'),
          [build.accumulate('sum', 'sum', load(F32, 'in0', add(local('at', I32), local('k', I32))))],
          {
            vector: true,
          },
        ),
        build.if_(lt(local('sum', F32), 0), [build.fail(1)], [build.set('sum', neg(local('sum', F32)))]),
        build.store('out0', item, local('sum', F32)),
        build.stream('out0', item, f32(0)),
      ]),
    ],
  );
  t.is(
    printKernel(kernel),
    [
      'kernel rows(in0: read float32, out0: write bfloat16; n: i32)',
      '  for item from begin to end',
      '    let at = item * n',
      '    var sum: f32 = 0',
      '    for k from 0 to n, in lanes',
      '      sum += in0[at + k]',
      '    if sum < 0',
      '      fail 1',
      '    else',
      '      sum = -sum',
      '    out0[item] = sum',
      '    out0[item] = 0, streamed',
    ].join('\n'),
  );
});

test('prints loops that are left, and steps', (t) => {
  const body = [
    build.forLoop('k', i32(0), i32(8), [build.while_(lt(i, j), [build.break_]), build.continue_], { step: 4 }),
    build.accumulate('m', 'max', x),
  ];
  t.is(printStatements(body), ['for k from 0 to 8 by 4', '  while i < j', '    break', '  continue', 'm max= x'].join('\n'));
});
