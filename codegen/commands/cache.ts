/**
 * `opwright cache`: the compiled kernels that are kept on disk. How they are kept is the library's concern; this shows and removes them.
 */

import { type SampleData, sampleData } from '../spec/sample-data.js';
import { type Command, commonOptions, exitCodes, expectAtMost, type Outcome, parseArguments, UsageError } from './command.js';
import { bytesText, countOf, table } from './format.js';
import { loadMachine, type Machine } from './machine.js';
import { loadSpecs } from './spec-files.js';

const options = { ...commonOptions };

const actions = { info, clear, warm } satisfies Readonly<Record<string, (machine: Machine) => Outcome>>;

export const command: Command = {
  help: {
    name: 'cache',
    arguments: '[info | clear | warm]',
    description:
      'Kernels that a C compiler or a GPU toolkit compiled are kept in OPWRIGHT_CACHE_DIR, else $XDG_CACHE_HOME/opwright, else\n' +
      '~/.cache/opwright, up to OPWRIGHT_CACHE_LIMIT (1g). info, which is the default, says what is there; clear removes it; warm compiles\n' +
      'what every program needs and, where there is a GPU, the kernels of all samples of the spec, so that the first program does not wait.',
    examples: ['opwright cache', 'opwright cache clear', 'OPWRIGHT_CACHE_DIR=/opt/kernels opwright cache warm'],
    options,
  },
  async run(args) {
    const { positionals } = parseArguments(options, args);
    expectAtMost(1, positionals);
    const [name = 'info'] = positionals;
    if (!isAction(name)) throw new UsageError(`unknown action '${name}'`, `use ${Object.keys(actions).join(', ')}`);
    return actions[name](await loadMachine());
  },
};

function isAction(name: string): name is keyof typeof actions {
  return Object.hasOwn(actions, name);
}

function info(machine: Machine): Outcome {
  const { folder, entries, bytes, limit, problem } = machine.cache().info();
  const rows = [
    ['folder', folder],
    ['kept', `${countOf(entries, 'file')}, ${bytesText(bytes)} of at most ${bytesText(limit)}`],
    ...(problem === undefined ? [] : [['problem', `${problem}: nothing can be kept`]]),
  ];
  return {
    exitCode: problem === undefined ? exitCodes.ok : exitCodes.problems,
    text: table(rows).join('\n'),
    json: { folder, entries, bytes, limit, problem },
  };
}

function clear(machine: Machine): Outcome {
  const cache = machine.cache();
  const { entries, bytes } = cache.clear();
  const { folder, problem } = cache.info();
  return {
    exitCode: problem === undefined ? exitCodes.ok : exitCodes.problems,
    text:
      problem === undefined
        ? `removed ${countOf(entries, 'file')}, ${bytesText(bytes)}, from ${folder}`
        : `${folder} was left alone: ${problem}`,
    json: { folder, entries, bytes, problem },
  };
}

function warm(machine: Machine): Outcome {
  const { native, gpus } = machine.warm(sampleCalls);
  const compiled = gpus.map(({ name, kernels }) => `${name}: ${countOf(kernels, 'kernel')} compiled`);
  if (!('problem' in native)) {
    const { text, json, ...rest } = info(machine);
    return { ...rest, text: [...compiled, text].join('\n'), json: { ...json, gpus: gpus.map((gpu) => ({ ...gpu })) } };
  }
  const { problem, remedy } = native;
  const text = [...compiled, problem, ...(remedy === undefined ? [] : [remedy])].join('\n');
  return { exitCode: exitCodes.problems, text, json: { problem, remedy, gpus: gpus.map((gpu) => ({ ...gpu })) } };
}

/** Every sample of the spec. */
function* sampleCalls(): Generator<{ readonly op: string } & SampleData> {
  const { model } = loadSpecs({}).checked;
  for (const op of model.ops.values()) for (const sample of op.samples) yield { op: op.name, ...sampleData(model, op, sample) };
}
