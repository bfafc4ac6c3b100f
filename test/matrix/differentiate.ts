/** Gradients of an op's outputs with respect to its inputs, by the public `grad`, for the matrix's checks to compare. */
import { grad, Tensor } from '../../entry/index.js';
import { isComplexDtype, isDifferentiable, partsOf } from '../../runtime/dtype.js';
import { definitionOf } from '../../runtime/registry.js';
import { type Elements, type InputElements, randomValues } from '../support/samples.js';
import type { OpCase } from './cases.js';
import {
  type ArgumentsByName,
  call,
  type ElementsByName,
  isListOfElements,
  makeArguments,
  outputNames,
  withArguments,
} from './invoke.js';
import { type LayoutName, makeTensor, readTensor, toDtype } from './tensors.js';

/** One tensor among the arguments: an input, or one of an input that is a list. */
export interface Leaf {
  readonly input: string;
  readonly index: number | null;
}

/** The tensors that have a gradient. */
export function differentiableLeaves(test: OpCase, elements: ElementsByName): Leaf[] {
  const inputs = definitionOf(test.op).gradients.map(({ input }) => input);
  return inputs.flatMap((input): Leaf[] => {
    const value = elements[input];
    if (value === undefined || typeof value === 'number') return [];
    if (isListOfElements(value)) return value.flatMap((one, index) => (isFloat(one) ? [{ input, index }] : []));
    return isFloat(value) ? [{ input, index: null }] : [];
  });
}

function isFloat(value: InputElements): value is Elements {
  return typeof value !== 'number' && !isListOfElements(value) && isDifferentiable(value.dtype);
}

export function leafElements(elements: ElementsByName, { input, index }: Leaf): Elements {
  const value = elements[input]!;
  const one = isListOfElements(value) && index !== null ? value[index]! : value;
  if (!isFloat(one)) throw new Error(`${input} has no gradient`);
  return one;
}

export function leafTensor(inputs: ArgumentsByName, { input, index }: Leaf): Tensor {
  const value = [inputs[input]!].flat()[index ?? 0];
  if (!(value instanceof Tensor)) throw new Error(`${input} is no tensor`);
  return value;
}

/** The incoming gradients with which goldens were made, for all outputs through which gradients flow. */
export function incomingGradients(test: OpCase, place: number, results: readonly Tensor[]): Elements[] {
  const isList = test.outputs[0]?.list === true;
  return outputNames(test, results).map((name, number) => {
    const { shape, dtype } = results[number]!;
    const text = `${test.op}/d${name}/${place}${isList ? `/${number}` : ''}`;
    return {
      shape,
      dtype,
      values: randomValues(text, shape, isComplexDtype(dtype) ? 'complex64' : 'float32', 'normal').map((value) =>
        toDtype(value, dtype),
      ),
    };
  });
}

/** How the tensors lie in memory. */
export interface Layouts {
  readonly of: (input: string) => LayoutName;
  readonly incoming: LayoutName;
}

export const contiguous: Layouts = { of: () => 'contiguous', incoming: 'contiguous' };

/** The gradient of each leaf; null where no output depends on a leaf in a differentiable way. */
export function gradientsOf(
  test: OpCase,
  place: number,
  elements: ElementsByName,
  leaves: readonly Leaf[],
  layouts = contiguous,
  weights = incomingGradients,
): Elements[] | null {
  return withArguments(makeArguments(elements, layouts.of), (inputs) => {
    const tensors = leaves.map((leaf) => leafTensor(inputs, leaf));
    for (const tensor of tensors) tensor.stopGradient = false;
    const results = call(test, inputs, test.samples[place]!.attrs);
    const flowing = results.filter((result) => !result.stopGradient);
    const incoming = weights(test, place, results).flatMap((one, index) =>
      results[index]!.stopGradient ? [] : [makeTensor(one, layouts.incoming)],
    );
    try {
      if (flowing.length === 0) return null;
      const gradients = grad(flowing, tensors, { gradOutputs: incoming, allowUnused: true });
      try {
        return gradients.map((gradient, index) => elementsOf(gradient, tensors[index]!));
      } finally {
        for (const gradient of gradients) gradient?.dispose();
      }
    } finally {
      for (const tensor of [...results, ...incoming]) tensor.dispose();
    }
  });
}

/** A gradient's elements; zeros where nothing flowed back. */
function elementsOf(gradient: Tensor | null, of: Tensor): Elements {
  if (gradient === null)
    return { shape: of.shape, dtype: of.dtype, values: new Array<number>(of.size * partsOf(of.dtype)).fill(0) };
  if (gradient.shape.join() !== of.shape.join() || gradient.dtype !== of.dtype)
    throw new Error(`the gradient of a ${of.dtype} [${of.shape}] is a ${gradient.dtype} [${gradient.shape}]`);
  return readTensor(gradient);
}

export const nameOf = ({ input, index }: Leaf): string => (index === null ? input : `${input}[${index}]`);

export function withLeaf(elements: ElementsByName, { input, index }: Leaf, value: Elements): ElementsByName {
  const old = elements[input]!;
  return { ...elements, [input]: index === null || !isListOfElements(old) ? value : old.with(index, value) };
}
