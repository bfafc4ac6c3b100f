/**
 * `opwright explain`: one op on its way from the entry in the spec to the kernels that run for concrete shapes, and its gradients.
 */
import { RuleError } from '../../kernels/host.js';
import type { Argument, Attrs, AttrValue, OpDefinition, TensorMeta } from '../../kernels/op.js';
import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { type KernelFunctions, makeOpDefinitions } from '../lang/definitions.js';
import { gradientsOf, type OpGradient } from '../lang/differentiate.js';
import { printProgram } from '../lang/print.js';
import { didYouMean, renderDiagnostic } from '../spec/diagnostic.js';
import type { Op } from '../spec/model.js';
import { type InputData, sampleData } from '../spec/sample-data.js';
import { locationOf } from '../spec/source.js';
import { diagnosticJson } from './check.js';
import { type Command, commonOptions, exitCodes, type JsonValue, type Outcome, parseArguments, UsageError } from './command.js';
import { entryText } from './entry-text.js';
import { countOf, indented, metaText, table } from './format.js';
import { loadWithKernels } from './kernel-functions.js';
import { readArguments, type WrittenArguments } from './operands.js';
import { specOptions } from './spec-files.js';
import { type Given, isDifferentiable, type OpTrace, type Trace, traceGradient, traceOp } from './trace.js';
import { attrText, graphLines, type SourceKind, stepsSummary, stepTexts, traceJson } from './trace-text.js';

const options = {
  dtype: { type: 'string', value: 'dtype', summary: 'The dtype of tensors that state none; float32 where the op takes it.' },
  attr: {
    type: 'string',
    multiple: true,
    value: 'name=value',
    summary: 'An attribute: --attr axis=1. May be given several times.',
  },
  sample: { type: 'string', value: 'number', summary: "Which of the op's own samples to use where no shapes are given." },
  source: {
    type: 'string',
    value: 'kind',
    summary: "The kernels shown: 'ir' as lowered, 'wasm' as printed (in lanes), 'cuda' for a GPU, 'none'.",
  },
  ...specOptions,
  ...commonOptions,
} as const;

export const command: Command = {
  help: {
    name: 'explain',
    arguments: '<op> [shapes...]',
    description:
      "Shows an op's entry, the shapes it infers, the primitive graph that its definition is, how that is cut into kernels, the kernels\n" +
      "themselves and how they are launched; then each gradient. Without shapes, the op's first sample is used.\n\n" +
      'Shapes stand in the order of the inputs: 3,5 or 3,5:int32; [] has no axes; 2,3+4,3 is a list of two tensors; number:0.5 is a\n' +
      'plain number; bias=16 names its input.',
    examples: [
      'opwright explain softmax 3,5',
      'opwright explain sum 2,3,4 --attr axis=0,2 --source none',
      'opwright explain gather',
    ],
    options,
  },
  async run(args) {
    const { values, positionals } = parseArguments(options, args);
    const [name, ...operands] = positionals;
    if (name === undefined) throw new UsageError('which op?', 'opwright explain softmax 3,5');
    const source = sourceKind(values.source);
    const { checked: model, kernels, diagnostics } = await loadWithKernels(values);
    if (diagnostics.length > 0) {
      const text = [...diagnostics.map(renderDiagnostic), 'the spec has problems: nothing to explain yet'].join('\n');
      return { exitCode: exitCodes.problems, text, json: { diagnostics: diagnostics.map(diagnosticJson) } };
    }
    const written = { operands, attrs: values.attr ?? [], dtype: values.dtype, sample: values.sample };
    return explainOp(model, kernels, name, written, source);
  },
};

function sourceKind(text: string | undefined): SourceKind {
  if (text === undefined || text === 'ir') return 'ir';
  if (text === 'wasm' || text === 'cuda' || text === 'none') return text;
  throw new UsageError(`there is no source '${text}'`, "it is one of 'ir', 'wasm', 'cuda', 'none'");
}

/** An op by its name, an alias or a Paddle name. */
function findOp(ops: CheckedModel['ops'], name: string): CheckedOp {
  const all = [...ops.values()];
  const found = ops.get(name) ?? all.find(({ op }) => [...op.aliases, ...op.names].some((word) => word.name === name));
  if (found !== undefined) return found;
  const names = all.flatMap(({ op }) => [op.name, ...[...op.aliases, ...op.names].map((word) => word.name)]);
  throw new UsageError(`there is no op '${name}'`, didYouMean(name, names) ?? 'opwright stats lists what there is');
}

function metaOf(data: InputData): Argument<TensorMeta | number> {
  if (typeof data === 'number') return data;
  if ('shape' in data) return { shape: data.shape, dtype: data.dtype };
  return data.flatMap((item) => (typeof item !== 'number' && 'shape' in item ? { shape: item.shape, dtype: item.dtype } : []));
}

