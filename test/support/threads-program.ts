/**
 * Computes things that are large enough to be split over threads, and prints a hash of the bits of each as JSON:
 * `OPWRIGHT_THREADS=2 node dist/test/support/threads-program.js`. test/threads.test.ts compares what different numbers of threads give.
 */
import { createHash } from 'node:crypto';
import type { Dtype, Tensor } from '../../entry/index.js';
import * as opwright from '../../entry/index.js';
import { Conv2D, CrossEntropyLoss, Flatten, Linear, MaxPool2D, ReLU, Sequential } from '../../entry/nn.js';
import { Adam } from '../../entry/optimizer.js';
import { randomValues } from './samples.js';

/** Results by name. Sizes are odd, so that no split comes out even. */
const programs: Readonly<Record<string, () => readonly Tensor[]>> = {
  elementwise: () => [opwright.gelu(random('x', [1031, 517])), opwright.tanh(random('x', [1031, 517], 'float16'))],
  broadcast: () => [opwright.multiply(random('x', [501, 1, 333]), random('y', [7, 1]))],
  'sum of all': () =>
    (['float32', 'float64', 'float16', 'int32'] as const).map((dtype) => opwright.sum(random('x', [999_983], dtype))),
  'sums of rows': () => [opwright.sum(random('x', [511, 2049]), { axis: 1 })],
  'sums of columns': () => [
    opwright.sum(random('x', [2049, 511]), { axis: 0 }),
    opwright.mean(random('x', [31, 257, 65]), { axis: [0, 2] }),
  ],
  extrema: () => [opwright.max(random('x', [700_001])), opwright.argmax(random('x', [513, 1025]), { axis: 0 })],
  softmax: () => [opwright.softmax(random('x', [257, 1031])), opwright.logsumexp(random('x', [1031, 257]), { axis: 0 })],
  normalization: () =>
    gradients([random('x', [129, 1025]), random('w', [1025])], ([x, weight]) =>
      opwright.layerNorm(x!, 1025, { weight: weight! }),
    ),
  scans: () => [opwright.cumsum(random('x', [333, 1001]), { axis: 1 }), opwright.cumsum(random('x', [1001, 333]), { axis: 0 })],
  sorting: () => [opwright.sort(random('x', [101, 2003])), opwright.topk(random('x', [101, 2003]), 5).indices],
  'sorting one row': () => [opwright.argsort(random('x', [400_003])), opwright.sort(random('x', [70_001], 'float64'))],
  matmul: () => gradients([random('x', [301, 257]), random('y', [257, 403])], ([x, y]) => opwright.matmul(x!, y!)),
  'matmul in float64': () => [opwright.matmul(random('x', [203, 305], 'float64'), random('y', [305, 107], 'float64'))],
  'batches of products': () =>
    gradients([random('x', [7, 65, 129]), random('y', [7, 129, 33])], ([x, y]) => opwright.bmm(x!, y!)),
  conv2d: () =>
    gradients([random('x', [5, 8, 37, 41]), random('w', [12, 8, 3, 3])], ([x, w]) => opwright.conv2d(x!, w!, { padding: 1 })),
  pooling: () => gradients([random('x', [9, 16, 33, 35])], ([x]) => opwright.maxPool2d(x!, 3, { stride: 2 })),
  'rows added by an index': () =>
    gradients([random('w', [997, 65])], ([weight]) => opwright.embedding(indices('index', [8191], 997), weight!)),
  'random numbers': () => [opwright.randn([300_001]), opwright.dropout(random('x', [700, 701]), { p: 0.3 })],
  training: train,
};

function random(text: string, shape: readonly number[], dtype: Dtype = 'float32'): Tensor {
  return opwright.tensor(Float64Array.from(randomValues(text, shape, dtype, 'normal')), { shape, dtype });
}

function indices(text: string, shape: readonly number[], end: number): Tensor {
  const values = randomValues(text, shape, 'float32', 'positive').map((value) => Math.floor(((value * 1000) % 1) * end));
  return opwright.tensor(Int32Array.from(values), { shape });
}

/** A result, and its gradients for an incoming gradient that differs from element to element. */
function gradients(inputs: readonly Tensor[], fn: (inputs: readonly Tensor[]) => Tensor): Tensor[] {
  for (const input of inputs) input.stopGradient = false;
  const result = fn(inputs);
  const incoming = random('incoming', result.shape);
  const found = opwright.grad(result, inputs, { gradOutputs: [incoming] });
  return [result, ...found.filter((one) => one !== null)];
}

/** Some steps of a small network for images. */
function train(): Tensor[] {
  opwright.seed(3);
  const network = new Sequential(
    new Conv2D(1, 8, 3, { padding: 1 }),
    new ReLU(),
    new MaxPool2D(2),
    new Flatten(),
    new Linear(8 * 14 * 14, 10),
  );
  const loss = new CrossEntropyLoss();
  const optimizer = new Adam(network.parameters(), { learningRate: 1e-3 });
  const images = random('images', [65, 1, 28, 28]);
  const labels = indices('labels', [65], 10);
  for (let step = 0; step < 4; step++) {
    opwright.tidy(() => {
      loss.forward(network.forward(images), labels).backward();
      optimizer.step();
      optimizer.clearGrad();
    });
  }
  return [...network.parameters()];
}

function hashOf(tensors: readonly Tensor[]): string {
  const hash = createHash('sha256');
  for (const tensor of tensors) {
    const data = tensor.dataSync();
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

const hashes = Object.entries(programs).map(([name, run]) => {
  process.stderr.write(`program ${name}\n`);
  opwright.seed(7);
  return [name, opwright.tidy(() => hashOf(run()))];
});
process.stdout.write(JSON.stringify(Object.fromEntries(hashes)));
