/**
 * Checked expressions as text of the language: what documentation and `opwright explain` show of derived gradients. Reading the text
 * again gives the same program.
 */

import { optionParameters, positionalParameters } from './check-call.js';
import { operatorOps, unaryOps } from './check-expression.js';
import type { ApplyTerm, ArrowTerm, Binding, HostOperator, Line, Term, TermProgram } from './terms.js';

/** How tightly operators bind, as in the parser. */
const precedence: Readonly<Record<HostOperator, number>> = {
  '??': 2,
  '||': 3,
  '&&': 4,
  '==': 5,
  '!=': 5,
  '<': 6,
  '<=': 6,
  '>': 6,
  '>=': 6,
  '+': 7,
  '-': 7,
  '*': 8,
  '/': 8,
  '%': 8,
  '**': 10,
};
const conditionalPrecedence = 1;
const unaryPrecedence = 9;
const atom = 12;

const operatorOf: ReadonlyMap<string, HostOperator> = new Map(
  Object.keys(precedence)
    .filter(isOperator)
    .flatMap((operator) => {
      const op = operatorOps[operator];
      return op === undefined ? [] : [[op, operator] as const];
    }),
);

function isOperator(text: string): text is HostOperator {
  return Object.hasOwn(precedence, text);
}

/** Lines of `name = value`, then the results as values alone. Lines that are given otherwise (an op's `let`) are left out. */
export function printProgram(program: TermProgram, given: readonly Line[] = []): string {
  const printer = new Printer();
  const written = program.lines.filter((line) => !given.some(({ binding }) => binding === line.binding));
  const lines = written.map(({ binding, value }) => `${printer.name(binding)} = ${printer.print(value)}`);
  return [...lines, ...program.results.map((result) => printer.print(result))].join('\n');
}

export function printTerm(term: Term): string {
  return new Printer().print(term);
}

class Printer {
  readonly #names = new Map<Binding, string>();

  name(binding: Binding): string {
    return this.#names.get(binding) ?? binding.name;
  }

  print(term: Term, least = 0): string {
    const { text, binds } = this.#written(term);
    return binds < least ? `(${text})` : text;
  }

  #written(term: Term): { readonly text: string; readonly binds: number } {
    switch (term.kind) {
      case 'binary':
        return this.#infix(term.operator, term.left, term.right);
      case 'unary':
        return { text: `${term.operator}${this.#signed(term.operand)}`, binds: unaryPrecedence };
      case 'conditional': {
        const [condition, then] = [
          this.print(term.condition, conditionalPrecedence + 1),
          this.print(term.then, conditionalPrecedence),
        ];
        return {
          text: `${condition} ? ${then} : ${this.print(term.otherwise, conditionalPrecedence)}`,
          binds: conditionalPrecedence,
        };
      }
      case 'apply':
        return this.#operatorCall(term) ?? { text: this.#call(term), binds: atom };
      case 'arrow':
        return { text: this.#arrow(term), binds: 0 };
      case 'literal':
        return {
          text: literalText(term.value),
          binds: typeof term.value === 'number' && term.value < 0 ? unaryPrecedence : atom,
        };
      default:
        return { text: this.#atom(term), binds: atom };
    }
  }

  /** A power after a sign is put in brackets, since `-a ** b` can be read in two ways. */
  #signed(operand: Term): string {
    const { text, binds } = this.#written(operand);
    return binds < unaryPrecedence || binds === precedence['**'] ? `(${text})` : text;
  }

  #infix(operator: HostOperator, left: Term, right: Term): { readonly text: string; readonly binds: number } {
    const binds = precedence[operator];
    const [leftLeast, rightLeast] = operator === '**' ? [binds + 1, binds] : [binds, binds + 1];
    return { text: `${this.print(left, leftLeast)} ${operator} ${this.print(right, rightLeast)}`, binds };
  }

  #operatorCall(term: ApplyTerm): { readonly text: string; readonly binds: number } | undefined {
    const [left, right] = [...term.inputs.values()];
    const operator = operatorOf.get(term.op.name);
    if (operator !== undefined && left !== undefined && right !== undefined) return this.#infix(operator, left, right);
    if (left === undefined) return undefined;
    const sign = term.op.name === unaryOps['-'] ? '-' : term.op.name === unaryOps['!'] ? '!' : undefined;
    return sign && { text: `${sign}${this.#signed(left)}`, binds: unaryPrecedence };
  }

  #call(term: ApplyTerm): string {
    const value = (name: string): Term | undefined => term.inputs.get(name) ?? term.attrs.get(name);
    const positional = positionalParameters(term.op).map(({ name }) => {
      const given = value(name);
      return given === undefined ? 'null' : this.print(given);
    });
    const options = [...optionParameters(term.op).keys()].flatMap((name) => {
      const given = value(name);
      if (given === undefined) return [];
      const text = this.print(given);
      return text === name ? [name] : [`${name}: ${text}`];
    });
    if (options.length > 0) positional.push(`{ ${options.join(', ')} }`);
    return `${term.op.name}(${positional.join(', ')})`;
  }

  #atom(term: Term): string {
    switch (term.kind) {
      case 'reference':
        return this.name(term.binding);
      case 'present':
        return `present(${this.name(term.binding)})`;
      case 'list':
        return `[${term.items.map(({ value, spread }) => (spread ? `...${this.print(value, atom)}` : this.print(value))).join(', ')}]`;
      case 'property':
        return `${this.print(term.object, atom)}.${term.name}`;
      case 'output':
        return `${this.print(term.of, atom)}.${term.name}`;
      case 'element':
        return `${this.print(term.object, atom)}[${this.print(term.index)}]`;
      case 'host':
        return `${term.name}(${term.arguments.map((argument) => this.#argument(argument)).join(', ')})`;
      case 'rule':
        return `${term.rule.name}(${term.arguments.map((argument) => this.print(argument)).join(', ')})`;
      default:
        throw new TypeError(`a ${term.kind} is no atom`);
    }
  }

  /** A spread argument is kept as a list of that one spread. */
  #argument(term: Term): string {
    const [only] = term.kind === 'list' && term.items.length === 1 ? term.items : [];
    return only?.spread ? `...${this.print(only.value, atom)}` : this.print(term);
  }

  /** Parameters are renamed where an arrow around this one has a parameter of that name. */
  #arrow(term: ArrowTerm): string {
    const taken = new Set(this.#names.values());
    for (const parameter of term.parameters) {
      let { name } = parameter;
      for (let count = 2; taken.has(name); count++) name = `${parameter.name}${count}`;
      this.#names.set(parameter, name);
      taken.add(name);
    }
    const text = `(${term.parameters.map((parameter) => this.name(parameter)).join(', ')}) => ${this.print(term.body)}`;
    for (const parameter of term.parameters) this.#names.delete(parameter);
    return text;
  }
}

function literalText(value: number | string | boolean | null): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}
