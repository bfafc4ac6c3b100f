/**
 * Terms as a graph: equal terms are one object, lines are gone (what they stood for stands in their place), and what is plainly
 * simpler is simplified while terms are made: conditions that are known, factors of one, summands of zero, shapes of results that the
 * op's shape rule gives from shapes of arguments. Only rewrites that hold for every value are made, NaN and infinities included.
 */

import { isComplex } from '../../kernels/host.js';
import type { Op } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import { callArguments } from './call-arguments.js';
import type { CheckedModel } from './check.js';
import { operatorOps, unaryOps } from './check-expression.js';
import { needsOnlyShapes } from './saved.js';
import {
  type ApplyTerm,
  type ArrowTerm,
  type Binding,
  bindingsOf,
  childTerms,
  type HostOperator,
  type Line,
  type PropertyName,
  returnedOutputs,
  type Term,
  type TermProgram,
} from './terms.js';
import { BOOLEAN, listOf, NULL, NUMBER, NUMBERS, optionsOf, STRING, type Type, tensor, UNKNOWN, UNKNOWN_DTYPE } from './types.js';

/** What bindings stand for when a program of one op is taken over into another's. */
export interface Substitution {
  readonly values: ReadonlyMap<Binding, Term>;
  /** Whether a binding was given, where that is not to be asked of its value. */
  readonly presence: ReadonlyMap<Binding, Term>;
}

const operatorOf = new Map(Object.entries(operatorOps).map(([operator, op]) => [op, operator as HostOperator]));
/** Shapes of more terms than this are read off the tensor. */
const longestShape = 80;
/** Lists of more entries than this are left to be gone through. */
const longestUnrolled = 8;

export class TermGraph {
  readonly #model: CheckedModel;
  readonly #known = new Map<string, Term>();
  readonly #ids = new Map<Term, number>();
  readonly #bindingIds = new Map<Binding, number>();
  readonly #shapes = new Map<Binding, Term>();
  readonly #properties = new Map<string, Term>();
  /** What the spec's author called a term. */
  readonly names = new Map<Term, string>();

  constructor(model: CheckedModel) {
    this.#model = model;
  }

  // ---- Identity

  intern(term: Term): Term {
    if (this.#ids.has(term)) return term;
    const key = this.#key(term);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, term);
    this.#ids.set(term, this.#ids.size);
    return term;
  }

  id(term: Term): number {
    const id = this.#ids.get(term);
    if (id === undefined) throw new TypeError('the term is not of this graph');
    return id;
  }

  #bindingId(binding: Binding): number {
    const id = this.#bindingIds.get(binding) ?? this.#bindingIds.size;
    this.#bindingIds.set(binding, id);
    return id;
  }

