/**
 * Gradients as users compose them: graphs that are walked once or again, leaves that accumulate, values that are overwritten or disposed
 * on the way, derivatives of any order. The gradients of single ops are the op matrix's (test/matrix).
 */
import test, { type ExecutionContext } from 'ava';
import {
  add,
  backward,
  batchNorm,
  cast,
  concat,
  cos,
  detach,
  dispose,
  type ErrorCode,
  exp,
  grad,
  logicalNot,
  matmul,
  memory,
  multiply,
  noGrad,
  OpwrightError,
  pow,
  relu,
  sigmoid,
  sin,
  softmax,
  split,
  square,
  subtract,
  sum,
  type Tensor,
  tanh,
  tensor,
  tidy,
  transpose,
} from '../entry/index.js';

function parameter(data: Parameters<typeof tensor>[0], dtype: 'float32' | 'float64' = 'float64'): Tensor {
  return tensor(data, { dtype, stopGradient: false });
}

function raises(t: ExecutionContext, code: ErrorCode, run: () => unknown): OpwrightError {
  const error = t.throws(run, { instanceOf: OpwrightError });
  t.is(error?.code, code, error?.message);
  return error!;
}

function near(t: ExecutionContext, actual: unknown, expected: unknown, tolerance = 1e-12): void {
  const left = [actual].flat(8).map(Number);
  const right = [expected].flat(8).map(Number);
  t.is(left.length, right.length);
  left.forEach((value, index) => {
    t.true(Math.abs(value - right[index]!) <= tolerance * Math.max(1, Math.abs(right[index]!)), `${left} is not near ${right}`);
  });
}

// ---- One walk and the next

test.serial('backward() adds the gradient to each leaf', (t) => {
  const x = parameter([1, 2, 3]);
  const y = parameter([4, 5, 6]);
  backward(sum(multiply(x, y)));
  t.deepEqual(x.grad?.tolist(), [4, 5, 6]);
  t.deepEqual(y.grad?.tolist(), [1, 2, 3]);
  backward(sum(square(x)));
  t.deepEqual(x.grad?.tolist(), [6, 9, 12]);
});

test.serial('detach() gives the same memory without its history', (t) => {
  const x = parameter([2, 3]);
  const squared = square(x);
  const constant = detach(squared);
  t.is(constant.storage, squared.storage);
  t.true(constant.stopGradient);
  t.is(constant.edge, null);
  backward(sum(multiply(x, constant)));
  t.deepEqual(x.grad?.tolist(), [4, 9]);
  t.deepEqual(x.detach().tolist(), [2, 3]);
});

test.serial('a gradient that was read stays as it is when another backward() adds to it', (t) => {
  const x = parameter([1, 2]);
  backward(sum(square(x)));
  const first = x.grad!;
  backward(sum(square(x)));
  t.deepEqual(first.tolist(), [2, 4]);
  t.deepEqual(x.grad?.tolist(), [4, 8]);
});

test.serial('gradients that nobody has read are freed when others take their place', (t) => {
  const x = parameter([1, 2]);
  const step = () => {
    const squares = square(x);
    const loss = sum(squares);
    backward(loss);
    dispose(squares, loss);
  };
  step();
  const before = memory().storages;
  step();
  step();
  t.is(memory().storages, before);
  t.deepEqual(x.grad?.tolist(), [6, 12]);
});

test.serial('a leaf that is used several times gets the sum', (t) => {
  const x = parameter([2, 3]);
  backward(sum(add(multiply(x, x), x)));
  t.deepEqual(x.grad?.tolist(), [5, 7]);
});

test.serial('a graph is freed by backward(), unless it is retained', (t) => {
  const x = parameter([1, 2]);
  const freed = sum(square(x));
  backward(freed);
  const error = raises(t, 'BACKWARD_TWICE', () => backward(freed));
  t.regex(error.message, /retainGraph/);
  const retained = sum(square(x));
  backward(retained, { retainGraph: true });
  backward(retained);
  t.deepEqual(x.grad?.tolist(), [6, 12]);
  raises(t, 'BACKWARD_TWICE', () => backward(retained));
});

