/**
 * Optimizers against the textbook formulas computed in plain float64 JavaScript, and training in the small; batches of datasets.
 */
import test from 'ava';
import { keep, memory, multiply, OpwrightError, randn, seed, sum, type Tensor, tensor, tidy } from '../entry/index.js';
import { batches, batchIndices, decodeSafetensors, encodeSafetensors } from '../entry/io.js';
import {
  ClipGradByGlobalNorm,
  ClipGradByNorm,
  ClipGradByValue,
  type GradientClip,
  Linear,
  MSELoss,
  Parameter,
  ReLU,
  Sequential,
} from '../entry/nn.js';
import { Adam, AdamW, Momentum, type Optimizer, SGD } from '../entry/optimizer.js';

const start = [0.5, -1.5, 2];
/** The gradient of update `t`, the same for the optimizer and for the formula. */
const gradientAt = (t: number): number[] => [0.1 * t, -0.3, Math.sin(t)];

function runOptimizer(make: (parameters: Parameter[]) => Optimizer, updates: number): number[] {
  const parameter = new Parameter(tensor(start, { dtype: 'float64' }));
  const optimizer = make([parameter]);
  for (let t = 1; t <= updates; t++) applyGradient(parameter, optimizer, gradientAt(t));
  return Array.from(parameter.dataSync(), Number);
}

/** One update with a gradient that is given: that of the sum of parameter * gradient. */
function applyGradient(parameter: Parameter, optimizer: Optimizer, gradient: readonly number[]): void {
  tidy(() => {
    sum(multiply(parameter, tensor(gradient, { dtype: parameter.dtype }))).backward();
    optimizer.step();
    optimizer.clearGrad();
  });
}

/** Runs a formula on each element: state in, state out. */
function runFormula(update: (x: number, gradient: number, t: number, state: number[]) => number, updates: number): number[] {
  return start.map((first, index) => {
    const state = [0, 0];
    let x = first;
    for (let t = 1; t <= updates; t++) x = update(x, gradientAt(t)[index]!, t, state);
    return x;
  });
}

function momentumFormula(momentum: number, nesterov: boolean, decay: number) {
  return (x: number, gradient: number, _t: number, state: number[]) => {
    const g = gradient + decay * x;
    state[0] = momentum * state[0]! + g;
    return x - 0.1 * (nesterov ? g + momentum * state[0]! : state[0]!);
  };
}

function adamFormula(beta1: number, beta2: number, decay: number, decoupled: boolean) {
  return (x: number, gradient: number, t: number, state: number[]) => {
    const g = decoupled ? gradient : gradient + decay * x;
    state[0] = beta1 * state[0]! + (1 - beta1) * g;
    state[1] = beta2 * state[1]! + (1 - beta2) * g * g;
    const step = state[0]! / (1 - beta1 ** t) / (Math.sqrt(state[1]! / (1 - beta2 ** t)) + 1e-8);
    return x - 0.1 * step - (decoupled ? 0.1 * decay * x : 0);
  };
}

const rate = { learningRate: 0.1 };
const cases: readonly [string, (parameters: Parameter[]) => Optimizer, Parameters<typeof runFormula>[0]][] = [
  ['SGD', (p) => new SGD(p, rate), (x, g) => x - 0.1 * g],
  ['SGD with weight decay', (p) => new SGD(p, { ...rate, weightDecay: 0.2 }), (x, g) => x - 0.1 * (g + 0.2 * x)],
  ['Momentum', (p) => new Momentum(p, rate), momentumFormula(0.9, false, 0)],
  [
    'Momentum by Nesterov with weight decay',
    (p) => new Momentum(p, { ...rate, momentum: 0.7, useNesterov: true, weightDecay: 0.2 }),
    momentumFormula(0.7, true, 0.2),
  ],
  ['Adam', (p) => new Adam(p, rate), adamFormula(0.9, 0.999, 0, false)],
  [
    'Adam with weight decay',
    (p) => new Adam(p, { ...rate, beta1: 0.8, beta2: 0.95, weightDecay: 0.2 }),
    adamFormula(0.8, 0.95, 0.2, false),
  ],
  ['AdamW', (p) => new AdamW(p, rate), adamFormula(0.9, 0.999, 0.01, true)],
];

for (const [name, make, formula] of cases) {
  test.serial(`${name} follows its formula`, (t) => {
    const [found, expected] = [runOptimizer(make, 7), runFormula(formula, 7)];
    found.forEach((value, index) => {
      t.true(Math.abs(value - expected[index]!) < 1e-12, `element ${index}: ${value}, not ${expected[index]}`);
    });
  });
}

