/**
 * Shares a kernel's work out between the threads of a GPU, as a group program. Where items are elements, threads take them side by side;
 * where an item is a row with loops marked `vector`, the threads of a group share those loops and bring together what they have
 * accumulated; where items are columns that lie side by side, 32 of them are a group's and its other threads stand above each other.
 * Either way neighbours in a warp touch neighbours in memory, and where it pays a thread moves up to 16 bytes at once.
 *
 * Kernels of other forms are left as they are: a thread runs one item after another, on its own. The order in which results are
 * combined follows from lengths alone (group.ts), so results repeat.
 */
import {
  add,
  and,
  Body,
  begin,
  binary,
  div,
  end,
  eq,
  i32,
  lane,
  load,
  local,
  lt,
  min,
  mul,
  select,
  shl,
  shr,
  sub,
  unary,
  variable,
  vectorType,
} from './build.js';
import { combine, identity } from './combine.js';
import {
  Accesses,
  type Accumulators,
  accumulatorsIn,
  extentOf,
  hasSharedLoop,
  isOverItems,
  isShareable,
  isUniform,
  lanesOf,
  meet,
  type RunningTotals,
  runningTotalsOf,
  sharedLoops,
  sharedPlaces,
  type Tally,
  tallyOf,
} from './distribute-analysis.js';
import {
  barrier,
  group,
  groups,
  overColumn,
  overGroup,
  type Part,
  pack,
  peers,
  running,
  SharedArrays,
  thread,
  threads,
  warpSize,
} from './group.js';
import type { AccumulateKind, Expr, Extent, Kernel, Stmt, Type } from './ir.js';
import { Names } from './names.js';
import { blocksOf, mapOperands, mapStatement } from './traverse.js';
import type { Loop } from './vectorise-analysis.js';

/** The kernel as a group program; the same object where there is nothing to share. */
export function distribute(kernel: Kernel): Kernel {
  if (kernel.group !== undefined) return kernel;
  return new Distribution(kernel).run() ?? kernel;
}

/** Counts of a group are taken further by one warp, whose threads know of each other: more warps would have to wait in turn. */
const oneWarp: Extent = [{ factor: warpSize, params: [] }];
/** Threads of a group where each element is an item. */
const elementThreads = 256;

/** How the turns of a loop are dealt out: to `index`, and on from there in steps of `count`. */
interface Dealing {
  readonly index: Expr;
  readonly count: Expr;
}

/** How an item is shared. */
interface Sharing {
  readonly dealing: Dealing;
  /** Whether the thread is the one that stores what belongs to the item as a whole. */
  readonly leads: Expr;
  /** Whether the thread's item exists; absent where all of a group's do. */
  readonly inside?: Expr;
  bringTogether(body: Body, parts: readonly Part[]): void;
}

class Distribution {
  readonly #names: Names;
  readonly #shared = new SharedArrays();
  readonly #lanes: number;
  readonly #side: 'loops' | 'items';
  readonly #loops: readonly Loop[];
  #sharesItems = false;
  #sharesElements = false;

  constructor(readonly kernel: Kernel) {
    this.#names = new Names(kernel);
    this.#side = kernel.adjoining === 'items' ? 'items' : 'loops';
    this.#loops = sharedLoops(kernel.body);
    this.#lanes = this.#side === 'items' ? 1 : lanesOf(kernel, this.#loops);
  }

