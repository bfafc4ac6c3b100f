/**
 * Operators on values that are already on the stack: one function for each pair of unary or binary and scalar or vector. What SIMD128
 * lacks is done lane by lane with the scalar form, so that both give the same bits.
 */
import type { BinaryOp, CompareOp, UnaryOp } from '../ir.js';
import { type Frame, lanewise, type NumberType, type Shape, scalarOf } from './frame.js';
import { isHostUnary } from './host.js';

const FLOAT_UNARY = {
  neg: 'neg',
  abs: 'abs',
  sqrt: 'sqrt',
  floor: 'floor',
  ceil: 'ceil',
  trunc: 'trunc',
  rint: 'nearest',
} as const;

const FLOAT_BINARY = { add: 'add', sub: 'sub', mul: 'mul', div: 'div', min: 'min', max: 'max' } as const;
const INTEGER_BINARY = { add: 'add', sub: 'sub', mul: 'mul' } as const;
const BITWISE = { and: 'and', or: 'or', xor: 'xor' } as const;
const SHIFTS = { shl: 'shl', shr: 'shr_s', shru: 'shr_u' } as const;
const FLOAT_COMPARE = { eq: 'eq', ne: 'ne', lt: 'lt', le: 'le', gt: 'gt', ge: 'ge' } as const;
const INTEGER_COMPARE = { eq: 'eq', ne: 'ne', lt: 'lt_s', le: 'le_s', gt: 'gt_s', ge: 'ge_s' } as const;
/** Masks are 0 or -1 in a lane: comparing them as signed integers turns the order of false and true around. */
const MASK_COMPARE = { eq: 'eq', ne: 'ne', lt: 'gt_s', le: 'ge_s', gt: 'lt_s', ge: 'le_s', ltu: 'gt_s' } as const;

function has<Table extends object>(table: Table, name: string): name is Extract<keyof Table, string> {
  return Object.hasOwn(table, name);
}

const isFloat = (type: NumberType): type is 'f32' | 'f64' => type === 'f32' || type === 'f64';
const isFloatShape = (shape: Shape): shape is 'f32x4' | 'f64x2' => shape === 'f32x4' || shape === 'f64x2';

function unsupported(name: string, type: string): never {
  throw new TypeError(`${name} of ${type} has no WebAssembly form; expandMath writes out transcendental functions`);
}

export function scalarUnary(frame: Frame, name: UnaryOp, type: NumberType): void {
  const { code } = frame;
  if (isFloat(type)) {
    if (has(FLOAT_UNARY, name)) return code.op(`${type}.${FLOAT_UNARY[name]}`);
    if (type === 'f64' && isHostUnary(name)) return frame.host(name, 1);
    return unsupported(name, type);
  }
  switch (name) {
    case 'neg':
      return multiplyBy(frame, type, -1);
    case 'bitNot':
      pushInteger(frame, type, -1);
      return code.op(`${type}.xor`);
    case 'abs':
      return absolute(frame, type);
    case 'clz':
      return code.op(`${type}.clz`);
    case 'popcount':
      return code.op(`${type}.popcnt`);
    default:
      return unsupported(name, type);
  }
}

export function vectorUnary(frame: Frame, name: UnaryOp, shape: Shape): void {
  const { code } = frame;
  if (isFloatShape(shape) && has(FLOAT_UNARY, name)) return code.op(`${shape}.${FLOAT_UNARY[name]}`);
  if (!isFloatShape(shape)) {
    if (name === 'neg' || name === 'abs') return code.op(`${shape}.${name}`);
    if (name === 'bitNot') return code.op('v128.not');
    if (name === 'popcount' && shape === 'i32x4') {
      code.op('i8x16.popcnt');
      code.op('i16x8.extadd_pairwise_i8x16_u');
      return code.op('i32x4.extadd_pairwise_i16x8_u');
    }
  }
  lanewise(frame, shape, shape, 1, () => scalarUnary(frame, name, scalarOf(shape)));
}