test.serial('a schedule gives the rate of each update, and a parameter may scale it', (t) => {
  const parameter = new Parameter(tensor([0], { dtype: 'float64' }), { learningRate: 0.5 });
  const optimizer = new SGD([parameter], { learningRate: (update) => 1 / (update + 1) });
  t.is(optimizer.currentLearningRate, 1);
  for (let update = 0; update < 3; update++) applyGradient(parameter, optimizer, [1]);
  t.is(optimizer.updateCount, 3);
  t.true(Math.abs(parameter.item() + 0.5 * (1 + 1 / 2 + 1 / 3)) < 1e-15);
  optimizer.learningRate = 0;
  applyGradient(parameter, optimizer, [1]);
  t.true(Math.abs(parameter.item() + 0.5 * (1 + 1 / 2 + 1 / 3)) < 1e-15);
  optimizer.learningRate = () => Number.NaN;
  t.throws(() => optimizer.step(), { code: 'INVALID_ARGUMENT' });
  t.is(optimizer.updateCount, 4);
});

test.serial('parameters without gradient and frozen ones stay', (t) => {
  const [used, unused, frozen] = [1, 2, 3].map((value) => new Parameter(tensor([value])));
  sum(multiply(used!, frozen!)).backward();
  frozen!.stopGradient = true;
  new Adam([used!, unused!, frozen!]).step();
  t.not(used!.item(), 1);
  t.is(unused!.item(), 2);
  t.is(frozen!.item(), 3);
});

/** Parameters of several shapes, dtypes and rates, with gradients; the last has none. */
function mixedParameters(): Parameter[] {
  seed(4);
  const shapes = [[3, 4], [5], [], [2, 0], [3, 4], [7], [2]];
  const parameters = shapes.map(
    (shape, index) =>
      new Parameter(randn(shape, { dtype: index === 3 ? 'float64' : 'float32' }), { learningRate: index % 2 === 0 ? 1 : 0.5 }),
  );
  for (const parameter of parameters.slice(0, -1)) parameter.grad = randn(parameter.shape, { dtype: parameter.dtype });
  return parameters;
}

const makers: readonly ((parameters: Parameter[]) => Optimizer)[] = [
  (p) => new SGD(p, rate),
  (p) => new Momentum(p, rate),
  (p) => new Adam(p, rate),
  (p) => new AdamW(p, rate),
];

test.serial('parameters updated together come to the same bits as parameters updated one by one', (t) => {
  for (const make of makers) {
    const [together, alone] = [mixedParameters(), mixedParameters()];
    const [one, many] = [make(together), alone.map((parameter) => make([parameter]))];
    for (let update = 0; update < 3; update++) for (const optimizer of [one, ...many]) optimizer.step();
    together.forEach((parameter, index) => {
      t.deepEqual(parameter.tolist(), alone[index]!.tolist(), `${one.constructor.name}, parameter ${index}`);
    });
    t.deepEqual(together.at(-1)!.tolist(), mixedParameters().at(-1)!.tolist());
  }
});

test.serial('one call of an op updates all parameters that share dtype and rate', (t) => {
  const [layered, single] = [new Linear(4, 3), new Linear(4, 3)].map((layer) => [...layer.parameters()]);
  const steps = (parameters: Parameter[]) => {
    for (const parameter of parameters) parameter.grad = randn(parameter.shape);
    const optimizer = new Adam(parameters);
    let calls = 0;
    const update = Reflect.get(optimizer, 'updateBatch');
    Reflect.set(optimizer, 'updateBatch', (...args: unknown[]) => {
      calls++;
      return update.apply(optimizer, args);
    });
    optimizer.step();
    return calls;
  };
  t.is(steps(layered!), 1);
  single![0]!.learningRate = 0.1;
  t.is(steps(single!), 2);
});

/** What a gradient clip gives for gradients that are given. */
function clipped(clip: GradientClip, gradients: readonly Tensor[]): number[][] {
  return tidy(() => clip.clip(gradients).map((one) => Array.from(one.dataSync(), Number)));
}

