/**
 * The checker of the expression language and what is made of checked expressions: names, types, dtypes, calls and scalar attributes; how
 * programs evaluate over an algebra; the float64 reference; and printing.
 */
import test from 'ava';
import { dtypeTerm } from '../codegen/lang/check.js';
import { makeOpDefinitions } from '../codegen/lang/definitions.js';
import { printProgram } from '../codegen/lang/print.js';
import { renderDiagnostic } from '../codegen/spec/diagnostic.js';
import { RuleError } from '../kernels/host.js';
import type { Attrs } from '../kernels/op.js';
import { ReferenceAlgebra } from '../kernels/reference.js';
import { type ReferenceArray, referenceArray, UnsupportedByReference } from '../kernels/reference-array.js';
import { checkedSpec, entry, opOf, problems, soundSpec } from './lang-harness.js';

const array = (shape: readonly number[], values: readonly number[]): ReferenceArray => referenceArray(shape, 'float64', values);

/** The values that an entry called `test` gives. */
function run(
  fields: Readonly<Record<string, string>>,
  inputs: Readonly<Record<string, ReferenceArray | readonly ReferenceArray[] | number>>,
  attrs: Attrs = {},
): readonly (readonly number[])[] {
  const definitions = makeOpDefinitions(soundSpec(entry(fields)));
  const results = new ReferenceAlgebra().apply(definitions.get('test')!, inputs, attrs);
  return results.map(({ data }) => [...data]);
}

// ---- Names and types

test('the small spec is sound', (t) => {
  t.deepEqual(checkedSpec().diagnostics.map(renderDiagnostic), []);
});

test('an unknown name is reported at its place, with the nearest known one', (t) => {
  t.deepEqual(problems({ define: 'y * x' }), ['UNKNOWN_NAME y']);
  const { diagnostics } = checkedSpec(entry({ define: 'scaled = x * 2\nout = scalde + x' }));
  t.deepEqual(
    diagnostics.map(({ code, hint }) => [code, hint]),
    [
      ['UNKNOWN_NAME', "did you mean 'scaled'?"],
      ['UNUSED', undefined],
    ],
  );
});

test('an unknown function, option and member are reported with what there is', (t) => {
  t.deepEqual(problems({ define: 'exq(x)' }), ['UNKNOWN_FUNCTION exq']);
  t.deepEqual(problems({ define: 'x + sum(x, { axes: 0 })' }), ['UNKNOWN_OPTION axes']);
  t.deepEqual(problems({ define: 'reshape(x, x.shap)' }), ['UNKNOWN_MEMBER shap']);
});

test('a wrong number of arguments is reported, options counted apart', (t) => {
  t.deepEqual(problems({ define: 'exp(x, x)' }), ['ARITY x']);
  t.deepEqual(problems({ define: 'reshape(x)' }), ['ARITY reshape(x)']);
  t.deepEqual(problems({ define: 'sum(x, 0) + x' }), ['ARITY 0']);
  t.deepEqual(problems({ define: 'x * idiv(2)' }), ['ARITY idiv(2)']);
});

test('a line that nothing uses is an error', (t) => {
  t.deepEqual(problems({ define: 'idle = exp(x)\nout = x * 2' }), ['UNUSED idle']);
});

test('every output must be assigned, and only once', (t) => {
  t.deepEqual(problems({ define: 'most = x * 2' }), ['MISSING_OUTPUT most = x * 2', 'UNUSED most']);
  t.deepEqual(problems({ define: 'half = x\nhalf = half * 2\nout = half' }), ['DUPLICATE half']);
  t.deepEqual(problems({ define: 'x = x * 2\nout = x' }), ['DUPLICATE x']);
});

test('a tensor cannot decide a condition', (t) => {
  t.deepEqual(problems({ define: 'x > 0 ? x : -x' }), ['TENSOR_IN_HOST x > 0']);
  t.deepEqual(problems({ define: 'reshape(x, [x])' }).slice(0, 1), ['TYPE [x]']);
});

test('shapes call no ops', (t) => {
  t.deepEqual(problems({ outputs: '{ out: { dtype: T, shape: "zeros(x.shape)" } }', define: 'x' }), ['UNKNOWN_FUNCTION zeros']);
});

test('dtypes of one variable must agree', (t) => {
  t.deepEqual(problems({ define: 'x * (x > 0)' }), ['DTYPE (x > 0)']);
  t.deepEqual(problems({ define: 'cast(x > 0, x.dtype) * x' }), []);
  t.deepEqual(problems({ define: "x * cast(x, 'int32')" }), ["DTYPE cast(x, 'int32')"]);
});

test('a callee must take every dtype that the caller may have', (t) => {
  t.deepEqual(problems({ dtypes: '{ T: real }', define: 'exp(x)' }), ['DTYPE x']);
  t.deepEqual(problems({ dtypes: '{ T: real }', define: 'x + x', grad: '{ x: "exp(dout)" }' }), []);
});

