/**
 * The long run of random programs: `npm run fuzz -- [--count 10000] [--seed n] [--mode eager|fused|gradient] [--path p]`. It prints its
 * seed and the command that repeats a failure, and ends with exit code 1 after one.
 */
import { parseArgs } from 'node:util';
import { checkPrograms, modes } from './properties.js';

const { values } = parseArgs({
  options: { count: { type: 'string' }, seed: { type: 'string' }, mode: { type: 'string' }, path: { type: 'string' } },
});
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const chosen = modes.filter((mode) => values.mode === undefined || values.mode === mode);
const total = Number(values.count ?? 10_000);
/** How many of all programs are run in each way. */
const shares = { eager: 0.5, fused: 0.35, gradient: 0.15 } as const;

// Guard bytes around each block: a write beyond one is an error at the end of its life.
process.env.OPWRIGHT_DEBUG_ALLOCATOR ??= '1';
console.log(`seed ${seed}`);
for (const mode of chosen) {
  const start = performance.now();
  const { coverage, failure } = checkPrograms(
    mode,
    chosen.length === 1 ? total : Math.round(total * shares[mode]),
    seed,
    { path: values.path },
  );
  console.log(`${mode}: ${coverage}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
  if (failure === undefined) continue;
  console.error(failure);
  process.exitCode = 1;
}
// The device's worker threads do not keep the process alive, but nothing is gained by waiting for them.
process.exit();