test.serial('gradients are clipped by value, each by its norm, or all by their common norm', (t) => {
  const gradients = [tensor([3, -4]), tensor([[0.5], [0]])];
  t.deepEqual(clipped(new ClipGradByValue(1), gradients), [[1, -1], [0.5, 0]]); // biome-ignore format: pairs
  t.deepEqual(clipped(new ClipGradByValue(2, -0.5), gradients), [[2, -0.5], [0.5, 0]]); // biome-ignore format: pairs
  t.deepEqual(clipped(new ClipGradByNorm(2.5), gradients), [[1.5, -2], [0.5, 0]]); // biome-ignore format: pairs
  const scale = 2 / Math.sqrt(25.25);
  const [first, second] = clipped(new ClipGradByGlobalNorm(2), gradients);
  [3 * scale, -4 * scale].forEach((value, index) => {
    t.true(Math.abs(first![index]! - value) < 1e-6);
  });
  t.true(Math.abs(second![0]! - 0.5 * scale) < 1e-6);
  t.deepEqual(clipped(new ClipGradByGlobalNorm(6), gradients), [[3, -4], [0.5, 0]]); // biome-ignore format: pairs
  t.deepEqual(clipped(new ClipGradByGlobalNorm(1), [tensor([0, 0])]), [[0, 0]]);
});

test.serial('an optimizer updates by clipped gradients, and leaves those of the parameters as they are', (t) => {
  const parameters = [new Parameter(tensor([0, 0])), new Parameter(tensor([0], { dtype: 'float64' }))];
  const optimizer = new SGD(parameters, { learningRate: 1, gradClip: new ClipGradByGlobalNorm(1) });
  parameters[0]!.grad = tensor([0, 3]);
  parameters[1]!.grad = tensor([4], { dtype: 'float64' });
  const before = memory().storages;
  optimizer.step();
  t.is(memory().storages, before);
  t.true(Math.abs(Number(parameters[0]!.dataSync()[1]) + 0.6) < 1e-6);
  t.true(Math.abs(parameters[1]!.item() + 0.8) < 1e-12);
  t.deepEqual([parameters[0]!.grad.tolist(), parameters[1]!.grad.tolist()], [[0, 3], [4]]); // biome-ignore format: short
});

test.serial('bounds that make no sense are refused', (t) => {
  t.throws(() => new ClipGradByValue(-1), { code: 'INVALID_ARGUMENT', message: /min must not exceed max/ });
  t.throws(() => new ClipGradByNorm(0), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new ClipGradByGlobalNorm(Number.NaN), { code: 'INVALID_ARGUMENT' });
});

test.serial('gradients add up until clearGrad()', (t) => {
  const parameter = new Parameter(tensor([0]));
  const optimizer = new SGD([parameter], { learningRate: 1 });
  const backward = () => sum(multiply(parameter, 2)).backward();
  backward();
  backward();
  t.is(parameter.grad!.item(), 4);
  optimizer.step();
  t.is(parameter.item(), -4);
  optimizer.clearGrad();
  t.is(parameter.grad, null);
});

test.serial('an optimizer restored from a file goes on as the first would have', async (t) => {
  const make = () => {
    const parameter = new Parameter(tensor(start));
    return { parameter, optimizer: new Adam([parameter], { learningRate: 0.1 }) };
  };
  const [first, second] = [make(), make()];
  for (let update = 1; update <= 3; update++) applyGradient(first.parameter, first.optimizer, gradientAt(update));
  const file = await encodeSafetensors({ parameter: first.parameter, ...first.optimizer.stateDict() });
  const { parameter, ...state } = (await decodeSafetensors(file)).tensors;
  t.deepEqual(Object.keys(state).sort(), ['0.moment1', '0.moment2', 'updates']);
  const resumed = new Parameter(parameter!);
  const optimizer = new Adam([resumed], { learningRate: 0.1 });
  optimizer.setStateDict(state);
  t.is(optimizer.updateCount, 3);
  applyGradient(first.parameter, first.optimizer, gradientAt(4));
  applyGradient(resumed, optimizer, gradientAt(4));
  t.deepEqual(resumed.tolist(), first.parameter.tolist());
  t.throws(() => second.optimizer.setStateDict({}), { instanceOf: OpwrightError, message: /missing: 0.moment1 \[3\]/ });
});

