/** What the figures are held against: the project's targets for the WebAssembly tier, and whether a run meets them. */
import type { Group } from './case.js';
import type { PeerName } from './contenders/contender.js';
import type { CaseResult } from './measure.js';

interface RatioTarget {
  readonly groups: readonly Group[];
  readonly peer: PeerName;
  readonly ratio: number;
}

const ratioTargets: readonly RatioTarget[] = [
  { groups: ['elementwise', 'reduction', 'softmax', 'layerNorm', 'transpose'], peer: 'tensorflow', ratio: 2 },
  { groups: ['matmul'], peer: 'tensorflow', ratio: 1.2 },
  { groups: ['conv3x3'], peer: 'tensorflow', ratio: 1 },
  { groups: ['elementwise'], peer: 'torch', ratio: 0.9 },
  { groups: ['layerNorm'], peer: 'torch', ratio: 1.2 },
  { groups: ['fused'], peer: 'torch', ratio: 4 },
];

/** Milliseconds of ours. */
const timeTargets: Readonly<Record<string, number>> = {
  'add, 16 elements': 0.002,
  'add, 16 elements, gradient recorded': 0.004,
};

export interface Verdict {
  readonly name: string;
  readonly target: string;
  readonly measured: string;
  readonly met: boolean;
}

/** One verdict for each target and each measured case that it speaks of. */
export function judge(results: readonly CaseResult[]): Verdict[] {
  return results.flatMap((result) => [...judgeRatios(result), ...judgeTime(result)]);
}

function judgeRatios({ name, group, measurements }: CaseResult): Verdict[] {
  return ratioTargets.flatMap(({ groups, peer, ratio }) => {
    const measured = measurements.find(({ contender }) => contender === peer);
    if (group === undefined || !groups.includes(group) || measured === undefined) return [];
    const target = `at least ${ratio} times as fast as ${peer}`;
    return [{ name, target, measured: measured.ratio.toFixed(2), met: measured.ratio >= ratio }];
  });
}

function judgeTime({ name, measurements }: CaseResult): Verdict[] {
  const limit = timeTargets[name];
  const own = measurements.find(({ contender }) => contender === 'ours');
  if (limit === undefined || own === undefined) return [];
  const microseconds = (time: number) => `${(time * 1000).toFixed(2)} us`;
  return [{ name, target: `at most ${limit * 1000} us`, measured: microseconds(own.time), met: own.time <= limit }];
}
