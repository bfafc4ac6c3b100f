/** Faults in the vectoriser. */
import type { PickedFaults } from '../picked.js';
import { elementwise, reductions } from './plans.js';

const tail = 'off-by-one loop bound or vector tail';
const longReductions = { ...reductions, first: ['size'] };

export const vectors: readonly PickedFaults[] = [
  {
    file: 'kernels/combine',
    plan: { ...reductions, suites: ['wasm-statements', ...(reductions.suites ?? [])] },
    faults: [
      ['wrong reduction identity', "max: 'lowest',", 'max: 0,'],
      ['wrong reduction identity', "min: 'highest',", 'min: 0,'],
      ['wrong reduction identity', 'prod: 1,', 'prod: 0,'],
      ['wrong reduction identity', 'all: 1,', 'all: 0,'],
      ['wrong reduction identity', 'sum: 0,', 'sum: 1,'],
      ['wrong reduction identity', "f64: { lowest: '-inf',", 'f64: { lowest: 0,'],
      ['wrong instruction', "max: 'max',", "max: 'min',"],
      ['wrong instruction', "any: 'or',", "any: 'and',"],
    ],
  },
  {
    file: 'kernels/vectorise',
    plan: reductions,
    faults: [
      ['overrun', 'and(count, -lanes))', 'add(count, 0))', elementwise],
      ['overrun', 'and(count, -lanes * this.#unroll)', 'and(count, -lanes)', longReductions],
      [tail, 'max(sub(to, from), 0)', 'sub(to, from)'],
      [tail, 'parts.slice(0, -1).map(', 'parts.slice(0, -2).map(', longReductions],
      [tail, 'forLoop(this.#loop.name, vectorEnd, to,', 'forLoop(this.#loop.name, vectorEnd, sub(to, 1),', elementwise],
      ['wrong formula', 'ne(shared, shared)', 'lt(shared, shared)'],
      ['wrong stride', 'stride === 1 ? iota(type) : mul(iota(type), splat(type, i32(stride)))', 'iota(type)', elementwise],
      ['overrun', "node.op === 'load' && this.#depth > 0", 'false'],
    ],
  },
  {
    file: 'kernels/vectorise-analysis',
    plan: elementwise,
    faults: [
      ['wrong stride', 'stride === undefined || !loadableStrides.has(stride)', 'stride === undefined'],
      ['wrong stride', 'strideOf(statement.index) !== 1', 'strideOf(statement.index) === undefined'],
      ['wrong stride', 'return left - right;', 'return left + right;'],
      ['wrong partition of a graph', 'statement.mutable && stride !== 0 ? undefined : stride', 'stride'],
      ['wrong partition of a graph', "node.op === 'local' && found.has(node.name)", 'false', reductions],
      ['wrong partition of a graph', 'found.get(name)?.kind !== kind', 'false', reductions],
      ['wrong dtype conversion', 'widths.size > 1', 'widths.size > 2'],
    ],
  },
];
