/**
 * What a worker thread of the pool runs, as text: bundlers and single-file programs have no file to point a Worker at. The protocol,
 * and why it is sound, is described in pool.ts.
 */
import { mathImports } from '../../../kernels/wasm/host.js';
import type { WasmMemory, WasmModule } from './webassembly.js';

/** The words by which the pool and its workers talk, as indices into an Int32Array over `controlBytes` of the memory. */
export const words = {
  /** Changes with each job: what sleeping workers wait on. */
  generation: 0,
  /** The generation of the job that may be joined; 0 while there is none. */
  open: 16,
  /** Workers that have joined and not left. */
  active: 32,
  /** The next chunk to be taken. */
  next: 48,
  /** Chunks that workers have finished. */
  done: 64,
  /** Whether the caller sleeps until `done` changes. */
  waiting: 80,
  sleepers: 96,
  // Constant while a job is open.
  kernel: 112,
  params: 113,
  work: 114,
  chunk: 115,
  chunks: 116,
  /** A worker's kernel trapped. */
  trapped: 117,
} as const;

export const controlBytes = 1024;

/** What the pool hands a worker when it starts. */
export interface WorkerStart {
  readonly memory: WasmMemory;
  readonly controlAddress: number;
  readonly port: MessagePortLike;
  readonly spinMicroseconds: number;
}

/** A port of node:worker_threads, of which the start message needs to know nothing. */
export type MessagePortLike = object;

/** What the pool sends once for each kernel, before the first job that runs it. */
export interface KernelMessage {
  readonly id: number;
  readonly module: WasmModule;
}

export function workerSource(): string {
  return `'use strict';
const { workerData, receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads');
const { memory, controlAddress, port, spinMicroseconds } = workerData;
const control = new Int32Array(memory.buffer, controlAddress, ${controlBytes / 4});
const imports = { env: { memory }, math: {${mathSource()}} };
const kernels = new Map();

function kernelOf(id) {
  let run = kernels.get(id);
  for (let received; run === undefined && (received = receiveMessageOnPort(port)) !== undefined; run = kernels.get(id)) {
    try {
      const instance = new WebAssembly.Instance(received.message.module, imports);
      kernels.set(received.message.id, instance.exports.run);
    } catch {
      // Others have room for the kernel, or the caller runs it alone.
    }
  }
  return run;
}

function help() {
  const run = kernelOf(control[${words.kernel}]);
  if (run === undefined) return;
  const params = control[${words.params}], work = control[${words.work}];
  const chunk = control[${words.chunk}], chunks = control[${words.chunks}];
  let done = 0;
  for (let at; (at = Atomics.add(control, ${words.next}, 1)) < chunks; done++) {
    try {
      run(params, at * chunk, Math.min(work, (at + 1) * chunk));
    } catch {
      Atomics.store(control, ${words.trapped}, 1);
    }
  }
  if (done === 0) return;
  Atomics.add(control, ${words.done}, done);
  if (Atomics.load(control, ${words.waiting}) === 1) Atomics.notify(control, ${words.done});
}

function awaitJob(seen) {
  const end = performance.now() + spinMicroseconds / 1000;
  do {
    for (let turn = 0; turn < 200; turn++) if (Atomics.load(control, ${words.generation}) !== seen) return;
  } while (performance.now() < end);
  Atomics.add(control, ${words.sleepers}, 1);
  Atomics.wait(control, ${words.generation}, seen);
  Atomics.sub(control, ${words.sleepers}, 1);
}

for (let seen = 0; ; ) {
  awaitJob(seen);
  seen = Atomics.load(control, ${words.generation});
  Atomics.add(control, ${words.active}, 1);
  if (Atomics.load(control, ${words.open}) !== 0) help();
  Atomics.sub(control, ${words.active}, 1);
}
`;
}

/** The host's math functions as an object literal's members; those that are not JavaScript's own refer to nothing around them. */
function mathSource(): string {
  return Object.entries(mathImports)
    .map(([name, implementation]) => {
      const text = implementation.toString();
      return `${name}: ${text.includes('[native code]') ? `Math.${name}` : text}`;
    })
    .join(', ');
}
