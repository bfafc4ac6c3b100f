/**
 * The checker of a whole spec: every shape, constraint, definition and gradient of every op, in the scope that each has, as terms.
 * It finds all that is wrong in one run. It also decides which attributes are scalars (ARCHITECTURE.md, "Scalar attributes and plain numbers"), which
 * is settled for all ops together, because one op may hand its attribute on to another's.
 */
import type { AttrType } from '../../kernels/op.js';
import { type Diagnostic, diagnosticAt } from '../spec/diagnostic.js';
import type { Attribute, Gradient, Op, Output, Rule, SpecModel } from '../spec/model.js';
import type { Expression, PatternItem, Program } from './ast.js';
import { CheckContext, type ContextOptions, checkExpression, unknownTerm } from './check-expression.js';
import { type CheckedRule, instantiateRule } from './check-host.js';
import { bindDimensions } from './dimensions.js';
import { Scope } from './scope.js';
import { type Binding, bindingsOf as bindingsIn, completeProgram, type Line, type Term, type TermProgram } from './terms.js';
import {
  attributeDtype,
  attrValueType,
  BOOLEAN,
  compatibleDtypes,
  type DtypeTerm,
  describeDtype,
  isDifferentiableDtype,
  isDtype,
  listOf,
  NULL,
  NUMBER,
  NUMBERS,
  type Type,
  tensor,
  tensorIn,
  UNKNOWN,
  UNKNOWN_DTYPE,
  unionOf,
  withoutNull,
} from './types.js';

export interface CheckedModel {
  readonly model: SpecModel;
  readonly ops: ReadonlyMap<string, CheckedOp>;
  readonly rules: ReadonlyMap<string, CheckedRule>;
  readonly diagnostics: readonly Diagnostic[];
}

export interface CheckedOp {
  readonly op: Op;
  /** Every name that the op's expressions may mean, but for lines. */
  readonly bindings: OpBindings;
  /** Named dimensions and `let` values, in order. */
  readonly lets: readonly Line[];
  /** The computed parts of each input's shape pattern: its `size` and `sizes` items in order, or its exact shape. */
  readonly patterns: ReadonlyMap<string, readonly Term[]>;
  readonly constraints: readonly Term[];
  /** One for each output: its dtype, as a host value, and its shape. */
  readonly outputs: readonly { readonly dtype: Term; readonly shape: Term }[];
  /** For a `define` body. */
  readonly define: TermProgram | undefined;
  readonly view: { readonly shape: Term; readonly strides: Term; readonly offset: Term } | undefined;
  readonly kernel: CheckedKernel | undefined;
  /** The gradients that the spec states, by input; undefined for `none`. */
  readonly gradients: ReadonlyMap<string, TermProgram | undefined>;
  /** Attributes that stand for tensors without axes. */
  readonly scalars: ReadonlySet<string>;
}

export interface CheckedKernel {
  readonly work: Term;
  readonly params: ReadonlyMap<string, Term>;
  readonly scratch: ReadonlyMap<string, { readonly dtype: Term; readonly size: Term }>;
}

export interface OpBindings {
  readonly inputs: ReadonlyMap<string, Binding>;
  /** As host values. */
  readonly attrs: ReadonlyMap<string, Binding>;
  /** As tensors, where they are scalars. */
  readonly scalars: ReadonlyMap<string, Binding>;
  readonly outputs: ReadonlyMap<string, Binding>;
  /** Incoming gradients, by output. */
  readonly gradients: ReadonlyMap<string, Binding>;
}

export function checkModel(model: SpecModel): CheckedModel {
  const scalars = new Map([...model.ops].map(([name, op]) => [name, scalarCandidates(op)]));
  for (;;) {
    const attempt = checkOnce(model, scalars);
    const demoted = [...attempt.demoted].filter(([name, attrs]) => attrs.some((attr) => scalars.get(name)?.delete(attr)));
    if (demoted.length === 0) return attempt.checked;
  }
}

/** Attributes that are numbers and reach only definitions and gradients, until a use says otherwise. */
function scalarCandidates(op: Op): Set<string> {
  const numbers = op.attrs.filter((attr) => attr.type.kind === 'number');
  return new Set(op.body.kind === 'define' ? numbers.map((attr) => attr.name) : []);
}

type Scalars = ReadonlyMap<string, ReadonlySet<string>>;

