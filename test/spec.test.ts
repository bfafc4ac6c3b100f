/**
 * Loading a spec: the real one has no errors; classes expand; every kind of mistake is reported with its place and the way to mend
 * it, all in one run. Places are asserted through the rendered caret, so that they hold inside quotes, folds and block scalars.
 */
import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { type Diagnostic, nearestWord, renderDiagnostic } from '../codegen/spec/diagnostic.js';
import { loadSpec } from '../codegen/spec/load.js';
import type { Op } from '../codegen/spec/model.js';
import { SourceFile, spanOf } from '../codegen/spec/source.js';
import { readYaml, type YamlNode } from '../codegen/spec/yaml.js';

const load = (text: string) => loadSpec(new SourceFile('test.yaml', text));

/** `line:column CODE underlined text` of each problem. */
function problems(text: string): readonly string[] {
  return load(text).diagnostics.map(
    ({ line, column, code, excerpt, length }) => `${line}:${column} ${code} ${excerpt.slice(column - 1, column - 1 + length)}`,
  );
}

function only(text: string): Diagnostic {
  const { diagnostics } = load(text);
  const [first] = diagnostics;
  if (first === undefined || diagnostics.length > 1)
    throw new Error(`one problem was expected:\n${diagnostics.map(renderDiagnostic).join('\n')}`);
  return first;
}

function opOf(text: string, name: string): Op {
  const { model, diagnostics } = load(text);
  const op = model.ops.get(name);
  if (op === undefined) throw new Error(diagnostics.map(renderDiagnostic).join('\n'));
  return op;
}

/** A sound entry; further lines replace the fields of the same name. */
function entry(lines: Readonly<Record<string, string>> = {}): string {
  const fields = {
    summary: 'A test.',
    inputs: '{ x: { dtype: T } }',
    outputs: '{ out: { dtype: T, shape: x.shape } }',
    dtypes: '{ T: [float32, int32] }',
    define: 'x + x',
    samples: '[{ x: [2, 3] }]',
    ...lines,
  };
  const written = Object.entries(fields).filter(([, value]) => value !== '');
  return ['ops:', '  - op: double', ...written.map(([key, value]) => `    ${key}: ${value}`), ''].join('\n');
}

test('the spec of the library loads without a problem', (t) => {
  const { model, diagnostics } = loadSpec(new SourceFile('ops.yaml', readFileSync('ops.yaml', 'utf8')));
  t.deepEqual(diagnostics.map(renderDiagnostic), []);
  t.is(model.broken.size, 0);
  t.true(model.ops.size > 20);
});

test('an entry becomes a typed op', (t) => {
  const op = opOf(
    entry({
      inputs:
        '{ x: { dtype: T, shape: [...b, m, 2], rank: ">=2" }, y: { dtype: T, optional: true, number: true }, z: { dtype: T } }',
      attrs: '{ axis: { type: axis(x) | null, default: null, summary: Which. }, k: { type: int } }',
      outputs: '{ out: { dtype: T, shape: [...b, m] }, next: { dtype: T, shape: z.shape, writes: z, hidden: true } }',
      constraints: '[{ require: k > 0, code: INVALID_ARGUMENT, message: k must be positive }]',
      grad: '{ x: dout * 2, y: none }',
      samples: '[{ x: [3, 2], y: 0.5, z: { values: [[1, 2], [3, 4]], dtype: int32 }, k: 1, fill: positive }]',
    }),
    'double',
  );
  t.like(op.inputs[0], { name: 'x', rank: { least: 2, most: Number.POSITIVE_INFINITY }, optional: false, mutated: false });
  t.like(op.inputs[0]?.shape, { kind: 'pattern', items: [{ kind: 'group' }, { kind: 'dimension' }, { kind: 'size' }] });
  t.like(op.inputs[1], { optional: true, number: true });
  t.true(op.inputs[2]?.mutated);
  t.like(op.attrs[0], { name: 'axis', required: false, default: null, summary: 'Which.' });
  t.like(op.attrs[1], { name: 'k', required: true, default: undefined, type: { kind: 'int' } });
  t.like(op.constraints[0], { code: 'INVALID_ARGUMENT', message: 'k must be positive', require: { kind: 'binary' } });
  t.like(op.outputs[1], { hidden: true, writes: { name: 'z' } });
  t.deepEqual(
    op.gradients.map((gradient) => [gradient.name, gradient.program?.result?.kind]),
    [
      ['x', 'binary'],
      ['y', undefined],
    ],
  );
  t.deepEqual(op.samples[0]?.inputs.get('x'), { kind: 'random', shape: [3, 2], dtype: undefined, fill: 'positive' });
  t.deepEqual(op.samples[0]?.inputs.get('y'), { kind: 'number', value: 0.5 });
  t.deepEqual(op.samples[0]?.inputs.get('z'), { kind: 'values', shape: [2, 2], dtype: 'int32', values: [1, 2, 3, 4] });
  t.deepEqual([...(op.samples[0]?.attrs ?? [])], [['k', 1]]);
});

