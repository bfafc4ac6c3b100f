/**
 * The syntax tree of the expression language, as the parser gives it: no types, no names resolved. Every node carries the span of
 * the file it was written in. One language serves definitions, gradients, shapes, constraints and index kernels; which names and
 * operators mean something in each is the checker's business.
 */
import type { AttrType } from '../../kernels/op.js';
import type { Span } from '../spec/source.js';

interface Node {
  readonly span: Span;
}

export type Expression =
  | NumberLiteral
  | StringLiteral
  | BooleanLiteral
  | NullLiteral
  | Name
  | List
  | Member
  | Index
  | Access
  | Call
  | Unary
  | Binary
  | Conditional
  | Arrow;

export interface NumberLiteral extends Node {
  readonly kind: 'number';
  readonly value: number;
  /** Written without a point or an exponent: `2`, not `2.0`. */
  readonly integer: boolean;
}
export interface StringLiteral extends Node {
  readonly kind: 'string';
  readonly value: string;
}
export interface BooleanLiteral extends Node {
  readonly kind: 'boolean';
  readonly value: boolean;
}
export interface NullLiteral extends Node {
  readonly kind: 'null';
}
export interface Name extends Node {
  readonly kind: 'name';
  readonly name: string;
}
/** `[a, ...b]` */
export interface List extends Node {
  readonly kind: 'list';
  readonly items: readonly Item[];
}
/** `...value`, in a list, among arguments, or as an index group of an index kernel. */
export interface Spread extends Node {
  readonly kind: 'spread';
  readonly value: Expression;
}
export type Item = Expression | Spread;
/** `object.name` */
export interface Member extends Node {
  readonly kind: 'member';
  readonly object: Expression;
  readonly name: string;
  readonly nameSpan: Span;
}
/** `object[index]` */
export interface Index extends Node {
  readonly kind: 'index';
  readonly object: Expression;
  readonly index: Expression;
}
/** `x[i, j, ...c]`: an element of a tensor. Only index kernels hold these, and there every `[` after a name makes one. */
export interface Access extends Node {
  readonly kind: 'access';
  readonly tensor: string;
  readonly tensorSpan: Span;
  readonly indices: readonly Item[];
}
/** `callee(arguments, { options })` */
export interface Call extends Node {
  readonly kind: 'call';
  readonly callee: string;
  readonly calleeSpan: Span;
  readonly arguments: readonly Item[];
  /** Empty where none are written. */
  readonly options: readonly Option[];
}
/** `name: value`; the shorthand `name` has that name as its value. */
export interface Option extends Node {
  readonly name: string;
  readonly nameSpan: Span;
  readonly value: Expression;
}
export type UnaryOperator = '-' | '!';
export interface Unary extends Node {
  readonly kind: 'unary';
  readonly operator: UnaryOperator;
  readonly operand: Expression;
}
export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '**' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '&&' | '||' | '??';
export interface Binary extends Node {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  readonly operatorSpan: Span;
  readonly left: Expression;
  readonly right: Expression;
}
/** `condition ? then : otherwise` */
export interface Conditional extends Node {
  readonly kind: 'conditional';
  readonly condition: Expression;
  readonly then: Expression;
  readonly otherwise: Expression;
}
/** `(value, place) => body` */
export interface Arrow extends Node {
  readonly kind: 'arrow';
  readonly parameters: readonly Parameter[];
  readonly body: Expression;
}
export interface Parameter extends Node {
  readonly name: string;
}

/** Lines of `name = value`; the last may be a value alone, which is then the result. */
export interface Program extends Node {
  readonly assignments: readonly Assignment[];
  readonly result: Expression | undefined;
}
export interface Assignment extends Node {
  readonly name: string;
  readonly nameSpan: Span;
  readonly value: Expression;
}

/** Lines of `out[i, ...c] = x[index[i], ...c]` or `+=`, run one after the other. */
export interface IndexProgram extends Node {
  readonly statements: readonly IndexStatement[];
}
export interface IndexStatement extends Node {
  readonly target: Access;
  /** `+=` adds in the order of the source's elements; several may meet one place. */
  readonly operator: '=' | '+=';
  readonly value: Expression;
}

/** What an input's shape must be: a list pattern that binds names, or a shape that is computed. */
export type ShapePattern =
  | { readonly kind: 'pattern'; readonly items: readonly PatternItem[]; readonly span: Span }
  | { readonly kind: 'exact'; readonly shape: Expression; readonly span: Span };

export type PatternItem =
  /** `m`: binds the size, or must equal what an earlier `m` bound. */
  | { readonly kind: 'dimension'; readonly name: string; readonly span: Span }
  /** `...b`: any number of dimensions. One that leads its pattern broadcasts with its namesakes; elsewhere they must be equal. */
  | { readonly kind: 'group'; readonly name: string; readonly span: Span }
  /** `2`, `c / groups`: one dimension that must have this size. */
  | { readonly kind: 'size'; readonly size: Expression; readonly span: Span }
  /** `...y.shape`: dimensions that must have these sizes. */
  | { readonly kind: 'sizes'; readonly sizes: Expression; readonly span: Span };

/** An attribute's type and the inputs that it refers to (`axis(x)`). */
export interface AttrTypeNode extends Node {
  /** As written. */
  readonly text: string;
  readonly type: AttrType;
  readonly inputs: readonly { readonly name: string; readonly span: Span }[];
}
