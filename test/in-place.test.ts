/** In-place forms: what they write, who sees it, and what becomes of gradients. That they compute what their ops do, the op matrix checks. */
import test, { type ExecutionContext } from 'ava';
import {
  add,
  add_,
  arange,
  assign,
  type ErrorCode,
  exp_,
  grad,
  increment,
  memory,
  multiply,
  noGrad,
  OpwrightError,
  reshape_,
  scatter_,
  sum,
  tanh_,
  tensor,
  tidy,
  zeros,
} from '../entry/index.js';

function raises(t: ExecutionContext, code: ErrorCode, run: () => unknown): void {
  t.is(t.throws(run, { instanceOf: OpwrightError })?.code, code);
}

test('the tensor itself comes back, with its elements changed, and views see it', (t) => {
  const x = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
  const row = x.slice([0], [1], [2]);
  const result = x.add_(10).multiply_([[1], [2]]);
  t.is(result, x);
  t.deepEqual(x.tolist(), [
    [11, 12],
    [26, 28],
  ]);
  t.deepEqual(row.tolist(), [[26, 28]]);
  row.subtract_(26);
  t.deepEqual(x.tolist(), [
    [11, 12],
    [0, 2],
  ]);
});

test('functions write into their first argument, which must be a tensor', (t) => {
  const x = tensor([0, 1]);
  t.is(exp_(x), x);
  t.is(x.dataSync()[0], 1);
  raises(t, 'INVALID_ARGUMENT', () => Reflect.apply(exp_, null, [[1, 2]]));
  raises(t, 'UNKNOWN_OPTION', () => Reflect.apply(tanh_, null, [x, { axis: 1 }]));
});

test('results of another shape or dtype are refused, and nothing is written', (t) => {
  const x = tensor([1, 2], { dtype: 'int32' });
  raises(t, 'SHAPE_MISMATCH', () => zeros([2]).add_([[1, 2], [3, 4]])); // biome-ignore format: a matrix
  raises(t, 'DTYPE_MISMATCH', () => x.add_(0.5));
  raises(t, 'DTYPE_MISMATCH', () => x.add_(tensor([0.5, 1])));
  t.deepEqual(x.tolist(), [1, 2]);
  t.deepEqual(x.add_(tensor([1, 1], { dtype: 'int8' })).tolist(), [2, 3]);
});

test('an operand that shares the memory is read as it was', (t) => {
  const x = arange(4, { dtype: 'float32' }).reshape([2, 2]);
  x.add_(x.t());
  t.deepEqual(x.tolist(), [
    [0, 3],
    [3, 6],
  ]);
  const line = arange(5, { dtype: 'float32' });
  line.slice([0], [1], [5]).add_(line.slice([0], [0], [4]));
  t.deepEqual(line.tolist(), [0, 1, 3, 5, 7]);
  t.deepEqual(x.multiply_(x).tolist(), [
    [0, 9],
    [9, 36],
  ]);
});

test('elements that share one place in memory are not written', (t) => {
  raises(t, 'INVALID_ARGUMENT', () => tensor([1]).expand([3]).add_(1));
});

test('a leaf that collects its gradient is changed within noGrad() alone', (t) => {
  const x = tensor([1, 2], { stopGradient: false });
  raises(t, 'IN_PLACE_LEAF', () => x.add_(1));
  raises(t, 'IN_PLACE_LEAF', () => x.slice([0], [0], [1]).add_(1));
  raises(t, 'IN_PLACE_LEAF', () => x.reshape_([2, 1]));
  noGrad(() => x.add_(1));
  t.deepEqual(x.tolist(), [2, 3]);
  x.square().sum().backward();
  t.deepEqual(x.grad?.tolist(), [4, 6]);
  noGrad(() => x.reshape_([2, 1]));
  t.deepEqual(grad(x.sum(), x)[0]?.tolist(), [[1], [1]]);
});

test('the gradient flows through what was written', (t) => {
  const x = tensor([1, 2], { stopGradient: false });
  const y = x.multiply(3);
  y.multiply_(3).add_(x).tanh_();
  const expected = grad(x.multiply(9).add(x).tanh().sum(), x)[0];
  t.deepEqual(grad(y.sum(), x)[0]?.tolist(), expected?.tolist());
  const data = zeros([2]);
  data.add_(x.multiply(5));
  t.false(data.stopGradient);
  t.deepEqual(grad(data.sum(), x)[0]?.tolist(), [5, 5]);
});

