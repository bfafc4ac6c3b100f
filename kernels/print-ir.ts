/**
 * Kernel IR as text to be read by people: `opwright explain` and debugging output show it. It is written like the language the
 * reader knows, with types only where they cannot be seen, and nothing reads it back.
 *
 *     kernel softmax(in0: read float32, out0: write float32; n: i32)
 *       for item from begin to end
 *         let at = item * n
 *         var largest: f32 = -inf
 *         for i from 0 to n, in lanes
 *           largest max= in0[at + i]
 */
import type { AccumulateKind, BinaryOp, CompareOp, Expr, Extent, Kernel, Stmt, Type } from './ir.js';

export function printKernel(kernel: Kernel): string {
  return [printSignature(kernel), ...printGroup(kernel), ...printBlock(kernel.body, '  ')].join('\n');
}

/** How `variable` loops, and everything else of a body, read: one line for each statement. */
export function printStatements(statements: readonly Stmt[]): string {
  return printBlock(statements, '').join('\n');
}

function printSignature({ name, buffers, params }: Kernel): string {
  const operands = buffers.map((buffer) => `${buffer.name}: ${buffer.access} ${buffer.storage}`);
  const numbers = params.map((param) => `${param.name}: ${param.type}`);
  const parameters = [operands.join(', '), numbers.join(', ')].filter((part) => part !== '');
  return `kernel ${name}(${parameters.join('; ')})`;
}

function printGroup({ group }: Kernel): string[] {
  if (group === undefined) return [];
  const threads = typeof group.threads === 'number' ? String(group.threads) : `as suit ${extentText(group.threads)}`;
  const shared = group.shared.map(({ name, storage, length }) => `  shared ${name}: ${storage}[${length}]`);
  return [`  by groups of threads (${threads}), for ${group.items} items at a time`, ...shared];
}

function extentText(extent: Extent): string {
  return extent.map(({ factor, params }) => [...(factor === 1 ? [] : [factor]), ...params].join(' * ')).join(' + ');
}

function printBlock(statements: readonly Stmt[], indent: string): string[] {
  return statements.flatMap((statement) => printStatement(statement, indent));
}

function printStatement(statement: Stmt, indent: string): string[] {
  const inside = (statements: readonly Stmt[]): string[] => printBlock(statements, `${indent}  `);
  switch (statement.do) {
    case 'let': {
      const { name, value, mutable } = statement;
      // A local that changes is where a reader looks for its type; other types follow from the values.
      return [`${indent}${mutable ? `var ${name}: ${typeText(value.type)}` : `let ${name}`} = ${printExpr(value)}`];
    }
    case 'set':
      return [`${indent}${statement.name} = ${printExpr(statement.value)}`];
    case 'accumulate':
      return [`${indent}${statement.name} ${accumulators[statement.kind]} ${printExpr(statement.value)}`];
    case 'store':
      return [
        `${indent}${statement.buffer}[${place(statement.index, statement.value.type)}] = ${printExpr(statement.value)}${statement.streams ? ', streamed' : ''}`,
      ];
    case 'for': {
      const step = statement.step === 1 ? '' : ` by ${statement.step}`;
      const range = `for ${statement.name} from ${printExpr(statement.from)} to ${printExpr(statement.to)}${step}`;
      return [`${indent}${range}${statement.vector ? ', in lanes' : ''}`, ...inside(statement.body)];
    }
    case 'while':
      return [`${indent}while ${printExpr(statement.condition)}`, ...inside(statement.body)];
    case 'if':
      return [
        `${indent}if ${printExpr(statement.condition)}`,
        ...inside(statement.then),
        ...(statement.else === undefined ? [] : [`${indent}else`, ...inside(statement.else)]),
      ];
    case 'break':
    case 'continue':
      return [`${indent}${statement.do}`];
    case 'fail':
      return [`${indent}fail ${statement.code}`];
    case 'barrier':
      return [`${indent}barrier`];
    case 'multiplyTiles': {
      const [a, b] = [statement.a, statement.b].map((tile) => `[${tile.map(printExpr).join(', ')}]`);
      return [`${indent}[${statement.sums.join(', ')}] += ${statement.element}(${a}, ${b})`];
    }
  }
}

const accumulators: Readonly<Record<AccumulateKind, string>> = {
  sum: '+=',
  prod: '*=',
  max: 'max=',
  min: 'min=',
  any: '|=',
  all: '&=',
};

export function printExpr(expr: Expr): string {
  return written(expr).text;
}

