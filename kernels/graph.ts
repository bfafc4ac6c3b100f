/**
 * The primitive graph and the tracer that records it.
 *
 * The tracer is an algebra (kernels/op.ts): running an op's `define` or `grad` on it writes down primitive nodes with concrete
 * shapes and dtypes; composite ops disappear by running their own definition. Equal nodes are recorded once. Nothing is computed
 * here, and nothing is fused: that is the partition's work.
 */
import { type ArgumentValue, prepareCall } from './call.js';
import { isComplex } from './host.js';
import type {
  Algebra,
  AlgebraOf,
  Arguments,
  Attrs,
  Dtype,
  MapOp,
  OpDefinition,
  ReduceKind,
  Shape,
  TensorMeta,
  Value,
} from './op.js';

/** Where the number of a scalar node comes from at launch. */
export type ScalarSource =
  | { readonly from: 'constant'; readonly value: number }
  /** An attribute declared a scalar. */
  | { readonly from: 'attr'; readonly name: string }
  /** An input given as a plain number. */
  | { readonly from: 'input'; readonly slot: string }
  /** One of the four words that say where in the random stream a draw begins: key low, key high, offset low, offset high. */
  | { readonly from: 'random'; readonly draw: number; readonly word: number };

interface NodeBase {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
}
export type GraphNode = NodeBase &
  (
    | { readonly kind: 'input'; readonly slot: string }
    | { readonly kind: 'scalar'; readonly source: ScalarSource }
    /** Position along an axis; along the flattened tensor for axis -1. */
    | { readonly kind: 'iota'; readonly axis: number }
    | { readonly kind: 'map'; readonly map: MapOp; readonly args: readonly number[] }
    /** `arg` broadcast to a larger shape. */
    | { readonly kind: 'expand'; readonly arg: number }
    | {
        readonly kind: 'reduce';
        readonly reduce: ReduceKind;
        readonly arg: number;
        readonly axes: readonly number[];
        readonly keepdim: boolean;
      }
    /** An op that is not fused: a view, a kernel, a library call. Its results are `result` nodes. */
    | {
        readonly kind: 'op';
        readonly op: OpDefinition;
        readonly args: Arguments<number>;
        /** The dtype of each input. */
        readonly dtypes: Readonly<Record<string, Dtype>>;
        readonly attrs: Attrs;
        readonly results: readonly TensorMeta[];
      }
    | { readonly kind: 'result'; readonly of: number; readonly index: number }
  );

/** One node but for its place in the graph. */
type NewNode = GraphNode extends infer N ? (N extends GraphNode ? Omit<N, 'id'> : never) : never;

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly number[];
  /** Elements of each draw of random numbers. */
  readonly draws: readonly number[];
}

/** Maps that leave real numbers as they are, where the dtype stays the same. */
const idleOfReals: ReadonlySet<string> = new Set(['real', 'conj']);

export class TracedValue implements Value {
  constructor(
    readonly id: number,
    readonly shape: Shape,
    readonly dtype: Dtype,
    /** A number that takes the dtype of what it meets. */
    readonly weak: boolean = false,
  ) {}
}

export class Tracer implements Algebra<TracedValue> {
  /** This tracer with a method for each op, as definitions and gradients want it. */
  readonly g: AlgebraOf<TracedValue>;
  private readonly nodes: GraphNode[] = [];
  private readonly known = new Map<string, number>();
  private readonly draws: number[] = [];

  constructor(withOpMethods: (algebra: Algebra<TracedValue>) => AlgebraOf<TracedValue>) {
    this.g = withOpMethods(this);
  }

  /** A tensor argument. */
  input(slot: string, meta: TensorMeta): TracedValue {
    return this.add({ kind: 'input', slot, shape: meta.shape, dtype: meta.dtype });
  }

  /** A number known only at launch; it has no dtype of its own. */
  scalar(source: ScalarSource): TracedValue {
    const value = this.add({ kind: 'scalar', source, shape: [], dtype: 'float64' });
    return new TracedValue(value.id, [], 'float64', true);
  }

  /** A tensor of zeros, which costs nothing where it is fused. */
  zeros(meta: TensorMeta): TracedValue {
    return this.expand(this.add({ kind: 'scalar', source: { from: 'constant', value: 0 }, shape: [], dtype: meta.dtype }), meta);
  }

  finish(outputs: readonly TracedValue[]): Graph {
    return { nodes: this.nodes, outputs: outputs.map(({ id }) => id), draws: this.draws };
  }

  apply(op: OpDefinition, inputs: Arguments<TracedValue | number>, attrs: Attrs): readonly TracedValue[] {
    const call = prepareCall(op, inputs, attrs);
    if (op.body.kind === 'define') return this.define(op, call.inputs, call.attrs);
    const args = mapArguments(call.inputs, (value, dtype) => this.strong(value, dtype), call.dtypes);
    const results = op.infer(call.metas, call.attrs);
    switch (op.body.kind) {
      case 'map': {
        const value = this.map(op.body.map, list(args), results[0]!);
        return call.weak ? [new TracedValue(value.id, value.shape, value.dtype, true)] : [value];
      }
      case 'reduce':
        return [this.reduce(op.body.reduce, list(args)[0]!, call.attrs, results[0]!)];
      case 'create':
        return [this.create(op.body.create, call.attrs, results[0]!)];
      default:
        return this.barrier(op, args, call.dtypes, call.attrs, results);
    }
  }

