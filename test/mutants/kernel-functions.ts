/**
 * Faults in kernel functions and kernels made from index notation, planted automatically in the IR that generated/kernels holds: comparisons,
 * loop bounds, index arithmetic and formulas.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { usersOfKernels } from './generated.js';
import type { FaultClass, Mutant } from './mutant.js';

interface Rule {
  readonly fault: FaultClass;
  /** The operator, in its place in the IR's JSON. */
  readonly find: RegExp;
  /** What the operator is applied to. */
  readonly of: string;
  readonly to: string;
}

const compare = (name: string, to: string, fault: FaultClass): Rule => ({
  fault,
  find: new RegExp(`"op": "compare"[^{}]*\\{[^{}]*\\}[^{}]*"name": "(${name})"`, 'g'),
  of: 'comparison',
  to,
});
const binary = (type: string, of: string, name: string, to: string, fault: FaultClass): Rule => ({
  fault,
  find: new RegExp(`"op": "binary"[^{}]*\\{ "scalar": "${type}[^{}]*\\}[^{}]*"name": "(${name})"`, 'g'),
  of,
  to,
});

const rules: readonly Rule[] = [
  compare('lt', 'le', 'off-by-one loop bound or vector tail'),
  compare('ge', 'gt', 'off-by-one loop bound or vector tail'),
  compare('le', 'lt', 'off-by-one loop bound or vector tail'),
  compare('gt', 'lt', 'wrong formula'),
  binary('i32', 'indices', 'mul', 'add', 'wrong stride'),
  binary('i32', 'indices', 'add', 'sub', 'wrong stride'),
  binary('i32', 'indices', 'rem', 'div', 'wrong stride'),
  binary('(?!i32)', 'values', 'add', 'sub', 'wrong formula'),
  binary('(?!i32)', 'values', 'mul', 'add', 'wrong formula'),
];

/** At most so many by one rule in one kernel. */
const most = 2;

export function kernelFunctionMutants(dist: string): Mutant[] {
  const file = 'generated/kernels.js';
  const text = readFileSync(join(dist, file), 'utf8');
  const users = usersOfKernels(dist);
  const declarations = [...text.matchAll(/export const (\w+) = \{/g)];
  return declarations.flatMap((declaration, place) => {
    const name = declaration[1]!;
    const ops = users.get(name) ?? [];
    if (ops.length === 0) return [];
    const start = declaration.index;
    const kernel = text.slice(start, declarations[place + 1]?.index ?? text.length);
    return rules.flatMap(({ fault, find, of, to }) => {
      const found = [...kernel.matchAll(find)];
      return spacedPlaces(found.length).map((which): Mutant => {
        const match = found[which]!;
        const from = match[1]!;
        const at = start + match.index + match[0].length - from.length - 1;
        return {
          id: `${name}: ${of} ${from} ${which} becomes ${to}`,
          fault,
          file,
          edits: [{ start: at, end: at + from.length, text: to }],
          plan: { ops, suites: ['kernel-functions', 'kernel-functions-windows', 'boundaries'] },
        };
      });
    });
  });
}

const spacedPlaces = (count: number): number[] =>
  Array.from({ length: Math.min(count, most) }, (_, place) => Math.floor((place * count) / Math.min(count, most)));
