/**
 * The file of one op: its options, its definition, and the typed function that users call. Structured TypeScript is built with
 * ts-morph; the definition's text comes from definition.ts.
 */
import type { JSDocStructure, OptionalKind, ParameterDeclarationStructure, SourceFile } from 'ts-morph';
import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { returnedOutputs } from '../lang/terms.js';
import type { Attribute, Input, Op } from '../spec/model.js';
import { originOf } from '../spec/source.js';
import { definitionText } from './definition.js';
import type { ImportRoots } from './library.js';
import { definitionName, functionName, inPlaceName, optionsName } from './names.js';
import { givenType } from './types.js';

export interface OpSignature {
  readonly positional: readonly Input[];
  readonly required: readonly Attribute[];
  /** Optional inputs and attributes with defaults: the fields of the options object. */
  readonly optionalInputs: readonly Input[];
  readonly options: readonly Attribute[];
  readonly returns: string;
}

export function signatureOf(op: Op): OpSignature {
  const outputs = returnedOutputs(op);
  const [only] = outputs;
  return {
    positional: op.inputs.filter((input) => !input.optional),
    required: op.attrs.filter((attr) => attr.required),
    optionalInputs: op.inputs.filter((input) => input.optional),
    options: op.attrs.filter((attr) => !attr.required),
    returns:
      only === undefined
        ? 'void'
        : outputs.length > 1
          ? `{ ${outputs.map(({ name }) => `${name}: Tensor`).join('; ')} }`
          : only.list
            ? 'Tensor[]'
            : 'Tensor',
  };
}

export const hasOptions = (signature: OpSignature): boolean => signature.optionalInputs.length + signature.options.length > 0;

export const inputType = (input: Input): string => (input.list ? `readonly ${elementType(input)}[]` : elementType(input));

const elementType = (input: Input): string => (input.mutated ? 'Tensor' : 'TensorLike');

/** The parameters of the function, or of the method, which leaves out its first. */
export function parametersOf(op: Op, skip = 0): OptionalKind<ParameterDeclarationStructure>[] {
  const signature = signatureOf(op);
  const given = [
    ...signature.positional.map((input) => ({ name: safe(input.name), type: inputType(input) })),
    ...signature.required.map((attr) => ({ name: safe(attr.name), type: givenType(attr.type) })),
  ].slice(skip);
  return hasOptions(signature) ? [...given, { name: 'options', type: optionsName(op), initializer: '{}' }] : given;
}

const safe = (name: string): string => (['default', 'in', 'var', 'function'].includes(name) ? `${name}_` : name);

/** Adds an op to its group's file. */
export function writeOp(file: SourceFile, model: CheckedModel, checked: CheckedOp): void {
  const { op } = checked;
  const signature = signatureOf(op);
  if (hasOptions(signature)) {
    file.addInterface({
      name: optionsName(op),
      isExported: true,
      docs: [`Options of {@link ${functionName(op)}}.`],
      properties: [
        ...signature.optionalInputs.map((input) => ({
          name: input.name,
          type: `${inputType(input)} | undefined`,
          hasQuestionToken: true,
          docs: input.summary === undefined ? [] : [input.summary],
        })),
        ...signature.options.map((attr) => ({
          name: attr.name,
          type: `${givenType(attr.type)} | undefined`,
          hasQuestionToken: true,
          docs: [`${attr.summary === undefined ? '' : `${attr.summary} `}Default: \`${JSON.stringify(attr.default)}\`.`],
        })),
      ],
    });
  }
  file.addStatements(`// From ${originOf(op.span)}\n${definitionText(model, checked)}`);
  file.addFunction({
    name: functionName(op),
    isExported: true,
    docs: [documentation(op, signature)],
    parameters: parametersOf(op),
    returnType: signature.returns,
    statements: callText(op, signature),
  });
  if (op.inPlace) writeInPlaceForm(file, op, signature);
}

function writeInPlaceForm(file: SourceFile, op: Op, signature: OpSignature): void {
  const [x, ...others] = parametersOf(op);
  const input = op.inputs[0]?.name ?? '';
  file.addFunction({
    name: inPlaceName(op),
    isExported: true,
    docs: [
      `\nAs {@link ${functionName(op)}}, written into ${input}, which is returned.\n\n@throws OpwrightError IN_PLACE_LEAF\n@throws OpwrightError INVALID_ARGUMENT`,
    ],
    parameters: x === undefined ? others : [{ ...x, type: 'Tensor' }, ...others],
    returnType: 'Tensor',
    statements: callText(op, signature, 'callInPlace'),
  });
}

/**
 * Options are checked as they are taken. A function without any looks at what follows its last parameter all the same, so that an option
 * that it does not have is an error; `arguments` leaves its signature as it is.
 */