function checkOnce(
  model: SpecModel,
  scalars: Scalars,
): { checked: CheckedModel; demoted: ReadonlyMap<string, readonly string[]> } {
  const diagnostics: Diagnostic[] = [];
  const isScalar = (op: Op, attribute: Attribute): boolean => scalars.get(op.name)?.has(attribute.name) ?? false;
  const options: ContextOptions = { vocabulary: model, ops: false, layouts: false, isScalar };
  const rules = new Map([...model.rules].map(([name, rule]) => [name, checkRule(options, rule, diagnostics)]));
  const ops = new Map<string, CheckedOp>();
  const demoted = new Map<string, readonly string[]>();
  for (const op of model.ops.values()) {
    const checker = new OpChecker(options, op, diagnostics);
    ops.set(op.name, checker.check());
    demoted.set(op.name, [...checker.demoted, ...hostUses(ops.get(op.name)!)]);
  }
  return { checked: { model, ops, rules, diagnostics }, demoted };
}

/** Scalars whose host value a definition or gradient needs after all, through a `let` that it uses. */
function hostUses(checked: CheckedOp): string[] {
  const programs = [checked.define, ...checked.gradients.values()].filter((program) => program !== undefined);
  const terms = programs.flatMap(({ lines, results }) => [...lines.map(({ value }) => value), ...results]);
  const used = new Set(terms.flatMap((term) => [...bindingsIn(term)]));
  return [...checked.scalars].filter((name) => used.has(checked.bindings.attrs.get(name)!));
}

/** A rule for parameters of any type; calls check it again for theirs. */
function checkRule(options: ContextOptions, rule: Rule, diagnostics: Diagnostic[]): CheckedRule {
  return instantiateRule(new CheckContext(options, diagnostics), rule, []);
}

class OpChecker {
  readonly demoted = new Set<string>();
  readonly #options: ContextOptions;
  readonly #op: Op;
  readonly #diagnostics: Diagnostic[];
  readonly #bindings: OpBindings;
  readonly #lets: Line[] = [];
  /** Lets that something refers to. */
  readonly #used = new Set<Binding>();

  constructor(options: ContextOptions, op: Op, diagnostics: Diagnostic[]) {
    this.#options = options;
    this.#op = op;
    this.#diagnostics = diagnostics;
    this.#bindings = bindingsOf(options.vocabulary, op, (attr) => options.isScalar(op, attr));
  }

