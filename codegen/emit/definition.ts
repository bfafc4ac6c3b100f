/**
 * The definition of one op (kernels/op.ts) as TypeScript: its shape checker, its definition or kernel, its gradients.
 */

import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { gradientsOf, isDifferentiable } from '../lang/differentiate.js';
import { dtypeRule } from '../lang/dtype-rule.js';
import { compileIndexKernel } from '../lang/index-kernel.js';
import { type Binding, bindingsOf, type Line, type Term, type TermProgram } from '../lang/terms.js';
import type { Type } from '../lang/types.js';
import { TypeScriptWriter, typeText } from '../lang/typescript.js';
import type { Input, Op } from '../spec/model.js';
import { originOf } from '../spec/source.js';
import { definitionName } from './names.js';
import { checkedType } from './types.js';

/** The text of `export const <op>Definition: OpDefinition = ...`. */
export function definitionText(model: CheckedModel, checked: CheckedOp): string {
  const { op } = checked;
  const fields = [
    `name: '${op.name}',`,
    `source: '${originOf(op.span)}',`,
    `inputs: ${list(op.inputs.map((input) => inputText(checked, input)))},`,
    `attrs: ${list(op.attrs.map((attr) => attrText(checked, attr)))},`,
    `outputs: ${list(op.outputs.map(outputText))},`,
    `dtypes: { ${op.dtypes.map(({ name, members }) => `${name}: ${JSON.stringify(members)}`).join(', ')} },`,
    ...inferText(checked),
    ...bodyText(checked),
    ...gradientTexts(model, checked),
    ...(op.random ? ['random: true,'] : []),
    ...(op.outputs.some(({ dataSized }) => dataSized) ? ['synchronises: true,'] : []),
    ...(constrainsScalars(checked) ? ['constrainsScalars: true,'] : []),
  ];
  return [`export const ${definitionName(op)}: OpDefinition = {`, ...indent(fields), '};'].join('\n');
}

function inputText(checked: CheckedOp, input: Input): string {
  const { name, optional, list: isList, number } = input;
  const mutated = checked.op.outputs.some((output) => output.writes?.name === name);
  const flags = { optional, list: isList, number, mutated };
  const extra = Object.entries(flags).flatMap(([flag, on]) => (on ? [`${flag}: true`] : []));
  const { dtype, dtypeWhen } = dtypeRule(input.dtype);
  const rule = [
    `dtype: '${dtype}'`,
    ...(dtypeWhen === undefined ? [] : [`dtypeWhen: { attr: '${dtypeWhen.attr}', dtype: '${dtypeWhen.dtype}' }`]),
  ];
  return `{ ${[`name: '${name}'`, ...rule, ...extra, `differentiable: ${isDifferentiable(checked, input)}`].join(', ')} }`;
}

function attrText(checked: CheckedOp, attr: Op['attrs'][number]): string {
  const value = attr.required ? [] : [`default: ${JSON.stringify(attr.default)}`];
  const scalar = checked.scalars.has(attr.name) ? ['scalar: true'] : [];
  const follows = attr.followsDefault ? ['followsDefault: true'] : [];
  return `{ ${[`name: '${attr.name}'`, `type: ${JSON.stringify(attr.type)}`, ...value, `required: ${attr.required}`, ...scalar, ...follows].join(', ')} }`;
}

function outputText({ name, hidden, list: isList, writes }: Op['outputs'][number]): string {
  const extra = [
    ...(hidden ? ['hidden: true'] : []),
    ...(isList ? ['list: true'] : []),
    ...(writes === undefined ? [] : [`writes: '${writes.name}'`]),
  ];
  return `{ ${[`name: '${name}'`, ...extra].join(', ')} }`;
}

/** Constraints on scalars must be checked in every call, because a scalar's value is no part of a plan's signature. */
function constrainsScalars(checked: CheckedOp): boolean {
  const scalars = new Set([...checked.scalars].map((name) => checked.bindings.attrs.get(name)));
  return checked.constraints.some((constraint) => [...bindingsOf(constraint)].some((binding) => scalars.has(binding)));
}

// ---- Functions over host values

