/**
 * The host functions that kernels import from the module `math`: float64 functions that JavaScript has itself. They follow C where
 * JavaScript differs (1 ** NaN, 1 ** infinity). There is nothing here for other types.
 */
import { pow } from '../scalar-math.js';

export const mathImports = {
  exp: Math.exp,
  exp2: (x: number) => 2 ** x,
  expm1: Math.expm1,
  log: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
  asin: Math.asin,
  acos: Math.acos,
  atan: Math.atan,
  sinh: Math.sinh,
  cosh: Math.cosh,
  tanh: Math.tanh,
  asinh: Math.asinh,
  acosh: Math.acosh,
  atanh: Math.atanh,
  cbrt: Math.cbrt,
  atan2: Math.atan2,
  pow,
  rem: (x: number, y: number) => x % y,
} as const;

export type HostFunction = keyof typeof mathImports;

/** Whether the host has that function of one argument. */
export function isHostUnary(name: string): name is HostFunction {
  return Object.hasOwn(mathImports, name) && name !== 'atan2' && name !== 'pow' && name !== 'rem';
}
