/**
 * Builds dist/ from the TypeScript sources: installs missing packages, runs tsc when a source is newer than the last successful build,
 * removes outputs whose source is gone, and makes the command executable. Nothing else in dist/ is touched, and nothing is generated
 * from ops.yaml: that is `npm run generate`.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmdirSync, statSync, unlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensurePackages, root } from './install.mjs';

const dist = join(root, 'dist');
/** Written by tsc; its time is set to the start of the last successful build. */
const buildInfo = join(dist, '.tsbuildinfo');
const command = join(dist, 'codegen', 'cli.js');

/** Brings dist/ up to date. Gives false if tsc found errors, which it has then printed. */
export function build() {
  ensurePackages();
  const { include, exclude } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  const excluded = new Set(exclude.map((path) => join(root, path)));
  const sources = include.flatMap((folder) => filesIn(join(root, folder), (path) => path.endsWith('.ts'), excluded));
  const removed = removeOrphans(include);
  const complete = sources.every((source) => source.endsWith('.d.ts') || existsSync(outputOf(source)));
  // tsc trusts its notes about what it has emitted: without them it emits everything.
  if (!complete && existsSync(buildInfo)) unlinkSync(buildInfo);
  const built = (removed === 0 && isUpToDate(sources)) || compile() || compileAfresh();
  if (existsSync(command)) chmodSync(command, 0o755);
  return built;
}

function isUpToDate(sources) {
  if (!existsSync(buildInfo)) return false;
  const since = statSync(buildInfo).mtimeMs;
  return [...sources, join(root, 'tsconfig.json'), join(root, 'package.json')].every((path) => statSync(path).mtimeMs < since);
}

function compile() {
  const start = new Date();
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, error } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.json')], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  // tsc leaves the file as it is when nothing changed, and writes it after errors too: the time alone says what was built.
  const time = status === 0 ? start : new Date(0);
  if (existsSync(buildInfo)) utimesSync(buildInfo, time, time);
  return status === 0;
}

/** tsc 7.0 now and then reports errors that only its notes of an earlier build explain: what it says without them counts. */
function compileAfresh() {
  if (existsSync(buildInfo)) unlinkSync(buildInfo);
  return compile();
}

function outputOf(source) {
  return join(dist, source.slice(root.length + 1).replace(/\.ts$/, '.js'));
}

/** Deletes outputs of tsc that no source stands behind any more, and folders that become empty. Gives how many it deleted. */
function removeOrphans(folders) {
  let removed = 0;
  for (const folder of folders) {
    for (const output of filesIn(join(dist, folder), (path) => outputSuffix.test(path))) {
      const source = join(root, output.slice(dist.length + 1).replace(outputSuffix, '.ts'));
      if (existsSync(source)) continue;
      unlinkSync(output);
      removed++;
    }
    if (removed > 0) removeEmptyFolders(join(dist, folder));
  }
  return removed;
}

const outputSuffix = /\.(d\.ts|js|js\.map)$/;

function filesIn(folder, wanted, excluded = new Set()) {
  if (excluded.has(folder)) return [];
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path, wanted, excluded);
    return wanted(path) ? [path] : [];
  });
}

function removeEmptyFolders(folder) {
  for (const entry of entriesOf(folder)) if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  if (existsSync(folder) && entriesOf(folder).length === 0) rmdirSync(folder);
}

function entriesOf(folder) {
  return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = build() ? 0 : 1;