/** A function of the inputs' metas (or layouts) and the attributes. */
function hostFunction(
  name: string,
  checked: CheckedOp,
  meta: string,
  extra: string,
  result: string,
  write: (writer: TypeScriptWriter) => string[],
): string[] {
  const inputs = [...checked.bindings.inputs.values()];
  const attrs = [...checked.bindings.attrs.values()];
  const writer = new TypeScriptWriter([...inputs, ...attrs], meta, optionalInputs(checked));
  const lines = write(writer);
  const used = (binding: Binding): boolean => lines.some((line) => mentions(line, writer.name(binding)));
  const parameters = [
    parameterText(inputs.filter(used), writer, (binding) => tensorText(checked, binding, meta)),
    ...(extra === '' ? [] : [lines.some((line) => line.includes('outputs')) ? `outputs: ${extra}` : `_outputs: ${extra}`]),
    parameterText(attrs.filter(used), writer, (binding) => attrTypeText(checked, binding)),
    // Two unused parameters cannot have one name.
  ].filter((text, index, all) => index === 0 || text !== '_: object' || all[0] !== text);
  return [`${name}(${parameters.join(', ')}): ${result} {`, ...indent(lines), '},'];
}

function optionalInputs(checked: CheckedOp): ReadonlySet<Binding> {
  return new Set(checked.op.inputs.flatMap((input) => (input.optional ? [checked.bindings.inputs.get(input.name)!] : [])));
}

/** Whether a line of generated text uses a name, other than as a property or a key. */
function mentions(line: string, name: string): boolean {
  return new RegExp(`(?<![.\\w'])(?:(?<=\\.\\.\\.)|(?<!\\.))${name}\\b(?!:|')`).test(line) || line.includes(`...${name}`);
}

function tensorText(checked: CheckedOp, binding: Binding, tensor: string): string {
  const input = checked.op.inputs.find(({ name }) => name === binding.name);
  const type = typeText(binding.type, tensor);
  const one = binding.type.kind === 'tensor' || binding.type.kind === 'list' ? type : tensor;
  return input?.optional ? `${one} | undefined` : one;
}

function attrTypeText(checked: CheckedOp, binding: Binding): string {
  const attr = checked.op.attrs.find(({ name }) => name === binding.name);
  return attr === undefined ? 'unknown' : checkedType(attr.type);
}

function parameterText(bindings: readonly Binding[], writer: TypeScriptWriter, type: (binding: Binding) => string): string {
  if (bindings.length === 0) return '_: object';
  const names = bindings.map((binding) =>
    writer.name(binding) === binding.name ? binding.name : `${binding.name}: ${writer.name(binding)}`,
  );
  const types = bindings.map((binding) => `${binding.name}: ${type(binding)}`);
  return `{ ${names.join(', ')} }: { ${types.join('; ')} }`;
}

function inferText(checked: CheckedOp): string[] {
  return hostFunction('infer', checked, 'TensorMeta', '', 'TensorMeta[]', (writer) => {
    const { op } = checked;
    const outputs = checked.outputs.flatMap(({ dtype, shape }) => [dtype, shape]);
    const written = new Set<Line>();
    /** Lines stand where they are first asked for: one that fails must not come before the constraint that it relies on. */
    const linesFor = (terms: readonly Term[], certain = terms): string[] => {
      const lines = neededLines(checked.lets, terms).filter((line) => !written.has(line));
      for (const line of lines) written.add(line);
      return writer.lines(lines, certain);
    };
    const matched = op.inputs.some((input) => input.shape?.kind === 'pattern');
    return [
      ...(matched ? ['const dimensions = new host.Dimensions();'] : []),
      ...linesFor([...checked.patterns.values()].flat(), []),
      ...op.inputs.flatMap((input) => matchText(checked, input, writer)),
      ...op.constraints.flatMap(({ code, message }, index) => [
        ...linesFor([checked.constraints[index]!]),
        `if (!(${writer.as(checked.constraints[index]!, 'boolean')})) throw new host.RuleError('${code}', ${JSON.stringify(message)});`,
      ]),
      ...linesFor(outputs),
      ...resultText(checked, writer),
    ];
  });
}

function resultText(checked: CheckedOp, writer: TypeScriptWriter): string[] {
  const { op } = checked;
  const metas = checked.outputs.map(({ shape, dtype }, index) => {
    const { name, list: isList } = op.outputs[index]!;
    if (isList) {
      const meta = `{ shape: host.checkShape(shape, '${name}'), dtype: ${writer.as(dtype, 'Dtype')} }`;
      return `...${writer.as(shape, 'readonly (readonly number[])[]')}.map((shape: readonly number[]) => (${meta}))`;
    }
    const text = writer.numbers(shape);
    return `{ shape: ${/^\w+\.shape$/.test(text) ? text : `host.checkShape(${text}, '${name}')`}, dtype: ${writer.as(dtype, 'Dtype')} }`;
  });
  return metas.length === 1 ? [`return [${metas[0]}];`] : ['return [', ...indent(metas.map((meta) => `${meta},`)), '];'];
}

