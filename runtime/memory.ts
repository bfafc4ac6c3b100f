/**
 * Freeing tensors: at once and by hand (`dispose`), at the end of a scope (`tidy`, `keep`), and the report of what is in use. What is
 * freed without being asked for is reclaim.ts.
 */
import type { DeviceMemory } from './devices/device.js';
import { openDevices } from './devices/registry.js';
import { type ErrorCode, OpwrightError } from './errors.js';
import { liveStorages } from './reclaim.js';
import { currentScope, setScope } from './scope.js';
import { Tensor } from './tensor.js';

/** Tensors alone, in arrays, plain objects, maps and sets, nested as deep as you like. */
export type TensorContainer = unknown;

/**
 * Runs a synchronous function and disposes every tensor that was made in it, except those it returns (see `TensorContainer`) and
 * those given to keep(). Scopes nest: what an inner one returns belongs to the outer one. If the function throws, all are disposed.
 *
 * Throws TIDY_ASYNC if the function is asynchronous: its tensors would be disposed before it ends.
 *
 * @example
 * ```ts
 * const { storages } = memory();
 * const mean = tidy(() => randn([1000]).square().mean());
 * console.log(memory().storages - storages, mean.shape);
 * ```
 */
export function tidy<T>(run: () => T): T {
  if (typeof run !== 'function') {
    throw new OpwrightError('INVALID_ARGUMENT', 'tidy() needs a function.', { op: 'tidy', argument: 'run' });
  }
  const outer = currentScope();
  const scope: Tensor[] = [];
  setScope(scope);
  let returned: ReadonlySet<Tensor> = noTensors;
  try {
    const result = run();
    rejectPromise(result, 'tidy', 'TIDY_ASYNC');
    returned = tensorsIn(result);
    return result;
  } finally {
    setScope(outer);
    closeScope(scope, returned, outer);
  }
}

const noTensors: ReadonlySet<Tensor> = new Set();

function closeScope(scope: readonly Tensor[], returned: ReadonlySet<Tensor>, outer: Tensor[] | null): void {
  for (const tensor of scope) {
    if (tensor.isKept || tensor.isDisposed) continue;
    if (returned.has(tensor)) outer?.push(tensor);
    else tensor.dispose();
  }
}

/** Throws if a function that was to be synchronous has returned a promise. */
export function rejectPromise(result: unknown, caller: string, code: ErrorCode): void {
  if (typeof result !== 'object' || result === null || !('then' in result) || typeof result.then !== 'function') return;
  // The function goes on after this and meets disposed tensors: that failure is a consequence, and reported here already.
  if (result instanceof Promise) result.catch(() => {});
  throw new OpwrightError(code, `${caller}() was given a function that returns a promise.`, {
    op: caller,
    argument: 'run',
    remedy: `Put ${caller}() around the synchronous parts and await outside of it; awaited reads reclaim unreachable tensors by themselves.`,
  });
}

/**
 * Exempts tensors from every tidy scope, open or to come; gives back what it was given.
 *
 * @example
 * ```ts
 * const [kept, other] = tidy(() => {
 *   const squares = [keep(ones([2])), ones([2])] as const;
 *   return [squares[0], squares[1].isKept];
 * });
 * console.log(kept.isDisposed, other);
 * ```
 */
export function keep<T extends TensorContainer>(tensors: T): T {
  for (const tensor of tensorsIn(tensors)) tensor.isKept = true;
  return tensors;
}

/**
 * Disposes all tensors in its arguments; anything else in them is ignored.
 *
 * @example
 * ```ts
 * const x = ones([2]);
 * const pair = { x, y: ones([3]) };
 * dispose(pair);
 * console.log(x.isDisposed, pair.y.isDisposed);
 * ```
 */
export function dispose(...tensors: TensorContainer[]): void {
  for (const tensor of tensorsIn(tensors)) tensor.dispose();
}

/** The tensors in a value. Other class instances are not looked into: they own their tensors. */
function tensorsIn(value: TensorContainer): ReadonlySet<Tensor> {
  if (value instanceof Tensor) return new Set([value]);
  if (typeof value !== 'object' || value === null) return noTensors;
  const found = new Set<Tensor>();
  const visited = new Set<unknown>();
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (next instanceof Tensor) found.add(next);
    else if (typeof next === 'object' && next !== null && !visited.has(next)) {
      visited.add(next);
      for (const member of membersOf(next)) pending.push(member);
    }
  }
  return found;
}

function membersOf(container: object): Iterable<unknown> {
  if (Array.isArray(container) || container instanceof Set) return container;
  if (container instanceof Map) return container.values();
  const prototype: unknown = Object.getPrototypeOf(container);
  return prototype === Object.prototype || prototype === null ? Object.values(container) : [];
}

export interface MemoryReport {
  /** Storages alive: neither disposed nor yet found unreachable. Several tensors may share one. */
  readonly storages: number;
  /** Their bytes, as asked for. */
  readonly bytes: number;
  /** What each opened device has handed out, rounded as its allocator does; parameters of kernels and the like included. */
  readonly devices: Readonly<Record<string, DeviceMemory>>;
}

/**
 * What is in use now. Nothing is collected for the report: unreachable tensors count until the collector found them.
 *
 * @example
 * ```ts
 * const before = memory();
 * const x = ones([1000]);
 * console.log(memory().storages - before.storages, memory().bytes - before.bytes);
 * x.dispose();
 * ```
 */
export function memory(): MemoryReport {
  const { count, bytes } = liveStorages();
  const devices = Object.fromEntries(openDevices().map((device) => [device.name, device.memory()]));
  return { storages: count, bytes, devices };
}
