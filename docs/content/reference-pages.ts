/** Pages that list what the others describe: ops by group, public names of Paddle, coverage, names in other libraries, errors. */
import { readFileSync } from 'node:fs';
import { inPlaceName } from '../../codegen/emit/names.js';
import { gradientsOf, isDifferentiable } from '../../codegen/lang/differentiate.js';
import { errorCodes } from '../../entry/index.js';
import type { Dtype } from '../../kernels/op.js';
import { dtypes } from '../../runtime/dtype.js';
import type { ApiItem } from './api.js';
import { apiPath } from './api-page.js';
import type { DocumentedOp, Library } from './library.js';
import { code, section, table } from './markdown.js';
import { opPath } from './op-page.js';
import { matrixTiers, tierText } from './op-tests.js';
import { linkTo, type Page } from './page.js';

export function referencePages(library: Library, api: readonly ApiItem[]): readonly Page[] {
  return [opsIndex(library), namesPage(library, api), coveragePage(library), internalsPage(library), errorsPage(library)];
}

const linkedOp = (from: string, name: string): string => `[${code(name)}](${linkTo(from, opPath(name))})`;

/** Ops by the heading that they stand under in the spec, in its order. */
export function opsByGroup(ops: readonly DocumentedOp[]): ReadonlyMap<string, readonly DocumentedOp[]> {
  const groups = new Map<string, DocumentedOp[]>();
  for (const one of ops) groups.set(one.op.group, [...(groups.get(one.op.group) ?? []), one]);
  return groups;
}

export const groupTitle = (group: string): string => `${group.charAt(0).toUpperCase()}${group.slice(1)}`;

function opsIndex({ ops }: Library): Page {
  const path = 'ops/index';
  const groups = [...opsByGroup(ops)].map(([group, members]) =>
    section(
      groupTitle(group),
      table(
        ['op', 'what it does'],
        members.map(({ op }) => [linkedOp(path, op.name), op.summary]),
      ),
    ),
  );
  return {
    path,
    title: 'Ops by group',
    summary: `All ${ops.length} ops, in the order a reader would learn them.`,
    section: 'ops',
    keywords: ['all ops', 'list of ops'],
    body: groups.join(''),
  };
}

interface Coverage {
  readonly total: number;
  readonly covered: number;
  readonly names: Readonly<Record<string, string | null>>;
}

function readCoverage(): Coverage {
  const coverage: Coverage = JSON.parse(readFileSync('generated/coverage.json', 'utf8'));
  return coverage;
}

function answerLink(library: Library, api: readonly ApiItem[], from: string, name: string): string {
  const found = library.ops.find(({ op }) => op.name === name || (op.inPlace && inPlaceName(op) === name));
  if (found !== undefined) return `[${code(name)}](${linkTo(from, opPath(found.op.name))})`;
  const item = api.find((one) => one.name === name && one.kind !== 'type');
  return item === undefined ? code(name) : `[${code(name)}](${linkTo(from, apiPath(item))})`;
}

function namesPage(library: Library, api: readonly ApiItem[]): Page {
  const path = 'reference/paddle-names';
  const { names, total, covered } = readCoverage();
  const modules = new Map<string, (readonly [string, string | null])[]>();
  for (const [name, answer] of Object.entries(names)) {
    const module = name.split('.').slice(0, -1).join('.');
    modules.set(module, [...(modules.get(module) ?? []), [name, answer]]);
  }
  const parts = [...modules].map(([module, members]) =>
    section(
      module,
      table(
        ['Paddle', 'here'],
        members.map(([name, answer]) => [code(name), answer === null ? 'not yet' : answerLink(library, api, path, answer)]),
      ),
    ),
  );
  return {
    path,
    title: 'Names in Paddle',
    summary: `The ${total} public names of PaddlePaddle 2.0 with their state: ${covered} are answered.`,
    section: 'reference',
    keywords: ['paddle', 'paddlepaddle', 'index of names'],
    body: parts.join(''),
  };
}

function coveragePage(library: Library): Page {
  const path = 'reference/coverage';
  const { total, covered } = readCoverage();
  const columns: readonly Dtype[] = dtypes;
  const rows = library.ops.map((one) => [
    linkedOp(path, one.op.name),
    ...columns.map((dtype) => mark(takes(one, dtype))),
    gradientMark(library, one),
  ]);
  return {
    path,
    title: 'Coverage',
    summary: `${covered} of ${total} public names of PaddlePaddle 2.0, and which dtypes each op takes.`,
    section: 'reference',
    keywords: ['coverage', 'dtypes', 'devices', 'supported'],
    body: [
      `The names themselves are [listed by module](${linkTo(path, 'reference/paddle-names')}).\n\n`,
      section(
        'Devices',
        `Every op runs on every device, in each dtype that it takes, because all are generated from one entry. The op matrix of the tests runs on: ${matrixTiers().map(tierText).join('; ')}.`,
      ),
      section(
        'Ops by dtype',
        `A dot where the op takes the dtype for its first dtype variable, or makes it. In the last column: "all" where every input has a gradient, "some" where some have.`,
        `<!-- wide -->\n\n${table(['op', ...columns, 'gradient'], rows)}`,
      ),
    ].join(''),
  };
}

const mark = (is: boolean): string => (is ? '●' : '');

function takes({ op }: DocumentedOp, dtype: Dtype): boolean {
  const [variable] = op.dtypes;
  if (variable !== undefined) return variable.members.includes(dtype);
  const fixed = [...op.inputs, ...op.outputs].map((one) =>
    one.dtype.span.source.text.slice(one.dtype.span.start, one.dtype.span.end),
  );
  return fixed.some((text) => text === dtype) || op.attrs.some(({ type }) => type.kind === 'dtype');
}

function gradientMark({ model }: Library, one: DocumentedOp): string {
  const count = gradientsOf(model, one).length;
  const possible = one.op.inputs.filter((input) => isDifferentiable(one, input)).length;
  return count === 0 ? '' : count === one.op.inputs.length || count === possible ? 'all' : 'some';
}

/** Entries that only other entries call: one row each, because nobody calls them by name. */
function internalsPage({ model }: Library): Page {
  const internal = [...model.ops.values()].filter(({ op }) => op.internal);
  return {
    path: 'reference/internal-ops',
    title: 'Internal ops',
    summary: 'Entries of the spec that definitions and gradients of other ops are made of; they are not exported.',
    section: 'reference',
    body: table(
      ['op', 'what it does', 'kernel'],
      internal.map(({ op }) => [code(op.name), op.summary, op.body.kind]),
    ),
  };
}

function errorsPage({ ops }: Library): Page {
  const path = 'reference/errors';
  const parts = Object.entries(errorCodes).map(([code, meaning]) => {
    const raisers = ops.filter(
      ({ op }) => op.constraints.some((one) => one.code === code) || op.errors.some((one) => one.code === code),
    );
    const by =
      raisers.length === 0
        ? ''
        : `\n\nTested with: ${raisers
            .slice(0, 12)
            .map(({ op }) => linkedOp(path, op.name))
            .join(', ')}${raisers.length > 12 ? ` and ${raisers.length - 12} more` : ''}.`;
    return `## ${code}\n\n${meaning}${by}\n\n`;
  });
  return {
    path,
    title: 'Error codes',
    summary: 'Every error of the library is an OpwrightError with one of these codes, which are stable.',
    section: 'reference',
    keywords: ['OpwrightError', ...Object.keys(errorCodes)],
    body: parts.join(''),
  };
}
