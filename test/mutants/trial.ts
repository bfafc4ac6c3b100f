/** Shows one mutant to the tests of its plan, in processes of their own, and says what came of it. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { applyEdits, type Mutant, type Plan, type Verdict } from './mutant.js';
import type { Planted } from './plant.js';
import type { Failure } from './run-matrix.js';

export const dist = fileURLToPath(new URL('../../', import.meta.url));
const plant = join(dist, 'test', 'mutants', 'plant.js');
const runMatrix = join(dist, 'test', 'mutants', 'run-matrix.js');
const ava = join('node_modules', 'ava', 'entrypoints', 'cli.mjs');

/** What a process may take that takes a tenth of it when all is well; longer is a hang, which is a failure too. */
const secondsForOp = 20;
const secondsForSuite = 150;

/** `folder` takes the mutant's text while it is tested. */
export async function tryMutant({ file, edits, plan }: Mutant, folder: string, worker: number): Promise<Verdict> {
  const path = join(dist, file);
  const source = join(folder, `mutant-${worker}.js`);
  writeFileSync(source, applyEdits(readFileSync(path, 'utf8'), edits));
  try {
    return await showTo(plan, { module: pathToFileURL(path).href, source });
  } finally {
    rmSync(source);
  }
}

/** The tests of a plan, with a mutant planted or, to see that they hold, without one. */
export async function showTo({ ops, first = [], suites = [] }: Plan, planted: Planted | null): Promise<Verdict> {
  if (ops.length > 0) {
    const limit = secondsForOp + 5 * ops.length;
    const verdict = matrixVerdict(await runNode(planted, [runMatrix, ops.join(), first.join()], limit));
    if (verdict.outcome !== 'survived') return verdict;
  }
  for (const suite of suites) {
    const file = join(dist, 'test', `${suite}.test.js`);
    const verdict = suiteVerdict(suite, await runNode(planted, [ava, '--fail-fast', '--no-color', file], secondsForSuite));
    if (verdict.outcome !== 'survived') return verdict;
  }
  return survived;
}

const survived: Verdict = { outcome: 'survived', by: '', message: '' };
/** Edits that make no sense: the text does not parse, or reads a name that there is not. */
const senseless = /SyntaxError|ReferenceError/;

interface Ended {
  readonly code: number | null;
  readonly hung: boolean;
  readonly output: string;
}

function matrixVerdict({ code, hung, output }: Ended): Verdict {
  if (hung) return { outcome: 'killed', by: 'hang', message: '' };
  if (code !== 0) return killedBy('crash', lastLines(output));
  const line = output.split('\n').find((one) => one.startsWith('{"op":'));
  if (line === undefined) return survived;
  const { op, check, message }: Failure = JSON.parse(line);
  return killedBy(check, `${op}: ${message}`);
}

function suiteVerdict(suite: string, { code, hung, output }: Ended): Verdict {
  if (hung) return { outcome: 'killed', by: 'hang', message: suite };
  return code === 0 ? survived : killedBy(`${suite}.test`, lastLines(output));
}

const killedBy = (by: string, message: string): Verdict => ({
  outcome: senseless.test(message) ? 'invalid' : 'killed',
  by,
  message,
});

const lastLines = (output: string): string => output.trim().split('\n').slice(-25).join('\n');

function runNode(planted: Planted | null, args: readonly string[], limit: number): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // The faults are in what every machine has: kernels that a C compiler made would hide them.
    const env = { ...process.env, OPWRIGHT_NATIVE: '0' };
    const faulty = { ...env, NODE_OPTIONS: `--import=${pathToFileURL(plant).href}`, OPWRIGHT_MUTANT: JSON.stringify(planted) };
    // A group of its own, so that a hanging test runner goes with its children.
    const child = spawn(process.execPath, args, {
      env: planted === null ? env : faulty,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let hung = false;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += String(part)));
    const timer = setTimeout(() => {
      hung = true;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, limit * 1000);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, hung, output });
    });
  });
}