interface Written {
  readonly text: string;
  /** How tightly its outermost operator binds. */
  readonly binds: number;
}

const selectBinds = 1;
const signBinds = 10;
const atomBinds = 11;

/** Symbols and how tightly they bind, as in JavaScript, but that `&`, `|` and `^` bind tighter than comparisons. */
const operators: Readonly<Partial<Record<BinaryOp, readonly [symbol: string, binds: number]>>> = {
  or: ['|', 3],
  xor: ['^', 4],
  and: ['&', 5],
  shl: ['<<', 6],
  shr: ['>>', 6],
  shru: ['>>>', 6],
  add: ['+', 7],
  sub: ['-', 7],
  mul: ['*', 8],
  div: ['/', 8],
  rem: ['%', 8],
};
const comparisonBinds = 2;
const comparisons: Readonly<Record<CompareOp, string>> = {
  eq: '==',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  ltu: '<u',
};
const signs: Readonly<Record<string, string>> = { neg: '-', not: '!', bitNot: '~' };

function written(expr: Expr): Written {
  switch (expr.op) {
    case 'const':
      return { text: String(expr.value), binds: typeof expr.value === 'number' && expr.value < 0 ? signBinds : atomBinds };
    case 'local':
    case 'param':
      return { text: expr.name, binds: atomBinds };
    case 'load':
      return { text: `${expr.buffer}[${place(expr.index, expr.type)}]`, binds: atomBinds };
    case 'unary': {
      const sign = signs[expr.name];
      return sign === undefined ? call(expr.name, expr.value) : { text: sign + operand(expr.value, signBinds), binds: signBinds };
    }
    case 'binary': {
      const [symbol, binds] = operators[expr.name] ?? [];
      return symbol === undefined || binds === undefined ? call(expr.name, expr.left, expr.right) : infix(expr, symbol, binds);
    }
    case 'compare':
      return infix(expr, comparisons[expr.name], comparisonBinds);
    case 'select': {
      const [condition, then, otherwise] = [operand(expr.condition, selectBinds + 1), printExpr(expr.then), printExpr(expr.else)];
      return { text: `${condition} ? ${then} : ${otherwise}`, binds: selectBinds };
    }
    case 'fma':
      return call('fma', expr.a, expr.b, expr.c);
    case 'convert':
      return call(typeText(expr.type), expr.value);
    case 'bits':
      return call(`bitsAs.${typeText(expr.type)}`, expr.value);
    case 'splat':
      return call('splat', expr.value);
    case 'lane':
      return { text: `lane(${printExpr(expr.value)}, ${expr.lane})`, binds: atomBinds };
    case 'shuffle':
      return { text: `shuffle(${printExpr(expr.left)}, ${printExpr(expr.right)}, [${expr.lanes.join(', ')}])`, binds: atomBinds };
    case 'iota':
      return { text: 'iota', binds: atomBinds };
    case 'pair':
      return call('complex', expr.real, expr.imaginary);
    case 'part':
      return call(expr.part, expr.value);
    case 'pack':
      return { text: `[${expr.lanes.map(printExpr).join(', ')}]`, binds: atomBinds };
    case 'place':
      return { text: `#${expr.name}`, binds: atomBinds };
    case 'exchange':
      return { text: `from.${expr.from}(${printExpr(expr.value)}, ${expr.distance})`, binds: atomBinds };
    case 'peers':
      return call('peers', expr.value);
  }
}

function operand(expr: Expr, least: number): string {
  const { text, binds } = written(expr);
  return binds < least ? `(${text})` : text;
}

function infix({ left, right }: { readonly left: Expr; readonly right: Expr }, symbol: string, binds: number): Written {
  return { text: `${operand(left, binds)} ${symbol} ${operand(right, binds + 1)}`, binds };
}

function call(name: string, ...operands: readonly Expr[]): Written {
  return { text: `${name}(${operands.map(printExpr).join(', ')})`, binds: atomBinds };
}

/** Where a buffer is read or written: one element, or as many as the value has lanes (`i .. 4`). */
function place(index: Expr, type: Type): string {
  return type.lanes === 1 ? printExpr(index) : `${operand(index, comparisonBinds)} .. ${type.lanes}`;
}

/** `f32`, `f32x4`, `bool32x4` for a mask of 32-bit lanes, `T`. */
function typeText({ scalar, lanes, laneBits }: Type): string {
  if (lanes === 1) return scalar;
  return `${scalar}${scalar === 'bool' ? (laneBits ?? '') : ''}x${lanes}`;
}
