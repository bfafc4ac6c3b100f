/**
 * Compiles one kernel function, statement by statement, to kernel IR. Whatever would run differently as JavaScript is refused, with
 * its place in the file; kernels/functions/language.ts lists the rules.
 */
import {
  type BinaryExpression,
  type CallExpression,
  type Expression,
  type ForOfStatement,
  type ForStatement,
  type FunctionDeclaration,
  Node,
  type ParameterDeclaration,
  type SourceFile,
  type Statement,
  SyntaxKind,
  type VariableDeclaration,
  VariableDeclarationKind,
  type VariableStatement,
} from 'ts-morph';
import {
  accumulate,
  BOOL,
  binary,
  break_,
  constant,
  continue_,
  F64,
  fail,
  forLoop,
  I32,
  I64,
  if_,
  type LoopOptions,
  let_,
  load,
  local,
  param,
  scalarType,
  set,
  store,
  variable,
  while_,
} from '../../kernels/build.js';
import type {
  AccumulateKind,
  BinaryOp,
  BufferDeclaration,
  Expr,
  Kernel,
  ParamDeclaration,
  Stmt,
  Type,
} from '../../kernels/ir.js';
import { visitExpr, visitStatements } from '../../kernels/traverse.js';
import { ExpressionCompiler, elementType, type Surroundings } from './expressions.js';
import { KernelFunctionError } from './problem.js';
import { type BufferBinding, type LocalBinding, Scope } from './scope.js';

const registers: Readonly<Record<string, Type>> = { i32: I32, i64: I64, f: scalarType('T'), f64: F64, boolean: BOOL };

const compound: ReadonlyMap<SyntaxKind, BinaryOp> = new Map([
  [SyntaxKind.PlusEqualsToken, 'add'],
  [SyntaxKind.MinusEqualsToken, 'sub'],
  [SyntaxKind.AsteriskEqualsToken, 'mul'],
  [SyntaxKind.SlashEqualsToken, 'div'],
]);

const accumulates: Readonly<Partial<Record<BinaryOp, AccumulateKind>>> = { add: 'sum', mul: 'prod', min: 'min', max: 'max' };

export class FunctionCompiler implements Surroundings {
  readonly #function: FunctionDeclaration;
  readonly #names = new Set<string>(['begin', 'end']);
  readonly #expressions = new ExpressionCompiler(this);
  /** The helpers being inlined, to refuse recursion. */
  readonly #inlining: FunctionDeclaration[] = [];
  #lanesDepth = 0;
  #statements: Stmt[] = [];
  scope = new Scope();

  constructor(declaration: FunctionDeclaration) {
    this.#function = declaration;
  }

  kernel(): Kernel {
    const [, , ...parameters] = this.#function.getParameters();
    for (const name of ['begin', 'end']) this.scope.define(name, { kind: 'value', value: local(name, I32) });
    const buffers: BufferBinding[] = [];
    const params: ParamDeclaration[] = [];
    for (const parameter of parameters) this.#parameter(parameter, buffers, params);
    const body = this.#block(this.#function.getStatements().filter((statement) => Node.isStatement(statement)));
    return {
      name: this.#function.getNameOrThrow(),
      buffers: buffers.map((buffer) => this.#bufferDeclaration(buffer)),
      params,
      body,
    };
  }

  #parameter(parameter: ParameterDeclaration, buffers: BufferBinding[], params: ParamDeclaration[]): void {
    const name = parameter.getName();
    this.#names.add(name);
    const storage = storageOf(parameter);
    if (storage === undefined) {
      const type = annotatedType(parameter);
      if (type.scalar === 'bool') throw new KernelFunctionError(parameter, 'a kernel takes flags as i32');
      params.push({ name, type: type.scalar });
      this.scope.define(name, { kind: 'value', value: param(name, type) });
      return;
    }
    if (params.length > 0) throw new KernelFunctionError(parameter, 'buffers stand before scalars');
    const buffer: BufferBinding = { kind: 'buffer', name, storage, used: { read: false, written: false } };
    buffers.push(buffer);
    this.scope.define(name, buffer);
  }

