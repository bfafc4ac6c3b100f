/** What the kinds of accumulation combine with, and what changes nothing when it is combined. */
import { constant } from './build.js';
import type { AccumulateKind, BinaryOp, Expr, Type } from './ir.js';

export const combine: Readonly<Record<AccumulateKind, BinaryOp>> = {
  sum: 'add',
  prod: 'mul',
  max: 'max',
  min: 'min',
  any: 'or',
  all: 'and',
};

const identities: Readonly<Record<AccumulateKind, number | 'lowest' | 'highest'>> = {
  sum: 0,
  prod: 1,
  max: 'lowest',
  min: 'highest',
  any: 0,
  all: 1,
};

const limits: Readonly<Record<string, Readonly<Record<'lowest' | 'highest', number | string>>>> = {
  i32: { lowest: -2147483648, highest: 2147483647 },
  i64: { lowest: '-9223372036854775808', highest: '9223372036854775807' },
  f32: { lowest: '-inf', highest: 'inf' },
  f64: { lowest: '-inf', highest: 'inf' },
};

export function identity(kind: AccumulateKind, type: Type): Expr {
  const value = identities[kind];
  return constant(type, typeof value === 'number' ? value : limits[type.scalar]![value]);
}
