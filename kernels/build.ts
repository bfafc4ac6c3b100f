/**
 * Terse constructors for kernel IR, used by everything that writes kernels.
 *
 * Result types are inferred from the operands, a plain number stands for a constant of the other operand's type, and arithmetic on
 * i32 and bool constants is folded, so that index expressions stay short without each caller simplifying them. Floating-point
 * arithmetic is never folded or reordered. Nothing here checks a kernel: that is the interpreter's and the tests' work.
 */
import {
  type AccumulateKind,
  type BinaryOp,
  type BufferDeclaration,
  type CompareOp,
  type ComplexPart,
  type Expr,
  isComplexScalar,
  type Kernel,
  type ParamDeclaration,
  partScalar,
  type Scalar,
  type Stmt,
  type Type,
  type TypeVariable,
  type UnaryOp,
} from './ir.js';

/** An expression, or a number that becomes a constant of the type its place asks for. */
export type Operand = Expr | number;

export const BOOL: Type = { scalar: 'bool', lanes: 1 };
export const I32: Type = { scalar: 'i32', lanes: 1 };
export const I64: Type = { scalar: 'i64', lanes: 1 };
export const F32: Type = { scalar: 'f32', lanes: 1 };
export const F64: Type = { scalar: 'f64', lanes: 1 };
export const C64: Type = { scalar: 'c64', lanes: 1 };
export const C128: Type = { scalar: 'c128', lanes: 1 };

const scalarTypes: Readonly<Record<string, Type>> = { bool: BOOL, i32: I32, i64: I64, f32: F32, f64: F64, c64: C64, c128: C128 };

/** The scalar type of that name; a dtype variable such as `T` is a name too. */
export function scalarType(scalar: Scalar | TypeVariable): Type {
  return scalarTypes[scalar] ?? { scalar, lanes: 1 };
}

/** A vector type. `laneBits` follows from the scalar, but for masks, which say whose lanes they select. */
export function vectorType(scalar: Scalar | TypeVariable, lanes: number, laneBits?: 32 | 64): Type {
  return { scalar, lanes, laneBits: laneBits ?? (scalar === 'i64' || scalar === 'f64' ? 64 : 32) };
}

/** The same type with one lane. */
export function laneType(type: Type): Type {
  return scalarType(type.scalar);
}

export const isComplexType = ({ scalar }: Type): boolean => isComplexScalar(scalar);

/** The type of a complex type's parts; a real type itself. */
export function partType(type: Type): Type {
  return isComplexScalar(type.scalar) ? scalarType(partScalar(type.scalar)) : type;
}

/** The type of a comparison's result. */
export function maskType(type: Type): Type {
  return type.lanes === 1 ? BOOL : { ...type, scalar: 'bool' };
}

export function sameType(a: Type, b: Type): boolean {
  return a.scalar === b.scalar && a.lanes === b.lanes && a.laneBits === b.laneBits;
}

// Leaves

/** A constant; of a vector type, its splat. */
export function constant(type: Type, value: number | string): Expr {
  return type.lanes === 1 ? { op: 'const', type, value } : splat(type, constant(laneType(type), value));
}

export const i32 = (value: number): Expr => constant(I32, value | 0);
export const i64 = (value: number | string): Expr => constant(I64, value);
export const f32 = (value: number | string): Expr => constant(F32, value);
export const f64 = (value: number | string): Expr => constant(F64, value);
export const bool = (value: boolean): Expr => constant(BOOL, value ? 1 : 0);

export const local = (name: string, type: Type): Expr => ({ op: 'local', type, name });
export const param = (name: string, type: Type = I32): Expr => ({ op: 'param', type, name });
export const load = (type: Type, buffer: string, index: Operand): Expr => ({
  op: 'load',
  type,
  buffer,
  index: operand(index, I32),
});

/** The work range's ends, which every kernel has. */
export const begin: Expr = local('begin', I32);
export const end: Expr = local('end', I32);

export function operand(value: Operand, type: Type): Expr {
  return typeof value === 'number' ? constant(type, value) : value;
}

// Operators

export function unary(name: UnaryOp, value: Expr): Expr {
  if (value.op === 'const' && value.type.scalar === 'i32' && typeof value.value === 'number' && name === 'neg')
    return i32(-value.value);
  if (name === 'not' && isConstant(value)) return bool(value.value === 0);
  if (name === 'not' && value.op === 'unary' && value.name === 'not') return value.value;
  return { op: 'unary', type: value.type, name, value };
}

