/**
 * Takes complex values apart: kernel IR to kernel IR without `c64` and `c128`. A complex local becomes two real ones, a buffer of complex
 * elements one of floats with twice as many, a sum or product what arithmetic.ts says. Kernels are written for a complex dtype as for
 * any other, and whatever comes after this pass (lanes, printers, the interpreter) knows real numbers alone.
 *
 * It runs on kernels of concrete dtypes, before `vectorise`. What is used several times becomes a local, declared just before its
 * statement; expressions are pure, so computing them there changes nothing.
 */
import { add, Body, constant, convert, forLoop, if_, isComplexType, load, local, mul, partType, store } from '../build.js';
import { type BufferDeclaration, type Expr, isComplexStorage, type Kernel, partStorage, type Stmt, type Type } from '../ir.js';
import type { Share } from '../math/half.js';
import { expressionsOf, mapOperands, mapStatement, visitExpr, visitStatements } from '../traverse.js';
import * as arithmetic from './arithmetic.js';
import { imaginaryOf, type Pair } from './arithmetic.js';

export function splitComplex(kernel: Kernel): Kernel {
  if (!hasComplex(kernel)) return kernel;
  const buffers = kernel.buffers.map(
    (buffer): BufferDeclaration =>
      isComplexStorage(buffer.storage) ? { ...buffer, storage: partStorage[buffer.storage] } : buffer,
  );
  return { ...kernel, buffers, body: new Splitter().block(kernel.body) };
}

function hasComplex({ buffers, body }: Kernel): boolean {
  let found = buffers.some(({ storage }) => isComplexStorage(storage));
  visitStatements(body, (statement) => {
    for (const expr of expressionsOf(statement))
      visitExpr(expr, ({ type }) => {
        found ||= isComplexType(type);
      });
  });
  return found;
}

class Splitter {
  /** What the complex locals in sight became. */
  readonly #pairs = new Map<string, Pair>();
  #shared = 0;

  block(statements: readonly Stmt[]): readonly Stmt[] {
    return statements.flatMap((statement) => {
      const body = new Body();
      this.#statement(statement, body);
      return body.statements;
    });
  }

  #statement(statement: Stmt, body: Body): void {
    const share: Share = (value) =>
      value.op === 'local' || value.op === 'const' || value.op === 'param' ? value : body.let(`split_${this.#shared++}`, value);
    const real = (expr: Expr): Expr => this.#real(expr, share);
    switch (statement.do) {
      case 'let':
      case 'set':
      case 'accumulate':
        if (isComplexType(statement.value.type)) this.#assign(statement, body, share);
        else body.push(mapStatement(statement, real, (inner) => inner));
        return;
      case 'store':
        if (isComplexType(statement.value.type)) this.#store(statement, body, share);
        else body.push(mapStatement(statement, real, (inner) => inner));
        return;
      case 'for': {
        const { name, from, to, step, vector = false } = statement;
        body.push(forLoop(name, real(from), real(to), this.block(statement.body), { step, vector }));
        return;
      }
      case 'if':
        body.push(
          if_(
            real(statement.condition),
            this.block(statement.then),
            statement.else === undefined ? undefined : this.block(statement.else),
          ),
        );
        return;
      case 'while': {
        const { condition } = statement;
        // What a condition shares would be computed once, not on every turn.
        const once: Share = () => {
          throw new TypeError('the condition of a while loop computes complex values');
        };
        body.push({ do: 'while', condition: this.#real(condition, once), body: this.block(statement.body) });
        return;
      }
      default:
        body.push(statement);
    }
  }

  #assign(statement: Extract<Stmt, { do: 'let' | 'set' | 'accumulate' }>, body: Body, share: Share): void {
    const { name, value } = statement;
    const names = { real: `${name}_re`, imaginary: `${name}_im` };
    const { type } = value;
    const pair = this.#pair(value, share);
    if (statement.do === 'let') {
      const isNumber = pair.imaginary === null && !statement.mutable;
      const declare = (part: 'real' | 'imaginary', from: Expr): Expr =>
        statement.mutable ? body.variable(names[part], from) : body.let(names[part], from);
      const real = declare('real', pair.real);
      this.#pairs.set(name, { real, imaginary: isNumber ? null : declare('imaginary', imaginaryOf(pair)) });
      return;
    }
    const before: Pair = { real: local(names.real, partType(type)), imaginary: local(names.imaginary, partType(type)) };
    if (statement.do === 'accumulate' && statement.kind === 'sum') {
      body.accumulate(before.real, 'sum', pair.real);
      body.accumulate(imaginaryOf(before), 'sum', imaginaryOf(pair));
      return;
    }
    const after = statement.do === 'set' ? pair : combined(statement.kind, before, pair);
    const [real, imaginary] = [share(after.real), share(imaginaryOf(after))];
    body.set(before.real, real);
    body.set(imaginaryOf(before), imaginary);
  }

