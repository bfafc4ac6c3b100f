/**
 * The short run of random programs (test/random): a few hundred with a fixed seed. `npm run fuzz` runs ten thousand with a new one.
 */
import test from 'ava';
import { floatDtypes, formats, roundTo, saturate, wrap } from './random/formats.js';
import { checkPrograms, modes } from './random/properties.js';
import { referenceOps } from './random/reference.js';
import { runWatched } from './random/watched.js';
import { noteLeftOut } from './support/left-out.js';

// Read when the device opens, which is at the first tensor.
process.env.OPWRIGHT_DEBUG_ALLOCATOR = '1';

test.before(() => noteLeftOut({ what: 'random programs', count: 10_000, command: 'npm run fuzz' }));

const counts = { eager: 300, fused: 300, gradient: 100 } as const;
const covered = { eager: 120, fused: 110, gradient: 60 } as const;
const seed = 20;

const what = {
  eager: 'every op of random programs gives what the reference does, within its bound',
  fused: 'random programs that are traced as one op give what the reference does, within its bound',
  gradient: 'first and second derivatives of random programs agree with central differences',
} as const;

for (const mode of modes) {
  test(`${what[mode]} (cpu)`, (t) => {
    const { coverage, failure } = checkPrograms(mode, counts[mode], seed);
    if (failure !== undefined) return t.fail(failure);
    t.log(`${coverage}; npm run fuzz runs 10,000`);
    t.true(coverage.ops.size >= covered[mode], `only ${coverage.ops.size} of ${referenceOps.length} ops were called`);
    t.true(coverage.open < coverage.elements / 5, 'too many elements have no bound');
  });
}

test("the reference's rounding agrees with the typed arrays, and its 16-bit floats with known values", (t) => {
  t.is(roundTo('float32', 0.1), Math.fround(0.1));
  t.is(roundTo('float32', 1e-45), Math.fround(1e-45));
  t.is(roundTo('float16', 0.1), 0.0999755859375);
  t.is(roundTo('float16', 65519), 65504);
  t.is(roundTo('float16', 65520), Number.POSITIVE_INFINITY);
  t.is(roundTo('float16', 2 ** -25), 0);
  t.is(roundTo('bfloat16', 1 + 2 ** -8), 1);
  t.is(roundTo('bfloat16', 1 + 3 * 2 ** -8), 1 + 2 ** -6);
  for (const dtype of floatDtypes) t.is(roundTo(dtype, formats[dtype].smallest), formats[dtype].smallest);
});

test("the reference's integers wrap, and floats are held within them", (t) => {
  t.is(wrap('uint8', 256n), 0n);
  t.is(wrap('int8', 128n), -128n);
  t.is(saturate('uint8', -1.5), 0n);
  t.is(saturate('int64', 1e30), 2n ** 63n - 1n);
  t.is(saturate('int32', Number.NaN), 0n);
});

const begins = (program: number): string => `require('node:fs').writeSync(3, '${program}\\n');`;

test('the long run reports a program in which the process crashes, ends or hangs', async (t) => {
  const ran = (script: string, limit = 20_000) => runWatched(['-e', script], limit);
  t.deepEqual(await ran(begins(4)), { code: 0, accident: undefined });
  t.deepEqual(await ran(`${begins(4)} process.exit(1)`), { code: 1, accident: undefined });
  t.deepEqual(await ran(`${begins(4)} ${begins(5)} process.kill(process.pid, 'SIGSEGV'); for (;;);`), {
    code: 1,
    accident: { what: 'ended by SIGSEGV', program: 5 },
  });
  t.deepEqual(await ran(`${begins(6)} process.exit(7)`), { code: 7, accident: { what: 'exit code 7', program: 6 } });
  t.deepEqual(await ran(`${begins(8)} Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`, 1000), {
    code: 1,
    accident: { what: 'no end after 1 s', program: 8 },
  });
});