test('every kind of kernel', (t) => {
  const body = (kernel: string): Op['body'] => opOf(entry({ define: '', kernel }), 'double').body;
  t.like(body('{ map: exp }'), { kind: 'map', map: 'exp' });
  t.like(body('{ reduce: sum }'), { kind: 'reduce', reduce: 'sum' });
  t.like(body('{ create: iota }'), { kind: 'create', create: 'iota' });
  t.like(body('{ view: { shape: x.shape, strides: x.strides, offset: 0 } }'), {
    kind: 'view',
    offset: { kind: 'number', value: 0 },
  });
  t.like(body('{ index: "out[i] = x[i]" }'), { kind: 'index', program: { statements: [{ operator: '=' }] } });
  t.like(body('{ library: gemm }'), { kind: 'library', library: 'gemm' });
  t.like(
    body(
      '{ function: roiAlign, work: count(x.shape), params: { n: 2 }, scratch: { rows: { dtype: T, size: 4 } }, zeroed: true }',
    ),
    {
      kind: 'function',
      function: 'roiAlign',
      zeroed: true,
      params: [{ name: 'n' }],
      scratch: [{ name: 'rows' }],
    },
  );
  t.is(only(entry({ define: '', kernel: '{ map: exp, reduce: sum }' })).code, 'KERNEL_KIND');
  t.is(only(entry({ define: '', kernel: '{}' })).code, 'KERNEL_KIND');
  t.is(only(entry({ define: '', kernel: '{ map: exp, work: 3 }' })).code, 'KERNEL_KIND');
  t.is(only(entry({ define: '', kernel: '{ function: f }' })).code, 'MISSING_FIELD');
  t.regex(only(entry({ define: '', kernel: '{ reduce: summ }' })).message, /expected 'sum' or/);
});

const classSpec = `
classes:
  - class: unary
    inputs: { x: { dtype: T } }
    outputs: { out: { dtype: T, shape: x.shape } }
    dtypes: { T: float32 }
    grad: { x: "dout * sgn(" }
    samples: [{ x: [3] }]
ops:
  - op: one
    class: unary
    summary: One.
    kernel: { map: exp }
  - op: two
    class: unary
    summary: Two.
    define: x
    grad: { x: dout }
    samples: [{ x: [4], fill: unit }]
  - op: three
    class: unary
    summary: Three.
    kernel: { map: log }
`;

test("an entry's own fields replace its class's whole, and errors in a class point into the class, once", (t) => {
  const { model, diagnostics } = load(classSpec);
  t.deepEqual(
    model.ops.get('two')?.samples.map((sample) => sample.inputs.get('x')),
    [{ kind: 'random', shape: [4], dtype: undefined, fill: 'unit' }],
  );
  t.deepEqual(model.classes.get('unary')?.members, ['one', 'two', 'three']);
  t.deepEqual([...model.broken], ['one', 'three']);
  t.deepEqual(diagnostics.map(renderDiagnostic), [
    [
      'test.yaml:7:28: error SYNTAX: expected a value, found the end',
      '      grad: { x: "dout * sgn(" }',
      '                             ^',
    ].join('\n'),
  ]);
});

