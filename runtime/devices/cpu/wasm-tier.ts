/** The tier that is always there: kernels as WebAssembly, run by the calling thread and by worker threads. */
import { performance } from 'node:perf_hooks';
import { fma, kernel as kernelOf, load, store, vectorType } from '../../../kernels/build.js';
import type { Kernel } from '../../../kernels/ir.js';
import { vectorise } from '../../../kernels/vectorise.js';
import { compileWasm, mathImports } from '../../../kernels/wasm/compile.js';
import { debugging, report } from '../../debug.js';
import type { Target } from '../device.js';
import type { ThreadedKernel, ThreadPool } from './pool.js';
import { CpuKernel, CpuTier, pointerBytes } from './tier.js';
import { type WasmInstance, type WasmMemory, type WasmModule, webAssembly } from './webassembly.js';

type RunKernel = (place: number, begin: number, end: number) => void;

class WasmKernel extends CpuKernel implements ThreadedKernel {
  readonly tier = 'wasm';

  constructor(
    readonly id: number,
    kernel: Kernel,
    readonly module: WasmModule,
    readonly run: RunKernel,
    private readonly pool: ThreadPool,
  ) {
    super(kernel);
  }

  launch(place: number, work: number, grain: number): void {
    if (work <= grain) this.run(place, 0, work);
    else this.pool.run(this, place, work, grain);
  }
}

export class WasmTier extends CpuTier<WasmKernel> {
  readonly name = 'wasm';
  readonly target: Target = { vectorBytes: 16, pointerBytes, groups: false };
  /** Whether the engine has fused multiply-add; looked up when the first kernel is compiled. */
  private relaxedSimd: boolean | undefined;
  private count = 0;

  constructor(
    private readonly memory: WasmMemory,
    private readonly pool: ThreadPool,
  ) {
    super();
  }

  protected build(kernel: Kernel): WasmKernel {
    const start = performance.now();
    this.relaxedSimd ??= webAssembly.validate(compileWasm(relaxedSimdProbe, { relaxedSimd: true }));
    const bytes = compileWasm(vectorise(kernel, this.target), { relaxedSimd: this.relaxedSimd });
    const module = new webAssembly.Module(bytes);
    const instance = new webAssembly.Instance(module, { env: { memory: this.memory }, math: mathImports });
    this.count++;
    if (debugging.source) report('source', `${kernel.name}\n${JSON.stringify(kernel, null, 1)}`);
    if (debugging.compile) {
      report('compile', `${kernel.name}: ${bytes.length} bytes in ${(performance.now() - start).toFixed(2)} ms`);
    }
    return new WasmKernel(this.count, kernel, module, exportedRun(instance), this.pool);
  }
}

function exportedRun(instance: WasmInstance): RunKernel {
  const { run } = instance.exports;
  if (!isRunKernel(run)) throw new TypeError('the module of a kernel exports no function run');
  return run;
}

/** The printer exports one function of this type and nothing else. */
function isRunKernel(exported: unknown): exported is RunKernel {
  return typeof exported === 'function' && exported.length === 3;
}

const float32x4 = vectorType('f32', 4);

/** A kernel that is valid with relaxed SIMD only if the engine has it on: the library sets no engine flags. */
const relaxedSimdProbe = kernelOf(
  'probe',
  [{ name: 'x', storage: 'float32', access: 'readwrite' }],
  [],
  [store('x', 0, fma(load(float32x4, 'x', 0), load(float32x4, 'x', 0), load(float32x4, 'x', 0)))],
);