test('a result must have the declared dtype', (t) => {
  t.deepEqual(problems({ define: 'x > 0' }), ['DTYPE x > 0']);
});

test('an optional input is used where it is known to be there', (t) => {
  const inputs = '{ x: { dtype: T }, bias: { dtype: T, optional: true } }';
  t.deepEqual(problems({ inputs, define: 'x + bias' }), ['TYPE bias']);
  t.deepEqual(problems({ inputs, define: 'present(bias) ? x + bias : x' }), []);
  t.deepEqual(problems({ inputs, define: 'bias == null ? x : x + bias' }), []);
  t.deepEqual(problems({ inputs, define: '!present(bias) ? x + bias : x' }), ['TYPE bias']);
});

test('conditions narrow attributes of several types', (t) => {
  const attrs = '{ p: { type: "number | \'inf\'", default: 2 } }';
  t.deepEqual(problems({ attrs, define: "p == 'inf' ? x : pow(x, p)" }), []);
  t.deepEqual(problems({ attrs, define: 'pow(x, p)' }), ['TYPE p']);
  t.deepEqual(problems({ attrs, define: "p == 'fro' ? x : x * 2" }), ["TYPE p == 'fro'"]);
});

test('outputs of an op with several are taken by name', (t) => {
  t.deepEqual(problems({ define: 'both = extremes(x)\nout = both.least + both.greatest' }), []);
  t.deepEqual(problems({ define: 'extremes(x) + x' }), ['TYPE extremes(x)']);
  t.deepEqual(problems({ define: 'extremes(x).middle' }), ['UNKNOWN_MEMBER middle']);
});

test('a rule is checked for the types of each call, and may not call itself', (t) => {
  t.deepEqual(problems({ define: 'reshape(x, reduced(x.shape, 0))' }), ['ARITY reduced(x.shape, 0)']);
  const rule = '- { op: test2, class: unary, summary: A test., define: x }\nrules2: 1';
  t.true(checkedSpec(rule).diagnostics.length > 0);
});

test('an output of a named dtype, a variable and a class are known as such', (t) => {
  const model = soundSpec();
  const { op } = opOf(model, 'where');
  t.like(dtypeTerm(model.model, op, op.inputs[0]!.dtype, 'condition'), { kind: 'concrete', dtype: 'bool' });
  t.like(dtypeTerm(model.model, op, op.inputs[1]!.dtype, 'x'), { kind: 'variable', name: 'T' });
});

// ---- Scalar attributes

const slope = '{ slope: { type: number, default: 0.1 } }';

test('a number that only meets tensors is a scalar', (t) => {
  const model = soundSpec(entry({ attrs: slope, define: 'where(x > 0, x, x * (1 - slope))' }));
  t.deepEqual([...opOf(model, 'test').scalars], ['slope']);
});

test('a number that decides a condition or a shape is not', (t) => {
  for (const define of ['slope == 0 ? x : x * slope', 'reshape(x * slope, [slope])', 'x * (slope > 0 ? slope : 1)']) {
    const model = soundSpec(entry({ attrs: slope, define }));
    t.deepEqual([...opOf(model, 'test').scalars], [], define);
  }
});

test('handing a number on to a scalar keeps it one; to another attribute it does not', (t) => {
  const outer = (define: string) => `- op: outer\n  class: unary\n  summary: A test.\n  attrs: ${slope}\n  define: ${define}`;
  const scaled = entry({ attrs: slope, define: 'x * slope' });
  t.deepEqual([...opOf(soundSpec(scaled, outer('"test(x, { slope })"')), 'outer').scalars], ['slope']);
  const static_ = entry({ attrs: slope, define: 'slope > 1 ? x : x * slope' });
  const model = soundSpec(static_, outer('"test(x, { slope })"'));
  t.deepEqual([...opOf(model, 'outer').scalars], []);
});

// ---- Evaluation

test('operators on tensors are ops, on host values arithmetic', (t) => {
  t.deepEqual(run({ define: 'x * (1 + 2) - x.shape[0]' }, { x: array([2], [1, 2]) }), [[1, 4]]);
  t.deepEqual(run({ define: '-(x ** 2)' }, { x: array([2], [1, 3]) }), [[-1, -9]]);
});

test('named dimensions and groups stand for sizes', (t) => {
  const inputs = '{ x: { dtype: T, shape: "[n, ...c, k]" } }';
  const outputs = '{ out: { dtype: T, shape: "[count(c), n + k]" } }';
  const shapeOf = (shape: readonly number[]) => {
    const definition = makeOpDefinitions(
      soundSpec(entry({ inputs, outputs, define: 'full([count(c), n + k], 1, { dtype: x.dtype })' })),
    );
    return definition.get('test')!.infer({ x: { shape, dtype: 'float32' } }, {})[0]?.shape;
  };
  t.deepEqual(shapeOf([2, 3, 4, 5]), [12, 7]);
  t.deepEqual(shapeOf([2, 5]), [1, 7]);
  t.throws(() => shapeOf([2]), { instanceOf: RuleError });
});

