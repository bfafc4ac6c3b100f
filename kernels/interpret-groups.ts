/**
 * Runs group programs directly: the meaning of barriers, exchanges between threads and shared arrays, as a program. The threads of a
 * group go through the body in step; a statement in which they do not meet is run by one thread after the other.
 *
 * It checks what a GPU does not: that all threads of a group come to a barrier together, and that no thread touches what another one
 * has written, or writes what another one has touched, without a barrier in between. So results never depend on the order of threads.
 */
import { decodeBfloat16, decodeFloat16 } from './half.js';
import {
  type BufferArray,
  type Invocation,
  isVector,
  Machine,
  type OpenBuffer,
  openBuffer,
  openBuffers,
  type Value,
} from './interpret.js';
import type { Expr, Kernel, RealStorage, SharedArray, Stmt, TileElement } from './ir.js';
import { blocksOf, expressionsOf } from './traverse.js';

/** How many groups of how many threads there are. */
export interface Grid {
  readonly groups: number;
  readonly threads: number;
}

const warpSize = 32;

/** Runs all threads of the grid; returns the error word, 0 where nothing failed. */
export function interpretGroups(kernel: Kernel, invocation: Invocation, grid: Grid): number {
  const watch = new Watch(kernel.name);
  const buffers = new Map(
    [...openBuffers(kernel, invocation.buffers)].map(([name, buffer]) => [name, watch.over(name, buffer)] as const),
  );
  let error = 0;
  for (let group = 0; group < grid.groups; group++) {
    const shared = (kernel.group?.shared ?? []).map(
      (array) => [array.name, watch.overShared(openShared(kernel, array))] as const,
    );
    const failed = new GroupRun(kernel, invocation, new Map([...buffers, ...shared]), { ...grid, group }, watch).run();
    if (error === 0) error = failed;
  }
  return error;
}

type Node<Do extends Stmt['do']> = Extract<Stmt, { do: Do }>;

class GroupRun {
  readonly #threads: readonly Machine[];

