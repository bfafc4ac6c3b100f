/**
 * Checked expressions as TypeScript: the text of the generated shape checkers, definitions and gradients.
 *
 * The text means what evaluate.ts does. Where the language is less certain of a type than TypeScript wants (parameters of rules,
 * attributes of several forms), the place that needs a type states it with `as`; nothing else is cast. Lines that only branches of
 * conditions use are computed when asked for, as the evaluator does.
 */
import { HOST_FUNCTIONS, type HostType } from '../../kernels/host-functions.js';
import { isReservedWord } from './reserved.js';
import {
  type ApplyTerm,
  type Binding,
  bindingsOf,
  childTerms,
  type HostOperator,
  type Line,
  returnedOutputs,
  type Term,
  type TermProgram,
} from './terms.js';
import type { Type } from './types.js';

/** The TypeScript type of a value of the language; tensors are `V`, the value type of the algebra. */
export function typeText(type: Type, tensor = 'V'): string {
  switch (type.kind) {
    case 'tensor':
      return tensor;
    case 'outputs':
      return `Readonly<Record<string, ${tensor}>>`;
    case 'number':
    case 'string':
    case 'boolean':
    case 'null':
    case 'unknown':
      return type.kind;
    case 'dtype':
      return 'Dtype';
    case 'list':
      return listText(typeText(type.of, tensor));
    case 'union':
      return [...new Set(type.options.map((option) => typeText(option, tensor)))].join(' | ');
    case 'function':
      return `(${type.parameters.map((parameter, i) => `p${i}: ${typeText(parameter, tensor)}`).join(', ')}) => ${typeText(type.result, tensor)}`;
  }
}

/** Writes the expressions of one function. `names` are bindings that the function has as parameters. */
export class TypeScriptWriter {
  readonly #names = new Map<Binding, string>();
  readonly #taken = new Set<string>(['g', 'host', 'rules']);
  readonly #lazy = new Set<Binding>();

  constructor(
    parameters: Iterable<Binding>,
    /** The type that tensors have here. */
    private readonly tensor: string,
    /** Inputs that may be absent; the checker has seen to it that they are only used where they are not. */
    private readonly optional: ReadonlySet<Binding> = new Set(),
  ) {
    for (const parameter of parameters) this.name(parameter);
  }