  #bufferDeclaration({ name, storage, used }: BufferBinding): BufferDeclaration {
    if (!used.read && !used.written) throw new KernelFunctionError(this.#function, `buffer ${name} is never used`);
    return { name, storage, access: used.read ? (used.written ? 'readwrite' : 'read') : 'write' };
  }

  // What expressions ask for

  captured<R>(compile: () => R): { readonly result: R; readonly statements: readonly Stmt[] } {
    const outer = this.#statements;
    this.#statements = [];
    try {
      return { result: compile(), statements: this.#statements };
    } finally {
      this.#statements = outer;
    }
  }

  inline(call: CallExpression): Expr | undefined {
    const helper = this.#helper(call);
    if (this.#inlining.includes(helper)) throw new KernelFunctionError(call, 'a helper may not call itself');
    const outer = this.scope;
    const inner = new Scope();
    for (const [at, parameter] of helper.getParameters().entries()) this.#bindArgument(inner, parameter, call, at);
    this.#inlining.push(helper);
    this.scope = inner;
    try {
      const { result, statements } = this.captured(() => this.#helperBody(helper));
      // Its statements run before all else of the caller's statement, in JavaScript only before what stands to the right of the call.
      visitStatements(statements, (statement) => {
        if (result !== undefined && statement.do === 'store')
          throw new KernelFunctionError(call, 'a helper that returns a value may not store');
      });
      this.#statements.push(...statements);
      return result;
    } finally {
      this.scope = outer;
      this.#inlining.pop();
    }
  }

  #helper(call: CallExpression): FunctionDeclaration {
    const name = call.getExpression().getText();
    const helper = functionNamed(name, call.getSourceFile());
    if (helper === undefined)
      throw new KernelFunctionError(
        call,
        `${name} is neither of the language nor a helper of this file, nor one that it imports`,
      );
    if (call.getArguments().length !== helper.getParameters().length)
      throw new KernelFunctionError(call, `${name} takes ${helper.getParameters().length} arguments`);
    return helper;
  }

  #bindArgument(inner: Scope, parameter: ParameterDeclaration, call: CallExpression, at: number): void {
    const argument = call.getArguments()[at];
    if (!Node.isExpression(argument)) throw new KernelFunctionError(call, 'expected an expression');
    const storage = storageOf(parameter);
    if (storage !== undefined) {
      const buffer = this.#expressions.buffer(argument);
      if (buffer.storage !== storage)
        throw new KernelFunctionError(argument, `expected a Buffer<'${storage}'>, got '${buffer.storage}'`);
      inner.define(parameter.getName(), buffer);
      return;
    }
    const value = this.#expressions.typed(argument, annotatedType(parameter));
    // A mutable local could change while the helper runs only if the helper saw it, so names and constants need no copy.
    const settled = isSettled(value) ? value : this.#bound(parameter.getName(), value);
    inner.define(parameter.getName(), { kind: 'value', value: settled });
  }

  #bound(name: string, value: Expr): Expr {
    const fresh = this.#fresh(name);
    this.#emit(let_(fresh, value));
    return local(fresh, value.type);
  }

