/**
 * The elements of samples: random to look at, the same everywhere. test/golden/make.py holds the same generator in Python, so that
 * goldens need no inputs in them. Only exact arithmetic is used, since the languages' exponentials differ in the last bit.
 *
 * A stream of 32-bit words starts from a text, `softmax/x/0` for the first sample's input x of softmax (`concat/xs/0/1` for the second
 * tensor of a list, `softmax/dout/0` for an incoming gradient). Its seed is the text's 32-bit FNV-1a hash; the n-th word, counted from
 * 1, is murmur3's finaliser of seed + n * 0x9e3779b9. A uniform number is a word's upper 24 bits plus a half, over 2^24. A complex
 * element takes two numbers, its real part first.
 */

import type { Fill } from '../../codegen/spec/model.js';
import type { InputData } from '../../codegen/spec/sample-data.js';
import type { Dtype } from '../../kernels/op.js';

export type { InputData, SampleData, TensorData } from '../../codegen/spec/sample-data.js';

export interface Elements {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** Row by row; booleans are 0 and 1, complex elements two numbers each. Of floating-point dtypes other than float64: values of float32. */
  readonly values: readonly number[];
}
export type InputElements = Elements | number | readonly InputElements[];

/** The elements of an input of a sample. */
export function inputElements(op: string, input: string, sample: number, data: InputData): InputElements {
  return elementsOf(`${op}/${input}/${sample}`, data);
}

function elementsOf(text: string, data: InputData): InputElements {
  if (typeof data === 'number') return data;
  if (isList(data)) return data.map((item, index) => elementsOf(`${text}/${index}`, item));
  const { shape, dtype } = data;
  return { shape, dtype, values: 'values' in data ? data.values : randomValues(text, shape, dtype, data.fill) };
}

/** The incoming gradient of an output (`dout` for out), with which goldens' gradients were made. */
export function incomingGradient(op: string, output: string, sample: number, shape: readonly number[]): Elements {
  return { shape, dtype: 'float32', values: randomValues(`${op}/d${output}/${sample}`, shape, 'float32', 'normal') };
}

export function randomValues(text: string, shape: readonly number[], dtype: Dtype, fill: Fill): readonly number[] {
  const uniform = uniforms(text);
  const length = shape.reduce((product, size) => product * size, isComplex(dtype) ? 2 : 1);
  return Array.from({ length }, (_, place) => element(uniform, place, dtype, fill));
}

function element(uniform: () => number, place: number, dtype: Dtype, fill: Fill): number {
  if (dtype === 'bool') return uniform() < 0.5 ? 1 : 0;
  if (!floating.includes(dtype)) return wholeElement(uniform, place, dtype, fill);
  const value = fill === 'special' ? (specials[place % specialPeriod] ?? normal(uniform)) : fills[fill](uniform);
  return Math.fround(value);
}

const floating: readonly Dtype[] = ['float16', 'bfloat16', 'float32', 'float64', 'complex64', 'complex128'];
const isComplex = (dtype: Dtype): boolean => dtype === 'complex64' || dtype === 'complex128';

/** Integers are small whatever the fill, but for the special ones. */
function wholeElement(uniform: () => number, place: number, dtype: Dtype, fill: Fill): number {
  const small = Math.floor(uniform() * 9) - (dtype === 'uint8' ? 0 : 4);
  return fill === 'special' ? ([0, ...ranges[dtype]][place % specialPeriod] ?? small) : small;
}

const ranges: Readonly<Record<Dtype, readonly number[]>> = {
  bool: [],
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  float16: [],
  bfloat16: [],
  float32: [],
  float64: [],
  complex64: [],
  complex128: [],
};

const greatest = (2 - 2 ** -23) * 2 ** 127;
const specials = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -greatest, greatest, 2 ** -126] as const;
/** Four ordinary elements follow the special ones, over and over. */
const specialPeriod = 12;

/** The sum of twelve uniform numbers less 6 has mean 0, variance 1, and nearly the normal distribution's shape. */
function normal(uniform: () => number): number {
  let sum = -6;
  for (let term = 0; term < 12; term++) sum += uniform();
  return sum;
}

const fills: Readonly<Record<Exclude<Fill, 'special'>, (uniform: () => number) => number>> = {
  normal,
  positive: (uniform) => 0.5 + 1.5 * uniform(),
  unit: (uniform) => 2 * uniform() - 1,
  integers: (uniform) => Math.floor(uniform() * 9) - 4,
  large: (uniform) => 1000 * normal(uniform),
};

function uniforms(text: string): () => number {
  let state = fnv1a(text);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return ((finalise(state) >>> 8) + 0.5) * 2 ** -24;
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}

function finalise(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function isList(data: InputData): data is readonly InputData[] {
  return Array.isArray(data);
}
