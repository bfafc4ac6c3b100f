/** Faults in the WebAssembly printer and in the functions that kernels are made of. */
import type { Plan } from '../mutant.js';
import type { PickedFaults } from '../picked.js';
import { elementwise } from './plans.js';

const wrong = 'wrong instruction';
const convert = 'wrong dtype conversion';

const printer: Plan = {
  ops: ['add', 'abs', 'floorDivide', 'mod', 'maximum', 'max', 'lessEqual', 'where', 'cast', 'round', 'logicalXor', 'any', 'rand'],
  suites: ['wasm-printer', 'wasm-statements', 'math', 'random-ops'],
};
const casts: Plan = {
  ops: ['cast', 'add', 'relu', 'lessThan', 'concat', 'sum'],
  suites: ['wasm-printer', 'random-programs'],
};
const mathematics = (...ops: readonly string[]): Plan => ({ ops, suites: ['math'] });

export const instructions: readonly PickedFaults[] = [
  {
    file: 'kernels/wasm/arithmetic',
    plan: printer,
    faults: [
      [wrong, "min: 'min', max: 'max' }", "min: 'max', max: 'min' }"],
      [wrong, "shr: 'shr_s', shru: 'shr_u'", "shr: 'shr_u', shru: 'shr_u'"],
      [wrong, "shru: 'shr_u'", "shru: 'shr_s'"],
      [wrong, "max: 'max_s'", "max: 'min_s'"],
      [wrong, "le: 'le_s'", "le: 'lt_s'"],
      [wrong, "ne: 'ne', lt: 'gt_s'", "ne: 'ne', lt: 'lt_s'"],
      [wrong, "rint: 'nearest'", "rint: 'floor'"],
      [wrong, "name === 'min' ? 'lt_s' : 'gt_s'", "name === 'min' ? 'gt_s' : 'lt_s'"],
      [wrong, 'code.op(`${type}.lt_s`)', 'code.op(`${type}.gt_s`)'],
      [wrong, 'pushInteger(frame, type, 2)', 'pushInteger(frame, type, 1)'],
      [wrong, 'code.i64(32n)', 'code.i64(31n)'],
      [wrong, '[4, 5, 6, 7, 12, 13, 14, 15,', '[0, 1, 2, 3, 12, 13, 14, 15,'],
      [wrong, 'code.f64(2 ** 29)', 'code.f64(2 ** 60)'],
    ],
  },
  {
    file: 'kernels/wasm/memory',
    plan: casts,
    faults: [
      [convert, "code.memory('v128.load16x4_s', offset)", "code.memory('v128.load16x4_u', offset)"],
      [convert, "storage === 'int8' ? 's' : 'u'", "'u'"],
      [convert, "int8: 'i32.load8_s'", "int8: 'i32.load8_u'"],
      [convert, "int16: 'i32.load16_s'", "int16: 'i32.load16_u'"],
      [convert, 'isNotZero(frame);', ''],
      [wrong, '[0, 1, 4, 5, 8, 9, 12, 13]', '[0, 1, 4, 5, 8, 9, 12, 12]'],
      [wrong, 'wide ? [0, 8]', 'wide ? [0, 4]'],
      ['wrong stride', 'inOffset ? constantBytes : 0', '0'],
      [
        'wrong stride',
        'subtract ? left.constant - right.constant : left.constant + right.constant',
        'left.constant + right.constant',
        { ops: [], suites: ['wasm-statements'] },
      ],
      ['overrun', 'constantBytes >= 0 && constantBytes <= GUARD', 'true'],
    ],
  },
  {
    file: 'kernels/wasm/conversions',
    plan: casts,
    faults: [
      [convert, "i64: ['i64.extend_i32_s']", "i64: ['i64.extend_i32_u']"],
      [convert, "i64x2: bytesOfScalar('i64', 1n)", "i64x2: bytesOfScalar('i64', 2n)"],
      [convert, "f32x4: bytesOfScalar('f32', 1)", "f32x4: bytesOfScalar('f32', 2)"],
      [convert, "f32: ['f32.convert_i64_s']", "f32: ['i32.wrap_i64', 'f32.convert_i32_s']"],
    ],
  },
  {
    file: 'kernels/wasm/expressions',
    plan: {
      ops: ['where', 'relu', 'max', 'min', 'cast', 'fold', 'clip', 'logicalAnd'],
      suites: ['wasm-printer', 'random-programs'],
    },
    faults: [
      [wrong, 'numberOf(given) === 0 ? 0 : -1', 'numberOf(given) === 0 ? 0 : 1'],
      [wrong, 'Object.is(numberOf(value.value), 0)', 'numberOf(value.value) === 0'],
      [wrong, 'isSameLeaf(left, otherwise) && isSameLeaf(right, then)', 'isSameLeaf(left, then) && isSameLeaf(right, otherwise)'],
      [wrong, 'joinsOneMask(expr) && lanes.size === mask?.type.lanes', 'joinsOneMask(expr)'],
    ],
  },
  {
    file: 'kernels/wasm/printer',
    plan: { ops: ['max', 'any', 'indexSelect', 'gather', 'unique', 'sort'], suites: ['wasm-statements', 'kernel-functions'] },
    faults: [
      [wrong, 'code.i32(failure)', 'code.i32(0)'],
      [wrong, '{ break: exit, continue: next }', '{ break: exit, continue: exit }'],
    ],
  },
  {
    file: 'kernels/math/exponential',
    plan: mathematics('exp', 'expm1', 'tanh', 'sigmoid'),
    faults: [
      ['wrong formula', '0.05550358444452286', '0.05550258444452286'],
      ['wrong formula', 'clamped(x, LOWEST, HIGHEST, writer)', 'x'],
      ['wrong formula', 'bounded(magnitude(x, writer), 10)', 'bounded(magnitude(x, writer), 5)'],
      ['wrong formula', '2 ** -25', '2 ** -5'],
    ],
  },
  {
    file: 'kernels/math/half',
    plan: casts,
    faults: [
      [convert, '2 ** 112', '2 ** 111'],
      [convert, 'and(shru(magnitude, 13), 1))', '1)'],
      [convert, '143 << 23', '144 << 23'],
      [convert, '113 << 23', '112 << 23'],
      [convert, 'add(and(shru(pattern, 16), 1), 0x7fff)', '0x7fff'],
      [convert, 'select(isUnordered, or(shr(pattern, 16), 0x40), rounded)', 'rounded', { ops: [], suites: ['wasm-printer'] }],
    ],
  },
  {
    file: 'kernels/math/integer-power',
    plan: { ops: ['pow'], suites: ['integers'] },
    faults: [
      ['wrong formula', 'select(lt(y, 0), unitBase, result)', 'result'],
      ['wrong formula', 'select(odd, constant(x.type, -1), unit)', 'unit'],
      ['wrong formula', "x.type.scalar === 'i64' ? 63 : 31", '7'],
    ],
  },
  {
    file: 'kernels/map-operations',
    plan: elementwise,
    faults: [
      ['wrong formula', 'select(and(ne(r, zero), opposite), add(r, y), r)', 'r'],
      [
        'wrong formula',
        'select(and(and(inexact, negative), ne(y, constant(y.type, 0))), sub(quotient, 1), quotient)',
        'quotient',
      ],
      ['wrong formula', 'and(and(inexact, negative), ne(y, constant(y.type, 0)))', 'and(inexact, negative)'],
      ['wrong formula', 'select(ne(x, x), x, nonzero)', 'nonzero'],
      ['wrong formula', 'div(1, sqrt(x))', 'sqrt(x)', { ops: ['rsqrt'] }],
      [
        'wrong formula',
        "compare('ltu', c0, offsetLow), constant(type, 1)",
        "compare('ltu', c0, offsetLow), constant(type, 0)",
        { ops: ['randomBits'], suites: ['random-ops'] },
      ],
      ['wrong formula', 'select(eq(which, 0), c0,', 'select(eq(which, 0), c1,', { ops: ['randomBits'], suites: ['random-ops'] }],
      [
        'wrong formula',
        'convert(type, shru(word, 8))',
        'convert(type, shru(word, 9))',
        { ops: ['bitsToUniform', 'rand'], suites: ['random-ops'] },
      ],
      ['wrong formula', 'rounded(rint)', 'rounded(floor)', { ops: ['round'] }],
    ],
  },
];
