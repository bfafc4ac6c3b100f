/**
 * Kernels written in index notation, `out[i, ...c] = x[index[i], ...c]`, to kernel IR.
 *
 * Names in brackets are loops. A name that stands in an input's or output's brackets by itself runs over that dimension; a group
 * `...c` runs over its dimensions as one. A name in brackets of brackets is an index read from a tensor: it is checked, clamped, and
 * counts from the end where negative. Statements run one after the other; each is parallel over the loops that place its target
 * directly, so that `+=` meets one place from one work item only, in the order of the other loops. Where that leaves only the loop
 * along which targets are contiguous, it is the innermost one, and work items that lie side by side run in lanes.
 */
import {
  add,
  and,
  Body,
  begin,
  convert,
  div,
  end,
  ge,
  gt,
  I32,
  i32,
  load,
  lt,
  max,
  min,
  mul,
  type Operand,
  or,
  param,
  rem,
  scalarType,
  select,
} from '../../kernels/build.js';
import type { BufferDeclaration, Expr, Kernel, Stmt } from '../../kernels/ir.js';
import { DiagnosticError, diagnosticAt } from '../spec/diagnostic.js';
import type { Input, Op, Output } from '../spec/model.js';
import type { Access, Expression, IndexStatement, Item } from './ast.js';

export interface IndexKernel {
  readonly kernel: Kernel;
  /** The loops that are work items, and each parameter: a dimension of an input or output, by tensor and place in its pattern. */
  readonly work: readonly string[];
  /** See `FunctionCall`; present where work items that lie side by side run in lanes. */
  readonly grain?: number;
  readonly sizes: ReadonlyMap<string, SizeSource>;
}

/** Where a loop's length is read: the dimensions of a tensor from `before` on, `after` left out at its end (one, or a group). */
export interface SizeSource {
  readonly tensor: string;
  readonly before: number;
  readonly after: number;
  readonly group: boolean;
}

const indexOutOfRange = 1;

/** At least two cache lines of float32 for each thread. */
const grainInLanes = 32;

export function compileIndexKernel(op: Op): IndexKernel {
  if (op.body.kind !== 'index') throw new TypeError(`${op.name} has no index kernel`);
  return new IndexCompiler(op, op.body.program.statements).compile();
}

/** The names along a tensor's axes, in the statement's own words. */
type Place = { readonly name: string; readonly group: boolean };

class IndexCompiler {
  readonly #sizes = new Map<string, SizeSource>();
  readonly #op: Op;
  readonly #statements: readonly IndexStatement[];
  #reads = 0;
  /** The loop that runs over work items in lanes, if one does. */
  #laneLoop: string | undefined;

  constructor(op: Op, statements: readonly IndexStatement[]) {
    this.#op = op;
    this.#statements = statements;
  }