function matchText(checked: CheckedOp, input: Input, writer: TypeScriptWriter): string[] {
  const binding = checked.bindings.inputs.get(input.name)!;
  const name = writer.name(binding);
  const shape = input.list ? 'shape' : `${name}.shape`;
  const checks: string[] = [];
  if (input.rank !== undefined) {
    const most = input.rank.most === Number.POSITIVE_INFINITY ? 'Infinity' : input.rank.most;
    checks.push(`host.checkRank(${shape}, ${input.rank.least}, ${most}, '${input.name}');`);
  }
  const computed = (checked.patterns.get(input.name) ?? []).values();
  const next = (): Term => computed.next().value!;
  if (input.shape?.kind === 'exact') checks.push(`host.checkEqualShape(${shape}, ${writer.numbers(next())}, '${input.name}');`);
  if (input.shape?.kind === 'pattern') {
    const parts = input.shape.items.map((item) => {
      if (item.kind === 'dimension') return `'${item.name}'`;
      if (item.kind === 'group') return `'...${item.name}'`;
      return item.kind === 'size' ? writer.number(next()) : writer.numbers(next());
    });
    checks.push(`dimensions.match('${input.name}', ${shape}, [${parts.join(', ')}]);`);
  }
  if (checks.length === 0) return [];
  if (input.list) return [`for (const { shape } of ${name}) {`, ...indent(checks), '}'];
  return input.optional ? [`if (${name} !== undefined) {`, ...indent(checks), '}'] : checks;
}

function neededLines(lines: readonly Line[], roots: readonly Term[]): Line[] {
  const needed = new Set(roots.flatMap((root) => [...bindingsOf(root)]));
  return lines
    .toReversed()
    .filter(({ binding, value }) => {
      if (!needed.has(binding)) return false;
      for (const inner of bindingsOf(value)) needed.add(inner);
      return true;
    })
    .toReversed();
}

// ---- Bodies

function bodyText(checked: CheckedOp): string[] {
  const { body } = checked.op;
  switch (body.kind) {
    case 'define':
      return [
        'body: {',
        ...indent([`kind: 'define',`, ...algebraFunction(checked, checked.define!, [...checked.bindings.inputs.values()])]),
        '},',
      ];
    case 'map':
      return [`body: { kind: 'map', map: '${body.map}' },`];
    case 'reduce':
      return [`body: { kind: 'reduce', reduce: '${body.reduce}' },`];
    case 'create':
      return [`body: { kind: 'create', create: '${body.create}' },`];
    case 'library':
      return [`body: { kind: 'library', library: '${body.library}' },`];
    case 'view':
      return ['body: {', ...indent([`kind: 'view',`, ...viewText(checked)]), '},'];
    case 'index':
      return ['body: {', ...indent([`kind: 'kernel',`, `kernel: kernels.${checked.op.name},`, ...indexCallText(checked)]), '},'];
    case 'function': {
      const zeroed = body.zeroed ? ['zeroed: true,'] : [];
      return [
        'body: {',
        ...indent([`kind: 'kernel',`, `kernel: kernels.${body.function},`, ...zeroed, ...functionCallText(checked)]),
        '},',
      ];
    }
  }
}

function viewText(checked: CheckedOp): string[] {
  return hostFunction('view', checked, 'LayoutMeta', '', 'ViewLayout | null', (writer) => {
    const { shape, strides, offset } = checked.view!;
    const lines = writer.lines(neededLines(checked.lets, [shape, strides, offset]), [shape, strides, offset]);
    const layout = (strideText: string): string =>
      `{ shape: ${writer.numbers(shape)}, strides: ${strideText}, offset: ${writer.number(offset)} }`;
    if (!mayBeNull(strides.type)) return [...lines, `return ${layout(writer.numbers(strides))};`];
    return [...lines, `const strides = ${writer.expression(strides)};`, `return strides === null ? null : ${layout('strides')};`];
  });
}

const mayBeNull = (type: Type): boolean => type.kind === 'null' || (type.kind === 'union' && type.options.some(mayBeNull));

