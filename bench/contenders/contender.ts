/** What the bench needs of a library that takes part: set a case up, run it some times, tell what came out. */
import type { Case, InputValues } from '../case.js';

export const contenderNames = [
  'ours',
  'cublas',
  'wasm',
  'native',
  'torch',
  'torch-fresh',
  'onnxruntime',
  'tensorflow',
  'jax',
] as const;
export type ContenderName = (typeof contenderNames)[number];
/** `cublas`, ours with products by cuBLAS, takes part on GPUs alone. */
export type PeerName = Exclude<ContenderName, 'ours' | 'cublas'>;

/** Our own tiers, each as a contender. */
export const tierNames = ['wasm', 'native'] as const satisfies readonly PeerName[];

export interface Contender {
  readonly name: ContenderName;
  /** Version, threads, and whatever else a reader must know to judge its figures. */
  readonly description: string;
  /** Null if the contender cannot do the case. */
  prepare(benchCase: Case, inputs: Readonly<Record<string, InputValues>>): Promise<Prepared | null>;
  close(): Promise<void>;
}

/** A case that is set up. */
export interface Prepared {
  /** Runs once; null where the case has nothing to compare. */
  result(): Promise<Fingerprint | null>;
  /** Milliseconds a call, over so many calls in a row. */
  time(calls: number): Promise<number>;
  release(): Promise<void>;
}

/** Enough of a result to notice that two contenders do different work, whatever order their dimensions have. */
export interface Fingerprint {
  readonly count: number;
  readonly sum: number;
  readonly magnitude: number;
}

export function fingerprint(values: ArrayLike<number | bigint>): Fingerprint {
  let sum = 0;
  let magnitude = 0;
  for (let index = 0; index < values.length; index++) {
    const value = Number(values[index]);
    sum += value;
    magnitude += Math.abs(value);
  }
  return { count: values.length, sum, magnitude };
}

/** Within `tolerance` of the summed magnitudes. */
export function agrees(a: Fingerprint, b: Fingerprint, tolerance = 2e-3): boolean {
  const scale = Math.max(a.magnitude, b.magnitude, 1e-30);
  return (
    a.count === b.count &&
    Math.abs(a.sum - b.sum) <= tolerance * scale &&
    Math.abs(a.magnitude - b.magnitude) <= tolerance * scale
  );
}

/** Milliseconds a call of something synchronous. */
export function timeCalls(call: () => void, calls: number): number {
  const start = performance.now();
  for (let index = 0; index < calls; index++) call();
  return (performance.now() - start) / calls;
}

/** Milliseconds a call of something that is awaited each time. */
export async function timeAwaited(call: () => Promise<void>, calls: number): Promise<number> {
  const start = performance.now();
  for (let index = 0; index < calls; index++) await call();
  return (performance.now() - start) / calls;
}