test.serial('a part that two graphs share is freed with the first', (t) => {
  const x = parameter([1, 2]);
  const shared = exp(x);
  backward(sum(shared));
  raises(t, 'BACKWARD_TWICE', () => backward(sum(square(shared))));
});

test.serial('the incoming gradient weights the elements', (t) => {
  const x = parameter([1, 2, 3]);
  backward(square(x), { gradient: tensor([1, 0, -1], { dtype: 'float64' }) });
  t.deepEqual(x.grad?.tolist(), [2, 0, -6]);
});

test.serial('an incoming gradient must be there, fit and have the same dtype', (t) => {
  const x = parameter([1, 2, 3]);
  const y = square(x);
  raises(t, 'SHAPE_MISMATCH', () => backward(y));
  raises(t, 'SHAPE_MISMATCH', () => backward(y, { gradient: tensor([1, 2], { dtype: 'float64' }) }));
  raises(t, 'DTYPE_MISMATCH', () => backward(y, { gradient: tensor([1, 2, 3]) }));
  const gone = tensor([1, 2, 3], { dtype: 'float64' });
  gone.dispose();
  raises(t, 'DISPOSED', () => backward(y, { gradient: gone }));
  backward(y, { gradient: tensor([1, 1, 1], { dtype: 'float64' }) });
  t.deepEqual(x.grad?.tolist(), [2, 4, 6]);
});

test.serial('backward() leaves the incoming gradient to its owner', (t) => {
  const x = parameter([1, 2]);
  const incoming = tensor([1, 1], { dtype: 'float64' });
  backward(add(x, 1), { gradient: incoming });
  x.grad!.dispose();
  t.deepEqual(incoming.tolist(), [1, 1]);
});

// ---- Where gradients flow

test.serial('nothing is recorded of data and within noGrad()', (t) => {
  const data = tensor([1, 2]);
  raises(t, 'NO_GRADIENT', () => backward(sum(square(data))));
  const x = parameter([1, 2]);
  const unrecorded = noGrad(() => sum(square(x)));
  t.true(unrecorded.stopGradient);
  raises(t, 'NO_GRADIENT', () => backward(unrecorded));
  const constant = noGrad(() => multiply(x, 1));
  backward(sum(multiply(x, constant)));
  t.deepEqual(x.grad?.tolist(), [1, 2]);
});

test.serial('noGrad() refuses a function that returns a promise', (t) => {
  const error = t.throws(() => noGrad(async () => 1), { instanceOf: OpwrightError });
  t.is(error?.code, 'NO_GRAD_ASYNC');
  const x = tensor([1], { stopGradient: false });
  t.false(square(x).stopGradient);
});

test.serial('noGrad() ends with its function, also by an error', (t) => {
  t.throws(() =>
    noGrad(() => {
      throw new Error('stop');
    }),
  );
  const x = parameter([3]);
  backward(sum(square(x)));
  t.deepEqual(x.grad?.tolist(), [6]);
});

test.serial('integer and boolean results carry no gradient', (t) => {
  const x = parameter([1.5, -2.5]);
  t.true(cast(x, 'int32').stopGradient);
  t.true(logicalNot(cast(x, 'bool')).stopGradient);
  t.false(cast(x, 'float32').stopGradient);
});

test.serial('a cast carries the gradient back to the wider dtype', (t) => {
  const x = parameter([1.5, -2.5]);
  const narrow = cast(x, 'float32');
  backward(sum(square(narrow)));
  t.is(x.grad?.dtype, 'float64');
  t.deepEqual(x.grad?.tolist(), [3, -5]);
});

test.serial('a tensor of another dtype is cast on the way, and its gradient back', (t) => {
  const x = parameter([1, 2], 'float32');
  const y = parameter([3, 4]);
  backward(sum(multiply(x, y)));
  t.is(x.grad?.dtype, 'float32');
  t.deepEqual(x.grad?.tolist(), [3, 4]);
  t.deepEqual(y.grad?.tolist(), [1, 2]);
});

