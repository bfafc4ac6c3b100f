/**
 * ONNX Runtime's CPU provider through onnxruntime-node: each case is a model of a few nodes. Outputs are written into tensors that
 * are made once, weights are constants of the model, and `run` is awaited, because there is no synchronous form.
 */
import type { Case, InputValues } from '../case.js';
import { type Contender, fingerprint, type Prepared, timeAwaited } from './contender.js';
import { encodeOnnxModel, type OnnxGraph, type OnnxTensor } from './onnx-model.js';
import { peerModule, peerVersion } from './packages.js';

type OnnxData = Float32Array | Int32Array | BigInt64Array;

interface OnnxValue {
  readonly data: OnnxData;
  readonly dims: readonly number[];
  readonly type: string;
}

interface OnnxSession {
  run(feeds: Record<string, OnnxValue>, fetches?: Record<string, OnnxValue>): Promise<Record<string, OnnxValue>>;
  release(): Promise<void>;
}

interface OnnxRuntime {
  readonly Tensor: new (type: string, data: OnnxData, dims: readonly number[]) => OnnxValue;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OnnxSession> };
}

export async function openOnnx(threads: number): Promise<Contender> {
  const { default: runtime }: { default: OnnxRuntime } = await import(peerModule('onnxruntime-node'));
  return {
    name: 'onnxruntime',
    description: `onnxruntime-node ${peerVersion('onnxruntime-node')}, ${threads} threads, one model a case, outputs recycled`,
    prepare: async (benchCase, inputs) =>
      benchCase.onnx === undefined ? null : prepare(runtime, benchCase, benchCase.onnx, inputs, threads),
    close: async () => {},
  };
}

async function prepare(
  runtime: OnnxRuntime,
  benchCase: Case,
  graph: OnnxGraph,
  inputs: Readonly<Record<string, InputValues>>,
  threads: number,
): Promise<Prepared | null> {
  const entries = Object.entries(inputs);
  if (entries.some(([, { dtype }]) => dtype === 'bfloat16')) return null;
  const model = encodeOnnxModel(graph, entries.map(asOnnxTensor));
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await runtime.InferenceSession.create(model, options);
  const feeds: Record<string, OnnxValue> = {};
  for (const [name, { values, shape, dtype }] of entries) {
    if (!graph.weights?.includes(name)) feeds[name] = new runtime.Tensor(dtype, values, shape);
  }
  const outputs = await session.run(feeds);
  return {
    result: async () => (benchCase.unchecked ? null : fingerprint(outputs[graph.output]!.data)),
    time: (calls) =>
      timeAwaited(async () => {
        await session.run(feeds, outputs);
      }, calls),
    release: () => session.release(),
  };
}

function asOnnxTensor([name, { shape, dtype, values }]: [string, InputValues]): OnnxTensor {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: dtype === 'int32' ? 'int32' : 'float32', shape, bytes };
}
