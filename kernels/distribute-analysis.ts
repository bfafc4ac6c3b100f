/**
 * What of a kernel the threads of a group can share, told from its structure: loops over the items, loops marked `vector` whose turns are
 * independent but for what they accumulate, and around these nothing that all threads could not do alike. distribute.ts writes the result.
 */
import { type AccumulateKind, bytesOf, type Expr, type Extent, type Kernel, type Stmt, type Storage, type Type } from './ir.js';
import { localAtom, paramOf, polynomialOf, slopeIn } from './polynomial.js';
import { blocksOf, expressionsOf, mapOperands, visitExpr, visitStatements } from './traverse.js';
import { accumulatorsOf, declaredIn, type Loop } from './vectorise-analysis.js';
import { type Running, runningTotal } from './vectorise-running.js';

export type Accumulators = ReadonlyMap<string, { readonly kind: AccumulateKind; readonly type: Type }>;

/** The loop over the items. */
export function isOverItems(statement: Stmt): statement is Loop {
  return statement.do === 'for' && statement.step === 1 && isLocal(statement.from, 'begin') && isLocal(statement.to, 'end');
}

/** Whether a condition is the same for all threads of the grid. */
export function isUniform(expr: Expr): boolean {
  let uniform = true;
  visitExpr(expr, (node) => {
    if (node.op === 'local' || node.op === 'load') uniform = false;
  });
  return uniform;
}

/** The loops that threads share: the outermost ones marked `vector`. */
export function sharedLoops(statements: readonly Stmt[]): readonly Loop[] {
  return statements.flatMap((statement) =>
    statement.do === 'for' && statement.vector ? [statement] : blocksOf(statement).flatMap((block) => sharedLoops(block)),
  );
}

export const hasSharedLoop = (statement: Stmt): boolean => sharedLoops([statement]).length > 0;

/** What a loop adds to locals from outside, or undefined if its turns depend on each other in other ways. */
export function accumulatorsIn(loop: Loop): Accumulators | undefined {
  if (loop.step !== 1 || leavesLoop(loop.body) || !storesApart(loop.body)) return undefined;
  const accumulators = accumulatorsOf(loop, declaredIn(loop));
  const hasIdentity = [...(accumulators?.values() ?? [])].every(
    ({ kind, type }) => type.scalar !== 'bool' || kind === 'any' || kind === 'all',
  );
  return hasIdentity ? accumulators : undefined;
}

/** The running totals of a loop, in order, by the names of what they have come to. */
export interface RunningTotals {
  /** The loop with a local for each in place of what accumulates: at first what is added. */
  readonly loop: Loop;
  readonly totals: ReadonlyMap<string, Running>;
}

/** The running totals of a loop that has any, where nothing is stored before they are known. */
export function runningTotalsOf(loop: Loop, fresh: (wanted: string) => string): RunningTotals | undefined {
  if (loop.step !== 1 || leavesLoop(loop.body) || !storesApart(loop.body)) return undefined;
  const totals = new Map<string, Running>();
  let rest = loop;
  for (let found = nextTotal(rest, fresh); found !== undefined; found = nextTotal(rest, fresh)) {
    totals.set(found.name, found);
    rest = found.loop;
  }
  const last = rest.body.findLastIndex((statement) => statement.do === 'let' && totals.has(statement.name));
  return declaresOnly(rest.body.slice(0, last + 1)) && accumulatorsIn(rest)?.size === 0 ? { loop: rest, totals } : undefined;
}

const nextTotal = (loop: Loop, fresh: (wanted: string) => string): Running | undefined =>
  runningTotal(loop, fresh, (kind): kind is AccumulateKind => kind !== 'any' && kind !== 'all');

const declaresOnly = (statements: readonly Stmt[]): boolean =>
  statements.every((statement) => statement.do === 'let' && !statement.mutable);

/**
 * A count in memory that each turn of a loop takes one further, and may have used as it was before:
 * `let count = counts[i]; counts[i] = count + 1`.
 */
export interface Tally {
  readonly buffer: string;
  readonly index: Expr;
  readonly type: Type;
  /** The local that has the count, if there is one. */
  readonly count: string | undefined;
  readonly before: readonly Stmt[];
  readonly after: readonly Stmt[];
}

