/**
 * `opwright generate`: the code that a spec stands for, written into a folder; with `--check`, compared with what is there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { renderDiagnostic } from '../spec/diagnostic.js';
import { diagnosticJson } from './check.js';
import { type Command, commonOptions, exitCodes, expectAtMost, type Outcome, parseArguments, UsageError } from './command.js';
import { countOf, problemCount } from './format.js';
import { functionsFolder } from './kernel-functions.js';
import { packageRoot } from './package-root.js';
import { displayPath, readSource, specFiles, specOptions } from './spec-files.js';

const options = {
  out: {
    type: 'string',
    value: 'folder',
    summary: "Where to write; with --spec it must be given. The library's own is generated/.",
  },
  check: { type: 'boolean', summary: 'Write nothing; exit with 1 if the folder differs.' },
  ...specOptions,
  ...commonOptions,
} as const;

export const command: Command = {
  help: {
    name: 'generate',
    arguments: '',
    description:
      'Writes typed functions, shape checks, definitions, gradients, kernels, test data and documentation records. Nothing is written\n' +
      'unless the whole spec is sound; files that did not change are left alone, and files that no entry stands behind any more are removed.',
    examples: ['opwright generate', 'opwright generate --check', 'opwright generate --spec my-ops.yaml --out src/ops'],
    options,
  },
  async run(args) {
    const { values, positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    if (values.spec !== undefined && values.out === undefined)
      throw new UsageError('--spec needs --out: where to write', 'opwright generate --spec my-ops.yaml --out src/ops');
    const folder = values.out === undefined ? ownFolder() : resolve(values.out);
    const start = performance.now();
    // The emitters are loaded for this command alone.
    const { compareGenerated, generateLibrary, writeGenerated } = await import('../generate.js');
    const specs = specFiles(values).map(readSource);
    const { files, diagnostics } = generateLibrary({
      specs,
      // The library's own file comes first; what follows is the pack.
      ...(values.spec === undefined || values.alone ? {} : { pack: specs.slice(1) }),
      functionsFolder: functionsFolder(),
      paddleNames: paddleNames(),
    });
    if (diagnostics.length > 0) {
      const text = [...diagnostics.map(renderDiagnostic), `${problemCount(diagnostics)}: nothing was written`].join('\n');
      return { exitCode: exitCodes.problems, text, json: { diagnostics: diagnostics.map(diagnosticJson) } };
    }
    const report = values.check ? compareGenerated(folder, files) : writeGenerated(folder, files);
    return outcomeOf(folder, report, performance.now() - start, values.check ?? false);
  },
};

/** The library's generated folder is written in a checkout only: a published package is built from it. */
function ownFolder(): string {
  const root = packageRoot();
  if (existsSync(join(root, 'codegen', 'cli.ts'))) return join(root, 'generated');
  throw new UsageError('the installed library is generated already', 'opwright generate --spec my-ops.yaml --out src/ops');
}

/** The names of Paddle's API, in its order; none where the list was not published. */
export function paddleNames(): readonly string[] {
  const file = join(packageRoot(), 'codegen', 'paddle-names.txt');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((name) => name !== '');
}

interface Report {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
}

function outcomeOf(folder: string, { written, removed, unchanged }: Report, time: number, check: boolean): Outcome {
  const changed = written.length + removed.length;
  const total = countOf(written.length + unchanged, 'file');
  const seconds = `${(time / 1000).toFixed(1)} s`;
  const lists = [
    ...written.map((path) => `  ${check ? 'differs' : 'written'}  ${path}`),
    ...removed.map((path) => `  ${check ? 'is left over' : 'removed'}  ${path}`),
  ];
  const parts = [
    `${written.length} ${check ? 'different' : 'changed'}`,
    ...(removed.length > 0 ? [`${removed.length} ${check ? 'left over' : 'removed'}`] : []),
  ];
  const advice = check && changed > 0 ? ['run opwright generate and commit the result'] : [];
  const text = [...shortened(lists), `${displayPath(folder)}: ${total}, ${parts.join(', ')} (${seconds})`, ...advice].join('\n');
  return {
    exitCode: check && changed > 0 ? exitCodes.problems : exitCodes.ok,
    text,
    json: { folder, written, removed, unchanged, milliseconds: Math.round(time) },
  };
}

const longestList = 20;

function shortened(lines: readonly string[]): readonly string[] {
  return lines.length <= longestList ? lines : [...lines.slice(0, longestList), `  ... and ${lines.length - longestList} more`];
}
