/**
 * A small spec for the tests of the expression language: primitives enough to write definitions with, and helpers that check more
 * entries on top of it. It is no part of the library's own spec, so that the tests hold still while that one grows.
 */
import { type CheckedModel, type CheckedOp, checkModel } from '../codegen/lang/check.js';
import { derivedGradient, gradientsOf } from '../codegen/lang/differentiate.js';
import { printProgram } from '../codegen/lang/print.js';
import { type Diagnostic, renderDiagnostic } from '../codegen/spec/diagnostic.js';
import { loadSpec } from '../codegen/spec/load.js';
import { SourceFile } from '../codegen/spec/source.js';

const base = `
dtypes:
  floating: [float32, float64]
  real: [int32, float32, float64]
  any: [bool, int32, float32, float64]
  index: [int32]
rules:
  - rule: reduced
    summary: The shape without the reduced axes.
    parameters: [shape, axes, keepdim]
    define: "keepdim ? replace(shape, axes, 1) : drop(shape, axes)"
classes:
  - class: unary
    inputs: { x: { dtype: T } }
    outputs: { out: { dtype: T, shape: x.shape } }
    dtypes: { T: floating }
    samples: [{ x: [2, 3], fill: positive }]
  - class: binary
    inputs: { x: { dtype: T, number: true }, y: { dtype: T, number: true } }
    outputs: { out: { dtype: T, shape: "broadcast(x.shape, y.shape)" } }
    dtypes: { T: real }
    samples: [{ x: [2, 3], y: [3] }, { x: [2, 1], y: [2, 3] }]
  - class: comparison
    inputs: { x: { dtype: T, number: true }, y: { dtype: T, number: true } }
    outputs: { out: { dtype: bool, shape: "broadcast(x.shape, y.shape)" } }
    dtypes: { T: any }
    grad: { x: none, y: none }
    samples: [{ x: [3], y: [3] }]
  - class: reduction
    inputs: { x: { dtype: T } }
    attrs:
      axis: { type: axes(x), default: null }
      keepdim: { type: boolean, default: false }
    outputs: { out: { dtype: T, shape: "reduced(x.shape, axis, keepdim)" } }
    dtypes: { T: real }
    samples: [{ x: [2, 3], axis: 1 }]
ops:
  - { op: exp, class: unary, summary: Exponential., kernel: { map: exp }, grad: { x: dout * out } }
  - { op: log, class: unary, summary: Logarithm., kernel: { map: log }, grad: { x: dout / x } }
  - { op: sqrt, class: unary, summary: Root., kernel: { map: sqrt }, grad: { x: dout * 0.5 / out } }
  - { op: neg, class: unary, summary: Negative., kernel: { map: neg }, grad: { x: -dout } }
  - { op: stopGradient, class: unary, summary: No gradient., kernel: { map: identity }, grad: { x: none } }
  - { op: add, class: binary, summary: Sum., kernel: { map: add }, grad: { x: dout, y: dout } }
  - { op: subtract, class: binary, summary: Difference., kernel: { map: sub }, grad: { x: dout, y: -dout } }
  - { op: multiply, class: binary, summary: Product., kernel: { map: mul }, grad: { x: dout * y, y: dout * x } }
  - { op: divide, class: binary, summary: Quotient., kernel: { map: div }, dtypes: { T: floating }, grad: { x: dout / y, y: -dout * out / y } }
  - { op: pow, class: binary, summary: Power., kernel: { map: pow }, dtypes: { T: floating }, samples: [{ x: { shape: [2, 3], fill: positive }, y: [3] }], grad: { x: "dout * y * pow(x, y - 1)", y: "dout * out * log(x)" } }
  - { op: equal, class: comparison, summary: Equal., kernel: { map: eq } }
  - { op: greaterThan, class: comparison, summary: Greater., kernel: { map: gt } }
  - op: where
    summary: A choice.
    inputs: { condition: { dtype: bool }, x: { dtype: T, number: true }, y: { dtype: T, number: true } }
    outputs: { out: { dtype: T, shape: "broadcast(condition.shape, x.shape, y.shape)" } }
    dtypes: { T: any }
    kernel: { map: select }
    grad: { x: "where(condition, dout, 0)", y: "where(condition, 0, dout)" }
    samples: [{ condition: [3], x: [3], y: [2, 3] }]
  - op: cast
    summary: Another dtype.
    inputs: { x: { dtype: T } }
    attrs: { dtype: { type: dtype } }
    outputs: { out: { dtype: dtype, shape: x.shape } }
    dtypes: { T: any }
    kernel: { map: cast }
    grad: { x: "cast(dout, x.dtype)" }
    samples: [{ x: [3], dtype: int32 }]
  - { op: sum, class: reduction, summary: Sum., kernel: { reduce: sum }, grad: { x: "broadcastTo(reshape(dout, replace(x.shape, axis, 1)), x.shape)" } }
  - { op: max, class: reduction, summary: Greatest., kernel: { reduce: max }, grad: { x: none } }
  - op: reshape
    summary: Another shape.
    inputs: { x: { dtype: T } }
    attrs: { shape: { type: "int[]" } }
    outputs: { out: { dtype: T, shape: shape } }
    dtypes: { T: any }
    kernel: { view: { shape: shape, strides: "contiguousStrides(shape)", offset: x.offset } }
    grad: { x: "reshape(dout, x.shape)" }
    samples: [{ x: [2, 3], shape: [3, 2] }]
  - op: broadcastTo
    summary: A larger shape.
    inputs: { x: { dtype: T } }
    attrs: { shape: { type: shape } }
    outputs: { out: { dtype: T, shape: shape } }
    dtypes: { T: any }
    kernel: { view: { shape: shape, strides: "broadcastStrides(x.shape, x.strides, shape)", offset: x.offset } }
    grad: { x: "sumTo(dout, x.shape)" }
    samples: [{ x: [3], shape: [2, 3] }]
  - op: sumTo
    summary: Back to a smaller shape.
    inputs: { x: { dtype: T } }
    attrs: { shape: { type: shape } }
    let:
      lead: "x.rank - shape.length"
      axes: "filter(range(x.rank), (a) => a < lead || shape[max(a - lead, 0)] != x.shape[a])"
    outputs: { out: { dtype: T, shape: shape } }
    dtypes: { T: real }
    define: "reshape(sum(x, { axis: axes }), shape)"
    grad: { x: "broadcastTo(dout, x.shape)" }
    samples: [{ x: [2, 3], shape: [3] }]
  - op: full
    summary: One value.
    attrs: { shape: { type: shape }, value: { type: number }, dtype: { type: dtype, default: float32 } }
    outputs: { out: { dtype: dtype, shape: shape } }
    kernel: { create: full }
    samples: [{ shape: [2], value: 1 }]
  - op: zeros
    summary: Zeros.
    attrs: { shape: { type: shape }, dtype: { type: dtype, default: float32 } }
    outputs: { out: { dtype: dtype, shape: shape } }
    define: "full(shape, 0, { dtype })"
    samples: [{ shape: [2] }]
  - op: uniform
    summary: Draws.
    attrs: { shape: { type: shape } }
    outputs: { out: { dtype: float32, shape: shape } }
    kernel: { create: random }
    random: true
    samples: [{ shape: [2] }]
  - op: slice
    summary: A part.
    inputs: { x: { dtype: T } }
    attrs: { axis: { type: axis(x) }, start: { type: int }, end: { type: int } }
    outputs: { out: { dtype: T, shape: "replace(x.shape, axis, end - start)" } }
    dtypes: { T: any }
    kernel: { view: { shape: "replace(x.shape, axis, end - start)", strides: x.strides, offset: "x.offset + start * x.strides[axis]" } }
    grad: { x: "pad(dout, flatten(each(x.shape, (n, a) => a == axis ? [start, n - end] : [0, 0])))" }
    samples: [{ x: [4, 2], axis: 0, start: 1, end: 3 }]
  - op: pad
    summary: A border of zeros.
    inputs: { x: { dtype: T } }
    attrs: { padding: { type: "int[]" }, value: { type: number, default: 0 } }
    outputs: { out: { dtype: T, shape: "each(x.shape, (n, a) => n + padding[2 * a] + padding[2 * a + 1])" } }
    dtypes: { T: any }
    kernel: { library: pad }
    grad: { x: "pad(dout, each(padding, (p) => -p))" }
    samples: [{ x: [2], padding: [1, 2] }]
  - op: concat
    summary: Joined.
    inputs: { xs: { dtype: T, list: true } }
    attrs: { axis: { type: axis(xs), default: 0 } }
    outputs: { out: { dtype: T, shape: "replace(xs[0].shape, axis, total(each(xs, (x) => x.shape[axis])))" } }
    dtypes: { T: any }
    kernel: { library: concat }
    grad: { xs: "each(xs, (x, i) => slice(dout, axis, total(each(take(xs, 0, i), (y) => y.shape[axis])), total(each(take(xs, 0, i + 1), (y) => y.shape[axis]))))" }
    samples: [{ xs: [[2, 3], [1, 3]] }]
  - op: addN
    summary: The sum of a list.
    inputs: { xs: { dtype: T, list: true } }
    outputs: { out: { dtype: T, shape: "xs[0].shape" } }
    dtypes: { T: real }
    define: "sum(reshape(concat(each(xs, (x) => reshape(x, [1, ...x.shape]))), [xs.length, ...xs[0].shape]), { axis: 0 })"
    grad: { xs: "each(xs, (x) => dout)" }
    samples: [{ xs: [[2], [2]] }]
  - op: gemm
    summary: Matrix products.
    inputs: { x: { dtype: T, shape: "[...b, m, k]" }, y: { dtype: T, shape: "[...b, k, n]" } }
    outputs: { out: { dtype: T, shape: "[...b, m, n]" } }
    dtypes: { T: floating }
    kernel: { library: gemm }
    grad: { x: "gemm(dout, swap(y))", y: "gemm(swap(x), dout)" }
    samples: [{ x: [2, 3, 4], y: [4, 5] }]
  - op: swap
    summary: The last axes in the other order.
    inputs: { x: { dtype: T, shape: "[...b, m, n]" } }
    outputs: { out: { dtype: T, shape: "[...b, n, m]" } }
    dtypes: { T: any }
    kernel: { view: { shape: "[...b, n, m]", strides: "[...take(x.strides, 0, x.rank - 2), x.strides[x.rank - 1], x.strides[x.rank - 2]]", offset: x.offset } }
    grad: { x: swap(dout) }
    samples: [{ x: [2, 3] }]
  - op: extremes
    summary: Several outputs.
    inputs: { x: { dtype: T } }
    outputs: { least: { dtype: T, shape: x.shape }, greatest: { dtype: T, shape: x.shape } }
    dtypes: { T: floating }
    define: |
      least = -x
      greatest = x * x
    samples: [{ x: [3] }]
`;

