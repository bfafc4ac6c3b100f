/**
 * What happens to every call of an op before anything is computed: inputs are matched with their dtypes, attributes are checked,
 * completed and put into one form. Dispatch, the tracer and the reference share it, so that they cannot disagree.
 */
import { RuleError } from './host.js';
import type { Storage } from './ir.js';
import type {
  Arguments,
  AttrDefinition,
  Attrs,
  AttrType,
  AttrValue,
  Dtype,
  InputDefinition,
  OpDefinition,
  TensorMeta,
  Value,
} from './op.js';

export type ArgumentValue<V> = V | number;

export interface Call<V> {
  readonly inputs: Arguments<ArgumentValue<V>>;
  /** The dtype that each input is to have. */
  readonly dtypes: Readonly<Record<string, Dtype>>;
  readonly metas: Arguments<TensorMeta>;
  readonly attrs: Attrs;
  /** No input had a dtype of its own. */
  readonly weak: boolean;
}

interface MaybeWeak extends Value {
  readonly weak?: boolean;
}

export const dtypeClasses: Readonly<Record<string, readonly Dtype[]>> = {
  floating: ['float16', 'bfloat16', 'float32', 'float64'],
  integer: ['uint8', 'int8', 'int16', 'int32', 'int64'],
  index: ['int32', 'int64'],
};

const isConcrete = (name: string): name is Dtype => concrete.has(name);
const concrete: ReadonlySet<string> = new Set<Storage>([
  'bool',
  'uint8',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'bfloat16',
  'float32',
  'float64',
  'complex64',
  'complex128',
]);

/** The dtype variable, dtype or class of dtypes of an input in a call with these attributes, which need not be checked yet. */
export function dtypeNameOf(op: OpDefinition, { dtype, dtypeWhen }: InputDefinition, attrs: Attrs): string {
  if (dtypeWhen === undefined) return dtype;
  const value = attrs[dtypeWhen.attr] ?? op.attrs.find(({ name }) => name === dtypeWhen.attr)?.default;
  return value === true ? dtypeWhen.dtype : dtype;
}

export function prepareCall<V extends MaybeWeak>(op: OpDefinition, inputs: Arguments<ArgumentValue<V>>, attrs: Attrs): Call<V> {
  const variables = bindVariables(op, inputs, attrs);
  const dtypes: Record<string, Dtype> = {};
  const metas: Record<string, TensorMeta | readonly TensorMeta[] | undefined> = {};
  let weak = op.inputs.length > 0;
  for (const input of op.inputs) {
    const value = inputs[input.name];
    if (value === undefined) {
      if (!input.optional) throw new RuleError('MISSING_ARGUMENT', `${input.name} is missing`);
      continue;
    }
    const values: readonly ArgumentValue<V>[] = Array.isArray(value) ? value : [value as ArgumentValue<V>];
    if (values.length === 0) throw new RuleError('INVALID_ARGUMENT', `${input.name} must hold at least one tensor`, input.name);
    const own = values.find((one): one is V => typeof one !== 'number' && one.weak !== true);
    if (own !== undefined) weak = false;
    const named = dtypeNameOf(op, input, attrs);
    const dtype = variables[named] ?? (isConcrete(named) ? named : (own?.dtype ?? 'float32'));
    checkDtype(input.name, op.dtypes[named] ?? dtypeClasses[named], own?.dtype ?? dtype, dtype);
    dtypes[input.name] = dtype;
    const meta = (one: ArgumentValue<V>): TensorMeta => ({ shape: typeof one === 'number' ? [] : one.shape, dtype });
    metas[input.name] = input.list ? values.map(meta) : meta(values[0]!);
  }
  return { inputs, dtypes, metas, attrs: completeAttrs(op, attrs, metas), weak };
}

/** Each dtype variable takes the dtype of the first input of that variable that has one of its own. */
function bindVariables<V extends MaybeWeak>(
  op: OpDefinition,
  inputs: Arguments<ArgumentValue<V>>,
  attrs: Attrs,
): Record<string, Dtype> {
  const variables: Record<string, Dtype> = {};
  for (const input of op.inputs) {
    const variable = dtypeNameOf(op, input, attrs);
    if (op.dtypes[variable] === undefined || variables[variable] !== undefined) continue;
    const value = inputs[input.name];
    const values = Array.isArray(value) ? value : [value];
    for (const one of values as readonly (ArgumentValue<V> | undefined)[]) {
      if (one === undefined || typeof one === 'number' || one.weak === true) continue;
      variables[variable] = one.dtype;
      break;
    }
  }
  for (const name of Object.keys(op.dtypes)) variables[name] ??= weakDtype(op, name);
  return variables;
}

/** Plain numbers among themselves are computed in float64. */
function weakDtype(op: OpDefinition, variable: string): Dtype {
  const allowed = op.dtypes[variable]!;
  return allowed.includes('float64') ? 'float64' : allowed[0]!;
}

function checkDtype(name: string, allowed: readonly Dtype[] | undefined, got: Dtype, expected: Dtype): void {
  if (allowed !== undefined && !allowed.includes(got))
    throw new RuleError('DTYPE_MISMATCH', `${name} must be one of ${allowed.join(', ')}, got ${got}`);
  if (allowed === undefined && got !== expected) throw new RuleError('DTYPE_MISMATCH', `${name} must be ${expected}, got ${got}`);
}

