/**
 * The package as its users get it: packed, unpacked into an empty project, imported, required, type-checked, and its command run there.
 * Its dependencies are links to the ones that are installed here; nothing is downloaded.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';

const root = process.cwd();
const project = mkdtempSync(join(tmpdir(), 'opwright-package-'));
const installed = join(project, 'node_modules', 'opwright');
const largestTarball = 3_000_000;
const largestInstallation = 45_000_000;

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

let tarball = '';

test.before(() => {
  tarball = packed();
  mkdirSync(installed, { recursive: true });
  succeed('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  // What npm would install beside it, and what the user's own project would have.
  for (const name of [...Object.keys(manifestOf(root).dependencies ?? {}), 'typescript', '@types/node']) link(name);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
});
test.after.always(() => rmSync(project, { recursive: true, force: true }));

/** What `npm publish` would send. */
function packed(): string {
  // Under `npm test` this is the npm that runs; its path may end in .js, which only Node can start.
  const npm = process.env.npm_execpath ?? 'npm';
  const command = npm.endsWith('.js') ? [process.execPath, npm] : [npm];
  const args = ['pack', '--pack-destination', project, '--ignore-scripts', '--offline'];
  succeed(command[0] ?? npm, [...command.slice(1), ...args], root);
  return join(project, `opwright-${manifestOf(root).version}.tgz`);
}

function link(name: string): void {
  const place = join(project, 'node_modules', name);
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(resolve(root, 'node_modules', name), place, 'junction');
}

