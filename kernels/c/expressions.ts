/**
 * Prints kernel IR expressions as C. Integers wrap in the IR and must not overflow in C, so sums, products and left shifts are
 * written in unsigned types (`unsignedText`) and cast back where the value is used; an index is written plainly, as it may not wrap.
 * What C has no operator for calls a helper function.
 */
import { lane } from '../build.js';
import {
  type BinaryOp,
  type CompareOp,
  type Expr,
  type PlaceName,
  type RealStorage,
  type Stmt,
  type Type,
  type UnaryOp,
  unsplit,
} from '../ir.js';
import type { Share } from '../math/half.js';
import type { GroupForm } from './groups.js';
import type { LanewiseName, Module, StreamedStorage } from './module.js';
import {
  floatLiteral,
  integerLike,
  integerLiteral,
  isFloat,
  isInteger,
  laneTypeName,
  numberOf,
  unsignedLiteral,
  widthOf,
} from './types.js';

/** Where an expression stands: what its names are in C. */
export interface Place {
  readonly module: Module;
  local(name: string): string;
  param(name: string): string;
  buffer(name: string, type: Type): { readonly name: string; readonly storage: RealStorage; readonly isShared: boolean };
  place(name: PlaceName): string;
}

/** A piece of text and how tightly its outermost operator binds. */
interface Text {
  readonly text: string;
  readonly binds: number;
}

/** C's order, but that comparisons, shifts and bitwise operators are always parenthesised in each other. */
const binds = { choice: 1, bitwise: 2, comparison: 3, shift: 4, sum: 5, product: 6, unary: 7, atom: 8 } as const;

const atom = (text: string): Text => ({ text, binds: binds.atom });
const within = ({ text, binds: own }: Text, least: number): string => (own < least ? `(${text})` : text);
const cast = (type: string, value: Text): Text => ({ text: `(${type})${within(value, binds.unary)}`, binds: binds.unary });
const infix = (left: Text, operator: string, right: Text, level: number, rightLevel = level + 1): Text => ({
  text: `${within(left, level)} ${operator} ${within(right, rightLevel)}`,
  binds: level,
});

export function printExpr(place: Place, expr: Expr): string {
  return written(place, expr).text;
}

/** The body of a helper function that computes a formula of its parameter. */
export function printFormula(
  module: Module,
  type: Type,
  parameter: string,
  formula: (value: Expr, share: Share) => Expr,
): readonly string[] {
  const lines: string[] = [];
  const none = (name: string): never => {
    throw new TypeError(`a formula reads ${name}`);
  };
  const place: Place = { module, local: (name) => name, param: none, buffer: none, place: none };
  const share: Share = (value) => {
    const name = `t${lines.length}`;
    lines.push(`const ${module.type(value.type)} ${name} = ${printExpr(place, value)};`);
    return { op: 'local', type: value.type, name };
  };
  const result = formula({ op: 'local', type, name: parameter }, share);
  return [...lines, `return ${printExpr(place, result)};`];
}

/** What is done with vectors that have no arithmetic. */
const moves: ReadonlySet<Expr['op']> = new Set(['load', 'local', 'pack']);

function written(place: Place, expr: Expr): Text {
  const { module } = place;
  if (expr.type.lanes > 1 && !module.dialect.vectors.arithmetic && !moves.has(expr.op))
    throw new TypeError(`${module.dialect.name} has no ${expr.op} of ${expr.type.lanes} lanes`);
  switch (expr.op) {
    case 'const':
      return constantText(module, expr.type, expr.value);
    case 'local':
      return atom(place.local(expr.name));
    case 'param':
      return atom(place.param(expr.name));
    case 'load':
      return loadText(place, expr);
    case 'unary':
      return unaryText(place, expr);
    case 'binary':
      return binaryText(place, expr);
    case 'compare':
      return compareText(place, expr);
    case 'select':
      return selectText(place, expr);
    case 'fma':
      return atom(module.call('fma', expr.type, ...[expr.a, expr.b, expr.c].map((operand) => printExpr(place, operand))));
    case 'convert':
      return convertText(place, expr.type, expr.value);
    case 'bits':
      return bitsText(place, expr.type, expr.value);
    case 'splat':
      return splatText(place, expr.type, expr.value);
    case 'lane':
      return laneText(place, expr.value, expr.lane);
    case 'shuffle':
      return shuffleText(place, expr);
    case 'iota':
      return iotaText(module, expr.type);
    case 'pair':
    case 'part':
      return unsplit();
    case 'pack':
      return packText(place, expr);
    case 'place':
      return atom(place.place(expr.name));
    case 'exchange':
      return atom(groupsOf(place).exchange(expr.from, printExpr(place, expr.value), expr.distance));
    case 'peers':
      return atom(groupsOf(place).peers(printExpr(place, expr.value)));
  }
}