interface Subject {
  readonly checked: CheckedOp;
  readonly definition: OpDefinition;
  readonly given: Given;
  readonly gradients: readonly OpGradient[];
}

/** Everything about one op with the arguments as written, or why it refuses them. */
export function explainOp(
  model: CheckedModel,
  kernels: KernelFunctions,
  name: string,
  written: WrittenArguments,
  source: SourceKind,
): Outcome {
  const checked = findOp(model.ops, name);
  const sample = sampleData(model.model, checked.op, readArguments(checked.op, written));
  const definition = makeOpDefinitions(model, kernels).get(checked.op.name);
  if (definition === undefined) throw new TypeError(`${checked.op.name} has no definition`);
  const given = Object.fromEntries(Object.entries(sample.inputs).map(([key, data]) => [key, metaOf(data)]));
  try {
    const trace = traceOp(definition, given, sample.attrs, source === 'cuda' ? 'gpu' : 'cpu');
    return report({ checked, definition, given, gradients: gradientsOf(model, checked) }, trace, source);
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const { code, message } = error;
    const text = `${definition.name} refuses these arguments: ${message} (${code})\n  its rules stand at ${definition.source}`;
    return { exitCode: exitCodes.problems, text, json: { op: definition.name, code, error: message } };
  }
}

function report(subject: Subject, trace: OpTrace, source: SourceKind): Outcome {
  const { checked, definition, given, gradients } = subject;
  const { op } = checked;
  const backward = gradients.flatMap((gradient) => {
    const own = definition.gradients.find(({ input }) => input === gradient.input);
    const possible = isDifferentiable(given[gradient.input]);
    return own === undefined ? [] : [{ gradient, trace: possible ? traceGradient(definition, own, trace, given) : undefined }];
  });
  const sections = [
    section(`${op.name}, ${locationOf(op.span)}`, [indented(entryText(op.span))]),
    section('Arguments', table(argumentRows(given, trace.call.attrs))),
    section('Results', table(trace.outputs.map(({ name, meta }) => [`  ${name}`, metaText(meta)]))),
    section(
      `Primitive graph, ${countOf(trace.graph.nodes.length, 'node')}`,
      graphLines(trace).map((line) => indented(line)),
    ),
    section(
      `Plan, ${countOf(trace.steps.length, 'step')}`,
      stepTexts(trace, source).map((step) => indented(step)),
    ),
    section('Gradients', backward.length === 0 ? ['  none'] : backward.map((one) => gradientText(op, one.gradient, one.trace))),
  ];
  const json = {
    op: op.name,
    source: locationOf(op.span),
    entry: entryText(op.span),
    attributes: jsonOf(trace.call.attrs),
    ...traceJson(trace),
    gradients: backward.map(({ gradient, trace: traced }) => ({
      input: gradient.input,
      derived: gradient.derived,
      saved: gradient.saved.map(({ name, keep }) => ({ name, keep })),
      program: printProgram(gradient.program),
      ...(traced === undefined ? {} : traceJson(traced)),
    })),
  };
  return { exitCode: exitCodes.ok, text: sections.join('\n\n'), json };
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines].join('\n').trimEnd();
}

function argumentRows(given: Given, attrs: Attrs): readonly (readonly string[])[] {
  const inputs = Object.entries(given).map(([name, value]) => [`  ${name}`, givenText(value)]);
  const attributes = Object.entries(attrs).map(([name, value]) => [`  ${name}`, attrText(value)]);
  return inputs.length + attributes.length === 0 ? [['  none']] : [...inputs, ...attributes];
}

function givenText(value: Given[string]): string {
  if (value === undefined) return 'absent';
  if (typeof value === 'number') return String(value);
  return 'shape' in value ? metaText(value) : value.map(givenText).join(', ');
}

function gradientText(op: Op, gradient: OpGradient, trace: Trace | undefined): string {
  const { input, saved, program, derived } = gradient;
  const stated = op.gradients.find(({ name }) => name === input);
  const origin = derived || stated === undefined ? 'derived from the definition' : `stated at ${locationOf(stated.span)}`;
  const kept = saved.map(({ name, keep }) => (keep === 'shape' ? `the shape of ${name}` : name));
  return [
    `  ${input}, ${origin}; keeps ${kept.length === 0 ? 'nothing' : kept.join(', ')}`,
    indented(printProgram(program), '    '),
    ...(trace === undefined ? [] : [`    runs as ${countOf(trace.steps.length, 'step')}: ${stepsSummary(trace)}`]),
  ].join('\n');
}

/** Infinities and NaN have no JSON. */
function jsonOf(attrs: Attrs): JsonValue {
  return Object.fromEntries(Object.entries(attrs).map(([name, value]) => [name, attrJson(value)]));
}

function attrJson(value: AttrValue): JsonValue | undefined {
  if (isValues(value)) return value.map((item) => attrJson(item) ?? null);
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function isValues(value: AttrValue): value is readonly AttrValue[] {
  return Array.isArray(value);
}
