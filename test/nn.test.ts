/**
 * Layers: what they own and under which names, how they begin, what they compute, and what they say when state does not fit. Expected
 * numbers are computed here by hand or by plain loops, never by the ops under test.
 */
import { inspect } from 'node:util';
import test from 'ava';
import { memory, noGrad, OpwrightError, seed, type Tensor, tensor, tidy } from '../entry/index.js';
import { decodeSafetensors, encodeSafetensors } from '../entry/io.js';
import {
  Assign,
  AvgPool2D,
  BatchNorm2D,
  BufferTensor,
  Constant,
  Conv2D,
  CrossEntropyLoss,
  Dropout,
  Embedding,
  Flatten,
  GELU,
  KaimingNormal,
  KaimingUniform,
  Layer,
  LayerNorm,
  Linear,
  MaxPool2D,
  MSELoss,
  Normal,
  Parameter,
  ReLU,
  Sequential,
  Sigmoid,
  Softmax,
  Tanh,
  Uniform,
  XavierNormal,
  XavierUniform,
} from '../entry/nn.js';

/** Numbers of a tensor in row-major order. */
const numbers = (x: Tensor): number[] => Array.from(x.dataSync(), Number);

function close(
  t: { deepEqual(a: unknown, b: unknown): unknown; true(a: boolean, message?: string): unknown },
  x: Tensor,
  expected: readonly number[],
): void {
  const actual = numbers(x);
  t.deepEqual(actual.length, expected.length);
  actual.forEach((value, index) => {
    t.true(
      Math.abs(value - expected[index]!) <= 1e-5 * Math.max(1, Math.abs(expected[index]!)),
      `element ${index}: ${value}, not ${expected[index]}`,
    );
  });
}

class Block extends Layer {
  readonly linear = new Linear(2, 2);
  readonly scale = new Parameter(tensor([1, 2]));
  readonly seen = new BufferTensor(tensor(0, { dtype: 'int32' }));
  readonly plain = tensor([1]);
  readonly parts = [new Linear(2, 1, { biasAttr: false }), new ReLU()];
  readonly named = new Map([['gate', new Linear(2, 3)]]);
  readonly table = { inner: { deep: new Parameter(tensor([5])) } };

  forward(x: Tensor): Tensor {
    return this.linear.forward(x);
  }
}

const shared = new Linear(2, 2);
class Tied extends Layer {
  readonly first = shared;
  readonly second = shared;
  readonly self: Layer = this;

  forward(x: Tensor): Tensor {
    return this.second.forward(this.first.forward(x));
  }
}

test.serial('a layer owns parameters, buffers and layers in its properties, arrays, maps and objects', (t) => {
  const block = new Block();
  const parameters = [
    'linear.weight',
    'linear.bias',
    'scale',
    'parts.0.weight',
    'named.gate.weight',
    'named.gate.bias',
    'table.inner.deep',
  ];
  t.deepEqual(
    block.namedParameters().map(([name]) => name),
    parameters,
  );
  t.deepEqual(
    block.namedBuffers().map(([name]) => name),
    ['seen'],
  );
  t.deepEqual(
    block.namedSublayers().map(([name]) => name),
    ['linear', 'parts.0', 'parts.1', 'named.gate'],
  );
  t.deepEqual(Object.keys(block.stateDict()), [...parameters, 'seen']);
  t.is(block.parameters().length, parameters.length);
  t.true(block.parameters().every(({ stopGradient }) => !stopGradient));
});

test.serial('what has two names counts once, and cycles end', (t) => {
  const tied = new Tied();
  t.deepEqual(Object.keys(tied.stateDict()), ['first.weight', 'first.bias']);
  t.is(tied.sublayers().length, 1);
});

test.serial('train() and eval() reach every layer', (t) => {
  const block = new Block();
  t.is(block.eval(), block);
  t.true([block, ...block.sublayers()].every(({ training }) => !training));
  block.train();
  t.true([block, ...block.sublayers()].every(({ training }) => training));
});

