/**
 * The one place where commands reach the library itself: those that are about the machine it runs on. It is loaded when such a command
 * runs, so that everything that works on specs goes without it, and works where it is broken.
 */
export type Machine = typeof import('../../entry/machine.js');

export function loadMachine(): Promise<Machine> {
  return import('../../entry/machine.js');
}
