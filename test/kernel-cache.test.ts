/**
 * The disk cache of compiled kernels: what is kept, found and verified, which folders are refused, and what happens where nothing can be
 * written. What needs another user or another file system is tried as root and skipped, with a line in the log, where that is impossible.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cacheKey, KernelCache, openCache } from '../runtime/devices/kernel-cache.js';
import { OpwrightError } from '../runtime/errors.js';

const root = mkdtempSync(join(tmpdir(), 'opwright-cache-test-'));
// Other users have to come through for some of the tests.
chmodSync(root, 0o755);
test.after.always(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const newFolder = (): string => join(root, `cache-${folders++}`);
const key = cacheKey({ source: 'any' });
const isRoot = process.getuid?.() === 0;

function write(text: string): (path: string) => void {
  return (path) => writeFileSync(path, text);
}

function never(): void {
  throw new Error('it was made again');
}

const day = 24 * 3600 * 1000;

function age(path: string, milliseconds: number): void {
  const then = new Date(Date.now() - milliseconds);
  utimesSync(path, then, then);
}

interface Emitted {
  readonly message: string;
  readonly code: string | undefined;
}

/** The warnings that an action gives rise to. */
async function warningsOf(action: () => void): Promise<readonly Emitted[]> {
  const emitted: Emitted[] = [];
  const note = (warning: Error & { readonly code?: string }) => emitted.push({ message: warning.message, code: warning.code });
  process.on('warning', note);
  try {
    action();
    await new Promise((resolve) => setImmediate(resolve)); // Warnings are emitted on the next tick.
  } finally {
    process.off('warning', note);
  }
  return emitted;
}

// ---- Entries

test('an entry is made once and found by every later cache', (t) => {
  const folder = newFolder();
  const path = new KernelCache(folder).entry(key, 'so', write('code'));
  t.is(dirname(path), folder);
  t.is(readFileSync(path, 'utf8'), 'code');
  t.is(new KernelCache(folder).entry(key, 'so', never), path);
  t.deepEqual(readdirSync(folder).length, 1);
});

test('an entry that another process has written since the folder was listed is found', (t) => {
  const folder = newFolder();
  const first = new KernelCache(folder);
  first.entry(cacheKey({ source: 'other' }), 'so', write('other'));
  const path = new KernelCache(folder).entry(key, 'so', write('code'));
  t.is(first.entry(key, 'so', never), path);
});

test('keys differ in whatever part differs', (t) => {
  const parts = { source: 'a', options: '-O2', target: 'x', compiler: 'gcc 12' };
  const keys = [parts, ...Object.keys(parts).map((name) => ({ ...parts, [name]: 'other' }))].map(cacheKey);
  t.is(new Set(keys).size, keys.length);
  t.is(cacheKey(parts), cacheKey({ ...parts }));
  t.not(cacheKey({ a: 'bc', d: '' }), cacheKey({ a: 'b', cd: '' }));
});

for (const [what, damage] of [
  ['cut short', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 2))],
  ['empty', (path: string) => writeFileSync(path, '')],
  [
    'changed in one bit',
    (path: string) =>
      writeFileSync(
        path,
        readFileSync(path).map((byte, at) => (at === 1 ? byte ^ 1 : byte)),
      ),
  ],
] as const) {
  test(`an entry that is ${what} is built again`, (t) => {
    const folder = newFolder();
    const path = new KernelCache(folder).entry(key, 'so', write('code'));
    damage(path);
    let made = 0;
    const again = new KernelCache(folder).entry(key, 'so', (output) => {
      made++;
      writeFileSync(output, 'code');
    });
    t.is(made, 1);
    t.is(readFileSync(again, 'utf8'), 'code');
    t.is(readdirSync(folder).length, 1);
  });
}

test('an entry that becomes damaged while a cache is open is built again', (t) => {
  const cache = new KernelCache(newFolder());
  writeFileSync(cache.entry(key, 'so', write('code')), 'edoc');
  t.is(readFileSync(cache.entry(key, 'so', write('code')), 'utf8'), 'code');
});

test('what making an entry throws comes through, and nothing is left of it', async (t) => {
  const folder = newFolder();
  const warnings = await warningsOf(() => {
    const cache = new KernelCache(folder);
    t.throws(
      () =>
        cache.entry(key, 'so', (path) => {
          writeFileSync(path, 'half');
          writeFileSync(join(dirname(path), 'left-over.s'), '');
          throw new Error('the compiler gave up');
        }),
      { message: 'the compiler gave up' },
    );
  });
  t.deepEqual(warnings, []);
  t.deepEqual(readdirSync(folder), []);
});