  #helperBody(helper: FunctionDeclaration): Expr | undefined {
    const statements = helper.getStatements().filter((statement) => Node.isStatement(statement));
    const last = statements.at(-1);
    const returned = Node.isReturnStatement(last) ? last.getExpression() : undefined;
    for (const statement of returned === undefined ? statements : statements.slice(0, -1)) this.#statement(statement);
    if (returned === undefined) return undefined;
    const type = helper.getReturnTypeNode()?.getText();
    const expected = type === undefined ? undefined : registers[type];
    if (expected === undefined)
      throw new KernelFunctionError(helper, 'a helper that returns a value says its type: i32, i64, f, f64 or boolean');
    return this.#expressions.typed(returned, expected);
  }

  // Statements

  #emit(statement: Stmt): void {
    this.#statements.push(statement);
  }

  #block(statements: readonly Statement[]): readonly Stmt[] {
    const outer = this.scope;
    this.scope = new Scope(outer);
    try {
      return this.captured(() => statements.forEach((statement) => void this.#statement(statement))).statements;
    } finally {
      this.scope = outer;
    }
  }

  #blockOf(statement: Statement): readonly Stmt[] {
    return this.#block(Node.isBlock(statement) ? statement.getStatements() : [statement]);
  }

  #statement(node: Statement): void {
    if (Node.isVariableStatement(node)) this.#variables(node);
    else if (Node.isExpressionStatement(node)) this.#expressionStatement(node.getExpression());
    else if (Node.isForStatement(node)) this.#for(node);
    else if (Node.isForOfStatement(node)) this.#lanes(node);
    else if (Node.isIfStatement(node)) {
      const condition = this.#expressions.typed(node.getExpression(), BOOL);
      const otherwise = node.getElseStatement();
      const then = this.#blockOf(node.getThenStatement());
      this.#emit(if_(condition, then, otherwise === undefined ? undefined : this.#blockOf(otherwise)));
    } else if (Node.isWhileStatement(node)) {
      const { result, statements } = this.captured(() => this.#expressions.typed(node.getExpression(), BOOL));
      if (statements.length > 0)
        throw new KernelFunctionError(node, 'a helper with statements may not be called in the condition of a while');
      this.#emit(while_(result, this.#blockOf(node.getStatement())));
    } else if (Node.isBreakStatement(node)) this.#emit(break_);
    else if (Node.isContinueStatement(node)) this.#emit(continue_);
    else throw new KernelFunctionError(node, `${node.getKindName()} is not part of the language of kernel functions`);
  }

  #variables(node: VariableStatement): void {
    const mutable = node.getDeclarationKind() === VariableDeclarationKind.Let;
    for (const declaration of node.getDeclarations()) {
      const initial = declaration.getInitializer();
      if (initial === undefined) throw new KernelFunctionError(declaration, 'a variable needs a first value');
      const type = declaration.getTypeNode() === undefined ? undefined : annotatedType(declaration);
      const value = type === undefined ? this.#expressions.compile(initial) : this.#expressions.typed(initial, type);
      const name = this.#fresh(declaration.getName());
      this.#emit(mutable ? variable(name, value) : let_(name, value));
      this.scope.define(declaration.getName(), { kind: 'local', name, type: value.type, mutable, lanesDepth: this.#lanesDepth });
    }
  }

  #expressionStatement(node: Expression): void {
    if (Node.isBinaryExpression(node)) this.#assignment(node);
    else if (Node.isPostfixUnaryExpression(node)) {
      const operator: BinaryOp = node.getOperatorToken() === SyntaxKind.PlusPlusToken ? 'add' : 'sub';
      this.#assignLocal(node.getOperand(), operator, (type) => constant(type, 1));
    } else if (Node.isCallExpression(node) && node.getExpression().getText() === 'fail') {
      const [code] = node.getArguments();
      if (!Node.isNumericLiteral(code)) throw new KernelFunctionError(node, 'fail takes a literal code');
      this.#emit(fail(code.getLiteralValue()));
    } else if (Node.isCallExpression(node)) this.inline(node);
    else throw new KernelFunctionError(node, `${node.getKindName()} does nothing as a statement`);
  }

  #assignment(node: BinaryExpression): void {
    const kind = node.getOperatorToken().getKind();
    const operator = compound.get(kind);
    if (operator === undefined && kind !== SyntaxKind.EqualsToken) throw new KernelFunctionError(node, 'expected an assignment');
    const target = unwrapped(node.getLeft());
    if (!Node.isElementAccessExpression(target)) {
      const own = operator === undefined ? this.#extremum(target, node.getRight()) : undefined;
      if (own !== undefined) this.#assignLocal(target, own.operator, (type) => this.#expressions.typed(own.other, type));
      else this.#assignLocal(target, operator, (type) => this.#expressions.typed(node.getRight(), type));
      return;
    }
    const { buffer, index } = this.#expressions.access(target);
    const isAlone = isCallOf(target.getArgumentExpression(), 'alone');
    const type = elementType(buffer);
    const value = this.#expressions.typed(node.getRight(), type);
    if (operator !== undefined) buffer.used.read = true;
    buffer.used.written = true;
    const place = operator === undefined || isSettled(index) ? index : this.#bound('index', index);
    this.#emit(
      store(
        buffer.name,
        place,
        operator === undefined ? value : binary(operator, load(type, buffer.name, place), value),
        isAlone,
      ),
    );
  }

  /** `max(target, other)` and `min(target, other)`, by which a variable accumulates. */
  #extremum(target: Expression, right: Expression): { readonly operator: BinaryOp; readonly other: Expression } | undefined {
    if (!Node.isCallExpression(right)) return undefined;
    const operator = right.getExpression().getText();
    const [first, other] = right.getArguments();
    if ((operator !== 'min' && operator !== 'max') || first?.getText() !== target.getText()) return undefined;
    return Node.isExpression(other) ? { operator, other } : undefined;
  }

  #assignLocal(target: Expression, operator: BinaryOp | undefined, compile: (type: Type) => Expr): void {
    const binding = this.#mutable(target);
    const value = compile(binding.type);
    if (binding.lanesDepth < this.#lanesDepth) {
      const kind = operator === undefined ? undefined : accumulates[operator];
      if (kind === undefined)
        throw new KernelFunctionError(target, 'a lanes loop changes an outer variable only by +=, *=, min or max');
      this.#emit(accumulate(binding.name, kind, value));
      return;
    }
    this.#emit(set(binding.name, operator === undefined ? value : binary(operator, local(binding.name, binding.type), value)));
  }

  #mutable(target: Expression): LocalBinding {
    const binding = this.scope.find(target.getText());
    if (binding?.kind !== 'local' || !binding.mutable)
      throw new KernelFunctionError(target, `${target.getText()} is not a variable declared with let`);
    return binding;
  }

  // Loops

  #for(node: ForStatement): void {
    const { declaration, from, to, step } = countedLoop(node);
    const name = declaration.getName();
    const assigned = assignedIn(node.getStatement());
    if (assigned.has(name)) throw new KernelFunctionError(node, `the loop variable ${name} is changed in the body`);
    for (const identifier of [to, ...to.getDescendantsOfKind(SyntaxKind.Identifier)])
      if (assigned.has(identifier.getText()))
        throw new KernelFunctionError(
          to,
          `the bound is computed once in a kernel, but ${identifier.getText()} changes in the body`,
        );
    const first = this.#expressions.typed(from, I32);
    this.#loop(name, first, this.#bound32(to), node.getStatement(), { step });
  }

  #lanes(node: ForOfStatement): void {
    const call = node.getExpression();
    const initializer = node.getInitializer();
    const declaration = Node.isVariableDeclarationList(initializer) ? initializer.getDeclarations()[0] : undefined;
    if (!Node.isCallExpression(call) || call.getExpression().getText() !== 'lanes' || declaration === undefined)
      throw new KernelFunctionError(node, 'expected `for (const index of lanes(from, to))`');
    const [from, to] = call.getArguments();
    if (!Node.isExpression(from) || !Node.isExpression(to)) throw new KernelFunctionError(call, 'lanes takes two bounds');
    this.#lanesDepth += 1;
    const first = this.#expressions.typed(from, I32);
    this.#loop(declaration.getName(), first, this.#bound32(to), node.getStatement(), { vector: true });
    this.#lanesDepth -= 1;
  }

  #bound32(node: Expression): Expr {
    const bound = this.#expressions.typed(node, I32);
    visitExpr(bound, (expr) => {
      if (expr.op === 'load')
        throw new KernelFunctionError(node, 'the bound is computed once in a kernel: load it into a constant first');
    });
    return bound;
  }

  #loop(name: string, from: Expr, to: Expr, body: Statement, options: LoopOptions): void {
    const fresh = this.#fresh(name);
    const outer = this.scope;
    this.scope = new Scope(outer);
    this.scope.define(name, { kind: 'value', value: local(fresh, I32) });
    this.#emit(forLoop(fresh, from, to, this.#blockOf(body), options));
    this.scope = outer;
  }

  #fresh(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#names.has(name); count++) name = `${wanted}_${count}`;
    this.#names.add(name);
    return name;
  }
}

