/**
 * Prints kernels as C or CUDA C++, one statement a line. The kernels' types must be concrete; transcendental functions are expanded
 * here, those of float64 but for a few left to the C library. What a kernel's function looks like to its caller is in dialect.ts.
 *
 * IR names get a prefix by what they name: `v_` locals, `p_` parameters, `b_` buffers, so that none is a keyword or a function of C.
 */
import { binary, F32, I32, local } from '../build.js';
import { combine } from '../combine.js';
import {
  type BufferDeclaration,
  type Expr,
  type Kernel,
  type PlaceName,
  type RealStorage,
  registerOf,
  type Stmt,
  type Type,
} from '../ir.js';
import { expandMath, isLibraryFunction, type MathOptions } from '../math/expand.js';
import type { Dialect } from './dialect.js';
import { type Place, printExpr, printStore } from './expressions.js';
import type { GroupForm } from './groups.js';
import { Module, PREFIX } from './module.js';
import { elementTypes } from './types.js';

/** The name under which a kernel's function is exported. */
export const symbolOf = (name: string): string => PREFIX + identifier(name);

/** One kernel as a complete text. */
export function printC(kernel: Kernel, dialect: Dialect): string {
  return printModule([kernel], dialect);
}

/** Several kernels as one text, with their helper functions once. Their names have to differ. */
export function printModule(kernels: readonly Kernel[], dialect: Dialect): string {
  const names = new Set(kernels.map(({ name }) => symbolOf(name)));
  if (names.size < kernels.length) throw new TypeError('two kernels of one text have the same name');
  const module = new Module(dialect);
  const functions = kernels.map((kernel) => new FunctionPrinter(expandMath(kernel, mathOptions), module).print());
  return `${[module.prelude(), ...functions].join('\n\n')}\n`;
}

/**
 * Powers of integers are a helper function with a loop. Written out, the squares of a base that does not change are, to GCC, products of
 * 2^31 factors: it describes what changes in a loop by expressions without shared parts.
 */
const mathOptions: MathOptions = {
  isNative: (name, scalar) => isLibraryFunction(name, scalar) || (name === 'pow' && (scalar === 'i32' || scalar === 'i64')),
};

const identifier = (name: string): string => name.replaceAll(/[^A-Za-z0-9_]/g, '_');

interface Local {
  readonly name: string;
  readonly mutable: boolean;
}

type Node<Do extends Stmt['do']> = Extract<Stmt, { do: Do }>;

class FunctionPrinter implements Place {
  readonly #lines: string[] = [];
  readonly #buffers: ReadonlyMap<string, RealStorage>;
  readonly #shared: ReadonlySet<string>;
  readonly #params: ReadonlySet<string>;
  #scopes: Map<string, Local>[] = [];
  /** The block's members that the body reads. */
  readonly #read = new Set<string>();
  readonly #places = new Set<PlaceName>();
  #loops = 0;
  #streams = false;
  #depth = 0;

