/**
 * Checks one expression: resolves names, tells host arithmetic from tensor ops, and gives every node a type. What is wrong is
 * reported at its place and mended, so that checking goes on. Calls of ops are in check-call.ts, of host functions in check-host.ts.
 */
import { HOST_FUNCTIONS } from '../../kernels/host-functions.js';
import { type Diagnostic, diagnosticAt, didYouMean } from '../spec/diagnostic.js';
import type { Attribute, Op, SpecModel } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { Binary, BinaryOperator, Call, Conditional, Expression, Index, Item, List, Member, Unary } from './ast.js';
import { checkOpCall, type NamedArgument } from './check-call.js';
import { checkHostCall, checkRuleCall } from './check-host.js';
import { areImpossible, factsOf, type Scope } from './scope.js';
import type { Binding, PropertyName, Term } from './terms.js';
import {
  BOOLEAN,
  covers,
  describeType,
  joinTypes,
  listOf,
  mayBeTensor,
  NULL,
  NUMBER,
  NUMBERS,
  optionsOf,
  type Type,
  tensorIn,
  UNKNOWN,
  unionOf,
} from './types.js';

/** The op that an operator on tensors calls. */
export const operatorOps: Readonly<Partial<Record<BinaryOperator, string>>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'mod',
  '**': 'pow',
  '==': 'equal',
  '!=': 'notEqual',
  '<': 'lessThan',
  '<=': 'lessEqual',
  '>': 'greaterThan',
  '>=': 'greaterEqual',
  '&&': 'logicalAnd',
  '||': 'logicalOr',
};
export const unaryOps: Readonly<Record<Unary['operator'], string>> = { '-': 'neg', '!': 'logicalNot' };

export interface ContextOptions {
  readonly vocabulary: SpecModel;
  /** Whether ops may be called here. */
  readonly ops: boolean;
  /** Whether tensors have strides and an offset here. */
  readonly layouts: boolean;
  /** Whether an attribute reaches the op's kernels as a number, so that a tensor without axes may stand for it. */
  readonly isScalar: (op: Op, attribute: Attribute) => boolean;
}

/** What checking needs to know and where it writes what it finds. */
export class CheckContext {
  readonly vocabulary: SpecModel;
  readonly options: ContextOptions;
  readonly diagnostics: Diagnostic[];
  /** Bindings that were referred to. */
  readonly used = new Set<Binding>();
  /** Scalar attributes that stood where only a host value can. */
  readonly demoted = new Set<string>();
  /** The rules being checked, each for one call of it. */
  readonly rules: readonly string[];

  constructor(options: ContextOptions, diagnostics: Diagnostic[] = [], rules: readonly string[] = []) {
    this.options = options;
    this.vocabulary = options.vocabulary;
    this.diagnostics = diagnostics;
    this.rules = rules;
  }

  /** The context of a rule's body: host values alone. */
  insideRule(name: string): CheckContext {
    const options = { ...this.options, ops: false, layouts: false };
    return new CheckContext(options, this.diagnostics, [...this.rules, name]);
  }

  error(code: string, message: string, span: Span, hint?: string): void {
    const diagnostic = diagnosticAt(code, message, span, hint);
    const same = (one: Diagnostic): boolean =>
      one.line === diagnostic.line && one.column === diagnostic.column && one.message === message;
    if (!this.diagnostics.some(same)) this.diagnostics.push(diagnostic);
  }

  isScalar(op: Op, attribute: Attribute): boolean {
    return this.options.isScalar(op, attribute);
  }

  /** The term as a host value. A tensor made of scalar attributes alone becomes one: these attributes are then not scalars. */
  requireHost(term: Term, what: string): Term {
    const scalars = tensorIn(term.type)?.scalars;
    if (scalars !== undefined) {
      for (const name of scalars) this.demoted.add(name);
      return { ...term, type: UNKNOWN };
    }
    if (!optionsOf(term.type).some((option) => option.kind === 'tensor' || option.kind === 'outputs')) return term;
    const hint = what === 'a condition' ? 'choose element by element with where(condition, x, y)' : undefined;
    this.error('TENSOR_IN_HOST', `${what} must be known before anything is computed, but this is a tensor`, term.span, hint);
    return { ...term, type: UNKNOWN };
  }

  /** The term as a host value of a type. */
  require(term: Term, type: Type, what: string): Term {
    const host = this.requireHost(term, what);
    if (!covers(type, host.type)) {
      this.error('TYPE', `${what} must be ${describeType(type)}, not ${describeType(host.type)}`, term.span);
    }
    return host;
  }
}

