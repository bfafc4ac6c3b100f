/**
 * Samples and error samples: from the arguments written in the spec to typed ones.
 *
 * A tensor is written as its shape (`x: [2, 3]`, random elements), as `{ shape, dtype, fill }`, or as `{ values, dtype }` with nested
 * lists (`shape` besides where there are no values to show it); where the input takes a number, a number will do. A list input is a list
 * of these. Any other key is an attribute's value, as plain YAML. `fill` beside the arguments says what all random elements are like,
 * `code` which error is expected.
 */
import { isComplex, ruleCodes } from '../../kernels/host.js';
import type { AttrType, AttrValue, Dtype } from '../../kernels/op.js';
import type { Attribute, ErrorSample, Fill, Input, Op, Sample, SampleValue } from './model.js';
import { dtypeOf, fieldsOf, keyOf, type Problems, wordOf } from './reader.js';
import { plainValue, pointAt, type YamlEntry, type YamlList, type YamlNode } from './yaml.js';

/** Keys of a sample that are no arguments: no input or attribute may have these names. */
export const sampleKeys: ReadonlySet<string> = new Set(['fill', 'code']);

const fills: readonly Fill[] = ['normal', 'positive', 'unit', 'integers', 'large', 'special'];

export type Signature = Pick<Op, 'name' | 'inputs' | 'attrs'> & {
  /** The dtypes that an input takes; undefined where attributes decide. */
  dtypesOf(input: Input): readonly Dtype[] | undefined;
};

export function readSample(problems: Problems, signature: Signature, node: YamlNode): Sample {
  return new SampleReader(problems, signature, true).read(node);
}

export function readErrorSample(problems: Problems, signature: Signature, node: YamlNode): ErrorSample {
  // Wrong values are what an error sample is for; only its form is checked.
  const sample = new SampleReader(problems, signature, false).read(node);
  const code = wordOf(fieldsOf(node).get('code')?.value);
  if (code === undefined)
    problems.add('MISSING_FIELD', "'code' is missing: which error is expected", sample.span, `codes are ${ruleCodes.join(', ')}`);
  else if (!ruleCodes.some((known) => known === code.name)) problems.unknown('UNKNOWN_CODE', 'error code', code, ruleCodes);
  return { ...sample, code: code?.name ?? '' };
}

class SampleReader {
  readonly #problems: Problems;
  readonly #signature: Signature;
  readonly #valid: boolean;
  #fill: Fill = 'normal';

  constructor(problems: Problems, signature: Signature, valid: boolean) {
    this.#problems = problems;
    this.#signature = signature;
    this.#valid = valid;
  }