test('leading groups broadcast, and other dimensions must agree', (t) => {
  const { infer } = makeOpDefinitions(soundSpec()).get('gemm')!;
  const meta = (shape: readonly number[]) => ({ shape, dtype: 'float32' as const });
  t.deepEqual(infer({ x: meta([5, 1, 2, 3]), y: meta([4, 3, 6]) }, {})[0]?.shape, [5, 4, 2, 6]);
  t.throws(() => infer({ x: meta([2, 3]), y: meta([4, 6]) }, {}), { instanceOf: RuleError });
});

test('constraints are checked in order, with their codes', (t) => {
  const constraints = '[{ require: "x.rank == 1", code: RANK_MISMATCH, message: "x must be a vector" }]';
  const { infer } = makeOpDefinitions(soundSpec(entry({ constraints, define: 'x' }))).get('test')!;
  const error = t.throws(() => infer({ x: { shape: [2, 3], dtype: 'float32' } }, {}), { instanceOf: RuleError });
  t.is(error.code, 'RANK_MISMATCH');
  t.is(error.message, 'x must be a vector');
});

test('only the branch that a host condition picks is evaluated', (t) => {
  const fields = {
    inputs: '{ x: { dtype: T }, bias: { dtype: T, optional: true } }',
    define: 'doubled = present(bias) ? bias * 2 : x\nout = present(bias) ? x + doubled : x',
  };
  t.deepEqual(run(fields, { x: array([2], [1, 2]) }), [[1, 2]]);
  t.deepEqual(run(fields, { x: array([2], [1, 2]), bias: array([], [5]) }), [[11, 12]]);
});

test('lists of tensors are made, taken apart and joined', (t) => {
  const outputs = '{ out: { dtype: T, shape: "[2 * x.shape[0]]" } }';
  t.deepEqual(run({ outputs, define: 'parts = [x, x * 10]\nout = concat([parts[1], parts[0]])' }, { x: array([2], [1, 2]) }), [
    [10, 20, 1, 2],
  ]);
  const split = '{ out: { dtype: T, list: true, shape: "each(x.shape, (n) => [1])" } }';
  t.deepEqual(
    run(
      { outputs: split, define: 'each(range(x.shape[0]), (i) => slice(x, 0, i, i + 1))', grad: '{ x: none }' },
      { x: array([1], [7]) },
    ),
    [[7]],
  );
});

test('attributes are handed on in their one form', (t) => {
  const attrs = '{ axis: { type: axis(x), default: -1 } }';
  const define = 'x / sum(x, { axis, keepdim: true })';
  t.deepEqual(run({ attrs, define }, { x: array([2, 2], [1, 3, 1, 1]) }), [[0.25, 0.75, 0.5, 0.5]]);
});

// ---- The reference

test('reductions, views and library calls mean what they say', (t) => {
  const definitions = makeOpDefinitions(soundSpec());
  const apply = (name: string, inputs: Record<string, ReferenceArray | ReferenceArray[]>, attrs: Attrs = {}) => [
    ...new ReferenceAlgebra().apply(definitions.get(name)!, inputs, attrs)[0]!.data,
  ];
  const x = array([2, 3], [1, 2, 3, 4, 5, 6]);
  t.deepEqual(apply('sum', { x }, { axis: 0 }), [5, 7, 9]);
  t.deepEqual(apply('max', { x }), [6]);
  t.deepEqual(apply('swap', { x }), [1, 4, 2, 5, 3, 6]);
  t.deepEqual(apply('slice', { x }, { axis: -1, start: 1, end: 3 }), [2, 3, 5, 6]);
  t.deepEqual(apply('concat', { xs: [x, x] }, { axis: 1 }), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
  t.deepEqual(apply('pad', { x: array([2], [1, 2]) }, { padding: [1, -1], value: 9 }), [9, 1]);
  t.deepEqual(apply('gemm', { x, y: array([3, 1], [1, 0, 1]) }), [4, 10]);
  t.deepEqual(apply('sumTo', { x }, { shape: [2, 1] }), [6, 15]);
});

test('the reference draws no random numbers, and says so', (t) => {
  const definition = makeOpDefinitions(soundSpec()).get('uniform')!;
  t.throws(() => new ReferenceAlgebra().apply(definition, {}, { shape: [2] }), { instanceOf: UnsupportedByReference });
});

// ---- Printing

test('a definition is printed as it was written, brackets where they are needed', (t) => {
  const text = [
    'scaled = x.rank == 0 ? x : (x - 1) * 2 ** (x.rank - 1) / (x / 3)',
    'out = sum((-scaled) ** 2 - -(scaled ** 2), { axis: [...range(x.rank)] }) + reshape(scaled, each(x.shape, (n, a) => n * 1)) * where(x > 0, 1, -1)',
  ].join('\n');
  const model = soundSpec(entry({ define: text }));
  t.is(printProgram(opOf(model, 'test').define!), `${text}\nout`);
});
