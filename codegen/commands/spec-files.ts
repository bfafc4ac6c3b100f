/**
 * Where specs are: the library's own ops.yaml, found from where this program lies, and the files that `--spec` names. A file named
 * there is an op pack, which sees all that the library defines.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { type CheckedModel, checkModel } from '../lang/check.js';
import type { Diagnostic } from '../spec/diagnostic.js';
import { loadSpec } from '../spec/load.js';
import { SourceFile } from '../spec/source.js';
import { type OptionDefinitions, UsageError } from './command.js';
import { packageRoot } from './package-root.js';

/** Options of every command that reads specs. */
export const specOptions = {
  spec: {
    type: 'string',
    multiple: true,
    value: 'file',
    summary: "An op pack: a spec beside the library's own. May be given several times.",
  },
  alone: { type: 'boolean', summary: "Read the files of --spec without the library's ops.yaml." },
} as const satisfies OptionDefinitions;

export interface SpecSelection {
  readonly spec?: readonly string[] | undefined;
  readonly alone?: boolean | undefined;
}

export function librarySpec(): string {
  return join(packageRoot(), 'ops.yaml');
}

/** The files to read, the library's first. */
export function specFiles({ spec = [], alone = false }: SpecSelection): readonly string[] {
  if (alone && spec.length === 0) throw new UsageError('--alone needs a --spec');
  const named = spec.map((file) => resolve(file));
  for (const file of named) {
    if (!existsSync(file)) throw new UsageError(`there is no file ${displayPath(file)}`);
  }
  const library = librarySpec();
  const isLibrary = (file: string): boolean => realpathSync(file) === realpathSync(library);
  return alone ? named : [library, ...named.filter((file) => !isLibrary(file))];
}

export function readSource(file: string): SourceFile {
  try {
    return new SourceFile(displayPath(file), readFileSync(file, 'utf8'), originPath(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${displayPath(file)} cannot be read: ${reason}`);
  }
}

/** A path as a person in the current folder would write it; one outside of it in full. */
export function displayPath(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') || isAbsolute(path) ? file : path.replaceAll('\\', '/');
}

/** A path within the project that a file belongs to, the nearest folder above it with a package.json; its name where there is none. */
function originPath(file: string): string {
  for (let folder = dirname(resolve(file)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return relative(folder, resolve(file)).replaceAll('\\', '/');
    if (dirname(folder) === folder) return basename(file);
  }
}

export interface CheckedSpec {
  readonly sources: readonly SourceFile[];
  readonly checked: CheckedModel;
  /** What is wrong with texts and expressions, in the order of the files. */
  readonly diagnostics: readonly Diagnostic[];
}

export function loadSpecs(selection: SpecSelection): CheckedSpec {
  return checkSources(specFiles(selection).map(readSource));
}

export function checkSources(sources: readonly SourceFile[]): CheckedSpec {
  const { model, diagnostics } = loadSpec(...sources);
  const checked = checkModel(model);
  return { sources, checked, diagnostics: inOrder(sources, [...diagnostics, ...checked.diagnostics]) };
}

/** Sorted by file, and within it by place. */
export function inOrder(sources: readonly SourceFile[], diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const place = new Map(sources.map(({ file }, index) => [file, index]));
  const fileOf = ({ file }: Diagnostic): number => place.get(file) ?? sources.length;
  return diagnostics.toSorted((a, b) => fileOf(a) - fileOf(b) || a.line - b.line || a.column - b.column);
}
