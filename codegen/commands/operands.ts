/**
 * Arguments of an op as they are written on the command line, to a sample as a spec would have it.
 *
 *     3,5   [3,5]   3x5     a tensor of that shape; [] has no axes
 *     3,5:int32             of that dtype
 *     3,5+2,5               a list of tensors
 *     number:0.5            a plain number
 *     bias=16               by name; without one, inputs are filled in their order
 */
import { bytesOf } from '../../kernels/ir.js';
import type { AttrValue, Dtype } from '../../kernels/op.js';
import { isDtype } from '../lang/types.js';
import { didYouMean } from '../spec/diagnostic.js';
import type { Input, Op, Sample, SampleValue } from '../spec/model.js';
import { acceptsValue } from '../spec/samples.js';
import { UsageError } from './command.js';
import { countOf } from './format.js';

export interface WrittenArguments {
  readonly operands: readonly string[];
  /** `axis=1`. */
  readonly attrs: readonly string[];
  /** For tensors that state none. */
  readonly dtype: string | undefined;
  /** Which of the op's samples stands in for operands that are not written, counted from 1. */
  readonly sample: string | undefined;
}

const forms = 'write a shape such as 3,5 or 3,5:int32, [] for no axes, 2,3+4,3 for a list, number:0.5, or name=shape';

export function readArguments(op: Op, written: WrittenArguments): Sample {
  const base = written.operands.length === 0 ? chosenSample(op, written.sample) : undefined;
  const dtype = written.dtype === undefined ? undefined : readDtype(written.dtype);
  const inputs = base === undefined ? readOperands(op, written.operands) : base.inputs;
  const attrs = new Map([...(base?.attrs ?? []), ...written.attrs.map((text) => readAttribute(op, text))]);
  return { span: op.span, inputs: dtype === undefined ? inputs : withDtype(op, inputs, dtype), attrs };
}

function chosenSample(op: Op, text: string | undefined): Sample | undefined {
  const place = text === undefined ? 1 : Number(text);
  const sample = op.samples[place - 1];
  if (sample === undefined && text !== undefined)
    throw new UsageError(`${op.name} has no sample ${text}`, `it has ${op.samples.length}, counted from 1`);
  return sample;
}

// ---- Operands

function readOperands(op: Op, operands: readonly string[]): ReadonlyMap<string, SampleValue> {
  const values = new Map<string, SampleValue>();
  const inOrder = op.inputs.values();
  for (const text of operands) {
    const [, name, rest] = /^([A-Za-z]\w*)=(.*)$/.exec(text) ?? [undefined, undefined, text];
    const input = name === undefined ? inOrder.next().value : inputNamed(op, name);
    if (input === undefined)
      throw new UsageError(`${op.name} takes ${countOf(op.inputs.length, 'input')}; '${text}' is one more`, signature(op));
    if (values.has(input.name)) throw new UsageError(`${input.name} is given twice`, signature(op));
    values.set(input.name, readOperand(input, rest ?? ''));
  }
  for (const input of op.inputs) {
    if (!input.optional && !values.has(input.name))
      throw new UsageError(`${op.name} needs the shape of ${input.name}`, signature(op));
  }
  return values;
}

function signature(op: Op): string {
  return `its inputs are ${op.inputs.map(({ name, optional }) => (optional ? `${name} (optional)` : name)).join(', ')}`;
}

function inputNamed(op: Op, name: string): Input {
  const found = op.inputs.find((input) => input.name === name);
  if (found !== undefined) return found;
  const hint = op.attrs.some((attr) => attr.name === name) ? `it is an attribute: --attr ${name}=...` : undefined;
  throw new UsageError(
    `${op.name} has no input '${name}'`,
    hint ??
      didYouMean(
        name,
        op.inputs.map((input) => input.name),
      ) ??
      signature(op),
  );
}

function readOperand(input: Input, text: string): SampleValue {
  if (input.list) return { kind: 'list', items: text.split('+').map(readTensor) };
  const number = /^number:(.+)$/.exec(text)?.[1];
  if (number === undefined) return readTensor(text);
  if (!input.number) throw new UsageError(`${input.name} takes a tensor, not a number`);
  const value = readNumber(number);
  if (value === undefined) throw new UsageError(`'${number}' is not a number`);
  return { kind: 'number', value };
}