export function checkExpression(context: CheckContext, scope: Scope, node: Expression): Term {
  const { span } = node;
  switch (node.kind) {
    case 'number':
      return { kind: 'literal', value: node.value, span, type: { kind: 'number', literal: node.value } };
    case 'string':
      return { kind: 'literal', value: node.value, span, type: { kind: 'string', literal: node.value } };
    case 'boolean':
      return { kind: 'literal', value: node.value, span, type: BOOLEAN };
    case 'null':
      return { kind: 'literal', value: null, span, type: NULL };
    case 'name':
      return checkName(context, scope, node.name, span);
    case 'list':
      return checkList(context, scope, node);
    case 'member':
      return checkMember(context, scope, node);
    case 'index':
      return checkIndex(context, scope, node);
    case 'call':
      return checkCall(context, scope, node);
    case 'unary':
      return checkUnary(context, scope, node);
    case 'binary':
      return checkBinary(context, scope, node);
    case 'conditional':
      return checkConditional(context, scope, node);
    case 'arrow':
      context.error('SYNTAX', 'a function may only stand as an argument', span);
      return unknownTerm(span);
    case 'access':
      context.error('SYNTAX', 'elements of tensors are for index kernels only', span);
      return unknownTerm(span);
  }
}

/** What stands for an expression that could not be understood. */
export function unknownTerm(span: Span): Term {
  return { kind: 'literal', value: null, span, type: UNKNOWN };
}

function checkName(context: CheckContext, scope: Scope, name: string, span: Span): Term {
  const binding = scope.lookup(name);
  if (binding !== undefined) {
    context.used.add(binding);
    return { kind: 'reference', binding, span, type: scope.typeOf(binding) };
  }
  const hint = context.vocabulary.ops.has(name) ? `${name} is an op: call it` : didYouMean(name, scope.names);
  context.error('UNKNOWN_NAME', `unknown name '${name}'`, span, hint);
  return unknownTerm(span);
}

function checkList(context: CheckContext, scope: Scope, node: List): Term {
  const items = node.items.map((item) => checkItem(context, scope, item));
  const types = items.map(({ value, spread }) => (spread ? spreadType(context, value) : value.type));
  const of = types.length === 0 ? UNKNOWN : types.map(withoutLiteral).reduce(joinTypes);
  const length = items.some((item) => item.spread) ? undefined : items.length;
  return { kind: 'list', items, span: node.span, type: listOf(of, length) };
}

/** In lists of numbers, which numbers they are does not matter. */
function withoutLiteral(type: Type): Type {
  return type.kind === 'number' ? NUMBER : type;
}

function checkItem(context: CheckContext, scope: Scope, item: Item): { readonly value: Term; readonly spread: boolean } {
  if (item.kind === 'spread') return { value: checkExpression(context, scope, item.value), spread: true };
  return { value: checkExpression(context, scope, item), spread: false };
}

function spreadType(context: CheckContext, value: Term): Type {
  if (value.type.kind === 'list') return value.type.of;
  if (value.type.kind !== 'unknown')
    context.error('TYPE', `only a list can be spread, not ${describeType(value.type)}`, value.span);
  return UNKNOWN;
}

function checkMember(context: CheckContext, scope: Scope, node: Member): Term {
  const object = checkExpression(context, scope, node.object);
  const { name, span } = node;
  if (object.type.kind === 'outputs') {
    const type = object.type.members.get(name);
    if (type !== undefined) return { kind: 'output', of: object, op: object.type.op, name, span, type };
  }
  const type = propertyType(context, object.type, name);
  if (type !== undefined) return { kind: 'property', object, name: type.name, span, type: type.type };
  if (object.type.kind !== 'unknown') {
    const known = propertiesOf(context, object.type);
    const absent = mayBeTensor(object.type) ? 'it may be absent: choose with present(...) first' : didYouMean(name, known);
    context.error('UNKNOWN_MEMBER', `${describeType(object.type)} has no '${name}'`, node.nameSpan, absent);
  }
  return unknownTerm(span);
}

const propertyNames: readonly PropertyName[] = ['shape', 'rank', 'dtype', 'strides', 'offset', 'length'];