test('several files are one spec, and each error names its file', (t) => {
  const own =
    'classes:\n  - class: unary\n    inputs: { x: { dtype: real } }\n    outputs: { out: { dtype: x.dtype, shape: x.shape } }\n    samples: [{ x: [3] }]\ndtypes: { real: [float32] }\n';
  const pack =
    'ops:\n  - op: one\n    class: unary\n    summary: One.\n    define: x\n  - op: two\n    class: unry\n    summary: Two.\n    define: x\n    outputs: { out: { dtype: float32, shape: [] } }\n    samples: [{ x: [2] }]\n';
  const { model, diagnostics } = loadSpec(new SourceFile('own.yaml', own), new SourceFile('pack.yaml', pack));
  t.is(model.ops.get('one')?.span.source.file, 'pack.yaml');
  t.deepEqual(
    diagnostics.map(({ file, line, code, hint }) => ({ file, line, code, hint })),
    [{ file: 'pack.yaml', line: 7, code: 'UNKNOWN_CLASS', hint: "did you mean 'unary'?" }],
  );
});

test('all problems of a spec are found in one run', (t) => {
  const spec = `
dtypes:
  floating: [float32, flaot64]
rules:
  - rule: half
    summary: Half.
    parameters: [n]
    define: idiv(n, 2
classes:
  - class: unary
    sumary: Elementwise.
    inputs: { x: { dtype: float32 } }
ops:
  - op: first
    class: unarry
    summary: A.
    outputs: { out: { dtype: U, shape: "x.shape +" } }
    define: |
      y = exp(x)
      out = y $ y
    samples: [{ x: [2] }]
  - op: second
    class: unary
    kernel: { map: exp }
    define: x
    dtypes: { T: float32 }
    outputs: { out: { dtype: T, shape: x.shape } }
    samples: [{ z: [2] }]
  - op: third
    summary: C.
    define: x
    inputs: { x: { dtype: float32 } }
    outputs: { out: { dtype: float32, shape: x.shape } }
    samples: [{ x: [1] }]
    seeAlso: [frist]
    names: [paddle.a, paddle.a]
  - op: first
    summary: [B]
`;
  t.deepEqual(problems(spec), [
    '3:23 UNKNOWN_DTYPE flaot64',
    '8:22 SYNTAX ',
    '11:5 UNKNOWN_KEY sumary',
    '15:12 UNKNOWN_CLASS unarry',
    '17:30 UNKNOWN_DTYPE U',
    '17:50 SYNTAX "',
    '20:15 SYNTAX $',
    '22:9 MISSING_FIELD second',
    '24:5 TWO_BODIES kernel',
    '28:17 UNKNOWN_ARGUMENT z',
    '28:17 MISSING_ARGUMENT z',
    '35:15 UNKNOWN_OP frist',
    '36:23 DUPLICATE_NAME paddle.a',
    '37:9 MISSING_FIELD first',
    '37:9 MISSING_FIELD first',
    '37:9 NO_BODY first',
    '37:9 DUPLICATE_NAME first',
    '38:14 WRONG_FORM [B]',
  ]);
});

test('bad indentation is an error at its line, and stops what cannot be trusted', (t) => {
  const { line, code } = only('ops:\n  - op: one\n    summary: One.\n   inputs: {}\n');
  t.deepEqual([line, code], [4, 'YAML']);
  t.is(only('').code, 'EMPTY');
  t.is(only('ops: &all\n  - *all\n').message, 'a spec has no aliases');
  t.regex(load('ops:\n\t- op: one\n').diagnostics[0]?.hint ?? '', /spaces/);
  t.is(only(`${entry()}    summary: Again.\n`).code, 'DUPLICATE_KEY');
});

test('unknown keys suggest the nearest known one, or what to write instead', (t) => {
  t.is(only(entry({ sumary: 'B' })).hint, "did you mean 'summary'?");
  t.is(
    only(entry({ attrs: '{ k: { type: int, required: true } }', samples: '[{ x: [2], k: 1 }]' })).hint,
    "an attribute without 'default' is required",
  );
  t.regex(
    only(entry({ outputs: '{ out: { dtype: T, shape: x.shape, kind: 3 } }' })).hint ?? '',
    /known keys are dtype, shape, list/,
  );
  t.is(only(entry({ dtypes: '{ T: flot32 }' })).hint, "did you mean 'float32'?");
});

