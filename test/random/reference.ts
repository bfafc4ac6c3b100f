/**
 * The reference evaluator: one call of an op by name, with its inputs and attributes as the public API has them, on arrays of float64
 * numbers and bigints with error bounds (array.ts, bounded.ts). It shares no code with the spec, the generator or the kernels.
 */
import { type Dtype, dtypes } from '../../entry/index.js';
import { exact, type Reference, Refused, sizeOf } from './array.js';
import type { Operand, Setting } from './elementwise.js';
import * as elementwise from './elementwise.js';
import { type Element, isElement, isFloat } from './formats.js';
import * as movement from './movement.js';
import * as reductions from './reductions.js';
import * as windows from './windows.js';

export type AttrValue = number | string | boolean | null | readonly AttrValue[];
export type Attrs = Readonly<Record<string, AttrValue>>;
export type Inputs = Readonly<Record<string, Operand | readonly Operand[]>>;

/** Typed access to the arguments of a call. */
class Call {
  constructor(
    readonly op: string,
    private readonly inputs: Inputs,
    readonly attrs: Attrs,
    readonly setting: Setting,
  ) {}

  /** All inputs in order, lists one after another. */
  get operands(): Operand[] {
    return Object.values(this.inputs).flat();
  }

  arrays(): Reference[] {
    return this.operands.map((one) => (typeof one === 'number' ? exact('float64', [], [one]) : one));
  }

  array(name: string): Reference {
    const found = this.optional(name);
    if (found === undefined) throw new Error(`${this.op} has no ${name}`);
    return found;
  }

  optional(name: string): Reference | undefined {
    const found = this.operand(name);
    if (typeof found === 'number') throw new Error(`${name} of ${this.op} is a number`);
    return found;
  }

  operand(name: string): Operand | undefined {
    const found = this.inputs[name];
    return Array.isArray(found) ? undefined : (found as Operand | undefined);
  }

  number(name: string, otherwise: number): number {
    const found = this.attrs[name];
    return typeof found === 'number' ? found : otherwise;
  }

  flag(name: string, otherwise = false): boolean {
    const found = this.attrs[name];
    return typeof found === 'boolean' ? found : otherwise;
  }

  text(name: string, otherwise: string): string {
    const found = this.attrs[name];
    return typeof found === 'string' ? found : otherwise;
  }

  dtype(name: string, otherwise: Dtype): Dtype {
    return dtypes.find((one) => one === this.attrs[name]) ?? otherwise;
  }

  numbers(name: string): readonly number[] {
    const found = this.axes(name);
    return found === null ? [] : [found].flat();
  }

  /** A number, a list, or null where it is absent. */
  axes(name: string): number | readonly number[] | null {
    const found = this.attrs[name];
    if (typeof found === 'number') return found;
    return Array.isArray(found) ? found.map(Number) : null;
  }

  axis(name = 'axis'): number | null {
    const found = this.attrs[name];
    return typeof found === 'number' ? found : null;
  }

  pair(name: string, otherwise: number): readonly [number, number] {
    const found = this.axes(name) ?? otherwise;
    return typeof found === 'number' ? [found, found] : [found[0]!, found[1]!];
  }

  get parameters(): elementwise.Parameters {
    return Object.fromEntries(
      Object.entries(this.attrs).flatMap(([name, value]) =>
        typeof value === 'number' || typeof value === 'boolean' ? [[name, value]] : [],
      ),
    );
  }
}

type Evaluate = (call: Call) => Reference | readonly Reference[];

const x = (call: Call): Reference => call.array('x');
const binary = (name: string, call: Call, ...operands: readonly Operand[]): Reference =>
  elementwise.applyBinary(name, operands, call.setting);
const each = (names: readonly string[], evaluate: (name: string) => Evaluate): [string, Evaluate][] =>
  names.map((name) => [name, evaluate(name)]);

const families: readonly [string, Evaluate][] = [
  ...each(Object.keys(elementwise.smoothFunctions), (name) => (call) => {
    const made = elementwise.smoothFunctions[name]!(call.parameters);
    return elementwise.applySmooth(x(call), made, call.setting);
  }),
  ...each(
    Object.keys(elementwise.steppedFunctions),
    (name) => (call) => elementwise.applyStepped(x(call), elementwise.steppedFunctions[name]!(call.parameters)),
  ),
  ...each(Object.keys(elementwise.exactFunctions), (name) => (call) => elementwise.applyExact(x(call), name)),
  ...each(Object.keys(elementwise.binaryFunctions), (name) => (call) => binary(name, call, ...call.operands)),
  ...each(elementwise.comparisonNames, (name) => (call) => elementwise.compareArrays(name, call.operands)),
  ...each(Object.keys(elementwise.logicalFunctions), (name) => (call) => elementwise.applyLogical(name, call.operands)),
  ...each(Object.keys(elementwise.predicates), (name) => (call) => elementwise.applyPredicate(name, x(call))),
];

