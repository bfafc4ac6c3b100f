/**
 * The help that `opwright --help` and `opwright <command> --help` print.
 */
import { type CommandHelp, exitCodes, type OptionDefinition } from './command.js';

/** What the list of commands says of each. */
export type CommandSummaries = Readonly<Record<string, { readonly summary: string }>>;

const meanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'done, and nothing is wrong',
  problems: 'problems were found',
  usage: 'the command was not understood',
};

export function programHelp(commands: CommandSummaries): string {
  const rows = Object.entries(commands).map(([name, { summary }]) => [name, summary] as const);
  return [
    'opwright: ops for TypeScript, generated from one file',
    '',
    'Usage: opwright <command> [arguments] [options]',
    '',
    'Commands:',
    ...columns(rows),
    '',
    'Options:',
    ...columns([
      ['--json', 'Print one JSON document instead of text.'],
      ['--help', "Print this help, or a command's."],
      ['--version', 'Print the version.'],
    ]),
    '',
    'Exit codes:',
    ...columns(exitCodeRows()),
  ].join('\n');
}

export function commandHelp(help: CommandHelp): string {
  const options = Object.entries(help.options).map(([name, option]) => [flagText(name, option), option.summary] as const);
  const usage = ['opwright', help.name, help.arguments, '[options]'].filter((part) => part !== '');
  return [
    `Usage: ${usage.join(' ')}`,
    '',
    help.description,
    '',
    'Options:',
    ...columns(options),
    '',
    'Examples:',
    ...help.examples.map((example) => `  ${example}`),
    '',
    'Exit codes:',
    ...columns(exitCodeRows()),
  ].join('\n');
}

function exitCodeRows(): (readonly [string, string])[] {
  return (['ok', 'problems', 'usage'] as const).map((name) => [String(exitCodes[name]), meanings[name]]);
}

function flagText(name: string, { short, value }: OptionDefinition): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`;
}

/** Two columns, the first as wide as its widest entry. */
export function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}
