/** The list of pages at the side: the section that the page is in, and of long sections only the group. */

export const sections = [
  { name: 'guide', title: 'Guide', start: 'guide/getting-started' },
  { name: 'ops', title: 'Ops', start: 'ops/index' },
  { name: 'api', title: 'API', start: 'api/core/index' },
  { name: 'reference', title: 'Reference', start: 'reference/coverage' },
];

/** Sections with more pages than this show the pages of one group. */
const longSection = 60;

export function navigationText(navigation, { section, path, group }, root) {
  const groups = navigation[section];
  const isLong = groups.reduce((total, { items }) => total + items.length, 0) > longSection;
  const links = sections
    .map((one) => `<a href="${root}${one.start}.html"${one.name === section ? ' aria-current="true"' : ''}>${one.title}</a>`)
    .join('');
  return `<div class="sections-small">${links}</div>${groups.map((one) => groupText(one, { isLong, path, group, root })).join('')}`;
}

function groupText({ title, items }, { isLong, path, group, root }) {
  const isOpen = !isLong || title === '' || title.toLowerCase() === (group ?? '').toLowerCase();
  const list = items
    .map(
      (item) =>
        `<li><a href="${root}${item.path}.html"${item.path === path ? ' aria-current="page"' : ''}>${item.title}</a></li>`,
    )
    .join('');
  if (title === '') return `<ul>${list}</ul>`;
  if (isOpen) return `<h2>${title}</h2><ul>${list}</ul>`;
  return `<h2 class="closed"><a href="${root}${items[0].path}.html">${title}</a></h2>`;
}
