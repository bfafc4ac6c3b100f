/**
 * Calls of ops: which arguments are which input or attribute, whether their types fit, and what dtype comes out. Errors are reported
 * and mended as well as can be, so that one mistake gives one message.
 */
import type { AttrType } from '../../kernels/op.js';
import { didYouMean } from '../spec/diagnostic.js';
import type { Attribute, Input, Op } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { Expression } from './ast.js';
import type { CheckContext } from './check-expression.js';
import { returnedOutputs, type Term } from './terms.js';
import {
  BOOL_DTYPE,
  BOOLEAN,
  compatibleDtypes,
  covers,
  type DtypeTerm,
  describeDtype,
  describeType,
  isDtype,
  listOf,
  mayBeTensor,
  NULL,
  NUMBER,
  NUMBERS,
  optionsOf,
  STRING,
  sameDtype,
  type Type,
  tensor,
  tensorIn,
  UNKNOWN,
  UNKNOWN_DTYPE,
  unionOf,
  WEAK,
  withoutNull,
} from './types.js';

export interface NamedArgument {
  readonly name: string;
  readonly span: Span;
  readonly value: Term;
}

/** Checks a call of an op, and gives its term. */
export function checkOpCall(
  context: CheckContext,
  op: Op,
  positional: readonly Term[],
  named: readonly NamedArgument[],
  span: Span,
): Term {
  const inputs = new Map<string, Term>();
  const attrs = new Map<string, Term>();
  const dtypes = new DtypeMatch(context, op);
  const take = (parameter: Parameter, value: Term): void => {
    if (parameter.kind === 'input') {
      const fitted = fitInput(context, op, parameter.input, value, dtypes);
      if (fitted !== undefined) inputs.set(parameter.input.name, fitted);
    } else {
      attrs.set(parameter.attribute.name, fitAttribute(context, op, parameter.attribute, value));
    }
  };
  const required = positionalParameters(op);
  checkCount(context, op, required, positional, span);
  required.forEach((parameter, index) => {
    const value = positional[index];
    if (value !== undefined) take(parameter, value);
  });
  const optional = optionParameters(op);
  for (const { name, span: nameSpan, value } of named) {
    const parameter = optional.get(name);
    if (parameter === undefined) unknownOption(context, op, name, nameSpan);
    else if (inputs.has(name) || attrs.has(name)) context.error('DUPLICATE', `${name} is given twice`, nameSpan);
    else take(parameter, value);
  }
  return { kind: 'apply', op, inputs, attrs, span, type: resultType(op, inputs, attrs, dtypes) };
}

type Parameter =
  | { readonly kind: 'input'; readonly input: Input; readonly name: string }
  | { readonly kind: 'attribute'; readonly attribute: Attribute; readonly name: string };

const inputParameter = (input: Input): Parameter => ({ kind: 'input', input, name: input.name });
const attributeParameter = (attribute: Attribute): Parameter => ({ kind: 'attribute', attribute, name: attribute.name });

/** As in the public function: tensors that must be given, then attributes that must be given. */
export function positionalParameters(op: Op): readonly Parameter[] {
  return [
    ...op.inputs.filter((input) => !input.optional).map(inputParameter),
    ...op.attrs.filter((attribute) => attribute.required).map(attributeParameter),
  ];
}

/** What goes into the trailing options object. */
export function optionParameters(op: Op): ReadonlyMap<string, Parameter> {
  const parameters = [
    ...op.inputs.filter((input) => input.optional).map(inputParameter),
    ...op.attrs.filter((attribute) => !attribute.required).map(attributeParameter),
  ];
  return new Map(parameters.map((parameter) => [parameter.name, parameter]));
}

function checkCount(context: CheckContext, op: Op, required: readonly Parameter[], given: readonly Term[], span: Span): void {
  if (given.length === required.length) return;
  const names = required.map((parameter) => parameter.name).join(', ');
  const surplus = given[required.length];
  const option = surplus && [...optionParameters(op).keys()].join(', ');
  context.error(
    'ARITY',
    `${op.name}(${names}) takes ${required.length} positional ${required.length === 1 ? 'argument' : 'arguments'}, not ${given.length}`,
    surplus?.span ?? span,
    option ? `what is optional goes into one object at the end: { ${option} }` : undefined,
  );
}

function unknownOption(context: CheckContext, op: Op, name: string, span: Span): void {
  const known = [...optionParameters(op).keys()];
  const place = positionalParameters(op).some((parameter) => parameter.name === name);
  const hint = place ? `${name} is a positional argument` : didYouMean(name, known);
  const options = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  context.error('UNKNOWN_OPTION', `${op.name} has no option '${name}'; ${options}`, span, hint);
}

// ---- Inputs -----------------------------------------------------------------------------------------------------------------

