/**
 * Runs loops marked `vector` in lanes, where that is possible; leaves them scalar where it is not.
 *
 * A loop becomes: the vector loop, then its last elements one by one. `analyse` (vectorise-analysis.ts) says what of the body differs
 * between turns and whether the loop qualifies; this file writes the result. The order in which accumulators combine is
 * ARCHITECTURE.md's, and so is that of running sums (vectorise-running.ts). Nothing is reordered otherwise, so elementwise results do
 * not depend on the target's width.
 */
import {
  accumulate,
  add,
  and,
  binary,
  constant,
  convert,
  forLoop,
  i32,
  if_,
  iota,
  lane,
  let_,
  local,
  lt,
  maskType,
  max,
  mul,
  ne,
  or,
  select,
  set,
  shuffle,
  splat,
  sub,
  variable,
  vectorType,
} from './build.js';
import { combine, identity } from './combine.js';
import type { AccumulateKind, BinaryOp, Expr, Kernel, Stmt, Type } from './ir.js';
import { Names } from './names.js';
import { blocksOf, expressionsOf, mapOperands, mapStatement, operandsOf, visitExpr, visitStatements } from './traverse.js';
import { type Analysis, analyse, type Loop, narrowestBytes, type Store, storePair } from './vectorise-analysis.js';
import { type RunningInLanes, runningInLanes, totalInLanes } from './vectorise-running.js';

export interface VectorTarget {
  /** The width of a vector register: 16 for WebAssembly's SIMD128. */
  readonly vectorBytes: number;
}

/** The kernel with its `vector` loops in lanes; the same object where there are none that qualify. */
export function vectorise(kernel: Kernel, target: VectorTarget): Kernel {
  const names = new Names(kernel);
  const body = block(kernel.body);
  return body === kernel.body ? kernel : { ...kernel, body };

  function block(statements: readonly Stmt[]): readonly Stmt[] {
    const result = statements.flatMap((statement) => one(statement));
    return result.length === statements.length && result.every((statement, at) => statement === statements[at])
      ? statements
      : result;
  }

  function one(statement: Stmt): readonly Stmt[] {
    if (statement.do === 'for' && statement.vector) {
      const running = runningInLanes(statement, (wanted) => names.fresh(wanted));
      const loop = running?.loop ?? statement;
      const analysis = analyse(loop, target.vectorBytes);
      const isSound = running === undefined || analysis?.inLanes(running.name) === true;
      if (analysis !== undefined && isSound) {
        const narrow = running === undefined ? narrowOf(loop, analysis, target.vectorBytes) : undefined;
        return new LoopWriter(loop, analysis, names, running, narrow).write(statement.body);
      }
    }
    const rewritten = mapStatement(statement, (expr) => expr, block);
    const unchanged = blocksOf(statement).every((inner, at) => inner === blocksOf(rewritten)[at]);
    return [unchanged ? statement : rewritten];
  }
}

/**
 * How what is left over by wide vectors runs in the narrowest ones, where that is worth a third copy of the body and changes no order of
 * adding: rows of images are often a few elements longer than a multiple of sixteen.
 */
function narrowOf(loop: Loop, { accumulators }: Analysis, vectorBytes: number): Analysis | undefined {
  const isWorthIt = vectorBytes > narrowestBytes && accumulators.size === 0 && costOf(loop) <= shortBody;
  return isWorthIt ? analyse(loop, narrowestBytes) : undefined;
}

/** Independent accumulators hide the latency of the addition; more would only cost registers. */
const accumulatorCount = 4;
/** Vectors of other loops that run side by side: enough to keep a processor busy while one waits for itself. */
const sideBySide = 2;
/** A body of more operations than this is bound by its arithmetic, not by the latency of accumulation. */
const cheapBody = 16;
/** A body of more operations than this, some two transcendental functions, is not worth writing out a third time. */
const shortBody = 32;
/** A body of more operations than this, some six transcendental functions, is not worth writing out twice. */
const longBody = 96;

/** One accumulator of the loop: its parts in lanes, and the total of this loop's elements. */
interface Accumulator {
  readonly name: string;
  readonly kind: AccumulateKind;
  readonly type: Type;
  readonly parts: readonly string[];
  /** For the extreme of floats: which lanes of each part have met NaN, which the parts themselves may lose. */
  readonly sawNaN: readonly string[];
  readonly total: string;
}

/**
 * The extreme of two values, the second where they are equal or either is NaN: what machines have an instruction for, while an extreme
 * that hands on NaN takes several.
 */
const quickExtreme = (kind: AccumulateKind, value: Expr, part: Expr): Expr =>
  kind === 'max' ? select(lt(part, value), value, part) : select(lt(value, part), value, part);

