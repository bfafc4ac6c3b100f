/**
 * The partition: a primitive graph to steps, each a fused kernel or one op that is not fused.
 *
 * A group is a set of nodes over one iteration space, with at most one set of reduced axes. Nodes join in graph order: an
 * elementwise node joins a group of its space, or of its row space behind a reduction; a reduction joins the group of its
 * argument if that has no other reduced axes. Groups merge when a node needs both; a join that would make a group depend on
 * itself does not happen. Uniform nodes (numbers and what is computed from them) and positions belong to no group: each kernel
 * that needs one has its own.
 */
import { type FusedInput, type FusedKernel, type FusedNode, type FusedOutput, fusedKernel, fusionLimits } from './fused.js';
import type { Graph, GraphNode, ScalarSource } from './graph.js';
import type { Arguments, Attrs, Dtype, OpDefinition, Shape, TensorMeta } from './op.js';

/** How a tensor lies in a group's iteration space: over all of it, or over its rows, with the reduced axes of size 1 or gone. */
export type Placement = 'full' | 'kept' | 'dropped';

export interface FusedOperand {
  /** The value's number in the plan; for inputs -1 marks a virtual operand. */
  readonly value: number;
  readonly shape: Shape;
  readonly placement: Placement;
  /** The axis whose position a virtual operand gives; -1 for the place in the flattened space. */
  readonly axis?: number;
}

export type Step =
  | {
      readonly kind: 'fused';
      readonly kernel: FusedKernel;
      readonly shape: Shape;
      readonly axes: readonly number[];
      readonly inputs: readonly FusedOperand[];
      readonly scalars: readonly ScalarSource[];
      readonly outputs: readonly (FusedOperand & { readonly meta: TensorMeta })[];
    }
  | {
      readonly kind: 'op';
      readonly op: OpDefinition;
      readonly inputs: Arguments<number>;
      readonly dtypes: Readonly<Record<string, Dtype>>;
      readonly attrs: Attrs;
      readonly outputs: readonly number[];
      readonly metas: readonly TensorMeta[];
    };

/** Values are numbered as the graph's nodes. */
export interface Plan {
  readonly steps: readonly Step[];
  /** Which value is which input. */
  readonly inputs: ReadonlyMap<number, string>;
  readonly outputs: readonly number[];
  readonly draws: readonly number[];
}

export function partition(graph: Graph): Plan {
  return new Partition(graph).run();
}

class Group {
  readonly members = new Set<number>();
  axes: readonly number[] | null = null;
  constructor(readonly shape: Shape) {}

  /** The row space, with the reduced axes kept or dropped. */
  rowShape(keepdim: boolean): Shape {
    if (this.axes === null) return this.shape;
    const axes = this.axes;
    return keepdim
      ? this.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
      : this.shape.filter((_, axis) => !axes.includes(axis));
  }
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

class Partition {
  private readonly groups: Group[] = [];
  private readonly groupOf = new Map<number, Group>();
  private readonly placements = new Map<number, Placement>();
  private readonly users: number[][];

  /** Nodes that the outputs need, with all results of an op that one of them is needed of. What else was traced must not shape a group. */
  private readonly live: readonly GraphNode[];

  constructor(private readonly graph: Graph) {
    this.live = liveNodes(graph);
    this.users = graph.nodes.map(() => []);
    for (const node of this.live) for (const arg of argsOf(node)) this.users[arg]!.push(node.id);
  }

  run(): Plan {
    for (const node of this.live) {
      if (node.kind === 'map') this.placeMap(node);
      else if (node.kind === 'reduce') this.placeReduce(node);
      else if (node.kind === 'expand') this.placeExpand(node);
    }
    this.realiseDemanded();
    const inputs = new Map<number, string>();
    for (const node of this.graph.nodes) if (node.kind === 'input') inputs.set(node.id, node.slot);
    return { steps: this.emit(), inputs, outputs: this.graph.outputs, draws: this.graph.draws };
  }

