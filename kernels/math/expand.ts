/**
 * Writes transcendental functions out as arithmetic: kernel IR to kernel IR, for scalars and vectors alike. Shared parts of a formula
 * become locals that are declared just before the statement they belong to; as expressions are pure and `select` evaluates both
 * sides anyway, computing them early changes nothing. What a target computes itself is left as it is.
 *
 * It should run after `vectorise`, as some formulas contain an `if`. The names of its locals begin with `math_`, which no other may.
 */
import { Body, break_, if_, not, or, select } from '../build.js';
import {
  type BinaryOp,
  type Expr,
  type Kernel,
  type MathOp,
  type Scalar,
  type Stmt,
  type TypeVariable,
  type UnaryOp,
  unsplit,
} from '../ir.js';
import { mapStatement, visitExpr } from '../traverse.js';
import * as bessel from './bessel.js';
import * as exponential from './exponential.js';
import { integerPower } from './integer-power.js';
import * as logarithm from './logarithm.js';
import * as special from './special.js';
import * as trigonometric from './trigonometric.js';
import { anyLane, type Formula, type Writer } from './writer.js';

type BinaryFormula = (x: Expr, y: Expr, writer: Writer) => Expr;

export interface MathOptions {
  /** What the target computes itself; by default `isLibraryFunction`. */
  readonly isNative?: (name: MathOp | 'pow' | 'atan2', scalar: Scalar | TypeVariable) => boolean;
}

const { exp, exp2, expm1, sinh, cosh, tanh } = exponential;
const { log, log2, log10, log1p, asinh, acosh, atanh, cbrt } = logarithm;
const { sin, cos, tan, asin, acos, atan } = trigonometric;
const { erf, erfc, erfinv, lgamma, digamma } = special;
const { i0e, i1e } = bessel;

const elementaryFormulas = {
  ...{ exp, exp2, expm1, sinh, cosh, tanh },
  ...{ log, log2, log10, log1p, asinh, acosh, atanh, cbrt },
  ...{ sin, cos, tan, asin, acos, atan },
} as const satisfies Partial<Record<MathOp, Formula>>;

const specialFormulas = { erf, erfc, erfinv, lgamma, digamma, i0e, i1e } as const satisfies Partial<Record<MathOp, Formula>>;

const formulas: Readonly<Record<MathOp, Formula>> = { ...elementaryFormulas, ...specialFormulas };
const binaryFormulas: Readonly<Record<'pow' | 'atan2', Readonly<Partial<Record<string, BinaryFormula>>>>> = {
  pow: { f32: logarithm.pow, i32: integerPower, i64: integerPower },
  atan2: { f32: trigonometric.atan2 },
};

/** The float64 functions that a standard library has (JavaScript's Math, C's math.h). */
export function isLibraryFunction(name: MathOp | 'pow' | 'atan2', scalar: Scalar | TypeVariable): boolean {
  return scalar === 'f64' && !Object.hasOwn(specialFormulas, name);
}

export function expandMath(kernel: Kernel, options: MathOptions = {}): Kernel {
  return { ...kernel, body: new Expansion(options).statements(kernel.body) };
}

const isMath = (name: UnaryOp): name is MathOp => Object.hasOwn(formulas, name);
const isBinaryMath = (name: BinaryOp): name is 'pow' | 'atan2' => Object.hasOwn(binaryFormulas, name);

class Expansion {
  readonly #isNative: NonNullable<MathOptions['isNative']>;
  #locals = 0;

  constructor({ isNative = isLibraryFunction }: MathOptions) {
    this.#isNative = isNative;
  }