/** The tally of a loop that has one, where else its turns are independent. */
export function tallyOf(loop: Loop): Tally | undefined {
  const at = loop.body.findIndex((statement) => statement.do === 'store');
  const stored = loop.body[at];
  if (stored?.do !== 'store') return undefined;
  const { buffer, index, value } = stored;
  if (value.op !== 'binary' || value.name !== 'add' || value.type.scalar !== 'i32' || !isOne(value.right)) return undefined;
  const declared = loop.body[at - 1];
  const hasCount = declared?.do === 'let' && !declared.mutable && isLocal(value.left, declared.name);
  const loaded = hasCount ? declared.value : value.left;
  const isCount = loaded.op === 'load' && loaded.buffer === buffer && isSame(loaded.index, index);
  const before = loop.body.slice(0, hasCount ? at - 1 : at);
  const rest: Loop = { ...loop, body: [...loop.body.slice(0, at), ...loop.body.slice(at + 1)] };
  const isTouched = storedIn(rest.body).has(buffer) || expressionsIn(before).some((expr) => loadsAny(expr, new Set([buffer])));
  if (!isCount || isTouched || !declaresOnly(before) || accumulatorsIn(rest)?.size !== 0) return undefined;
  return { buffer, index, type: value.type, count: hasCount ? declared.name : undefined, before, after: loop.body.slice(at + 1) };
}

const isOne = (expr: Expr): boolean => expr.op === 'const' && expr.value === 1;
const isLocal = (expr: Expr, name: string): boolean => expr.op === 'local' && expr.name === name;
const isSame = (left: Expr, right: Expr): boolean => JSON.stringify(left) === JSON.stringify(right);
const expressionsIn = (statements: readonly Stmt[]): readonly Expr[] => statements.flatMap(expressionsOf);

/** A `break` or `continue` of the loop itself. */
function leavesLoop(statements: readonly Stmt[]): boolean {
  return statements.some((statement) => {
    if (statement.do === 'break' || statement.do === 'continue') return true;
    return statement.do === 'if' && blocksOf(statement).some(leavesLoop);
  });
}

/**
 * No turn loads or stores what another one stores: what is stored to is loaded at the same place only, and no place is read from
 * memory, for of two turns that meet there the later one has to be the last; unless it is said that none meet.
 */
function storesApart(statements: readonly Stmt[]): boolean {
  const places = new Map<string, string>();
  const read = new Set<string>();
  let apart = true;
  visitStatements(statements, (statement) => {
    if ((statement.do === 'let' || statement.do === 'set') && isRead(statement.value, read)) read.add(statement.name);
    if (statement.do !== 'store') return;
    if (!statement.alone && isRead(statement.index, read)) apart = false;
    places.set(statement.buffer, JSON.stringify(statement.index));
  });
  visitStatements(statements, (statement) => {
    for (const expr of expressionsOf(statement))
      visitExpr(expr, (node) => {
        if (node.op !== 'load') return;
        const place = places.get(node.buffer);
        if (place !== undefined && place !== JSON.stringify(node.index)) apart = false;
      });
  });
  return apart;
}

/** Whether a value comes from memory, itself or by way of the locals named. */
function isRead(expr: Expr, locals: ReadonlySet<string>): boolean {
  let reads = false;
  visitExpr(expr, (node) => {
    if (node.op === 'load' || (node.op === 'local' && locals.has(node.name))) reads = true;
  });
  return reads;
}

/**
 * Where the shared loops of a statement store and what they touch at all, by buffer. A place is told by its index over the loop's turns:
 * loops that have one place in common give each of its elements to the same thread.
 */
export function sharedPlaces(statement: Stmt): { readonly stored: Places; readonly touched: Places } {
  const [stored, touched] = [new Map<string, Set<string>>(), new Map<string, Set<string>>()];
  const note = (places: Map<string, Set<string>>, buffer: string, place: string): void => {
    places.set(buffer, (places.get(buffer) ?? new Set()).add(place));
  };
  for (const loop of sharedLoops([statement])) {
    const turn: Expr = { op: 'local', type: loop.from.type, name: '' };
    const placeOf = (index: Expr): string => JSON.stringify([loop.from, loop.to, withLocal(index, loop.name, turn)]);
    visitStatements(loop.body, (inner) => {
      if (inner.do === 'store') {
        note(stored, inner.buffer, placeOf(inner.index));
        note(touched, inner.buffer, placeOf(inner.index));
      }
      for (const expr of expressionsOf(inner))
        visitExpr(expr, (node) => {
          if (node.op === 'load') note(touched, node.buffer, placeOf(node.index));
        });
    });
  }
  return { stored, touched };
}

export type Places = ReadonlyMap<string, ReadonlySet<string>>;

/** Whether some of the later places may be another thread's than the earlier ones of the same buffer. */
export function meet(earlier: Places, later: Places): boolean {
  return [...later].some(([buffer, places]) => {
    const before = earlier.get(buffer);
    return before !== undefined && (before.size > 1 || [...places].some((place) => !before.has(place)));
  });
}

const withLocal = (expr: Expr, name: string, value: Expr): Expr =>
  expr.op === 'local' && expr.name === name ? value : mapOperands(expr, (operand) => withLocal(operand, name, value));

