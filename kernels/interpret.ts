/**
 * Runs kernel IR directly, scalars and vectors alike: the meaning of the IR as a program, and the reference for every printer.
 *
 * It checks what compiled kernels do not: indices against the buffers' ends, buffers' access, assignments to what is not mutable,
 * and names declared twice. Kernels for groups of threads are run by interpret-groups.ts, on the Machine of this file. With `wide` all floating-point arithmetic is float64 (give it Float64Arrays to keep the results so).
 * It is a tree walk, and slow; nothing but tests and the generator's comparisons should need it.
 */
import { combine } from './combine.js';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half.js';
import {
  type BinaryOp,
  type BufferDeclaration,
  type Expr,
  type Kernel,
  type PlaceName,
  type Stmt,
  type Type,
  unsplit,
} from './ir.js';
import {
  binaryValue,
  compareValues,
  constantValue,
  convertValue,
  type Element,
  reinterpretValue,
  unaryValue,
} from './scalar-semantics.js';

/** A buffer's elements: bool as bytes, float16 and bfloat16 as 16-bit patterns, or any float dtype as a Float64Array. */
export type BufferArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

export interface Invocation {
  readonly buffers: Readonly<Record<string, BufferArray>>;
  readonly params?: Readonly<Record<string, number | bigint>>;
  readonly begin: number;
  readonly end: number;
  /** Compute in float64 throughout. */
  readonly wide?: boolean;
}

export type Value = Element | readonly Element[];

/** Runs the work items `begin` <= item < `end`; returns the error word, 0 where nothing failed. */
export function interpret(kernel: Kernel, invocation: Invocation): number {
  if (kernel.group !== undefined) throw new TypeError(`kernel ${kernel.name} is for groups of threads: use interpretGroups`);
  const machine = new Machine(kernel, invocation, openBuffers(kernel, invocation.buffers));
  machine.block(kernel.body);
  return machine.error;
}

export type Flow = 'next' | 'break' | 'continue';

/** Where a thread of a group program stands. */
export type ThreadPlace = Readonly<Record<PlaceName, number>>;

/** What one thread of a machine does with statements and expressions: its locals, and the buffers that it has with others. */
export class Machine {
  readonly #kernel: Kernel;
  readonly #buffers: OpenBuffers;
  readonly #params: ReadonlyMap<string, Element>;
  readonly #locals = new Map<string, Value>();
  readonly #mutable = new Set<string>();
  readonly #wide: boolean;
  readonly #place: ThreadPlace | undefined;
  #error = 0;

  constructor(
    kernel: Kernel,
    { params = {}, begin, end, wide = false }: Omit<Invocation, 'buffers'>,
    buffers: OpenBuffers,
    place?: ThreadPlace,
  ) {
    this.#kernel = kernel;
    this.#wide = wide;
    this.#buffers = buffers;
    this.#place = place;
    this.#params = new Map(
      kernel.params.map(({ name, type }) => {
        const value = params[name];
        if (value === undefined) throw new TypeError(`kernel ${kernel.name}: no value for parameter ${name}`);
        return [name, type === 'i64' ? BigInt(value) : this.#round(type, Number(value))];
      }),
    );
    this.#locals.set('begin', begin).set('end', end);
  }

  /** The error word. */
  get error(): number {
    return this.#error;
  }

  // Statements

  block(statements: readonly Stmt[]): Flow {
    const declared: string[] = [];
    let flow: Flow = 'next';
    for (const statement of statements) {
      if (statement.do === 'let') declared.push(statement.name);
      flow = this.statement(statement);
      if (flow !== 'next') break;
    }
    for (const name of declared) this.forget(name);
    return flow;
  }

