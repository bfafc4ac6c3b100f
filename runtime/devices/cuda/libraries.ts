/**
 * Where the CUDA driver, NVRTC and cuBLAS are looked for, in this order:
 *
 *  1. what OPWRIGHT_CUDA_DRIVER, OPWRIGHT_NVRTC and OPWRIGHT_CUBLAS_LIBRARY name; then nothing else is tried;
 *  2. for NVRTC and cuBLAS, the folders of a toolkit that CUDA_HOME or CUDA_PATH name;
 *  3. what the system finds by name (LD_LIBRARY_PATH, the linker's cache; PATH on Windows);
 *  4. the folders where drivers and toolkits are installed;
 *  5. for NVRTC and cuBLAS, the wheels of NVIDIA in the site-packages of the active Python environment, of the user and of the system.
 *
 * They may be of the majors 13, 12 and 11; within one place the newest comes first. Whether a library fits the driver and the GPU is
 * decided elsewhere.
 */
import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { OpwrightError } from '../../errors.js';
import { type NativeLibrary, openLibrary } from '../ffi.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A path, or a name that the system looks up, and why it was of no use. */
export interface Attempt {
  readonly path: string;
  readonly problem: string;
}

const windows = process.platform === 'win32';
const multiarch = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';

export function driverCandidates(environment: Environment = process.env): readonly string[] {
  const { OPWRIGHT_CUDA_DRIVER: named } = environment;
  if (isSet(named)) return [named];
  if (windows) return ['nvcuda.dll'];
  const folders = [`/usr/lib/${multiarch}`, '/usr/lib64', '/usr/lib', '/usr/lib/wsl/lib'];
  return ['libcuda.so.1', ...folders.map((folder) => join(folder, 'libcuda.so.1'))];
}

/** A library of the toolkit: its names, the newest first, and the folder of the wheels that have it alone. */
interface ToolkitLibrary {
  readonly names: readonly string[];
  readonly wheel: string;
}

/** Of NVRTC there is since 12 one for each major, before that one for each interface. */
const nvrtc: ToolkitLibrary = {
  names: windows
    ? ['nvrtc64_130_0.dll', 'nvrtc64_120_0.dll', 'nvrtc64_112_0.dll', 'nvrtc64_111_0.dll', 'nvrtc64_110_0.dll']
    : ['libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so.11.2', 'libnvrtc.so.11.1', 'libnvrtc.so.11.0'],
  wheel: 'cuda_nvrtc',
};

const cublas: ToolkitLibrary = {
  names: windows
    ? ['cublas64_13.dll', 'cublas64_12.dll', 'cublas64_11.dll']
    : ['libcublas.so.13', 'libcublas.so.12', 'libcublas.so.11'],
  wheel: 'cublas',
};

export function nvrtcCandidates(environment: Environment = process.env): readonly string[] {
  const { OPWRIGHT_NVRTC: named } = environment;
  return isSet(named) ? [named] : toolkitCandidates(nvrtc, environment);
}

export function cublasCandidates(environment: Environment = process.env): readonly string[] {
  const { OPWRIGHT_CUBLAS_LIBRARY: named } = environment;
  return isSet(named) ? [named] : toolkitCandidates(cublas, environment);
}

function toolkitCandidates(library: ToolkitLibrary, environment: Environment): readonly string[] {
  const { CUDA_HOME, CUDA_PATH } = environment;
  const toolkits = [CUDA_HOME, CUDA_PATH].filter(isSet).flatMap(toolkitFolders);
  const installed = windows ? [] : ['/usr/local/cuda', ...foldersIn('/usr/local', /^cuda-\d/)].flatMap(toolkitFolders);
  const system = windows ? [] : [`/usr/lib/${multiarch}`, '/usr/lib64'];
  const wheels = sitePackages(environment).flatMap((site) => wheelFolders(site, library.wheel));
  const inFolder = (folder: string): readonly string[] => namesInFolder(folder, library.names);
  const all = [
    ...toolkits.flatMap(inFolder),
    ...library.names,
    ...[...installed, ...system].flatMap(inFolder),
    ...wheels.flatMap(inFolder),
  ];
  return [...new Set(all)];
}

/** Opens the first candidate that can be opened, and says what was tried before. */
export function openFirst(candidates: readonly string[]): {
  readonly library?: NativeLibrary;
  readonly attempts: readonly Attempt[];
} {
  const attempts: Attempt[] = [];
  for (const path of candidates) {
    const opened = tryToOpen(path);
    if (!('problem' in opened)) return { library: opened, attempts };
    attempts.push(opened);
  }
  return { attempts };
}

export function tryToOpen(path: string): NativeLibrary | Attempt {
  try {
    return openLibrary(path);
  } catch (error) {
    if (error instanceof OpwrightError) return { path, problem: reasonOf(error) };
    throw error;
  }
}

/** What the system says: the path stands beside it. */
function reasonOf({ cause, summary }: OpwrightError): string {
  const [line = ''] = cause instanceof Error ? cause.message.split('\n') : [];
  return line === '' ? summary : line.replace('Failed to load shared library: ', '');
}

/** One line for each attempt, for the error that nothing was found. */
export function describeAttempts(attempts: readonly Attempt[]): string {
  return attempts.map(({ path, problem }) => `${path} (${problem})`).join('; ');
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';

const toolkitFolders = (root: string): readonly string[] =>
  windows ? [join(root, 'bin', 'x64'), join(root, 'bin')] : [join(root, 'lib64'), join(root, 'lib')];

/** Where wheels of NVIDIA are installed: a folder for each toolkit since 13, one for each library before that. */
const wheelFolders = (site: string, own: string): readonly string[] =>
  foldersIn(join(site, 'nvidia'), new RegExp(`^(cu1\\d|${own})$`)).map((folder) => join(folder, windows ? 'bin' : 'lib'));

function sitePackages({ VIRTUAL_ENV, CONDA_PREFIX, APPDATA }: Environment): readonly string[] {
  const environments = [VIRTUAL_ENV, CONDA_PREFIX].filter(isSet);
  if (windows) {
    const user = isSet(APPDATA) ? foldersIn(join(APPDATA, 'Python'), /^Python3/) : [];
    return [...environments.map((root) => join(root, 'Lib')), ...user].map((folder) => join(folder, 'site-packages'));
  }
  const roots = [...environments, join(homedir(), '.local'), '/usr/local', '/usr'];
  return roots
    .flatMap((root) => foldersIn(join(root, 'lib'), /^python3/))
    .flatMap((folder) => [join(folder, 'site-packages'), join(folder, 'dist-packages')]);
}

/** Where a folder has none, the newest name stands for the attempt. */
function namesInFolder(folder: string, names: readonly string[]): readonly string[] {
  const present = new Set(namesIn(folder));
  const found = names.filter((name) => present.has(name));
  return (found.length > 0 ? found : names.slice(0, 1)).map((name) => join(folder, name));
}

/** The newest first, as far as names tell. */
function foldersIn(folder: string, pattern: RegExp): readonly string[] {
  return namesIn(folder)
    .filter((name) => pattern.test(name))
    .toSorted((left, right) => right.localeCompare(left, 'en', { numeric: true }))
    .map((name) => join(folder, name));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // A folder that is not there or not ours to read holds nothing for us.
  }
}
