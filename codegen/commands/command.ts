/**
 * What a command of `opwright` is: its help, its options, and a function from arguments to an outcome. Commands never print or exit;
 * cli.ts does, so that tests call them and `--json` comes for free.
 */
import { parseArgs } from 'node:util';
import { nearestWord } from '../spec/diagnostic.js';

/** What the process exits with. */
export const exitCodes = {
  /** The command did what was asked, and found nothing wrong. */
  ok: 0,
  /** Problems were found: in a spec, in generated files, on this machine. */
  problems: 1,
  /** The command was not understood: an unknown command, option or op, or a file that is not there. */
  usage: 2,
} as const;

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

export interface Outcome {
  readonly exitCode: (typeof exitCodes)[keyof typeof exitCodes];
  /** For people; without a line break at its end. */
  readonly text: string;
  /** The same for programs. `ok` is added to it. */
  readonly json: JsonObject;
}

/** An option as parseArgs takes it, and its line in the help. */
export interface OptionDefinition {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  readonly short?: string;
  readonly summary: string;
  /** What stands for its value in the help: `file`. */
  readonly value?: string;
}
export interface OptionDefinitions {
  [name: string]: OptionDefinition;
}

export interface CommandHelp {
  readonly name: string;
  /** Arguments as the usage line shows them: `<op> [shapes...]`. */
  readonly arguments: string;
  /** What it does, in full sentences; lines are not wrapped. */
  readonly description: string;
  readonly examples: readonly string[];
  readonly options: OptionDefinitions;
}

export interface Command {
  readonly help: CommandHelp;
  run(args: readonly string[]): Promise<Outcome> | Outcome;
}

/** The command cannot be carried out as it was written. */
export class UsageError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}

/** Every command has these; cli.ts acts on them. */
export const commonOptions = {
  json: { type: 'boolean', summary: 'Print one JSON document instead of text.' },
  help: { type: 'boolean', short: 'h', summary: 'Print this help.' },
} as const satisfies OptionDefinitions;

type Parsed<Options extends OptionDefinitions> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Options; allowPositionals: true }>
>;

/** The options' values and the other arguments. Throws a UsageError for what the command does not know. */
export function parseArguments<const Options extends OptionDefinitions>(
  options: Options,
  args: readonly string[],
): Parsed<Options> {
  checkOptionNames(options, args);
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // What is left is a value that is missing, or one too many; Node's own words say which.
    if (error instanceof TypeError) throw new UsageError(firstSentence(error.message));
    throw error;
  }
}

function checkOptionNames(options: OptionDefinitions, args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(options, token.name)) continue;
    const nearest = nearestWord(token.name, Object.keys(options));
    throw new UsageError(`unknown option '${token.rawName}'`, nearest && `did you mean '--${nearest}'?`);
  }
}

function firstSentence(message: string): string {
  const [sentence] = message.split(/\.\s|\n/);
  return `${message.charAt(0).toLowerCase()}${(sentence ?? message).slice(1).replace(/\.$/, '')}`;
}

/** Complains about arguments beyond those that a command takes. */
export function expectAtMost(count: number, positionals: readonly string[]): void {
  const extra = positionals[count];
  if (extra !== undefined) throw new UsageError(`unexpected argument '${extra}'`);
}
