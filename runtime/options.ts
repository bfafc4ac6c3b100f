/**
 * The check of options objects outside of generated ops: layers, optimizers, readers and writers. Values are checked where they are used.
 */
import { OpwrightError } from './errors.js';

/** Throws UNKNOWN_OPTION if the options have a key that is not among the known ones. */
export function checkOptions(caller: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new OpwrightError('UNKNOWN_OPTION', `${caller} has no option ${name}.`, {
      op: caller,
      argument: name,
      remedy: known.length === 0 ? 'It takes no options.' : `Use ${known.join(', ')}.`,
    });
  }
}
