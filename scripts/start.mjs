/**
 * `npm start`: trains the example network on MNIST. On a bare clone it first installs packages and builds; arguments go to the example
 * (`npm start -- --quick`).
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from './build.mjs';
import { root } from './install.mjs';

if (build()) {
  const example = join(root, 'dist', 'examples', 'mnist', 'main.js');
  const { status, error } = spawnSync(process.execPath, [example, ...process.argv.slice(2)], { stdio: 'inherit' });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
} else {
  process.exitCode = 1;
}
