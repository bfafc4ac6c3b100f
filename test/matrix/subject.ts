/** What the matrix is run on: a tier of the cpu, or the CUDA device, on the simulated driver unless asked otherwise. */
import { CpuDevice } from '../../runtime/devices/cpu/device.js';
import { CompilerProblem, findCompiler } from '../../runtime/devices/cpu/native/compiler.js';
import { CudaDevice } from '../../runtime/devices/cuda/device.js';
import type { TierName } from '../../runtime/devices/device.js';
import { getDevice, makeDefault } from '../../runtime/devices/registry.js';
import { simulatedCudaProblem, useSimulatedCuda } from '../support/cuda-sim.js';
import { fullRun } from './cases.js';

export interface Subject {
  readonly name: TierName;
  /** What the test files of its parts are called but for their number. */
  readonly file: string;
  /** In words, for what a short run leaves out. */
  readonly place: string;
  /** Why it cannot be run. */
  readonly missing: string | undefined;
  /** How many kernels were launched by whoever is to launch them. */
  launches(): number;
  /** How many others did. */
  otherLaunches(): number;
}

/** Makes all work that follows run there. Devices read the environment when they open, which is at the first tensor. */
export function chooseSubject(name: TierName): Subject {
  return name === 'cuda' ? cudaSubject() : cpuSubject(name);
}

function cpuSubject(name: 'wasm' | 'native'): Subject {
  process.env.OPWRIGHT_TIER = name;
  const compiler = name === 'native' ? findCompiler() : undefined;
  const other = name === 'wasm' ? 'native' : 'wasm';
  return {
    name,
    file: name === 'native' ? 'ops-native' : 'ops',
    place: 'native code',
    missing: compiler instanceof CompilerProblem ? `no native code: ${compiler.problem}` : undefined,
    launches: () => cpu().launches[name],
    otherLaunches: () => cpu().launches[other],
  };
}

/** With OPWRIGHT_TEST_GPU=1, on the machine's own GPU. */
function cudaSubject(): Subject {
  const missing = process.env.OPWRIGHT_TEST_GPU === '1' ? undefined : simulatedCudaProblem();
  if (missing === undefined) {
    if (process.env.OPWRIGHT_TEST_GPU !== '1') simulate();
    makeDefault(gpu());
  }
  return {
    name: 'cuda',
    file: 'ops-cuda',
    place: 'CUDA kernels',
    missing,
    launches: () => gpu().launches,
    otherLaunches: () => 0,
  };
}

/** The full run looks at every access of every thread, which takes several times as long, and at threads in another order. */
function simulate(): void {
  if (fullRun) {
    process.env.OPWRIGHT_SIM_CHECKS ??= '1';
    process.env.OPWRIGHT_SIM_ORDER ??= 'shuffle';
  }
  useSimulatedCuda();
}

function cpu(): CpuDevice {
  const device = getDevice('cpu');
  if (!(device instanceof CpuDevice)) throw new TypeError('the cpu is another device');
  return device;
}

function gpu(): CudaDevice {
  const device = getDevice('cuda');
  if (!(device instanceof CudaDevice)) throw new TypeError('cuda is another device');
  return device;
}