  compile(): IndexKernel {
    for (const statement of this.#statements) this.#findSizes(statement);
    const work = this.#workLoops();
    const body = new Body();
    if (this.#runsInLanes(work)) {
      this.#laneLoop = work[0];
      for (const statement of this.#statements) this.#statement(body, statement, new Map(), []);
    } else {
      body.for('item', begin, end, (item, loop) => {
        const places = this.#unravel(loop, item, work);
        for (const statement of this.#statements) this.#statement(loop, statement, new Map(places), work);
      });
    }
    const params = [...this.#sizes.keys()].map((name) => ({ name: sizeName(name), type: 'i32' as const }));
    return {
      kernel: { name: this.#op.name, buffers: this.#buffers(), params, body: body.statements },
      work,
      ...(this.#laneLoop === undefined ? {} : { grain: grainInLanes }),
      sizes: new Map([...this.#sizes].map(([name, source]) => [sizeName(name), source])),
    };
  }

  #buffers(): BufferDeclaration[] {
    const targets = new Set(this.#statements.map(({ target }) => target.tensor));
    const adds = this.#statements.some(({ operator }) => operator === '+=');
    const several = this.#statements.length > 1;
    const storage = (dtype: Expression, name: string): string =>
      dtype.kind === 'name' && this.#op.dtypes.some((one) => one.name === dtype.name) ? dtype.name : `Of_${name}`;
    return [
      ...this.#op.inputs.map(({ name, dtype }): BufferDeclaration => ({ name, storage: storage(dtype, name), access: 'read' })),
      ...this.#op.outputs
        .filter(({ name }) => targets.has(name))
        .map(
          ({ name, dtype }): BufferDeclaration => ({
            name,
            storage: storage(dtype, name),
            access: adds || several ? 'readwrite' : 'write',
          }),
        ),
    ];
  }

  // ---- Loops

  /** Names that stand by themselves in the brackets of every statement's target: what work can be split along. */
  #workLoops(): string[] {
    const direct = this.#statements.map(
      ({ target }) => new Set(placesOf(target).flatMap((place) => (place === undefined ? [] : [place.name]))),
    );
    const [first] = this.#statements;
    const common = placesOf(first!.target).flatMap((place) =>
      place !== undefined && direct.every((names) => names.has(place.name)) ? [place.name] : [],
    );
    // The innermost loop is left to run in lanes where something else is there to split along.
    const last = placesOf(first!.target).at(-1);
    return common.length > 1 && last !== undefined ? common.filter((name) => name !== last.name) : common;
  }

  /** Whether the only loop to split work along is the innermost one, and has others around it. */
  #runsInLanes([name, ...others]: readonly string[]): boolean {
    return (
      name !== undefined &&
      others.length === 0 &&
      this.#statements.every((statement) => lastName(statement) === name && loopNames(statement).length > 1)
    );
  }

  #unravel(body: Body, item: Expr, names: readonly string[]): Map<string, Expr> {
    const places = new Map<string, Expr>();
    let rest = item;
    for (const name of names.slice(1).toReversed()) {
      const size = param(sizeName(name));
      places.set(name, body.let(`at_${name}`, rem(rest, size)));
      rest = body.let(`over_${name}`, div(rest, size));
    }
    if (names.length > 0) places.set(names[0]!, rest);
    return places;
  }

  #statement(body: Body, statement: IndexStatement, places: Map<string, Expr>, work: readonly string[]): void {
    this.#indexReads.clear();
    const names = loopNames(statement).filter((name) => !work.includes(name));
    const last = lastName(statement);
    const order = [...names.filter((name) => name !== last), ...names.filter((name) => name === last)];
    const run = (into: Body, running = statement): void =>
      this.#loops(into, running, order, places, (inner) => {
        const value = this.#value(inner, running.value, places);
        const at = this.#offset(inner, running.target, places);
        const type = value.type;
        const stored = running.operator === '+=' ? add(load(type, running.target.tensor, at), value) : value;
        inner.store(running.target.tensor, at, stored);
      });
    const axes = this.#indexedAxes(statement);
    if (axes.length === 0) {
      run(body);
      return;
    }
    // Along an empty axis there is no element that an index could be held to.
    body.if(
      allPositive(axes.map(({ size }) => size)),
      (whole) => run(whole),
      (empty) => {
        // What has failed is still there to be read by kernels that were launched after it.
        if (isGather(statement)) run(empty, { ...statement, value: { ...zero, span: statement.value.span } });
        const turns = axes.flatMap(({ names: read }) => read).filter((name) => !work.includes(name));
        const fail: Stmt = { do: 'fail', code: indexOutOfRange };
        if (turns.length === 0) empty.push(fail);
        else empty.if(allPositive(turns.map((name) => param(sizeName(name)))), (failing) => failing.push(fail));
      },
    );
  }

  /** The axes that an index is read along: their sizes, and the loops that the index depends on. */
  #indexedAxes(statement: IndexStatement): { readonly size: Expr; readonly names: readonly string[] }[] {
    return [statement.target, ...accessesIn(statement.value).slice(0, 1)].flatMap((access) => {
      const sizes = this.#axisNames(access.tensor);
      return access.indices.flatMap((item, axis) =>
        item.kind === 'access' ? [{ size: param(sizeName(sizes[axis]!)), names: namesIn(item) }] : [],
      );
    });
  }