  run(): Kernel | undefined {
    const body = this.#top(this.kernel.body);
    if (this.#sharesItems) {
      const hasTallies = this.#loops.some((loop) => tallyOf(loop) !== undefined);
      const threads = hasTallies ? oneWarp : (extentOf(this.#loops, this.kernel.body) ?? warpSize);
      const items = this.#side === 'items' ? warpSize : 1;
      return { ...this.kernel, body, group: { threads, items, shared: this.#shared.all } };
    }
    if (!this.#sharesElements) return undefined;
    return { ...this.kernel, body, group: { threads: elementThreads, items: elementThreads * this.#lanes, shared: [] } };
  }

  readonly #fresh = (wanted: string): string => this.#names.fresh(wanted);

  // Items

  #top(statements: readonly Stmt[]): readonly Stmt[] {
    const body = new Body();
    for (const statement of statements) this.#topStatement(body, statement);
    return body.statements;
  }

  #topStatement(body: Body, statement: Stmt): void {
    const isItems = isOverItems(statement);
    if (statement.do === 'let') body.push(statement);
    else if (isItems && statement.vector && accumulatorsIn(statement)?.size === 0) this.#elements(body, statement);
    else if (isItems && !statement.vector && isShareable(statement.body, this.#fresh)) this.#items(body, statement);
    else if (statement.do === 'if' && isUniform(statement.condition)) body.push(this.#inBranches(statement));
    else this.#oneByOne(body, statement);
  }

  #inBranches(statement: Extract<Stmt, { do: 'if' }>): Stmt {
    const then = this.#top(statement.then);
    return statement.else === undefined ? { ...statement, then } : { ...statement, then, else: this.#top(statement.else) };
  }

  /** The threads of the grid, in a row. */
  #ofGrid(): Dealing {
    return { index: add(mul(group, threads), thread), count: mul(groups, threads) };
  }

  #elements(body: Body, loop: Loop): void {
    this.#sharesElements = true;
    this.#deal(body, loop, this.#named(body, this.#ofGrid()));
  }

  /** Each thread on its own, an item at a time. */
  #oneByOne(body: Body, statement: Stmt): void {
    const { index, count } = this.#named(body, this.#ofGrid());
    body.for(this.#fresh('turn'), 0, turns(sub(end, begin), { index, count }), (turn, each) => {
      const item = each.let(this.#fresh('own'), add(add(begin, index), mul(turn, count)));
      const ends = new Map([
        ['begin', item],
        ['end', add(item, 1)],
      ]);
      each.push(...new Renaming(ends, this.#fresh).statements([statement]));
    });
  }

  #items(body: Body, loop: Loop): void {
    this.#sharesItems = true;
    const isColumn = this.#side === 'items';
    const tiles = isColumn ? div(add(sub(end, begin), warpSize - 1), warpSize) : sub(end, begin);
    body.for(this.#fresh('turn'), 0, turns(tiles, { index: group, count: groups }), (turn, each) => {
      const tile = add(group, mul(turn, groups));
      if (isColumn) this.#columns(each, loop, tile);
      else {
        each.let(loop.name, add(begin, tile));
        const leads = eq(thread, 0);
        const dealing = { index: thread, count: threads };
        this.#share(each, loop.body, {
          dealing,
          leads,
          bringTogether: (target, parts) => overGroup(target, parts, this.#shared, this.#fresh),
        });
      }
    });
  }

  #columns(body: Body, loop: Loop, tile: Expr): void {
    const own = body.let(this.#fresh('own'), add(begin, add(mul(tile, warpSize), and(thread, warpSize - 1))));
    const inside = body.let(this.#fresh('inside'), lt(own, end));
    body.let(loop.name, min(own, sub(end, 1)));
    const dealing = { index: shr(thread, 5), count: shr(threads, 5) };
    this.#share(body, loop.body, {
      dealing,
      inside,
      leads: and(inside, eq(shr(thread, 5), 0)),
      bringTogether: (target, parts) => overColumn(target, parts, this.#shared, this.#fresh),
    });
  }

  #named(body: Body, { index, count }: Dealing): Dealing {
    return { index: body.let(this.#fresh('index'), index), count: body.let(this.#fresh('count'), count) };
  }

  // One item by many threads

  #share(body: Body, statements: readonly Stmt[], sharing: Sharing): void {
    const declared = new Map<string, Type>();
    let stores: Stmt[] = [];
    /** What shared loops have stored to since the last barrier. */
    const changed = new Map<string, ReadonlySet<string>>();
    // What one thread is to store, another one may still have to read: an output may lie where an input does.
    const flush = (): void => {
      const held = stores;
      stores = [];
      if (held.length === 0) return;
      body.push(barrier);
      body.if(sharing.leads, (leader) => leader.push(...held));
    };
    for (const statement of statements) {
      if (statement.do === 'store') {
        stores.push(statement);
        continue;
      }
      flush();
      if (statement.do === 'let' && statement.mutable) declared.set(statement.name, statement.value.type);
      if (!hasSharedLoop(statement)) {
        body.push(statement);
        continue;
      }
      const { stored, touched } = sharedPlaces(statement);
      // Threads may take other elements now than before. Those that share columns keep to their own.
      if (sharing.inside === undefined && meet(changed, touched)) {
        body.push(barrier);
        changed.clear();
      }
      this.#accumulating(body, statement, declared, sharing);
      for (const [buffer, places] of stored) changed.set(buffer, new Set([...(changed.get(buffer) ?? []), ...places]));
    }
    flush();
  }

  /** A statement with shared loops in it: what they accumulate is each thread's own until it is done. */
  #accumulating(body: Body, statement: Stmt, declared: ReadonlyMap<string, Type>, sharing: Sharing): void {
    if (statement.do === 'for' && statement.vector && accumulatorsIn(statement) === undefined) {
      this.#dependent(body, statement, sharing.dealing);
      return;
    }
    const parts = new Map<string, Part>();
    for (const [name, { kind, type }] of accumulatedIn(statement))
      if (declared.has(name)) parts.set(name, { name: this.#fresh(`${name}_part`), kind, type });
    for (const { name, kind, type } of parts.values()) body.push(variable(name, identity(kind, type)));
    const names = new Map([...parts].map(([name, part]) => [name, local(part.name, part.type)]));
    this.#within(body, statement, names, sharing);
    if (parts.size === 0) return;
    sharing.bringTogether(body, [...parts.values()]);
    for (const [name, { name: part, kind, type }] of parts) body.accumulate(local(name, type), kind, local(part, type));
  }

  #within(body: Body, statement: Stmt, names: ReadonlyMap<string, Expr>, sharing: Sharing): void {
    if (statement.do === 'for' && statement.vector) {
      const [loop] = new Renaming(names, this.#fresh).targets([statement]);
      if (loop?.do !== 'for') throw new TypeError('a loop became another statement');
      if (sharing.inside === undefined) this.#deal(body, loop, sharing.dealing);
      else body.if(sharing.inside, (existing) => this.#deal(existing, loop, sharing.dealing));
      return;
    }
    const inner = (statements: readonly Stmt[]): readonly Stmt[] => {
      const block = new Body();
      this.#share(block, new Renaming(names, this.#fresh).targets(statements), sharing);
      return block.statements;
    };
    body.push(
      mapStatement(
        statement,
        (expr) => expr,
        (statements) => inner(statements),
      ),
    );
  }

  // One loop by many threads

  /** Deals the turns of a loop out, several that follow each other to one thread. What is left over goes one by one. */
  #deal(body: Body, loop: Loop, dealing: Dealing): void {
    const { from, to } = loop;
    const lanes = this.#lanes;
    const length = sub(to, from);
    if (lanes === 1) {
      body.for(this.#fresh('turn'), 0, turns(length, dealing), (turn, each) => {
        const at = add(dealing.index, mul(turn, dealing.count));
        this.#turn(each, loop, each.let(this.#fresh(loop.name), add(from, at)));
      });
      return;
    }
    const whole = body.let(this.#fresh('whole'), div(length, lanes));
    body.for(this.#fresh('turn'), 0, turns(whole, dealing), (turn, each) => {
      const at = add(dealing.index, mul(turn, dealing.count));
      this.#together(each, loop, each.let(this.#fresh(loop.name), add(from, mul(at, lanes))));
    });
    const first = body.let(this.#fresh('first'), add(from, mul(whole, lanes)));
    body.for(this.#fresh('turn'), 0, turns(sub(to, first), dealing), (turn, each) => {
      const at = add(dealing.index, mul(turn, dealing.count));
      this.#turn(each, loop, each.let(this.#fresh(loop.name), add(first, at)));
    });
  }

  #turn(body: Body, loop: Loop, at: Expr): void {
    body.push(...new Renaming(new Map([[loop.name, at]]), this.#fresh).statements(loop.body));
  }

  /** Turns that follow each other: what lies side by side is loaded and stored at once. */
  #together(body: Body, loop: Loop, at: Expr): void {
    const accesses = new Accesses(loop);
    const stores = accesses.stores();
    const placed = (index: Expr): Expr => new Renaming(new Map([[loop.name, at]]), this.#fresh).expr(index);
    const loaded = new Map<string, Expr>();
    for (const [key, { type, buffer, index }] of accesses.loads()) {
      const vector = vectorType(type.scalar, this.#lanes);
      loaded.set(key, body.let(this.#fresh(`${buffer}_together`), load(vector, buffer, placed(index))));
    }
    const kept = new Map<Stmt, Expr[]>([...stores.keys()].map((statement) => [statement, []]));
    for (let turn = 0; turn < this.#lanes; turn++) {
      const own = turn === 0 ? at : body.let(this.#fresh(loop.name), add(at, turn));
      const vectors = (node: Expr): Expr | undefined => {
        if (node.op !== 'load') return undefined;
        const access = accesses.consecutive(node.buffer, node.type, node.index);
        const vector = access === undefined ? undefined : loaded.get(access.key);
        return vector === undefined ? undefined : lane(vector, turn);
      };
      const renaming = new Renaming(new Map([[loop.name, own]]), this.#fresh, vectors);
      for (const statement of loop.body) {
        const values = kept.get(statement);
        if (values === undefined || statement.do !== 'store') body.push(...renaming.statements([statement]));
        else values.push(body.let(this.#fresh(`${statement.buffer}_value`), renaming.expr(statement.value)));
      }
    }
    for (const [statement, { buffer, index }] of stores) body.store(buffer, placed(index), pack(kept.get(statement)!));
  }

  /** A loop whose turns use what the turns before have come to. */
  #dependent(body: Body, loop: Loop, dealing: Dealing): void {
    const totals = runningTotalsOf(loop, this.#fresh);
    const tally = tallyOf(loop);
    if (totals !== undefined) this.#running(body, totals, dealing);
    else if (tally !== undefined) this.#tally(body, loop, tally, dealing);
    else throw new TypeError('a loop that cannot be shared');
  }

  /**
   * Takes as many elements as there are threads in each turn, so that all threads come to it; those for whom there is none look at the
   * last one once more.
   */
  #inStep(body: Body, { name, from, to }: Loop, { index, count }: Dealing, write: (body: Body, turn: Step) => void): void {
    const length = div(add(sub(to, from), sub(count, 1)), count);
    body.for(this.#fresh('turn'), 0, length, (turn, each) => {
      const place = each.let(this.#fresh(name), add(from, add(index, mul(turn, count))));
      const inside = each.let(this.#fresh('inside'), lt(place, to));
      const clamped = each.let(this.#fresh(name), min(place, sub(to, 1)));
      write(each, { inside, renaming: new Renaming(new Map([[name, clamped]]), this.#fresh) });
    });
  }

  #running(body: Body, { loop, totals }: RunningTotals, dealing: Dealing): void {
    const last = loop.body.findLastIndex((statement) => statement.do === 'let' && totals.has(statement.name));
    this.#inStep(body, loop, dealing, (each, { inside, renaming }) => {
      const sums: { readonly total: Expr; readonly kind: AccumulateKind; readonly all: Expr }[] = [];
      for (const statement of loop.body.slice(0, last + 1)) {
        const found = statement.do === 'let' ? totals.get(statement.name) : undefined;
        if (found === undefined || statement.do !== 'let') {
          each.push(...renaming.statements([statement]));
          continue;
        }
        const { name, kind } = found;
        const { type } = statement.value;
        const total = local(found.total, type);
        const part = this.#fresh(`${name}_part`);
        each.push(variable(part, select(inside, renaming.expr(statement.value), identity(kind, type))));
        const all = running(each, { name: part, kind, type }, this.#shared, this.#fresh);
        renaming.put(name, each.let(this.#fresh(name), binary(combine[kind], total, local(part, type))));
        sums.push({ total, kind, all });
      }
      each.if(inside, (existing) => existing.push(...renaming.statements(loop.body.slice(last + 1))));
      for (const { total, kind, all } of sums) each.accumulate(total, kind, all);
    });
  }

  /** The threads that have the same count take it further together: each by as many of them as stand before it. */
  #tally(body: Body, loop: Loop, { buffer, index, type, count, before, after }: Tally, dealing: Dealing): void {
    this.#inStep(body, loop, dealing, (each, { inside, renaming }) => {
      each.push(...renaming.statements(before));
      const place = each.let(this.#fresh('place'), renaming.expr(index));
      const same = each.let(this.#fresh('same'), peers(select(inside, place, i32(-1))));
      const earlier = each.let(
        this.#fresh('earlier'),
        unary('popcount', and(same, sub(shl(i32(1), and(thread, warpSize - 1)), 1))),
      );
      const counted = each.let(this.#fresh('counted'), load(type, buffer, place));
      each.push(barrier);
      each.if(and(inside, eq(earlier, 0)), (first) => first.store(buffer, place, add(counted, unary('popcount', same))));
      each.push(barrier);
      if (count !== undefined) renaming.put(count, each.let(this.#fresh(count), add(counted, earlier)));
      each.if(inside, (existing) => existing.push(...renaming.statements(after)));
    });
  }
}

/** What a thread does in a turn that all take together. */
interface Step {
  /** Whether there is an element for the thread. */
  readonly inside: Expr;
  readonly renaming: Renaming;
}

/** How many turns of so many come to the one that is dealt to at `index`. */
const turns = (length: Expr, { index, count }: Dealing): Expr => div(add(sub(length, index), sub(count, i32(1))), count);

function accumulatedIn(statement: Stmt): Accumulators {
  const found = new Map<string, NonNullable<ReturnType<Accumulators['get']>>>();
  for (const loop of sharedLoops([statement])) for (const [name, part] of accumulatorsIn(loop) ?? []) found.set(name, part);
  return found;
}

/** Copies statements with other locals in place of some; what the copy declares has names of its own. */
class Renaming {
  readonly #locals: Map<string, Expr>;

  constructor(
    locals: ReadonlyMap<string, Expr>,
    private readonly fresh: (wanted: string) => string,
    private readonly replaced: (expr: Expr) => Expr | undefined = () => undefined,
  ) {
    this.#locals = new Map(locals);
  }

  put(name: string, value: Expr): void {
    this.#locals.set(name, value);
  }

  expr(expr: Expr): Expr {
    const other = this.replaced(expr);
    if (other !== undefined) return other;
    if (expr.op === 'local') return this.#locals.get(expr.name) ?? expr;
    return mapOperands(expr, (operand) => this.expr(operand));
  }

  statements(statements: readonly Stmt[]): readonly Stmt[] {
    return statements.map((statement) => this.#statement(statement));
  }

  #statement(statement: Stmt): Stmt {
    if (statement.do === 'for') {
      const [from, to] = [this.expr(statement.from), this.expr(statement.to)];
      const name = this.#declare(statement.name, statement.from.type);
      return { ...statement, name, from, to, body: this.statements(statement.body) };
    }
    const copy = mapStatement(
      statement,
      (expr) => this.expr(expr),
      (block) => this.statements(block),
    );
    if (copy.do === 'let') return { ...copy, name: this.#declare(copy.name, copy.value.type) };
    return copy.do === 'set' || copy.do === 'accumulate' ? { ...copy, name: this.#target(copy.name) } : copy;
  }

  /** The same statements, but that what they accumulate in shared loops goes to other locals. */
  targets(statements: readonly Stmt[], isShared = false): readonly Stmt[] {
    return statements.map((statement): Stmt => {
      if (statement.do === 'accumulate') return isShared ? { ...statement, name: this.#target(statement.name) } : statement;
      if (blocksOf(statement).length === 0) return statement;
      const shares = isShared || (statement.do === 'for' && statement.vector === true);
      return mapStatement(
        statement,
        (expr) => expr,
        (block) => this.targets(block, shares),
      );
    });
  }

  #target(name: string): string {
    const other = this.#locals.get(name);
    return other?.op === 'local' ? other.name : name;
  }

  #declare(name: string, type: Type): string {
    const own = this.fresh(name);
    this.#locals.set(name, local(own, type));
    return own;
  }
}