  read(node: YamlNode): Sample {
    const fields = fieldsOf(node);
    this.#fill = this.#readFill(fields.get('fill')) ?? 'normal';
    const inputs = new Map<string, SampleValue>();
    const attrs = new Map<string, AttrValue>();
    for (const entry of fields.values()) {
      const input = this.#signature.inputs.find((candidate) => candidate.name === entry.key);
      const attribute = this.#signature.attrs.find((candidate) => candidate.name === entry.key);
      if (input !== undefined) setIfDefined(inputs, entry.key, this.#input(input, entry.value));
      else if (attribute !== undefined) setIfDefined(attrs, entry.key, this.#attribute(attribute, entry.value));
      else if (!sampleKeys.has(entry.key) || (this.#valid && entry.key === 'code')) this.#unknownArgument(entry);
    }
    this.#checkComplete(node);
    return { span: pointAt(node), inputs, attrs };
  }

  #unknownArgument(entry: YamlEntry): void {
    const names = [...this.#signature.inputs, ...this.#signature.attrs].map((argument) => argument.name);
    this.#problems.unknown('UNKNOWN_ARGUMENT', `argument of ${this.#signature.name}`, keyOf(entry), [...names, 'fill']);
  }

  #checkComplete(node: YamlNode): void {
    const fields = fieldsOf(node);
    const needed = [
      ...this.#signature.inputs.filter((input) => !input.optional),
      ...this.#signature.attrs.filter((attr) => attr.required),
    ];
    if (wordOf(fields.get('code')?.value)?.name === 'MISSING_ARGUMENT') return;
    for (const { name } of needed) {
      if (!fields.has(name)) this.#problems.add('MISSING_ARGUMENT', `the sample lacks '${name}'`, pointAt(node));
    }
  }

  #readFill(entry: YamlEntry | undefined): Fill | undefined {
    const word = wordOf(entry?.value);
    const fill = fills.find((candidate) => candidate === word?.name);
    if (entry !== undefined && fill === undefined) {
      this.#problems.unknown(
        'UNKNOWN_FILL',
        'fill',
        word ?? { name: String(plainValue(entry.value)), span: entry.value.span },
        fills,
      );
    }
    return fill;
  }

  #input(input: Input, node: YamlNode): SampleValue | undefined {
    if (!input.list) return this.#tensor(input, node);
    if (node.kind !== 'list')
      return this.#wrong(node, `'${input.name}' takes a list of tensors`, '[[2, 3], [4, 3]] for two of these shapes');
    const items = node.items.map((item) => this.#tensor(input, item));
    return items.every((item) => item !== undefined) ? { kind: 'list', items } : undefined;
  }

  #tensor(input: Input, node: YamlNode): SampleValue | undefined {
    if (node.kind === 'scalar' && typeof node.value === 'number' && input.number) return { kind: 'number', value: node.value };
    if (node.kind === 'list') {
      const shape = this.#shape(node);
      return shape && { kind: 'random', shape, dtype: undefined, fill: this.#fill };
    }
    if (node.kind === 'map') return this.#described(input, node);
    const hint = input.number ? undefined : 'an input takes a plain number if it says number: true';
    return this.#wrong(node, `'${input.name}' needs a shape such as [2, 3], or { values, dtype }`, hint);
  }

  #described(input: Input, node: YamlNode): SampleValue | undefined {
    const fields = fieldsOf(node);
    const known = ['shape', 'values', 'dtype', 'fill'];
    for (const entry of fields.values()) {
      if (!known.includes(entry.key)) this.#problems.unknown('UNKNOWN_KEY', 'key', keyOf(entry), known);
    }
    const dtype = this.#dtype(input, fields.get('dtype'));
    const shapeNode = fields.get('shape')?.value;
    const valuesNode = fields.get('values')?.value;
    const shape = shapeNode && this.#shape(shapeNode);
    if (valuesNode === undefined) {
      if (shapeNode === undefined) return this.#wrong(node, `'${input.name}' needs a shape or values`);
      return shape && { kind: 'random', shape, dtype, fill: this.#readFill(fields.get('fill')) ?? this.#fill };
    }
    const values = this.#values(valuesNode);
    if (values === undefined) return undefined;
    const parts = dtype !== undefined && isComplex(dtype) ? 2 : 1;
    if (parts === 2 && values.shape.at(-1) !== 2) return this.#wrong(valuesNode, 'a complex value is a list of its two parts');
    const elements = shape?.reduce((product, size) => product * size, parts) ?? values.values.length;
    if (elements !== values.values.length)
      return this.#wrong(valuesNode, `${values.values.length / parts} values do not fill shape [${shape?.join(', ')}]`);
    return {
      kind: 'values',
      dtype,
      values: values.values,
      shape: shape ?? values.shape.slice(0, values.shape.length + 1 - parts),
    };
  }

  #dtype(input: Input, entry: YamlEntry | undefined): Dtype | undefined {
    const word = wordOf(entry?.value);
    const dtype = word && dtypeOf(this.#problems, word);
    const allowed = this.#signature.dtypesOf(input);
    if (this.#valid && word !== undefined && dtype !== undefined && allowed !== undefined && !allowed.includes(dtype)) {
      this.#problems.add('WRONG_SAMPLE', `'${input.name}' cannot be ${dtype}`, word.span, `it may be ${allowed.join(', ')}`);
    }
    return dtype;
  }

  #shape(node: YamlNode): readonly number[] | undefined {
    const sizes = node.kind === 'list' ? node.items.map(plainValue) : [undefined];
    if (sizes.every((size): size is number => typeof size === 'number' && Number.isInteger(size) && size >= 0)) return sizes;
    return this.#wrong(node, 'a shape is a list of sizes', 'elements are given as { values: [...] }');
  }