/** The function that a name means in a file: its own, or one that it imports from another file of kernel functions. */
function functionNamed(name: string, file: SourceFile): FunctionDeclaration | undefined {
  const own = file.getFunction(name);
  if (own !== undefined) return own;
  const imported = file.getImportDeclarations().find((each) => each.getNamedImports().some((one) => one.getName() === name));
  return imported?.getModuleSpecifierSourceFile()?.getFunction(name);
}

const isCallOf = (node: Node | undefined, name: string): boolean =>
  Node.isCallExpression(node) && node.getExpression().getText() === name;

const isSettled = (expr: Expr): boolean => expr.op === 'local' || expr.op === 'param' || expr.op === 'const';

function unwrapped(node: Expression): Expression {
  return Node.isNonNullExpression(node) || Node.isParenthesizedExpression(node) ? unwrapped(node.getExpression()) : node;
}

/** The `S` of an annotation `Buffer<'S'>`. */
function storageOf(parameter: ParameterDeclaration): string | undefined {
  return /^Buffer<'(\w+)'>$/.exec(parameter.getTypeNode()?.getText() ?? '')?.[1];
}

function annotatedType(node: ParameterDeclaration | VariableDeclaration): Type {
  const text = node.getTypeNode()?.getText() ?? '';
  const type = registers[text];
  if (type === undefined)
    throw new KernelFunctionError(node, `expected the type i32, i64, f, f64, boolean or Buffer<'...'>, got ${text || 'none'}`);
  return type;
}

