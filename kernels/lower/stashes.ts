/**
 * Which values of a fused kernel are kept for a later pass rather than computed again. The place is an output that is not written before
 * the last pass that reads the value: it costs no memory. How stashes are written and read is fused.ts's.
 */
import { type FusedKernel, schedule } from '../fused.js';
import { mapOperations } from '../map-operations.js';
import { scratchStorage } from './values.js';

/** Heavy element values that later passes read again: node -> output number. */
export function planStashes(kernel: FusedKernel): ReadonlyMap<number, number> {
  const { levels, passes } = schedule(kernel);
  const stashes = new Map<number, number>();
  const lastPass = Math.max(0, ...passes);
  if (lastPass === 0) return stashes;
  const free = kernel.outputs.flatMap((output, index) => (output.level === 'element' ? [index] : []));
  const computed = Array.from({ length: lastPass + 1 }, (_, pass) => computedIn(kernel, passes, pass));
  kernel.nodes.forEach((node, index) => {
    if (node.op !== 'map' || levels[index] !== 'element' || !mapOperations[node.map]!.heavy) return;
    const own = passes[index]!;
    const lastUse = computed.findLastIndex((nodes) => nodes.has(index));
    if (!computed[own]!.has(index) || lastUse <= own) return;
    const place = free.findIndex((output) => {
      const { dtype, node: produced } = kernel.outputs[output]!;
      return dtype === node.dtype && scratchStorage(dtype) === dtype && passes[produced]! >= lastUse;
    });
    if (place >= 0) stashes.set(index, free.splice(place, 1)[0]!);
  });
  return stashes;
}

/** The nodes that the loop of a pass computes: what its reductions and element outputs are made of. */
function computedIn(kernel: FusedKernel, passes: readonly number[], pass: number): Set<number> {
  const computed = new Set<number>();
  const visit = (node: number): void => {
    if (computed.has(node)) return;
    computed.add(node);
    const data = kernel.nodes[node]!;
    if (data.op === 'map') for (const arg of data.args) visit(arg);
  };
  kernel.nodes.forEach((node, index) => {
    if (node.op === 'reduce' && passes[index] === pass + 1) visit(node.arg);
  });
  for (const { node, level } of kernel.outputs) if (level === 'element' && passes[node] === pass) visit(node);
  return computed;
}
