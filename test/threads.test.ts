/** Results do not depend on the number of threads: the same bits from 1, 2 and 4, in each tier, in processes of their own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { CompilerProblem, findCompiler } from '../runtime/devices/cpu/native/compiler.js';
import type { CpuTierName } from '../runtime/devices/device.js';

const program = fileURLToPath(new URL('./support/threads-program.js', import.meta.url));

interface Run {
  /** A hash of the results' bits by name. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Names of which some kernel was run by more than one thread. */
  readonly split: ReadonlySet<string>;
}

function runWith(tier: CpuTierName, threads: number): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, OPWRIGHT_TIER: tier, OPWRIGHT_THREADS: String(threads), DEBUG: 'opwright:launch' },
  });
  if (status !== 0) throw new Error(`with ${threads} threads: ${stderr.slice(-2000)}`);
  const split = new Set<string>();
  let name = '';
  for (const line of stderr.split('\n')) {
    name = /^program (.*)$/.exec(line)?.[1] ?? name;
    if (/\b([2-9]|\d\d+) threads\b/.test(line)) split.add(name);
  }
  return { hashes: JSON.parse(stdout), split };
}

for (const tier of ['wasm', 'native'] as const) {
  const compiler = tier === 'native' ? findCompiler() : undefined;
  const declare = compiler instanceof CompilerProblem ? test.skip : test;
  declare(`1, 2 and 4 threads give the same bits: ${tier}`, (t) => {
    const one = runWith(tier, 1);
    t.is(one.split.size, 0);
    for (const threads of [2, 4]) {
      const several = runWith(tier, threads);
      t.deepEqual(several.hashes, one.hashes, `${threads} threads`);
      t.log(`${threads} threads: ${several.split.size} of ${Object.keys(one.hashes).length} programs were split`);
      t.true(several.split.size >= 10);
      t.true(several.split.has('sum of all') && several.split.has('matmul') && several.split.has('training'));
    }
  });
}
