/**
 * What a case of the bench is: inputs, and the same work said to us and to each peer in its own words. Nothing here measures.
 *
 * A case stands in one place, so that a reader can judge at a glance whether all were asked for the same. What a contender has no
 * words for is left out, and shows as a gap in the table.
 */
import type { Tensor } from '../entry/index.js';
import type { JaxArray, JaxLibrary } from './contenders/jax-types.js';
import type { OnnxGraph } from './contenders/onnx-model.js';
import type { TensorFlow, TensorFlowTensor } from './contenders/tensorflow-types.js';

export type InputDtype = 'float32' | 'bfloat16' | 'int32';

/** Normally distributed values, their sizes (from 1/8 on), uniform ones between -1 and 1, or whole numbers from 0 to `below` - 1. */
export interface InputSpec {
  readonly shape: readonly number[];
  readonly dtype?: InputDtype;
  readonly positive?: boolean;
  readonly unit?: boolean;
  readonly below?: number;
}

/** What the targets distinguish; 'other' has none. */
export type Group =
  | 'elementwise'
  | 'fused'
  | 'reduction'
  | 'softmax'
  | 'layerNorm'
  | 'transpose'
  | 'matmul'
  | 'conv3x3'
  | 'other';

export interface CaseOf<Name extends string> {
  readonly name: string;
  readonly group?: Group;
  readonly inputs: Readonly<Record<Name, InputSpec>>;
  /** Bytes that must be moved or operations that must be done, for a rate beside the time. */
  readonly work?: { readonly bytes: number } | { readonly operations: number };
  /** Only run when asked for: it takes minutes. */
  readonly long?: boolean;
  /** Results are random or are written in place: there is nothing to compare. */
  readonly unchecked?: boolean;
  /** One call of ours; what it returns is compared and disposed. Setting up may take as long as it likes. */
  ours(inputs: Record<Name, Tensor>): () => Ours;
  /** PyTorch: an expression over the inputs' names, and statements that run once before it. */
  readonly torch?: string;
  readonly torchSetup?: string;
  readonly onnx?: OnnxGraph<NoInfer<Name>>;
  tensorflow?(tf: TensorFlow, inputs: Record<Name, TensorFlowTensor>): () => TensorFlowTensor | readonly TensorFlowTensor[];
  /** Compiled with jit; an argument that is used n times is taken as `.ref` n - 1 times. */
  jax?(jax: JaxLibrary, inputs: Record<Name, JaxArray>): JaxArray;
}

export type Ours = Tensor | readonly Tensor[] | undefined;
export type Case = CaseOf<string>;

/** Gives the names of the inputs to the functions over them. */
export function benchCase<Name extends string>(definition: CaseOf<Name>): Case {
  return definition;
}

/** An input's values on the host, before any contender has made a tensor of them; bfloat16 as float32. */
export interface InputValues {
  readonly shape: readonly number[];
  readonly dtype: InputDtype;
  readonly values: Float32Array | Int32Array;
}

/** The same values in every run. */
export function createInputs(inputs: Readonly<Record<string, InputSpec>>): Record<string, InputValues> {
  const random = mulberry(20);
  const made: Record<string, InputValues> = {};
  for (const [name, spec] of Object.entries(inputs)) {
    const { shape, dtype = 'float32' } = spec;
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const values = dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    for (let index = 0; index < size; index++) values[index] = element(spec, random);
    made[name] = { shape, dtype, values };
  }
  return made;
}

function element({ below, positive, unit }: InputSpec, random: () => number): number {
  if (below !== undefined) return Math.floor(random() * below);
  if (unit) return 2 * random() - 1;
  return positive ? Math.abs(normal(random)) + 1 / 8 : normal(random);
}

/** The sum of twelve uniforms is close enough to normal here, and quick. */
function normal(random: () => number): number {
  let sum = -6;
  for (let draw = 0; draw < 12; draw++) sum += random();
  return sum;
}

/** A small generator of numbers from 0 to 1 (mulberry32 by Tommy Ettinger, public domain). */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}
