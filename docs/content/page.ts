/**
 * What a page of the documentation is before the site's generator makes HTML of it: a Markdown text that reads well as it is (it is
 * served beside the HTML), with a few facts about it. Links lead to Markdown files, relative to the page's own.
 */

export interface Page {
  /** Within the site, without an ending: `ops/softmax`. */
  readonly path: string;
  readonly title: string;
  /** One sentence: under the title, in search results and in llms.txt. */
  readonly summary: string;
  readonly section: SectionName;
  /** The heading that the page stands under in its section's index. */
  readonly group?: string;
  /** Other names and words that find the page. */
  readonly keywords?: readonly string[];
  /** Markdown, without the title and the summary. */
  readonly body: string;
  /** Files beside the page, by name. */
  readonly files?: ReadonlyMap<string, string>;
}

/** The parts of the site, in the order of its navigation. */
export const sections = {
  guide: 'Guide',
  ops: 'Ops',
  api: 'API',
  reference: 'Reference',
} as const satisfies Record<string, string>;

export type SectionName = keyof typeof sections;

/** The page as a file: facts as JSON, which is YAML too, then the text. */
export function pageText({ path, title, summary, section, group, keywords = [], body }: Page): string {
  const facts = { path, title, summary, section, group: group ?? null, keywords };
  return `---\n${JSON.stringify(facts)}\n---\n\n# ${title}\n\n${summary}\n\n${body.trim()}\n`;
}

/** A link from one page to another. */
export function linkTo(from: string, to: string): string {
  const [page = '', fragment] = to.split('#');
  const here = from.split('/').slice(0, -1);
  const there = page.split('/');
  let shared = 0;
  while (shared < here.length && shared < there.length - 1 && here[shared] === there[shared]) shared++;
  const path = [...here.slice(shared).map(() => '..'), ...there.slice(shared)].join('/');
  return `${path}.md${fragment === undefined ? '' : `#${fragment}`}`;
}
