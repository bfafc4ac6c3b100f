/**
 * Evaluates checked expressions over an algebra: host values through kernels/host.ts, ops through the algebra. It serves spec packs
 * loaded at run time and the generator's own checks; built-in ops run the TypeScript that typescript.ts writes, which means the same.
 */
import { at } from '../../kernels/host.js';
import { HOST_FUNCTIONS } from '../../kernels/host-functions.js';
import type { Algebra, Argument, AttrValue, OpDefinition, Value, ViewLayout } from '../../kernels/op.js';
import type { Op } from '../spec/model.js';
import type { CheckedRule } from './check-host.js';
import {
  type ApplyTerm,
  type ArrowTerm,
  type Binding,
  type HostOperator,
  type Line,
  returnedOutputs,
  type Term,
  type TermProgram,
} from './terms.js';

/** What has a shape and a dtype; views look at strides too. */
export type Tensor = Value & Partial<Pick<ViewLayout, 'strides' | 'offset'>>;

/** All results of one call. */
class Results<V> {
  readonly op: Op;
  readonly values: readonly V[];

  constructor(op: Op, values: readonly V[]) {
    this.op = op;
    this.values = values;
  }

  output(name: string): V {
    const value = this.values[this.op.outputs.findIndex((output) => output.name === name)];
    if (value === undefined) throw new TypeError(`${this.op.name} gave no ${name}`);
    return value;
  }
}

/** A value of an expression. Host functions take functions of such values. */
export type Evaluated<V> = AttrValue | V | Results<V> | readonly Evaluated<V>[] | ((...values: Evaluated<V>[]) => Evaluated<V>);

export interface Interpreter<V extends Tensor> {
  readonly rules: ReadonlyMap<string, CheckedRule>;
  /** Absent where only host values are computed. */
  readonly algebra?: Algebra<V>;
  definitionOf(op: Op): OpDefinition;
}

/** The values of bindings. Lines are evaluated when something first asks for them. */
export class Environment<V extends Tensor> {
  readonly #values: Map<Binding, Evaluated<V>>;
  readonly #lines: ReadonlyMap<Binding, Term>;
  readonly #outer: Environment<V> | undefined;

  constructor(values: Iterable<readonly [Binding, Evaluated<V>]>, lines: readonly Line[] = [], outer?: Environment<V>) {
    this.#values = new Map(values);
    this.#lines = new Map(lines.map((line) => [line.binding, line.value]));
    this.#outer = outer;
  }

  valueOf(binding: Binding, interpreter: Interpreter<V>): Evaluated<V> {
    if (this.#values.has(binding)) return this.#values.get(binding);
    const line = this.#lines.get(binding);
    if (line !== undefined) {
      const value = evaluate(line, this, interpreter);
      this.#values.set(binding, value);
      return value;
    }
    return this.#outer?.valueOf(binding, interpreter);
  }
}

/** The results of a program, whose inputs and attributes are in the environment. */
export function evaluateProgram<V extends Tensor>(
  program: TermProgram,
  values: Iterable<readonly [Binding, Evaluated<V>]>,
  interpreter: Interpreter<V>,
): readonly Evaluated<V>[] {
  const environment = new Environment<V>(values, program.lines);
  return program.results.map((result) => evaluate(result, environment, interpreter));
}

export function evaluate<V extends Tensor>(term: Term, environment: Environment<V>, interpreter: Interpreter<V>): Evaluated<V> {
  const inner = (child: Term): Evaluated<V> => evaluate(child, environment, interpreter);
  switch (term.kind) {
    case 'literal':
      return term.value;
    case 'reference':
      return environment.valueOf(term.binding, interpreter);
    case 'present':
      return !isAbsent(environment.valueOf(term.binding, interpreter));
    case 'list':
      return term.items.flatMap(({ value, spread }) => (spread ? listOf(inner(value)) : [inner(value)]));
    case 'property':
      return property(inner(term.object), term.name);
    case 'element':
      return at(listOf(inner(term.object)), numberOf(inner(term.index)));
    case 'unary':
      return term.operator === '!' ? inner(term.operand) !== true : -numberOf(inner(term.operand));
    case 'binary':
      return binary(
        term.operator,
        () => inner(term.left),
        () => inner(term.right),
      );
    case 'conditional':
      return inner(term.condition) === true ? inner(term.then) : inner(term.otherwise);
    case 'arrow':
      return closure(term, environment, interpreter);
    case 'host':
      return hostCall(term.name, term.arguments, inner);
    case 'rule':
      return ruleCall(term.rule.name, term.arguments.map(inner), interpreter);
    case 'apply':
      return returned(apply(term, inner, interpreter));
    case 'output': {
      const of = term.of.kind === 'apply' ? apply(term.of, inner, interpreter) : inner(term.of);
      if (of instanceof Results) return of.output(term.name);
      throw new TypeError(`there are no results to take ${term.name} from`);
    }
  }
}

// ---- Host values ------------------------------------------------------------------------------------------------------------

function isAbsent<V>(value: Evaluated<V>): value is null | undefined {
  return value === null || value === undefined;
}

export function isTensor<V extends Tensor>(value: Evaluated<V>): value is V {
  return typeof value === 'object' && value !== null && !isList(value) && !(value instanceof Results);
}

function isList<V>(value: Evaluated<V>): value is readonly Evaluated<V>[] {
  return Array.isArray(value);
}

export function listOf<V>(value: Evaluated<V>): readonly Evaluated<V>[] {
  if (isList(value)) return value;
  throw new TypeError(`a list is needed, not ${String(value)}`);
}

export function numberOf<V>(value: Evaluated<V>): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`a number is needed, not ${String(value)}`);
}