  constructor(
    readonly kernel: Kernel,
    invocation: Invocation,
    buffers: ReadonlyMap<string, OpenBuffer>,
    { groups, threads, group }: Grid & { readonly group: number },
    readonly watch: Watch,
  ) {
    this.#threads = Array.from(
      { length: threads },
      (_, thread) => new Machine(kernel, invocation, buffers, { thread, threads, group, groups }),
    );
    watch.enter(group, threads);
  }

  run(): number {
    this.#block(this.kernel.body);
    return this.#threads.find(({ error }) => error !== 0)?.error ?? 0;
  }

  #each<R>(visit: (machine: Machine) => R): R[] {
    return this.#threads.map((machine, thread) => {
      this.watch.turnOf(thread);
      return visit(machine);
    });
  }

  #block(statements: readonly Stmt[]): void {
    const declared = statements.flatMap((statement) => (statement.do === 'let' ? [statement.name] : []));
    for (const statement of statements) this.#statement(statement);
    this.#each((machine) => {
      for (const name of declared) machine.forget(name);
    });
  }

  #statement(statement: Stmt): void {
    if (!meets(statement)) {
      const flows = this.#each((machine) => machine.statement(statement));
      if (flows.some((flow) => flow !== 'next')) throw this.#broken(`${flows[0]} out of a loop in which threads meet`);
      return;
    }
    switch (statement.do) {
      case 'barrier':
        this.watch.barrier();
        break;
      case 'let':
        this.#across(statement, (machine, value) => machine.declare(statement.name, value, statement.mutable === true));
        break;
      case 'set':
        this.#across(statement, (machine, value) => machine.assign(statement.name, value));
        break;
      case 'multiplyTiles':
        this.#multiplyTiles(statement);
        break;
      case 'for':
        this.#for(statement);
        break;
      case 'while':
        while (this.#agreed((machine) => machine.evaluate(statement.condition)) !== 0) this.#block(statement.body);
        break;
      case 'if': {
        const holds = this.#agreed((machine) => machine.evaluate(statement.condition)) !== 0;
        this.#block(holds ? statement.then : (statement.else ?? []));
        break;
      }
      default:
        throw this.#broken(`threads meet in ${statement.do}`);
    }
  }

  #for({ name, from, to, step, body }: Node<'for'>): void {
    const last = Number(this.#agreed((machine) => machine.integer(to)));
    for (let index = Number(this.#agreed((machine) => machine.integer(from))); index < last; index += step) {
      this.#each((machine) => machine.declare(name, index, false));
      this.#block(body);
      this.#each((machine) => machine.forget(name));
    }
  }

  /** A value that threads of a warp have of each other. */
  #across({ value }: Node<'let' | 'set'>, take: (machine: Machine, value: Value) => void): void {
    if (!isAcross(value)) throw this.#broken('an exchange within an expression');
    const given = this.#each((machine) => machine.evaluate(value.value));
    this.#threads.forEach((machine, thread) => {
      take(machine, value.op === 'peers' ? this.#peers(given, thread) : this.#exchanged(value, given, thread));
    });
  }

  #exchanged({ from, distance }: Across<'exchange'>, given: readonly Value[], thread: number): Value {
    const lane = thread % warpSize;
    const source = from === 'across' ? lane ^ distance : lane - distance;
    const other = thread - lane + (source < 0 ? lane : source);
    if (other >= given.length) throw this.#broken(`an exchange with thread ${other} of ${given.length}`);
    return given[other]!;
  }

  #peers(given: readonly Value[], thread: number): number {
    const first = thread - (thread % warpSize);
    if (given.length < first + warpSize) throw this.#broken(`peers in a warp of ${given.length - first}`);
    return given.slice(first, first + warpSize).reduce((found: number, value, lane) => {
      return value === given[thread] ? found | (1 << lane) : found;
    }, 0);
  }

  #multiplyTiles({ element, sums, a, b }: Node<'multiplyTiles'>): void {
    const elementsOf = tileElements[element];
    const valuesOf = (machine: Machine, words: typeof a) => words.map((word) => elementsOf(machine.integer(word)));
    const held = this.#each((machine) => ({ a: valuesOf(machine, a), b: valuesOf(machine, b) }));
    for (let first = 0; first < held.length; first += warpSize) {
      const wordOfA = (row: number, k: number) => held[first + (row % 8) * 4 + (k % 4)]!.a[(row >> 3) + (k >> 2) * 2]!;
      const wordOfB = (k: number, column: number) => held[first + column * 4 + (k % 4)]!.b[k >> 2]!;
      for (let lane = 0; lane < warpSize; lane++) {
        const machine = this.#threads[first + lane]!;
        sums.forEach((name, at) => {
          const [row, column] = [(lane >> 2) + (at >> 1) * 8, (lane & 3) * 2 + (at & 1)];
          let sum = Number(machine.local(name));
          for (let k = 0; k < 8; k++) {
            const others = wordOfB(k, column);
            wordOfA(row, k).forEach((value, part) => {
              sum += value * others[part]!;
            });
          }
          machine.assign(name, Math.fround(sum));
        });
      }
    }
  }

  /** What all threads find. */
  #agreed(find: (machine: Machine) => Value): number | bigint {
    const found = this.#each(find);
    const [first] = found;
    if (first === undefined || isVector(first) || found.some((value) => value !== first))
      throw this.#broken('threads part before a place where they meet');
    return first;
  }

  #broken(problem: string): Error {
    return new TypeError(`kernel ${this.kernel.name}: ${problem}`);
  }
}

type Across<Op extends 'exchange' | 'peers' = 'exchange' | 'peers'> = Extract<Expr, { op: Op }>;
const isAcross = (expr: Expr): expr is Across => expr.op === 'exchange' || expr.op === 'peers';

const meeting = new WeakMap<Stmt, boolean>();

/** Whether threads meet in a statement. */
function meets(statement: Stmt): boolean {
  let known = meeting.get(statement);
  if (known === undefined) {
    known =
      statement.do === 'barrier' ||
      statement.do === 'multiplyTiles' ||
      expressionsOf(statement).some(isAcross) ||
      blocksOf(statement).some((block) => block.some(meets));
    meeting.set(statement, known);
  }
  return known;
}