  statements(statements: readonly Stmt[]): readonly Stmt[] {
    return independent(statements).flatMap((group) =>
      joined(
        group.map((statement) => {
          const block = new Block(this);
          block.push(this.#statement(statement, block));
          return block;
        }),
      ),
    );
  }

  freshName(): string {
    return `math_${this.#locals++}`;
  }

  unary(name: UnaryOp, value: Expr, block: Block): Expr {
    const { type } = value;
    if (!isMath(name) || this.#isNative(name, type.scalar)) return { op: 'unary', type, name, value };
    if (type.scalar !== 'f32' && !Object.hasOwn(specialFormulas, name)) throw noFormula(name, value);
    return formulas[name](block.share(value), block);
  }

  #statement(statement: Stmt, block: Block): Stmt {
    switch (statement.do) {
      case 'let':
      case 'set':
      case 'accumulate':
        return { ...statement, value: this.#expr(statement.value, block) };
      case 'store':
        return { ...statement, index: this.#expr(statement.index, block), value: this.#expr(statement.value, block) };
      case 'for': {
        const { from, to, body } = statement;
        return { ...statement, from: this.#expr(from, block), to: this.#expr(to, block), body: this.statements(body) };
      }
      case 'while':
        return this.#while(statement);
      case 'if': {
        const otherwise = statement.else === undefined ? undefined : this.statements(statement.else);
        return if_(this.#expr(statement.condition, block), this.statements(statement.then), otherwise);
      }
      case 'break':
      case 'continue':
      case 'fail':
      case 'barrier':
        return statement;
      case 'multiplyTiles':
        return mapStatement(
          statement,
          (expr) => this.#expr(expr, block),
          (inner) => inner,
        );
    }
  }

  /** A condition is evaluated on every turn: if it needs locals, it moves to the start of the body. */
  #while(statement: Extract<Stmt, { do: 'while' }>): Stmt {
    const turn = new Block(this);
    const condition = this.#expr(statement.condition, turn);
    const body = this.statements(statement.body);
    if (turn.statements.length === 0) return { ...statement, condition, body };
    const always: Expr = { op: 'const', type: condition.type, value: 1 };
    return { ...statement, condition: always, body: [...turn.statements, if_(not(condition), [break_]), ...body] };
  }

  #expr(expr: Expr, block: Block): Expr {
    switch (expr.op) {
      case 'const':
      case 'local':
      case 'param':
      case 'iota':
      case 'place':
        return expr;
      case 'pack':
        return { ...expr, lanes: expr.lanes.map((lane) => this.#expr(lane, block)) };
      case 'load':
        return { ...expr, index: this.#expr(expr.index, block) };
      case 'unary':
        return this.unary(expr.name, this.#expr(expr.value, block), block);
      case 'binary':
        return this.#binary(expr, block);
      case 'compare':
      case 'shuffle':
        return { ...expr, left: this.#expr(expr.left, block), right: this.#expr(expr.right, block) };
      case 'select':
        return select(this.#expr(expr.condition, block), this.#expr(expr.then, block), this.#expr(expr.else, block));
      case 'fma':
        return { ...expr, a: this.#expr(expr.a, block), b: this.#expr(expr.b, block), c: this.#expr(expr.c, block) };
      case 'convert':
      case 'bits':
      case 'splat':
      case 'lane':
      case 'exchange':
      case 'peers':
        return { ...expr, value: this.#expr(expr.value, block) };
      case 'pair':
      case 'part':
        return unsplit();
    }
  }

  #binary(expr: Extract<Expr, { op: 'binary' }>, block: Block): Expr {
    const left = this.#expr(expr.left, block);
    const right = this.#expr(expr.right, block);
    const { name, type } = expr;
    if (!isBinaryMath(name) || this.#isNative(name, type.scalar)) return { ...expr, left, right };
    const formula = binaryFormulas[name][type.scalar];
    if (formula === undefined) throw noFormula(name, left);
    return formula(block.share(left), block.share(right), block);
  }
}

function noFormula(name: string, { type }: Expr): TypeError {
  return new TypeError(`there is no formula for ${name} of ${type.scalar}: the target has to compute it itself`);
}

/** Declarations that follow each other and do not read each other, as in the copies of an unrolled body, in groups. */
function independent(statements: readonly Stmt[]): readonly (readonly Stmt[])[] {
  const groups: Stmt[][] = [];
  const declared = new Set<string>();
  for (const statement of statements) {
    const joins = statement.do === 'let' && declared.size > 0 && !readsAny(statement.value, declared);
    if (joins) groups.at(-1)!.push(statement);
    else {
      groups.push([statement]);
      declared.clear();
    }
    if (statement.do === 'let') declared.add(statement.name);
  }
  return groups;
}

function readsAny(expr: Expr, names: ReadonlySet<string>): boolean {
  let reads = false;
  visitExpr(expr, (node) => {
    reads ||= node.op === 'local' && names.has(node.name);
  });
  return reads;
}

/**
 * Blocks that do not depend on each other, as one. What each does rarely, all do as soon as one has to: with one branch between them
 * instead of one each, an engine works on all of them at once.
 */
function joined(blocks: readonly Block[]): readonly Stmt[] {
  const statements: Stmt[] = [];
  const stretches = Math.max(...blocks.map((block) => block.stretches.length));
  for (let at = 0; at < stretches; at++) {
    const parts = blocks.flatMap((block) => block.stretches[at] ?? []);
    statements.push(...parts.flatMap(({ body }) => body.statements));
    const branches = parts.flatMap(({ branch }) => branch ?? []);
    if (branches.length > 0) {
      const condition = anyOf(branches.map(({ condition }) => condition));
      statements.push(if_(condition, joined(branches.map(({ rare }) => rare))));
    }
  }
  return statements;
}

function anyOf(masks: readonly Expr[]): Expr {
  const [first] = masks;
  const alike = masks.every(({ type }) => type.lanes === first!.type.lanes && type.laneBits === first!.type.laneBits);
  return alike
    ? anyLane(masks.reduce((left, right) => or(left, right)))
    : masks.map(anyLane).reduce((left, right) => or(left, right));
}

/** Statements, and what follows them in the rare case that a condition holds in some lane. */
interface Stretch {
  readonly body: Body;
  branch?: { readonly condition: Expr; readonly rare: Block };
}

/** The statements that a formula writes before the one that uses it. */
class Block implements Writer {
  readonly #expansion: Expansion;
  readonly stretches: Stretch[] = [{ body: new Body() }];

  constructor(expansion: Expansion) {
    this.#expansion = expansion;
  }

  get #body(): Body {
    return this.stretches.at(-1)!.body;
  }

  get statements(): readonly Stmt[] {
    return joined([this]);
  }

  push(statement: Stmt): void {
    this.#body.push(statement);
  }

  readonly share = (value: Expr): Expr => {
    if (value.op === 'local' || value.op === 'const') return value;
    return this.#body.let(this.#expansion.freshName(), value);
  };

  apply(name: MathOp, x: Expr): Expr {
    return this.share(this.#expansion.unary(name, x, this));
  }

  variable(value: Expr): Expr {
    return this.#body.variable(this.#expansion.freshName(), value);
  }

  set(target: Expr, value: Expr): void {
    this.#body.set(target, value);
  }

  ifAny(condition: Expr, write: (writer: Writer) => void): void {
    const rare = new Block(this.#expansion);
    write(rare);
    this.stretches.at(-1)!.branch = { condition: this.share(condition), rare };
    this.stretches.push({ body: new Body() });
  }
}