test.serial('a printed layer shows its structure', (t) => {
  t.is(
    inspect(new Sequential(new Linear(4, 2), ['activation', new ReLU()])),
    'Sequential() {\n  0: Linear(4, 2)\n  activation: ReLU()\n}',
  );
});

test.serial('a parameter is a copy and outlives tidy', (t) => {
  const values = tensor([1, 2]);
  const parameter = tidy(() => ({ hidden: new Parameter(values, { trainable: false, learningRate: 0.5 }) })).hidden;
  values.dispose();
  t.deepEqual(numbers(parameter), [1, 2]);
  t.true(parameter.stopGradient);
  t.is(parameter.learningRate, 0.5);
  t.throws(() => new Parameter(tensor([1], { dtype: 'int32' })), { code: 'DTYPE_MISMATCH' });
  t.throws(() => new Parameter(tensor([1]), { learningRate: Number.NaN }), { code: 'INVALID_ARGUMENT' });
});

test.serial('making and disposing a layer leaves no storage behind', (t) => {
  const before = memory().storages;
  const model = new Sequential(new Conv2D(1, 2, 3), new BatchNorm2D(2), new Flatten(), new Linear(8, 2), new LayerNorm(2));
  model.dispose();
  t.is(memory().storages, before);
});

test.serial('the state goes through a file into another layer', async (t) => {
  const [first, second] = [new Block(), new Block()];
  const { tensors } = await decodeSafetensors(await encodeSafetensors(first.stateDict()));
  second.setStateDict(tensors);
  const [from, to] = [first.stateDict(), second.stateDict()];
  for (const name of Object.keys(from)) {
    t.deepEqual(numbers(to[name]!), numbers(from[name]!), name);
    t.not(to[name]!.storage, from[name]!.storage);
  }
});

test.serial('state of another floating dtype is converted', (t) => {
  const linear = new Linear(1, 2, { biasAttr: false });
  linear.setStateDict({ weight: tensor([[0.5, -2]], { dtype: 'float64' }) });
  t.is(linear.weight.dtype, 'float32');
  t.deepEqual(numbers(linear.weight), [0.5, -2]);
});

test.serial('state that does not fit is refused with all that is wrong, and nothing is changed', (t) => {
  const linear = new Linear(2, 3);
  const before = numbers(linear.weight);
  const weight = tensor(new Float32Array(6).fill(9), { shape: [2, 3] });
  const error = t.throws(() => linear.setStateDict({ weight, biass: tensor([1, 2, 3]) }), { instanceOf: OpwrightError });
  t.is(error.code, 'INVALID_ARGUMENT');
  t.regex(error.message, /does not fit this Linear/);
  t.regex(error.message, /missing: bias \[3\]/);
  t.regex(error.message, /unexpected: biass/);
  const shape = t.throws(() => linear.setStateDict({ weight, bias: tensor([1, 2]) }), { instanceOf: OpwrightError });
  t.is(shape.code, 'SHAPE_MISMATCH');
  t.regex(shape.message, /shape of bias: \[3\] here, \[2\] given/);
  const dtype = t.throws(() => linear.setStateDict({ weight, bias: tensor([1, 2, 3], { dtype: 'int32' }) }), {
    instanceOf: OpwrightError,
  });
  t.is(dtype.code, 'DTYPE_MISMATCH');
  t.deepEqual(numbers(linear.weight), before);
});

test.serial('part of a state is restored by spreading it over the rest', (t) => {
  const linear = new Linear(1, 1);
  const before = numbers(linear.weight);
  linear.setStateDict({ ...linear.stateDict(), bias: tensor([7]) });
  t.deepEqual(numbers(linear.weight), before);
  t.deepEqual(numbers(linear.bias!), [7]);
});

test.serial('the seed decides every parameter', (t) => {
  const make = (value: number) => {
    seed(value);
    return new Sequential(new Conv2D(1, 2, 3), new Linear(4, 5), new Embedding(6, 2)).parameters().flatMap(numbers);
  };
  t.deepEqual(make(3), make(3));
  t.notDeepEqual(make(3), make(4));
});

