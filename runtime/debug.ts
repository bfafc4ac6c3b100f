/**
 * Looking inside a running program with DEBUG, the environment variable: `DEBUG=opwright:launch node program.js`, several levels
 * separated by commas, `opwright:*` for all, `-opwright:source` to leave one out. Lines go to stderr. Off, a level costs the
 * reading of one property.
 */
import { performance } from 'node:perf_hooks';

/** Every level and what it prints. */
export const debugLevels = {
  launch: 'each kernel launched: name, work items, threads, time',
  compile: 'each kernel compiled: name, bytes, time',
  source: 'the IR and the target code of each kernel compiled',
  plan: 'each plan made for an op: signature, steps, time',
  graph: 'each graph traced and how it was partitioned',
  autograd: 'each backward pass and the gradients it ran',
  memory: 'growth of memory, pools dropped, collections asked for, storages freed by the collector',
  device: 'devices opened, threads started, what was found and what was not',
  random: 'each reservation of random numbers',
} as const satisfies Record<string, string>;

export type DebugLevel = keyof typeof debugLevels;

/** Which levels are on: `if (debugging.launch) report('launch', ...)`. */
export const debugging: Readonly<Record<DebugLevel, boolean>> = readLevels(process.env.DEBUG ?? '');

/** Writes one line for a level that is on, with the milliseconds since the last one. */
export function report(level: DebugLevel, text: string): void {
  const now = performance.now();
  process.stderr.write(`opwright:${level} +${(now - lastReport).toFixed(2)}ms ${text}\n`);
  lastReport = now;
}

let lastReport = performance.now();

function readLevels(setting: string): Record<DebugLevel, boolean> {
  const words = setting.split(/[\s,]+/).filter((word) => word !== '');
  const matches = (level: string, word: string) => word === '*' || word === 'opwright:*' || word === `opwright:${level}`;
  const enabled = (level: DebugLevel) =>
    words.some((word) => matches(level, word)) && !words.some((word) => word.startsWith('-') && matches(level, word.slice(1)));
  return {
    launch: enabled('launch'),
    compile: enabled('compile'),
    source: enabled('source'),
    plan: enabled('plan'),
    graph: enabled('graph'),
    autograd: enabled('autograd'),
    memory: enabled('memory'),
    device: enabled('device'),
    random: enabled('random'),
  };
}
