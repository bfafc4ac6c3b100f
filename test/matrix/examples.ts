/** The documentation's examples: each must run, and print what the documentation shows. */
import { isSamePrint, readRecord, recordFile, runExample } from '../support/examples.js';
import type { OpCase } from './cases.js';
import type { Report } from './report.js';

export function checkExample(test: OpCase, _: number, report: Report): void {
  if (test.example === null) return;
  // The documentation shows the cpu.
  const printed = runExample(test.example).map((line) => line.replaceAll('device=cuda:0', 'device=cpu'));
  const recorded = readRecord()[test.op];
  if (recorded === undefined) throw new Error(`${recordFile} has no entry: run npm run examples`);
  if (!isSamePrint(printed, recorded))
    throw new Error(
      `the example prints\n${printed.join('\n')}\nand not what is recorded (npm run examples)\n${recorded.join('\n')}`,
    );
  report.count();
}
