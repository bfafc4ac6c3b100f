/** Factorisations of matrices that are hard on them, by what they must satisfy, and against known values. */
import test, { type ExecutionContext } from 'ava';
import {
  arange,
  cholesky,
  cond,
  eigh,
  eye,
  lstsq,
  lu,
  matmul,
  OpwrightError,
  pow,
  qr,
  reciprocal,
  seed,
  solve,
  svd,
  type Tensor,
  triangularSolve,
  uniform,
} from '../entry/index.js';

const wide = { dtype: 'float64' } as const;
const counted = (n: number): Tensor => arange(n).cast('float64').add(1);
const hilbert = (n: number): Tensor => reciprocal(counted(n).unsqueeze(1).add(counted(n)).subtract(1));
const vandermonde = (n: number): Tensor => pow(counted(n).divide(n).unsqueeze(1), counted(n).subtract(1));
function graded(n: number): Tensor {
  seed(3);
  const scales = pow(10, counted(n).multiply(-1));
  return uniform([n, n], { ...wide, min: -1, max: 1 })
    .multiply(scales)
    .multiply(scales.unsqueeze(1));
}

const matrices: readonly (readonly [string, Tensor])[] = [
  ['Hilbert', hilbert(12)],
  ['Vandermonde', vandermonde(12)],
  ['graded', graded(8)],
  ['zero', hilbert(5).multiply(0)],
  ['identity', eye(6, wide)],
  ['rank one', counted(7).unsqueeze(1).multiply(counted(7))],
  ['large', uniform([41, 41], { ...wide, min: -1, max: 1 })],
  ['large Hilbert', hilbert(37)],
];

function isNear(t: ExecutionContext, actual: Tensor, expected: Tensor, scale: Tensor): void {
  const distance = actual.subtract(expected).norm().item();
  t.true(distance <= 64 * 2 ** -52 * Math.max(scale.norm().item(), 2 ** -1000), `the distance is ${distance}`);
}

function isOrthonormal(t: ExecutionContext, columns: Tensor): void {
  const unit = eye(columns.shape[1]!, wide);
  isNear(t, matmul(columns, columns, { transposeX: true }), unit, unit);
}

for (const [name, x] of matrices) {
  test(`the factors of a ${name} matrix give it back, and their vectors are orthonormal`, (t) => {
    const { u, s, vh } = svd(x);
    isNear(t, u.multiply(s).matmul(vh), x, x);
    isOrthonormal(t, u);
    isOrthonormal(t, vh.transpose([1, 0]));
    const { q, r } = qr(x);
    isNear(t, matmul(q, r), x, x);
    isOrthonormal(t, q);
    const symmetric = x.add(x.transpose([1, 0]));
    const { eigenvalues, eigenvectors } = eigh(symmetric);
    isNear(t, matmul(eigenvectors.multiply(eigenvalues), eigenvectors, { transposeY: true }), symmetric, symmetric);
    isOrthonormal(t, eigenvectors);
    const { lu: both, permutation } = lu(x);
    isNear(t, matmul(both.tril({ diagonal: -1 }).add(eye(x.shape[0]!, wide)), both.triu()), x.indexSelect(permutation), x);
  });
}

test('the condition number of the Hilbert matrix of 8 rows is what it is known to be', (t) => {
  t.true(Math.abs(cond(hilbert(8)).item() / 1.5257575538060041e10 - 1) < 1e-5);
});

test('a system with a Hilbert matrix is solved with a small residual', (t) => {
  const x = hilbert(10);
  const y = x.sum({ axis: 1 });
  isNear(t, matmul(x, solve(x, y)), y, y);
});

test('the Cholesky factor of a Hilbert matrix gives it back', (t) => {
  const factor = cholesky(hilbert(10));
  isNear(t, matmul(factor, factor, { transposeY: true }), hilbert(10), hilbert(10));
});

test('reflections in blocks and one by one give factors of whatever sides', (t) => {
  seed(6);
  for (const [m, n] of [
    [50, 37],
    [37, 50],
    [40, 16],
  ] as const) {
    const x = uniform([m, n], { ...wide, min: -1, max: 1 });
    for (const mode of ['reduced', 'complete'] as const) {
      const { q, r } = qr(x, { mode });
      isNear(t, matmul(q, r), x, x.multiply(2));
      isOrthonormal(t, q);
    }
    const { u, s, vh } = svd(x);
    isNear(t, u.multiply(s).matmul(vh), x, x.multiply(4));
    isOrthonormal(t, u);
  }
});

test('triangular systems larger than a block are solved from either end', (t) => {
  seed(7);
  const x = uniform([37, 37], { ...wide, min: -1, max: 1 }).add(eye(37, wide).multiply(20));
  for (const columns of [1, 5, 70]) {
    const y = uniform([37, columns], wide);
    for (const upper of [true, false]) {
      const triangle = upper ? x.triu() : x.tril();
      for (const transpose of [true, false]) {
        const solution = triangularSolve(x, y, { upper, transpose });
        isNear(t, matmul(triangle, solution, { transposeX: transpose }), y, y);
      }
    }
    isNear(t, matmul(x, solve(x, y)), y, y);
  }
});

test('a matrix larger than a panel has LU factors that give it back, of whatever sides', (t) => {
  seed(5);
  for (const [m, n] of [
    [50, 50],
    [70, 33],
    [33, 70],
  ] as const) {
    const size = Math.min(m, n);
    const x = uniform([m, n], { ...wide, min: -1, max: 1 });
    const { lu: both, permutation } = lu(x);
    const lower = both
      .tril({ diagonal: -1 })
      .add(eye(m, { numColumns: n, ...wide }))
      .slice([1], [0], [size]);
    isNear(t, matmul(lower, both.triu().slice([0], [0], [size])), x.indexSelect(permutation), x.multiply(10));
  }
});

test('a zero on the diagonal of a triangular system gives infinities, and a singular matrix an error', (t) => {
  t.deepEqual(triangularSolve([[0]], [[1]]).tolist(), [[Infinity]]);
  const error = t.throws(
    () =>
      solve(
        [
          [1, 2],
          [2, 4],
        ],
        [1, 1],
      ),
    { instanceOf: OpwrightError },
  );
  t.is(error.code, 'SINGULAR_MATRIX');
});

test('lstsq solves without what rcond cuts off', (t) => {
  const { solution, rank } = lstsq([[1000, 0], [0, 1]], [[2], [3]], { rcond: 0.01 }); // biome-ignore format: matrices
  t.is(rank.item(), 1);
  t.true(Math.abs(solution.at(0, 0).item() - 0.002) < 1e-8);
  t.is(solution.at(1, 0).item(), 0);
});
