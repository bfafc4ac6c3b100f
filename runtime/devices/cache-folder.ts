/**
 * One folder of files that can be trusted to be what was once put there. A file's name is its key and the checksum of its contents, so
 * that one rename publishes both, several processes may write the same entry at once, and a file that was cut short or changed is no
 * entry. Whether the folder itself can be trusted, and what to do where it cannot be written, is kernel-cache.ts's concern.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { debugging, report } from '../debug.js';

/** Makes the contents of an entry at a path where there is nothing yet. What else it leaves beside it is removed. */
export type MakeEntry = (path: string) => void;

/** Digits of keys and checksums. */
const digits = 32;
const entryName = new RegExp(`^[0-9a-f]{${digits}}-[0-9a-f]{${digits}}\\.[a-z0-9]+$`);
const workPrefix = 'building-';

/** Entries that are used have their time set so often, which is when they count as used last. */
const refreshMilliseconds = 24 * 3600 * 1000;
/** What a process left behind that was killed while it built. */
const abandonedMilliseconds = 3600 * 1000;

export function digest(contents: string | Uint8Array): string {
  return createHash('sha256').update(contents).digest('hex').slice(0, digits);
}

interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly usedAt: number;
}

export interface CacheContents {
  readonly entries: number;
  readonly bytes: number;
}

/** Somebody has removed the folder while it was in use. */
export class RemovedMeanwhile extends Error {
  override readonly name = 'RemovedMeanwhile';
}

export class CacheFolder {
  /** The files that were there when the folder was last listed, by key and extension. */
  #names = new Map<string, string[]>();
  /** Bytes of all entries when they were last counted, and of those written since. */
  #bytes: number | undefined;

  constructor(
    readonly path: string,
    readonly limit: number,
  ) {}

  /** The path of an entry whose contents are what was put there, or undefined. Files that are not are removed. */
  find(key: string, extension: string): string | undefined {
    const known = this.#firstSound(key, extension);
    if (known !== undefined) return known;
    this.#list();
    return this.#firstSound(key, extension);
  }

  /**
   * Makes an entry and gives its path. Throws what `make` throws, and what the file system has to say; RemovedMeanwhile where that is
   * because the folder, or what was being made in it, is not there any more.
   */
  put(key: string, extension: string, make: MakeEntry): string {
    let work: string | undefined;
    try {
      work = mkdtempSync(join(this.path, workPrefix));
      const made = join(work, `entry.${extension}`);
      make(made);
      const contents = readFileSync(made);
      const name = `${key}-${digest(contents)}.${extension}`;
      chmodSync(made, 0o600);
      renameSync(made, join(this.path, name));
      this.#remember(name);
      this.#keepWithinLimit(name, contents.length);
      return join(this.path, name);
    } catch (error) {
      if (existsSync(work ?? this.path)) throw error;
      throw new RemovedMeanwhile(`${work ?? this.path} was removed`, { cause: error });
    } finally {
      if (work !== undefined) rmSync(work, { recursive: true, force: true });
    }
  }

  /** What keeps a file of some size from being written, or undefined. */
  writeProblem(): unknown {
    let work: string | undefined;
    try {
      work = mkdtempSync(join(this.path, workPrefix));
      writeFileSync(join(work, 'probe'), new Uint8Array(1 << 20));
      return undefined;
    } catch (error) {
      return error;
    } finally {
      if (work !== undefined) rmSync(work, { recursive: true, force: true });
    }
  }

  contents(): CacheContents {
    const entries = this.#entries();
    return { entries: entries.length, bytes: totalBytes(entries) };
  }

  /** Removes all entries, and nothing else that may be in the folder. Gives what was removed. */
  clear(): CacheContents {
    const contents = this.contents();
    for (const { name } of this.#entries()) this.#remove(name);
    this.#sweep();
    this.#bytes = undefined;
    return contents;
  }

  #firstSound(key: string, extension: string): string | undefined {
    return this.#names
      .get(`${key}.${extension}`)
      ?.map((name) => join(this.path, name))
      .find((path) => this.#isSound(path));
  }

  #isSound(path: string): boolean {
    try {
      const { mtimeMs } = lstatSync(path);
      const contents = readFileSync(path);
      if (!path.includes(`-${digest(contents)}.`, this.path.length)) {
        if (debugging.compile) report('compile', `${path} is damaged: it is built again`);
        rmSync(path, { force: true });
        return false;
      }
      if (Date.now() - mtimeMs > refreshMilliseconds) this.#refresh(path);
      return true;
    } catch {
      return false; // Another process has removed it, or it cannot be read: there is no such entry for us.
    }
  }

  #refresh(path: string): void {
    try {
      const now = new Date();
      utimesSync(path, now, now);
    } catch {
      // A folder that is only read is not ours to keep in order.
    }
  }

  #list(): void {
    this.#names = new Map();
    for (const name of this.#filesIn()) if (entryName.test(name)) this.#remember(name);
  }

  #remember(name: string): void {
    const key = `${name.slice(0, digits)}${name.slice(name.indexOf('.'))}`;
    const names = this.#names.get(key);
    if (names === undefined) this.#names.set(key, [name]);
    else if (!names.includes(name)) names.push(name);
  }

  #filesIn(): readonly string[] {
    try {
      return readdirSync(this.path);
    } catch {
      return []; // Nothing was kept yet.
    }
  }

  #entries(): readonly Entry[] {
    return this.#filesIn().flatMap((name) => {
      const status = entryName.test(name) ? lstatSync(join(this.path, name), { throwIfNoEntry: false }) : undefined;
      return status?.isFile() ? [{ name, bytes: status.size, usedAt: status.mtimeMs }] : [];
    });
  }

  /** Removes what was used longest ago, but not the entry that was just written. */
  #keepWithinLimit(written: string, bytes: number): void {
    this.#bytes = this.#bytes === undefined ? totalBytes(this.#entries()) : this.#bytes + bytes;
    if (this.#bytes <= this.limit) return;
    this.#sweep();
    const entries = this.#entries();
    this.#bytes = totalBytes(entries);
    for (const { name, bytes: freed } of entries.toSorted((left, right) => left.usedAt - right.usedAt)) {
      if (this.#bytes <= this.limit) return;
      if (name === written) continue;
      this.#remove(name);
      this.#bytes -= freed;
    }
  }

  #sweep(): void {
    for (const name of this.#filesIn()) {
      if (!name.startsWith(workPrefix)) continue;
      const status = lstatSync(join(this.path, name), { throwIfNoEntry: false });
      if (status !== undefined && Date.now() - status.mtimeMs > abandonedMilliseconds) this.#remove(name);
    }
  }

  #remove(name: string): void {
    rmSync(join(this.path, name), { recursive: true, force: true });
  }
}

function totalBytes(entries: readonly Entry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes, 0);
}
