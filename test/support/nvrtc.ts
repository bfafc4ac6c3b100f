/**
 * The real NVRTC, for tests that need no GPU: looked for as the device looks for it, but first in node_modules/.cache/opwright-nvrtc, where
 * .ci/run puts NVIDIA's wheel.
 */
import { join } from 'node:path';
import { type Attempt, nvrtcCandidates, openFirst } from '../../runtime/devices/cuda/libraries.js';
import { Nvrtc } from '../../runtime/devices/cuda/nvrtc.js';

const brought = join('node_modules', '.cache', 'opwright-nvrtc');

/** NVRTC, or what was tried. */
export function findNvrtc(): { readonly nvrtc: Nvrtc | undefined; readonly attempts: readonly Attempt[] } {
  const inFolder = nvrtcCandidates({ VIRTUAL_ENV: brought }).filter((path) => path.startsWith(brought));
  const { library, attempts } = openFirst([...inFolder, ...nvrtcCandidates()]);
  return { nvrtc: library === undefined ? undefined : Nvrtc.load(library), attempts };
}
