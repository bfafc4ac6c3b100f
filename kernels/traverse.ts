/**
 * Walking and rewriting kernel IR: the operands of an expression, the expressions and blocks of a statement, and maps over them.
 * Every pass is written on these few functions, so that a new construct is listed here once. They know structure, not meaning.
 */
import type { Expr, Kernel, Stmt } from './ir.js';

/** The direct operands of an expression. */
export function operandsOf(expr: Expr): readonly Expr[] {
  switch (expr.op) {
    case 'const':
    case 'local':
    case 'param':
    case 'iota':
    case 'place':
      return [];
    case 'pack':
      return expr.lanes;
    case 'load':
      return [expr.index];
    case 'unary':
    case 'convert':
    case 'bits':
    case 'splat':
    case 'lane':
    case 'part':
    case 'exchange':
    case 'peers':
      return [expr.value];
    case 'pair':
      return [expr.real, expr.imaginary];
    case 'binary':
    case 'compare':
    case 'shuffle':
      return [expr.left, expr.right];
    case 'select':
      return [expr.condition, expr.then, expr.else];
    case 'fma':
      return [expr.a, expr.b, expr.c];
  }
}

/** The same expression with each direct operand replaced; nothing is folded. */
export function mapOperands(expr: Expr, replace: (operand: Expr) => Expr): Expr {
  switch (expr.op) {
    case 'const':
    case 'local':
    case 'param':
    case 'iota':
    case 'place':
      return expr;
    case 'pack':
      return { ...expr, lanes: expr.lanes.map(replace) };
    case 'load':
      return { ...expr, index: replace(expr.index) };
    case 'unary':
    case 'convert':
    case 'bits':
    case 'splat':
    case 'lane':
    case 'part':
    case 'exchange':
    case 'peers':
      return { ...expr, value: replace(expr.value) };
    case 'pair':
      return { ...expr, real: replace(expr.real), imaginary: replace(expr.imaginary) };
    case 'binary':
    case 'compare':
    case 'shuffle':
      return { ...expr, left: replace(expr.left), right: replace(expr.right) };
    case 'select':
      return { ...expr, condition: replace(expr.condition), then: replace(expr.then), else: replace(expr.else) };
    case 'fma':
      return { ...expr, a: replace(expr.a), b: replace(expr.b), c: replace(expr.c) };
  }
}

/** The expressions that stand directly in a statement, without those of its blocks. */
export function expressionsOf(statement: Stmt): readonly Expr[] {
  switch (statement.do) {
    case 'let':
    case 'set':
    case 'accumulate':
      return [statement.value];
    case 'store':
      return [statement.index, statement.value];
    case 'multiplyTiles':
      return [...statement.a, ...statement.b];
    case 'for':
      return [statement.from, statement.to];
    case 'while':
    case 'if':
      return [statement.condition];
    case 'break':
    case 'continue':
    case 'fail':
    case 'barrier':
      return [];
  }
}

/** The blocks of a statement. */
export function blocksOf(statement: Stmt): readonly (readonly Stmt[])[] {
  switch (statement.do) {
    case 'for':
    case 'while':
      return [statement.body];
    case 'if':
      return statement.else === undefined ? [statement.then] : [statement.then, statement.else];
    default:
      return [];
  }
}

/** The same statement with its own expressions replaced and its blocks rewritten. */
export function mapStatement(
  statement: Stmt,
  expression: (expr: Expr) => Expr,
  block: (statements: readonly Stmt[]) => readonly Stmt[],
): Stmt {
  switch (statement.do) {
    case 'let':
    case 'set':
    case 'accumulate':
      return { ...statement, value: expression(statement.value) };
    case 'store':
      return { ...statement, index: expression(statement.index), value: expression(statement.value) };
    case 'multiplyTiles':
      return { ...statement, a: statement.a.map(expression), b: statement.b.map(expression) };
    case 'for':
      return { ...statement, from: expression(statement.from), to: expression(statement.to), body: block(statement.body) };
    case 'while':
      return { ...statement, condition: expression(statement.condition), body: block(statement.body) };
    case 'if': {
      const condition = expression(statement.condition);
      const then = block(statement.then);
      return statement.else === undefined
        ? { ...statement, condition, then }
        : { ...statement, condition, then, else: block(statement.else) };
    }
    case 'break':
    case 'continue':
    case 'fail':
    case 'barrier':
      return statement;
  }
}

/** Visits an expression and all below it, outermost first. */
export function visitExpr(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const operand of operandsOf(expr)) visitExpr(operand, visit);
}

/** Visits all statements, those of inner blocks included, in order. */
export function visitStatements(statements: readonly Stmt[], visit: (statement: Stmt) => void): void {
  for (const statement of statements) {
    visit(statement);
    for (const block of blocksOf(statement)) visitStatements(block, visit);
  }
}

/** Whether a kernel may write into the error word. */
export function canFail(kernel: Kernel): boolean {
  let found = false;
  visitStatements(kernel.body, (statement) => {
    if (statement.do === 'fail') found = true;
  });
  return found;
}
