/**
 * Reverse-mode differentiation over the calls that dispatch recorded.
 *
 * A node keeps what its op's gradients say they need, and no more. Backward runs nodes from the latest to the earliest: without
 * `createGraph` each as one fused plan, with it as op calls through dispatch, which record in turn.
 */
import { type TracedValue, Tracer } from '../kernels/graph.js';
import type { Arguments, Attrs, GradientDefinition, TensorMeta } from '../kernels/op.js';
import { partition } from '../kernels/partition.js';
import type { GradientEdge } from './autograd-types.js';
import { debugging, report } from './debug.js';
import { withDefault } from './devices/registry.js';
import { type CallShape, DispatchAlgebra, PlainNumber, presentOutputs } from './dispatch.js';
import { isDifferentiable } from './dtype.js';
import { OpwrightError } from './errors.js';
import { BoundPlan } from './execute.js';
import { contiguousLayout, type Layout, sameShape } from './layout.js';
import { rejectPromise, tidy } from './memory.js';
import { reportPlan } from './plan-report.js';
import { recordingOf } from './recording.js';
import { ops, withOpMethods } from './registry.js';
import type { SlotValue } from './steps/step.js';
import type { Storage } from './storage.js';
import { Tensor } from './tensor.js';

let enabled = true;

export const gradientsEnabled = (): boolean => enabled;

/** Runs `fn` without recording. Throws NO_GRAD_ASYNC if it is asynchronous: recording would begin again before it ends. */
export function noGrad<T>(fn: () => T): T {
  return withRecording(false, () => {
    const result = fn();
    rejectPromise(result, 'noGrad', 'NO_GRAD_ASYNC');
    return result;
  });
}

function withRecording<T>(on: boolean, fn: () => T): T {
  const before = enabled;
  enabled = on;
  try {
    return fn();
  } finally {
    enabled = before;
  }
}

/** Where a tensor hangs in the graph: an output of a node, or a leaf that collects its gradient. Who keeps one holds its node. */
class Edge implements GradientEdge {
  readonly isGradientEdge = true;
  get isLeaf(): boolean {
    return this.node === null;
  }

  constructor(
    readonly node: GradientNode | null,
    readonly output: number,
    /** The tensor that a leaf's gradient goes to. */
    readonly leaf: Tensor | null,
  ) {}

  retain(): void {
    if (this.node !== null) this.node.holders++;
  }

  release(): void {
    if (this.node !== null && --this.node.holders === 0) dismantle(this.node);
  }
}

/** The leaf that collects the gradient of this tensor and lies in the same memory: itself, or what it is a view of. */
export function leafOver(tensor: Tensor): Tensor | null {
  if (tensor.stopGradient) return null;
  let edge = tensor.edge as Edge | null;
  if (edge === null) return tensor;
  while (edge.node !== null) {
    const { viewOf }: GradientNode = edge.node;
    if (viewOf === null) return null;
    edge = viewOf;
  }
  return edge.leaf;
}

function attach(tensor: Tensor, edge: Edge | null): void {
  edge?.retain();
  tensor.edge = edge;
}

function edgeOf(tensor: Tensor): Edge | null {
  if (tensor.stopGradient) return null;
  if (tensor.edge === null) tensor.edge = new Edge(null, 0, tensor);
  return tensor.edge as Edge;
}

/** A tensor kept for backward, without keeping the user's handle: disposing that does not take the memory away. */
class SavedTensor {
  private readonly storage: Storage;
  private readonly version: number;
  readonly layout: Layout;
  readonly dtype: Tensor['dtype'];
  readonly edge: Edge | null;
  /** A node that keeps its own output does not hold itself. */
  private readonly holds: Edge | null;

  constructor(tensor: Tensor, edge: Edge | null, owner: GradientNode) {
    this.storage = tensor.storage;
    this.version = tensor.storage.version;
    this.layout = tensor.layout;
    this.dtype = tensor.dtype;
    this.edge = edge;
    this.holds = edge?.node === owner ? null : edge;
    this.holds?.retain();
    this.storage.retain();
  }

