/** Names for the locals that a pass adds to a kernel. */
import type { Kernel } from './ir.js';
import { visitStatements } from './traverse.js';

/** Hands out names that the kernel does not use. */
export class Names {
  readonly #used = new Set<string>(['begin', 'end']);

  constructor(kernel: Kernel) {
    for (const { name } of [...kernel.buffers, ...kernel.params]) this.#used.add(name);
    visitStatements(kernel.body, (statement) => {
      if ('name' in statement) this.#used.add(statement.name);
    });
  }

  fresh(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#used.has(name); count++) name = `${wanted}_${count}`;
    this.#used.add(name);
    return name;
  }
}