/** Mean, variance and largest size of the values an initializer gives. */
function statistics(values: Tensor): { mean: number; variance: number; bound: number } {
  const all = numbers(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  const variance = all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length;
  return { mean, variance, bound: Math.max(...all.map(Math.abs)) };
}

const matrix = [120, 80] as const;
const filters = [40, 20, 3, 5] as const;
const initializers: readonly [string, Tensor, { mean?: number; variance: number; bound?: number }][] = [
  ['Uniform', new Uniform(-2, 2).create(matrix, 'float32'), { variance: 16 / 12, bound: 2 }],
  ['Normal', new Normal(3, 0.5).create(matrix, 'float32'), { mean: 3, variance: 0.25 }],
  ['XavierUniform of a matrix', new XavierUniform().create(matrix, 'float32'), { variance: 2 / 200, bound: Math.sqrt(6 / 200) }],
  ['XavierNormal of filters', new XavierNormal().create(filters, 'float32'), { variance: 2 / (15 * 60) }],
  [
    'KaimingUniform of filters',
    new KaimingUniform().create(filters, 'float32'),
    { variance: 2 / 300, bound: Math.sqrt(6 / 300) },
  ],
  ['KaimingNormal of a matrix', new KaimingNormal().create(matrix, 'float64'), { variance: 2 / 120 }],
  [
    'XavierUniform of given fans',
    new XavierUniform({ fanIn: 1, fanOut: 5 }).create(matrix, 'float32'),
    { variance: 1 / 3, bound: 1 },
  ],
  ["Conv2D's filters", new Conv2D(20, 40, [3, 5]).weight, { variance: 2 / 300 }],
  ["Linear's matrix", new Linear(120, 80).weight, { variance: 2 / 200, bound: Math.sqrt(6 / 200) }],
];

for (const [name, values, { mean = 0, variance, bound }] of initializers) {
  test.serial(`${name} has the mean, variance and bound of its formula`, (t) => {
    const found = statistics(values);
    const deviation = Math.sqrt(variance);
    t.true(Math.abs(found.mean - mean) < (5 * deviation) / Math.sqrt(values.size), `mean ${found.mean}`);
    t.true(Math.abs(found.variance / variance - 1) < 0.1, `variance ${found.variance}, not ${variance}`);
    if (bound !== undefined)
      t.true(found.bound <= bound * (1 + 1e-6) && found.bound > bound * 0.99, `bound ${found.bound}, not ${bound}`);
  });
}

test.serial('Constant and Assign give what they are told', (t) => {
  t.deepEqual(numbers(new Constant(2.5).create([2], 'float32')), [2.5, 2.5]);
  const linear = new Linear(1, 2, {
    weightAttr: new Assign([[3, 4]]),
    biasAttr: { initializer: new Constant(1), trainable: false },
  });
  t.deepEqual(numbers(linear.weight), [3, 4]);
  t.true(linear.bias!.stopGradient);
  t.throws(() => new Linear(2, 2, { weightAttr: new Assign(tensor([1, 2])) }), { code: 'SHAPE_MISMATCH' });
});

test.serial('Linear multiplies and adds', (t) => {
  const linear = new Linear(2, 3, { weightAttr: new Assign([[1, 2, 3], [4, 5, 6]]), biasAttr: new Assign([0.5, 0, -0.5]) }); // biome-ignore format: a matrix
  close(t, linear.forward(tensor([[1, -1], [0, 2]])), [-2.5, -3, -3.5, 8.5, 10, 11.5]); // biome-ignore format: a matrix
  t.is(new Linear(2, 3, { biasAttr: false }).bias, null);
});

test.serial('Conv2D agrees with the sums of its definition, with groups, strides and padding', (t) => {
  const [n, c, h, w, o, k, groups, stride, pad] = [2, 4, 5, 6, 6, 3, 2, 2, 1];
  const layer = new Conv2D(c, o, k, { stride, padding: pad, groups });
  const x = new Normal().create([n, c, h, w], 'float32');
  const [image, weight, bias] = [numbers(x), numbers(layer.weight), numbers(layer.bias!)];
  const [oh, ow] = [Math.floor((h + 2 * pad - k) / stride) + 1, Math.floor((w + 2 * pad - k) / stride) + 1];
  const expected: number[] = [];
  const inGroup = c / groups;
  for (let b = 0; b < n; b++)
    for (let f = 0; f < o; f++)
      for (let row = 0; row < oh; row++)
        for (let column = 0; column < ow; column++) {
          let sum = bias[f]!;
          const first = Math.floor(f / (o / groups)) * inGroup;
          for (let i = 0; i < inGroup; i++)
            for (let dy = 0; dy < k; dy++)
              for (let dx = 0; dx < k; dx++) {
                const [y, z] = [row * stride + dy - pad, column * stride + dx - pad];
                if (y < 0 || y >= h || z < 0 || z >= w) continue;
                sum += image[((b * c + first + i) * h + y) * w + z]! * weight[((f * inGroup + i) * k + dy) * k + dx]!;
              }
          expected.push(sum);
        }
  const out = layer.forward(x);
  t.deepEqual(out.shape, [n, o, oh, ow]);
  close(t, out, expected);
});

test.serial('pooling takes the largest and the mean of each window', (t) => {
  const x = tensor([[[[1, 2, 5, 4], [3, 0, -1, 8]]]]); // biome-ignore format: a matrix
  close(t, new MaxPool2D(2).forward(x), [3, 8]);
  close(t, new AvgPool2D(2).forward(x), [1.5, 4]);
  t.deepEqual(new MaxPool2D([2, 1], { stride: 1 }).forward(x).shape, [1, 1, 1, 4]);
});

test.serial('activations follow their formulas', (t) => {
  const values = [-2, -0.5, 0, 1, 3];
  const x = tensor(values);
  close(
    t,
    new ReLU().forward(x),
    values.map((v) => Math.max(v, 0)),
  );
  close(
    t,
    new Sigmoid().forward(x),
    values.map((v) => 1 / (1 + Math.exp(-v))),
  );
  close(t, new Tanh().forward(x), values.map(Math.tanh));
  const inner = (v: number) => Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3);
  close(
    t,
    new GELU({ approximate: true }).forward(x),
    values.map((v) => 0.5 * v * (1 + Math.tanh(inner(v)))),
  );
  // Values of the normal distribution function from a table.
  close(t, new GELU().forward(x), [-2 * 0.0227501319, -0.5 * 0.3085375387, 0, 0.8413447461, 3 * 0.998650102]);
  const total = values.reduce((sum, v) => sum + Math.exp(v), 0);
  close(
    t,
    new Softmax().forward(x),
    values.map((v) => Math.exp(v) / total),
  );
});

