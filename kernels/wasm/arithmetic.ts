/**
 * Operators on values that are already on the stack: one function for each pair of unary or binary and scalar or vector. What SIMD128
 * lacks is done lane by lane with the scalar form, so that both give the same bits.
 */
import type { BinaryOp, CompareOp, UnaryOp } from '../ir.js';
import { type Frame, lanewise, type NumberType, type Shape, scalarOf } from './frame.js';
import { isHostUnary } from './host.js';
import type { Opcode } from './opcodes.js';

const FLOAT_VECTOR_UNARY = { sqrt: 'sqrt', floor: 'floor', ceil: 'ceil', trunc: 'trunc', rint: 'nearest' } as const;
const FLOAT_UNARY = { ...FLOAT_VECTOR_UNARY, neg: 'neg', abs: 'abs' } as const;
const INTEGER_UNARY = { clz: 'clz', popcount: 'popcnt' } as const;
const INTEGER_VECTOR_UNARY = { neg: 'neg', abs: 'abs' } as const;

const FLOAT_BINARY = { add: 'add', sub: 'sub', mul: 'mul', div: 'div', min: 'min', max: 'max' } as const;
const ARITHMETIC = { add: 'add', sub: 'sub', mul: 'mul' } as const;
const BITWISE = { and: 'and', or: 'or', xor: 'xor' } as const;
const SHIFTS = { shl: 'shl', shr: 'shr_s', shru: 'shr_u' } as const;
const INTEGER_BINARY = { ...ARITHMETIC, ...BITWISE, ...SHIFTS } as const;
const INTEGER_EXTREMES = { min: 'min_s', max: 'max_s' } as const;

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

// One instruction, where there is one

function scalarUnaryOpcode(name: UnaryOp, type: NumberType): Opcode | undefined {
  if (isFloat(type)) return has(FLOAT_UNARY, name) ? `${type}.${FLOAT_UNARY[name]}` : undefined;
  return has(INTEGER_UNARY, name) ? `${type}.${INTEGER_UNARY[name]}` : undefined;
}

function vectorUnaryOpcode(name: UnaryOp, shape: Shape): Opcode | undefined {
  if (isFloatShape(shape)) return has(FLOAT_VECTOR_UNARY, name) ? `${shape}.${FLOAT_VECTOR_UNARY[name]}` : undefined;
  if (name === 'bitNot') return 'v128.not';
  return has(INTEGER_VECTOR_UNARY, name) ? `${shape}.${INTEGER_VECTOR_UNARY[name]}` : undefined;
}

function scalarBinaryOpcode(name: BinaryOp, type: NumberType): Opcode | undefined {
  if (isFloat(type)) return has(FLOAT_BINARY, name) ? `${type}.${FLOAT_BINARY[name]}` : undefined;
  return has(INTEGER_BINARY, name) ? `${type}.${INTEGER_BINARY[name]}` : undefined;
}

function vectorBinaryOpcode(name: BinaryOp, shape: Shape): Opcode | undefined {
  if (isFloatShape(shape)) return has(FLOAT_BINARY, name) ? `${shape}.${FLOAT_BINARY[name]}` : undefined;
  if (has(ARITHMETIC, name)) return `${shape}.${ARITHMETIC[name]}`;
  if (has(BITWISE, name)) return `v128.${BITWISE[name]}`;
  return shape === 'i32x4' && has(INTEGER_EXTREMES, name) ? `i32x4.${INTEGER_EXTREMES[name]}` : undefined;
}

function scalarCompareOpcode(name: CompareOp, type: NumberType): Opcode {
  if (isFloat(type)) return has(FLOAT_COMPARE, name) ? `${type}.${FLOAT_COMPARE[name]}` : unsupported(name, type);
  return name === 'ltu' ? `${type}.lt_u` : `${type}.${INTEGER_COMPARE[name]}`;
}

function vectorCompareOpcode(name: CompareOp, shape: Shape): Opcode | undefined {
  if (isFloatShape(shape)) return has(FLOAT_COMPARE, name) ? `${shape}.${FLOAT_COMPARE[name]}` : unsupported(name, shape);
  if (name !== 'ltu') return `${shape}.${INTEGER_COMPARE[name]}`;
  return shape === 'i32x4' ? 'i32x4.lt_u' : undefined;
}

// Operators

