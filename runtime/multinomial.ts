/** Drawing places by weight. What weights are is looked at before anything is drawn, which no op can do: the call waits for them. */
import { tensorOf } from './create.js';
import type { TensorLike } from './dispatch.js';
import { formatValue, OpwrightError } from './errors.js';
import { tidy } from './memory.js';
import { checkOptions } from './options.js';
import { ops } from './registry.js';
import type { Tensor } from './tensor.js';

export interface MultinomialOptions {
  /** How many places to draw of each row; 1 if left out. */
  readonly numSamples?: number;
  /** Whether a place may be drawn several times. */
  readonly replacement?: boolean;
}

/** Places drawn with probabilities in the proportion of weights: of a vector [n] as [numSamples], of each row of a matrix [m, n] as [m, numSamples]. */
export function multinomial(x: TensorLike, options: MultinomialOptions = {}): Tensor {
  checkOptions('multinomial', options, ['numSamples', 'replacement']);
  const { numSamples = 1, replacement = false } = options;
  if (!Number.isInteger(numSamples) || numSamples < 1)
    throw refused('numSamples', `numSamples must be a whole number from 1 on, not ${formatValue(numSamples)}.`);
  return tidy(() => {
    const weights = tensorOf(x);
    if (ops.canDraw(weights, replacement ? 1 : numSamples).item() === 0)
      throw refused(
        'x',
        `Weights must be finite and not negative, and ${replacement ? 'one' : numSamples} of each row must be positive.`,
      );
    return ops.drawPlaces(weights, numSamples, replacement);
  });
}

function refused(argument: string, summary: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', summary, {
    op: 'multinomial',
    argument,
    remedy: 'Clip the weights to 0, or draw fewer places, or draw with { replacement: true }.',
  });
}