type Node<Op extends Expr['op']> = Extract<Expr, { op: Op }>;

// Leaves

function constantText(module: Module, type: Type, value: number | string): Text {
  if (type.lanes > 1) return atom(module.call('splat', type, laneConstant(module, type, value)));
  const text = laneConstant(module, type, value);
  return { text, binds: text.startsWith('-') ? binds.unary : binds.atom };
}

/** A constant as one lane of the type holds it: a mask's lanes are 0 or -1. */
function laneConstant(module: Module, type: Type, value: number | string): string {
  if (type.scalar === 'bool') return numberOf(value) === 0 ? '0' : type.lanes > 1 ? '-1' : '1';
  const name = laneTypeName(type);
  if (name === 'i32' || name === 'i64') return integerLiteral(name, value);
  const number = numberOf(value);
  if (Number.isNaN(number)) return module.dialect.notANumber[name];
  const rounded = name === 'f32' ? Math.fround(number) : number;
  if (Number.isFinite(rounded)) return floatLiteral(name, rounded);
  return `${rounded < 0 ? '-' : ''}${module.dialect.infinity[name]}`;
}

function iotaText(module: Module, type: Type): Text {
  const lanes = Array.from({ length: type.lanes }, (_, lane) => laneConstant(module, type, lane));
  return atom(`(${module.type(type)}){${lanes.join(', ')}}`);
}

/** An index: plain arithmetic, in which a constant offset reads as one. */
export function printIndex(place: Place, expr: Expr): string {
  return indexText(place, expr).text;
}

const plainOperators = { add: ['+', binds.sum], sub: ['-', binds.sum], mul: ['*', binds.product] } as const;

function indexText(place: Place, expr: Expr): Text {
  if (expr.op !== 'binary' || !isPlain(expr.name)) return written(place, expr);
  const [operator, level] = plainOperators[expr.name];
  const left = indexText(place, expr.left);
  const subtracted = expr.name === 'add' ? magnitudeOfNegative(expr.right) : undefined;
  if (subtracted !== undefined) return infix(left, '-', atom(`${subtracted}`), level);
  return infix(left, operator, indexText(place, expr.right), level);
}

const isPlain = (name: BinaryOp): name is keyof typeof plainOperators => Object.hasOwn(plainOperators, name);

function magnitudeOfNegative(expr: Expr): bigint | undefined {
  if (expr.op !== 'const' || !isInteger(expr.type) || expr.type.lanes > 1) return undefined;
  const value = BigInt(expr.value);
  const least = expr.type.scalar === 'i32' ? -(2n ** 31n) : -(2n ** 63n);
  return value < 0n && value > least ? -value : undefined;
}

function loadText(place: Place, { type, buffer: bufferName, index }: Node<'load'>): Text {
  const { name, storage, isShared } = place.buffer(bufferName, type);
  const element = `${name}[${printIndex(place, index)}]`;
  if (type.lanes > 1) return atom(place.module.call(`load${isShared ? 'Shared' : ''}_${storage}`, type, `&${element}`));
  if (storage === 'bool') return { text: `${element} != 0`, binds: binds.comparison };
  if (storage === 'float16' || storage === 'bfloat16') return atom(place.module.call(`from_${storage}`, type, element));
  return atom(element);
}

/** The statement that stores a value. */
type Store = Extract<Stmt, { do: 'store' }>;

export function printStore(place: Place, { buffer: bufferName, index, value, streams = false }: Store): string {
  const { name, storage, isShared } = place.buffer(bufferName, value.type);
  const element = `${name}[${printIndex(place, index)}]`;
  const text = written(place, value);
  if (value.type.lanes > 1 && streams && place.module.dialect.streams && isStreamed(storage))
    return `${place.module.call(`stream_${storage}`, value.type, `&${element}`, text.text)};`;
  const helper = `store${isShared ? 'Shared' : ''}_${storage}` as const;
  if (value.type.lanes > 1) return `${place.module.call(helper, value.type, `&${element}`, text.text)};`;
  return `${element} = ${storedText(place.module, storage, value.type, text)};`;
}

