#!/usr/bin/env node
/**
 * The `opwright` command: finds the command that was asked for, loads that one alone, prints what it gives and exits. What commands
 * do is in commands/; nothing is loaded before it is needed, so that help comes at once.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, exitCodes, type Outcome, UsageError } from './commands/command.js';
import { commandHelp, programHelp } from './commands/help.js';
import { packageRoot } from './commands/package-root.js';
import { KernelFunctionError } from './functions/problem.js';
import { DiagnosticError, nearestWord } from './spec/diagnostic.js';

interface CommandEntry {
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

const commands: Readonly<Record<string, CommandEntry>> = {
  generate: { summary: 'Write the code that a spec stands for.', load: () => import('./commands/generate.js') },
  check: { summary: 'Report everything that is wrong with a spec.', load: () => import('./commands/check.js') },
  new: { summary: 'Begin a new op in a spec.', load: () => import('./commands/new.js') },
  explain: { summary: 'Follow an op from its entry to its kernels.', load: () => import('./commands/explain.js') },
  stats: { summary: 'Count what a spec holds.', load: () => import('./commands/stats.js') },
  cache: { summary: 'Show or clear the compiled kernels kept on disk.', load: () => import('./commands/cache.js') },
  doctor: { summary: 'Say what this machine offers, and what to do about the rest.', load: () => import('./commands/doctor.js') },
};

async function main(args: readonly string[]): Promise<Outcome> {
  const [name, ...rest] = args.filter((arg, index) => index > 0 || arg !== '--json');
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') return helpFor(rest);
  if (name === '--version') {
    const version = readVersion();
    return { exitCode: exitCodes.ok, text: version, json: { version } };
  }
  const { command } = await entryOf(name).load();
  const asked = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  return asked.includes('--help') || asked.includes('-h') ? helpOf(command) : command.run(rest);
}

function entryOf(name: string): CommandEntry {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry !== undefined) return entry;
  const kind = name.startsWith('-') ? 'option' : 'command';
  const nearest = nearestWord(name, kind === 'option' ? ['--json', '--help', '--version'] : Object.keys(commands));
  throw new UsageError(
    `unknown ${kind} '${name}'`,
    nearest ? `did you mean '${nearest}'?` : 'opwright --help lists the commands',
  );
}

async function helpFor(rest: readonly string[]): Promise<Outcome> {
  const name = rest.find((arg) => !arg.startsWith('-'));
  if (name !== undefined) return helpOf((await entryOf(name).load()).command);
  const text = programHelp(commands);
  return { exitCode: exitCodes.ok, text, json: { help: text } };
}

function helpOf({ help }: Command): Outcome {
  const text = commandHelp(help);
  return { exitCode: exitCodes.ok, text, json: { help: text } };
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? manifest.version : undefined;
  return typeof version === 'string' ? version : 'unknown';
}

function failure(error: unknown): Outcome {
  if (error instanceof UsageError) {
    const { message, hint } = error;
    const text = [`opwright: ${message}`, ...(hint === undefined ? [] : [`  ${hint}`])].join('\n');
    return { exitCode: exitCodes.usage, text, json: { error: message, hint } };
  }
  // Both say where the problem is; what else is thrown is a mistake of this program, and keeps its stack.
  if (error instanceof DiagnosticError || error instanceof KernelFunctionError)
    return { exitCode: exitCodes.problems, text: error.message, json: { error: error.message } };
  // Of the library, which is not loaded here: its errors are known by what they carry.
  if (error instanceof Error && error.name === 'OpwrightError' && 'code' in error) {
    const { code, message } = error;
    return { exitCode: exitCodes.problems, text: `${String(code)}: ${message}`, json: { error: message, code: String(code) } };
  }
  throw error;
}

function report(outcome: Outcome, asJson: boolean): void {
  const ok = outcome.exitCode === exitCodes.ok;
  const text = asJson ? JSON.stringify({ ok, ...outcome.json }, null, 2) : outcome.text;
  const stream = asJson || outcome.exitCode !== exitCodes.usage ? process.stdout : process.stderr;
  if (text !== '') stream.write(`${text}\n`);
  // Not process.exit, which may cut off what a pipe has not taken yet.
  process.exitCode = outcome.exitCode;
}

// A reader that closes the pipe early (`| head`) has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const args = process.argv.slice(2);
report(await main(args).catch(failure), args.includes('--json'));
