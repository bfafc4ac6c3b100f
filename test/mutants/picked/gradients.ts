/** Faults in reverse mode: over recorded calls, and in the generator's derivation. */
import type { PickedFaults } from '../picked.js';
import { gradients } from './plans.js';

const books = 'wrong bookkeeping of a call';
const rule = 'wrong derivative rule';

export const reverseMode: readonly PickedFaults[] = [
  {
    file: 'runtime/autograd',
    plan: gradients,
    faults: [
      [rule, 'before === undefined ? value : this.sum(before, value)', 'value'],
      [rule, 'before === undefined ? own : this.sum(before, own)', 'own'],
      [rule, 'node.order > latest.order', 'node.order < latest.order'],
      [rule, 'value : ops.add(before, value)', 'value : ops.subtract(before, value)'],
      [
        'wrong saved value',
        'this.storage.version !== this.version',
        'false',
        { ops: ['sgdUpdate', 'batchNorm'], first: ['writes'], suites: ['autograd'] },
      ],
      ['wrong saved value', '`|${value.layout.form.id}`', "'|t'", { ...gradients, first: ['layout'] }],
      ['wrong saved value', 'gradients.map(({ input }) => input).join()', "''"],
      [books, '--this.node.holders === 0', 'false'],
      [books, '!createGraph && options.retainGraph !== true', '!createGraph'],
      [books, '!createGraph && options.retainGraph !== true', 'false'],
      [books, 'withRecording(createGraph, () => {', 'withRecording(true, () => {'],
      [books, 'withRecording(false, () => {', 'withRecording(true, () => {'],
      [books, 'enabled = before;', ''],
      ['dropped constraint', '!sameShape(gradient.shape, root.shape)', 'false'],
      ['dropped constraint', 'gradient.dtype !== root.dtype', 'false'],
      ['dropped constraint', 'root.size !== 1', 'false'],
    ],
  },
  {
    file: 'codegen/lang/reverse-mode',
    plan: { ops: [], suites: ['differentiate'] },
    faults: [
      [rule, 'guarded(guards, term.condition, false)', 'guarded(guards, term.condition, true)'],
      [
        rule,
        "this.#graph.callInOrder('add', [left, right], left.span)",
        "this.#graph.callInOrder('subtract', [left, right], left.span)",
      ],
      [rule, 'branch(true), branch(false)', 'branch(false), branch(true)'],
      [
        rule,
        'this.#graph.conditional(isThis(place), gradient, this.zeros(item),',
        'this.#graph.conditional(isThis(place), gradient, gradient,',
      ],
    ],
  },
  {
    file: 'codegen/lang/differentiate',
    plan: { ops: [], suites: ['differentiate'] },
    faults: [
      ['missing un-broadcast', "isShared || op.body.kind === 'map' || ", 'isShared || '],
      ['missing un-broadcast', "isShared || op.body.kind === 'map' || ", "op.body.kind === 'map' || "],
      [rule, 'output.writes === undefined && outputMayBeFloating(', 'outputMayBeFloating('],
    ],
  },
];
