/** Where an op is tested: read off the tests themselves, not written down. */
import { readdirSync, readFileSync } from 'node:fs';
import { goldenOf, type OpCase } from '../../test/matrix/cases.js';
import { checks } from '../../test/matrix/checks.js';
import { table } from './markdown.js';

/** The devices and tiers that test files run the op matrix on, as those files call it: `wasm`, `native`, ... */
export function matrixTiers(): readonly string[] {
  const texts = readdirSync('test')
    .filter((name) => /^ops.*\.test\.ts$/.test(name))
    .sort()
    .map((name) => readFileSync(`test/${name}`, 'utf8'));
  return [
    ...new Set(
      texts.flatMap(
        (text) =>
          /runMatrix\(\d+(?:, '(\w+)')?\)/
            .exec(text)
            ?.map((word) => word ?? 'wasm')
            .slice(1) ?? [],
      ),
    ),
  ];
}

const tierWords: Readonly<Record<string, string>> = {
  wasm: 'cpu, WebAssembly',
  native: 'cpu, native code',
  cuda: 'cuda, in a simulated driver',
};

export const tierText = (tier: string): string => tierWords[tier] ?? tier;

/** How many of the samples are compared with values that other libraries computed. */
export function goldenCount(test: OpCase): number {
  return test.samples.filter((_, place) => goldenOf(test.op, place) !== undefined).length;
}

export function testsText(test: OpCase): string {
  const run = checks.filter((check) => check.places(test).length > 0).map((check) => check.name);
  return table(
    ['what', 'how much'],
    [
      [
        'samples',
        `${test.samples.length}, of which ${goldenCount(test)} have golden values from NumPy, SciPy, PyTorch or Paddle`,
      ],
      ['checks', run.join(', ')],
      ['devices and tiers', matrixTiers().map(tierText).join('; ')],
      ['refused calls', String(test.errors.length)],
    ],
  );
}
