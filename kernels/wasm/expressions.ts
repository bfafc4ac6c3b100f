/**
 * Prints kernel IR expressions as WebAssembly: operands first, then the operator on the stack. A scalar bool is an i32 of 0 or 1, a
 * vector bool has all bits of a lane set or none. The operators themselves are in arithmetic.ts, conversions.ts and memory.ts.
 */
import type { Expr, Type } from '../ir.js';
import {
  isShift,
  maskCompare,
  scalarBinary,
  scalarCompare,
  scalarUnary,
  vectorBinary,
  vectorCompare,
  vectorShift,
  vectorUnary,
} from './arithmetic.js';
import { convertScalar, convertVector, maskToVector, scalarToBool, vectorToMask } from './conversions.js';
import { bytesOfScalar } from './encoder.js';
import { type Frame, numberType, shapeOf } from './frame.js';
import { printLoad, printSplatLoad } from './memory.js';

type Node<Op extends Expr['op']> = Extract<Expr, { op: Op }>;

type Printers = { readonly [Op in Expr['op']]: (frame: Frame, expr: Node<Op>) => void };

const printers: Printers = {
  const: (frame, { type, value }) => printConstant(frame, type, value),
  local: (frame, { name }) => frame.code.get(frame.lookup(name)),
  param: (frame, { name }) => frame.code.get(frame.parameter(name)),
  load: printLoad,
  unary: printUnary,
  binary: printBinary,
  compare: printCompare,
  select: printSelect,
  fma: printFma,
  convert: printConvert,
  bits: printBits,
  splat: printSplat,
  lane: printLane,
  iota: (frame, { type }) => printLanes(frame, type, (lane) => lane),
};

export function printExpr<Op extends Expr['op']>(frame: Frame, expr: Node<Op>): void {
  printers[expr.op](frame, expr);
}

// Leaves

const namedNumbers: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN };

function numberOf(value: number | string): number {
  return typeof value === 'number' ? value : (namedNumbers[value] ?? Number(value));
}

function printConstant(frame: Frame, type: Type, value: number | string): void {
  const { code } = frame;
  if (type.lanes > 1) return printLanes(frame, type, () => value);
  switch (numberType(type.scalar)) {
    case 'i32':
      return code.i32(type.scalar === 'bool' ? Number(numberOf(value) !== 0) : numberOf(value));
    case 'i64':
      return code.i64(BigInt(value));
    case 'f32':
      return code.f32(numberOf(value));
    case 'f64':
      return code.f64(numberOf(value));
  }
}

/** A vector of constants. */
function printLanes(frame: Frame, type: Type, value: (lane: number) => number | string): void {
  const shape = shapeOf(type);
  const lanes = Array.from({ length: type.lanes }, (_, lane) => {
    const given = value(lane);
    if (type.scalar === 'bool') return bytesOfScalar(shape === 'i64x2' ? 'i64' : 'i32', numberOf(given) === 0 ? 0 : -1);
    return shape === 'i64x2' ? bytesOfScalar('i64', BigInt(given)) : bytesOfScalar(numberType(type.scalar), numberOf(given));
  });
  frame.code.v128(lanes.flat());
}

// Operators

function printUnary(frame: Frame, { name, type, value }: Node<'unary'>): void {
  frame.print(value);
  if (type.scalar === 'bool') {
    if (name !== 'not') throw new TypeError(`${name} of bool`);
    frame.code.op(type.lanes === 1 ? 'i32.eqz' : 'v128.not');
  } else if (type.lanes === 1) scalarUnary(frame, name, numberType(type.scalar));
  else vectorUnary(frame, name, shapeOf(type));
}

function printBinary(frame: Frame, { name, type, left, right }: Node<'binary'>): void {
  frame.print(left);
  if (type.lanes === 1) {
    frame.print(right);
    return scalarBinary(frame, name, numberType(type.scalar));
  }
  const shape = shapeOf(type);
  if (isShift(name) && right.op === 'splat' && (shape === 'i32x4' || shape === 'i64x2')) {
    frame.print(right.value);
    return vectorShift(frame, name, shape);
  }
  frame.print(right);
  vectorBinary(frame, name, shape);
}

function printCompare(frame: Frame, { name, left, right }: Node<'compare'>): void {
  frame.print(left);
  frame.print(right);
  if (left.type.lanes === 1) return scalarCompare(frame, name, numberType(left.type.scalar));
  const shape = shapeOf(left.type);
  if (left.type.scalar === 'bool' && (shape === 'i32x4' || shape === 'i64x2')) return maskCompare(frame, name, shape);
  vectorCompare(frame, name, shape);
}

