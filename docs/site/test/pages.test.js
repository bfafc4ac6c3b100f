/** What every page must have, and that everything that it links to is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'node:test';
import { dist, filesIn, htmlPages, readSite, root } from './site.js';

const records = filesIn(join(root, 'generated', 'docs')).map((file) =>
  JSON.parse(readFileSync(join(root, 'generated', 'docs', file), 'utf8')),
);
const isIndex = (path) => path.endsWith('/index.html');
const has = (heading) => (text) => new RegExp(`<h2 id="[^"]*">.*?</a>${heading}</h2>\\s*<[^h]`).test(text);

test('every public op has a page, and no other has one', () => {
  const wanted = records.filter(({ internal }) => !internal).map(({ op }) => `ops/${op}.html`);
  assert.deepEqual(
    htmlPages().filter((path) => path.startsWith('ops/') && !isIndex(path)),
    wanted.sort(),
  );
});

test('every page has a title and a summary', () => {
  const without = htmlPages().filter((path) => !/<h1>[^<]+<\/h1>\s*<p[^>]*>[^\s]/.test(readSite(path)));
  assert.deepEqual(without, []);
});

test('every op has an example with its output, a shape rule, a gradient, errors, its tests and its entry', () => {
  const needed = ['Example', 'Arguments', 'Result and shape rule', 'Gradient', 'Errors', 'Where it is tested', 'The entry'];
  const pages = htmlPages().filter((path) => path.startsWith('ops/') && !isIndex(path));
  const gaps = pages.flatMap((path) => {
    const text = readSite(path);
    const missing = needed.filter((heading) => !has(heading)(text));
    return [...missing, ...(text.includes('class="code output"') ? [] : ['output'])].map((what) => `${path}: ${what}`);
  });
  assert.deepEqual(gaps, []);
});

test('every class and function has an example with its output, and every layer a shape rule', () => {
  const pages = htmlPages().filter((path) => path.startsWith('api/') && !isIndex(path));
  assert.ok(pages.length > 50);
  const gaps = pages.flatMap((path) => {
    const text = readSite(path);
    const isLayer =
      path.startsWith('api/nn/') && text.includes('extends <span class="hljs-title class_ inherited__">Layer</span>');
    return [
      ...(has('Example')(text) && text.includes('class="code output"') ? [] : [`${path}: example`]),
      ...(isLayer && !has('Shape rule')(text) ? [`${path}: shape rule`] : []),
    ];
  });
  assert.deepEqual(gaps, []);
});

test('ops of one variable are plotted', () => {
  for (const op of ['relu', 'gelu', 'sqrt', 'tan', 'floor'])
    assert.match(readSite(`ops/${op}.html`), /class="plot-line plot-1" d="M/);
  for (const op of ['softmax', 'add', 'sum']) assert.doesNotMatch(readSite(`ops/${op}.html`), /class="plot/);
});

test('every link and every picture is there, down to its heading', () => {
  const anchors = new Map(
    htmlPages().map((path) => [path, new Set([...readSite(path).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))]),
  );
  const broken = htmlPages().flatMap((path) =>
    [...readSite(path).matchAll(/ (?:href|src)="([^"]*)"/g)].flatMap(([, link]) => {
      if (/^https?:/.test(link)) return [];
      const [file, fragment] = link.split('#');
      const target = file === '' ? path : normalize(join(dirname(path), file)).replaceAll('\\', '/');
      const found =
        existsSync(join(dist, target)) &&
        (!fragment || !target.endsWith('.html') || anchors.get(target)?.has(decodeURIComponent(fragment)));
      return found ? [] : [`${path}: ${link}`];
    }),
  );
  assert.deepEqual(broken, []);
});

test('links between the Markdown twins are good too', () => {
  const broken = filesIn(dist)
    .filter((path) => path.endsWith('.md') || path === 'llms.txt')
    .flatMap((path) =>
      [...readSite(path).matchAll(/\]\((?!https?:)([^)\s#]+)(?:#[^)]*)?\)/g)].flatMap(([, link]) =>
        existsSync(join(dist, dirname(path), link)) ? [] : [`${path}: ${link}`],
      ),
    );
  assert.deepEqual(broken, []);
});

test('each page has a Markdown twin, and llms.txt names them all', () => {
  const llms = readSite('llms.txt');
  for (const path of htmlPages()) {
    const twin = path.replace(/html$/, 'md');
    assert.match(readSite(twin), /^# /);
    assert.ok(llms.includes(`](${twin})`), twin);
  }
});

test('nothing is loaded from elsewhere', () => {
  for (const path of htmlPages())
    assert.doesNotMatch(readSite(path), /<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?\/\//, path);
  for (const path of filesIn(dist).filter((file) => file.endsWith('.css')))
    assert.doesNotMatch(readSite(path), /url\((?:https?:)?\/\//, path);
});

test('every file that a style sheet names is there', () => {
  for (const path of filesIn(dist).filter((file) => file.endsWith('.css')))
    for (const [, target] of readSite(path).matchAll(/url\(([^)]+)\)/g))
      assert.ok(existsSync(join(dist, dirname(path), target)), `${path}: ${target}`);
});

test('no two paths differ in their case alone', () => {
  const paths = filesIn(dist).map((path) => path.toLowerCase());
  assert.equal(new Set(paths).size, paths.length);
});
