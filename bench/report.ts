/** Figures as text: a table for the terminal or as Markdown, and what goes into the JSON file. */
import { cpus, totalmem } from 'node:os';
import type { Case } from './case.js';
import type { Ceilings } from './ceilings.js';
import { type ContenderName, contenderNames } from './contenders/contender.js';
import type { CaseResult, Measurement } from './measure.js';
import type { Verdict } from './targets.js';

export interface Run {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly threads: number;
  readonly rounds: number;
  readonly contenders: Readonly<Partial<Record<ContenderName, string>>>;
  /** Peers that take no part, with the reason. */
  readonly absent: Readonly<Partial<Record<ContenderName, string>>>;
  readonly ceilings: Ceilings;
  readonly results: readonly CaseResult[];
}

export function describeMachine(): string {
  const processors = cpus();
  return `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
}

export function formatHead({ date, machine, node, threads, rounds, contenders, absent, ceilings }: Omit<Run, 'results'>): string {
  const { copySmall, copyLarge, multiplyAdd } = ceilings;
  const native = multiplyAdd.native === undefined ? '' : `, ${multiplyAdd.native.toFixed(0)} in native code`;
  return [
    `${date}, ${machine}, Node ${node}, ${threads} threads, medians of ${rounds} paired rounds`,
    `ceilings: copy ${copySmall.toFixed(0)} GB/s (4 MiB) and ${copyLarge.toFixed(0)} GB/s (256 MiB), multiply-add ${multiplyAdd.wasm.toFixed(0)} GFLOP/s in WebAssembly${native}`,
    ...Object.entries(contenders).map(([name, description]) => `${name}: ${description}`),
    ...Object.entries(absent).map(([name, reason]) => `${name}: takes no part: ${reason}`),
  ].join('\n');
}

/** Column heads, then a row for each case. A peer's cell is its time and, in brackets, the ratio to ours. */
export class Table {
  private readonly columns: readonly ContenderName[];

  constructor(
    present: readonly ContenderName[],
    private readonly markdown: boolean,
    private readonly peaks: Peaks,
  ) {
    this.columns = contenderNames.filter((name) => present.includes(name));
  }

  head(): string {
    const titles = ['case', 'ours', 'rate', 'of peak', ...this.columns.filter((name) => name !== 'ours')];
    const line = this.line(titles);
    return this.markdown ? `${line}\n|---|${'---|'.repeat(titles.length - 1)}` : line;
  }

  row(result: CaseResult, { work }: Pick<Case, 'work'>): string {
    const find = (name: ContenderName) => result.measurements.find(({ contender }) => contender === name);
    const own = find('ours')!.time;
    const peers = this.columns.filter((name) => name !== 'ours').map((name) => peerCell(find(name), name in result.failures));
    return this.line([result.name, formatTime(own), ...formatRate(work, own, this.peaks), ...peers]);
  }

  private line(cells: readonly string[]): string {
    if (this.markdown) return `| ${cells.join(' | ')} |`;
    return cells.map((cell, index) => (index === 0 ? cell.padEnd(50) : cell.padStart(index < 4 ? 12 : 18))).join('');
  }
}

function peerCell(measurement: Measurement | undefined, failed: boolean): string {
  if (measurement === undefined) return failed ? 'failed' : '-';
  const { time, ratio, agrees } = measurement;
  return `${formatTime(time)} (${formatRatio(ratio)})${agrees === false ? ' differs!' : ''}`;
}

const formatRatio = (ratio: number): string => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2));

function formatTime(milliseconds: number): string {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toPrecision(3)} s`;
  if (milliseconds >= 1) return `${milliseconds.toPrecision(3)} ms`;
  const microseconds = milliseconds * 1000;
  return microseconds >= 100 ? `${microseconds.toFixed(0)} us` : `${microseconds.toPrecision(3)} us`;
}

/** The most that the machine does of either kind of work, in 10^9 bytes or operations a second. */
export interface Peaks {
  copy(bytes: number): number;
  readonly multiplyAdd?: number;
}

/** The rate, and its share of the peak where that is known. What stays in a cache or is only read may be faster than copies. */
function formatRate(work: Case['work'], milliseconds: number, peaks: Peaks): readonly [rate: string, share: string] {
  if (work === undefined) return ['', ''];
  const [amount, unit, peak] =
    'bytes' in work ? [work.bytes, 'GB/s', peaks.copy(work.bytes)] : [work.operations, 'GFLOP/s', peaks.multiplyAdd];
  const rate = amount / milliseconds / 1e6;
  return [`${rate.toFixed(0)} ${unit}`, peak === undefined ? '' : `${((100 * rate) / peak).toFixed(0)} %`];
}

export function formatVerdicts(verdicts: readonly Verdict[], markdown: boolean): string {
  const met = verdicts.filter((verdict) => verdict.met).length;
  const head = `targets: ${met} of ${verdicts.length} met`;
  if (!markdown) {
    const lines = verdicts.map(
      ({ name, target, measured, met }) => `  ${met ? 'met   ' : 'missed'}  ${name}: ${target}: ${measured}`,
    );
    return [head, ...lines].join('\n');
  }
  const rows = verdicts.map(
    ({ name, target, measured, met }) => `| ${name} | ${target} | ${measured} | ${met ? 'met' : 'missed'} |`,
  );
  return [head, '', '| case | target | measured | |', '|---|---|---|---|', ...rows].join('\n');
}