/** A number that becomes an element, as it is. */
function element(call: Call, name: string, otherwise: number, dtype: Dtype): number {
  const value = call.number(name, otherwise);
  if (!isElement(dtype, value)) throw new Refused(`${value} is no ${dtype}`);
  return value;
}

const filled = (call: Call, value = element(call, 'value', 0, call.dtype('dtype', x(call).dtype))): Reference => {
  const source = x(call);
  const whole = Number.isInteger(value);
  const full = new Array<Element>(sizeOf(source.shape)).fill(whole ? BigInt(value) : value);
  return elementwise.converted(exact(whole ? 'int64' : 'float64', source.shape, full), call.dtype('dtype', source.dtype));
};

const clipped: Evaluate = (call) => {
  const [low, high] = [call.operand('min'), call.operand('max')];
  const raised = low === undefined ? x(call) : binary('maximum', call, x(call), low);
  return high === undefined ? raised : binary('minimum', call, raised, high);
};

const elementwiseOps: Readonly<Record<string, Evaluate>> = {
  square: (call) => binary('multiply', call, x(call), x(call)),
  logicalNot: (call) => elementwise.not(x(call)),
  where: (call) => elementwise.where(call.array('condition'), call.operand('x')!, call.operand('y')!),
  cast: (call) => elementwise.converted(x(call), call.dtype('dtype', 'float32'), call.setting.loose),
  clip: clipped,
  scale: (call) => {
    const [factor, bias] = [element(call, 'scale', 1, x(call).dtype), element(call, 'bias', 0, x(call).dtype)];
    return binary('add', call, binary('multiply', call, x(call), factor), bias);
  },
  fullLike: (call) => filled(call),
  zerosLike: (call) => filled(call, 0),
  onesLike: (call) => filled(call, 1),
};

const reductionOps: Readonly<Record<string, Evaluate>> = {
  sum: (call) => reductions.sum(x(call), call.axes('axis'), call.flag('keepdim'), call.setting),
  prod: (call) => reductions.prod(x(call), call.axes('axis'), call.flag('keepdim'), call.setting),
  max: (call) => reductions.extreme(x(call), call.axes('axis'), call.flag('keepdim'), 1),
  min: (call) => reductions.extreme(x(call), call.axes('axis'), call.flag('keepdim'), -1),
  any: (call) => reductions.quantified(x(call), call.axes('axis'), call.flag('keepdim'), false),
  all: (call) => reductions.quantified(x(call), call.axes('axis'), call.flag('keepdim'), true),
  mean: (call) => reductions.mean(x(call), call.axes('axis'), call.flag('keepdim'), call.setting),
  variance: (call) =>
    reductions.variance(x(call), call.axes('axis'), call.flag('unbiased', true), call.flag('keepdim'), call.setting),
  std: (call) => reductions.std(x(call), call.axes('axis'), call.flag('unbiased', true), call.flag('keepdim'), call.setting),
  logsumexp: (call) => reductions.logsumexp(x(call), call.axes('axis'), call.flag('keepdim')),
  argmax: (call) => reductions.extremePlace(x(call), call.axis(), call.flag('keepdim'), call.dtype('dtype', 'int32'), 1),
  argmin: (call) => reductions.extremePlace(x(call), call.axis(), call.flag('keepdim'), call.dtype('dtype', 'int32'), -1),
  softmax: (call) => reductions.softmax(x(call), call.number('axis', -1), call.setting),
  logSoftmax: (call) => reductions.logSoftmax(x(call), call.number('axis', -1), call.setting),
  norm: (call) =>
    reductions.norm(x(call), call.axis('p') ?? call.text('p', 'fro'), call.axes('axis'), call.flag('keepdim'), call.setting),
  cumsum: (call) => reductions.cumsum(x(call), call.axis(), call.setting),
  layerNorm: (call) =>
    reductions.layerNorm(
      x(call),
      call.optional('weight'),
      call.optional('bias'),
      call.numbers('normalizedShape').length,
      call.number('epsilon', 1e-5),
      call.setting,
    ),
};

