/**
 * `npm run bench`: opens the contenders, measures the cases one after the other, prints as it goes and writes the figures.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Case } from './case.js';
import type { Contender, ContenderName, PeerName } from './contenders/contender.js';
import { type Options, readOptions } from './options.js';
import { projectRoot } from './paths.js';
import { describeMachine, formatHead, formatVerdicts, type Run, Table } from './report.js';
import { judge } from './targets.js';

const options = readOptions(process.argv.slice(2));
// The cpu device reads this when it opens, which the cases' modules must not do earlier.
process.env.OPWRIGHT_THREADS = `${options.threads}`;
await main(options);
// Peers keep threads and handles that would hold the process.
process.exit();

async function main(options: Options): Promise<void> {
  const cases = await selectCases(options);
  if (cases.length === 0) {
    process.stderr.write(`No case has a name with ${options.filter.map((word) => `'${word}'`).join(' or ')}.\n`);
    process.exitCode = 2;
    return;
  }
  const { measureCeilings, peaksOf } = await import('./ceilings.js');
  const { measureCase } = await import('./measure.js');
  const { contenders, absent } = await openContenders(options);
  const head: Omit<Run, 'results'> = {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: describeMachine(),
    node: process.versions.node,
    threads: options.threads,
    rounds: options.rounds,
    contenders: Object.fromEntries(contenders.map(({ name, description }) => [name, description])),
    absent,
    ceilings: await measureCeilings(options.threads),
  };
  console.log(`${formatHead(head)}\n`);
  const present = contenders.map(({ name }) => name);
  const table = new Table(present, options.markdown, peaksOf(head.ceilings));
  console.log(table.head());
  const results: Run['results'][number][] = [];
  for (const benchCase of cases) {
    const result = await measureCase(benchCase, contenders, options.rounds);
    results.push(result);
    console.log(table.row(result, benchCase));
    for (const [name, reason] of Object.entries(result.failures)) process.stderr.write(`  ${name} failed: ${reason}\n`);
  }
  for (const contender of contenders) await contender.close();
  const verdicts = judge(results);
  console.log(`\n${formatVerdicts(verdicts, options.markdown)}`);
  const path = resolve(options.json ?? join(projectRoot, 'bench', 'results', `${head.date.replace(/[ :]/g, '-')}.json`));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...head, results, verdicts }, null, 2)}\n`);
  console.log(`\nwritten to ${path}`);
}

async function selectCases(options: Options): Promise<readonly Case[]> {
  const { filter, epoch } = options;
  return (await listedCases(options)).filter(({ name, long }) => {
    const named = filter.length === 0 || filter.some((word) => name.toLowerCase().includes(word));
    return named && (epoch || long !== true);
  });
}

async function listedCases({ tiers, survey }: Options): Promise<readonly Case[]> {
  if (tiers) return (await import('./tier-cases.js')).tierCases;
  if (survey) return (await import('./survey.js')).survey;
  return (await import('./cases/index.js')).cases;
}

/** Ours first: it is what the others' results are compared with. */
async function openContenders({ peers, threads }: Options): Promise<{ contenders: Contender[]; absent: Run['absent'] }> {
  const { openOurs } = await import('./contenders/ours.js');
  const contenders = [openOurs(`opwright, eager, ${threads} threads, outputs recycled, tiers as chosen`)];
  const absent: Partial<Record<ContenderName, string>> = {};
  const fromPackages = peers.some(isPackage);
  const missing = fromPackages ? (await import('./contenders/packages.js')).installPeers() : null;
  for (const name of peers) {
    try {
      if (missing !== null && isPackage(name)) throw new Error(`its packages could not be installed: ${missing}`);
      contenders.push(await openPeer(name, threads));
    } catch (error) {
      absent[name] = error instanceof Error ? error.message : String(error);
    }
  }
  return { contenders, absent };
}

function isPackage(name: PeerName): boolean {
  return name === 'onnxruntime' || name === 'tensorflow' || name === 'jax';
}

async function openPeer(name: PeerName, threads: number): Promise<Contender> {
  switch (name) {
    case 'wasm':
    case 'native':
      return (await import('./contenders/tier.js')).openTier(name, threads);
    case 'torch':
    case 'torch-fresh': {
      const { openTorch } = await import('./contenders/torch.js');
      return openTorch(process.env.OPWRIGHT_PYTHON ?? 'python3', { threads, recycled: name === 'torch' });
    }
    case 'onnxruntime':
      return (await import('./contenders/onnx.js')).openOnnx(threads);
    case 'tensorflow':
      return (await import('./contenders/tensorflow.js')).openTensorFlow();
    case 'jax':
      return (await import('./contenders/jax.js')).openJax();
  }
}