  // ---- Joining groups

  private placeMap(node: GraphNode & { kind: 'map' }): void {
    if (this.isFree(node.id)) return;
    const groups = this.groupsOf(node.args);
    for (const group of groups) {
      for (const placement of ['full', 'kept', 'dropped'] as const) {
        if (this.fits(node, group, placement, node.args) && this.join(node, group, groups, placement)) return;
      }
    }
    const sibling = groups.length === 0 ? this.siblingOf(node) : undefined;
    if (sibling !== undefined && this.join(node, sibling, [], 'full')) return;
    this.start(node, node.shape);
  }

  private placeReduce(node: GraphNode & { kind: 'reduce' }): void {
    const arg = this.graph.nodes[node.arg]!;
    const group = this.groupOf.get(node.arg);
    const placement: Placement = node.keepdim ? 'kept' : 'dropped';
    if (group !== undefined && this.placements.get(node.arg) === 'full' && same(group.shape, arg.shape)) {
      const free = group.axes === null;
      if (free || same(group.axes!, node.axes)) {
        this.add(node.id, group, placement);
        group.axes = node.axes;
        return;
      }
    }
    const sibling = group === undefined ? this.reducingSibling(node) : undefined;
    if (sibling !== undefined) {
      this.add(node.id, sibling, placement);
      sibling.axes = node.axes;
      return;
    }
    const fresh = new Group(arg.shape);
    fresh.axes = node.axes;
    this.groups.push(fresh);
    if (group !== undefined) this.recompute(node.arg, group, fresh);
    this.add(node.id, fresh, placement);
  }

  /** An expansion inside a kernel costs nothing; of a value from elsewhere it is a view, made when somebody asks for it. */
  private placeExpand(node: GraphNode & { kind: 'expand' }): void {
    if (this.isFree(node.id)) return;
    const group = this.groupOf.get(node.arg);
    if (group === undefined) return;
    if (same(node.shape, group.shape) && this.fits(node, group, 'full', [node.arg])) this.add(node.id, group, 'full');
  }

  private start(node: GraphNode, shape: Shape): void {
    const group = new Group(shape);
    this.groups.push(group);
    this.add(node.id, group, 'full');
  }

  private add(id: number, group: Group, placement: Placement): void {
    group.members.add(id);
    this.groupOf.set(id, group);
    this.placements.set(id, placement);
  }

  /** Whether a node may stand in a group in that placement: its shape is the space's, and its arguments can be read there. */
  private fits(node: GraphNode, group: Group, placement: Placement, args: readonly number[]): boolean {
    if (placement !== 'full' && group.axes === null) return false;
    const space = placement === 'full' ? group.shape : group.rowShape(placement === 'kept');
    return same(node.shape, space) && this.canRead(args, placement, group);
  }

  /** Whether those of the values that are a group's can be read in that placement: a row value without its axes is no element of the space. */
  private canRead(values: readonly number[], placement: Placement, group: Group): boolean {
    return values.every((value) => {
      const own = this.placements.get(value);
      return this.groupOf.get(value) !== group || own === placement || (placement === 'full' && own === 'kept');
    });
  }

  /** Whether what one group's members read of another they could read in one group with it. */
  private canReadAll(reader: Group, group: Group): boolean {
    return [...reader.members].every((id) => {
      const node = this.graph.nodes[id]!;
      return this.canRead(argsOf(node), node.kind === 'reduce' ? 'full' : (this.placements.get(id) ?? 'full'), group);
    });
  }

