/**
 * Decides whether a loop can run in lanes, and says how each value in it changes from turn to turn.
 *
 * The measure is an expression's *stride*: its difference between one turn and the next. 0 is uniform (one scalar serves all lanes), a
 * number is an i32 in step with the loop variable (an index, of which the first lane says all), and undefined is anything else.
 */
import { add } from './build.js';
import type { AccumulateKind, Expr, Stmt, Type } from './ir.js';
import { blocksOf, expressionsOf, operandsOf, visitExpr, visitStatements } from './traverse.js';

export type Loop = Extract<Stmt, { do: 'for' }>;

export interface Analysis {
  readonly lanes: number;
  /** How wide the lanes of masks are: as the widest numbers of the loop. */
  readonly maskBits: 32 | 64;
  /** Locals from outside the loop that it accumulates into. */
  readonly accumulators: ReadonlyMap<string, { readonly kind: AccumulateKind; readonly type: Type }>;
  /** There is a loop inside. */
  readonly nested: boolean;
  /** The locals of the body, the loop variable among them. */
  readonly inside: ReadonlySet<string>;
  strideOf(expr: Expr): number | undefined;
  /** Whether a local of the body holds a vector. */
  inLanes(name: string): boolean;
}

/** How the loop runs in vectors of `vectorBytes`, or undefined where it has to stay scalar. */
export function analyse(loop: Loop, vectorBytes: number): Analysis | undefined {
  if (loop.step !== 1 || !isStraight(loop.body)) return undefined;
  const inside = declaredIn(loop);
  const accumulators = accumulatorsOf(loop, inside);
  if (accumulators === undefined) return undefined;
  const strides = stridesOf(loop, inside);
  const strideOf = (expr: Expr): number | undefined => strideIn(strides, expr);
  if (!accessesHaveLanes(loop, strideOf)) return undefined;
  const widths = laneWidths(loop, strideOf, vectorBytes);
  if (widths === undefined) return undefined;
  const maskBits = widths.has(64) ? 64 : 32;
  const lanes = (vectorBytes * 8) / maskBits;
  if (widths.size > 1 && lanes * 32 < narrowestBytes * 8) return undefined;
  const nested = loop.body.some((statement) => statement.do === 'for');
  const inLanes = (name: string): boolean => strides.has(name) && strides.get(name) === undefined;
  return { lanes, maskBits, accumulators, nested, inside, strideOf, inLanes };
}

/** Only statements that all lanes can take together. */
function isStraight(statements: readonly Stmt[]): boolean {
  return statements.every((statement) => {
    switch (statement.do) {
      case 'let':
      case 'set':
      case 'accumulate':
      case 'store':
        return expressionsOf(statement).every((expr) => expr.type.lanes === 1);
      case 'for':
        return isStraight(statement.body);
      default:
        return false;
    }
  });
}

export function declaredIn(loop: Loop): ReadonlySet<string> {
  const names = new Set([loop.name]);
  visitStatements(loop.body, (statement) => {
    if (statement.do === 'let' || statement.do === 'for') names.add(statement.name);
  });
  return names;
}

/** Undefined where the loop changes an outer local otherwise than by accumulating, or reads what it accumulates. */
export function accumulatorsOf(loop: Loop, inside: ReadonlySet<string>): Analysis['accumulators'] | undefined {
  const found = new Map<string, { kind: AccumulateKind; type: Type }>();
  let sound = true;
  visitStatements(loop.body, (statement) => {
    if (statement.do === 'set' && !inside.has(statement.name)) sound = false;
    if (statement.do !== 'accumulate' || inside.has(statement.name)) return;
    const { name, kind, value } = statement;
    if (found.has(name) && found.get(name)?.kind !== kind) sound = false;
    found.set(name, { kind, type: value.type });
  });
  visitStatements(loop.body, (statement) => {
    for (const expr of expressionsOf(statement))
      visitExpr(expr, (node) => {
        if (node.op === 'local' && found.has(node.name)) sound = false;
      });
  });
  return sound ? found : undefined;
}

// Strides

type Strides = ReadonlyMap<string, number | undefined>;

/** The stride of each local of the body. A mutable local is uniform or in lanes; which one may need several rounds to settle. */
function stridesOf(loop: Loop, inside: ReadonlySet<string>): Strides {
  const strides = new Map<string, number | undefined>([[loop.name, 1]]);
  let settled = false;
  const assign = (name: string, stride: number | undefined): void => {
    if (strides.has(name) && strides.get(name) === stride) return;
    strides.set(name, stride);
    settled = false;
  };
  const round = (statements: readonly Stmt[]): void => {
    for (const statement of statements) {
      if (statement.do === 'for') assign(statement.name, 0);
      if (statement.do === 'let') {
        const stride = strideIn(strides, statement.value);
        const varies = strides.has(statement.name) && strides.get(statement.name) === undefined;
        if (!varies) assign(statement.name, statement.mutable && stride !== 0 ? undefined : stride);
      }
      if ((statement.do === 'set' || statement.do === 'accumulate') && inside.has(statement.name))
        if (strideIn(strides, statement.value) !== 0) assign(statement.name, undefined);
      for (const block of blocksOf(statement)) round(block);
    }
  };
  while (!settled) {
    settled = true;
    round(loop.body);
  }
  return strides;
}

