/**
 * The site in a real browser, served from a path below the host's root. Where there is no Chromium these tests are skipped, visibly;
 * OPWRIGHT_CHROMIUM names one that is not where Debian puts it.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { dist, htmlPages, root } from './site.js';

const executablePath = process.env.OPWRIGHT_CHROMIUM ?? '/usr/bin/chromium';
const skip = existsSync(executablePath) ? false : `there is no Chromium at ${executablePath} (apt-get install chromium)`;
const prefix = '/some/where/';
const desktop = { width: 1380, height: 900 };
const phone = { width: 390, height: 844 };
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const types = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

let server;
let browser;
let context;
let page;
let profile;
const complaints = [];

before(async () => {
  if (skip) return;
  server = createServer(({ url }, response) => {
    const path = join(dist, decodeURIComponent(new URL(url, 'http://localhost').pathname).slice(prefix.length));
    if (!url.startsWith(prefix) || !existsSync(path)) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': types[extname(path)] ?? 'text/plain' }).end(readFileSync(path));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  profile = mkdtempSync(join(tmpdir(), 'opwright-browser-'));
  context = await chromium.launchPersistentContext(profile, {
    executablePath,
    args,
    viewport: desktop,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  browser = context.browser();
  page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // What is still on its way when a test leaves the page is no complaint about it.
    if (why !== 'net::ERR_ABORTED') complaints.push(`${request.url()} ${why}`);
  });
  page.on('request', (request) => new URL(request.url()).hostname === '127.0.0.1' || complaints.push(`asked ${request.url()}`));
});

after(async () => {
  await context?.close();
  await browser?.close();
  server?.close();
  if (profile !== undefined) rmSync(profile, { recursive: true, force: true });
});

const open = (path) => page.goto(`http://127.0.0.1:${server.address().port}${prefix}${path}`);

async function found(query) {
  await page.keyboard.press('/');
  await page.fill('dialog.search input', query);
  await page.waitForSelector('dialog.search [aria-selected=true]');
  const titles = await page.locator('dialog.search .title').allTextContents();
  await page.keyboard.press('Escape');
  return titles;
}

test('the front page leads to a guide, an op and a layer', { skip }, async () => {
  await open('index.html');
  await page.click('text=Get started');
  assert.match(await page.textContent('h1'), /Getting started/);
  await page.click('nav.sections >> text=Ops');
  await page.click('main table >> text=softmax >> nth=0');
  assert.equal(await page.textContent('h1'), 'softmax');
  await page.click('nav.sections >> text=API');
  await page.click('nav.side >> text=Layers');
  await page.click('nav.side >> text=Conv2D >> nth=0');
  assert.equal(await page.textContent('h1'), 'Conv2D');
});

for (const query of ['conv2d_transpose', 'conv2dTranspose', 'paddle.nn.functional.conv2d_transpose', 'F.conv_transpose2d']) {
  test(`the search finds conv2dTranspose by ${query}`, { skip }, async () => {
    await open('index.html');
    assert.equal((await found(query))[0], 'conv2dTranspose');
  });
}

test('the search finds all transposed convolutions by deconvolution', { skip }, async () => {
  await open('index.html');
  const titles = (await found('deconvolution')).slice(0, 3);
  assert.ok(titles.includes('conv2dTranspose'), titles.join());
});

test('the search finds what is misspelt, and says where there is nothing', { skip }, async () => {
  await open('ops/add.html');
  assert.ok((await found('sofmax')).includes('softmax'));
  await page.keyboard.press('/');
  await page.fill('dialog.search input', 'qqqqqqqq');
  assert.match(await page.textContent('dialog.search ol'), /Nothing found/);
  await page.keyboard.press('Escape');
});

test('the search is used by keyboard alone', { skip }, async () => {
  await open('guide/getting-started.html');
  await page.keyboard.press('Control+K');
  await page.keyboard.type('layerNorm');
  await page.waitForSelector('dialog.search [aria-selected=true]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  assert.match(page.url(), /layerNorm\.html$/);
});

test('tabs show the code of each language, and of the chosen dtype', { skip }, async () => {
  await open('ops/softmax.html');
  const shown = () => page.textContent('.kernels [role=tabpanel]:not([hidden])');
  assert.match(await shown(), /__global__/);
  await page.click('role=tab[name="WebAssembly"]');
  assert.match(await shown(), /\(module/);
  await page.keyboard.press('ArrowLeft');
  assert.match(await shown(), /void ow_kernel_1/);
  const before = await shown();
  await page.selectOption('.kernels select', 'float64');
  await page.waitForFunction(
    (text) => document.querySelector('.kernels [role=tabpanel]:not([hidden])').textContent !== text,
    before,
  );
  assert.match(await shown(), /f64/);
});

test('code is copied', { skip }, async () => {
  await open('ops/softmax.html');
  await page.hover('#example ~ .code.ts');
  await page.click('#example ~ .code.ts >> text=Copy');
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^import \{ softmax, tensor \} from 'opwright';/);
});

test('dark and light are remembered from page to page', { skip }, async () => {
  await open('index.html');
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const first = await theme();
  await page.click('button.theme');
  assert.notEqual(await theme(), first);
  await open('ops/add.html');
  assert.notEqual(await theme(), first);
  await page.click('button.theme');
});

test('on a phone nothing is wider than the screen, and the menu opens', { skip }, async () => {
  await page.setViewportSize(phone);
  for (const path of [
    'index.html',
    'guide/getting-started.html',
    'ops/conv2dTranspose.html',
    'api/nn/Conv2D.html',
    'reference/coverage.html',
  ]) {
    await open(path);
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= phone.width, path);
  }
  await page.click('button.menu');
  await page.click('nav.side >> text=Guide');
  assert.match(page.url(), /getting-started\.html$/);
  await page.setViewportSize(desktop);
});

/** Pages of ops and of the API are made alike: the short run opens every sixth of them. */
const isOpened = (path, place) => process.env.OPWRIGHT_FULL === '1' || place % 6 === 0 || !/^(?:ops|api)\//.test(path);

test('pages open without a complaint', { skip }, async () => {
  for (const path of htmlPages().filter(isOpened)) {
    await open(path);
    if (complaints.length > 0) assert.fail(`${path}: ${complaints.join('\n')}`);
  }
});

test('screenshots are taken, for somebody to look at', { skip }, async () => {
  const folder = join(root, 'docs', 'site', '.cache', 'screenshots');
  mkdirSync(folder, { recursive: true });
  for (const [name, viewport] of Object.entries({ desktop, phone })) {
    await page.setViewportSize(viewport);
    for (const path of ['index', 'ops/gelu', 'guide/performance', 'reference/coverage']) {
      await open(`${path}.html`);
      await page.screenshot({ path: join(folder, `${path.replace('/', '-')}-${name}.png`), fullPage: true });
    }
  }
  assert.deepEqual(complaints, []);
});
