/**
 * The C compiler of the native tier: which one is used, what it can do on this processor, and how it is run. It is OPWRIGHT_CC alone if
 * that is set, else the first of gcc, clang and cc on PATH that passes the trial. What was found is remembered in the kernel cache
 * for as long as the compiler's file and the processor stay what they are, so that later processes start no program to find out.
 *
 * Settings: OPWRIGHT_CC, a program's name or path; OPWRIGHT_MARCH, a target such as x86-64-v3 in place of `native`; OPWRIGHT_CC_TIMEOUT,
 * the seconds that one run may take (60).
 */
import { accessSync, constants, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve } from 'node:path';
import { compilerFlags, flagsOf, linkerFlags } from '../../../../kernels/c/options.js';
import { formatValue, OpwrightError } from '../../../errors.js';
import { digest } from '../../cache-folder.js';
import { cacheKey, type KernelCache, kernelCache } from '../../kernel-cache.js';
import { processorIdentity } from './processor.js';
import { runTool, ToolFailure } from './run-tool.js';
import { runTrial, trialProgram, trialSource } from './trial.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A compiler that turned the trial into code that runs here. */
export class Compiler {
  constructor(
    /** An absolute path. */
    readonly path: string,
    private readonly abilities: Abilities,
    private readonly milliseconds: number,
  ) {}

  /** `gcc 12.2.0`. */
  get version(): string {
    return this.abilities.version;
  }

  /** `-march=native`, or what stands in its place. */
  get machineFlags(): readonly string[] {
    return this.abilities.machineFlags;
  }

  /** The width of the vectors that kernels are printed with: 64, 32 or 16. */
  get vectorBytes(): number {
    return this.abilities.vectorBytes;
  }

  /** All that compiled code depends on but its source: the compiler's version, its flags and the features it compiles for. */
  get identity(): string {
    const { version, features, machineFlags } = this.abilities;
    return [version, features, ...optionsWith(machineFlags), ...flagsOf(linkerFlags)].join(' ');
  }

  /** Compiles C source to a shared library. Throws a NativeCompileError. */
  build(source: string, outputPath: string): void {
    compileWith(this.path, this.machineFlags, source, outputPath, 'library', this.milliseconds);
  }
}

/** Why there is no compiler. */
export class CompilerProblem {
  constructor(
    /** Full sentences: what was tried, and what came of it. */
    readonly problem: string,
    readonly remedy: string,
  ) {}
}

/** The compiler did not accept a source, or did not do what it said. */
export class NativeCompileError extends OpwrightError {
  constructor(
    path: string,
    failure: string,
    /** The first lines of what the compiler said. */
    readonly log: string,
  ) {
    super('NATIVE_COMPILE', `${path} ${failure}.${log === '' ? '' : `\n${log}`}`, {
      remedy: 'Set OPWRIGHT_NATIVE=0 to do without native code, or OPWRIGHT_CC to another compiler.',
    });
  }
}

/** The compiler to use, or why there is none. Throws INVALID_ARGUMENT where a setting makes no sense, and nothing else. */
export function findCompiler(
  cache: KernelCache = kernelCache(),
  environment: Environment = process.env,
): Compiler | CompilerProblem {
  const settings = readSettings(environment);
  const outcomes: string[] = [];
  const seen = new Set<string>();
  for (const name of settings.names) {
    const path = lookUp(name, environment.PATH ?? '');
    if (path === undefined) {
      outcomes.push(`${name} is not there`);
      continue;
    }
    try {
      // The names often stand for one file.
      const file = realpathSync(path);
      if (seen.has(file)) continue;
      seen.add(file);
      return new Compiler(path, recall(path, file, settings, cache), settings.milliseconds);
    } catch (error) {
      outcomes.push(`${path}: ${reasonOf(error)}`);
    }
  }
  return new CompilerProblem(`There is no C compiler that can be used (${outcomes.join('; ')}).`, settings.remedy);
}

// ---- Settings

