/**
 * Reverse mode over a graph of terms: gradients are handed on from results to what they are made of, each kind of term by its rule, each
 * call of an op by that op's own gradient. Branches of conditions keep to themselves: a gradient carries the conditions under which the
 * term that it belongs to is evaluated at all.
 */
import type { Span } from '../spec/source.js';
import { callArguments } from './call-arguments.js';
import type { CheckedModel, CheckedOp } from './check.js';
import { literalItems, MissingOp, type TermGraph } from './term-graph.js';
import {
  type ApplyTerm,
  type ArrowTerm,
  type Binding,
  bindingsOf,
  childTerms,
  freeParameters,
  returnedOutputs,
  type Term,
  type TermProgram,
} from './terms.js';
import { BOOLEAN, listOf, NUMBER, type Type, tensor, tensorIn, UNKNOWN_DTYPE } from './types.js';

/** What an op's gradient for one input is: a program, nothing (integers, `none`), or something that the spec lacks. */
export type GradientRule = (callee: CheckedOp, input: string) => TermProgram | 'none' | 'missing';

/** A condition that must come out so for a term to be evaluated. */
interface Guard {
  readonly condition: Term;
  readonly truth: boolean;
}

/** Part of the gradient of a term, there where its guards hold. */
export interface Contribution {
  readonly guards: readonly Guard[];
  readonly gradient: Term;
}

/** Gradients of some outputs of one call, by name. */
interface CallContribution {
  readonly guards: readonly Guard[];
  readonly gradients: ReadonlyMap<string, Term>;
}

/** Why a gradient cannot be derived, and at what. */
export class Underivable extends Error {
  readonly span: Span;

  constructor(message: string, span: Span) {
    super(message);
    this.span = span;
  }
}

/** What arrives at a leaf. */
export interface Collected {
  readonly leaf: Term;
  readonly contributions: readonly Contribution[];
}

/** Reverse mode over a graph of terms, from the terms that were given a gradient to the leaves. */
export class ReverseMode {
  readonly #model: CheckedModel;
  readonly #graph: TermGraph;
  readonly #rule: GradientRule;
  readonly #isLeaf: (term: Term) => boolean;
  readonly #contributions = new Map<Term, Contribution[]>();
  /** Gradients of calls, by output. */
  readonly #outputs = new Map<ApplyTerm, Map<string, readonly Contribution[]>>();
  readonly #active = new Map<Term, boolean>();

  constructor(model: CheckedModel, graph: TermGraph, rule: GradientRule, isLeaf: (term: Term) => boolean) {
    this.#model = model;
    this.#graph = graph;
    this.#rule = rule;
    this.#isLeaf = isLeaf;
  }

  add(term: Term, contribution: Contribution): void {
    if (!this.#isActive(term) || isZero(contribution.gradient)) return;
    const list = this.#contributions.get(term) ?? [];
    this.#contributions.set(term, list);
    list.push(contribution);
  }

  /** Hands gradients on from results to arguments; gives what arrives at the leaves. */
  run(results: readonly Term[]): readonly Collected[] {
    const order = this.#order(results);
    const leaves: Collected[] = [];
    for (const term of order.toReversed()) {
      const contributions = this.#contributions.get(term);
      if (this.#isLeaf(term)) {
        if (contributions !== undefined) leaves.push({ leaf: term, contributions });
        continue;
      }
      for (const contribution of this.#merged(term, contributions ?? [])) this.#propagate(term, contribution);
      if (term.kind === 'apply')
        for (const contribution of this.#callContributions(term)) this.#propagateCall(term, contribution);
    }
    return leaves;
  }

  /** Terms in an order in which arguments come before what is made of them. */
  #order(results: readonly Term[]): readonly Term[] {
    const order = new Set<Term>();
    const visit = (term: Term): void => {
      if (order.has(term) || !this.#isActive(term)) return;
      if (!this.#isLeaf(term)) for (const child of childTerms(term)) visit(child);
      order.add(term);
    };
    results.forEach(visit);
    return [...order];
  }

  /** Whether a gradient can reach a leaf through the term. */
  #isActive(term: Term): boolean {
    const known = this.#active.get(term);
    if (known !== undefined) return known;
    const active = this.#isLeaf(term) || activeChildren(term).some((child) => this.#isActive(child));
    this.#active.set(term, active);
    return active;
  }

  #addToCall(call: ApplyTerm, output: string, contribution: Contribution): void {
    const outputs = this.#outputs.get(call) ?? new Map<string, readonly Contribution[]>();
    this.#outputs.set(call, outputs);
    outputs.set(output, [...(outputs.get(output) ?? []), contribution]);
  }

  // ---- Sums of contributions

  /** One contribution for each set of guards; all in one where between them they hold whenever what they share does. */
  #merged(term: Term, contributions: readonly Contribution[]): readonly Contribution[] {
    const sums = this.#sumsByGuards(contributions);
    const [first] = sums;
    if (first === undefined || sums.length === 1) return sums;
    const shared = first.guards.filter(({ condition, truth }) => sums.every(({ guards }) => holds(guards, condition) === truth));
    const rest = sums.map((sum) => shared.reduce((one, { condition }) => without(one, condition), sum));
    if (!coverAll(rest)) return sums;
    return [{ guards: shared, gradient: this.total(rest, term) ?? this.zeros(term) }];
  }

  #sumsByGuards(contributions: readonly Contribution[]): readonly Contribution[] {
    const groups = new Map<string, Contribution>();
    for (const contribution of contributions) {
      const key = this.#guardKey(contribution.guards);
      const earlier = groups.get(key);
      groups.set(
        key,
        earlier === undefined ? contribution : { ...earlier, gradient: this.#sum(earlier.gradient, contribution.gradient) },
      );
    }
    return [...groups.values()];
  }

  #guardKey(guards: readonly Guard[]): string {
    const keys = guards.map(({ condition, truth }) => `${truth ? '' : '!'}${this.#graph.id(condition)}`);
    return keys.sort().join();
  }

