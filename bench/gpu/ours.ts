/** Opwright on a GPU: tensors there, times by events. */
import { cuda, noGrad, type Tensor, tensor } from '../../entry/index.js';
import { CudaDevice } from '../../runtime/devices/cuda/device.js';
import { versionText } from '../../runtime/devices/cuda/driver.js';
import { cudaDriver } from '../../runtime/devices/cuda/open.js';
import type { Case, InputValues, Ours } from '../case.js';
import { type Contender, fingerprint, type Prepared } from '../contenders/contender.js';

/** Our kernels alone, or with cuBLAS for products where it is found. */
export function openOursOn(index: number, products: 'ours' | 'cublas'): Contender {
  const device = new CudaDevice(cudaDriver(), index, products === 'ours' ? 'never' : 'always');
  const { name, computeCapability } = device.properties;
  const { cublas } = device;
  if (products === 'cublas' && cublas === undefined) throw new Error('cuBLAS is not there');
  const by = products === 'ours' || cublas === undefined ? '' : `, products by cuBLAS ${versionText(cublas.version)}`;
  return {
    name: products,
    description: `opwright, eager, on ${device.name}: ${name}, compute capability ${computeCapability}${by}, time by events`,
    prepare: async (benchCase, inputs) => prepare(benchCase, inputs, device),
    close: async () => {},
  };
}

function prepare(benchCase: Case, inputs: Readonly<Record<string, InputValues>>, device: CudaDevice): Prepared {
  const tensors: Record<string, Tensor> = {};
  for (const [name, { values, shape, dtype }] of Object.entries(inputs)) tensors[name] = tensor(values, { shape, dtype, device });
  const call = benchCase.ours(tensors);
  return {
    async result() {
      const parts = listed(call());
      const values = parts.flatMap((one) => Array.from<number | bigint>(noGrad(() => one.cast('float64').dataSync())));
      for (const one of parts) one.dispose();
      return fingerprint(values);
    },
    async time(calls) {
      const run = () => {
        for (let index = 0; index < calls; index++) for (const one of listed(call())) one.dispose();
      };
      return (await cuda.time(run, device)) / calls;
    },
    async release() {
      for (const input of Object.values(tensors)) input.dispose();
    },
  };
}

const listed = (result: Ours): readonly Tensor[] => (result === undefined ? [] : 'dispose' in result ? [result] : result);
