/**
 * The one way in which an op is called. Arguments become tensors, the plan for their layouts is found or made, it runs, and the
 * call is recorded where gradients flow. Capture, profiling and anomaly checks belong here too.
 */
import { dtypeClasses, dtypeNameOf, prepareCall } from '../kernels/call.js';
import { type TracedValue, Tracer } from '../kernels/graph.js';
import { RuleError } from '../kernels/host.js';
import { mapOperations } from '../kernels/map-operations.js';
import type { Algebra, Arguments, Attrs, InputDefinition, OpDefinition, TensorMeta, Value } from '../kernels/op.js';
import { partition } from '../kernels/partition.js';
import { gradientsEnabled, record } from './autograd.js';
import { type TensorData, tensor } from './create.js';
import type { Device } from './devices/device.js';
import { defaultDevice } from './devices/registry.js';
import { type Dtype, getDefaultDtype, isDifferentiable, isDtype, promote } from './dtype.js';
import { formatShape, OpwrightError } from './errors.js';
import { BoundPlan } from './execute.js';
import { type Layout, sameShape } from './layout.js';
import { PlanCache } from './plan-cache.js';
import { reportPlan } from './plan-report.js';
import { definitionOf, nameResults, withOpMethods } from './registry.js';
import type { SlotValue } from './steps/step.js';
import { Tensor } from './tensor.js';

/** What an op takes where it wants a tensor. */
export type TensorLike = Tensor | TensorData;
export type InputArgument = TensorLike | readonly TensorLike[] | undefined;

/** What a call signature leads to. */
type Entry =
  | {
      readonly kind: 'plan';
      readonly plan: BoundPlan;
      readonly call: CallShape;
      readonly free: () => void;
    }
  /** Inputs that share a dtype variable differ: they are cast first. */
  | { readonly kind: 'promote'; readonly dtypes: readonly (Dtype | undefined)[]; readonly free: () => void };

/** What gradients need to know of a call besides its tensors; shared by all calls of one signature. */
export interface CallShape {
  readonly op: OpDefinition;
  /** Attributes after checking, scalars at the values of the call that made the entry. */
  readonly attrs: Attrs;
  readonly slotNames: readonly string[];
  readonly metas: Arguments<TensorMeta>;
  /** The input that each slot belongs to. */
  readonly slotInputs: readonly InputDefinition[];
  /** The plan's outputs, which are the op's, without hidden ones unless gradients are recorded. */
  readonly outputs: readonly TensorMeta[];
  /** Which of them are the caller's, in places; null for all. The others are hidden or were written into inputs. */
  readonly returned: ReadonlySet<number> | null;
  /** Plans of its gradients, by what they are asked for. */
  readonly gradientPlans: Map<string, BoundPlan>;
}

const caches = new WeakMap<Device, Map<OpDefinition, PlanCache<Entry>>>();

/** Signatures kept for one op; beyond twice as many, the less recent are forgotten. */
const entriesKept = 512;

/** Calls an op that returns one tensor. Arguments come in the order of its inputs. */
export function callOne(op: OpDefinition, inputs: readonly InputArgument[], attrs: object = noAttrs): Tensor {
  return dispatch(op, inputs, attrs as Attrs)[0]!;
}

/** Calls an op that returns a list of tensors. */
export function callList(op: OpDefinition, inputs: readonly InputArgument[], attrs: object = noAttrs): Tensor[] {
  return dispatch(op, inputs, attrs as Attrs);
}

/** Calls an op that returns several tensors, by name. */
export function callNamed<Name extends string>(
  op: OpDefinition,
  inputs: readonly InputArgument[],
  attrs: object = noAttrs,
): Record<Name, Tensor> {
  return nameResults(op, dispatch(op, inputs, attrs as Attrs)) as Record<Name, Tensor>;
}

/** Calls an op that only writes into its arguments. */
export function callVoid(op: OpDefinition, inputs: readonly InputArgument[], attrs: object = noAttrs): void {
  dispatch(op, inputs, attrs as Attrs);
}

export const noAttrs: Attrs = {};

