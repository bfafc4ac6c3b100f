/** The checks of the matrix by name, and which places (samples, error samples) of an op each goes through. */

import type { TierName } from '../../runtime/devices/device.js';
import { checkBroadcast } from './broadcast.js';
import { fullRun, type OpCase } from './cases.js';
import { checkDtypes } from './dtypes.js';
import { checkEmpty } from './empty.js';
import { checkErrors, checkMisuse } from './errors.js';
import { checkExample } from './examples.js';
import { checkGradients } from './gradients.js';
import { checkInPlace } from './in-place.js';
import { checkLayouts } from './layouts.js';
import type { Report } from './report.js';
import { checkRules } from './rules.js';
import { checkSecondOrder } from './second-order.js';
import { checkSizes, hasSizes } from './sizes.js';
import { checkValues } from './values.js';
import { checkWrites } from './writes.js';

// Read when the device opens, which is at the first tensor: a write outside of a tensor is an error, and fresh memory is no zero.
process.env.OPWRIGHT_DEBUG_ALLOCATOR ??= '1';

export interface Check {
  readonly name: string;
  readonly places: (test: OpCase) => readonly unknown[];
  readonly run: (test: OpCase, place: number, report: Report) => void;
}

export const checks: readonly Check[] = [
  { name: 'values', places: ({ samples }) => samples, run: checkValues },
  { name: 'gradient', places: ({ samples }) => samples, run: checkGradients },
  { name: 'broadcast', places: ({ samples }) => samples, run: checkBroadcast },
  { name: 'second-order', places: ({ samples }) => samples, run: checkSecondOrder },
  { name: 'layout', places: ({ samples }) => samples, run: checkLayouts },
  { name: 'dtype', places: ({ samples }) => samples, run: checkDtypes },
  { name: 'size', places: (one) => (hasSizes(one) ? [one.op] : []), run: checkSizes },
  { name: 'empty', places: ({ samples }) => samples, run: checkEmpty },
  { name: 'writes', places: ({ inputs, samples }) => (inputs.some(({ mutated }) => mutated) ? samples : []), run: checkWrites },
  { name: 'in-place', places: ({ inPlace, samples }) => (inPlace ? samples : []), run: checkInPlace },
  { name: 'rules', places: ({ samples }) => samples, run: checkRules },
  { name: 'errors', places: ({ errors }) => errors, run: checkErrors },
  { name: 'misuse', places: ({ op }) => [op], run: checkMisuse },
  { name: 'example', places: ({ example }) => (example === null ? [] : [example]), run: checkExample },
];

/**
 * What the short run does where each kernel takes a compiler a tenth of a second, in native code and for CUDA: not what is decided before a kernel
 * runs, and not second derivatives, which run the same kinds of kernels as the first.
 */
export const compiledChecks: ReadonlySet<string> = new Set(['values', 'gradient', 'writes', 'in-place']);

/** Every layout makes kernels of its own: the short run tries those of each op's first sample where a compiler makes kernels. */
export function isTriedPlace({ name }: Check, tier: TierName, place: number): boolean {
  return fullRun || tier === 'wasm' || name !== 'layout' || place === 0;
}
