/**
 * Gradients of ops: those that the spec states, made complete (summed back over broadcast axes), and derived ones for the rest, by
 * reverse mode over the definition's terms. A derived gradient is a program of the same language as a stated one. It is made from
 * the gradients of the ops that the definition calls, so every rule stands in the spec and none here.
 */
import type { SavedValue } from '../../kernels/op.js';
import { type Diagnostic, diagnosticAt } from '../spec/diagnostic.js';
import type { Input, Op } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { CheckedModel, CheckedOp } from './check.js';
import { type GradientRule, ReverseMode, Underivable } from './reverse-mode.js';
import { needsOnlyShapes, savedValues } from './saved.js';
import { scheduleProgram } from './schedule.js';
import { MissingOp, TermGraph } from './term-graph.js';
import { type Binding, childTerms, type Term, type TermProgram } from './terms.js';
import {
  isDifferentiableDtype,
  listOf,
  NUMBER,
  optionsOf,
  type Type,
  tensor,
  tensorIn,
  UNKNOWN_DTYPE,
  withoutNull,
} from './types.js';

export interface OpGradient {
  /** The input whose gradient this is. */
  readonly input: string;
  readonly program: TermProgram;
  readonly saved: readonly SavedValue[];
  readonly derived: boolean;
}

interface OpGradients {
  readonly gradients: readonly OpGradient[];
  readonly diagnostics: readonly Diagnostic[];
}

const cache = new WeakMap<CheckedModel, Map<string, OpGradients>>();

/** The gradients of an op, one for each differentiable input. */
export function gradientsOf(model: CheckedModel, checked: CheckedOp): readonly OpGradient[] {
  return opGradients(model, checked).gradients;
}

/** The gradient that would be derived if the spec stated none; undefined where none can be. */
export function derivedGradient(model: CheckedModel, checked: CheckedOp, input: Input): TermProgram | undefined {
  return new Derivation(model, checked, []).gradientOf(input);
}

/** What keeps gradients from being derived, for all ops of a spec. */
export function derivationDiagnostics(model: CheckedModel): readonly Diagnostic[] {
  return [...model.ops.values()].flatMap((checked) => opGradients(model, checked).diagnostics);
}

/** Whether an input may have a gradient: it can be floating, and the spec does not say `none`. */
export function isDifferentiable(checked: CheckedOp, input: Input): boolean {
  const isNone = checked.gradients.has(input.name) && checked.gradients.get(input.name) === undefined;
  return (
    !isNone && mayBeFloating(checked, input) && checked.op.outputs.some((output) => outputMayBeFloating(checked, output.name))
  );
}

function mayBeFloating(checked: CheckedOp, input: Input): boolean {
  return typeMayBeFloating(checked.bindings.inputs.get(input.name)?.type);
}

function outputMayBeFloating(checked: CheckedOp, name: string): boolean {
  return typeMayBeFloating(checked.bindings.outputs.get(name)?.type);
}

function typeMayBeFloating(type: Type | undefined): boolean {
  const dtype =
    type &&
    optionsOf(type)
      .map(tensorIn)
      .find((option) => option !== undefined)?.dtype;
  if (dtype === undefined) return false;
  if (dtype.kind === 'concrete') return isDifferentiableDtype(dtype.dtype);
  return dtype.kind !== 'variable' || dtype.dtypes.length === 0 || dtype.dtypes.some(isDifferentiableDtype);
}

function opGradients(model: CheckedModel, checked: CheckedOp): OpGradients {
  const known = cache.get(model) ?? new Map<string, OpGradients>();
  cache.set(model, known);
  const { op } = checked;
  const existing = known.get(op.name);
  if (existing !== undefined) return existing;
  // An op that is reached again while its own gradients are derived has none to give: definitions may not be circular.
  known.set(op.name, { gradients: [], diagnostics: [diagnosticAt('RECURSION', `${op.name} is defined by itself`, op.span)] });
  const gradients = deriveAll(model, checked);
  known.set(op.name, gradients);
  return gradients;
}

function deriveAll(model: CheckedModel, checked: CheckedOp): OpGradients {
  const diagnostics: Diagnostic[] = [];
  const gradients: OpGradient[] = [];
  const derived = new Derivation(model, checked, diagnostics);
  for (const input of checked.op.inputs) {
    if (!isDifferentiable(checked, input)) continue;
    const stated = checked.gradients.get(input.name);
    const program =
      stated === undefined
        ? derived.gradientOf(input)
        : summedBack(model, checked, input, withoutShapeOnlyCalls(model, checked, stated));
    if (program === undefined) continue;
    gradients.push({ input: input.name, program, saved: savedValues(checked, program), derived: stated === undefined });
  }
  return { gradients, diagnostics };
}

