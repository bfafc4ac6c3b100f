/**
 * The page of one op, made from its entry in the spec, its checked expressions, its test cases, and the library that runs its example.
 */
import { entryText } from '../../codegen/commands/entry-text.js';
import { hasOptions, parametersOf, signatureOf } from '../../codegen/emit/api.js';
import { functionName, inPlaceName, optionsName } from '../../codegen/emit/names.js';
import { inferred } from '../../codegen/emit/refusals.js';
import { givenType } from '../../codegen/emit/types.js';
import { gradientsOf } from '../../codegen/lang/differentiate.js';
import { printProgram, printTerm } from '../../codegen/lang/print.js';
import { bindingsOf, childTerms, returnedOutputs, type Term } from '../../codegen/lang/terms.js';
import type { Op } from '../../codegen/spec/model.js';
import { sampleData } from '../../codegen/spec/sample-data.js';
import { locationOf, type Span } from '../../codegen/spec/source.js';
import { RuleError } from '../../kernels/host.js';
import type { OpCase } from '../../test/matrix/cases.js';
import { exampleText } from './examples.js';
import { nameLatex, opLatex, programLatex } from './latex.js';
import type { DocumentedOp, Library } from './library.js';
import { code, fence, section, table } from './markdown.js';
import { errorsText } from './op-errors.js';
import { opKernels, sampleText } from './op-kernels.js';
import { opPlot } from './op-plot.js';
import { testsText } from './op-tests.js';
import { linkTo, type Page } from './page.js';

export const opPath = (name: string): string => `ops/${name}`;

export function opPage(library: Library, documented: DocumentedOp, test: OpCase): Page {
  const { op } = documented;
  const plot = opPlot(documented);
  const kernels = opKernels(library, documented);
  if (op.example === undefined) throw new Error(`${op.name} has no example`);
  const body = [
    `${fence('ts', signatureText(op))}\n`,
    namesText(op),
    op.doc === undefined ? '' : `${op.doc.trim()}\n\n`,
    formulaText(documented),
    section('Example', exampleText(op.name, op.example)),
    plot === undefined ? '' : `![The curve of ${op.name} and of its derivative](${op.name}.svg)\n\n`,
    section('Arguments', argumentsText(library, op)),
    section('Result and shape rule', resultText(library, documented)),
    section('Gradient', gradientText(library, documented)),
    section('Errors', errorsText(documented, test)),
    section('In other libraries', elsewhereText(op)),
    section('Differences', op.differences),
    section('How it runs', kernels === undefined ? '' : kernelsText(op, kernels)),
    section('Where it is tested', testsText(test)),
    section('The entry', entrySection(documented)),
    section('See also', seeAlsoText(library, op)),
  ];
  const files = new Map([
    ...(plot === undefined ? [] : [[`${op.name}.svg`, plot] as const]),
    ...(kernels === undefined ? [] : [[`${op.name}.kernels.json`, `${JSON.stringify(kernels)}\n`] as const]),
  ]);
  return {
    path: opPath(op.name),
    title: op.name,
    summary: op.summary,
    section: 'ops',
    group: op.group,
    keywords: [
      ...[...op.names, ...op.aliases].map(({ name }) => name),
      ...(op.inPlace ? [inPlaceName(op)] : []),
      ...op.keywords,
      ...Object.values(op.elsewhere),
    ],
    body: body.join(''),
    files,
  };
}

// ---- What is called

export function signatureText(op: Op): string {
  const parameters = (skip: number): string =>
    parametersOf(op, skip)
      .map(({ name, type, initializer }) => `${name}${initializer === undefined ? '' : '?'}: ${String(type)}`)
      .join(', ');
  const signature = signatureOf(op);
  const lines = [`${functionName(op)}(${parameters(0)}): ${signature.returns}`];
  if (signature.positional[0]?.list === false) lines.push(`x.${op.name}(${parameters(1)}): ${signature.returns}`);
  if (op.inPlace) lines.push(`x.${inPlaceName(op)}(${parameters(1)}): ${signature.returns}  // in place`);
  if (!hasOptions(signature)) return lines.join('\n');
  const options = [
    ...signature.optionalInputs.map((input) => `  ${input.name}?: TensorLike;`),
    ...signature.options.map((attr) => `  ${attr.name}?: ${givenType(attr.type)};  // ${JSON.stringify(attr.default)}`),
  ];
  return [...lines, '', `interface ${optionsName(op)} {`, ...options, '}'].join('\n');
}

