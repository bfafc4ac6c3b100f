/**
 * Runs the matrix for the ops of one shard: one test for each op and check, which goes through the op's samples or error samples.
 *
 * A failure prints the sample and a command that repeats it alone. At the end stands how many comparisons were made, and what was left
 * out and why.
 */
import test from 'ava';
import { CpuDevice } from '../../runtime/devices/cpu/device.js';
import { CompilerProblem, findCompiler } from '../../runtime/devices/cpu/native/compiler.js';
import type { TierName } from '../../runtime/devices/device.js';
import { getDevice } from '../../runtime/devices/registry.js';
import { noteLeftOut } from '../support/left-out.js';
import { fullRun, isChosen, isChosenPlace, loadCases, type OpCase } from './cases.js';
import { checks as allChecks, type Check, isTriedPlace, nativeChecks } from './checks.js';
import { Report } from './report.js';

/** Failures of one op and check that are shown in full. */
const shownFailures = 3;

/**
 * One tier runs all kernels, whatever the size of a sample. Where native code cannot be had, its matrix is a skip that says so.
 */
export function runMatrix(shard: number, tier: TierName = 'wasm'): void {
  // Read when the device opens, which is at the first tensor.
  process.env.OPWRIGHT_TIER = tier;
  const compiler = tier === 'native' ? findCompiler() : undefined;
  if (compiler instanceof CompilerProblem) {
    test.skip(`no native code: ${compiler.problem}`, () => {});
    return;
  }
  const checks = tier === 'native' && !fullRun ? allChecks.filter(({ name }) => nativeChecks.has(name)) : allChecks;
  const leftOut = allChecks.filter((check) => !checks.includes(check));
  const file = tier === 'native' ? 'ops-native' : 'ops';
  const total = { done: new Map<string, number>(), skipped: new Map<string, number>(), others: 0 };
  for (const one of loadCases(shard)) {
    total.others += leftOut.filter((check) => check.places(one).length > 0).length;
    for (const check of checks) {
      if (check.places(one).length === 0 || !isChosen(check.name)) continue;
      test.serial(`${one.op}:${tier} ${check.name}`, (t) => {
        const before = { ...cpu().launches };
        const report = new Report(check.name);
        const failures = check
          .places(one)
          .flatMap((data, place) =>
            isChosenPlace(place) && isTriedPlace(check, tier, place)
              ? failureOf(one, check, place, data, report, `${file}-${shard + 1}`)
              : [],
          );
        report.addTo(total);
        const others = (['wasm', 'native'] as const).filter((name) => name !== tier && cpu().launches[name] > before[name]);
        if (others.length > 0) failures.push(`kernels were launched by the tier ${others.join()}`);
        if (failures.length > shownFailures)
          failures.splice(shownFailures, Infinity, `and ${failures.length - shownFailures} more`);
        if (failures.length > 0) t.fail(`${one.op} (${one.source})\n${failures.join('\n')}`);
        else t.pass();
      });
    }
  }
  test.serial(`part ${shard + 1}: what was done`, (t) => {
    const { launches } = cpu();
    t.log(`${launches[tier]} kernels were launched by the tier ${tier}`);
    if (total.done.size > 0) t.true(launches[tier] > 0);
    for (const [name, count] of total.done) t.log(`${name}: ${count} comparisons`);
    for (const [reason, count] of total.skipped) t.log(`left out: ${reason} (${count})`);
    noteAll(total.skipped, total.others);
    t.pass();
  });
}

/** What the full run would do besides, for the end of `npm test`. */
function noteAll(skipped: ReadonlyMap<string, number>, others: number): void {
  const command = 'OPWRIGHT_FULL=1 npm test';
  for (const [reason, count] of skipped) {
    const [check, what] = reason.split(/: |, which OPWRIGHT_FULL=1 tries$/);
    if (reason.endsWith('OPWRIGHT_FULL=1 tries'))
      noteLeftOut({ what: `comparisons of the op matrix, ${check} ${what}`, count, command });
  }
  noteLeftOut({ what: 'checks of the op matrix in native code', count: others, command });
}

function cpu(): CpuDevice {
  const device = getDevice('cpu');
  if (!(device instanceof CpuDevice)) throw new TypeError('the cpu is another device');
  return device;
}

function failureOf(one: OpCase, check: Check, place: number, data: unknown, report: Report, file: string): string[] {
  try {
    check.run(one, place, report);
    return [];
  } catch (error) {
    const what =
      error instanceof Error ? (error.constructor === Error ? error.message : (error.stack ?? error.message)) : String(error);
    const repeat = `OPWRIGHT_TEST=${one.op}/${check.name}/${place} npx ava dist/test/${file}.test.js`;
    return [`${what}\n  sample ${place}: ${JSON.stringify(data)}\n  repeat: ${repeat}`];
  }
}
