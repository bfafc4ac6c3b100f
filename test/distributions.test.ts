/**
 * Random ops draw from the distributions that they name: moments, and the largest distance between the distribution of the numbers drawn and
 * the one meant (Kolmogorov, Smirnov), both at fixed seeds, and on the same stream of words whatever the dtype is made of.
 */
import test from 'ava';
import {
  bernoulli,
  dropout,
  equalAll,
  getRandomState,
  multinomial,
  normal,
  OpwrightError,
  ones,
  rand,
  randint,
  randn,
  randperm,
  seed,
  setRandomState,
  type Tensor,
  tensor,
  tidy,
  uniform,
} from '../entry/index.js';

const count = 20_000;
/** Beyond it lies one in ten thousand: sqrt(ln(2 / 0.0001) / 2). */
const criticalDistance = 2.23 / Math.sqrt(count);

const numbers = (x: Tensor): number[] => [...x.dataSync()].map(Number);

/** The largest distance between the share of numbers up to a point and the probability of being below it. */
function distance(drawn: readonly number[], probabilityBelow: (x: number) => number): number {
  const sorted = drawn.toSorted((a, b) => a - b);
  return sorted.reduce((largest, value, place) => {
    const expected = probabilityBelow(value);
    return Math.max(largest, Math.abs(expected - place / sorted.length), Math.abs((place + 1) / sorted.length - expected));
  }, 0);
}

function moments(drawn: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
  return { mean, variance: drawn.reduce((sum, value) => sum + (value - mean) ** 2, 0) / drawn.length };
}

/** The normal distribution, by the expansion of Abramowitz and Stegun 7.1.26, good to 1.5e-7. */
function normalBelow(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const tail =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp((-x * x) / 2);
  return x < 0 ? tail / 2 : 1 - tail / 2;
}

const continuous = [
  { name: 'rand', draw: () => rand([count]), below: (x: number) => x, mean: 0.5, variance: 1 / 12 },
  {
    name: 'rand in float64',
    draw: () => rand([count], { dtype: 'float64' }),
    below: (x: number) => x,
    mean: 0.5,
    variance: 1 / 12,
  },
  {
    name: 'uniform',
    draw: () => uniform([count], { min: -3, max: 5 }),
    below: (x: number) => (x + 3) / 8,
    mean: 1,
    variance: 64 / 12,
  },
  { name: 'randn', draw: () => randn([count]), below: normalBelow, mean: 0, variance: 1 },
  {
    name: 'normal',
    draw: () => normal([count], { mean: 4, std: 3 }),
    below: (x: number) => normalBelow((x - 4) / 3),
    mean: 4,
    variance: 9,
  },
] as const;

for (const { name, draw, below, mean, variance } of continuous) {
  test.serial(`${name} has the distribution that it names`, (t) => {
    for (const from of [1, 2, 3]) {
      tidy(() => {
        seed(from);
        const drawn = numbers(draw());
        t.true(distance(drawn, below) < criticalDistance, `seed ${from}: ${distance(drawn, below)}`);
        const found = moments(drawn);
        t.true(Math.abs(found.mean - mean) < 5 * Math.sqrt(variance / count), `seed ${from}: mean ${found.mean}`);
        t.true(Math.abs(found.variance / variance - 1) < 0.05, `seed ${from}: variance ${found.variance}`);
      });
    }
  });
}

/** How often each of `n` numbers was drawn lies within five standard deviations of what is expected. */
function asExpected(drawn: readonly number[], shares: readonly number[]): boolean {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const counts = shares.map(() => 0);
  for (const value of drawn) counts[value]! += 1;
  return shares.every((share, value) => {
    const p = share / total;
    return Math.abs(counts[value]! - drawn.length * p) <= 5 * Math.sqrt(drawn.length * p * (1 - p));
  });
}

test.serial('randint, bernoulli and randperm draw each number as often as they should', (t) => {
  tidy(() => {
    seed(5);
    t.true(asExpected(numbers(randint(0, { high: 7, shape: [count] })), new Array<number>(7).fill(1)));
    t.true(
      asExpected(
        numbers(randint(-3, { high: 4, shape: [count], dtype: 'int64' })).map((x) => x + 3),
        new Array<number>(7).fill(1),
      ),
    );
    t.true(asExpected(numbers(bernoulli(tensor(0.3).expand([count]))), [0.7, 0.3]));
    const firsts: number[] = [];
    for (let draw = 0; draw < 500; draw++) {
      const order = numbers(randperm(5));
      t.deepEqual(order.toSorted(), [0, 1, 2, 3, 4]);
      firsts.push(order[0]!);
    }
    t.true(asExpected(firsts, [1, 1, 1, 1, 1]));
  });
});

test.serial('dropout leaves out the share it is given, and keeps the mean', (t) => {
  tidy(() => {
    seed(6);
    const kept = numbers(dropout(ones([count]), { p: 0.25 }));
    t.true(
      asExpected(
        kept.map((value) => (value === 0 ? 0 : 1)),
        [0.25, 0.75],
      ),
    );
    t.true(kept.every((value) => value === 0 || Math.abs(value - 4 / 3) < 1e-6));
  });
});

test.serial('multinomial draws by weight, with replacement', (t) => {
  tidy(() => {
    seed(7);
    const drawn = multinomial([[1, 0, 3, 6], [5, 5, 0, 0]], { numSamples: count, replacement: true }); // biome-ignore format: a matrix
    t.deepEqual(drawn.shape, [2, count]);
    t.true(asExpected(numbers(drawn.at(0)), [1, 0, 3, 6]));
    t.true(asExpected(numbers(drawn.at(1)), [1, 1, 0, 0]));
  });
});

test.serial('multinomial draws nothing twice without replacement, the first by weight', (t) => {
  tidy(() => {
    seed(8);
    const rows = numbers(multinomial(tensor([1, 0, 3, 6]).expand([5000, 4]), { numSamples: 3 }).reshape([15000]));
    const firsts = rows.filter((_, place) => place % 3 === 0);
    t.true(asExpected(firsts, [1, 0, 3, 6]));
    for (let row = 0; row < 15000; row += 3) t.is(new Set(rows.slice(row, row + 3)).size, 3);
    t.false(rows.includes(1));
    t.deepEqual(multinomial([0, 1]).shape, [1]);
  });
});

test('multinomial refuses weights that it cannot draw by', (t) => {
  const refused = (weights: number[], options: object) => {
    tidy(() => {
      t.is(t.throws(() => multinomial(weights, options), { instanceOf: OpwrightError })?.code, 'INVALID_ARGUMENT');
    });
  };
  refused([0, 0], {});
  refused([1, -1], {});
  refused([1, Number.NaN], {});
  refused([1, Number.POSITIVE_INFINITY], {});
  refused([1, 0, 1], { numSamples: 3 });
  refused([1, 1], { numSamples: 0 });
  t.is(t.throws(() => multinomial([1, 1], Object({ samples: 2 })), { instanceOf: OpwrightError })?.code, 'UNKNOWN_OPTION');
});

test.serial('a restored state repeats every kind of draw', (t) => {
  tidy(() => {
    seed(9);
    rand([3]);
    const state = getRandomState();
    const draw = () => [
      rand([5]),
      randn([5]),
      randint(9, { shape: [5] }),
      randperm(5),
      multinomial([1, 2, 3], { numSamples: 2 }),
    ];
    const first = draw();
    setRandomState(state);
    draw().forEach((again, place) => {
      t.is(equalAll(again, first[place]!).item(), 1);
    });
  });
});
