/**
 * Gradients of broadcast inputs: each sample with one of its tensors narrower, by an axis of size 1 or fewer axes. Where the op takes that next
 * to its other tensors, the gradient must have the narrow shape, and agree with differences.
 */
import { inferred } from '../../codegen/emit/refusals.js';
import { narrowedSamples } from '../../codegen/spec/changed-samples.js';
import type { SampleData } from '../../codegen/spec/sample-data.js';
import { RuleError } from '../../kernels/host.js';
import { definitionOf } from '../../runtime/registry.js';
import type { OpCase } from './cases.js';
import { checkGradients } from './gradients.js';
import { evaluate, isRefusal, makeArguments, sampleElements, withArguments } from './invoke.js';
import type { Report } from './report.js';

export function checkBroadcast(test: OpCase, place: number, report: Report): void {
  const definition = definitionOf(test.op);
  const sample = test.samples[place]!;
  const tensors = Object.values(sample.inputs).filter((data) => typeof data !== 'number');
  if (test.internal || tensors.length < 2 || definition.gradients.length === 0) {
    report.skip(test.internal ? 'an internal op, which is never called so' : 'nothing to broadcast');
    return;
  }
  for (const { change, sample: narrowed } of narrowedSamples(definition, sample)) {
    const outputs = inferred(definition, narrowed);
    if (outputs instanceof RuleError) continue;
    // At a place of its own: goldens are of other elements.
    const samples = [...test.samples, { ...narrowed, outputs, refusals: {} }];
    if (refuses(test, narrowed)) {
      report.skip('elements that do not go with the narrow shape');
      continue;
    }
    try {
      checkGradients({ ...test, samples }, test.samples.length, report);
    } catch (error) {
      throw new Error(`${change}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

/** Places may lie beyond an axis that is narrow now. */
function refuses(test: OpCase, { inputs: data, attrs }: SampleData): boolean {
  try {
    withArguments(makeArguments(sampleElements(test.op, test.samples.length, data)), (inputs) => evaluate(test, inputs, attrs));
    return false;
  } catch (error) {
    if (isRefusal(error)) return true;
    throw error;
  }
}