  restore(op: string, name: string): Tensor {
    if (this.storage.version !== this.version)
      throw new OpwrightError('OVERWRITTEN', `${name} was overwritten in place, and the gradient of ${op} needs it.`, {
        op,
        argument: name,
        shapes: { [name]: this.layout.shape },
        remedy: 'Use the form without the underscore, or run the in-place op after backward().',
      });
    const tensor = new Tensor(this.storage, this.layout, this.dtype, this.edge === null);
    attach(tensor, this.edge);
    return tensor;
  }

  release(): void {
    this.storage.release();
    this.holds?.release();
  }
}

type Saved = SavedTensor | number | TensorMeta | undefined;

let lastNode = 0;

/** A step back through the graph. */
abstract class GradientNode {
  readonly order = ++lastNode;
  /** Tensors and nodes that lead here. With the last of them goes what is kept: nobody can ask for these gradients any more. */
  holders = 0;
  /** Of a view: the tensor whose memory it shows. */
  viewOf: Edge | null = null;

  /** `edges` are those of what it was computed from. */
  constructor(
    readonly name: string,
    readonly edges: readonly (Edge | null)[],
  ) {
    for (const edge of edges) edge?.retain();
  }

  /** The gradients that incoming ones lead to, each with the place of its edge. */
  abstract differentiate(incoming: readonly (Tensor | undefined)[], createGraph: boolean): [number, Tensor][];

  abstract free(): void;
}

/** A call of an op. */
class CallNode extends GradientNode {
  /** Saved values by name; null once backward has freed them. */
  saved: Map<string, Saved> | null = new Map();

  constructor(
    readonly call: CallShape,
    readonly attrs: Attrs,
    /** For each slot of the call. */
    edges: readonly (Edge | null)[],
    /** The gradients that somebody waits for. */
    readonly wanted: readonly GradientDefinition[],
  ) {
    super(call.op.name, edges);
  }

  differentiate(incoming: readonly (Tensor | undefined)[], createGraph: boolean): [number, Tensor][] {
    if (debugging.autograd) report('autograd', `${this.name}: ${this.wanted.map(({ input }) => `d${input}`).join(', ')}`);
    if (this.saved === null)
      throw new OpwrightError('BACKWARD_TWICE', `The graph behind ${this.name} was freed by an earlier backward().`, {
        op: this.name,
        remedy: 'Pass { retainGraph: true } to the first backward().',
      });
    return createGraph ? differentiateByOps(this, incoming) : differentiateByPlan(this, incoming);
  }

  free(): void {
    for (const value of this.saved?.values() ?? []) if (value instanceof SavedTensor) value.release();
    this.saved = null;
  }
}

/** A copy on another device. */
class MoveNode extends GradientNode {
  constructor(
    source: Edge,
    private readonly back: (gradient: Tensor) => Tensor,
  ) {
    super('to', [source]);
  }

  differentiate([gradient]: readonly (Tensor | undefined)[]): [number, Tensor][] {
    return gradient === undefined ? [] : [[0, this.back(gradient)]];
  }

  free(): void {}
}

const unheld: GradientNode[] = [];

/** Frees a node and all before it that it alone held; by a list, since graphs are deeper than the stack. */
function dismantle(node: GradientNode): void {
  if (unheld.push(node) > 1) return;
  // The list grows while it is walked.
  for (const next of unheld) {
    next.free();
    for (const edge of next.edges) edge?.release();
  }
  unheld.length = 0;
}

/** Enters a call into the graph: its outputs become differentiable where they can be. */
export function record(
  call: CallShape,
  slots: readonly SlotValue[],
  results: readonly Tensor[],
  attrs: Attrs,
  /** Counts what the call wrote as written: inputs are kept as they were before, outputs as they are now. */
  markWritten: () => void,
): void {
  const edges: (Edge | null)[] = [];
  for (const slot of slots) edges.push(slot instanceof Tensor ? edgeOf(slot) : null);
  const { gradients, flowing, kept } = recordingOf(call, edges, results);
  if (gradients.length === 0 || flowing.length === 0) {
    markWritten();
    return;
  }
  const node = new CallNode(call, attrs, edges, gradients);
  const [result] = results;
  if (!call.op.outputs.some(({ writes }) => writes !== undefined))
    node.viewOf = edges.find((_, slot) => sharesMemory(slots[slot], result)) ?? null;
  for (const index of flowing) {
    const result = results[index]!;
    result.stopGradient = false;
    attach(result, new Edge(node, index, null));
  }
  for (const { name, from, index, keep } of kept) if (from === 'slot') save(node, name, slots[index], keep, edges[index] ?? null);
  markWritten();
  for (const { name, from, index, keep } of kept)
    if (from === 'output') save(node, name, results[index], keep, results[index]!.edge as Edge | null);
}

