/** Faults chosen by hand, each a piece of one compiled file and what stands there instead. The tables are in picked/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultClass, Mutant, Plan } from './mutant.js';
import { reverseMode } from './picked/gradients.js';
import { instructions } from './picked/instructions.js';
import { lowering } from './picked/lowering.js';
import { libraryKernels } from './picked/products.js';
import { calling } from './picked/runtime.js';
import { vectors } from './picked/vectors.js';

/** Faults of one file that are shown to the same tests. */
export interface PickedFaults {
  /** In dist/, without `.js`. */
  readonly file: string;
  readonly plan: Plan;
  readonly faults: readonly PickedFault[];
}

/** A text that stands once in the file, and its replacement. */
export type PickedFault = readonly [fault: FaultClass, find: string, replacement: string, plan?: Plan];

const tables: readonly PickedFaults[] = [...reverseMode, ...lowering, ...vectors, ...instructions, ...libraryKernels, ...calling];

/** Throws, naming them all, where faults find no place any more: code that changes takes its faults along. */
export function pickedMutants(dist: string): Mutant[] {
  const lost: string[] = [];
  const mutants = tables.flatMap(({ file, plan, faults }) => {
    const text = readFileSync(join(dist, `${file}.js`), 'utf8');
    return faults.map(([fault, find, replacement, own]): Mutant => {
      const start = text.indexOf(find);
      if (start < 0) lost.push(`not in ${file}: ${find}`);
      else if (text.indexOf(find, start + 1) >= 0) lost.push(`more than once in ${file}: ${find}`);
      return {
        id: `${file}: ${find} becomes ${replacement === '' ? 'nothing' : replacement}`,
        fault,
        file: `${file}.js`,
        edits: [{ start, end: start + find.length, text: replacement }],
        plan: own ?? plan,
      };
    });
  });
  if (lost.length > 0) throw new Error(`faults without a place:\n${lost.join('\n')}`);
  return mutants;
}
