/**
 * Gradients of smooth random programs against central differences.
 *
 * f' is taken as (4 D(h/2) - D(h)) / 3 with D(h) = (f(x + h) - f(x - h)) / 2h, and known to |D(h/2) - D(h)| plus what rounding makes of it.
 * Where that is more than a thousandth (near a kink, a pole, an overflow) the element is left out and counted as open. So is one where a
 * step carries some result over a jump or through periods of a sine: differences of a bounded function say nothing of its slope then.
 */
import { add, grad, multiply, sum, type Tensor } from '../../entry/index.js';
import type { Reference } from './array.js';
import { randomNumbers } from './draw.js';
import { type Coverage, callLibrary, isFloatTensor, Mismatch, toTensor } from './library.js';
import { type Program, reevaluate } from './program.js';

const step = 2 ** -16;
/** Elements of each input that are compared. */
const compared = 6;
const plain = { loose: false };

export function checkGradients(program: Program, coverage: Coverage): void {
  const weights = program.calls.flatMap(({ results }) => results ?? []).map((result, place) => weightsOf(result, place));
  const value = (inputs: readonly Reference[]): { total: number; size: number } => loss(program, inputs, weights);
  if (!Number.isFinite(value(program.inputs).total)) return;
  const leaves = program.inputs.map((input) => toTensor(input, false));
  const total = lossOf(program, leaves, weights);
  if (total === undefined || total.stopGradient) return;
  const gradients = grad(total, leaves, { allowUnused: true, createGraph: true });
  gradients.forEach((gradient, place) => {
    const elements = gradient === null ? undefined : [...gradient.dataSync()].map(Number);
    const size = program.inputs[place]!.values.length;
    for (let at = 0; at < Math.min(size, compared); at++) {
      coverage.elements++;
      const steady = isSteady(program, (input, index) => (input === place && index === at ? step : 0));
      const expected = steady ? difference((shift) => value(shifted(program.inputs, place, at, shift))) : undefined;
      const got = elements?.[at] ?? 0;
      if (expected === undefined) coverage.open++;
      else if (!(Math.abs(got - expected.value) <= expected.error))
        throw new Mismatch(`the gradient of v${place} at ${at} is ${got} instead of ${expected.value} within ${expected.error}`);
    }
  });
  checkSecond(program, weights, leaves, gradients, coverage);
}

/** Whether every result has a bound while the inputs' elements move as far as `reach` says. */
function isSteady(program: Program, reach: (input: number, at: number) => number): boolean {
  const inputs = program.inputs.map((input, place) => ({ ...input, errors: input.errors.map((_, at) => reach(place, at)) }));
  return reevaluate(program, inputs, plain).every(({ errors }) => errors.every(Number.isFinite));
}

function weightsOf(result: Reference, place: number): Reference {
  const next = randomNumbers(place + 1);
  return { ...result, values: result.values.map(() => Math.round((next() - 0.5) * 64) / 32) };
}

/** All results weighted and summed, with the sum of sizes that its rounding is relative to. */
function loss(program: Program, inputs: readonly Reference[], weights: readonly Reference[]): { total: number; size: number } {
  const results = reevaluate(program, inputs, plain).slice(inputs.length);
  let total = 0;
  let size = 0;
  results.forEach((result, place) => {
    if (!isFloatTensor(result)) return;
    result.values.forEach((value, at) => {
      const term = Number(value) * Number(weights[place]!.values[at]);
      total += term;
      size += Math.abs(term) + result.errors[at]! / 2 ** -52;
    });
  });
  return { total, size };
}

function lossOf(program: Program, leaves: readonly Tensor[], weights: readonly Reference[]): Tensor | undefined {
  const tensors = [...leaves];
  for (const call of program.calls) tensors.push(...callLibrary(call, tensors));
  return tensors.slice(leaves.length).reduce((total: Tensor | undefined, result, place) => {
    if (!isFloatTensor(result)) return total;
    const term = sum(multiply(result, toTensor(weights[place]!)));
    return total === undefined ? term : add(total, term);
  }, undefined);
}

function shifted(inputs: readonly Reference[], place: number, at: number, shift: number): Reference[] {
  return inputs.map((input, index) =>
    index === place ? { ...input, values: input.values.map((value, i) => (i === at ? Number(value) + shift : value)) } : input,
  );
}

/** The derivative at 0, with a bound on its error; undefined where it cannot be told well enough. */
function difference(f: (shift: number) => { total: number; size: number }): { value: number; error: number } | undefined {
  const central = (h: number): { value: number; size: number } => {
    const [above, below] = [f(h), f(-h)];
    return { value: (above.total - below.total) / (2 * h), size: Math.max(above.size, below.size) };
  };
  const [wide, narrow, finest] = [central(step), central(step / 2), central(step / 4)];
  const value = (4 * narrow.value - wide.value) / 3;
  const noise = (wide.size * 2 ** -50) / step;
  const error =
    2 * Math.abs(narrow.value - wide.value) + 2 * Math.abs(finest.value - narrow.value) + noise + 1e-9 * (1 + Math.abs(value));
  return error < 1e-3 * (1 + Math.abs(value)) ? { value, error } : undefined;
}

// ---- Second order

/** The gradient of (gradient . direction), against the change of the gradient along the direction. */
function checkSecond(
  program: Program,
  weights: readonly Reference[],
  leaves: readonly Tensor[],
  gradients: readonly (Tensor | null)[],
  coverage: Coverage,
): void {
  const directions = program.inputs.map((input, place) => weightsOf(input, place + 100));
  const along = gradients.reduce((total: Tensor | undefined, gradient, place) => {
    if (gradient === null) return total;
    const term = sum(multiply(gradient, toTensor(directions[place]!)));
    return total === undefined ? term : add(total, term);
  }, undefined);
  // Where one derivative is infinite, what it is multiplied with is NaN, and so are all of the second.
  if (along === undefined || along.stopGradient || !Number.isFinite(along.item())) return;
  const second = grad(along, leaves, { allowUnused: true });
  const moved = (shift: number): number[][] => {
    const inputs = program.inputs.map((input, place) => ({
      ...input,
      values: input.values.map((value, at) => Number(value) + shift * Number(directions[place]!.values[at])),
    }));
    const at = inputs.map((input) => toTensor(input, false));
    const total = lossOf(program, at, weights);
    return grad(total!, at, { allowUnused: true }).map((one) => (one === null ? [] : [...one.dataSync()].map(Number)));
  };
  if (!isSteady(program, (input, at) => step * Math.abs(Number(directions[input]!.values[at])))) return;
  const samples = new Map([step, -step, step / 2, -step / 2, step / 4, -step / 4].map((shift) => [shift, moved(shift)]));
  second.forEach((one, place) => {
    const elements = one === null ? [] : [...one.dataSync()].map(Number);
    for (let at = 0; at < Math.min(program.inputs[place]!.values.length, compared); at++) {
      coverage.elements++;
      const expected = difference((shift) => {
        const total = samples.get(shift)?.[place]?.[at] ?? 0;
        return { total, size: 16 * Math.abs(total) + 1 };
      });
      const got = elements[at] ?? 0;
      if (expected === undefined) coverage.open++;
      else if (!(Math.abs(got - expected.value) <= expected.error))
        throw new Mismatch(
          `the second derivative of v${place} at ${at} is ${got} instead of ${expected.value} within ${expected.error}`,
        );
    }
  });
}