  #sum(left: Term, right: Term): Term {
    if (left.type.kind !== 'list' && right.type.kind !== 'list') return this.#graph.callInOrder('add', [left, right], left.span);
    const [items, others] = [literalItems(left), literalItems(right)];
    if (items === undefined || others === undefined) return this.#sumOfLists(left, right);
    return this.#graph.list(
      items.map((item, index) => this.#sum(item, others[index] ?? item)),
      left.span,
    );
  }

  #sumOfLists(left: Term, right: Term): Term {
    return this.#each(left, (item, place) => {
      const other = this.#graph.element(right, place, tensor(UNKNOWN_DTYPE), left.span);
      return this.#graph.callInOrder('add', [item, other], left.span);
    });
  }

  /** The sum of all contributions as one term, valid whatever the guards; undefined where there are none. */
  total(contributions: readonly Contribution[], like: Term): Term | undefined {
    const [everywhere, ...guarded] = partition(this.#sumsByGuards(contributions));
    const base = everywhere?.gradient;
    const [first] = guarded;
    const guard = first?.guards[0];
    if (guard === undefined) return base;
    const branch = (truth: boolean): Term => {
      const rest = within(guarded, guard.condition, truth);
      const all = base === undefined ? rest : [{ guards: [], gradient: base }, ...rest];
      return this.total(all, like) ?? this.zeros(like);
    };
    return this.#graph.conditional(guard.condition, branch(true), branch(false), like.type, like.span);
  }

  /** Zeros of a term's shape and dtype. */
  zeros(like: Term): Term {
    const { span } = like;
    if (like.type.kind === 'list') return this.#each(like, (item) => this.zeros(item));
    const shape = this.#graph.property(like, 'shape', listOf(NUMBER), span);
    const dtype = this.#graph.property(like, 'dtype', { kind: 'dtype', term: UNKNOWN_DTYPE }, span);
    return this.#graph.call('zeros', {}, { shape, dtype }, span);
  }

  #each(list: Term, of: (item: Term, place: Term) => Term): Term {
    const { span } = list;
    const type: Type = list.type.kind === 'list' ? list.type.of : tensor(UNKNOWN_DTYPE);
    const item: Binding = { name: 'item', type, origin: 'parameter' };
    const place: Binding = { name: 'place', type: NUMBER, origin: 'parameter' };
    const body = of(this.#graph.reference(item, span), this.#graph.reference(place, span));
    return this.#eachArrow(list, [item, place], body);
  }

  #eachArrow(list: Term, parameters: readonly Binding[], body: Term): Term {
    const { span } = list;
    const used = freeParameters(body);
    const [, place] = parameters;
    const kept = place !== undefined && used.has(place) ? parameters : parameters.slice(0, 1);
    const type: Type = { kind: 'function', parameters: kept.map((parameter) => parameter.type), result: body.type };
    const arrow = this.#graph.intern({ kind: 'arrow', parameters: kept, body, span, type });
    return this.#graph.host('each', [list, arrow], listOf(body.type), span);
  }

  // ---- Rules for each kind of term

  #propagate(term: Term, contribution: Contribution): void {
    const { guards, gradient } = contribution;
    switch (term.kind) {
      case 'conditional':
        // Where the condition is known, on the way from the result, the other branch is not evaluated.
        if (holds(guards, term.condition) !== false)
          this.add(term.then, { guards: guarded(guards, term.condition, true), gradient });
        if (holds(guards, term.condition) !== true)
          this.add(term.otherwise, { guards: guarded(guards, term.condition, false), gradient });
        return;
      case 'apply':
        this.#addToCall(term, returnedOutputs(term.op)[0]?.name ?? '', contribution);
        return;
      case 'output':
        if (term.of.kind !== 'apply') throw new Underivable('this output cannot be traced to its call', term.span);
        this.#addToCall(term.of, term.name, contribution);
        return;
      case 'list':
        term.items.forEach(({ value, spread }, index) => {
          if (spread) throw new Underivable('the gradient of a spread list cannot be derived', term.span);
          const item = this.#graph.element(gradient, this.#graph.literal(index, term.span), tensor(UNKNOWN_DTYPE), term.span);
          this.add(value, { guards, gradient: item });
        });
        return;
      case 'element': {
        const isThis = (place: Term): Term => this.#graph.binary('==', place, term.index, BOOLEAN, term.span);
        const list = this.#each(term.object, (item, place) =>
          this.#graph.conditional(isThis(place), gradient, this.zeros(item), item.type, term.span),
        );
        this.add(term.object, { guards, gradient: list });
        return;
      }
      case 'host':
        this.#propagateEach(term, contribution);
        return;
      default:
        throw new Underivable('this cannot be differentiated', term.span);
    }
  }

  /** Hands the gradients of a call's outputs on to its arguments. */
  #propagateCall(call: ApplyTerm, { guards, gradients }: CallContribution): void {
    const callee = this.#model.ops.get(call.op.name);
    if (callee === undefined) throw new MissingOp(call.op.name);
    for (const [name, argument] of call.inputs) {
      if (!this.#isActive(argument)) continue;
      const program = this.#rule(callee, name);
      if (program === 'missing') throw new Underivable(`${call.op.name} has no gradient for ${name}`, call.span);
      if (program !== 'none') this.add(argument, { guards, gradient: this.#calleeGradient(callee, program, call, gradients) });
    }
  }

  /** The callee's gradient program, in terms of this call's arguments and results. */
  #calleeGradient(callee: CheckedOp, program: TermProgram, call: ApplyTerm, gradients: ReadonlyMap<string, Term>): Term {
    const { values, presence } = callArguments(this.#graph, callee, call);
    const all = new Map(values);
    const returned = returnedOutputs(callee.op);
    const needed = bindingsOf(...program.results, ...program.lines.map((line) => line.value));
    const incoming = [...callee.bindings.gradients].filter(([, binding]) => needed.has(binding));
    if (!incoming.some(([name]) => gradients.has(name))) return this.#graph.literal(0, call.span);
    for (const [name, binding] of callee.bindings.outputs) {
      const isOnly = returned.length === 1 && returned[0]?.name === name;
      all.set(binding, isOnly ? call : this.#graph.output(call, callee.op, name, binding.type, call.span));
    }
    for (const [name, binding] of incoming) {
      const output = callee.bindings.outputs.get(name);
      const value = output && all.get(output);
      if (value !== undefined) all.set(binding, gradients.get(name) ?? this.zeros(value));
    }
    const [adopted] = this.#graph.adopt(program, { values: all, presence });
    if (adopted === undefined) throw new TypeError(`the gradient of ${callee.op.name} has no result`);
    return adopted;
  }

  /** Gradients of a call's outputs, put together where the same guards hold. */
  #callContributions(call: ApplyTerm): readonly CallContribution[] {
    const groups = new Map<string, { guards: readonly Guard[]; gradients: Map<string, Term> }>();
    for (const [name, contributions] of this.#outputs.get(call) ?? []) {
      for (const { guards, gradient } of this.#sumsByGuards(contributions)) {
        const key = this.#guardKey(guards);
        const group = groups.get(key) ?? { guards, gradients: new Map<string, Term>() };
        groups.set(key, group);
        group.gradients.set(name, gradient);
      }
    }
    return [...groups.values()];
  }

  /** `each(list, (item, place) => body)` with a tensor for each entry. */
  #propagateEach(term: Extract<Term, { readonly kind: 'host' }>, { guards, gradient }: Contribution): void {
    const [list, arrow] = term.arguments;
    if (term.name !== 'each' || list === undefined || arrow?.kind !== 'arrow') {
      throw new Underivable(`gradients do not pass through ${term.name} of a list of tensors`, term.span);
    }
    const place = arrow.parameters[1] ?? { name: 'place', type: NUMBER, origin: 'parameter' };
    const [item] = arrow.parameters;
    if (item === undefined) throw new Underivable('the function must name its entry', arrow.span);
    const entry = this.#graph.element(gradient, this.#graph.reference(place, term.span), tensor(UNKNOWN_DTYPE), term.span);
    for (const { leaf, contributions } of this.#insideArrow(arrow, entry)) {
      const inner = this.total(contributions, leaf);
      if (inner === undefined) continue;
      const parts = this.#eachArrow(list, [item, place], inner);
      const isEntry = leaf.kind === 'reference' && leaf.binding === item;
      if (isEntry) this.add(list, { guards, gradient: parts });
      else this.add(leaf, { guards, gradient: this.#graph.callInOrder('addN', [parts], term.span) });
    }
  }

  /** The gradients that an arrow's body hands to its entry and to active terms from outside, for the gradient of one entry. */
  #insideArrow(arrow: ArrowTerm, entry: Term): readonly Collected[] {
    const own = new Set(arrow.parameters);
    const isOutside = (term: Term): boolean => [...freeParameters(term)].every((binding) => !own.has(binding));
    const isLeaf = (term: Term): boolean =>
      (term.kind === 'reference' && own.has(term.binding)) || (isOutside(term) && this.#isActive(term));
    const inside = new ReverseMode(this.#model, this.#graph, this.#rule, isLeaf);
    inside.add(arrow.body, { guards: [], gradient: entry });
    return inside.run([arrow.body]);
  }
}

/** The children through which a gradient can pass: conditions, attributes and properties are host values. */
function activeChildren(term: Term): readonly Term[] {
  switch (term.kind) {
    case 'conditional':
      return [term.then, term.otherwise];
    case 'apply':
      return [...term.inputs.values()];
    case 'output':
      return [term.of];
    case 'list':
      return term.items.map((item) => item.value);
    case 'element':
      return [term.object];
    case 'host':
      return holdsTensors(term.type) ? term.arguments : [];
    case 'arrow':
      return [term.body];
    default:
      return [];
  }
}

function holdsTensors(type: Type): boolean {
  return tensorIn(type) !== undefined;
}

function isZero(term: Term): boolean {
  return term.kind === 'literal' && term.value === 0;
}

function guarded(guards: readonly Guard[], condition: Term, truth: boolean): readonly Guard[] {
  return guards.some((guard) => guard.condition === condition) ? guards : [...guards, { condition, truth }];
}

/** Whether the guards say that a condition is true, or false. */
function holds(guards: readonly Guard[], condition: Term): boolean | undefined {
  return guards.find((guard) => guard.condition === condition)?.truth;
}

function without({ guards, gradient }: Contribution, condition: Term): Contribution {
  return { guards: guards.filter((guard) => guard.condition !== condition), gradient };
}

/** What holds where a condition comes out so. */
function within(contributions: readonly Contribution[], condition: Term, truth: boolean): Contribution[] {
  return contributions.filter(({ guards }) => holds(guards, condition) !== !truth).map((one) => without(one, condition));
}

/** Whether one of the contributions holds however the conditions come out. */
function coverAll(contributions: readonly Contribution[]): boolean {
  if (contributions.some(({ guards }) => guards.length === 0)) return true;
  const condition = contributions[0]?.guards[0]?.condition;
  if (condition === undefined) return false;
  return coverAll(within(contributions, condition, true)) && coverAll(within(contributions, condition, false));
}

/** The contribution that holds everywhere first, if there is one. */
function partition(contributions: readonly Contribution[]): readonly [Contribution | undefined, ...Contribution[]] {
  const everywhere = contributions.find(({ guards }) => guards.length === 0);
  return [everywhere, ...contributions.filter((one) => one !== everywhere)];
}
