/** The loader hooks of plant.ts, which Node runs in a thread of their own. */
import { readFileSync } from 'node:fs';
import type { LoadHook } from 'node:module';
import type { Planted } from './plant.js';

let planted: Planted | undefined;

export function initialize(data: Planted): void {
  planted = data;
}

export const load: LoadHook = (url, context, nextLoad) =>
  url === planted?.module
    ? { format: 'module', source: readFileSync(planted.source, 'utf8'), shortCircuit: true }
    : nextLoad(url, context);
