/**
 * Programs of the expression language as formulas. What has no notation of its own is written as a function, so that every definition
 * without host values has a formula; one with them (options, shapes) has none, and is shown as the spec writes it.
 */
import type { Binding, Term, TermProgram } from '../../codegen/lang/terms.js';

/** How tightly a formula binds: sums, products, signs, powers, and what needs no brackets. */
const [SUM, PRODUCT, SIGN, POWER, ATOM] = [1, 2, 3, 4, 5] as const;

interface Formula {
  readonly text: string;
  readonly binds: number;
}

type Notation = (...operands: readonly Formula[]) => Formula;

const atom = (text: string): Formula => ({ text, binds: ATOM });
const within = ({ text, binds }: Formula, least: number): string => (binds < least ? `\\left(${text}\\right)` : text);
const infix =
  (binds: number, symbol: string): Notation =>
  (left = atom(''), right = atom('')) => ({ text: `${within(left, binds)} ${symbol} ${within(right, binds + 1)}`, binds });
const around =
  (before: string, after: string): Notation =>
  (x = atom('')) =>
    atom(`${before}${x.text}${after}`);
const named =
  (name: string): Notation =>
  (x = atom('')) => ({ text: `${name}\\left(${x.text}\\right)`, binds: ATOM });
const power = (base: Formula, exponent: string): Formula => ({ text: `{${within(base, ATOM)}}^{${exponent}}`, binds: POWER });
const comparison = (symbol: string): Notation => infix(SUM, symbol);

/** The notation of ops that mathematics has one for. */
const notations: Readonly<Record<string, Notation>> = {
  add: infix(SUM, '+'),
  subtract: infix(SUM, '-'),
  multiply: infix(PRODUCT, '\\cdot'),
  divide: (left = atom(''), right = atom('')) => atom(`\\frac{${left.text}}{${right.text}}`),
  neg: (x = atom('')) => ({ text: `-${within(x, SIGN)}`, binds: SIGN }),
  pow: (base = atom(''), exponent = atom('')) => power(base, exponent.text),
  exp: (x = atom('')) => ({ text: `e^{${x.text}}`, binds: POWER }),
  square: (x = atom('')) => power(x, '2'),
  reciprocal: (x = atom('')) => atom(`\\frac{1}{${x.text}}`),
  sqrt: around('\\sqrt{', '}'),
  rsqrt: around('\\frac{1}{\\sqrt{', '}}'),
  abs: around('\\left|', '\\right|'),
  floor: around('\\left\\lfloor ', '\\right\\rfloor'),
  ceil: around('\\left\\lceil ', '\\right\\rceil'),
  sin: named('\\sin'),
  cos: named('\\cos'),
  tan: named('\\tan'),
  asin: named('\\arcsin'),
  acos: named('\\arccos'),
  atan: named('\\arctan'),
  sinh: named('\\sinh'),
  cosh: named('\\cosh'),
  tanh: named('\\tanh'),
  log: named('\\ln'),
  log2: named('\\log_2'),
  log10: named('\\log_{10}'),
  log1p: (x = atom('')) => atom(`\\ln\\left(1 + ${x.text}\\right)`),
  expm1: (x = atom('')) => ({ text: `e^{${x.text}} - 1`, binds: SUM }),
  sigmoid: named('\\sigma'),
  equal: comparison('='),
  notEqual: comparison('\\neq'),
  lessThan: comparison('<'),
  lessEqual: comparison('\\le'),
  greaterThan: comparison('>'),
  greaterEqual: comparison('\\ge'),
  logicalAnd: infix(PRODUCT, '\\land'),
  logicalOr: infix(SUM, '\\lor'),
  logicalNot: (x = atom('')) => ({ text: `\\lnot ${within(x, SIGN)}`, binds: SIGN }),
  where: (condition = atom(''), then = atom(''), otherwise = atom('')) =>
    atom(`\\begin{cases} ${then.text} & ${condition.text} \\\\ ${otherwise.text} & \\text{otherwise} \\end{cases}`),
  maximum: (left = atom(''), right = atom('')) => atom(`\\max\\left(${left.text}, ${right.text}\\right)`),
  minimum: (left = atom(''), right = atom('')) => atom(`\\min\\left(${left.text}, ${right.text}\\right)`),
};

/** The lines and the result of a program, one formula each; undefined where it says more than formulas can. */
export function programLatex({ lines, results }: TermProgram, resultName: string): string | undefined {
  const written = [
    ...lines.map(({ binding, value }) => [symbol(binding), termLatex(value)] as const),
    ...results.map((result) => [resultName, termLatex(result)] as const),
  ];
  const rows = written.flatMap(([name, formula]) => (formula === undefined ? [] : [`${name} &= ${formula.text}`]));
  if (rows.length < written.length) return undefined;
  return rows.length === 1 ? rows[0]?.replace('&=', '=') : `\\begin{aligned} ${rows.join(' \\\\ ')} \\end{aligned}`;
}

/** An op of its own inputs, where there is a notation for it. */
export function opLatex(name: string, inputs: readonly string[]): string | undefined {
  return notations[name]?.(...inputs.map((input) => atom(nameLatex(input)))).text;
}

function termLatex(term: Term): Formula | undefined {
  switch (term.kind) {
    case 'literal':
      return typeof term.value === 'number' ? numberLatex(term.value) : undefined;
    case 'reference':
      return term.binding.origin === 'attribute' && term.type.kind !== 'number' ? undefined : atom(symbol(term.binding));
    case 'unary': {
      const operand = termLatex(term.operand);
      return term.operator === '-' && operand !== undefined ? notations['neg']?.(operand) : undefined;
    }
    case 'binary': {
      const notation = hostNotations[term.operator];
      return notation === undefined ? undefined : applied(notation, [term.left, term.right]);
    }
    case 'apply': {
      if (term.attrs.size > 0) return undefined;
      const notation = notations[term.op.name] ?? functionOf(term.op.name);
      return applied(notation, [...term.inputs.values()]);
    }
    default:
      return undefined;
  }
}

const hostNotations: Readonly<Partial<Record<string, Notation>>> = {
  '+': notations['add'],
  '-': notations['subtract'],
  '*': notations['multiply'],
  '/': notations['divide'],
  '**': notations['pow'],
};

function applied(notation: Notation, terms: readonly Term[]): Formula | undefined {
  const operands = terms.flatMap((term) => termLatex(term) ?? []);
  return operands.length === terms.length ? notation(...operands) : undefined;
}

const functionOf =
  (name: string): Notation =>
  (...operands) =>
    atom(`\\operatorname{${name}}\\left(${operands.map(({ text }) => text).join(', ')}\\right)`);

function numberLatex(value: number): Formula {
  if (!Number.isFinite(value))
    return Number.isNaN(value) ? atom('\\text{NaN}') : { text: value < 0 ? '-\\infty' : '\\infty', binds: SIGN };
  const [digits = '', exponent] = String(value).split('e');
  const text = exponent === undefined ? digits : `${digits} \\cdot 10^{${Number(exponent)}}`;
  return { text, binds: value < 0 ? SIGN : exponent === undefined ? ATOM : PRODUCT };
}

const symbol = ({ name, origin }: Binding): string =>
  origin === 'gradient' ? `\\mathrm{d}${nameLatex(name.replace(/^d/, ''))}` : nameLatex(name);

const greek = new Set(['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'lambda']);

/** One letter is a variable; words stand upright. */
export function nameLatex(name: string): string {
  if (name.length === 1) return name;
  return greek.has(name) ? `\\${name}` : `\\mathrm{${name}}`;
}
