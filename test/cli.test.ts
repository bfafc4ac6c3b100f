/**
 * The `opwright` command: what each command reports and with which exit code, on the library's own spec and on specs that are wrong.
 * Commands are called as functions where that is enough; what the process itself does (streams, exit codes, start) is tested by
 * starting it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { command as cache } from '../codegen/commands/cache.js';
import { command as check } from '../codegen/commands/check.js';
import { type Command, type JsonObject, type Outcome, UsageError } from '../codegen/commands/command.js';
import { command as doctor } from '../codegen/commands/doctor.js';
import { command as explain, explainOp } from '../codegen/commands/explain.js';
import { command as generate } from '../codegen/commands/generate.js';
import { commandHelp } from '../codegen/commands/help.js';
import { kernelFunctions } from '../codegen/commands/kernel-functions.js';
import { command as begin } from '../codegen/commands/new.js';
import { skeleton } from '../codegen/commands/skeleton.js';
import { loadSpecs } from '../codegen/commands/spec-files.js';
import { mostEscapes, command as stats } from '../codegen/commands/stats.js';
import type { SourceKind } from '../codegen/commands/trace-text.js';
import { compareGenerated, writeGenerated } from '../codegen/generate.js';
import type { KernelFunctions } from '../codegen/lang/definitions.js';
import { cacheKey, KernelCache } from '../runtime/devices/kernel-cache.js';
import { isThere } from './c-harness.js';

const cli = fileURLToPath(new URL('../codegen/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'opwright-cli-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A file of its own for a test. */
function fileOf(text: string): string {
  const file = join(folder, `spec-${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

/** Starts the process. */
function opwright(...args: readonly string[]) {
  return opwrightWith({}, ...args);
}

/** The same with settings of its own. */
function opwrightWith(settings: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const env = { ...process.env, ...settings };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env });
  return { status, stdout, stderr };
}

async function run(command: Command, ...args: readonly string[]): Promise<Outcome> {
  return command.run(args);
}

async function usageError(command: Command, ...args: readonly string[]): Promise<string> {
  try {
    await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) return [error.message, ...(error.hint === undefined ? [] : [error.hint])].join('; ');
    throw error;
  }
  throw new Error('the command was carried out');
}

function listOf(json: JsonObject, key: string): readonly JsonObject[] {
  const value = json[key];
  if (!Array.isArray(value)) throw new TypeError(`${key} is no list`);
  return value;
}

/** The library's spec, read once for the tests that only look at it. */
const library = loadSpecs({});
let kernels: KernelFunctions = new Map();
test.before(async () => {
  kernels = await kernelFunctions(library.checked);
});

interface Written {
  readonly attrs?: readonly string[];
  readonly dtype?: string;
  readonly sample?: string;
  readonly source?: SourceKind;
}

/** What `opwright explain` gives once it has read the spec. */
function explained(
  [name = '', ...operands]: readonly string[],
  { attrs = [], dtype, sample, source = 'none' }: Written = {},
): Outcome {
  return explainOp(library.checked, kernels, name, { operands, attrs, dtype, sample }, source);
}

/** An op pack of one sound entry; it stands on the library. */
const pack = `ops:
  - op: bentIdentity
    class: unary
    summary: Half of the hyperbola above x, and x.
    define: (sqrt(x * x + 1) - 1) / 2 + x
`;

// ---- The program

test('help lists every command, and each command has its own', (t) => {
  const { status, stdout } = opwright('--help');
  t.is(status, 0);
  for (const { help } of [generate, check, begin, explain, stats, cache, doctor]) {
    t.regex(stdout, new RegExp(`^  ${help.name} +\\w`, 'm'));
    const text = commandHelp(help);
    t.regex(text, new RegExp(`^Usage: opwright ${help.name}`));
    for (const option of Object.keys(help.options)) t.true(text.includes(`--${option}`), `${help.name} --${option}`);
    t.regex(text, /^Examples:$/m);
    t.regex(text, /^ {2}2 {2}the command was not understood$/m);
  }
  t.is(opwright('stats', '--help').stdout.trimEnd(), commandHelp(stats.help));
  t.is(opwright('help', 'stats').stdout.trimEnd(), commandHelp(stats.help));
  t.is(opwright().stdout, stdout);
});

test('help loads no package and no checker', (t) => {
  const register =
    "require('node:module').register('data:text/javascript,' + encodeURIComponent(process.env.HOOKS), require('node:url').pathToFileURL('./'))";
  const hooks =
    'export async function resolve(name, context, next) { const found = await next(name, context); console.error(found.url); return found; }';
  const preload = join(folder, 'preload.cjs');
  writeFileSync(preload, register);
  const { stderr } = spawnSync(process.execPath, ['--require', preload, cli, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, HOOKS: hooks },
  });
  t.regex(stderr, /codegen\/cli\.js/);
  t.notRegex(stderr, /node_modules|lang\/|kernels\//);
});

test('the version is the one in package.json', (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  t.is(opwright('--version').stdout, `${version}\n`);
  t.deepEqual(JSON.parse(opwright('--version', '--json').stdout), { ok: true, version });
});

test('what is not understood exits with 2, on stderr, with a suggestion', (t) => {
  t.deepEqual(opwright('chek'), { status: 2, stdout: '', stderr: "opwright: unknown command 'chek'\n  did you mean 'check'?\n" });
  t.deepEqual(opwright('--versio'), {
    status: 2,
    stdout: '',
    stderr: "opwright: unknown option '--versio'\n  did you mean '--version'?\n",
  });
  t.deepEqual(opwright('check', '--jsn').stderr, "opwright: unknown option '--jsn'\n  did you mean '--json'?\n");
  t.is(opwright('constructor').status, 2);
});

test('--json says the same as one document, for errors too', (t) => {
  const { status, stdout, stderr } = opwright('explain', 'sofmax', '--json');
  t.is(status, 2);
  t.is(stderr, '');
  t.deepEqual(JSON.parse(stdout), { ok: false, error: "there is no op 'sofmax'", hint: "did you mean 'softmax'?" });
  t.is(JSON.parse(opwright('--json', 'doctor').stdout).ok, true);
});

test('missing, repeated and superfluous arguments are named', async (t) => {
  t.is(await usageError(check, 'ops.yaml'), "unexpected argument 'ops.yaml'");
  t.regex(await usageError(check, '--spec'), /^option '--spec <value>' argument missing/);
  t.is(await usageError(check, '--alone'), '--alone needs a --spec');
  t.regex(await usageError(begin), /^what is the op to be called\?/);
  t.regex(await usageError(explain), /^which op\?/);
  t.regex(await usageError(generate, '--spec', 'x.yaml'), /^--spec needs --out/);
  t.is(await usageError(check, '--spec', 'nowhere/my-ops.yaml'), 'there is no file nowhere/my-ops.yaml');
  t.regex(await usageError(check, '--spec', 'test'), /^test cannot be read: /);
});

// ---- check

test('check finds nothing wrong with the library, nor with its gradients', async (t) => {
  const { exitCode, text, json } = await run(check);
  t.is(exitCode, 0, text);
  t.regex(text, /^\d+ ops, \d+ classes, \d+ rules: no problems\ngradients: \d+ comparisons/);
  t.deepEqual(json.diagnostics, []);
});

test('check reports every problem of several files in one run, in their order', async (t) => {
  const first = fileOf('ops:\n  - op: first\n    class: unry\n    summary: One.\n    define: x + yy\n');
  const second = fileOf('ops:\n  - op: second\n    class: unary\n    summry: Two.\n    define: x +\n');
  const { exitCode, text, json } = await run(check, '--spec', first, '--spec', second);
  t.is(exitCode, 1);
  const found = listOf(json, 'diagnostics').map(({ file, line, code }) => `${file === first ? 1 : 2}:${line} ${code}`);
  t.deepEqual(found.slice(0, 4), ['1:3 UNKNOWN_CLASS', '1:5 UNKNOWN_NAME', '2:2 MISSING_FIELD', '2:4 UNKNOWN_KEY']);
  t.regex(text, /did you mean 'unary'\?/);
  t.regex(text, /did you mean 'summary'\?/);
  t.regex(text, /^ {2} {4}define: x \+ yy\n {2} {16}\^~$/m);
});

test('check points into YAML that cannot be read', async (t) => {
  const { exitCode, text } = await run(check, '--alone', '--spec', fileOf('ops:\n  - op: [\n'));
  t.is(exitCode, 1);
  t.regex(text, /\.yaml:\d+:\d+: error YAML: /);
});

test('check says which kernels are not there or do not fit', async (t) => {
  const entry = (name: string, kernel: string): string => `
  - op: ${name}
    summary: A test.
    inputs: { x: { dtype: T, shape: "[n, m]" } }
    outputs: { out: { dtype: T, shape: x.shape } }
    dtypes: { T: floating }
    kernel: ${kernel}
    grad: { x: none }
    samples: [{ x: [2, 3] }]`;
  const spec = fileOf(
    [
      'ops:',
      entry('map', '{ map: sinn }'),
      entry('arity', '{ map: add }'),
      entry('library', '{ library: gem }'),
      entry('index', '{ index: "out[i, j] = x[i, j] * 2" }'),
      entry('misspelt', '{ function: gatherRow, work: n }'),
      entry('parameters', '{ function: gatherRows, work: n, params: { n: n, rows: m, innr: m, wrap: 1 } }'),
    ].join(''),
  );
  const { exitCode, json } = await run(check, '--spec', spec);
  t.is(exitCode, 1);
  t.deepEqual(
    listOf(json, 'diagnostics').map(({ line, code, message }) => `${line} ${code} ${message}`),
    [
      "7 UNKNOWN_KERNEL there is no map operation 'sinn'",
      '15 KERNEL_PARAMETER add is a function of 2 inputs, but arity has 1',
      "23 UNKNOWN_KERNEL there is no library kernel 'gem'",
      '31 INDEX_KERNEL a kernel in index notation takes elements of tensors and numbers',
      "39 UNKNOWN_KERNEL there is no kernel function 'gatherRow'",
      "47 KERNEL_PARAMETER gatherRows needs the parameter 'inner'",
      "47 KERNEL_BUFFER gatherRows has the buffer 'index', but parameters has no input, output or scratch of that name",
      "47 UNKNOWN_KERNEL there is no parameter of gatherRows 'innr'",
    ],
  );
});

test('check says that a gradient is wrong, at its place', async (t) => {
  const wrong = fileOf(`${pack}    grad: { x: "dout * (x / sqrt(x * x + 1) + 2)" }\n`);
  const { exitCode, json } = await run(check, '--spec', wrong);
  t.is(exitCode, 1);
  t.deepEqual([...new Set(listOf(json, 'diagnostics').map(({ file, line }) => `${file}:${line}`))], [`${wrong}:6`]);
  t.is((await run(check, '--quick', '--spec', wrong)).exitCode, 0);
});

// ---- explain

test('explain follows softmax to one fused kernel and its gradient to another', async (t) => {
  const { exitCode, text, json } = await run(explain, 'softmax', '3,5');
  t.is(exitCode, 0);
  t.regex(text, /^softmax, ops\.yaml:\d+\n {2}- op: softmax\n/);
  t.regex(text, /^ {2}axis {2}1$/m);
  t.regex(text, /^ {2}out {2}float32 \[3, 5\]$/m);
  t.regex(text, /^ {2}1\. fused kernel over \[3, 5\], reducing axis 1$/m);
  t.regex(text, /variant {2}row; dimensions: 1 kept, 1 reduced; inner strides: in0 1, out0 1/);
  t.regex(text, /launch {3}3 items, \d+ or more a thread; n = 5/);
  t.regex(text, /for item from begin to end/);
  t.regex(text, /runs as 1 step: fused kernel over \[3, 5\], reducing axis 1/);
  const [step] = listOf(json, 'steps');
  const [launch] = listOf(step ?? {}, 'launches');
  t.like(launch, { form: 'row', work: 3 });
  const wasm = Buffer.from(String(launch?.wasm), 'base64');
  t.is(wasm.length, Number(launch?.wasmBytes));
  t.is(wasm.readUInt32LE(0), 0x6d736100, 'a WebAssembly module');
});

test('explain shows what is printed as WebAssembly, or no kernels', async (t) => {
  t.regex(explained(['exp', '64'], { source: 'wasm' }).text, /f32x4/);
  t.notRegex(explained(['exp', '64'], { source: 'none' }).text, /for item/);
  t.regex(explained(['softmax', '64,3'], { source: 'cuda' }).text, /__shfl_xor_sync/);
  t.is(
    await usageError(explain, 'exp', '64', '--source', 'metal'),
    "there is no source 'metal'; it is one of 'ir', 'wasm', 'cuda', 'none'",
  );
});

test('explain takes shapes, dtypes, lists, numbers and attributes as they are written', (t) => {
  const results = (...written: Parameters<typeof explained>) => {
    const { json, text } = explained(...written);
    if (json.outputs === undefined) throw new Error(text);
    return listOf(json, 'outputs').map(({ dtype, shape }) => `${dtype} ${JSON.stringify(shape)}`);
  };
  t.deepEqual(results(['sum', '2x3x4'], { attrs: ['axis=0,2'] }), ['float32 [3]']);
  t.deepEqual(results(['sum', '[2, 3]'], { attrs: ['axis=[-1]', 'keepdim=true'] }), ['float32 [2,1]']);
  t.deepEqual(results(['exp', '[]'], { dtype: 'float64' }), ['float64 []']);
  t.deepEqual(results(['add', '3,1:int32', 'number:2']), ['int32 [3,1]']);
  t.deepEqual(results(['concat', '2,3+4,3'], { attrs: ['axis=0'] }), ['float32 [6,3]']);
  t.deepEqual(results(['gather', '5,3', 'index=2'], { dtype: 'float16' }), ['float16 [2,3]']);
  t.deepEqual(results(['norm', '5,3'], { attrs: ['p=inf'] }), ['float32 []']);
  t.deepEqual(results(['paddle.nn.functional.softmax', '4']), ['float32 [4]']);
  t.deepEqual(results(['softmax'], { sample: '2' }), ['float32 [2,3,4]']);
  t.deepEqual(results(['exp', '0,3']), ['float32 [0,3]']);
});

test('explain says why an op refuses its arguments', (t) => {
  const { exitCode, text, json } = explained(['softmax', '3,5'], { attrs: ['axis=7'] });
  t.is(exitCode, 1);
  t.is(json.code, 'AXIS_OUT_OF_RANGE');
  t.regex(text, /^softmax refuses these arguments: .*\n {2}its rules stand at ops\.yaml:\d+$/);
  t.is(explained(['add', '2,3', '4,5']).json.code, 'SHAPE_MISMATCH');
  t.is(explained(['exp', '3:bool']).json.code, 'DTYPE_MISMATCH');
});

test('explain names what it does not understand', (t) => {
  const refused = (message: RegExp, ...written: Parameters<typeof explained>): void => {
    const error = t.throws(() => explained(...written), { instanceOf: UsageError });
    t.regex([error.message, error.hint].join('; '), message);
  };
  refused(/^there is no op 'sofmax'; did you mean 'softmax'\?/, ['sofmax', '3']);
  refused(/^'3;5' is not a shape; write a shape such as 3,5/, ['exp', '3;5']);
  refused(/^exp takes 1 input; '4' is one more; its inputs are x$/, ['exp', '3', '4']);
  refused(/^add needs the shape of y/, ['add', '3']);
  refused(/^x is given twice/, ['add', '3', 'x=4']);
  refused(/^x takes a tensor, not a number/, ['exp', 'number:3']);
  refused(/^'flot32' is not a dtype; did you mean 'float32'\?/, ['exp', '3:flot32']);
  refused(/^exp does not take int32/, ['exp', '3'], { dtype: 'int32' });
  refused(/^softmax has no attribute 'axs'; did you mean 'axis'\?/, ['softmax', '3'], { attrs: ['axs=1'] });
  refused(/^softmax has no input 'axis'; it is an attribute: --attr axis=/, ['softmax', '3', 'axis=1']);
  refused(/^'axis' is no attribute/, ['softmax', '3'], { attrs: ['axis'] });
  refused(/^softmax has no sample 99/, ['softmax'], { sample: '99' });
});

test('explain does not guess at a spec with problems', async (t) => {
  const broken = fileOf('ops:\n  - op: half\n    class: unary\n    summary: Half.\n    define: x / too\n');
  const { exitCode, text } = await run(explain, 'half', '3', '--spec', broken);
  t.is(exitCode, 1);
  t.regex(text, /UNKNOWN_NAME[\s\S]*nothing to explain yet$/);
});

test('every sample of every op can be explained, with its gradients', (t) => {
  for (const { op } of library.checked.ops.values()) {
    op.samples.forEach((_, index) => {
      const sample = String(index + 1);
      const { exitCode, text, json } = explained([op.name], { sample, source: index % 2 === 0 ? 'ir' : 'wasm' });
      t.is(exitCode, 0, `${op.name}, sample ${sample}: ${text}`);
      t.notRegex(text, /\[object|undefined/, op.name);
      t.notThrows(() => JSON.stringify(json));
    });
  }
});

// ---- stats

test('stats count what the spec holds', async (t) => {
  const { exitCode, text, json } = await run(stats);
  t.is(exitCode, 0);
  const { model } = library.checked;
  t.like(json, { ops: { total: model.ops.size }, samples: [...model.ops.values()].flatMap((op) => op.samples).length });
  t.like(json, { paddle: { total: 709, unknown: [] } });
  t.regex(text, /^ops +\d+: \d+ public, \d+ internal$/m);
  t.regex(text, /^Paddle names +\d+ of 709 \(\d+ %\)$/m);
  const missing = await run(stats, '--missing');
  t.regex(missing.text, /Paddle names that nothing answers to: \d+\n {2}paddle\./);
});

test('the library documents every public op, and gives it an example, errors, goldens and Paddle names', async (t) => {
  const { text, json } = await run(stats, '--missing');
  const gaps = Object.entries(json.gaps ?? {});
  t.true(gaps.length > 4);
  for (const [what, names] of gaps) t.deepEqual(names, [], `no ${what}`);
  t.regex(text, /^no example +none$/m);
  t.true(listOf(json, 'escapes').length <= mostEscapes);
});

test('stats say what an op of a pack lacks', async (t) => {
  const spec = fileOf(`ops:
  - op: bare
    summary: Twice x.
    inputs: { x: { dtype: T } }
    attrs: { factor: { type: number, default: 2 } }
    outputs: { out: { dtype: T, shape: x.shape } }
    dtypes: { T: floating }
    define: x * factor
    samples: [{ x: [2] }]
`);
  const { json, text } = await run(stats, '--spec', spec, '--missing');
  const names = ['example', 'meaning of each attribute', 'error sample', 'golden', 'Paddle name'];
  for (const what of names) t.deepEqual(Object.entries(json.gaps ?? {}).find(([key]) => key === what)?.[1], ['bare'], what);
  t.regex(text, /Ops without: example: 1\n {2}bare/);
});

test('stats give the reason of everything that is written by hand', async (t) => {
  const spec = fileOf(`${pack}    escape: No formula says it.\n`);
  const { text, json } = await run(stats, '--spec', spec);
  t.true(text.includes(`bentIdentity (${spec}:2): No formula says it.`));
  t.true(listOf(json, 'escapes').some(({ op }) => op === 'bentIdentity'));
});

// ---- new

test('new begins a sound entry of every class', async (t) => {
  const { model } = library.checked;
  const names = [...model.classes.keys(), undefined];
  const entries = names.map((name, index) => skeleton(model, `entry${index}`, name).text.replace(/^/gm, '  '));
  const { exitCode, text, json } = await run(check, '--spec', fileOf(`ops:\n${entries.join('\n')}\n`));
  t.is(exitCode, 0, text);
  t.is(json.ops, model.ops.size + names.length);
});

test('new makes the file that it is to write to', async (t) => {
  const file = join(folder, 'made.yaml');
  const { exitCode, text, json } = await run(begin, 'entry', '--spec', file);
  t.is(exitCode, 0, text);
  t.like(json, { op: 'entry', line: 2, like: null });
  t.regex(readFileSync(file, 'utf8'), /^ops:\n {2}- op: entry\n {4}summary: .*\n[\s\S]*\n$/);
});

test('new puts an entry after the last one, and leaves everything else as it was', async (t) => {
  const after = `
  # A comment between.

classes:
  - class: mine
    inputs: { x: { dtype: T } }
`;
  const file = fileOf(`# Mine.\n${pack}${after}`);
  const { json } = await run(begin, 'next', '--class', 'unary', '--spec', file);
  const text = readFileSync(file, 'utf8');
  t.true(text.startsWith(`# Mine.\n${pack}  - op: next\n    class: unary\n    summary: `));
  t.true(text.endsWith(after));
  t.like(json, { op: 'next', line: 7 });
  t.deepEqual(
    readdirSync(folder).filter((name) => name.includes('.new-')),
    [],
  );
});