/** Runs an op and gives its visible outputs. */
export function dispatch(op: OpDefinition, inputs: readonly InputArgument[], attrs: Attrs): Tensor[] {
  const made: Tensor[] = [];
  try {
    const given = withDefaultDtype(op, attrs);
    return dispatchSlots(op, inputs, acceptInputs(op, { inputs, attrs: given }, made), given, made);
  } finally {
    for (let i = 0; i < made.length; i++) made[i]!.dispose();
  }
}

/** Attributes with the default dtype where the call names none; float32 is what definitions say themselves. */
function withDefaultDtype(op: OpDefinition, attrs: Attrs): Attrs {
  const dtype = getDefaultDtype();
  if (dtype === 'float32') return attrs;
  const left = op.attrs.filter(({ name, followsDefault }) => followsDefault === true && attrs[name] === undefined);
  return left.length === 0 ? attrs : { ...attrs, ...Object.fromEntries(left.map(({ name }) => [name, dtype])) };
}

/** `made` takes the tensors that are let go of after the call: those made of arrays and by casts. */
function dispatchSlots(
  op: OpDefinition,
  inputs: readonly InputArgument[],
  slots: readonly SlotValue[],
  attrs: Attrs,
  made: Tensor[],
): Tensor[] {
  const device = deviceOf(slots);
  const recording = gradientsEnabled() && wantsGradient(op, slots);
  if (gradientsEnabled()) checkGraphs(op, inputs, slots);
  let ops = caches.get(device);
  if (ops === undefined) {
    ops = new Map();
    caches.set(device, ops);
  }
  let cache = ops.get(op);
  if (cache === undefined) {
    cache = new PlanCache(entriesKept);
    ops.set(op, cache);
  }
  const key = device.settings + signature(op, inputs, slots, attrs, recording);
  let entry = cache.get(key);
  if (entry === undefined) {
    entry = withCallDetails(op, slotDefinitions(op, inputs).names, slots, () =>
      prepare(op, inputs, slots, attrs, recording, device),
    );
    cache.set(key, entry);
  } else if (op.constrainsScalars && entry.kind === 'plan') checkScalars(op, entry.call, slots, attrs);
  if (entry.kind === 'promote') return dispatchSlots(op, inputs, castSlots(slots, entry.dtypes, made), attrs, made);
  return run(entry, slots, attrs, recording);
}

function run(entry: Extract<Entry, { kind: 'plan' }>, slots: readonly SlotValue[], attrs: Attrs, recording: boolean): Tensor[] {
  const { call, plan } = entry;
  const { op } = call;
  const results = runPlan(op, plan, slots, scalarAttrs(call, attrs));
  const markWritten = (): void => {
    for (let i = 0; i < plan.written.length; i++) {
      const slot = slots[plan.written[i]!];
      if (slot instanceof Tensor) slot.storage.version++;
    }
  };
  if (recording) record(call, slots, results, scalarAttrs(call, attrs), markWritten);
  else markWritten();
  return call.returned === null ? results : dropOthers(results, call.returned);
}

function runPlan(op: OpDefinition, plan: BoundPlan, slots: readonly SlotValue[], attrs: Attrs): Tensor[] {
  try {
    plan.device.announce(op.name);
    return plan.run({ slots, attrs });
  } catch (error) {
    throw error instanceof OpwrightError ? error.with({ op: op.name }) : error;
  }
}

/** The attributes of this call, defaults included: scalars come from the call, the others are the entry's. */
function scalarAttrs(call: CallShape, attrs: Attrs): Attrs {
  return attrs === noAttrs || !call.op.attrs.some((attr) => attr.scalar)
    ? call.attrs
    : { ...call.attrs, ...scalarsOf(call.op, attrs) };
}

function scalarsOf(op: OpDefinition, attrs: Attrs): Attrs {
  const scalars: Record<string, Attrs[string]> = {};
  for (const attr of op.attrs) if (attr.scalar && attrs[attr.name] !== undefined) scalars[attr.name] = Number(attrs[attr.name]);
  return scalars;
}

function dropOthers(results: readonly Tensor[], returned: ReadonlySet<number>): Tensor[] {
  const own: Tensor[] = [];
  for (let i = 0; i < results.length; i++) {
    if (returned.has(i)) own.push(results[i]!);
    else results[i]!.dispose();
  }
  return own;
}

