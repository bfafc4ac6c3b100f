/** The front page: what it is in one look, a program with its output, and ways into the rest. */

export function homeText({ title, summary, content }, root) {
  const [, body] = /<\/h1>\s*<p>[\s\S]*?<\/p>([\s\S]*)/.exec(content);
  return `<main id="content">
<section class="hero"><h1>${title}</h1><p>${summary}</p>
<p class="actions"><a class="primary" href="${root}guide/getting-started.html">Get started</a><a href="${root}ops/index.html">Browse the ops</a></p></section>
<article class="home">${body}</article>
</main>`;
}
