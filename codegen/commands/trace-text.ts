/**
 * A trace in words: the primitive graph a line a node, then each step with its variant, its launches and its kernels.
 */
import { cudaC } from '../../kernels/c/dialect.js';
import { printC } from '../../kernels/c/printer.js';
import { distribute } from '../../kernels/distribute.js';
import type { GraphNode, ScalarSource } from '../../kernels/graph.js';
import type { Launch } from '../../kernels/lower/bind.js';
import type { AttrValue } from '../../kernels/op.js';
import type { FusedOperand } from '../../kernels/partition.js';
import { printKernel } from '../../kernels/print-ir.js';
import type { JsonObject } from './command.js';
import { countOf, indented, metaText, table } from './format.js';
import { type LoweredKernel, type Trace, type TracedStep, valuesOf } from './trace.js';

/** How much of a kernel is shown: its IR, the IR that is printed as WebAssembly, its CUDA C++, or nothing. */
export type SourceKind = 'ir' | 'wasm' | 'cuda' | 'none';

/** Values by number: inputs by name, everything else as `%7`. */
type NameOf = (value: number) => string;

export function valueNames({ graph }: Trace): NameOf {
  const names = new Map<number, string>();
  for (const node of graph.nodes) {
    if (node.kind === 'input') names.set(node.id, node.slot);
    // A call with one result is that result.
    if (node.kind === 'result' && resultCount(graph.nodes, node.of) === 1) names.set(node.id, `%${node.of}`);
  }
  return (value) => names.get(value) ?? `%${value}`;
}

function resultCount(nodes: readonly GraphNode[], op: number): number {
  return nodes.filter((node) => node.kind === 'result' && node.of === op).length;
}

// ---- The graph

export function graphLines(trace: Trace): readonly string[] {
  const name = valueNames(trace);
  const written = trace.graph.nodes.filter((node) => node.kind !== 'input' && !isOnlyResult(trace, node));
  return [
    ...table(written.map((node) => [`%${node.id}`, `= ${nodeText(node, name)}`, metaText(node)])),
    ...trace.outputs.map((output) => `${output.name} is ${name(output.value)}`),
  ];
}

function isOnlyResult({ graph }: Trace, node: GraphNode): boolean {
  return node.kind === 'result' && resultCount(graph.nodes, node.of) === 1;
}

function nodeText(node: GraphNode, name: NameOf): string {
  switch (node.kind) {
    case 'input':
      return node.slot;
    case 'scalar':
      return scalarText(node.source);
    case 'iota':
      return node.axis === -1 ? 'place in the flattened tensor' : `place along axis ${node.axis}`;
    case 'map':
      return `${node.map}(${node.args.map(name).join(', ')})`;
    case 'expand':
      return `expand(${name(node.arg)})`;
    case 'reduce':
      return `${node.reduce}(${name(node.arg)}) over ${axesText(node.axes)}${node.keepdim ? ', kept' : ''}`;
    case 'op': {
      const operands = Object.values(node.args).flatMap((arg) => (arg === undefined ? [] : arg));
      return `${node.op.name}(${operands.map(name).join(', ')})${attrsText(node.attrs)}`;
    }
    case 'result':
      return `result ${node.index} of ${name(node.of)}`;
  }
}

function scalarText(source: ScalarSource): string {
  switch (source.from) {
    case 'constant':
      return String(source.value);
    case 'attr':
      return `attribute ${source.name}`;
    case 'input':
      return `number ${source.slot}`;
    case 'random':
      return `word ${source.word} of random draw ${source.draw}`;
  }
}

function axesText(axes: readonly number[]): string {
  return `${axes.length === 1 ? 'axis' : 'axes'} ${axes.join(', ')}`;
}

export function attrsText(attrs: Readonly<Record<string, AttrValue>>): string {
  const given = Object.entries(attrs).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : ` { ${given.map(([key, value]) => `${key}: ${attrText(value)}`).join(', ')} }`;
}

export function attrText(value: AttrValue): string {
  if (Array.isArray(value)) return `[${value.map((item: AttrValue) => attrText(item)).join(', ')}]`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}

// ---- Steps

export function stepTexts(trace: Trace, source: SourceKind): readonly string[] {
  const name = valueNames(trace);
  return trace.steps.map((step, index) => `${index + 1}. ${stepText(step, name, source)}`);
}

/** One line for all steps: `fused over [3, 5]; gemm`. */
export function stepsSummary(trace: Trace): string {
  if (trace.steps.length === 0) return 'nothing to run';
  return trace.steps.map(stepTitle).join('; ');
}

function stepTitle(traced: TracedStep): string {
  switch (traced.kind) {
    case 'fused': {
      const { shape, axes } = traced.step;
      const reducing = axes.length === 0 ? '' : `, reducing ${axesText(axes)}`;
      return `fused kernel over [${shape.join(', ')}]${reducing}`;
    }
    case 'view':
      return `${traced.step.op.name}, a view${traced.copied ? ' of a copy' : ''}`;
    case 'kernel':
      return `${traced.step.op.name}, kernel ${traced.kernel.name}`;
    case 'library':
      return `${traced.step.op.name}, library kernel ${traced.library}`;
  }
}

function stepText(traced: TracedStep, name: NameOf, source: SourceKind): string {
  return [stepTitle(traced), ...stepDetails(traced, name, source).map((part) => indented(part, '   '))].join('\n');
}

