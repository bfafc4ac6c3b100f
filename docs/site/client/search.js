// The search: opened with / or Ctrl K. Its data are loaded when it is first opened.
(() => {
  const root = document.body.dataset.root;
  const dialog = document.querySelector('dialog.search');
  const input = dialog.querySelector('input');
  const list = dialog.querySelector('ol');
  let index;

  const load = (source) =>
    new Promise((resolve, reject) => {
      document.head.append(Object.assign(document.createElement('script'), { src: source, onload: resolve, onerror: reject }));
    });

  // A word is found as it is and by its parts: conv2d_transpose, conv2dTranspose and `paddle.nn.Conv2DTranspose` have parts in common.
  const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  const partsOf = (text) =>
    text.split(/[\s|]+/).flatMap((word) => {
      const parts = word.split(/[^\p{L}\p{N}]+|(?<=[a-z\d])(?=[A-Z])/u).map(plain);
      return [...new Set([plain(word), ...parts])].filter((part) => part !== '');
    });

  async function makeIndex() {
    await Promise.all([load(`${root}assets/minisearch.js`), load(`${root}assets/search-data.js`)]);
    const made = new MiniSearch({
      idField: 'path',
      fields: ['title', 'keywords', 'summary', 'headings'],
      storeFields: ['title', 'section', 'summary', 'path', 'keywords'],
      tokenize: partsOf,
      searchOptions: {
        prefix: (term) => term.length > 1,
        fuzzy: (term) => (term.length > 4 ? 0.2 : false),
        boost: { title: 6, keywords: 3 },
      },
    });
    made.addAll(
      opwrightSearchRows.map(([path, title, section, summary, keywords, headings]) => ({
        path,
        title,
        section,
        summary,
        keywords,
        headings,
      })),
    );
    return made;
  }

  async function open() {
    if (!dialog.open) dialog.showModal();
    input.select();
    index ??= makeIndex();
    await index;
    await show();
  }

  async function show() {
    const found = input.value.trim() === '' ? [] : (await index).search(input.value);
    const wanted = plain(input.value);
    // A page that is called so, or has such a name, comes first.
    const rank = ({ title, keywords }) =>
      plain(title) === wanted
        ? 2
        : keywords.split(' | ').some((word) => plain(word) === wanted || plain(word.split('.').at(-1)) === wanted)
          ? 1
          : 0;
    const sorted = found.toSorted((a, b) => rank(b) - rank(a) || b.score - a.score).slice(0, 12);
    list.replaceChildren(...sorted.map(resultItem));
    if (sorted.length === 0 && wanted !== '') {
      list.replaceChildren(Object.assign(document.createElement('li'), { className: 'none', textContent: 'Nothing found.' }));
    }
    select(list.querySelector('[role=option]'));
  }

  function resultItem({ path, title, section, summary }, place) {
    const item = document.createElement('li');
    item.role = 'option';
    item.id = `result-${place}`;
    const link = Object.assign(document.createElement('a'), { href: `${root}${path}.html`, tabIndex: -1 });
    const part = (className, text) => Object.assign(document.createElement('span'), { className, textContent: text });
    link.append(part('title', title), part('where', section), part('what', summary.replaceAll('`', '')));
    item.append(link);
    return item;
  }

  function select(item) {
    list.querySelector('[aria-selected=true]')?.removeAttribute('aria-selected');
    input.setAttribute('aria-activedescendant', item?.id ?? '');
    item?.setAttribute('aria-selected', 'true');
    item?.scrollIntoView({ block: 'nearest' });
  }

  input.addEventListener('input', show);
  input.addEventListener('keydown', (event) => {
    const selected = list.querySelector('[aria-selected=true]');
    if (event.key === 'Enter') {
      event.preventDefault();
      selected?.querySelector('a').click();
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const next = event.key === 'ArrowDown' ? selected?.nextElementSibling : selected?.previousElementSibling;
      if (next) select(next);
    }
  });
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.querySelector('.find').addEventListener('click', open);
  document.addEventListener('keydown', (event) => {
    const typing = /^(?:INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if ((event.key === '/' && !typing) || (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      open();
    }
  });
})();
