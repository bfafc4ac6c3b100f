/**
 * The guides: Markdown of docs/guides, whose programs are run here so that what is shown below each is what it prints; and pages made of
 * other texts of the project. The fences that mean something:
 *
 *     ts         a program, or the continuation of the one before it on the page; `ts new` begins another
 *     yaml FILE  written into the guide's folder; an op pack if the name ends in .yaml
 *     sh         commands that are run in that folder by the tests, where they must succeed; `sh show` shows what they print
 *
 * `<!-- elsewhere numpy -->`, `<!-- differences -->` and `<!-- bench -->` are filled in from the spec and from bench/RESULTS.md.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { ApiItem } from './api.js';
import { benchText } from './bench.js';
import { differencesTable, elsewhereTable } from './elsewhere.js';
import { GuideFolder } from './guide-folder.js';
import type { Library } from './library.js';
import { fence } from './markdown.js';
import type { Page } from './page.js';

export const guidesFolder = 'docs/guides';

export async function guidePages(library: Library, api: readonly ApiItem[]): Promise<readonly Page[]> {
  const files = readdirSync(guidesFolder)
    .filter((name) => name.endsWith('.md'))
    .sort();
  return [...files.map((file) => guidePage(library, api, file)), architecturePage()];
}

function guidePage(library: Library, api: readonly ApiItem[], file: string): Page {
  const { title, summary, keywords, body } = readGuide(readFileSync(`${guidesFolder}/${file}`, 'utf8'), file);
  const name = file.replace(/^\d+-|\.md$/g, '');
  const path = name === 'index' ? name : `guide/${name}`;
  const fillings: Readonly<Record<string, (which: string) => string>> = {
    bench: benchText,
    differences: () => differencesTable(library, path),
    elsewhere: (which) => elsewhereTable(library, api, path, which),
  };
  const filled = body.replace(/^<!-- (\w+)(?: (\w+))? -->$/gm, (all, what: string, which = '') => fillings[what]?.(which) ?? all);
  return { path, title, summary, section: 'guide', keywords, body: withOutputs(filled, file) };
}

interface Guide {
  readonly title: string;
  readonly summary: string;
  readonly keywords: readonly string[];
  readonly body: string;
}

/** A guide begins with its title as a heading, one paragraph that sums it up, and, if need be, `<!-- keywords: a, b -->`. */
export function readGuide(text: string, file: string): Guide {
  const match = /^# (.+)\n\n([^\n]+(?:\n[^\n]+)*)\n\n(?:<!-- keywords: (.+) -->\n\n)?([\s\S]*)$/.exec(text);
  if (match === null) throw new Error(`${file} does not begin with a title and a paragraph`);
  const [, title = '', summary = '', keywords = '', body = ''] = match;
  return { title, summary: summary.replaceAll('\n', ' '), keywords: keywords.split(', ').filter((word) => word !== ''), body };
}

export interface Block {
  readonly language: string;
  readonly argument: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** The fenced blocks of a Markdown text. */
export function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w+)(?: (.+))?\n([\s\S]*?)^```$/gm)].map((match) => {
    const [all, language = '', argument = '', text = ''] = match;
    return { language, argument, text, start: match.index, end: match.index + all.length };
  });
}

/** The guide with what its programs print below each. */
function withOutputs(markdown: string, file: string): string {
  const blocks = blocksOf(markdown);
  const folder = new GuideFolder();
  try {
    const outputs = folder.run(blocks);
    let text = '';
    let at = 0;
    blocks.forEach((block, index) => {
      const output = outputs[index] ?? '';
      text += markdown.slice(at, block.start) + fence(block.language, block.text);
      if (output !== '') text += `\n\n${fence('output', output)}`;
      at = block.end;
    });
    return text + markdown.slice(at);
  } catch (error) {
    throw new Error(`${guidesFolder}/${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    folder.remove();
  }
}

/** ARCHITECTURE.md as it is. */
function architecturePage(): Page {
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  const [heading = '', summary = '', ...rest] = text.split('\n\n');
  return {
    path: 'guide/architecture',
    title: heading.replace(/^# /, ''),
    summary: summary
      .replaceAll('\n', ' ')
      .replace(/\. Follow the folders.*$/, '.')
      .replaceAll('`', ''),
    section: 'guide',
    keywords: ['internals', 'design', 'kernel IR', 'gradient conventions'],
    body: rest.join('\n\n'),
  };
}
