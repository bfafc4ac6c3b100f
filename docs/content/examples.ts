/**
 * Examples as a reader can run them: with the imports that they need, and with what they print, found by running them here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { ts } from 'ts-morph';
import { isReservedWord } from '../../codegen/lang/reserved.js';
import * as opwright from '../../entry/index.js';
import * as io from '../../entry/io.js';
import * as nn from '../../entry/nn.js';
import * as optimizer from '../../entry/optimizer.js';
import { exampleScope, isSamePrint, readRecord, recordFile, runExample } from '../../test/support/examples.js';
import { fence } from './markdown.js';

export interface EntryPoint {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

export const entryPoints: readonly EntryPoint[] = [
  { name: 'opwright', exports: opwright },
  { name: 'opwright/nn', exports: nn },
  { name: 'opwright/optimizer', exports: optimizer },
  { name: 'opwright/io', exports: io },
];

/** What examples use of Node itself. */
const nodeModules: readonly EntryPoint[] = [
  { name: 'node:fs/promises', exports: { mkdtemp, rm } },
  { name: 'node:os', exports: { tmpdir } },
  { name: 'node:path', exports: { join } },
];

/** The program and its output as two blocks. Throws where the output is not the one on record. */
export function exampleText(name: string, example: string): string {
  const printed = runExample(example);
  const recorded = readRecord()[name];
  if (recorded === undefined || !isSamePrint(printed, recorded))
    throw new Error(`${recordFile} does not have what the example of ${name} prints: run npm run examples`);
  return `${fence('ts', `${importsOf(example)}\n\n${example.trim()}`)}\n\n${fence('output', printed.join('\n'))}`;
}

/** The import statements that a program needs before it. */
export function importsOf(program: string): string {
  const statements = [...nodeModules, ...entryPoints].flatMap(({ name, exports }) => {
    const names = Object.keys(exports).filter((one) => !isReservedWord(one) && usesName(program, one));
    return names.length === 0 ? [] : [`import { ${names.join(', ')} } from '${name}';`];
  });
  return statements.join('\n');
}

/** Whether a program uses a name and declares no variable of its own that is called so. */
export function usesName(program: string, name: string): boolean {
  const own = new RegExp(`\\b(?:const|let) (?:\\{[^}]*)?\\b${name}\\b`);
  return new RegExp(`(?<![.\\w'])${name}\\b(?!:)`).test(program) && !own.test(program);
}

/** A program that no record holds, such as one in a comment, and what it prints. */
export async function programText(program: string): Promise<string> {
  const printed: string[] = [];
  const console = { log: (...values: readonly unknown[]) => printed.push(format(...values)) };
  const scope = [...exampleScope, ...nodeModules.flatMap(({ exports }) => Object.entries(exports))];
  const body = `return (async () => {\n${javascriptOf(program)}\n})();`;
  const run = new Function('console', ...scope.map(([name]) => name), `'use strict';\n${body}`);
  opwright.seed(20);
  await run(console, ...scope.map(([, value]) => value));
  if (printed.length === 0) throw new Error(`the example prints nothing:\n${program}`);
  return `${fence('ts', `${importsOf(program)}\n\n${program.trim()}`)}\n\n${fence('output', printed.join('\n'))}`;
}

/** A program without its types. */
export function javascriptOf(program: string): string {
  return ts.transpileModule(program, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } })
    .outputText;
}
