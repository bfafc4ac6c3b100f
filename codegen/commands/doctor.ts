/**
 * `opwright doctor`: what this machine offers to the library, and what to do about what it lacks. The native tier is opened, as
 * programs do, and so is every GPU.
 */
import { availableParallelism, totalmem } from 'node:os';
import { fma, forItems, kernel, load, store, vectorType } from '../../kernels/build.js';
import { compileWasm } from '../../kernels/wasm/compile.js';
import { type Command, commonOptions, exitCodes, expectAtMost, parseArguments } from './command.js';
import { bytesText, countOf, indented, table } from './format.js';
import { loadMachine, type Machine } from './machine.js';

const options = { ...commonOptions };

export const command: Command = {
  help: {
    name: 'doctor',
    arguments: '',
    description:
      'Looks for what the library needs (a recent Node with WebAssembly SIMD and shared memory), for what it can use (threads, fused\n' +
      'multiply-add, a C compiler, a folder for compiled kernels, a GPU with its driver and NVRTC). Exits with 1 only if something that it needs is missing;\n' +
      'with OPWRIGHT_NATIVE=require, native code is among that.',
    examples: ['opwright doctor', 'opwright doctor --json'],
    options,
  },
  async run(args) {
    const { positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    const findings = examine(await loadMachine());
    const failed = findings.filter(({ state }) => state === 'failed');
    const verdict =
      failed.length === 0
        ? 'Opwright runs on this machine.'
        : `Opwright cannot run on this machine: ${failed.map(({ what }) => what).join(', ')}.`;
    return {
      exitCode: failed.length === 0 ? exitCodes.ok : exitCodes.problems,
      text: [...textOf(findings), '', verdict].join('\n'),
      json: { findings: findings.map((finding) => ({ ...finding })) },
    };
  },
};

type NativeReport = ReturnType<Machine['examineNative']>;
type Missing = Extract<NativeReport['tier'], { readonly problem: string }>;
type UsableGpu = Exclude<ReturnType<Machine['examineCuda']>['gpus'][number]['device'], Missing>;
type CompilerFacts = Exclude<NativeReport['compiler'], Missing>;

interface Finding {
  readonly what: string;
  /** `failed`: the library cannot run. `absent`: it runs, with less. */
  readonly state: 'found' | 'absent' | 'failed';
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

function textOf(findings: readonly Finding[]): readonly string[] {
  const marks = { found: 'ok', absent: '--', failed: '!!' } as const;
  const rows = table(findings.map(({ what, state, found }) => [marks[state], what, found]));
  return findings.flatMap(({ advice }, index) => [
    rows[index] ?? '',
    ...(advice === undefined ? [] : [indented(advice, '      ')]),
  ]);
}

function examine(machine: Machine): readonly Finding[] {
  return [
    ...[nodeVersion(), simd(), sharedMemory(), relaxedSimd(), threads()],
    ...nativeCode(machine),
    cacheFolder(machine),
    ...cuda(machine),
  ];
}

// ---- What is needed

const leastNode = [20, 19] as const;

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const recent = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1]);
  const found = `${process.versions.node}, ${process.platform} ${process.arch}`;
  if (recent) return { what: 'Node', state: 'found', found };
  return { what: 'Node', state: 'failed', found, advice: `Install Node ${leastNode.join('.')} or later.` };
}

interface WebAssemblyHost {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => object;
  validate(bytes: Uint8Array): boolean;
}

/** Node's type declarations leave it out. */
const webAssembly: WebAssemblyHost = Reflect.get(globalThis, 'WebAssembly');

const lanes = vectorType('f32', 4);
const probe = kernel(
  'probe',
  [{ name: 'x', storage: 'float32', access: 'readwrite' }],
  [],
  [forItems('i', (i) => [store('x', i, fma(load(lanes, 'x', i), load(lanes, 'x', i), load(lanes, 'x', i)))])],
);

function simd(): Finding {
  const valid = webAssembly.validate(compileWasm(probe));
  if (valid) return { what: 'WebAssembly SIMD', state: 'found', found: '128-bit vectors' };
  const advice = 'This processor or build of Node has no WebAssembly SIMD; another machine or an official build of Node has.';
  return { what: 'WebAssembly SIMD', state: 'failed', found: 'not supported', advice };
}

const largestPages = 65536;

function sharedMemory(): Finding {
  const what = 'shared memory';
  const pages = [largestPages, largestPages / 2, largestPages / 4, largestPages / 16].find(canReserve);
  if (pages === largestPages) return { what, state: 'found', found: 'up to 4 GiB for tensors' };
  if (pages === undefined) {
    const advice = 'Raise the limit on address space (ulimit -v) or the memory limit of the container.';
    return { what, state: 'failed', found: 'none could be reserved', advice };
  }
  const found = `up to ${pages / 16} MiB for tensors`;
  return { what, state: 'absent', found, advice: 'For the full 4 GiB raise the limit on address space (ulimit -v).' };
}

