/** The table of what is different from Paddle, from the documentation records: docs/differences.md. */
import { readdirSync, readFileSync } from 'node:fs';

export const differencesFile = 'docs/differences.md';

interface DocumentationRecord {
  readonly op?: string;
  readonly api?: string;
  readonly internal?: boolean;
  readonly names: readonly string[];
  readonly differences: string | null;
}

export function differencesText(): string {
  const ops = readdirSync('generated/docs').map(
    (file): DocumentationRecord => JSON.parse(readFileSync(`generated/docs/${file}`, 'utf8')),
  );
  const api: readonly DocumentationRecord[] = JSON.parse(readFileSync('generated/api.json', 'utf8'));
  const rows = [...ops, ...api]
    .filter(({ internal, differences }) => internal !== true && differences !== null)
    .map(({ op, api: name, names, differences }) => ({ name: op ?? name ?? '', names, differences: differences ?? '' }))
    .toSorted((left, right) => (left.name.toLowerCase() < right.name.toLowerCase() ? -1 : 1));
  const cell = (text: string): string => text.replace(/\s*\n\s*/g, ' ').replaceAll('|', '\\|');
  return `# What is different from Paddle

Where Paddle 2.0, today's Paddle and PyTorch disagree, Opwright follows today's Paddle; this table has the exceptions, and where 2.0 was another. It is
made by \`npm run examples\` from the field \`differences\` of \`ops.yaml\`. Beyond it:

- Names are Paddle's in camelCase, optional arguments stand in one object, and there is no argument \`name\`.
- Full reductions give shape [], as in today's Paddle; 2.0 gave [1].
- Ops that give indices or counts give int32; Paddle gives int64.
- Two dtypes meet as in PyTorch: uint8 and int8 in int16, float16 and bfloat16 in float32, integers and floating-point numbers in the latter's dtype. Today's
  Paddle refuses most pairs of different dtypes and agrees on the others (test/promotion.test.ts).

| Here | Paddle | What is different |
| --- | --- | --- |
${rows.map(({ name, names, differences }) => `| \`${name}\` | ${names.map((one) => `\`${one}\``).join(', ')} | ${cell(differences)} |`).join('\n')}
`;
}