test('a gradient that needs an overwritten value is an error', (t) => {
  const x = tensor([1, 2], { stopGradient: false });
  const y = x.exp();
  const loss = y.sum();
  const square = multiply(y, y).sum();
  y.add_(1);
  raises(t, 'OVERWRITTEN', () => grad(square, x));
  raises(t, 'OVERWRITTEN', () => grad(loss, x));
  const z = x.multiply(2);
  z.multiply_(z);
  raises(t, 'OVERWRITTEN', () => grad(z.sum(), x));
  const kept = x.add(0);
  const plain = kept.sum();
  kept.multiply_(7);
  t.deepEqual(grad(plain, x)[0]?.tolist(), [1, 1]);
});

test('what shares memory with a tensor that was given other gradients is refused where gradients are recorded', (t) => {
  const w = tensor([2, 3], { stopGradient: false });
  const base = zeros([2, 2]);
  const row = base.slice([0], [0], [1]);
  row.add_(w);
  raises(t, 'OVERWRITTEN', () => base.sum());
  t.deepEqual(noGrad(() => base.sum()).item(), 5);
  t.deepEqual(grad(row.sum(), w)[0]?.tolist(), [1, 1]);
  const y = w.multiply(2);
  const view = y.reshape([1, 2]);
  y.add_(1);
  raises(t, 'OVERWRITTEN', () => view.sum());
  t.deepEqual(grad(y.reshape([1, 2]).sum(), w)[0]?.tolist(), [2, 2]);
});

test('ops without a gradient cut it off in place too', (t) => {
  const x = tensor([1.5, 2.5], { stopGradient: false });
  const y = x.multiply(2);
  y.floor_();
  t.deepEqual(grad(y.multiply(x).sum(), x)[0]?.tolist(), [3, 5]);
});

test('forms of views change the shape and share the memory', (t) => {
  const x = arange(6);
  const alias = x.detach();
  t.is(reshape_(x, [2, 3]), x);
  t.deepEqual(x.shape, [2, 3]);
  x.unsqueeze_(0).squeeze_();
  x.add_(1);
  t.deepEqual(alias.tolist(), [1, 2, 3, 4, 5, 6]);
  const w = tensor([1, 2, 3, 4], { stopGradient: false });
  const y = w.multiply(2);
  y.reshape_([2, 2]).multiply_([[1], [10]]);
  t.deepEqual(grad(y.sum(), w)[0]?.tolist(), [2, 2, 20, 20]);
});

test('scatter_ writes rows and hands gradients to both', (t) => {
  const x = tensor([[1], [2], [3]], { stopGradient: false });
  const updates = tensor([[7], [8]], { stopGradient: false });
  const y = assign(x);
  scatter_(y, [2, 0], updates);
  t.deepEqual(y.tolist(), [[8], [2], [7]]);
  const [dx, du] = grad(y.multiply([[1], [10], [100]]).sum(), [x, updates]);
  t.deepEqual(dx?.tolist(), [[0], [10], [0]]);
  t.deepEqual(du?.tolist(), [[100], [1]]);
});

test('increment counts, and takes tensors with one element alone', (t) => {
  const steps = zeros([1], { dtype: 'int32' });
  t.is(increment(steps), steps);
  increment(steps, { value: 4 });
  t.deepEqual(steps.tolist(), [5]);
  raises(t, 'INVALID_ARGUMENT', () => increment(zeros([2])));
  raises(t, 'UNKNOWN_OPTION', () => Reflect.apply(increment, null, [steps, { by: 2 }]));
});

test.serial('in-place forms leave no memory behind', (t) => {
  const before = memory();
  tidy(() => {
    const x = tensor([1, 2], { stopGradient: false });
    const y = add(x, 1);
    add_(y, y.reshape([2]))
      .multiply_(2)
      .reshape_([2, 1])
      .tanh_();
    sum(y).backward();
    x.grad?.dispose();
  });
  t.is(memory().storages, before.storages);
});
