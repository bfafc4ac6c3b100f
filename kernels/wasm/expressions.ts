/**
 * Prints kernel IR expressions as WebAssembly: operands first, then the operator on the stack. A scalar bool is an i32 of 0 or 1, a
 * vector bool has all bits of a lane set or none. The operators themselves are in arithmetic.ts, conversions.ts and memory.ts.
 */
import { type Expr, type Type, unsplit } from '../ir.js';
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
import { isSplatLoad, printLoad, printSplatLoad } from './memory.js';

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
  shuffle: printShuffle,
  iota: (frame, { type }) => printLanes(frame, type, (lane) => lane),
  pair: unsplit,
  part: unsplit,
  pack: ofGroupsOnly,
  place: ofGroupsOnly,
  exchange: ofGroupsOnly,
  peers: ofGroupsOnly,
};

/** Only kernels for GPUs have these; nothing here makes them. */
function ofGroupsOnly({ kernel }: Frame, { op }: Expr): never {
  throw new TypeError(`kernel ${kernel.name}: '${op}' has no form in WebAssembly`);
}

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
  const scalar = numberType(type.scalar);
  if (type.lanes > 1) printLanes(frame, type, () => value);
  else if (type.scalar === 'bool') code.i32(numberOf(value) === 0 ? 0 : 1);
  else if (scalar === 'i32') code.i32(numberOf(value));
  else if (scalar === 'i64') code.i64(BigInt(value));
  else if (scalar === 'f32') code.f32(numberOf(value));
  else code.f64(numberOf(value));
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

function printBinary(frame: Frame, expr: Node<'binary'>): void {
  const { name, type, left, right } = expr;
  const mask = maskOfAnyLane(expr);
  if (mask !== undefined) {
    frame.print(mask);
    frame.code.op('v128.any_true');
    return;
  }
  frame.print(left);
  const shape = type.lanes === 1 ? undefined : shapeOf(type);
  if (isShift(name) && right.op === 'splat' && (shape === 'i32x4' || shape === 'i64x2')) {
    frame.print(right.value);
    vectorShift(frame, name, shape);
  } else {
    frame.print(right);
    if (shape === undefined) scalarBinary(frame, name, numberType(type.scalar));
    else vectorBinary(frame, name, shape);
  }
}

/**
 * Prints a condition to branch on, which is true if it is not 0. That any lane holds is then the mask's bits themselves: engines turn
 * `v128.any_true` into a 0 or 1 first, and compare that.
 */
export function printCondition(frame: Frame, expr: Expr): void {
  const mask = maskOfAnyLane(expr);
  frame.print(mask ?? expr);
  if (mask !== undefined) frame.code.op(mask.type.laneBits === 64 ? 'i64x2.bitmask' : 'i32x4.bitmask');
}

/** The mask of which an `or` joins all lanes: whether any holds is one instruction. */
function maskOfAnyLane(expr: Expr): Expr | undefined {
  const lanes = new Set<number>();
  let mask: Expr | undefined;
  const joinsOneMask = (node: Expr): boolean => {
    if (node.op === 'binary' && node.name === 'or') return joinsOneMask(node.left) && joinsOneMask(node.right);
    if (
      node.op !== 'lane' ||
      node.type.scalar !== 'bool' ||
      (mask !== undefined && mask !== node.value && !isSameLocal(mask, node.value))
    )
      return false;
    mask = node.value;
    lanes.add(node.lane);
    return true;
  };
  return expr.type.scalar === 'bool' && expr.type.lanes === 1 && joinsOneMask(expr) && lanes.size === mask?.type.lanes
    ? mask
    : undefined;
}

const isSameLocal = (a: Expr, b: Expr): boolean => a.op === 'local' && b.op === 'local' && a.name === b.name;

function printCompare(frame: Frame, { name, left, right }: Node<'compare'>): void {
  frame.print(left);
  frame.print(right);
  const { scalar, lanes, laneBits } = left.type;
  if (lanes === 1) scalarCompare(frame, name, numberType(scalar));
  else if (scalar === 'bool') maskCompare(frame, name, laneBits === 64 ? 'i64x2' : 'i32x4');
  else vectorCompare(frame, name, shapeOf(left.type));
}