  /** Nested lists as one, row by row, and their shape. */
  #values(node: YamlNode): { readonly shape: readonly number[]; readonly values: readonly number[] } | undefined {
    if (node.kind === 'scalar' && (typeof node.value === 'number' || typeof node.value === 'boolean'))
      return { shape: [], values: [Number(node.value)] };
    if (node.kind !== 'list') return this.#wrong(node, 'values are numbers, booleans, or nested lists of these');
    return this.#rows(node);
  }

  #rows(node: YamlList): { readonly shape: readonly number[]; readonly values: readonly number[] } | undefined {
    const rows = node.items.map((item) => this.#values(item));
    if (!rows.every((row) => row !== undefined)) return undefined;
    const [first] = rows;
    const ragged = rows.findIndex((row) => row.shape.join() !== first?.shape.join() || row.shape.length !== first.shape.length);
    if (ragged >= 0) return this.#wrong(node.items[ragged] ?? node, 'the rows of values differ in length');
    return { shape: [rows.length, ...(first?.shape ?? [])], values: rows.flatMap((row) => row.values) };
  }

  #attribute(attribute: Attribute, node: YamlNode): AttrValue {
    const value = readAttrValue(this.#problems, node);
    if (this.#valid && value !== undefined && !acceptsValue(attribute.type, value)) {
      this.#wrong(node, `${JSON.stringify(value)} is not of the type of '${attribute.name}', ${attribute.typeNode.text}`);
    }
    return value;
  }

  #wrong(node: YamlNode, message: string, hint?: string): undefined {
    this.#problems.add('WRONG_SAMPLE', message, pointAt(node), hint);
  }
}

function setIfDefined<Value>(map: Map<string, Value>, key: string, value: Value | undefined): void {
  if (value !== undefined) map.set(key, value);
}

/** A default or an attribute's value as plain data; undefined, and a problem, for a map. */
export function readAttrValue(problems: Problems, node: YamlNode): AttrValue {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map((item) => readAttrValue(problems, item));
  problems.add('WRONG_FORM', 'an attribute is a number, text, a boolean, null, or a list of these', pointAt(node));
  return undefined;
}

/** Whether a value has the form that a type asks for; whether an axis exists is known only with the tensor. */
export function acceptsValue(type: AttrType, value: AttrValue): boolean {
  switch (type.kind) {
    case 'int':
    case 'axis':
      return Number.isSafeInteger(value);
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'string':
    case 'dtype':
      return typeof value === 'string';
    case 'null':
      return value === null;
    case 'literal':
      return value === type.value;
    case 'shape':
      return isIntegers(value);
    case 'pair':
      return Number.isSafeInteger(value) || (isIntegers(value) && value.length === 2);
    case 'axes':
      return value === null || Number.isSafeInteger(value) || isIntegers(value);
    case 'list':
      return (
        isValues(value) && (type.length ?? value.length) === value.length && value.every((item) => acceptsValue(type.of, item))
      );
    case 'union':
      return type.options.some((option) => acceptsValue(option, value));
  }
}

function isValues(value: AttrValue): value is readonly AttrValue[] {
  return Array.isArray(value);
}

function isIntegers(value: AttrValue): value is readonly number[] {
  return isValues(value) && value.every((item) => Number.isSafeInteger(item));
}