  statement(statement: Stmt): Flow {
    switch (statement.do) {
      case 'let':
        this.declare(statement.name, this.evaluate(statement.value), statement.mutable === true);
        return 'next';
      case 'set':
        this.assign(statement.name, this.evaluate(statement.value));
        return 'next';
      case 'accumulate': {
        const operator = combine[statement.kind];
        const { type } = statement.value;
        this.assign(statement.name, this.#binary(operator, type, this.local(statement.name), this.evaluate(statement.value)));
        return 'next';
      }
      case 'store':
        this.#store(statement);
        return 'next';
      case 'for':
        return this.#for(statement);
      case 'while':
        while (this.evaluate(statement.condition) !== 0) if (this.block(statement.body) === 'break') break;
        return 'next';
      case 'if':
        return this.block(this.evaluate(statement.condition) !== 0 ? statement.then : (statement.else ?? []));
      case 'break':
      case 'continue':
        return statement.do;
      case 'fail':
        if (this.#error === 0) this.#error = statement.code;
        return 'next';
      case 'barrier':
      case 'multiplyTiles':
        throw this.broken(`${statement.do} by a single thread`);
    }
  }

  #for({ name, from, to, step, body }: Extract<Stmt, { do: 'for' }>): Flow {
    const last = this.integer(to);
    for (let index = this.integer(from); index < last; index += step) {
      this.declare(name, index, false);
      const flow = this.block(body);
      this.forget(name);
      if (flow === 'break') break;
    }
    return 'next';
  }

  #store({ buffer: name, index, value }: Extract<Stmt, { do: 'store' }>): void {
    const buffer = this.#buffer(name, 'write');
    const at = this.integer(index);
    const stored = this.evaluate(value);
    if (!isVector(stored)) buffer.write(at, stored);
    else for (const [lane, element] of stored.entries()) buffer.write(at + lane, element);
  }

  // Expressions