  private join(node: GraphNode, group: Group, others: readonly Group[], placement: Placement): boolean {
    const mergeable: Group[] = [];
    for (const other of others) {
      if (other === group || placement !== 'full' || !this.canRead(argsOf(node), placement, other)) continue;
      if ([group, ...mergeable].every((one) => this.canMerge(one, other))) mergeable.push(other);
    }
    const externals = argsOf(node).filter((arg) => {
      const owner = this.groupOf.get(arg);
      return owner !== group && (owner === undefined || !mergeable.includes(owner));
    });
    if (group.members.size + mergeable.reduce((total, other) => total + other.members.size, 0) >= fusionLimits.nodes)
      return false;
    if (externals.some((arg) => this.dependsOn(arg, new Set([group, ...mergeable])))) return false;
    if (this.operandsOf([group, ...mergeable], node) > fusionLimits.operands) return false;
    for (const other of mergeable) this.merge(group, other);
    this.add(node.id, group, placement);
    return true;
  }

  private canMerge(group: Group, other: Group): boolean {
    if (!same(group.shape, other.shape)) return false;
    if (group.axes !== null && other.axes !== null && !same(group.axes, other.axes)) return false;
    if (!this.canReadAll(group, other) || !this.canReadAll(other, group)) return false;
    return !this.outsidePath(group, other) && !this.outsidePath(other, group);
  }

  private merge(group: Group, other: Group): void {
    group.axes ??= other.axes;
    for (const member of other.members) {
      group.members.add(member);
      this.groupOf.set(member, group);
    }
    this.groups.splice(this.groups.indexOf(other), 1);
  }

  /** Whether `to` reads something that was computed, outside both, from `from`. */
  private outsidePath(from: Group, to: Group): boolean {
    for (const member of to.members)
      for (const arg of argsOf(this.graph.nodes[member]!)) {
        const owner = this.groupOf.get(arg);
        if (owner !== from && owner !== to && this.dependsOn(arg, new Set([from]))) return true;
      }
    return false;
  }

  /** Whether a value is computed from a member of one of the groups. */
  private dependsOn(id: number, targets: ReadonlySet<Group>, seen = new Set<number>()): boolean {
    if (seen.has(id)) return false;
    seen.add(id);
    const group = this.groupOf.get(id);
    if (group !== undefined && targets.has(group)) return true;
    const sources =
      group === undefined
        ? argsOf(this.graph.nodes[id]!)
        : [...group.members].flatMap((member) => argsOf(this.graph.nodes[member]!));
    return sources.some((source) => this.dependsOn(source, targets, seen));
  }

  private operandsOf(groups: readonly Group[], node: GraphNode): number {
    const operands = new Set<number>();
    const collect = (id: number): void => {
      for (const arg of argsOf(this.graph.nodes[id]!))
        if (!groups.includes(this.groupOf.get(arg)!) && !this.isFree(arg)) operands.add(arg);
    };
    for (const group of groups) for (const member of group.members) collect(member);
    collect(node.id);
    return operands.size + groups.length;
  }

  /** A group over the same space that reads one of the same tensors: two gradients of one product are one kernel. */
  private siblingOf(node: GraphNode & { kind: 'map' }): Group | undefined {
    const reads = new Set(node.args.filter((arg) => !this.isFree(arg)));
    return this.groups.find((group) => {
      if (!same(group.shape, node.shape) || group.members.size >= fusionLimits.nodes) return false;
      return [...group.members].some((member) => argsOf(this.graph.nodes[member]!).some((arg) => reads.has(arg)));
    });
  }

  private reducingSibling(node: GraphNode & { kind: 'reduce' }): Group | undefined {
    const arg = this.graph.nodes[node.arg]!;
    return this.groups.find((group) => {
      if (!same(group.shape, arg.shape) || (group.axes !== null && !same(group.axes, node.axes))) return false;
      if (this.dependsOn(node.arg, new Set([group]))) return false;
      return [...group.members].some((member) => argsOf(this.graph.nodes[member]!).includes(node.arg));
    });
  }