function isStreamed(storage: RealStorage): storage is StreamedStorage {
  return storage === 'float32' || storage === 'int32' || storage === 'float64' || storage === 'int64';
}

function storedText(module: Module, storage: RealStorage, type: Type, value: Text): string {
  switch (storage) {
    case 'bool':
    case 'uint8':
      return cast('u8', value).text;
    case 'int8':
      return cast('i8', value).text;
    case 'int16':
      return cast('i16', value).text;
    case 'float16':
    case 'bfloat16':
      return `(u16)${module.call(`to_${storage}`, type, value.text)}`;
    default:
      return value.text;
  }
}

// Operators

const libraryUnary: Readonly<Partial<Record<UnaryOp, LanewiseName>>> = {
  floor: 'floor',
  ceil: 'ceil',
  trunc: 'trunc',
  rint: 'rint',
  sqrt: 'sqrt',
  exp: 'exp',
  exp2: 'exp2',
  expm1: 'expm1',
  log: 'log',
  log2: 'log2',
  log10: 'log10',
  log1p: 'log1p',
  sin: 'sin',
  cos: 'cos',
  tan: 'tan',
  asin: 'asin',
  acos: 'acos',
  atan: 'atan',
  sinh: 'sinh',
  cosh: 'cosh',
  tanh: 'tanh',
  asinh: 'asinh',
  acosh: 'acosh',
  atanh: 'atanh',
  cbrt: 'cbrt',
};
/** What f32 has without a polynomial. */
const exactNames: ReadonlySet<string> = new Set(['floor', 'ceil', 'trunc', 'rint', 'sqrt', 'rem']);
const libraryNames: Readonly<Partial<Record<LanewiseName, string>>> = { rem: 'fmod' };

/** A function of the C library: called directly for a scalar, by a helper for a vector. */
function libraryText(place: Place, name: LanewiseName, type: Type, operands: readonly Expr[]): Text {
  const texts = operands.map((operand) => printExpr(place, operand));
  if (type.scalar === 'f32' && !exactNames.has(name)) throw unsupported(name, type);
  if (type.lanes > 1) return atom(place.module.call(name, type, ...texts));
  const suffix = type.scalar === 'f32' ? 'f' : '';
  return atom(`${place.module.dialect.library}${libraryNames[name] ?? name}${suffix}(${texts.join(', ')})`);
}

function unsupported(name: string, type: Type): TypeError {
  return new TypeError(`${name} of ${type.scalar} has no form in C; expandMath writes out transcendental functions`);
}

function unaryText(place: Place, { name, type, value }: Node<'unary'>): Text {
  const { module } = place;
  const prefixed = (sign: string): Text => {
    const text = within(written(place, value), binds.unary);
    // Two signs in a row would read as a decrement.
    return { text: text.startsWith(sign) ? `${sign}(${text})` : `${sign}${text}`, binds: binds.unary };
  };
  if (type.scalar === 'bool') {
    if (name !== 'not') throw unsupported(name, type);
    return prefixed(type.lanes === 1 ? '!' : '~');
  }
  if (isFloat(type)) {
    if (name === 'neg') return prefixed('-');
    if (name === 'abs') return absoluteText(place, type, value);
    const called = libraryUnary[name];
    if (called === undefined) throw unsupported(name, type);
    return libraryText(place, called, type, [value]);
  }
  if (name === 'neg') return cast(module.type(type), unsignedText(place, { op: 'unary', name, type, value }));
  if (name === 'bitNot') return prefixed('~');
  if (name === 'abs' || name === 'clz' || name === 'popcount') return atom(module.call(name, type, printExpr(place, value)));
  throw unsupported(name, type);
}

function absoluteText(place: Place, type: Type, value: Expr): Text {
  const text = printExpr(place, value);
  if (type.lanes > 1) return atom(place.module.call('abs', type, text));
  return atom(`${place.module.dialect.library}fabs${type.scalar === 'f32' ? 'f' : ''}(${text})`);
}

/** The operands of a C operator: a constant beside a vector needs no splat. */
function besideVectors(left: Expr, right: Expr): readonly [Expr, Expr] {
  const [first, second] = [uniformConstant(left), uniformConstant(right)];
  if (second !== undefined) return [left, second];
  return [first ?? left, right];
}

function uniformConstant(expr: Expr): Expr | undefined {
  return expr.op === 'splat' && expr.value.op === 'const' && expr.type.scalar !== 'bool' ? expr.value : undefined;
}

