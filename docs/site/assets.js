/** The files that every page uses: style sheet, scripts, fonts, the search's data. All of them come from this package's own folder. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');

const fonts = {
  'inter.woff2': '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
  'inter-italic.woff2': '@fontsource-variable/inter/files/inter-latin-wght-italic.woff2',
  'mono.woff2': '@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2',
};

export function copyAssets(output, pages) {
  const assets = join(output, 'assets');
  mkdirSync(join(assets, 'fonts'), { recursive: true });
  for (const [name, source] of Object.entries(fonts)) cpSync(join(modules, source), join(assets, 'fonts', name));
  for (const name of readdirSync(join(here, 'client'))) cpSync(join(here, 'client', name), join(assets, name));
  cpSync(join(modules, 'minisearch', 'dist', 'umd', 'index.js'), join(assets, 'minisearch.js'));
  writeFileSync(
    join(assets, 'search-data.js'),
    `const opwrightSearchRows = ${readFileSync(join(pages, 'search.json'), 'utf8').trim()};\n`,
  );
  copyKatex(assets);
}

/** Its style sheet with the one format of its fonts that every browser reads. */
function copyKatex(assets) {
  const katex = join(modules, 'katex', 'dist');
  const css = readFileSync(join(katex, 'katex.min.css'), 'utf8');
  writeFileSync(
    join(assets, 'katex.css'),
    css.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, '').replaceAll('url(fonts/', 'url(fonts/katex/'),
  );
  mkdirSync(join(assets, 'fonts', 'katex'), { recursive: true });
  for (const name of readdirSync(join(katex, 'fonts')).filter((file) => file.endsWith('.woff2')))
    cpSync(join(katex, 'fonts', name), join(assets, 'fonts', 'katex', name));
}