function storedIn(statements: readonly Stmt[]): ReadonlySet<string> {
  const stored = new Set<string>();
  visitStatements(statements, (statement) => {
    if (statement.do === 'store') stored.add(statement.buffer);
  });
  return stored;
}

/** Whether the threads of a group can do a body together: share its `vector` loops, and go through all else alike. */
export function isShareable(body: readonly Stmt[], fresh: (wanted: string) => string): boolean {
  const loops = sharedLoops(body);
  if (loops.length === 0) return false;
  const stored = storedIn(body);
  const alike = (statements: readonly Stmt[]): boolean =>
    statements.every((statement) => {
      if (statement.do === 'for' && statement.vector) return true;
      if (expressionsOf(statement).some((expr) => loadsAny(expr, stored))) return false;
      if (!hasSharedLoop(statement)) return statement.do === 'store' || storedIn([statement]).size === 0;
      return (statement.do === 'for' || statement.do === 'if') && !leavesLoop([statement]) && blocksOf(statement).every(alike);
    });
  const shareable = loops.every(
    (loop) => accumulatorsIn(loop) !== undefined || runningTotalsOf(loop, fresh) !== undefined || tallyOf(loop) !== undefined,
  );
  return shareable && alike(body) && !readsPartly(body, fresh);
}

function loadsAny(expr: Expr, buffers: ReadonlySet<string>): boolean {
  let loads = false;
  visitExpr(expr, (node) => {
    if (node.op === 'load' && buffers.has(node.buffer)) loads = true;
  });
  return loads;
}

/** Whether something reads what a loop accumulates before all of the statement that it stands in is done. */
function readsPartly(statements: readonly Stmt[], fresh: (wanted: string) => string): boolean {
  return statements.some((statement) => {
    if (!hasSharedLoop(statement) || (statement.do === 'for' && statement.vector)) return false;
    const accumulated = new Set(sharedLoops([statement]).flatMap((loop) => [...(accumulatorsIn(loop)?.keys() ?? [])]));
    const declared = new Set<string>();
    let reads = false;
    visitStatements([statement], (inner) => {
      if (inner.do === 'let') declared.add(inner.name);
      if (inner.do === 'set' && accumulated.has(inner.name) && !declared.has(inner.name)) reads = true;
      for (const expr of expressionsOf(inner))
        visitExpr(expr, (node) => {
          if (node.op === 'local' && accumulated.has(node.name) && !declared.has(node.name)) reads = true;
        });
    });
    return reads || blocksOf(statement).some((block) => readsPartly(block, fresh));
  });
}

// Lengths

/** How long the loops are that threads share, as far as a launch can know; an upper bound where it is the lesser of two lengths. */
export function extentOf(loops: readonly Loop[], body: readonly Stmt[]): Extent | undefined {
  const values = valuesIn(body);
  for (const { from, to } of loops) {
    const ends = endsOf(to, values);
    for (const limit of ends) {
      const terms = polynomialOf({ op: 'binary', type: to.type, name: 'sub', left: limit, right: from }, (name) =>
        values.get(name),
      );
      const extent = terms.map(({ factor, atoms }) => ({ factor, params: atoms.map(paramOf) }));
      if (extent.every(({ params }) => params.every((name) => name !== undefined)))
        return extent.map(({ factor, params }) => ({ factor, params: params.filter((name) => name !== undefined) }));
    }
  }
  return undefined;
}

function endsOf(expr: Expr, values: ReadonlyMap<string, Expr>): readonly Expr[] {
  const value = expr.op === 'local' ? (values.get(expr.name) ?? expr) : expr;
  return value.op === 'binary' && value.name === 'min' ? [value.left, value.right] : [value];
}

/** What immutable integers of a body are declared as. */
export function valuesIn(body: readonly Stmt[]): ReadonlyMap<string, Expr> {
  const values = new Map<string, Expr>();
  visitStatements(body, (statement) => {
    if (statement.do === 'let' && !statement.mutable && statement.value.type.scalar === 'i32')
      values.set(statement.name, statement.value);
  });
  return values;
}

// Vectors

/** A load or store of consecutive elements by consecutive turns, at a place that is known before the turn begins. */
export interface Consecutive {
  readonly buffer: string;
  readonly type: Type;
  /** As a function of the loop variable and of locals from outside. */
  readonly index: Expr;
  readonly key: string;
}

export class Accesses {
  readonly #values: ReadonlyMap<string, Expr>;
  readonly #inside: ReadonlySet<string>;