test('entries that were used longest ago leave when the limit is reached', (t) => {
  const folder = newFolder();
  const text = 'x'.repeat(1000);
  const keys = ['a', 'b', 'c', 'd'].map((source) => cacheKey({ source }));
  const cache = new KernelCache(folder, 3500);
  const paths = keys.slice(0, 3).map((one) => cache.entry(one, 'so', write(text)));
  for (const [index, path] of paths.entries()) age(path, (10 - index) * day);
  // Used again: the second is now the oldest.
  new KernelCache(folder, 3500).entry(keys[0]!, 'so', never);
  const last = cache.entry(keys[3]!, 'so', write(text));
  t.deepEqual(
    [...paths, last].map((path) => existsSync(path)),
    [true, false, true, true],
  );
  t.like(cache.info(), { entries: 3, bytes: 3000, limit: 3500 });
});

test('an entry larger than the limit is kept until the next one', (t) => {
  const cache = new KernelCache(newFolder(), 10);
  const path = cache.entry(key, 'so', write('x'.repeat(1000)));
  t.true(existsSync(path));
  cache.entry(cacheKey({ source: 'other' }), 'so', write('y'));
  t.false(existsSync(path));
});

test('using an entry sets its time at most once a day', (t) => {
  const folder = newFolder();
  const path = new KernelCache(folder).entry(key, 'so', write('code'));
  age(path, day / 2);
  const before = statSync(path).mtimeMs;
  new KernelCache(folder).entry(key, 'so', never);
  t.is(statSync(path).mtimeMs, before);
  age(path, 2 * day);
  new KernelCache(folder).entry(key, 'so', never);
  t.true(Date.now() - statSync(path).mtimeMs < day / 2);
});

test('clearing removes the entries, what dead processes left, and nothing else', (t) => {
  const folder = newFolder();
  const cache = new KernelCache(folder);
  cache.entry(key, 'so', write('code'));
  cache.entry(cacheKey({ source: 'other' }), 'json', write('{}'));
  writeFileSync(join(folder, 'notes.txt'), 'mine');
  for (const name of ['building-dead', 'building-alive']) mkdirSync(join(folder, name));
  age(join(folder, 'building-dead'), day);
  t.deepEqual(cache.clear(), { entries: 2, bytes: 6 });
  t.deepEqual(readdirSync(folder).toSorted(), ['building-alive', 'notes.txt']);
  t.like(cache.info(), { entries: 0, bytes: 0 });
  t.is(readFileSync(cache.entry(key, 'so', write('code')), 'utf8'), 'code');
});

for (const [what, removed] of [
  ['the folder is', (path: string) => dirname(dirname(path))],
  ['its work is', (path: string) => dirname(path)],
] as const) {
  test.serial(`an entry is made once more where ${what} removed while it is made, and kept`, async (t) => {
    const folder = newFolder();
    const cache = new KernelCache(folder);
    let runs = 0;
    const warnings = await warningsOf(() => {
      const path = cache.entry(key, 'so', (output) => {
        if (runs++ === 0) rmSync(removed(output), { recursive: true });
        writeFileSync(output, 'code');
      });
      t.is(dirname(path), folder);
      t.is(readFileSync(path, 'utf8'), 'code');
    });
    t.is(runs, 2);
    t.deepEqual(warnings, []);
  });
}

test.serial('a folder that was removed between two entries is made anew', async (t) => {
  const folder = newFolder();
  const cache = new KernelCache(folder);
  cache.entry(key, 'so', write('code'));
  rmSync(folder, { recursive: true });
  const warnings = await warningsOf(() => t.is(dirname(cache.entry(key, 'so', write('code'))), folder));
  t.deepEqual(warnings, []);
  t.is(statSync(folder).mode & 0o777, 0o700);
});

test.serial('a folder that is removed again and again is given up for a temporary one', async (t) => {
  const folder = newFolder();
  const warnings = await warningsOf(() => {
    const path = new KernelCache(folder).entry(key, 'so', (output) => {
      if (dirname(dirname(output)) === folder) rmSync(folder, { recursive: true });
      writeFileSync(output, 'code');
    });
    t.not(dirname(path), folder);
    t.is(readFileSync(path, 'utf8'), 'code');
  });
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['OPWRIGHT_CACHE'],
  );
});