/** Checks attributes and hands back all of them, in their one form. A scalar attribute may be a value of the algebra. */
export function completeAttrs(op: OpDefinition, attrs: Attrs, metas: Arguments<TensorMeta>): Attrs {
  if (op.attrs.length === 0 && Object.keys(attrs).length === 0) return attrs;
  const complete: Record<string, AttrValue> = {};
  for (const attr of op.attrs) {
    const given = attrs[attr.name];
    if (given === undefined && attr.required) throw new RuleError('MISSING_ARGUMENT', `${attr.name} is missing`);
    const value = given === undefined ? attr.default : given;
    complete[attr.name] = attr.scalar && typeof value === 'object' ? value : fitOrThrow(attr, value, metas);
  }
  for (const name of Object.keys(attrs)) {
    if (!op.attrs.some((attr) => attr.name === name)) {
      const known = op.attrs.map((attr) => attr.name).join(', ');
      throw new RuleError('UNKNOWN_OPTION', `${name} is not an option of ${op.name}${known === '' ? '' : `; it has ${known}`}`);
    }
  }
  return complete;
}

function fitOrThrow(attr: AttrDefinition, value: AttrValue, metas: Arguments<TensorMeta>): AttrValue {
  const fitted = fit(attr.type, value, metas);
  if (fitted !== undefined) return fitted;
  throw new RuleError('INVALID_ARGUMENT', `${attr.name} must be ${describeType(attr.type)}, got ${describeValue(value)}`);
}

/** The value in the type's one form; undefined if it is not of the type. Throws where it is, but cannot be meant. */
function fit(type: AttrType, value: AttrValue, metas: Arguments<TensorMeta>): AttrValue {
  switch (type.kind) {
    case 'int':
      if (typeof value === 'number' && Number.isNaN(value))
        throw new RuleError('NOT_AN_INTEGER', 'an integer is needed, got NaN');
      return Number.isSafeInteger(value) ? value : undefined;
    case 'number':
      return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'dtype':
      return typeof value === 'string' && concrete.has(value) ? value : undefined;
    case 'null':
      return value === null ? null : undefined;
    case 'literal':
      return value === type.value ? value : undefined;
    case 'shape':
      return fitShape(value);
    case 'pair':
      if (typeof value === 'number') return Number.isSafeInteger(value) ? [value, value] : undefined;
      return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger) ? value : undefined;
    case 'list': {
      if (!Array.isArray(value) || (type.length !== undefined && value.length !== type.length)) return undefined;
      const fitted = value.map((one: AttrValue) => fit(type.of, one, metas));
      return fitted.includes(undefined) ? undefined : fitted;
    }
    case 'axis':
      return Number.isSafeInteger(value) ? fitAxis(value as number, rankOf(type.of, metas) + type.extra) : undefined;
    case 'axes':
      return fitAxes(value, rankOf(type.of, metas));
    case 'union':
      for (const option of type.options) {
        const fitted = fit(option, value, metas);
        if (fitted !== undefined) return fitted;
      }
      return undefined;
  }
}

function fitShape(value: AttrValue): AttrValue {
  if (!Array.isArray(value) || !value.every(Number.isSafeInteger)) return undefined;
  const negative = value.find((size) => size < 0);
  if (negative !== undefined) throw new RuleError('INVALID_ARGUMENT', `a size must not be negative, got ${negative}`);
  return value;
}

function fitAxis(axis: number, rank: number): number {
  if (axis < -rank || axis >= rank)
    throw new RuleError('AXIS_OUT_OF_RANGE', `axis ${axis} is out of range for a tensor of rank ${rank}: ${range(rank)}`);
  return axis < 0 ? axis + rank : axis;
}

const range = (rank: number): string => (rank === 0 ? 'it has no axes' : `axes run from ${-rank} to ${rank - 1}`);

function fitAxes(value: AttrValue, rank: number): AttrValue {
  if (value === null) return Array.from({ length: rank }, (_, axis) => axis);
  const axes = Array.isArray(value) ? (value as readonly AttrValue[]) : [value];
  if (!axes.every(Number.isSafeInteger)) return undefined;
  const fitted = axes.map((axis) => fitAxis(axis as number, rank));
  if (new Set(fitted).size !== fitted.length)
    throw new RuleError('INVALID_ARGUMENT', `axis names an axis twice: ${axes.join(', ')}`);
  return fitted.sort((a, b) => a - b);
}

function rankOf(name: string, metas: Arguments<TensorMeta>): number {
  const meta = metas[name];
  const first = Array.isArray(meta) ? (meta as readonly TensorMeta[])[0] : (meta as TensorMeta | undefined);
  return first?.shape.length ?? 0;
}

export function describeType(type: AttrType): string {
  switch (type.kind) {
    case 'int':
      return 'an integer';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    case 'string':
      return 'a string';
    case 'dtype':
      return 'a dtype';
    case 'shape':
      return 'a list of sizes';
    case 'null':
      return 'null';
    case 'literal':
      return JSON.stringify(type.value);
    case 'list':
      return `a list of ${type.length ?? ''} ${describeType(type.of).replace(/^an? /, '')}s`.replace('  ', ' ');
    case 'pair':
      return 'an integer or two';
    case 'axis':
      return `an axis of ${type.of}`;
    case 'axes':
      return `an axis of ${type.of}, several, or null for all`;
    case 'union':
      return type.options.map(describeType).join(' or ');
  }
}

/** As JSON, but that numbers which JSON does not have are written out. */
function describeValue(value: AttrValue): string {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `[${value.map(describeValue).join(', ')}]`;
  return JSON.stringify(value) ?? String(value);
}