function functionCallText(checked: CheckedOp): string[] {
  return hostFunction('call', checked, 'TensorMeta', 'readonly TensorMeta[]', 'FunctionCall', (writer) => {
    const { work, params, scratch } = checked.kernel!;
    const terms = [work, ...params.values(), ...[...scratch.values()].flatMap(({ dtype, size }) => [dtype, size])];
    const numbers = [...params].map(
      ([name, term]) => `${name}: ${term.type.kind === 'boolean' ? `Number(${writer.expression(term)})` : writer.number(term)}`,
    );
    const buffers = [...scratch].map(
      ([name, { dtype, size }]) => `${name}: { dtype: ${writer.as(dtype, 'Dtype')}, size: ${writer.number(size)} }`,
    );
    return [
      ...writer.lines(neededLines(checked.lets, terms), terms),
      'return {',
      ...indent([
        `work: ${writer.number(work)},`,
        `params: { ${numbers.join(', ')} },`,
        ...(buffers.length === 0 ? [] : [`scratch: { ${buffers.join(', ')} },`]),
      ]),
      '};',
    ];
  });
}

/** Sizes of loops, read off the shapes. */
function indexCallText(checked: CheckedOp): string[] {
  const { work, grain, sizes } = compileIndexKernel(checked.op);
  const size = (name: string): string => {
    const { tensor, before, after, group } = sizes.get(`size_${name}`)!;
    const output = checked.op.outputs.findIndex((one) => one.name === tensor);
    const shape = output < 0 ? `${tensor}.shape` : `outputs[${output}]!.shape`;
    if (group) return `host.count(${shape}.slice(${before}${after === 0 ? '' : `, -${after}`}))`;
    return before < 0 ? `${shape}.at(${before})!` : `${shape}[${before}]!`;
  };
  const items = work.length === 0 ? '1' : work.map((name) => `size_${name}`).join(' * ');
  return hostFunction('call', checked, 'TensorMeta', 'readonly TensorMeta[]', 'FunctionCall', () => [
    ...[...sizes.keys()].map((name) => `const ${name} = ${size(name.slice('size_'.length))};`),
    `return { work: ${items}, ${grain === undefined ? '' : `grain: ${grain}, `}params: { ${[...sizes.keys()].join(', ')} } };`,
  ]);
}

// ---- Functions over an algebra

function algebraFunction(checked: CheckedOp, program: TermProgram, tensors: readonly Binding[]): string[] {
  const scalars = [...checked.bindings.scalars.values()];
  const attrs = [...checked.bindings.attrs.values()].filter(({ name }) => !checked.scalars.has(name));
  const writer = new TypeScriptWriter([...tensors, ...scalars, ...attrs], 'V', optionalInputs(checked));
  const lines = writer.program(program);
  const used = (binding: Binding): boolean => lines.some((line) => mentions(line, writer.name(binding)));
  const inputs = parameterText(tensors.filter(used), writer, (binding) => tensorText(checked, binding, 'V'));
  const given = parameterText([...scalars, ...attrs].filter(used), writer, (binding) =>
    scalars.includes(binding) ? 'V' : attrTypeText(checked, binding),
  );
  const parameters = [lines.some((line) => /\bg\./.test(line)) ? 'g: OpAlgebra<V>' : '_g: OpAlgebra<V>', inputs, given].filter(
    (text, index) => index === 0 || text !== '_: object' || index === 1,
  );
  return [`run<V extends Value>(${parameters.join(', ')}): readonly V[] {`, ...indent(lines), '},'];
}

function gradientTexts(model: CheckedModel, checked: CheckedOp): string[] {
  const gradients = gradientsOf(model, checked);
  if (gradients.length === 0) return ['gradients: [],'];
  const { inputs, outputs, gradients: incoming } = checked.bindings;
  const texts = gradients.flatMap(({ input, saved, program, derived }) => [
    '{',
    ...indent([
      ...(derived ? [`// Derived from the definition.`] : []),
      `input: '${input}',`,
      `saved: [${saved.map(({ name, keep }) => `{ name: '${name}', keep: '${keep}' }`).join(', ')}],`,
      ...algebraFunction(checked, program, [...inputs.values(), ...outputs.values(), ...incoming.values()]),
    ]),
    '},',
  ]);
  return ['gradients: [', ...indent(texts), '],'];
}

function list(items: readonly string[]): string {
  return items.length === 0 ? '[]' : `[${items.join(', ')}]`;
}

export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => (line === '' ? line : `  ${line}`));
}
