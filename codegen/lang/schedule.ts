/**
 * A graph of terms as a program: what is used more than once becomes a line, the rest stands where it is used. Lines are computed when
 * something asks for them, so conditions around their uses need not be repeated, but for those that tell that a value is there or of
 * what type it is: such a line says so itself (`present(bias) ? value : 0`).
 */

import type { CheckedOp } from './check.js';
import { factsOf } from './scope.js';
import type { TermGraph } from './term-graph.js';
import {
  type Binding,
  bindingsOf,
  childTerms,
  completeProgram,
  freeParameters,
  type Line,
  sizeOf,
  type Term,
  type TermProgram,
} from './terms.js';
import { tensorIn, UNKNOWN } from './types.js';

/** Conditions on the way to a use: the condition's id, negative where it must be false. */
type Path = readonly number[];

/** Host values smaller than this are written out each time. */
const longestRepeated = 4;

/** The program of an op whose own names are taken, and whose `let` values may be referred to. */
export function scheduleProgram(graph: TermGraph, checked: CheckedOp, results: readonly Term[]): TermProgram {
  const { lines, results: placed } = new Scheduler(graph, checked, results).program();
  return completeProgram([...checked.lets, ...lines], placed);
}

function namesOf({ bindings, lets }: CheckedOp): readonly string[] {
  const groups = [bindings.inputs, bindings.attrs, bindings.outputs, bindings.gradients];
  return [...groups.flatMap((group) => [...group.values()]), ...lets.map((line) => line.binding)].map(({ name }) => name);
}

/** What the op's `let` values and dimensions are in the graph. */
function letTerms(graph: TermGraph, { lets }: CheckedOp): Map<Term, Binding> {
  const terms = new Map<Term, Binding>();
  for (const { binding, value } of lets) {
    const reference: Term = { kind: 'reference', binding, span: value.span, type: binding.type };
    const [term] = graph.adopt({ lines: lets, results: [reference] }, { values: new Map(), presence: new Map() });
    if (term !== undefined && sizeOf(term) >= longestRepeated && !terms.has(term)) terms.set(term, binding);
  }
  return terms;
}

class Scheduler {
  readonly #graph: TermGraph;
  readonly #results: readonly Term[];
  readonly #uses = new Map<Term, number>();
  readonly #paths = new Map<Term, Path[]>();
  readonly #conditions = new Map<number, Term>();
  /** What has a name. */
  readonly #lines: Map<Term, Binding>;
  readonly #order: Line[] = [];
  readonly #taken: Set<string>;

  constructor(graph: TermGraph, checked: CheckedOp, results: readonly Term[]) {
    this.#graph = graph;
    this.#results = results;
    this.#lines = letTerms(graph, checked);
    this.#taken = new Set(namesOf(checked));
  }