const floatOperators: Readonly<Partial<Record<BinaryOp, readonly [operator: string, level: number]>>> = {
  add: ['+', binds.sum],
  sub: ['-', binds.sum],
  mul: ['*', binds.product],
  div: ['/', binds.product],
};
const bitwiseOperators: Readonly<Partial<Record<BinaryOp, string>>> = { and: '&', or: '|', xor: '^' };

function binaryText(place: Place, expr: Node<'binary'>): Text {
  const { name, type, left, right } = expr;
  if (type.scalar === 'bool' || isInteger(type)) return integerText(place, expr);
  const [operator, level] = floatOperators[name] ?? [];
  if (operator !== undefined && level !== undefined) {
    const [first, second] = besideVectors(left, right);
    return infix(written(place, first), operator, written(place, second), level);
  }
  if (name === 'min' || name === 'max' || (name === 'rem' && type.scalar === 'f32' && type.lanes === 1))
    return atom(place.module.call(name, type, printExpr(place, left), printExpr(place, right)));
  if (name === 'rem' || name === 'pow' || name === 'atan2') return libraryText(place, name, type, [left, right]);
  throw unsupported(name, type);
}

function integerText(place: Place, expr: Node<'binary'>): Text {
  const { module } = place;
  const { name, type, left, right } = expr;
  const any = lanesOfAny(expr);
  if (any !== undefined) return atom(module.call('any', any.type, printExpr(place, any)));
  const bitwise = bitwiseOperators[name];
  if (bitwise !== undefined) {
    const [first, second] = besideVectors(left, right);
    return chain(written(place, first), bitwise, written(place, second), left, name);
  }
  if (type.scalar === 'bool') throw unsupported(name, type);
  if (name === 'shr') return infix(written(place, left), '>>', countText(place, right), binds.shift, binds.unary);
  if (isUnsigned(name)) return cast(module.type(type), unsignedText(place, expr));
  if (name === 'div' && isPlainDivisor(right)) return infix(written(place, left), '/', written(place, right), binds.product);
  if (name === 'rem' && isPlainDivisor(right)) return infix(written(place, left), '%', written(place, right), binds.product);
  if (!isHelped(name) || (name === 'mulhiu' && type.scalar !== 'i32')) throw unsupported(name, type);
  return atom(module.call(name, type, printExpr(place, left), printExpr(place, right)));
}

type Helped = 'div' | 'rem' | 'min' | 'max' | 'pow' | 'mulhiu';
const helped: ReadonlySet<string> = new Set<Helped>(['div', 'rem', 'min', 'max', 'pow', 'mulhiu']);
const isHelped = (name: BinaryOp): name is Helped => helped.has(name);

/** a & b & c without parentheses, all else in them. */
function chain(leftText: Text, operator: string, rightText: Text, left: Expr, name: BinaryOp): Text {
  const level = left.op === 'binary' && left.name === name && leftText.binds === binds.bitwise ? binds.bitwise : binds.unary;
  return { text: `${within(leftText, level)} ${operator} ${within(rightText, binds.unary)}`, binds: binds.bitwise };
}

/** A constant that C divides by as the IR does. */
function isPlainDivisor(expr: Expr): boolean {
  return expr.op === 'const' && expr.type.lanes === 1 && BigInt(expr.value) > 0n;
}

/** The mask of which an expression joins all lanes by `or`, if it does: what the formulas ask before a rare branch. */
function lanesOfAny(expr: Expr): Expr | undefined {
  const lanes: Expr[] = [];
  let rest: Expr = expr;
  for (; rest.op === 'binary' && rest.name === 'or' && rest.right.op === 'lane'; rest = rest.left) lanes.push(rest.right);
  if (rest.op !== 'lane' || lanes.length + 1 !== rest.value.type.lanes || rest.value.type.scalar !== 'bool') return undefined;
  const { value } = rest;
  const expected = new Set(Array.from({ length: value.type.lanes }, (_, index) => JSON.stringify(lane(value, index))));
  return [rest, ...lanes].every((one) => expected.delete(JSON.stringify(one))) ? value : undefined;
}

// Integers that wrap

const unsignedOperators = { ...plainOperators, shl: ['<<', binds.shift], shru: ['>>', binds.shift] } as const;

const isUnsigned = (name: BinaryOp): name is keyof typeof unsignedOperators => Object.hasOwn(unsignedOperators, name);

