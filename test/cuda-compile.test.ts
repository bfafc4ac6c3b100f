/**
 * What NVRTC says to the CUDA text of the kernels that the spec's samples cause, values and gradients: each compiles for every
 * architecture, and stays within a budget of registers and of what it spills of them, where ptxas is there to tell.
 *
 * A short run compiles every eighth kernel for sm_90, and those that multiply tiles or look for peers for every architecture; OPWRIGHT_FULL=1 all of them for
 * all. Where NVRTC is looked for is support/nvrtc.ts's.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { grad, noGrad, sort, tidy, zeros } from '../entry/index.js';
import { cudaC } from '../kernels/c/dialect.js';
import { cudaFlags, flagsOf } from '../kernels/c/options.js';
import { printModule } from '../kernels/c/printer.js';
import type { Kernel } from '../kernels/ir.js';
import { groupGemmKernel, type Lies } from '../kernels/lower/group-gemm.js';
import { tensorCoreGemmKernel } from '../kernels/lower/group-gemm-tensor-cores.js';
import { makeDefault } from '../runtime/devices/registry.js';
import { OpwrightError } from '../runtime/errors.js';
import { CollectingDevice } from './collecting-device.js';
import { fullRun, loadCases, type OpCase, shards } from './matrix/cases.js';
import { differentiableLeaves, leafTensor } from './matrix/differentiate.js';
import { call, makeArguments, sampleElements, withArguments } from './matrix/invoke.js';
import { findNvrtc } from './support/nvrtc.js';
import { sortedDtypes } from './support/sorting.js';

/** Turing, Ampere, Hopper, and both kinds of Blackwell. */
const wanted = [75, 80, 90, 100, 120];
const usual = 90;
/** Kernels of one text: NVRTC takes as long to start as for several of them. */
const together = 24;
/** Of how many kernels a short run takes one. */
const oneOf = 8;
/** Of a thread; with blocks of 256 a GPU has no more for it. */
const mostRegisters = 255;
/** Bytes of registers that a thread may keep in memory: ptxas puts a few away where it so gains room for another block, 36 at most (13.0). */
const mostSpilled = 40;

const { nvrtc, attempts } = findNvrtc();
const withNvrtc = nvrtc === undefined ? test.serial.skip : test.serial;
const withPtxas = nvrtc === undefined || spawnSync('ptxas', ['--version']).status !== 0 ? test.serial.skip : test.serial;

/** The kernels that calls of the samples and their gradients need, each under a name of its own. */
function kernelsOfSamples(): readonly Kernel[] {
  const device = new CollectingDevice();
  makeDefault(device);
  for (let shard = 0; shard < shards; shard++)
    for (const one of loadCases(shard)) for (const place of one.samples.keys()) trace(one, place);
  for (const kernel of products()) device.compile(kernel);
  for (const dtype of sortedDtypes) tidy(() => sort(zeros([longRow], { dtype })).dataSync());
  return [...device.kernels.values()].map((kernel, number) => ({ ...kernel, name: `${kernel.name}_${number}` }));
}

/** Samples are sorted by ranks. */
const longRow = 3000;

/** Products in all forms: samples have float32 only, and small ones. */
function products(): readonly Kernel[] {
  const directions: readonly Lies[] = ['along', 'across', 'apart'];
  const forms = directions.flatMap((lies) =>
    (['small', 'large'] as const).flatMap((size) => [{ a: lies, b: lies, size }, { a: 'along', b: lies, size } as const]),
  );
  return forms.flatMap((form) => [
    ...(['float32', 'float64'] as const).map((storage) => groupGemmKernel({ ...form, storage, outStorage: storage })),
    ...(['float16', 'bfloat16'] as const).map((element) => tensorCoreGemmKernel({ ...form, element, outStorage: element })),
    tensorCoreGemmKernel({ ...form, element: 'tf32', outStorage: 'float32' }),
  ]);
}

function trace(one: OpCase, place: number): void {
  const { inputs, attrs } = one.samples[place]!;
  const elements = sampleElements(one.op, place, inputs);
  withArguments(makeArguments(elements), (given) => {
    const leaves = differentiableLeaves(one, elements).map((leaf) => leafTensor(given, leaf));
    for (const leaf of leaves) leaf.stopGradient = false;
    try {
      const results = leaves.length === 0 ? noGrad(() => call(one, given, attrs)) : call(one, given, attrs);
      for (const result of results) if (!result.stopGradient) grad(result, leaves, { allowUnused: true, retainGraph: true });
    } catch (error) {
      // What depends on elements that are all 0 here may be refused.
      if (!(error instanceof OpwrightError)) throw error;
    }
  });
}

