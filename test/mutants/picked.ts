/** Faults chosen by hand, each a piece of one compiled file and what stands there instead. The tables are in picked/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultClass, Mutant, Plan } from './mutant.js';
import { cudaDevice } from './picked/cuda.js';
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

const tables: readonly PickedFaults[] = [
  ...reverseMode,
  ...lowering,
  ...vectors,
  ...instructions,
  ...libraryKernels,
  ...calling,
  ...cudaDevice,
];

export interface Planting {
  readonly mutants: readonly Mutant[];
  /** Faults whose text is not there any more, or not once: code that changes takes its faults along. */
  readonly lost: readonly string[];
}

export function pickedMutants(dist: string): Planting {
  const lost: string[] = [];
  const mutants = tables.flatMap(({ file, plan, faults }) => {
    const text = readFileSync(join(dist, `${file}.js`), 'utf8');
    return faults.flatMap(([fault, find, replacement, own]): Mutant[] => {
      const start = text.indexOf(find);
      if (start < 0 || text.indexOf(find, start + 1) >= 0) {
        lost.push(`${start < 0 ? 'not' : 'more than once'} in ${file}: ${find}`);
        return [];
      }
      const id = `${file}: ${find} becomes ${replacement === '' ? 'nothing' : replacement}`;
      const edit = { start, end: start + find.length, text: find.endsWith(';') && replacement === '' ? ';' : replacement };
      return [{ id, fault, file: `${file}.js`, edits: [edit], plan: own ?? plan }];
    });
  });
  return { mutants, lost };
}
