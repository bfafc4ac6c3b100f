/**
 * Preloaded with `--import` into a process that tests a mutant: the one module that OPWRIGHT_MUTANT names is loaded with other text. The
 * build on disk stays as it is, so that mutants can be tested side by side.
 */
import { register } from 'node:module';

/** `module` is the URL of the mutated module, `source` the path of its new text. */
export interface Planted {
  readonly module: string;
  readonly source: string;
}

const planted = process.env.OPWRIGHT_MUTANT;
if (planted !== undefined) register('./plant-hooks.js', import.meta.url, { data: JSON.parse(planted) });