const movementOps: Readonly<Record<string, Evaluate>> = {
  reshape: (call) => movement.reshape(x(call), call.numbers('shape')),
  squeeze: (call) => movement.squeeze(x(call), call.axes('axis')),
  unsqueeze: (call) => movement.unsqueeze(x(call), call.axes('axis') ?? 0),
  flatten: (call) => movement.flatten(x(call), call.number('startAxis', 0), call.number('stopAxis', -1)),
  transpose: (call) => movement.transpose(x(call), call.numbers('perm')),
  t: (call) =>
    movement.transpose(
      x(call),
      x(call).shape.map((_, axis) => x(call).shape.length - 1 - axis),
    ),
  broadcastTo: (call) => movement.expand(x(call), call.numbers('shape')),
  expand: (call) => movement.expand(x(call), call.numbers('shape')),
  slice: (call) =>
    movement.slice(
      x(call),
      call.numbers('axes'),
      call.numbers('starts'),
      call.numbers('ends'),
      call.attrs.steps === undefined ? null : call.numbers('steps'),
    ),
  flip: (call) => movement.flip(x(call), call.numbers('axis')),
  roll: (call) => movement.roll(x(call), call.axes('shifts') ?? 0, call.axes('axis')),
  concat: (call) => movement.concat(call.arrays(), call.number('axis', 0)),
  stack: (call) => movement.stack(call.arrays(), call.number('axis', 0)),
  unstack: (call) => movement.unstack(x(call), call.number('axis', 0)),
  split: (call) => movement.split(x(call), call.axes('sections') ?? 1, call.number('axis', 0)),
  pad: (call) => movement.pad(x(call), call.numbers('padding'), element(call, 'value', 0, x(call).dtype)),
  tile: (call) => movement.tile(x(call), call.numbers('repeats')),
};

const indexingOps: Readonly<Record<string, Evaluate>> = {
  gather: (call) => movement.indexSelect(x(call), call.array('index'), 0),
  indexSelect: (call) => movement.indexSelect(x(call), call.array('index'), call.number('axis', 0)),
  gatherNd: (call) => movement.gatherNd(x(call), call.array('index')),
  scatterNdAdd: (call) => movement.scatterNdAdd(x(call), call.array('index'), call.array('updates')),
  scatter: (call) => movement.scatter(x(call), call.array('index'), call.array('updates'), call.flag('overwrite', true)),
  takeAlongAxis: (call) => movement.takeAlongAxis(x(call), call.array('index'), call.number('axis', 0)),
  putAlongAxis: (call) =>
    movement.putAlongAxis(
      x(call),
      call.array('index'),
      call.array('values'),
      call.number('axis', 0),
      call.text('reduce', 'assign') === 'add',
    ),
  oneHot: (call) => movement.oneHot(x(call), call.number('numClasses', 1), call.dtype('dtype', 'float32')),
  nonzero: (call) => movement.nonzero(x(call)),
  maskedSelect: (call) => movement.maskedSelect(x(call), call.array('mask')),
  sort: (call) => movement.sorted(x(call), call.number('axis', -1), call.flag('descending')).values,
  argsort: (call) => movement.sorted(x(call), call.number('axis', -1), call.flag('descending')).index,
  topk: (call) => {
    const { values, index } = movement.sorted(x(call), call.number('axis', -1), call.flag('largest', true), call.number('k', 1));
    return [values, index];
  },
  unique: (call) => movement.unique(x(call)),
};

const productOps: Readonly<Record<string, Evaluate>> = {
  matmul: (call) => reductions.matmul(x(call), call.array('y'), call.flag('transposeX'), call.flag('transposeY'), call.setting),
  bmm: (call) => reductions.matmul(x(call), call.array('y'), false, false, call.setting),
  mv: (call) => reductions.matmul(x(call), call.array('vec'), false, false, call.setting),
  dot: (call) => reductions.sum(binary('multiply', call, x(call), call.array('y')), -1, false, call.setting),
  conv2d: (call) =>
    windows.conv2d(
      x(call),
      call.array('weight'),
      call.optional('bias'),
      call.pair('stride', 1),
      call.pair('padding', 0),
      call.pair('dilation', 1),
      call.number('groups', 1),
      call.setting,
    ),
  maxPool2d: (call) => pooled(call, 'max'),
  avgPool2d: (call) => pooled(call, 'mean'),
};

function pooled(call: Call, kind: 'max' | 'mean'): Reference {
  const kernel = call.pair('kernelSize', 1);
  const stride = call.attrs.stride === undefined ? kernel : call.pair('stride', 1);
  const pooling = { kind, exclusive: call.flag('exclusive', true), ceilMode: call.flag('ceilMode') };
  return windows.pool2d(x(call), kernel, stride, call.pair('padding', 0), pooling, call.setting);
}

const evaluators: ReadonlyMap<string, Evaluate> = new Map([
  ...families,
  ...Object.entries({ ...elementwiseOps, ...reductionOps, ...movementOps, ...indexingOps, ...productOps }),
]);

export const referenceOps: readonly string[] = [...evaluators.keys()];

/** The results of a call. Throws Refused where the library must refuse it. */
export function evaluate(op: string, inputs: Inputs, attrs: Attrs, setting: Setting): Reference[] {
  const found = evaluators.get(op);
  if (found === undefined) throw new Error(`the reference has no ${op}`);
  return [found(new Call(op, inputs, attrs, setting))].flat();
}

/** Floats alone have errors to speak of. */
export const isRounded = (array: Reference): boolean => isFloat(array.dtype);
export { Refused };