  #key(term: Term): string {
    const ids = childTerms(term)
      .map((child) => this.id(child))
      .join();
    return `${term.kind} ${this.#detail(term)} ${ids}`;
  }

  #detail(term: Term): string {
    switch (term.kind) {
      case 'literal':
        return `${typeof term.value} ${term.value}`;
      case 'reference':
      case 'present':
        return String(this.#bindingId(term.binding));
      case 'list':
        return term.items.map((item) => Number(item.spread)).join('');
      case 'property':
      case 'host':
      case 'output':
        return term.name;
      case 'unary':
      case 'binary':
        return term.operator;
      case 'rule':
        return term.rule.name;
      case 'arrow':
        return term.parameters.map((parameter) => this.#bindingId(parameter)).join();
      case 'apply':
        return [term.op.name, ...term.inputs.keys(), '|', ...term.attrs.keys()].join();
      default:
        return '';
    }
  }

  // ---- Making terms

  literal(value: number | boolean | string | null, span: Span): Term {
    const type: Type =
      value === null
        ? NULL
        : typeof value === 'number'
          ? { kind: 'number', literal: value }
          : typeof value === 'string'
            ? STRING
            : BOOLEAN;
    return this.intern({ kind: 'literal', value, span, type });
  }

  reference(binding: Binding, span: Span, type: Type = binding.type): Term {
    return this.intern({ kind: 'reference', binding, span, type });
  }

  list(items: readonly Term[], span: Span): Term {
    return this.intern({
      kind: 'list',
      items: items.map((value) => ({ value, spread: false })),
      span,
      type: listOf(items[0]?.type ?? UNKNOWN, items.length),
    });
  }

  host(name: string, terms: readonly Term[], type: Type, span: Span): Term {
    if (name === 'broadcast') return this.#broadcast(terms, type, span);
    const [first] = terms;
    if (name === 'isNumber' && first !== undefined && first.type.kind !== 'union' && first.type.kind !== 'unknown') {
      return this.literal(first.type.kind === 'number', span);
    }
    // Gradients that have a case for complex numbers lose it in ops that take none.
    if (name === 'isComplex' && first?.kind === 'property' && first.name === 'dtype' && this.#isReal(first.object)) {
      return this.literal(false, span);
    }
    const items = first && literalItems(first);
    const known = items && this.#ofItems(name, items, terms.slice(1), span);
    return known ?? this.intern({ kind: 'host', name, arguments: terms, span, type });
  }

  /** A host function of a list whose entries are written out. */
  #ofItems(name: string, items: readonly Term[], rest: readonly Term[], span: Span): Term | undefined {
    const [from, to] = rest;
    if (name === 'take' && from?.kind === 'literal' && to?.kind === 'literal') {
      return this.list(items.slice(Number(from.value), Number(to.value)), span);
    }
    if (name === 'total') {
      return items.reduce((sum, item) => this.binary('+', sum, item, NUMBER, span), this.literal(0, span));
    }
    if (name === 'each' && from?.kind === 'arrow' && items.length <= longestUnrolled) {
      return this.list(
        items.map((item, place) => this.#called(from, [item, this.literal(place, span)])),
        span,
      );
    }
    return name === 'count' && items.length === 1 ? items[0] : undefined;
  }

  /** What an arrow gives for arguments. */
  #called(arrow: ArrowTerm, given: readonly Term[]): Term {
    const values = new Map(arrow.parameters.map((parameter, index) => [parameter, given[index]!] as const));
    return this.#substitute(arrow.body, { values, presence: new Map() }, new Map());
  }

  #broadcast(terms: readonly Term[], type: Type, span: Span): Term {
    const flat = terms.flatMap((term) => (term.kind === 'host' && term.name === 'broadcast' ? term.arguments : [term]));
    // The order of shapes makes no difference: in one order, what is the same is found to be.
    const shapes = [...new Set(flat)]
      .filter((term) => !(term.kind === 'list' && term.items.length === 0))
      .sort((a, b) => this.id(a) - this.id(b));
    const [only] = shapes;
    if (only === undefined) return this.list([], span);
    return shapes.length === 1 ? only : this.intern({ kind: 'host', name: 'broadcast', arguments: shapes, span, type });
  }

  element(object: Term, index: Term, type: Type, span: Span): Term {
    const item = index.kind === 'literal' ? literalItems(object)?.[Number(index.value)] : undefined;
    return item ?? this.#elementOfCall(object, index, span) ?? this.intern({ kind: 'element', object, index, span, type });
  }

  /** One entry of a list that a function makes: the others need not be made. */
  #elementOfCall(object: Term, index: Term, span: Span): Term | undefined {
    if (object.kind !== 'host') return undefined;
    const [list, arrow] = object.arguments;
    if (object.name === 'range' && arrow === undefined) return index;
    if (object.name !== 'each' || list === undefined || arrow?.kind !== 'arrow') return undefined;
    const of = list.type.kind === 'list' ? list.type.of : UNKNOWN;
    return this.#called(arrow, [this.element(list, index, of, span), index]);
  }

  unary(operator: '-' | '!', operand: Term, span: Span): Term {
    if (operand.kind === 'literal' && operator === '!') return this.literal(operand.value !== true, span);
    if (operand.kind === 'literal' && typeof operand.value === 'number') return this.literal(-operand.value, span);
    if (operand.kind === 'unary' && operand.operator === operator) return operand.operand;
    return this.intern({ kind: 'unary', operator, operand, span, type: operator === '-' ? NUMBER : BOOLEAN });
  }

  binary(operator: HostOperator, left: Term, right: Term, type: Type, span: Span): Term {
    if (operator === '&&' || operator === '||') {
      const [known, other] = left.kind === 'literal' ? [left, right] : [right, left];
      if (known.kind === 'literal') return (known.value === true) === (operator === '&&') ? other : known;
    }
    if (operator === '==' || operator === '!=') {
      const equal = knownEquality(left, right);
      if (equal !== undefined) return this.literal(equal === (operator === '=='), span);
    }
    if (operator === '+' && (isNumber(left, 0) || isNumber(right, 0))) return isNumber(left, 0) ? right : left;
    if (left.kind === 'literal' && right.kind === 'literal') {
      const folded = foldNumbers(operator, left.value, right.value);
      if (folded !== undefined) return this.literal(folded, span);
    }
    if (operator === '??' && left.kind === 'literal') return left.value === null ? right : left;
    return this.intern({ kind: 'binary', operator, left, right, span, type });
  }

  conditional(condition: Term, then: Term, otherwise: Term, type: Type, span: Span): Term {
    if (condition.kind === 'literal') return condition.value === true ? then : otherwise;
    if (then === otherwise) return then;
    if (condition.kind === 'unary') return this.conditional(condition.operand, otherwise, then, type, span);
    // Within a branch the condition is known.
    if (then.kind === 'conditional' && then.condition === condition)
      return this.conditional(condition, then.then, otherwise, type, span);
    if (otherwise.kind === 'conditional' && otherwise.condition === condition) {
      return this.conditional(condition, then, otherwise.otherwise, type, span);
    }
    return this.intern({ kind: 'conditional', condition, then, otherwise, span, type });
  }

  output(of: Term, op: Op, name: string, type: Type, span: Span): Term {
    return this.intern({ kind: 'output', of, op, name, span, type });
  }

  property(object: Term, name: PropertyName, type: Type, span: Span): Term {
    const key = `${name} ${this.id(object)}`;
    const known = this.#properties.get(key);
    if (known !== undefined) return known;
    const made = this.#shortProperty(object, name, span) ?? this.intern({ kind: 'property', object, name, span, type });
    this.#properties.set(key, made);
    return made;
  }

  /** The property in terms of arguments' properties, so that nothing is computed for the sake of its shape. */
  #shortProperty(object: Term, name: PropertyName, span: Span): Term | undefined {
    if (name === 'length') return this.#lengthOf(object, span);
    if (name === 'shape') {
      const shape = this.#shapeOf(object);
      return shape !== undefined && countOf(shape) <= longestShape ? shape : undefined;
    }
    if (name === 'rank') {
      const shape = this.#shapeOf(object);
      const isOwn = shape?.kind === 'property' && shape.object === object;
      return shape === undefined || isOwn ? undefined : this.property(shape, 'length', NUMBER, span);
    }
    return name === 'dtype' ? this.#dtypeOf(object) : undefined;
  }

  #lengthOf(list: Term, span: Span): Term | undefined {
    if (list.kind === 'list' && list.items.every((item) => !item.spread)) return this.literal(list.items.length, span);
    if (list.kind === 'property' && list.name === 'shape') return this.property(list.object, 'rank', NUMBER, span);
    const [first] = list.kind === 'host' ? list.arguments : [];
    const keepsLength = list.kind === 'host' && ['replace', 'each', 'reverse'].includes(list.name);
    return keepsLength && first !== undefined ? this.property(first, 'length', NUMBER, span) : undefined;
  }

  /** A call of an op, by name. */
  call(name: string, positional: Readonly<Record<string, Term>>, attrs: Readonly<Record<string, Term>>, span: Span): Term {
    const op = this.#model.model.ops.get(name);
    if (op === undefined) throw new MissingOp(name);
    const type = returnedOutputs(op)[0]?.list ? listOf(tensor(UNKNOWN_DTYPE)) : tensor(UNKNOWN_DTYPE);
    return this.apply({
      kind: 'apply',
      op,
      inputs: new Map(Object.entries(positional)),
      attrs: new Map(Object.entries(attrs)),
      span,
      type,
    });
  }

  /** A call of an op on tensors, with the op's own inputs in their order. */
  callInOrder(name: string, terms: readonly Term[], span: Span): Term {
    const op = this.#model.model.ops.get(name);
    if (op === undefined) throw new MissingOp(name);
    return this.call(name, Object.fromEntries(op.inputs.map((input, index) => [input.name, terms[index]!])), {}, span);
  }

  apply(term: ApplyTerm): Term {
    return (
      this.#onNumbers(term) ??
      this.#withoutNeutral(term) ??
      this.#summed(term) ??
      this.#conjugate(term) ??
      this.#ofShapes(term) ??
      this.intern(term)
    );
  }

  /** The conjugate of what can only be real is itself: gradients of real ops do not speak of it. */
  #conjugate(term: ApplyTerm): Term | undefined {
    const [operand] = term.inputs.values();
    return term.op.name === 'conj' && operand !== undefined && this.#isReal(operand) ? operand : undefined;
  }

  readonly #realTerms = new Map<Term, boolean>();

  #isReal(term: Term): boolean {
    let known = this.#realTerms.get(term);
    if (known === undefined) {
      known = optionsOf(term.type).every((type) => this.#isRealType(type, term));
      this.#realTerms.set(term, known);
    }
    return known;
  }

  #isRealType(type: Type, term: Term): boolean {
    if (type.kind !== 'tensor') return type.kind === 'number' || type.kind === 'boolean';
    const { dtype } = type;
    if (dtype.kind === 'concrete') return !isComplex(dtype.dtype);
    if (dtype.kind === 'variable' && dtype.dtypes.length > 0 && !dtype.dtypes.some(isComplex)) return true;
    if (dtype.kind === 'weak' || term.kind !== 'apply') return dtype.kind === 'weak';
    // What the term's own type leaves open follows from the inputs, where the op's output has their dtype.
    const [output] = term.op.outputs;
    return output?.dtype.kind === 'name' && [...term.inputs.values()].every((input) => this.#isReal(input));
  }

  /** A call that needs of its arguments but their shapes gives way to the definition, which shows that it does. */
  #ofShapes(term: ApplyTerm): Term | undefined {
    const callee = this.#model.ops.get(term.op.name);
    if (callee?.define === undefined || !needsOnlyShapes(callee) || callee.op.outputs.length > 1) return undefined;
    return this.adopt(callee.define, callArguments(this, callee, term))[0];
  }

  /** Nothing is summed where shapes are known to be the same, and sums of sums are one. */
  #summed(term: ApplyTerm): Term | undefined {
    if (term.op.name !== 'sumTo') return undefined;
    const [[input, inner] = [], [, shape] = []] = [[...term.inputs][0], [...term.attrs][0]];
    if (input === undefined || inner === undefined || shape === undefined) return undefined;
    if (this.property(inner, 'shape', NUMBERS, term.span) === shape) return inner;
    const [summed] = inner.kind === 'apply' && inner.op === term.op ? inner.inputs.values() : [];
    return summed && this.apply({ ...term, inputs: new Map([[input, summed]]) });
  }

  /** Operators whose operands turned out to be numbers are host arithmetic. */
  #onNumbers(term: ApplyTerm): Term | undefined {
    const operands = [...term.inputs.values()];
    const isHost = (operand: Term): boolean =>
      optionsOf(operand.type).every(({ kind }) => kind === 'number' || kind === 'boolean');
    if (term.op.name === 'where' && operands[0] !== undefined && isHost(operands[0])) {
      return this.conditional(operands[0], operands[1]!, operands[2]!, term.type, term.span);
    }
    if (operands.length === 0 || !operands.every(isHost)) return undefined;
    const operator = operatorOf.get(term.op.name);
    const [left, right] = operands;
    if (operator !== undefined && left !== undefined && right !== undefined) {
      const isNumber = ['+', '-', '*', '/', '%', '**'].includes(operator);
      return this.binary(operator, left, right, isNumber ? NUMBER : BOOLEAN, term.span);
    }
    return term.op.name === unaryOps['-'] && left !== undefined ? this.unary('-', left, term.span) : undefined;
  }

  #withoutNeutral(term: ApplyTerm): Term | undefined {
    const [left, right] = [...term.inputs.values()];
    if (left === undefined) return undefined;
    const { span } = term;
    switch (term.op.name) {
      case operatorOps['*']:
        return isNumber(right, 1)
          ? left
          : isNumber(left, 1)
            ? right
            : isNumber(right, -1)
              ? this.#negative(left, span)
              : undefined;
      case operatorOps['/']:
      case operatorOps['**']:
        return isNumber(right, 1) ? left : undefined;
      case operatorOps['+']:
        if (isNumber(right, 0)) return left;
        if (isNumber(left, 0)) return right;
        return this.#isNegative(right) ? this.callInOrder(operatorOps['-']!, [left, onlyInput(right)], span) : undefined;
      case operatorOps['-']:
        if (isNumber(right, 0)) return left;
        if (isNumber(left, 0) && right !== undefined) return this.#negative(right, span);
        return this.#isNegative(right) ? this.callInOrder(operatorOps['+']!, [left, onlyInput(right)], span) : undefined;
      case unaryOps['-']:
        return this.#isNegative(left) ? onlyInput(left) : undefined;
      default:
        return undefined;
    }
  }

  #negative(term: Term, span: Span): Term {
    return this.callInOrder(unaryOps['-'], [term], span);
  }

  #isNegative(term: Term | undefined): term is ApplyTerm {
    return term?.kind === 'apply' && term.op.name === unaryOps['-'];
  }

  // ---- Shapes and dtypes

  /** Says what the shape of an output, or of its gradient, is in terms of the op's arguments. */
  declareShape(binding: Binding, shape: Term): void {
    this.#shapes.set(binding, shape);
  }

  #shapeOf(term: Term): Term | undefined {
    const { span } = term;
    if (term.type.kind === 'number' || term.type.kind === 'boolean') return this.list([], span);
    switch (term.kind) {
      case 'reference': {
        const { origin } = term.binding;
        if (origin === 'scalar' || origin === 'attribute') return this.list([], span);
        const declared = this.#shapes.get(term.binding);
        if (declared !== undefined && countOf(declared) <= longestShape) return declared;
        return this.intern({ kind: 'property', object: term, name: 'shape', span, type: NUMBERS });
      }
      case 'conditional': {
        const [then, otherwise] = [this.#shapeOf(term.then), this.#shapeOf(term.otherwise)];
        if (then === undefined || otherwise === undefined) return undefined;
        return this.conditional(term.condition, then, otherwise, NUMBERS, span);
      }
      case 'apply': {
        const returned = returnedOutputs(term.op);
        return returned.length === 1 && returned[0] !== undefined ? this.#outputRule(term, returned[0].name, 'shape') : undefined;
      }
      case 'output':
        return term.of.kind === 'apply' ? this.#outputRule(term.of, term.name, 'shape') : undefined;
      default:
        return undefined;
    }
  }

  #dtypeOf(term: Term): Term | undefined {
    if (term.kind === 'apply') {
      const [only] = returnedOutputs(term.op);
      return only && this.#outputRule(term, only.name, 'dtype');
    }
    return term.kind === 'output' && term.of.kind === 'apply' ? this.#outputRule(term.of, term.name, 'dtype') : undefined;
  }

  /** An output's shape or dtype, by the callee's rule. */
  #outputRule(call: ApplyTerm, name: string, what: 'shape' | 'dtype'): Term | undefined {
    const callee = this.#model.ops.get(call.op.name);
    const index = call.op.outputs.findIndex((output) => output.name === name);
    const output = call.op.outputs[index];
    const rule = callee?.outputs[index];
    if (callee === undefined || output === undefined || rule === undefined || output.list || output.dataSized) return undefined;
    return this.adopt({ lines: callee.lets, results: [rule[what]] }, callArguments(this, callee, call))[0];
  }

  // ---- Taking over terms

  /** A program's results in this graph, with its bindings replaced and its lines put where they are used. */
  adopt(program: TermProgram, substitution: Substitution): readonly Term[] {
    const values = new Map(substitution.values);
    const memo = new Map<Term, Term>();
    const inside = { values, presence: substitution.presence };
    for (const line of program.lines) this.#adoptLine(line, values, (term) => this.#substitute(term, inside, memo));
    return program.results.map((result) => this.#substitute(result, inside, memo));
  }

  #adoptLine(line: Line, values: Map<Binding, Term>, substitute: (term: Term) => Term): void {
    const value = substitute(line.value);
    values.set(line.binding, value);
    const isLeaf = value.kind === 'reference' || value.kind === 'literal';
    if (!isLeaf && !this.names.has(value)) this.names.set(value, line.binding.name);
  }

  #substitute(term: Term, substitution: Substitution, memo: Map<Term, Term>): Term {
    const known = memo.get(term);
    if (known !== undefined) return known;
    const replaced = this.#replaced(term, substitution, (child) => this.#substitute(child, substitution, memo));
    memo.set(term, replaced);
    return replaced;
  }

  #replaced(term: Term, substitution: Substitution, inner: (term: Term) => Term): Term {
    switch (term.kind) {
      case 'reference':
        return substitution.values.get(term.binding) ?? this.intern(term);
      case 'present':
        return substitution.presence.get(term.binding) ?? this.intern(term);
      case 'conditional': {
        // A branch that is never taken may refer to what was not given.
        const condition = inner(term.condition);
        if (condition.kind === 'literal') return inner(condition.value === true ? term.then : term.otherwise);
        return this.conditional(condition, inner(term.then), inner(term.otherwise), term.type, term.span);
      }
      case 'arrow':
        return this.#arrow(term, substitution);
      default:
        return this.rebuild(term, inner);
    }
  }

  /** Parameters are renamed where a value put into the body refers to bindings of the same arrow. */
  #arrow(term: ArrowTerm, substitution: Substitution): Term {
    const outside = bindingsOf(...substitution.values.values());
    if (!term.parameters.some((parameter) => outside.has(parameter))) {
      return this.rebuild(term, (body) => this.#substitute(body, substitution, new Map()));
    }
    const parameters = term.parameters.map((parameter): Binding => ({ ...parameter }));
    const renamed = term.parameters.map(
      (parameter, index) => [parameter, this.reference(parameters[index]!, term.span)] as const,
    );
    const values = new Map([...substitution.values, ...renamed]);
    const body = this.#substitute(term.body, { values, presence: substitution.presence }, new Map());
    return this.intern({ ...term, parameters, body });
  }

  /** The same term over other children, which are of this graph. */
  rebuild(term: Term, child: (term: Term) => Term): Term {
    const { type, span } = term;
    switch (term.kind) {
      case 'literal':
      case 'reference':
      case 'present':
        return this.intern(term);
      case 'list':
        return this.intern({ ...term, items: term.items.map((item) => ({ value: child(item.value), spread: item.spread })) });
      case 'property':
        return this.property(child(term.object), term.name, type, span);
      case 'element':
        return this.element(child(term.object), child(term.index), type, span);
      case 'unary':
        return this.unary(term.operator, child(term.operand), span);
      case 'binary':
        return this.binary(term.operator, child(term.left), child(term.right), type, span);
      case 'conditional':
        return this.conditional(child(term.condition), child(term.then), child(term.otherwise), type, span);
      case 'arrow':
        return this.intern({ ...term, body: child(term.body) });
      case 'host':
        return this.host(term.name, term.arguments.map(child), type, span);
      case 'rule':
        return this.intern({ ...term, arguments: term.arguments.map(child) });
      case 'output':
        return this.output(child(term.of), term.op, term.name, type, span);
      case 'apply': {
        const over = (terms: ReadonlyMap<string, Term>) => new Map([...terms].map(([name, value]) => [name, child(value)]));
        const inputs = new Map([...over(term.inputs)].filter(([, value]) => value.type.kind !== 'null'));
        return this.apply({ ...term, inputs, attrs: over(term.attrs) });
      }
    }
  }
}