  private define(op: OpDefinition, inputs: Arguments<TracedValue | number>, attrs: Attrs): readonly TracedValue[] {
    if (op.body.kind !== 'define') throw new TypeError(`${op.name} is a primitive`);
    const values = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [
        name,
        Array.isArray(value)
          ? value.map((one) => this.value(one))
          : value === undefined
            ? undefined
            : this.value(value as TracedValue | number),
      ]),
    );
    return op.body.run(this.g, values, attrs);
  }

  private value(value: TracedValue | number): TracedValue {
    return typeof value === 'number' ? this.scalar({ from: 'constant', value }) : value;
  }

  /** A value in the dtype that its place asks for. */
  private strong(value: ArgumentValue<TracedValue>, dtype: Dtype): TracedValue {
    if (typeof value === 'number') return this.add({ kind: 'scalar', source: { from: 'constant', value }, shape: [], dtype });
    if (!value.weak || value.dtype === dtype) return value;
    const node = this.nodes[value.id]!;
    if (node.kind === 'scalar') return this.add({ kind: 'scalar', source: node.source, shape: [], dtype });
    return this.add({ kind: 'map', map: 'cast', args: [value.id], shape: value.shape, dtype });
  }

  private map(map: MapOp, args: readonly TracedValue[], meta: TensorMeta): TracedValue {
    const [only] = args;
    const same = only?.dtype === meta.dtype;
    const idle = map === 'identity' || (same && (map === 'cast' || (idleOfReals.has(map) && !isComplex(meta.dtype))));
    if (idle && only !== undefined && sameShape(only.shape, meta.shape)) return only;
    return this.add({ kind: 'map', map, args: args.map(({ id }) => id), ...meta });
  }

  private reduce(reduce: ReduceKind, arg: TracedValue, attrs: Attrs, meta: TensorMeta): TracedValue {
    const axes = attrs.axis as readonly number[];
    if (axes.length === 0) return arg;
    return this.add({ kind: 'reduce', reduce, arg: arg.id, axes, keepdim: attrs.keepdim === true, ...meta });
  }

  private create(create: 'full' | 'iota' | 'random', attrs: Attrs, meta: TensorMeta): TracedValue {
    if (create === 'full') {
      const value: unknown = attrs.value;
      return this.expand(this.strong(value instanceof TracedValue ? value : Number(value), meta.dtype), meta);
    }
    if (create === 'iota') return this.add({ kind: 'iota', axis: attrs.axis as number, ...meta });
    const draw = this.draws.push(meta.shape.reduce((total, size) => total * size, 1)) - 1;
    const place = this.add({ kind: 'iota', axis: -1, shape: meta.shape, dtype: 'int32' });
    const words = [0, 1, 2, 3].map((word) =>
      this.add({ kind: 'scalar', source: { from: 'random', draw, word }, shape: [], dtype: 'int32' }),
    );
    return this.map('random', [place, ...words], meta);
  }

  private barrier(
    op: OpDefinition,
    args: Arguments<TracedValue>,
    dtypes: Readonly<Record<string, Dtype>>,
    attrs: Attrs,
    results: readonly TensorMeta[],
  ): readonly TracedValue[] {
    const [first] = list(args);
    const [meta] = results;
    if (op.body.kind === 'view' && first !== undefined && meta !== undefined) {
      if (sameShape(first.shape, meta.shape) && (op.name === 'reshape' || op.name === 'broadcastTo')) return [first];
      if (op.name === 'broadcastTo') return [this.expand(first, meta)];
      if (op.name === 'reshape' && this.isUniform(first.id)) return [this.expand(this.scalarOf(first), meta)];
    }
    const node = this.add({
      kind: 'op',
      op,
      args: mapArguments(args, ({ id }) => id),
      dtypes,
      attrs,
      results,
      shape: meta?.shape ?? [],
      dtype: meta?.dtype ?? 'float32',
    });
    return results.map((result, index) =>
      this.add({ kind: 'result', of: node.id, index, shape: result.shape, dtype: result.dtype }),
    );
  }

  private expand(arg: TracedValue, meta: TensorMeta): TracedValue {
    if (sameShape(arg.shape, meta.shape)) return arg;
    return this.add({ kind: 'expand', arg: arg.id, shape: meta.shape, dtype: arg.dtype });
  }

  /** Whether the same number stands everywhere, by construction. */
  private isUniform(id: number): boolean {
    const node = this.nodes[id]!;
    return node.kind === 'scalar' || (node.kind === 'expand' && this.isUniform(node.arg));
  }

  private scalarOf(value: TracedValue): TracedValue {
    let node = this.nodes[value.id]!;
    while (node.kind === 'expand') node = this.nodes[node.arg]!;
    return new TracedValue(node.id, node.shape, node.dtype);
  }

  private add(node: NewNode): TracedValue {
    const key = keyOf(node);
    const known = this.known.get(key);
    if (known !== undefined) return new TracedValue(known, node.shape, node.dtype);
    const id = this.nodes.length;
    this.nodes.push({ ...node, id } as GraphNode);
    this.known.set(key, id);
    return new TracedValue(id, node.shape, node.dtype);
  }
}

function keyOf(node: NewNode): string {
  return JSON.stringify(node, (name, value) => (name === 'op' ? (value as OpDefinition).name : value));
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function list<V>(args: Arguments<V>): V[] {
  return Object.values(args).flatMap((value) =>
    value === undefined ? [] : Array.isArray(value) ? (value as V[]) : [value as V],
  );
}

function mapArguments<V, W>(
  args: Arguments<V>,
  change: (value: V, dtype: Dtype) => W,
  dtypes: Readonly<Record<string, Dtype>> = {},
): Arguments<W> {
  const changed: Record<string, W | readonly W[] | undefined> = {};
  for (const [name, value] of Object.entries(args)) {
    const dtype = dtypes[name]!;
    changed[name] =
      value === undefined
        ? undefined
        : Array.isArray(value)
          ? value.map((one: V) => change(one, dtype))
          : change(value as V, dtype);
  }
  return changed;
}
