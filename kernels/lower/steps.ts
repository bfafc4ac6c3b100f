/**
 * What the binding of a plan's step needs to know of it, whoever binds it: the iteration space of a fused step with every operand's
 * strides, and the concrete dtypes of a kernel function's dtype variables.
 */
import { bytesOf, type Kernel } from '../ir.js';
import type { Dtype, FunctionCall } from '../op.js';
import type { FusedOperand, Step } from '../partition.js';
import { alignStrides, type Dimension, denseStrides } from './space.js';

export type FusedStep = Extract<Step, { readonly kind: 'fused' }>;
export type OpStep = Extract<Step, { readonly kind: 'op' }>;

/** The iteration space before collapsing; `stridesOf` gives the strides of a value's tensor. */
export function stepDimensions(step: FusedStep, stridesOf: (value: number) => readonly number[]): Dimension[] {
  const operands: readonly FusedOperand[] = [...step.inputs, ...step.outputs];
  const aligned = operands.map((operand) =>
    placeStrides(operand, operand.value < 0 ? virtualStrides(operand) : stridesOf(operand.value), step),
  );
  return step.shape.map((size, axis) => ({
    size,
    reduced: step.axes.includes(axis),
    strides: aligned.map((own) => own[axis] ?? 0),
  }));
}

/** Strides that lead to the position which a virtual operand gives. */
function virtualStrides({ shape, axis }: FusedOperand): readonly number[] {
  return axis === -1 ? denseStrides(shape) : shape.map((_, position) => (position === axis ? 1 : 0));
}

function placeStrides(operand: FusedOperand, strides: readonly number[], step: FusedStep): readonly number[] {
  const rank = step.shape.length;
  if (operand.placement !== 'dropped') return alignStrides(operand.shape, strides, rank);
  const rowAxes = step.shape.flatMap((_, axis) => (step.axes.includes(axis) ? [] : [axis]));
  const aligned = alignStrides(operand.shape, strides, rowAxes.length);
  const placed = new Array<number>(rank).fill(0);
  rowAxes.forEach((axis, position) => {
    placed[axis] = aligned[position] ?? 0;
  });
  return placed;
}

/** A concrete dtype for each dtype variable of a step's kernel, by the buffers that carry it. */
export function kernelDtypes(
  kernel: Kernel,
  step: OpStep,
  scratch: FunctionCall['scratch'] = {},
): Readonly<Record<string, Dtype>> {
  const bound: Record<string, Dtype> = {};
  for (const { name, storage } of kernel.buffers) {
    if (Object.hasOwn(bytesOf, storage)) continue;
    const output = step.op.outputs.findIndex((one) => one.name === name);
    const dtype = step.dtypes[name] ?? scratch[name]?.dtype ?? step.metas[output]?.dtype;
    if (dtype !== undefined) bound[storage] ??= dtype;
  }
  return bound;
}
