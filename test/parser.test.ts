/**
 * The expression language's syntax: what each form parses to, where nodes and errors stand, and that printing a tree and parsing
 * it again gives the same tree.
 */
import test from 'ava';
import fc from 'fast-check';
import type { BinaryOperator, Expression, Item } from '../codegen/lang/ast.js';
import { parseAttrType, parseExpression, parseIndexKernel, parseProgram, parseShapePattern } from '../codegen/lang/parser.js';
import { type Diagnostic, DiagnosticError, renderDiagnostic } from '../codegen/spec/diagnostic.js';
import { inlineText } from '../codegen/spec/source.js';
import type { AttrType } from '../kernels/op.js';

/** A tree as fully bracketed text: what binds to what. */
function show(node: Item): string {
  switch (node.kind) {
    case 'number':
    case 'boolean':
      return String(node.value);
    case 'string':
      return JSON.stringify(node.value);
    case 'null':
      return 'null';
    case 'name':
      return node.name;
    case 'list':
      return `[${node.items.map(show).join(', ')}]`;
    case 'spread':
      return `...${show(node.value)}`;
    case 'member':
      return `${show(node.object)}.${node.name}`;
    case 'index':
      return `${show(node.object)}[${show(node.index)}]`;
    case 'access':
      return `${node.tensor}[${node.indices.map(show).join(', ')}]`;
    case 'call': {
      const options = node.options.map((option) => `${option.name}: ${show(option.value)}`);
      return `${node.callee}(${[...node.arguments.map(show), ...(options.length > 0 ? [`{ ${options.join(', ')} }`] : [])].join(', ')})`;
    }
    case 'unary':
      return `(${node.operator}${show(node.operand)})`;
    case 'binary':
      return `(${show(node.left)} ${node.operator} ${show(node.right)})`;
    case 'conditional':
      return `(${show(node.condition)} ? ${show(node.then)} : ${show(node.otherwise)})`;
    case 'arrow':
      return `((${node.parameters.map((parameter) => parameter.name).join(', ')}) => ${show(node.body)})`;
  }
}

const read = (text: string): string => show(parseExpression(inlineText(text)));
const readProgram = (text: string): readonly string[] => {
  const { assignments, result } = parseProgram(inlineText(text));
  return [...assignments.map(({ name, value }) => `${name} = ${show(value)}`), ...(result === undefined ? [] : [show(result)])];
};

function problemOf(parse: () => unknown): Diagnostic {
  try {
    parse();
  } catch (error) {
    if (error instanceof DiagnosticError && error.diagnostics[0] !== undefined) return error.diagnostics[0];
    throw error;
  }
  throw new Error('no error was found');
}

test('operators bind as in TypeScript', (t) => {
  t.is(read('a + b * c - d'), '((a + (b * c)) - d)');
  t.is(read('a * b % c / d'), '(((a * b) % c) / d)');
  t.is(read('a ** b ** c'), '(a ** (b ** c))');
  t.is(read('2 ** -1'), '(2 ** (-1))');
  t.is(read('-a * b'), '((-a) * b)');
  t.is(read('!a == b'), '((!a) == b)');
  t.is(read('- -a'), '(-(-a))');
  t.is(read('a < b == c >= d'), '((a < b) == (c >= d))');
  t.is(read('a || b && c == d + 1'), '(a || (b && (c == (d + 1))))');
  t.is(read('a ?? b'), '(a ?? b)');
  t.is(read('(a + b) * c'), '((a + b) * c)');
});

test('conditionals nest to the right', (t) => {
  t.is(read('a ? b : c ? d : e'), '(a ? b : (c ? d : e))');
  t.is(read('a ? b ? c : d : e'), '(a ? (b ? c : d) : e)');
  t.is(read('a == null ? 1 : x.shape[a] + 1'), '((a == null) ? 1 : (x.shape[a] + 1))');
});

test('literals, members, indices and lists', (t) => {
  t.is(read('[1, .5, 2e-3, true, null, "a\'b", \'c"d\\n\',]'), '[1, 0.5, 0.002, true, null, "a\'b", "c\\"d\\n"]');
  t.is(read('xs[0].shape[2 * a + 1]'), 'xs[0].shape[((2 * a) + 1)]');
  t.is(read('[...fill(rank - x.rank, 1), ...x.shape]'), '[...fill((rank - x.rank), 1), ...x.shape]');
  t.deepEqual(
    ['2', '2.0', '2e0'].map((text) => parseExpression(inlineText(text))).map((node) => node.kind === 'number' && node.integer),
    [true, false, false],
  );
});

