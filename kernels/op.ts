/**
 * The contract of an op: what the generator emits for one entry of ops.yaml, and what the tracer, the runtime and the reference
 * evaluator read. It holds functions and plain data, no behaviour of its own, and knows of no device.
 */
import type { Kernel, Storage } from './ir.js';

export type Dtype = Storage;
export type Shape = readonly number[];

/** Shape and dtype: all that shape rules, dtype rules and the tracer see of a tensor. */
export interface TensorMeta {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

export type AttrValue = number | string | boolean | null | undefined | readonly AttrValue[];
/** Attributes after checking: defaults filled in, axes counted from the front, pairs spelled out. */
export type Attrs = Readonly<Record<string, AttrValue>>;

/** An argument as an op's functions receive it: a value, a list of values (`dtype: T, list: true`), or nothing (optional). */
export type Argument<V> = V | readonly V[] | undefined;
export type Arguments<V> = Readonly<Record<string, Argument<V>>>;

export interface InputDefinition {
  readonly name: string;
  /** A dtype variable of the op (`T`), or a concrete dtype, or a dtype class such as `integer`. */
  readonly dtype: string;
  /** What the dtype is instead where a boolean attribute is set. */
  readonly dtypeWhen?: { readonly attr: string; readonly dtype: string };
  readonly optional?: boolean;
  readonly list?: boolean;
  /** A plain number may stand here without becoming a tensor: it reaches fused kernels as a scalar. */
  readonly number?: boolean;
  /** Backward needs it to be differentiable; integer and boolean inputs never are. */
  readonly differentiable: boolean;
  /** The op writes into it. */
  readonly mutated?: boolean;
}

/** The type of an attribute, as parsed from its TypeScript-like text in the spec (`int | int[2]`, `'mean' | 'sum'`, `axis(x)`). */
export type AttrType =
  | { readonly kind: 'int' | 'number' | 'boolean' | 'string' | 'dtype' | 'shape' | 'null' }
  | { readonly kind: 'literal'; readonly value: string | number }
  | { readonly kind: 'list'; readonly of: AttrType; readonly length?: number }
  /** One number for both, or two: always handed on as two. */
  | { readonly kind: 'pair' }
  /** One axis of an input; `extra` 1 lets it name the place after the last (unsqueeze, stack). */
  | { readonly kind: 'axis'; readonly of: string; readonly extra: 0 | 1 }
  /** One axis, a list, or null for all: handed on as an ascending list without repeats. */
  | { readonly kind: 'axes'; readonly of: string }
  | { readonly kind: 'union'; readonly options: readonly AttrType[] };

export interface AttrDefinition {
  readonly name: string;
  readonly type: AttrType;
  /** Absent on a required attribute, which is then a positional argument of the function. */
  readonly default?: AttrValue;
  readonly required: boolean;
  /** A number that only ever scales tensors: it is a parameter of kernels, so a new value compiles and traces nothing. */
  readonly scalar?: boolean;
  /** A dtype: where a user's call leaves it out it is the runtime's default one, and within definitions `default`. */
  readonly followsDefault?: boolean;
}

/** A value of an algebra: a tensor, a traced node, a reference array. */
export interface Value {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/**
 * What `define` and `grad` are written over. `apply` runs one op: the tracer records it, dispatch executes it, the reference
 * computes it. The generated code calls `g.softmax(x, { axis })`; those methods are `apply` with the op filled in.
 */
export interface Algebra<V extends Value> {
  apply(op: OpDefinition, inputs: Arguments<V | number>, attrs: Attrs): readonly V[];
}

/** Attributes as definitions and gradients receive them: a scalar attribute is a value of the algebra. */
export type OperandAttrs<V> = Readonly<Record<string, AttrValue | V>>;
/** An algebra with one method for each op of the loaded libraries. The generated interface OpAlgebra states the methods. */
export type AlgebraOf<V extends Value> = Algebra<V>;

export type OpFunction = <V extends Value>(g: AlgebraOf<V>, inputs: Arguments<V>, attrs: OperandAttrs<V>) => readonly V[];

export type MapOp = string;
export type ReduceKind = 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all';

export interface ViewLayout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  /** In elements, from the start of the storage. */
  readonly offset: number;
}
export interface LayoutMeta extends TensorMeta, ViewLayout {}

export interface FunctionCall {
  /** How many work items the kernel has. */
  readonly work: number;
  /** The fewest of them that a thread takes on, where items that lie side by side run in lanes. */
  readonly grain?: number;
  readonly params: Readonly<Record<string, number>>;
  readonly scratch?: Readonly<Record<string, { readonly dtype: Dtype; readonly size: number }>>;
}

export type OpBody =
  /** A composition of other ops. */
  // Methods, so that generated code may state the arguments it takes more exactly.
  | { readonly kind: 'define'; run<V extends Value>(g: AlgebraOf<V>, inputs: Arguments<V>, attrs: OperandAttrs<V>): readonly V[] }
  /** A scalar function of its broadcast inputs; the name is one of the map operations of kernels/fused.ts. */
  | { readonly kind: 'map'; readonly map: MapOp }
  /** Along attrs.axis (a list after checking), kept as size 1 with attrs.keepdim. */
  | { readonly kind: 'reduce'; readonly reduce: ReduceKind }
  /** Fusable values without tensor inputs: `full`, `iota` (position along attrs.axis) and `random` (32 random bits an element). */
  | { readonly kind: 'create'; readonly create: 'full' | 'iota' | 'random' }
  /** A new layout over the first input's storage; null where its strides cannot express it and a copy must be made first. */
  | { readonly kind: 'view'; view(inputs: Arguments<LayoutMeta>, attrs: Attrs): ViewLayout | null }
  /** A kernel of kernels/functions or one made from index notation; inputs are made contiguous. */
  | {
      readonly kind: 'kernel';
      readonly kernel: Kernel;
      call(inputs: Arguments<TensorMeta>, outputs: readonly TensorMeta[], attrs: Attrs): FunctionCall;
      /** Outputs are zeroed before the launch, because the kernel adds into them. */
      readonly zeroed?: boolean;
    }
  /** Kernels that a device builds and drives itself: gemm, conv2d, ... */
  | { readonly kind: 'library'; readonly library: string };

/** What backward keeps. `value` keeps the tensor, `shape` only its shape and dtype. */
export interface SavedValue {
  readonly name: string;
  readonly keep: 'value' | 'shape';
}

export interface GradientDefinition {
  /** The input whose gradient this is. */
  readonly input: string;
  readonly saved: readonly SavedValue[];
  /** Receives the saved values and `d<output>` for each output (`dout`); gives the input's gradient, in the input's shape. */
  run<V extends Value>(g: AlgebraOf<V>, inputs: Arguments<V>, attrs: OperandAttrs<V>): readonly V[];
}

export interface OpDefinition {
  readonly name: string;
  /** Where the entry stands, `ops.yaml:123`. */
  readonly source: string;
  readonly inputs: readonly InputDefinition[];
  readonly attrs: readonly AttrDefinition[];
  readonly outputs: readonly OutputDefinition[];
  /** The dtypes that each dtype variable may take. */
  readonly dtypes: Readonly<Record<string, readonly Dtype[]>>;
  /** Checks the arguments' shapes and gives the outputs' shapes and dtypes. Throws a RuleError (kernels/host.ts). */
  infer(inputs: Arguments<TensorMeta>, attrs: Attrs): readonly TensorMeta[];
  readonly body: OpBody;
  readonly gradients: readonly GradientDefinition[];
  /** Constraints speak of scalar attributes: `infer` is run in every call, not only for a new signature. */
  readonly constrainsScalars?: boolean;
  /** Draws random numbers. */
  readonly random?: boolean;
  /** The size of an output depends on data: the op reads a count back before its result is known. */
  readonly synchronises?: boolean;
}

export interface OutputDefinition {
  readonly name: string;
  /** Kept for backward only, not returned to the caller. */
  readonly hidden?: boolean;
  /** A list of tensors, as many as `infer` says. It is the only output, or all are lists, as long as one another. */
  readonly list?: boolean;
  /** This output is that input, written in place. */
  readonly writes?: string;
  /** With `writes`: the caller gets it all the same, because the gradient flows through what was written. */
  readonly returned?: boolean;
}
