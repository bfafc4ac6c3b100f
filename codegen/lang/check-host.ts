/**
 * Calls of host functions, whose types kernels/host-functions.ts states, and of the spec's own rules, which are checked anew for the
 * types of each call.
 */
import type { HostFunction, HostParameter, HostType } from '../../kernels/host-functions.js';
import type { Rule } from '../spec/model.js';
import type { Arrow, Call, Item } from './ast.js';
import { type CheckContext, checkExpression, unknownTerm } from './check-expression.js';
import { Scope } from './scope.js';
import type { Binding, Term } from './terms.js';
import {
  BOOLEAN,
  covers,
  describeType,
  joinTypes,
  listOf,
  NULL,
  NUMBER,
  STRING,
  type Type,
  tensorIn,
  UNKNOWN,
  UNKNOWN_DTYPE,
  unionOf,
} from './types.js';

/** What T and U stand for in one call. */
type Bound = Map<'T' | 'U', Type>;

export function checkHostCall(context: CheckContext, scope: Scope, called: HostFunction, node: Call): Term {
  if (node.options.length > 0) context.error('ARITY', `${called.name} takes no options`, node.options[0]!.span);
  const bound: Bound = new Map();
  const terms: Term[] = [];
  node.arguments.forEach((argument, index) => {
    const parameter = parameterAt(called.parameters, index);
    if (parameter === undefined) return;
    terms.push(checkArgument(context, scope, called, parameter, argument, bound));
  });
  checkCount(context, called, node);
  return { kind: 'host', name: called.name, arguments: terms, span: node.span, type: typeOf(called.result, bound) };
}

function parameterAt(parameters: readonly HostParameter[], index: number): HostParameter | undefined {
  const last = parameters.at(-1);
  return parameters[index] ?? (last?.rest ? last : undefined);
}

function checkCount(context: CheckContext, called: HostFunction, node: Call): void {
  const { parameters } = called;
  const least = parameters.filter((parameter) => !parameter.optional && !parameter.rest).length;
  const most = parameters.at(-1)?.rest ? Number.POSITIVE_INFINITY : parameters.length;
  const given = node.arguments.length;
  if (given >= least && given <= most) return;
  const names = parameters.map(({ name, optional, rest }) => `${rest ? '...' : ''}${name}${optional ? '?' : ''}`).join(', ');
  context.error('ARITY', `${called.name}(${names}) cannot take ${given} ${given === 1 ? 'argument' : 'arguments'}`, node.span);
}

function checkArgument(
  context: CheckContext,
  scope: Scope,
  called: HostFunction,
  parameter: HostParameter,
  argument: Item,
  bound: Bound,
): Term {
  const what = `${parameter.name} of ${called.name}`;
  if (argument.kind === 'spread') {
    if (!parameter.rest) context.error('ARITY', `${what} cannot be spread`, argument.span);
    const value = checkExpression(context, scope, argument.value);
    bind({ list: parameter.type }, value.type, bound);
    const type = value.type.kind === 'list' ? value.type : listOf(UNKNOWN);
    return { kind: 'list', items: [{ value, spread: true }], span: argument.span, type };
  }
  if (argument.kind === 'arrow') return checkArrow(context, scope, what, parameter.type, argument, bound);
  const value = checkExpression(context, scope, argument);
  // Lists of tensors may be taken apart: which tensor stands where is known beforehand.
  const host = context.requireHost(value, what);
  bind(parameter.type, host.type, bound);
  const wanted = typeOf(parameter.type, bound);
  if (!covers(wanted, host.type)) {
    context.error('TYPE', `${what} takes ${describeType(wanted)}, not ${describeType(host.type)}`, value.span);
  }
  return host;
}

