/** What the parts of floating-point numbers are, to the bit: nextafter against C's, frexp and ldexp at the ends of the range. */
import test from 'ava';
import { frexp, ldexp, nextafter, tensor } from '../entry/index.js';

const limits = {
  float32: { least: 2 ** -149, greatest: (2 - 2 ** -23) * 2 ** 127, afterOne: 1 + 2 ** -23, beforeOne: 1 - 2 ** -24 },
  float64: { least: 2 ** -1074, greatest: Number.MAX_VALUE, afterOne: 1 + 2 ** -52, beforeOne: 1 - 2 ** -53 },
} as const;

for (const dtype of ['float32', 'float64'] as const) {
  const { least, greatest, afterOne, beforeOne } = limits[dtype];
  const next = (from: readonly number[], to: readonly number[]) =>
    nextafter(tensor([...from], { dtype }), tensor([...to], { dtype })).tolist();

  test(`nextafter gives neighbours in ${dtype}`, (t) => {
    t.deepEqual(next([1, 1, -1, -1], [2, 0, -2, 0]), [afterOne, beforeOne, -afterOne, -beforeOne]);
  });

  test(`nextafter crosses 0 by the least number of ${dtype}, and keeps its sign`, (t) => {
    t.deepEqual(next([0, -0, 0, least, -least], [1, 1, -1, -1, 1]), [least, least, -least, 0, -0]);
    t.deepEqual(next([0, -0], [-0, 0]), [-0, 0]);
  });

  test(`nextafter reaches infinity in ${dtype} and comes back`, (t) => {
    t.deepEqual(next([greatest, Infinity, -Infinity, Infinity], [Infinity, 0, 0, Infinity]), [
      Infinity,
      greatest,
      -greatest,
      Infinity,
    ]);
    t.deepEqual(next([NaN, 1], [1, NaN]), [NaN, NaN]);
  });

  test(`frexp and ldexp are inverse from the least number of ${dtype} to the greatest`, (t) => {
    const numbers = [least, -3 * least, greatest, 1, beforeOne, afterOne, -0.5, 1024];
    const x = tensor(numbers, { dtype });
    const { mantissa, exponent } = frexp(x);
    for (const part of mantissa.dataSync()) t.true(Math.abs(Number(part)) >= 0.5 && Math.abs(Number(part)) < 1, String(part));
    t.deepEqual(ldexp(mantissa, exponent).tolist(), numbers);
  });
}

test('ldexp goes beyond the range of its power', (t) => {
  t.deepEqual(ldexp([2 ** -100, 2 ** 100], tensor([200, -200], { dtype: 'int32' })).tolist(), [2 ** 100, 2 ** -100]);
});
