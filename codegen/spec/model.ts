/**
 * The typed, immutable model of a spec: what every part of the generator reads instead of YAML. Expressions are parsed, classes are
 * expanded, values are checked for form; what the expressions mean is not (codegen/lang does that). Everything that can be wrong
 * carries the span it was written at: an expression that a class supplied points into the class.
 *
 * The fields of an entry, in the order to write them:
 *
 * | field         | form                                     | meaning                                                              |
 * |---------------|------------------------------------------|----------------------------------------------------------------------|
 * | `op`          | camelCase                                | the function's name                                                  |
 * | `group`       | words                                    | heading of this entry and of those after it, until the next          |
 * | `class`       | name                                     | supplies every field that the entry does not write itself            |
 * | `summary`     | a sentence                               | the first line of the documentation                                  |
 * | `doc`         | Markdown                                 | the rest of it                                                       |
 * | `formula`     | LaTeX                                    | shown under the summary                                              |
 * | `inputs`      | name: input                              | tensors, in positional order (below)                                 |
 * | `attrs`       | name: attribute                          | `type`, `default`, `summary`; positional if there is no default      |
 * | `let`         | name: expression                         | values that shapes, constraints, definition and kernel share         |
 * | `constraints` | list of `require`, `code`, `message`     | what must hold of attributes and shapes                              |
 * | `outputs`     | name: output                             | `dtype`, `shape`, `list`, `hidden`, `writes`, `size: data`, `summary`|
 * | `dtypes`      | variable: dtype, class, or list of them  | what each dtype variable may be                                      |
 * | `define`      | program                                  | a composition of other ops; or                                       |
 * | `kernel`      | kernel                                   | a primitive: map, reduce, create, view, index, function or library   |
 * | `grad`        | input: program, or `none`                | gradients; an input without an entry has a derived one               |
 * | `inPlace`     | true                                     | there is an in-place form, with an underscore: `x.tanh_()`           |
 * | `random`      | true                                     | draws random numbers                                                 |
 * | `internal`    | true                                     | called by other entries only, not exported                           |
 * | `escape`      | a sentence                               | why a hand-written part cannot be said here                          |
 * | `samples`     | list of samples                          | arguments to test and document with (samples.ts)                     |
 * | `errors`      | list of samples with `code`              | arguments that must be refused                                       |
 * | `names`       | list                                     | the Paddle names that this op answers to                             |
 * | `aliases`     | list                                     | other names of the function; a reserved word may be one (`var`)      |
 * | `keywords`    | list of texts                            | what else a reader may look for it with (`deconvolution`)            |
 * | `elsewhere`   | `numpy`, `pytorch`, `tensorflow`: name   | what the same thing is called in other libraries                     |
 * | `layer`       | class name                               | the layer generated around it                                        |
 * | `seeAlso`     | list of ops                              | links                                                                |
 * | `differences` | Markdown                                 | where it differs from Paddle, PyTorch or NumPy                       |
 * | `example`     | JavaScript that prints something         | shown with what it prints; `$op` in a class is the op                |
 *
 * An input has `dtype` and, where they apply, `shape` (a pattern or an expression), `rank` (`2`, `">=1"`, `"2..4"`), `optional`,
 * `list`, `number` (takes a plain number) and `summary`.
 *
 * A kernel is one of `{ map: name }`, `{ reduce: kind }`, `{ create: kind }`, `{ view: { shape, strides, offset } }`,
 * `{ index: program }`, `{ function: name, work, params, scratch, zeroed }` and `{ library: name }`.
 */

import type { RuleCode } from '../../kernels/host.js';
import type { AttrType, AttrValue, Dtype, ReduceKind } from '../../kernels/op.js';
import type { AttrTypeNode, Expression, IndexProgram, Program, ShapePattern } from '../lang/ast.js';
import type { entryPoints, otherLibraries } from './schema.js';
import type { Span } from './source.js';

export interface SpecModel {
  readonly dtypes: ReadonlyMap<string, DtypeClass>;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly classes: ReadonlyMap<string, OpClass>;
  /** In the spec's order. */
  readonly ops: ReadonlyMap<string, Op>;
  /** What is public and no op, in the spec's order. */
  readonly api: readonly Api[];
  /** Entries left out because of errors in them; others may still refer to them. */
  readonly broken: ReadonlySet<string>;
}

/** A word of the spec and where it stands. */
export interface Word {
  readonly name: string;
  readonly span: Span;
}

/** Names in other libraries, as a user of them would write them: `np.concatenate`. */
export type Elsewhere = Readonly<Partial<Record<(typeof otherLibraries)[number], string>>>;

/** A named set of dtypes, such as `floating`. */
export interface DtypeClass extends Word {
  readonly members: readonly Dtype[];
}

/** A function of the list language, shared by several ops. */
export interface Rule extends Word {
  readonly summary: string;
  readonly parameters: readonly Word[];
  readonly define: Expression;
}

/**
 * A public function or class that is no op, because it records, configures or asks, or makes tensors of JavaScript values: written by hand
 * in `runtime/` and exported under this name. Its documentation stands in the spec, beside that of ops.
 */
export interface Api extends Word {
  /** The entry point that exports it. */
  readonly entry: (typeof entryPoints)[number];
  readonly summary: string;
  readonly doc: string | undefined;
  /** The Paddle names that it answers to. */
  readonly names: readonly Word[];
  /** Other names that it is exported under. */
  readonly aliases: readonly Word[];
  readonly keywords: readonly string[];
  readonly elsewhere: Elsewhere;
  /** Ops and others of its kind. */
  readonly seeAlso: readonly Word[];
  readonly differences: string | undefined;
  readonly example: string;
}