test.serial('gradients of broadcast operands are summed to their shape', (t) => {
  const x = parameter([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const row = parameter([10, 20]);
  const scalar = parameter(2);
  backward(sum(multiply(multiply(x, row), scalar)));
  t.deepEqual(row.grad?.tolist(), [18, 24]);
  t.deepEqual(scalar.grad?.tolist(), 330);
  t.deepEqual(x.grad?.shape, [3, 2]);
});

test.serial('lists in and lists out have gradients', (t) => {
  const x = parameter([1, 2]);
  const y = parameter([3, 4, 5]);
  const [first, , third] = split(concat([x, y, x]), [2, 3, 2]);
  backward(sum(multiply(first!, multiply(third!, 3))));
  t.deepEqual(x.grad?.tolist(), [6, 12]);
  t.deepEqual(y.grad?.tolist(), [0, 0, 0]);
});

test.serial('views pass gradients on', (t) => {
  const x = parameter([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  backward(sum(multiply(transpose(x, [1, 0]), [[1, 2], [3, 4], [5, 6]]))); // biome-ignore format: a matrix
  t.deepEqual(x.grad?.tolist(), [
    [1, 3, 5],
    [2, 4, 6],
  ]);
});

// ---- grad()

test.serial('grad() gives gradients and leaves the grad fields alone', (t) => {
  const x = parameter([1, 2]);
  const y = parameter([3, 4]);
  const [dx, dy] = grad(sum(multiply(square(x), y)), [x, y]);
  t.deepEqual(dx?.tolist(), [6, 16]);
  t.deepEqual(dy?.tolist(), [1, 4]);
  t.is(x.grad, null);
  t.is(y.grad, null);
});

test.serial('grad() reaches intermediate results', (t) => {
  const x = parameter([1, 2]);
  const middle = square(x);
  const [dmiddle, dx] = grad(sum(square(middle)), [middle, x]);
  t.deepEqual(dmiddle?.tolist(), [2, 8]);
  t.deepEqual(dx?.tolist(), [4, 32]);
});

test.serial('grad() of what the outputs do not depend on is an error, or null', (t) => {
  const x = parameter([1, 2]);
  const unused = parameter([3]);
  raises(t, 'NO_GRADIENT', () => grad(sum(square(x)), [x, unused]));
  const [dx, nothing] = grad(sum(square(x)), [x, unused], { allowUnused: true });
  t.deepEqual(dx?.tolist(), [2, 4]);
  t.is(nothing, null);
});

test.serial('grad() of several outputs adds up, each with its incoming gradient', (t) => {
  const x = parameter([1, 2]);
  const outputs = [square(x), multiply(x, 3)];
  const gradOutputs = [tensor([1, 10], { dtype: 'float64' }), tensor([1, 1], { dtype: 'float64' })];
  const [dx] = grad(outputs, x, { gradOutputs });
  t.deepEqual(dx?.tolist(), [5, 43]);
});

test.serial('a tensor asked for twice is answered twice', (t) => {
  const x = parameter([1, 2]);
  const [a, b] = grad(sum(square(x)), [x, x]);
  t.deepEqual(a?.tolist(), [2, 4]);
  t.deepEqual(b?.tolist(), [2, 4]);
});

// ---- Overwritten and disposed values

test.serial('a value that a gradient needs must not be overwritten', (t) => {
  const x = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
  const mean = tensor([0, 0]);
  const variance = tensor([1, 1]);
  const factor = parameter([2, 2], 'float32');
  const product = sum(multiply(factor, mean));
  batchNorm(x, mean, variance, { training: true });
  const error = raises(t, 'OVERWRITTEN', () => backward(product));
  t.is(error.op, 'multiply');
});

test.serial('a layer in evaluation may be passed twice before backward()', (t) => {
  const x = parameter([[1, 2], [3, 4]], 'float32'); // biome-ignore format: a matrix
  const mean = tensor([0, 0]);
  const variance = tensor([1, 1]);
  const once = batchNorm(x, mean, variance);
  const twice = batchNorm(once, mean, variance);
  t.notThrows(() => backward(sum(twice)));
});

test.serial('intermediate results may be disposed before backward()', (t) => {
  const x = parameter([0.5, 1]);
  const inner = exp(x);
  const outer = multiply(inner, sin(inner));
  const loss = sum(outer);
  inner.dispose();
  outer.dispose();
  backward(loss);
  const expected = [0.5, 1].map((v) => Math.exp(v) * (Math.sin(Math.exp(v)) + Math.exp(v) * Math.cos(Math.exp(v))));
  near(t, x.grad?.tolist(), expected);
});

test.serial('tidy() around forward and backward keeps the gradients of leaves that are kept', (t) => {
  const x = parameter([1, 2]);
  const before = memory().storages;
  const gradient = tidy(() => grad(sum(square(x)), x)[0]!);
  t.deepEqual(gradient.tolist(), [2, 4]);
  gradient.dispose();
  t.is(memory().storages, before);
});

test.serial('an error within backward() leaves nothing behind', (t) => {
  const x = parameter([1, 2]);
  const loss = sum(square(exp(x)));
  backward(loss);
  x.grad!.dispose();
  x.grad = null;
  const before = memory().storages;
  raises(t, 'BACKWARD_TWICE', () => backward(loss));
  t.is(memory().storages, before);
  t.is(x.grad, null);
});

test.serial('backward() frees what was kept for it', (t) => {
  const x = parameter([1, 2]);
  const before = memory().storages;
  const inner = exp(x);
  const squared = square(inner);
  const loss = sum(squared);
  inner.dispose();
  squared.dispose();
  backward(loss);
  loss.dispose();
  x.grad!.dispose();
  t.is(memory().storages, before);
});

// ---- Derivatives of any order

test.serial('derivatives of any order', (t) => {
  const x = parameter(0.7);
  let value = sin(x);
  const expected = [Math.cos(0.7), -Math.sin(0.7), -Math.cos(0.7), Math.sin(0.7), Math.cos(0.7)];
  for (const wanted of expected) {
    value = grad(value, x, { createGraph: true })[0]!;
    near(t, value.item(), wanted);
  }
});

test.serial('third derivatives of activations', (t) => {
  const at = 0.3;
  const s = 1 / (1 + Math.exp(-at));
  const h = Math.tanh(at);
  const thirds: readonly [(x: Tensor) => Tensor, number][] = [
    [sigmoid, s * (1 - s) * (1 - 6 * s + 6 * s * s)],
    [tanh, (1 - h * h) * (6 * h * h - 2)],
    [(x) => pow(x, 5), 60 * at * at],
    [(x) => multiply(exp(x), cos(x)), -2 * Math.exp(at) * (Math.sin(at) + Math.cos(at))],
  ];
  for (const [fn, wanted] of thirds) {
    const x = parameter(at);
    let value = fn(x);
    for (let order = 0; order < 3; order++) value = grad(value, x, { createGraph: true })[0]!;
    near(t, value.item(), wanted, 1e-10);
  }
});

test.serial('a gradient penalty: the gradient of a function of gradients', (t) => {
  const x = parameter([1, -2]);
  const w = parameter([
    [0.5, -1],
    [2, 0.25],
  ]);
  const y = sum(square(matmul(w, x)));
  const [dx] = grad(y, x, { createGraph: true });
  backward(sum(square(dx!)));
  // y = |wx|^2, dx = 2 w'wx, |dx|^2 = 4 x'(w'w)^2 x, whose gradient in x is 8 (w'w)^2 x.
  const g = [
    [0.5 * 0.5 + 4, -0.5 + 0.5],
    [-0.5 + 0.5, 1 + 0.0625],
  ];
  near(t, x.grad?.tolist(), [8 * g[0]![0]! ** 2 * 1, 8 * g[1]![1]! ** 2 * -2]);
  t.deepEqual(w.grad?.shape, [2, 2]);
});

test.serial('backward() with createGraph leaves gradients that can be differentiated', (t) => {
  const x = parameter([2, 3]);
  backward(sum(pow(x, 3)), { createGraph: true });
  const [second] = grad(sum(x.grad!), x);
  t.deepEqual(second?.tolist(), [12, 18]);
});

test.serial('createGraph implies retainGraph', (t) => {
  const x = parameter([2]);
  const y = sum(pow(x, 3));
  grad(y, x, { createGraph: true });
  t.notThrows(() => backward(y));
});

test.serial('gradients flow into incoming gradients', (t) => {
  const x = parameter([1, 2]);
  const incoming = parameter([3, 4]);
  const [dx] = grad(square(x), x, { gradOutputs: [incoming], createGraph: true });
  const [dincoming] = grad(sum(dx!), incoming);
  t.deepEqual(dincoming?.tolist(), [2, 4]);
});

test.serial('the second gradient of what has none is zero, not an error', (t) => {
  const x = parameter([1, -1]);
  const [dx] = grad(sum(relu(x)), x, { createGraph: true });
  t.deepEqual(dx?.tolist(), [1, 0]);
  const [second] = grad(sum(multiply(dx!, x)), x);
  t.deepEqual(second?.tolist(), [1, 0]);
});

test.serial('the Hessian of softmax, row by row', (t) => {
  const x = parameter([0.1, 0.2, 0.3]);
  const p = softmax(tensor([0.1, 0.2, 0.3], { dtype: 'float64' })).tolist() as number[];
  const weights = tensor([1, 0, 0], { dtype: 'float64' });
  const [dx] = grad(sum(multiply(softmax(x), weights)), x, { createGraph: true });
  for (let row = 0; row < 3; row++) {
    const pick = tensor(
      [0, 1, 2].map((index) => Number(index === row)),
      { dtype: 'float64' },
    );
    const [hessian] = grad(sum(multiply(dx!, pick)), x, { retainGraph: true });
    const kronecker = (i: number, j: number) => Number(i === j);
    const expected = [0, 1, 2].map(
      (k) => p[0]! * ((kronecker(0, k) - p[k]!) * (kronecker(0, row) - p[row]!) - p[row]! * (kronecker(row, k) - p[k]!)),
    );
    near(t, hessian?.tolist(), expected);
  }
});

test.serial('gradients do not depend on the order in which branches were made', (t) => {
  const build = (swap: boolean) => {
    const x = parameter([0.3, 0.6]);
    const branches = [() => exp(x), () => sin(x)];
    const [first, second] = (swap ? branches.toReversed() : branches).map((make) => make());
    backward(sum(multiply(first!, second!)));
    return x.grad!.tolist();
  };
  near(t, build(true), build(false), 1e-15);
});

test.serial('a long chain is walked without recursion', (t) => {
  const x = parameter(1);
  let y: Tensor = x;
  for (let step = 0; step < 20_000; step++) y = add(y, 0);
  backward(y);
  t.is(x.grad?.item(), 1);
});

// ---- Calls that are alike but for what is asked of them

test.serial('calls that differ only in which input wants a gradient get a gradient each of their own', (t) => {
  const [x, y] = [parameter([1, 2]), parameter([3, 4])];
  const constant = tensor([5, 6], { dtype: 'float64' });
  t.deepEqual(grad(sum(subtract(x, constant)), x)[0]!.tolist(), [1, 1]);
  t.deepEqual(grad(sum(subtract(constant, y)), y)[0]!.tolist(), [-1, -1]);
  const both = grad(sum(subtract(x, y)), [x, y]);
  t.deepEqual(
    both.map((one) => one!.tolist()),
    [
      [1, 1],
      [-1, -1],
    ],
  );
});

test.serial('gradients are recorded with createGraph alone, sums of several included', (t) => {
  const x = parameter([1, 2]);
  const twice = () => sum(add(multiply(x, x), exp(x)));
  t.true(grad(twice(), x)[0]!.stopGradient);
  t.false(grad(twice(), x, { createGraph: true })[0]!.stopGradient);
});

test.serial('what a call kept for backward goes with its result, if nobody asked for gradients', (t) => {
  const x = parameter([1, 2, 3]);
  const before = memory().storages;
  const first = exp(x);
  const second = square(first);
  first.dispose();
  second.dispose();
  t.is(memory().storages, before);
});
