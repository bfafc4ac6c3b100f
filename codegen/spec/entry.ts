/**
 * One entry of the spec, its class's fields already among its own, as an Op of the model. Checks what can be seen in the entry
 * alone: that needed fields are there, that names are sound and distinct, that dtypes exist, that defaults and samples fit.
 */
import { type RuleCode, ruleCodes } from '../../kernels/host.js';
import type { Dtype, ReduceKind } from '../../kernels/op.js';
import type { Expression } from '../lang/ast.js';
import { parseAttrType, parseExpression, parseIndexKernel, parseProgram, parseShapePattern } from '../lang/parser.js';
import type {
  Attribute,
  Body,
  Constraint,
  CreateKind,
  DtypeClass,
  DtypeVariable,
  Gradient,
  Input,
  KernelFunction,
  Let,
  Op,
  Output,
  RankRange,
  Scratch,
  Word,
} from './model.js';
import {
  checkDistinct,
  checkDtypeExpression,
  checkName,
  dtypeNames,
  dtypeSet,
  elsewhereOf,
  type Fields,
  fieldsOf,
  flagOf,
  itemsOf,
  keyOf,
  type Problems,
  parseField,
  textOf,
  wordOf,
  wordsOf,
} from './reader.js';
import { acceptsValue, readAttrValue, readErrorSample, readSample, type Signature, sampleKeys } from './samples.js';
import { neededFields } from './schema.js';
import { plainValue, pointAt, type YamlEntry } from './yaml.js';

/** The op, or undefined if anything in it is wrong. */
export function readOp(
  problems: Problems,
  name: Word,
  group: string,
  fields: Fields,
  classes: ReadonlyMap<string, DtypeClass>,
): Op | undefined {
  const before = problems.count;
  const op = new OpReader(problems, name, group, fields, classes).read();
  return problems.count === before ? op : undefined;
}

class OpReader {
  readonly #problems: Problems;
  readonly #name: Word;
  readonly #group: string;
  readonly #fields: Fields;
  readonly #classes: ReadonlyMap<string, DtypeClass>;
  readonly #variables: readonly DtypeVariable[];

