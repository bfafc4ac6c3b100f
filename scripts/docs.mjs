/**
 * `npm run docs`: builds the documentation into docs/dist, a site that any static host serves from any path. What the site is made with is a
 * package of its own (docs/site), installed when it is first needed.
 *
 *     npm run docs                  the site
 *     npm run docs:dev              the same, served, and built again when a guide, the spec or the style changes
 *     npm run docs:test             builds it and tests it, in a browser where there is one
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { ensurePackages, root } from './install.mjs';

const site = join(root, 'docs', 'site');
const eleventy = join(site, 'node_modules', '@11ty', 'eleventy', 'cmd.cjs');
const [mode] = process.argv.slice(2);

function run(args, options = {}) {
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', ...options });
  if (error !== undefined) throw error;
  return status === 0;
}

const writePages = () => build() && run([join(root, 'dist', 'docs', 'content', 'main.js'), join('docs', 'pages')]);
const tests = () =>
  readdirSync(join(site, 'test'))
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join('test', name));

ensurePackages(site);
let good = writePages();
if (mode === '--dev') {
  for (const source of ['ops.yaml', 'docs/guides', 'docs/content', 'ARCHITECTURE.md', 'bench/RESULTS.md'])
    watch(join(root, source), debounced(writePages));
  good = run([eleventy, '--serve'], { cwd: site });
} else {
  rmSync(join(root, 'docs', 'dist'), { recursive: true, force: true });
  good &&= run([eleventy], { cwd: site });
  if (mode === '--test') good &&= run(['--test', '--test-reporter=spec', ...tests()], { cwd: site });
}
process.exitCode = good ? 0 : 1;

/** Editors write a file in several steps. */
function debounced(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, 200);
  };
}