test.serial('Flatten keeps the first axis', (t) => {
  t.deepEqual(new Flatten().forward(new Constant(1).create([2, 3, 4], 'float32')).shape, [2, 12]);
  t.deepEqual(new Flatten({ startAxis: 0, stopAxis: 1 }).forward(new Constant(1).create([2, 3, 4], 'float32')).shape, [6, 4]);
});

test.serial('Dropout zeroes and scales in training, and passes everything in evaluation', (t) => {
  seed(1);
  const x = new Constant(3).create([10000], 'float32');
  const dropout = new Dropout(0.25);
  const dropped = numbers(dropout.forward(x));
  t.true(dropped.every((value) => value === 0 || Math.abs(value - 4) < 1e-6));
  const zeros = dropped.filter((value) => value === 0).length;
  t.true(Math.abs(zeros - 2500) < 250, `${zeros} of 10000 zeroed`);
  t.notDeepEqual(numbers(dropout.forward(x)), dropped);
  t.deepEqual(numbers(dropout.eval().forward(x)), numbers(x));
  t.throws(() => new Dropout(1.5), { code: 'INVALID_ARGUMENT' });
});

test.serial('BatchNorm2D normalizes by the batch, remembers it, and uses that in evaluation', (t) => {
  const layer = new BatchNorm2D(2, { momentum: 0.75, epsilon: 0.5 });
  const x = tensor([1, 3, 5, 7, -2, 0, 2, 4], { shape: [2, 2, 1, 2] });
  // Channel 0 holds 1, 3, -2, 0; channel 1 holds 5, 7, 2, 4.
  const [mean, variance] = [[0.5, 4.5], 3.25];
  const normalized = (value: number, channel: number) => (value - mean[channel]!) / Math.sqrt(variance + 0.5);
  close(
    t,
    layer.forward(x),
    numbers(x).map((value, index) => normalized(value, Math.floor(index / 2) % 2)),
  );
  close(
    t,
    layer.runningMean,
    mean.map((value) => value * 0.25),
  );
  close(t, layer.runningVariance, [0.75 + variance * 0.25, 0.75 + variance * 0.25]);
  const before = numbers(layer.runningMean);
  const spread = Math.sqrt(0.75 + variance * 0.25 + 0.5);
  close(
    t,
    layer.eval().forward(x),
    numbers(x).map((value, index) => (value - before[Math.floor(index / 2) % 2]!) / spread),
  );
  t.deepEqual(numbers(layer.runningMean), before);
  t.throws(() => layer.forward(tensor([[1, 2]])), { code: 'RANK_MISMATCH' });
  t.true(new BatchNorm2D(2, { biasAttr: false }).bias.stopGradient);
});

