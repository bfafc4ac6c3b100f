/** The Markdown that is served beside a page: its source without front matter and without what only the site understands. */
export function twinOf(source) {
  return source.replace(/^---\n[\s\S]*?\n---\n+/, '').replace(/^<!-- .* -->\n+/gm, '');
}