  /**
   * A reduction along other axes than its argument's group has: what leads to the argument by cheap elementwise steps is computed
   * again in the new group, rather than written to memory and read back.
   */
  private recompute(arg: number, from: Group, into: Group): void {
    const chain = new Set<number>();
    const visit = (id: number): boolean => {
      if (this.groupOf.get(id) !== from || this.placements.get(id) !== 'full' || chain.has(id)) return true;
      const node = this.graph.nodes[id]!;
      if (node.kind !== 'map' || chain.size >= 12) return false;
      chain.add(id);
      return node.args.every(visit);
    };
    if (visit(arg)) for (const id of chain) into.members.add(id);
  }

  private groupsOf(args: readonly number[]): Group[] {
    return [...new Set(args.flatMap((arg) => this.groupOf.get(arg) ?? []))];
  }

  /** Numbers, positions, and what is computed or expanded from them alone. */
  private readonly free = new Map<number, boolean>();
  private isFree(id: number): boolean {
    const known = this.free.get(id);
    if (known !== undefined) return known;
    const node = this.graph.nodes[id]!;
    const free =
      node.kind === 'scalar' ||
      node.kind === 'iota' ||
      ((node.kind === 'map' || node.kind === 'expand') && argsOf(node).every((arg) => this.isFree(arg)));
    this.free.set(id, free);
    return free;
  }

  // ---- Values that must exist as tensors

  /** Free nodes and pending expansions that an op or the caller needs as tensors get kernels of their own. */
  private realiseDemanded(): void {
    const demanded = new Set<number>(this.graph.outputs);
    for (const node of this.live) if (node.kind === 'op') for (const arg of argsOf(node)) demanded.add(arg);
    for (const id of demanded) if (this.isFree(id)) this.start(this.graph.nodes[id]!, this.graph.nodes[id]!.shape);
  }

  // ---- Writing steps

  private emit(): Step[] {
    const steps: Step[] = [];
    const done = new Set<Group | number>();
    const finish = (id: number): void => {
      const node = this.graph.nodes[id]!;
      const group = this.groupOf.get(id);
      if (group !== undefined) {
        if (done.has(group)) return;
        done.add(group);
        for (const source of this.sourcesOf(group)) finish(source);
        steps.push(this.fusedStep(group));
        return;
      }
      if (done.has(id)) return;
      done.add(id);
      for (const arg of argsOf(node)) finish(arg);
      if (node.kind === 'op') steps.push(this.opStep(node));
      if (node.kind === 'expand') steps.push(expandStep(node));
    };
    for (const output of this.graph.outputs) finish(output);
    return steps;
  }

  /** What a group reads from outside itself. */
  private sourcesOf(group: Group): number[] {
    const sources = new Set<number>();
    const visited = new Set<number>();
    const visit = (id: number): void => {
      if (visited.has(id)) return;
      visited.add(id);
      for (const arg of argsOf(this.graph.nodes[id]!)) {
        if (group.members.has(arg) || this.isFree(arg)) visit(arg);
        else sources.add(this.throughExpand(arg, group));
      }
    };
    for (const member of group.members) visit(member);
    return [...sources];
  }

  /** An expanded tensor is read as itself: the kernel broadcasts. */
  private throughExpand(id: number, group: Group): number {
    const node = this.graph.nodes[id]!;
    return node.kind === 'expand' && !this.groupOf.has(id) && !this.isFree(id) && !group.members.has(node.arg)
      ? this.throughExpand(node.arg, group)
      : id;
  }

  private opStep(node: GraphNode & { kind: 'op' }): Step {
    const results = this.users[node.id]!.map((user) => this.graph.nodes[user]!);
    const outputs = node.results.map(
      (_, index) => results.find((result) => result.kind === 'result' && result.index === index)!.id,
    );
    return { kind: 'op', op: node.op, inputs: node.args, dtypes: node.dtypes, attrs: node.attrs, outputs, metas: node.results };
  }

  /** Values of a group that somebody outside it reads, or the caller. */
  private outputsOf(group: Group): number[] {
    const wanted = new Set(this.graph.outputs);
    return [...group.members]
      .filter((id) => this.groupOf.get(id) === group)
      .filter((id) => wanted.has(id) || this.users[id]!.some((user) => this.readsFromOutside(user, id, group)))
      .sort((a, b) => a - b);
  }

