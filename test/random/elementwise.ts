/**
 * The reference's elementwise ops, from their textbook definitions in float64 and bigints. Nothing here is shared with the op definitions.
 */
import type { Dtype } from '../../entry/index.js';
import { broadcastShapes, broadcastTo, type Reference, Refused, sizeOf } from './array.js';
import { anything, type Bounded, rounded, spread, stepped, sure, undecided } from './bounded.js';
import type { Element, FloatDtype, IntegerDtype } from './formats.js';
import { isFloat, isInteger, promoted, roundHalfToEven, saturate, wrap } from './formats.js';

export type Operand = Reference | number;

/** Whether 16-bit floats may be kept wider between ops, as within one fused kernel. */
export interface Setting {
  readonly loose: boolean;
}

// ---- Applying functions to whole arrays

/**
 * Numbers take the dtype of the arrays they meet, but for their range: no uint8 is less than -1. A fraction makes float32 of integers.
 * Arrays are promoted and stretched.
 */
export function unify(operands: readonly Operand[]): { arrays: Reference[]; dtype: Dtype } {
  let dtype = operands.flatMap((one) => (typeof one === 'number' ? [] : [one.dtype])).reduce(promoted);
  if (!isFloat(dtype) && operands.some((one) => typeof one === 'number' && !Number.isInteger(one))) dtype = 'float32';
  const shape = broadcastShapes(...operands.map((one) => (typeof one === 'number' ? [] : one.shape)));
  const arrays = operands.map((one) => broadcastTo(converted(typeof one === 'number' ? number(one, dtype) : one, dtype), shape));
  return { arrays, dtype };
}

function number(value: number, dtype: Dtype): Reference {
  const element = isFloat(dtype) ? value : dtype === 'bool' ? Number(value !== 0) : BigInt(value);
  return { dtype, shape: [], values: [element], errors: [0] };
}

type Combine = (elements: readonly Element[], errors: readonly number[]) => readonly [value: Element, error: number];

export function combine(dtype: Dtype, arrays: readonly Reference[], f: Combine): Reference {
  const shape = arrays[0]!.shape;
  const values: Element[] = [];
  const errors: number[] = [];
  for (let place = 0; place < sizeOf(shape); place++) {
    const [value, error] = f(
      arrays.map((array) => array.values[place]!),
      arrays.map((array) => array.errors[place]!),
    );
    values.push(value);
    errors.push(error);
  }
  return { dtype, shape, values, errors };
}

export function mapFloats(x: Reference, dtype: FloatDtype, f: (x: Bounded) => Bounded): Reference {
  return combine(dtype, [x], ([value], [error]) => {
    const result = f({ value: Number(value), error: error! });
    return [result.value, result.error];
  });
}

// ---- Unary functions

interface Smooth {
  readonly f: (x: number) => number;
  readonly ulps: number;
  /** What the roundings are relative to, where not the result. */
  readonly scale?: (x: number) => number;
  /** Its period is its own scale: an error of more than a fraction of it leaves everything open. */
  readonly periodic?: boolean;
  /** How far a pole is away, at least. */
  readonly pole?: (x: number) => number;
  /** An exponential on the way overflows where the result would be less than the smallest normal number. */
  readonly underflows?: boolean;
}

const smooth = (f: (x: number) => number, ulps = 4, scale?: (x: number) => number): Smooth =>
  scale === undefined ? { f, ulps } : { f, ulps, scale };
const sizeAnd1 = (x: number): number => 1 + Math.abs(x);

function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** By its power series, which in float64 is exact to some ulp up to 3, and by the continued fraction beyond. */
export function errorFunction(x: number): number {
  if (Number.isNaN(x)) return x;
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a > 3) {
    let tail = 0;
    for (let k = 120; k > 0; k--) tail = k / 2 / (a + tail);
    return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + tail) * Math.sqrt(Math.PI)));
  }
  // erf(x) = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, all of one sign
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const logisticLog = (x: number): number => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
const tanhGelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

export type Parameters = Readonly<Record<string, number | boolean>>;