interface CountedLoop {
  readonly declaration: VariableDeclaration;
  readonly from: Expression;
  readonly to: Expression;
  readonly step: number;
}

/** `for (let i = from; i < to; i++)`, or with `i += 4`. */
function countedLoop(node: ForStatement): CountedLoop {
  const list = node.getInitializer();
  const declaration = Node.isVariableDeclarationList(list) ? list.getDeclarations()[0] : undefined;
  const from = declaration?.getInitializer();
  const condition = node.getCondition();
  const name = declaration?.getName();
  const isCounted =
    Node.isBinaryExpression(condition) &&
    condition.getOperatorToken().getKind() === SyntaxKind.LessThanToken &&
    condition.getLeft().getText() === name;
  const step = stepOf(node.getIncrementor(), name);
  if (declaration === undefined || from === undefined || !isCounted || step === undefined)
    throw new KernelFunctionError(node, 'a loop counts up: `for (let i = from; i < to; i++)`, or `i += 2` with a literal step');
  return { declaration, from, to: condition.getRight(), step };
}

function stepOf(incrementor: Expression | undefined, name: string | undefined): number | undefined {
  if (Node.isPostfixUnaryExpression(incrementor))
    return incrementor.getOperatorToken() === SyntaxKind.PlusPlusToken && incrementor.getOperand().getText() === name
      ? 1
      : undefined;
  if (!Node.isBinaryExpression(incrementor) || incrementor.getLeft().getText() !== name) return undefined;
  const step = incrementor.getRight();
  const adds = incrementor.getOperatorToken().getKind() === SyntaxKind.PlusEqualsToken;
  return adds && Node.isNumericLiteral(step) && step.getLiteralValue() > 0 ? step.getLiteralValue() : undefined;
}

/** The names that are assigned somewhere in a statement. */
function assignedIn(statement: Statement): ReadonlySet<string> {
  const names = new Set<string>();
  for (const node of statement.getDescendants()) {
    if (Node.isPostfixUnaryExpression(node)) names.add(node.getOperand().getText());
    if (!Node.isBinaryExpression(node)) continue;
    const operator = node.getOperatorToken().getKind();
    if (operator === SyntaxKind.EqualsToken || compound.has(operator)) names.add(node.getLeft().getText());
  }
  return names;
}