export const neg = (value: Expr): Expr => unary('neg', value);
export const abs = (value: Expr): Expr => unary('abs', value);
export const sqrt = (value: Expr): Expr => unary('sqrt', value);
export const floor = (value: Expr): Expr => unary('floor', value);
export const ceil = (value: Expr): Expr => unary('ceil', value);
export const trunc = (value: Expr): Expr => unary('trunc', value);
export const rint = (value: Expr): Expr => unary('rint', value);
export const not = (value: Expr): Expr => unary('not', value);

export function binary(name: BinaryOp, left: Operand, right: Operand): Expr {
  const [a, b] = bothOf(left, right);
  return fold(name, a, b) ?? { op: 'binary', type: a.type, name, left: a, right: b };
}

export const add = (left: Operand, right: Operand): Expr => binary('add', left, right);
export const sub = (left: Operand, right: Operand): Expr => binary('sub', left, right);
export const mul = (left: Operand, right: Operand): Expr => binary('mul', left, right);
export const div = (left: Operand, right: Operand): Expr => binary('div', left, right);
export const rem = (left: Operand, right: Operand): Expr => binary('rem', left, right);
export const min = (left: Operand, right: Operand): Expr => binary('min', left, right);
export const max = (left: Operand, right: Operand): Expr => binary('max', left, right);
export const and = (left: Operand, right: Operand): Expr => binary('and', left, right);
export const or = (left: Operand, right: Operand): Expr => binary('or', left, right);
export const xor = (left: Operand, right: Operand): Expr => binary('xor', left, right);
export const shl = (left: Operand, right: Operand): Expr => binary('shl', left, right);
export const shr = (left: Operand, right: Operand): Expr => binary('shr', left, right);
export const shru = (left: Operand, right: Operand): Expr => binary('shru', left, right);

export function compare(name: CompareOp, left: Operand, right: Operand): Expr {
  const [a, b] = bothOf(left, right);
  if (isI32Constant(a) && isI32Constant(b)) return bool(compareI32(name, a.value, b.value));
  return { op: 'compare', type: maskType(a.type), name, left: a, right: b };
}

export const eq = (left: Operand, right: Operand): Expr => compare('eq', left, right);
export const ne = (left: Operand, right: Operand): Expr => compare('ne', left, right);
export const lt = (left: Operand, right: Operand): Expr => compare('lt', left, right);
export const le = (left: Operand, right: Operand): Expr => compare('le', left, right);
export const gt = (left: Operand, right: Operand): Expr => compare('gt', left, right);
export const ge = (left: Operand, right: Operand): Expr => compare('ge', left, right);

export function select(condition: Expr, then: Operand, otherwise: Operand): Expr {
  const [a, b] = bothOf(then, otherwise);
  if (isConstant(condition)) return condition.value === 0 ? b : a;
  return { op: 'select', type: a.type, condition, then: a, else: b };
}

export const fma = (a: Expr, b: Expr, c: Expr): Expr => ({ op: 'fma', type: c.type, a, b, c });

/** `value` as another type; itself where it is of that type already. */
export function convert(type: Type, value: Expr): Expr {
  if (sameType(type, value.type)) return value;
  if (isI32Constant(value) && (type.scalar === 'f32' || type.scalar === 'f64')) return constant(type, value.value);
  return { op: 'convert', type, value };
}

export const bits = (type: Type, value: Expr): Expr => (sameType(type, value.type) ? value : { op: 'bits', type, value });
export const splat = (type: Type, value: Expr): Expr => (type.lanes === 1 ? value : { op: 'splat', type, value });
export const shuffle = (left: Expr, right: Expr, lanes: readonly number[]): Expr => ({
  op: 'shuffle',
  type: left.type,
  left,
  right,
  lanes,
});
export const lane = (value: Expr, index: number): Expr => ({ op: 'lane', type: laneType(value.type), value, lane: index });
export const iota = (type: Type): Expr => ({ op: 'iota', type });

export function pair(real: Expr, imaginary: Expr): Expr {
  return { op: 'pair', type: real.type.scalar === 'f64' ? C128 : C64, real, imaginary };
}

/** One part of a complex value. */
export function part(which: ComplexPart, value: Expr): Expr {
  if (value.op === 'pair') return value[which];
  return { op: 'part', type: partType(value.type), value, part: which };
}
export const realPart = (value: Expr): Expr => part('real', value);
export const imaginaryPart = (value: Expr): Expr => part('imaginary', value);

