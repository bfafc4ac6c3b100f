/**
 * The tidy scope that is open, if any: the list into which each new tensor enters itself. memory.ts opens and closes scopes; this
 * file exists so that tensors can enter without knowing how.
 */
import type { Tensor } from './tensor.js';

let current: Tensor[] | null = null;

/** Enters a tensor into the innermost open scope. */
export function track(tensor: Tensor): void {
  if (current !== null) current.push(tensor);
}

export function currentScope(): Tensor[] | null {
  return current;
}

export function setScope(scope: Tensor[] | null): void {
  current = scope;
}
