/** The order in which einsum multiplies, and what an equation says: the host's part of it, of which the op matrix sees results only. */
import test from 'ava';
import { einsum, rand, seed } from '../entry/index.js';
import { einsumLabels, einsumPair, einsumProblem } from '../kernels/einsum.js';

const labels = (...words: readonly string[]) => words.map((word) => [...word].map((letter) => letter.charCodeAt(0)));

test('of a chain of matrices the product that makes the rest cheap comes first', (t) => {
  const [a, b, c, result] = labels('ij', 'jk', 'kl', 'il') as [number[], number[], number[], number[]];
  const pair = (sizes: readonly [number, number, number, number]) =>
    einsumPair([a, b, c], [sizes.slice(0, 2), sizes.slice(1, 3), sizes.slice(2, 4)], result);
  t.deepEqual(pair([2, 100, 100, 100]), [0, 1]);
  t.deepEqual(pair([100, 100, 100, 2]), [1, 2]);
});

test('of many tensors the pair that shrinks most comes first', (t) => {
  const chain = labels('ab', 'bc', 'cd', 'de', 'ef', 'fg');
  const shapes = [
    [3, 4],
    [4, 5],
    [5, 50],
    [50, 2],
    [2, 3],
    [3, 4],
  ];
  t.deepEqual(einsumPair(chain, shapes, labels('ag')[0]!), [2, 3]);
});

test('a result that is not written has the axes of the ellipsis, then the letters that occur once, in order', (t) => {
  const found = einsumLabels('...ba,cb', [
    [2, 3, 4, 5],
    [6, 4],
  ]);
  t.deepEqual(found.at(-1), [-2, -1, ...labels('ac')[0]!]);
});

test('what is wrong with an equation is told apart', (t) => {
  t.is(einsumProblem('ij->ij->i', [[2, 3]]), 'syntax');
  t.is(einsumProblem('...i->i', [[2, 3]]), 'syntax');
  t.is(einsumProblem('ij,j', [[2, 3]]), 'count');
  t.is(einsumProblem('i...jk', [[2, 3]]), 'rank');
  t.is(
    einsumProblem('ij,jk', [
      [2, 3],
      [4, 5],
    ]),
    'size',
  );
  t.is(
    einsumProblem('ij,jk', [
      [2, 1],
      [4, 5],
    ]),
    'none',
  );
});

test('seven tensors give the same as one after the other', (t) => {
  seed(1);
  const matrices = Array.from({ length: 7 }, () => rand([3, 3], { dtype: 'float64' }));
  const product = matrices.reduce((left, right) => left.matmul(right));
  const error = einsum(matrices, 'ab,bc,cd,de,ef,fg,gh->ah').subtract(product).abs().max().item();
  t.true(error < 1e-12);
});
