/**
 * From a kernel with concrete types and 128-bit vectors to a WebAssembly module, and what that module wants to be instantiated with.
 */
import type { Kernel } from '../ir.js';
import { expandMath } from '../math/expand.js';
import type { PrintOptions } from './frame.js';
import { printWasm } from './printer.js';

export type { PrintOptions } from './frame.js';
export { mathImports } from './host.js';

export function compileWasm(kernel: Kernel, options: PrintOptions = {}): Uint8Array<ArrayBuffer> {
  return printWasm(expandMath(kernel), options);
}
