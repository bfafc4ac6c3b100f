/**
 * Compares gradients numerically, in float64 and on the spec's own samples: stated ones with derived ones where the op has a definition,
 * and all of them with central differences. A gradient that is wrong is reported at its place in the spec.
 */
import { completeAttrs } from '../../kernels/call.js';
import { isComplex, isFloating } from '../../kernels/host.js';
import type { Argument, Arguments, Attrs, OpDefinition, OpFunction } from '../../kernels/op.js';
import { ReferenceAlgebra } from '../../kernels/reference.js';
import {
  elementCount,
  isDifferentiable,
  isList,
  partsOf,
  type ReferenceArray,
  referenceArray,
  UnsupportedByReference,
} from '../../kernels/reference-array.js';
import { type Diagnostic, diagnosticAt } from '../spec/diagnostic.js';
import type { Input, Sample } from '../spec/model.js';
import { type InputData, sampleData } from '../spec/sample-data.js';
import type { CheckedModel, CheckedOp } from './check.js';
import { gradientFunction, type KernelFunctions, makeOpDefinitions } from './definitions.js';
import { derivedGradient, gradientsOf } from './differentiate.js';
import type { Term } from './terms.js';

export interface GradientReport {
  readonly diagnostics: readonly Diagnostic[];
  /** Comparisons made: one for each gradient and sample. */
  readonly compared: number;
  /** Ops whose gradients could not be compared here, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
}

/** Elements of one input that are moved to find differences. */
const probes = 12;
const step = 1e-5;

export function checkGradients(model: CheckedModel, kernels?: KernelFunctions): GradientReport {
  const diagnostics: Diagnostic[] = [];
  const skipped = new Map<string, string>();
  const definitions = makeOpDefinitions(model, kernels);
  let compared = 0;
  for (const checked of model.ops.values()) {
    const definition = definitions.get(checked.op.name);
    if (definition === undefined || gradientsOf(model, checked).length === 0) continue;
    if (checked.op.escape !== undefined) {
      skipped.set(checked.op.name, checked.op.escape);
      continue;
    }
    const checker = new GradientChecker(model, definitions, checked, definition);
    for (const sample of checked.op.samples) {
      try {
        compared += checker.check(sample, diagnostics);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (error instanceof UnsupportedByReference) skipped.set(checked.op.name, message);
        else diagnostics.push(diagnosticAt('FAILED_SAMPLE', `${checked.op.name} fails on this sample: ${message}`, sample.span));
      }
    }
  }
  return { diagnostics, compared, skipped };
}

/** One evaluation of an op. */
interface Point {
  readonly inputs: Arguments<ReferenceArray>;
  readonly attrs: Attrs;
  readonly outputs: Arguments<ReferenceArray>;
  /** Incoming gradients, by output. */
  readonly incoming: Arguments<ReferenceArray>;
}

class GradientChecker {
  readonly #model: CheckedModel;
  readonly #definitions: ReadonlyMap<string, OpDefinition>;
  readonly #checked: CheckedOp;
  readonly #definition: OpDefinition;
  readonly #algebra = new ReferenceAlgebra();
  readonly #derived = new Map<string, OpFunction | undefined>();

  constructor(model: CheckedModel, definitions: ReadonlyMap<string, OpDefinition>, checked: CheckedOp, definition: OpDefinition) {
    this.#model = model;
    this.#definitions = definitions;
    this.#checked = checked;
    this.#definition = definition;
  }

  /** Compares each gradient on one sample; gives how many there were. */
  check(sample: Sample, diagnostics: Diagnostic[]): number {
    const point = this.#pointOf(sample);
    if (point === undefined) return 0;
    let compared = 0;
    for (const gradient of this.#definition.gradients) {
      const input = this.#checked.op.inputs.find(({ name }) => name === gradient.input);
      if (input === undefined || !differentiableArrays(point.inputs[input.name]).length) continue;
      const problem = this.#compare(input, gradient.run, point);
      if (problem !== undefined) diagnostics.push(this.#diagnostic(input, sample, problem));
      compared++;
    }
    return compared;
  }

  #diagnostic(input: Input, sample: Sample, problem: string): Diagnostic {
    const { op } = this.#checked;
    const stated = op.gradients.find(({ name }) => name === input.name);
    const { line } = sample.span.source.position(sample.span.start);
    const message = `the gradient of ${op.name} for ${input.name} is wrong on the sample of line ${line}: ${problem}`;
    return diagnosticAt('WRONG_GRADIENT', message, stated?.program?.span ?? stated?.span ?? op.span);
  }