  program(): TermProgram {
    for (const result of this.#results) this.#count(result);
    for (const result of this.#results) this.#walk(result, []);
    const results = this.#results.map((result) => this.#place(result, new Map()));
    return { lines: this.#order, results };
  }

  #count(term: Term): void {
    const uses = this.#uses.get(term) ?? 0;
    this.#uses.set(term, uses + 1);
    if (uses === 0 && !this.#lines.has(term)) for (const child of childTerms(term)) this.#count(child);
  }

  /** Notes under which conditions each term is evaluated. */
  #walk(term: Term, path: Path): void {
    const known = this.#paths.get(term) ?? [];
    if (known.some((other) => covers(other, path))) return;
    this.#paths.set(term, simplified([...known, path]));
    if (this.#lines.has(term)) return;
    if (term.kind !== 'conditional') {
      for (const child of childTerms(term)) this.#walk(child, path);
      return;
    }
    this.#walk(term.condition, path);
    // The id 0 has no negative; ids are shifted by one.
    const id = this.#graph.id(term.condition) + 1;
    this.#conditions.set(id, term.condition);
    const decided = path.find((one) => Math.abs(one) === id);
    const branch = (truth: boolean): Path =>
      decided === undefined && tellsTypes(term.condition) ? [...path, truth ? id : -id] : path;
    if (decided !== -id) this.#walk(term.then, branch(true));
    if (decided !== id) this.#walk(term.otherwise, branch(false));
  }

  /** The term with lines in the place of what they stand for. */
  #place(term: Term, inArrow: Map<Term, Term>): Term {
    const line = this.#lines.get(term);
    if (line !== undefined) return this.#graph.reference(line, term.span, term.type);
    if (!this.#deservesLine(term)) return this.#inside(term, inArrow);
    const [path, ...others] = this.#relevantPaths(term);
    if (path === undefined || others.length > 0) return this.#inside(term, inArrow);
    // Beside a tensor 0 may stand; beside a list there is nothing that may.
    if (path.length > 0 && term.type.kind !== 'tensor') return this.#inside(term, inArrow);
    return this.#addLine(term, path);
  }

  /** The conditions that tell something of what the term refers to. */
  #relevantPaths(term: Term): readonly Path[] {
    const bindings = bindingsOf(term);
    const isRelevant = (id: number): boolean => {
      const condition = this.#conditions.get(Math.abs(id));
      return condition !== undefined && [...toldBy(condition)].some((binding) => bindings.has(binding));
    };
    const paths = (this.#paths.get(term) ?? []).map((path) => path.filter(isRelevant));
    return paths.some((path) => path.length === 0) ? [[]] : simplified(paths);
  }

  #inside(term: Term, inArrow: Map<Term, Term>): Term {
    const known = inArrow.get(term);
    if (known !== undefined) return known;
    const placed = withChildren(term, (child) => this.#place(child, inArrow));
    inArrow.set(term, placed);
    return placed;
  }

  #addLine(term: Term, path: Path): Term {
    const value = this.#inside(term, new Map());
    const guarded = path.reduceRight((inner, id) => this.#guarded(inner, id), value);
    const binding: Binding = { name: this.#name(term), type: term.type, origin: 'line' };
    this.#lines.set(term, binding);
    this.#order.push({ binding, value: guarded });
    return { kind: 'reference', binding, span: term.span, type: term.type };
  }

  #guarded(value: Term, id: number): Term {
    const condition = this.#conditions.get(Math.abs(id));
    if (condition === undefined) throw new TypeError('the condition is unknown');
    const { span } = value;
    // Never read: its type says that it may be anything.
    const nothing: Term = { kind: 'literal', value: 0, span, type: UNKNOWN };
    const placed = this.#place(condition, new Map());
    const [then, otherwise] = id > 0 ? [value, nothing] : [nothing, value];
    return { kind: 'conditional', condition: placed, then, otherwise, span, type: value.type };
  }

  #deservesLine(term: Term): boolean {
    if ((this.#uses.get(term) ?? 0) < 2 || freeParameters(term).size > 0) return false;
    switch (term.kind) {
      case 'apply':
        return true;
      case 'conditional':
      case 'host':
      case 'rule':
      case 'list':
      case 'binary':
        return sizeOf(term) > longestRepeated;
      default:
        return false;
    }
  }

  /** What the spec's author called it, or else after the op; a number makes it unique. */
  #name(term: Term): string {
    const base = this.#graph.names.get(term) ?? (tensorIn(term.type) === undefined ? 'value' : 'part');
    let name = base;
    for (let count = 2; this.#taken.has(name); count++) name = `${base}${count}`;
    this.#taken.add(name);
    return name;
  }
}

/** What a condition tells the type of: that alone makes lines repeat it. */
function toldBy(condition: Term): ReadonlySet<Binding> {
  return new Set([...factsOf(condition, true).keys(), ...factsOf(condition, false).keys()]);
}

function tellsTypes(condition: Term): boolean {
  return freeParameters(condition).size === 0 && toldBy(condition).size > 0;
}

/** Whether what is evaluated on one path is so whenever it is on the other. */
function covers(path: Path, other: Path): boolean {
  return path.every((id) => other.includes(id));
}

/** The least set of paths: those that another covers are dropped, two that differ in one condition's outcome are one without it. */
function simplified(paths: readonly Path[]): Path[] {
  for (const path of paths) {
    for (const id of path) {
      const rest = path.filter((one) => one !== id);
      const twin = paths.find((other) => other.length === path.length && covers([...rest, -id], other));
      if (twin !== undefined) return simplified([...paths.filter((other) => other !== path && other !== twin), rest]);
    }
  }
  const isCovered = (path: Path, index: number): boolean =>
    paths.some((other, place) => place !== index && covers(other, path) && (other.length < path.length || place < index));
  return paths.filter((path, index) => !isCovered(path, index));
}

/** The same term over other children. */
function withChildren(term: Term, child: (term: Term) => Term): Term {
  switch (term.kind) {
    case 'literal':
    case 'reference':
    case 'present':
      return term;
    case 'list':
      return { ...term, items: term.items.map((item) => ({ value: child(item.value), spread: item.spread })) };
    case 'property':
      return { ...term, object: child(term.object) };
    case 'element':
      return { ...term, object: child(term.object), index: child(term.index) };
    case 'unary':
      return { ...term, operand: child(term.operand) };
    case 'binary':
      return { ...term, left: child(term.left), right: child(term.right) };
    case 'conditional':
      return { ...term, condition: child(term.condition), then: child(term.then), otherwise: child(term.otherwise) };
    case 'arrow':
      return { ...term, body: child(term.body) };
    case 'host':
    case 'rule':
      return { ...term, arguments: term.arguments.map(child) };
    case 'output':
      return { ...term, of: child(term.of) };
    case 'apply': {
      const over = (terms: ReadonlyMap<string, Term>) => new Map([...terms].map(([name, value]) => [name, child(value)]));
      return { ...term, inputs: over(term.inputs), attrs: over(term.attrs) };
    }
  }
}