test.serial('LayerNorm normalizes the last dimensions', (t) => {
  const layer = new LayerNorm([2, 2], { weightAttr: new Assign([[1, 2], [3, 4]]), biasAttr: new Constant(1), epsilon: 0.25 }); // biome-ignore format: a matrix
  const x = [1, 2, 3, 6];
  const [mean, variance] = [3, 3.5];
  close(t, layer.forward(tensor([[[1, 2], [3, 6]]])), x.map((value, index) => ((value - mean) / Math.sqrt(variance + 0.25)) * (index + 1) + 1)); // biome-ignore format: a matrix
  const bare = new LayerNorm(4, { weightAttr: false, biasAttr: false, epsilon: 0.25 });
  t.is(bare.parameters().length, 0);
  close(
    t,
    bare.forward(tensor([x])),
    x.map((value) => (value - mean) / Math.sqrt(variance + 0.25)),
  );
});

test.serial('Embedding looks rows up, and the padding row gives zeros and gets no gradient', (t) => {
  const layer = new Embedding(3, 2, { paddingIndex: -1, weightAttr: new Assign([[1, 2], [3, 4], [5, 6]]) }); // biome-ignore format: a matrix
  const out = layer.forward(tensor([[1, 2], [0, 1]], { dtype: 'int32' })); // biome-ignore format: a matrix
  t.deepEqual(out.shape, [2, 2, 2]);
  close(t, out, [3, 4, 0, 0, 1, 2, 3, 4]);
  out.sum().backward();
  close(t, layer.weight.grad!, [1, 1, 2, 2, 0, 0]);
  close(t, layer.weight, [1, 2, 3, 4, 0, 0]);
  const drawn = numbers(new Embedding(4, 3, { paddingIndex: 1 }).weight);
  t.deepEqual(drawn.slice(3, 6), [0, 0, 0]);
  t.true([...drawn.slice(0, 3), ...drawn.slice(6)].every((value) => value !== 0));
  t.throws(() => new Embedding(3, 2, { paddingIndex: 3 }), { code: 'INDEX_OUT_OF_RANGE' });
});

test.serial('losses follow their formulas', (t) => {
  const logits = [[1, 2, 0.5], [0, -1, 3]]; // biome-ignore format: a matrix
  const each = logits.map((row, index) => Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[[1, 0][index]!]!);
  const [input, label] = [tensor(logits), tensor([1, 0], { dtype: 'int32' })];
  close(t, new CrossEntropyLoss().forward(input, label), [(each[0]! + each[1]!) / 2]);
  close(t, new CrossEntropyLoss({ reduction: 'none' }).forward(input, label), each);
  close(t, new CrossEntropyLoss({ ignoreIndex: 1 }).forward(input, label), [each[1]!]);
  const weight = tensor([2, 3, 5]);
  close(t, new CrossEntropyLoss({ weight }).forward(input, label), [(3 * each[0]! + 2 * each[1]!) / 5]);
  close(t, new MSELoss().forward(tensor([1, 2]), tensor([0, 4])), [2.5]);
  close(t, new MSELoss({ reduction: 'sum' }).forward(tensor([1, 2]), tensor([0, 4])), [5]);
});

