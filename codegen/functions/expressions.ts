/**
 * Expressions of kernel functions as kernel IR. Types are those written down and what follows from them: the TypeScript type
 * checker is not asked (the build has already run it), so a literal takes the type its place asks for.
 */
import {
  type BinaryExpression,
  type CallExpression,
  type ConditionalExpression,
  type ElementAccessExpression,
  type Expression,
  type Identifier,
  Node,
  SyntaxKind,
} from 'ts-morph';
import {
  BOOL,
  binary,
  bool,
  compare,
  constant,
  convert,
  I32,
  load,
  local,
  not,
  sameType,
  scalarType,
  select,
  unary,
} from '../../kernels/build.js';
import {
  type BinaryOp,
  bytesOf,
  type CompareOp,
  type Expr,
  registerOf,
  type Stmt,
  type Storage,
  type Type,
} from '../../kernels/ir.js';
import { expressionsOf, visitExpr, visitStatements } from '../../kernels/traverse.js';
import { type Intrinsic, intrinsics } from './intrinsics.js';
import { KernelFunctionError } from './problem.js';
import type { BufferBinding, Scope } from './scope.js';

/** What expressions need of the function they stand in. */
export interface Surroundings {
  readonly scope: Scope;
  /** Inlines a call of a helper before the current statement; undefined where it returns nothing. */
  inline(call: CallExpression): Expr | undefined;
  /** Runs `compile` and hands back the statements it put before the current one, without putting them there. */
  captured<R>(compile: () => R): { readonly result: R; readonly statements: readonly Stmt[] };
}

const arithmetic: ReadonlyMap<SyntaxKind, BinaryOp> = new Map([
  [SyntaxKind.PlusToken, 'add'],
  [SyntaxKind.MinusToken, 'sub'],
  [SyntaxKind.AsteriskToken, 'mul'],
  [SyntaxKind.SlashToken, 'div'],
]);

/** Of i32 alone: JavaScript has these of 32 bits. */
const bitwise: ReadonlyMap<SyntaxKind, BinaryOp> = new Map([
  [SyntaxKind.AmpersandToken, 'and'],
  [SyntaxKind.BarToken, 'or'],
  [SyntaxKind.CaretToken, 'xor'],
  [SyntaxKind.LessThanLessThanToken, 'shl'],
  [SyntaxKind.GreaterThanGreaterThanToken, 'shr'],
]);

/** What to write in place of an operator whose meaning is another in JavaScript. */
const hints: ReadonlyMap<SyntaxKind, string> = new Map([
  [SyntaxKind.PercentToken, 'irem'],
  [SyntaxKind.GreaterThanGreaterThanGreaterThanToken, 'shiftRight'],
]);

const comparisons: ReadonlyMap<SyntaxKind, CompareOp> = new Map([
  [SyntaxKind.EqualsEqualsEqualsToken, 'eq'],
  [SyntaxKind.ExclamationEqualsEqualsToken, 'ne'],
  [SyntaxKind.LessThanToken, 'lt'],
  [SyntaxKind.LessThanEqualsToken, 'le'],
  [SyntaxKind.GreaterThanToken, 'gt'],
  [SyntaxKind.GreaterThanEqualsToken, 'ge'],
]);

/** The register type of a buffer's elements. */
export function elementType({ storage }: BufferBinding): Type {
  return scalarType(isStorage(storage) ? registerOf(storage) : storage);
}

export const isStorage = (name: string): name is Storage => Object.hasOwn(bytesOf, name);

export class ExpressionCompiler {
  readonly #surroundings: Surroundings;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Compiles where a value of that type is needed. */
  typed(node: Expression, type: Type): Expr {
    const value = this.compile(node, type);
    if (!sameType(value.type, type)) throw new KernelFunctionError(node, `expected ${type.scalar}, got ${value.type.scalar}`);
    return value;
  }

