/**
 * What ties the ops together: the index, the registration, Tensor methods, the algebra's interface, rules, kernels. Here is the data;
 * the text is in codegen/templates.
 */
import type { Kernel } from '../../kernels/ir.js';
import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { compileIndexKernel } from '../lang/index-kernel.js';
import { returnedOutputs } from '../lang/terms.js';
import { TypeScriptWriter } from '../lang/typescript.js';
import type { Op } from '../spec/model.js';
import { originOf } from '../spec/source.js';
import { hasOptions, parametersOf, signatureOf } from './api.js';
import { definitionName, functionName, inPlaceName, moduleName, optionsName } from './names.js';
import { fillTemplate } from './template.js';
import { operandType } from './types.js';

/** Where generated files import from, as seen from the generated folder. */
export interface ImportRoots {
  readonly kernels: string;
  readonly runtime: string;
  /** For an op pack: the package whose ops it builds on, and the folder of that package's generated code. */
  readonly library?: string;
  readonly generated?: string;
}

/** Names that Tensor has of its own, which no op's method replaces. */
const tensorMembers: ReadonlySet<string> = new Set(
  (
    'storage layout dtype stopGradient grad edge isKept shape rank size device isDisposed data dataSync item tolist dispose ' +
    'checkUsable toString backward at setAt bincount multinomial repeatByCounts uniqueConsecutive standFor become checkGraph'
  ).split(' '),
);

const inPlaceNames = (op: Op): readonly string[] => (op.inPlace ? [inPlaceName(op)] : []);

export function indexText(ops: readonly Op[]): string {
  const exported = (op: Op): string[] => {
    const type = hasOptions(signatureOf(op)) ? [`type ${optionsName(op)}`] : [];
    const aliases = op.aliases.map(({ name }) => `${functionName(op)} as ${name}`);
    return [functionName(op), ...aliases, ...inPlaceNames(op), ...type];
  };
  const files = byFile(
    ops.filter((op) => !op.internal),
    exported,
  );
  return fillTemplate('index.ts', { files });
}

/** Registers every op, and states the functions that the runtime may call. */
export function registerText(from: ImportRoots, ops: readonly Op[]): string {
  const files = byFile(ops, (op) => [definitionName(op), functionName(op), ...inPlaceNames(op)]);
  const definitions = ops.map(definitionName);
  const functions = ops.flatMap((op) => [
    { name: op.name, function: functionName(op) },
    ...inPlaceNames(op).map((name) => ({ name, function: name })),
  ]);
  return fillTemplate('register.ts', { from, files, definitions, functions });
}

/** `x.add(y)` for every op whose first argument is a tensor. */
export function methodsText(from: ImportRoots, ops: readonly Op[]): string {
  const withMethods = ops.filter((op) => {
    const [first] = signatureOf(op).positional;
    return !op.internal && first !== undefined && !first.list && methodNames(op).length > 0;
  });
  const methods = withMethods.flatMap((op) => {
    const parameters = parametersOf(op, 1)
      .map(({ name, type, initializer }) => `${name}${initializer === undefined ? '' : '?'}: ${String(type)}`)
      .join(', ');
    return methodNames(op)
      .map((name) => ({
        name,
        function: functionName(op),
        parameters,
        summary: op.summary,
        returns: signatureOf(op).returns,
      }))
      .concat(
        inPlaceNames(op).map((name) => ({
          name,
          function: name,
          parameters,
          summary: `As {@link ${functionName(op)}}, written into this tensor, which is returned.`,
          returns: 'this',
        })),
      );
  });
  const files = byFile(withMethods, (op) => [
    functionName(op),
    ...inPlaceNames(op),
    ...(hasOptions(signatureOf(op)) ? [`type ${optionsName(op)}`] : []),
  ]);
  return fillTemplate('methods.ts', { from, files, methods });
}

/** What Tensor has of its own keeps its meaning: `x.shape` is the plain list, and not the op. */
const methodNames = (op: Op): readonly string[] =>
  [op.name, ...op.aliases.map(({ name }) => name)].filter((name) => !tensorMembers.has(name));

/** The ops as methods over any algebra: what definitions and gradients call. */
export function algebraText(from: ImportRoots, ops: readonly CheckedOp[]): string {
  return fillTemplate('algebra.ts', { from, methods: ops.map(algebraMethod) });
}

function algebraMethod({ op, scalars }: CheckedOp): object {
  const signature = signatureOf(op);
  const attrType = (attr: Op['attrs'][number]): string => (scalars.has(attr.name) ? 'number | V' : operandType(attr.type));
  const options = [
    ...signature.optionalInputs.map((input) => `${input.name}?: V | number | undefined`),
    ...signature.options.map((attr) => `${attr.name}?: ${attrType(attr)} | undefined`),
  ];
  const parameters = [
    ...signature.positional.map((input) => `${legal(input.name)}: ${input.list ? 'readonly (V | number)[]' : 'V | number'}`),
    ...signature.required.map((attr) => `${legal(attr.name)}: ${attrType(attr)}`),
    ...(options.length === 0 ? [] : [`options?: { ${options.join('; ')} }`]),
  ];
  return { name: op.name, parameters: parameters.join(', '), returns: algebraResult(op) };
}

/** A parameter must not be a reserved word. */
const legal = (name: string): string => name.replace(/^(default|in|var|function)$/, '$1_');

function algebraResult(op: Op): string {
  const [only, second] = returnedOutputs(op);
  if (only !== undefined && second === undefined) return only.list ? 'readonly V[]' : 'V';
  return `{ ${op.outputs.map(({ name }) => `readonly ${name}: V`).join('; ')} }`;
}

/** Shared shape rules as functions. Parameters may be of any type; each use states the one it needs. */
export function rulesText(from: ImportRoots, model: CheckedModel): string {
  const rules = [...model.rules.values()].map(({ rule, parameters, body }) => {
    const writer = new TypeScriptWriter(parameters, 'TensorMeta');
    return {
      name: rule.name,
      summary: rule.summary,
      source: originOf(rule.span),
      parameters: parameters.map((parameter) => `${writer.name(parameter)}: unknown`).join(', '),
      body: writer.expression(body).replaceAll('rules.', ''),
    };
  });
  const types = ['Dtype', 'LayoutMeta', 'TensorMeta'].filter((name) =>
    rules.some(({ body }) => new RegExp(`\\b${name}\\b`).test(body)),
  );
  return fillTemplate('rules.ts', { from, rules, types: types.length === 0 ? undefined : types });
}

/** Kernel functions and kernels in index notation, as kernel IR. */
export function kernelsText(from: ImportRoots, functions: readonly Kernel[], ops: readonly CheckedOp[]): string {
  const kernels = [
    ...functions.map((kernel) => ({ source: 'kernels/functions', kernel })),
    ...ops
      .filter(({ op }) => op.body.kind === 'index')
      .map(({ op }) => ({ source: originOf(op.span), kernel: compileIndexKernel(op).kernel })),
  ];
  const written = kernels.map(({ source, kernel }) => ({ source, name: kernel.name, data: JSON.stringify(kernel) }));
  return fillTemplate('kernels.ts', { from, kernels: written.length === 0 ? undefined : written });
}

/** What is imported from or exported of each file that the ops lie in. */
function byFile(ops: readonly Op[], names: (op: Op) => readonly string[]): { file: string; names: readonly string[] }[] {
  const files = new Map<string, string[]>();
  for (const op of ops) files.set(moduleName(op), [...(files.get(moduleName(op)) ?? []), ...names(op)]);
  return [...files].map(([file, all]) => ({ file, names: all }));
}