function stepDetails(traced: TracedStep, name: NameOf, source: SourceKind): readonly string[] {
  if (traced.kind === 'fused') {
    const { inputs, outputs } = traced.step;
    const rows = [operandRow('reads', inputs, 'in', name), operandRow('writes', outputs, 'out', name)];
    if (traced.launches.length === 0) return [...table(rows), 'nothing is launched: there are no elements'];
    return [
      ...table(rows),
      ...traced.launches.flatMap((launch) => launchDetails(launch, source)),
      ...scratchLine(traced.scratch),
    ];
  }
  const { step } = traced;
  const operands = [
    ['reads', valuesOf(step).map(name).join(', ')],
    ['writes', step.outputs.map((value, index) => `${name(value)} ${metaText(step.metas[index] ?? noMeta)}`).join(', ')],
  ];
  if (traced.kind === 'view') {
    const { shape, strides, offset } = traced.layout;
    return table([...operands, ['layout', `shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset}`]]);
  }
  if (traced.kind === 'library') return table([...operands, ['runs', 'kernels that the device packs, blocks and drives']]);
  const { call } = traced;
  const scratch = Object.entries(call.scratch ?? {}).map(([key, { dtype, size }]) => `${key} ${dtype} [${size}]`);
  return [
    ...table([
      ...operands,
      ['launch', `${countOf(call.work, 'item')}${paramsText(call.params)}`],
      ...(scratch.length === 0 ? [] : [['scratch', scratch.join(', ')]]),
      ['wasm', countOf(traced.wasm.length, 'byte')],
    ]),
    ...sourceText(traced, source),
  ];
}

const noMeta = { dtype: 'float32', shape: [] } as const;

function operandRow(verb: string, operands: readonly FusedOperand[], prefix: string, name: NameOf): readonly string[] {
  const texts = operands.map((operand, index) => {
    const what = operand.value < 0 ? 'places' : name(operand.value);
    return `${what} as ${prefix}${index}${operand.placement === 'full' ? '' : ' (a row each)'}`;
  });
  return [verb, texts.length === 0 ? 'no tensor' : texts.join(', ')];
}

type FusedLaunch = Extract<TracedStep, { readonly kind: 'fused' }>['launches'][number];

function launchDetails(launched: FusedLaunch, source: SourceKind): readonly string[] {
  const { launch, wasm } = launched;
  return [
    ...table([
      ['variant', variantText(launch)],
      ['launch', `${countOf(launch.work, 'item')}, ${launch.grain} or more a thread${paramsText(launch.params)}`],
      ['wasm', countOf(wasm.length, 'byte')],
    ]),
    ...sourceText(launched, source),
  ];
}

function variantText({ variant, kernel }: Launch): string {
  const { form, kept, reduced, inner, split } = variant;
  const operands = [...kernel.inputs.map((_, i) => `in${i}`), ...kernel.outputs.map((_, i) => `out${i}`)];
  const strides = inner.map((stride, index) => `${operands[index]} ${stride === 's' ? 'any' : stride}`).join(', ');
  return `${form}${split ? ', in parts' : ''}; dimensions: ${kept} kept, ${reduced} reduced; inner strides: ${strides}`;
}

function paramsText(params: Readonly<Record<string, number>>): string {
  const entries = Object.entries(params).map(([key, value]) => `${key} = ${value}`);
  return entries.length === 0 ? '' : `; ${entries.join(', ')}`;
}

function scratchLine(scratch: readonly number[]): readonly string[] {
  return scratch.length === 0 ? [] : [`scratch  ${scratch.map((bytes) => countOf(bytes, 'byte')).join(', ')}`];
}

function sourceText({ kernel, printed }: LoweredKernel, source: SourceKind): readonly string[] {
  if (source === 'none') return [];
  if (source === 'cuda') return ['', printC(distribute(kernel), cudaC).trimEnd(), ''];
  return ['', printKernel(source === 'ir' ? kernel : printed), ''];
}

// ---- For programs

export function traceJson(trace: Trace): JsonObject {
  const name = valueNames(trace);
  return {
    graph: trace.graph.nodes.map((node) => ({ id: node.id, text: nodeText(node, name), dtype: node.dtype, shape: node.shape })),
    steps: trace.steps.map((step) => stepJson(step, name)),
    outputs: trace.outputs.map(({ name, value, meta }) => ({ name, value, dtype: meta.dtype, shape: meta.shape })),
  };
}

function stepJson(traced: TracedStep, name: NameOf): JsonObject {
  const common = { kind: traced.kind, title: stepTitle(traced) };
  switch (traced.kind) {
    case 'fused':
      return {
        ...common,
        shape: traced.step.shape,
        axes: traced.step.axes,
        reads: traced.step.inputs.map(({ value }) => (value < 0 ? null : name(value))),
        writes: traced.step.outputs.map(({ value }) => name(value)),
        scratch: traced.scratch,
        launches: traced.launches.map(({ launch, ...lowered }) => ({
          form: launch.variant.form,
          kept: launch.variant.kept,
          reduced: launch.variant.reduced,
          inner: launch.variant.inner,
          split: launch.variant.split ?? false,
          work: launch.work,
          grain: launch.grain,
          params: launch.params,
          ...kernelJson(lowered),
        })),
      };
    case 'view':
      return {
        ...common,
        shape: traced.layout.shape,
        strides: traced.layout.strides,
        offset: traced.layout.offset,
        copied: traced.copied,
      };
    case 'kernel':
      return { ...common, work: traced.call.work, params: traced.call.params, ...kernelJson(traced) };
    case 'library':
      return { ...common, library: traced.library };
  }
}

function kernelJson({ kernel, wasm }: LoweredKernel): JsonObject {
  return { ir: printKernel(kernel), wasmBytes: wasm.length, wasm: Buffer.from(wasm).toString('base64') };
}
