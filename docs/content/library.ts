/**
 * The library as the documentation sees it: the checked spec with everything that can be derived from an entry. Nothing of it is a list of
 * its own, so what is added to ops.yaml is documented by that.
 */

import { loadWithKernels } from '../../codegen/commands/kernel-functions.js';
import type { CheckedModel, CheckedOp } from '../../codegen/lang/check.js';
import { type KernelFunctions, makeOpDefinitions } from '../../codegen/lang/definitions.js';
import { renderDiagnostic } from '../../codegen/spec/diagnostic.js';
import type { OpDefinition } from '../../kernels/op.js';

export interface Library {
  readonly model: CheckedModel;
  readonly kernels: KernelFunctions;
  readonly definitions: ReadonlyMap<string, OpDefinition>;
  /** What users can call, in the spec's order. */
  readonly ops: readonly DocumentedOp[];
}

export interface DocumentedOp extends CheckedOp {
  readonly definition: OpDefinition;
}

export async function loadLibrary(): Promise<Library> {
  const { checked: model, kernels, diagnostics } = await loadWithKernels({});
  if (diagnostics.length > 0) throw new Error(diagnostics.map(renderDiagnostic).join('\n'));
  const definitions = makeOpDefinitions(model, kernels);
  const ops = [...model.ops.values()].flatMap((checked) => {
    const definition = definitions.get(checked.op.name);
    return definition === undefined || checked.op.internal ? [] : [{ ...checked, definition }];
  });
  return { model, kernels, definitions, ops };
}