function canReserve(maximum: number): boolean {
  try {
    new webAssembly.Memory({ initial: 1, maximum, shared: true });
    return true;
  } catch {
    return false;
  }
}

// ---- What can be used

function relaxedSimd(): Finding {
  const what = 'fused multiply-add';
  if (webAssembly.validate(compileWasm(probe, { relaxedSimd: true })))
    return { what, state: 'found', found: 'relaxed SIMD is on' };
  return { what, state: 'absent', found: 'relaxed SIMD is off', advice: 'Matrix products run faster on Node 22 and later.' };
}

function threads(): Finding {
  const count = availableParallelism();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB of memory`;
  if (count > 1) return { what: 'threads', state: 'found', found: `${count}, ${memory}` };
  return {
    what: 'threads',
    state: 'absent',
    found: `1, ${memory}`,
    advice: 'Large kernels are split over threads where there are several.',
  };
}

/** What the native tier stands on, and the tier itself. */
function nativeCode(machine: Machine): readonly Finding[] {
  const { use, compiler, foreignInterface, tier } = machine.examineNative();
  const missing = (what: string, { problem, remedy }: Missing): Finding => ({
    what,
    state: use === 'require' ? 'failed' : 'absent',
    found: problem,
    advice: remedy ?? 'Without it all kernels run as WebAssembly.',
  });
  return [
    'problem' in compiler
      ? missing('C compiler', compiler)
      : { what: 'C compiler', state: 'found', found: compilerText(compiler) },
    'problem' in foreignInterface
      ? missing('library calls', foreignInterface)
      : { what: 'library calls', state: 'found', found: foreignInterfaceText(foreignInterface) },
    'problem' in tier ? missing('native code', stated(tier, [compiler, foreignInterface])) : nativeTier(use, tier),
  ];
}

/** A problem that another finding tells already is not told twice. */
function stated(missing: Missing, others: readonly object[]): Missing {
  const told = others.some((other) => 'problem' in other && other.problem === missing.problem);
  return told ? { problem: 'none, for want of the above', remedy: undefined } : missing;
}

function nativeTier(use: NativeReport['use'], { threads }: { readonly threads: number }): Finding {
  const found: Finding = { what: 'native code', state: 'found', found: `works, with a pool of ${countOf(threads, 'thread')}` };
  if (use !== 'never') return found;
  return { ...found, state: 'absent', advice: 'It is turned off by OPWRIGHT_NATIVE=0; unset that to use it.' };
}

function foreignInterfaceText({ name, version, path }: { name: string; version: string; path: string }): string {
  return `${name} ${version}: ${path}`;
}

function compilerText({ path, version, machineFlags, vectorBytes }: CompilerFacts): string {
  return `${path}: ${[version, ...machineFlags].join(' ')}, vectors of ${8 * vectorBytes} bits`;
}

/** The driver, and of every GPU that it finds whether the library computes on it. */
function cuda(machine: Machine): readonly Finding[] {
  const { driver, gpus } = machine.examineCuda();
  if ('problem' in driver) return [missingCuda('CUDA driver', driver)];
  return [
    { what: 'CUDA driver', state: 'found', found: `CUDA ${driver.version}: ${driver.path}` },
    ...gpus.flatMap(({ properties, device }): Finding[] => {
      const what = `cuda:${properties.index}`;
      const found = `${properties.name}, compute capability ${properties.computeCapability}, ${bytesText(properties.totalMemory)}`;
      const works: Finding =
        'problem' in device
          ? missingCuda(`on ${what}`, device)
          : { what: `on ${what}`, state: 'found', found: usableText(device) };
      return [{ what, state: 'found', found }, works];
    }),
  ];
}

function usableText({ nvrtc, cublas }: UsableGpu): string {
  const products = cublas === undefined ? '' : `; for products there is cuBLAS ${cublas}`;
  return `kernels run, compiled by NVRTC ${nvrtc}${products}`;
}

function missingCuda(what: string, { problem, remedy, rule }: Missing): Finding {
  const advice = [rule, remedy ?? 'Without it everything runs on the cpu.'].filter((line) => line !== undefined).join('\n');
  return { what, state: 'absent', found: problem, advice };
}

function cacheFolder(machine: Machine): Finding {
  const what = 'kernel cache';
  const { folder, entries, bytes, limit, problem } = machine.cache().info();
  if (problem === undefined)
    return {
      what,
      state: 'found',
      found: `${folder}: ${countOf(entries, 'file')}, ${bytesText(bytes)} of at most ${bytesText(limit)}`,
    };
  const advice =
    'Every process compiles its kernels again. Set OPWRIGHT_CACHE_DIR to a folder that you alone can write (mode 700).';
  return { what, state: 'absent', found: `${folder} is not used: ${problem}`, advice };
}
