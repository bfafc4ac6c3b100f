/**
 * What an index says, part by part: from the text `'..., 1:-1, 0'` and from JavaScript values to a list of parts, and against a shape, what
 * each part takes. It reads no tensor's elements and calls no op.
 */
import type { Shape } from '../../kernels/op.js';
import { tensor } from '../create.js';
import { isInteger } from '../dtype.js';
import { formatValue, OpwrightError } from '../errors.js';
import { Tensor } from '../tensor.js';

/** Nested arrays of whole numbers, or of booleans. */
export type IndexArray = readonly (number | boolean | IndexArray)[];

/**
 * One part of an index: a place, counted from the end if negative; `null` for a new axis; text with places, slices `start:end:step`, `...` and
 * `null`, separated by commas; a tensor, or nested arrays, of places or of booleans.
 */
export type IndexPart = number | null | string | Tensor | IndexArray;

export interface Slice {
  readonly kind: 'slice';
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly step: number;
}

export type Component =
  | { readonly kind: 'place'; readonly place: number }
  | Slice
  | { readonly kind: 'new axis' }
  | { readonly kind: 'ellipsis' }
  /** Places of integer dtype. */
  | { readonly kind: 'places'; readonly places: Tensor }
  | { readonly kind: 'mask'; readonly mask: Tensor };

/** How many axes a component stands for; an ellipsis takes what is left. */
const axesOf = (component: Component): number =>
  component.kind === 'mask' ? component.mask.rank : component.kind === 'new axis' || component.kind === 'ellipsis' ? 0 : 1;

export const wholeAxis: Slice = { kind: 'slice', start: undefined, end: undefined, step: 1 };

/** The parts as components that stand for every axis of the shape, without an ellipsis. */
export function readIndex(parts: readonly IndexPart[], shape: Shape): readonly Component[] {
  const components = parts.flatMap(readPart);
  const ellipses = components.filter(({ kind }) => kind === 'ellipsis').length;
  if (ellipses > 1) throw refused('INVALID_ARGUMENT', 'An index may have one ellipsis, which stands for all axes that are left.');
  const taken = components.reduce((total, component) => total + axesOf(component), 0);
  if (taken > shape.length)
    throw refused('RANK_MISMATCH', `The index names ${taken} axes of a tensor that has ${shape.length}.`, shape);
  const rest = new Array<Component>(shape.length - taken).fill(wholeAxis);
  if (ellipses === 0) return [...components, ...rest];
  return components.flatMap((component) => (component.kind === 'ellipsis' ? rest : [component]));
}

function readPart(part: IndexPart): readonly Component[] {
  if (part === null) return [{ kind: 'new axis' }];
  if (typeof part === 'number') return [{ kind: 'place', place: placeOf(part) }];
  if (typeof part === 'string') return part.split(',').map(readText);
  if (part instanceof Tensor) return [ofTensor(part)];
  if (Array.isArray(part)) return [ofTensor(tensorOf(part))];
  throw refused('INVALID_ARGUMENT', `${formatValue(part)} is no part of an index.`);
}

function ofTensor(index: Tensor): Component {
  index.checkUsable('at', 'index');
  if (index.dtype === 'bool' && index.rank > 0) return { kind: 'mask', mask: index };
  if (isInteger(index.dtype)) return { kind: 'places', places: index };
  throw refused(
    'DTYPE_MISMATCH',
    `A tensor of dtype ${index.dtype} is no index: places are integers, and masks are bool and have axes.`,
  );
}

/** Arrays of numbers are places, also where they hold none. */
function tensorOf(array: IndexArray): Tensor {
  let first: number | boolean | IndexArray | undefined = array;
  while (typeof first === 'object') first = first[0];
  return tensor(array, { dtype: typeof first === 'boolean' ? 'bool' : 'int32' });
}

// ---- Text

function readText(text: string): Component {
  const part = text.trim();
  if (part === '...') return { kind: 'ellipsis' };
  if (part === 'null') return { kind: 'new axis' };
  if (!part.includes(':')) return { kind: 'place', place: numberOf(part, text) };
  const [start, end, step, ...more] = part.split(':').map((bound) => (bound.trim() === '' ? undefined : numberOf(bound, text)));
  if (more.length > 0) throw unreadable(text);
  if (step === 0) throw refused('INVALID_ARGUMENT', 'The step of a slice must not be 0.');
  return { kind: 'slice', start, end, step: step ?? 1 };
}

function numberOf(text: string, within: string): number {
  if (!/^[+-]?\d+$/.test(text.trim())) throw unreadable(within);
  return placeOf(Number(text));
}

function placeOf(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw refused('NOT_AN_INTEGER', `A place in an index must be a whole number, not ${formatValue(value)}.`);
}

function unreadable(text: string): OpwrightError {
  return refused('INVALID_ARGUMENT', `'${text.trim()}' is no part of an index.`);
}

// ---- Places

/** A place counted from the front. Throws INDEX_OUT_OF_RANGE. */
export function placeAlong(place: number, axis: number, shape: Shape): number {
  const size = shape[axis]!;
  if (place >= -size && place < size) return place < 0 ? place + size : place;
  throw refused('INDEX_OUT_OF_RANGE', `The place ${place} lies outside axis ${axis}, which has size ${size}.`, shape);
}

export function refused(code: OpwrightError['code'], summary: string, shape?: Shape): OpwrightError {
  return new OpwrightError(code, summary, {
    op: 'at',
    argument: 'index',
    ...(shape === undefined ? {} : { shapes: { x: shape } }),
    ...(code === 'INVALID_ARGUMENT'
      ? {
          remedy: "Write places, slices start:end:step, '...', null, tensors or arrays: x.at('1:, ..., -1'), x.at([0, 2], null).",
        }
      : {}),
  });
}
