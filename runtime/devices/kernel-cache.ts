/**
 * Compiled kernels of any device, kept on disk from one process to the next. The folder is OPWRIGHT_CACHE_DIR, else
 * $XDG_CACHE_HOME/opwright, else ~/.cache/opwright; the entries together stay below OPWRIGHT_CACHE_LIMIT (1g), the ones used longest
 * ago leave first. How entries are written, found and verified is in cache-folder.ts; what is in them only the devices know.
 *
 * Code from this folder is run, so it must be one that nobody else can write: a folder that belongs to another user (root may have
 * filled it), that its group or others can write, or that is a link to somewhere else is refused. Where the folder is refused or
 * cannot be written (read-only, full), kernels go to a private temporary folder that is removed when the process ends, and one warning
 * says why and what to do. Entries of a folder that can be trusted but not written are still used.
 */
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { debugging, report } from '../debug.js';
import { OpwrightError } from '../errors.js';
import { type CacheContents, CacheFolder, digest, type MakeEntry, RemovedMeanwhile } from './cache-folder.js';
import { parseBytes } from './settings.js';

type Environment = Readonly<Record<string, string | undefined>>;

const defaultLimit = 1 << 30;
const nothing: CacheContents = { entries: 0, bytes: 0 };

export interface CacheInfo extends CacheContents {
  readonly folder: string;
  /** The most bytes that are kept. */
  readonly limit: number;
  /** Why new entries go to a temporary folder; undefined where they are kept. */
  readonly problem: string | undefined;
}

/** The cache of this process, for all devices. */
export function kernelCache(): KernelCache {
  processCache ??= openCache();
  return processCache;
}

let processCache: KernelCache | undefined;

/** The cache that an environment asks for. Nothing is read or written before an entry is asked for. */
export function openCache(environment: Environment = process.env): KernelCache {
  return new KernelCache(cacheFolder(environment), readLimit(environment.OPWRIGHT_CACHE_LIMIT));
}

/**
 * The key of an entry, from everything that its contents depend on: source, options, architecture and features of the processor,
 * the compiler and its version. The version of this package is always among them.
 */
export function cacheKey(parts: Readonly<Record<string, string>>): string {
  return digest(JSON.stringify({ ...parts, opwright: packageVersion() }));
}

export class KernelCache {
  #kept: CacheFolder | undefined;
  #temporary: CacheFolder | undefined;
  #problem: string | undefined;
  #opened = false;

  constructor(
    readonly folder: string,
    readonly limit: number = defaultLimit,
  ) {}

  /**
   * The path of the entry of that key, whose contents are verified; it is made first where there is none. Throws what `make` throws,
   * unless the reason is that the folder cannot be written: then `make` is called again for another place.
   */
  entry(key: string, extension: string, make: MakeEntry): string {
    return this.find(key, extension) ?? this.#make(key, extension, make);
  }

  /** The path of the entry of that key, whose contents are verified, if there is one. */
  find(key: string, extension: string): string | undefined {
    return this.#openKept()?.find(key, extension) ?? this.#temporary?.find(key, extension);
  }

  /** Removes an entry that turned out to be of no use, though it is what was put there. */
  discard(path: string): void {
    rmSync(path, { force: true });
  }

  info(): CacheInfo {
    const contents = this.#existing()?.contents() ?? nothing;
    return { folder: this.folder, limit: this.limit, problem: this.#problem, ...contents };
  }

  /** Removes every entry. Gives what was removed. */
  clear(): CacheContents {
    return this.#existing()?.clear() ?? nothing;
  }

  /** Looking is no reason to make a folder. */
  #existing(): CacheFolder | undefined {
    return existsSync(this.folder) ? this.#openKept() : undefined;
  }

