/**
 * Memory over a long run: a hundred thousand op calls, forward and backward, of which nothing is disposed by hand. In synchronous code
 * tidy() keeps memory flat; in code that awaits its reads the collector is given what it needs to keep it bounded.
 */
import test, { type ExecutionContext } from 'ava';
import {
  add,
  backward,
  concat,
  conv2d,
  cumsum,
  exp,
  gather,
  grad,
  layerNorm,
  matmul,
  max,
  mean,
  memory,
  multiply,
  randn,
  relu,
  reshape,
  seed,
  sigmoid,
  slice,
  softmax,
  sort,
  split,
  square,
  sum,
  type Tensor,
  tidy,
  transpose,
  where,
} from '../entry/index.js';

/** Op calls in one round, backward not counted. */
const callsInRound = 25;
const rounds = 4000;

interface Model {
  readonly weight: Tensor;
  readonly scale: Tensor;
  readonly filter: Tensor;
}

function makeModel(): Model {
  seed(5);
  const parameter = (shape: readonly number[]) => {
    const made = randn(shape);
    made.stopGradient = false;
    return made;
  };
  return { weight: parameter([8, 8]), scale: parameter([8]), filter: parameter([2, 1, 3, 3]) };
}

/** A round of ops of every kind: fused, views, products, windows, indexing, sorting, lists; then gradients, sometimes of second order. */
function round({ weight, scale, filter }: Model, number: number): Tensor {
  const x = randn([4, 8]);
  const hidden = layerNorm(relu(matmul(x, weight)), 8, { weight: scale });
  const image = reshape(concat([hidden, hidden]), [1, 1, 8, 8]);
  const features = conv2d(image, filter, { padding: 1 });
  const [left, right] = split(reshape(features, [2, 64]), 2, { axis: 1 });
  const mixed = add(multiply(sigmoid(left!), right!), slice(transpose(hidden, [1, 0]), [0], [0], [1]).sum());
  const chosen = gather(sort(mixed, { axis: 1 }), [0, 1, 1]);
  const scores = softmax(cumsum(chosen, { axis: 1 }));
  const loss = mean(square(where(scores.greaterThan(0.01), exp(scores), max(scores, { axis: 1, keepdim: true }))));
  if (number % 10 === 0) {
    const [first] = grad(loss, scale, { createGraph: true });
    backward(sum(square(first!)));
  } else {
    backward(loss);
  }
  for (const parameter of [weight, scale, filter]) parameter.grad = null;
  return loss;
}

function residentMegabytes(): number {
  return process.memoryUsage().rss / 2 ** 20;
}

function checkGrowth(t: ExecutionContext, start: number): void {
  const grown = residentMegabytes() - start;
  t.log(`${rounds * callsInRound} calls; resident memory grew by ${grown.toFixed(0)} MB`);
  t.true(grown < 300, `resident memory grew by ${grown} MB`);
}

test.serial('with tidy, synchronous code holds on to nothing', (t) => {
  const model = makeModel();
  tidy(() => round(model, 1));
  const before = memory();
  const start = residentMegabytes();
  for (let number = 1; number <= rounds; number++) {
    tidy(() => {
      round(model, number);
    });
    const now = memory();
    if (now.storages !== before.storages || now.bytes !== before.bytes)
      t.fail(`${now.storages - before.storages} storages are left after round ${number}`);
  }
  checkGrowth(t, start);
});

test.serial('without tidy, code that awaits its reads stays bounded', async (t) => {
  const model = makeModel();
  const start = residentMegabytes();
  const mostStorages = { seen: 0 };
  let finite = true;
  for (let number = 1; number <= rounds; number++) {
    const loss = round(model, number);
    if (number % 4 === 0) finite &&= Number.isFinite((await loss.data())[0]);
    mostStorages.seen = Math.max(mostStorages.seen, memory().storages);
  }
  t.true(finite);
  t.log(`at most ${mostStorages.seen} storages at once, of ${rounds * callsInRound} and more`);
  // The collector is asked to run after 50,000 storages.
  t.true(mostStorages.seen < 75_000, `${mostStorages.seen} storages at once`);
  checkGrowth(t, start);
});

test.serial('the working memory of kernels is given back after each call', (t) => {
  const [long, columns] = [randn([1 << 18]), randn([64, 4096])];
  const calls = () =>
    tidy(() => {
      sum(long);
      softmax(columns, { axis: 0 });
      layerNorm(columns.t(), 64);
      sort(columns);
    });
  calls();
  const { allocated } = memory().devices['cpu']!;
  for (let call = 0; call < 20; call++) calls();
  t.is(memory().devices['cpu']!.allocated, allocated);
});
