/**
 * Named dimensions of shape patterns as lines of the op's programs: `[n, ...c, k]` of x gives `n = x.shape[0]`,
 * `c = take(x.shape, 1, x.rank - 1)` and `k = x.shape[x.rank - 1]`. That they agree among inputs is checked when shapes are inferred,
 * not here.
 */
import type { Input, Op } from '../spec/model.js';
import type { Span } from '../spec/source.js';
import type { PatternItem } from './ast.js';
import type { Binding, Line, Term } from './terms.js';
import { NUMBER, NUMBERS, type Type, withoutNull } from './types.js';

interface Place {
  readonly item: PatternItem;
  readonly input: Input;
  readonly binding: Binding;
  /** Sizes before this item, and after it. */
  readonly before: number;
  readonly after: number;
  /** A group stands before it: it is counted from the end. */
  readonly fromEnd: boolean;
}

export function bindDimensions(op: Op, inputs: ReadonlyMap<string, Binding>): readonly Line[] {
  // Dimensions of inputs that must be there come first: those of optional ones may be unknown.
  const ordered = [...op.inputs].sort((left, right) => Number(left.optional) - Number(right.optional));
  const places = ordered.flatMap((input) => placesOf(input, inputs.get(input.name)));
  const names = new Set(places.map(({ item }) => ('name' in item ? item.name : '')));
  return [...names].filter((name) => name !== '').map((name) => lineOf(name, places));
}

function placesOf(input: Input, binding: Binding | undefined): readonly Place[] {
  if (binding === undefined || input.shape?.kind !== 'pattern' || input.list) return [];
  const { items } = input.shape;
  const groups = items.flatMap((item, index) => (item.kind === 'group' || item.kind === 'sizes' ? [index] : []));
  // With two groups of unknown length, places after the first cannot be told by counting.
  if (groups.length > 1) return [];
  const [group = items.length] = groups;
  return items.map((item, index) => ({
    item,
    input,
    binding,
    before: index,
    after: items.length - index - 1,
    fromEnd: index > group,
  }));
}

function lineOf(name: string, places: readonly Place[]): Line {
  const named = places.filter(({ item }) => 'name' in item && item.name === name);
  const required = named.filter(({ input }) => !input.optional);
  const [first] = required.length > 0 ? required : named;
  if (first === undefined) throw new TypeError(`${name} stands in no pattern`);
  const isGroup = first.item.kind === 'group';
  const binding: Binding = { name, type: isGroup ? NUMBERS : NUMBER, origin: 'line' };
  if (!isGroup) return { binding, value: sizeTerm(first) };
  const groups = (required.length > 0 ? required : [first]).map(groupTerm);
  const [only, second] = groups;
  const leads = first.before === 0;
  const { span } = first.item;
  const value: Term =
    second === undefined || !leads || only === undefined
      ? groupTerm(first)
      : { kind: 'host', name: 'broadcast', arguments: groups, span, type: NUMBERS };
  return { binding, value };
}

function sizeTerm(place: Place): Term {
  const { span } = place.item;
  const index = place.fromEnd ? minus(property(place, 'rank', NUMBER), place.after + 1, span) : literal(place.before, span);
  return { kind: 'element', object: property(place, 'shape', NUMBERS), index, span, type: NUMBER };
}

function groupTerm(place: Place): Term {
  const { span } = place.item;
  const shape = property(place, 'shape', NUMBERS);
  if (place.before === 0 && place.after === 0) return shape;
  const end = minus(property(place, 'rank', NUMBER), place.after, span);
  return { kind: 'host', name: 'take', arguments: [shape, literal(place.before, span), end], span, type: NUMBERS };
}

function property(place: Place, name: 'shape' | 'rank', type: Type): Term {
  const { span } = place.item;
  const object: Term = { kind: 'reference', binding: place.binding, span, type: withoutNull(place.binding.type) };
  return { kind: 'property', object, name, span, type };
}

function literal(value: number, span: Span): Term {
  return { kind: 'literal', value, span, type: NUMBER };
}

function minus(left: Term, right: number, span: Span): Term {
  return right === 0 ? left : { kind: 'binary', operator: '-', left, right: literal(right, span), span, type: NUMBER };
}
