/**
 * Worker threads that help with large launches. Work is handed over through words of the shared memory; no message is sent but a
 * kernel's module, once.
 *
 * A job is cut into chunks that threads take by counting up one word. Its fields are written while no worker is active, then the job
 * is opened. A worker makes itself active first and looks whether a job is open second: the order that lets the caller conclude, from
 * `active` being 0 after it closed the job, that no worker reads the fields any more. The caller takes chunks as well, and then waits
 * only for workers that have taken one: a worker that is starting, compiling or not being scheduled never holds a launch up. Should
 * one still be active when the next job begins, that job is run by the caller alone. Which thread runs a chunk never shows in results.
 *
 * A worker that ends, or never ends, with a chunk in its hands is told from a slow one by time alone: the caller's own thread is blocked, so
 * that no event reaches it. Such a worker stays active, and later jobs go on without the pool.
 */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { debugging, report } from '../../debug.js';
import { OpwrightError } from '../../errors.js';
import { availableProcessors } from './processors.js';
import type { WasmMemory, WasmModule } from './webassembly.js';
import { controlBytes, type KernelMessage, type WorkerStart, words, workerSource } from './worker-source.js';

/** A kernel as threads run it. */
export interface ThreadedKernel {
  readonly id: number;
  readonly module: WasmModule;
  readonly run: (params: number, begin: number, end: number) => void;
}

/** Longer than the gap between two launches of a busy program, far shorter than anyone would notice. */
const spinMicroseconds = 50;
/** More chunks than threads, so that a thread that is held up leaves its share to others. */
const chunksPerThread = 4;
/** Large chunks begin at multiples of this, so that vector loops have their tails only at the end. */
const chunkAlignment = 64;
/** How often the caller looks whether the workers of the last job have left before it goes on alone. */
const looksForIdle = 2000;
/** How often it looks whether the chunks that workers took are finished before it sleeps. */
const looksForDone = 20_000;
/** How long no chunk may be finished, in milliseconds, before a worker is given up for lost: far longer than any chunk takes. */
const defaultPatience = 300_000;

export class ThreadPool {
  readonly threads: number;
  /** How many chunks worker threads have run so far. */
  chunksHandedOver = 0;
  private readonly control: Int32Array;
  private ports: MessagePort[] | null = null;
  private readonly delivered = new Set<number>();
  private generation = 0;

  constructor(
    private readonly memory: WasmMemory,
    private readonly controlAddress: number,
    threads = readThreads(process.env.OPWRIGHT_THREADS),
    private readonly patience = defaultPatience,
  ) {
    this.threads = threads;
    this.control = new Int32Array(memory.buffer, controlAddress, controlBytes / 4);
  }

  /** Runs items 0 <= item < work with the help of those workers that are there; threads are started by the first call. */
  run(kernel: ThreadedKernel, params: number, work: number, grain: number): void {
    if (this.threads > 1) this.deliver(kernel);
    if (this.threads === 1 || !this.isIdle()) {
      kernel.run(params, 0, work);
      return;
    }
    const chunk = chunkSize(work, grain, this.threads);
    const chunks = Math.ceil(work / chunk);
    this.openJob(kernel.id, params, work, chunk, chunks);
    let own = 0;
    let failure: unknown;
    for (let at = this.take(); at < chunks; at = this.take(), own++) {
      try {
        kernel.run(params, at * chunk, Math.min(work, (at + 1) * chunk));
      } catch (error) {
        failure = error;
      }
    }
    const finished = this.awaitWorkers(chunks - own);
    this.chunksHandedOver += chunks - own;
    Atomics.store(this.control, words.open, 0);
    if (!finished) throw workerLost(this.patience);
    if (failure !== undefined) throw failure;
    if (Atomics.load(this.control, words.trapped) === 1) throw new Error('a kernel trapped in a worker thread');
  }

