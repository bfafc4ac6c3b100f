/**
 * Fused kernels: what the partition makes of a group of elementwise functions and reductions, before it has loops.
 *
 * A fused kernel runs over an iteration space whose axes are *kept* or *reduced*. Its nodes are values of one element ("element"
 * level) or of one row, that is, of one place along the kept axes ("row" level: reductions and what follows from them). It says
 * nothing of rank, sizes or strides: those are the binding's (kernels/lower). Two kernels with equal `key` are the same kernel.
 */
import type { Dtype, MapOp, ReduceKind } from './op.js';

export interface FusedInput {
  readonly dtype: Dtype;
  /** A virtual operand: reading it gives the offset that its strides lead to, so strides [0, 1] make it the column number. */
  readonly virtual?: boolean;
  /** Read once a row, its shape being the row's. */
  readonly level: 'element' | 'row';
}

export type FusedNode =
  | { readonly op: 'input'; readonly input: number; readonly dtype: Dtype }
  /** A number handed in at launch: a literal, an attribute, or what stands in for a tensor argument. */
  | { readonly op: 'scalar'; readonly scalar: number; readonly dtype: Dtype }
  | { readonly op: 'map'; readonly map: MapOp; readonly args: readonly number[]; readonly dtype: Dtype }
  | { readonly op: 'reduce'; readonly reduce: ReduceKind; readonly arg: number; readonly dtype: Dtype };

export interface FusedOutput {
  readonly node: number;
  readonly dtype: Dtype;
  readonly level: 'element' | 'row';
}

export interface FusedKernel {
  readonly key: string;
  readonly inputs: readonly FusedInput[];
  readonly scalars: readonly Dtype[];
  /** In an order in which arguments come first. */
  readonly nodes: readonly FusedNode[];
  readonly outputs: readonly FusedOutput[];
}

export function fusedKernel(parts: Omit<FusedKernel, 'key'>): FusedKernel {
  return { ...parts, key: JSON.stringify([parts.inputs, parts.scalars, parts.nodes, parts.outputs]) };
}

/** Fusion limits. More operands than this and registers spill; more nodes and kernels take longer to compile than they save. */
export const fusionLimits = { operands: 24, nodes: 160 } as const;

export type Level = 'uniform' | 'row' | 'element';

/** The level of each node, and the pass it belongs to: a reduction's value is there one pass after its argument. */
export function schedule(kernel: FusedKernel): { readonly levels: readonly Level[]; readonly passes: readonly number[] } {
  const levels: Level[] = [];
  const passes: number[] = [];
  for (const node of kernel.nodes) {
    switch (node.op) {
      case 'input':
        levels.push(kernel.inputs[node.input]!.level);
        passes.push(0);
        break;
      case 'scalar':
        levels.push('uniform');
        passes.push(0);
        break;
      case 'map': {
        const argLevels = node.args.map((arg) => levels[arg]!);
        levels.push(argLevels.includes('element') ? 'element' : argLevels.includes('row') ? 'row' : 'uniform');
        passes.push(Math.max(0, ...node.args.map((arg) => passes[arg]!)));
        break;
      }
      case 'reduce':
        levels.push('row');
        passes.push(passes[node.arg]! + 1);
        break;
    }
  }
  return { levels, passes };
}