  constructor(
    readonly kernel: Kernel,
    readonly module: Module,
  ) {
    const shared = kernel.group?.shared ?? [];
    this.#shared = new Set(shared.map(({ name }) => name));
    this.#buffers = new Map([
      ...kernel.buffers.map((buffer) => [buffer.name, concreteStorage(kernel, buffer)] as const),
      ...shared.map(({ name, storage }) => [name, storage] as const),
    ]);
    this.#params = new Set(kernel.params.map(({ name }) => name));
  }

  print(): string {
    const { kernel } = this.module.dialect;
    const { group } = this.kernel;
    const symbol = symbolOf(this.kernel.name);
    const struct = `${symbol}_block`;
    const items = group === undefined ? kernel.items : undefined;
    const [begin, end] = items === undefined ? ['v_begin', 'v_end'] : ['begin', 'end'];
    const bounds = group === undefined ? '' : this.#groups().bounds(group);
    this.#struct(struct);
    this.#line('');
    this.#braces(`${kernel.result} ${bounds}${symbol}(${kernel.parameters(struct)}, i32 ${begin}, i32 ${end})`, () => {
      const start = this.#lines.length;
      if (items === undefined) this.#body();
      else this.#braces(items, () => this.#oneItem());
      this.#lines.splice(start, 0, ...this.#members(struct), ...this.#groupLines());
    });
    return this.#lines.join('\n');
  }

  #groups(): GroupForm {
    const { name, kernel } = this.module.dialect;
    if (kernel.groups === undefined) throw this.#broken(`it is for groups of threads, which ${name} does not have`);
    return kernel.groups;
  }

  /** Shared arrays, and where the thread stands. */
  #groupLines(): readonly string[] {
    const { group } = this.kernel;
    if (group === undefined) return [];
    const { places, shared } = this.#groups();
    const arrays = group.shared.flatMap((array) => shared(`b_${identifier(array.name)}`, array, group));
    const named = [...this.#places].map((name) => `const i32 ${name} = ${places[name]};`);
    return [...arrays, ...named].map((line) => `  ${line}`);
  }

  /** C lays its members out as `paramLayout` does. */
  #struct(name: string): void {
    this.#line(`struct ${name} {`);
    const { distances } = this.module.dialect.kernel;
    this.#line(distances ? '  u32 error;' : '  i32 *error;');
    for (const buffer of this.kernel.buffers)
      this.#line(distances ? `  u32 b_${identifier(buffer.name)};` : `  ${this.#elements(buffer)}b_${identifier(buffer.name)};`);
    for (const { name: param, type } of this.kernel.params) this.#line(`  ${type} p_${identifier(param)};`);
    this.#line('};');
  }

  /** The type of a pointer to a buffer's elements. */
  #elements({ name, access }: BufferDeclaration): string {
    return `${access === 'read' ? 'const ' : ''}${elementTypes[this.#storage(name)]} *`;
  }

  /**
   * Copies what the body has read of the block into locals: stores to buffers might change the block, as far as the compiler knows.
   */
  #members(struct: string): readonly string[] {
    const { member, distances, open } = this.module.dialect.kernel;
    const pointer = (name: string, type: string): readonly [string, string] => [
      name,
      `${type}${name} = ${distances ? `(${type.trimEnd()})(memory + ${member}${name})` : `${member}${name}`}`,
    ];
    const members = [
      pointer('error', 'i32 *'),
      ...this.kernel.buffers.map((buffer) => pointer(`b_${identifier(buffer.name)}`, this.#elements(buffer))),
      ...this.kernel.params.map(({ name, type }) => {
        const param = `p_${identifier(name)}`;
        return [param, `const ${type} ${param} = ${member}${param}`] as const;
      }),
    ];
    const read = members.flatMap(([name, declared]) => (this.#read.has(name) ? [`  ${declared};`] : []));
    return read.length === 0 ? [] : [...open(struct).map((line) => `  ${line}`), ...read];
  }

  #body(): void {
    this.#scope(() => {
      this.#declare('begin', false);
      this.#declare('end', false);
      this.#statements(this.kernel.body);
    });
    if (this.#streams) this.#line(`${this.module.call('drain', I32)};`);
  }

  #oneItem(): void {
    this.#line('const i32 v_begin = (i32)item;');
    this.#line('const i32 v_end = v_begin + 1;');
    this.#body();
  }

  // Names

  local(name: string): string {
    return this.#lookup(name).name;
  }

  param(name: string): string {
    if (!this.#params.has(name)) throw this.#broken(`there is no parameter ${name}`);
    return this.#member(`p_${identifier(name)}`);
  }

  place(name: PlaceName): string {
    if (this.kernel.group === undefined) throw this.#broken(`there is no ${name}`);
    this.#places.add(name);
    return name;
  }

  buffer(name: string, type: Type): ReturnType<Place['buffer']> {
    const storage = this.#storage(name);
    if (registerOf(storage) !== type.scalar)
      throw this.#broken(`${name} holds ${storage}, which is no ${type.scalar} in a register`);
    const isShared = this.#shared.has(name);
    return { name: isShared ? `b_${identifier(name)}` : this.#member(`b_${identifier(name)}`), storage, isShared };
  }

  #member(name: string): string {
    this.#read.add(name);
    return name;
  }

  #storage(name: string): RealStorage {
    const storage = this.#buffers.get(name);
    if (storage === undefined) throw this.#broken(`there is no buffer ${name}`);
    return storage;
  }

  #lookup(name: string): Local {
    for (let depth = this.#scopes.length - 1; depth >= 0; depth--) {
      const found = this.#scopes[depth]?.get(name);
      if (found !== undefined) return found;
    }
    throw this.#broken(`no local ${name} is visible here`);
  }

  /** A C name that no visible local has: a declaration's initialiser may read an outer local of the same name. */
  #declare(name: string, mutable: boolean): string {
    if (this.#scopes.some((scope) => scope.has(name))) throw this.#broken(`the local ${name} is declared twice`);
    const taken = new Set(this.#scopes.flatMap((visible) => [...visible.values()].map((known) => known.name)));
    const wanted = `v_${identifier(name)}`;
    let unique = wanted;
    for (let count = 2; taken.has(unique); count++) unique = `${wanted}_${count}`;
    this.#scopes.at(-1)!.set(name, { name: unique, mutable });
    return unique;
  }

  #broken(problem: string): TypeError {
    return new TypeError(`kernel ${this.kernel.name}: ${problem}`);
  }

  // Statements

  #statements(statements: readonly Stmt[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: Stmt): void {
    switch (statement.do) {
      case 'let': {
        const value = printExpr(this, statement.value);
        const name = this.#declare(statement.name, statement.mutable === true);
        this.#line(`${statement.mutable ? '' : 'const '}${this.module.type(statement.value.type)} ${name} = ${value};`);
        const { forget } = this.module.dialect;
        if (statement.held && forget !== undefined) this.#line(forget);
        break;
      }
      case 'set':
        this.#line(`${this.#target(statement.name)} = ${printExpr(this, statement.value)};`);
        break;
      case 'accumulate': {
        const { name, kind, value } = statement;
        this.#line(`${this.#target(name)} = ${printExpr(this, binary(combine[kind], local(name, value.type), value))};`);
        break;
      }
      case 'store':
        this.#streams ||= statement.streams === true && this.module.dialect.streams;
        this.#line(printStore(this, statement));
        break;
      case 'for':
        this.#for(statement);
        break;
      case 'while':
        this.#loop(`while (${printExpr(this, statement.condition)})`, statement.body);
        break;
      case 'if':
        this.#if(statement, '');
        break;
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw this.#broken(`${statement.do} outside of a loop`);
        this.#line(`${statement.do};`);
        break;
      case 'fail':
        this.#line(this.module.fail(this.#member('error'), statement.code));
        break;
      case 'barrier':
        if (this.kernel.group === undefined) throw this.#broken('a barrier for a single thread');
        this.#line(this.#groups().barrier(this.kernel.group));
        break;
      case 'multiplyTiles':
        this.#multiplyTiles(statement);
    }
  }

  #multiplyTiles({ element, sums, a, b }: Node<'multiplyTiles'>): void {
    const operands = [...sums.map((sum) => this.#target(sum)), ...[...a, ...b].map((word) => printExpr(this, word))];
    this.#line(`${this.module.call(`multiply_${element}`, F32, ...operands)};`);
  }

  #target(name: string): string {
    const found = this.#lookup(name);
    if (!found.mutable) throw this.#broken(`${name} is not mutable`);
    return found.name;
  }

  #for({ name, from, to, step, body }: Node<'for'>): void {
    this.#scope(() => {
      const first = printExpr(this, from);
      const limit = printExpr(this, to);
      // A bound that the body cannot change needs no copy.
      const kept = this.#isFixed(to) ? undefined : this.#declare(`${name}#limit`, false);
      const index = this.#declare(name, false);
      const copy = kept === undefined ? '' : `, ${kept} = ${limit}`;
      this.#loop(`for (i32 ${index} = ${first}${copy}; ${index} < ${kept ?? limit}; ${index} += ${step})`, body);
    });
  }

  #isFixed(expr: Expr): boolean {
    return expr.op === 'const' || expr.op === 'param' || (expr.op === 'local' && !this.#lookup(expr.name).mutable);
  }

  #loop(head: string, body: readonly Stmt[]): void {
    this.#loops++;
    this.#block(head, body);
    this.#loops--;
  }

  #if({ condition, then, else: otherwise = [] }: Node<'if'>, before: string): void {
    this.#block(`${before}if (${printExpr(this, condition)})`, then);
    const [only, ...others] = otherwise;
    if (only === undefined) return;
    this.#lines.pop();
    if (only.do === 'if' && others.length === 0) this.#if(only, '} else ');
    else this.#block('} else', otherwise);
  }

  #block(head: string, statements: readonly Stmt[]): void {
    this.#braces(head, () => this.#scope(() => this.#statements(statements)));
  }

  #scope(write: () => void): void {
    this.#scopes.push(new Map());
    write();
    this.#scopes.pop();
  }

  #braces(head: string, write: () => void): void {
    this.#line(`${head} {`);
    this.#depth++;
    write();
    this.#depth--;
    this.#line('}');
  }

  #line(text: string): void {
    this.#lines.push(text === '' ? '' : '  '.repeat(this.#depth) + text);
  }
}

function concreteStorage(kernel: Kernel, { name, storage }: BufferDeclaration): RealStorage {
  if (!isStorage(storage)) throw new TypeError(`kernel ${kernel.name}: buffer ${name} is still of dtype ${storage}`);
  return storage;
}

const isStorage = (name: string): name is RealStorage => Object.hasOwn(elementTypes, name);
