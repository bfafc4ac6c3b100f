/**
 * The iteration space of a fused kernel, with its dimensions collapsed: what decides which variant of the kernel runs.
 */

export interface Dimension {
  readonly size: number;
  readonly reduced: boolean;
  /** Elements to move by, for each operand (inputs first, then outputs); 0 where an operand is broadcast. */
  readonly strides: readonly number[];
}

/**
 * Drops dimensions of size 1 and merges neighbours of the same kind that every operand walks as one. An empty dimension stays,
 * so that the space stays empty.
 */
export function collapse(dimensions: readonly Dimension[]): Dimension[] {
  const collapsed: Dimension[] = [];
  for (const dimension of dimensions) {
    if (dimension.size === 1) continue;
    const before = collapsed.at(-1);
    const merges =
      before !== undefined &&
      before.reduced === dimension.reduced &&
      before.strides.every((stride, operand) => stride === dimension.strides[operand]! * dimension.size);
    if (merges) {
      collapsed[collapsed.length - 1] = { ...dimension, size: before.size * dimension.size };
    } else {
      collapsed.push(dimension);
    }
  }
  return collapsed;
}

/** Strides of a row-major tensor of that shape, with 0 along axes of size 1. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    strides[axis] = size === 1 ? 0 : step;
    step *= size;
  }
  return strides;
}

/** The strides of an operand of `shape`, seen from a space of `rank` axes, aligned at the last axis; broadcast axes get 0. */
export function alignStrides(shape: readonly number[], strides: readonly number[], rank: number): number[] {
  const aligned = new Array<number>(rank).fill(0);
  const shift = rank - shape.length;
  for (let axis = 0; axis < shape.length; axis++) aligned[axis + shift] = shape[axis] === 1 ? 0 : strides[axis]!;
  return aligned;
}
