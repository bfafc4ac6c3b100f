/**
 * `npm run bench:gpu`: ours on a GPU against PyTorch on the same one, in paired rounds, timed by events; and what compiling costs.
 * The driver's own copy says what the GPU's memory can do.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cuda, OpwrightError, setDevice } from '../../entry/index.js';
import type { Contender } from '../contenders/contender.js';
import { openTorch } from '../contenders/torch.js';
import { measureCase } from '../measure.js';
import { projectRoot } from '../paths.js';
import { describeMachine, Table } from '../report.js';
import { gpuCases } from './cases.js';
import { copyRate } from './copy-rate.js';
import { describeFirstCalls, measureFirstCalls } from './first-call.js';
import { openOursOn } from './ours.js';

const usage = `Usage: npm run bench:gpu -- [options]

  --device <name>     cuda, or cuda:1 (cuda)
  --filter <words>    only cases whose name contains one of these words, separated by commas
  --most <n>          only cases with at most n elements in an input (2^26)
  --rounds <n>        rounds a case (7)
  --no-torch          ours alone
  --cublas            also ours with products by cuBLAS, for the table of cublas-use.ts (--filter matmul)
  --markdown          print the table as Markdown
  --json <path>       where the figures go (bench/results/gpu-<time>.json)
  --help              show this

OPWRIGHT_PYTHON names the Python that has PyTorch for CUDA (python3).`;

const { values } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda' },
    filter: { type: 'string', default: '' },
    most: { type: 'string', default: `${2 ** 26}` },
    rounds: { type: 'string', default: '7' },
    'no-torch': { type: 'boolean', default: false },
    cublas: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(usage);
else {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof OpwrightError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}
// The peer keeps handles that would hold the process.
process.exit();

async function main(): Promise<void> {
  setDevice(values.device);
  const index = Number(values.device.split(':')[1] ?? 0);
  const words = values.filter.toLowerCase().split(',');
  const cases = gpuCases(Number(values.most)).filter(({ name }) => words.some((word) => name.toLowerCase().includes(word)));
  const contenders: Contender[] = [openOursOn(index, 'ours'), ...(values.cublas ? [openOursOn(index, 'cublas')] : [])];
  const head = [`${new Date().toISOString().slice(0, 10)}, ${describeMachine()}, Node ${process.versions.node}`];
  if (!values['no-torch']) {
    try {
      contenders.push(await openTorch(process.env.OPWRIGHT_PYTHON ?? 'python3', { on: values.device }));
    } catch (error) {
      head.push(`PyTorch takes no part: ${error instanceof Error ? error.message : error}`);
    }
  }
  const copy = await copyRate(values.device, Math.min(Number(values.most) * 4, 256 << 20));
  const firstCalls = measureFirstCalls(values.device);
  head.push(...contenders.map(({ description }) => description));
  head.push(`copy by the driver: ${copy.toFixed(0)} GB/s`, describeFirstCalls(firstCalls));
  console.log(`${head.join('\n')}\n`);
  const table = new Table(
    contenders.map(({ name }) => name),
    values.markdown,
    { copy: () => copy },
  );
  console.log(table.head());
  const results = [];
  for (const one of cases) {
    const result = await measureCase(one, contenders, Number(values.rounds));
    results.push(result);
    console.log(table.row(result, one));
    for (const [name, reason] of Object.entries(result.failures)) process.stderr.write(`  ${name} failed: ${reason}\n`);
  }
  for (const contender of contenders) await contender.close();
  const stamp = new Date().toISOString().slice(0, 16).replaceAll(/[T:]/g, '-');
  const path = resolve(values.json ?? join(projectRoot, 'bench', 'results', `gpu-${stamp}.json`));
  mkdirSync(dirname(path), { recursive: true });
  const properties = cuda.deviceProperties(index);
  writeFileSync(path, `${JSON.stringify({ head, properties, copy, firstCalls, results }, null, 2)}\n`);
  console.log(`\nwritten to ${path}`);
}
