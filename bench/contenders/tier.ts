/**
 * Opwright with one tier forced for all work, in a process of its own (tier-peer.ts): next to `ours`, which chooses by the table of
 * tiers, it says what the choice is worth.
 */
import { fileURLToPath } from 'node:url';
import type { CpuTierName } from '../../runtime/devices/device.js';
import type { Contender, Fingerprint } from './contender.js';
import { PeerProcess } from './peer-process.js';

const program = fileURLToPath(new URL('./tier-peer.js', import.meta.url));

export async function openTier(tier: CpuTierName, threads: number): Promise<Contender> {
  const environment = {
    OPWRIGHT_TIER: tier,
    OPWRIGHT_THREADS: `${threads}`,
    ...(tier === 'native' ? { OPWRIGHT_NATIVE: 'require' } : {}),
  };
  const peer = new PeerProcess(process.execPath, [program], environment);
  return {
    name: tier,
    description: `opwright, only the tier ${tier}, eager, ${threads} threads, outputs recycled`,
    async prepare({ name }) {
      const found = await peer.ask<{ fingerprint: Fingerprint | null }>({ command: 'prepare', name });
      return {
        result: async () => found.fingerprint,
        time: async (calls) => (await peer.ask<{ ms: number }>({ command: 'time', calls })).ms,
        release: async () => {
          await peer.ask({ command: 'release' });
        },
      };
    },
    close: () => peer.close(),
  };
}
