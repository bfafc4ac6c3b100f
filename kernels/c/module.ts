/**
 * One C or CUDA text while it is being written: it hands out the names of types and helper functions and declares, once and in order,
 * those that were asked for. What a helper does is in helpers.ts and vectors.ts; the kernels' own functions are printed by printer.ts.
 */
import type { HalfStorage, RealStorage, TileElement, Type } from '../ir.js';
import type { Dialect } from './dialect.js';
import { laneTypeName, scalarTypedefs, widthOf } from './types.js';

/** The helper functions; each exists for the types that a text uses it with. */
export type HelperName =
  | LanewiseName
  | 'min'
  | 'max'
  | 'div'
  | 'abs'
  | 'clz'
  | 'popcount'
  | 'mulhiu'
  | 'fma'
  /** The same bits as another type. */
  | 'bits'
  /** Float to integer, as `convert` has it. */
  | 'truncate_f32'
  | 'truncate_f64'
  | `from_${HalfStorage}`
  | `to_${HalfStorage}`
  /** After stores that stream: other threads see them. */
  | 'drain'
  // Vectors only
  | 'splat'
  | 'select'
  | 'any'
  | 'lesser'
  | 'greater'
  | `load_${RealStorage}`
  | `store_${RealStorage}`
  | `stream_${StreamedStorage}`
  // Group programs only
  | `loadShared_${RealStorage}`
  | `storeShared_${RealStorage}`
  | `multiply_${TileElement}`;

/** What is as wide in memory as in a register. */
export type StreamedStorage = 'int32' | 'int64' | 'float32' | 'float64';

/** Functions of floats that C's library has. */
export type LanewiseName =
  | 'floor'
  | 'ceil'
  | 'trunc'
  | 'rint'
  | 'sqrt'
  | 'rem'
  | 'pow'
  | 'atan2'
  | 'exp'
  | 'exp2'
  | 'expm1'
  | 'log'
  | 'log2'
  | 'log10'
  | 'log1p'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'sinh'
  | 'cosh'
  | 'tanh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'cbrt';

/** A helper function without its name. */
export interface HelperText {
  readonly result: string;
  readonly parameters: readonly string[];
  readonly body: readonly string[];
}

export type HelperCatalogue = Readonly<Partial<Record<HelperName, (type: Type, module: Module) => HelperText>>>;

/** What all names that a text defines for the linker or for itself begin with. */
export const PREFIX = 'ow_';

export class Module {
  readonly #vectors = new Map<string, string>();
  readonly #helpers = new Map<string, string>();
  #fails = false;

  constructor(readonly dialect: Dialect) {}

  /** The name of a register type. */
  type(type: Type): string {
    return this.#declared(laneTypeName(type), type);
  }

  /** The name of the unsigned type of an integer type. */
  unsigned(type: Type): string {
    return this.#declared(laneTypeName(type) === 'i64' ? 'u64' : 'u32', type);
  }

  /** A vector of elements that are not as wide as a register's lanes. */
  vector(element: string, lanes: number, bytes: number): string {
    const name = `${element}x${lanes}`;
    this.#vectors.set(name, this.dialect.vectors.declare(name, element, lanes, bytes));
    return name;
  }

  /** A call of a helper function, which is declared if it was not yet. */
  call(name: HelperName, type: Type, ...operands: readonly string[]): string {
    const symbol = `${PREFIX}${name}_${this.type(type)}`;
    if (!this.#helpers.has(symbol)) {
      const helper = this.#helper(name, type);
      this.#helpers.set(symbol, definition(this.dialect.inline(type.lanes), symbol, helper));
    }
    return `${symbol}(${operands.join(', ')})`;
  }

  /** The statement that writes a code into the error word. */
  fail(error: string, code: number): string {
    this.#fails = true;
    return `${PREFIX}fail(${error}, ${code});`;
  }

  /** Everything that has to stand before the kernels. */
  prelude(): string {
    const { preamble, fail } = this.dialect;
    const helpers = [...this.#helpers.values()];
    if (this.#fails) helpers.push(definition(this.dialect.inline(1), `${PREFIX}fail`, fail));
    return [[...preamble, ...scalarTypedefs, ...this.#vectors.values()].join('\n'), ...helpers].join('\n\n');
  }

  #declared(lane: string, type: Type): string {
    return type.lanes === 1 ? lane : this.vector(lane, type.lanes, widthOf(type) / 8);
  }

  #helper(name: HelperName, type: Type): HelperText {
    const write = this.dialect.helpers(type)[name];
    if (write === undefined) throw new TypeError(`${name} of ${this.type(type)} has no form in ${this.dialect.name}`);
    return write(type, this);
  }
}

function definition(inline: string, symbol: string, { result, parameters, body }: HelperText): string {
  const lines = body.map((line) => (line.startsWith('#') ? line : `  ${line}`));
  return [`${inline} ${result} ${symbol}(${parameters.join(', ')}) {`, ...lines, '}'].join('\n');
}