test.serial('Sequential runs its layers in order and names their parameters', (t) => {
  const model = new Sequential(new Linear(2, 2), new ReLU(), ['last', new Linear(2, 1)]);
  t.deepEqual(Object.keys(model.stateDict()), ['0.weight', '0.bias', 'last.weight', 'last.bias']);
  model.setStateDict({
    '0.weight': tensor([[1, -1], [1, -1]]), // biome-ignore format: a matrix
    '0.bias': tensor([0, 0]),
    'last.weight': tensor([[2], [5]]),
    'last.bias': tensor([1]),
  });
  close(t, model.forward(tensor([[1, 2], [-1, -2]])), [7, 16]); // biome-ignore format: a matrix
  t.throws(() => new Sequential(['a', new ReLU()], ['a', new ReLU()]), { code: 'INVALID_ARGUMENT' });
});

test.serial('gradients of a network are those of finite differences', (t) => {
  seed(5);
  const options = { dtype: 'float64' } as const;
  const model = new Sequential(
    new Conv2D(1, 2, 3, { padding: 1, ...options }),
    new BatchNorm2D(2, options),
    new Tanh(),
    new AvgPool2D(2),
    new Flatten(),
    new Linear(8, 4, options),
    new LayerNorm(4, options),
    new Linear(4, 3, options),
  );
  const x = new Normal().create([3, 1, 4, 4], 'float64');
  const label = tensor([2, 0, 1], { dtype: 'int32' });
  const criterion = new CrossEntropyLoss();
  const loss = () => criterion.forward(model.forward(x), label);
  loss().backward();
  for (const [name, parameter] of model.namedParameters()) {
    const gradient = numbers(parameter.grad!);
    const values = parameter.dataSync();
    for (const index of new Set([0, Math.floor(values.length / 2), values.length - 1])) {
      const at = (shift: number) => {
        const moved = Float64Array.from(values, Number);
        moved[index]! += shift;
        model.setStateDict({ ...model.stateDict(), [name]: tensor(moved, { shape: parameter.shape }) });
        return noGrad(() => loss().item());
      };
      const numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
      at(0);
      t.true(
        Math.abs(numeric - gradient[index]!) < 1e-7 + 1e-5 * Math.abs(numeric),
        `${name}[${index}]: ${gradient[index]}, not ${numeric}`,
      );
    }
  }
});

test.serial('a training step in tidy leaves nothing behind', (t) => {
  const model = new Sequential(
    new Conv2D(1, 2, 3),
    new BatchNorm2D(2),
    new ReLU(),
    new Dropout(),
    new Flatten(),
    new Linear(8, 3),
  );
  const x = new Normal().create([4, 1, 4, 4], 'float32');
  const label = tensor([0, 1, 2, 0], { dtype: 'int32' });
  const criterion = new CrossEntropyLoss();
  const step = () =>
    tidy(() => {
      criterion.forward(model.forward(x), label).backward();
      model.clearGradients();
    });
  step();
  const before = memory().storages;
  step();
  t.is(memory().storages, before);
});

test.serial('unknown options and impossible sizes are errors', (t) => {
  t.throws(() => new Linear(2, 3, JSON.parse('{"bias":false}')), {
    code: 'UNKNOWN_OPTION',
    message: /weightAttr, biasAttr, dtype/,
  });
  t.throws(() => new Linear(0, 3), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new Linear(2.5, 3), { code: 'NOT_AN_INTEGER' });
  t.throws(() => new Conv2D(3, 4, 3, { groups: 2 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new MaxPool2D(0), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new Linear(2, 3, { weightAttr: JSON.parse('{"rate":1}') }), { code: 'UNKNOWN_OPTION' });
});