/** Functions of floats, with their parameters' defaults. */
export const smoothFunctions: Readonly<Record<string, (parameters: Parameters) => Smooth>> = {
  sqrt: () => smooth(Math.sqrt, 1),
  rsqrt: () => smooth((x) => 1 / Math.sqrt(x), 2),
  reciprocal: () => ({ ...smooth((x) => 1 / x, 1), pole: Math.abs }),
  exp: () => smooth(Math.exp),
  expm1: () => smooth(Math.expm1),
  log: () => smooth(Math.log),
  log2: () => smooth(Math.log2),
  log10: () => smooth(Math.log10),
  log1p: () => smooth(Math.log1p),
  sin: () => ({ f: Math.sin, ulps: 4, periodic: true }),
  cos: () => ({ f: Math.cos, ulps: 4, periodic: true }),
  tan: () => ({ f: Math.tan, ulps: 4, periodic: true, pole: (x) => Math.abs(Math.cos(x)) }),
  asin: () => smooth(Math.asin),
  acos: () => smooth(Math.acos),
  atan: () => smooth(Math.atan),
  sinh: () => smooth(Math.sinh),
  cosh: () => smooth(Math.cosh),
  tanh: () => smooth(Math.tanh),
  erf: () => smooth(errorFunction, 8),
  sigmoid: () => ({ ...smooth(sigmoid, 6, (x) => sigmoid(x) * (1 + Math.abs(x))), underflows: true }),
  logSigmoid: () => smooth(logisticLog, 6, (x) => Math.abs(logisticLog(x)) + Math.abs(x)),
  elu: ({ alpha = 1 }) => smooth((x) => (x > 0 ? x : Number(alpha) * Math.expm1(x)), 6),
  selu: () => smooth((x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)), 6),
  gelu: ({ approximate = false }) =>
    smooth(approximate ? tanhGelu : (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)), 12, (x) => Math.abs(x) + 1e-30),
  softplus: ({ beta = 1, threshold = 20 }) =>
    smooth(
      (x) => (x * Number(beta) > Number(threshold) ? x : -logisticLog(-x * Number(beta)) / Number(beta)),
      8,
      (x) => sizeAnd1(x) * (1 + 1 / Number(beta)),
    ),
  softsign: () => smooth((x) => x / (1 + Math.abs(x)), 3),
  tanhshrink: () =>
    smooth(
      (x) => x - Math.tanh(x),
      6,
      (x) => Math.abs(x),
    ),
  swish: () => ({
    ...smooth(
      (x) => x * sigmoid(x),
      8,
      (x) => Math.abs(x * sigmoid(x)) * sizeAnd1(x),
    ),
    underflows: true,
  }),
  stanh: ({ scaleA = 0.67, scaleB = 1.7159 }) => smooth((x) => Number(scaleB) * Math.tanh(Number(scaleA) * x), 8),
  hardsigmoid: ({ slope = 1 / 6, offset = 0.5 }) => smooth((x) => clamp(x * Number(slope) + Number(offset), 0, 1), 4, sizeAnd1),
  hardswish: () =>
    smooth(
      (x) => (x * clamp(x + 3, 0, 6)) / 6,
      6,
      (x) => Math.abs(x) * sizeAnd1(x),
    ),
  softshrink: ({ threshold = 0.5 }) =>
    smooth(
      (x) => (Math.abs(x) <= Number(threshold) ? 0 : x - Math.sign(x) * Number(threshold)),
      2,
      (x) => Math.abs(x),
    ),
  leakyRelu: ({ negativeSlope = 0.01 }) => smooth((x) => (x > 0 ? x : x * Number(negativeSlope)), 3),
};