/** Masks a choice between a vector and zeros with one instruction, where the general choice takes an engine three. */
function printSelect(frame: Frame, { condition, then, else: otherwise }: Node<'select'>): void {
  if (condition.type.lanes > 1 && (isZeroVector(then) || isZeroVector(otherwise))) {
    frame.print(isZeroVector(then) ? otherwise : then);
    frame.print(condition);
    return frame.code.op(isZeroVector(then) ? 'v128.andnot' : 'v128.and');
  }
  frame.print(then);
  frame.print(otherwise);
  frame.print(condition);
  frame.code.op(condition.type.lanes === 1 ? 'select' : 'v128.bitselect');
}

/** All bits 0: -0 is none. */
function isZeroVector(expr: Expr): boolean {
  const value = expr.op === 'splat' ? expr.value : expr;
  return value.op === 'const' && expr.type.lanes > 1 && Object.is(numberOf(value.value), 0);
}

function printFma(frame: Frame, { type, a, b, c }: Node<'fma'>): void {
  const scalar = numberType(type.scalar);
  const isFloat = scalar === 'f32' || scalar === 'f64';
  if (!isFloat) throw new TypeError(`fma of ${type.scalar}`);
  if (frame.options.relaxedSimd) return printRelaxedFma(frame, scalar, type.lanes === 1, [a, b, c]);
  const operand = type.lanes === 1 ? scalar : shapeOf(type);
  frame.print(a);
  frame.print(b);
  frame.code.op(`${operand}.mul`);
  frame.print(c);
  frame.code.op(`${operand}.add`);
}

/** Scalars go through a vector too, so that a loop's tail rounds as its lanes do. */
function printRelaxedFma(frame: Frame, scalar: 'f32' | 'f64', isScalar: boolean, operands: readonly Expr[]): void {
  const shape = scalar === 'f32' ? 'f32x4' : 'f64x2';
  for (const operand of operands) {
    frame.print(operand);
    if (isScalar) frame.code.op(`${shape}.splat`);
  }
  frame.code.op(`${shape}.relaxed_madd`);
  if (isScalar) frame.code.opWith(`${shape}.extract_lane`, 0);
}

function printConvert(frame: Frame, { type, value }: Node<'convert'>): void {
  frame.print(value);
  const from = value.type;
  if (from.scalar === type.scalar) return;
  if (type.lanes === 1) {
    if (type.scalar === 'bool') scalarToBool(frame, numberType(from.scalar));
    else convertScalar(frame, numberType(from.scalar), numberType(type.scalar));
  } else if (type.scalar === 'bool') vectorToMask(frame, shapeOf(from));
  else if (from.scalar === 'bool' && from.laneBits === type.laneBits) maskToVector(frame, shapeOf(type));
  else convertVector(frame, shapeOf(from), shapeOf(type));
}

function printBits(frame: Frame, { type, value }: Node<'bits'>): void {
  frame.print(value);
  if (type.lanes > 1) return;
  const [from, to] = [value.type.scalar, type.scalar];
  if (from === to) return;
  if (from === 'f32' && to === 'i32') return frame.code.op('i32.reinterpret_f32');
  if (from === 'i32' && to === 'f32') return frame.code.op('f32.reinterpret_i32');
  if (from === 'f64' && to === 'i64') return frame.code.op('i64.reinterpret_f64');
  if (from === 'i64' && to === 'f64') return frame.code.op('f64.reinterpret_i64');
  throw new TypeError(`the bits of ${from} are no ${to}`);
}

// Lanes

function printSplat(frame: Frame, { type, value }: Node<'splat'>): void {
  const { code } = frame;
  if (value.op === 'const') return printConstant(frame, type, value.value);
  if (value.op === 'load' && printSplatLoad(frame, value)) return;
  const shape = shapeOf(type);
  if (type.scalar !== 'bool') {
    frame.print(value);
    return code.op(`${shape}.splat`);
  }
  code.i32(0);
  frame.print(value);
  code.op('i32.sub');
  if (shape === 'i64x2') code.op('i64.extend_i32_s');
  code.op(`${shape}.splat`);
}

function printLane(frame: Frame, { value, lane }: Node<'lane'>): void {
  const { code } = frame;
  const shape = shapeOf(value.type);
  frame.print(value);
  code.opWith(`${shape}.extract_lane`, lane);
  if (value.type.scalar !== 'bool') return;
  if (shape === 'i64x2') code.op('i32.wrap_i64');
  code.i32(1);
  code.op('i32.and');
}
