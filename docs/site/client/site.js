// What pages do besides being read: the menu of narrow screens, the panels of kernels, copying code, the list of headings.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // ---- Theme and menu

  document.querySelector('.theme').addEventListener('click', window.opwrightToggleTheme);

  const menu = document.querySelector('.menu');
  const setMenu = (open) => {
    menu.setAttribute('aria-expanded', String(open));
    document.body.classList.toggle('menu-open', open);
  };
  menu.addEventListener('click', () => setMenu(menu.getAttribute('aria-expanded') !== 'true'));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') setMenu(false);
  });
  document.querySelector('.side [aria-current=page]')?.scrollIntoView({ block: 'center' });

  // ---- Copying

  for (const block of all('.code.ts, .code.sh, .code.yaml, .code.js')) {
    const button = document.createElement('button');
    button.className = 'copy';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.querySelector('code').textContent);
      button.textContent = 'Copied';
      setTimeout(() => {
        button.textContent = 'Copy';
      }, 1500);
    });
    block.append(button);
  }

  // ---- Kernels

  const waiting = [];
  window.opwrightKernels = (texts) => {
    for (const resolve of waiting.splice(0)) resolve(texts);
  };
  const loadScript = (source) =>
    new Promise((resolve, reject) => {
      waiting.push(resolve);
      const script = Object.assign(document.createElement('script'), { src: source, onerror: reject });
      document.head.append(script);
    });

  const words = {
    cuda: /\b(?:extern|static|inline|const|struct|typedef|void|char|short|int|long|float|double|unsigned|signed|for|while|if|else|return|break|continue|__global__|__device__|__forceinline__|i32|u32|i64|u64|f32|f64)\b/,
    wasm: /\b(?:module|func|param|result|local|global|memory|import|export|type|block|loop|if|then|else|br|br_if|return|call|[iv]\d+(?:x\d+)?\.[\w.]+|f\d+(?:x\d+)?\.[\w.]+|v128|i32|i64|f32|f64)\b/,
  };
  words.c = words.cuda;
  const tokens = (language) =>
    new RegExp(
      `(?<comment>//[^\\n]*|;;[^\\n]*)|(?<string>"[^"\\n]*")|(?<keyword>${words[language].source})|(?<meta>^[ \\t]*#[^\\n]*)|(?<number>\\b0x[\\da-fA-F]+\\w*|\\b\\d+(?:\\.\\d*)?(?:e[+-]?\\d+)?[fuUlL]*\\b)`,
      'gm',
    );
  const paint = (code) => {
    const text = code.textContent;
    const nodes = [];
    let at = 0;
    for (const match of text.matchAll(tokens(code.dataset.language))) {
      const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
      const span = Object.assign(document.createElement('span'), { className: `hljs-${kind}`, textContent: match[0] });
      nodes.push(text.slice(at, match.index), span);
      at = match.index + match[0].length;
    }
    code.replaceChildren(...nodes, text.slice(at));
  };

  for (const panel of all('.kernels')) {
    const tabs = all('[role=tab]', panel);
    const choose = (tab) => {
      for (const other of tabs) {
        const chosen = other === tab;
        other.setAttribute('aria-selected', String(chosen));
        other.tabIndex = chosen ? 0 : -1;
        document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
      }
    };
    tabs.forEach((tab, index) => {
      tab.addEventListener('click', () => choose(tab));
      tab.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step === undefined) return;
        const next = tabs[(index + step + tabs.length) % tabs.length];
        choose(next);
        next.focus();
      });
    });
    const codes = all('code', panel);
    let texts;
    panel.querySelector('select').addEventListener('change', async ({ target }) => {
      texts ??= await loadScript(`${panel.dataset.op}.kernels.js`);
      for (const code of codes) {
        code.textContent = texts[target.value][code.dataset.language];
        paint(code);
      }
    });
    new IntersectionObserver((entries, observer) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      codes.forEach(paint);
    }).observe(panel);
  }

  // ---- Headings

  const links = new Map(all('.toc a').map((link) => [link.getAttribute('href').slice(1), link]));
  const headings = all('main h2[id]').filter(({ id }) => links.has(id));
  const mark = () => {
    const line = 120;
    const current = headings.findLast((heading) => heading.getBoundingClientRect().top <= line) ?? headings[0];
    for (const [id, link] of links) link.toggleAttribute('aria-current', id === current?.id);
  };
  if (headings.length > 0) {
    addEventListener('scroll', mark, { passive: true });
    mark();
  }
})();
