/**
 * CUDA devices on the simulated driver for tests: each on a driver without past, with settings of its own. Devices of an earlier call are
 * not to be used any more. Kernels are kept in a cache folder of the test process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { groupThreads } from '../kernels/group.js';
import { CudaDevice } from '../runtime/devices/cuda/device.js';
import { Driver } from '../runtime/devices/cuda/driver.js';
import { CudaParams } from '../runtime/devices/cuda/params.js';
import { CudaKernel } from '../runtime/devices/cuda/tier.js';
import type { CompiledKernel, ParamBlock } from '../runtime/devices/device.js';
import { type Simulator, type SimulatorSetting, simulatedCuda, simulator, useSimulatedCuda } from './support/cuda-sim.js';

/** What kernels are compiled into; removed when the process ends. */
export const cacheFolder = mkdtempSync(join(tmpdir(), 'opwright-cuda-test-'));
process.env.OPWRIGHT_CACHE_DIR = cacheFolder;
process.on('exit', () => rmSync(cacheFolder, { recursive: true, force: true }));

export const isSimulated = simulatedCuda() !== undefined;

export interface Opened {
  readonly device: CudaDevice;
  readonly sim: Simulator;
}

type Settings = Readonly<Partial<Record<SimulatorSetting, string | number>>>;

let steering: Simulator | undefined;

/** The simulator as if it had just been loaded. Problems are not printed: tests look at errors. */
export function freshSimulator(settings: Settings = {}): Simulator {
  steering ??= simulator(useSimulatedCuda());
  steering.reset();
  steering.configure({ quiet: 1, ...settings });
  return steering;
}

/** A device that notes what it launches. */
export class NotingDevice extends CudaDevice {
  readonly noted: { readonly name: string; readonly threads: number }[] = [];

  override launch(kernel: CompiledKernel, params: ParamBlock, work: number): void {
    super.launch(kernel, params, work);
    if (!(kernel instanceof CudaKernel) || !(params instanceof CudaParams)) return;
    const { group } = kernel.printed;
    const threads = group === undefined ? 1 : groupThreads(group, (name) => params.i32(kernel.offsets.get(name)!));
    this.noted.push({ name: kernel.kernel.name, threads });
  }

  /** The threads that an item of each kernel had which `run` launched, by name. */
  threadsOf(run: () => void): ReadonlyMap<string, number> {
    this.noted.length = 0;
    run();
    return new Map(this.noted.map(({ name, threads }) => [name, threads]));
  }
}

export function openNoting(settings: Settings = {}): NotingDevice {
  freshSimulator(settings);
  return new NotingDevice(Driver.open(), 0);
}

export function openDevice(settings: Settings = {}): Opened {
  const sim = freshSimulator(settings);
  return { device: new CudaDevice(Driver.open(), 0), sim };
}