function returnedOutputs(op: OpDefinition, count: number): ReadonlySet<number> | null {
  if (op.outputs.every(isReturned)) return null;
  return new Set(presentOutputs(op, count).flatMap((output, index) => (isReturned(output) ? [index] : [])));
}

/** Whether the caller gets an output; others were written into inputs or are kept for backward. */
const isReturned = (output: OpDefinition['outputs'][number]): boolean =>
  !output.hidden && (output.writes === undefined || output.returned === true);

/** The output that each value of a plan belongs to: a plan has all outputs, or all but the hidden ones. */
export function presentOutputs(op: OpDefinition, count: number): OpDefinition['outputs'] {
  const { outputs } = op;
  if (outputs[0]!.list) return outputs.flatMap((output) => new Array<typeof output>(count / outputs.length).fill(output));
  return count === outputs.length ? outputs : outputs.filter((output) => !output.hidden);
}

// ---- Arguments

/** The arguments of a call, as they came. */
interface Given {
  readonly inputs: readonly InputArgument[];
  readonly attrs: Attrs;
}

function acceptInputs(op: OpDefinition, given: Given, made: Tensor[]): SlotValue[] {
  const { inputs } = given;
  const slots: SlotValue[] = [];
  for (let i = 0; i < op.inputs.length; i++) {
    const input = op.inputs[i]!;
    const value = inputs[i];
    if (input.list) {
      if (value === undefined) throw missing(op, input);
      if (!Array.isArray(value))
        throw new OpwrightError('INVALID_ARGUMENT', `${input.name} must be a list of tensors.`, {
          op: op.name,
          argument: input.name,
        });
      for (const one of value) slots.push(accept(op, input, one as TensorLike, given, made));
    } else {
      slots.push(accept(op, input, value as TensorLike | undefined | null, given, made));
    }
  }
  if (typeof slots[0] === 'number') giveDtype(op, slots, given, made);
  return slots;
}

/** Numbers among themselves are what tensor() makes of them: one becomes a tensor, and the others follow it. */
function giveDtype(op: OpDefinition, slots: SlotValue[], given: Given, made: Tensor[]): void {
  const [first] = slots;
  if (typeof first !== 'number' || slots.some((slot) => slot instanceof Tensor)) return;
  const result = literal(op, op.inputs[0]!, first, given);
  made.push(result);
  slots[0] = result;
}

function missing(op: OpDefinition, input: InputDefinition): OpwrightError {
  return new OpwrightError('MISSING_ARGUMENT', `${input.name} is missing.`, { op: op.name, argument: input.name });
}

function accept(
  op: OpDefinition,
  input: InputDefinition,
  value: TensorLike | undefined | null,
  given: Given,
  made: Tensor[],
): SlotValue {
  if (value instanceof Tensor) {
    if (value.isDisposed) value.checkUsable(op.name, input.name);
    return value;
  }
  if (value === undefined || value === null) {
    if (input.optional) return undefined;
    throw missing(op, input);
  }
  if (typeof value === 'number' && input.number) return value;
  if (input.mutated)
    throw new OpwrightError('INVALID_ARGUMENT', `${input.name} is written by ${op.name} and must be a tensor.`, {
      op: op.name,
      argument: input.name,
    });
  const result = literal(op, input, value, given);
  made.push(result);
  return result;
}

/** What is written out in a call is where the call's tensors are. */
function literal(op: OpDefinition, input: InputDefinition, value: TensorData, { inputs, attrs }: Given): Tensor {
  const dtype = literalDtype(op, dtypeNameOf(op, input, attrs), value);
  const beside = inputs.flat().find((one) => one instanceof Tensor);
  const device = beside instanceof Tensor ? beside.device : defaultDevice();
  try {
    return tensor(value, dtype === undefined ? { device } : { device, dtype });
  } catch (error) {
    throw error instanceof OpwrightError ? error.with({ op: op.name, argument: input.name }) : error;
  }
}

/**
 * What numbers in arrays become where the input takes no tensor of the default dtype: indices are int32, conditions bool. Booleans stay what they
 * are where they may.
 */
function literalDtype(op: OpDefinition, name: string, value: TensorData): Dtype | undefined {
  const allowed = op.dtypes[name] ?? dtypeClasses[name] ?? (isDtype(name) ? [name] : undefined);
  if (allowed === undefined || allowed.includes(getDefaultDtype())) return undefined;
  if (allowed.includes('bool') && beginsWithBoolean(value)) return 'bool';
  return allowed.includes('int32') ? 'int32' : allowed[0];
}

