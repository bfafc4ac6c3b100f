/**
 * The peers that come from npm: bench/peers is a package of its own, installed when the bench first needs it, so that the library
 * depends on none of them. Install scripts are not run: onnxruntime-node's would download CUDA libraries that no case uses.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectRoot } from '../paths.js';

export const peersFolder = join(projectRoot, 'bench', 'peers');
const require = createRequire(join(peersFolder, 'package.json'));

/** Installs the packages if they are missing. Gives why that failed, or null. */
export function installPeers(): string | null {
  if (existsSync(join(peersFolder, 'node_modules', 'onnxruntime-node'))) return null;
  process.stderr.write('Installing the peers of the bench in bench/peers (about 400 MB) ...\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync('npm', args, { cwd: peersFolder, stdio: ['ignore', 'ignore', 'inherit'] });
  if (error !== undefined) return error.message;
  return status === 0 ? null : `npm install exited with ${status}`;
}

/** The address to import an installed package from. */
export const peerModule = (name: string): string => pathToFileURL(require.resolve(name)).href;

export function peerVersion(name: string): string {
  const manifest: { version: string } = JSON.parse(readFileSync(join(peersFolder, 'node_modules', name, 'package.json'), 'utf8'));
  return manifest.version;
}