  constructor(problems: Problems, name: Word, group: string, fields: Fields, classes: ReadonlyMap<string, DtypeClass>) {
    this.#problems = problems;
    this.#name = name;
    this.#group = group;
    this.#fields = fields;
    this.#classes = classes;
    this.#variables = this.#entries('dtypes').map((entry) => ({
      ...keyOf(entry),
      members: dtypeSet(problems, entry.value, classes),
    }));
  }

  read(): Op | undefined {
    this.#checkNeeded();
    const attrs = this.#entries('attrs').flatMap((entry) => this.#attribute(entry) ?? []);
    const outputs = this.#entries('outputs').flatMap((entry) => this.#output(entry) ?? []);
    const inputs = this.#entries('inputs').flatMap((entry) => this.#input(entry, outputs) ?? []);
    const lets = this.#expressions(this.#fields.get('let'));
    this.#checkNames(inputs, attrs, lets, outputs);
    this.#checkReferences(inputs, attrs, outputs);
    this.#checkInPlace(inputs, outputs);
    const constraints = itemsOf(this.#fields.get('constraints')?.value).flatMap((item) => this.#constraint(fieldsOf(item)) ?? []);
    const body = this.#body();
    const gradients = this.#gradients(inputs);
    const signature: Signature = { name: this.#name.name, inputs, attrs, dtypesOf: (input) => this.#dtypesOf(input) };
    // An argument with an error in it is missing here; what samples say of it cannot be judged then.
    const whole = inputs.length === this.#entries('inputs').length && attrs.length === this.#entries('attrs').length;
    const samples = whole
      ? itemsOf(this.#fields.get('samples')?.value).map((node) => readSample(this.#problems, signature, node))
      : [];
    const errors = whole
      ? itemsOf(this.#fields.get('errors')?.value).map((node) => readErrorSample(this.#problems, signature, node))
      : [];
    if (body === undefined) return undefined;
    return {
      ...this.#words(),
      inputs,
      attrs,
      let: lets,
      constraints,
      outputs,
      dtypes: this.#variables,
      body,
      gradients,
      samples,
      errors,
    };
  }

  /** Everything that is read as it stands. */
  #words(): Omit<
    Op,
    'inputs' | 'attrs' | 'let' | 'constraints' | 'outputs' | 'dtypes' | 'body' | 'gradients' | 'samples' | 'errors'
  > {
    const text = (key: string): string | undefined => textOf(this.#fields.get(key));
    const words = (key: string): readonly Word[] => wordsOf(this.#fields.get(key)?.value);
    return {
      ...this.#name,
      group: this.#group,
      class: text('class'),
      summary: text('summary') ?? '',
      doc: text('doc'),
      formula: text('formula'),
      inPlace: flagOf(this.#fields, 'inPlace'),
      random: flagOf(this.#fields, 'random'),
      internal: flagOf(this.#fields, 'internal'),
      escape: text('escape'),
      names: words('names'),
      aliases: words('aliases'),
      keywords: words('keywords').map((word) => word.name),
      elsewhere: elsewhereOf(this.#fields),
      layer: wordOf(this.#fields.get('layer')?.value),
      seeAlso: words('seeAlso'),
      differences: text('differences'),
      // A class's example calls whichever member it stands for.
      example: text('example')?.replaceAll('$op', this.#name.name),
    };
  }

  #entries(field: string): readonly YamlEntry[] {
    return [...fieldsOf(this.#fields.get(field)?.value).values()];
  }

  #checkNeeded(): void {
    const { name, span } = this.#name;
    for (const [field, why] of Object.entries(neededFields)) {
      const value = this.#fields.get(field)?.value;
      const empty =
        value === undefined ||
        (value.kind === 'list' && value.items.length === 0) ||
        (value.kind === 'map' && value.entries.size === 0);
      if (empty) this.#problems.add('MISSING_FIELD', `'${name}' has no ${field}: ${why}`, span);
    }
  }

  #checkNames(inputs: readonly Word[], attrs: readonly Word[], lets: readonly Word[], outputs: readonly Word[]): void {
    const all = [...inputs, ...attrs, ...lets, ...outputs];
    checkName(this.#problems, this.#name);
    for (const word of all) checkName(this.#problems, word);
    checkDistinct(this.#problems, all, 'the name');
    for (const word of [...inputs, ...attrs]) {
      if (sampleKeys.has(word.name))
        this.#problems.add('INVALID_NAME', `samples use '${word.name}' for something else`, word.span);
    }
    for (const variable of this.#variables) {
      if (!/^[A-Z][A-Za-z0-9]*$/.test(variable.name)) {
        this.#problems.add(
          'INVALID_NAME',
          `the dtype variable '${variable.name}' must begin with a capital letter`,
          variable.span,
        );
      }
    }
    for (const alias of wordsOf(this.#fields.get('aliases')?.value)) {
      // Reserved words will do here: a module may export and a class may have what it could not declare.
      if (!/^[a-z][A-Za-z0-9]*$/.test(alias.name))
        this.#problems.add('INVALID_NAME', `'${alias.name}' is not a name in camelCase`, alias.span);
    }
    const layer = wordOf(this.#fields.get('layer')?.value);
    if (layer !== undefined && !/^[A-Z][A-Za-z0-9]*$/.test(layer.name)) {
      this.#problems.add('INVALID_NAME', `the layer '${layer.name}' is not a class's name`, layer.span, 'such as Softmax');
    }
  }

  /** Names of inputs in attribute types and `writes`. */
  #checkReferences(inputs: readonly Input[], attrs: readonly Attribute[], outputs: readonly Output[]): void {
    const written = this.#entries('inputs').map((entry) => entry.key);
    const references = [...attrs.flatMap((attr) => attr.typeNode.inputs), ...outputs.flatMap((output) => output.writes ?? [])];
    for (const reference of references) {
      if (!written.includes(reference.name))
        this.#problems.unknown(
          'UNKNOWN_INPUT',
          'input',
          reference,
          inputs.map((input) => input.name),
        );
    }
  }

  /** What an in-place form writes into must be a tensor of the dtype of what is written, and all that the op gives. */
  #checkInPlace([input]: readonly Input[], outputs: readonly Output[]): void {
    const field = this.#fields.get('inPlace');
    if (field === undefined || !flagOf(this.#fields, 'inPlace')) return;
    const [output, ...others] = outputs.filter(({ hidden }) => !hidden);
    const text = (node: Expression): string => node.span.source.text.slice(node.span.start, node.span.end);
    if (input === undefined || output === undefined) return;
    const fits = others.length === 0 && !output.list && output.writes === undefined && !output.dataSized;
    const isTensor = !input.optional && !input.list;
    if (!fits || !isTensor || text(input.dtype) !== text(output.dtype)) {
      this.#problems.add(
        'IN_PLACE',
        `the output of '${this.#name.name}' cannot take the place of its first input`,
        field.keySpan,
        'an in-place form needs one output, of the dtype of the first input, which is a tensor',
      );
    }
  }

  #input(entry: YamlEntry, outputs: readonly Output[]): Input | undefined {
    const fields = fieldsOf(entry.value);
    const dtype = this.#dtype(fields.get('dtype'));
    const attrs = new Set(this.#entries('attrs').map((attr) => attr.key));
    const shape = parseField(this.#problems, fields.get('shape'), (text) => parseShapePattern(text, attrs));
    const rank = this.#rank(fields.get('rank'));
    if (dtype === undefined) return undefined;
    return {
      ...keyOf(entry),
      dtype,
      shape,
      rank,
      optional: flagOf(fields, 'optional'),
      list: flagOf(fields, 'list'),
      number: flagOf(fields, 'number'),
      mutated: outputs.some((output) => output.writes?.name === entry.key),
      summary: textOf(fields.get('summary')),
    };
  }

  #rank(entry: YamlEntry | undefined): RankRange | undefined {
    if (entry === undefined || entry.value.kind !== 'scalar') return undefined;
    const match = /^(?:(\d+)|>=\s*(\d+)|<=\s*(\d+)|(\d+)\.\.(\d+))$/.exec(String(entry.value.value).trim());
    if (match === null) {
      this.#problems.add(
        'WRONG_FORM',
        `'${entry.value.value}' is not a rank`,
        entry.value.span,
        'write 2, ">=1", "<=3" or "2..4"',
      );
      return undefined;
    }
    const [exact, least, most, from, to] = match.slice(1).map((digits) => (digits === undefined ? undefined : Number(digits)));
    return { least: exact ?? least ?? from ?? 0, most: exact ?? most ?? to ?? Number.POSITIVE_INFINITY };
  }

  #dtype(entry: YamlEntry | undefined): Expression | undefined {
    const dtype = this.#expression(entry);
    if (dtype === undefined) return undefined;
    const attrs = this.#entries('attrs').filter((attr) => textOf(fieldsOf(attr.value).get('type'))?.includes('dtype'));
    const known = [
      ...this.#variables.map((variable) => variable.name),
      ...[...attrs, ...this.#entries('let')].map((value) => value.key),
      ...dtypeNames,
      ...this.#classes.keys(),
    ];
    checkDtypeExpression(this.#problems, dtype, new Set(known));
    return dtype;
  }

  /** The dtypes that an input may have, where its attributes do not decide. */
  #dtypesOf({ dtype }: Input): readonly Dtype[] | undefined {
    if (dtype.kind !== 'name') return undefined;
    const variable = this.#variables.find((candidate) => candidate.name === dtype.name);
    return variable?.members ?? this.#classes.get(dtype.name)?.members ?? dtypeNames.filter((name) => name === dtype.name);
  }

  #attribute(entry: YamlEntry): Attribute | undefined {
    const fields = fieldsOf(entry.value);
    const typeNode = parseField(this.#problems, fields.get('type'), parseAttrType);
    const written = fields.get('default');
    const value = written && readAttrValue(this.#problems, written.value);
    if (typeNode === undefined) return undefined;
    if (written !== undefined && value !== undefined && !acceptsValue(typeNode.type, value)) {
      const found = JSON.stringify(plainValue(written.value));
      this.#problems.add('WRONG_DEFAULT', `the default ${found} is not of the type ${typeNode.text}`, pointAt(written.value));
    }
    const summary = textOf(fields.get('summary'));
    return {
      ...keyOf(entry),
      type: typeNode.type,
      typeNode,
      default: value,
      required: written === undefined,
      followsDefault: flagOf(fields, 'followsDefault'),
      summary,
    };
  }

  #output(entry: YamlEntry): Output | undefined {
    const fields = fieldsOf(entry.value);
    const dtype = this.#dtype(fields.get('dtype'));
    const shape = this.#expression(fields.get('shape'));
    if (dtype === undefined || shape === undefined) return undefined;
    return {
      ...keyOf(entry),
      dtype,
      shape,
      list: flagOf(fields, 'list'),
      hidden: flagOf(fields, 'hidden'),
      writes: wordOf(fields.get('writes')?.value),
      dataSized: textOf(fields.get('size')) === 'data',
      summary: textOf(fields.get('summary')),
    };
  }

  #constraint(fields: Fields): Constraint | undefined {
    const condition = this.#expression(fields.get('require'));
    const code = wordOf(fields.get('code')?.value);
    const message = textOf(fields.get('message'));
    if (condition === undefined || code === undefined || message === undefined) return undefined;
    const known = ruleCodes.find((candidate): candidate is RuleCode => candidate === code.name);
    if (known === undefined) this.#problems.unknown('UNKNOWN_CODE', 'error code', code, ruleCodes);
    return known && { require: condition, code: known, message, span: condition.span };
  }

  #body(): Body | undefined {
    const define = this.#fields.get('define');
    const kernel = this.#fields.get('kernel');
    if (define !== undefined && kernel !== undefined) {
      this.#problems.add('TWO_BODIES', "an op has either 'define' or 'kernel'", kernel.keySpan, 'remove one of them');
    } else if (define !== undefined) {
      const program = parseField(this.#problems, define, parseProgram);
      return program && { kind: 'define', span: define.keySpan, program };
    } else if (kernel !== undefined) return this.#kernel(kernel);
    else this.#problems.add('NO_BODY', `'${this.#name.name}' has neither 'define' nor 'kernel'`, this.#name.span);
    return undefined;
  }

  #kernel(entry: YamlEntry): Body | undefined {
    if (entry.value.kind !== 'map') return undefined;
    const fields = fieldsOf(entry.value);
    const kinds = kernelKinds.filter((kind) => fields.has(kind));
    const [kind] = kinds;
    if (kind === undefined || kinds.length > 1) {
      this.#problems.add(
        'KERNEL_KIND',
        `a kernel is one of ${kernelKinds.join(', ')}`,
        entry.keySpan,
        kinds.length > 1 ? `keep one of ${kinds.join(', ')}` : undefined,
      );
      return undefined;
    }
    for (const field of fields.values()) {
      if (field.key === kind || kind === 'function' || !functionKeys.includes(field.key)) continue;
      this.#problems.add('KERNEL_KIND', `'${field.key}' belongs to kernels of kind function`, field.keySpan);
    }
    return this.#kernelOfKind(kind, fields, entry);
  }

  #kernelOfKind(kind: KernelKind, fields: Fields, entry: YamlEntry): Body | undefined {
    const span = entry.keySpan;
    const name = textOf(fields.get(kind));
    switch (kind) {
      case 'map':
        return name === undefined ? undefined : { kind, span, map: name };
      case 'library':
        return name === undefined ? undefined : { kind, span, library: name };
      case 'reduce': {
        const reduce = reduceKinds.find((candidate) => candidate === name);
        return reduce && { kind, span, reduce };
      }
      case 'create': {
        const create = createKinds.find((candidate) => candidate === name);
        return create && { kind, span, create };
      }
      case 'view': {
        const parts = fieldsOf(fields.get('view')?.value);
        const [shape, strides, offset] = ['shape', 'strides', 'offset'].map((part) => this.#expression(parts.get(part)));
        return shape && strides && offset && { kind, span, shape, strides, offset };
      }
      case 'index': {
        const program = parseField(this.#problems, fields.get('index'), parseIndexKernel);
        return program && { kind, span, program };
      }
      case 'function':
        return name === undefined ? undefined : this.#kernelFunction(name, span, fields);
    }
  }

  #kernelFunction(name: string, span: Word['span'], fields: Fields): KernelFunction | undefined {
    const work = this.#expression(fields.get('work'));
    if (!fields.has('work')) this.#problems.add('MISSING_FIELD', "'work' is missing: how many work items the kernel has", span);
    const scratch = [...fieldsOf(fields.get('scratch')?.value).values()].flatMap((entry): readonly Scratch[] => {
      const dtype = this.#dtype(fieldsOf(entry.value).get('dtype'));
      const size = this.#expression(fieldsOf(entry.value).get('size'));
      return dtype && size ? [{ ...keyOf(entry), dtype, size }] : [];
    });
    const params = this.#expressions(fields.get('params'));
    return work && { kind: 'function', span, function: name, work, params, scratch, zeroed: flagOf(fields, 'zeroed') };
  }

  #gradients(inputs: readonly Input[]): readonly Gradient[] {
    const written = this.#entries('inputs').map((entry) => entry.key);
    return this.#entries('grad').flatMap((entry): readonly Gradient[] => {
      if (!written.includes(entry.key))
        this.#problems.unknown(
          'UNKNOWN_INPUT',
          'input',
          keyOf(entry),
          inputs.map((input) => input.name),
        );
      if (textOf(entry) === 'none') return [{ ...keyOf(entry), program: undefined }];
      const program = parseField(this.#problems, entry, parseProgram);
      return program === undefined ? [] : [{ ...keyOf(entry), program }];
    });
  }

  #expression(entry: YamlEntry | undefined): Expression | undefined {
    return parseField(this.#problems, entry, parseExpression);
  }

  #expressions(entry: YamlEntry | undefined): readonly Let[] {
    return [...fieldsOf(entry?.value).values()].flatMap((field): readonly Let[] => {
      const value = this.#expression(field);
      return value === undefined ? [] : [{ ...keyOf(field), value }];
    });
  }
}

const kernelKinds = ['map', 'reduce', 'create', 'view', 'index', 'function', 'library'] as const;
type KernelKind = (typeof kernelKinds)[number];
const functionKeys = ['work', 'params', 'scratch', 'zeroed'];
const reduceKinds: readonly ReduceKind[] = ['sum', 'prod', 'max', 'min', 'any', 'all'];
const createKinds: readonly CreateKind[] = ['full', 'iota', 'random'];
