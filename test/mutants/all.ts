/** Every mutant that there is, and which of those that the tests cannot see are known, with the reason. */
import { readFileSync } from 'node:fs';
import { generatedMutants } from './generated.js';
import { kernelFunctionMutants } from './kernel-functions.js';
import type { Mutant } from './mutant.js';
import { type Planting, pickedMutants } from './picked.js';

export function allMutants(dist: string): Planting {
  const picked = pickedMutants(dist);
  const mutants = [...generatedMutants(dist), ...kernelFunctionMutants(dist), ...picked.mutants];
  const ids = new Set<string>();
  for (const { id } of mutants) {
    if (ids.has(id)) throw new Error(`two mutants are called ${id}`);
    ids.add(id);
  }
  return { mutants, lost: picked.lost };
}

interface Survivors {
  readonly why: string;
  readonly mutants: readonly string[];
}

/** By id, why a mutant behaves like the program, or like it in all that its users can see. */
export function knownSurvivors(): ReadonlyMap<string, string> {
  const known: readonly Survivors[] = JSON.parse(readFileSync('test/mutants/survivors.json', 'utf8'));
  return new Map(known.flatMap(({ why, mutants }) => mutants.map((id) => [id, why] as const)));
}

/** `count` mutants drawn without repeats, the same for the same seed. */
export function sampled(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  let state = seed >>> 0;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const left = [...mutants];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(next(left.length), 1)[0]!);
}