function property<V extends Tensor>(object: Evaluated<V>, name: string): Evaluated<V> {
  if (isList(object) && name === 'length') return object.length;
  if (!isTensor(object)) throw new TypeError(`a tensor is needed to have a ${name}`);
  switch (name) {
    case 'shape':
      return object.shape;
    case 'rank':
      return object.shape.length;
    case 'dtype':
      return object.dtype;
    case 'strides':
      return object.strides;
    default:
      return object.offset;
  }
}

const arithmetic: Readonly<Partial<Record<HostOperator, (left: number, right: number) => number | boolean>>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  '**': (left, right) => left ** right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

function binary<V>(operator: HostOperator, left: () => Evaluated<V>, right: () => Evaluated<V>): Evaluated<V> {
  const compute = arithmetic[operator];
  if (compute !== undefined) return compute(numberOf(left()), numberOf(right()));
  switch (operator) {
    case '&&':
      return left() === true && right() === true;
    case '||':
      return left() === true || right() === true;
    case '??': {
      const value = left();
      return isAbsent(value) ? right() : value;
    }
    case '!=':
      return !same(left(), right());
    default:
      return same(left(), right());
  }
}

function same<V>(left: Evaluated<V>, right: Evaluated<V>): boolean {
  if (isAbsent(left) || isAbsent(right)) return isAbsent(left) && isAbsent(right);
  if (!isList(left) || !isList(right)) return left === right;
  return left.length === right.length && left.every((value, index) => same(value, right[index]));
}

function closure<V extends Tensor>(
  arrow: ArrowTerm,
  environment: Environment<V>,
  interpreter: Interpreter<V>,
): (...values: Evaluated<V>[]) => Evaluated<V> {
  return (...values) => {
    const bound = arrow.parameters.map((parameter, index) => [parameter, values[index]] as const);
    return evaluate(arrow.body, new Environment<V>(bound, [], environment), interpreter);
  };
}

function hostCall<V>(name: string, terms: readonly Term[], inner: (term: Term) => Evaluated<V>): Evaluated<V> {
  const called = HOST_FUNCTIONS.get(name);
  if (called === undefined) throw new TypeError(`no host function is called ${name}`);
  const rest = called.parameters.findIndex((parameter) => parameter.rest);
  const values = terms.flatMap((term, index) =>
    rest >= 0 && index >= rest && isSpread(term) ? listOf(inner(term)) : [inner(term)],
  );
  const result: unknown = called.apply(...values);
  if (isEvaluated<V>(result)) return result;
  throw new TypeError(`${name} gave something that is no value of the language`);
}

/** A spread argument is checked into a list of that one spread. */
function isSpread(term: Term): boolean {
  return term.kind === 'list' && term.items.length === 1 && term.items[0]?.spread === true;
}

/** Host functions hand back numbers, words, lists and what they were given. */
function isEvaluated<V>(value: unknown): value is Evaluated<V> {
  return typeof value !== 'symbol' && typeof value !== 'bigint';
}

function ruleCall<V extends Tensor>(name: string, values: readonly Evaluated<V>[], interpreter: Interpreter<V>): Evaluated<V> {
  const rule = interpreter.rules.get(name);
  if (rule === undefined) throw new TypeError(`no rule is called ${name}`);
  const bound = rule.parameters.map((parameter, index) => [parameter, values[index]] as const);
  return evaluate(rule.body, new Environment<V>(bound), interpreter);
}

// ---- Ops --------------------------------------------------------------------------------------------------------------------

function apply<V extends Tensor>(term: ApplyTerm, inner: (term: Term) => Evaluated<V>, interpreter: Interpreter<V>): Results<V> {
  if (interpreter.algebra === undefined) throw new TypeError(`${term.op.name} cannot be called where only host values are`);
  const inputs: Record<string, Argument<V | number>> = {};
  for (const [name, value] of term.inputs) inputs[name] = argumentOf(inner(value));
  const attrs: Record<string, AttrValue> = {};
  for (const [name, value] of term.attrs) attrs[name] = attrOf(inner(value));
  return new Results(term.op, interpreter.algebra.apply(interpreter.definitionOf(term.op), inputs, attrs));
}

function argumentOf<V extends Tensor>(value: Evaluated<V>): Argument<V | number> {
  if (isAbsent(value)) return undefined;
  if (isList(value)) return value.map((item) => operandOf<V>(item));
  return operandOf(value);
}

function operandOf<V extends Tensor>(value: Evaluated<V>): V | number {
  if (typeof value === 'boolean') return Number(value);
  return isTensor(value) ? value : numberOf(value);
}

function attrOf<V>(value: Evaluated<V>): AttrValue {
  if (isAttr(value)) return value;
  throw new TypeError('an attribute must be a host value');
}

/** `Attrs` speaks of host values; an algebra takes a value of its own for a scalar attribute (kernels/call.ts). */
function isAttr<V>(value: Evaluated<V>): value is AttrValue {
  return typeof value !== 'function' && !(value instanceof Results);
}

/** What a call gives to the expression around it: its output if it returns one, or all its results. */
function returned<V>(results: Results<V>): Evaluated<V> {
  const outputs = returnedOutputs(results.op);
  const [only] = outputs;
  if (only === undefined || outputs.length > 1) return results;
  return only.list ? results.values : results.output(only.name);
}