const isFloat = ({ scalar }: Type): boolean => scalar === 'f32' || scalar === 'f64';

/** Where a copy of the body accumulates. */
interface Target {
  readonly part: string;
  readonly sawNaN: string | undefined;
}

class LoopWriter {
  readonly #loop: Loop;
  readonly #analysis: Analysis;
  readonly #names: Names;
  readonly #unroll: number;
  readonly #accumulators: readonly Accumulator[];
  /** What does not change between turns, moved before the loop: the name by the expression's text. */
  readonly #hoisted = new Map<string, { readonly name: string; readonly value: Expr }>();

  readonly #running: RunningInLanes | undefined;

  constructor(
    loop: Loop,
    analysis: Analysis,
    names: Names,
    running: RunningInLanes | undefined,
    private readonly narrow?: Analysis,
    unroll = running === undefined ? unrollOf(loop, analysis) : 1,
  ) {
    this.#loop = loop;
    this.#analysis = analysis;
    this.#names = names;
    this.#running = running;
    this.#unroll = unroll;
    const partNames = (name: string) => Array.from({ length: this.#unroll }, (_, part) => names.fresh(`${name}_${part}`));
    this.#accumulators = [...analysis.accumulators].map(([name, { kind, type }]) => ({
      name,
      kind,
      type,
      parts: partNames(name),
      sawNaN: (kind === 'max' || kind === 'min') && isFloat(type) ? partNames(`${name}_nan`) : [],
      total: names.fresh(`${name}_total`),
    }));
  }

  /** `body` is the loop's as it was written. */
  write(body: readonly Stmt[]): readonly Stmt[] {
    const { lanes } = this.#analysis;
    const before: Stmt[] = [];
    const from = this.#once(before, `${this.#loop.name}_from`, this.#loop.from);
    const to = this.#once(before, `${this.#loop.name}_to`, this.#loop.to);
    const count = this.#once(before, `${this.#loop.name}_count`, max(sub(to, from), 0));
    const vectorEnd = this.#once(before, `${this.#loop.name}_vectorEnd`, add(from, and(count, -lanes)));
    const blockEnd =
      this.#unroll === 1
        ? vectorEnd
        : this.#once(before, `${this.#loop.name}_blockEnd`, add(from, and(count, -lanes * this.#unroll)));
    for (const { kind, type, parts, sawNaN } of this.#accumulators) {
      for (const part of parts) before.push(variable(part, identity(kind, this.#lanesOf(type))));
      for (const mask of sawNaN) before.push(variable(mask, constant(this.#masksOf(type), 0)));
    }
    const vector = this.#vectorPart(from, blockEnd, vectorEnd);
    const hoisted = [...this.#hoisted.values()].map(({ name, value }) => let_(name, value));
    return [
      ...before,
      // What is hoisted may load, which is only sound where at least one turn would have.
      if_(lt(from, vectorEnd), [...hoisted, ...vector]),
      ...this.#accumulators.flatMap((accumulator) => this.#reduceLanes(accumulator)),
      ...this.#tail(vectorEnd, to, body),
      ...this.#accumulators.map(({ name, kind, type, total }) => accumulate(name, kind, local(total, type))),
    ];
  }

  /** A local for a value that is used repeatedly; what is a name or a constant already stays so. */
  #once(before: Stmt[], name: string, value: Expr): Expr {
    if (value.op === 'const' || value.op === 'param') return value;
    const fresh = this.#names.fresh(name);
    before.push(let_(fresh, value));
    return local(fresh, value.type);
  }

  #vectorPart(from: Expr, blockEnd: Expr, vectorEnd: Expr): readonly Stmt[] {
    const { lanes } = this.#analysis;
    const index = this.#names.fresh(`${this.#loop.name}_v`);
    const copies = (part: number, base: Expr): readonly Stmt[] => this.#copy(part, add(base, part * lanes));
    const parts = Array.from({ length: this.#unroll }, (_, part) => part);
    return [
      forLoop(index, from, blockEnd, (base) => interleave(parts.map((part) => copies(part, base))), {
        step: lanes * this.#unroll,
      }),
      // The vectors left over go where the next block would have put them.
      ...parts.slice(0, -1).map((part) => if_(lt(add(blockEnd, part * lanes), vectorEnd), copies(part, blockEnd))),
    ];
  }

  /** The body in lanes, for the elements from `base` on. */
  #copy(part: number, base: Expr): readonly Stmt[] {
    const targets = new Map(
      this.#accumulators.map(({ name, parts, sawNaN }) => [name, { part: parts[part]!, sawNaN: sawNaN[part] }]),
    );
    const hoist = (value: Expr): Expr => this.#hoist(value);
    return new BodyWriter(this.#loop, this.#analysis, this.#names, base, targets, hoist, this.#running).write();
  }

  #hoist(value: Expr): Expr {
    const key = JSON.stringify(value);
    const known = this.#hoisted.get(key);
    if (known !== undefined) return local(known.name, value.type);
    const name = this.#names.fresh(`${this.#loop.name}_uniform`);
    this.#hoisted.set(key, { name, value });
    return local(name, value.type);
  }

  /** The parts added pairwise, then the lanes pairwise. */
  #reduceLanes({ name, kind, type, parts, sawNaN, total }: Accumulator): readonly Stmt[] {
    const nan = constant(this.#lanesOf(type), isFloat(type) ? 'nan' : 0);
    const vectors = parts.map((part, at) => {
      const value = local(part, this.#lanesOf(type));
      return sawNaN.length === 0 ? value : select(local(sawNaN[at]!, this.#masksOf(type)), nan, value);
    });
    const sum = this.#names.fresh(`${name}_lanes`);
    const declared: Stmt[] = [let_(sum, pairwise(vectors, combine[kind]))];
    const folded = this.#foldLanes(local(sum, this.#lanesOf(type)), combine[kind], declared);
    return [...declared, variable(total, folded)];
  }

  /** All lanes combined pairwise. Those of numbers as vectors: lane 0 has the result, and what the others come to does not matter. */
  #foldLanes(vector: Expr, operator: BinaryOp, declared: Stmt[]): Expr {
    const numbers = Array.from({ length: vector.type.lanes }, (_, at) => at);
    if (vector.type.scalar === 'bool')
      return pairwise(
        numbers.map((at) => lane(vector, at)),
        operator,
      );
    let folded = vector;
    for (let distance = 1; distance < numbers.length; distance *= 2) {
      const name = this.#names.fresh(`${this.#loop.name}_pairs`);
      const neighbours = numbers.map((at) => at ^ distance);
      declared.push(let_(name, binary(operator, folded, shuffle(folded, folded, neighbours))));
      folded = local(name, vector.type);
    }
    return lane(folded, 0);
  }

  #tail(vectorEnd: Expr, to: Expr, body: readonly Stmt[]): readonly Stmt[] {
    if (this.narrow !== undefined) {
      const rest = { ...this.#loop, from: vectorEnd, to };
      return new LoopWriter(rest, this.narrow, this.#names, undefined, undefined, 1).write(body);
    }
    const totals = new Map(this.#accumulators.map(({ name, total }) => [name, total]));
    const retarget = (statements: readonly Stmt[]): readonly Stmt[] =>
      statements.map((statement) => {
        const mapped = mapStatement(statement, (expr) => expr, retarget);
        if (mapped.do === 'for') return { ...mapped, vector: false };
        return mapped.do === 'accumulate' ? { ...mapped, name: totals.get(mapped.name) ?? mapped.name } : mapped;
      });
    return [forLoop(this.#loop.name, vectorEnd, to, retarget(body))];
  }

  #lanesOf(type: Type): Type {
    return typeInLanes(type, this.#analysis);
  }

  #masksOf(type: Type): Type {
    return maskType(this.#lanesOf(type));
  }
}

type Load = Extract<Expr, { op: 'load' }>;

/** Writes the body once in lanes. */
class BodyWriter {
  readonly #loop: Loop;
  readonly #analysis: Analysis;
  readonly #names: Names;
  readonly #base: Expr;
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #hoist: (value: Expr) => Expr;
  readonly #running: RunningInLanes | undefined;
  readonly #renamed = new Map<string, string>();
  /** Locals of the body that moved before the loop. */
  readonly #outer = new Map<string, Expr>();
  #depth = 0;

  constructor(
    loop: Loop,
    analysis: Analysis,
    names: Names,
    base: Expr,
    targets: ReadonlyMap<string, Target>,
    hoist: (value: Expr) => Expr,
    running: RunningInLanes | undefined,
  ) {
    this.#loop = loop;
    this.#analysis = analysis;
    this.#names = names;
    this.#base = base;
    this.#targets = targets;
    this.#hoist = hoist;
    this.#running = running;
  }

  write(): readonly Stmt[] {
    return this.#block(this.#loop.body);
  }

  #block(statements: readonly Stmt[]): readonly Stmt[] {
    const { strideOf } = this.#analysis;
    return statements.flatMap((statement, at) => {
      if (this.#isHoisted(statement) || storePair(statements[at - 1], statement, strideOf) !== undefined) return [];
      const pair = storePair(statement, statements[at + 1], strideOf);
      return pair === undefined ? this.#statement(statement) : this.#storePair(pair);
    });
  }

  /** Stores of alternate elements as two of consecutive ones. */
  #storePair([first, second]: readonly [Store, Store]): readonly Stmt[] {
    const [even, odd] = [this.#vector(first.value), this.#vector(second.value)];
    const index = this.#scalar(first.index);
    const { lanes } = even.type;
    const alternating = (from: number) => Array.from({ length: lanes }, (_, at) => from + (at >> 1) + (at % 2) * lanes);
    return [
      { ...first, index, value: shuffle(even, odd, alternating(0)) },
      { ...first, index: add(index, lanes), value: shuffle(even, odd, alternating(lanes / 2)) },
    ];
  }

  /** Moves a declaration before the loop where that changes nothing. */
  #isHoisted(statement: Stmt): boolean {
    if (statement.do !== 'let' || statement.mutable || !this.#isInvariant(statement.value)) return false;
    this.#outer.set(statement.name, this.#hoist(this.#scalar(statement.value)));
    return true;
  }

  #statement(statement: Stmt): Stmt | readonly Stmt[] {
    switch (statement.do) {
      case 'let': {
        const name = this.#rename(statement.name);
        if (statement.name === this.#running?.name)
          return totalInLanes(this.#running, name, this.#vector(statement.value), (wanted) => this.#names.fresh(wanted));
        return { ...statement, name, value: this.#valueFor(statement.name, statement.value) };
      }
      case 'set':
        return { ...statement, name: this.#rename(statement.name), value: this.#valueFor(statement.name, statement.value) };
      case 'accumulate': {
        const target = this.#targets.get(statement.name);
        if (target !== undefined) return this.#accumulate(statement.kind, target, this.#vector(statement.value));
        return { ...statement, name: this.#rename(statement.name), value: this.#valueFor(statement.name, statement.value) };
      }
      case 'store':
        return { ...statement, index: this.#scalar(statement.index), value: this.#vector(statement.value) };
      case 'for': {
        const { vector, ...plain } = statement;
        const [from, to] = [this.#scalar(statement.from), this.#scalar(statement.to)];
        const name = this.#rename(statement.name);
        this.#depth += 1;
        const body = this.#block(statement.body);
        this.#depth -= 1;
        return { ...plain, name, from, to, body };
      }
      default:
        throw new TypeError(`${statement.do} in a loop that was to run in lanes`);
    }
  }

  #accumulate(kind: AccumulateKind, { part, sawNaN }: Target, value: Expr): Stmt | readonly Stmt[] {
    if (sawNaN === undefined) return accumulate(part, kind, value);
    const name = this.#names.fresh(`${part}_value`);
    const shared = local(name, value.type);
    return [
      let_(name, value),
      set(part, quickExtreme(kind, shared, local(part, value.type))),
      set(sawNaN, or(local(sawNaN, maskType(value.type)), ne(shared, shared))),
    ];
  }

  /** Locals that differ between turns hold vectors; indices, whose value at the first lane says all, and uniform ones do not. */
  #valueFor(name: string, value: Expr): Expr {
    return this.#analysis.inLanes(name) ? this.#vector(value) : this.#scalar(value);
  }

  #rename(name: string): string {
    const known = this.#renamed.get(name);
    if (known !== undefined) return known;
    const fresh = this.#names.fresh(`${name}_v`);
    this.#renamed.set(name, fresh);
    return fresh;
  }

  /** The expression at the first lane. */
  #scalar(expr: Expr): Expr {
    if (expr.op === 'local') {
      if (expr.name === this.#loop.name) return this.#base;
      return this.#outer.get(expr.name) ?? local(this.#renamed.get(expr.name) ?? expr.name, expr.type);
    }
    if (expr.op === 'binary') return binary(expr.name, this.#scalar(expr.left), this.#scalar(expr.right));
    return mapOperands(expr, (operand) => this.#scalar(operand));
  }

  /** The expression at all lanes. */
  #vector(expr: Expr): Expr {
    const type = this.#lanesOf(expr.type);
    const stride = this.#analysis.strideOf(expr);
    if (stride === 0) return this.#uniform(expr, type);
    if (stride !== undefined) return this.#affine(expr, stride, type);
    if (expr.op === 'load') return this.#load(expr, type);
    if (expr.op === 'local') return local(this.#rename(expr.name), type);
    const inLanes = mapOperands({ ...expr, type }, (operand) => this.#vector(operand));
    // A comparison's mask is as wide as its operands, a choice asks for one as wide as its values.
    if (inLanes.op === 'compare') return convert(type, { ...inLanes, type: maskType(inLanes.left.type) });
    if (inLanes.op === 'select') return { ...inLanes, condition: convert(maskType(type), inLanes.condition) };
    return inLanes;
  }

  /** Consecutive elements, turned around where they are read backwards, or every second one. */
  #load(expr: Load, type: Type): Expr {
    const index = this.#scalar(expr.index);
    const { lanes } = type;
    const stride = this.#analysis.strideOf(expr.index);
    if (stride === -1) {
      const run: Expr = { ...expr, type, index: sub(index, lanes - 1) };
      const backwards = Array.from({ length: lanes }, (_, at) => lanes - 1 - at);
      return shuffle(run, run, backwards);
    }
    const first: Expr = { ...expr, type, index };
    return stride === 1 ? first : this.#everySecond(expr, first, index);
  }

  /** Two vectors hold every second element of a run, and the second ends with the last that is wanted. */
  #everySecond(expr: Load, first: Expr, index: Expr): Expr {
    const { type } = first;
    const { lanes } = type;
    const second: Expr = { ...expr, type, index: add(index, lanes - 1) };
    const picked = Array.from({ length: lanes }, (_, at) => (at < lanes / 2 ? 2 * at : 2 * at + 1));
    return shuffle(first, second, picked);
  }

  #uniform(expr: Expr, type: Type): Expr {
    if (expr.op === 'const') return splat(type, expr);
    const value = splat(type, this.#scalar(expr));
    return this.#isInvariant(expr) ? this.#hoist(value) : value;
  }

  /** The same in all turns, and sound to compute before the first: an inner loop may have no turn, so its loads stay there. */
  #isInvariant(expr: Expr): boolean {
    let invariant = this.#analysis.strideOf(expr) === 0;
    visitExpr(expr, (node) => {
      if (node.op === 'local' && this.#analysis.inside.has(node.name) && !this.#outer.has(node.name)) invariant = false;
      if (node.op === 'load' && this.#depth > 0) invariant = false;
    });
    return invariant;
  }

  #affine(expr: Expr, stride: number, type: Type): Expr {
    const steps = stride === 1 ? iota(type) : mul(iota(type), splat(type, i32(stride)));
    return add(splat(type, this.#scalar(expr)), steps);
  }

  #lanesOf(type: Type): Type {
    return typeInLanes(type, this.#analysis);
  }
}

const typeInLanes = ({ scalar }: Type, { lanes, maskBits }: Analysis): Type =>
  vectorType(scalar, lanes, scalar === 'bool' ? maskBits : undefined);

function pairwise(values: readonly Expr[], operator: BinaryOp): Expr {
  let level = values;
  while (level.length > 1) {
    const next: Expr[] = [];
    for (let at = 0; at < level.length; at += 2) next.push(binary(operator, level[at]!, level[at + 1]!));
    level = next;
  }
  return level[0]!;
}

function unrollOf(loop: Loop, { accumulators, nested }: Analysis): number {
  const cost = nested ? Number.POSITIVE_INFINITY : costOf(loop);
  if (cost <= cheapBody && accumulators.size > 0) return accumulatorCount;
  return cost <= longBody ? sideBySide : 1;
}

/** Copies of a body as one: all do their first statement, then all their second. Turns are independent, so their order is free. */
function interleave(copies: readonly (readonly Stmt[])[]): readonly Stmt[] {
  return copies[0]!.flatMap((_, at) => copies.map((copy) => copy[at]!));
}

/** Operations on values in a turn, indices not counted; one that becomes a polynomial counts as many. */
function costOf(loop: Loop): number {
  const cost = (expr: Expr): number => {
    if (expr.op === 'load') return 1;
    return operandsOf(expr).reduce((sum, operand) => sum + cost(operand), ownCost(expr));
  };
  let total = 0;
  visitStatements(loop.body, (statement) => {
    if (statement.do !== 'for') total += cost(statement.do === 'store' ? statement.value : expressionsOf(statement)[0]!);
  });
  return total;
}

function ownCost(expr: Expr): number {
  if (operandsOf(expr).length === 0) return 0;
  if (expr.op === 'binary' && expr.name === 'pow' && !isFloat(expr.type)) return longBody;
  return isTranscendental(expr) ? cheapBody : 1;
}

const simple: ReadonlySet<string> = new Set(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'trunc', 'rint', 'not', 'bitNot']);

const isTranscendental = (expr: Expr): boolean =>
  (expr.op === 'unary' && !simple.has(expr.name)) || (expr.op === 'binary' && (expr.name === 'pow' || expr.name === 'atan2'));