const beginsWithBoolean = (value: TensorData): boolean =>
  typeof value === 'boolean' || (Array.isArray(value) && value.length > 0 && beginsWithBoolean(value[0]));

function deviceOf(slots: readonly SlotValue[]): Device {
  let device: Device | undefined;
  for (const slot of slots) {
    if (!(slot instanceof Tensor)) continue;
    if (device !== undefined && slot.device !== device)
      throw new OpwrightError('DEVICE_MISMATCH', `One tensor lies on ${device.name}, another on ${slot.device.name}.`, {
        remedy: 'Move one with to().',
      });
    device = slot.device;
  }
  return device ?? defaultDevice();
}

function wantsGradient(op: OpDefinition, slots: readonly SlotValue[]): boolean {
  if (op.gradients.length === 0) return false;
  for (const slot of slots) if (slot instanceof Tensor && !slot.stopGradient) return true;
  return false;
}

/** A tensor whose memory an in-place op changed through another tensor may lead gradients astray. */
function checkGraphs(op: OpDefinition, inputs: readonly InputArgument[], slots: readonly SlotValue[]): void {
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i];
    if (slot instanceof Tensor && slot.storage.graphVersion > 0) slot.checkGraph(op.name, slotDefinitions(op, inputs).names[i]!);
  }
}

/** A scalar is no part of the signature, so what the op demands of it is checked in every call. */
function checkScalars(op: OpDefinition, call: CallShape, slots: readonly SlotValue[], attrs: Attrs): void {
  withCallDetails(op, call.slotNames, slots, () => {
    op.infer(call.metas, scalarAttrs(call, attrs));
  });
}

/** Turns a broken rule into the error that users see, with the op and the shapes. */
function withCallDetails<T>(op: OpDefinition, names: readonly string[], slots: readonly SlotValue[], fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const shapes: Record<string, readonly number[]> = {};
    names.forEach((name, slot) => {
      const value = slots[slot];
      if (value instanceof Tensor) shapes[name] = value.shape;
    });
    const argument = error.argument === undefined ? {} : { argument: error.argument };
    throw new OpwrightError(error.code, asSentence(error.message), { op: op.name, ...argument, shapes, rule: op.source });
  }
}

/** Identifiers keep their case. */
const asSentence = (message: string): string => (/[.!?]$/.test(message) ? message : `${message}.`);

// ---- Signatures

/**
 * Everything that a plan depends on: layouts but for offsets, dtypes, which arguments are numbers (and whether they are whole),
 * attributes but for scalars.
 */
function signature(
  op: OpDefinition,
  inputs: readonly InputArgument[],
  slots: readonly SlotValue[],
  attrs: Attrs,
  recording: boolean,
): string {
  let key = recording ? 'g' : '';
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i];
    if (slot instanceof Tensor) key += `${slot.layout.form.id}${dtypeTags[slot.dtype]}`;
    else key += slot === undefined ? '-' : Number.isInteger(slot) ? 'n' : 'f';
  }
  if (slots.length !== op.inputs.length || op.inputs.some((input) => input.list))
    key += `|${inputs.map((input) => (Array.isArray(input) ? input.length : '')).join()}`;
  for (const name in attrs) {
    const value = attrs[name];
    if (value === undefined) continue;
    const scalar = typeof value === 'number' && op.attrs.some((attr) => attr.name === name && attr.scalar);
    key += `|${name}=${scalar ? '' : typeof value === 'object' ? JSON.stringify(value) : `${typeof value} ${String(value)}`}`;
  }
  return key;
}

const dtypeTags: Readonly<Record<Dtype, string>> = {
  bool: 'a',
  uint8: 'b',
  int8: 'c',
  int16: 'd',
  int32: 'e',
  int64: 'h',
  float16: 'i',
  bfloat16: 'j',
  float32: 'k',
  float64: 'l',
  complex64: 'm',
  complex128: 'n',
};

// ---- Plans