/** The program with calls that need but shapes replaced by their definitions, so that backward keeps no values for them. */
function withoutShapeOnlyCalls(model: CheckedModel, checked: CheckedOp, program: TermProgram): TermProgram {
  const isShapeOnly = (term: Term): boolean => {
    const callee = term.kind === 'apply' ? model.ops.get(term.op.name) : undefined;
    return (callee !== undefined && needsOnlyShapes(callee)) || childTerms(term).some(isShapeOnly);
  };
  if (![...program.results, ...program.lines.map((line) => line.value)].some(isShapeOnly)) return program;
  const graph = new TermGraph(model);
  const results = graph.adopt(program, { values: new Map(), presence: new Map() });
  return scheduleProgram(graph, checked, results);
}

/** A stated gradient, in the input's shape: outputs may be larger where inputs are broadcast. */
function summedBack(model: CheckedModel, checked: CheckedOp, input: Input, program: TermProgram): TermProgram {
  const [result] = program.results;
  const binding = checked.bindings.inputs.get(input.name);
  const sumTo = model.model.ops.get('sumTo');
  if (!broadcasts(checked.op) || input.list || result === undefined || binding === undefined || sumTo === undefined)
    return program;
  if (result.kind === 'apply' && result.op === sumTo) return program;
  const { span } = result;
  const x: Term = { kind: 'reference', binding, span, type: tensor(UNKNOWN_DTYPE) };
  const shape: Term = { kind: 'property', object: x, name: 'shape', span, type: listOf(NUMBER) };
  const [from, to] = sumToParameters(sumTo);
  const summed: Term = {
    kind: 'apply',
    op: sumTo,
    inputs: new Map([[from, result]]),
    attrs: new Map([[to, shape]]),
    span,
    type: result.type,
  };
  return { lines: program.lines, results: [summed] };
}

/** `sumTo(x, shape)`: the sum over the axes along which `shape` was broadcast to x's. */
function sumToParameters(sumTo: Op): readonly [input: string, attr: string] {
  return [sumTo.inputs[0]?.name ?? 'x', sumTo.attrs[0]?.name ?? 'shape'];
}

/** Whether an output can be larger than an input along an axis where that has size 1. */
function broadcasts(op: Op): boolean {
  if (op.inputs.length < 2) return false;
  const groups = op.inputs.flatMap(({ shape }) => leadingGroup(shape));
  const isShared = groups.some((group, index) => groups.indexOf(group) !== index);
  return (
    isShared || op.body.kind === 'map' || op.outputs.some(({ shape }) => shape.kind === 'call' && shape.callee === 'broadcast')
  );
}

/** The group that leads a pattern: it broadcasts with its namesakes. */
function leadingGroup(pattern: Input['shape']): readonly string[] {
  const [first] = pattern?.kind === 'pattern' ? pattern.items : [];
  return first?.kind === 'group' ? [first.name] : [];
}

// ---- Derivation -------------------------------------------------------------------------------------------------------------

/** The derived gradients of one op. */
class Derivation {
  readonly #model: CheckedModel;
  readonly #checked: CheckedOp;
  readonly #diagnostics: Diagnostic[];

  constructor(model: CheckedModel, checked: CheckedOp, diagnostics: Diagnostic[]) {
    this.#model = model;
    this.#checked = checked;
    this.#diagnostics = diagnostics;
  }

  /** The program of an input's gradient; undefined where there is none, which is reported if it ought to be. */
  gradientOf(input: Input): TermProgram | undefined {
    const { define, op } = this.#checked;
    if (define === undefined) {
      if (op.body.kind !== 'define') this.#report(`a kernel's gradient cannot be derived: ${input.name} needs one`, op.span);
      return undefined;
    }
    const binding = this.#checked.bindings.inputs.get(input.name);
    if (binding === undefined) return undefined;
    try {
      return this.#derive(define, binding);
    } catch (error) {
      if (error instanceof Underivable) this.#report(error.message, error.span);
      else if (error instanceof MissingOp) this.#report(error.message, op.span);
      else throw error;
      return undefined;
    }
  }

