/** The documentation's examples: each must run, and print what the documentation shows. */
import { isSamePrint, readRecord, recordFile, runExample } from '../support/examples.js';
import type { OpCase } from './cases.js';
import type { Report } from './report.js';

export function checkExample(test: OpCase, _: number, report: Report): void {
  if (test.example === null) return;
  const printed = runExample(test.example);
  const recorded = readRecord()[test.op];
  if (recorded === undefined) throw new Error(`${recordFile} has no entry: run npm run examples`);
  if (!isSamePrint(printed, recorded))
    throw new Error(
      `the example prints\n${printed.join('\n')}\nand not what is recorded (npm run examples)\n${recorded.join('\n')}`,
    );
  report.count();
}
