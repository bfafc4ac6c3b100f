/**
 * What a WebAssembly function needs while it is being written: its code, its locals and their scopes, the parameters it has read and
 * the host functions it calls. It writes no kernel construct itself; expressions are printed through the function it was given.
 */
import { type Expr, type Kernel, paramLayout, type Type } from '../ir.js';
import { Code, type HostImport, type ValueType } from './encoder.js';

export interface PrintOptions {
  /** Prints `fma` as relaxed SIMD's multiply-add, which rounds once on most machines. Without it, `fma` rounds twice everywhere. */
  readonly relaxedSimd?: boolean;
}

/** The lanes of a 128-bit vector, as instruction names spell them. */
export type Shape = 'i32x4' | 'i64x2' | 'f32x4' | 'f64x2';

export type NumberType = 'i32' | 'i64' | 'f32' | 'f64';

/** The function's parameters. */
const PARAMETER_BLOCK = 0;
const BEGIN = 1;
const END = 2;
const PARAMETER_COUNT = 3;

export class Frame {
  readonly code = new Code();
  readonly imports: HostImport[] = [];
  readonly locals: ValueType[] = [];
  /** Loads of parameters, each written once, to stand before `code`. */
  readonly prologue = new Code();

  readonly #print: (frame: Frame, expr: Expr) => void;
  readonly #layout;
  readonly #parameters = new Map<string, number>();
  readonly #free = new Map<ValueType, number[]>();
  #scopes: Map<string, number>[] = [
    new Map([
      ['begin', BEGIN],
      ['end', END],
    ]),
  ];
  #adopted = 0;

  constructor(
    readonly kernel: Kernel,
    readonly options: PrintOptions,
    print: (frame: Frame, expr: Expr) => void,
  ) {
    this.#print = print;
    this.#layout = paramLayout(kernel, 4);
  }

  /** Writes code that leaves the expression's value on the stack. */
  print(expr: Expr): void {
    this.#print(this, expr);
  }

  /** Runs `write` in a scope of its own: the locals it declares are free for others afterwards. */
  scope(write: () => void): void {
    const scope = new Map<string, number>();
    this.#scopes.push(scope);
    write();
    this.#scopes.pop();
    for (const local of scope.values()) this.#release(local);
  }

  declare(name: string, type: Type): number {
    // An expression made outside of an inner block may be printed within it: a name must mean one local wherever it is visible.
    if (this.#find(name) !== undefined) throw new Error(`kernel ${this.kernel.name}: the local ${name} is declared twice`);
    const local = this.#take(valueTypeOf(type));
    this.#scopes.at(-1)!.set(name, local);
    return local;
  }

  lookup(name: string): number {
    const local = this.#find(name);
    if (local === undefined) throw new Error(`kernel ${this.kernel.name}: no local ${name} is visible here`);
    return local;
  }

  #find(name: string): number | undefined {
    return this.#scopes.find((scope) => scope.has(name))?.get(name);
  }

  /** Computes a value once and hands back an expression that reads it, until the end of the scope. */
  share(value: Expr): Expr {
    this.print(value);
    return this.adopt(value.type);
  }

  /** Pops a value and hands back an expression that reads it, until the end of the scope. */
  adopt(type: Type): Expr {
    const name = `#${this.#adopted++}`;
    this.code.set(this.declare(name, type));
    return { op: 'local', type, name };
  }

  /** A local of that type while `use` runs. */
  temporary(type: ValueType, use: (local: number) => void): void {
    const local = this.#take(type);
    use(local);
    this.#release(local);
  }

  /** Pops two values into locals while `use` runs. */
  pair(type: ValueType, use: (left: number, right: number) => void): void {
    this.temporary(type, (left) =>
      this.temporary(type, (right) => {
        this.code.set(right);
        this.code.set(left);
        use(left, right);
      }),
    );
  }

  /** The local that holds a buffer's address or a scalar of the parameter block. */
  parameter(name: string): number {
    const declared = this.kernel.params.find((param) => param.name === name);
    return this.#parameter(name, declared === undefined ? 'i32' : numberType(declared.type));
  }

  /** The local that holds the error word's address. */
  errorWord(): number {
    return this.#parameter('', 'i32');
  }

  /** Calls a host function on what is on the stack. */
  host(name: string, arity: 1 | 2): void {
    let index = this.imports.findIndex((imported) => imported.name === name);
    if (index < 0) index = this.imports.push({ name, arity }) - 1;
    this.code.opWith('call', index);
  }

  #parameter(name: string, type: NumberType): number {
    const known = this.#parameters.get(name);
    if (known !== undefined) return known;
    const offset = name === '' ? this.#layout.errorWord : this.#layout.offsets.get(name);
    if (offset === undefined) throw new Error(`kernel ${this.kernel.name} has no parameter ${name}`);
    // A new local always: one that was used before would be overwritten on a loop's next turn.
    const local = this.#add(type);
    this.#parameters.set(name, local);
    this.prologue.get(PARAMETER_BLOCK);
    this.prologue.memory(`${type}.load`, offset);
    this.prologue.set(local);
    return local;
  }

  #take(type: ValueType): number {
    return this.#free.get(type)?.pop() ?? this.#add(type);
  }

  #add(type: ValueType): number {
    return PARAMETER_COUNT + this.locals.push(type) - 1;
  }

  #release(local: number): void {
    const type = this.locals[local - PARAMETER_COUNT]!;
    const free = this.#free.get(type);
    if (free === undefined) this.#free.set(type, [local]);
    else free.push(local);
  }
}

