/**
 * The kernels of `function` and `index` bodies for the commands that run definitions without generated code: compiled when the first
 * of them is asked for, as the TypeScript compiler behind kernel functions takes half a second to load.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { count } from '../../kernels/host.js';
import type { Kernel } from '../../kernels/ir.js';
import type { Argument, Arguments, TensorMeta } from '../../kernels/op.js';
import type { CheckedModel, CheckedOp } from '../lang/check.js';
import { type KernelSource, kernelFunctionBody, type OpBodyOf } from '../lang/definitions.js';
import { compileIndexKernel, type SizeSource } from '../lang/index-kernel.js';
import type { Op } from '../spec/model.js';
import { UsageError } from './command.js';
import { packageRoot } from './package-root.js';

/** The folder of kernel functions. Published packages have them too, so that op packs can be generated anywhere. */
export function functionsFolder(): string {
  const folder = join(packageRoot(), 'kernels', 'functions');
  if (!existsSync(folder)) throw new UsageError(`there is no folder of kernel functions ${folder}`);
  return folder;
}

/** Compiles kernel functions only if a spec has ops that need them. */
export async function kernelSource(model: CheckedModel): Promise<KernelSource> {
  const needed = [...model.ops.values()].some(({ op }) => op.body.kind === 'function');
  const functions = needed ? await compiledFunctions() : new Map<string, Kernel>();
  return (checked) => {
    const { body } = checked.op;
    if (body.kind === 'index') return indexBody(checked);
    const kernel = body.kind === 'function' ? functions.get(body.function) : undefined;
    return kernel && kernelFunctionBody(model, checked, kernel);
  };
}

async function compiledFunctions(): Promise<ReadonlyMap<string, Kernel>> {
  const { compileKernelFunctions } = await import('../functions/compile.js');
  const folder = functionsFolder();
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && name !== 'language.ts');
  return new Map(compileKernelFunctions(files.map((name) => join(folder, name))).map((kernel) => [kernel.name, kernel]));
}

/** The body of an op in index notation: its loops' lengths are read off the shapes. */
function indexBody({ op }: CheckedOp): OpBodyOf<'kernel'> {
  const { kernel, work, sizes } = compileIndexKernel(op);
  return {
    kind: 'kernel',
    kernel,
    call: (inputs, outputs) => {
      const params = Object.fromEntries([...sizes].map(([name, source]) => [name, sizeOf(op, source, inputs, outputs)]));
      return { work: work.reduce((product, name) => product * (params[`size_${name}`] ?? 1), 1), params };
    },
  };
}

function sizeOf(op: Op, source: SizeSource, inputs: Arguments<TensorMeta>, outputs: readonly TensorMeta[]): number {
  const { tensor, before, after, group } = source;
  const output = op.outputs.findIndex(({ name }) => name === tensor);
  const meta = output < 0 ? oneOf(inputs[tensor]) : outputs[output];
  if (meta === undefined) throw new TypeError(`${op.name} has no tensor ${tensor}`);
  const { shape } = meta;
  if (group) return count(shape.slice(before, shape.length - after));
  return shape.at(before) ?? 1;
}

function oneOf(argument: Argument<TensorMeta>): TensorMeta | undefined {
  return argument === undefined || 'shape' in argument ? argument : argument[0];
}
