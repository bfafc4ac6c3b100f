/**
 * What a recorded call keeps for backward, worked out once for each signature and each choice of slots that lead somewhere. The graph
 * itself is autograd.ts's.
 */
import type { GradientDefinition, OutputDefinition } from '../kernels/op.js';
import { type CallShape, presentOutputs } from './dispatch.js';
import { isDifferentiable } from './dtype.js';
import type { Tensor } from './tensor.js';

/** What entering a call into the graph takes: the same for all calls of a signature in which the same slots lead somewhere. */
export interface Recording {
  readonly gradients: readonly GradientDefinition[];
  /** The outputs that become differentiable. */
  readonly flowing: readonly number[];
  readonly kept: readonly Kept[];
}

/** A value that a gradient reads: an argument, or an output of the call. */
interface Kept {
  readonly name: string;
  readonly from: 'slot' | 'output';
  readonly index: number;
  readonly keep: 'value' | 'shape';
}

/** By the slots that lead somewhere, a digit each. */
const recordings = new WeakMap<CallShape, Map<string, Recording>>();

export function recordingOf(call: CallShape, edges: readonly (object | null)[], results: readonly Tensor[]): Recording {
  let known = recordings.get(call);
  if (known === undefined) {
    known = new Map();
    recordings.set(call, known);
  }
  let key = '';
  for (const edge of edges) key += edge === null ? '0' : '1';
  let recording = known.get(key);
  if (recording === undefined) {
    recording = makeRecording(call, edges, results);
    known.set(key, recording);
  }
  return recording;
}

function makeRecording(call: CallShape, edges: readonly (object | null)[], results: readonly Tensor[]): Recording {
  const outputs = presentOutputs(call.op, results.length);
  const flowing = results.flatMap((result, index) => (isDifferentiable(result.dtype) && flows(outputs[index]) ? [index] : []));
  const names = new Set(call.slotInputs.filter((_, slot) => edges[slot] != null).map(({ name }) => name));
  const gradients = call.op.gradients.filter((gradient) => names.has(gradient.input));
  const kept = new Map<string, Kept>();
  const isList = call.op.outputs[0]?.list === true;
  for (const { name, keep } of gradients.flatMap(({ saved }) => saved)) {
    const slots = call.slotInputs.flatMap((input, slot) => (input.name === name ? [slot] : []));
    const output = isList ? -1 : outputs.findIndex((one) => one.name === name);
    const found: Kept[] = slots.map((index) => ({ name: call.slotNames[index]!, from: 'slot', index, keep }));
    if (slots.length === 0 && output >= 0) found.push({ name, from: 'output', index: output, keep });
    // One gradient may need the value of which another only needs the shape.
    for (const one of found) if (kept.get(one.name)?.keep !== 'value') kept.set(one.name, one);
  }
  return { gradients, flowing, kept: [...kept.values()] };
}

/** A hidden output is differentiable as well: where the gradient that reads it is differentiated, this is how it gets to the inputs. */
const flows = (output: OutputDefinition | undefined): boolean => output?.writes === undefined || output.returned === true;
