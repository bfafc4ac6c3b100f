/**
 * TensorFlow.js with its WebAssembly backend (SIMD). On Node that backend runs on one thread: its threaded build asks for a browser's
 * Worker. Results are disposed after each call, which recycles their memory.
 */
import type { Case, InputValues } from '../case.js';
import { type Contender, fingerprint, type Prepared, timeCalls } from './contender.js';
import { peerModule, peerVersion } from './packages.js';
import type { TensorFlow, TensorFlowTensor } from './tensorflow-types.js';

export async function openTensorFlow(): Promise<Contender> {
  const { default: tf }: { default: TensorFlow } = await import(peerModule('@tensorflow/tfjs-core'));
  await import(peerModule('@tensorflow/tfjs-backend-wasm'));
  if (!(await tf.setBackend('wasm'))) throw new Error('its WebAssembly backend does not start');
  return {
    name: 'tensorflow',
    description: `@tensorflow/tfjs-backend-wasm ${peerVersion('@tensorflow/tfjs-backend-wasm')}, 1 thread (all that it has on Node), outputs recycled`,
    prepare: async (benchCase, inputs) => prepare(tf, benchCase, inputs),
    close: async () => {},
  };
}

function prepare(tf: TensorFlow, benchCase: Case, inputs: Readonly<Record<string, InputValues>>): Prepared | null {
  if (benchCase.tensorflow === undefined || Object.values(inputs).some(({ dtype }) => dtype === 'bfloat16')) return null;
  const tensors: Record<string, TensorFlowTensor> = {};
  for (const [name, { values, shape, dtype }] of Object.entries(inputs)) tensors[name] = tf.tensor(values, shape, dtype);
  const compute = benchCase.tensorflow(tf, tensors);
  const call = () => tf.tidy(compute);
  return {
    async result() {
      const result = listed(call());
      const values = result.flatMap((one) => Array.from(one.dataSync()));
      for (const one of result) one.dispose();
      return benchCase.unchecked ? null : fingerprint(values);
    },
    time: async (calls) =>
      timeCalls(() => {
        for (const one of listed(call())) one.dispose();
      }, calls),
    async release() {
      for (const input of Object.values(tensors)) input.dispose();
    },
  };
}

const listed = (result: TensorFlowTensor | readonly TensorFlowTensor[]): readonly TensorFlowTensor[] =>
  'dispose' in result ? [result] : result;
