/**
 * Integer expressions as sums of products: whether an index goes up by one with a loop's variable, how long a loop is, can be read off
 * them. Wrapping is not modelled: indices do not wrap.
 */
import type { Expr } from './ir.js';

/** An expression that is not taken apart further. */
export type Atom = string;

export interface Term {
  readonly factor: number;
  /** In order. */
  readonly atoms: readonly Atom[];
}

/** No two terms have the same atoms, and none has the factor 0. */
export type Polynomial = readonly Term[];

export const localAtom = (name: string): Atom => `local ${name}`;
const paramAtom = (name: string): Atom => `param ${name}`;

/** The parameter that an atom stands for, if it is one. */
export const paramOf = (atom: Atom): string | undefined => (atom.startsWith('param ') ? atom.slice(6) : undefined);

/** `valueFor` gives what a local was declared as, where that is to be put in its place. */
export function polynomialOf(expr: Expr, valueFor: (local: string) => Expr | undefined = () => undefined): Polynomial {
  const recur = (operand: Expr): Polynomial => polynomialOf(operand, valueFor);
  switch (expr.op) {
    case 'const':
      return sumOf([{ factor: Number(expr.value), atoms: [] }]);
    case 'param':
      return atomic(paramAtom(expr.name));
    case 'local': {
      const value = valueFor(expr.name);
      return value === undefined ? atomic(localAtom(expr.name)) : recur(value);
    }
    case 'binary':
      if (expr.name === 'add') return sumOf([...recur(expr.left), ...recur(expr.right)]);
      if (expr.name === 'sub') return difference(recur(expr.left), recur(expr.right));
      if (expr.name === 'mul') return product(recur(expr.left), recur(expr.right));
      return atomic(JSON.stringify(expr));
    default:
      return atomic(JSON.stringify(expr));
  }
}

export const difference = (left: Polynomial, right: Polynomial): Polynomial =>
  sumOf([...left, ...right.map(({ factor, atoms }) => ({ factor: -factor, atoms }))]);

const atomic = (atom: Atom): Polynomial => [{ factor: 1, atoms: [atom] }];

const product = (left: Polynomial, right: Polynomial): Polynomial =>
  sumOf(left.flatMap((a) => right.map((b) => ({ factor: a.factor * b.factor, atoms: [...a.atoms, ...b.atoms].sort() }))));

function sumOf(terms: Polynomial): Polynomial {
  const sums = new Map<string, Term>();
  for (const { factor, atoms } of terms) {
    const key = atoms.join(' * ');
    sums.set(key, { factor: factor + (sums.get(key)?.factor ?? 0), atoms });
  }
  return [...sums.values()].filter(({ factor }) => factor !== 0);
}

/** By how much it goes up when the atom does by one, if that is a number. */
export function slopeIn(polynomial: Polynomial, atom: Atom): number | undefined {
  const varying = polynomial.filter(({ atoms }) =>
    atoms.some((one) => one === atom || one.includes(JSON.stringify(atom.slice(6)))),
  );
  if (varying.length === 0) return 0;
  const [only] = varying;
  return varying.length === 1 && only!.atoms.length === 1 && only!.atoms[0] === atom ? only!.factor : undefined;
}