/** The value as this input takes it; undefined where an optional input is left out. */
function fitInput(context: CheckContext, op: Op, input: Input, value: Term, dtypes: DtypeMatch): Term | undefined {
  const { type } = value;
  if (type.kind === 'unknown') return value;
  if (type.kind === 'null' && input.optional) return undefined;
  const given = input.optional ? withoutNull(type) : type;
  if (input.list) {
    const inside = given.kind === 'list' ? tensorIn(given) : undefined;
    if (inside !== undefined) dtypes.match(input, inside.dtype, value.span);
    else if (given.kind !== 'list' || given.length !== 0) wrongInput(context, op, input, value, 'a list of tensors');
    return value;
  }
  if (given.kind === 'tensor') {
    dtypes.match(input, given.dtype, value.span);
    return value;
  }
  if (optionsOf(given).every((option) => option.kind === 'number') && input.number) {
    dtypes.match(input, WEAK, value.span);
    return value;
  }
  if (given.kind === 'boolean' && (input.number || dtypes.takesBool(input))) return value;
  wrongInput(context, op, input, value, input.number ? 'a tensor or a number' : 'a tensor');
  return value;
}

function wrongInput(context: CheckContext, op: Op, input: Input, value: Term, wanted: string): void {
  const absent = mayBeTensor(value.type) && optionsOf(value.type).some((option) => option.kind === 'null');
  const hint = absent
    ? 'it may be absent: choose with present(...) first'
    : value.type.kind === 'outputs'
      ? `name one of its outputs: ${[...value.type.members.keys()].map((name) => `.${name}`).join(', ')}`
      : undefined;
  context.error('TYPE', `${input.name} of ${op.name} takes ${wanted}, not ${describeType(value.type)}`, value.span, hint);
}

// ---- Attributes -------------------------------------------------------------------------------------------------------------

function fitAttribute(context: CheckContext, op: Op, attribute: Attribute, value: Term): Term {
  if (value.type.kind === 'tensor' && value.type.scalars !== undefined && context.isScalar(op, attribute)) return value;
  const host = context.requireHost(value, `${attribute.name} of ${op.name}`);
  const wanted = argumentType(attribute.type);
  if (!covers(wanted, host.type)) {
    context.error(
      'TYPE',
      `${attribute.name} of ${op.name} takes ${describeType(wanted)}, not ${describeType(host.type)}`,
      value.span,
    );
  }
  return host;
}

/** What may be given for an attribute, before it is put into its one form. */
export function argumentType(type: AttrType): Type {
  switch (type.kind) {
    case 'int':
    case 'axis':
      return NUMBER;
    case 'number':
      return unionOf([NUMBER, BOOLEAN]);
    case 'boolean':
      return BOOLEAN;
    case 'string':
      return STRING;
    case 'dtype':
      return { kind: 'dtype', term: UNKNOWN_DTYPE };
    case 'shape':
      return NUMBERS;
    case 'null':
      return NULL;
    case 'literal':
      return typeof type.value === 'number' ? { kind: 'number', literal: type.value } : { kind: 'string', literal: type.value };
    case 'list': {
      const of = argumentType(type.of);
      // Lists made by expressions seldom have a length that is known here.
      return listOf(of);
    }
    case 'pair':
      return unionOf([NUMBER, NUMBERS]);
    case 'axes':
      return unionOf([NUMBER, NUMBERS, NULL]);
    case 'union':
      return unionOf(type.options.map(argumentType));
  }
}

// ---- Dtypes -----------------------------------------------------------------------------------------------------------------

/** What an op's dtype expression says: a variable, a dtype, a class, or something that a condition decides. */
type DtypeRule =
  | { readonly kind: 'variable'; readonly name: string; readonly members: readonly string[] }
  | { readonly kind: 'term'; readonly term: DtypeTerm };

/** The dtypes that a call binds to the callee's dtype variables. */
class DtypeMatch {
  readonly #context: CheckContext;
  readonly #op: Op;
  readonly #bound = new Map<string, { readonly term: DtypeTerm; readonly input: string }>();

  constructor(context: CheckContext, op: Op) {
    this.#context = context;
    this.#op = op;
  }

  match(input: Input, given: DtypeTerm, span: Span): void {
    const rule = this.#rule(input.dtype, input.name);
    if (rule.kind === 'term') {
      if (!compatibleDtypes(rule.term, given)) this.#wrong(input, describeDtype(rule.term), given, span);
      return;
    }
    const earlier = this.#bound.get(rule.name);
    if (earlier !== undefined && !compatibleDtypes(earlier.term, given)) {
      const dtypes = `${describeDtype(earlier.term)} and ${describeDtype(given)}`;
      const message = `${earlier.input} and ${input.name} of ${this.#op.name} must have one dtype, not ${dtypes}`;
      this.#context.error('DTYPE', message, span, 'convert one of them with cast');
      return;
    }
    this.#checkClass(input, rule.members, given, span);
    if (earlier === undefined || earlier.term.kind === 'weak') this.#bound.set(rule.name, { term: given, input: input.name });
  }

  takesBool(input: Input): boolean {
    const rule = this.#rule(input.dtype, input.name);
    return rule.kind === 'variable' ? rule.members.includes('bool') : compatibleDtypes(rule.term, BOOL_DTYPE);
  }