/** A choice between a vector and zeros, or the smaller or larger of two, is one instruction; the general choice takes an engine three. */
function printSelect(frame: Frame, expr: Node<'select'>): void {
  const { condition, then, else: otherwise } = expr;
  const extreme = extremeOf(expr);
  if (extreme !== undefined) {
    frame.print(otherwise);
    frame.print(then);
    frame.code.op(extreme);
    return;
  }
  const isMask = condition.type.lanes > 1;
  const masked = isMask && isZeroVector(then) ? 'v128.andnot' : isMask && isZeroVector(otherwise) ? 'v128.and' : undefined;
  if (masked !== 'v128.andnot') frame.print(then);
  if (masked !== 'v128.and') frame.print(otherwise);
  frame.print(condition);
  frame.code.op(masked ?? (isMask ? 'v128.bitselect' : 'select'));
}

/** pmax(a, b) is a < b ? b : a, and pmin(a, b) is b < a ? b : a. */
function extremeOf({
  type,
  condition,
  then,
  else: otherwise,
}: Node<'select'>): 'f32x4.pmin' | 'f32x4.pmax' | 'f64x2.pmin' | 'f64x2.pmax' | undefined {
  if (type.lanes === 1 || condition.op !== 'compare' || condition.name !== 'lt') return undefined;
  const shape = shapeOf(type);
  if (shape !== 'f32x4' && shape !== 'f64x2') return undefined;
  const { left, right } = condition;
  if (isSameLeaf(left, otherwise) && isSameLeaf(right, then)) return `${shape}.pmax`;
  return isSameLeaf(left, then) && isSameLeaf(right, otherwise) ? `${shape}.pmin` : undefined;
}

function isSameLeaf(a: Expr, b: Expr): boolean {
  if (a.op === 'splat' && b.op === 'splat') return isSameLeaf(a.value, b.value);
  return isSameLocal(a, b) || (a.op === 'const' && b.op === 'const' && Object.is(a.value, b.value));
}

/** All bits 0: -0 is none. */
function isZeroVector(expr: Expr): boolean {
  const value = expr.op === 'splat' ? expr.value : expr;
  return value.op === 'const' && expr.type.lanes > 1 && Object.is(numberOf(value.value), 0);
}

function printFma(frame: Frame, { type, a, b, c }: Node<'fma'>): void {
  const scalar = numberType(type.scalar);
  if (scalar !== 'f32' && scalar !== 'f64') throw new TypeError(`fma of ${type.scalar}`);
  if (frame.options.relaxedSimd) printRelaxedFma(frame, scalar, type.lanes === 1, [a, b, c]);
  else {
    const operand = type.lanes === 1 ? scalar : shapeOf(type);
    frame.print(a);
    frame.print(b);
    frame.code.op(`${operand}.mul`);
    frame.print(c);
    frame.code.op(`${operand}.add`);
  }
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
  const [from, to] = [value.type.scalar, type.scalar];
  if (type.lanes > 1 || from === to) return;
  if (from === 'f32' && to === 'i32') frame.code.op('i32.reinterpret_f32');
  else if (from === 'i32' && to === 'f32') frame.code.op('f32.reinterpret_i32');
  else if (from === 'f64' && to === 'i64') frame.code.op('i64.reinterpret_f64');
  else if (from === 'i64' && to === 'f64') frame.code.op('f64.reinterpret_i64');
  else throw new TypeError(`the bits of ${from} are no ${to}`);
}

// Lanes

function printSplat(frame: Frame, { type, value }: Node<'splat'>): void {
  if (value.op === 'const') printConstant(frame, type, value.value);
  else if (value.op === 'load' && isSplatLoad(frame, value)) printSplatLoad(frame, value);
  else if (type.scalar === 'bool') printMaskSplat(frame, type, value);
  else {
    frame.print(value);
    frame.code.op(`${shapeOf(type)}.splat`);
  }
}

/** 0 or 1 to lanes of all zeros or ones: its negation. */
function printMaskSplat(frame: Frame, type: Type, value: Expr): void {
  const shape = shapeOf(type);
  frame.code.i32(0);
  frame.print(value);
  frame.code.op('i32.sub');
  if (shape === 'i64x2') frame.code.op('i64.extend_i32_s');
  frame.code.op(`${shape}.splat`);
}

function printShuffle(frame: Frame, { type, left, right, lanes }: Node<'shuffle'>): void {
  frame.print(left);
  frame.print(right);
  const bytes = 16 / type.lanes;
  frame.code.shuffle(lanes.flatMap((lane) => Array.from({ length: bytes }, (_, byte) => lane * bytes + byte)));
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