test('several processes that want the same entries at once all get them', async (t) => {
  const folder = newFolder();
  const module = new URL('../runtime/devices/kernel-cache.js', import.meta.url).href;
  const program = `
    import { readFileSync, writeFileSync } from 'node:fs';
    const { cacheKey, KernelCache } = await import(${JSON.stringify(module)});
    const cache = new KernelCache(process.argv[1], 30000);
    for (let round = 0; round < 40; round++) {
      const wanted = 'entry ' + (round % 20) + ' '.repeat(1000);
      const path = cache.entry(cacheKey({ source: wanted }), 'so', (output) => writeFileSync(output, wanted));
      if (readFileSync(path, 'utf8') !== wanted) throw new Error(path);
    }`;
  const runs = Array.from(
    { length: 4 },
    () =>
      new Promise<string>((resolve) => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder], {
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        let said = '';
        child.stderr.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        child.on('close', (code) => resolve(`${code}${said}`));
      }),
  );
  t.deepEqual(await Promise.all(runs), ['0', '0', '0', '0']);
  t.is(readdirSync(folder).length, 20);
});

// ---- The folder

test('the folder is the one that is set, else that of XDG, else in the home folder', (t) => {
  t.is(openCache({ OPWRIGHT_CACHE_DIR: '/somewhere/kernels', XDG_CACHE_HOME: '/xdg' }).folder, '/somewhere/kernels');
  t.is(openCache({ XDG_CACHE_HOME: '/xdg' }).folder, '/xdg/opwright');
  // Relative paths are to be ignored, says the specification.
  t.is(openCache({ XDG_CACHE_HOME: 'xdg' }).folder, join(homedir(), '.cache', 'opwright'));
  t.is(openCache({ OPWRIGHT_CACHE_DIR: '', XDG_CACHE_HOME: '' }).folder, join(homedir(), '.cache', 'opwright'));
});

test('the limit is 1 GiB or what is set', (t) => {
  t.is(openCache({}).limit, 2 ** 30);
  t.is(openCache({ OPWRIGHT_CACHE_LIMIT: '512m' }).limit, 2 ** 29);
  const error = t.throws(() => openCache({ OPWRIGHT_CACHE_LIMIT: 'much' }), { instanceOf: OpwrightError });
  t.is(error?.code, 'INVALID_ARGUMENT');
  t.is(error?.argument, 'OPWRIGHT_CACHE_LIMIT');
});

test('looking makes no folder, and the folder that is made is for its owner alone', (t) => {
  const cache = new KernelCache(join(newFolder(), 'deep', 'kernels'));
  t.like(cache.info(), { entries: 0, bytes: 0, problem: undefined });
  t.false(existsSync(cache.folder));
  cache.entry(key, 'so', write('code'));
  t.is(statSync(cache.folder).mode & 0o777, 0o700);
});

/** Entries can be made and found, but elsewhere; one warning says why. */
async function goesElsewhere(t: ExecutionContext, folder: string, reason: RegExp): Promise<void> {
  const cache = new KernelCache(folder);
  const paths: string[] = [];
  const warnings = await warningsOf(() => {
    paths.push(cache.entry(key, 'so', write('code')));
    paths.push(cache.entry(key, 'so', never));
    cache.entry(cacheKey({ source: 'other' }), 'so', write('more'));
  });
  t.is(readFileSync(paths[0]!, 'utf8'), 'code');
  t.is(paths[0], paths[1]);
  t.false(paths[0]!.startsWith(folder), paths[0]);
  t.is(statSync(dirname(paths[0]!)).mode & 0o777, 0o700);
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['OPWRIGHT_CACHE'],
  );
  t.regex(warnings[0]?.message ?? '', reason);
  t.regex(warnings[0]?.message ?? '', /Set OPWRIGHT_CACHE_DIR/);
  t.regex(cache.info().problem ?? '', reason);
}

test.serial('a folder that its group or others can write is refused, with what lies in it', async (t) => {
  for (const mode of [0o770, 0o707, 0o777]) {
    const folder = newFolder();
    new KernelCache(folder).entry(key, 'so', write('from a stranger'));
    chmodSync(folder, mode);
    await goesElsewhere(t, folder, /others can write it \(mode 7[07]7?0?\)/);
  }
});

