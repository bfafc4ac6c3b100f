/**
 * Derived gradients: what their programs say, that they read as the language again, what backward keeps for them, and that the numeric
 * comparison of gradients finds the mistakes that it is there for.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { type CheckedModel, checkModel } from '../codegen/lang/check.js';
import { checkGradients } from '../codegen/lang/check-gradients.js';
import { derivationDiagnostics, gradientsOf, isDifferentiable } from '../codegen/lang/differentiate.js';
import { parseProgram } from '../codegen/lang/parser.js';
import { printProgram } from '../codegen/lang/print.js';
import { renderDiagnostic } from '../codegen/spec/diagnostic.js';
import { loadSpec } from '../codegen/spec/load.js';
import type { SpecModel } from '../codegen/spec/model.js';
import { inlineText, SourceFile } from '../codegen/spec/source.js';
import { derivedText, entry, gradientText, opOf, soundSpec } from './lang-harness.js';

/** The derived gradient of an entry called `test` for x. */
const derive = (fields: Readonly<Record<string, string>>, input = 'x'): string =>
  derivedText(soundSpec(entry(fields)), 'test', input);

function savedOf(fields: Readonly<Record<string, string>>, input = 'x'): Readonly<Record<string, string>> {
  const model = soundSpec(entry(fields));
  const gradient = gradientsOf(model, opOf(model, 'test')).find((one) => one.input === input);
  return Object.fromEntries(gradient?.saved.map(({ name, keep }) => [name, keep]) ?? []);
}

const lines = (...text: readonly string[]): string => text.join('\n');

// ---- Rules

test('gradients of products and chains are made from those of the ops called', (t) => {
  t.is(derive({ define: 'x * 3' }), 'dout * 3');
  t.is(derive({ define: 'log(x * x)' }), lines('part = dout / (x * x) * x', 'part + part'));
  t.is(derive({ define: '1 - x' }), '-dout');
});

test('a result that is there already is not computed again', (t) => {
  t.is(derive({ define: '2 * exp(x)' }), 'dout * 2 * exp(x)');
  t.is(derive({ define: 'exp(2 * x)' }), 'dout * out * 2');
});

test('what is used twice becomes a line, called as its author called it', (t) => {
  t.is(
    derive({ define: 'root = sqrt(x)\nout = root * root' }),
    lines('root = sqrt(x)', 'part = dout * root', '(part + part) * 0.5 / root'),
  );
});

test('sharing keeps long chains short', (t) => {
  const squares = Array.from({ length: 40 }, (_, index) => `x${index + 1} = x${index || ''} * x${index || ''}`);
  const text = derive({ define: [...squares, 'out = x40 * 1'].join('\n') });
  t.true(text.length < 4000, `${text.length} characters`);
});

test('gradients are summed back over broadcast axes, and only where an axis may be broadcast', (t) => {
  const two = {
    inputs: '{ x: { dtype: T }, y: { dtype: T } }',
    outputs: '{ out: { dtype: T, shape: "broadcast(x.shape, y.shape)" } }',
  };
  t.is(derive({ ...two, samples: '[{ x: [2], y: [2] }]', define: 'x * exp(y)' }, 'y'), 'sumTo(dout * x, y.shape) * exp(y)');
  t.is(derive({ define: 'x * exp(x)' }), lines('part = exp(x)', 'dout * part + dout * x * part'));
  t.is(gradientText(soundSpec(), 'subtract', 'y'), 'sumTo(-dout, y.shape)');
  t.is(gradientText(soundSpec(), 'exp', 'x'), 'dout * out');
  t.is(gradientText(soundSpec(), 'gemm', 'x'), 'sumTo(gemm(dout, swap(y)), x.shape)');
});

test('of a list, the entries that were not used get zeros', (t) => {
  const list = {
    inputs: '{ xs: { dtype: T, list: true } }',
    outputs: '{ out: { dtype: T, shape: "xs[1].shape" } }',
    samples: '[{ xs: [[2], [2]] }]',
  };
  const expected = 'each(xs, (item, place) => place == 1 ? dout * 2 : zeros(item.shape, { dtype: item.dtype }))';
  t.is(derive({ ...list, define: 'xs[1] * 2' }, 'xs'), expected);
});