  #loops(
    body: Body,
    statement: IndexStatement,
    names: readonly string[],
    places: Map<string, Expr>,
    write: (body: Body) => void,
  ): void {
    const [name, ...rest] = names;
    if (name === undefined) {
      write(body);
      return;
    }
    // Index reads do not depend on the loops further in, and are made before those begin.
    this.#readIndices(body, statement, places);
    const options = { vector: rest.length === 0 };
    const [from, to] = name === this.#laneLoop ? [begin, end] : [i32(0), param(sizeName(name))];
    body.for(
      `${name}_${this.#reads}`,
      from,
      to,
      (place, loop) => {
        places.set(name, place);
        this.#loops(loop, statement, rest, places, write);
        places.delete(name);
      },
      options,
    );
  }

  // ---- Values and places

  #value(body: Body, value: Expression, places: Map<string, Expr>): Expr {
    if (value.kind === 'access')
      return load(scalarType(this.#storageOf(value.tensor)), value.tensor, this.#offset(body, value, places));
    if (value.kind === 'number') return { op: 'const', type: scalarType('T'), value: value.value };
    throw problem('a kernel in index notation takes elements of tensors and numbers', value);
  }

  /** Row-major: each place times the sizes after it. */
  #offset(body: Body, access: Access, places: Map<string, Expr>): Expr {
    const sizes = this.#axisNames(access.tensor);
    let offset: Expr = i32(0);
    access.indices.forEach((item, axis) => {
      const size = param(sizeName(sizes[axis] ?? access.tensor));
      offset = add(mul(offset, axis === 0 ? i32(0) : size) as Expr, this.#place(body, item, size, places));
    });
    return offset;
  }

  readonly #indexReads = new Map<string, Expr>();

  #place(body: Body, item: Item, size: Operand, places: Map<string, Expr>): Expr {
    const name = nameOf(item);
    if (name !== undefined) return placed(name, places, item);
    if (item.kind !== 'access') throw problem('an index is a name, a group, or an element of a tensor', item);
    return this.#indexRead(body, item, size, places);
  }

  /** Reads an index that `places` determine; one read serves all loops within. */
  #indexRead(body: Body, access: Access, size: Operand, places: Map<string, Expr>): Expr {
    const key = `${access.tensor}[${access.indices.map((item) => JSON.stringify(placeKey(item, places))).join()}]`;
    const known = this.#indexReads.get(key);
    if (known !== undefined) return known;
    const count = this.#reads++;
    const storage = scalarType(this.#storageOf(access.tensor));
    const raw = body.let(`raw${count}`, load(storage, access.tensor, this.#offset(body, access, places)));
    const wide = body.let(`index${count}`, convert(I32, min(max(raw, -(2 ** 31)), 2 ** 31 - 1)));
    const wrapped = body.let(`wrapped${count}`, select(lt(wide, 0), add(wide, size), wide));
    body.if(or(lt(wrapped, 0), ge(wrapped, size)), (failing) => failing.push({ do: 'fail', code: indexOutOfRange }));
    const place = body.let(`place${count}`, max(min(wrapped, add(size, -1)), 0));
    this.#indexReads.set(key, place);
    return place;
  }

  /** Makes every index read that is possible with the places known so far. */
  #readIndices(body: Body, statement: IndexStatement, places: Map<string, Expr>): void {
    for (const access of [statement.target, ...accessesIn(statement.value).slice(0, 1)]) {
      const sizes = this.#axisNames(access.tensor);
      access.indices.forEach((item, axis) => {
        if (item.kind !== 'access' || !namesIn(item).every((name) => places.has(name))) return;
        this.#indexRead(body, item, param(sizeName(sizes[axis]!)), places);
      });
    }
  }

  // ---- Sizes

  /** The name of the loop or size along each axis of a tensor's brackets; an axis that is indexed by reads has a size of its own. */
  #axisNames(tensor: string): readonly string[] {
    for (const access of this.#accesses())
      if (access.tensor === tensor) return access.indices.map((item, axis) => nameOf(item) ?? `${tensor}${axis}`);
    throw new TypeError(`${tensor} is not read or written`);
  }

  #accesses(): Access[] {
    return this.#statements.flatMap(({ target, value }) => [
      target,
      ...accessesIn(value),
      ...target.indices.flatMap((item) => (item.kind === 'access' ? accessesIn(item) : [])),
    ]);
  }

  #findSizes(statement: IndexStatement): void {
    const accesses = [
      ...accessesIn(statement.value),
      ...statement.target.indices.flatMap((item) => (item.kind === 'access' ? accessesIn(item) : [])),
      statement.target,
    ];
    for (const access of accesses) {
      const groups = access.indices.filter((item) => item.kind === 'spread').length;
      if (groups > 1) throw problem('brackets may have one group', access);
      const group = access.indices.findIndex((item) => item.kind === 'spread');
      access.indices.forEach((item, axis) => {
        const name = nameOf(item) ?? `${access.tensor}${axis}`;
        if (this.#sizes.has(name)) return;
        const after = access.indices.length - axis - 1;
        const fromEnd = group >= 0 && axis > group;
        this.#sizes.set(name, {
          tensor: access.tensor,
          before: fromEnd ? -(after + 1) : axis,
          after,
          group: item.kind === 'spread',
        });
      });
    }
  }

  #storageOf(tensor: string): string {
    const declared: Input | Output | undefined =
      this.#op.inputs.find(({ name }) => name === tensor) ?? this.#op.outputs.find(({ name }) => name === tensor);
    if (declared === undefined) throw new TypeError(`${this.#op.name} has no tensor ${tensor}`);
    const { dtype } = declared;
    return dtype.kind === 'name' && this.#op.dtypes.some((one) => one.name === dtype.name) ? dtype.name : `Of_${tensor}`;
  }
}