/** An op that derived gradients are written with, but that the spec lacks. */
export class MissingOp extends Error {
  readonly op: string;

  constructor(op: string) {
    super(`the spec has no op '${op}'`);
    this.op = op;
  }
}

/** The entries of a list that is written out. */
export function literalItems(term: Term): readonly Term[] | undefined {
  return term.kind === 'list' && term.items.every((item) => !item.spread) ? term.items.map((item) => item.value) : undefined;
}

function isNumber(term: Term | undefined, value: number): boolean {
  return term?.kind === 'literal' && term.value === value;
}

function onlyInput(term: ApplyTerm): Term {
  const [input] = term.inputs.values();
  if (input === undefined) throw new TypeError(`${term.op.name} has no input`);
  return input;
}

/** Whether two terms are equal, where that can be told. */
function knownEquality(left: Term, right: Term): boolean | undefined {
  if (left.kind === 'literal' && right.kind === 'literal') return left.value === right.value;
  const isNull = (term: Term): boolean => term.kind === 'literal' && term.value === null;
  const other = isNull(left) ? right : isNull(right) ? left : undefined;
  if (other === undefined || optionsOf(other.type).some(({ kind }) => kind === 'null' || kind === 'unknown')) return undefined;
  return false;
}

function foldNumbers(operator: HostOperator, left: unknown, right: unknown): number | boolean | undefined {
  if (typeof left !== 'number' || typeof right !== 'number') return undefined;
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    default:
      return undefined;
  }
}

/** How many terms a term is made of, shared ones counted once. */
function countOf(term: Term): number {
  const seen = new Set<Term>();
  const visit = (one: Term): void => {
    if (seen.has(one)) return;
    seen.add(one);
    childTerms(one).forEach(visit);
  };
  visit(term);
  return seen.size;
}