// Products of tiles

/** The elements of a word. */
const tileElements: Readonly<Record<TileElement, (word: number) => readonly number[]>> = {
  float16: (word) => [decodeFloat16(word & 0xffff), decodeFloat16(word >>> 16)],
  bfloat16: (word) => [decodeBfloat16(word & 0xffff), decodeBfloat16(word >>> 16)],
  tf32: (word) => [new Float32Array(Int32Array.of(word).buffer)[0]!],
};

// Memory

const arrays: Readonly<Record<RealStorage, (length: number) => BufferArray>> = {
  bool: (length) => new Uint8Array(length),
  uint8: (length) => new Uint8Array(length),
  int8: (length) => new Int8Array(length),
  int16: (length) => new Int16Array(length),
  int32: (length) => new Int32Array(length),
  int64: (length) => new BigInt64Array(length),
  float16: (length) => new Uint16Array(length),
  bfloat16: (length) => new Uint16Array(length),
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
};

const openShared = (kernel: Kernel, { name, storage, length }: SharedArray) =>
  [name, openBuffer(kernel, { name, storage, access: 'readwrite' }, arrays[storage](length))] as const;

/** A thread that touched an element, and how many barriers its group had passed then. */
interface Touch {
  readonly thread: number;
  readonly group: number;
  readonly barriers: number;
}

interface Element {
  written?: Touch;
  /** The last read, and whether others read since the same barrier. */
  read?: Touch;
  readByOthers?: boolean;
}

/** Watches who reads and writes what. */
class Watch {
  #group = 0;
  #barriers = 0;
  #first = 0;
  #thread = 0;

  constructor(private readonly kernel: string) {}

  enter(group: number, threads: number): void {
    this.#group = group;
    this.#first = group * threads;
  }

  turnOf(thread: number): void {
    this.#thread = this.#first + thread;
  }

  barrier(): void {
    this.#barriers++;
  }

  over(name: string, buffer: OpenBuffer): OpenBuffer {
    return this.#watched(name, buffer, new Map(), false);
  }

  overShared([name, buffer]: readonly [string, OpenBuffer]): OpenBuffer {
    return this.#watched(name, buffer, new Map(), true);
  }

  #watched(name: string, buffer: OpenBuffer, elements: Map<number, Element>, isShared: boolean): OpenBuffer {
    const elementAt = (index: number): Element => {
      let element = elements.get(index);
      if (element === undefined) {
        element = {};
        elements.set(index, element);
      }
      return element;
    };
    return {
      access: buffer.access,
      read: (index) => {
        const element = elementAt(index);
        if (isShared && element.written === undefined) throw this.#broken(`${name}[${index}] is read before it was written`);
        this.#apart(element.written, `${name}[${index}] is read, and written`);
        const now = this.#touch();
        const isSame = element.read?.barriers === now.barriers && element.read.group === now.group;
        element.readByOthers = isSame && (element.readByOthers === true || element.read?.thread !== now.thread);
        element.read = now;
        return buffer.read(index);
      },
      write: (index, value) => {
        const element = elementAt(index);
        this.#apart(element.written, `${name}[${index}] is written twice`);
        this.#apart(element.read, `${name}[${index}] is written, and read`, element.readByOthers);
        element.written = this.#touch();
        buffer.write(index, value);
      },
    };
  }

  #touch(): Touch {
    return { thread: this.#thread, group: this.#group, barriers: this.#barriers };
  }

  #apart(other: Touch | undefined, what: string, byOthers = false): void {
    if (other === undefined) return;
    const isSame = other.thread === this.#thread && !byOthers;
    const isBefore = other.group === this.#group && other.barriers < this.#barriers;
    if (!isSame && !isBefore)
      throw this.#broken(`${what} by threads ${other.thread} and ${this.#thread} with no barrier in between`);
  }

  #broken(problem: string): Error {
    return new TypeError(`kernel ${this.kernel}: ${problem}`);
  }
}
