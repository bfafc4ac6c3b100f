/**
 * What the machine can do at most, for rates to be compared with: copying memory with the system's memcpy on every thread, and
 * multiply-adds in the vectors of each tier.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Body, begin, end, fma, kernel, load, vectorType } from '../kernels/build.js';
import type { Kernel } from '../kernels/ir.js';
import { type CpuDevice, openCpu } from '../runtime/devices/cpu/device.js';
import type { Tier } from '../runtime/devices/device.js';
import { median } from './measure.js';
import type { Peaks } from './report.js';

export interface Ceilings {
  /** Read and written together, in 10^9 bytes a second, for arrays of 4 and of 256 MiB. */
  readonly copySmall: number;
  readonly copyLarge: number;
  /** 10^9 operations a second, a multiply-add counted as two. Without a C compiler that of native code is absent. */
  readonly multiplyAdd: { readonly wasm: number; readonly native?: number };
}

/** What rates are compared with: short arrays are copied within the caches, and large work runs in native code where it can. */
export const peaksOf = ({ copySmall, copyLarge, multiplyAdd }: Ceilings): Peaks => ({
  copy: (bytes) => (bytes <= 16 << 20 ? copySmall : copyLarge),
  multiplyAdd: multiplyAdd.native ?? multiplyAdd.wasm,
});

export async function measureCeilings(threads: number): Promise<Ceilings> {
  return {
    copySmall: await copyRate(4 << 20, threads),
    copyLarge: await copyRate(256 << 20, threads),
    multiplyAdd: multiplyAddRates(threads),
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
const steps = 4096;

/** Each item runs so many independent chains that the units, not their latency, set the pace. */
function multiplyAddKernel(lanes: number): Kernel {
  const vector = vectorType('f32', lanes);
  const body = new Body();
  body.for('item', begin, end, (_, item) => {
    const x = item.let('x', load(vector, 'x', 0));
    const links = Array.from({ length: chains }, (_, chain) => item.variable(`chain${chain}`, load(vector, 'x', 0)));
    item.for('step', 0, steps, (_, step) => {
      for (const link of links) step.set(link, fma(link, x, x));
    });
    links.forEach((link, chain) => {
      item.store('x', lanes * (chain + 1), link);
    });
  });
  return kernel('multiply_add', [{ name: 'x', storage: 'float32', access: 'readwrite' }], [], body.statements);
}

function multiplyAddRates(threads: number): Ceilings['multiplyAdd'] {
  const device = openCpu({ threads });
  const wasm = multiplyAddRate(device, device.wasm);
  const native = device.nativeTier();
  return native === null ? { wasm } : { wasm, native: multiplyAddRate(device, native) };
}

function multiplyAddRate(device: CpuDevice, tier: Tier): number {
  const lanes = tier.target.vectorBytes / 4;
  const compiled = tier.compile(multiplyAddKernel(lanes));
  const params = device.createParams(compiled);
  const address = device.allocate(4 * lanes * (chains + 1));
  device.fill(address, 4 * lanes, 0);
  params.setPointer(compiled.offsets.get('x')!, address);
  const items = 1024;
  const times = Array.from({ length: 15 }, () => {
    const start = performance.now();
    device.launch(compiled, params, items, 1);
    return performance.now() - start;
  });
  return (2 * lanes * chains * steps * items) / median(times) / 1e6;
}
