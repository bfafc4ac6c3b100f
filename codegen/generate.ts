/**
 * From spec files to the generated folder: load, check, emit. Nothing is written unless everything is sound, and then the folder is
 * exchanged as a whole.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { IndentationText, Project, QuoteKind } from 'ts-morph';
import type { Kernel } from '../kernels/ir.js';
import { fileText, writeOp } from './emit/api.js';
import { algebraText, type ImportRoots, indexText, kernelsText, methodsText, registerText, rulesText } from './emit/library.js';
import { fileName, moduleName } from './emit/names.js';
import { apiText, coverageText, recordText, testText } from './emit/records.js';
import { compileKernelFunctions } from './functions/compile.js';
import { type CheckedModel, type CheckedOp, checkModel } from './lang/check.js';
import { kernelDiagnostics } from './lang/check-kernels.js';
import { makeOpDefinitions } from './lang/definitions.js';
import { derivationDiagnostics } from './lang/differentiate.js';
import type { Diagnostic } from './spec/diagnostic.js';
import { loadSpec } from './spec/load.js';
import type { SourceFile } from './spec/source.js';

export interface GenerateOptions {
  /** The spec's files; ops of later ones may use those of earlier ones. */
  readonly specs: readonly SourceFile[];
  /** A folder of kernel functions. */
  readonly functionsFolder: string;
  /** Those of `specs` whose ops are written: an op pack's own. All of them if left out. */
  readonly pack?: readonly SourceFile[];
  /** The public names to cover, one a line. */
  readonly paddleNames: readonly string[];
}

export interface GeneratedLibrary {
  /** Text by path within the generated folder; empty if there are diagnostics. */
  readonly files: ReadonlyMap<string, string>;
  readonly diagnostics: readonly Diagnostic[];
}

function checkSpec(sources: readonly SourceFile[]): { model: CheckedModel; diagnostics: readonly Diagnostic[] } {
  const loaded = loadSpec(...sources);
  const model = checkModel(loaded.model);
  const sound = loaded.diagnostics.length === 0 && model.diagnostics.length === 0;
  return { model, diagnostics: [...loaded.diagnostics, ...model.diagnostics, ...(sound ? derivationDiagnostics(model) : [])] };
}

/** Generated code within this package, and in a project that depends on it. */
const ownRoots: ImportRoots = { kernels: '../kernels', runtime: '../runtime' };
const packRoots: ImportRoots = {
  kernels: 'opwright/internal/kernels',
  runtime: 'opwright/internal/runtime',
  generated: 'opwright/internal/generated',
  library: 'opwright',
};

export function generateLibrary(options: GenerateOptions): GeneratedLibrary {
  const { model, diagnostics } = checkSpec(options.specs);
  if (diagnostics.length > 0) return { files: new Map(), diagnostics };
  const sources = readdirSync(options.functionsFolder)
    .filter((name) => name.endsWith('.ts') && name !== 'language.ts')
    .sort()
    .map((name) => join(options.functionsFolder, name));
  const functions = compileKernelFunctions(sources);
  const unfit = kernelDiagnostics(model.model, new Map(functions.map((kernel) => [kernel.name, kernel])));
  if (unfit.length > 0) return { files: new Map(), diagnostics: unfit };
  const { pack } = options;
  if (pack === undefined) {
    const checked = [...model.ops.values()];
    const files = emitFiles(ownRoots, model, checked, functions);
    const { api } = model.model;
    files.set('api.json', apiText(api));
    files.set('coverage.json', coverageText([...checked.map(({ op }) => op), ...api], options.paddleNames));
    return { files, diagnostics };
  }
  const checked = [...model.ops.values()].filter(({ op }) => pack.includes(op.span.source));
  const used = new Set(checked.flatMap(({ op }) => (op.body.kind === 'function' ? [op.body.function] : [])));
  const kernels = functions.filter(({ name }) => used.has(name));
  return { files: emitFiles(packRoots, model, checked, kernels), diagnostics };
}

/** Every file but those that only the library has. */
function emitFiles(
  from: ImportRoots,
  model: CheckedModel,
  checked: readonly CheckedOp[],
  functions: readonly Kernel[],
): Map<string, string> {
  const files = new Map<string, string>();
  const ops = checked.map(({ op }) => op);
  const project = new Project({
    useInMemoryFileSystem: true,
    manipulationSettings: { indentationText: IndentationText.TwoSpaces, quoteKind: QuoteKind.Single },
  });
  const definitions = makeOpDefinitions(model);
  for (const one of checked) {
    const path = `ops/${moduleName(one.op)}.ts`;
    writeOp(project.getSourceFile(path) ?? project.createSourceFile(path), model, one);
    files.set(`tests/${fileName(one.op)}.json`, testText(model, one, definitions.get(one.op.name)!));
    files.set(`docs/${fileName(one.op)}.json`, recordText(model, one));
  }
  const fromOps = from.library === undefined ? { kernels: `../${from.kernels}`, runtime: `../${from.runtime}` } : from;
  for (const op of ops) {
    const path = `ops/${moduleName(op)}.ts`;
    if (!files.has(path)) files.set(path, fileText(fromOps, project.getSourceFileOrThrow(path), op.group));
  }
  files.set('kernels.ts', kernelsText(from, functions, checked));
  files.set('rules.ts', rulesText(from, model));
  files.set('algebra.ts', algebraText(from, checked));
  files.set('register.ts', registerText(from, ops));
  files.set('methods.ts', methodsText(from, ops));
  files.set('index.ts', indexText(ops));
  return files;
}

export interface WriteReport {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly unchanged: number;
}

/** How a folder differs from what it should hold. */
export function compareGenerated(folder: string, files: ReadonlyMap<string, string>): WriteReport {
  const present = new Set(listFiles(folder));
  const written = [...files]
    .filter(([path, text]) => !present.has(path) || readFileSync(join(folder, path), 'utf8') !== text)
    .map(([path]) => path);
  const removed = [...present].filter((path) => !files.has(path));
  return { written, removed, unchanged: files.size - written.length };
}

/** Makes a folder hold exactly these files. All are written beside it first; only then are they moved in. */
export function writeGenerated(folder: string, files: ReadonlyMap<string, string>): WriteReport {
  const report = compareGenerated(folder, files);
  const staging = `${resolve(folder)}.next-${process.pid}`;
  try {
    for (const path of report.written) {
      mkdirSync(dirname(join(staging, path)), { recursive: true });
      writeFileSync(join(staging, path), files.get(path)!);
    }
    for (const path of report.written) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      renameSync(join(staging, path), join(folder, path));
    }
    for (const path of report.removed) rmSync(join(folder, path));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return report;
}

function listFiles(folder: string, within = ''): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(join(folder, within), { withFileTypes: true }).flatMap((entry) => {
    const path = within === '' ? entry.name : `${within}/${entry.name}`;
    return entry.isDirectory() ? listFiles(folder, path) : [path];
  });
}