export function scalarBinary(frame: Frame, name: BinaryOp, type: NumberType): void {
  const { code } = frame;
  if (isFloat(type)) {
    if (has(FLOAT_BINARY, name)) return code.op(`${type}.${FLOAT_BINARY[name]}`);
    if (name === 'rem') return type === 'f32' ? remainderOfSingles(frame) : frame.host('rem', 2);
    if (type === 'f64' && (name === 'pow' || name === 'atan2')) return frame.host(name, 2);
    return unsupported(name, type);
  }
  if (has(INTEGER_BINARY, name)) return code.op(`${type}.${INTEGER_BINARY[name]}`);
  if (has(BITWISE, name)) return code.op(`${type}.${BITWISE[name]}`);
  if (has(SHIFTS, name)) return code.op(`${type}.${SHIFTS[name]}`);
  switch (name) {
    case 'div':
      return divide(frame, type);
    case 'rem':
      return remainder(frame, type);
    case 'min':
    case 'max':
      return frame.pair(type, (left, right) => {
        for (const local of [left, right, left, right]) code.get(local);
        code.op(`${type}.${name === 'min' ? 'lt_s' : 'gt_s'}`);
        code.op('select');
      });
    case 'mulhiu':
      return type === 'i32' ? highProduct(frame) : unsupported(name, type);
    default:
      return unsupported(name, type);
  }
}

export function vectorBinary(frame: Frame, name: BinaryOp, shape: Shape): void {
  const { code } = frame;
  if (isFloatShape(shape)) {
    if (has(FLOAT_BINARY, name)) return code.op(`${shape}.${FLOAT_BINARY[name]}`);
  } else {
    if (has(INTEGER_BINARY, name)) return code.op(`${shape}.${INTEGER_BINARY[name]}`);
    if (has(BITWISE, name)) return code.op(`v128.${BITWISE[name]}`);
    if (shape === 'i32x4') {
      if (name === 'min' || name === 'max') return code.op(`i32x4.${name}_s`);
      if (name === 'mulhiu') return highProducts(frame);
    }
  }
  lanewise(frame, shape, shape, 2, () => scalarBinary(frame, name, scalarOf(shape)));
}

/** Shifts the vector under the scalar count on the stack, which is of the vector's lane type. */
export function vectorShift(frame: Frame, name: 'shl' | 'shr' | 'shru', shape: 'i32x4' | 'i64x2'): void {
  if (shape === 'i64x2') frame.code.op('i32.wrap_i64');
  frame.code.op(`${shape}.${SHIFTS[name]}`);
}

export function scalarCompare(frame: Frame, name: CompareOp, type: NumberType): void {
  if (isFloat(type)) return has(FLOAT_COMPARE, name) ? frame.code.op(`${type}.${FLOAT_COMPARE[name]}`) : unsupported(name, type);
  frame.code.op(name === 'ltu' ? `${type}.lt_u` : `${type}.${INTEGER_COMPARE[name]}`);
}

export function vectorCompare(frame: Frame, name: CompareOp, shape: Shape): void {
  const { code } = frame;
  if (isFloatShape(shape)) {
    return has(FLOAT_COMPARE, name) ? code.op(`${shape}.${FLOAT_COMPARE[name]}`) : unsupported(name, shape);
  }
  if (name !== 'ltu') return code.op(`${shape}.${INTEGER_COMPARE[name]}`);
  if (shape === 'i32x4') return code.op('i32x4.lt_u');
  lanewise(frame, shape, shape, 2, () => {
    code.op('i64.lt_u');
    code.op('i64.extend_i32_u');
    scalarUnary(frame, 'neg', 'i64');
  });
}

export function maskCompare(frame: Frame, name: CompareOp, shape: 'i32x4' | 'i64x2'): void {
  frame.code.op(`${shape}.${MASK_COMPARE[name]}`);
}

export function pushInteger(frame: Frame, type: 'i32' | 'i64', value: number): void {
  if (type === 'i32') frame.code.i32(value);
  else frame.code.i64(BigInt(value));
}