  /** The identifier of a binding: its own name where that is free. */
  name(binding: Binding): string {
    const known = this.#names.get(binding);
    if (known !== undefined) return known;
    let name = isReservedWord(binding.name) ? `${binding.name}_` : binding.name;
    for (let n = 2; this.#taken.has(name); n++) name = `${binding.name}${n}`;
    this.#taken.add(name);
    this.#names.set(binding, name);
    return name;
  }

  /** `const` declarations, in order. */
  lines(lines: readonly Line[], results: readonly Term[]): string[] {
    const certain = certainlyUsed(lines, results);
    return lines.map(({ binding, value }) => {
      const text = this.expression(value);
      const name = this.name(binding);
      if (certain.has(binding)) return `const ${name} = ${text};`;
      this.#lazy.add(binding);
      return `const ${name} = host.lazy(() => ${text.startsWith('{') ? `(${text})` : text});`;
    });
  }

  /** A program's lines and the list that it returns. */
  program({ lines, results }: TermProgram): string[] {
    const written = this.lines(lines, results);
    const items = results.map((result) =>
      result.type.kind === 'list' ? `...${this.tensors(result)}` : this.tensorOperand(result),
    );
    const [only] = items;
    return [
      ...written,
      items.length === 1 && only!.startsWith('...') ? `return ${only!.slice(3)};` : `return [${items.join(', ')}];`,
    ];
  }

  expression(term: Term): string {
    switch (term.kind) {
      case 'literal':
        // What stands where a value is never read has the type of no value.
        if (term.type.kind === 'unknown') return 'undefined!';
        return typeof term.value === 'string' ? quote(term.value) : String(term.value);
      case 'reference': {
        const name = this.name(term.binding);
        if (this.optional.has(term.binding)) return `${name}!`;
        const text = this.#lazy.has(term.binding) ? `${name}()` : name;
        const [own, declared] = [typeText(term.type, this.tensor), typeText(term.binding.type, this.tensor)];
        return own === declared || own === 'unknown' || own === 'null' ? text : `(${text} as ${own})`;
      }
      case 'present':
        return `${this.name(term.binding)} !== undefined`;
      case 'list':
        return `[${term.items.map(({ value, spread }) => (spread ? `...${this.as(value, 'readonly unknown[]', true)}` : this.expression(value))).join(', ')}]`;
      case 'property':
        return this.property(term);
      case 'element':
        return `host.at(${this.as(term.object, typeText(elementList(term), this.tensor))}, ${this.number(term.index)})`;
      case 'unary':
        return term.operator === '!' ? `!${this.nested(term.operand, 'boolean')}` : `-${this.nested(term.operand, 'number')}`;
      case 'binary':
        return this.binary(term.operator, term.left, term.right);
      case 'conditional': {
        const [condition, then, otherwise] = [
          this.nested(term.condition, 'boolean'),
          this.branch(term.then),
          this.branch(term.otherwise),
        ];
        return `${condition} ? ${then} : ${otherwise}`;
      }
      case 'arrow':
        return this.arrow(term);
      case 'host':
        return this.hostCall(term);
      case 'rule': {
        const call = `rules.${term.rule.name}(${term.arguments.map((argument) => this.expression(argument)).join(', ')})`;
        const type = typeText(term.type, this.tensor);
        return type === 'unknown' ? call : `(${call} as ${type})`;
      }
      case 'apply':
        return this.apply(term);
      case 'output':
        return this.output(term);
    }
  }

  /** The expression as a value of that TypeScript type, stated with `as` where the language does not know it to be. */
  as(term: Term, wanted: string, loosely = false): string {
    const own = typeText(term.type, this.tensor);
    const text = this.expression(term);
    if (own === wanted || wanted === 'unknown' || (loosely && term.type.kind === 'list')) return text;
    if (term.kind === 'literal' && typeof term.value === 'boolean' && wanted === 'number') return term.value ? '1' : '0';
    const known = term.type.kind !== 'unknown' && !own.includes('unknown');
    if (known && (term.type.kind !== 'union' || wanted.includes(' | '))) return text;
    return `(${text} as ${wanted})`;
  }

  number(term: Term): string {
    return this.as(term, 'number');
  }

  /** A list of numbers. */
  numbers(term: Term): string {
    return this.as(term, 'readonly number[]');
  }

  private tensors(term: Term): string {
    return this.as(term, `readonly ${this.tensor}[]`);
  }

  /** A result of a definition: numbers become values by meeting the algebra. */
  private tensorOperand(term: Term): string {
    return this.expression(term);
  }

  private branch(term: Term): string {
    const text = this.expression(term);
    return term.kind === 'conditional' ? `(${text})` : text;
  }

  private nested(term: Term, wanted: string): string {
    const text = this.as(term, wanted);
    const compound = term.kind === 'binary' || term.kind === 'conditional' || term.kind === 'unary' || term.kind === 'present';
    return compound && !isEnclosed(text) ? `(${text})` : text;
  }

  private property(term: Extract<Term, { kind: 'property' }>): string {
    const isCompound = ['binary', 'conditional', 'unary', 'present'].includes(term.object.kind);
    const grouped = (text: string): string => (isCompound ? `(${text})` : text);
    if (term.name === 'length') return `${grouped(this.as(term.object, 'readonly unknown[]', true))}.length`;
    const object =
      term.object.type.kind === 'unknown'
        ? `(${this.expression(term.object)} as LayoutMeta)`
        : grouped(this.expression(term.object));
    return term.name === 'rank' ? `${object}.shape.length` : `${object}.${term.name}`;
  }

  private binary(operator: HostOperator, left: Term, right: Term): string {
    switch (operator) {
      case '&&':
      case '||':
        return `${this.nested(left, 'boolean')} ${operator} ${this.nested(right, 'boolean')}`;
      case '??':
        return `${this.nested(left, typeText(left.type, this.tensor))} ?? ${this.nested(right, typeText(right.type, this.tensor))}`;
      case '==':
      case '!=':
        return this.equality(operator, left, right);
      default:
        return `${this.nested(left, 'number')} ${operator} ${this.nested(right, 'number')}`;
    }
  }

  private equality(operator: '==' | '!=', left: Term, right: Term): string {
    const isNull = (term: Term): boolean => term.kind === 'literal' && term.value === null;
    if (isNull(left) || isNull(right)) return `${this.expression(left)} ${operator} ${this.expression(right)}`;
    const simple = (term: Term): boolean => ['number', 'string', 'boolean', 'dtype'].includes(term.type.kind);
    if (simple(left) && simple(right)) return `${this.nested(left, 'unknown')} ${operator}= ${this.nested(right, 'unknown')}`;
    return `${operator === '!=' ? '!' : ''}host.equals(${this.expression(left)}, ${this.expression(right)})`;
  }

  private hostCall(term: Extract<Term, { kind: 'host' }>): string {
    const called = HOST_FUNCTIONS.get(term.name)!;
    const rest = called.parameters.findIndex((parameter) => parameter.rest);
    const written = term.arguments.map((argument, index) => {
      const parameter = called.parameters[index] ?? called.parameters.at(-1)!;
      const spread =
        rest >= 0 && index >= rest && argument.kind === 'list' && argument.items.length === 1 && argument.items[0]!.spread;
      if (spread) return `...${this.as(argument.items[0]!.value, `readonly ${hostTypeText(parameter.type)}[]`)}`;
      return argument.kind === 'arrow' ? this.arrow(argument) : this.as(argument, hostTypeText(parameter.type));
    });
    return `host.${term.name}(${written.join(', ')})`;
  }

  private arrow(term: Extract<Term, { kind: 'arrow' }>): string {
    const body = this.expression(term.body);
    const used = new Set(bindingsOf(term.body));
    const parameters = term.parameters.map((parameter) => {
      const name = `${used.has(parameter) ? '' : '_'}${this.name(parameter)}`;
      return parameter.type.kind === 'unknown' ? name : `${name}: ${typeText(parameter.type, this.tensor)}`;
    });
    return `(${parameters.join(', ')}) => ${body}`;
  }

  private apply(term: ApplyTerm): string {
    const { op } = term;
    const positional = op.inputs.filter((input) => !input.optional).map((input) => this.inputOf(term, input.name, input.list));
    const required = op.attrs.filter((attr) => attr.required).map((attr) => this.attrOf(term, attr.name));
    const options = [
      ...op.inputs
        .filter((input) => input.optional && term.inputs.has(input.name))
        .map((input) => this.option(input.name, this.inputOf(term, input.name, false))),
      ...op.attrs
        .filter((attr) => !attr.required && term.attrs.has(attr.name))
        .map((attr) => this.option(attr.name, this.attrOf(term, attr.name))),
    ];
    const given = [...positional, ...required, ...(options.length === 0 ? [] : [`{ ${options.join(', ')} }`])];
    return `g.${op.name}(${given.join(', ')})`;
  }

  private inputOf(term: ApplyTerm, name: string, list: boolean): string {
    const value = term.inputs.get(name);
    if (value === undefined) throw new TypeError(`${term.op.name} is called without ${name}`);
    if (list) return this.tensors(value);
    if (value.type.kind === 'boolean')
      return value.kind === 'literal' ? String(Number(value.value)) : `Number(${this.expression(value)})`;
    const isTensor = value.type.kind === 'tensor' || value.type.kind === 'unknown';
    return this.as(value, isTensor ? this.tensor : 'number');
  }

  private attrOf(term: ApplyTerm, name: string): string {
    const value = term.attrs.get(name)!;
    const text = this.expression(value);
    return value.type.kind === 'unknown' ? `(${text} as never)` : text;
  }

  private option(name: string, text: string): string {
    return name === text ? name : `${name}: ${text}`;
  }

  private output(term: Extract<Term, { kind: 'output' }>): string {
    const outputs = returnedOutputs(term.op);
    const of = this.expression(term.of);
    const all = term.op.outputs.find(({ name }) => name === term.name);
    if (outputs.length === 1 && !all?.hidden && all?.writes === undefined) return of;
    return `${of}.${term.name}`;
  }
}

function elementList(term: Extract<Term, { kind: 'element' }>): Type {
  return term.object.type.kind === 'list' ? term.object.type : { kind: 'list', of: term.type };
}

function hostTypeText(type: HostType): string {
  if (typeof type === 'string') {
    if (type === 'number' || type === 'boolean' || type === 'string') return type;
    if (type === 'int') return 'number';
    if (type === 'dtype') return 'Dtype';
    return 'unknown';
  }
  if ('either' in type) return type.either.map(hostTypeText).join(' | ');
  return 'list' in type ? listText(hostTypeText(type.list)) : 'unknown';
}

const listText = (of: string): string => `readonly ${of.includes(' ') ? `(${of})` : of}[]`;

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** The lines that are needed whatever the conditions say. */
function certainlyUsed(lines: readonly Line[], results: readonly Term[]): ReadonlySet<Binding> {
  const used = new Set<Binding>();
  const visit = (term: Term): void => {
    if (term.kind === 'reference') used.add(term.binding);
    for (const child of unconditional(term)) visit(child);
  };
  for (const result of results) visit(result);
  for (const line of lines.toReversed()) if (used.has(line.binding)) visit(line.value);
  return used;
}

function unconditional(term: Term): readonly Term[] {
  if (term.kind === 'conditional') return [term.condition];
  if (term.kind === 'binary' && ['&&', '||', '??'].includes(term.operator)) return [term.left];
  return childTerms(term);
}

/** Whether one pair of parentheses encloses the whole. */
function isEnclosed(text: string): boolean {
  let depth = 0;
  for (const [place, character] of [...text].entries()) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (depth === 0) return text.startsWith('(') && place === text.length - 1;
  }
  return false;
}