const sharesMemory = (slot: SlotValue, result: Tensor | undefined): boolean =>
  slot instanceof Tensor && slot.storage === result?.storage;

/** Enters a copy on another device into the graph; `back` takes a gradient to where the source is. */
export function recordMove(source: Tensor, result: Tensor, back: (gradient: Tensor) => Tensor): void {
  const edge = edgeOf(source);
  if (!enabled || edge === null || !isDifferentiable(result.dtype)) return;
  result.stopGradient = false;
  attach(result, new Edge(new MoveNode(edge, back), 0, null));
}

function save(node: CallNode, name: string, value: SlotValue, keep: 'value' | 'shape', edge: Edge | null): void {
  if (!(value instanceof Tensor)) node.saved!.set(name, value);
  else node.saved!.set(name, keep === 'value' ? new SavedTensor(value, edge, node) : { shape: value.shape, dtype: value.dtype });
}

// ---- Backward

export interface BackwardOptions {
  /** Keep what the gradients need, so that backward can run again. */
  readonly retainGraph?: boolean;
  /** Record the gradients themselves, so that they can be differentiated. Implies retainGraph. */
  readonly createGraph?: boolean;
}

export interface RootOptions extends BackwardOptions {
  /** The incoming gradient, of the tensor's shape; ones for a tensor with one element. */
  readonly gradient?: Tensor | null;
}

export interface GradOptions extends BackwardOptions {
  /** The incoming gradient of each output; ones for an output with one element. */
  readonly gradOutputs?: readonly (Tensor | null)[];
  /** Give null for an input that the outputs do not depend on, instead of an error. */
  readonly allowUnused?: boolean;
}

/**
 * Adds to `grad` of each leaf the gradient of a tensor with one element, or of elements weighted by `gradient`.
 *
 * @example
 * ```ts
 * const x = tensor([1, 2, 3], { stopGradient: false });
 * backward(x.square().sum());
 * console.log(x.grad);
 * ```
 */
export function backward(root: Tensor, options: RootOptions = {}): void {
  const sink = new Map<Edge, Tensor>();
  runBackward([root], [options.gradient ?? null], options, sink, null);
  withRecording(options.createGraph === true, () => {
    for (const [edge, value] of sink) {
      const leaf = edge.leaf!;
      const before = leaf.peekGradient();
      leaf.replaceGradient(before === null ? value : ops.add(before, value));
      if (before !== null) value.dispose();
    }
  });
}

/** The gradients of `outputs` with respect to `inputs`, leaving `grad` fields alone. */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options?: GradOptions & { readonly allowUnused?: false },
): Tensor[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions,
): (Tensor | null)[];
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: GradOptions = {},
): (Tensor | null)[] {
  const roots = outputs instanceof Tensor ? [outputs] : outputs;
  const leaves = inputs instanceof Tensor ? [inputs] : inputs;
  const edges = leaves.map(edgeOf);
  const sink = new Map<Edge, Tensor>();
  runBackward(roots, options.gradOutputs ?? roots.map(() => null), options, sink, new Set(edges.filter((edge) => edge !== null)));
  return edges.map((edge, index) => {
    const value = edge === null ? undefined : [...sink].find(([key]) => sameEdge(key, edge))?.[1];
    if (value === undefined && options.allowUnused !== true)
      throw new OpwrightError('NO_GRADIENT', `The outputs do not depend on input ${index}.`, {
        op: 'grad',
        shapes: { [`inputs[${index}]`]: leaves[index]!.shape },
        remedy: 'Set stopGradient to false on it before computing, or pass { allowUnused: true }.',
      });
    return value ?? null;
  });
}