// Statements

type Store = Extract<Stmt, { do: 'store' }>;

export const let_ = (name: string, value: Expr): Stmt => ({ do: 'let', name, value });
export const variable = (name: string, value: Expr): Stmt => ({ do: 'let', name, value, mutable: true });
export const set = (name: string, value: Expr): Stmt => ({ do: 'set', name, value });
export const accumulate = (name: string, kind: AccumulateKind, value: Expr): Stmt => ({ do: 'accumulate', name, kind, value });
export const store = (buffer: string, index: Operand, value: Expr, isAlone = false): Store => ({
  do: 'store',
  buffer,
  index: operand(index, I32),
  value,
  ...(isAlone ? { alone: true } : {}),
});
/** Of what is not read again soon. */
export const stream = (buffer: string, index: Operand, value: Expr): Store => ({ ...store(buffer, index, value), streams: true });
export const while_ = (condition: Expr, body: readonly Stmt[]): Stmt => ({ do: 'while', condition, body });
export const if_ = (condition: Expr, then: readonly Stmt[], otherwise?: readonly Stmt[]): Stmt =>
  otherwise === undefined ? { do: 'if', condition, then } : { do: 'if', condition, then, else: otherwise };
export const break_: Stmt = { do: 'break' };
export const continue_: Stmt = { do: 'continue' };
export const fail = (code: number): Stmt => ({ do: 'fail', code });

export interface LoopOptions {
  readonly step?: number;
  /** Asks `vectorise` to run the loop in lanes. */
  readonly vector?: boolean;
}

/** A counted loop; a body given as a function receives the loop variable. */
export function forLoop(
  name: string,
  from: Operand,
  to: Operand,
  body: readonly Stmt[] | ((index: Expr) => readonly Stmt[]),
  { step = 1, vector = false }: LoopOptions = {},
): Stmt {
  const statements = typeof body === 'function' ? body(local(name, I32)) : body;
  const loop = { do: 'for', name, from: operand(from, I32), to: operand(to, I32), step, body: statements } as const;
  return vector ? { ...loop, vector } : loop;
}

/** The loop over the work items. */
export const forItems = (name: string, body: readonly Stmt[] | ((index: Expr) => readonly Stmt[]), options?: LoopOptions): Stmt =>
  forLoop(name, begin, end, body, options);

export function kernel(
  name: string,
  buffers: readonly BufferDeclaration[],
  params: readonly ParamDeclaration[],
  body: readonly Stmt[],
): Kernel {
  return { name, buffers, params, body };
}

/**
 * Statements written in order, where each declaration hands back the local it made:
 *
 *     const body = new Body();
 *     const total = body.variable('total', f32(0));
 *     body.for('i', 0, n, (i, inner) => inner.accumulate(total, 'sum', load(F32, 'x', i)), { vector: true });
 *     body.store('out', item, total);
 */
export class Body {
  readonly statements: Stmt[] = [];

  let(name: string, value: Expr): Expr {
    this.statements.push(let_(name, value));
    return local(name, value.type);
  }

  /** A local that compilers are to keep in a register. */
  hold(name: string, value: Expr): Expr {
    this.statements.push({ do: 'let', name, value, held: true });
    return local(name, value.type);
  }

  variable(name: string, value: Expr): Expr {
    this.statements.push(variable(name, value));
    return local(name, value.type);
  }

  set(target: Expr, value: Operand): void {
    this.statements.push(set(nameOf(target), operand(value, target.type)));
  }

  accumulate(target: Expr, kind: AccumulateKind, value: Expr): void {
    this.statements.push(accumulate(nameOf(target), kind, value));
  }

  store(buffer: string, index: Operand, value: Expr): void {
    this.statements.push(store(buffer, index, value));
  }

  stream(buffer: string, index: Operand, value: Expr): void {
    this.statements.push(stream(buffer, index, value));
  }

  for(name: string, from: Operand, to: Operand, write: (index: Expr, body: Body) => void, options?: LoopOptions): void {
    this.statements.push(forLoop(name, from, to, (index) => nested((body) => write(index, body)), options));
  }

  while(condition: Expr, write: (body: Body) => void): void {
    this.statements.push(while_(condition, nested(write)));
  }

  if(condition: Expr, write: (body: Body) => void, otherwise?: (body: Body) => void): void {
    this.statements.push(if_(condition, nested(write), otherwise === undefined ? undefined : nested(otherwise)));
  }

