/**
 * What is taken for options. Layers, optimizers, readers and writers check names here and values where they use them; of ops only that
 * options are an object is checked here: the call itself knows their names (kernels/call.ts).
 */
import type { OpDefinition } from '../kernels/op.js';
import { formatValue, OpwrightError } from './errors.js';

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

/** The options of an op. Throws INVALID_ARGUMENT if they are no plain object: a tensor or number in their place was meant for something. */
export function optionsOf<Options extends object>({ name }: OpDefinition, options: Options): Options {
  if (isPlainObject(options)) return options;
  throw new OpwrightError('INVALID_ARGUMENT', `The options of ${name} must be an object, not ${formatValue(options)}.`, {
    op: name,
    argument: 'options',
    remedy: 'Give optional arguments by name, as in { name: value }.',
  });
}

/** What stands behind the arguments of an op that has no options. A number there is the index that map() and reduce() give to a callback. */
export function surplusOptions(op: OpDefinition, given: unknown): object | undefined {
  if (given === undefined || typeof given === 'number') return undefined;
  if (isPlainObject(given)) return given;
  throw new OpwrightError('INVALID_ARGUMENT', `${op.name} takes no further argument, but was given ${formatValue(given)}.`, {
    op: op.name,
  });
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
