/** In which dtype two meet, pair by pair, against PyTorch (test/golden/make_promotion.py): in the table, and in what an op gives. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { add, dtypes, maximum, tidy, where, zeros } from '../entry/index.js';
import { promote } from '../runtime/dtype.js';

type Row = readonly [left: string, right: string, torch: string, paddle: string | null];

const rows: readonly Row[] = JSON.parse(readFileSync('test/golden/promotion/table.json', 'utf8'));
const byName = new Map(dtypes.map((dtype) => [String(dtype), dtype]));

const pairs = rows.flatMap(([left, right, inTorch, paddle]) => {
  const [a, b, torch] = [byName.get(left), byName.get(right), byName.get(inTorch)];
  return a === undefined || b === undefined || torch === undefined ? [] : [{ a, b, torch, paddle }];
});

test('every pair of dtypes is in the oracle', (t) => {
  t.is(pairs.length, dtypes.length ** 2);
});

test('two dtypes meet where they do in PyTorch', (t) => {
  for (const { a, b, torch } of pairs) t.is(promote(a, b), torch, `${a} and ${b}`);
});

test('where Paddle adds two dtypes at all, they meet in the same one', (t) => {
  const others = pairs.filter(({ a, b, paddle }) => paddle !== null && promote(a, b) !== paddle);
  t.deepEqual(
    others.map(({ a, b, paddle }) => `${a} ${b} ${paddle}`),
    [],
  );
});

test('ops give the dtype in which their operands meet', (t) => {
  for (const { a, b, torch } of pairs) {
    tidy(() => {
      const [x, y] = [zeros([2], { dtype: a }), zeros([2], { dtype: b })];
      t.is(where(zeros([2], { dtype: 'bool' }), x, y).dtype, torch, `where of ${a} and ${b}`);
      if (torch === 'bool') return;
      t.is(add(x, y).dtype, torch, `add of ${a} and ${b}`);
      if (!torch.startsWith('complex')) t.is(maximum(x, y).dtype, torch, `maximum of ${a} and ${b}`);
    });
  }
});
