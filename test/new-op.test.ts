/**
 * A new op from beginning to end, as a user adds one: a few lines of YAML, `opwright generate`, and what comes out compiles, runs, can be
 * differentiated to any order, and has its tests and its page. The user's project lies in a temporary folder and takes this package from
 * here.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';

const root = process.cwd();
const project = mkdtempSync(join(tmpdir(), 'opwright-new-op-'));
test.after.always(() => rmSync(project, { recursive: true, force: true }));

/** Everything that is said about the op. */
const spec = `ops:
  - op: snake
    class: unary
    summary: A periodic activation, each element plus the square of its sine.
    attrs: { frequency: { type: number, default: 1 } }
    define: x + square(sin(x * frequency)) / frequency
    samples: [{ x: [3, 5] }, { x: [4], frequency: 2 }]
`;

const program = `import { grad, memory, OpwrightError, sum, tensor, tidy, type Tensor } from 'opwright';
import { snake } from './ops/index.js';
import './ops/methods.js';

const at = 0.3;
const x = tensor([at], { dtype: 'float64', stopGradient: false });
const orders: number[] = [];
let value: Tensor = snake(x, { frequency: 2 });
for (let order = 0; order <= 4; order++) {
  orders.push(value.item());
  value = grad(value, x, { createGraph: true })[0]!;
}

const matrix = [[0.5, -1], [2, 0]];
const before = memory().storages;
tidy(() => sum(snake(matrix)));
const codes = [() => snake(tensor([true])), () => snake(x, { colour: 1 } as object)].map((run) => {
  try {
    run();
    return 'none';
  } catch (error) {
    return error instanceof OpwrightError ? error.code + ' of ' + error.op : String(error);
  }
});
console.log(JSON.stringify({
  orders,
  function: snake(matrix).tolist(),
  method: tensor(matrix).snake().tolist(),
  half: snake(tensor([0.5], { dtype: 'float16' })).item(),
  codes,
  leaked: memory().storages - before - 4,
}));
// @ts-expect-error the option is a number
if (codes.length === 0) snake(x, { frequency: 'high' });
`;

function run(command: readonly string[], cwd = project): string {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, command, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`node ${command.join(' ')} exited with ${status}\n${stdout}${stderr}`);
  return stdout;
}

test.before(() => {
  for (const name of ['typescript', '@types/node']) {
    mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name), 'junction');
  }
  symlinkSync(root, join(project, 'node_modules', 'opwright'), 'junction');
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  writeFileSync(join(project, 'my-ops.yaml'), spec);
  mkdirSync(join(project, 'source'));
  writeFileSync(join(project, 'source', 'program.ts'), program);
});

test.serial('eight lines are enough, and the command takes them', (t) => {
  t.true(spec.trimEnd().split('\n').length <= 8);
  const out = run([join(root, 'dist', 'codegen', 'cli.js'), 'generate', '--spec', 'my-ops.yaml', '--out', 'source/ops']);
  t.regex(out, /source\/ops: \d+ files/);
});

test.serial('what it wrote compiles in strict mode and runs', (t) => {
  const options = ['--strict', '--noUncheckedIndexedAccess', '--target', 'ES2023', '--module', 'NodeNext', '--types', 'node'];
  const libraries = ['--lib', 'ES2023,ESNext.Disposable', '--outDir', 'built', '--rootDir', 'source'];
  run([join('node_modules', 'typescript', 'bin', 'tsc'), ...options, ...libraries, join('source', 'program.ts')]);
  const result = JSON.parse(run([join('built', 'program.js')]));

  // x + sin(2x)^2 / 2 is x + (1 - cos 4x) / 4.
  const angle = 4 * 0.3;
  const derivatives = [
    0.3 + (1 - Math.cos(angle)) / 4,
    1 + Math.sin(angle),
    4 * Math.cos(angle),
    -16 * Math.sin(angle),
    -64 * Math.cos(angle),
  ];
  derivatives.forEach((wanted, order) => {
    t.true(
      Math.abs(result.orders[order] - wanted) < 1e-12 * Math.max(1, Math.abs(wanted)),
      `derivative ${order}: ${result.orders[order]}`,
    );
  });
  const expected = [0.5, -1, 2, 0].map((value) => value + Math.sin(value) ** 2);
  expected.forEach((wanted, index) => {
    t.true(Math.abs(result.function.flat()[index] - wanted) < 1e-6);
  });
  t.deepEqual(result.method, result.function);
  t.true(Math.abs(result.half - expected[0]!) < 1e-3);
  t.deepEqual(result.codes, ['DTYPE_MISMATCH of snake', 'UNKNOWN_OPTION of snake']);
});

test.serial('it has test cases and a documentation record', (t) => {
  const cases = JSON.parse(readFileSync(join(project, 'source', 'ops', 'tests', 'snake.json'), 'utf8'));
  t.is(cases.source, 'my-ops.yaml:2');
  t.is(cases.samples.length, 2);
  t.is(cases.errors[0].code, 'DTYPE_MISMATCH');
  const record = JSON.parse(readFileSync(join(project, 'source', 'ops', 'docs', 'snake.json'), 'utf8'));
  t.is(record.summary, 'A periodic activation, each element plus the square of its sine.');
  const [{ program, saved }] = record.gradients;
  t.deepEqual(record.gradients, [{ input: 'x', how: 'derived', program, saved }]);
  t.notRegex(program, /conj/);
});

test.serial('generating again changes nothing', (t) => {
  const again = run([
    join(root, 'dist', 'codegen', 'cli.js'),
    'generate',
    '--spec',
    'my-ops.yaml',
    '--out',
    'source/ops',
    '--check',
  ]);
  t.regex(again, /0 different/);
});