const sameEdge = (a: Edge, b: Edge): boolean => a === b || (a.node !== null && a.node === b.node && a.output === b.output);

function runBackward(
  roots: readonly Tensor[],
  gradients: readonly (Tensor | null)[],
  options: BackwardOptions,
  sink: Map<Edge, Tensor>,
  targets: ReadonlySet<Edge> | null,
): void {
  const createGraph = options.createGraph === true;
  const pending = new Pending(sink, targets);
  try {
    roots.forEach((root, index) => {
      pending.add(rootEdge(root), startGradient(root, gradients[index] ?? null));
    });
    withRecording(createGraph, () => {
      for (let node = pending.next(); node !== undefined; node = pending.next()) runNode(node, pending, options);
    });
  } catch (error) {
    pending.dispose();
    throw error;
  }
}

function rootEdge(root: Tensor): Edge {
  root.checkUsable('backward');
  root.checkGraph('backward', 'x');
  const edge = edgeOf(root);
  if (edge !== null) return edge;
  throw new OpwrightError('NO_GRADIENT', 'The tensor does not depend on anything that requires a gradient.', {
    op: 'backward',
    shapes: { x: root.shape },
    remedy: 'Set stopGradient to false on a tensor that it is computed from.',
  });
}

function runNode(node: GradientNode, pending: Pending, options: BackwardOptions): void {
  const createGraph = options.createGraph === true;
  const incoming = pending.take(node);
  try {
    const results = node.differentiate(incoming, createGraph);
    for (const [slot, value] of results) pending.add(node.edges[slot]!, value);
  } finally {
    for (const value of incoming) value?.dispose();
  }
  if (!createGraph && options.retainGraph !== true) node.free();
}

function startGradient(root: Tensor, gradient: Tensor | null): Tensor {
  if (gradient === null) {
    if (root.size !== 1)
      throw new OpwrightError(
        'SHAPE_MISMATCH',
        'backward() of a tensor with several elements needs the gradient to start from.',
        {
          op: 'backward',
          shapes: { x: root.shape },
          remedy: 'Reduce it to one element first, or pass a tensor of its shape.',
        },
      );
    return ops.onesLike(root);
  }
  gradient.checkUsable('backward', 'gradient');
  if (!sameShape(gradient.shape, root.shape))
    throw new OpwrightError('SHAPE_MISMATCH', 'The gradient to start from must have the shape of the tensor.', {
      op: 'backward',
      shapes: { x: root.shape, gradient: gradient.shape },
    });
  if (gradient.dtype !== root.dtype)
    throw new OpwrightError('DTYPE_MISMATCH', `The gradient to start from is ${gradient.dtype}, and the tensor ${root.dtype}.`, {
      op: 'backward',
      remedy: 'Cast the gradient to the dtype of the tensor.',
    });
  return aliasOf(gradient);
}

/** Gradients that have arrived and wait for their node's turn. */
class Pending {
  private readonly gradients = new Map<GradientNode, (Tensor | undefined)[]>();

  constructor(
    private readonly sink: Map<Edge, Tensor>,
    private readonly targets: ReadonlySet<Edge> | null,
  ) {}

  add(edge: Edge, value: Tensor): void {
    const target = this.targets === null ? undefined : [...this.targets].find((one) => sameEdge(one, edge));
    if (target !== undefined || (edge.node === null && this.targets === null))
      this.addTo(this.sink, target ?? edge, value, edge.node !== null);
    else if (edge.node === null) value.dispose();
    if (edge.node === null) return;
    let list = this.gradients.get(edge.node);
    if (list === undefined) {
      list = [];
      this.gradients.set(edge.node, list);
    }
    const before = list[edge.output];
    list[edge.output] = before === undefined ? value : this.sum(before, value);
  }

  private addTo(sink: Map<Edge, Tensor>, edge: Edge, value: Tensor, shared: boolean): void {
    const before = sink.get(edge);
    const own = shared ? aliasOf(value) : value;
    sink.set(edge, before === undefined ? own : this.sum(before, own));
  }

