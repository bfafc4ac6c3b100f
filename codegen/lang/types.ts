/**
 * The types of the expression language: tensors, whose dtype is known as far as a spec can know it, and host values (numbers,
 * lists, strings and so on), which are there before anything is computed. Types are data; the checker works with them.
 */
import { isComplex, isFloating } from '../../kernels/host.js';
import type { AttrType, Dtype } from '../../kernels/op.js';
import type { Op } from '../spec/model.js';

/** What is known of a tensor's dtype. */
export type DtypeTerm =
  | { readonly kind: 'concrete'; readonly dtype: Dtype }
  /** A dtype variable of the op, such as T: one of these dtypes, any if there are none. */
  | { readonly kind: 'variable'; readonly name: string; readonly dtypes: readonly Dtype[] }
  /** Made of numbers alone: takes the dtype of the tensors it meets. */
  | { readonly kind: 'weak' }
  /** Decided by an attribute or a condition. */
  | { readonly kind: 'unknown' };

export type Type =
  | TensorType
  /** The result of an op with several outputs. */
  | { readonly kind: 'outputs'; readonly op: Op; readonly members: ReadonlyMap<string, Type> }
  | { readonly kind: 'number'; readonly literal?: number }
  | { readonly kind: 'string'; readonly literal?: string }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'dtype'; readonly term: DtypeTerm }
  | { readonly kind: 'null' }
  /** Lists without a known length have none. */
  | { readonly kind: 'list'; readonly of: Type; readonly length?: number }
  | { readonly kind: 'union'; readonly options: readonly Type[] }
  | { readonly kind: 'function'; readonly parameters: readonly Type[]; readonly result: Type }
  /** Anything: the parameters of rules, and what follows an error. */
  | { readonly kind: 'unknown' };

export interface TensorType {
  readonly kind: 'tensor';
  readonly dtype: DtypeTerm;
  /** The scalar attributes that it is made of, where it is made of nothing but these and numbers. */
  readonly scalars?: readonly string[];
}

export const NUMBER: Type = { kind: 'number' };
export const STRING: Type = { kind: 'string' };
export const BOOLEAN: Type = { kind: 'boolean' };
export const NULL: Type = { kind: 'null' };
/** The type of what cannot be. */
export const NEVER: Type = { kind: 'union', options: [] };
export const UNKNOWN: Type = { kind: 'unknown' };
export const NUMBERS: Type = { kind: 'list', of: NUMBER };
export const WEAK: DtypeTerm = { kind: 'weak' };
export const UNKNOWN_DTYPE: DtypeTerm = { kind: 'unknown' };
export const BOOL_DTYPE: DtypeTerm = { kind: 'concrete', dtype: 'bool' };

export function tensor(dtype: DtypeTerm, scalars?: readonly string[]): TensorType {
  return scalars === undefined ? { kind: 'tensor', dtype } : { kind: 'tensor', dtype, scalars };
}

export function listOf(of: Type, length?: number): Type {
  return length === undefined ? { kind: 'list', of } : { kind: 'list', of, length };
}

const allDtypes: readonly Dtype[] = [
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
];

export function isDtype(name: string): name is Dtype {
  return allDtypes.some((dtype) => dtype === name);
}

/** Of floating-point or complex numbers: what gradients flow through. */
export function isDifferentiableDtype(dtype: Dtype): boolean {
  return isFloating(dtype) || isComplex(dtype);
}

/** The alternatives of a type; one for what is no union. */
export function optionsOf(type: Type): readonly Type[] {
  return type.kind === 'union' ? type.options : [type];
}

/** The least type that holds all of these: unions are flattened, alternatives that another one covers are dropped. */
export function unionOf(types: readonly Type[]): Type {
  const options = types.flatMap(optionsOf);
  if (options.some((option) => option.kind === 'unknown')) return UNKNOWN;
  const kept: Type[] = [];
  for (const option of options) {
    if (kept.some((other) => covers(other, option))) continue;
    const rest = kept.filter((other) => !covers(option, other));
    kept.length = 0;
    kept.push(...rest, option);
  }
  if (kept.length === 0) return NEVER;
  return kept.length === 1 ? kept[0]! : { kind: 'union', options: kept };
}

/** Whether each value of `type` is one of `wide`. */
export function covers(wide: Type, type: Type): boolean {
  if (wide.kind === 'unknown' || type.kind === 'unknown') return true;
  if (type.kind === 'union') return type.options.every((option) => covers(wide, option));
  if (wide.kind === 'union') return wide.options.some((option) => covers(option, type));
  switch (wide.kind) {
    case 'number':
    case 'string':
      return type.kind === wide.kind && (wide.literal === undefined || wide.literal === type.literal);
    case 'dtype':
      return type.kind === 'dtype' || (type.kind === 'string' && (type.literal === undefined || isDtype(type.literal)));
    case 'list':
      return type.kind === 'list' && (wide.length === undefined || wide.length === type.length) && covers(wide.of, type.of);
    case 'tensor':
      return (
        type.kind === 'tensor' &&
        sameDtype(wide.dtype, type.dtype) &&
        (wide.scalars === undefined || wide.scalars === type.scalars)
      );
    default:
      return wide.kind === type.kind;
  }
}

