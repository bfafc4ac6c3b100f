/**
 * The register tile under matrix products and convolutions: rows x vectors accumulators, to which each step adds the outer product of
 * a column of scalars and a row of vectors. Where the operands lie, and what is done with the sums, is the caller's business.
 *
 * 4 rows of 2 vectors are what a 16-register machine holds together with the operands of a step; engines that compile WebAssembly
 * spill with more, and unrolling the steps brings nothing.
 */
import {
  add,
  and,
  type Body,
  constant,
  convert,
  fma,
  ge,
  I32,
  iota,
  lane,
  laneType,
  load,
  lt,
  mul,
  scalarType,
  select,
  splat,
  vectorType,
} from '../build.js';
import { type Expr, isComplexStorage, type RealStorage, registerOf, type Storage, type Type } from '../ir.js';

/** With 1 lane a vector is a scalar. */
export interface TileForm {
  readonly rows: number;
  readonly vectors: number;
  readonly lanes: number;
  /** What the sums are stored as; they are computed in its register type. */
  readonly storage: Storage;
}

/** The dtype of packed operands: what a value of that storage is computed in, so that it is converted only once. Products are of real numbers. */
export function packedStorage(storage: Storage): RealStorage {
  if (isComplexStorage(storage)) throw new TypeError('products of complex matrices are products of real ones');
  return storage === 'float16' || storage === 'bfloat16' ? 'float32' : storage;
}

/** How many lanes a vector register has for that storage. */
export function lanesFor(storage: Storage, vectorBytes: number): number {
  const scalar = registerOf(storage);
  if (scalar === 'bool') return 1;
  return Math.max(1, vectorBytes / (scalar === 'f64' || scalar === 'i64' ? 8 : 4));
}

export const lanesType = (storage: Storage, lanes: number): Type =>
  lanes === 1 ? scalarType(registerOf(storage)) : vectorType(registerOf(storage), lanes);

/** Which columns of a tile lie in the result: those from `from` on and before `to`, where column 0 of the tile is `first`. */
export interface ColumnRange {
  readonly first: Expr;
  readonly from: Expr;
  readonly to: Expr;
}

export class RegisterTile {
  readonly #sums: readonly (readonly Expr[])[];
  readonly #vector: Type;
  readonly #form: TileForm;

  /** Declares the accumulators in `body`, at 0. */
  constructor(body: Body, form: TileForm) {
    this.#form = form;
    this.#vector = lanesType(form.storage, form.lanes);
    this.#sums = range(form.rows).map((row) =>
      range(form.vectors).map((vector) => body.variable(`sum_${row}_${vector}`, constant(this.#vector, 0))),
    );
  }

  /** Adds scalar(row) * vector(v) to each accumulator; the scalar may be a vector too. */
  step(body: Body, scalarOf: (row: number) => Expr, vectorOf: (vector: number) => Expr): void {
    const vectors = range(this.#form.vectors).map((vector) => body.let(`vector_${vector}`, vectorOf(vector)));
    this.#sums.forEach((sums, row) => {
      const factor = scalarOf(row);
      const scalar = body.let(`scalar_${row}`, factor.type.lanes === 1 ? splat(this.#vector, factor) : factor);
      sums.forEach((sum, vector) => {
        body.set(sum, multiplyAdd(scalar, vectors[vector]!, sum));
      });
    });
  }

  /** The sums of a row. */
  row(row: number): readonly Expr[] {
    return this.#sums[row]!;
  }

  /** Adds one number to every sum of a row. */
  addToRow(body: Body, row: number, value: Expr): void {
    const terms = body.let(`addend_${row}`, splat(this.#vector, value));
    for (const sum of this.#sums[row]!) body.set(sum, add(sum, terms));
  }

  /** Adds what lies at `index` on to a row. */
  addRow(body: Body, row: number, buffer: string, index: Expr): void {
    this.#sums[row]!.forEach((sum, vector) => {
      body.set(sum, add(sum, load(this.#vector, buffer, add(index, vector * this.#form.lanes))));
    });
  }

  /** Stores a row at `index` on, all its columns, which follow each other there; with `adds` on top of what is there. */
  storeRow(body: Body, row: number, buffer: string, index: Expr, adds: boolean): void {
    this.#sums[row]!.forEach((sum, vector) => {
      const place = add(index, vector * this.#form.lanes);
      body.store(buffer, place, adds ? add(load(this.#vector, buffer, place), sum) : sum);
    });
  }

  /** Adds a row to what is at `index` on, but for the columns before `from`. */
  addFrom(body: Body, row: number, buffer: string, index: Expr, from: Expr): void {
    const { lanes } = this.#form;
    this.#sums[row]!.forEach((sum, vector) => {
      const place = add(index, vector * lanes);
      const there = body.let(`there_${row}_${vector}`, load(this.#vector, buffer, place));
      const numbers = columnNumbers(this.#vector, vector * lanes);
      const isOurs = ge(numbers, splat(numbers.type, convert(laneType(numbers.type), from)));
      body.store(buffer, place, select(isOurs, add(there, sum), there));
    });
  }

  /** Stores those columns of a row that lie in the range, each on its own; column c at index + c * columnStride. */
  storeColumns(body: Body, row: number, buffer: string, index: Expr, columns: ColumnRange, options: ColumnOptions): void {
    const { lanes, storage } = this.#form;
    this.#sums[row]!.forEach((sum, vector) => {
      for (const at of range(lanes)) {
        const column = vector * lanes + at;
        const number = add(columns.first, column);
        const value = lanes === 1 ? sum : lane(sum, at);
        const place = add(index, mul(options.columnStride, column));
        body.if(and(ge(number, columns.from), lt(number, columns.to)), (inside) => {
          const there = load(scalarType(registerOf(storage)), buffer, place);
          inside.store(buffer, place, options.adds ? add(there, value) : value);
        });
      }
    });
  }
}

export interface ColumnOptions {
  readonly columnStride: Expr;
  readonly adds: boolean;
}

/** first, first + 1, ... in integers as wide as the lanes of that type. */
function columnNumbers(type: Type, first: number): Expr {
  if (type.lanes === 1) return constant(I32, first);
  const integers = vectorType(type.laneBits === 64 ? 'i64' : 'i32', type.lanes);
  return add(iota(integers), constant(integers, first));
}

/** a * b + c, rounded once if it can be. */
export function multiplyAdd(a: Expr, b: Expr, c: Expr): Expr {
  return c.type.scalar === 'f32' || c.type.scalar === 'f64' ? fma(a, b, c) : add(c, mul(a, b));
}

export const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