test('new refuses a name that is taken or is no name, and writes nothing then', async (t) => {
  const file = fileOf(pack);
  t.regex(await usageError(begin, 'softmax', '--spec', file), /^there is an op 'softmax' already; it stands at ops\.yaml:\d+$/);
  t.regex(await usageError(begin, 'bentIdentity', '--spec', file), /^there is an op 'bentIdentity' already/);
  t.regex(await usageError(begin, 'x: y', '--spec', file), /^'x: y' is no name for an op/);
  t.regex(
    await usageError(begin, 'next', '--class', 'unry', '--spec', file),
    /^there is no class 'unry'; did you mean 'unary'\?/,
  );
  for (const name of ['Next', 'while', 'next_one']) {
    const { exitCode, text } = await run(begin, name, '--spec', file);
    t.is(exitCode, 1);
    t.regex(text, /INVALID_NAME[\s\S]*nothing was written$/);
  }
  t.is(readFileSync(file, 'utf8'), pack);
  const flow = fileOf('ops: [{ op: one, class: unary, summary: One., define: x }]\n');
  t.regex(await usageError(begin, 'next', '--spec', flow), /are not written as a list of entries with dashes$/);
});

// ---- generate

test('the committed generated code is what the spec stands for', async (t) => {
  const { exitCode, text } = await run(generate, '--check');
  t.is(exitCode, 0, text);
});

