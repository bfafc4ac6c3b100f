/**
 * Where kernels report failures, such as an index that is out of range. Kernels run long after the call that launched them, so each launch that may fail
 * has a word of its own in the GPU's memory, and its op and the place of the call are kept until somebody waits for the GPU:
 * the words are looked at then, and the first failure is thrown.
 */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OpwrightError } from '../../errors.js';
import { kernelFailure } from '../failures.js';
import type { Gpu } from './gpu.js';
import type { Staging } from './staging.js';

/** Launches that may fail between two looks; the next one makes a look of its own. */
const words = 1024;

interface Launch {
  readonly kernel: string;
  readonly op: string | undefined;
  /** Made where the launch was: its stack tells the place. */
  readonly origin: Error;
}

export class ErrorWords {
  private readonly launches: Launch[] = [];
  private readonly address: number;

  constructor(
    private readonly gpu: Gpu,
    private readonly staging: Staging,
  ) {
    this.address = gpu.driver.handle('cuMemAlloc', (out) => gpu.use().cuMemAlloc(out, words * 4));
    this.clear(words);
  }

  /** The address of a word for the launch that comes next. */
  place(kernel: string, op: string | undefined): number {
    if (this.launches.length === words) this.check();
    this.launches.push({ kernel, op, origin: originOf(kernel) });
    return this.address + (this.launches.length - 1) * 4;
  }

  /** Throws what the first launch that failed since the last look means. Waits for the GPU if there was one that may. */
  check(): void {
    const { launches } = this;
    if (launches.length === 0) return;
    const codes = new Int32Array(launches.length);
    this.staging.readSync(this.address, new Uint8Array(codes.buffer));
    const failed = codes.findIndex((code) => code !== 0);
    const launch = launches[failed];
    launches.length = 0;
    if (launch === undefined) return;
    this.clear(codes.length);
    throw errorOf(launch, codes[failed]!);
  }

  private clear(count: number): void {
    const { driver, stream } = this.gpu;
    driver.check('cuMemsetD8Async', this.gpu.use().cuMemsetD8Async(this.address, 0, count * 4, stream));
  }
}

function errorOf({ kernel, op, origin }: Launch, code: number): OpwrightError {
  const place = callSite(origin.stack ?? '');
  const where = place === undefined ? '' : `, called ${place}`;
  return kernelFailure(code, kernel, where, { ...(op === undefined ? {} : { op }), cause: origin });
}

/** Calls pass through a dozen functions of this package, and users' stacks are cut off after ten. */
const framesKept = 40;

function originOf(kernel: string): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = framesKept;
  const origin = new Error(`The kernel ${kernel} was launched here.`);
  Error.stackTraceLimit = stackTraceLimit;
  return origin;
}

/** The folders of this package that calls pass through on their way here. */
const inside = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const ownFolders = ['runtime', 'generated', 'entry', 'kernels'].map((name) => `${inside}/${name}/`);

/** The innermost place in a stack that is not this package's: `at train (file:///train.js:12:7)`. */
function callSite(stack: string): string | undefined {
  const lines = stack.split('\n').slice(1);
  return lines.find((line) => !ownFolders.some((folder) => line.includes(folder)))?.trim();
}
