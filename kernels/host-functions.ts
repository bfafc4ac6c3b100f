/**
 * The host functions that expressions of the spec may call: names, types and meaning. The checker reads the types, the evaluator
 * calls `apply`, generated code imports the function of that name from kernels/host.ts, and the documentation prints the table.
 */
import * as host from './host.js';

/** `T` and `U` stand for any type, the same one throughout a signature; `any` takes whatever there is. */
export type HostType =
  | 'int'
  | 'number'
  | 'boolean'
  | 'string'
  | 'dtype'
  | 'null'
  | 'any'
  | 'T'
  | 'U'
  | { readonly list: HostType }
  | { readonly either: readonly HostType[] }
  | { readonly arrow: readonly HostType[]; readonly result: HostType };

export interface HostParameter {
  readonly name: string;
  readonly type: HostType;
  /** May be left out. */
  readonly optional?: true;
  /** Takes all the arguments that are left, each of this type; a spread may stand here. */
  readonly rest?: true;
}

export interface HostFunction {
  readonly name: string;
  readonly parameters: readonly HostParameter[];
  readonly result: HostType;
  readonly summary: string;
  apply(...values: unknown[]): unknown;
}

const INTS: HostType = { list: 'int' };
const LISTS: HostType = { list: INTS };
const LIST: HostType = { list: 'T' };
const PLACES: HostType = { either: ['int', INTS] };
const PREDICATE: HostType = { arrow: ['T', 'int'], result: 'boolean' };

/** `'list: T'` pairs as parameters; a name ending in `?` is optional, one beginning with `...` takes the rest. */
function parameters(types: Readonly<Record<string, HostType>>): readonly HostParameter[] {
  return Object.entries(types).map(([key, type]) => {
    const name = key.replace(/^\.\.\.|\?$/g, '');
    return { name, type, ...(key.endsWith('?') ? { optional: true } : {}), ...(key.startsWith('...') ? { rest: true } : {}) };
  });
}

type Row = readonly [types: Readonly<Record<string, HostType>>, result: HostType, summary: string];

