/**
 * Runs a program in a process of its own and watches it: a crash, and a hang of the process or of its worker threads, come back as words.
 * The process writes a line with the number of its program to file descriptor 3 before it begins with it. What it prints goes to the
 * terminal.
 */
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';

export interface Watched {
  /** 0 where all is well, 1 where the process has reported what is not. */
  readonly code: number;
  /** How the process ended where it did not end by itself, and in which program. */
  readonly accident: { readonly what: string; readonly program: number } | undefined;
}

/** Gives a program `limit` milliseconds, the start of the process included. */
export function runWatched(nodeArguments: readonly string[], limit: number): Promise<Watched> {
  const child = spawn(process.execPath, nodeArguments, { stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
  let program = 0;
  let hangs = false;
  const restart = () =>
    setTimeout(() => {
      hangs = true;
      child.kill('SIGKILL');
    }, limit);
  let timer = restart();
  const progress = child.stdio[3];
  if (!(progress instanceof Readable)) throw new TypeError('the process has no descriptor 3');
  progress.setEncoding('utf8').on('data', (lines: string) => {
    program = Number(lines.trimEnd().split('\n').at(-1));
    clearTimeout(timer);
    timer = restart();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const what = hangs ? `no end after ${limit / 1000} s` : signal !== null ? `ended by ${signal}` : `exit code ${code}`;
      const regular = !hangs && (code === 0 || code === 1);
      resolve({ code: code ?? 1, accident: regular ? undefined : { what, program } });
    });
  });
}