/** Functions of floats that jump, or keep or drop their argument. A comparison with NaN is false. */
export const steppedFunctions: Readonly<Record<string, (parameters: Parameters) => (x: number) => number>> = {
  floor: () => Math.floor,
  ceil: () => Math.ceil,
  trunc: () => Math.trunc,
  round: () => roundHalfToEven,
  relu6: () => (x) => clamp(x, 0, 6),
  hardtanh:
    ({ min = -1, max = 1 }) =>
    (x) =>
      clamp(x, Number(min), Number(max)),
  hardshrink:
    ({ threshold = 0.5 }) =>
    (x) =>
      Math.abs(x) <= Number(threshold) ? 0 : x,
  thresholdedRelu:
    ({ threshold = 1 }) =>
    (x) =>
      x <= Number(threshold) ? 0 : x,
};

export function applySmooth(x: Reference, { f, ulps, scale, periodic, pole, underflows }: Smooth, { loose }: Setting): Reference {
  const dtype = floatOf(x.dtype);
  return mapFloats(x, dtype, (at) => {
    const value = f(at.value);
    const wild = (periodic && at.error > 0.1) || (pole !== undefined && at.error > 0 && at.error >= pole(at.value));
    const moved = wild ? anything : spread(f, at);
    const result = rounded(value, moved, dtype, ulps, loose);
    if (scale === undefined || !Number.isFinite(value)) return result;
    const extra = rounded(scale(at.value), 0, dtype, ulps, loose);
    const lost = underflows ? 2 ** (dtype === 'float64' ? -1022 : -126) * (1 + Math.abs(at.value)) : 0;
    return { value: result.value, error: result.error + lost + (Number.isFinite(extra.value) ? extra.error : anything) };
  });
}

export function applyStepped(x: Reference, f: (x: number) => number): Reference {
  return mapFloats(x, floatOf(x.dtype), (at) => stepped(f, at));
}

/** Functions that are exact, of floats and integers. */
export const exactFunctions: Readonly<
  Record<string, { readonly float: (x: number) => number; readonly integer: (x: bigint) => bigint }>
> = {
  neg: { float: (x) => -x, integer: (x) => -x },
  abs: { float: Math.abs, integer: (x) => (x < 0n ? -x : x) },
  sign: { float: Math.sign, integer: (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n) },
  relu: { float: (x) => Math.max(x, 0), integer: (x) => (x > 0n ? x : 0n) },
};

export function applyExact(x: Reference, name: string): Reference {
  const { float, integer } = exactFunctions[name]!;
  if (isFloat(x.dtype))
    return mapFloats(x, x.dtype, (at) => (name === 'sign' ? stepped(float, at) : { ...at, value: float(at.value) }));
  return mapIntegers(x, integer);
}

export function mapIntegers(x: Reference, f: (x: bigint) => bigint): Reference {
  const dtype = integerOf(x.dtype);
  return combine(dtype, [x], ([value], [error]) => [wrap(dtype, f(BigInt(value!))), error! > 0 ? anything : 0]);
}

// ---- Binary functions

interface Binary {
  readonly float: (a: Bounded, b: Bounded, dtype: FloatDtype, setting: Setting) => Bounded;
  readonly integer?: (a: bigint, b: bigint) => bigint;
}

function quotient(a: Bounded, b: Bounded): Bounded {
  const value = a.value / b.value;
  if (a.error + b.error === 0) return sure(value);
  const room = Math.abs(b.value) - b.error;
  return { value, error: room > 0 ? (a.error + Math.abs(value) * b.error) / room : anything };
}

/** The quotient rounded down; where its rounding may carry it over a whole number, both neighbours will do. */
function flooredQuotient(a: Bounded, b: Bounded, dtype: FloatDtype): Bounded {
  const exactQuotient = quotient(a, b);
  if (!Number.isFinite(exactQuotient.value)) return { value: exactQuotient.value, error: exactQuotient.error };
  return stepped(Math.floor, rounded(exactQuotient.value, exactQuotient.error, dtype));
}

export function flooredModulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

function modulo(a: Bounded, b: Bounded, dtype: FloatDtype, { loose }: Setting): Bounded {
  const value = flooredModulo(a.value, b.value);
  if (a.error + b.error === 0)
    return rounded(value, Number.isFinite(b.value) ? Math.abs(b.value) * 2 ** -53 : 0, dtype, 1, loose);
  const whole = stepped(Math.floor, quotient(a, b));
  return whole.error > 0
    ? { value, error: anything }
    : rounded(value, a.error + Math.abs(whole.value) * b.error, dtype, 1, loose);
}