  private sum(a: Tensor, b: Tensor): Tensor {
    const total = ops.add(a, b);
    a.dispose();
    b.dispose();
    return total;
  }

  /** The latest node: whatever uses its outputs has had its turn. */
  next(): GradientNode | undefined {
    let latest: GradientNode | undefined;
    for (const node of this.gradients.keys()) if (latest === undefined || node.order > latest.order) latest = node;
    return latest;
  }

  take(node: GradientNode): (Tensor | undefined)[] {
    const gradients = this.gradients.get(node)!;
    this.gradients.delete(node);
    return gradients;
  }

  /** After an error: nobody will ask for these. */
  dispose(): void {
    for (const list of this.gradients.values()) for (const value of list) value?.dispose();
    for (const value of this.sink.values()) value.dispose();
  }
}

/** Another handle of the same tensor, a leaf's edge included. */
export function aliasOf(tensor: Tensor): Tensor {
  const alias = new Tensor(tensor.storage, tensor.layout, tensor.dtype, tensor.stopGradient);
  attach(alias, edgeOf(tensor));
  return alias;
}

// ---- One node's gradients

/** What stands under a name in a gradient: `d` + output, or a saved value. `made` takes the handles of saved tensors. */
function gradientOperands(
  node: CallNode,
  incoming: readonly (Tensor | undefined)[],
  made: Tensor[],
): { names: string[]; values: (SlotValue | TensorMeta)[] } {
  const names: string[] = [];
  const values: (SlotValue | TensorMeta)[] = [];
  const { op } = node.call;
  for (const [name, saved] of node.saved!) {
    names.push(name);
    if (saved instanceof SavedTensor) {
      const tensor = saved.restore(op.name, name);
      made.push(tensor);
      values.push(tensor);
    } else {
      values.push(saved);
    }
  }
  node.call.outputs.forEach((meta, index) => {
    names.push(gradientName(node.call, index));
    values.push(incoming[index] ?? meta);
  });
  return { names, values };
}

function gradientName(call: CallShape, output: number): string {
  const { outputs } = call.op;
  if (outputs[0]?.list) return `d${outputs[0].name}.${output}`;
  return `d${presentOutputs(call.op, call.outputs.length)[output]!.name}`;
}

/** Names such as `xs.0`, `xs.1` gathered into lists. */
function gatherLists<V>(names: readonly string[], values: readonly (V | undefined)[]): Arguments<V> {
  const args: Record<string, V | readonly V[] | undefined> = {};
  names.forEach((name, index) => {
    const [base, place] = name.split('.');
    if (place === undefined) {
      args[name] = values[index];
      return;
    }
    const list = (args[base!] ?? []) as readonly V[];
    args[base!] = [...list, values[index]!];
  });
  return args;
}