  #make(key: string, extension: string, make: MakeEntry): string {
    const kept = this.#keep(key, extension, make, true);
    if (kept !== undefined) return kept;
    this.#temporary ??= new CacheFolder(temporaryFolder(), this.limit);
    return this.#temporary.put(key, extension, make);
  }

  /** Undefined where the folder cannot be written. Where somebody removes it in the meantime, the entry is made once more, in a new one. */
  #keep(key: string, extension: string, make: MakeEntry, mayBeRemoved: boolean): string | undefined {
    if (this.#kept === undefined || this.#problem !== undefined) return undefined;
    try {
      return this.#kept.put(key, extension, make);
    } catch (error) {
      if (mayBeRemoved && error instanceof RemovedMeanwhile) {
        this.#kept = undefined;
        this.#opened = false;
        this.#openKept();
        return this.#keep(key, extension, make, false);
      }
      const problem = this.#kept.writeProblem();
      if (problem === undefined) throw error;
      this.#giveUpKeeping(`it cannot be written (${messageOf(problem)})`);
      return undefined;
    }
  }

  /** The folder that was asked for, if code from it may be run. */
  #openKept(): CacheFolder | undefined {
    if (this.#opened) return this.#kept;
    this.#opened = true;
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      const refusal = refusalOf(this.folder);
      if (refusal === undefined) this.#kept = new CacheFolder(this.folder, this.limit);
      else this.#giveUpKeeping(refusal);
    } catch (error) {
      this.#giveUpKeeping(`it cannot be made (${messageOf(error)})`);
    }
    if (debugging.compile) report('compile', `kernels are kept in ${this.#kept?.path ?? 'a temporary folder'}`);
    return this.#kept;
  }

  #giveUpKeeping(problem: string): void {
    this.#problem = problem;
    const text = `Opwright cannot keep compiled kernels in ${this.folder}: ${problem}. Each process compiles them again.`;
    const remedy = 'Set OPWRIGHT_CACHE_DIR to a folder that you alone can write (mode 700), on a disk with room.';
    process.emitWarning(`${text} ${remedy}`, { type: 'OpwrightWarning', code: 'OPWRIGHT_CACHE' });
  }
}

/** Why code from a folder must not be run, or undefined. */
function refusalOf(folder: string): string | undefined {
  const status = lstatSync(folder);
  if (status.isSymbolicLink()) return 'it is a link to another place';
  if (!status.isDirectory()) return 'it is no folder';
  const user = process.getuid?.();
  // Windows has neither owners nor modes of this kind; a folder of the user's profile is private there.
  if (user === undefined) return undefined;
  if (status.uid !== user && status.uid !== 0) return `it belongs to the user with the id ${status.uid}`;
  if ((status.mode & 0o022) !== 0) return `others can write it (mode ${(status.mode & 0o777).toString(8)})`;
  return undefined;
}

function cacheFolder({ OPWRIGHT_CACHE_DIR, XDG_CACHE_HOME, LOCALAPPDATA }: Environment): string {
  if (OPWRIGHT_CACHE_DIR !== undefined && OPWRIGHT_CACHE_DIR !== '') return resolve(OPWRIGHT_CACHE_DIR);
  // Relative paths are to be ignored, says the XDG Base Directory Specification.
  const base = [XDG_CACHE_HOME, process.platform === 'win32' ? LOCALAPPDATA : undefined].find(
    (path) => path !== undefined && isAbsolute(path),
  );
  return join(base ?? join(homeFolder(), '.cache'), 'opwright');
}

/** A user that the system does not list has none; the root folder is one that such a user cannot write. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

function readLimit(setting: string | undefined): number {
  if (setting === undefined || setting === '') return defaultLimit;
  const bytes = parseBytes(setting);
  if (bytes !== undefined) return bytes;
  throw new OpwrightError('INVALID_ARGUMENT', `OPWRIGHT_CACHE_LIMIT is ${JSON.stringify(setting)}, which is no size.`, {
    argument: 'OPWRIGHT_CACHE_LIMIT',
    remedy: 'Write a size such as 512m or 2g.',
  });
}

/** A folder that only this user can enter, until the process ends. */
function temporaryFolder(): string {
  try {
    const folder = mkdtempSync(join(tmpdir(), 'opwright-cache-'));
    process.on('exit', () => removeQuietly(folder));
    return folder;
  } catch (error) {
    throw new OpwrightError('NATIVE_UNAVAILABLE', `No folder for compiled kernels can be made: ${messageOf(error)}.`, {
      remedy: 'Set OPWRIGHT_CACHE_DIR or TMPDIR to a folder that can be written.',
      cause: error,
    });
  }
}

/** Libraries that are loaded cannot be removed on Windows; nothing can be done about it in a process that ends. */
function removeQuietly(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // As above.
  }
}

/** The version in this package's package.json; where the package is part of a bundle there is none. */
function packageVersion(): string {
  version ??= findVersion(dirname(fileURLToPath(import.meta.url)));
  return version;
}

let version: string | undefined;

function findVersion(folder: string): string {
  const manifest = readManifest(join(folder, 'package.json'));
  if (manifest?.name === 'opwright') return manifest.version ?? 'unknown';
  return dirname(folder) === folder ? 'unknown' : findVersion(dirname(folder));
}

function readManifest(path: string): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // There is none in that folder.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