function checkArrow(context: CheckContext, scope: Scope, what: string, type: HostType, arrow: Arrow, bound: Bound): Term {
  if (typeof type === 'string' || !('arrow' in type)) {
    context.error('TYPE', `${what} takes no function`, arrow.span);
    return unknownTerm(arrow.span);
  }
  if (arrow.parameters.length > type.arrow.length) {
    context.error('ARITY', `${what} is called with ${type.arrow.length} arguments`, arrow.parameters[type.arrow.length]!.span);
  }
  const parameters = arrow.parameters.map(({ name }, index): Binding => {
    const declared = type.arrow[index];
    return { name, type: declared === undefined ? UNKNOWN : typeOf(declared, bound), origin: 'parameter' };
  });
  const body = checkExpression(context, scope.with(parameters), arrow.body);
  const expected = typeOf(type.result, bound);
  // What stands for any type may be a tensor: of each entry, or of all where the entries are tensors.
  const isFree = type.result === 'U' || (type.result === 'T' && tensorIn(expected) !== undefined);
  const result = isFree ? body : context.require(body, expected, `what ${what} gives`);
  bind(type.result, result.type, bound);
  const wanted = parameters.map((parameter) => parameter.type);
  return {
    kind: 'arrow',
    parameters,
    body: result,
    span: arrow.span,
    type: { kind: 'function', parameters: wanted, result: result.type },
  };
}

/** Learns what T and U are from an argument. */
function bind(declared: HostType, given: Type, bound: Bound): void {
  if (declared === 'T' || declared === 'U') {
    const general = given.kind === 'number' ? NUMBER : given;
    const earlier = bound.get(declared);
    bound.set(declared, earlier === undefined ? general : joinTypes(earlier, general));
  } else if (typeof declared === 'object' && 'list' in declared && given.kind === 'list' && given.length !== 0) {
    bind(declared.list, given.of, bound);
  }
}

function typeOf(declared: HostType, bound: Bound): Type {
  switch (declared) {
    case 'int':
    case 'number':
      return NUMBER;
    case 'boolean':
      return BOOLEAN;
    case 'string':
      return STRING;
    case 'dtype':
      return { kind: 'dtype', term: UNKNOWN_DTYPE };
    case 'null':
      return NULL;
    case 'any':
      return UNKNOWN;
    case 'T':
    case 'U':
      return bound.get(declared) ?? UNKNOWN;
  }
  if ('list' in declared) return listOf(typeOf(declared.list, bound));
  if ('either' in declared) return unionOf(declared.either.map((option) => typeOf(option, bound)));
  const parameters = declared.arrow.map((parameter) => typeOf(parameter, bound));
  return { kind: 'function', parameters, result: typeOf(declared.result, bound) };
}

// ---- Rules ------------------------------------------------------------------------------------------------------------------

export function checkRuleCall(context: CheckContext, scope: Scope, rule: Rule, node: Call): Term {
  const given = node.arguments.map((argument) => hostArgument(context, scope, rule, argument));
  if (given.length !== rule.parameters.length || node.options.length > 0) {
    const names = rule.parameters.map(({ name }) => name).join(', ');
    context.error('ARITY', `${rule.name}(${names}) cannot take ${given.length} arguments`, node.span);
    return unknownTerm(node.span);
  }
  const { body } = instantiateRule(
    context,
    rule,
    given.map((term) => term.type),
  );
  return { kind: 'rule', rule, arguments: given, span: node.span, type: body.type };
}

function hostArgument(context: CheckContext, scope: Scope, rule: Rule, argument: Item): Term {
  if (argument.kind === 'spread' || argument.kind === 'arrow') {
    context.error('TYPE', `an argument of ${rule.name} must be a value`, argument.span);
    return unknownTerm(argument.span);
  }
  return context.requireHost(checkExpression(context, scope, argument), `an argument of ${rule.name}`);
}

export interface CheckedRule {
  readonly rule: Rule;
  readonly parameters: readonly Binding[];
  readonly body: Term;
}

/** The rule's body for parameters of these types. */
export function instantiateRule(context: CheckContext, rule: Rule, types: readonly Type[]): CheckedRule {
  const parameters = rule.parameters.map(
    ({ name }, index): Binding => ({ name, type: types[index] ?? UNKNOWN, origin: 'parameter' }),
  );
  if (context.rules.includes(rule.name)) {
    context.error('RECURSION', `the rule ${rule.name} calls itself: ${[...context.rules, rule.name].join(' -> ')}`, rule.span);
    return { rule, parameters, body: unknownTerm(rule.span) };
  }
  const inside = context.insideRule(rule.name);
  const body = checkExpression(inside, new Scope().with(parameters), rule.define);
  return { rule, parameters, body };
}
