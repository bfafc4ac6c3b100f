/**
 * The simulated CUDA driver, NVRTC and cuBLAS of test/cuda-sim: builds them, once for each state of their sources, into node_modules/.cache,
 * and gives tests the entry points that steer them. It knows nothing of the devices that run on top.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLibrary } from '../../runtime/devices/ffi.js';

/** Paths of the libraries, named as the real ones are. All names lead to one file. */
export interface SimulatedCuda {
  readonly driver: string;
  readonly nvrtc: string;
  readonly cublas: string;
}

const root = projectRoot(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'test', 'cuda-sim');
const cache = join(root, 'node_modules', '.cache', 'opwright-cuda-sim');

const library = 'libopwright-cuda-sim.so';
const links = { driver: 'libcuda.so.1', nvrtc: 'libnvrtc.so.13', cublas: 'libcublas.so.13' } as const;
const compiler = 'g++';
const flags = ['-std=c++20', '-O2', '-g1', '-fPIC', '-shared', '-fvisibility=hidden', `-Wl,-soname,${library}`, '-Wl,-z,defs'];
const libraries = ['-ldl', '-lm', '-lpthread'];

/** Folders of sources that have changed since are removed by the next build after they have not been used for so long. */
const unusedMilliseconds = 24 * 3600 * 1000;

type Built = { readonly paths: SimulatedCuda } | { readonly missing: string };

let built: Built | undefined;

/** The libraries, or undefined where they cannot be built: `simulatedCudaProblem` says why. Throws if their sources have errors. */
export function simulatedCuda(): SimulatedCuda | undefined {
  built ??= build();
  return 'paths' in built ? built.paths : undefined;
}

/** Why there is no simulated driver, for tests that are left out. */
export function simulatedCudaProblem(): string | undefined {
  simulatedCuda();
  return built !== undefined && 'missing' in built ? built.missing : undefined;
}

function projectRoot(folder: string): string {
  if (existsSync(join(folder, 'test', 'cuda-sim'))) return folder;
  const above = dirname(folder);
  if (above === folder) throw new Error('there is no folder test/cuda-sim above this file');
  return projectRoot(above);
}

function build(): Built {
  if (platform() !== 'linux' || arch() !== 'x64') return { missing: 'the simulated CUDA driver needs Linux on x86-64' };
  const { status, stdout } = spawnSync(compiler, ['--version'], { encoding: 'utf8' });
  if (status !== 0) return { missing: `the simulated CUDA driver is built with ${compiler}, which is not there` };
  const folder = join(cache, sourceHash(stdout));
  if (existsSync(folder)) utimesSync(folder, new Date(), new Date());
  else buildInto(folder);
  return { paths: { driver: join(folder, links.driver), nvrtc: join(folder, links.nvrtc), cublas: join(folder, links.cublas) } };
}

function sourceHash(compilerVersion: string): string {
  const hash = createHash('sha256')
    .update(compilerVersion)
    .update([...flags, ...libraries].join(' '));
  for (const file of readdirSync(sources).sort()) hash.update(file).update(readFileSync(join(sources, file)));
  return hash.digest('hex').slice(0, 16);
}

/** One translation unit, as most of the time goes into the headers of the standard library. A rename publishes the folder. */
function buildInto(folder: string): void {
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  removeUnused();
  const work = mkdtempSync(join(cache, 'building-'));
  try {
    const files = readdirSync(sources).filter((file) => file.endsWith('.cpp'));
    const input = files.map((file) => `#include "${join(sources, file)}"\n`).join('');
    const options = [...flags, `-Wa,-I${sources}`, '-o', join(work, library), '-x', 'c++', '-', ...libraries];
    const { status, stderr } = spawnSync(compiler, options, { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`The simulated CUDA driver cannot be built:\n${stderr.slice(0, 4000)}`);
    for (const link of Object.values(links)) symlinkSync(library, join(work, link));
    if (!existsSync(folder)) publish(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function publish(work: string, folder: string): void {
  try {
    renameSync(work, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Another process was faster.
  }
}

function removeUnused(): void {
  for (const name of readdirSync(cache)) {
    const folder = join(cache, name);
    const { mtimeMs } = statSync(folder, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > unusedMilliseconds) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Makes this process, and those that it starts, find the simulated libraries in place of real ones. Unless it is said where, kernels are
 * kept beside these: to the real driver, they are none.
 */
export function useSimulatedCuda(): SimulatedCuda {
  const paths = simulatedCuda();
  if (paths === undefined) throw new Error(simulatedCudaProblem());
  const images = process.env.OPWRIGHT_SIM_CHECKS === '1' ? 'checked-images' : 'images';
  process.env.OPWRIGHT_CACHE_DIR ??= join(dirname(paths.driver), images);
  process.env.OPWRIGHT_CUDA_DRIVER = paths.driver;
  process.env.OPWRIGHT_NVRTC = paths.nvrtc;
  process.env.OPWRIGHT_CUBLAS_LIBRARY = paths.cublas;
  return paths;
}

// ---- Steering

/** What settings.h describes. */
export type SimulatorSetting =
  | 'devices'
  | 'architecture'
  | 'multiprocessors'
  | 'memory'
  | 'driver'
  | 'nvrtc'
  | 'nvrtc_architectures'
  | 'cublas'
  | 'order'
  | 'checks'
  | 'streams'
  | 'watchdog'
  | 'fail'
  | 'quiet'
  | 'compiler';

export interface Simulator {
  /** Sets a setting for this process, whatever the environment says. */
  configure(settings: Readonly<Partial<Record<SimulatorSetting, string | number>>>): void;
  /** As if the libraries had just been loaded: nothing that was made by them is there any more. */
  reset(): void;
  /** The last problem that was found: kernel, block, thread, line and what happened. Empty if there was none since the last reset. */
  report(): string;
  /** How often a function of the libraries was called; `kernel` counts the kernels that have run. */
  calls(name: string): number;
  live(kind: 'memory' | 'pinned' | 'streams' | 'events' | 'modules' | 'cublas'): number;
}

/** The entry points that steer the simulated driver in this process. */
export function simulator(paths: SimulatedCuda): Simulator {
  const native = openLibrary(paths.driver);
  const configure = native.function('simConfigure', 'i32', ['string', 'string']);
  const reset = native.function('simReset', 'void', []);
  const report = native.function('simReport', 'string', []);
  const calls = native.function('simCalls', 'u64', ['string']);
  const live = native.function('simLive', 'i64', ['string']);
  return {
    configure: (settings) => {
      for (const [name, value] of Object.entries(settings))
        if (configure(name, String(value)) !== 1) throw new Error(`the simulated CUDA driver has no setting ${name}`);
    },
    reset: () => void reset(),
    report: () => report() ?? '',
    calls: (name) => Number(calls(name)),
    live: (kind) => Number(live(kind)),
  };
}