test('no gradient flows back from what is written into an input', (t) => {
  const written = {
    inputs: '{ x: { dtype: T }, mean: { dtype: T } }',
    outputs: '{ out: { dtype: T, shape: x.shape }, next: { dtype: T, shape: mean.shape, writes: mean } }',
    samples: '[{ x: [2], mean: [2] }]',
    grad: '{ mean: none }',
  };
  t.is(derive({ ...written, define: 'out = x * 3\nnext = mean * 0.5 + x' }), 'dout * 3');
});

test('no gradient flows through stopGradient, comparisons and integers', (t) => {
  t.is(derive({ define: 'x * stopGradient(x)' }), 'dout * stopGradient(x)');
  t.is(derive({ define: 'where(x > 0, x, 0)' }), 'where(x > 0, dout, 0)');
  t.is(derive({ define: 'stopGradient(x)' }), 'zeros(x.shape, { dtype: x.dtype })');
  const checked = opOf(soundSpec(), 'gemm');
  t.true(isDifferentiable(checked, checked.op.inputs[0]!));
  const where = opOf(soundSpec(), 'where');
  t.false(isDifferentiable(where, where.op.inputs[0]!));
});

test('attributes of called ops are put into the form that their gradients expect', (t) => {
  const outputs = '{ out: { dtype: T, shape: "drop(x.shape, x.rank - 1)" } }';
  t.is(
    derive({ outputs, define: 'sum(x, { axis: -1 })' }),
    'broadcastTo(reshape(dout, replace(x.shape, [x.rank - 1], 1)), x.shape)',
  );
  t.is(
    derive({ outputs: '{ out: { dtype: T, shape: "[]" } }', define: 'sum(x)' }),
    'broadcastTo(reshape(dout, replace(x.shape, range(x.rank), 1)), x.shape)',
  );
});

// ---- Conditions

test('host conditions pick between gradients', (t) => {
  const attrs = '{ squared: { type: boolean, default: false } }';
  t.is(derive({ attrs, define: 'squared ? x * x : exp(x)' }), lines('part = dout * x', 'squared ? part + part : dout * exp(x)'));
});

test('within a branch that picks again by the same condition, the other choice gets nothing', (t) => {
  const attrs = '{ squared: { type: boolean, default: false }, negated: { type: boolean, default: false } }';
  const define = 'chosen = exp(squared ? x * x : x)\nout = squared ? chosen : negated ? -chosen : x';
  t.is(
    derive({ attrs, define }),
    lines(
      'chosen = exp(squared ? x * x : x)',
      'part = dout * chosen * x',
      'squared ? part + part : negated ? -dout * chosen : dout',
    ),
  );
});

test('a condition of the forward pass is one of the backward pass, or gone', (t) => {
  const fields = {
    inputs: '{ x: { dtype: T }, bias: { dtype: T, optional: true } }',
    define: 'out = exp(present(bias) ? x + bias : x)',
  };
  t.is(derive(fields, 'bias'), 'sumTo(dout * out, bias.shape)');
  t.is(derive(fields), 'dout * out');
});

test('lines that only one case can compute say so', (t) => {
  const fields = {
    inputs: '{ x: { dtype: T }, scale: { dtype: T, shape: x.shape, optional: true } }',
    define: 'scaled = present(scale) ? x * exp(scale) : x\nout = scaled * scaled',
  };
  t.is(
    derive(fields),
    lines(
      'part = present(scale) ? exp(scale) : 0',
      'part2 = dout * (present(scale) ? x * part : x)',
      'part3 = part2 + part2',
      'present(scale) ? part3 * part : part3',
    ),
  );
});

// ---- Lists and several outputs