export const isShift = (name: BinaryOp): name is 'shl' | 'shr' | 'shru' => has(SHIFTS, name);

function multiplyBy(frame: Frame, type: 'i32' | 'i64', factor: number): void {
  pushInteger(frame, type, factor);
  frame.code.op(`${type}.mul`);
}

function absolute(frame: Frame, type: 'i32' | 'i64'): void {
  const { code } = frame;
  frame.temporary(type, (value) => {
    code.tee(value);
    multiplyBy(frame, type, -1);
    code.get(value);
    code.get(value);
    pushInteger(frame, type, 0);
    code.op(`${type}.lt_s`);
    code.op('select');
  });
}

/** x / 0 is 0 and x / -1 is -x, wrapped: both are x times the divisor, and exactly those would trap. */
function divide(frame: Frame, type: 'i32' | 'i64'): void {
  const { code } = frame;
  frame.pair(type, (left, right) => {
    code.get(right);
    pushInteger(frame, type, 1);
    code.op(`${type}.add`);
    pushInteger(frame, type, 2);
    code.op(`${type}.lt_u`);
    code.block('if', type);
    code.get(left);
    code.get(right);
    code.op(`${type}.mul`);
    code.op('else');
    code.get(left);
    code.get(right);
    code.op(`${type}.div_s`);
    code.op('end');
  });
}

function remainder(frame: Frame, type: 'i32' | 'i64'): void {
  const { code } = frame;
  frame.pair(type, (left, right) => {
    code.get(right);
    code.op(`${type}.eqz`);
    code.block('if', type);
    pushInteger(frame, type, 0);
    code.op('else');
    code.get(left);
    code.get(right);
    code.op(`${type}.rem_s`);
    code.op('end');
  });
}

/**
 * a - trunc(a / b) * b in f64 is exact for f32 operands while the quotient has at most 29 bits, and the quotient cannot round up to
 * an integer, being a quotient of 24-bit numbers; what is left (huge quotients, infinities, zeros, NaN) goes to the host.
 */
function remainderOfSingles(frame: Frame): void {
  const { code } = frame;
  const getAll = (...locals: number[]) => {
    for (const local of locals) code.get(local);
  };
  frame.temporary('f64', (divisor) => {
    code.op('f64.promote_f32');
    code.set(divisor);
    code.op('f64.promote_f32');
    code.get(divisor);
    frame.pair('f64', (left, right) =>
      frame.temporary('f64', (quotient) => {
        getAll(left, right);
        code.op('f64.div');
        code.op('f64.trunc');
        code.tee(quotient);
        code.op('f64.abs');
        code.f64(2 ** 29);
        code.op('f64.lt');
        code.get(right);
        code.op('f64.abs');
        code.f64(Number.POSITIVE_INFINITY);
        code.op('f64.lt');
        code.op('i32.and');
        code.block('if', 'f64');
        getAll(left, quotient, right);
        code.op('f64.mul');
        code.op('f64.sub');
        code.get(left);
        code.op('f64.copysign');
        code.op('else');
        getAll(left, right);
        frame.host('rem', 2);
        code.op('end');
        code.op('f32.demote_f64');
      }),
    );
  });
}

function highProduct(frame: Frame): void {
  const { code } = frame;
  frame.pair('i32', (left, right) => {
    for (const operand of [left, right]) {
      code.get(operand);
      code.op('i64.extend_i32_u');
    }
    code.op('i64.mul');
    code.i64(32n);
    code.op('i64.shr_u');
    code.op('i32.wrap_i64');
  });
}

function highProducts(frame: Frame): void {
  const { code } = frame;
  frame.pair('v128', (left, right) => {
    code.get(left);
    code.get(right);
    code.op('i64x2.extmul_low_i32x4_u');
    code.get(left);
    code.get(right);
    code.op('i64x2.extmul_high_i32x4_u');
    code.shuffle([4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31]);
  });
}
