/**
 * The command line of the example. It is read before anything else, because a mistake in it should cost nothing.
 */
import { parseArgs } from 'node:util';

export interface Options {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly seed: number;
  /** As many as the machine has, unless given. */
  readonly threads: number | undefined;
  readonly device: string;
  /** Where the trained weights go; into a file that is deleted afterwards, unless given. */
  readonly save: string | undefined;
  /** Examples to train on and to test with; all, unless there is an option. */
  readonly trainCount: number | undefined;
  readonly testCount: number | undefined;
}

const usage = `Usage: npm start -- [options]

  --quick             a fifth of the examples, two epochs
  --examples <n>      examples to train on, and at most as many to test with (all)
  --epochs <n>        passes over the training set (4)
  --batch-size <n>    examples in a step (64)
  --lr <x>            learning rate of Adam at the start (0.002)
  --seed <n>          seed of parameters and shuffling (1)
  --threads <n>       threads to compute with (all)
  --device <name>     device to compute on: cpu, cuda, cuda:1 (cpu)
  --save <path>       keep the trained weights in this safetensors file
  --help              show this`;

/** The options, or an exit with the usage: status 0 for --help, 2 for a mistake. */
export function readOptions(args: readonly string[]): Options {
  try {
    const values = parse(args);
    if (values.help) leave(usage, 0);
    const { quick } = values;
    const examples = values.examples === undefined ? undefined : count('examples', values.examples);
    return {
      epochs: count('epochs', values.epochs ?? (quick ? '2' : '4')),
      batchSize: count('batch-size', values['batch-size']),
      learningRate: number('lr', values.lr, (x) => x > 0 && x < Infinity, 'a number above 0'),
      seed: number('seed', values.seed, Number.isSafeInteger, 'an integer'),
      threads: values.threads === undefined ? undefined : count('threads', values.threads),
      device: values.device,
      save: values.save,
      trainCount: examples ?? (quick ? 12_000 : undefined),
      testCount: examples === undefined ? (quick ? 2000 : undefined) : Math.min(examples, 10_000),
    };
  } catch (error) {
    return leave(`${error instanceof Error ? error.message : error}\n\n${usage}`, 2);
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      epochs: { type: 'string' },
      examples: { type: 'string' },
      'batch-size': { type: 'string', default: '64' },
      lr: { type: 'string', default: '0.002' },
      seed: { type: 'string', default: '1' },
      threads: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      save: { type: 'string' },
    },
  }).values;
}

function count(name: string, text: string): number {
  return number(name, text, (x) => Number.isSafeInteger(x) && x >= 1, 'an integer of at least 1');
}

function number(name: string, text: string, valid: (value: number) => boolean, wanted: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!valid(value)) throw new Error(`--${name} must be ${wanted}, not '${text}'.`);
  return value;
}

function leave(text: string, status: number): never {
  (status === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  process.exit(status);
}