const rows = {
  // Lists
  range: [
    { from: 'int', 'to?': 'int' },
    INTS,
    'The integers from 0 up to one number, or from one up to another, the last left out.',
  ],
  fill: [{ length: 'int', value: 'T' }, LIST, 'A list of one value, repeated.'],
  each: [
    { list: LIST, of: { arrow: ['T', 'int'], result: 'U' } },
    { list: 'U' },
    'What a function gives for each entry and its place.',
  ],
  fold: [
    { list: LIST, of: { arrow: ['T', 'T'], result: 'T' } },
    'T',
    'What a function makes of the first two entries, of that and the third, and so on to the last.',
  ],
  filter: [{ list: LIST, keep: PREDICATE }, LIST, 'The entries for which a condition holds.'],
  all: [{ list: LIST, holds: PREDICATE }, 'boolean', 'Whether a condition holds for every entry.'],
  some: [{ list: LIST, holds: PREDICATE }, 'boolean', 'Whether a condition holds for at least one entry.'],
  count: [{ list: INTS }, 'int', 'The product of a list: how many elements a shape has.'],
  total: [{ list: INTS }, 'int', 'The sum of a list.'],
  replace: [
    { list: INTS, places: PLACES, values: PLACES },
    INTS,
    'The list with another value, or one value for each, at some places.',
  ],
  drop: [{ list: LIST, places: PLACES }, LIST, 'The list without the entries at some places.'],
  insert: [
    { list: LIST, places: PLACES, value: 'T' },
    LIST,
    'The list with a value put in, so that it stands at those places of the result.',
  ],
  take: [{ list: LIST, from: 'int', to: 'int' }, LIST, 'The entries from one place up to another, the last left out.'],
  pick: [{ list: LIST, places: INTS }, LIST, "The entries at some places, in the places' order."],
  reverse: [{ list: LIST }, LIST, 'The list from its end to its beginning.'],
  flatten: [{ lists: { list: LIST } }, LIST, 'The entries of several lists, one list after the other.'],
  contains: [{ list: LIST, value: 'T' }, 'boolean', 'Whether a list has an entry.'],
  equals: [{ left: 'any', right: 'any' }, 'boolean', 'Whether two values are the same, lists entry by entry.'],
  // Arithmetic
  idiv: [{ left: 'int', right: 'int' }, 'int', 'The quotient rounded down.'],
  min: [{ '...values': 'number' }, 'number', 'The least of some numbers.'],
  max: [{ '...values': 'number' }, 'number', 'The greatest of some numbers.'],
  abs: [{ value: 'number' }, 'number', 'The number without its sign.'],
  floor: [{ value: 'number' }, 'int', 'The number rounded down.'],
  ceil: [{ value: 'number' }, 'int', 'The number rounded up.'],
  sqrt: [{ value: 'number' }, 'number', 'The square root.'],
  // Values
  isNumber: [{ value: 'any' }, 'boolean', 'Whether a value is a number.'],
  isList: [{ value: 'any' }, 'boolean', 'Whether a value is a list.'],
  present: [{ value: 'any' }, 'boolean', 'Whether an optional argument was given.'],
  isFloating: [{ dtype: 'dtype' }, 'boolean', 'Whether a dtype is one of real floating-point numbers.'],
  isInteger: [{ dtype: 'dtype' }, 'boolean', 'Whether a dtype is one of integers; bool is not.'],
  isComplex: [{ dtype: 'dtype' }, 'boolean', 'Whether a dtype is one of complex numbers.'],
  realOf: [{ dtype: 'dtype' }, 'dtype', 'The dtype of the parts of a complex dtype; a real dtype itself.'],
  complexOf: [{ dtype: 'dtype' }, 'dtype', 'complex128 of float64 and complex128, complex64 of all others.'],
  holds: [
    { dtype: 'dtype', value: { either: ['number', 'boolean'] } },
    'boolean',
    'Whether a number can be an element of a dtype: integers take whole numbers within their range.',
  ],
  promote: [{ left: 'dtype', right: 'dtype' }, 'dtype', 'The dtype that two dtypes meet in.'],
  // Shapes
  broadcast: [{ '...shapes': INTS }, INTS, 'The shape that all the given ones broadcast to.'],
  isPermutation: [{ list: INTS, rank: 'int' }, 'boolean', 'Whether a list names each of 0 to rank - 1 once.'],
  inversePermutation: [{ permutation: INTS }, INTS, 'The permutation that undoes another.'],
  inferReshape: [
    { shape: INTS, target: INTS },
    INTS,
    "A reshape's target, with -1 (what is left) and 0 (the input's size) spelled out.",
  ],
  inferSizes: [{ whole: 'int', sizes: INTS }, INTS, 'Sizes of parts, with one -1 (what is left) spelled out.'],
  matmulShape: [
    { x: INTS, y: INTS, transposeX: 'boolean', transposeY: 'boolean' },
    INTS,
    'The shape of a matrix product over broadcast leading axes; a vector is a row on the left and a column on the right.',
  ],
  normaliseAxis: [{ axis: 'int', rank: 'int' }, 'int', 'An axis counted from the front.'],
  normaliseAxes: [{ axes: INTS, rank: 'int' }, INTS, 'Axes counted from the front, ascending; none may be named twice.'],
  sliceStart: [{ size: 'int', start: 'int', step: 'int' }, 'int', 'Where a slice begins, counted from the front.'],
  sliceSize: [{ size: 'int', start: 'int', end: 'int', step: 'int' }, 'int', 'How many elements a slice has.'],
  contiguousStrides: [{ shape: INTS }, INTS, 'The strides of a shape whose elements lie row by row.'],
  reshapeStrides: [
    { shape: INTS, strides: INTS, target: INTS },
    { either: [INTS, 'null'] },
    'The strides that show the same elements in another shape; null where a copy is needed.',
  ],
  pairStrides: [
    { strides: INTS },
    { either: [INTS, 'null'] },
    'The strides of complex elements that lie as pairs along the last axis; null where a copy is needed.',
  ],
  broadcastStrides: [{ shape: INTS, strides: INTS, target: INTS }, INTS, 'The strides that show a shape broadcast to another.'],
  chainSplit: [
    { sizes: INTS },
    'int',
    'Before which matrix of a chain, whose heights and last width are given, its product is split for the fewest multiplications.',
  ],
  // Einstein's summation
  einsumProblem: [
    { equation: 'string', shapes: LISTS },
    'string',
    "What is wrong with an equation for tensors of these shapes: 'syntax', 'count', 'rank', 'size' or 'none'.",
  ],
  einsumLabels: [{ equation: 'string', shapes: LISTS }, LISTS, 'The labels of the axes of each tensor and, last, of the result.'],
  einsumSizes: [{ labels: LISTS, shapes: LISTS, wanted: INTS }, INTS, 'The sizes of axes by their labels.'],
  einsumOwn: [
    { labels: LISTS, shapes: LISTS, result: INTS, index: 'int' },
    INTS,
    'The labels of a tensor that are left once it was summed over what it alone has.',
  ],
  einsumKept: [
    { labels: LISTS, pair: INTS, result: INTS },
    INTS,
    'The labels of the product of two tensors that others, or the result, still ask for.',
  ],
  einsumPair: [{ labels: LISTS, shapes: LISTS, result: INTS }, INTS, 'The two tensors that are best multiplied next.'],
} satisfies Partial<Record<keyof typeof host, Row>>;

export type HostFunctionName = keyof typeof rows;

function isHostFunctionName(name: string): name is HostFunctionName {
  return Object.hasOwn(rows, name);
}

export const HOST_FUNCTIONS: ReadonlyMap<string, HostFunction> = new Map(
  Object.keys(rows)
    .filter(isHostFunctionName)
    .map((name): [string, HostFunction] => {
      const [types, result, summary] = rows[name];
      return [name, { name, parameters: parameters(types), result, summary, apply: host[name] }];
    }),
);
