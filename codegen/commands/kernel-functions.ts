/**
 * The kernel functions of kernels/functions, for commands that run definitions without generated code.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckedModel } from '../lang/check.js';
import { kernelDiagnostics } from '../lang/check-kernels.js';
import type { KernelFunctions } from '../lang/definitions.js';
import { UsageError } from './command.js';
import { packageRoot } from './package-root.js';
import { type CheckedSpec, inOrder, loadSpecs, type SpecSelection } from './spec-files.js';

/** Where their sources are. A published package has them too, so that op packs can be generated anywhere. */
export function functionsFolder(): string {
  const folder = join(packageRoot(), 'kernels', 'functions');
  if (!existsSync(folder)) throw new UsageError(`there is no folder of kernel functions ${folder}`);
  return folder;
}

/** All of them, or none where no op of the spec needs one: the compiler behind them takes half a second to load. */
export async function kernelFunctions({ ops }: CheckedModel): Promise<KernelFunctions> {
  if (![...ops.values()].some(({ op }) => op.body.kind === 'function')) return new Map();
  const { compileKernelFunctions } = await import('../functions/compile.js');
  const folder = functionsFolder();
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && name !== 'language.ts');
  const kernels = compileKernelFunctions(files.map((name) => join(folder, name)));
  return new Map(kernels.map((kernel) => [kernel.name, kernel]));
}

/** Reads and checks specs together with the kernels that their entries name. */
export async function loadWithKernels(selection: SpecSelection): Promise<CheckedSpec & { readonly kernels: KernelFunctions }> {
  const spec = loadSpecs(selection);
  const kernels = await kernelFunctions(spec.checked);
  const diagnostics = [...spec.diagnostics, ...kernelDiagnostics(spec.checked.model, kernels)];
  return { ...spec, kernels, diagnostics: inOrder(spec.sources, diagnostics) };
}