/** A class as the documentation shows it; its fields are in its members already. */
export interface OpClass extends Word {
  readonly members: readonly string[];
}

export interface Op extends Word {
  /** The heading it stands under; the generated file that it lies in is named after it. */
  readonly group: string;
  readonly class: string | undefined;
  readonly summary: string;
  readonly doc: string | undefined;
  readonly formula: string | undefined;
  readonly inputs: readonly Input[];
  readonly attrs: readonly Attribute[];
  readonly let: readonly Let[];
  readonly constraints: readonly Constraint[];
  readonly outputs: readonly Output[];
  readonly dtypes: readonly DtypeVariable[];
  readonly body: Body;
  readonly gradients: readonly Gradient[];
  /** There is a form that writes the output into the first input. */
  readonly inPlace: boolean;
  readonly random: boolean;
  readonly internal: boolean;
  readonly escape: string | undefined;
  readonly samples: readonly Sample[];
  readonly errors: readonly ErrorSample[];
  readonly names: readonly Word[];
  readonly aliases: readonly Word[];
  readonly keywords: readonly string[];
  readonly elsewhere: Elsewhere;
  readonly layer: Word | undefined;
  readonly seeAlso: readonly Word[];
  readonly differences: string | undefined;
  readonly example: string | undefined;
}

export interface Input extends Word {
  /** A dtype variable, a dtype, a class of dtypes, or a choice between such (`softLabel ? T : index`). */
  readonly dtype: Expression;
  readonly shape: ShapePattern | undefined;
  readonly rank: RankRange | undefined;
  readonly optional: boolean;
  readonly list: boolean;
  readonly number: boolean;
  /** An output is written into it. */
  readonly mutated: boolean;
  readonly summary: string | undefined;
}

export interface RankRange {
  readonly least: number;
  /** Infinity where any higher rank will do. */
  readonly most: number;
}

export interface Attribute extends Word {
  readonly type: AttrType;
  readonly typeNode: AttrTypeNode;
  /** Undefined for a required attribute. */
  readonly default: AttrValue;
  readonly required: boolean;
  /** A dtype that is the default one where a user's call leaves it out; in definitions it is `default`. */
  readonly followsDefault: boolean;
  readonly summary: string | undefined;
}

export interface Let extends Word {
  readonly value: Expression;
}

export interface Constraint {
  readonly require: Expression;
  readonly code: RuleCode;
  readonly message: string;
  readonly span: Span;
}

export interface Output extends Word {
  /** A dtype variable, a dtype, an attribute of type dtype, `x.dtype`, or a choice between such. */
  readonly dtype: Expression;
  /** Of a list output: a list of shapes. */
  readonly shape: Expression;
  readonly list: boolean;
  readonly hidden: boolean;
  /** The input that this output is written into. */
  readonly writes: Word | undefined;
  /** The shape is a bound along the first axis: how many there are is known only when the op has run. */
  readonly dataSized: boolean;
  readonly summary: string | undefined;
}

/** A dtype variable and the dtypes that it may be. */
export interface DtypeVariable extends Word {
  readonly members: readonly Dtype[];
}

export type Body =
  | { readonly kind: 'define'; readonly span: Span; readonly program: Program }
  | { readonly kind: 'map'; readonly span: Span; readonly map: string }
  | { readonly kind: 'reduce'; readonly span: Span; readonly reduce: ReduceKind }
  | { readonly kind: 'create'; readonly span: Span; readonly create: CreateKind }
  | {
      readonly kind: 'view';
      readonly span: Span;
      readonly shape: Expression;
      readonly strides: Expression;
      readonly offset: Expression;
    }
  | { readonly kind: 'index'; readonly span: Span; readonly program: IndexProgram }
  | KernelFunction
  | { readonly kind: 'library'; readonly span: Span; readonly library: string };

export type CreateKind = 'full' | 'iota' | 'random';

/** A kernel of kernels/functions. */
export interface KernelFunction {
  readonly kind: 'function';
  readonly span: Span;
  readonly function: string;
  /** How many work items there are. */
  readonly work: Expression;
  readonly params: readonly Let[];
  readonly scratch: readonly Scratch[];
  readonly zeroed: boolean;
}

export interface Scratch extends Word {
  readonly dtype: Expression;
  readonly size: Expression;
}

/** The word is the input. */
export interface Gradient extends Word {
  /** Undefined where the spec says `none`. */
  readonly program: Program | undefined;
}

/** What random elements are like. */
export type Fill =
  /** Standard normal. */
  | 'normal'
  /** Uniform in [0.5, 2). */
  | 'positive'
  /** Uniform in (-1, 1). */
  | 'unit'
  /** Whole numbers from -4 to 4. */
  | 'integers'
  /** Normal times 1000: what overflows in a careless formula does so. */
  | 'large'
  /** Zeros of both signs, infinities, NaN, the least and greatest values, mixed with ordinary ones. */
  | 'special';

export type SampleValue =
  /** Random elements. An undefined dtype is float32 where the input takes that, else the first that it takes. */
  | { readonly kind: 'random'; readonly shape: readonly number[]; readonly dtype: Dtype | undefined; readonly fill: Fill }
  /** Given elements, row by row; booleans are 0 and 1. */
  | {
      readonly kind: 'values';
      readonly shape: readonly number[];
      readonly dtype: Dtype | undefined;
      readonly values: readonly number[];
    }
  /** A plain number where the input takes one. */
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'list'; readonly items: readonly SampleValue[] };

export interface Sample {
  readonly span: Span;
  /** An absent optional input has no entry. */
  readonly inputs: ReadonlyMap<string, SampleValue>;
  readonly attrs: ReadonlyMap<string, AttrValue>;
}

export interface ErrorSample extends Sample {
  readonly code: string;
}
