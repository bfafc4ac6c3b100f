/** What DEBUG=opwright:plan and opwright:graph print when a plan is made. `opwright explain` shows the same, and more, ahead of time. */
import type { Graph, GraphNode } from '../kernels/graph.js';
import type { Plan, Step } from '../kernels/partition.js';
import { debugging, report } from './debug.js';

/** `what` names the op, or the gradients of one. */
export function reportPlan(what: string, graph: Graph, plan: Plan, start: number): void {
  if (debugging.graph) report('graph', `${what}\n${graph.nodes.map(nodeText).join('\n')}`);
  if (debugging.plan) {
    const steps = plan.steps.map((step) => `  ${stepText(step)}`);
    report('plan', `${what}: ${(performance.now() - start).toFixed(2)} ms\n${steps.join('\n')}`);
  }
}

function nodeText(node: GraphNode): string {
  const { id, kind, shape, dtype } = node;
  const what =
    node.kind === 'map'
      ? `${node.map}(${node.args.map((arg) => `%${arg}`).join(', ')})`
      : node.kind === 'reduce'
        ? `${node.reduce}(%${node.arg}) over ${node.axes.join(', ')}`
        : node.kind === 'op'
          ? node.op.name
          : node.kind === 'input'
            ? node.slot
            : kind;
  return `  %${id} = ${what}: ${dtype} [${shape.join(', ')}]`;
}

function stepText(step: Step): string {
  if (step.kind === 'op') return `${step.op.name} -> ${step.outputs.map((value) => `%${value}`).join(', ')}`;
  const reads = step.inputs.map(({ value }) => (value < 0 ? 'place' : `%${value}`)).join(', ');
  const over = step.axes.length === 0 ? '' : `, reduced along ${step.axes.join(', ')}`;
  const writes = step.outputs.map(({ value }) => `%${value}`).join(', ');
  return `fused kernel of ${step.kernel.nodes.length} nodes over [${step.shape.join(', ')}]${over}: ${reads} -> ${writes}`;
}