function succeed(command: string, args: readonly string[], cwd = project, env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited with ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a program in the user's project. */
function node(name: string, text: string): string {
  writeFileSync(join(project, name), text);
  return succeed(process.execPath, [name]);
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
}

function bytesIn(folder: string): number {
  return filesIn(folder)
    .map((path) => statSync(join(folder, path)))
    .reduce((total, entry) => total + (entry.isFile() ? entry.size : 0), 0);
}

/** The packages that npm would install for one, by name. */
function closure(names: readonly string[], found = new Set<string>()): ReadonlySet<string> {
  for (const name of names) {
    if (found.has(name)) continue;
    found.add(name);
    closure(Object.keys(manifestOf(join(root, 'node_modules', name)).dependencies ?? {}), found);
  }
  return found;
}

test('the tarball and what it brings along stay small', (t) => {
  const { size } = statSync(tarball);
  t.true(size <= largestTarball, `the tarball has ${size} bytes`);
  const packages = closure(Object.keys(manifestOf(root).dependencies ?? {}));
  const sizes = [installed, ...[...packages].map((name) => join(root, 'node_modules', name))].map(bytesIn);
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  t.true(total <= largestInstallation, `an installation has ${total} bytes`);
});

test('the tarball holds what users need, and nothing else of the repository', (t) => {
  const files = filesIn(installed);
  for (const file of [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'ops.yaml',
    'dist/entry/index.js',
    'dist/entry/index.d.ts',
  ])
    t.true(files.includes(file), file);
  t.deepEqual(
    files.filter((file) => /(^|\/)(test|bench|examples|node_modules|\.tsbuildinfo)(\/|$)|\.test\./.test(file)),
    [],
  );
  t.true(existsSync(join(installed, 'kernels', 'functions', 'gather.ts')), 'kernel functions, which op packs are generated with');
});

test('it can be imported, with every entry point', (t) => {
  const out = node(
    'import.mjs',
    `import { grad, memory, softmax, tensor } from 'opwright';
     import * as nn from 'opwright/nn';
     import * as optimizer from 'opwright/optimizer';
     import * as io from 'opwright/io';
     const x = tensor([1, 2, 3], { stopGradient: false });
     const [dx] = grad(softmax(x).multiply(x).sum(), [x]);
     console.log(JSON.stringify({
       sum: softmax(x).sum().item(),
       gradient: dx.tolist().length,
       exports: [nn, optimizer, io].map((module) => Object.keys(module).length > 0),
     }));`,
  );
  const { sum, gradient, exports } = JSON.parse(out) as { sum: number; gradient: number; exports: boolean[] };
  t.true(Math.abs(sum - 1) < 1e-6);
  t.is(gradient, 3);
  t.deepEqual(exports, [true, true, true]);
});

test('it can be required', (t) => {
  const out = node(
    'require.cjs',
    `const { matmul } = require('opwright');
     const { Linear } = require('opwright/nn');
     console.log(JSON.stringify([matmul([[1, 2]], [[3], [4]]).tolist(), typeof Linear, require('opwright/package.json').version]));`,
  );
  t.deepEqual(JSON.parse(out), [[[11]], 'function', manifestOf(root).version]);
});

test('importing it loads nothing of the generator and no other package', (t) => {
  const hooks = 'export async function load(url, context, next) { process._rawDebug(url); return next(url, context); }';
  const register = `import { register } from 'node:module';\nregister(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});\n`;
  writeFileSync(join(project, 'register.mjs'), register);
  writeFileSync(join(project, 'all.mjs'), ['', '/nn', '/optimizer', '/io'].map((path) => `import 'opwright${path}';\n`).join(''));
  const { stderr, status } = spawnSync(process.execPath, ['--import', './register.mjs', 'all.mjs'], {
    cwd: project,
    encoding: 'utf8',
  });
  t.is(status, 0, stderr);
  const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'));
  const own = pathToFileURL(join(installed, 'dist')).href.replace(/^.*\/node_modules\//, '/node_modules/');
  t.true(
    loaded.some((url) => url.endsWith(`${own}/entry/index.js`)),
    stderr,
  );
  t.deepEqual(
    loaded.filter((url) => url.includes('/node_modules/') && !url.includes(`${own}/`)),
    [],
  );
  t.deepEqual(
    loaded.filter((url) => url.includes(`${own}/codegen/`)),
    [],
  );
});

test('a strict program compiles against its types, and wrong calls do not', (t) => {
  writeFileSync(
    join(project, 'program.ts'),
    `import { conv2d, OpwrightError, softmax, sum, Tensor, tensor, topk } from 'opwright';
import { Linear, ReLU, Sequential } from 'opwright/nn';
import { Adam } from 'opwright/optimizer';

const x: Tensor = tensor([[1, 2], [3, 4]], { dtype: 'float64' });
const total: number = sum(x, { axis: 0, keepdim: true }).add(1).mean().item();
const image: Tensor = conv2d(tensor([[[[1]]]]), tensor([[[[2]]]]), { stride: 1 });
const { values, indices } = topk(x, 1);
const model = new Sequential(new Linear(2, 3), new ReLU());
const optimizer = new Adam(model.parameters(), { learningRate: 0.01 });
optimizer.step();
const shape: readonly number[] = [...values.shape, ...indices.shape, ...image.shape, ...model.forward(x).shape];
export { OpwrightError, shape, total };

// @ts-expect-error an option that softmax does not have
softmax(x, { axes: 1 });
// @ts-expect-error no dtype
tensor([1], { dtype: 'float31' });
// @ts-expect-error y is missing
x.multiply();
`,
  );
  const options = [
    '--strict',
    '--noEmit',
    '--target',
    'ES2023',
    '--module',
    'NodeNext',
    '--types',
    'node',
    '--skipLibCheck',
    'false',
  ];
  const tsc = join('node_modules', 'typescript', 'bin', 'tsc');
  t.notThrows(() => succeed(process.execPath, [tsc, ...options, '--lib', 'ES2023,ESNext.Disposable', 'program.ts']));
});

test('its command runs in the project of a user', (t) => {
  const { bin, version } = manifestOf(installed);
  const path = join(installed, bin?.opwright ?? '');
  t.is(readFileSync(path, 'utf8').split('\n')[0], '#!/usr/bin/env node');
  const opwright = (...args: readonly string[]): string => succeed(process.execPath, [path, ...args]);
  t.is(opwright('--version'), `${version}\n`);
  writeFileSync(join(project, 'my-ops.yaml'), '');
  opwright('new', 'bentIdentity', '--class', 'unary', '--spec', 'my-ops.yaml');
  t.regex(opwright('check', '--spec', 'my-ops.yaml', '--quick'), /no problems/);
  t.regex(opwright('explain', 'bentIdentity', '3,5', '--spec', 'my-ops.yaml'), /^bentIdentity, my-ops\.yaml:2$/m);
  t.regex(opwright('explain', 'gather', '3,5', '2'), /kernel gather/i);
});
