/**
 * What fused kernels do to values besides the map operations themselves: how small integers keep their range, and how a reduction starts
 * and goes on. Where these expressions stand in loops is fused.ts's.
 */
import { add, and, constant, max, min, mul, shl, shr } from '../build.js';
import { type AccumulateKind, type Expr, registerOf, type Storage } from '../ir.js';

/** Results of int8, uint8 and int16 arithmetic wrap at every step, as they would if each step were stored. A number may lie beyond them. */
export function narrow(dtype: Storage, map: string, value: Expr, withNumber = false): Expr {
  if (keepsRange.has(map) && !withNumber) return value;
  if (dtype === 'uint8') return and(value, 0xff);
  if (dtype === 'int8') return shr(shl(value, 24), 24);
  if (dtype === 'int16') return shr(shl(value, 16), 16);
  return value;
}

/** Floats are held within the dtype's bounds when they become integers; the conversion itself does so for int32 and int64. */
export function saturate(dtype: Storage, value: Expr): Expr {
  if (dtype !== 'uint8' && dtype !== 'int8' && dtype !== 'int16') return value;
  const [lowest, highest] = limits[dtype]!;
  return min(max(value, constant(value.type, lowest)), constant(value.type, highest));
}

export const isFloat = (value: Expr): boolean => value.type.scalar === 'f32' || value.type.scalar === 'f64';

const keepsRange = new Set(['identity', 'copy', 'min', 'max', 'select', 'and', 'or', 'xor', 'rem', 'mod', 'sign', 'shr']);

export function combine(kind: AccumulateKind, before: Expr, value: Expr): Expr {
  switch (kind) {
    case 'sum':
      return add(before, value);
    case 'prod':
      return mul(before, value);
    case 'max':
      return { op: 'binary', type: before.type, name: 'max', left: before, right: value };
    case 'min':
      return min(before, value);
    case 'any':
      return { op: 'binary', type: before.type, name: 'or', left: before, right: value };
    case 'all':
      return and(before, value);
  }
}

const limits: Readonly<Record<string, readonly [number | string, number | string]>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: ['-9223372036854775808', '9223372036854775807'],
};

/** What a reduction starts from, and gives for an empty row. */
export function identityOf(kind: AccumulateKind, dtype: Storage): number | string {
  switch (kind) {
    case 'sum':
    case 'any':
      return 0;
    case 'prod':
    case 'all':
      return 1;
    case 'max':
      return limits[dtype]?.[0] ?? '-inf';
    case 'min':
      return limits[dtype]?.[1] ?? 'inf';
  }
}

/** The storage type that holds a register value of a node exactly. */
export function scratchStorage(dtype: Storage): Storage {
  const exact = {
    bool: 'bool',
    i32: 'int32',
    i64: 'int64',
    f32: 'float32',
    f64: 'float64',
    c64: 'complex64',
    c128: 'complex128',
  } as const;
  return exact[registerOf(dtype)];
}
