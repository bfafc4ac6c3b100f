/**
 * Starts a program and waits for it: without a shell, within a time, and with whatever it started gone afterwards. What the program
 * is for is the caller's concern.
 */
import { type SpawnSyncOptionsWithStringEncoding, spawnSync } from 'node:child_process';

/** A compiler that says more than this has lost its mind. */
const mostOutput = 8 << 20;

export interface ToolRun {
  /** An absolute path. */
  readonly path: string;
  readonly args: readonly string[];
  readonly input?: string;
  readonly milliseconds: number;
  /** Where it may keep files while it runs. */
  readonly folder: string;
}

/** The program could not be started, was killed, or says that it failed. */
export class ToolFailure extends Error {
  constructor(
    /** A part of a sentence: `ended with 1`. */
    override readonly message: string,
    /** What it printed as errors. */
    readonly log: string,
  ) {
    super(message);
  }
}

/** Gives what the program printed. Throws a ToolFailure unless it ended with 0. */
export function runTool({ path, args, input = '', milliseconds, folder }: ToolRun): string {
  // `detached` puts the program and its children in a group of their own, to be ended together. Node's types leave it out.
  const options: SpawnSyncOptionsWithStringEncoding & { readonly detached: boolean } = {
    encoding: 'utf8',
    input,
    timeout: milliseconds,
    killSignal: 'SIGKILL',
    maxBuffer: mostOutput,
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, LC_ALL: 'C' },
    detached: process.platform !== 'win32',
  };
  const { pid, status, signal, stdout, stderr, error } = spawnSync(path, args, options);
  if (signal !== null) endGroup(pid);
  if (status === 0) return stdout;
  throw new ToolFailure(failureText(status, signal, codeOf(error), milliseconds), stderr ?? '');
}

function failureText(status: number | null, signal: string | null, code: string | undefined, milliseconds: number): string {
  if (status !== null) return `ended with ${status}`;
  if (code === 'ETIMEDOUT') return `did not end within ${milliseconds / 1000} s`;
  if (code === 'ENOBUFS') return 'printed without end';
  return signal === null ? `cannot be started (${code ?? 'unknown error'})` : `was ended by ${signal}`;
}

function codeOf(error: Error | undefined): string | undefined {
  return error !== undefined && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Ends what the program left running: a compiler's driver starts the compiler proper. */
function endGroup(pid: number): void {
  if (process.platform === 'win32') return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nothing was left.
  }
}
