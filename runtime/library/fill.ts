/** One number into every element of a contiguous buffer. */
import { fusedKernel } from '../../kernels/fused.js';
import { partScalar, registerOf } from '../../kernels/ir.js';
import { bind } from '../../kernels/lower/bind.js';
import { outputName, scalarName } from '../../kernels/lower/names.js';
import type { TensorMeta } from '../../kernels/op.js';
import { compiledFused, fusedWork } from '../compiled.js';
import type { CompiledKernel, Device, ParamBlock } from '../devices/device.js';
import { setScalar } from '../steps/step.js';

const grain = 1 << 16;

export class FillKernel {
  private readonly compiled: CompiledKernel;
  private readonly params: ParamBlock;

  constructor(
    private readonly device: Device,
    { shape, dtype }: TensorMeta,
    value: number,
  ) {
    const kernel = fusedKernel({
      inputs: [],
      scalars: [dtype],
      nodes: [{ op: 'scalar', scalar: 0, dtype }],
      outputs: [{ node: 0, dtype, level: 'element' }],
    });
    const [launch] = bind(kernel, [{ size: 2, reduced: false, strides: [1] }], device.machine).launches;
    this.compiled = compiledFused(device.tier(fusedWork(launch!, shape)), launch!);
    this.params = device.createParams(this.compiled);
    const offset = this.compiled.offsets.get(scalarName(0))!;
    setScalar(this.params, offset, partScalar(registerOf(dtype)), value);
  }

  run(address: number, count: number): void {
    this.params.setPointer(this.compiled.offsets.get(outputName(0))!, address);
    if (count > 0) this.device.launch(this.compiled, this.params, count, grain);
  }

  free(): void {
    this.params.free();
  }
}