function prepare(
  op: OpDefinition,
  inputs: readonly InputArgument[],
  slots: readonly SlotValue[],
  attrs: Attrs,
  recording: boolean,
  device: Device,
): Entry {
  const { names, definitions } = slotDefinitions(op, inputs);
  const dtypes = commonDtypes(op, slots, definitions, attrs);
  if (dtypes !== undefined) return { kind: 'promote', dtypes, free: () => {} };
  const start = performance.now();
  const tracer = new Tracer(withOpMethods);
  const traced = names.map((name, slot): TracedValue | undefined => {
    const value = slots[slot];
    if (value === undefined) return undefined;
    return value instanceof Tensor ? tracer.input(name, value) : tracer.scalar({ from: 'input', slot: name });
  });
  const args = byInput(op, inputs, traced);
  const { metas, attrs: complete } = prepareCall<TracedValue>(op, args, attrs);
  if (op.body.kind === 'define') op.infer(metas, complete);
  const tracedAttrs: Record<string, unknown> = { ...complete };
  for (const attr of op.attrs) if (attr.scalar) tracedAttrs[attr.name] = tracer.scalar({ from: 'attr', name: attr.name });
  const all = tracer.apply(op, args, tracedAttrs as Attrs);
  const wanted = all.filter((_, index) => recording || op.outputs[0]!.list || !op.outputs[index]!.hidden);
  const outputs = wanted.map((value) => ({ shape: value.shape, dtype: value.dtype }));
  const graph = tracer.finish(wanted);
  checkWrites(op, names, slots, outputs);
  const steps = partition(graph);
  reportPlan(op.name, graph, steps, start);
  const plan = BoundPlan.bind(device, steps, {
    slotNames: names,
    layouts: slots.map((slot): Layout | undefined => (slot instanceof Tensor ? slot.layout.form : undefined)),
    writes: writesOf(op, names, wanted.length),
  });
  const call: CallShape = {
    op,
    attrs: complete,
    metas,
    slotNames: names,
    slotInputs: definitions,
    outputs,
    returned: returnedOutputs(op, outputs.length),
    gradientPlans: new Map(),
  };
  const free = () => {
    plan.free();
    for (const gradient of call.gradientPlans.values()) gradient.free();
  };
  return { kind: 'plan', plan, call, free };
}

/** What is written into an input must have its shape: an operand may not broadcast it. */
function checkWrites(
  op: OpDefinition,
  names: readonly string[],
  slots: readonly SlotValue[],
  outputs: readonly TensorMeta[],
): void {
  for (const [output, slot] of writesOf(op, names, outputs.length)) {
    const target = slots[slot];
    const { shape } = outputs[output]!;
    if (!(target instanceof Tensor) || sameShape(target.shape, shape)) continue;
    throw new RuleError(
      'SHAPE_MISMATCH',
      `the result has shape ${formatShape(shape)} and cannot be written into ${names[slot]}, which has shape ${formatShape(target.shape)}`,
    );
  }
}

function writesOf(op: OpDefinition, names: readonly string[], count: number): Map<number, number> {
  const writes = new Map<number, number>();
  presentOutputs(op, count).forEach((output, index) => {
    if (output.writes === undefined) return;
    const input = output.list ? `${output.writes}.${index % (count / op.outputs.length)}` : output.writes;
    writes.set(index, names.indexOf(input));
  });
  return writes;
}

function slotDefinitions(
  op: OpDefinition,
  inputs: readonly InputArgument[],
): { names: string[]; definitions: InputDefinition[] } {
  const names: string[] = [];
  const definitions: InputDefinition[] = [];
  op.inputs.forEach((input, i) => {
    const count = input.list ? (inputs[i] as readonly unknown[]).length : 1;
    for (let k = 0; k < count; k++) {
      names.push(input.list ? `${input.name}.${k}` : input.name);
      definitions.push(input);
    }
  });
  return { names, definitions };
}

/** Slots back to one argument for each input. */
export function byInput<V>(op: OpDefinition, inputs: readonly InputArgument[], slots: readonly (V | undefined)[]): Arguments<V> {
  const args: Record<string, V | readonly V[] | undefined> = {};
  let slot = 0;
  op.inputs.forEach((input, i) => {
    if (!input.list) {
      args[input.name] = slots[slot++];
      return;
    }
    const count = (inputs[i] as readonly unknown[]).length;
    args[input.name] = slots.slice(slot, slot + count) as V[];
    slot += count;
  });
  return args;
}