/** An integer's bits as a value of the unsigned type, in which C's arithmetic wraps. */
function unsignedText(place: Place, expr: Expr): Text {
  const { module } = place;
  if (expr.op === 'const' && expr.type.lanes === 1)
    return atom(unsignedLiteral(expr.type.scalar === 'i64' ? 'i64' : 'i32', expr.value));
  if (expr.op === 'unary' && expr.name === 'neg')
    return { text: `-${within(unsignedText(place, expr.value), binds.atom)}`, binds: binds.unary };
  if (expr.op === 'binary' && isUnsigned(expr.name)) return unsignedBinary(place, expr, expr.name);
  return cast(module.unsigned(expr.type), written(place, expr));
}

function unsignedBinary(place: Place, { left, right }: Node<'binary'>, name: keyof typeof unsignedOperators): Text {
  const [operator, level] = unsignedOperators[name];
  if (name === 'shl' || name === 'shru')
    return infix(unsignedText(place, left), operator, countText(place, right), level, binds.unary);
  const [first, second] = besideVectors(left, right);
  const subtracted = name === 'add' ? magnitudeOfNegative(second) : undefined;
  if (subtracted === undefined) return infix(unsignedText(place, first), operator, unsignedText(place, second), level);
  const suffix = second.type.scalar === 'i64' ? 'ull' : 'u';
  return infix(unsignedText(place, first), '-', atom(`${subtracted}${suffix}`), level);
}

/** A shift's count modulo the width; one for all lanes is a scalar. */
function countText(place: Place, count: Expr): Text {
  const mask = widthOf(count.type) - 1;
  const uniform = count.op === 'splat' ? count.value : count;
  if (uniform.op === 'const') return atom(`${BigInt(uniform.value) & BigInt(mask)}`);
  return { text: `${within(written(place, count), binds.unary)} & ${mask}`, binds: binds.bitwise };
}

// Comparisons and choices

const comparisons: Readonly<Record<CompareOp, string>> = { eq: '==', ne: '!=', lt: '<', le: '<=', gt: '>', ge: '>=', ltu: '<' };

/** Masks are compared as unsigned numbers, whose order is that of false and true. */
function compareText(place: Place, { name, type, left, right }: Node<'compare'>): Text {
  const unsigned = name === 'ltu' || (left.type.scalar === 'bool' && left.type.lanes > 1);
  const operand = (expr: Expr): Text => (unsigned ? unsignedText(place, expr) : written(place, expr));
  const [first, second] = besideVectors(left, right).map((expr) => within(operand(expr), binds.sum));
  const compared: Text = { text: `${first} ${comparisons[name]} ${second}`, binds: binds.comparison };
  return type.lanes === 1 ? compared : cast(place.module.type(type), compared);
}

function selectText(place: Place, { type, condition, then, else: otherwise }: Node<'select'>): Text {
  if (type.lanes > 1) return vectorSelect(place, type, condition, then, otherwise);
  const [test, first, second] = [written(place, condition), written(place, then), written(place, otherwise)];
  const text = `${within(test, binds.bitwise)} ? ${within(first, binds.bitwise)} : ${within(second, binds.choice)}`;
  return { text, binds: binds.choice };
}

/** The lesser or greater of two floats is one instruction, and a choice between a vector and zeros one operation on bits. */
function vectorSelect(place: Place, type: Type, condition: Expr, then: Expr, otherwise: Expr): Text {
  const { module } = place;
  const extreme = isFloat(type) ? extremeOf(condition, then, otherwise) : undefined;
  if (extreme !== undefined) return atom(module.call(extreme, type, printExpr(place, then), printExpr(place, otherwise)));
  const mask = written(place, condition);
  const kept = isZero(otherwise) ? then : isZero(then) ? otherwise : undefined;
  if (kept === undefined)
    return atom(module.call('select', type, mask.text, printExpr(place, then), printExpr(place, otherwise)));
  const bits = cast(module.type(integerLike(type)), written(place, kept));
  const selected = `${kept === then ? '' : '~'}${within(mask, binds.unary)} & ${bits.text}`;
  return isFloat(type)
    ? cast(module.type(type), { text: selected, binds: binds.bitwise })
    : { text: selected, binds: binds.bitwise };
}