test('gradients pass through lists', (t) => {
  const outputs = '{ out: { dtype: T, shape: "[x.shape[0] * 2]" } }';
  t.is(
    derive({ outputs, samples: '[{ x: [2] }]', define: 'concat([x, exp(x)])' }),
    'slice(dout, 0, 0, x.shape[0]) + slice(dout, 0, x.shape[0], x.shape[0] + x.shape[0]) * exp(x)',
  );
});

test('gradients pass through functions of list entries', (t) => {
  const fields = {
    inputs: '{ xs: { dtype: T, list: true } }',
    outputs: '{ out: { dtype: T, shape: "xs[0].shape" } }',
    samples: '[{ xs: [[2], [2]] }]',
    define: 'addN(each(xs, (x) => x * x))',
  };
  const report = checkGradients(soundSpec(entry(fields)));
  t.deepEqual(report.diagnostics.map(renderDiagnostic), []);
  const text = derive(fields, 'xs');
  t.true(text.includes('each('), text);
});

test('tensors from outside a function of list entries get the sum over the entries', (t) => {
  const fields = {
    inputs: '{ x: { dtype: T, shape: "[n]" } }',
    outputs: '{ out: { dtype: T, shape: "[3 * n]" } }',
    samples: '[{ x: [2] }]',
    define: 'concat(each(range(3), (i) => x * i))',
  };
  t.deepEqual(checkGradients(soundSpec(entry(fields))).diagnostics.map(renderDiagnostic), []);
  t.regex(derive(fields), /^addN\(each\(range\(3\), /m);
});

test('several outputs of one call give one gradient together', (t) => {
  t.is(
    derive({ define: 'both = extremes(x)\nout = both.least * both.greatest' }),
    lines('both = extremes(x)', 'part = dout * both.least * x', 'part + part - dout * both.greatest'),
  );
});

test('an op with several outputs sums what comes from each', (t) => {
  t.is(derivedText(soundSpec(), 'extremes', 'x'), lines('part = dgreatest * x', 'part + part - dleast'));
});

// ---- What is kept, and what cannot be derived

test('backward keeps values only where it needs more than the shape', (t) => {
  t.deepEqual(savedOf({ define: 'x * 2' }), {});
  t.deepEqual(savedOf({ define: 'exp(x)' }), { out: 'value' });
  t.deepEqual(savedOf({ outputs: '{ out: { dtype: T, shape: "[]" } }', define: 'sum(x)' }), { x: 'shape' });
  t.deepEqual(savedOf({ define: 'x * x' }), { x: 'value' });
});

test('of a list, that is kept which its entries are asked for', (t) => {
  const model = soundSpec();
  const [gradient] = gradientsOf(model, opOf(model, 'concat'));
  t.deepEqual(gradient?.saved, [{ name: 'xs', keep: 'shape' }]);
});

test('a call that needs only a shape keeps no value', (t) => {
  const like =
    '- op: like\n  summary: Zeros.\n  inputs: { x: { dtype: T } }\n  outputs: { out: { dtype: T, shape: x.shape } }\n  dtypes: { T: floating }\n  define: "zeros(x.shape, { dtype: x.dtype })"\n  grad: { x: none }\n  samples: [{ x: [2] }]';
  const model = soundSpec(like, entry({ define: 'exp(x)', grad: '{ x: "like(x) + dout * out" }' }));
  const [gradient] = gradientsOf(model, opOf(model, 'test'));
  t.deepEqual(gradient?.saved, [
    { name: 'x', keep: 'shape' },
    { name: 'out', keep: 'value' },
  ]);
});

test('a gradient that would draw random numbers again must be stated', (t) => {
  const model = soundSpec(entry({ define: 'x * cast(uniform(x.shape), x.dtype)', random: 'true' }));
  t.deepEqual(
    derivationDiagnostics(model).map(({ code, line }) => [code, line > 0]),
    [['UNDERIVABLE', true]],
  );
});

test('a kernel without a gradient is reported, at the op that needs it too', (t) => {
  const kernel = entry({ kernel: '{ map: sqrt }' });
  const caller = '- { op: caller, class: unary, summary: A test., define: test(x) }';
  const reports = derivationDiagnostics(soundSpec(kernel, caller)).map(({ message }) => message);
  t.deepEqual(reports, ["test: a kernel's gradient cannot be derived: x needs one", 'caller: test has no gradient for x']);
});

// ---- Derived gradients as text

/** The spec with every derived gradient stated, read from its text. */
function withStatedGradients(model: CheckedModel): SpecModel {
  const ops = [...model.ops.values()].map((checked) => {
    const derived = gradientsOf(model, checked).filter((gradient) => gradient.derived);
    const stated = derived.map(({ input, program }) => {
      const text = inlineText(printProgram(program, checked.lets), `${checked.op.name}.${input}`);
      return { name: input, span: checked.op.span, program: parseProgram(text) };
    });
    return [checked.op.name, { ...checked.op, gradients: [...checked.op.gradients, ...stated] }] as const;
  });
  return { ...model.model, ops: new Map(ops) };
}

test('the derived gradients of the library read as the language, and mean the same', (t) => {
  const { model } = loadSpec(new SourceFile('ops.yaml', readFileSync('ops.yaml', 'utf8')));
  const checked = checkModel(model);
  t.deepEqual([...checked.diagnostics, ...derivationDiagnostics(checked)].map(renderDiagnostic), []);
  const again = checkModel(withStatedGradients(checked));
  t.deepEqual(again.diagnostics.map(renderDiagnostic), []);
});

// ---- The numeric comparison

test('all gradients of the small spec agree with differences', (t) => {
  const report = checkGradients(soundSpec());
  t.deepEqual(report.diagnostics.map(renderDiagnostic), []);
  t.deepEqual([...report.skipped.keys()], []);
  t.true(report.compared > 25);
});

for (const [mistake, grad] of [
  ['a flipped sign', '-dout * out'],
  ['a wrong derivative', 'dout * x'],
  ['a forgotten factor', 'dout'],
]) {
  test(`${mistake} in a stated gradient is found, at its place`, (t) => {
    const report = checkGradients(soundSpec(entry({ kernel: '{ map: exp }', grad: `{ x: "${grad}" }` })));
    t.deepEqual(
      report.diagnostics.map(({ code, excerpt, column, length }) => [code, excerpt.slice(column - 1, column - 1 + length)]),
      [['WRONG_GRADIENT', grad!]],
    );
  });
}

test('a stated gradient is compared with the derived one', (t) => {
  const report = checkGradients(soundSpec(entry({ define: 'x * x', grad: '{ x: dout * x * 2.0000001 }' })));
  t.regex(report.diagnostics[0]?.message ?? '', /the derived gradient gives/);
});

test('a gradient that is not summed back is found', (t) => {
  const fields = {
    inputs: '{ x: { dtype: T }, y: { dtype: T } }',
    outputs: '{ out: { dtype: T, shape: "[x.shape[0], y.shape[0]]" } }',
    samples: '[{ x: [2, 1], y: [3] }]',
    define: 'x * y',
    grad: '{ x: dout * y }',
  };
  t.regex(checkGradients(soundSpec(entry(fields))).diagnostics[0]?.message ?? '', /its shape is \[2, 3\], not the input's/);
});

test('kinks are left out of the comparison', (t) => {
  const fields = { define: 'where(x > 0, x, 0)', samples: '[{ x: { values: [0, 1, -1], shape: [3] } }]' };
  t.deepEqual(checkGradients(soundSpec(entry(fields))).diagnostics, []);
});

test('a sample that cannot be computed is reported at its place', (t) => {
  const constraints = '[{ require: "x.rank == 1", code: RANK_MISMATCH, message: "x must be a vector" }]';
  const { diagnostics } = checkGradients(soundSpec(entry({ constraints, define: 'x * 2' })));
  t.deepEqual(
    diagnostics.map(({ code, message }) => [code, message]),
    [['FAILED_SAMPLE', 'test fails on this sample: x must be a vector']],
  );
});
