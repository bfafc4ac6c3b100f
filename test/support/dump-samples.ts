/**
 * Prints every sample of ops.yaml as JSON, for test/golden/make.py: `node dist/test/support/dump-samples.js`.
 */
import { readFileSync } from 'node:fs';
import { loadSpec } from '../../codegen/spec/load.js';
import { sampleData } from '../../codegen/spec/sample-data.js';
import { SourceFile } from '../../codegen/spec/source.js';

const { model } = loadSpec(new SourceFile('ops.yaml', readFileSync('ops.yaml', 'utf8')));
const ops = [...model.ops.values()].map((op) => ({
  op: op.name,
  internal: op.internal,
  random: op.random,
  inputs: op.inputs.map((input) => input.name),
  /** Inputs that have a gradient, unless they are integers in a sample. */
  differentiable: op.inputs.map((input) => input.name).filter((name) => !hasNone(op.gradients, name)),
  defaults: Object.fromEntries(op.attrs.filter((attr) => !attr.required).map((attr) => [attr.name, attr.default])),
  outputs: op.outputs.filter((output) => !output.hidden).map((output) => output.name),
  samples: op.samples.map((sample) => sampleData(model, op, sample)),
}));
process.stdout.write(JSON.stringify(ops));

function hasNone(gradients: readonly { readonly name: string; readonly program: unknown }[], name: string): boolean {
  return gradients.some((gradient) => gradient.name === name && gradient.program === undefined);
}
