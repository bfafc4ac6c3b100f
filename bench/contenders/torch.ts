/**
 * PyTorch's eager mode in a Python process of its own (bench/peers/torch_peer.py), which times itself.
 *
 * It comes twice. 'torch' has its outputs recycled: its C library is told to keep freed memory on the heap rather than give it back
 * to the system, the best that its default allocator can do. 'torch-fresh' is PyTorch as installed, where large outputs are new pages.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Case, InputValues } from '../case.js';
import type { Contender, Fingerprint, Prepared } from './contender.js';
import { peersFolder } from './packages.js';

/** glibc: no separate mappings for large blocks, and nothing given back from the top of the heap. */
const keepMemory = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: `${2 ** 40}`, MALLOC_TOP_PAD_: `${256 << 20}` };

export async function openTorch(python: string, threads: number, recycled: boolean): Promise<Contender> {
  const peer = new TorchProcess(python, recycled ? keepMemory : {});
  const { version, threads: used } = await peer.ask<{ version: string; threads: number }>({ command: 'hello', threads });
  return {
    name: recycled ? 'torch' : 'torch-fresh',
    description: `PyTorch ${version}, eager, ${used} threads, ${recycled ? 'outputs recycled (freed memory kept by the C library)' : 'outputs on fresh pages (as installed)'}`,
    prepare: (benchCase, inputs) => prepare(peer, benchCase, inputs),
    close: () => peer.close(),
  };
}

async function prepare(
  peer: TorchProcess,
  benchCase: Case,
  inputs: Readonly<Record<string, InputValues>>,
): Promise<Prepared | null> {
  if (benchCase.torch === undefined) return null;
  const folder = mkdtempSync(join(tmpdir(), 'opwright-bench-'));
  const specs: Record<string, object> = {};
  for (const [name, { values, shape, dtype }] of Object.entries(inputs)) {
    const path = join(folder, name);
    writeFileSync(path, values);
    specs[name] = { path, shape, dtype };
  }
  const check = benchCase.unchecked !== true;
  const request = { command: 'prepare', inputs: specs, setup: benchCase.torchSetup ?? '', code: benchCase.torch, check };
  try {
    const described = await peer.ask<Fingerprint>(request);
    return {
      result: async () => (check ? described : null),
      time: async (calls) => (await peer.ask<{ ms: number }>({ command: 'time', calls })).ms,
      release: async () => {
        await peer.ask({ command: 'release' });
      },
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Answers come in the order of the requests. */
class TorchProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private failure: Error | null = null;

  constructor(python: string, environment: Readonly<Record<string, string>>) {
    this.child = spawn(python, [join(peersFolder, 'torch_peer.py')], { env: { ...process.env, ...environment } });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.resolve(line));
    let complaints = '';
    this.child.stderr.on('data', (text) => {
      complaints += text;
    });
    this.child.on('error', (error) => this.fail(error));
    this.child.on('close', () => this.fail(new Error(complaints.trim().split('\n').at(-1) || 'the Python process ended')));
    this.child.stdin.on('error', () => {});
  }

  async ask<Answer>(request: object): Promise<Answer> {
    const line = await new Promise<string>((resolve, reject) => {
      if (this.failure !== null) reject(this.failure);
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${JSON.stringify(request)}\n`);
    });
    const answer: Answer & { error?: string } = JSON.parse(line);
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    this.child.stdin.end();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.failure);
  }
}