function readTensor(text: string): SampleValue {
  const [shapeText = '', dtype, ...rest] = text.split(':');
  const inner = shapeText.replace(/^\[(.*)\]$/, '$1').trim();
  const sizes = inner === '' ? [] : inner.split(/\s*[,x]\s*/);
  const isEmpty = inner === '' && !shapeText.startsWith('[');
  if (isEmpty || rest.length > 0 || !sizes.every((size) => /^\d+$/.test(size)))
    throw new UsageError(`'${text}' is not a shape`, forms);
  const shape = sizes.map(Number);
  return { kind: 'random', shape, dtype: dtype === undefined ? undefined : readDtype(dtype), fill: 'normal' };
}

function readDtype(text: string): Dtype {
  if (isDtype(text)) return text;
  throw new UsageError(`'${text}' is not a dtype`, didYouMean(text, dtypes) ?? `dtypes are ${dtypes.join(', ')}`);
}

const dtypes = Object.keys(bytesOf);

/** Gives a dtype to the tensors that state none, where the op leaves it open: those of its first dtype variable. */
function withDtype(op: Op, inputs: ReadonlyMap<string, SampleValue>, dtype: Dtype): ReadonlyMap<string, SampleValue> {
  const [variable] = op.dtypes;
  if (variable === undefined) throw new UsageError(`the dtypes of ${op.name} are not open to choice`);
  if (!variable.members.includes(dtype))
    throw new UsageError(`${op.name} does not take ${dtype}`, `it takes ${variable.members.join(', ')}`);
  const carriers = op.inputs.filter((input) => input.dtype.kind === 'name' && input.dtype.name === variable.name);
  const names = new Set(carriers.map(({ name }) => name));
  return new Map([...inputs].map(([name, value]) => [name, names.has(name) ? typed(value, dtype) : value]));
}

function typed(value: SampleValue, dtype: Dtype): SampleValue {
  if (value.kind === 'list') return { kind: 'list', items: value.items.map((item) => typed(item, dtype)) };
  return value.kind === 'number' || value.dtype !== undefined ? value : { ...value, dtype };
}

// ---- Attributes

function readAttribute(op: Op, text: string): readonly [string, AttrValue] {
  const [, name, valueText] = /^([A-Za-z]\w*)=(.*)$/.exec(text) ?? [];
  if (name === undefined || valueText === undefined) throw new UsageError(`'${text}' is no attribute`, 'write --attr axis=1');
  const attribute = op.attrs.find((attr) => attr.name === name);
  if (attribute === undefined) {
    const names = op.attrs.map((attr) => attr.name);
    const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
    throw new UsageError(`${op.name} has no attribute '${name}'`, didYouMean(name, names) ?? known);
  }
  // A word that the type takes as it is stays one: 'inf' may name a norm.
  if (acceptsValue(attribute.type, valueText) && readNumber(valueText) === undefined) return [name, valueText];
  return [name, readValue(valueText)];
}

function readValue(text: string): AttrValue {
  const trimmed = text.trim();
  const list = /^\[(.*)\]$/.exec(trimmed)?.[1] ?? (/^[^[\]]*,[^[\]]*$/.test(trimmed) ? trimmed : undefined);
  if (list !== undefined) return splitList(list).map(readValue);
  if (trimmed === 'true' || trimmed === 'false') return trimmed === 'true';
  if (trimmed === 'null') return null;
  return readNumber(trimmed) ?? trimmed.replace(/^(['"])(.*)\1$/, '$2');
}

/** Entries of a list, of which some may be lists. */
function splitList(text: string): readonly string[] {
  const items: string[] = [];
  let depth = 0;
  let item = '';
  for (const character of text) {
    if (character === '[') depth++;
    if (character === ']') depth--;
    if (character === ',' && depth === 0) {
      items.push(item);
      item = '';
    } else item += character;
  }
  return items.length === 0 && item.trim() === '' ? [] : [...items, item];
}

function readNumber(text: string): number | undefined {
  const infinity = /^([+-]?)\.?(?:inf|Infinity)$/.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}