  private readsFromOutside(user: number, id: number, group: Group): boolean {
    const node = this.graph.nodes[user]!;
    if (node.kind === 'expand' && !this.groupOf.has(user)) {
      return this.users[user]!.some((next) => this.readsFromOutside(next, user, group)) || this.graph.outputs.includes(user);
    }
    const owners = this.groups.filter((other) => other.members.has(user));
    if (owners.length === 0) return node.kind === 'op';
    return owners.some((other) => other !== group && !other.members.has(id));
  }

  /**
   * A value that only fused kernels read is not rounded to 16 bits on its way between them, so that results do not depend on where a
   * graph is cut.
   */
  private storageOf(id: number): Dtype {
    const { dtype } = this.graph.nodes[id]!;
    const half = dtype === 'float16' || dtype === 'bfloat16';
    return half && this.groupOf.has(id) && !this.isSeen(id) ? 'float32' : dtype;
  }

  /** Whether the caller gets a value as it is, or an op that is not fused. */
  private isSeen(id: number): boolean {
    if (this.graph.outputs.includes(id)) return true;
    return this.users[id]!.some((user) => {
      const { kind } = this.graph.nodes[user]!;
      return kind === 'op' || (kind === 'expand' && !this.groupOf.has(user) && this.isSeen(user));
    });
  }

  private fusedStep(group: Group): Step {
    return new StepWriter(
      this.graph,
      group,
      this.placements,
      (id) => this.throughExpand(id, group),
      this.outputsOf(group),
      (id) => this.storageOf(id),
    ).write();
  }
}

class StepWriter {
  private readonly inputs: FusedOperand[] = [];
  private readonly inputTypes: FusedInput[] = [];
  private readonly scalars: ScalarSource[] = [];
  private readonly nodes: FusedNode[] = [];
  private readonly places = new Map<string, number>();

  constructor(
    private readonly graph: Graph,
    private readonly group: Group,
    private readonly placements: ReadonlyMap<number, Placement>,
    private readonly source: (id: number) => number,
    private readonly results: readonly number[],
    /** The dtype that a value is stored in. */
    private readonly storage: (id: number) => Dtype,
  ) {}

  write(): Step {
    const outputs = this.results.map((id) => {
      const placement = this.placements.get(id)!;
      const node = this.graph.nodes[id]!;
      return { value: id, shape: node.shape, placement, meta: { shape: node.shape, dtype: this.storage(id) } };
    });
    const written = this.results.map((id): FusedOutput => {
      const placement = this.placements.get(id)!;
      return {
        node: this.node(id, placement),
        dtype: this.storage(id),
        level: placement === 'full' ? 'element' : 'row',
      };
    });
    const kernel = fusedKernel({
      inputs: this.inputTypes,
      scalars: this.scalars.map((_, i) => this.scalarTypes[i]!),
      nodes: this.nodes,
      outputs: written,
    });
    return {
      kind: 'fused',
      kernel,
      shape: this.group.shape,
      axes: this.group.axes ?? [],
      inputs: this.inputs,
      scalars: this.scalars,
      outputs,
    };
  }

  private readonly scalarTypes: FusedKernel['scalars'][number][] = [];

  /** The kernel's node for a value, as read in that placement. */
  private node(id: number, placement: Placement): number {
    const node = this.graph.nodes[id]!;
    const member = this.group.members.has(id);
    const uniform = node.kind === 'scalar';
    const key = `${id}:${uniform ? '' : member ? 'member' : placement}`;
    const known = this.places.get(key);
    if (known !== undefined) return known;
    const written = this.nodes.push(this.fused(node, placement, member)) - 1;
    this.places.set(key, written);
    return written;
  }