function namesText(op: Op): string {
  const names = op.names.map(({ name }) => code(name)).join(', ');
  const aliases = op.aliases.map(({ name }) => code(name)).join(', ');
  const parts = [names === '' ? '' : `**Paddle** ${names}`, aliases === '' ? '' : `**Also called** ${aliases}`];
  const given = parts.filter((part) => part !== '').join(' · ');
  return given === '' ? '\n' : `\n${given}\n\n`;
}

function formulaText(documented: DocumentedOp): string {
  const { op, define } = documented;
  const output = op.outputs[0]?.name ?? 'out';
  const own =
    op.formula ??
    opLatex(
      op.name,
      op.inputs.map(({ name }) => name),
    );
  const formula =
    own === undefined
      ? define && isShort(define.results) && programLatex(define, nameLatex(output))
      : `${nameLatex(output)} = ${own}`;
  return formula === undefined || formula === false ? '' : `${fence('math', formula)}\n\n`;
}

/** Longer programs are read more easily as the spec writes them, at the end of the page. */
function isShort(results: readonly Term[]): boolean {
  const size = (term: Term): number => childTerms(term).reduce((total, child) => total + size(child), 1);
  return results.reduce((total, term) => total + size(term), 0) <= 40;
}

// ---- Arguments and results

function argumentsText(library: Library, op: Op): string {
  const inputs = op.inputs.map((input) => [
    code(input.name) + (input.optional ? ' *optional*' : ''),
    input.list ? 'tensors' : input.number ? 'tensor or number' : 'tensor',
    dtypeText(op, spanText(input.dtype.span)),
    input.shape === undefined
      ? rankText(input.rank)
      : code(spanText(input.shape.kind === 'pattern' ? input.shape.span : input.shape.shape.span)),
    '',
    [input.summary, input.mutated ? 'Written in place.' : undefined].filter((part) => part !== undefined).join(' '),
  ]);
  const attrs = op.attrs.map((attr) => [
    code(attr.name),
    code(givenType(attr.type)),
    '',
    '',
    attr.required ? '' : code(JSON.stringify(attr.default)),
    attr.summary ?? '',
  ]);
  const rows = [...inputs, ...attrs];
  if (rows.length === 0) return 'It takes none.';
  const dtypes = op.dtypes.map(
    ({ name, members }) => `${code(name)} is ${className(library, members) ?? members.map(code).join(', ')}.`,
  );
  return [table(['argument', 'type', 'dtype', 'shape', 'default', 'meaning'], rows), ...dtypes].join('\n\n');
}

function rankText(rank: Op['inputs'][number]['rank']): string {
  if (rank === undefined) return 'any';
  if (rank.most === rank.least) return rank.least === 1 ? '1 axis' : `${rank.least} axes`;
  return rank.most === Number.POSITIVE_INFINITY ? `${rank.least} axes or more` : `${rank.least} to ${rank.most} axes`;
}

function dtypeText(op: Op, text: string): string {
  return op.dtypes.some(({ name }) => name === text) ? code(text) : code(text.replace(/\s+/g, ' '));
}

/** Many dtypes by the name of their class, with the members after it. */
function className({ model }: Library, members: readonly string[]): string | undefined {
  const found = [...model.model.dtypes.values()].find(
    (one) => one.members.length === members.length && one.members.every((dtype) => members.includes(dtype)),
  );
  return found && `*${found.name}*: ${members.map(code).join(', ')}`;
}

