/** What things of another library are called here, from the spec. */
import { otherLibraries } from '../../codegen/spec/schema.js';
import type { ApiItem } from './api.js';
import { apiPath } from './api-page.js';
import type { Library } from './library.js';
import { code, section, table } from './markdown.js';
import { opPath } from './op-page.js';
import { linkTo } from './page.js';
import { groupTitle, opsByGroup } from './reference-pages.js';

export function elsewhereTable(library: Library, api: readonly ApiItem[], from: string, which: string): string {
  const key = otherLibraries.find((name) => name === which);
  if (key === undefined) throw new Error(`there is no column for the library '${which}'`);
  const groups = [...opsByGroup(library.ops)].map(([group, members]) => {
    const rows = members.flatMap(({ op }) => {
      const name = op.elsewhere[key];
      return name === undefined ? [] : [[code(name), `[${code(op.name)}](${linkTo(from, opPath(op.name))})`, op.summary]];
    });
    return rows.length === 0 ? '' : section(groupTitle(group), table(['there', 'here', ''], rows)).replace(/^## /, '### ');
  });
  const other = library.model.model.api.flatMap((one) => {
    const name = one.elsewhere[key];
    const item = api.find((item) => item.name === one.name && item.entry === one.entry);
    return name === undefined || item === undefined
      ? []
      : [[code(name), `[${code(one.name)}](${linkTo(from, apiPath(item))})`, one.summary]];
  });
  return [
    ...groups,
    other.length === 0 ? '' : section('Everything else', table(['there', 'here', ''], other)).replace(/^## /, '### '),
  ]
    .join('')
    .trim();
}

/** Where ops differ from those of other libraries, as their entries say. */
export function differencesTable({ ops }: Library, from: string): string {
  const rows = ops.flatMap(({ op }) =>
    op.differences === undefined ? [] : [[`[${code(op.name)}](${linkTo(from, opPath(op.name))})`, op.differences]],
  );
  return table(['op', 'difference'], rows);
}