  /** `expected` is what a literal becomes; other expressions have a type of their own. */
  compile(node: Expression, expected?: Type): Expr {
    if (Node.isParenthesizedExpression(node) || Node.isNonNullExpression(node))
      return this.compile(node.getExpression(), expected);
    if (Node.isNumericLiteral(node)) return literal(node, node.getLiteralValue(), expected);
    if (Node.isTrueLiteral(node) || Node.isFalseLiteral(node)) return bool(Node.isTrueLiteral(node));
    if (Node.isIdentifier(node)) return this.#name(node);
    if (Node.isElementAccessExpression(node)) return this.#element(node);
    if (Node.isPrefixUnaryExpression(node)) {
      if (node.getOperatorToken() === SyntaxKind.ExclamationToken) return not(this.typed(node.getOperand(), BOOL));
      if (node.getOperatorToken() === SyntaxKind.MinusToken) return negated(this.compile(node.getOperand(), expected));
    }
    if (Node.isBinaryExpression(node)) return this.#binary(node, expected);
    if (Node.isConditionalExpression(node)) return this.#conditional(node, expected);
    if (Node.isCallExpression(node)) return this.#call(node, expected);
    throw new KernelFunctionError(node, `${node.getKindName()} is not part of the language of kernel functions`);
  }

  /** The buffer and the index of `x[i]`. */
  access(node: ElementAccessExpression): { readonly buffer: BufferBinding; readonly index: Expr } {
    const buffer = this.buffer(node.getExpression());
    return { buffer, index: this.typed(node.getArgumentExpressionOrThrow(), I32) };
  }

  buffer(node: Expression): BufferBinding {
    const binding = this.#surroundings.scope.find(node.getText());
    if (binding?.kind !== 'buffer') throw new KernelFunctionError(node, `${node.getText()} is not a buffer`);
    return binding;
  }