  evaluate(expr: Expr): Value {
    const { type } = expr;
    switch (expr.op) {
      case 'const': {
        const value = constantValue(type.scalar, expr.value);
        const rounded = typeof value === 'number' ? this.#round(type.scalar, value) : value;
        return type.lanes === 1 ? rounded : Array<Element>(type.lanes).fill(rounded);
      }
      case 'local':
        return this.local(expr.name);
      case 'param': {
        const value = this.#params.get(expr.name);
        if (value === undefined) throw this.broken(`unknown parameter ${expr.name}`);
        return value;
      }
      case 'load': {
        const buffer = this.#buffer(expr.buffer, 'read');
        const at = this.integer(expr.index);
        return type.lanes === 1 ? buffer.read(at) : Array.from({ length: type.lanes }, (_, lane) => buffer.read(at + lane));
      }
      case 'unary':
        return lanewise([this.evaluate(expr.value)], ([x]) => this.#round(type.scalar, unaryValue(expr.name, type.scalar, x!)));
      case 'binary':
        return this.#binary(expr.name, type, this.evaluate(expr.left), this.evaluate(expr.right));
      case 'compare':
        return lanewise([this.evaluate(expr.left), this.evaluate(expr.right)], ([a, b]) =>
          compareValues(expr.name, a!, b!) ? 1 : 0,
        );
      case 'select':
        return lanewise([this.evaluate(expr.condition), this.evaluate(expr.then), this.evaluate(expr.else)], ([c, a, b]) =>
          c !== 0 ? a! : b!,
        );
      case 'fma':
        return this.#binary(
          'add',
          type,
          this.#binary('mul', type, this.evaluate(expr.a), this.evaluate(expr.b)),
          this.evaluate(expr.c),
        );
      case 'convert':
        return lanewise([this.evaluate(expr.value)], ([x]) => convertValue(expr.value.type.scalar, type.scalar, x!, this.#wide));
      case 'bits':
        return lanewise([this.evaluate(expr.value)], ([x]) => reinterpretValue(expr.value.type.scalar, type.scalar, x!));
      case 'splat': {
        const value = this.evaluate(expr.value);
        if (isVector(value)) throw this.broken('splat of a vector');
        return Array<Element>(type.lanes).fill(value);
      }
      case 'lane': {
        const value = this.evaluate(expr.value);
        const element = isVector(value) ? value[expr.lane] : undefined;
        if (element === undefined) throw this.broken(`lane ${expr.lane} of ${JSON.stringify(expr.value.type)}`);
        return element;
      }
      case 'shuffle': {
        const [left, right] = [this.evaluate(expr.left), this.evaluate(expr.right)];
        if (!isVector(left) || !isVector(right)) throw this.broken('shuffle of scalars');
        const both = [...left, ...right];
        return expr.lanes.map((lane) => both[lane]!);
      }
      case 'iota':
        return Array.from({ length: type.lanes }, (_, lane) => lane);
      case 'pair':
      case 'part':
        return unsplit();
      case 'pack':
        return expr.lanes.map((lane) => {
          const value = this.evaluate(lane);
          if (isVector(value)) throw this.broken('a vector packed in a vector');
          return value;
        });
      case 'place':
        if (this.#place === undefined) throw this.broken(`there is no ${expr.name}`);
        return this.#place[expr.name];
      case 'exchange':
      case 'peers':
        throw this.broken('an exchange that is not the value of a local');
    }
  }

  #binary(name: BinaryOp, type: Type, left: Value, right: Value): Value {
    return lanewise([left, right], ([a, b]) => this.#round(type.scalar, binaryValue(name, type.scalar, a!, b!)));
  }

  integer(expr: Expr): number {
    const value = this.evaluate(expr);
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.broken(`${String(value)} where an i32 is needed`);
    return value;
  }

  #round<V extends Element>(type: string, value: V): V | number {
    return type === 'f32' && !this.#wide ? Math.fround(Number(value)) : value;
  }

  // Names

  /** What a visible local holds. */
  local(name: string): Value {
    const value = this.#locals.get(name);
    if (value === undefined) throw this.broken(`unknown local ${name}`);
    return value;
  }

  declare(name: string, value: Value, mutable: boolean): void {
    if (this.#locals.has(name)) throw this.broken(`${name} is declared twice`);
    this.#locals.set(name, value);
    if (mutable) this.#mutable.add(name);
  }

  forget(name: string): void {
    this.#locals.delete(name);
    this.#mutable.delete(name);
  }

  assign(name: string, value: Value): void {
    if (!this.#mutable.has(name)) throw this.broken(`${name} is not mutable`);
    this.#locals.set(name, value);
  }

  #buffer(name: string, use: 'read' | 'write'): OpenBuffer {
    const buffer = this.#buffers.get(name);
    if (buffer === undefined) throw this.broken(`unknown buffer ${name}`);
    if (buffer.access !== 'readwrite' && buffer.access !== use) throw this.broken(`buffer ${name} is declared ${buffer.access}`);
    return buffer;
  }

  broken(problem: string): Error {
    return new TypeError(`kernel ${this.#kernel.name}: ${problem}`);
  }
}

export const isVector = (value: Value): value is readonly Element[] => typeof value === 'object';
const isElement = (value: Value): value is Element => typeof value !== 'object';

/** Applies `operator` to scalars, or lane by lane to vectors of one length. */
function lanewise(operands: readonly Value[], operator: (elements: readonly Element[]) => Element): Value {
  const vectors = operands.filter(isVector);
  const first = vectors[0];
  if (first === undefined) return operator(operands.filter(isElement));
  if (vectors.length !== operands.length || vectors.some((vector) => vector.length !== first.length))
    throw new TypeError('operands of different lanes');
  return first.map((_, lane) => operator(vectors.map((vector) => vector[lane]!)));
}

// Buffers

export interface OpenBuffer {
  readonly access: BufferDeclaration['access'];
  read(index: number): Element;
  write(index: number, value: Element): void;
}

export type OpenBuffers = ReadonlyMap<string, OpenBuffer>;

export function openBuffers(kernel: Kernel, arrays: Invocation['buffers']): OpenBuffers {
  return new Map(
    kernel.buffers.map((declaration) => [declaration.name, openBuffer(kernel, declaration, arrays[declaration.name])]),
  );
}

export function openBuffer(
  kernel: Kernel,
  { name, storage, access }: BufferDeclaration,
  array: BufferArray | undefined,
): OpenBuffer {
  if (array === undefined) throw new TypeError(`kernel ${kernel.name}: no array for buffer ${name}`);
  const check = (index: number): void => {
    if (index < 0 || index >= array.length)
      throw new RangeError(`kernel ${kernel.name}: index ${index} is outside buffer ${name} of ${array.length} elements`);
  };
  const decode = decoder(storage, array);
  const encode = encoder(storage, array);
  return {
    access,
    read: (index) => {
      check(index);
      return decode(array[index]!);
    },
    write: (index, value) => {
      check(index);
      if (array instanceof BigInt64Array) array[index] = BigInt(value);
      else array[index] = encode(Number(value));
    },
  };
}

function decoder(storage: string, array: BufferArray): (value: Element) => Element {
  if (storage === 'bool') return (value) => (value === 0 ? 0 : 1);
  if (!(array instanceof Uint16Array)) return (value) => value;
  return storage === 'bfloat16' ? (value) => decodeBfloat16(Number(value)) : (value) => decodeFloat16(Number(value));
}

function encoder(storage: string, array: BufferArray): (value: number) => number {
  if (!(array instanceof Uint16Array)) return (value) => value;
  return storage === 'bfloat16' ? encodeBfloat16 : encodeFloat16;
}
