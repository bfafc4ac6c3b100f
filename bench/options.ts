/** The command line of the bench, read before anything is loaded or installed. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { contenderNames, type PeerName, tierNames } from './contenders/contender.js';

export interface Options {
  /** Only cases whose name contains one of these, whatever their case. */
  readonly filter: readonly string[];
  readonly rounds: number;
  readonly threads: number;
  readonly peers: readonly PeerName[];
  readonly json: string | undefined;
  readonly markdown: boolean;
  readonly epoch: boolean;
  /** Work in growing sizes in both tiers, for the table that chooses between them. */
  readonly tiers: boolean;
  /** Every class of op beside PyTorch's. */
  readonly survey: boolean;
}

export const peerNames = contenderNames.filter((name): name is PeerName => name !== 'ours' && name !== 'cublas');

const usage = `Usage: npm run bench -- [options]

Measures every case with us and the peers in paired rounds, prints times and ratios (a peer's time over ours: above 1 we are faster),
and writes them as JSON.

  --filter <words>    only cases whose name contains one of these words, separated by commas
  --rounds <n>        rounds a case (7)
  --threads <n>       threads for everyone who can use them (all that the machine has)
  --peers <names>     of ${peerNames.join(', ')} (all); none for nobody
  --tiers             instead, each kind of work in growing sizes in both tiers, for runtime/devices/cpu/tiers.ts
  --survey            instead, every class of op at 2^20 elements beside PyTorch
  --epoch             also train LeNet for one epoch, which takes some minutes
  --markdown          print the table as Markdown
  --json <path>       where the figures go (bench/results/<time>.json)
  --help              show this

OPWRIGHT_PYTHON names the Python that has PyTorch (python3).`;

/** The options, or an exit with the usage: status 0 for --help, 2 for a mistake. */
export function readOptions(args: readonly string[]): Options {
  try {
    const values = parse(args);
    if (values.help) leave(usage, 0);
    return {
      filter: listOf(values.filter).map((word) => word.toLowerCase()),
      rounds: count('rounds', values.rounds),
      threads: values.threads === undefined ? availableParallelism() : count('threads', values.threads),
      peers: values.tiers
        ? tierNames
        : values.peers !== undefined
          ? readPeers(values.peers)
          : values.survey
            ? ['torch']
            : peerNames,
      json: values.json,
      markdown: values.markdown,
      epoch: values.epoch,
      tiers: values.tiers,
      survey: values.survey,
    };
  } catch (error) {
    return leave(`${error instanceof Error ? error.message : error}\n\n${usage}`, 2);
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      filter: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
      threads: { type: 'string' },
      peers: { type: 'string' },
      tiers: { type: 'boolean', default: false },
      survey: { type: 'boolean', default: false },
      epoch: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

function readPeers(text: string): PeerName[] {
  if (text === 'none') return [];
  return listOf(text).map((word) => {
    const known = peerNames.find((name) => name === word);
    if (known === undefined) throw new Error(`--peers knows ${peerNames.join(', ')}, not '${word}'.`);
    return known;
  });
}

const listOf = (text: string): string[] => text.split(',').filter((word) => word !== '');

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be an integer of at least 1, not '${text}'.`);
  return value;
}

function leave(text: string, status: number): never {
  (status === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  process.exit(status);
}
