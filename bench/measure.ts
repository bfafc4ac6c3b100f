/**
 * Paired rounds: in each round every contender runs the same case once, one after the other, so that whatever else the machine does
 * falls on all of them. Figures are medians over rounds; a ratio is the median of the rounds' ratios.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Case, createInputs } from './case.js';
import { agrees, type Contender, type ContenderName, type Prepared } from './contenders/contender.js';

export interface Measurement {
  readonly contender: ContenderName;
  /** Milliseconds a call, median over rounds. */
  readonly time: number;
  /** All rounds, in milliseconds. */
  readonly rounds: readonly number[];
  /** The contender's time over ours: above 1, ours is faster. */
  readonly ratio: number;
  /** Whether its result agrees with ours; null where there is nothing to compare. */
  readonly agrees: boolean | null;
}

export interface CaseResult {
  readonly name: string;
  readonly group: Case['group'];
  readonly measurements: readonly Measurement[];
  /** Contenders that could not run the case, with the reason. */
  readonly failures: Readonly<Record<string, string>>;
}

/** A round of one contender lasts about so long. */
const roundMilliseconds = 30;
const warmUpMilliseconds = 120;
const mostCalls = 20_000;
/** The first call after a pause wakes threads and fills caches: it must not be the only one. */
const fewestCalls = 3;
/** Threads that spin after a contender's last call get so long to fall asleep. */
const settleMilliseconds = 25;

interface Runner {
  readonly contender: ContenderName;
  readonly prepared: Prepared;
  readonly calls: number;
  readonly agrees: boolean | null;
  readonly times: number[];
}

export async function measureCase(benchCase: Case, contenders: readonly Contender[], rounds: number): Promise<CaseResult> {
  const failures: Record<string, string> = {};
  const runners = await prepareAll(benchCase, contenders, failures);
  const count = benchCase.long ? Math.min(rounds, 2) : rounds;
  for (let round = 0; round < count; round++) {
    // Whoever goes first changes, so that no one always follows the same neighbour.
    for (let turn = 0; turn < runners.length; turn++) {
      const { prepared, calls, times } = runners[(turn + round) % runners.length]!;
      await sleep(settleMilliseconds);
      times.push(await prepared.time(calls));
    }
  }
  for (const { prepared } of runners) await prepared.release();
  const own = runners.find(({ contender }) => contender === 'ours')!.times;
  const measurements = runners.map(({ contender, times, agrees }): Measurement => {
    const ratio = median(times.map((time, round) => time / own[round]!));
    return { contender, time: median(times), rounds: times, ratio, agrees };
  });
  return { name: benchCase.name, group: benchCase.group, measurements, failures };
}

async function prepareAll(
  benchCase: Case,
  contenders: readonly Contender[],
  failures: Record<string, string>,
): Promise<Runner[]> {
  const inputs = createInputs(benchCase.inputs);
  const runners: Runner[] = [];
  let expected = null;
  for (const contender of contenders) {
    try {
      const prepared = await contender.prepare(benchCase, inputs);
      if (prepared === null) continue;
      const result = await prepared.result();
      if (contender.name === 'ours') expected = result;
      const calls = benchCase.long ? 1 : await warmUp(prepared);
      const agreement = result === null || expected === null ? null : agrees(result, expected);
      runners.push({ contender: contender.name, prepared, calls, agrees: agreement, times: [] });
    } catch (error) {
      if (contender.name === 'ours') throw error;
      failures[contender.name] = error instanceof Error ? error.message : String(error);
    }
  }
  return runners;
}

/** Runs until the compilers have settled. Gives how many calls fill a round. */
async function warmUp(prepared: Prepared): Promise<number> {
  let calls = 1;
  for (let spent = 0, time = 0; spent < warmUpMilliseconds; ) {
    time = await prepared.time(calls);
    spent += time * calls;
    calls = Math.max(fewestCalls, Math.min(mostCalls, Math.round(roundMilliseconds / Math.max(time, 1e-6))));
  }
  return calls;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
