/** Where the project lies, seen from the compiled bench or from its sources. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'bench', 'peers', 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('The bench runs in a checkout of the project only.');
  return findRoot(parent);
}
