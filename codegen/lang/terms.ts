/**
 * Checked expressions: the syntax tree with every name resolved, every operator known to be host arithmetic or an op, and every
 * node typed. The evaluator, the TypeScript emitter, the printer and the differentiator all read these and nothing else.
 */
import type { Op, Rule } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { Type } from './types.js';

/** Something that a name stands for. Its identity counts, not its name: two bindings may be called alike. */
export interface Binding {
  readonly name: string;
  readonly type: Type;
  /** `scalar`: an attribute that is a tensor without axes here. `gradient`: the incoming gradient of an output. */
  readonly origin: 'input' | 'output' | 'gradient' | 'attribute' | 'scalar' | 'line' | 'parameter';
  /** Of an attribute: its axes are counted from the front. */
  readonly normalised?: boolean;
}

interface TermBase {
  readonly type: Type;
  readonly span: Span;
}

export interface LiteralTerm extends TermBase {
  readonly kind: 'literal';
  readonly value: number | string | boolean | null;
}
export interface ReferenceTerm extends TermBase {
  readonly kind: 'reference';
  readonly binding: Binding;
}
export interface ListTerm extends TermBase {
  readonly kind: 'list';
  readonly items: readonly { readonly value: Term; readonly spread: boolean }[];
}
export type PropertyName = 'shape' | 'rank' | 'dtype' | 'strides' | 'offset' | 'length';
export interface PropertyTerm extends TermBase {
  readonly kind: 'property';
  readonly object: Term;
  readonly name: PropertyName;
}
/** One entry of a list of host values or tensors. */
export interface ElementTerm extends TermBase {
  readonly kind: 'element';
  readonly object: Term;
  readonly index: Term;
}
export interface UnaryTerm extends TermBase {
  readonly kind: 'unary';
  readonly operator: '-' | '!';
  readonly operand: Term;
}
export type HostOperator = '+' | '-' | '*' | '/' | '%' | '**' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '&&' | '||' | '??';
export interface BinaryTerm extends TermBase {
  readonly kind: 'binary';
  readonly operator: HostOperator;
  readonly left: Term;
  readonly right: Term;
}
/** The condition is a host value; only the branch it picks is evaluated. */
export interface ConditionalTerm extends TermBase {
  readonly kind: 'conditional';
  readonly condition: Term;
  readonly then: Term;
  readonly otherwise: Term;
}
/** Whether an optional input was given. */
export interface PresentTerm extends TermBase {
  readonly kind: 'present';
  readonly binding: Binding;
}
export interface ArrowTerm extends TermBase {
  readonly kind: 'arrow';
  readonly parameters: readonly Binding[];
  readonly body: Term;
}
/** A call of a host function; `each` and `fold` may give tensors. */
export interface HostTerm extends TermBase {
  readonly kind: 'host';
  readonly name: string;
  readonly arguments: readonly Term[];
}
/** A call of a shared rule. */
export interface RuleTerm extends TermBase {
  readonly kind: 'rule';
  readonly rule: Rule;
  readonly arguments: readonly Term[];
}
/** A call of an op: its output where it returns one, else all of them. */
export interface ApplyTerm extends TermBase {
  readonly kind: 'apply';
  readonly op: Op;
  /** An absent optional input has no entry. A list input's value is a list. */
  readonly inputs: ReadonlyMap<string, Term>;
  readonly attrs: ReadonlyMap<string, Term>;
}
/** One output of a call. */
export interface OutputTerm extends TermBase {
  readonly kind: 'output';
  readonly of: Term;
  readonly op: Op;
  readonly name: string;
}

export type Term =
  | LiteralTerm
  | ReferenceTerm
  | ListTerm
  | PropertyTerm
  | ElementTerm
  | UnaryTerm
  | BinaryTerm
  | ConditionalTerm
  | PresentTerm
  | ArrowTerm
  | HostTerm
  | RuleTerm
  | ApplyTerm
  | OutputTerm;

/** `name = value`. */
export interface Line {
  readonly binding: Binding;
  readonly value: Term;
}

/** Lines, then one result for each output. Complete: every line that a term refers to is among the lines, before it. */
export interface TermProgram {
  readonly lines: readonly Line[];
  readonly results: readonly Term[];
}

/** The outputs that a call gives to its caller. */
export function returnedOutputs(op: Op): Op['outputs'] {
  return op.outputs.filter((output) => !output.hidden && output.writes === undefined);
}

/** The terms directly inside one. */
export function childTerms(term: Term): readonly Term[] {
  switch (term.kind) {
    case 'literal':
    case 'reference':
    case 'present':
      return [];
    case 'list':
      return term.items.map((item) => item.value);
    case 'property':
      return [term.object];
    case 'element':
      return [term.object, term.index];
    case 'unary':
      return [term.operand];
    case 'binary':
      return [term.left, term.right];
    case 'conditional':
      return [term.condition, term.then, term.otherwise];
    case 'arrow':
      return [term.body];
    case 'host':
    case 'rule':
      return term.arguments;
    case 'apply':
      return [...term.inputs.values(), ...term.attrs.values()];
    case 'output':
      return [term.of];
  }
}

/** Every binding that some terms refer to, those of their own arrows too. */
export function bindingsOf(...terms: readonly Term[]): ReadonlySet<Binding> {
  const bindings = new Set<Binding>();
  const seen = new Set<Term>();
  const visit = (term: Term): void => {
    if (seen.has(term)) return;
    seen.add(term);
    if (term.kind === 'reference' || term.kind === 'present') bindings.add(term.binding);
    childTerms(term).forEach(visit);
  };
  terms.forEach(visit);
  return bindings;
}

const parameters = new WeakMap<Term, ReadonlySet<Binding>>();

/** The parameters of arrows around a term that it depends on. */
export function freeParameters(term: Term): ReadonlySet<Binding> {
  const known = parameters.get(term);
  if (known !== undefined) return known;
  const own = term.kind === 'reference' && term.binding.origin === 'parameter' ? [term.binding] : [];
  const bound = term.kind === 'arrow' ? term.parameters : [];
  const inside = childTerms(term).flatMap((child) => [...freeParameters(child)]);
  const free = new Set([...own, ...inside].filter((binding) => !bound.includes(binding)));
  parameters.set(term, free);
  return free;
}

const sizes = new WeakMap<Term, number>();

/** How many terms a term is made of, shared ones counted each time. */
export function sizeOf(term: Term): number {
  const known = sizes.get(term);
  if (known !== undefined) return known;
  const size = childTerms(term).reduce((total, child) => total + sizeOf(child), 1);
  sizes.set(term, size);
  return size;
}

/** The program with, of the given lines, those that it needs. */
export function completeProgram(lines: readonly Line[], results: readonly Term[]): TermProgram {
  const needed = new Set(bindingsOf(...results));
  const kept: Line[] = [];
  for (const line of lines.toReversed()) {
    if (!needed.has(line.binding)) continue;
    kept.unshift(line);
    for (const binding of bindingsOf(line.value)) needed.add(binding);
  }
  return { lines: kept, results };
}
