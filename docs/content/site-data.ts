/** What the site's generator needs beside the pages: the navigation, the words to search, and a list of everything for programs. */

import { type Page, type SectionName, sections } from './page.js';
import { groupTitle } from './reference-pages.js';

export interface NavigationItem {
  readonly path: string;
  readonly title: string;
}

export interface NavigationGroup {
  readonly title: string;
  readonly items: readonly NavigationItem[];
}

/** The pages of each section by group, in the order in which they are made. */
export function navigation(pages: readonly Page[]): Readonly<Record<SectionName, readonly NavigationGroup[]>> {
  const groupsOf = (section: SectionName): readonly NavigationGroup[] => {
    const groups = new Map<string, NavigationItem[]>();
    for (const { path, title, group } of pages.filter((page) => page.section === section && page.path !== 'index')) {
      const name = group === undefined ? '' : groupTitle(group);
      groups.set(name, [...(groups.get(name) ?? []), { path, title }]);
    }
    return [...groups].map(([title, items]) => ({ title, items }));
  };
  return { guide: groupsOf('guide'), ops: groupsOf('ops'), api: groupsOf('api'), reference: groupsOf('reference') };
}

/** What the search goes through: a row for each page, [path, title, section, summary, keywords, headings]. */
export function searchText(pages: readonly Page[]): string {
  const rows = pages.map(({ path, title, section, summary, keywords = [], body }) => {
    const headings = section === 'guide' ? [...body.matchAll(/^##+ (.+)$/gm)].map(([, text]) => text ?? '') : [];
    return [path, title, sections[section], summary, keywords.join(' | '), headings.join(' | ')];
  });
  return `${JSON.stringify(rows)}\n`;
}

/** llms.txt: what the library is, and where each page is as Markdown. */
export function llmsText(pages: readonly Page[]): string {
  const parts = Object.entries(sections).map(([section, title]) => {
    const lines = pages
      .filter((page) => page.section === section)
      .map((page) => `- [${page.title}](${page.path}.md): ${page.summary}`);
    return `## ${title}\n\n${lines.join('\n')}`;
  });
  const about =
    "An op library for TypeScript: tensors, gradients of any order, layers and optimizers, with kernels for CPU and CUDA, generated from one file. Names and meanings are PaddlePaddle 2.0's, in camelCase.";
  return `# Opwright\n\n> ${about}\n\n${parts.join('\n\n')}\n`;
}