function propertyType(context: CheckContext, type: Type, name: string): { name: PropertyName; type: Type } | undefined {
  const property = propertyNames.find((one) => one === name);
  if (property === undefined || !propertiesOf(context, type).includes(property)) return undefined;
  switch (property) {
    case 'shape':
    case 'strides':
      return { name: property, type: NUMBERS };
    case 'dtype':
      return { name: property, type: type.kind === 'tensor' ? { kind: 'dtype', term: type.dtype } : UNKNOWN };
    default:
      return { name: property, type: NUMBER };
  }
}

function propertiesOf(context: CheckContext, type: Type): readonly PropertyName[] {
  if (type.kind === 'unknown') return propertyNames;
  if (type.kind === 'tensor') return context.options.layouts ? propertyNames.slice(0, 5) : propertyNames.slice(0, 3);
  return optionsOf(type).every((option) => option.kind === 'list') ? ['length'] : [];
}

function checkIndex(context: CheckContext, scope: Scope, node: Index): Term {
  const object = checkExpression(context, scope, node.object);
  const index = context.require(checkExpression(context, scope, node.index), NUMBER, 'an index');
  const lists = optionsOf(object.type).map((option) => (option.kind === 'list' ? option.of : undefined));
  const entries = lists.filter((entry) => entry !== undefined);
  if (entries.length < lists.length && object.type.kind !== 'unknown') {
    const hint = mayBeTensor(object.type) ? 'take part of a tensor with slice or gather' : undefined;
    context.error('TYPE', `only a list has entries, not ${describeType(object.type)}`, node.object.span, hint);
  }
  const type = entries.length === 0 ? UNKNOWN : unionOf(entries);
  return { kind: 'element', object, index, span: node.span, type };
}

// ---- Operators --------------------------------------------------------------------------------------------------------------

function checkUnary(context: CheckContext, scope: Scope, node: Unary): Term {
  const operand = checkExpression(context, scope, node.operand);
  if (context.options.ops && operand.type.kind === 'tensor')
    return callOperator(context, unaryOps[node.operator], [operand], node.span);
  const wanted = node.operator === '-' ? NUMBER : BOOLEAN;
  const host = context.require(operand, wanted, `the operand of ${node.operator}`);
  return { kind: 'unary', operator: node.operator, operand: host, span: node.span, type: wanted };
}

function checkBinary(context: CheckContext, scope: Scope, node: Binary): Term {
  const { operator, span } = node;
  const left = checkExpression(context, scope, node.left);
  const inner = operator === '&&' || operator === '||' ? scope.narrow(factsOf(left, operator === '&&')) : scope;
  const right = checkExpression(context, inner, node.right);
  const isPresence = (operator === '==' || operator === '!=') && (left.type.kind === 'null' || right.type.kind === 'null');
  const op = operatorOps[operator];
  if (context.options.ops && op !== undefined && !isPresence && (mayBeTensor(left.type) || mayBeTensor(right.type))) {
    return callOperator(context, op, [left, right], span);
  }
  return hostBinary(context, operator, left, right, span, isPresence);
}

function callOperator(context: CheckContext, name: string, operands: readonly Term[], span: Span): Term {
  const op = context.vocabulary.ops.get(name);
  if (op !== undefined) return checkOpCall(context, op, operands, [], span);
  context.error('UNKNOWN_OP', `this operator needs the op '${name}', which the spec does not have`, span);
  return unknownTerm(span);
}

const arithmetic: ReadonlySet<BinaryOperator> = new Set<BinaryOperator>(['+', '-', '*', '/', '%', '**']);
const order: ReadonlySet<BinaryOperator> = new Set<BinaryOperator>(['<', '<=', '>', '>=']);

function hostBinary(
  context: CheckContext,
  operator: BinaryOperator,
  left: Term,
  right: Term,
  span: Span,
  isPresence: boolean,
): Term {
  const what = `an operand of ${operator}`;
  const make = (type: Type, operands: readonly [Term, Term]): Term => ({
    kind: 'binary',
    operator,
    left: operands[0],
    right: operands[1],
    span,
    type,
  });
  if (isPresence) return make(BOOLEAN, [left, right]);
  if (arithmetic.has(operator) || order.has(operator)) {
    const type = arithmetic.has(operator) ? NUMBER : BOOLEAN;
    return make(type, [context.require(left, NUMBER, what), context.require(right, NUMBER, what)]);
  }
  if (operator === '&&' || operator === '||') {
    return make(BOOLEAN, [context.require(left, BOOLEAN, what), context.require(right, BOOLEAN, what)]);
  }
  const operands = [context.requireHost(left, what), context.requireHost(right, what)] as const;
  if (operator === '??') {
    const given = optionsOf(left.type).filter((option) => option.kind !== 'null');
    return make(unionOf([...given, right.type]), operands);
  }
  checkComparable(context, operands[0], operands[1], span);
  return make(BOOLEAN, operands);
}