  push(...statements: readonly Stmt[]): void {
    this.statements.push(...statements);
  }
}

function nested(write: (body: Body) => void): readonly Stmt[] {
  const body = new Body();
  write(body);
  return body.statements;
}

function nameOf(target: Expr): string {
  if (target.op !== 'local') throw new TypeError(`only a local can be assigned, got ${target.op}`);
  return target.name;
}

// Folding

type Constant = Extract<Expr, { op: 'const' }> & { readonly value: number };

const isConstant = (expr: Expr): expr is Constant => expr.op === 'const' && typeof expr.value === 'number';
const isI32Constant = (expr: Expr): expr is Constant => isConstant(expr) && expr.type.scalar === 'i32';

function bothOf(left: Operand, right: Operand): [Expr, Expr] {
  if (typeof left !== 'number') {
    const other = operand(right, left.type);
    if (!sameType(left.type, other.type)) throw new TypeError(`operands of ${describe(left.type)} and ${describe(other.type)}`);
    return [left, other];
  }
  if (typeof right !== 'number') return [constant(right.type, left), right];
  return [i32(left), i32(right)];
}

const describe = (type: Type): string => (type.lanes === 1 ? type.scalar : `${type.scalar}x${type.lanes}`);

function fold(name: BinaryOp, a: Expr, b: Expr): Expr | undefined {
  if (a.type.scalar === 'bool') return foldBool(name, a, b);
  if (a.type.scalar !== 'i32' || a.type.lanes !== 1) return undefined;
  if (isI32Constant(a) && isI32Constant(b)) return foldConstants(name, a.value, b.value);
  if (isI32Constant(b)) return foldRight(name, a, b.value);
  if (isI32Constant(a) && (name === 'add' || name === 'mul')) return binary(name, b, a);
  return name === 'add' ? foldOffsets(a, b) : undefined;
}

/** (a + c) + b and a + (b + c) to (a + b) + c, so that a constant offset ends outermost, where printers look for it. */
function foldOffsets(a: Expr, b: Expr): Expr | undefined {
  if (b.op === 'binary' && b.name === 'add' && isI32Constant(b.right)) return add(add(a, b.left), b.right);
  if (a.op === 'binary' && a.name === 'add' && isI32Constant(a.right)) return add(add(a.left, b), a.right);
  return undefined;
}

function foldConstants(name: BinaryOp, a: number, b: number): Expr | undefined {
  switch (name) {
    case 'add':
      return i32(a + b);
    case 'sub':
      return i32(a - b);
    case 'mul':
      return i32(Math.imul(a, b));
    case 'div':
      return i32(b === 0 ? 0 : a / b);
    case 'rem':
      return i32(b === 0 ? 0 : a % b);
    case 'min':
      return i32(Math.min(a, b));
    case 'max':
      return i32(Math.max(a, b));
    case 'shl':
      return i32(a << b);
    case 'shr':
      return i32(a >> b);
    default:
      return undefined;
  }
}

/** x + 0, x * 1 and the like, and (x + c) + d to x + (c + d); constants of sums and products stand on the right. */
function foldRight(name: BinaryOp, a: Expr, b: number): Expr | undefined {
  if (b === 0 && (name === 'add' || name === 'sub' || name === 'or' || name === 'xor')) return a;
  if (b === 0 && (name === 'mul' || name === 'and')) return i32(0);
  if (b === 1 && (name === 'mul' || name === 'div')) return a;
  if (name === 'sub') return add(a, i32(-b));
  if (a.op !== 'binary' || a.name !== name || !isI32Constant(a.right)) return undefined;
  if (name === 'add') return add(a.left, i32(a.right.value + b));
  if (name === 'mul') return mul(a.left, i32(Math.imul(a.right.value, b)));
  return undefined;
}

function foldBool(name: BinaryOp, a: Expr, b: Expr): Expr | undefined {
  const [known, other] = isConstant(a) ? [a, b] : [b, a];
  if (!isConstant(known)) return undefined;
  if (name === 'and') return known.value === 0 ? known : other;
  if (name === 'or') return known.value === 0 ? other : known;
  return undefined;
}

function compareI32(name: CompareOp, a: number, b: number): boolean {
  switch (name) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    case 'ge':
      return a >= b;
    case 'ltu':
      return a >>> 0 < b >>> 0;
  }
}
