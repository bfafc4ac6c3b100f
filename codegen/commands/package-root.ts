/**
 * Where the package lies that this program belongs to: a checkout, or a folder of node_modules.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from './command.js';

/** The nearest folder above this file that has an ops.yaml. */
export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'ops.yaml'))) return folder;
    if (dirname(folder) === folder) throw new UsageError("the library's ops.yaml is missing", 'install opwright again');
  }
}
