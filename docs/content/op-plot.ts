/**
 * The plot of an op that is a function of one real variable, and of its derivative, both computed by the library. Which ops are such
 * functions is read off their graphs: one tensor goes in, and nothing but elementwise functions, numbers and constants work on it.
 */
import { traceOp } from '../../codegen/commands/trace.js';
import { grad, type Tensor, tensor, tidy } from '../../entry/index.js';
import type { OpDefinition } from '../../kernels/op.js';
import { callOne } from '../../runtime/dispatch.js';
import { definitionOf } from '../../runtime/registry.js';
import type { DocumentedOp } from './library.js';
import { type Curve, curveChart } from './plot.js';

const points = 481;

/** The chart as SVG; undefined for an op that is no function of one variable. */
export function opPlot({ op, definition }: DocumentedOp): string | undefined {
  if (!isFunctionOfOneVariable(definition)) return undefined;
  const [left, right] = domainOf(op.name);
  const places = Array.from({ length: points }, (_, index) => left + ((right - left) * index) / (points - 1));
  const { values, slopes } = evaluate(op.name, places);
  const curve = (label: string, ys: readonly number[]): Curve => ({
    label,
    points: places.map((x, index) => [x, ys[index] ?? Number.NaN]),
  });
  const curves = [curve(`${op.name}(x)`, values), ...(slopes === undefined ? [] : [curve('derivative', slopes)])];
  return curveChart(`${op.name} of x from ${left} to ${right}${slopes === undefined ? '' : ', with its derivative'}`, curves);
}

function isFunctionOfOneVariable(definition: OpDefinition): boolean {
  const [input, ...others] = definition.inputs;
  if (input === undefined || input.list || others.some(({ optional }) => !optional) || definition.random) return false;
  if (definition.attrs.some(({ required }) => required) || definition.outputs.length !== 1 || definition.body.kind === 'view')
    return false;
  try {
    const meta = { shape: [points], dtype: 'float32' } as const;
    const { graph, results } = traceOp(definition, { [input.name]: meta }, {});
    const [result] = Object.values(results);
    if (result === undefined || Array.isArray(result) || !('dtype' in result) || result.dtype !== 'float32') return false;
    const elementwise = graph.nodes.every(
      ({ kind }) => kind === 'input' || kind === 'scalar' || kind === 'map' || kind === 'expand',
    );
    return elementwise && graph.nodes.some(({ kind }) => kind === 'map');
  } catch {
    return false;
  }
}

/** From -5 to 5, or the part of it where the function is defined, when that is narrower. */
function domainOf(name: string): readonly [number, number] {
  const places = Array.from({ length: 101 }, (_, index) => -5 + index / 10);
  const { values } = evaluate(name, places);
  const defined = places.filter((_, index) => Number.isFinite(values[index]));
  const [first = -5, last = 5] = [defined[0], defined.at(-1)];
  const isNarrow = last - first < 4;
  return isNarrow ? [first - 0.25, last + 0.25] : [first > -4 ? Math.min(first, -0.5) : -5, last < 4 ? Math.max(last, 0.5) : 5];
}

function evaluate(
  name: string,
  places: readonly number[],
): { readonly values: readonly number[]; readonly slopes?: readonly number[] } {
  return tidy(() => {
    const x = tensor([...places], { dtype: 'float64', stopGradient: false });
    const y = callOne(definitionOf(name), [x]);
    const values = numbersOf(y);
    if (y.stopGradient) return { values };
    const [slope] = grad(y.sum(), [x]);
    return slope === undefined || slope === null ? { values } : { values, slopes: numbersOf(slope) };
  });
}

const numbersOf = (value: Tensor): readonly number[] => Array.from(value.dataSync(), Number);
