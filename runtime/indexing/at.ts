/**
 * Reading by index, as NumPy does: `x.at('..., 1:-1, 0')`, `x.at(0, [1, 2], null, '...')`. Places, slices and new axes give a view; tensors and
 * arrays of places, and masks, gather elements into a new tensor. All of it is done by ops, so it is differentiable.
 *
 * Index tensors are broadcast to one shape, whose axes stand in the result where the index tensors stood, if they stood side by side, and
 * first if not. A place beside index tensors counts as one of them there; a mask stands for the index tensors of its true elements.
 */
import { broadcast, RuleError } from '../../kernels/host.js';
import type { Shape } from '../../kernels/op.js';
import { tidy } from '../memory.js';
import { ops } from '../registry.js';
import type { Tensor } from '../tensor.js';
import { type Component, type IndexPart, placeAlong, readIndex, refused, type Slice, wholeAxis } from './components.js';

/** Part of a tensor, or elements of it, chosen by an index (see `IndexPart`). */
export function at(x: Tensor, ...index: readonly IndexPart[]): Tensor {
  x.checkUsable('at', 'x');
  return tidy(() => chosen(x, readIndex(index, x.shape)));
}

/** What components that were read against x's shape choose of it. */
export function chosen(x: Tensor, components: readonly Component[]): Tensor {
  return isView(components) ? viewed(x, components) : gathered(x, components);
}

/** Whether an index gives a view, and nothing is gathered. */
export const isView = (components: readonly Component[]): boolean =>
  !components.some(({ kind }) => kind === 'places' || kind === 'mask');

// ---- Views

/** How many axes a component makes in a view. */
const axesMade = ({ kind }: Component): number => (kind === 'place' ? 0 : 1);

function viewed(x: Tensor, components: readonly Component[]): Tensor {
  const cuts: Cut[] = [];
  const dropped: number[] = [];
  const added: number[] = [];
  let axis = 0;
  let made = 0;
  for (const component of components) {
    if (component.kind === 'new axis') added.push(made);
    else {
      if (component.kind === 'place') {
        const start = placeAlong(component.place, axis, x.shape);
        cuts.push({ axis, start, end: start + 1, step: 1 });
        dropped.push(axis);
      } else if (component.kind === 'slice') cuts.push(...cutOf(component, axis, x.shape[axis]!));
      axis++;
    }
    made += axesMade(component);
  }
  let result = cuts.length === 0 ? ops.reshape(x, x.shape) : sliced(x, cuts);
  if (dropped.length > 0) result = ops.squeeze(result, { axis: dropped });
  return added.length > 0 ? ops.unsqueeze(result, added) : result;
}

interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** A slice with its bounds spelled out; nothing where it takes the whole axis. */
function cutOf({ start, end, step }: Slice, axis: number, size: number): readonly Cut[] {
  if (start === undefined && end === undefined && step === 1) return [];
  // An end before the first place can only be said counted from the end, and beyond it.
  return [{ axis, start: start ?? (step > 0 ? 0 : -1), end: end ?? (step > 0 ? size : -size - 1), step }];
}

function sliced(x: Tensor, cuts: readonly Cut[]): Tensor {
  const each = (of: (cut: Cut) => number): number[] => cuts.map(of);
  const axes = each(({ axis }) => axis);
  const steps = each(({ step }) => step);
  return ops.slice(
    x,
    axes,
    each(({ start }) => start),
    each(({ end }) => end),
    { steps },
  );
}

// ---- Gathering

/** An index tensor, and the axis of the view that its places are along. */
interface Gathering {
  readonly axis: number;
  readonly places: Tensor;
}

function gathered(x: Tensor, components: readonly Component[]): Tensor {
  checkMasks(x.shape, components);
  const [only] = components;
  if (components.length === 1 && only?.kind === 'mask') return ops.maskedSelect(x, only.mask);
  const spread = components.flatMap(spreadMask);
  // What is no index tensor makes the view that the index tensors choose from.
  const view = viewed(
    x,
    spread.map((component) => (component.kind === 'places' ? wholeAxis : component)),
  );
  const gatherings: Gathering[] = [];
  let made = 0;
  for (const component of spread) {
    if (component.kind === 'places') gatherings.push({ axis: made, places: indexed(component.places) });
    made += axesMade(component);
  }
  const [first] = gatherings;
  if (first === undefined) throw new TypeError('nothing is gathered');
  const target = standSideBySide(spread) ? first.axis : 0;
  return gatherings.length === 1 ? alongOne(view, first, target) : alongSeveral(view, gatherings, target);
}

/** Whether all that chooses places stands together, so that what it chooses stands there too. */
function standSideBySide(components: readonly Component[]): boolean {
  const chooses = components.map(({ kind }) => kind === 'place' || kind === 'places');
  return !chooses.slice(chooses.indexOf(true), chooses.lastIndexOf(true)).includes(false);
}

/** A mask as the places of its true elements, one index tensor for each of its axes. */
function spreadMask(component: Component): readonly Component[] {
  if (component.kind !== 'mask') return [component];
  const found = ops.nonzero(component.mask);
  return component.mask.shape.map((_, axis) => ({
    kind: 'places',
    places: viewed(found, [wholeAxis, { kind: 'place', place: axis }]),
  }));
}

function checkMasks(shape: Shape, components: readonly Component[]): void {
  let axis = 0;
  for (const component of components) {
    const sizes = component.kind === 'mask' ? component.mask.shape : component.kind === 'new axis' ? [] : [shape[axis]];
    for (const size of sizes) {
      if (shape[axis] !== size)
        throw refused('SHAPE_MISMATCH', `A mask has size ${size} along axis ${axis}, and the tensor ${shape[axis]}.`, shape);
      axis++;
    }
  }
}

/** Places as ops take them. */
const indexed = (places: Tensor): Tensor =>
  places.dtype === 'int32' || places.dtype === 'int64' ? places : ops.cast(places, 'int32');

function alongOne(view: Tensor, { axis, places }: Gathering, target: number): Tensor {
  const taken = ops.indexSelect(view, ops.reshape(places, [places.size]), { axis });
  const parts = ops.reshape(taken, [...view.shape.slice(0, axis), ...places.shape, ...view.shape.slice(axis + 1)]);
  return moved(parts, axis, places.rank, target);
}

function alongSeveral(view: Tensor, gatherings: readonly Gathering[], target: number): Tensor {
  const axes = gatherings.map(({ axis }) => axis);
  const rest = view.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const shape = commonShape(gatherings.map(({ places }) => places.shape));
  const coordinates = gatherings.map(({ places }) => ops.broadcastTo(places, shape));
  const chooseFrom = ops.transpose(view, [...axes, ...rest]);
  return moved(ops.gatherNd(chooseFrom, ops.stack(coordinates, { axis: shape.length })), 0, shape.length, target);
}

function commonShape(shapes: readonly Shape[]): Shape {
  try {
    return broadcast(...shapes);
  } catch (error) {
    if (error instanceof RuleError) throw refused(error.code, `Index tensors are broadcast to one shape: ${error.message}.`);
    throw error;
  }
}

/** `count` axes that begin at one place put so that they begin at another. */
function moved(x: Tensor, from: number, count: number, to: number): Tensor {
  if (from === to) return x;
  const all = x.shape.map((_, axis) => axis);
  const rest = all.filter((axis) => axis < from || axis >= from + count);
  return ops.transpose(x, [...rest.slice(0, to), ...all.slice(from, from + count), ...rest.slice(to)]);
}
