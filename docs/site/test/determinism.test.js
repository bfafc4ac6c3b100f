/** Two builds are equal, byte by byte. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { dist, filesIn, root } from './site.js';

test('a second build gives the same files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-docs-'));
  try {
    const [pages, site] = [join(folder, 'pages'), join(folder, 'site')];
    run([join(root, 'dist', 'docs', 'content', 'main.js'), pages], root);
    assert.deepEqual(digests(pages), digests(join(root, 'docs', 'pages')));
    const eleventy = join(root, 'docs', 'site', 'node_modules', '@11ty', 'eleventy', 'cmd.cjs');
    run([eleventy], join(root, 'docs', 'site'), { OPWRIGHT_DOCS_OUT: site });
    assert.deepEqual(digests(site), digests(dist));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function run(args, cwd, env = {}) {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env } });
  assert.equal(status, 0, stderr);
}

function digests(folder) {
  return Object.fromEntries(
    filesIn(folder).map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(folder, path)))
        .digest('hex'),
    ]),
  );
}
