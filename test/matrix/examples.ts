/** The documentation's examples: each must run, with the package's exports in reach. */
import * as opwright from '../../entry/index.js';
import type { OpCase } from './cases.js';
import type { Report } from './report.js';

export function checkExample(test: OpCase, _: number, report: Report): void {
  const text = test.example!.replaceAll(/^import .* from 'opwright';$/gm, '');
  const names = Object.keys(opwright);
  const run = new Function(...names, `'use strict'; ${text}`);
  opwright.tidy(() => run(...Object.values(opwright)));
  report.count();
}
