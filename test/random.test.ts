/** The Philox reference and the generator's state. */
import test from 'ava';
import { OpwrightError } from '../runtime/errors.js';
import { drawWords, Generator, philox } from '../runtime/random.js';

// The known answers that Random123 publishes for philox4x32 with 10 rounds (kat_vectors).
const knownAnswers = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

for (const { counter, key, words } of knownAnswers) {
  test(`philox of the counter ${counter.map((word) => word.toString(16)).join(' ')} gives the published words`, (t) => {
    t.deepEqual([...philox(counter, key)], [...words]);
  });
}

test('a draw continues where the one before it ended, in whole blocks of four words', (t) => {
  const generator = new Generator(7);
  const first = generator.next(5);
  const second = generator.next(4);
  const whole = drawWords(first, 12);
  t.deepEqual(drawWords(second, 4), whole.slice(8, 12));
  t.is(generator.getState().offset, 3n);
});

test('the same seed gives the same draws, and another seed others', (t) => {
  const words = (seed: number | bigint) => [...drawWords(new Generator(seed).next(8), 8)];
  t.deepEqual(words(3), words(3n));
  t.notDeepEqual(words(3), words(4));
});

test('a restored state goes on with the same numbers', (t) => {
  const generator = new Generator(11);
  generator.next(100);
  const state = generator.getState();
  const expected = generator.next(10);
  generator.next(1000);
  generator.setState(state);
  t.deepEqual(generator.next(10), expected);
});

test('the counter carries into its high word', (t) => {
  const generator = new Generator(1);
  generator.setState({ seed: 1n, offset: 0xffffffffn });
  const draw = generator.next(8);
  t.is(draw.offsetHigh, 0);
  t.is(generator.getState().offset, 0x100000001n);
  const words = drawWords(draw, 8);
  t.deepEqual([...words.slice(4)], [...philox([0, 1, 0, 0], [1, 0])]);
});

test('a negative seed is taken modulo 2^64, and a fraction is refused', (t) => {
  t.is(new Generator(-1).getState().seed, (1n << 64n) - 1n);
  const error = t.throws(() => new Generator(1.5), { instanceOf: OpwrightError });
  t.is(error?.code, 'NOT_AN_INTEGER');
});