interface Settings {
  /** The programs to try, in order. */
  readonly names: readonly string[];
  /** The flags that say which processor code is for: the first that the compiler takes are used. */
  readonly machines: readonly (readonly string[])[];
  readonly milliseconds: number;
  readonly remedy: string;
}

const defaultSeconds = 60;
/** A compiler needs a tenth of a second for the trial. */
const trialMilliseconds = 20_000;

function readSettings({ OPWRIGHT_CC = '', OPWRIGHT_MARCH = '', OPWRIGHT_CC_TIMEOUT = '' }: Environment): Settings {
  const seconds = OPWRIGHT_CC_TIMEOUT === '' ? defaultSeconds : Number(OPWRIGHT_CC_TIMEOUT);
  if (!(seconds > 0 && seconds <= 3600)) throw badSetting('OPWRIGHT_CC_TIMEOUT', OPWRIGHT_CC_TIMEOUT, 'seconds, up to 3600');
  if (!/^[\w.+-]*$/.test(OPWRIGHT_MARCH)) throw badSetting('OPWRIGHT_MARCH', OPWRIGHT_MARCH, 'a value of -march');
  const chosen = OPWRIGHT_CC !== '';
  return {
    names: chosen ? [OPWRIGHT_CC] : ['gcc', 'clang', 'cc'],
    // Compilers for ARM may know the second only; code for any processor of the architecture is better than none.
    machines: OPWRIGHT_MARCH === '' ? [['-march=native'], ['-mcpu=native'], []] : [[`-march=${OPWRIGHT_MARCH}`]],
    milliseconds: seconds * 1000,
    remedy: chosen
      ? 'Set OPWRIGHT_CC to a working GCC or Clang, or unset it; OPWRIGHT_NATIVE=0 does without native code.'
      : 'Install GCC or Clang (apt install gcc libc6-dev), or set OPWRIGHT_CC to one; without it all kernels run as WebAssembly.',
  };
}

function badSetting(argument: string, value: string, rule: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', `${argument} is ${formatValue(value)}.`, { argument, rule });
}