  #name(node: Identifier): Expr {
    const name = node.getText();
    const binding = this.#surroundings.scope.find(name);
    if (binding === undefined) throw new KernelFunctionError(node, `${name} is not a parameter or local of this function`);
    if (binding.kind === 'buffer')
      throw new KernelFunctionError(node, `buffer ${name} can only be indexed, or handed to a helper`);
    return binding.kind === 'local' ? local(binding.name, binding.type) : binding.value;
  }

  #element(node: ElementAccessExpression): Expr {
    const { buffer, index } = this.access(node);
    buffer.used.read = true;
    return load(elementType(buffer), buffer.name, index);
  }

  #binary(node: BinaryExpression, expected: Type | undefined): Expr {
    const operator = node.getOperatorToken().getKind();
    const [left, right] = [node.getLeft(), node.getRight()];
    if (operator === SyntaxKind.AmpersandAmpersandToken || operator === SyntaxKind.BarBarToken) {
      const condition = this.typed(left, BOOL);
      const other = this.#unguarded(right, BOOL);
      return binary(operator === SyntaxKind.BarBarToken ? 'or' : 'and', condition, other);
    }
    const comparison = comparisons.get(operator);
    if (comparison !== undefined) return this.#comparison(node, comparison);
    const ofBits = bitwise.get(operator);
    if (ofBits !== undefined) return binary(ofBits, this.typed(left, I32), this.typed(right, I32));
    const name = arithmetic.get(operator);
    if (name === undefined) {
      const hint = hints.get(operator);
      const problem = hint === undefined ? ' is not part of the language of kernel functions' : `: use ${hint}`;
      throw new KernelFunctionError(node.getOperatorToken(), `${node.getOperatorToken().getText()}${problem}`);
    }
    const [a, b] = this.pair(left, right, expected);
    if (a.type.scalar === 'bool') throw new KernelFunctionError(node, 'arithmetic on booleans');
    if (name === 'div' && a.type.scalar === 'i32')
      throw new KernelFunctionError(node, '/ of integers is a fraction in JavaScript: use idiv');
    return binary(name, a, b);
  }

  /** An element of a bool buffer is a number in JavaScript, so it is compared with 0. */
  #comparison(node: BinaryExpression, name: CompareOp): Expr {
    const right = node.getRight();
    if ((name === 'eq' || name === 'ne') && Node.isNumericLiteral(right) && right.getLiteralValue() === 0) {
      const left = this.compile(node.getLeft());
      if (left.type.scalar === 'bool') return name === 'ne' ? left : not(left);
      return compare(name, left, constant(left.type, 0));
    }
    const [a, b] = this.pair(node.getLeft(), right);
    return compare(name, a, b);
  }

  /** Two operands of one type: a literal takes the other's. */
  pair(left: Expression, right: Expression, expected?: Type): [Expr, Expr] {
    if (isLiteral(left) && !isLiteral(right)) {
      const b = this.compile(right, expected);
      return [this.typed(left, b.type), b];
    }
    const a = this.compile(left, expected);
    return [a, this.typed(right, a.type)];
  }

  #conditional(node: ConditionalExpression, expected: Type | undefined): Expr {
    const condition = this.typed(node.getCondition(), BOOL);
    const [whenTrue, whenFalse] = [node.getWhenTrue(), node.getWhenFalse()];
    if (isLiteral(whenTrue) && !isLiteral(whenFalse)) {
      const otherwise = this.#unguarded(whenFalse, expected);
      return select(condition, this.typed(whenTrue, otherwise.type), otherwise);
    }
    const then = this.#unguarded(whenTrue, expected);
    return select(condition, then, this.#unguarded(whenFalse, then.type));
  }

  /** A part that JavaScript may skip and the kernel does not: it must not load, as what is skipped may be out of range. */
  #unguarded(node: Expression, expected: Type | undefined): Expr {
    const { result, statements } = this.#surroundings.captured(() =>
      expected === undefined ? this.compile(node) : this.typed(node, expected),
    );
    const loads: Expr[] = [];
    const collect = (expr: Expr): void => visitExpr(expr, (inner) => void (inner.op === 'load' && loads.push(inner)));
    visitStatements(statements, (statement) => expressionsOf(statement).forEach(collect));
    collect(result);
    if (loads.length > 0 || statements.length > 0)
      throw new KernelFunctionError(
        node,
        'this part always runs in a kernel, so it may not load or call a helper with statements: use if',
      );
    return result;
  }

  #call(node: CallExpression, expected: Type | undefined): Expr {
    const intrinsic = intrinsics.get(node.getExpression().getText());
    if (intrinsic !== undefined) return this.#intrinsic(node, intrinsic, expected);
    const result = this.#surroundings.inline(node);
    if (result === undefined) throw new KernelFunctionError(node, 'this helper returns nothing');
    return result;
  }

  #intrinsic(node: CallExpression, intrinsic: Intrinsic, expected: Type | undefined): Expr {
    const [first, second, third] = node.getArguments().filter((argument) => Node.isExpression(argument));
    const count = node.getArguments().length;
    if (count !== intrinsic.arguments)
      throw new KernelFunctionError(node, `expected ${intrinsic.arguments} arguments, got ${count}`);
    if (first === undefined) return intrinsic.build([]);
    if (second !== undefined) {
      const two = this.pair(first, second, intrinsic.takes ?? expected);
      return intrinsic.build(third === undefined ? two : [...two, this.typed(third, two[0].type)]);
    }
    if (intrinsic.takes !== undefined) return intrinsic.build([this.typed(first, intrinsic.takes)]);
    return intrinsic.build([intrinsic.converts ? this.compile(first) : this.compile(first, expected)]);
  }

  /** A value as a scalar parameter of type `type` takes it. */
  argument(node: Expression, type: Type): Expr {
    return convert(type, this.typed(node, type));
  }
}

function literal(node: Expression, value: number, expected: Type | undefined): Expr {
  const type = expected ?? I32;
  if (type.scalar === 'bool') throw new KernelFunctionError(node, 'expected a boolean, got a number');
  if (type.scalar === 'i32' && !Number.isInteger(value))
    throw new KernelFunctionError(
      node,
      `${value} has no type here: write it where its type is known, as in \`const half: f = 0.5\``,
    );
  return constant(type, value);
}

function negated(value: Expr): Expr {
  return value.op === 'const' && typeof value.value === 'number' ? constant(value.type, -value.value) : unary('neg', value);
}

function isLiteral(node: Expression): boolean {
  if (Node.isParenthesizedExpression(node)) return isLiteral(node.getExpression());
  if (Node.isPrefixUnaryExpression(node))
    return node.getOperatorToken() === SyntaxKind.MinusToken && isLiteral(node.getOperand());
  return Node.isNumericLiteral(node);
}
