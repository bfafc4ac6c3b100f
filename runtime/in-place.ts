/**
 * In-place forms: `x.tanh_()` writes tanh(x) where x lies, and hands x back, which then stands in the gradient graph where the result would.
 * Forms of views (`x.reshape_(shape)`) write nothing: x becomes the view.
 *
 * A form is the op's definition with its output written into its first input, so that plans, gradients and checks are those of every op.
 * What is particular stands here: which tensors may be written, operands that share x's memory, and who learns of it (ARCHITECTURE.md).
 */
import type { Attrs, OpDefinition } from '../kernels/op.js';
import { gradientsEnabled, leafOver } from './autograd.js';
import { callOne, dispatch, type InputArgument, noAttrs, type TensorLike } from './dispatch.js';
import { OpwrightError } from './errors.js';
import type { Layout } from './layout.js';
import { checkOptions } from './options.js';
import { definitionOf, ops } from './registry.js';
import { Tensor } from './tensor.js';

/** Calls the in-place form of an op, and gives its first input back. */
export function callInPlace(op: OpDefinition, inputs: readonly InputArgument[], attrs: object = noAttrs): Tensor {
  const form = formOf(op);
  const [x] = inputs;
  // Anything else is refused by the call.
  if (x instanceof Tensor && !x.isDisposed) checkWritable(form, x);
  return op.body.kind === 'view' ? becomeView(form, inputs, attrs as Attrs) : write(form, inputs, attrs as Attrs);
}

function write(form: OpDefinition, inputs: readonly InputArgument[], attrs: Attrs): Tensor {
  const [x, ...others] = inputs;
  const copies: Tensor[] = [];
  const separate = (other: TensorLike): TensorLike => {
    if (!(other instanceof Tensor) || !(x instanceof Tensor) || !mustBeCopied(form, x, other)) return other;
    const copy = callOne(definitionOf('assign'), [other]);
    copies.push(copy);
    return copy;
  };
  try {
    const operands = others.map((other): InputArgument => {
      if (isListed(other)) return other.map(separate);
      return other === undefined ? undefined : separate(other);
    });
    const [result] = dispatch(form, [x, ...operands], attrs);
    if (!(x instanceof Tensor) || result === undefined) throw new TypeError(`${form.name} gave no tensor`);
    if (gradientsEnabled()) x.standFor(result);
    result.dispose();
    return x;
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

/** Arrays of numbers are taken for tensors too, but hold none. */
const isListed = (value: InputArgument): value is readonly TensorLike[] =>
  Array.isArray(value) && value.some((one) => one instanceof Tensor);

/** A view of memory that is being written would be read half old, half new. One kernel that reads where it writes may share it. */
function mustBeCopied(form: OpDefinition, x: Tensor, other: Tensor): boolean {
  if (other.isDisposed || other.storage !== x.storage) return false;
  return form.body.kind !== 'map' || other.layout !== x.layout;
}

function becomeView(form: OpDefinition, inputs: readonly InputArgument[], attrs: Attrs): Tensor {
  const [x] = inputs;
  const [result] = dispatch(form, inputs, attrs);
  if (!(x instanceof Tensor) || result === undefined) throw new TypeError(`${form.name} gave no tensor`);
  x.become(result, gradientsEnabled());
  return x;
}

// ---- Forms

const forms = new WeakMap<OpDefinition, OpDefinition>();

function formOf(op: OpDefinition): OpDefinition {
  let form = forms.get(op);
  if (form === undefined) {
    form = makeForm(op);
    forms.set(op, form);
  }
  return form;
}

function makeForm(op: OpDefinition): OpDefinition {
  const [input, ...inputs] = op.inputs;
  const [output, ...outputs] = op.outputs;
  if (input === undefined || output === undefined) throw new TypeError(`${op.name} has no in-place form`);
  const written = op.body.kind === 'view' ? output : { ...output, writes: input.name, returned: true };
  return {
    ...op,
    name: `${op.name}_`,
    inputs: [{ ...input, mutated: true, number: false }, ...inputs],
    outputs: [written, ...outputs],
  };
}

// ---- What may be written

function checkWritable({ name, body }: OpDefinition, x: Tensor): void {
  if (gradientsEnabled() && leafOver(x) !== null)
    throw new OpwrightError('IN_PLACE_LEAF', 'A leaf that collects its gradient, or a view of one, cannot be changed in place.', {
      op: name,
      argument: 'x',
      shapes: { x: x.shape },
      remedy: 'Use the form without the underscore, or change it within noGrad().',
    });
  if (body.kind !== 'view' && overlaps(x.layout))
    throw new OpwrightError(
      'INVALID_ARGUMENT',
      'Several elements of the tensor share one place in memory, as those of an expanded one do.',
      {
        op: name,
        argument: 'x',
        shapes: { x: x.shape },
        remedy: 'Write into a copy: assign(x).',
      },
    );
}

const overlaps = ({ size, shape, strides }: Layout): boolean =>
  size > 1 && shape.some((length, axis) => length > 1 && strides[axis] === 0);

// ---- What is no form of an op

/** Adds a number to a tensor with one element, in place, and gives it back: a counter. */
export function increment(x: Tensor, options: { readonly value?: number } = {}): Tensor {
  checkOptions('increment', options, ['value']);
  if (!(x instanceof Tensor) || x.size !== 1)
    throw new OpwrightError('INVALID_ARGUMENT', 'increment() needs a tensor with one element.', {
      op: 'increment',
      argument: 'x',
      ...(x instanceof Tensor ? { shapes: { x: x.shape } } : {}),
      remedy: 'Use x.add_(value), which takes any tensor.',
    });
  return ops.add_(x, options.value ?? 1);
}