export interface Checked {
  readonly model: CheckedModel;
  /** Of loading and of checking. */
  readonly diagnostics: readonly Diagnostic[];
}

/** The small spec with more entries, each a block of YAML at the margin. */
export function checkedSpec(...entries: readonly string[]): Checked {
  const indented = entries.map((entry) => entry.trim().replace(/^/gm, '  '));
  const { model, diagnostics } = loadSpec(new SourceFile('test.yaml', `${base.trim()}\n${indented.join('\n')}\n`));
  const checked = checkModel(model);
  return { model: checked, diagnostics: [...diagnostics, ...checked.diagnostics] };
}

/** The same, where nothing may be wrong. */
export function soundSpec(...entries: readonly string[]): CheckedModel {
  const { model, diagnostics } = checkedSpec(...entries);
  if (diagnostics.length > 0) throw new Error(diagnostics.map(renderDiagnostic).join('\n'));
  return model;
}

/** An entry of class unary called `test` with other fields put in. */
export function entry(fields: Readonly<Record<string, string>>): string {
  const all = {
    summary: 'A test.',
    inputs: '{ x: { dtype: T } }',
    outputs: '{ out: { dtype: T, shape: x.shape } }',
    dtypes: '{ T: floating }',
    samples: '[{ x: [2, 3] }]',
    ...fields,
  };
  const lines = Object.entries(all).map(([key, value]) =>
    key === 'define' ? `  ${key}: |\n${value.replace(/^/gm, '    ')}` : `  ${key}: ${value}`,
  );
  return ['- op: test', ...lines].join('\n');
}

/** `CODE underlined text` of all that is wrong with an entry. */
export function problems(fields: Readonly<Record<string, string>>): readonly string[] {
  return checkedSpec(entry(fields)).diagnostics.map(
    ({ code, excerpt, column, length }) => `${code} ${excerpt.slice(column - 1, column - 1 + length)}`,
  );
}

export function opOf(model: CheckedModel, name: string): CheckedOp {
  const op = model.ops.get(name);
  if (op === undefined) throw new Error(`there is no op ${name}`);
  return op;
}

/** The text of a gradient, stated or derived. */
export function gradientText(model: CheckedModel, op: string, input: string): string {
  const checked = opOf(model, op);
  const gradient = gradientsOf(model, checked).find((one) => one.input === input);
  if (gradient === undefined) throw new Error(`${op} has no gradient for ${input}`);
  return printProgram(gradient.program, checked.lets);
}

/** The derived gradient's text, whatever the spec states. */
export function derivedText(model: CheckedModel, op: string, input: string): string {
  const checked = opOf(model, op);
  const program = derivedGradient(model, checked, checked.op.inputs.find(({ name }) => name === input)!);
  if (program === undefined) throw new Error(`no gradient of ${op} for ${input} can be derived`);
  return printProgram(program, checked.lets);
}
