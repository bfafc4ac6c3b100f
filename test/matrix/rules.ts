/**
 * The op's rules: what is generated from them against what they say in the spec, on each sample and on calls that differ from it in one
 * argument (codegen/spec/changed-samples.ts). A change that the rules refuse is refused, in their words, by the call too; one that they
 * accept gives tensors of the shapes that follow, or an OpwrightError that only the elements could tell.
 */
import { inferred } from '../../codegen/emit/refusals.js';
import { changedSamples } from '../../codegen/spec/changed-samples.js';
import type { SampleData } from '../../codegen/spec/sample-data.js';
import { RuleError } from '../../kernels/host.js';
import type { OpDefinition, TensorMeta } from '../../kernels/op.js';
import { definitionOf } from '../../runtime/registry.js';
import type { OpCase, TestSample } from './cases.js';
import { expectError } from './errors.js';
import { argumentList, evaluate, isRefusal, makeArguments, sampleElements, withArguments, withoutLeak } from './invoke.js';
import type { Report } from './report.js';

export function checkRules(test: OpCase, place: number, report: Report): void {
  const sample = test.samples[place]!;
  const definition = definitionOf(test.op);
  const wanted = JSON.stringify(sample.outputs);
  const given = JSON.stringify(inferred(definition, sample));
  if (given !== wanted) throw new Error(`the rules give ${wanted}, the generated ones ${given}`);
  report.count();
  for (const { change, sample: changed } of changedSamples(definition, sample)) {
    try {
      checkChange(test, definition, sample, change, changed);
    } catch (error) {
      throw new Error(`${change}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    report.count();
  }
}

function checkChange(test: OpCase, definition: OpDefinition, own: TestSample, change: string, changed: SampleData): void {
  const wanted = own.refusals[change];
  const given = inferred(definition, changed);
  if (given instanceof RuleError) {
    if (given.code !== wanted?.code || given.message !== wanted.message)
      throw new Error(`the generated rules say ${given.message}, the spec's ${wanted?.message ?? 'nothing against it'}`);
    withArguments(argumentsOf(test, changed), (inputs) => {
      expectError(test, argumentList(test, inputs, changed.attrs), wanted);
    });
  } else {
    if (wanted !== undefined) throw new Error(`the generated rules accept it, the spec's say ${wanted.message}`);
    // An internal op relies on its callers for what its rules do not say.
    if (!test.internal) checkAccepted(test, changed, given);
  }
}

const argumentsOf = (test: OpCase, { inputs }: SampleData) => makeArguments(sampleElements(test.op, 0, inputs));

/** The rules cannot know sizes that depend on elements, nor of places that are out of range. */
function checkAccepted(test: OpCase, sample: SampleData, metas: readonly TensorMeta[]): void {
  withoutLeak(() =>
    withArguments(argumentsOf(test, sample), (inputs) => {
      try {
        const outputs = evaluate(test, inputs, sample.attrs);
        if (test.outputs.some(({ hidden, writes, dataSized }) => hidden || writes !== null || dataSized)) return;
        const shapes = (of: readonly TensorMeta[]) => JSON.stringify(of.map(({ shape, dtype }) => [shape, dtype]));
        if (shapes(outputs) !== shapes(metas)) throw new Error(`gives ${shapes(outputs)}, the rules ${shapes(metas)}`);
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
    }),
  );
}
