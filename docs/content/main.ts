/**
 * Writes the documentation as Markdown into a folder, with the data that the site's generator needs beside the pages: navigation, search,
 * llms.txt. `node dist/docs/content/main.js FOLDER`, in the project's folder.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pageText } from './page.js';
import { allPages } from './pages.js';
import { llmsText, navigation, searchText } from './site-data.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('which folder?');

const pages = await allPages();
const files = new Map<string, string>();
for (const page of pages) {
  files.set(`${page.path}.md`, pageText(page));
  for (const [name, text] of page.files ?? []) files.set(join(dirname(page.path), name), text);
}
files.set('navigation.json', `${JSON.stringify(navigation(pages), null, 1)}\n`);
files.set('search.json', searchText(pages));
files.set('llms.txt', llmsText(pages));
writeChanged(folder, files);
console.log(`${pages.length} pages, ${files.size} files`);

/** Writes what differs and deletes what is no longer made, so that a watcher sees changes only. */
function writeChanged(root: string, texts: ReadonlyMap<string, string>): void {
  mkdirSync(root, { recursive: true });
  const present = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = new Set(present.map((entry) => join(entry.parentPath, entry.name)));
  for (const [name, text] of texts) {
    const path = join(root, name);
    if (paths.delete(path) && readFileSync(path, 'utf8') === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  for (const path of paths) rmSync(path);
}