function strideIn(strides: Strides, expr: Expr): number | undefined {
  const recur = (operand: Expr): number | undefined => strideIn(strides, operand);
  if (expr.op === 'local') return strides.has(expr.name) ? strides.get(expr.name) : 0;
  if (expr.op === 'iota') return undefined;
  if (expr.op === 'binary' && expr.type.scalar === 'i32') {
    const [left, right] = [recur(expr.left), recur(expr.right)];
    if (left === undefined || right === undefined) return undefined;
    if (expr.name === 'add') return left + right;
    if (expr.name === 'sub') return left - right;
    if (expr.name === 'mul' && left !== 0) return scaled(left, expr.right);
    if (expr.name === 'mul' && right !== 0) return scaled(right, expr.left);
  }
  return operandsOf(expr).every((operand) => recur(operand) === 0) ? 0 : undefined;
}

const scaled = (stride: number, factor: Expr): number | undefined =>
  factor.op === 'const' && typeof factor.value === 'number' ? stride * factor.value : undefined;

// Loads and stores

const loadableStrides: ReadonlySet<number> = new Set([-1, 0, 1, 2]);

/**
 * Every load is uniform, of consecutive elements, forwards or backwards, or of every second one, every store of consecutive ones, or one of two
 * that together are: complex numbers are stored so.
 */
function accessesHaveLanes(loop: Loop, strideOf: (expr: Expr) => number | undefined): boolean {
  let sound = storesHaveLanes(loop.body, strideOf);
  visitStatements(loop.body, (statement) => {
    if (statement.do === 'for' && (strideOf(statement.from) !== 0 || strideOf(statement.to) !== 0)) sound = false;
    for (const expr of expressionsOf(statement))
      visitExpr(expr, (node) => {
        if (node.op !== 'load') return;
        const stride = strideOf(node.index);
        if (stride === undefined || !loadableStrides.has(stride)) sound = false;
      });
  });
  return sound;
}

function storesHaveLanes(statements: readonly Stmt[], strideOf: (expr: Expr) => number | undefined): boolean {
  const pairs = new Set(statements.flatMap((statement, at) => storePair(statement, statements[at + 1], strideOf) ?? []));
  return statements.every((statement) => {
    if (statement.do === 'store' && strideOf(statement.index) !== 1) return pairs.has(statement);
    return blocksOf(statement).every((block) => storesHaveLanes(block, strideOf));
  });
}

export type Store = Extract<Stmt, { do: 'store' }>;

/** Two stores, one after the other, to every second element and to those in between. */
export function storePair(
  first: Stmt | undefined,
  second: Stmt | undefined,
  strideOf: (expr: Expr) => number | undefined,
): readonly [Store, Store] | undefined {
  if (first?.do !== 'store' || second?.do !== 'store' || first.buffer !== second.buffer) return undefined;
  const adjoin = JSON.stringify(add(first.index, 1)) === JSON.stringify(second.index);
  return adjoin && strideOf(first.index) === 2 ? [first, second] : undefined;
}

// Lanes

/** The vectors that every machine has, and the only ones of WebAssembly. */
export const narrowestBytes = 16;

/** The widths of all numbers that are held in lanes; undefined where an operator has no form in lanes. */
function laneWidths(
  loop: Loop,
  strideOf: (expr: Expr) => number | undefined,
  vectorBytes: number,
): ReadonlySet<number> | undefined {
  const widths = new Set<number>();
  let sound = true;
  const count = (type: Type): void => {
    if (type.scalar === 'i32' || type.scalar === 'f32') widths.add(32);
    else if (type.scalar === 'i64' || type.scalar === 'f64') widths.add(64);
    else if (type.scalar !== 'bool') sound = false;
  };
  const visit = (expr: Expr): void => {
    const stride = strideOf(expr);
    if (stride === 0) return;
    count(expr.type);
    if (stride !== undefined || expr.op === 'load') return;
    if (!hasLanes(expr, vectorBytes > narrowestBytes)) sound = false;
    for (const operand of operandsOf(expr)) visit(operand);
  };
  visitStatements(loop.body, (statement) => {
    if (statement.do === 'for') return;
    const index = statement.do === 'store' ? [statement.index] : [];
    // An index kept in a local is a scalar; where it is used as a value, that use counts.
    const isIndex = statement.do === 'let' && typeof strideOf(statement.value) === 'number' && !statement.mutable;
    for (const expr of expressionsOf(statement)) if (!isIndex && !index.includes(expr)) visit(expr);
    if (statement.do === 'store' || statement.do === 'accumulate') count(statement.value.type);
  });
  return sound ? widths : undefined;
}

/**
 * Operators that targets would only run lane after lane are left to the scalar loop. Machines with `wide` vectors have more of them: 32-bit
 * integers and floats divide exactly as f64.
 */
function hasLanes(expr: Expr, wide: boolean): boolean {
  const integer = expr.type.scalar === 'i32' || expr.type.scalar === 'i64';
  if (expr.op === 'unary') return expr.name !== 'clz' && expr.name !== 'popcount';
  if (expr.op === 'binary') {
    const divides = expr.name === 'rem' || (integer && expr.name === 'div');
    return !divides || (wide && !isWide(expr.type));
  }
  if (expr.op === 'convert')
    return wide || !isWide(expr.type) || !isWide(expr.value.type) || expr.type.scalar === expr.value.type.scalar;
  return expr.op !== 'lane' && expr.op !== 'shuffle';
}

const isWide = (type: Type): boolean => type.scalar === 'i64' || type.scalar === 'f64';