  #report(message: string, span: Span): void {
    const hint = 'state the gradient under grad, or say none';
    this.#diagnostics.push(diagnosticAt('UNDERIVABLE', `${this.#checked.op.name}: ${message}`, span, hint));
  }

  readonly #rule: GradientRule = (callee, name) => {
    const known = gradientsOf(this.#model, callee).find((gradient) => gradient.input === name);
    const input = callee.op.inputs.find((one) => one.name === name);
    return known?.program ?? (input !== undefined && isDifferentiable(callee, input) ? 'missing' : 'none');
  };

  #derive(define: TermProgram, input: Binding): TermProgram {
    const { op, bindings } = this.#checked;
    const graph = new TermGraph(this.#model);
    const { span } = op;
    // A gradient is asked for only where its input was given.
    const presence = new Map([[input, graph.literal(true, span)]]);
    const given = new Map([[input, graph.reference(input, span, withoutNull(input.type))]]);
    this.#declareShapes(graph);
    const results = graph.adopt(define, { values: given, presence });
    const reverse = new ReverseMode(this.#model, graph, this.#rule, (term) => bindingOf(term) === input);
    op.outputs.forEach((output, index) => {
      const gradient = bindings.gradients.get(output.name);
      const result = results[index];
      // Hidden outputs have gradients too: those that flow back through a gradient that used them.
      const isSeeded = output.writes === undefined && outputMayBeFloating(this.#checked, output.name);
      if (gradient === undefined || result === undefined || !isSeeded) return;
      reverse.add(result, { guards: [], gradient: graph.reference(gradient, span) });
    });
    const collected = reverse.run(results).filter(({ leaf }) => bindingOf(leaf) === input);
    const x = graph.reference(input, span, withoutNull(input.type));
    const total =
      reverse.total(
        collected.flatMap(({ contributions }) => contributions),
        x,
      ) ?? reverse.zeros(x);
    const gradient = this.#withOutputs(graph, results, total);
    refuseRandom(gradient);
    return scheduleProgram(graph, this.#checked, [gradient]);
  }

  /** Tells the graph which shapes of outputs, gradients and inputs follow from others. */
  #declareShapes(graph: TermGraph): void {
    const { op, bindings, outputs, patterns, lets } = this.#checked;
    const declare = (binding: Binding | undefined, rule: Term | undefined): void => {
      if (binding === undefined || rule === undefined) return;
      const [shape] = graph.adopt({ lines: lets, results: [rule] }, { values: new Map(), presence: new Map() });
      if (shape !== undefined) graph.declareShape(binding, shape);
    };
    for (const input of op.inputs) {
      if (input.shape?.kind === 'exact' && !input.list) declare(bindings.inputs.get(input.name), patterns.get(input.name)?.[0]);
    }
    op.outputs.forEach((output, index) => {
      if (output.list || output.dataSized) return;
      declare(bindings.outputs.get(output.name), outputs[index]?.shape);
      declare(bindings.gradients.get(output.name), outputs[index]?.shape);
    });
  }

  /** Results of the definition are there already: they are not computed again. */
  #withOutputs(graph: TermGraph, results: readonly Term[], total: Term): Term {
    const { op, bindings } = this.#checked;
    const outputs = new Map<Term, Term>();
    op.outputs.forEach((output, index) => {
      const [result, binding] = [results[index], bindings.outputs.get(output.name)];
      if (result === undefined || binding === undefined || result.kind === 'reference' || result.kind === 'literal') return;
      outputs.set(result, graph.reference(binding, op.span));
    });
    const memo = new Map<Term, Term>();
    const replace = (term: Term): Term => {
      const known = outputs.get(term) ?? memo.get(term);
      if (known !== undefined) return known;
      const replaced = graph.rebuild(term, replace);
      const name = graph.names.get(term);
      if (name !== undefined && !graph.names.has(replaced)) graph.names.set(replaced, name);
      memo.set(term, replaced);
      return replaced;
    };
    return replace(total);
  }
}

/** What is drawn again is not what was drawn before. */
function refuseRandom(gradient: Term): void {
  const seen = new Set<Term>();
  const visit = (term: Term): void => {
    if (seen.has(term)) return;
    seen.add(term);
    if (term.kind === 'apply' && term.op.random) {
      throw new Underivable(`${term.op.name} would be drawn anew: keep what backward needs in a hidden output`, term.span);
    }
    childTerms(term).forEach(visit);
  };
  visit(gradient);
}

function bindingOf(term: Term): Binding | undefined {
  return term.kind === 'reference' ? term.binding : undefined;
}