function checkComparable(context: CheckContext, left: Term, right: Term, span: Span): void {
  const overlap = optionsOf(left.type).some((one) =>
    optionsOf(right.type).some((other) => covers(one, other) || covers(other, one)),
  );
  // A rule is checked anew for the types of each call, and some of its cases are for other calls.
  if (overlap || context.rules.length > 0) return;
  context.error('TYPE', `${describeType(left.type)} is never equal to ${describeType(right.type)}`, span);
}

function checkConditional(context: CheckContext, scope: Scope, node: Conditional): Term {
  const condition = context.require(checkExpression(context, scope, node.condition), BOOLEAN, 'a condition');
  const [whenTrue, whenFalse] = [factsOf(condition, true), factsOf(condition, false)];
  const then = checkExpression(context, scope.narrow(whenTrue), node.then);
  const otherwise = checkExpression(context, scope.narrow(whenFalse), node.otherwise);
  const type = areImpossible(whenTrue)
    ? otherwise.type
    : areImpossible(whenFalse)
      ? then.type
      : joinTypes(then.type, otherwise.type);
  return { kind: 'conditional', condition, then, otherwise, span: node.span, type };
}

// ---- Calls ------------------------------------------------------------------------------------------------------------------

function checkCall(context: CheckContext, scope: Scope, node: Call): Term {
  const { callee, calleeSpan } = node;
  if (callee === 'present') return checkPresent(context, scope, node);
  const rule = context.vocabulary.rules.get(callee);
  const op = context.options.ops ? context.vocabulary.ops.get(callee) : undefined;
  const hostFunction = HOST_FUNCTIONS.get(callee);
  const takesArrow = node.arguments.some((argument) => argument.kind === 'arrow');
  if (hostFunction !== undefined && (op === undefined || takesArrow)) {
    return checkHostCall(context, scope, hostFunction, node);
  }
  if (rule !== undefined && op === undefined) return checkRuleCall(context, scope, rule, node);
  if (op === undefined) {
    const known = [
      ...HOST_FUNCTIONS.keys(),
      ...context.vocabulary.rules.keys(),
      ...(context.options.ops ? context.vocabulary.ops.keys() : []),
    ];
    const isOp = context.vocabulary.ops.has(callee);
    const hint = isOp ? 'ops cannot be called here: shapes are computed before tensors are' : didYouMean(callee, known);
    context.error('UNKNOWN_FUNCTION', `unknown function '${callee}'`, calleeSpan, hint);
    for (const argument of node.arguments) if (argument.kind !== 'arrow') checkItem(context, scope, argument);
    return unknownTerm(node.span);
  }
  const positional = node.arguments.map((argument) => checkPositional(context, scope, argument));
  if (hostFunction !== undefined && node.options.length === 0 && !positional.some((term) => holdsTensor(term.type))) {
    return checkHostCall(context, scope, hostFunction, node);
  }
  const named = node.options.map((option): NamedArgument => {
    const value = checkExpression(context, scope, option.value);
    return { name: option.name, span: option.nameSpan, value };
  });
  return checkOpCall(context, op, positional, named, node.span);
}

function checkPositional(context: CheckContext, scope: Scope, argument: Item): Term {
  if (argument.kind !== 'spread') return checkExpression(context, scope, argument);
  context.error('ARITY', 'the arguments of an op cannot be spread', argument.span);
  return unknownTerm(argument.span);
}

function holdsTensor(type: Type): boolean {
  return optionsOf(type).some((option) => option.kind === 'tensor' || (option.kind === 'list' && holdsTensor(option.of)));
}

function checkPresent(context: CheckContext, scope: Scope, node: Call): Term {
  const [argument] = node.arguments;
  const binding = argument?.kind === 'name' ? scope.lookup(argument.name) : undefined;
  if (argument?.kind !== 'name' || node.arguments.length !== 1) {
    context.error('ARITY', 'present takes the name of one argument', node.span);
    return unknownTerm(node.span);
  }
  if (binding === undefined) return checkName(context, scope, argument.name, argument.span);
  context.used.add(binding);
  return { kind: 'present', binding, span: node.span, type: BOOLEAN };
}