test.serial('what is no parameter, given twice, or out of range is refused', (t) => {
  const parameter = new Parameter(tensor([1]));
  t.throws(() => new SGD([]), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new SGD([parameter, parameter]), { code: 'INVALID_ARGUMENT', message: /twice/ });
  t.throws(() => new Adam(JSON.parse('[1]')), { code: 'INVALID_ARGUMENT', message: /1 is no parameter/ });
  t.throws(() => new Adam([parameter], { beta1: 1 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new SGD([parameter], { weightDecay: -1 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => new AdamW([parameter], JSON.parse('{"lr":1}')), { code: 'UNKNOWN_OPTION', message: /AdamW has no option lr/ });
});

test.serial('updates leave no storage behind', (t) => {
  const before = memory().storages;
  const parameter = new Parameter(tensor(start));
  const optimizer = new Adam([parameter]);
  const afterMaking = memory().storages;
  for (let update = 1; update <= 5; update++) applyGradient(parameter, optimizer, gradientAt(update));
  t.is(memory().storages, afterMaking);
  optimizer.dispose();
  parameter.dispose();
  t.true(memory().storages <= before + 1);
});

test.serial('a small network learns exclusive or', (t) => {
  seed(2);
  const model = new Sequential(new Linear(2, 8), new ReLU(), new Linear(8, 1));
  const optimizer = new Adam(model.parameters(), { learningRate: 0.05 });
  const x = tensor([[0, 0], [0, 1], [1, 0], [1, 1]]); // biome-ignore format: a table
  const y = tensor([[0], [1], [1], [0]]);
  const criterion = new MSELoss();
  let last = 1;
  for (let update = 0; update < 300; update++) {
    last = tidy(() => {
      const loss = criterion.forward(model.forward(x), y);
      loss.backward();
      optimizer.step();
      optimizer.clearGrad();
      return loss.item();
    });
  }
  t.true(last < 1e-3, `loss ${last}`);
});

const firstColumn = (x: Tensor): number[] => Array.from(x.dataSync(), Number).filter((_, index) => index % 2 === 0);
const dataset = {
  x: tensor(Array.from({ length: 7 }, (_, row) => [row, -row])),
  label: tensor([0, 1, 2, 3, 4, 5, 6], { dtype: 'int32' }),
};

test.serial('batches come in order, the last one shorter or left out', (t) => {
  const all = [...batches(dataset, { batchSize: 3 })].length;
  const rows: number[][] = [];
  for (const { x, label } of batches(dataset, { batchSize: 3 })) {
    t.deepEqual(firstColumn(x), label.tolist());
    t.is(label.dtype, 'int32');
    rows.push(firstColumn(x));
  }
  t.is(all, 3);
  t.deepEqual(rows, [[0, 1, 2], [3, 4, 5], [6]]); // biome-ignore format: a list of rows
  t.is([...batches(dataset, { batchSize: 3, dropLast: true })].length, 2);
});

test.serial('shuffled batches hold every example once, rows kept together', (t) => {
  const seen: number[] = [];
  for (const { x, label } of batches(dataset, { batchSize: 2, shuffle: true, seed: 3 })) {
    t.deepEqual(firstColumn(x), label.tolist());
    seen.push(...firstColumn(x));
  }
  t.notDeepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
  t.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

test.serial('the order repeats with the seed and changes from pass to pass without', (t) => {
  const order = (options: { seed?: number }) =>
    [...batchIndices(100, { batchSize: 100, shuffle: true, ...options })].map((one) => [...one]);
  t.deepEqual(order({ seed: 1 }), order({ seed: 1 }));
  t.notDeepEqual(order({ seed: 1 }), order({ seed: 2 }));
  seed(9);
  const [first, second] = [order({}), order({})];
  t.notDeepEqual(first, second);
  seed(9);
  t.deepEqual([order({}), order({})], [first, second]);
});

test.serial('every place is as likely for every example', (t) => {
  const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  const passes = 4000;
  for (let pass = 0; pass < passes; pass++) {
    const [order] = batchIndices(4, { batchSize: 4, shuffle: true, seed: pass });
    order!.forEach((example, place) => {
      counts[place]![example]!++;
    });
  }
  for (const row of counts) for (const count of row) t.true(Math.abs(count - passes / 4) < 5 * Math.sqrt(passes / 4), `${count}`);
});

test.serial('a batch lives until the next one, unless it is kept', (t) => {
  const before = memory().storages;
  let earlier: Tensor | undefined;
  for (const { x, label } of batches(dataset, { batchSize: 3 })) {
    if (earlier !== undefined) t.true(earlier.isDisposed);
    earlier = x;
    if (label.tolist().toString() === '6') keep(label).dispose();
  }
  for (const _ of batches(dataset, { batchSize: 3 })) break;
  t.is(memory().storages, before);
});

test.serial('datasets and options that make no sense are refused at once', (t) => {
  t.throws(() => batches({ ...dataset, more: tensor([1, 2]) }, { batchSize: 1 }), { code: 'SHAPE_MISMATCH' });
  t.throws(() => batches({}, { batchSize: 1 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => batches({ x: tensor(1) }, { batchSize: 1 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => batches(dataset, { batchSize: 0 }), { code: 'INVALID_ARGUMENT' });
  t.throws(() => batches(dataset, { batchSize: 1.5 }), { code: 'NOT_AN_INTEGER' });
  t.throws(() => batches(dataset, JSON.parse('{"batchSize":1,"suffle":true}')), { code: 'UNKNOWN_OPTION' });
});