// ---- Dtypes

/** The dtype each slot must be cast to, where tensors that share a dtype variable differ; undefined where nothing need be cast. */
function commonDtypes(
  op: OpDefinition,
  slots: readonly SlotValue[],
  definitions: readonly InputDefinition[],
  attrs: Attrs,
): (Dtype | undefined)[] | undefined {
  const common = new Map<string, Dtype>();
  const variables = definitions.map((input, index) => sharedVariable(op, input, slots[index], attrs));
  slots.forEach((slot, index) => {
    const variable = variables[index]!;
    if (!(slot instanceof Tensor) || op.dtypes[variable] === undefined) return;
    const so = common.get(variable);
    common.set(variable, so === undefined ? slot.dtype : promote(so, slot.dtype));
  });
  slots.forEach((slot, index) => {
    const variable = variables[index]!;
    const so = common.get(variable);
    if (typeof slot === 'number' && so !== undefined && !isDifferentiable(so) && !Number.isInteger(slot))
      common.set(variable, getDefaultDtype());
  });
  let differs = false;
  const dtypes = slots.map((slot, index) => {
    const wanted = common.get(variables[index]!);
    if (!(slot instanceof Tensor) || wanted === undefined || slot.dtype === wanted) return undefined;
    const cause = definitions[index]!.mutated;
    if (cause)
      throw new RuleError(
        'DTYPE_MISMATCH',
        `${definitions[index]!.name} is written in place and cannot be cast from ${slot.dtype} to ${wanted}`,
      );
    differs = true;
    return wanted;
  });
  return differs ? dtypes : undefined;
}

/**
 * The variable whose dtype a tensor shares with others, or the name of none. Where an attribute chose the variable, a dtype that it does
 * not have is a mistake about the attribute, and no cast hides it.
 */
function sharedVariable(op: OpDefinition, input: InputDefinition, slot: SlotValue, attrs: Attrs): string {
  const variable = dtypeNameOf(op, input, attrs);
  const isMistaken =
    input.dtypeWhen !== undefined && slot instanceof Tensor && op.dtypes[variable]?.includes(slot.dtype) === false;
  return isMistaken ? slot.dtype : variable;
}

function castSlots(slots: readonly SlotValue[], dtypes: readonly (Dtype | undefined)[], made: Tensor[]): SlotValue[] {
  const cast = definitionOf('cast');
  return slots.map((slot, index) => {
    const dtype = dtypes[index];
    if (dtype === undefined || !(slot instanceof Tensor)) return slot;
    const result = callOne(cast, [slot], { dtype });
    made.push(result);
    return result;
  });
}

// ---- The algebra of real tensors, for gradients that are themselves differentiated

/** A number among tensors, before it meets one. */
export class PlainNumber implements Value {
  readonly shape = [];
  readonly dtype = 'float64';
  constructor(readonly value: number) {}
}

export class DispatchAlgebra implements Algebra<Tensor | PlainNumber> {
  apply(op: OpDefinition, inputs: Arguments<Tensor | PlainNumber | number>, attrs: Attrs): readonly (Tensor | PlainNumber)[] {
    const values = op.inputs.map((input) => inputs[input.name]);
    if (values.length > 0 && values.every(isPlain)) {
      const numbers = values.map((value) => plain(value as PlainNumber | number));
      if (op.body.kind === 'map') return [new PlainNumber(mapOperations[op.body.map]!.evaluate(...numbers))];
    }
    const given = values.map((value): InputArgument => {
      if (Array.isArray(value)) return value.map((one: Tensor | PlainNumber | number) => toArgument(one));
      return value === undefined ? undefined : toArgument(value as Tensor | PlainNumber | number);
    });
    const plainAttrs: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(attrs))
      plainAttrs[name] = (value as unknown) instanceof PlainNumber ? plain(value as never) : value;
    return dispatch(op, given, plainAttrs as Attrs);
  }
}

const isPlain = (value: unknown): boolean => typeof value === 'number' || value instanceof PlainNumber;
const plain = (value: PlainNumber | number): number => (typeof value === 'number' ? value : value.value);
const toArgument = (value: Tensor | PlainNumber | number): TensorLike => (value instanceof PlainNumber ? value.value : value);
