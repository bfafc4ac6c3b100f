/**
 * The documentation's examples as a user would compile them: in strict TypeScript, with an import of the names that each uses. That they
 * run, and what they print, the op matrix and api.test.ts check.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { isReservedWord } from '../codegen/lang/reserved.js';
import * as opwright from '../entry/index.js';
import { examplesOf, isSamePrint, readRecord, runExample } from './support/examples.js';

const examples = [...examplesOf('ops'), ...examplesOf('api')];

test('examples compile in strict mode, with nothing but imports before them', (t) => {
  const project = mkdtempSync(join(tmpdir(), 'opwright-examples-'));
  try {
    symlinkSync(join(process.cwd(), 'node_modules'), join(project, 'node_modules'), 'junction');
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
    for (const [place, [name, example]] of examples.entries()) {
      const names = Object.keys(opwright).filter((name) => !isReservedWord(name) && imports(example, name));
      writeFileSync(join(project, `${name}-${place}.ts`), `import { ${names.join(', ')} } from 'opwright';\n${example}`);
    }
    const compiler = join(process.cwd(), 'node_modules', 'typescript', 'bin', 'tsc');
    const paths = { opwright: [join(process.cwd(), 'dist', 'entry', 'index.d.ts')] };
    const options = {
      strict: true,
      noEmit: true,
      target: 'ES2023',
      module: 'NodeNext',
      skipLibCheck: true,
      types: ['node'],
      paths,
    };
    const compilerOptions = { ...options, lib: ['ES2023', 'ESNext.Disposable'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' });
    t.is(status, 0, stdout);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});

/** Whether an example uses a name and declares no variable of its own that is called so. */
function imports(example: string, name: string): boolean {
  const own = new RegExp(`\\b(?:const|let) (?:\\{[^}]*)?\\b${name}\\b(?!:)`);
  return new RegExp(`(?<![.\\w'])${name}\\b(?!:)`).test(example) && !own.test(example);
}

test('every public op, and what is written by hand, has an example on record, and nothing else has', (t) => {
  t.deepEqual(Object.keys(readRecord()).sort(), examples.map(([op]) => op).sort());
  t.true(examples.length > 150);
});

test('an example that prints nothing, or leaves memory behind, is refused', (t) => {
  t.throws(() => runExample('add(1, 2);'), { message: /prints nothing/ });
  t.throws(() => runExample('console.log(keep(add(1, 2)));'), { message: /leaves 4 bytes behind/ });
  t.deepEqual(runExample('const mean = add(1, 2);\nconsole.log(mean.item());\nconsole.log(mean.shape);'), ['3', '[]']);
});

test('prints are compared but for the last digits', (t) => {
  const line = 'tensor([ 1.2345678, -0.5      ], shape=[2])';
  t.true(isSamePrint([line], ['tensor([ 1.234567, -0.5     ], shape=[2])']));
  t.false(isSamePrint([line], ['tensor([ 1.2346678, -0.5      ], shape=[2])']));
  t.false(isSamePrint([line], ['tensor([ 1.2345678,  0.5      ], shape=[2])']));
  t.false(isSamePrint([line], ['tensor([ 1.2345678, -0.5      ], shape=[3])']));
  t.false(isSamePrint([line], [line, line]));
  t.false(isSamePrint(['tensor([nan])'], ['tensor([1.])']));
});
