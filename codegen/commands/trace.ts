/**
 * An op, or one of its gradients, followed as far as its kernels: the graph that the tracer records for concrete arguments, the
 * partition's steps, and each step bound to contiguous tensors as the cpu device would bind it. Nothing is run.
 */
import { type Call, prepareCall } from '../../kernels/call.js';
import { type Graph, type TracedValue, Tracer } from '../../kernels/graph.js';
import { isComplex, isFloating } from '../../kernels/host.js';
import type { Kernel } from '../../kernels/ir.js';
import { bind, type Launch, type Machine } from '../../kernels/lower/bind.js';
import { lowerFused } from '../../kernels/lower/fused.js';
import { denseStrides } from '../../kernels/lower/space.js';
import { type FusedStep, kernelDtypes, type OpStep, stepDimensions } from '../../kernels/lower/steps.js';
import { expandMath } from '../../kernels/math/expand.js';
import type {
  Argument,
  Arguments,
  Attrs,
  FunctionCall,
  GradientDefinition,
  LayoutMeta,
  OpDefinition,
  OperandAttrs,
  TensorMeta,
  ViewLayout,
} from '../../kernels/op.js';
import { type Plan, partition } from '../../kernels/partition.js';
import { specialise } from '../../kernels/specialise.js';
import { vectorise } from '../../kernels/vectorise.js';
import { compileWasm } from '../../kernels/wasm/compile.js';

/** A kernel on its way to WebAssembly. */
export interface LoweredKernel {
  readonly kernel: Kernel;
  /** In lanes, with transcendental functions written out: what the printer is given. */
  readonly printed: Kernel;
  readonly wasm: Uint8Array;
}

export type TracedStep =
  | {
      readonly kind: 'fused';
      readonly step: FusedStep;
      readonly launches: readonly (LoweredKernel & { readonly launch: Launch })[];
      /** Bytes of each scratch buffer. */
      readonly scratch: readonly number[];
    }
  /** `copied` where the strides of its input cannot express it. */
  | { readonly kind: 'view'; readonly step: OpStep; readonly layout: ViewLayout; readonly copied: boolean }
  | ({ readonly kind: 'kernel'; readonly step: OpStep; readonly call: FunctionCall } & LoweredKernel)
  | { readonly kind: 'library'; readonly step: OpStep; readonly library: string };

export interface Trace {
  readonly graph: Graph;
  readonly plan: Plan;
  readonly steps: readonly TracedStep[];
  /** What each result of the plan is called. */
  readonly outputs: readonly { readonly name: string; readonly value: number; readonly meta: TensorMeta }[];
}

export interface OpTrace extends Trace {
  readonly machine: Machine;
  readonly call: Call<TracedValue>;
  readonly results: Arguments<TensorMeta>;
}

/** A tensor's shape and dtype, a plain number, or a list of tensors. */
export type Given = Arguments<TensorMeta | number>;

/** What the op itself runs. Throws a RuleError where it refuses its arguments. */
export function traceOp(op: OpDefinition, given: Given, attrs: Attrs, machine: Machine = 'cpu'): OpTrace {
  const tracer = newTracer();
  const inputs = mapEntries(given, (value, slot) => enter(tracer, value, slot));
  const call = prepareCall(op, inputs, attrs);
  const results =
    op.body.kind === 'define' ? runDefinition(tracer, op, op.body, inputs, call) : tracer.apply(op, inputs, call.attrs);
  const byName = byOutput(op, results);
  const names = Object.entries(byName).flatMap(([name, value]) =>
    isList(value) ? value.map((_, index) => `${name}${index}`) : [name],
  );
  return { ...finish(tracer, results, names, machine), machine, call, results: byName };
}

/** What one gradient runs, where every output that can have a gradient has one. */
export function traceGradient(op: OpDefinition, gradient: GradientDefinition, forward: OpTrace, given: Given): Trace {
  const tracer = newTracer();
  const kept = new Set(gradient.saved.map(({ name }) => name));
  const inputs = mapEntries(given, (value, slot, name) => (kept.has(name) ? enter(tracer, value, slot) : undefined));
  const results = mapEntries(forward.results, (meta, slot, name) => (kept.has(name) ? tracer.input(slot, meta) : undefined));
  const incoming = mapEntries(forward.results, (meta, slot) =>
    isFlowing(meta) ? tracer.input(`d${slot}`, meta) : tracer.zeros(meta),
  );
  const renamed = Object.fromEntries(Object.entries(incoming).map(([name, value]) => [`d${name}`, value]));
  const gradients = gradient.run(tracer.g, { ...inputs, ...results, ...renamed }, tracedAttrs(tracer, op, forward.call.attrs));
  const name = `d${gradient.input}`;
  const names = isList(given[gradient.input]) ? gradients.map((_, index) => `${name}${index}`) : [name];
  return finish(tracer, gradients, names, forward.machine);
}

/** Whether a gradient can be asked for: numbers, absent inputs and integers have none. */
export function isDifferentiable(value: Given[string]): boolean {
  if (value === undefined || typeof value === 'number') return false;
  return isList(value) ? value.every(isDifferentiable) : isFlowing(value);
}

/** Definitions made from a checked spec call `apply` alone: the algebra needs no methods. */
function newTracer(): Tracer {
  return new Tracer((algebra) => algebra);
}

type Definition = Extract<OpDefinition['body'], { readonly kind: 'define' }>;

function runDefinition(
  tracer: Tracer,
  op: OpDefinition,
  body: Definition,
  inputs: Arguments<TracedValue>,
  { metas, attrs }: Call<TracedValue>,
): readonly TracedValue[] {
  op.infer(metas, attrs);
  return body.run(tracer.g, inputs, tracedAttrs(tracer, op, attrs));
}