const kernels = nvrtc === undefined ? [] : kernelsOfSamples();
const uses = (kernel: Kernel, construct: string): boolean => JSON.stringify(kernel.body).includes(`"${construct}"`);
/** Kernels with what differs between architectures. */
const special = (kernel: Kernel): boolean => uses(kernel, 'multiplyTiles') || uses(kernel, 'peers');
const chosen = fullRun ? kernels : kernels.filter((kernel, number) => number % oneOf === 0 || special(kernel));
const options = flagsOf(cudaFlags);

function* inBatches(all: readonly Kernel[]): Generator<readonly Kernel[]> {
  for (let at = 0; at < all.length; at += together) yield all.slice(at, at + together);
}

withNvrtc('the samples cause kernels of every kind', (t) => {
  const names = new Set(kernels.map(({ name }) => name.replace(/_\d+$/, '')));
  for (const name of ['fused_flat', 'fused_map', 'fused_row', 'cumsum', 'gather', 'moveDigits', 'firstOfStretches'])
    t.true(names.has(name), name);
  t.true(kernels.filter(({ group }) => group !== undefined).length > kernels.length / 2);
  t.log(`${kernels.length} kernels, of which ${chosen.length} are compiled`);
});

for (const architecture of wanted)
  withNvrtc(`kernels compile for sm_${architecture}`, (t) => {
    if (!nvrtc!.architectures.includes(architecture)) {
      t.log(`${nvrtc!.library.path} does not know sm_${architecture}`);
      t.pass();
      return;
    }
    const own = fullRun || architecture === usual ? chosen : chosen.filter(special);
    for (const batch of inBatches(own)) {
      const compiled = nvrtc!.compile(printModule(batch, cudaC), { number: architecture, image: 'cubin' }, options);
      if ('log' in compiled) t.fail(compiled.log.slice(0, 2000));
    }
    t.log(`${own.length} kernels`);
    t.pass();
  });

/** What ptxas says of a kernel. */
interface Use {
  readonly name: string;
  readonly registers: number;
  readonly spilled: number;
}

function usesOf(batch: readonly Kernel[], folder: string): Use[] {
  const compiled = nvrtc!.compile(printModule(batch, cudaC), { number: usual, image: 'ptx' }, options);
  if ('log' in compiled) throw new Error(compiled.log);
  const file = join(folder, 'kernels.ptx');
  writeFileSync(file, compiled.image.subarray(0, compiled.image.indexOf(0)));
  const command = ['-v', `-arch=sm_${usual}`, file, '-o', join(folder, 'kernels.cubin')];
  const { status, stderr } = spawnSync('ptxas', command, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.slice(0, 2000));
  return [...stderr.matchAll(/Function properties for (\w+)\n([\s\S]*?Used (\d+) registers)/g)].map(
    ([, name = '', text = '', registers]) => ({
      name,
      registers: Number(registers),
      spilled: Number(/(\d+) bytes spill stores/.exec(text)?.[1] ?? 0),
    }),
  );
}

withPtxas('kernels stay within the budget of registers and spills', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'opwright-ptx-'));
  try {
    const batches = [...inBatches(fullRun ? chosen : chosen.slice(0, 2 * together))];
    const uses = batches.flatMap((batch) => usesOf(batch, folder)).sort((left, right) => right.registers - left.registers);
    const spilling = uses.filter(({ spilled }) => spilled > 0);
    const textOf = ({ name, registers, spilled }: Use): string => `${name}: ${registers} registers, ${spilled} bytes spilled`;
    t.log(`${uses.length} kernels; half use ${uses[uses.length >> 1]?.registers} registers or more, ${spilling.length} spill`);
    for (const use of new Set([...uses.slice(0, 3), ...spilling])) t.log(textOf(use));
    const beyond = uses.filter(({ registers, spilled }) => registers > mostRegisters || spilled > mostSpilled);
    t.deepEqual(beyond.map(textOf), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

if (nvrtc === undefined)
  test('NVRTC is not there: no kernel was compiled with it', (t) => {
    t.log(attempts.map(({ path, problem }) => `${path}: ${problem}`).join('\n'));
    t.pass();
  });