/** As in C: 1 to any power and anything to the power of 0 is 1, and -1 to an infinite one. */
export function power(a: number, b: number): number {
  if (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY)) return 1;
  return a ** b;
}

function boundedPower(a: Bounded, b: Bounded, dtype: FloatDtype, { loose }: Setting): Bounded {
  const value = power(a.value, b.value);
  if (a.error + b.error === 0) return rounded(value, 0, dtype, 8, loose);
  if (!(a.value - a.error > 0)) return { value, error: anything };
  const moved = spread((x) => power(x, b.value), a) + spread((y) => power(a.value, y), b);
  return rounded(value, 2 * moved, dtype, 8, loose);
}

export function integerPower(a: bigint, b: bigint): bigint {
  if (b >= 0n) {
    // Enough bits for every dtype: the result is taken modulo 2^64.
    let result = 1n;
    let base = a;
    for (let rest = b; rest > 0n; rest >>= 1n) {
      if (rest & 1n) result = BigInt.asIntN(64, result * base);
      base = BigInt.asIntN(64, base * base);
    }
    return result;
  }
  return a === 1n || (a === -1n && b % 2n === 0n) ? 1n : a === -1n ? -1n : 0n;
}

function dividedDown(a: bigint, b: bigint): bigint {
  if (b === 0n) return 0n;
  return a / b - (a % b !== 0n && a < 0n !== b < 0n ? 1n : 0n);
}

function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

const extreme =
  (choose: (a: number, b: number) => number): Binary['float'] =>
  (a, b) => ({ value: choose(a.value, b.value), error: Math.max(a.error, b.error) });

export const binaryFunctions: Readonly<Record<string, Binary>> = {
  add: {
    float: (a, b, dtype, { loose }) => rounded(a.value + b.value, a.error + b.error, dtype, 1, loose),
    integer: (a, b) => a + b,
  },
  subtract: {
    float: (a, b, dtype, { loose }) => rounded(a.value - b.value, a.error + b.error, dtype, 1, loose),
    integer: (a, b) => a - b,
  },
  multiply: {
    float: (a, b, dtype, { loose }) =>
      rounded(a.value * b.value, crossed(a.value, b.error) + crossed(b.value, a.error) + a.error * b.error, dtype, 1, loose),
    integer: (a, b) => a * b,
  },
  divide: {
    float: (a, b, dtype, { loose }) => {
      const { value, error } = quotient(a, b);
      return rounded(value, error, dtype, 1, loose);
    },
  },
  floorDivide: { float: flooredQuotient, integer: dividedDown },
  mod: { float: modulo, integer: (a, b) => (b === 0n ? 0n : a - b * dividedDown(a, b)) },
  pow: { float: boundedPower, integer: integerPower },
  maximum: { float: extreme(Math.max), integer: larger },
  minimum: { float: extreme(Math.min), integer: (a, b) => -larger(-a, -b) },
};

/** A factor's size times the other's error; infinity times no error is no error. */
const crossed = (value: number, error: number): number => (error === 0 ? 0 : Math.abs(value) * error);

export function applyBinary(name: string, operands: readonly Operand[], setting: Setting): Reference {
  const { arrays, dtype } = unify(operands);
  const { float, integer } = binaryFunctions[name]!;
  if (isFloat(dtype))
    return combine(dtype, arrays, ([a, b], [ea, eb]) => {
      const result = float({ value: Number(a), error: ea! }, { value: Number(b), error: eb! }, dtype, setting);
      return [result.value, result.error];
    });
  const kind = integerOf(dtype);
  return combine(kind, arrays, ([a, b], errors) => [
    wrap(kind, integer!(BigInt(a!), BigInt(b!))),
    errors.some((error) => error > 0) ? anything : 0,
  ]);
}

const comparisons: Readonly<Record<string, (a: Element, b: Element) => boolean>> = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  lessThan: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greaterThan: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
};
export const comparisonNames = Object.keys(comparisons);