/** The absolute path of a program. Relative entries of PATH are left out: what they name depends on where one stands. */
function lookUp(name: string, searchPath: string): string | undefined {
  const isPath = name.includes('/') || isAbsolute(name);
  const candidates = isPath
    ? [resolve(name)]
    : searchPath
        .split(delimiter)
        .filter(isAbsolute)
        .flatMap((folder) => (process.platform === 'win32' ? [join(folder, `${name}.exe`)] : [join(folder, name)]));
  return candidates.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

// ---- What a compiler can do

interface Abilities {
  readonly version: string;
  readonly machineFlags: readonly string[];
  readonly vectorBytes: number;
  /** A digest of all macros that the compiler predefines: they tell its version and every feature of the target. */
  readonly features: string;
}

/** What was found by an earlier process, or is found now. Throws what the trial throws. */
function recall(path: string, file: string, settings: Settings, cache: KernelCache): Abilities {
  const { size, mtimeMs } = statSync(file);
  const key = cacheKey({
    what: 'compiler',
    compiler: [path, file, size, mtimeMs].join('\n'),
    processor: processorIdentity(),
    options: [settings.machines, flagsOf(compilerFlags), flagsOf(linkerFlags)].join('\n'),
  });
  const remembered = cache.entry(key, 'json', (output) => {
    writeFileSync(output, JSON.stringify(examine(path, settings, dirname(output))));
  });
  return JSON.parse(readFileSync(remembered, 'utf8'));
}

/** Asks the compiler about itself and lets it compile the trial. Throws an error whose message says what is wrong with it. */
function examine(path: string, settings: Settings, folder: string): Abilities {
  const milliseconds = Math.min(trialMilliseconds, settings.milliseconds);
  const abilities = describe(path, settings.machines, folder, milliseconds);
  const { machineFlags, vectorBytes } = abilities;
  const program = join(folder, 'trial.program');
  compileWith(path, machineFlags, trialProgram(vectorBytes), program, 'program', milliseconds);
  runProgram(program, milliseconds, folder);
  const library = join(folder, 'trial.library');
  compileWith(path, machineFlags, trialSource(vectorBytes), library, 'library', milliseconds);
  if (!runTrial(library)) throw new Error('the library that it compiled computes wrong results');
  return abilities;
}

function describe(path: string, machines: Settings['machines'], folder: string, milliseconds: number): Abilities {
  let refusal: unknown;
  for (const machineFlags of machines) {
    try {
      const printed = runTool({ path, args: [...machineFlags, '-dM', '-E', '-x', 'c', '-'], milliseconds, folder });
      return abilitiesFrom(printed, machineFlags);
    } catch (error) {
      refusal ??= error;
      // It said no, and may say yes to less. Anything else will not get better.
      if (!(error instanceof ToolFailure && error.message.startsWith('ended with'))) break;
    }
  }
  throw refusal;
}

function abilitiesFrom(printed: string, machineFlags: readonly string[]): Abilities {
  const lines = printed.split('\n').filter((line) => line.startsWith('#define '));
  const macros = new Map(lines.map((line) => [line.split(' ', 2)[1] ?? '', line.replace(/^#define \S+ ?/, '')]));
  if (!macros.has('__GNUC__')) throw new Error('it is neither GCC nor Clang');
  if (macros.get('__SIZEOF_POINTER__') !== '8') throw new Error('it does not compile for 64 bits');
  const wide = ['__AVX512F__', '__AVX512VL__', '__AVX512BW__', '__AVX512DQ__'].every((name) => macros.has(name));
  const version = (macros.get('__VERSION__') ?? '').replaceAll('"', '').trim();
  return {
    version: macros.has('__clang__') ? version : `gcc ${version}`,
    machineFlags,
    vectorBytes: wide ? 64 : macros.has('__AVX2__') ? 32 : 16,
    features: digest(lines.toSorted().join('\n')),
  };
}

// ---- Running it

function compileWith(
  path: string,
  machineFlags: readonly string[],
  source: string,
  output: string,
  kind: 'library' | 'program',
  milliseconds: number,
): void {
  const linking = flagsOf(linkerFlags).filter((flag) => kind === 'library' || flag !== '-shared');
  const args = [...optionsWith(machineFlags), '-x', 'c', '-', '-o', output, ...linking];
  try {
    runTool({ path, args, input: source, milliseconds, folder: dirname(output) });
  } catch (error) {
    if (error instanceof ToolFailure) throw new NativeCompileError(path, error.message, firstLines(error.log));
    throw error;
  }
  if ((statSync(output, { throwIfNoEntry: false })?.size ?? 0) === 0) {
    throw new NativeCompileError(path, 'ended with 0 but wrote nothing', '');
  }
}

/** The flags of every compilation, for the processor that was settled on. */
function optionsWith(machineFlags: readonly string[]): readonly string[] {
  return flagsOf(compilerFlags).flatMap((flag) => (flag === '-march=native' ? machineFlags : [flag]));
}

/** The program that a compiler made has to end with 0. */
function runProgram(path: string, milliseconds: number, folder: string): void {
  try {
    runTool({ path, args: [], milliseconds, folder });
  } catch (error) {
    const reason = reasonOf(error);
    const hint = reason.includes('EACCES')
      ? '; if its file system runs no programs (noexec), set OPWRIGHT_CACHE_DIR to another'
      : '';
    throw new Error(`the program that it compiled ${reason}${hint}`, { cause: error });
  }
}

/** An error as a part of a sentence. */
function reasonOf(error: unknown): string {
  if (error instanceof NativeCompileError) return error.summary.replace(/\.?\n/, ': ').replace(/\.$/, '');
  if (error instanceof ToolFailure) return [error.message, firstLines(error.log, 1)].filter((part) => part !== '').join(': ');
  if (error instanceof OpwrightError) return error.summary.replace(/\.$/, '');
  return error instanceof Error ? error.message : String(error);
}

const shownLines = 12;

function firstLines(log: string, count = shownLines): string {
  return log
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, count)
    .map((line) => line.slice(0, 300))
    .join('\n');
}