export function numberType(scalar: string): NumberType {
  if (scalar === 'i32' || scalar === 'i64' || scalar === 'f32' || scalar === 'f64') return scalar;
  if (scalar === 'bool') return 'i32';
  throw new TypeError(`a kernel is printed with concrete types, got ${scalar}`);
}

export function valueTypeOf(type: Type): ValueType {
  return type.lanes === 1 ? numberType(type.scalar) : 'v128';
}

/** The lanes of a vector type; a mask's are integers. */
export function shapeOf(type: Type): Shape {
  const wide = type.laneBits === 64;
  if (type.lanes === (wide ? 2 : 4)) {
    if (type.scalar === 'bool') return wide ? 'i64x2' : 'i32x4';
    if (wide && type.scalar === 'i64') return 'i64x2';
    if (wide && type.scalar === 'f64') return 'f64x2';
    if (!wide && type.scalar === 'i32') return 'i32x4';
    if (!wide && type.scalar === 'f32') return 'f32x4';
  }
  throw new TypeError(`WebAssembly has no vector of ${type.lanes} ${type.scalar} in ${type.laneBits}-bit lanes`);
}

const lanesOf = {
  i32x4: { scalar: 'i32', lanes: 4 },
  i64x2: { scalar: 'i64', lanes: 2 },
  f32x4: { scalar: 'f32', lanes: 4 },
  f64x2: { scalar: 'f64', lanes: 2 },
} as const;

/** A vector operation that no instruction does: pops `count` vectors, runs `scalar` on the lanes, pushes the results. */
export function lanewise(frame: Frame, from: Shape, to: Shape, count: 1 | 2, scalar: () => void): void {
  const { code } = frame;
  const combine = (operands: readonly number[]) => {
    for (let lane = 0; lane < lanesOf[from].lanes; lane++) {
      for (const operand of operands) {
        code.get(operand);
        code.opWith(`${from}.extract_lane`, lane);
      }
      scalar();
      if (lane === 0) code.op(`${to}.splat`);
      else code.opWith(`${to}.replace_lane`, lane);
    }
  };
  if (count === 2) frame.pair('v128', (left, right) => combine([left, right]));
  else {
    frame.temporary('v128', (operand) => {
      code.set(operand);
      combine([operand]);
    });
  }
}

export const scalarOf = (shape: Shape): NumberType => lanesOf[shape].scalar;