test.serial('a folder that others can only read is used', async (t) => {
  const folder = newFolder();
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const warnings = await warningsOf(() => t.is(dirname(new KernelCache(folder).entry(key, 'so', write('code'))), folder));
  t.deepEqual(warnings, []);
});

test.serial('a link to a folder is refused', async (t) => {
  const folder = newFolder();
  mkdirSync(`${folder}-target`, { mode: 0o700 });
  symlinkSync(`${folder}-target`, folder);
  await goesElsewhere(t, folder, /it is a link/);
  t.deepEqual(readdirSync(`${folder}-target`), []);
});

test.serial('a file in the place of the folder is refused', async (t) => {
  const folder = newFolder();
  writeFileSync(folder, '');
  await goesElsewhere(t, folder, /EEXIST/);
  await goesElsewhere(t, join(folder, 'below'), /ENOTDIR/);
});

test.serial("another user's folder is refused", async (t) => {
  if (!isRoot) {
    t.log('skipped: only root can give a folder away');
    t.pass();
    return;
  }
  const folder = newFolder();
  mkdirSync(folder, { mode: 0o700 });
  chownSync(folder, 65534, 65534);
  await goesElsewhere(t, folder, /belongs to the user with the id 65534/);
});

test.serial('a folder that can only be read gives its entries, and new ones go elsewhere', (t) => {
  const folder = newFolder();
  const kept = new KernelCache(folder).entry(key, 'so', write('code'));
  chmodSync(folder, 0o555);
  chmodSync(kept, 0o444);
  const { status, stdout, stderr } = runAsStranger(folder);
  if (status !== 0 && /EACCES|ERR_MODULE_NOT_FOUND/.test(stderr)) {
    t.log('skipped: the other user cannot read the tests');
    t.pass();
    return;
  }
  t.is(status, 0, stderr);
  const { found, made, exists } = JSON.parse(stdout) as { found: string; made: string; exists: boolean };
  t.is(found, kept);
  t.false(made.startsWith(folder));
  t.true(exists);
  t.false(existsSync(dirname(made)), 'the temporary folder is removed when the process ends');
  t.is(stderr.match(/OPWRIGHT_CACHE\]/g)?.length, 1, stderr);
  t.regex(stderr, /it cannot be written \(EACCES/);
});

/** Asks for an entry that is there and one that is not, as a user who cannot write the folder. */
function runAsStranger(folder: string) {
  const module = new URL('../runtime/devices/kernel-cache.js', import.meta.url).href;
  const program = `
    import { existsSync, writeFileSync } from 'node:fs';
    const { cacheKey, KernelCache } = await import(${JSON.stringify(module)});
    const cache = new KernelCache(${JSON.stringify(folder)});
    const found = cache.entry(${JSON.stringify(key)}, 'so', () => { throw new Error('made again'); });
    const made = cache.entry(cacheKey({ source: 'new' }), 'so', (path) => writeFileSync(path, 'new'));
    console.log(JSON.stringify({ found, made, exists: existsSync(made) }));`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    cwd: root,
    ...(isRoot ? { uid: 65534, gid: 65534 } : {}),
  });
}

test.serial('on a full disk entries go elsewhere', async (t) => {
  const place = newFolder();
  mkdirSync(place, { mode: 0o700 });
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'tmpfs', place]).status !== 0) {
    t.log('skipped: no file system can be mounted here');
    t.pass();
    return;
  }
  try {
    const cache = new KernelCache(place);
    const small = cache.entry(cacheKey({ source: 'small' }), 'so', write('small'));
    t.is(dirname(small), place);
    const paths: string[] = [];
    const warnings = await warningsOf(() => paths.push(cache.entry(key, 'so', write('x'.repeat(1 << 17)))));
    t.is(statSync(paths[0]!).size, 1 << 17);
    t.false(paths[0]!.startsWith(place));
    t.is(warnings.length, 1);
    t.regex(warnings[0]!.message, /cannot be written \(ENOSPC/);
    t.is(cache.entry(cacheKey({ source: 'small' }), 'so', never), small);
    t.deepEqual(readdirSync(place).length, 1);
  } finally {
    spawnSync('umount', [place]);
  }
  t.true(lstatSync(place).isDirectory());
});
