/**
 * The long run of random programs: `npm run fuzz -- [--count 10000] [--seed n] [--mode eager|fused|gradient] [--path p] [--limit 60]`.
 * It prints its seed and the command that repeats a failure, and ends with exit code 1 after one.
 *
 * The programs of each mode run in a process of their own (`--inside`), so that a crash is a finding like any other, and a program that
 * takes longer than `--limit` seconds as well.
 */
import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Mode } from './building.js';
import { checkPrograms, modes, repeatCommand } from './properties.js';
import { runWatched } from './watched.js';

const { values } = parseArgs({
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    mode: { type: 'string' },
    path: { type: 'string' },
    limit: { type: 'string' },
    inside: { type: 'boolean' },
  },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const chosen = modes.filter((mode) => values.mode === undefined || values.mode === mode);
const total = Number(values.count ?? 10_000);
/** How many of all programs are run in each way. */
const shares = { eager: 0.5, fused: 0.35, gradient: 0.15 } as const;

if (values.inside) for (const mode of chosen) inside(mode);
else {
  console.log(`seed ${seed}`);
  for (const mode of chosen) await outside(mode);
}
// The device's worker threads do not keep the process alive, but nothing is gained by waiting for them.
process.exit();

async function outside(mode: Mode): Promise<void> {
  const count = chosen.length === 1 ? total : Math.round(total * shares[mode]);
  const path = values.path === undefined ? [] : ['--path', values.path];
  const options = ['--inside', '--mode', mode, '--count', String(count), '--seed', String(seed), ...path];
  const { code, accident } = await runWatched([fileURLToPath(import.meta.url), ...options], Number(values.limit ?? 60) * 1000);
  if (accident !== undefined) {
    console.error(`${mode}: ${accident.what} in program ${accident.program}`);
    console.error(`  repeat: ${repeatCommand(mode, seed, accident.program)}`);
  }
  if (code !== 0) process.exitCode = 1;
}

function inside(mode: Mode): void {
  // Guard bytes around each block: a write beyond one is an error at the end of its life.
  process.env.OPWRIGHT_DEBUG_ALLOCATOR ??= '1';
  const start = performance.now();
  const begins = (program: number) => {
    writeSync(3, `${program}\n`);
  };
  const { coverage, failure } = checkPrograms(mode, total, seed, { path: values.path, begins });
  console.log(`${mode}: ${coverage}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (failure === undefined) return;
  console.error(failure);
  process.exitCode = 1;
}