test('values of the wrong form', (t) => {
  t.is(only(entry({ random: 'often' })).message, "'random': expected true or false, found 'often'");
  t.is(only(entry({ summary: '3' })).message, "'summary': expected text, found '3'");
  t.is(only(entry({ constraints: '[{ require: "true", code: INVALID_ARGUMENT }]' })).message, "'message' is missing");
  t.is(
    only(entry({ constraints: '[{ require: "true", code: INVALID_ARG, message: No. }]' })).hint,
    "did you mean 'INVALID_ARGUMENT'?",
  );
  t.is(only(entry({ inputs: '{ x: { dtype: T, rank: two } }' })).hint, 'write 2, ">=1", "<=3" or "2..4"');
  t.is(
    only(entry({ attrs: "{ mode: { type: \"'a' | 'b'\", default: c } }" })).message,
    "the default \"c\" is not of the type 'a' | 'b'",
  );
  t.is(only(entry({ attrs: '{ mode: { type: axis(y), default: 0 } }' })).message, "unknown input 'y'");
  t.is(only(entry({ grad: '{ y: dout }' })).code, 'UNKNOWN_INPUT');
  t.is(only(entry({ outputs: '{ out: { dtype: T, shape: x.shape, writes: y } }' })).code, 'UNKNOWN_INPUT');
  t.is(only(entry({ define: '' })).code, 'NO_BODY');
  t.is(only(entry({ samples: '' })).message, "'double' has no samples: what it is tested with");
  t.is(only(entry({ define: '""' })).message, "'define' is empty");
});

test('names are camelCase, distinct and usable in TypeScript', (t) => {
  t.is(only(entry().replace('double', 'double_it')).hint, "write 'doubleIt'");
  t.is(only(entry().replace('double', 'delete')).message, "'delete' is a reserved word");
  t.is(only(entry({ attrs: '{ x: { type: int, default: 1 } }' })).message, "the name 'x' is already there");
  t.is(only(entry({ attrs: '{ fill: { type: int, default: 1 } }' })).message, "samples use 'fill' for something else");
  t.is(only(entry({ aliases: '[double]' })).code, 'DUPLICATE_NAME');
  t.is(only(entry({ layer: 'double' })).hint, 'such as Softmax');
  t.deepEqual(problems(entry({ aliases: '[var]' })), []);
  t.is(only(entry({ aliases: '[do_it]' })).code, 'INVALID_NAME');
});

test('samples are checked against the signature', (t) => {
  const hint = (samples: string, more: Readonly<Record<string, string>> = {}): string => {
    const { message, hint } = only(entry({ samples, ...more }));
    return hint === undefined ? message : `${message}; ${hint}`;
  };
  t.is(hint('[{ x: [2, -3] }]'), 'a shape is a list of sizes; elements are given as { values: [...] }');
  t.is(
    hint('[{ x: 3 }]'),
    "'x' needs a shape such as [2, 3], or { values, dtype }; an input takes a plain number if it says number: true",
  );
  t.is(hint('[{}]'), "the sample lacks 'x'");
  t.is(hint('[{ x: [2], fill: positiv }]'), "unknown fill 'positiv'; did you mean 'positive'?");
  t.is(hint('[{ x: { values: [[1, 2], [3]] } }]'), 'the rows of values differ in length');
  t.is(hint('[{ x: { values: [1, 2], shape: [3] } }]'), '2 values do not fill shape [3]');
  t.is(hint('[{ x: { shape: [2], dtype: bool } }]'), "'x' cannot be bool; it may be float32, int32");
  t.is(hint('[{ x: { sape: [2], values: [1] } }]'), "unknown key 'sape'; did you mean 'shape'?");
  t.is(
    hint('[{ x: [2] }]', { inputs: '{ x: { dtype: T, list: true } }' }),
    "'x' needs a shape such as [2, 3], or { values, dtype }; an input takes a plain number if it says number: true",
  );
  t.is(hint('[{ x: [2], k: a }]', { attrs: '{ k: { type: int } }' }), '"a" is not of the type of \'k\', int');
  t.is(hint('[{ x: [2], code: SHAPE_MISMATCH }]'), "unknown argument of double 'code'; there are x, fill");
  t.is(hint('[{ x: [2] }]', { errors: '[{ x: [2] }]' }).slice(0, 42), "'code' is missing: which error is expected;".slice(0, 42));
  t.is(
    hint('[{ x: [2] }]', { errors: '[{ x: { shape: [2], dtype: bool }, code: DTYPE_MISMATHC }]' }),
    "unknown error code 'DTYPE_MISMATHC'; did you mean 'DTYPE_MISMATCH'?",
  );
});

