/**
 * How long the first call of an op takes, which compiles its kernels: with an empty cache and with a full one, each in a process of its
 * own. `node first-call.js <device> <words>` is that process; it prints milliseconds by case.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createInputs } from '../case.js';
import { median } from '../measure.js';
import { gpuCases } from './cases.js';

/** Every kind of kernel once, in a size that takes no time itself. */
const mostElements = 2 ** 14;

export interface FirstCalls {
  /** Milliseconds, by case. */
  readonly cold: Readonly<Record<string, number>>;
  readonly warm: Readonly<Record<string, number>>;
}

export function measureFirstCalls(device: string): FirstCalls {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-first-call-'));
  try {
    const run = (): Readonly<Record<string, number>> => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), device], {
        encoding: 'utf8',
        env: { ...process.env, OPWRIGHT_CACHE_DIR: folder },
      });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout);
    };
    return { cold: run(), warm: run() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function describeFirstCalls({ cold, warm }: FirstCalls): string {
  const line = (what: string, times: Readonly<Record<string, number>>): string => {
    const sorted = Object.entries(times).sort(([, left], [, right]) => right - left);
    const [slowest = ['', 0]] = sorted;
    return `first call, ${what}: median ${median(sorted.map(([, time]) => time)).toFixed(1)} ms, most ${slowest[1].toFixed(1)} ms (${slowest[0]})`;
  };
  return [line('empty cache', cold), line('full cache', warm)].join('\n');
}

async function printTimes(device: string): Promise<void> {
  const { tensor, setDevice } = await import('../../entry/index.js');
  setDevice(device);
  const times: Record<string, number> = {};
  for (const one of gpuCases(mostElements)) {
    const inputs = Object.entries(createInputs(one.inputs)).map(([name, { values, shape, dtype }]) => [
      name,
      tensor(values, { shape, dtype }),
    ]);
    const call = one.ours(Object.fromEntries(inputs));
    const start = performance.now();
    const [first] = [call()].flat();
    first?.dataSync();
    times[one.name] = performance.now() - start;
  }
  console.log(JSON.stringify(times));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await printTimes(process.argv[2] ?? 'cuda');
