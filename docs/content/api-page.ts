/** Pages of what is written by hand: one for each class, function and value, and one for each entry point. */
import type { Api } from '../../codegen/spec/model.js';
import { locationOf } from '../../codegen/spec/source.js';
import type { ApiItem, ApiMember } from './api.js';
import { exampleText, programText } from './examples.js';
import type { Library } from './library.js';
import { code, fence, section, table } from './markdown.js';
import { opPath } from './op-page.js';
import { linkTo, type Page } from './page.js';

export const apiPath = ({ page, entry }: ApiItem): string => `${folderOf(entry)}/${page}`;
export const entryPath = (entry: string): string => `${folderOf(entry)}/index`;
const folderOf = (entry: string): string => `api/${entry === 'opwright' ? 'core' : entry.replace('opwright/', '')}`;

/** The entry points in the order of the navigation, with what each is for. */
export const entryTitles: Readonly<Record<string, string>> = {
  opwright: 'Tensors and gradients',
  'opwright/nn': 'Layers',
  'opwright/optimizer': 'Optimizers',
  'opwright/io': 'Files and batches',
};

export async function apiPages(library: Library, items: readonly ApiItem[]): Promise<readonly Page[]> {
  const documented = items.filter(({ kind }) => kind !== 'type');
  const spec = new Map(library.model.model.api.map((one) => [`${one.entry} ${one.name}`, one]));
  const pages: Page[] = [];
  // One after the other: examples share the random numbers.
  for (const item of documented) pages.push(await apiPage(library, items, item, spec.get(`${item.entry} ${item.name}`)));
  return [...Object.keys(entryTitles).map((entry) => entryPage(entry, items, spec)), ...pages];
}

function summaryOf(item: ApiItem, spec: Api | undefined): string {
  return spec?.summary ?? item.summary;
}

async function apiPage(library: Library, items: readonly ApiItem[], item: ApiItem, spec: Api | undefined): Promise<Page> {
  const path = apiPath(item);
  const options = items.filter(({ kind, name }) => kind === 'type' && usesType(item, name));
  const inherited = ancestorsOf(items, item);
  const op = layerOp(library, item);
  const names = spec?.names.map(({ name }) => name) ?? [];
  const body = [
    `${fence('ts', `import { ${item.name} } from '${item.entry}';\n\n${item.signature}`)}\n\n`,
    names.length === 0 ? '' : `**Paddle** ${names.map(code).join(', ')}\n\n`,
    item.doc === '' && spec?.doc === undefined ? '' : `${spec?.doc?.trim() ?? item.doc}\n\n`,
    op === undefined
      ? ''
      : `The op behind it, with its formula, gradient and errors, is [${code(op)}](${linkTo(path, opPath(op))}).\n\n`,
    section('Example', await exampleOf(item, spec)),
    section('Shape rule', shapeRule(library, item, op)),
    section('Options', ...options.map(optionsText)),
    section('Members', membersText(item.members)),
    ...inherited.map((base) => section(`From ${base.name}`, membersText(base.members))),
    section('Differences', spec?.differences),
    section(
      'Source',
      `${code(`${item.file}:${item.line}`)}${spec === undefined ? '' : `, and its entry at ${code(locationOf(spec.span))}`}.`,
    ),
    section('See also', seeAlso(library, items, path, spec)),
  ];
  return {
    path,
    title: item.name,
    summary: summaryOf(item, spec),
    section: 'api',
    group: entryTitles[item.entry] ?? item.entry,
    keywords: [
      ...names,
      ...(spec?.aliases.map(({ name }) => name) ?? []),
      ...(spec?.keywords ?? []),
      ...Object.values(spec?.elsewhere ?? {}),
    ],
    body: body.join(''),
  };
}

async function exampleOf(item: ApiItem, spec: Api | undefined): Promise<string> {
  if (spec !== undefined) return exampleText(spec.name, spec.example);
  return item.example === undefined ? '' : programText(item.example);
}

function usesType({ signature, members }: ApiItem, name: string): boolean {
  const pattern = new RegExp(`\\b${name}\\b`);
  return pattern.test(signature) || (members.length === 0 && pattern.test(signature));
}

/** The op that a layer computes with: the one that names it, or the one called as it is. */
function layerOp({ ops }: Library, { name, entry, kind }: ApiItem): string | undefined {
  if (entry !== 'opwright/nn' || kind !== 'class') return undefined;
  const like = name.replace(/Loss$/, '').toLowerCase();
  const found =
    ops.find(({ op }) => op.layer?.name === name) ??
    ops.find(({ op }) => op.name.toLowerCase() === name.toLowerCase()) ??
    ops.find(({ op }) => op.name.toLowerCase() === like);
  return found?.op.name;
}

function shapeRule({ ops }: Library, { members, entry, base }: ApiItem, opName: string | undefined): string {
  if (entry !== 'opwright/nn' || base === undefined) return '';
  const forward = members.find(({ name }) => name === 'forward');
  if (forward !== undefined && forward.doc !== '') return forward.doc;
  const op = ops.find(({ op }) => op.name === opName)?.op;
  const [output] = op?.outputs ?? [];
  if (output === undefined) return '';
  const { source, start, end } = output.shape.span;
  return `That of the op: the result has shape ${code(source.text.slice(start, end))}.`;
}

function ancestorsOf(items: readonly ApiItem[], item: ApiItem): readonly ApiItem[] {
  const base = items.find(({ name, kind }) => kind === 'class' && name === item.base);
  return base === undefined ? [] : [base, ...ancestorsOf(items, base)];
}

function optionsText(item: ApiItem): string {
  const heading = fence('ts', item.signature);
  const text = [item.summary, item.doc].filter((part) => part !== '').join('\n\n');
  return [heading, text, item.members.length === 0 ? '' : membersText(item.members)].filter((part) => part !== '').join('\n\n');
}

function membersText(members: readonly ApiMember[]): string {
  if (members.length === 0) return '';
  const rows = members.map(({ signature, doc }) => [
    code(signature.replace(/\s+/g, ' ')),
    doc.replace(/```[\s\S]*?```/g, '').trim(),
  ]);
  return table(['member', 'meaning'], rows);
}

function seeAlso(library: Library, items: readonly ApiItem[], from: string, spec: Api | undefined): string {
  const links = (spec?.seeAlso ?? []).map(({ name }) => {
    const item = items.find((one) => one.name === name && one.kind !== 'type');
    const path = item !== undefined ? apiPath(item) : library.ops.some(({ op }) => op.name === name) ? opPath(name) : undefined;
    return path === undefined ? code(name) : `[${code(name)}](${linkTo(from, path)})`;
  });
  return links.join(', ');
}

function entryPage(entry: string, items: readonly ApiItem[], spec: ReadonlyMap<string, Api>): Page {
  const path = entryPath(entry);
  const own = items.filter((item) => item.entry === entry);
  const rows = own
    .filter(({ kind }) => kind !== 'type')
    .map((item) => [`[${code(item.name)}](${linkTo(path, apiPath(item))})`, summaryOf(item, spec.get(`${entry} ${item.name}`))]);
  const types = own.filter(({ kind }) => kind === 'type');
  const title = entryTitles[entry] ?? entry;
  return {
    path,
    title,
    summary: `What ${code(entry)} exports besides the ops.`,
    section: 'api',
    group: title,
    keywords: [entry],
    body: [
      table(['name', 'what it is'], rows),
      '\n\n',
      section('Types', ...types.map((type) => `### ${type.name}\n\n${optionsText(type)}`)),
    ].join(''),
  };
}