  private openJob(kernel: number, params: number, work: number, chunk: number, chunks: number): void {
    const { control } = this;
    control[words.kernel] = kernel;
    control[words.params] = params;
    control[words.work] = work;
    control[words.chunk] = chunk;
    control[words.chunks] = chunks;
    control[words.trapped] = 0;
    control[words.waiting] = 0;
    control[words.done] = 0;
    control[words.next] = 0;
    this.generation = (this.generation + 1) & 0x3fffffff || 1;
    Atomics.store(control, words.open, this.generation);
    Atomics.store(control, words.generation, this.generation);
    if (Atomics.load(control, words.sleepers) > 0) Atomics.notify(control, words.generation, Math.min(this.threads, chunks) - 1);
  }

  private take(): number {
    return Atomics.add(this.control, words.next, 1);
  }

  /** Waits until workers have finished `count` chunks: those that the caller did not take. Gives false if they do not come to an end. */
  private awaitWorkers(count: number): boolean {
    const { control } = this;
    for (let look = 0; look < looksForDone; look++) if (Atomics.load(control, words.done) === count) return true;
    Atomics.store(control, words.waiting, 1);
    for (let done = Atomics.load(control, words.done); done !== count; done = Atomics.load(control, words.done)) {
      if (Atomics.wait(control, words.done, done, this.patience) === 'timed-out') return false;
    }
    return true;
  }

  private isIdle(): boolean {
    for (let look = 0; look < looksForIdle; look++) if (Atomics.load(this.control, words.active) === 0) return true;
    return false;
  }

  private deliver(kernel: ThreadedKernel): void {
    if (this.delivered.has(kernel.id)) return;
    this.delivered.add(kernel.id);
    this.ports ??= this.start();
    const message: KernelMessage = { id: kernel.id, module: kernel.module };
    for (const port of this.ports) port.postMessage(message);
  }

  private start(): MessagePort[] {
    const source = workerSource();
    const ports = Array.from({ length: this.threads - 1 }, () => this.startWorker(source));
    if (debugging.device) report('device', `started ${ports.length} worker threads`);
    return ports;
  }

  private startWorker(source: string): MessagePort {
    const { port1, port2 } = new MessageChannel();
    const start: WorkerStart = { memory: this.memory, controlAddress: this.controlAddress, port: port2, spinMicroseconds };
    // The program's own flags and preloaded modules are not for this worker.
    const worker = new Worker(source, {
      eval: true,
      execArgv: [],
      env: {},
      name: 'opwright',
      workerData: start,
      transferList: [port2],
    });
    // Without a listener the error would end the program. The pool can do without the worker.
    worker.on('error', (error) => {
      if (debugging.device) report('device', `a worker thread ended: ${error}`);
    });
    worker.unref();
    port1.unref();
    return port1;
  }
}

function workerLost(patience: number): OpwrightError {
  const fault = `A worker thread has not finished its part of a kernel for ${patience / 1000} s.`;
  return new OpwrightError('DEVICE_LOST', fault, {
    rule: 'a thread that takes a part of a kernel finishes it',
    remedy: 'Make what the call wrote again. What follows runs on one thread; a new process has all of them.',
  });
}

function chunkSize(work: number, grain: number, threads: number): number {
  const even = Math.ceil(work / (threads * chunksPerThread));
  const chunk = Math.max(even, grain, 1);
  return chunk < 4 * chunkAlignment ? chunk : Math.ceil(chunk / chunkAlignment) * chunkAlignment;
}

/** The number of threads, the caller's included: OPWRIGHT_THREADS, or as many as the process may run at once. */
export function readThreads(setting: string | undefined): number {
  if (setting === undefined || setting === '') return availableProcessors();
  const threads = Number(setting);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 1024) return threads;
  throw new OpwrightError('INVALID_ARGUMENT', `OPWRIGHT_THREADS is ${JSON.stringify(setting)}, which is no number of threads.`, {
    argument: 'OPWRIGHT_THREADS',
    rule: 'an integer from 1 to 1024',
  });
}
