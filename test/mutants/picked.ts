/** Faults chosen by hand, each a piece of one compiled file and what stands there instead. The tables are in picked/. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultClass, Mutant, Plan } from './mutant.js';

/** Faults of one file that are shown to the same tests. */
export interface PickedFaults {
  /** In dist/, without `.js`. */
  readonly file: string;
  readonly plan: Plan;
  readonly faults: readonly PickedFault[];
}

/** A text that stands once in the file, and its replacement. */
export type PickedFault = readonly [fault: FaultClass, find: string, replacement: string, plan?: Plan];

const tables: readonly PickedFaults[] = [];

export function pickedMutants(dist: string): Mutant[] {
  return tables.flatMap(({ file, plan, faults }) => {
    const text = readFileSync(join(dist, `${file}.js`), 'utf8');
    return faults.map(([fault, find, replacement, own]): Mutant => {
      const start = text.indexOf(find);
      if (start < 0 || text.indexOf(find, start + 1) >= 0)
        throw new Error(`${start < 0 ? 'not there' : 'there more than once'} in ${file}: ${find}`);
      return {
        id: `${file}: ${find} becomes ${replacement}`,
        fault,
        file: `${file}.js`,
        edits: [{ start, end: start + find.length, text: replacement }],
        plan: own ?? plan,
      };
    });
  });
}