const allPositive = (sizes: readonly Expr[]): Expr => sizes.map((size) => gt(size, 0)).reduce(and);

const sizeName = (name: string): string => `size_${name}`;

/** The loop that an item in brackets names; undefined where it is computed. */
function nameOf(item: Item): string | undefined {
  if (item.kind === 'name') return item.name;
  if (item.kind === 'spread' && item.value.kind === 'name') return item.value.name;
  return undefined;
}

function placesOf(access: Access): (Place | undefined)[] {
  return access.indices.map((item) => {
    const name = nameOf(item);
    return name === undefined ? undefined : { name, group: item.kind === 'spread' };
  });
}

function namesIn(item: Item): string[] {
  const name = nameOf(item);
  if (name !== undefined) return [name];
  return item.kind === 'access' ? item.indices.flatMap(namesIn) : [];
}

function placed(name: string, places: ReadonlyMap<string, Expr>, item: Item): Expr {
  const place = places.get(name);
  if (place === undefined) throw problem(`${name} is no loop of this statement`, item);
  return place;
}

function placeKey(item: Item, places: ReadonlyMap<string, Expr>): unknown {
  const name = nameOf(item);
  return name === undefined
    ? item.kind === 'access'
      ? item.indices.map((one) => placeKey(one, places))
      : null
    : (places.get(name) ?? name);
}

function loopNames(statement: IndexStatement): string[] {
  return [
    ...new Set([
      ...statement.target.indices.flatMap(namesIn),
      ...accessesIn(statement.value).flatMap((access) => access.indices.flatMap(namesIn)),
    ]),
  ];
}

/** The loop along the target's last axis, which is the contiguous one. */
function lastName(statement: IndexStatement): string | undefined {
  return placesOf(statement.target).at(-1)?.name;
}

const zero = { kind: 'number', value: 0, integer: true } as const;

/** Whether each element of the result is written once, wherever indices lead. */
function isGather({ target, operator }: IndexStatement): boolean {
  return operator === '=' && target.indices.every((item) => item.kind !== 'access');
}

function accessesIn(value: Item): Access[] {
  if (value.kind !== 'access') return [];
  return [value, ...value.indices.flatMap((item) => (item.kind === 'access' ? accessesIn(item) : []))];
}

function problem(message: string, node: { readonly span: Item['span'] }): DiagnosticError {
  return new DiagnosticError([diagnosticAt('INDEX_KERNEL', message, node.span)]);
}