test('calls take arguments, spreads, arrow functions and trailing options', (t) => {
  t.is(read('f()'), 'f()');
  t.is(read('sum(x * y, { axis, keepdim: true })'), 'sum((x * y), { axis: axis, keepdim: true })');
  t.is(read('f({ a: 1, })'), 'f({ a: 1 })');
  t.is(read('broadcast(...each(xs, (x) => x.shape))'), 'broadcast(...each(xs, ((x) => x.shape)))');
  t.is(read('each(n, v => -v)'), 'each(n, ((v) => (-v)))');
  t.is(read('each(n, () => 1)'), 'each(n, (() => 1))');
  t.is(read('all(shape, (n, a) => n + p[2 * a] >= 0)'), 'all(shape, ((n, a) => ((n + p[(2 * a)]) >= 0)))');
});

test('a program is lines of assignments, and may end with a value', (t) => {
  t.deepEqual(readProgram('x * sigmoid(x)'), ['(x * sigmoid(x))']);
  t.deepEqual(readProgram('\n  e = exp(x) // the numerator\n\n\n  out = e /\n    sum(e,\n      { axis })\n'), [
    'e = exp(x)',
    'out = (e / sum(e, { axis: axis }))',
  ]);
  t.deepEqual(readProgram('a = b\r\na'), ['a = b', 'a']);
  t.deepEqual(readProgram('out = p == 0 ? a :\n  p == 1 ? b :\n  c'), ['out = ((p == 0) ? a : ((p == 1) ? b : c))']);
  t.deepEqual(readProgram('out = p\n  ? a\n  : b\n-out'), ['out = (p ? a : b)', '(-out)']);
});

test('an index kernel assigns to elements', (t) => {
  const { statements } = parseIndexKernel(inlineText('out[...s] = x[...s]\nout[index[i, 0], ...c] += 2 * updates[i, ...c]'));
  t.deepEqual(
    statements.map(({ target, operator, value }) => `${show(target)} ${operator} ${show(value)}`),
    ['out[...s] = x[...s]', 'out[index[i, 0], ...c] += (2 * updates[i, ...c])'],
  );
});

test('a shape pattern binds names, and attributes are sizes', (t) => {
  const pattern = parseShapePattern(inlineText('[...b, m, 2, c / groups, groups, ...y.shape]'), new Set(['groups']));
  t.deepEqual(pattern.kind === 'pattern' && pattern.items.map((item) => item.kind), [
    'group',
    'dimension',
    'size',
    'size',
    'size',
    'sizes',
  ]);
  t.is(parseShapePattern(inlineText('drop(x.shape, [axis])')).kind, 'exact');
});

test('attribute types', (t) => {
  const cases: readonly (readonly [string, AttrType])[] = [
    ['int', { kind: 'int' }],
    ['axis(x)[]', { kind: 'list', of: { kind: 'axis', of: 'x', extra: 0 } }],
    ['axis(x + 1)', { kind: 'axis', of: 'x', extra: 1 }],
    ['axes(x)', { kind: 'axes', of: 'x' }],
    [
      "int[2] | 'same' | null",
      {
        kind: 'union',
        options: [{ kind: 'list', of: { kind: 'int' }, length: 2 }, { kind: 'literal', value: 'same' }, { kind: 'null' }],
      },
    ],
    ['(int | null)[]', { kind: 'list', of: { kind: 'union', options: [{ kind: 'int' }, { kind: 'null' }] } }],
    [
      '-1 | 0',
      {
        kind: 'union',
        options: [
          { kind: 'literal', value: -1 },
          { kind: 'literal', value: 0 },
        ],
      },
    ],
  ];
  for (const [text, type] of cases) t.deepEqual(parseAttrType(inlineText(text)).type, type, text);
  t.is(problemOf(() => parseAttrType(inlineText('bolean'))).hint, "did you mean 'boolean'?");
});

test('a node spans what it was written as', (t) => {
  const text = 'a + f(x.shape[0], { axis })';
  const spans: string[] = [];
  const visit = (node: Expression): void => {
    spans.push(text.slice(node.span.start, node.span.end));
    if (node.kind === 'binary') [node.left, node.right].forEach(visit);
    if (node.kind === 'call') for (const item of node.arguments) visit(item.kind === 'spread' ? item.value : item);
    if (node.kind === 'index') [node.object, node.index].forEach(visit);
  };
  visit(parseExpression(inlineText(text)));
  t.deepEqual(spans, [text, 'a', 'f(x.shape[0], { axis })', 'x.shape[0]', 'x.shape', '0']);
});