function differentiateByPlan(node: CallNode, incoming: readonly (Tensor | undefined)[]): [number, Tensor][] {
  const made: Tensor[] = [];
  try {
    const { names, values } = gradientOperands(node, incoming, made);
    const gradients = node.wanted;
    const plan = gradientPlan(node, gradients, names, values);
    const slots = values.map((value): SlotValue => (value instanceof Tensor || typeof value === 'number' ? value : undefined));
    plan.device.announce(node.call.op.name);
    return assign(node, gradients, plan.run({ slots, attrs: node.attrs }));
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

function gradientPlan(
  node: CallNode,
  gradients: readonly GradientDefinition[],
  names: readonly string[],
  values: readonly (SlotValue | TensorMeta)[],
): BoundPlan {
  const { gradientPlans } = node.call;
  let key = deviceOf(values).settings + gradients.map(({ input }) => input).join();
  for (const value of values)
    key += value instanceof Tensor ? `|${value.layout.form.id}` : typeof value === 'number' ? '|n' : '|-';
  let plan = gradientPlans.get(key);
  if (plan === undefined) {
    plan = bindGradients(node, gradients, names, values);
    gradientPlans.set(key, plan);
  }
  return plan;
}

function bindGradients(
  node: CallNode,
  gradients: readonly GradientDefinition[],
  names: readonly string[],
  values: readonly (SlotValue | TensorMeta)[],
): BoundPlan {
  const start = performance.now();
  const tracer = new Tracer(withOpMethods);
  const { op } = node.call;
  const traced = names.map((name, index): TracedValue | undefined => {
    const value = values[index];
    if (value === undefined) return undefined;
    if (typeof value === 'number') return tracer.scalar({ from: 'input', slot: name });
    if (!(value instanceof Tensor) && isIncoming(node.call, name)) return tracer.zeros(value);
    return tracer.input(name, value);
  });
  const attrs: Record<string, unknown> = { ...node.attrs };
  for (const attr of op.attrs) if (attr.scalar) attrs[attr.name] = tracer.scalar({ from: 'attr', name: attr.name });
  const args = gatherLists(names, traced);
  const outputs = gradients.flatMap((gradient) => gradient.run(tracer.g, args, attrs as Attrs));
  const targets = gradients.flatMap((gradient) => node.call.slotInputs.filter((input) => input.name === gradient.input));
  if (outputs.length !== targets.length)
    throw new TypeError(`${op.name} gives ${outputs.length} gradients for ${targets.length} inputs`);
  const graph = tracer.finish(outputs);
  const steps = partition(graph);
  reportPlan(`gradients of ${op.name}`, graph, steps, start);
  return BoundPlan.bind(deviceOf(values), steps, {
    slotNames: names,
    layouts: values.map((value) => {
      if (value instanceof Tensor) return value.layout.form;
      return value === undefined || typeof value === 'number' ? undefined : contiguousLayout(value.shape);
    }),
  });
}

const isIncoming = (call: CallShape, name: string): boolean =>
  call.outputs.some((_, index) => gradientName(call, index) === name);

function deviceOf(values: readonly (SlotValue | TensorMeta)[]): Tensor['device'] {
  const found = values.find((value): value is Tensor => value instanceof Tensor);
  if (found === undefined) throw new TypeError('a gradient without an incoming gradient');
  return found.device;
}

function differentiateByOps(node: CallNode, incoming: readonly (Tensor | undefined)[]): [number, Tensor][] {
  const gradients = node.wanted;
  // What the gradients make of nothing, such as zeros, is to be where they are.
  const results = withDefault(deviceOf(incoming), () => tidy(() => runGradients(node, gradients, incoming)));
  // A result may be an incoming gradient, or another result: each gets a handle of its own.
  const taken = new Set<Tensor | undefined>(incoming);
  const owned = results.map((result) => {
    const own = taken.has(result) ? aliasOf(result) : result;
    taken.add(own);
    return own;
  });
  return assign(node, gradients, owned);
}

function runGradients(
  node: CallNode,
  gradients: readonly GradientDefinition[],
  incoming: readonly (Tensor | undefined)[],
): Tensor[] {
  const { names, values } = gradientOperands(node, incoming, []);
  const algebra = withOpMethods(new DispatchAlgebra());
  const operands = values.map((value, index) => {
    if (typeof value === 'number') return new PlainNumber(value);
    if (value instanceof Tensor || value === undefined) return value;
    if (isIncoming(node.call, names[index]!)) return ops.zeros(value.shape, { dtype: value.dtype });
    // Only its shape is read; the gradient's `saved` list says so.
    return value as Tensor;
  });
  const attrs: Record<string, unknown> = { ...node.attrs };
  for (const attr of node.call.op.attrs) if (attr.scalar) attrs[attr.name] = new PlainNumber(Number(node.attrs[attr.name]));
  const args = gatherLists(names, operands);
  return gradients.flatMap((gradient) => gradient.run(algebra, args, attrs as Attrs)) as Tensor[];
}

/** Which slot each result belongs to; those that nobody waits for are dropped. */
function assign(node: CallNode, gradients: readonly GradientDefinition[], results: readonly Tensor[]): [number, Tensor][] {
  const assigned: [number, Tensor][] = [];
  let at = 0;
  for (const gradient of gradients) {
    node.call.slotInputs.forEach((input, slot) => {
      if (input.name !== gradient.input) return;
      const value = results[at++]!;
      if (node.edges[slot] === null) value.dispose();
      else assigned.push([slot, value]);
    });
  }
  return assigned;
}