export function sameDtype(left: DtypeTerm, right: DtypeTerm): boolean {
  if (left.kind === 'concrete' && right.kind === 'concrete') return left.dtype === right.dtype;
  if (left.kind === 'variable' && right.kind === 'variable') return left.name === right.name;
  return left.kind === right.kind;
}

/** Whether tensors of one dtype may stand where those of the other do, as far as is known. */
export function compatibleDtypes(left: DtypeTerm, right: DtypeTerm): boolean {
  const open = (term: DtypeTerm): boolean => term.kind === 'weak' || term.kind === 'unknown';
  return open(left) || open(right) || sameDtype(left, right);
}

/** What is left of a type without some of its alternatives: NEVER if nothing is. */
export function without(type: Type, dropped: (option: Type) => boolean): Type {
  return type.kind === 'unknown' ? type : unionOf(optionsOf(type).filter((option) => !dropped(option)));
}

/** The type of what is known to be there. */
export function withoutNull(type: Type): Type {
  return type.kind === 'union' ? without(type, (option) => option.kind === 'null') : type;
}

export function mayBeTensor(type: Type): boolean {
  return optionsOf(type).some((option) => option.kind === 'tensor');
}

/** The type of a tensor, or of the tensors in a list of them. */
export function tensorIn(type: Type): TensorType | undefined {
  if (type.kind === 'tensor') return type;
  return type.kind === 'list' ? tensorIn(type.of) : undefined;
}

/** The dtype of what is one of two tensors. */
export function joinDtypes(left: DtypeTerm, right: DtypeTerm): DtypeTerm {
  if (left.kind === 'weak') return right;
  if (right.kind === 'weak' || sameDtype(left, right)) return left;
  return UNKNOWN_DTYPE;
}

/** The type of what is a value of one type or of the other: a tensor absorbs numbers, since it can stand for one. */
export function joinTypes(left: Type, right: Type): Type {
  if (left.kind === 'tensor' && right.kind === 'tensor') {
    const scalars = left.scalars && right.scalars && [...new Set([...left.scalars, ...right.scalars])];
    return tensor(joinDtypes(left.dtype, right.dtype), scalars);
  }
  if (left.kind === 'tensor' && right.kind === 'number') return left;
  if (left.kind === 'number' && right.kind === 'tensor') return right;
  if (left.kind === 'list' && right.kind === 'list') {
    const length = left.length === right.length ? left.length : undefined;
    const of = left.length === 0 ? right.of : right.length === 0 ? left.of : joinTypes(left.of, right.of);
    return listOf(of, length);
  }
  return unionOf([left, right]);
}

/** The type of an attribute's value, defaults and normalisation done. */
export function attrValueType(type: AttrType, name: string): Type {
  switch (type.kind) {
    case 'int':
    case 'number':
    case 'axis':
      return NUMBER;
    case 'boolean':
      return BOOLEAN;
    case 'string':
      return STRING;
    case 'null':
      return NULL;
    case 'dtype':
      return { kind: 'dtype', term: attributeDtype(name) };
    case 'shape':
    case 'axes':
      return NUMBERS;
    case 'pair':
      return listOf(NUMBER, 2);
    case 'literal':
      return typeof type.value === 'number' ? { kind: 'number', literal: type.value } : { kind: 'string', literal: type.value };
    case 'list':
      return listOf(attrValueType(type.of, name), type.length);
    case 'union':
      return unionOf(type.options.map((option) => attrValueType(option, name)));
  }
}

/** The dtype that an attribute names: it is not known which, but the same wherever the attribute stands. */
export function attributeDtype(name: string): DtypeTerm {
  return { kind: 'variable', name: `the attribute ${name}`, dtypes: [] };
}

export function describeDtype(term: DtypeTerm): string {
  switch (term.kind) {
    case 'concrete':
      return term.dtype;
    case 'variable':
      return term.name;
    case 'weak':
      return 'number';
    case 'unknown':
      return '?';
  }
}

/** The type in words, for messages. */
export function describeType(type: Type): string {
  switch (type.kind) {
    case 'tensor':
      return type.dtype.kind === 'unknown' ? 'tensor' : `tensor of ${describeDtype(type.dtype)}`;
    case 'outputs':
      return `outputs ${[...type.members.keys()].join(', ')}`;
    case 'number':
      return type.literal === undefined ? 'number' : String(type.literal);
    case 'string':
      return type.literal === undefined ? 'string' : `'${type.literal}'`;
    case 'list':
      return `list of ${describeType(type.of)}`;
    case 'union':
      return type.options.map(describeType).join(' | ');
    case 'function':
      return 'function';
    case 'unknown':
      return 'anything';
    default:
      return type.kind;
  }
}
