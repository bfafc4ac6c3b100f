/** What things are called in generated TypeScript. Decided here once, for every emitter. */
import { isReservedWord } from '../lang/reserved.js';
import type { Op } from '../spec/model.js';

/** The file of an op's code, without folder: ops of one group share it. */
export const moduleName = (op: Op): string => kebab(op.group.replaceAll(' ', '-'));

/** The file of an op's test cases and documentation record, without folder. */
export const fileName = (op: Op): string => kebab(op.name);

/** The exported function. A reserved word cannot be declared, and gets an underscore. */
export const functionName = (op: Op): string => (isReservedWord(op.name) ? `${op.name}_` : op.name);

/** The function that writes its result into its first argument. */
export const inPlaceName = (op: Op): string => `${op.name}_`;

export const definitionName = (op: Op): string => `${op.name}Definition`;

export const optionsName = (op: Op): string => `${capitalised(op.name)}Options`;

export function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

export function kebab(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}
