/** Random ops against the reference generator: which words they draw, in which order, and what they make of them. */
import test from 'ava';
import {
  argsort,
  bernoulli,
  normal,
  rand,
  randint,
  randn,
  randperm,
  seed,
  setRandomState,
  type Tensor,
  tensor,
  uniform,
} from '../entry/index.js';
import { drawWords, Generator } from '../runtime/random.js';
import { ops } from '../runtime/registry.js';

// Read when the device opens, which is at the first tensor.
process.env.OPWRIGHT_DEBUG_ALLOCATOR = '1';

const shape = [7, 3];
const count = 21;

/** The words of the draws that follow a seed, as unsigned integers. */
function drawsAfter(start: number, counts: readonly number[]): Uint32Array[] {
  const generator = new Generator(start);
  return counts.map((own) => drawWords(generator.next(own), own));
}

const toUniform = (words: Uint32Array): number[] => Array.from(words, (word) => (word >>> 8) * 2 ** -24);
const elements = (made: Tensor): number[] => Array.from(made.dataSync(), Number);

function farthest(actual: readonly number[], expected: readonly number[]): number {
  return actual.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
}

for (const length of [1, 2, 3, 4, 5, 21, 1000, 70_001]) {
  test(`${length} random words are those of the reference, and the next draw goes on after them`, (t) => {
    const [first, second] = drawsAfter(length, [length, 9]);
    seed(length);
    t.deepEqual(Uint32Array.from(ops.randomBits([length]).dataSync(), Number), first);
    t.deepEqual(Uint32Array.from(ops.randomBits([9]).dataSync(), Number), second);
  });
}

test('the low word of the counter carries within a draw', (t) => {
  const state = { seed: 5n, offset: 0xfffffffdn };
  const generator = new Generator();
  generator.setState(state);
  setRandomState(state);
  t.deepEqual(Uint32Array.from(ops.randomBits([40]).dataSync(), Number), drawWords(generator.next(40), 40));
});

test('rand has the upper 24 bits of each word', (t) => {
  seed(1);
  t.deepEqual(elements(rand(shape)), toUniform(drawsAfter(1, [count])[0]!));
});

for (const [dtype, bits] of [
  ['float16', 11],
  ['bfloat16', 8],
  ['float32', 24],
  ['float64', 53],
] as const)
  test(`rand of ${dtype} has ${bits} bits, the upper 24 of them those of float32, and never rounds up to 1`, (t) => {
    const length = 50_000;
    seed(11);
    const values = elements(rand([length], { dtype }));
    const [upper, lower] = drawsAfter(11, [length, length]);
    const expected = Array.from(upper!, (word, at) => {
      if (bits < 24) return (word >>> (32 - bits)) * 2 ** -bits;
      const high = (word >>> 8) * 2 ** -24;
      return bits === 24 ? high : high + ((word & 31) * 2 ** 24 + (lower![at]! >>> 8)) * 2 ** -53;
    });
    t.deepEqual(values, expected);
    t.true(values.every((value) => value >= 0 && value < 1));
  });

test('uniform is less than max in every dtype', (t) => {
  for (const dtype of ['float16', 'bfloat16', 'float32', 'float64'] as const)
    for (const [min, max] of [
      [0, 1],
      [2, 3],
      [-3, -2],
      [-1, 0],
      [1, 1 + 2 ** -7],
    ] as const) {
      seed(12);
      const values = elements(uniform([20_000], { dtype, min, max }));
      t.true(
        values.every((value) => value >= min && value < max),
        `${dtype} from ${min} to ${max}: ${Math.min(...values)} to ${Math.max(...values)}`,
      );
    }
});

test('uniform stretches rand from min to max', (t) => {
  const expected = toUniform(drawsAfter(2, [count])[0]!).map((value) => 2 + 3 * value);
  seed(2);
  t.true(farthest(elements(uniform(shape, { min: 2, max: 5 })), expected) < 1e-6);
});

test('randn is Box and Muller, the radius from the first draw and the angle from the second', (t) => {
  const [radii, angles] = drawsAfter(3, [count, count]).map(toUniform);
  const expected = radii!.map((value, at) => Math.sqrt(-2 * Math.log(1 - value)) * Math.cos(2 * Math.PI * angles![at]!));
  seed(3);
  t.true(farthest(elements(randn(shape)), expected) < 1e-5);
  seed(3);
  const scaled = elements(normal(shape, { mean: 4, std: 0.5 }));
  t.true(
    farthest(
      scaled,
      expected.map((value) => 4 + 0.5 * value),
    ) < 1e-5,
  );
});

test('the moments of a long randn are those of the normal distribution', (t) => {
  seed(4);
  const values = elements(randn([100_000]));
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
  // Five standard errors of each.
  for (const [power, expected, error] of [
    [1, 0, 1],
    [2, 1, 2 ** 0.5],
    [3, 0, 15 ** 0.5],
    [4, 3, 96 ** 0.5],
  ] as const)
    t.true(Math.abs(moment(power) - expected) < (5 * error) / Math.sqrt(values.length), `moment ${power} is ${moment(power)}`);
});

test('bernoulli is 1 where rand is less than the probability', (t) => {
  const chances = Array.from({ length: count }, (_, at) => at / (count - 1));
  const expected = toUniform(drawsAfter(5, [count])[0]!).map((value, at) => Number(value < Math.fround(chances[at]!)));
  seed(5);
  t.deepEqual(elements(bernoulli(tensor(chances))), expected);
});

test('randint is the remainder of each word, taken as a signed integer, from low on', (t) => {
  const words = Array.from(drawsAfter(6, [count])[0]!, (word) => word | 0);
  seed(6);
  const expected = words.map((word) => (((word % 11) + 11) % 11) - 4);
  t.deepEqual(elements(randint(-4, { high: 7, shape })), expected);
});

test('randperm is the order of the words', (t) => {
  seed(7);
  const order = elements(randperm(count));
  seed(7);
  t.deepEqual(order, elements(argsort(ops.randomBits([count]))));
  t.deepEqual(
    order.toSorted((a, b) => a - b),
    Array.from({ length: count }, (_, at) => at),
  );
  t.notDeepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});
