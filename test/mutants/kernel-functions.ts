/**
 * Faults in kernel functions and kernels made from index notation, planted automatically in the IR that generated/kernels holds: comparisons,
 * loop bounds, index arithmetic and formulas.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultClass, Mutant } from './mutant.js';

/** What of the IR's JSON is replaced by what. */
const replacements: readonly (readonly [fault: FaultClass, find: RegExp, to: string])[] = [
  ['off-by-one loop bound or vector tail', /"op": "compare"[^{}]*\{[^{}]*\}[^{}]*"name": "(lt)"/g, 'le'],
  ['off-by-one loop bound or vector tail', /"op": "compare"[^{}]*\{[^{}]*\}[^{}]*"name": "(ge)"/g, 'gt'],
  ['off-by-one loop bound or vector tail', /"op": "compare"[^{}]*\{[^{}]*\}[^{}]*"name": "(le)"/g, 'lt'],
  ['wrong formula', /"op": "compare"[^{}]*\{[^{}]*\}[^{}]*"name": "(gt)"/g, 'lt'],
  ['wrong stride', /"op": "binary"[^{}]*\{ "scalar": "i32"[^{}]*\}[^{}]*"name": "(mul)"/g, 'add'],
  ['wrong stride', /"op": "binary"[^{}]*\{ "scalar": "i32"[^{}]*\}[^{}]*"name": "(add)"/g, 'sub'],
  ['wrong stride', /"op": "binary"[^{}]*\{ "scalar": "i32"[^{}]*\}[^{}]*"name": "(rem)"/g, 'div'],
  ['wrong formula', /"op": "binary"[^{}]*\{ "scalar": "(?!i32)[^{}]*\}[^{}]*"name": "(add)"/g, 'sub'],
  ['wrong formula', /"op": "binary"[^{}]*\{ "scalar": "(?!i32)[^{}]*\}[^{}]*"name": "(mul)"/g, 'add'],
];

/** At most so many of one replacement in one kernel. */
const most = 2;

export function kernelFunctionMutants(dist: string): Mutant[] {
  const file = 'generated/kernels.js';
  const text = readFileSync(join(dist, file), 'utf8');
  const users = usersOf(dist);
  const declarations = [...text.matchAll(/export const (\w+) = \{/g)];
  return declarations.flatMap((declaration, place) => {
    const name = declaration[1]!;
    const ops = users.get(name) ?? [];
    if (ops.length === 0) return [];
    const start = declaration.index;
    const kernel = text.slice(start, declarations[place + 1]?.index ?? text.length);
    return replacements.flatMap(([fault, pattern, to]) => {
      const found = [...kernel.matchAll(pattern)];
      return spacedPlaces(found.length).map((which): Mutant => {
        const match = found[which]!;
        const from = match[1]!;
        const at = start + match.index + match[0].length - from.length - 1;
        return {
          id: `${name}: ${from} ${which} becomes ${to}`,
          fault,
          file,
          edits: [{ start: at, end: at + from.length, text: to }],
          plan: { ops },
        };
      });
    });
  });
}

const spacedPlaces = (count: number): number[] =>
  Array.from({ length: Math.min(count, most) }, (_, place) => Math.floor((place * count) / Math.min(count, most)));

/** The ops that use each kernel. */
function usersOf(dist: string): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  const folder = join(dist, 'generated', 'ops');
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.js'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    for (const part of text.split(/(?=export const \w+Definition = )/)) {
      const op = /name: '(\w+)'/.exec(part)?.[1];
      if (op === undefined) continue;
      for (const [, kernel] of part.matchAll(/kernels\.(\w+)/g)) users.set(kernel!, [...(users.get(kernel!) ?? []), op]);
    }
  }
  return users;
}