function resultText(library: Library, documented: DocumentedOp): string {
  const { op } = documented;
  const returned = new Set(returnedOutputs(op));
  const visible = op.outputs.flatMap((output, index) => (output.hidden ? [] : [{ output, index }]));
  const rows = visible.map(({ output }) => [
    code(output.name),
    code(spanText(output.dtype.span)),
    code(spanText(output.shape.span).replace(/\s+/g, ' ')),
    [
      output.summary,
      output.list ? 'A list of tensors.' : undefined,
      output.dataSized ? 'How many there are along the first axis depends on the data; the rule gives the most.' : undefined,
      output.writes === undefined ? undefined : `Written into ${code(output.writes.name)}.`,
      returned.has(output) || output.writes !== undefined ? undefined : 'Not returned.',
    ]
      .filter((part) => part !== undefined)
      .join(' '),
  ]);
  return [table(['result', 'dtype', 'shape', ''], rows), rulesText(documented), shapeSamples(library, documented)]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** The names that the shape rules use: sizes and values computed on the way, shared rules in words. */
function rulesText({ lets, outputs }: DocumentedOp): string {
  const used = new Set<string>();
  const rules = new Map<string, string>();
  const visit = (term: Term): void => {
    if (term.kind === 'rule') rules.set(term.rule.name, term.rule.summary);
    childTerms(term).forEach(visit);
  };
  const roots = outputs.map(({ shape }) => shape);
  for (const binding of bindingsOf(...roots)) used.add(binding.name);
  const lines = lets.toReversed().filter(({ binding, value }) => {
    if (!used.has(binding.name)) return false;
    for (const inner of bindingsOf(value)) used.add(inner.name);
    return true;
  });
  for (const { value } of lines) visit(value);
  roots.forEach(visit);
  const where = lines
    .toReversed()
    .filter(({ value }) => value.kind !== 'element')
    .map(({ binding, value }) => `- ${code(`${binding.name} = ${printTerm(value)}`)}`);
  const words = [...rules].map(([name, summary]) => `- ${code(name)}: ${summary}`);
  return where.length + words.length === 0 ? '' : `where\n\n${[...where, ...words].join('\n')}`;
}

/** The rule at work, on the samples that the op is tested with. */
function shapeSamples({ model }: Library, { op, definition }: DocumentedOp): string {
  const rows = op.samples.map((sample) => {
    const data = sampleData(model.model, op, sample);
    const outputs = inferred(definition, data);
    if (outputs instanceof RuleError) throw outputs;
    const visible = outputs.slice(0, op.outputs.filter(({ hidden }) => !hidden).length || 1);
    const shown = visible.map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`).join(', ');
    return [code(sampleText(data)), code(shown === '' ? 'nothing' : shown)];
  });
  return table(['called with', 'gives'], rows);
}

// ---- Gradient

function gradientText({ model }: Library, documented: DocumentedOp): string {
  const { op } = documented;
  const gradients = gradientsOf(model, documented);
  if (op.inputs.length === 0) return 'It has no input, and so no gradient.';
  if (gradients.length === 0) return 'None: no gradient flows through it.';
  const parts = gradients.map(({ input, program, derived, saved }) => {
    const kept = saved.map(({ name, keep }) => (keep === 'shape' ? `the shape of ${code(name)}` : code(name)));
    const origin = derived ? 'derived from the definition' : 'stated in the entry';
    const formula = programLatex(program, `\\mathrm{d}${nameLatex(input)}`);
    const text = printProgram(program);
    const isFormula = formula !== undefined && text.length < 160;
    return `Of ${code(input)}, ${origin}; backward keeps ${kept.length === 0 ? 'nothing' : kept.join(', ')}:\n\n${isFormula ? fence('math', formula) : fence('ts', text)}`;
  });
  const without = op.inputs.filter(({ name }) => !gradients.some(({ input }) => input === name)).map(({ name }) => code(name));
  const none = without.length === 0 ? [] : [`No gradient flows to ${without.join(', ')}.`];
  return [...parts, ...none].join('\n\n');
}

// ---- The rest

function elsewhereText(op: Op): string {
  const libraries = { numpy: 'NumPy', pytorch: 'PyTorch', tensorflow: 'TensorFlow.js' } as const;
  const rows = [
    ...(op.names.length === 0 ? [] : [['Paddle', op.names.map(({ name }) => code(name)).join(', ')]]),
    ...(['numpy', 'pytorch', 'tensorflow'] as const).flatMap((key) => {
      const name = op.elsewhere[key];
      return name === undefined ? [] : [[libraries[key], code(name)]];
    }),
  ];
  return rows.length === 0 ? '' : table(['library', 'name'], rows);
}

function kernelsText(op: Op, { sample, steps, texts }: NonNullable<ReturnType<typeof opKernels>>): string {
  const plan =
    steps.length === 0 ? 'nothing' : steps.map((step, index) => (steps.length === 1 ? step : `${index + 1}. ${step}`)).join('\n');
  const how = `For ${code(sample)} it runs ${steps.length === 1 ? plan : `\n\n${plan}`}${steps.length === 1 ? '.' : ''}`;
  return texts.length === 0 ? how : `${how}\n\n<!-- kernels ${op.name} -->`;
}

function entrySection({ op }: DocumentedOp): string {
  const inherited = op.class === undefined ? '' : ` What it does not say itself, its class ${code(op.class)} does.`;
  return `${code(locationOf(op.span))}.${inherited}\n\n${fence('yaml', entryText(op.span))}`;
}

function seeAlsoText({ model }: Library, op: Op): string {
  const links = op.seeAlso.map(({ name }) => {
    const other = model.ops.get(name);
    return other === undefined || other.op.internal ? code(name) : `[${code(name)}](${linkTo(opPath(op.name), opPath(name))})`;
  });
  return links.join(', ');
}

function spanText({ source, start, end }: Span): string {
  return source.text.slice(start, end);
}