  private fused(node: GraphNode, placement: Placement, member: boolean): FusedNode {
    const { dtype } = node;
    const own = member ? (this.placements.get(node.id) ?? 'full') : placement;
    switch (node.kind) {
      case 'scalar':
        this.scalarTypes.push(dtype);
        return { op: 'scalar', scalar: this.scalars.push(node.source) - 1, dtype };
      case 'iota':
        return this.operand({ value: -1, shape: node.shape, placement: own, axis: node.axis }, dtype);
      case 'map':
        if (member || this.isFreeMap(node)) {
          const args = node.args.map((arg) => this.node(arg, own));
          return { op: 'map', map: node.map, args, dtype };
        }
        break;
      case 'expand':
        if (member || this.isFreeMap(node)) return { op: 'map', map: 'identity', args: [this.node(node.arg, own)], dtype };
        break;
      case 'reduce':
        if (member) return { op: 'reduce', reduce: node.reduce, arg: this.node(node.arg, 'full'), dtype };
        break;
    }
    const source = this.graph.nodes[this.source(node.id)]!;
    return this.operand({ value: source.id, shape: source.shape, placement: own }, dtype);
  }

  private isFreeMap(node: GraphNode): boolean {
    return (
      node.kind === 'scalar' ||
      node.kind === 'iota' ||
      ((node.kind === 'map' || node.kind === 'expand') && argsOf(node).every((arg) => this.isFreeMap(this.graph.nodes[arg]!)))
    );
  }

  private operand(operand: FusedOperand, dtype: FusedInput['dtype']): FusedNode {
    const virtual = operand.value === -1 ? { virtual: true } : {};
    const level = operand.placement === 'full' ? 'element' : 'row';
    this.inputTypes.push({ dtype: operand.value === -1 ? dtype : this.storage(operand.value), level, ...virtual });
    return { op: 'input', input: this.inputs.push(operand) - 1, dtype };
  }
}

function expandStep(node: GraphNode & { kind: 'expand' }): Step {
  return {
    kind: 'op',
    op: broadcastView,
    inputs: { x: node.arg },
    dtypes: { x: node.dtype },
    attrs: { shape: node.shape },
    outputs: [node.id],
    metas: [{ shape: node.shape, dtype: node.dtype }],
  };
}

/** The view that an expansion becomes when it is wanted as a tensor. */
const broadcastView: OpDefinition = {
  name: 'expand',
  source: 'kernels/partition.ts',
  inputs: [{ name: 'x', dtype: 'any', differentiable: false }],
  attrs: [{ name: 'shape', type: { kind: 'shape' }, required: true }],
  outputs: [{ name: 'out' }],
  dtypes: {},
  infer: () => {
    throw new TypeError('the partition knows the shape of an expansion');
  },
  body: {
    kind: 'view',
    view: ({ x }, { shape }) => {
      if (x === undefined || !('strides' in x)) throw new TypeError('an expansion is of one tensor');
      const target = shape as Shape;
      const shift = target.length - x.shape.length;
      const strides = target.map((_, axis) => (axis < shift || x.shape[axis - shift] === 1 ? 0 : x.strides[axis - shift]!));
      return { shape: target, strides, offset: x.offset };
    },
  },
  gradients: [],
};

function liveNodes(graph: Graph): GraphNode[] {
  const needed = new Set<number>();
  const visit = (id: number): void => {
    if (needed.has(id)) return;
    needed.add(id);
    for (const arg of argsOf(graph.nodes[id]!)) visit(arg);
  };
  for (const output of graph.outputs) visit(output);
  return graph.nodes.filter((node) => needed.has(node.id) || (node.kind === 'result' && needed.has(node.of)));
}

function argsOf(node: GraphNode): readonly number[] {
  switch (node.kind) {
    case 'map':
      return node.args;
    case 'expand':
    case 'reduce':
      return [node.arg];
    case 'result':
      return [node.of];
    case 'op':
      return Object.values(node.args).flatMap((arg) => (arg === undefined ? [] : (arg as number | readonly number[])));
    default:
      return [];
  }
}