  /** The dtype of an output. */
  result(dtype: Expression, attrs: ReadonlyMap<string, Term>): DtypeTerm {
    if (dtype.kind === 'member' && dtype.name === 'dtype' && dtype.object.kind === 'name') {
      const { name } = dtype.object;
      const input = this.#op.inputs.find((one) => one.name === name);
      return input === undefined ? UNKNOWN_DTYPE : this.result(input.dtype, attrs);
    }
    if (dtype.kind === 'name') {
      const attribute = this.#op.attrs.find((one) => one.name === dtype.name);
      if (attribute !== undefined) return attributeDtype(attribute, attrs.get(attribute.name));
    }
    const rule = this.#rule(dtype, '');
    if (rule.kind === 'term') return rule.term;
    return this.#bound.get(rule.name)?.term ?? WEAK;
  }

  #rule(dtype: Expression, input: string): DtypeRule {
    if (dtype.kind === 'string' && isDtype(dtype.value)) return { kind: 'term', term: { kind: 'concrete', dtype: dtype.value } };
    if (dtype.kind !== 'name') return { kind: 'term', term: UNKNOWN_DTYPE };
    const { name } = dtype;
    if (isDtype(name)) return { kind: 'term', term: { kind: 'concrete', dtype: name } };
    const variable = this.#op.dtypes.find((one) => one.name === name);
    if (variable !== undefined) return { kind: 'variable', name, members: variable.members };
    const members = this.#context.vocabulary.dtypes.get(name)?.members;
    return members === undefined
      ? { kind: 'term', term: UNKNOWN_DTYPE }
      : { kind: 'variable', name: `${name} ${input}`, members };
  }

  #checkClass(input: Input, members: readonly string[], given: DtypeTerm, span: Span): void {
    const dtypes = given.kind === 'concrete' ? [given.dtype] : given.kind === 'variable' ? given.dtypes : [];
    const wrong = dtypes.filter((dtype) => !members.includes(dtype));
    if (wrong.length === 0) return;
    const what = given.kind === 'variable' ? `${given.name} may be ${wrong.join(', ')}` : `this is ${wrong.join(', ')}`;
    this.#context.error('DTYPE', `${input.name} of ${this.#op.name} takes ${members.join(', ')}; ${what}`, span);
  }

  #wrong(input: Input, wanted: string, given: DtypeTerm, span: Span): void {
    this.#context.error('DTYPE', `${input.name} of ${this.#op.name} takes ${wanted}, not ${describeDtype(given)}`, span);
  }
}

function attributeDtype(attribute: Attribute, given: Term | undefined): DtypeTerm {
  if (given !== undefined) return dtypeOfTerm(given);
  return typeof attribute.default === 'string' && isDtype(attribute.default)
    ? { kind: 'concrete', dtype: attribute.default }
    : UNKNOWN_DTYPE;
}

/** The dtype that a host value of type dtype names. */
function dtypeOfTerm(term: Term): DtypeTerm {
  if (term.kind === 'literal' && typeof term.value === 'string' && isDtype(term.value)) {
    return { kind: 'concrete', dtype: term.value };
  }
  if (term.kind === 'conditional') {
    const [then, otherwise] = [dtypeOfTerm(term.then), dtypeOfTerm(term.otherwise)];
    return sameDtype(then, otherwise) ? then : UNKNOWN_DTYPE;
  }
  return term.type.kind === 'dtype' ? term.type.term : UNKNOWN_DTYPE;
}

function resultType(op: Op, inputs: ReadonlyMap<string, Term>, attrs: ReadonlyMap<string, Term>, dtypes: DtypeMatch): Type {
  const scalars = scalarsOf(op, inputs);
  const typeOf = (output: Op['outputs'][number]): Type => {
    const one = tensor(dtypes.result(output.dtype, attrs), scalars);
    return output.list ? listOf(one) : one;
  };
  const returned = returnedOutputs(op);
  const [only] = returned;
  if (returned.length === 1 && only !== undefined) return typeOf(only);
  if (returned.length === 0) return UNKNOWN;
  return { kind: 'outputs', op, members: new Map(returned.map((output) => [output.name, typeOf(output)])) };
}

/** A map of scalar attributes and numbers alone is made of scalar attributes alone. */
function scalarsOf(op: Op, inputs: ReadonlyMap<string, Term>): readonly string[] | undefined {
  const types = [...inputs.values()].map((input) => input.type);
  const tensors = types.filter((type) => type.kind === 'tensor');
  const hosts = types.filter((type) => type.kind === 'number' || type.kind === 'boolean');
  if (tensors.length === 0 || tensors.length + hosts.length < types.length) return undefined;
  if (op.body.kind !== 'map' && op.body.kind !== 'define') return undefined;
  const scalars = tensors.map((type) => type.scalars);
  return scalars.every((names) => names !== undefined) ? [...new Set(scalars.flat())] : undefined;
}
