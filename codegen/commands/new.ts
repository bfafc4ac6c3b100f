/**
 * `opwright new`: an entry to begin with, at the end of a spec's ops. It is sound from the first moment: the new text is checked
 * before anything is written, and the file is exchanged as a whole.
 */
import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { didYouMean, renderDiagnostic } from '../spec/diagnostic.js';
import type { SpecModel } from '../spec/model.js';
import { SourceFile } from '../spec/source.js';
import { diagnosticJson } from './check.js';
import { type Command, commonOptions, exitCodes, type Outcome, parseArguments, UsageError } from './command.js';
import { appendEntry, skeleton } from './skeleton.js';
import { checkSources, displayPath, librarySpec, readSource } from './spec-files.js';

const options = {
  class: {
    type: 'string',
    value: 'name',
    summary: 'The class of the op, which supplies most of its fields: unary, binary, reduction, ...',
  },
  spec: {
    type: 'string',
    value: 'file',
    summary: "The spec to write to, made if it is not there; the library's ops.yaml by default.",
  },
  ...commonOptions,
} as const;

export const command: Command = {
  help: {
    name: 'new',
    arguments: '<op>',
    description:
      'Appends an entry for a new op. With --class it begins as a copy of a member of that class, so that it is a working op at once;\n' +
      'replace its definition by your own. A name that is taken is refused.',
    examples: ['opwright new bentIdentity --class unary', 'opwright new myLoss --spec my-ops.yaml'],
    options,
  },
  run(args) {
    const { values, positionals } = parseArguments(options, args);
    const [name, ...rest] = positionals;
    if (name === undefined) throw new UsageError('what is the op to be called?', 'opwright new bentIdentity --class unary');
    if (rest.length > 0) throw new UsageError(`unexpected argument '${rest[0]}'`, 'one op is begun at a time');
    // Letters and digits alone may be put into YAML as they are; what else makes a name is the spec's to say.
    if (!/^\w+$/.test(name)) throw new UsageError(`'${name}' is no name for an op`, 'a name is in camelCase');
    return begin(name, values.class, resolve(values.spec ?? librarySpec()));
  },
};

function begin(name: string, className: string | undefined, file: string): Outcome {
  const library = readSource(librarySpec());
  const source = existsSync(file) ? readSource(file) : new SourceFile(displayPath(file), '');
  const isLibrary = source.file === library.file;
  const before = checkSources(isLibrary ? [source] : source.text === '' ? [library] : [library, source]);
  const { model } = before.checked;
  refuseTaken(model, name);
  const entry = skeleton(model, name, knownClass(model, className));
  const next = new SourceFile(source.file, appendEntry(source, entry.text));
  const known = new Set(before.diagnostics.map(({ code, message }) => `${code} ${message}`));
  const after = checkSources(isLibrary ? [next] : [library, next]);
  const problems = after.diagnostics.filter(({ code, message }) => !known.has(`${code} ${message}`));
  if (problems.length > 0) {
    const text = [...problems.map(renderDiagnostic), 'nothing was written'].join('\n');
    return { exitCode: exitCodes.problems, text, json: { diagnostics: problems.map(diagnosticJson) } };
  }
  replaceFile(file, next.text);
  const op = after.checked.model.ops.get(name);
  const line = op === undefined ? 1 : op.span.source.position(op.span.start).line;
  return written(name, next.file, line, entry.like, isLibrary);
}

function refuseTaken(model: SpecModel, name: string): void {
  const owner = [...model.ops.values()].find((op) => op.name === name || op.aliases.some((alias) => alias.name === name));
  if (owner === undefined && !model.broken.has(name)) return;
  const hint =
    owner === undefined
      ? undefined
      : `it stands at ${owner.span.source.file}:${owner.span.source.position(owner.span.start).line}`;
  throw new UsageError(`there is an op '${name}' already`, hint);
}

function knownClass(model: SpecModel, name: string | undefined): string | undefined {
  if (name === undefined || model.classes.has(name)) return name;
  const names = [...model.classes.keys()];
  throw new UsageError(`there is no class '${name}'`, didYouMean(name, names) ?? `classes are ${names.join(', ')}`);
}

/** Nobody sees half a file: it is written beside the old one and takes its place. */
function replaceFile(file: string, text: string): void {
  const beside = `${file}.new-${process.pid}`;
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  writeFileSync(beside, text, mode === undefined ? {} : { mode });
  renameSync(beside, file);
}

function written(name: string, file: string, line: number, like: string | undefined, isLibrary: boolean): Outcome {
  const where = `${file}:${line}`;
  const pack = isLibrary ? '' : ` --spec ${file}`;
  const steps = [
    `Write its summary and definition${like === undefined ? '' : ` (it is a copy of ${like} so far)`}; gradients are derived from the definition.`,
    `opwright check${pack}`,
    `opwright explain ${name}${pack}`,
    isLibrary ? 'npm run generate, and add goldens to test/golden/make.py' : `opwright generate${pack} --out src/ops`,
  ];
  const text = [`${name} begins at ${where}`, ...steps.map((step, index) => `  ${index + 1}. ${step}`)].join('\n');
  return { exitCode: exitCodes.ok, text, json: { op: name, file, line, like: like ?? null } };
}