test('syntax errors stand where the mistake is', (t) => {
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ['a + ', 5, /expected a value, found the end/],
    ['(a + b', 7, /expected '\)' to close/],
    ['a b', 3, /expected the end of the expression, found 'b'/],
    ['a === b', 3, /'===' is not part/],
    ['x.sum()', 3, /no methods/],
    ['f({ a }, b)', 10, /options: they come last/],
    ['f({ a, a })', 8, /given twice/],
    ['a ? b', 6, /expected ':'/],
    ['x[0, 1]', 4, /one index/],
    ['-a ** b', 1, /two ways/],
    ["'abc", 1, /not closed/],
    ['a @ b', 3, /unexpected character '@'/],
    ['a = b', 3, /nothing is assigned/],
    ['12ab', 1, /neither a number nor a name/],
    ["'\\q'", 2, /unknown escape/],
    ['{ a }', 1, /may only end a call/],
  ];
  for (const [text, column, message] of cases) {
    const problem = problemOf(() => parseExpression(inlineText(text)));
    t.is(problem.column, column, text);
    t.regex(problem.message, message, text);
  }
  t.is(problemOf(() => parseProgram(inlineText('a\nb = c'))).column, 1);
  t.is(problemOf(() => parseProgram(inlineText('a = b c'))).column, 7);
  t.regex(problemOf(() => parseIndexKernel(inlineText('out = x[i]'))).message, /assigns to an output's elements/);
});

test('nesting has a limit, and no input overflows the stack', (t) => {
  const deep = (levels: number): string => `${'('.repeat(levels)}x${')'.repeat(levels)}`;
  t.is(read(deep(100)), 'x');
  t.regex(problemOf(() => parseExpression(inlineText(deep(500)))).message, /nested too deeply/);
  t.regex(problemOf(() => parseExpression(inlineText(`${'- '.repeat(500)}x`))).message, /nested too deeply/);
  t.regex(problemOf(() => parseAttrType(inlineText(`${'('.repeat(500)}int`))).message, /nested too deeply/);
  t.regex(problemOf(() => parseExpression(inlineText(`${'x + '.repeat(100_000)}x`))).message, /too long/);
});

test('a diagnostic shows the line with a caret', (t) => {
  const problem = problemOf(() => parseProgram(inlineText('e = exp(x)\nout = e // sum\n  @ b', 'my.yaml')));
  t.is(renderDiagnostic(problem), ["my.yaml:3:3: error SYNTAX: unexpected character '@'", '    @ b', '    ^'].join('\n'));
});

test('printing a tree and parsing it gives the same tree', (t) => {
  const name = fc.constantFrom('a', 'b', 'x', 'shape1');
  const operator = fc.constantFrom<BinaryOperator>(
    '+',
    '-',
    '*',
    '/',
    '%',
    '**',
    '==',
    '!=',
    '<',
    '<=',
    '>',
    '>=',
    '&&',
    '||',
    '??',
  );
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      name,
      fc.nat().map(String),
      fc
        .string()
        .map((text) => JSON.stringify(text))
        .filter((text) => !/\\[^nt\\"]/.test(text)),
      fc.tuple(tie('expression'), operator, tie('expression')).map(([left, op, right]) => `(${left} ${op} ${right})`),
      fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      fc
        .tuple(name, fc.array(tie('expression'), { maxLength: 3 }), name)
        .map(([f, args, option]) => `${f}(${[...args, `{ ${option}: 1 }`].join(', ')})`),
      fc.tuple(name, tie('expression')).map(([parameter, body]) => `((${parameter}) => ${body})`),
      fc.array(tie('expression'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
      tie('expression').map((operand) => `(-${operand})`),
      fc.tuple(name, tie('expression')).map(([object, index]) => `${object}.shape[${index}]`),
    ),
  }));
  fc.assert(fc.property(expression, (text) => t.is(read(text), text)));
});

test('any text gives a tree or a diagnostic, never another error', (t) => {
  const pieces = fc.array(
    fc.constantFrom(
      'a',
      '1',
      ' ',
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      ',',
      '.',
      '...',
      '=>',
      '=',
      '+',
      '-',
      '**',
      '?',
      ':',
      '\n',
      "'",
      '!',
      '<',
      '//',
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      for (const parse of [parseExpression, parseProgram, parseIndexKernel, parseAttrType]) {
        try {
          parse(inlineText(parts.join('')));
        } catch (error) {
          if (!(error instanceof DiagnosticError)) throw error;
        }
      }
      t.pass();
    }),
  );
});