export function compareArrays(name: string, operands: readonly Operand[]): Reference {
  const { arrays } = unify(operands);
  return combine('bool', arrays, ([a, b], [ea, eb]) => {
    const open = undecided({ value: Number(a), error: ea! }, { value: Number(b), error: eb! });
    return [Number(comparisons[name]!(a!, b!)), open ? anything : 0];
  });
}

export const logicalFunctions: Readonly<Record<string, (a: boolean, b: boolean) => boolean>> = {
  logicalAnd: (a, b) => a && b,
  logicalOr: (a, b) => a || b,
  logicalXor: (a, b) => a !== b,
};

export function applyLogical(name: string, operands: readonly Operand[]): Reference {
  const { arrays, dtype } = unify(operands);
  if (dtype !== 'bool') throw new Refused('logic is of booleans');
  return combine('bool', arrays, ([a, b], errors) => [
    Number(logicalFunctions[name]!(a !== 0, b !== 0)),
    errors.some((error) => error > 0) ? anything : 0,
  ]);
}

export function not(x: Reference): Reference {
  return combine('bool', [x], ([a], [error]) => [a === 0 ? 1 : 0, error!]);
}

export const predicates: Readonly<Record<string, (x: number) => boolean>> = {
  isnan: Number.isNaN,
  isinf: (x) => Math.abs(x) === Number.POSITIVE_INFINITY,
  isfinite: Number.isFinite,
};

export function applyPredicate(name: string, x: Reference): Reference {
  return combine('bool', [x], ([a], [error]) => [Number(predicates[name]!(Number(a))), error === anything ? anything : 0]);
}

/** A number that met integers may lie beyond them. */
const inRange = (dtype: Dtype, value: Element): Element => (typeof value === 'bigint' ? wrap(integerOf(dtype), value) : value);

/** The condition keeps its dtype; the branches become one. */
export function where(condition: Reference, x: Operand, y: Operand): Reference {
  const { arrays, dtype } = unify([x, y]);
  const shape = broadcastShapes(condition.shape, arrays[0]!.shape);
  const [choice, left, right] = [condition, arrays[0]!, arrays[1]!].map((array) => broadcastTo(array, shape));
  return combine(dtype, [choice!, left!, right!], ([c, a, b], [ec, ea, eb]) => [
    inRange(dtype, c !== 0 ? a! : b!),
    ec! > 0 ? anything : c !== 0 ? ea! : eb!,
  ]);
}

// ---- Conversion

/** In a fused kernel a 16-bit float may stay as wide as it was (`loose`). */
export function converted(x: Reference, dtype: Dtype, loose = false): Reference {
  if (x.dtype === dtype) return x;
  if (dtype === 'bool')
    return combine(dtype, [x], ([a], [error]) => {
      const at = { value: Number(a), error: error! };
      return [Number(at.value !== 0), undecided(at, sure(0)) ? anything : 0];
    });
  if (isFloat(dtype))
    return mapFloats(x, dtype, (at) =>
      isFloat(x.dtype) && widens(x.dtype, dtype) ? at : rounded(at.value, at.error, dtype, 1, loose),
    );
  const fromFloat = isFloat(x.dtype);
  const integer = integerOf(dtype);
  return combine(integer, [x], ([a], [error]) => {
    if (!fromFloat) return [wrap(integer, BigInt(a!)), error! > 0 ? anything : 0];
    const at = stepped(Math.trunc, { value: Number(a), error: error! });
    return [saturate(integer, at.value), at.error];
  });
}

const widens = (from: FloatDtype, to: FloatDtype): boolean => to === 'float64' || (to === 'float32' && from !== 'float64');

export function floatOf(dtype: Dtype): FloatDtype {
  if (isFloat(dtype)) return dtype;
  throw new Error(`${dtype} is no float`);
}

export function integerOf(dtype: Dtype): IntegerDtype {
  if (isInteger(dtype)) return dtype;
  throw new Error(`${dtype} is no integer`);
}
