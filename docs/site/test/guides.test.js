/** The code of the guides: programs compile in strict mode, commands succeed. That programs run, the build has shown. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { filesIn, root } from './site.js';

process.chdir(root);
const { blocksOf, guidesFolder } = await import(join(root, 'dist', 'docs', 'content', 'guides.js'));
const { GuideFolder } = await import(join(root, 'dist', 'docs', 'content', 'guide-folder.js'));
const guides = readdirSync(guidesFolder).map((name) => ({
  name,
  blocks: blocksOf(readFileSync(join(guidesFolder, name), 'utf8')),
}));

/** Languages whose blocks are checked somehow: compiled and run, run, or read as an op pack. */
const checked = new Set(['ts', 'sh', 'yaml']);

test('no guide has a block that nothing checks', () => {
  const others = guides.flatMap(({ name, blocks }) =>
    blocks.filter(({ language }) => !checked.has(language)).map(({ language }) => `${name}: ${language}`),
  );
  assert.deepEqual(others, []);
});

/** The examples of classes and functions that are written by hand; those of ops the library's own tests compile. */
function apiExamples() {
  const folder = join(root, 'docs', 'pages', 'api');
  return filesIn(folder).map((file) => {
    const [, example = ''] = /^## Example\n\n```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
    return [file.replaceAll('/', '-'), example];
  });
}

test('programs and examples compile in strict mode', () => {
  const project = mkdtempSync(join(tmpdir(), 'opwright-guides-'));
  try {
    mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
    symlinkSync(root, join(project, 'node_modules', 'opwright'), 'junction');
    symlinkSync(join(root, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'), 'junction');
    writeFileSync(join(project, 'package.json'), '{"type":"module"}');
    for (const { name, blocks } of guides) {
      programsOf(blocks).forEach((text, index) => {
        writeFileSync(join(project, `${name}-${index + 1}.ts`), `${text}\nexport {};\n`);
      });
    }
    for (const [name, text] of apiExamples()) writeFileSync(join(project, `${name}.ts`), `${text}\nexport {};\n`);
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'ES2023',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
      skipLibCheck: true,
      types: ['node'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});

/** The blocks that make up each program of a page. */
function programsOf(blocks) {
  const programs = [];
  let isOpen = false;
  for (const { language, argument, text } of blocks) {
    if (language === 'ts' && isOpen && argument !== 'new') programs.push(`${programs.pop()}\n${text}`);
    else if (language === 'ts') programs.push(text);
    isOpen = language === 'ts';
  }
  return programs;
}

for (const { name, blocks } of guides) {
  if (!blocks.some(({ language }) => language === 'sh')) continue;
  test(`the commands of ${name} succeed`, () => {
    const folder = new GuideFolder();
    try {
      folder.run(blocks, { commands: true });
    } finally {
      folder.remove();
    }
  });
}