  constructor(readonly loop: Loop) {
    this.#values = new Map(
      loop.body.flatMap((statement) =>
        statement.do === 'let' && !statement.mutable && statement.value.type.scalar === 'i32'
          ? [[statement.name, statement.value] as const]
          : [],
      ),
    );
    this.#inside = declaredIn(loop);
  }

  consecutive(buffer: string, type: Type, index: Expr): Consecutive | undefined {
    const resolved = this.#resolve(index);
    let known = type.lanes === 1;
    visitExpr(resolved, (node) => {
      if (node.op === 'load') known = false;
      if (node.op === 'local' && node.name !== this.loop.name && this.#inside.has(node.name)) known = false;
    });
    if (!known || slopeIn(polynomialOf(resolved), localAtom(this.loop.name)) !== 1) return undefined;
    return { buffer, type, index: resolved, key: `${buffer}[${JSON.stringify(resolved)}]` };
  }

  #resolve(expr: Expr): Expr {
    const value = expr.op === 'local' ? this.#values.get(expr.name) : undefined;
    return value === undefined ? mapOperands(expr, (operand) => this.#resolve(operand)) : this.#resolve(value);
  }

  /** Of the statements that every turn runs, from buffers that it does not store to. */
  loads(): ReadonlyMap<string, Consecutive> {
    const stored = storedIn(this.loop.body);
    const found = new Map<string, Consecutive>();
    for (const statement of this.loop.body) {
      if (blocksOf(statement).length > 0) continue;
      for (const expr of expressionsOf(statement))
        visitExpr(expr, (node) => {
          if (node.op !== 'load' || stored.has(node.buffer)) return;
          const access = this.consecutive(node.buffer, node.type, node.index);
          if (access !== undefined) found.set(access.key, access);
        });
    }
    return found;
  }

  /** Stores that can be put off to the end of several turns: those of buffers that nothing else in the loop touches after. */
  stores(): ReadonlyMap<Stmt, Consecutive> {
    const counts = new Map<string, number>();
    visitStatements(this.loop.body, (statement) => {
      if (statement.do === 'store') counts.set(statement.buffer, (counts.get(statement.buffer) ?? 0) + 1);
    });
    const loaded = new Set<string>();
    visitStatements(this.loop.body, (statement) => {
      for (const expr of expressionsOf(statement))
        visitExpr(expr, (node) => {
          if (node.op === 'load') loaded.add(node.buffer);
        });
    });
    const found = new Map<Stmt, Consecutive>();
    this.loop.body.forEach((statement) => {
      if (statement.do !== 'store' || counts.get(statement.buffer) !== 1) return;
      const access = this.consecutive(statement.buffer, statement.value.type, statement.index);
      if (access !== undefined && !loaded.has(statement.buffer)) found.set(statement, access);
    });
    return found;
  }
}

const accessBytes = 16;
/** Turns that one thread takes on together are no more than this many operations; a transcendental function is worth several. */
const mostOperations = 384;
const transcendental = 24;

/** How many turns a thread takes on together, so that it moves up to 16 bytes at once. One number serves all loops of a kernel. */
export function lanesOf(kernel: Kernel, loops: readonly Loop[]): number {
  const storages = new Map<string, Storage>(kernel.buffers.map(({ name, storage }) => [name, concrete(kernel, storage)]));
  let widest = 0;
  let operations = 0;
  for (const loop of loops) {
    const accesses = new Accesses(loop);
    for (const { buffer } of [...accesses.loads().values(), ...accesses.stores().values()])
      widest = Math.max(widest, bytesOf[storages.get(buffer)!]);
    operations = Math.max(operations, operationsIn(loop.body));
  }
  if (widest === 0) return 1;
  let lanes = Math.min(accessBytes / widest, 8);
  while (lanes > 1 && lanes * operations > mostOperations) lanes /= 2;
  return lanes;
}

function concrete(kernel: Kernel, storage: string): Storage {
  if (!isStorage(storage)) throw new TypeError(`kernel ${kernel.name}: a buffer is still of dtype ${storage}`);
  return storage;
}

const isStorage = (storage: string): storage is Storage => Object.hasOwn(bytesOf, storage);

const plain: ReadonlySet<string> = new Set([
  'neg',
  'abs',
  'sqrt',
  'floor',
  'ceil',
  'trunc',
  'rint',
  'not',
  'bitNot',
  'clz',
  'popcount',
]);

function operationsIn(statements: readonly Stmt[]): number {
  let count = 0;
  visitStatements(statements, (statement) => {
    for (const expr of expressionsOf(statement))
      visitExpr(expr, (node) => {
        const isHeavy =
          node.op === 'unary' ? !plain.has(node.name) : node.op === 'binary' && (node.name === 'pow' || node.name === 'atan2');
        if (node.op !== 'const' && node.op !== 'local' && node.op !== 'param') count += isHeavy ? transcendental : 1;
      });
  });
  return count;
}