/** What a comparison of the very operands that are chosen between picks; the second of them where either is NaN. */
function extremeOf(condition: Expr, then: Expr, otherwise: Expr): 'lesser' | 'greater' | undefined {
  if (condition.op !== 'compare' || (condition.name !== 'lt' && condition.name !== 'gt')) return undefined;
  const picksLeft = isSame(condition.left, then) && isSame(condition.right, otherwise);
  const picksRight = isSame(condition.left, otherwise) && isSame(condition.right, then);
  if (!picksLeft && !picksRight) return undefined;
  return (condition.name === 'lt') === picksLeft ? 'lesser' : 'greater';
}

/** Whether two operands are one local or one constant. */
function isSame(left: Expr, right: Expr): boolean {
  if (left.op === 'local') return right.op === 'local' && left.name === right.name;
  if (left.op === 'splat') return right.op === 'splat' && isSame(left.value, right.value);
  return left.op === 'const' && right.op === 'const' && Object.is(left.value, right.value);
}

/** All bits 0: -0 is none. */
const isZero = (expr: Expr): boolean =>
  expr.op === 'splat' && expr.value.op === 'const' && Object.is(numberOf(expr.value.value), 0);

// Conversions

function convertText(place: Place, type: Type, value: Expr): Text {
  const { module } = place;
  const text = written(place, value);
  const from = value.type;
  if (from.scalar === type.scalar && from.laneBits === type.laneBits) return text;
  if (type.scalar === 'bool' && from.scalar !== 'bool') return isNotZero(module, type, from, text);
  if (isFloat(from) && isInteger(type))
    return atom(module.call(from.scalar === 'f32' ? 'truncate_f32' : 'truncate_f64', type, text.text));
  if (type.lanes === 1) return from.scalar === 'bool' && type.scalar === 'i32' ? text : cast(module.type(type), text);
  const number: Text = from.scalar === 'bool' && type.scalar !== 'bool' ? oneOrZero(text) : text;
  return vectorConversion(module, type, from, number);
}

function isNotZero(module: Module, type: Type, from: Type, value: Text): Text {
  const compared: Text = { text: `${within(value, binds.sum)} != 0`, binds: binds.comparison };
  if (type.lanes === 1) return compared;
  return vectorConversion(module, type, { ...integerLike(from) }, cast(module.type(integerLike(from)), compared));
}

const oneOrZero = (mask: Text): Text => ({ text: `${within(mask, binds.unary)} & 1`, binds: binds.bitwise });

function vectorConversion(module: Module, type: Type, from: Type, value: Text): Text {
  if (module.type(type) === module.type(from)) return value;
  return atom(`__builtin_convertvector(${value.text}, ${module.type(type)})`);
}

function bitsText(place: Place, type: Type, value: Expr): Text {
  const text = written(place, value);
  if (value.type.scalar === type.scalar) return text;
  if (type.scalar === 'bool' || value.type.scalar === 'bool' || widthOf(type) !== widthOf(value.type))
    throw new TypeError(`the bits of ${value.type.scalar} are no ${type.scalar}`);
  return type.lanes > 1 ? cast(place.module.type(type), text) : atom(place.module.call('bits', type, text.text));
}

// Lanes

function splatText(place: Place, type: Type, value: Expr): Text {
  if (value.op === 'const') return constantText(place.module, type, value.value);
  const text = written(place, value);
  const lane = type.scalar === 'bool' ? `-${within(text, binds.atom)}` : text.text;
  return atom(place.module.call('splat', type, lane));
}

function laneText(place: Place, value: Expr, lane: number): Text {
  const text = place.module.dialect.vectors.lane(within(written(place, value), binds.atom), lane);
  return value.type.scalar === 'bool' ? { text: `${text} != 0`, binds: binds.comparison } : atom(text);
}

/** A mask's lane is all bits, where there is arithmetic of masks. */
function packText(place: Place, { type, lanes }: Node<'pack'>): Text {
  const { vectors } = place.module.dialect;
  const negated = type.scalar === 'bool' && vectors.arithmetic;
  const texts = lanes.map((value) => (negated ? `-${within(written(place, value), binds.atom)}` : printExpr(place, value)));
  return atom(vectors.pack(place.module.type(type), texts));
}

function groupsOf({ module: { dialect } }: Place): GroupForm {
  const { groups } = dialect.kernel;
  if (groups === undefined) throw new TypeError(`${dialect.name} has no groups of threads`);
  return groups;
}

function shuffleText(place: Place, { left, right, lanes }: Node<'shuffle'>): Text {
  const vectors = [left, right].map((vector) => printExpr(place, vector));
  return atom(`__builtin_shufflevector(${[...vectors, ...lanes].join(', ')})`);
}