test('an error in an expression points at its character in every style of scalar', (t) => {
  const styles = [
    '$',
    'x + $',
    '"x + \\"a\\" + \\u0061 + $"',
    "'x == ''a'' ? 1 : $'",
    '|\n      a = x\n\n      out = a + $\n',
    '|2-\n        a = x + $',
    '>\n      x +\n      x\n      + $\n',
    '>-\n      x +\n\n      $',
    'x\n      + x\n      + $',
    '"x +\n      x +\n\n      $"',
    '"x + \\\n      x + $"',
    '[1, $]',
  ];
  for (const define of styles) {
    const text = entry({ define: define.replace('$', '@') });
    for (const written of [text, text.replaceAll('\n', '\r\n')]) {
      const { line, column, excerpt, message } = only(written);
      t.is(excerpt[column - 1], '@', `${define} at ${line}:${column}: ${message}`);
    }
  }
});

test('every character of a scalar knows its place', (t) => {
  const text = [
    'plain: two\n  lines here\n\n  and more',
    "single: 'it''s\n  folded'",
    'double: "tab\\there \\U0001F600 \\x41 \\\n  joined é 😀"',
    'literal: |\n  first\n    second 😀\n\n  third\n',
    'folded: >\n  one\n  two\n\n  three\n',
  ].join('\n');
  const { root, diagnostics } = readYaml(new SourceFile('test.yaml', text));
  t.deepEqual(diagnostics, []);
  const check = (node: YamlNode | undefined): void => {
    if (node?.kind === 'map') for (const { value } of node.entries.values()) check(value);
    if (node?.kind !== 'scalar') return;
    t.is(node.text.offsets.length, node.text.text.length + 1, node.text.text);
    for (const word of [
      'lines',
      'more',
      'it',
      's',
      'folded',
      'tab',
      'joined',
      'first',
      'second',
      'third',
      'two',
      'three',
      '😀"',
      'é',
    ]) {
      const at = node.text.text.indexOf(word);
      if (at < 0) continue;
      const { start, end } = spanOf(node.text, at, at + word.length);
      t.is(text.slice(start, end), word);
    }
  };
  check(root);
});

test('a long line is cut around the problem', (t) => {
  const rendered = renderDiagnostic(only(entry({ define: `${'x + '.repeat(60)}@${' + x'.repeat(60)}` })));
  const [, line, caret] = rendered.split('\n');
  t.true((line?.length ?? 0) < 140);
  t.is(line?.[caret?.indexOf('^') ?? -1], '@');
});

test('the nearest word is near', (t) => {
  t.is(nearestWord('summry', ['doc', 'summary']), 'summary');
  t.is(nearestWord('reudce', ['map', 'reduce']), 'reduce');
  t.is(nearestWord('xy', ['ab', 'cd']), undefined);
  t.is(nearestWord('elephant', ['map']), undefined);
});

test('a damaged spec gives diagnostics within the file, never an exception', (t) => {
  const text = `${classSpec}${entry({ define: '|\n      y = exp(x)\n      out = y + 1' }).slice('ops:\n'.length)}`;
  const damage = fc.tuple(
    fc.nat(text.length),
    fc.nat(6),
    fc.constantFrom('', ' ', '\n', '  ', '[', '}', ': ', '"', "'", '- ', '{', '&a ', '*a', '\t', '|', '#', '!x ', '@'),
  );
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (steps) => {
      const damaged = steps.reduce((before, [at, length, put]) => before.slice(0, at) + put + before.slice(at + length), text);
      for (const found of load(damaged).diagnostics) {
        t.true(found.line >= 1 && found.column >= 1 && found.column <= found.excerpt.length + 1, renderDiagnostic(found));
      }
    }),
    { numRuns: 300 },
  );
});
