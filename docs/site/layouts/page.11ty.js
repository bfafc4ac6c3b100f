/** The frame around every page: header, navigation, the page, its headings. The front page has a frame of its own. */

import { escapeHtml } from '../html.js';
import { homeText } from './home.js';
import { navigationText, sections } from './navigation.js';

export function render(data) {
  const { path, title, summary, navigation, content, section } = data;
  const root = '../'.repeat(path.split('/').length - 1);
  const isHome = path === 'index';
  const main = isHome ? homeText(data, root) : articleText(data, root);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${isHome ? 'Opwright' : `${escapeHtml(title)} · Opwright`}</title>
<meta name="description" content="${escapeHtml(plain(summary))}">
<meta name="color-scheme" content="light dark">
<link rel="alternate" type="text/markdown" href="${root}${path}.md">
<link rel="icon" href="${root}assets/icon.svg" type="image/svg+xml">
${content.includes('class="katex') ? `<link rel="stylesheet" href="${root}assets/katex.css">\n` : ''}<link rel="stylesheet" href="${root}assets/style.css">
<script src="${root}assets/theme.js"></script>
<script src="${root}assets/site.js" defer></script>
<script src="${root}assets/search.js" defer></script>
</head>
<body data-root="${root}"${isHome ? ' class="home"' : ''}>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<button class="menu" aria-label="Navigation" aria-expanded="false" aria-controls="side"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 5.5h14M3 10h14M3 14.5h14"/></svg></button>
<a class="brand" href="${root}index.html"><svg viewBox="0 0 24 24" aria-hidden="true"><path class="mark-a" d="M12 2.5 20.2 7.2v9.6L12 21.5 3.8 16.8V7.2z"/><path class="mark-b" d="M8 12h8M12 8v8"/></svg>Opwright</a>
<nav class="sections" aria-label="Sections">${sections.map(({ name, title, start }) => `<a href="${root}${start}.html"${section === name && !isHome ? ' aria-current="true"' : ''}>${title}</a>`).join('')}</nav>
<button class="find" aria-keyshortcuts="/ Control+K"><svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="9" cy="9" r="5.5"/><path d="m13.2 13.2 4 4"/></svg><span>Search</span><kbd>/</kbd></button>
<button class="theme" aria-label="Light or dark"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 3a7 7 0 1 0 0 14z"/><circle cx="10" cy="10" r="7"/></svg></button>
</header>
<div class="frame">
<nav class="side" id="side" aria-label="Pages">${navigationText(navigation, data, root)}</nav>
${main}
</div>
<dialog class="search" aria-label="Search"><form method="dialog"><input type="search" placeholder="An op, a Paddle name, a word …" autocomplete="off" spellcheck="false" aria-label="Search" role="combobox" aria-expanded="true" aria-controls="results"></form><ol id="results" role="listbox"></ol><p class="hint"><kbd>↑</kbd> <kbd>↓</kbd> choose <kbd>↵</kbd> open <kbd>esc</kbd> close</p></dialog>
</body>
</html>
`;
}

function articleText({ path, content, section, group, navigation }, root) {
  const headings = [...content.matchAll(/<h2 id="([^"]+)">.*?<\/a>(.*?)<\/h2>/g)];
  const toc = headings.map(([, id, text]) => `<li><a href="#${id}">${text.replace(/<[^>]+>/g, '')}</a></li>`).join('');
  const name = sections.find((one) => one.name === section);
  const crumb = [name?.title, group]
    .filter(Boolean)
    .map((text) => `<span>${escapeHtml(text.charAt(0).toUpperCase() + text.slice(1))}</span>`);
  const all = Object.values(navigation[section]).flatMap(({ items }) => items);
  const at = all.findIndex((item) => item.path === path);
  const step = (item, kind, word) =>
    item === undefined
      ? '<span></span>'
      : `<a class="${kind}" href="${root}${item.path}.html"><small>${word}</small>${escapeHtml(item.title)}</a>`;
  return `<main id="content">
<article class="${section}"><p class="crumb">${crumb.join('')}</p>
${lead(content)}
</article>
<footer><nav class="steps" aria-label="Neighbours">${step(all[at - 1], 'before', 'Before')}${step(all[at + 1], 'after', 'Next')}</nav>
<p class="fine"><a href="${path.split('/').at(-1)}.md">This page as Markdown</a> · Generated from <code>ops.yaml</code> and the sources · Apache-2.0</p></footer>
</main>
<aside class="toc" aria-label="On this page">${toc === '' ? '' : `<h2>On this page</h2><ul>${toc}</ul>`}</aside>`;
}

/** The paragraph after the title sums the page up. */
const lead = (content) => content.replace(/(<\/h1>\s*)<p>/, '$1<p class="lead">');

const plain = (text) => text.replace(/[`*]/g, '');