test('generate writes a pack that stands on the library', async (t) => {
  const out = join(folder, 'generated');
  const { exitCode, text, json } = await run(generate, '--spec', fileOf(pack), '--out', out);
  t.is(exitCode, 0, text);
  t.true(Array.isArray(json.written) && json.written.length > 0);
  t.true(readdirSync(out, { recursive: true, encoding: 'utf8' }).some((path) => path.includes('bent-identity')));
});

test('what is generated does not depend on the current folder', (t) => {
  const project = join(folder, 'project');
  mkdirSync(join(project, 'specs', 'deep'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{}');
  writeFileSync(join(project, 'specs', 'pack.yaml'), pack);
  const generateIn = (cwd: string, spec: string) => {
    const args = [cli, 'generate', '--spec', spec, '--out', join(project, 'out'), '--json'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
    t.is(stderr, '');
    return JSON.parse(stdout);
  };
  t.true(generateIn(project, 'specs/pack.yaml').written.length > 5);
  t.deepEqual(generateIn(join(project, 'specs', 'deep'), '../pack.yaml').written, []);
  t.deepEqual(generateIn(folder, 'project/specs/pack.yaml').written, []);
  t.regex(readFileSync(join(project, 'out', 'tests', 'bent-identity.json'), 'utf8'), /"specs\/pack.yaml:2"/);
});

test('generated files are written where they differ, and removed where nothing stands behind them', (t) => {
  const out = join(folder, 'exchanged');
  const texts = new Map([
    ['index.ts', 'one'],
    ['ops/two.ts', 'two'],
  ]);
  t.deepEqual(writeGenerated(out, texts), { written: ['index.ts', 'ops/two.ts'], removed: [], unchanged: 0 });
  t.deepEqual(writeGenerated(out, texts), { written: [], removed: [], unchanged: 2 });
  writeFileSync(join(out, 'index.ts'), '');
  writeFileSync(join(out, 'left-over.ts'), '');
  const differences = { written: ['index.ts'], removed: ['left-over.ts'], unchanged: 1 };
  t.deepEqual(compareGenerated(out, texts), differences);
  t.true(existsSync(join(out, 'left-over.ts')), 'comparing writes nothing');
  t.deepEqual(writeGenerated(out, texts), differences);
  t.is(readFileSync(join(out, 'index.ts'), 'utf8'), 'one');
  t.deepEqual(readdirSync(out).toSorted(), ['index.ts', 'ops']);
});

test('generate writes nothing while the spec has problems', async (t) => {
  const out = join(folder, 'never');
  const { exitCode, text } = await run(generate, '--spec', fileOf(`${pack}    names: [bent, bent]\n`), '--out', out);
  t.is(exitCode, 1);
  t.regex(text, /: nothing was written$/);
  t.false(existsSync(out));
});

// ---- doctor

test('doctor says what is there, and what to do about the rest', async (t) => {
  const { exitCode, text, json } = await run(doctor);
  t.is(exitCode, 0, text);
  const findings = listOf(json, 'findings');
  for (const what of [
    ...['Node', 'WebAssembly SIMD', 'shared memory', 'threads', 'C compiler', 'library calls', 'native code', 'kernel cache'],
    'CUDA driver',
  ]) {
    const finding = findings.find((one) => one.what === what);
    t.truthy(finding, what);
    t.true(finding?.state === 'found' || typeof finding?.advice === 'string', `${what} comes with advice`);
  }
  t.regex(text, new RegExp(`^ok {2}Node +${process.versions.node.replaceAll('.', '\\.')}, `, 'm'));
});

test('doctor says why there is no native code, and fails only where it is required', (t) => {
  const env = { OPWRIGHT_CC: join(folder, 'no-compiler'), OPWRIGHT_CACHE_DIR: join(folder, 'kernels') };
  const { status, stdout } = opwrightWith(env, 'doctor');
  t.is(status, 0);
  t.regex(
    stdout,
    /^-- {2}C compiler +There is no C compiler that can be used \(.*no-compiler is not there\)\.\n +Set OPWRIGHT_CC/m,
  );
  const required = opwrightWith({ ...env, OPWRIGHT_NATIVE: 'require' }, 'doctor');
  t.is(required.status, 1);
  t.regex(required.stdout, /^!! {2}C compiler/m);
  t.regex(required.stdout, /cannot run on this machine: C compiler, native code\.$/m);
});

test('doctor names a cache folder that is refused', (t) => {
  const { status, stdout } = opwrightWith({ OPWRIGHT_CACHE_DIR: fileOf('') }, 'doctor');
  t.is(status, 0);
  t.regex(stdout, /^-- {2}kernel cache +\S+\.yaml is not used: it cannot be made \(EEXIST.*\n +.*Set OPWRIGHT_CACHE_DIR/m);
});

test('what the library refuses is an error without a stack', (t) => {
  const { status, stdout, stderr } = opwrightWith({ OPWRIGHT_NATIVE: 'perhaps' }, 'doctor');
  t.deepEqual([status, stderr], [1, '']);
  t.regex(stdout, /^INVALID_ARGUMENT: OPWRIGHT_NATIVE is "perhaps"/);
  t.notRegex(stdout, /^ +at /m);
});

// ---- cache

test('cache shows what is kept, clears it, and touches nothing else', (t) => {
  const OPWRIGHT_CACHE_DIR = join(folder, 'cache');
  const inCache = (...args: readonly string[]) =>
    opwrightWith({ OPWRIGHT_CACHE_DIR, OPWRIGHT_CACHE_LIMIT: '3m' }, 'cache', ...args);
  t.is(inCache().stdout, `folder  ${OPWRIGHT_CACHE_DIR}\nkept    0 files, 0 bytes of at most 3.0 MiB\n`);
  t.false(existsSync(OPWRIGHT_CACHE_DIR));
  new KernelCache(OPWRIGHT_CACHE_DIR).entry(cacheKey({ source: '' }), 'so', (path) => writeFileSync(path, 'x'.repeat(2048)));
  writeFileSync(join(OPWRIGHT_CACHE_DIR, 'mine'), '');
  const shown = JSON.parse(inCache('info', '--json').stdout);
  t.deepEqual(shown, { ok: true, folder: OPWRIGHT_CACHE_DIR, entries: 1, bytes: 2048, limit: 3 * 2 ** 20 });
  t.deepEqual(inCache('clear'), { status: 0, stdout: `removed 1 file, 2.0 KiB, from ${OPWRIGHT_CACHE_DIR}\n`, stderr: '' });
  t.deepEqual(readdirSync(OPWRIGHT_CACHE_DIR), ['mine']);
  t.deepEqual(JSON.parse(inCache('clear', '--json').stdout), { ok: true, folder: OPWRIGHT_CACHE_DIR, entries: 0, bytes: 0 });
});

test('cache leaves a folder alone that is not to be trusted, and exits with 1', (t) => {
  const file = fileOf('');
  for (const action of ['info', 'clear']) {
    const { status, stdout } = opwrightWith({ OPWRIGHT_CACHE_DIR: file }, 'cache', action);
    t.is(status, 1);
    t.regex(stdout, /EEXIST/);
  }
});

test('cache warm compiles what programs need, or says why it cannot', (t) => {
  const OPWRIGHT_CACHE_DIR = join(folder, 'warm');
  const without = opwrightWith({ OPWRIGHT_CACHE_DIR, OPWRIGHT_CC: join(folder, 'no-compiler') }, 'cache', 'warm');
  t.is(without.status, 1);
  t.regex(without.stdout, /no-compiler is not there\)\.\nSet OPWRIGHT_CC/);
  if (!isThere('gcc')) {
    t.log('skipped: there is no gcc');
    return;
  }
  const { status, stdout } = opwrightWith({ OPWRIGHT_CACHE_DIR, OPWRIGHT_CC: 'gcc' }, 'cache', 'warm', '--json');
  t.is(status, 0, stdout);
  t.true(JSON.parse(stdout).entries >= 2);
  t.true(readdirSync(OPWRIGHT_CACHE_DIR).some((name) => name.endsWith('.so')));
});

test('cache knows three actions', async (t) => {
  t.is(await usageError(cache, 'clean'), "unknown action 'clean'; use info, clear, warm");
  t.is(await usageError(cache, 'info', 'clear'), "unexpected argument 'clear'");
});
