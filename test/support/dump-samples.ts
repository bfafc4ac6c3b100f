/**
 * Prints every sample of ops.yaml as JSON, for test/golden/make.py: `node dist/test/support/dump-samples.js`.
 */
import { readFileSync } from 'node:fs';
import { spelled } from '../../codegen/emit/records.js';
import type { Expression } from '../../codegen/lang/ast.js';
import { loadSpec } from '../../codegen/spec/load.js';
import type { Input } from '../../codegen/spec/model.js';
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
  /** By output, the inputs of its dtype. */
  dtypes: Object.fromEntries(op.outputs.map((output) => [output.name, inputsOfDtype(op.inputs, output.dtype)])),
  samples: op.samples.map((sample) => sampleData(model, op, sample)),
}));
process.stdout.write(JSON.stringify(ops, spelled));

function inputsOfDtype(inputs: readonly Input[], dtype: Expression): readonly string[] {
  const isSame = (input: Input) => dtype.kind === 'name' && input.dtype.kind === 'name' && input.dtype.name === dtype.name;
  return inputs.filter(isSame).map(({ name }) => name);
}

function hasNone(gradients: readonly { readonly name: string; readonly program: unknown }[], name: string): boolean {
  return gradients.some((gradient) => gradient.name === name && gradient.program === undefined);
}