  check(): CheckedOp {
    const op = this.#op;
    this.#checkLets();
    const patterns = new Map(op.inputs.map((input) => [input.name, this.#pattern(input)]));
    const constraints = op.constraints.map((constraint) => this.#host(constraint.require, BOOLEAN, 'a constraint'));
    const outputs = op.outputs.map((output) => this.#output(output));
    const { body } = op;
    const define = body.kind === 'define' ? this.#define(body.program) : undefined;
    const view = body.kind === 'view' ? this.#view(body) : undefined;
    const kernel = body.kind === 'function' ? this.#kernel(body) : undefined;
    const gradients = new Map(op.gradients.map((gradient) => [gradient.name, this.#gradient(gradient)]));
    this.#reportUnusedLets();
    const scalars = new Set(op.attrs.filter((attr) => this.#options.isScalar(op, attr)).map((attr) => attr.name));
    return {
      op,
      bindings: this.#bindings,
      lets: this.#lets,
      patterns,
      constraints,
      outputs,
      define,
      view,
      kernel,
      gradients,
      scalars,
    };
  }

  // Host expressions

  #context(options: Partial<ContextOptions> = {}): CheckContext {
    return new CheckContext({ ...this.#options, ...options }, this.#diagnostics);
  }

  /** Inputs, attributes and lets, as shapes and constraints see them. */
  #hostScope(): Scope {
    const { inputs, attrs } = this.#bindings;
    return new Scope().with([...this.#lets.map((line) => line.binding), ...inputs.values(), ...attrs.values()]);
  }

  #host(node: Expression, type: Type, what: string, options: Partial<ContextOptions> = {}): Term {
    const context = this.#context(options);
    const term = context.require(checkExpression(context, this.#hostScope(), node), type, what);
    this.#finish(context);
    return term;
  }

  #finish(context: CheckContext): void {
    for (const binding of context.used) this.#used.add(binding);
    for (const name of context.demoted) this.demoted.add(name);
  }

  #checkLets(): void {
    this.#lets.push(...bindDimensions(this.#op, this.#bindings.inputs));
    for (const { name, value } of this.#op.let) {
      const term = this.#host(value, UNKNOWN, `the value of ${name}`);
      this.#lets.push({ binding: { name, type: term.type, origin: 'line' }, value: term });
    }
  }

  #reportUnusedLets(): void {
    for (const { name, span } of this.#op.let) {
      const line = this.#lets.find(({ binding }) => binding.name === name);
      if (line !== undefined && !this.#used.has(line.binding)) this.#unused(name, span);
    }
  }

  #unused(name: string, span: Op['span']): void {
    this.#diagnostics.push(diagnosticAt('UNUSED', `'${name}' is never used`, span));
  }

  #pattern(input: Op['inputs'][number]): readonly Term[] {
    if (input.shape === undefined) return [];
    if (input.shape.kind === 'exact') return [this.#host(input.shape.shape, NUMBERS, `the shape of ${input.name}`)];
    return input.shape.items.flatMap((item) => this.#patternItem(item));
  }

  #patternItem(item: PatternItem): readonly Term[] {
    if (item.kind === 'size') return [this.#host(item.size, NUMBER, 'a size')];
    return item.kind === 'sizes' ? [this.#host(item.sizes, NUMBERS, 'sizes')] : [];
  }

  #output(output: Output): { dtype: Term; shape: Term } {
    const shape = this.#host(output.shape, output.list ? listOf(NUMBERS) : NUMBERS, `the shape of ${output.name}`);
    return { dtype: this.#dtype(output.dtype), shape };
  }

  /** An output's dtype as a host value: a dtype variable is the dtype of the first input that has it. */
  #dtype(node: Expression): Term {
    const { span } = node;
    if (node.kind === 'conditional') {
      const condition = this.#host(node.condition, BOOLEAN, 'a condition');
      const [then, otherwise] = [this.#dtype(node.then), this.#dtype(node.otherwise)];
      return { kind: 'conditional', condition, then, otherwise, span, type: then.type };
    }
    if (node.kind !== 'name' || this.#bindings.attrs.has(node.name)) return this.#host(node, dtypeType, 'a dtype');
    if (isDtype(node.name)) return { kind: 'literal', value: node.name, span, type: dtypeType };
    const carrier = this.#op.inputs.find((input) => input.dtype.kind === 'name' && input.dtype.name === node.name);
    const binding = carrier && this.#bindings.inputs.get(carrier.name);
    if (binding === undefined) {
      const message = `no input has the dtype ${node.name}, so it cannot be known`;
      this.#diagnostics.push(diagnosticAt('DTYPE', message, span, 'take it from an attribute of type dtype'));
      return unknownTerm(span);
    }
    const type = withoutNull(binding.type);
    const first: Term = { kind: 'reference', binding, span, type };
    const one: Term = carrier?.list
      ? {
          kind: 'element',
          object: first,
          index: { kind: 'literal', value: 0, span, type: NUMBER },
          span,
          type: tensorIn(type) ?? UNKNOWN,
        }
      : first;
    return { kind: 'property', object: one, name: 'dtype', span, type: dtypeType };
  }

  #view(body: Extract<Op['body'], { readonly kind: 'view' }>): CheckedOp['view'] {
    const layouts = { layouts: true };
    return {
      shape: this.#host(body.shape, NUMBERS, "the view's shape", layouts),
      strides: this.#host(body.strides, unionOf([NUMBERS, NULL]), "the view's strides", layouts),
      offset: this.#host(body.offset, NUMBER, "the view's offset", layouts),
    };
  }

  #kernel(body: Extract<Op['body'], { readonly kind: 'function' }>): CheckedKernel {
    const params = body.params.map(({ name, value }) => [name, this.#host(value, unionOf([NUMBER, BOOLEAN]), name)] as const);
    const scratch = body.scratch.map(({ name, dtype, size }) => {
      return [name, { dtype: this.#dtype(dtype), size: this.#host(size, NUMBER, `the size of ${name}`) }] as const;
    });
    return { work: this.#host(body.work, NUMBER, 'work'), params: new Map(params), scratch: new Map(scratch) };
  }

  // Programs

  #define(program: Program): TermProgram {
    const scope = this.#programScope([...this.#bindings.inputs.values()]);
    const { lines, result, context } = this.#lines(program, scope);
    const { outputs } = this.#op;
    const last = outputs.length === 1 ? result : undefined;
    if (result !== undefined && last === undefined) {
      context.error('MISSING_OUTPUT', `a value alone cannot be told to be one of ${outputs.length} outputs`, result.span);
    }
    const results = outputs.map((output) => last ?? this.#lineOf(lines, output, program));
    outputs.forEach((output, index) => {
      this.#checkResult(context, output, results[index]!);
    });
    this.#reportUnusedLines(program, lines, results);
    return completeProgram([...this.#lets, ...lines], results);
  }

  #lineOf(lines: readonly Line[], output: Output, program: Program): Term {
    const line = lines.find(({ binding }) => binding.name === output.name);
    if (line !== undefined) return { kind: 'reference', binding: line.binding, span: line.value.span, type: line.binding.type };
    const hint = `end with a line ${output.name} = ...`;
    this.#diagnostics.push(diagnosticAt('MISSING_OUTPUT', `the output ${output.name} is never assigned`, program.span, hint));
    return unknownTerm(program.span);
  }

  #checkResult(context: CheckContext, output: Output, result: Term): void {
    const { type, span } = result;
    const inside = output.list && type.kind !== 'list' ? undefined : tensorIn(type);
    if (type.kind === 'unknown' || (type.kind === 'list' && type.length === 0)) return;
    if (inside === undefined || (!output.list && type.kind === 'list')) {
      context.error('TYPE', `the output ${output.name} must be ${output.list ? 'a list of tensors' : 'a tensor'}`, span);
      return;
    }
    const wanted = dtypeTerm(this.#options.vocabulary, this.#op, output.dtype, output.name);
    if (compatibleDtypes(wanted, inside.dtype)) return;
    const dtypes = `${describeDtype(wanted)}, but this is ${describeDtype(inside.dtype)}`;
    context.error('DTYPE', `the output ${output.name} has the dtype ${dtypes}`, span);
  }

  #gradient(gradient: Gradient): TermProgram | undefined {
    if (gradient.program === undefined) return undefined;
    const { inputs, outputs, gradients } = this.#bindings;
    const own = inputs.get(gradient.name);
    const scope = this.#programScope([...outputs.values(), ...inputs.values(), ...gradients.values()]);
    // A gradient is asked for only where its input is there.
    const inside = own === undefined ? scope : scope.narrow(this.#gradientFacts(own));
    const { lines, result, context } = this.#lines(gradient.program, inside);
    if (result === undefined) {
      context.error('MISSING_OUTPUT', 'a gradient ends with a value alone: the gradient', gradient.program.span);
      return undefined;
    }
    const isList = this.#op.inputs.some((input) => input.name === gradient.name && input.list);
    if (result.type.kind !== 'unknown' && (tensorIn(result.type) === undefined || (result.type.kind === 'list') !== isList)) {
      context.error('TYPE', `the gradient of ${gradient.name} must be ${isList ? 'a list of tensors' : 'a tensor'}`, result.span);
    }
    this.#reportUnusedLines(gradient.program, lines, [result]);
    return completeProgram([...this.#lets, ...lines], [result]);
  }

  /** In an input's gradient the input is there, and it is floating, as is all that has its dtype. */
  #gradientFacts(own: Binding): ReadonlyMap<Binding, Type> {
    const dtype = tensorIn(withoutNull(own.type))?.dtype;
    const { inputs, outputs, gradients } = this.#bindings;
    const narrowed = [...inputs.values(), ...outputs.values(), ...gradients.values()].map((binding) => {
      return [binding, dtype?.kind === 'variable' ? asFloating(binding.type, dtype.name) : binding.type] as const;
    });
    return new Map([...narrowed, [own, withoutNull(new Map(narrowed).get(own) ?? own.type)]]);
  }

  #programScope(values: readonly Binding[]): Scope {
    const { attrs, scalars } = this.#bindings;
    return new Scope().with([...this.#lets.map((line) => line.binding), ...values, ...attrs.values(), ...scalars.values()]);
  }

  #lines(program: Program, scope: Scope): { lines: readonly Line[]; result: Term | undefined; context: CheckContext } {
    const context = this.#context({ ops: true });
    const lines: Line[] = [];
    let inner = scope;
    for (const { name, nameSpan, value } of program.assignments) {
      const taken = inner.lookup(name);
      if (taken !== undefined && !this.#mayShadow(taken)) {
        context.error('DUPLICATE', `${name} already means ${meaningOf(taken)}`, nameSpan);
      }
      const term = checkExpression(context, inner, value);
      const binding: Binding = { name, type: term.type, origin: 'line' };
      lines.push({ binding, value: term });
      inner = inner.with([binding]);
    }
    const result = program.result && checkExpression(context, inner, program.result);
    this.#finish(context);
    return { lines, result, context };
  }

  /** Lines may take the names of dimensions, which patterns choose for themselves. */
  #mayShadow(binding: Binding): boolean {
    const isLet = this.#op.let.some(({ name }) => name === binding.name);
    return !isLet && this.#lets.some((line) => line.binding === binding);
  }

  #reportUnusedLines(program: Program, lines: readonly Line[], results: readonly Term[]): void {
    const kept = new Set(completeProgram(lines, results).lines.map(({ binding }) => binding));
    lines.forEach(({ binding }, index) => {
      const written = program.assignments[index];
      if (!kept.has(binding) && written !== undefined) this.#unused(binding.name, written.nameSpan);
    });
  }
}

const dtypeType: Type = { kind: 'dtype', term: UNKNOWN_DTYPE };

/** The type with a dtype variable held to its floating dtypes. */
function asFloating(type: Type, variable: string): Type {
  if (type.kind === 'union') return unionOf(type.options.map((option) => asFloating(option, variable)));
  if (type.kind === 'list') return listOf(asFloating(type.of, variable), type.length);
  if (type.kind !== 'tensor' || type.dtype.kind !== 'variable' || type.dtype.name !== variable) return type;
  return tensor({ ...type.dtype, dtypes: type.dtype.dtypes.filter(isDifferentiableDtype) });
}

function namesAxes(type: AttrType): boolean {
  if (type.kind === 'list') return namesAxes(type.of);
  return type.kind === 'axis' || type.kind === 'axes' || (type.kind === 'union' && type.options.some(namesAxes));
}

function meaningOf(binding: Binding): string {
  switch (binding.origin) {
    case 'input':
      return 'an input';
    case 'output':
      return 'an output';
    case 'gradient':
      return 'an incoming gradient';
    case 'line':
      return 'an earlier line';
    default:
      return 'an attribute';
  }
}

function bindingsOf(model: SpecModel, op: Op, isScalar: (attr: Attribute) => boolean): OpBindings {
  const named = (binding: Binding) => [binding.name, binding] as const;
  const inputs = op.inputs.map((input) => {
    const one = tensor(dtypeTerm(model, op, input.dtype, input.name));
    const given = input.list ? listOf(one) : one;
    return named({ name: input.name, type: input.optional ? unionOf([given, NULL]) : given, origin: 'input' });
  });
  const attrs = op.attrs.map((attr) => {
    const normalised = namesAxes(attr.type);
    return named({ name: attr.name, type: attrValueType(attr.type, attr.name), origin: 'attribute', normalised });
  });
  const scalars = op.attrs
    .filter(isScalar)
    .map(({ name }) => named({ name, type: tensor({ kind: 'weak' }, [name]), origin: 'scalar' }));
  const outputs = op.outputs.map((output) => {
    const one = tensor(dtypeTerm(model, op, output.dtype, output.name));
    return named({ name: output.name, type: output.list ? listOf(one) : one, origin: 'output' });
  });
  const gradients = outputs.map(([name, { type }]) => [name, { name: `d${name}`, type, origin: 'gradient' } as const] as const);
  return {
    inputs: new Map(inputs),
    attrs: new Map(attrs),
    scalars: new Map(scalars),
    outputs: new Map(outputs),
    gradients: new Map(gradients),
  };
}

/** What an op's own dtype expression tells of a tensor. */
export function dtypeTerm(model: SpecModel, op: Op, node: Expression, name: string): DtypeTerm {
  if (node.kind === 'string' && isDtype(node.value)) return { kind: 'concrete', dtype: node.value };
  if (node.kind === 'member' && node.object.kind === 'name') {
    const { object } = node;
    const input = op.inputs.find((one) => one.name === object.name);
    return input === undefined ? UNKNOWN_DTYPE : dtypeTerm(model, op, input.dtype, input.name);
  }
  if (node.kind !== 'name') return UNKNOWN_DTYPE;
  if (isDtype(node.name)) return { kind: 'concrete', dtype: node.name };
  const variable = op.dtypes.find((one) => one.name === node.name);
  if (variable !== undefined) return { kind: 'variable', name: variable.name, dtypes: variable.members };
  const members = model.dtypes.get(node.name)?.members;
  if (members !== undefined) return { kind: 'variable', name: `${node.name} (${name})`, dtypes: members };
  const attr = op.attrs.find((one) => one.name === node.name);
  return attr === undefined ? UNKNOWN_DTYPE : attributeDtype(attr.name);
}