export function scalarUnary(frame: Frame, name: UnaryOp, type: NumberType): void {
  const opcode = scalarUnaryOpcode(name, type);
  if (opcode !== undefined) frame.code.op(opcode);
  else if (type === 'f64' && isHostUnary(name)) frame.host(name, 1);
  else if (isFloat(type)) unsupported(name, type);
  else if (name === 'neg') multiplyBy(frame, type, -1);
  else if (name === 'abs') absolute(frame, type);
  else if (name === 'bitNot') {
    pushInteger(frame, type, -1);
    frame.code.op(`${type}.xor`);
  } else unsupported(name, type);
}

export function vectorUnary(frame: Frame, name: UnaryOp, shape: Shape): void {
  const opcode = vectorUnaryOpcode(name, shape);
  if (opcode !== undefined) frame.code.op(opcode);
  else if (isFloatShape(shape) && (name === 'abs' || name === 'neg')) changeSigns(frame, name, shape);
  else if (name === 'popcount' && shape === 'i32x4') countBits(frame);
  else lanewise(frame, shape, shape, 1, () => scalarUnary(frame, name, scalarOf(shape)));
}

export function scalarBinary(frame: Frame, name: BinaryOp, type: NumberType): void {
  const opcode = scalarBinaryOpcode(name, type);
  if (opcode !== undefined) frame.code.op(opcode);
  else if (type === 'f32' && name === 'rem') remainderOfSingles(frame);
  else if (type === 'f64' && (name === 'rem' || name === 'pow' || name === 'atan2')) frame.host(name, 2);
  else if (isFloat(type)) unsupported(name, type);
  else if (name === 'div') divide(frame, type);
  else if (name === 'rem') remainder(frame, type);
  else if (name === 'min' || name === 'max') extreme(frame, name, type);
  else if (name === 'mulhiu' && type === 'i32') highProduct(frame);
  else unsupported(name, type);
}

export function vectorBinary(frame: Frame, name: BinaryOp, shape: Shape): void {
  const opcode = vectorBinaryOpcode(name, shape);
  if (opcode !== undefined) frame.code.op(opcode);
  else if (name === 'mulhiu' && shape === 'i32x4') highProducts(frame);
  else lanewise(frame, shape, shape, 2, () => scalarBinary(frame, name, scalarOf(shape)));
}

export const isShift = (name: BinaryOp): name is 'shl' | 'shr' | 'shru' => has(SHIFTS, name);

/** Shifts the vector under the scalar count on the stack, which is of the vector's lane type. */
export function vectorShift(frame: Frame, name: 'shl' | 'shr' | 'shru', shape: 'i32x4' | 'i64x2'): void {
  if (shape === 'i64x2') frame.code.op('i32.wrap_i64');
  frame.code.op(`${shape}.${SHIFTS[name]}`);
}

export function scalarCompare(frame: Frame, name: CompareOp, type: NumberType): void {
  frame.code.op(scalarCompareOpcode(name, type));
}

export function vectorCompare(frame: Frame, name: CompareOp, shape: Shape): void {
  const opcode = vectorCompareOpcode(name, shape);
  if (opcode !== undefined) frame.code.op(opcode);
  else {
    lanewise(frame, shape, shape, 2, () => {
      scalarCompare(frame, name, 'i64');
      frame.code.op('i64.extend_i32_u');
      scalarUnary(frame, 'neg', 'i64');
    });
  }
}

export function maskCompare(frame: Frame, name: CompareOp, shape: 'i32x4' | 'i64x2'): void {
  frame.code.op(`${shape}.${MASK_COMPARE[name]}`);
}

// Compositions

/** Instructions of their own for these make an engine build the mask anew each time; a constant is built once for a loop. */
function changeSigns(frame: Frame, name: 'abs' | 'neg', shape: 'f32x4' | 'f64x2'): void {
  const bytes = shape === 'f32x4' ? 4 : 8;
  frame.code.v128(Array.from({ length: 16 }, (_, at) => (at % bytes === bytes - 1 ? 0x80 : 0)));
  frame.code.op(name === 'abs' ? 'v128.andnot' : 'v128.xor');
}

function pushInteger(frame: Frame, type: 'i32' | 'i64', value: number): void {
  if (type === 'i32') frame.code.i32(value);
  else frame.code.i64(BigInt(value));
}

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

function extreme(frame: Frame, name: 'min' | 'max', type: 'i32' | 'i64'): void {
  const { code } = frame;
  frame.pair(type, (left, right) => {
    for (const local of [left, right, left, right]) code.get(local);
    code.op(`${type}.${name === 'min' ? 'lt_s' : 'gt_s'}`);
    code.op('select');
  });
}

function countBits(frame: Frame): void {
  frame.code.op('i8x16.popcnt');
  frame.code.op('i16x8.extadd_pairwise_i8x16_u');
  frame.code.op('i32x4.extadd_pairwise_i16x8_u');
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