  #compare(input: Input, run: OpFunction, point: Point): string | undefined {
    const values = { ...point.inputs, ...point.outputs, ...prefixed(point.incoming) };
    const given = run(this.#algebra, values, point.attrs);
    const moved = differentiableArrays(point.inputs[input.name]);
    if (given.length !== moved.length) return `it gives ${given.length} tensors for ${moved.length}`;
    const shape = given.find((array, index) => String(array.shape) !== String(moved[index]?.shape));
    if (shape !== undefined) return `its shape is [${shape.shape.join(', ')}], not the input's`;
    return this.#compareWithDerived(input, given, values, point) ?? this.#compareWithDifferences(given, moved, point);
  }

  #compareWithDerived(
    input: Input,
    given: readonly ReferenceArray[],
    values: Arguments<ReferenceArray>,
    point: Point,
  ): string | undefined {
    const run = this.#derivedFor(input);
    if (run === undefined) return undefined;
    const derived = run(this.#algebra, values, point.attrs);
    for (const [index, array] of given.entries()) {
      const place = array.data.findIndex((value, at) => !close(value, derived[index]?.data[at] ?? Number.NaN, 1e-9));
      if (place >= 0)
        return `element ${place} is ${array.data[place]}, the derived gradient gives ${derived[index]?.data[place]}`;
    }
    return undefined;
  }

  /** The derived gradient where the spec states another, and any flows through the definition: kernels in it may have none. */
  #derivedFor(input: Input): OpFunction | undefined {
    const isStated = this.#checked.gradients.get(input.name) !== undefined;
    if (!isStated || this.#checked.define === undefined) return undefined;
    if (!this.#derived.has(input.name)) {
      const program = derivedGradient(this.#model, this.#checked, input);
      const flows = program !== undefined && !program.results.every(isZeros);
      const run = flows ? gradientFunction(this.#model, this.#definitions, this.#checked, program) : undefined;
      this.#derived.set(input.name, run);
    }
    return this.#derived.get(input.name);
  }

  #compareWithDifferences(given: readonly ReferenceArray[], moved: readonly ReferenceArray[], point: Point): string | undefined {
    for (const [index, array] of moved.entries()) {
      const every = Math.max(1, Math.floor(array.data.length / probes));
      for (let place = 0; place < array.data.length; place += every) {
        const difference = this.#difference(array, place, point);
        const got = given[index]!.data[place]!;
        if (difference === undefined || !Number.isFinite(difference) || close(got, difference, 1e-5)) continue;
        // Where the op is not defined, nothing comes in, and what 0 times the derivative is does not matter.
        if (difference === 0 && !Number.isFinite(got)) continue;
        return `element ${place} is ${got}, differences give ${difference}`;
      }
    }
    return undefined;
  }

  /** The derivative of the outputs' sum, weighted by their incoming gradients; undefined at a kink. */
  #difference(array: ReferenceArray, place: number, point: Point): number | undefined {
    const original = array.data[place]!;
    const distance = step * Math.max(1, Math.abs(original));
    const at = (offset: number): number => {
      array.data[place] = original + offset;
      const total = this.#weighted(this.#run(point.inputs, point.attrs), point.incoming);
      array.data[place] = original;
      return total;
    };
    const [below, here, above] = [at(-distance), at(0), at(distance)];
    const [left, right] = [(here - below) / distance, (above - here) / distance];
    return close(left, right, 1e-2) ? (above - below) / (2 * distance) : undefined;
  }

  #weighted(outputs: Arguments<ReferenceArray>, incoming: Arguments<ReferenceArray>): number {
    return Object.entries(incoming)
      .flatMap(([name, weights]) => {
        const values = differentiableArrays(outputs[name]);
        return differentiableArrays(weights).flatMap(({ data }, index) =>
          Array.from(data, (weight, at) => (weight === 0 ? 0 : weight * values[index]!.data[at]!)),
        );
      })
      .reduce((sum, value) => sum + value, 0);
  }