  #store({ buffer, index, value, alone }: Extract<Stmt, { do: 'store' }>, body: Body, share: Share): void {
    const pair = this.#pair(value, share);
    const place = this.#real(index, share);
    // Both are computed before the first is stored: the value may be read from this very place.
    const [real, imaginary] = [share(pair.real), share(imaginaryOf(pair))];
    body.push(store(buffer, partPlace(place, 0), real, alone), store(buffer, partPlace(place, 1), imaginary, alone));
  }

  /** A real expression whose operands may be complex. */
  #real(expr: Expr, share: Share): Expr {
    if (expr.op === 'part') {
      const pair = this.#pair(expr.value, share);
      return expr.part === 'real' ? pair.real : imaginaryOf(pair);
    }
    if (expr.op === 'compare' && isComplexType(expr.left.type)) {
      const [left, right] = [this.#sharedPair(expr.left, share), this.#sharedPair(expr.right, share)];
      if (expr.name === 'eq') return arithmetic.equal(left, right);
      if (expr.name === 'ne') return arithmetic.unequal(left, right);
      throw new TypeError(`complex numbers have no order: ${expr.name}`);
    }
    if (expr.op === 'convert' && isComplexType(expr.value.type)) {
      const pair = this.#sharedPair(expr.value, share);
      if (expr.type.scalar === 'bool') return arithmetic.unequal(pair, zeroLike(pair));
      return convert(expr.type, pair.real);
    }
    return mapOperands(expr, (operand) => this.#real(operand, share));
  }

  /** A complex expression whose parts are read several times. */
  #sharedPair(expr: Expr, share: Share): Pair {
    const { real, imaginary } = this.#pair(expr, share);
    return { real: share(real), imaginary: imaginary === null ? null : share(imaginary) };
  }

  #pair(expr: Expr, share: Share): Pair {
    const part = partType(expr.type);
    switch (expr.op) {
      case 'const':
        return { real: constant(part, expr.value), imaginary: null };
      case 'local': {
        const pair = this.#pairs.get(expr.name);
        if (pair === undefined) throw new TypeError(`unknown local ${expr.name}`);
        return pair;
      }
      case 'load': {
        const place = this.#real(expr.index, share);
        return { real: load(part, expr.buffer, partPlace(place, 0)), imaginary: load(part, expr.buffer, partPlace(place, 1)) };
      }
      case 'pair':
        return { real: this.#real(expr.real, share), imaginary: this.#real(expr.imaginary, share) };
      case 'convert':
        return this.#converted(expr.value, part, share);
      case 'select': {
        const condition = share(this.#real(expr.condition, share));
        return arithmetic.chosen(condition, this.#pair(expr.then, share), this.#pair(expr.else, share));
      }
      case 'unary':
        if (expr.name === 'neg') return arithmetic.negative(this.#pair(expr.value, share));
        break;
      case 'binary':
        return this.#binary(expr, share);
      default:
    }
    throw new TypeError(`${expr.op === 'unary' ? expr.name : expr.op} has no meaning for complex numbers`);
  }

  /** A real value becomes a number beside complex ones; between complex types the parts are converted. */
  #converted(value: Expr, part: Type, share: Share): Pair {
    if (!isComplexType(value.type)) return { real: convert(part, this.#real(value, share)), imaginary: null };
    const { real, imaginary } = this.#pair(value, share);
    return { real: convert(part, real), imaginary: imaginary === null ? null : convert(part, imaginary) };
  }

  #binary(expr: Extract<Expr, { op: 'binary' }>, share: Share): Pair {
    if (expr.name === 'add') return arithmetic.sum(this.#pair(expr.left, share), this.#pair(expr.right, share));
    if (expr.name === 'sub') return arithmetic.difference(this.#pair(expr.left, share), this.#pair(expr.right, share));
    const [left, right] = [this.#sharedPair(expr.left, share), this.#sharedPair(expr.right, share)];
    if (expr.name === 'mul') return arithmetic.product(left, right);
    if (expr.name === 'div') return arithmetic.quotient(left, right, share);
    throw new TypeError(`${expr.name} has no meaning for complex numbers`);
  }
}

const combined = (kind: string, before: Pair, value: Pair): Pair => {
  if (kind === 'prod') return arithmetic.product(before, value);
  throw new TypeError(`complex numbers cannot be reduced by ${kind}`);
};

const zeroLike = ({ real }: Pair): Pair => ({ real: constant(real.type, 0), imaginary: null });

/** Where a part of a complex element lies among the floats. */
const partPlace = (index: Expr, part: 0 | 1): Expr => add(mul(index, 2), part);
