/**
 * What an op's inputs and attributes stand for in a call of it, as terms: inputs that are left out are null, attributes have their
 * defaults and the one form that the op's expressions expect. kernels/call.ts does the same to values.
 */
import type { AttrType } from '../../kernels/op.js';
import type { Attribute } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { CheckedOp } from './check.js';
import type { Substitution, TermGraph } from './term-graph.js';
import type { ApplyTerm, Binding, Term } from './terms.js';
import { BOOLEAN, NUMBER, NUMBERS, optionsOf, type Type } from './types.js';

export function callArguments(graph: TermGraph, callee: CheckedOp, call: ApplyTerm): Substitution {
  const values = new Map<Binding, Term>();
  const presence = new Map<Binding, Term>();
  for (const [name, binding] of callee.bindings.inputs) {
    const value = call.inputs.get(name) ?? graph.literal(null, call.span);
    values.set(binding, value);
    presence.set(binding, isGiven(graph, value));
  }
  const form = new OneForm(graph, callee, values);
  for (const attr of callee.op.attrs) {
    const given = call.attrs.get(attr.name) ?? constant(graph, attr.default, call.span);
    const fitted = form.of(attr.type, given);
    for (const group of [callee.bindings.attrs, callee.bindings.scalars]) {
      const binding = group.get(attr.name);
      if (binding !== undefined) values.set(binding, fitted);
    }
  }
  return { values, presence };
}

/** Whether the value of an argument is there. */
function isGiven(graph: TermGraph, value: Term): Term {
  const { span } = value;
  const mayBeAbsent = optionsOf(value.type).some((option) => option.kind === 'null');
  if (!mayBeAbsent || value.kind === 'literal') return graph.literal(!mayBeAbsent, span);
  if (value.kind === 'reference') return graph.intern({ kind: 'present', binding: value.binding, span, type: BOOLEAN });
  return graph.binary('!=', value, graph.literal(null, span), BOOLEAN, span);
}

function constant(graph: TermGraph, value: Attribute['default'], span: Span): Term {
  if (typeof value !== 'object' || value === null) return graph.literal(value ?? null, span);
  const items = value.map((item) => constant(graph, item, span));
  return graph.list(items, span);
}

/** Attributes in the one form that the callee's expressions expect. */
class OneForm {
  readonly #graph: TermGraph;
  readonly #callee: CheckedOp;
  readonly #inputs: ReadonlyMap<Binding, Term>;

  constructor(graph: TermGraph, callee: CheckedOp, inputs: ReadonlyMap<Binding, Term>) {
    this.#graph = graph;
    this.#callee = callee;
    this.#inputs = inputs;
  }

  of(type: AttrType, given: Term): Term {
    const { span } = given;
    switch (type.kind) {
      case 'pair':
        return given.type.kind === 'number' ? this.#graph.list([given, given], span) : given;
      case 'axis':
        return this.#axis(given, () => this.#rankOf(type.of, span, type.extra));
      case 'axes':
        return this.#axes(given, () => this.#rankOf(type.of, span));
      case 'list': {
        const { of } = type;
        return of.kind === 'axis' ? this.#axisList(given, () => this.#rankOf(of.of, span)) : given;
      }
      case 'union': {
        const option = type.options.find((one) => mayNameAxes(one, given.type));
        return option === undefined ? given : this.of(option, given);
      }
      default:
        return given;
    }
  }

  #axes(given: Term, rank: () => Term): Term {
    if (given.kind === 'literal' && given.value === null) return this.#graph.host('range', [rank()], NUMBERS, given.span);
    return given.type.kind === 'number' ? this.#graph.list([this.#axis(given, rank)], given.span) : this.#axisList(given, rank);
  }

  #axisList(given: Term, rank: () => Term): Term {
    const graph = this.#graph;
    const { span } = given;
    if (isNormalised(given)) return given;
    if (given.kind === 'list' && given.items.every((item) => !item.spread)) {
      const items = given.items.map((item) => this.#axis(item.value, rank));
      return graph.list(items, span);
    }
    const parameter: Binding = { name: 'axis', type: NUMBER, origin: 'parameter' };
    const body = this.#axis(graph.reference(parameter, span), rank);
    const type: Type = { kind: 'function', parameters: [NUMBER], result: NUMBER };
    const arrow = graph.intern({ kind: 'arrow', parameters: [parameter], body, span, type });
    return graph.host('each', [given, arrow], NUMBERS, span);
  }

  /** Counted from the front. */
  #axis(given: Term, rank: () => Term): Term {
    const graph = this.#graph;
    const { span } = given;
    if (isNormalised(given)) return given;
    if (given.kind === 'literal' && typeof given.value === 'number') {
      return graph.binary('-', rank(), graph.literal(-given.value, span), NUMBER, span);
    }
    const isNegative = graph.binary('<', given, graph.literal(0, span), BOOLEAN, span);
    return graph.conditional(isNegative, graph.binary('+', given, rank(), NUMBER, span), given, NUMBER, span);
  }

  #rankOf(input: string, span: Span, extra = 0): Term {
    const graph = this.#graph;
    const binding = this.#callee.bindings.inputs.get(input);
    const value = binding && this.#inputs.get(binding);
    if (value === undefined) throw new TypeError(`${this.#callee.op.name} has no input ${input}`);
    const one = value.type.kind === 'list' ? graph.element(value, graph.literal(0, span), value.type.of, span) : value;
    const rank = graph.property(one, 'rank', NUMBER, span);
    return extra === 0 ? rank : graph.binary('+', rank, graph.literal(extra, span), NUMBER, span);
  }
}

/** Whether a value of the one type, given for the other, names axes. */
function mayNameAxes(type: AttrType, given: Type): boolean {
  if (type.kind === 'axes') return true;
  return type.kind === 'axis'
    ? given.kind === 'number'
    : type.kind === 'list' && type.of.kind === 'axis' && given.kind === 'list';
}

/** Attributes of type axis or axes have been counted from the front; so have lists made of these. */
function isNormalised(term: Term): boolean {
  if (term.kind === 'list') return term.items.every((item) => isNormalised(item.value));
  if (term.kind === 'literal') return typeof term.value === 'number' && term.value >= 0;
  if (term.kind === 'host') return term.name === 'range';
  return term.kind === 'reference' && term.binding.origin === 'attribute' && term.binding.normalised === true;
}
