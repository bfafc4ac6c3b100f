/**
 * Makes sure that the packages of package.json are in node_modules, so that `npm start` and `npm test` work on a bare clone. It uses
 * nothing but Node, and does nothing when every package is there in the version that is asked for.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Installs what is missing of a folder's packages. Throws if npm fails. */
export function ensurePackages(folder = root) {
  const missing = missingPackages(folder);
  if (missing.length === 0) return;
  console.log(`Installing packages (missing: ${missing.join(', ')}) ...`);
  // Not `npm ci`: that would first delete the packages that are there. The lock file decides all the same, and is left as it is.
  runNpm(folder, ['install', '--no-save', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']);
  const stillMissing = missingPackages(folder);
  if (stillMissing.length > 0) throw new Error(`npm did not install ${stillMissing.join(', ')}.`);
}

/** package.json names exact versions, so a package is right when its own package.json says the same. */
function missingPackages(folder) {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name, version]) => installedVersion(folder, name) !== version)
    .map(([name]) => name);
}

function installedVersion(folder, name) {
  const path = join(folder, 'node_modules', name, 'package.json');
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).version : undefined;
}

function runNpm(folder, args) {
  // Under `npm run` this is the npm that runs; its path may end in .js, which only Node can start.
  const running = process.env.npm_execpath;
  const [command, prefix] = running?.endsWith('.js') ? [process.execPath, [running]] : ['npm', []];
  // Windows starts npm.cmd through a shell only.
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, error } = spawnSync(command, [...prefix, ...args], { cwd: folder, stdio: 'inherit', shell });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`npm ${args[0]} ended with exit code ${status}.`);
}
