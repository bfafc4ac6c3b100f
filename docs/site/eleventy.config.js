/**
 * Makes the site from the Markdown that docs/content wrote: `docs/pages` in, `docs/dist` out. Every link is relative, scripts are classic
 * scripts and data are scripts too, so that the site works under any path of any static host, and from a folder on disk.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyAssets } from './assets.js';
import { kernelPanels } from './kernels.js';
import { makeMarkdown } from './markdown.js';
import { twinOf } from './twin.js';

const here = dirname(fileURLToPath(import.meta.url));
const pages = join(here, '..', 'pages');
const output = process.env.OPWRIGHT_DOCS_OUT ?? join(here, '..', 'dist');

export default async function configure(eleventy) {
  const panels = await kernelPanels(pages);
  eleventy.setLibrary('md', makeMarkdown(panels));
  eleventy.setQuietMode(true);
  eleventy.addGlobalData('layout', 'page.11ty.js');
  eleventy.addGlobalData(
    'permalink',
    () =>
      ({ path }) =>
        `${path}.html`,
  );
  eleventy.addGlobalData('navigation', JSON.parse(readFileSync(join(pages, 'navigation.json'), 'utf8')));
  eleventy.addWatchTarget(join(here, 'client'));
  eleventy.on('eleventy.after', ({ results }) => {
    copyAssets(output, pages);
    for (const { inputPath, outputPath } of results) {
      const name = outputPath.replace(/\.html$/, '');
      writeFileSync(`${name}.md`, twinOf(readFileSync(inputPath, 'utf8')));
    }
    for (const [name, text] of panels.scripts()) {
      mkdirSync(dirname(join(output, name)), { recursive: true });
      writeFileSync(join(output, name), text);
    }
    for (const name of readdirSync(pages, { recursive: true }))
      if (/\.(svg|txt)$/.test(name)) cpSync(join(pages, name), join(output, name));
  });
  return {
    dir: { input: '../pages', output, layouts: '../site/layouts' },
    markdownTemplateEngine: false,
    templateFormats: ['md'],
  };
}