function enter(tracer: Tracer, value: TensorMeta | number, slot: string): TracedValue {
  return typeof value === 'number' ? tracer.scalar({ from: 'input', slot }) : tracer.input(slot, value);
}

function tracedAttrs(tracer: Tracer, op: OpDefinition, attrs: Attrs): OperandAttrs<TracedValue> {
  const scalars = op.attrs.filter((attr) => attr.scalar && typeof attrs[attr.name] === 'number');
  return { ...attrs, ...Object.fromEntries(scalars.map(({ name }) => [name, tracer.scalar({ from: 'attr', name })])) };
}

/** The entries of lists are named `xs0`, `xs1`, ... */
function mapEntries<V, W>(given: Arguments<V>, change: (value: V, slot: string, name: string) => W | undefined): Arguments<W> {
  const changed = Object.entries(given).map(([name, value]): [string, Argument<W>] => {
    if (!isList(value)) return [name, value === undefined ? undefined : change(value, name, name)];
    return [name, value.flatMap((item, index) => change(item, `${name}${index}`, name) ?? [])];
  });
  return Object.fromEntries(changed);
}

function isList<V>(value: Argument<V>): value is readonly V[] {
  return Array.isArray(value);
}

const isFlowing = ({ dtype }: TensorMeta): boolean => isFloating(dtype) || isComplex(dtype);

/** By output; a list output is the only one. */
function byOutput(op: OpDefinition, results: readonly TensorMeta[]): Arguments<TensorMeta> {
  const [first] = op.outputs;
  if (first?.list) return { [first.name]: results };
  return Object.fromEntries(op.outputs.map(({ name }, index) => [name, results[index]]));
}

// ---- Steps

function finish(tracer: Tracer, results: readonly TracedValue[], names: readonly string[], machine: Machine): Trace {
  const graph = tracer.finish(results);
  const plan = partition(graph);
  const layouts = new Map<number, LayoutMeta>();
  for (const node of graph.nodes) if (node.kind === 'input') layouts.set(node.id, contiguous(node));
  const steps = plan.steps.map((step) => (step.kind === 'fused' ? fusedStep(step, layouts, machine) : opStep(step, layouts)));
  const outputs = results.map(({ id, shape, dtype }, index) => ({
    name: names[index] ?? 'out',
    value: id,
    meta: { shape, dtype },
  }));
  return { graph, plan, steps, outputs };
}

function contiguous({ shape, dtype }: TensorMeta): LayoutMeta {
  return { shape, dtype, strides: denseStrides(shape), offset: 0 };
}

type Layouts = Map<number, LayoutMeta>;

function layoutOf(layouts: Layouts, value: number): LayoutMeta {
  const layout = layouts.get(value);
  if (layout === undefined) throw new TypeError(`value ${value} is read before it is made`);
  return layout;
}

function fusedStep(step: FusedStep, layouts: Layouts, machine: Machine): TracedStep {
  for (const { value, meta } of step.outputs) layouts.set(value, contiguous(meta));
  const dimensions = stepDimensions(step, (value) => layoutOf(layouts, value).strides);
  const { launches, scratch } = bind(step.kernel, dimensions, machine);
  const lowered = launches.map((launch) => ({ launch, ...lower(lowerFused(launch.kernel, launch.variant)) }));
  return { kind: 'fused', step, launches: lowered, scratch };
}

function opStep(step: OpStep, layouts: Layouts): TracedStep {
  const { body } = step.op;
  if (body.kind === 'view') return viewStep(step, body.view, layouts);
  step.outputs.forEach((value, index) => {
    const meta = step.metas[index];
    if (meta !== undefined) layouts.set(value, contiguous(meta));
  });
  if (body.kind === 'library') return { kind: 'library', step, library: body.library };
  if (body.kind !== 'kernel') throw new TypeError(`${step.op.name} is not a step of its own`);
  const call = body.call(inputLayouts(step, layouts), step.metas, step.attrs);
  const kernel = specialise(body.kernel, kernelDtypes(body.kernel, step, call.scratch));
  return { kind: 'kernel', step, call, ...lower(kernel) };
}

type ViewFunction = Extract<OpDefinition['body'], { readonly kind: 'view' }>['view'];

function viewStep(step: OpStep, view: ViewFunction, layouts: Layouts): TracedStep {
  const [input] = valuesOf(step);
  const direct = view(inputLayouts(step, layouts), step.attrs);
  if (direct === null && input !== undefined) layouts.set(input, contiguous(layoutOf(layouts, input)));
  const layout = direct ?? view(inputLayouts(step, layouts), step.attrs);
  const [output] = step.outputs;
  const [meta] = step.metas;
  if (layout === null || output === undefined || meta === undefined) throw new TypeError(`${step.op.name} gives no view`);
  layouts.set(output, { ...layout, dtype: meta.dtype });
  return { kind: 'view', step, layout, copied: direct === null };
}

function inputLayouts(step: OpStep, layouts: Layouts): Arguments<LayoutMeta> {
  return mapEntries(step.inputs, (value) => layoutOf(layouts, value));
}

/** The values that a step reads. */
export function valuesOf(step: OpStep): readonly number[] {
  return Object.values(step.inputs).flatMap((value) => (value === undefined ? [] : value));
}

/** A WebAssembly vector. */
const target = { vectorBytes: 16 };

function lower(kernel: Kernel): LoweredKernel {
  const inLanes = vectorise(kernel, target);
  return { kernel, printed: expandMath(inLanes), wasm: compileWasm(inLanes) };
}
