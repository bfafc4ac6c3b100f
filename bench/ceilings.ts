/**
 * What the machine can do at most, for rates to be compared with: copying memory with the system's memcpy on every thread, and
 * multiply-adds in WebAssembly vectors on one.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { constant, fma, kernel, load, store, vectorType } from '../kernels/build.js';
import type { Expr, Stmt } from '../kernels/ir.js';
import { compileWasm } from '../kernels/wasm/compile.js';
import { median } from './measure.js';

export interface Ceilings {
  /** Read and written together, in 10^9 bytes a second, for arrays of 4 and of 256 MiB. */
  readonly copySmall: number;
  readonly copyLarge: number;
  /** 10^9 operations a second on one thread, a multiply-add counted as two. */
  readonly multiplyAdd: number;
  /** Whether the engine fuses multiply and add (relaxed SIMD). */
  readonly relaxedSimd: boolean;
}

export async function measureCeilings(threads: number): Promise<Ceilings> {
  const relaxedSimd = WebAssembly.validate(multiplyAddModule(true));
  return {
    copySmall: await copyRate(4 << 20, threads),
    copyLarge: await copyRate(256 << 20, threads),
    multiplyAdd: multiplyAddRate(relaxedSimd),
    relaxedSimd,
  };
}

/** Each thread copies its part at the same time as the others. */
async function copyRate(bytes: number, threads: number): Promise<number> {
  const source = `
    const { parentPort, workerData: { bytes, repeats } } = require('node:worker_threads');
    const from = new Uint8Array(bytes).fill(1);
    const to = new Uint8Array(bytes).fill(2);
    parentPort.on('message', () => {
      const start = performance.now();
      for (let repeat = 0; repeat < repeats; repeat++) to.set(from);
      parentPort.postMessage((performance.now() - start) / repeats);
    });
    parentPort.postMessage(0);`;
  const part = Math.floor(bytes / threads);
  const repeats = Math.max(1, Math.round((64 << 20) / bytes));
  const workers = Array.from({ length: threads }, () => new Worker(source, { eval: true, workerData: { bytes: part, repeats } }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const times: number[] = [];
  for (let round = 0; round < 9; round++) {
    const answers = workers.map((worker) => once(worker, 'message'));
    for (const worker of workers) worker.postMessage(null);
    times.push(Math.max(...(await Promise.all(answers)).map(([time]: number[]) => time!)));
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return (2 * bytes) / median(times) / 1e6;
}

const chains = 12;
const float32x4 = vectorType('f32', 4);

/** So many independent chains of multiply-adds that the units, not their latency, set the pace. */
function multiplyAddModule(relaxedSimd: boolean): Uint8Array {
  const local = (name: string): Expr => ({ op: 'local', type: float32x4, name });
  const names = Array.from({ length: chains }, (_, chain) => `c${chain}`);
  const i32 = (value: number): Expr => constant({ scalar: 'i32', lanes: 1 }, value);
  const body: Stmt[] = [
    { do: 'let', name: 'x', value: load(float32x4, 'x', i32(0)) },
    ...names.map((name): Stmt => ({ do: 'let', name, value: load(float32x4, 'x', i32(0)), mutable: true })),
    {
      do: 'for',
      name: 'i',
      from: i32(0),
      to: { op: 'local', type: { scalar: 'i32', lanes: 1 }, name: 'end' },
      step: 1,
      body: names.map((name): Stmt => ({ do: 'set', name, value: fma(local(name), local('x'), local('x')) })),
    },
    ...names.map((name, chain): Stmt => store('x', i32(4 * chain), local(name))),
  ];
  return compileWasm(kernel('peak', [{ name: 'x', storage: 'float32', access: 'readwrite' }], [], body), { relaxedSimd });
}

function multiplyAddRate(relaxedSimd: boolean): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(multiplyAddModule(relaxedSimd)), { env: { memory } }).exports;
  if (typeof run !== 'function') throw new TypeError('the module exports no function run');
  // The parameter block lies at 0: the error word's address, then the buffer's.
  new Uint32Array(memory.buffer).set([64, 1024]);
  const steps = 1 << 20;
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now();
    run(0, 0, steps);
    return performance.now() - start;
  });
  return (2 * 4 * chains * steps) / median(times) / 1e6;
}
