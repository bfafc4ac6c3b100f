/**
 * What a name means inside a kernel function: a buffer, a value, or a local of the IR. Scopes nest as blocks do; an inlined helper
 * starts a scope of its own, so that it sees its arguments and nothing of its caller.
 */
import type { Expr, Storage, Type } from '../../kernels/ir.js';

export interface BufferBinding {
  readonly kind: 'buffer';
  readonly name: string;
  readonly storage: Storage | string;
  /** What the function does with it, filled in as it is compiled. */
  readonly used: { read: boolean; written: boolean };
}

export interface LocalBinding {
  readonly kind: 'local';
  readonly name: string;
  readonly type: Type;
  readonly mutable: boolean;
  /** How many `lanes` loops enclose the declaration. */
  readonly lanesDepth: number;
}

/** A parameter, or an argument of an inlined helper. */
export interface ValueBinding {
  readonly kind: 'value';
  readonly value: Expr;
}

export type Binding = BufferBinding | LocalBinding | ValueBinding;

export class Scope {
  readonly #parent: Scope | undefined;
  readonly #bindings = new Map<string, Binding>();

  constructor(parent?: Scope) {
    this.#parent = parent;
  }

  define(name: string, binding: Binding): void {
    this.#bindings.set(name, binding);
  }

  find(name: string): Binding | undefined {
    return this.#bindings.get(name) ?? this.#parent?.find(name);
  }
}
