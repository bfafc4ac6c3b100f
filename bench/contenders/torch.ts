/**
 * PyTorch's eager mode in a Python process of its own (bench/peers/torch_peer.py), which times itself.
 *
 * It comes twice. 'torch' has its outputs recycled: its C library is told to keep freed memory on the heap rather than give it back
 * to the system, the best that its default allocator can do. 'torch-fresh' is PyTorch as installed, where large outputs are new pages.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case, InputValues } from '../case.js';
import type { Contender, Fingerprint, Prepared } from './contender.js';
import { peersFolder } from './packages.js';
import { PeerProcess } from './peer-process.js';

/** glibc: no separate mappings for large blocks, and nothing given back from the top of the heap. */
const keepMemory = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: `${2 ** 40}`, MALLOC_TOP_PAD_: `${256 << 20}` };

/** PyTorch on the cpu, with so many threads, or on a GPU. */
export type TorchPlace = { readonly threads: number; readonly recycled: boolean } | { readonly on: string };

export async function openTorch(python: string, place: TorchPlace): Promise<Contender> {
  const onCpu = 'threads' in place;
  const recycled = !onCpu || place.recycled;
  const peer = new PeerProcess(python, [join(peersFolder, 'torch_peer.py')], onCpu && recycled ? keepMemory : {});
  const described = await peer.ask<{ version: string; device: string; threads: number }>({ command: 'hello', ...place });
  const outputs = recycled ? 'outputs recycled (freed memory kept by the C library)' : 'outputs on fresh pages (as installed)';
  const how = onCpu ? `${described.threads} threads, ${outputs}` : `on ${described.device}, time by events`;
  return {
    name: recycled ? 'torch' : 'torch-fresh',
    description: `PyTorch ${described.version}, eager, ${how}`,
    prepare: (benchCase, inputs) => prepare(peer, benchCase, inputs),
    close: () => peer.close(),
  };
}

async function prepare(
  peer: PeerProcess,
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