function callText(op: Op, signature: OpSignature, by = caller(signature.returns)): string[] {
  const attrs = signature.required.map(({ name }) => (safe(name) === name ? name : `${name}: ${safe(name)}`));
  const lines: string[] = [];
  const taken = signature.optionalInputs.map(({ name }) => `${name}: _${name}`);
  if (taken.length > 0) lines.push(`const { ${[...taken, '...attrs'].join(', ')} } = optionsOf(${definitionName(op)}, options);`);
  const given = signature.positional.length + attrs.length;
  const rest =
    taken.length > 0
      ? 'attrs'
      : hasOptions(signature)
        ? `optionsOf(${definitionName(op)}, options)`
        : `surplusOptions(${definitionName(op)}, arguments[${given}])`;
  const attrsText = attrs.length === 0 ? rest : `{ ${[...attrs, `...${rest}`].join(', ')} }`;
  const inputText = op.inputs.map((input) => (input.optional ? `_${input.name}` : safe(input.name)));
  const call = `(${definitionName(op)}, [${inputText.join(', ')}], ${attrsText})`;
  lines.push(`${signature.returns === 'void' ? '' : 'return '}${by}${call};`);
  return lines;
}

function caller(returns: string): string {
  const callers: Readonly<Record<string, string>> = { Tensor: 'callOne', 'Tensor[]': 'callList', void: 'callVoid' };
  return callers[returns] ?? 'callNamed';
}

/** The text that editors show: what it does, of what shapes and dtypes, which errors it raises. */
export function documentation(op: Op, signature: OpSignature): OptionalKind<JSDocStructure> {
  const dtypes = op.dtypes.map(({ name, members }) => `${name}: ${members.join(', ')}`).join('; ');
  const lines = [
    op.summary,
    ...(op.doc === undefined ? [] : ['', op.doc.trim()]),
    ...(op.names.length === 0 ? [] : ['', `Paddle: ${op.names.map(({ name }) => name).join(', ')}.`]),
    '',
    ...signature.positional.map((input) => `@param ${safe(input.name)} - ${describeInput(input)}`),
    ...signature.required.map((attr) => `@param ${safe(attr.name)} - ${attr.summary ?? 'Required.'}`),
    ...returnedOutputs(op).map(
      (output) =>
        `@returns ${output.summary ?? `\`${output.name}\`, dtype ${textOf(output.dtype)}, shape ${textOf(output.shape)}`}`,
    ),
    ...(dtypes === '' ? [] : [`@remarks Dtypes: ${dtypes}.`]),
    ...[...new Set([...op.constraints.map(({ code }) => code), ...op.errors.map(({ code }) => code)])].map(
      (code) => `@throws OpwrightError ${code}`,
    ),
    ...(op.example === undefined ? [] : ['@example', '```js', ...op.example.trim().split('\n'), '```']),
  ];
  return { description: `\n${lines.join('\n')}` };
}

function describeInput(input: Input): string {
  const shape =
    input.shape === undefined
      ? ''
      : `, shape ${input.shape.kind === 'pattern' ? spanText(input.shape.span) : textOf(input.shape.shape)}`;
  const rank =
    input.rank === undefined
      ? ''
      : `, rank ${input.rank.least}${input.rank.most === input.rank.least ? '' : input.rank.most === Number.POSITIVE_INFINITY ? ' or more' : ` to ${input.rank.most}`}`;
  return `${input.summary === undefined ? '' : `${input.summary} `}${input.list ? 'Tensors' : 'Tensor'} of dtype ${textOf(input.dtype)}${shape}${rank}.`;
}

interface Spanned {
  readonly span: Op['span'];
}
const textOf = (node: Spanned): string => spanText(node.span);
const spanText = ({ source, start, end }: Op['span']): string => `\`${source.text.slice(start, end).replace(/\s+/g, ' ')}\``;

/** The finished text of a group's file. */
export function fileText(from: ImportRoots, file: SourceFile, group: string): string {
  const text = file.getFullText();
  return `// The group "${group}". Generated by \`opwright generate\` from the entries named below. Do not edit.
${importsFor(from, text)}
${text}`;
}

/** Imports for the names that the text uses. */
function importsFor(from: ImportRoots, text: string): string {
  const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
  const types = (names: readonly string[]): string => names.filter(uses).join(', ');
  const lines: string[] = [];
  if (/\bhost\./.test(text)) lines.push(`import * as host from '${from.kernels}/host.js';`);
  const contract = types(['Dtype', 'FunctionCall', 'LayoutMeta', 'OpDefinition', 'TensorMeta', 'Value', 'ViewLayout']);
  lines.push(`import type { ${contract} } from '${from.kernels}/op.js';`);
  const calls = ['callList', 'callNamed', 'callOne', 'callVoid'].filter(uses);
  lines.push(
    `import { ${[...calls, ...(uses('TensorLike') ? ['type TensorLike'] : [])].join(', ')} } from '${from.runtime}/dispatch.js';`,
  );
  if (uses('callInPlace')) lines.push(`import { callInPlace } from '${from.runtime}/in-place.js';`);
  const checks = ['optionsOf', 'surplusOptions'].filter(uses);
  if (checks.length > 0) lines.push(`import { ${checks.join(', ')} } from '${from.runtime}/options.js';`);
  if (uses('Tensor')) lines.push(`import type { Tensor } from '${from.runtime}/tensor.js';`);
  if (uses('OpAlgebra')) lines.push(`import type { OpAlgebra } from '../algebra.js';`);
  if (/\bkernels\./.test(text)) lines.push(`import * as kernels from '../kernels.js';`);
  if (/\brules\./.test(text)) lines.push(`import * as rules from '../rules.js';`);
  return `${lines.join('\n')}\n`;
}
