/**
 * `opwright doctor`: what this machine offers to the library, and what to do about what it lacks. It only looks: it compiles nothing,
 * opens no device, and says of drivers and libraries that they are there, not that they work.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { availableParallelism, homedir, totalmem } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fma, forItems, kernel, load, store, vectorType } from '../../kernels/build.js';
import { compileWasm } from '../../kernels/wasm/compile.js';
import { type Command, commonOptions, exitCodes, expectAtMost, parseArguments } from './command.js';
import { indented, table } from './format.js';

const options = { ...commonOptions };

export const command: Command = {
  help: {
    name: 'doctor',
    arguments: '',
    description:
      'Looks for what the library needs (a recent Node with WebAssembly SIMD and shared memory), for what it can use (threads, fused\n' +
      'multiply-add), and for compilers and CUDA. Exits with 1 only if something that it needs is missing.',
    examples: ['opwright doctor', 'opwright doctor --json'],
    options,
  },
  run(args) {
    const { positionals } = parseArguments(options, args);
    expectAtMost(0, positionals);
    const findings = examine();
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

function examine(): readonly Finding[] {
  return [nodeVersion(), simd(), sharedMemory(), relaxedSimd(), threads(), compiler(), cudaDriver(), nvrtc(), cacheFolder()];
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

function compiler(): Finding {
  const what = 'C compiler';
  const candidates = [...new Set([process.env.CC || 'gcc', 'gcc', 'clang', 'cc'])];
  const found = candidates.flatMap((name) => {
    // Without a shell: a name is a program and nothing else.
    const { status, stdout } = spawnSync(name, ['--version'], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return status === 0 ? [`${name}: ${stdout.split('\n')[0]?.trim() ?? ''}`] : [];
  });
  const advice = 'Not used by this version, which runs all kernels as WebAssembly: nothing needs to be done.';
  if (found.length > 0) return { what, state: 'found', found: found.join('; '), advice };
  return { what, state: 'absent', found: `none of ${candidates.join(', ')}`, advice };
}

function cudaDriver(): Finding {
  const what = 'CUDA driver';
  const file = firstLibrary(process.platform === 'win32' ? /^nvcuda\.dll$/ : /^libcuda\.so(\.1)?$/);
  if (file !== undefined) return { what, state: 'found', found: file, advice: noCuda };
  return { what, state: 'absent', found: 'no libcuda in the usual folders', advice: noCuda };
}

function nvrtc(): Finding {
  const what = 'NVRTC';
  const file = firstLibrary(process.platform === 'win32' ? /^nvrtc64_.*\.dll$/ : /^libnvrtc\.so(\.\d+)*$/);
  if (file !== undefined) return { what, state: 'found', found: file, advice: noCuda };
  return { what, state: 'absent', found: 'no libnvrtc in the usual folders', advice: noCuda };
}

const noCuda = 'Not used by this version, whose only device is the cpu: nothing needs to be done.';

function firstLibrary(pattern: RegExp): string | undefined {
  for (const folder of libraryFolders()) {
    const name = filesOf(folder).find((file) => pattern.test(file));
    if (name !== undefined) return join(folder, name);
  }
  return undefined;
}

/** Where drivers and toolkits put libraries, those that the environment names first. */
function libraryFolders(): readonly string[] {
  const { LD_LIBRARY_PATH = '', PATH = '', CUDA_PATH = '', CUDA_HOME = '', SystemRoot = 'C:\\Windows' } = process.env;
  const toolkits = [CUDA_HOME, CUDA_PATH].filter((folder) => folder !== '');
  if (process.platform === 'win32')
    return [...toolkits.map((folder) => join(folder, 'bin')), ...PATH.split(delimiter), join(SystemRoot, 'System32')];
  const installed = filesOf('/usr/local')
    .filter((name) => name.startsWith('cuda'))
    .map((name) => join('/usr/local', name));
  const architecture = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [
    ...LD_LIBRARY_PATH.split(delimiter).filter((folder) => folder !== ''),
    ...[...toolkits, ...installed].flatMap((folder) => [join(folder, 'lib64'), join(folder, 'lib'), join(folder, 'compat')]),
    `/usr/lib/${architecture}`,
    '/usr/lib64',
    '/usr/lib',
    '/usr/lib/wsl/lib',
    '/lib64',
  ];
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // A folder that is not there or not ours to read holds nothing for us.
  }
}

function cacheFolder(): Finding {
  const what = 'cache';
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  const folder = join(XDG_CACHE_HOME || LOCALAPPDATA || join(homedir(), '.cache'), 'opwright');
  const nearest = nearestExisting(folder);
  try {
    accessSync(nearest, constants.W_OK);
  } catch {
    const advice = `This version keeps nothing there. A later one would: make ${nearest} writable, or set XDG_CACHE_HOME.`;
    return { what, state: 'absent', found: `${folder} cannot be written`, advice };
  }
  return { what, state: 'found', found: `${folder}${existsSync(folder) ? '' : ' (nothing is kept there yet)'}` };
}

function nearestExisting(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestExisting(dirname(folder));
}