  #pointOf(sample: Sample): Point | undefined {
    const data = sampleData(this.#model.model, this.#checked.op, sample);
    const random = seeded(`${this.#checked.op.name} ${sample.span.start}`);
    const entries = Object.entries(data.inputs).map(([name, value]) => [name, inputArray(value, random)] as const);
    const inputs: Arguments<ReferenceArray> = Object.fromEntries(entries);
    if (Object.values(inputs).flatMap(differentiableArrays).length === 0) return undefined;
    const attrs = completeAttrs(this.#definition, data.attrs, inputs);
    const outputs = this.#run(inputs, attrs);
    const incoming = Object.fromEntries(
      this.#checked.op.outputs
        .filter((output) => output.writes === undefined)
        .map(({ name }) => [name, mapArgument(outputs[name], (array) => weightsFor(array, random))] as const),
    );
    if (Object.values(incoming).flatMap(differentiableArrays).length === 0) return undefined;
    return { inputs, attrs, outputs, incoming };
  }

  /** The op's results by output. */
  #run(inputs: Arguments<ReferenceArray>, attrs: Attrs): Arguments<ReferenceArray> {
    const results = this.#algebra.apply(this.#definition, inputs, attrs);
    const { outputs } = this.#checked.op;
    const [only] = outputs;
    if (outputs.length === 1 && only?.list) return { [only.name]: results };
    return Object.fromEntries(outputs.map(({ name }, index) => [name, results[index]]));
  }
}

function isZeros(term: Term): boolean {
  return term.kind === 'apply' && term.op.name === 'zeros';
}

function differentiableArrays(argument: Argument<ReferenceArray>): readonly ReferenceArray[] {
  const all = argument === undefined ? [] : isList(argument) ? argument : [argument];
  return all.filter((array) => isDifferentiable(array.dtype));
}

function mapArgument(
  argument: Argument<ReferenceArray>,
  change: (array: ReferenceArray) => ReferenceArray,
): Argument<ReferenceArray> {
  if (argument === undefined) return undefined;
  return isList(argument) ? argument.map(change) : change(argument);
}

function prefixed(incoming: Arguments<ReferenceArray>): Arguments<ReferenceArray> {
  return Object.fromEntries(Object.entries(incoming).map(([name, value]) => [`d${name}`, value]));
}

function close(left: number, right: number, tolerance: number): boolean {
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) && Number.isNaN(right);
  return left === right || Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(left), Math.abs(right));
}

/** Floating-point inputs are computed in float64 and complex ones in complex128, whatever the sample says. */
function inputArray(data: InputData, random: () => number): Argument<ReferenceArray> {
  if (typeof data === 'number') return { ...referenceArray([], 'float64', [data]), weak: true };
  if (isData(data)) return data.map((item) => inputArray(item, random)).flatMap((item) => item ?? []);
  const dtype = isComplex(data.dtype) ? 'complex128' : isFloating(data.dtype) ? 'float64' : data.dtype;
  if ('values' in data) return referenceArray(data.shape, dtype, data.values);
  return referenceArray(
    data.shape,
    dtype,
    Array.from({ length: elementCount(data.shape) * partsOf(dtype) }, () => filled(data.fill, dtype, random)),
  );
}

function isData(data: InputData): data is readonly InputData[] {
  return Array.isArray(data);
}

/** Elements that the op is smooth at: extremes and ties are what the tests' goldens are for. */
function filled(fill: string, dtype: string, random: () => number): number {
  if (dtype === 'bool') return Number(random() < 0.5);
  if (dtype !== 'float64' && dtype !== 'complex128') return Math.floor(random() * 4);
  if (fill === 'positive') return 0.5 + 1.5 * random();
  if (fill === 'unit') return 2 * random() - 1;
  return 4 * random() - 2;
}

/** Random incoming gradients; none where the op is not defined. */
function weightsFor(array: ReferenceArray, random: () => number): ReferenceArray {
  const weights = Array.from(array.data, (value) => (Number.isFinite(value) ? 4 * random() - 2 : 0));
  return referenceArray(array.shape, array.dtype, weights);
}

/** Numbers in [0, 1), the same for the same words (mulberry32 over an FNV hash). */
function seeded(words: string): () => number {
  let state = 2166136261;
  for (const character of words) state = Math.imul(state ^ character.charCodeAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  };
}
