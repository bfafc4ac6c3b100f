/** Faults in the lowering of fused kernels, and in the partition that makes them. */
import type { PickedFaults } from '../picked.js';
import { elementwise, fusion, reductions } from './plans.js';

const tail = 'off-by-one loop bound or vector tail';

export const lowering: readonly PickedFaults[] = [
  {
    file: 'kernels/lower/fused',
    plan: reductions,
    faults: [
      ['overrun', 'min(add(start, param(tile)), param(size))', 'add(start, param(tile))'],
      ['overrun', "min(add(from, param('chunk')), size)", "add(from, param('chunk'))"],
      ['overrun', "param(this.variant.reduced > 1 ? reducedSize(0) : 'n')", "param('n')"],
      [tail, "outer.for('k', whole, last,", "outer.for('k', add(whole, 1), last,", elementwise],
      [tail, "outer.for('j', 0, param('n'),", "outer.for('j', 1, param('n'),", elementwise],
      [tail, '{ step: together }', '{ step: 1 }'],
      ['wrong stride', 'mul(index, param(innerStride(operand)))', 'index', elementwise],
      ['wrong stride', 'sub(0, index)', 'index', elementwise],
      [
        'wrong stride',
        'mul(index, param(keptStride(operand, dimension)))',
        'mul(index, param(keptStride(0, dimension)))',
        elementwise,
      ],
      ['wrong stride', 'body.let(`i${dimension}`, rem(rest, size))', 'body.let(`i${dimension}`, div(rest, size))', elementwise],
      ['wrong stride', "rem(item, param('parts'))", "div(item, param('parts'))"],
      ['wrong stride', "mul(outerRow, param('n'))", "mul(outerRow, param('tile'))"],
      ['wrong stride', 'mul(index, param(reducedStride(operand, depth)))', 'mul(index, param(reducedStride(operand, 0)))'],
      [
        'wrong dtype conversion',
        "node.map === 'cast' && (isFloat(args[0]) || isComplexType(args[0].type))",
        'false',
        elementwise,
      ],
      ['wrong dtype conversion', 'narrow(this.kernel.nodes[node].dtype, this.reduceOf(node), folded)', 'folded'],
      ['wrong dtype conversion', "node.args.some((arg) => this.kernel.nodes[arg].op === 'scalar')", 'false', elementwise],
      [
        'wrong partition of a graph',
        'this.passes[node] <= pass && !reductions.includes(node)',
        'this.passes[node] < pass',
        fusion,
      ],
      [
        'wrong partition of a graph',
        '!scope.suffix.endsWith(`p${this.passes[node]}`)',
        'scope.suffix.endsWith(`p${this.passes[node]}`)',
      ],
    ],
  },
  {
    file: 'kernels/lower/values',
    plan: reductions,
    faults: [
      ['wrong reduction identity', "return limits[dtype]?.[0] ?? '-inf';", 'return 0;'],
      ['wrong reduction identity', "return limits[dtype]?.[1] ?? 'inf';", 'return 0;'],
      ['wrong reduction identity', 'return 1;', 'return 0;'],
      ['wrong reduction identity', 'return 0;', 'return 1;'],
      ['wrong reduction identity', "int64: ['-9223372036854775808', ", "int64: ['-9007199254740992', "],
      ['wrong reduction identity', 'int16: [-32768, 32767]', 'int16: [-32767, 32767]', elementwise],
      ['wrong dtype conversion', 'return and(value, 0xff);', 'return value;', elementwise],
      ['wrong dtype conversion', 'shr(shl(value, 24), 24)', 'shr(shl(value, 24), 25)', elementwise],
      ['wrong dtype conversion', 'return shr(shl(value, 16), 16);', 'return value;', elementwise],
      ['wrong dtype conversion', 'constant(value.type, highest))', "constant(value.type, 'inf'))", elementwise],
      ['wrong dtype conversion', 'int8: [-128, 127]', 'int8: [-127, 127]', elementwise],
      ['wrong formula', 'return mul(before, value);', 'return add(before, value);'],
    ],
  },
  {
    file: 'kernels/lower/stashes',
    plan: {
      ops: ['softmax', 'logSoftmax', 'logsumexp', 'layerNorm', 'crossEntropy', 'std', 'norm'],
      suites: ['random-programs'],
    },
    faults: [
      ['wrong partition of a graph', 'passes[produced] >= lastUse', 'true'],
      ['wrong partition of a graph', 'dtype === node.dtype && ', ''],
    ],
  },
  {
    file: 'kernels/lower/space',
    plan: elementwise,
    faults: [
      ['wrong stride', 'stride === dimension.strides[operand] * dimension.size', 'true'],
      ['wrong stride', 'before.reduced === dimension.reduced &&', '', reductions],
      ['wrong stride', 'shape[axis] === 1 ? 0 : strides[axis]', 'strides[axis]'],
      ['wrong stride', 'step *= size;', 'step += size;', { ops: ['rand', 'randperm', 'randint'], suites: ['random-ops'] }],
    ],
  },
  {
    file: 'kernels/lower/steps',
    plan: reductions,
    faults: [
      ['wrong stride', 'position === axis ? 1 : 0', '1', { ops: ['iota', 'arange', 'eye', 'oneHot', 'argmax'] }],
      ['wrong stride', 'placed[axis] = aligned[position]', 'placed[position] = aligned[position]'],
    ],
  },
  {
    file: 'kernels/lower/bind',
    plan: reductions,
    faults: [
      [tail, 'Math.ceil(size / chunk)', 'Math.floor(size / chunk)'],
      [tail, 'Math.ceil(inner.size / tile)', 'Math.floor(inner.size / tile)'],
      [tail, 'Math.ceil(inner.size / width)', 'Math.floor(inner.size / width)', elementwise],
      [tail, 'Math.ceil(across.size / height)', 'Math.floor(across.size / height)', elementwise],
      ['overrun', 'rows * bytesOf[storage]', '(rows - 1) * bytesOf[storage]'],
      ['overrun', 'rows * parts * bytesOf', '(rows * parts - 1) * bytesOf'],
      ['overrun', 'dimension.size === 0 && !dimension.reduced', 'false', elementwise],
      ['wrong stride', 'rowsAfter * parts', 'rowsAfter'],
      ['wrong stride', 'params[innerStride(operand)] = stride;', 'params[innerStride(operand)] = -stride;', elementwise],
      ['wrong partition of a graph', "kernel.outputs.every((output) => output.level === 'row')", 'true'],
      ['wrong partition of a graph', 'Math.max(...passes) === 1 && ', ''],
    ],
  },
  {
    file: 'kernels/partition',
    plan: fusion,
    faults: [
      ['wrong partition of a graph', "placement === 'full' && own === 'kept'", 'true'],
      ['wrong partition of a graph', '!this.outsidePath(group, other) && !this.outsidePath(other, group)', 'true'],
      ['wrong partition of a graph', 'externals.some((arg) => this.dependsOn(arg, new Set([group, ...mergeable])))', 'false'],
      ['wrong partition of a graph', 'other.axes !== null && !same(group.axes, other.axes)', 'false'],
      ['wrong partition of a graph', 'free || same(group.axes, node.axes)', 'true'],
      ['wrong partition of a graph', 'this.dependsOn(node.arg, new Set([group]))', 'false'],
      ['wrong partition of a graph', 'this.graph.outputs.includes(user)', 'false'],
      ['wrong partition of a graph', "node.kind === 'result' && needed.has(node.of)", 'false'],
      ['wrong partition of a graph', 'same(node.shape, group.shape) && this.fits(', 'this.fits('],
      ['wrong partition of a graph', 'for (const source of this.sourcesOf(group))', 'for (const source of [])'],
      ['wrong partition of a graph', "level: placement === 'full' ? 'element' : 'row',", "level: 'element',"],
      ['wrong partition of a graph', "member ? (this.placements.get(node.id) ?? 'full') : placement", 'placement'],
      ['wrong dtype conversion', "half && this.groupOf.has(id) && !this.isSeen(id) ? 'float32' : dtype", 'dtype'],
    ],
  },
  {
    file: 'kernels/graph',
    plan: fusion,
    faults: [
      ['wrong dtype conversion', "(same && (map === 'cast' ||", "(map === 'cast' || (same &&", elementwise],
      ['wrong dtype conversion', 'call.weak ? [new TracedValue(value.id, value.shape, value.dtype, true)] : [value]', '[value]'],
      ['wrong dtype conversion', '!value.weak || value.dtype === dtype', 'true'],
      [
        'wrong partition of a graph',
        "name === 'op' ? value.name : value",
        "name === 'op' ? value.name : name === 'axes' ? 0 : value",
      ],
      [
        'wrong partition of a graph',
        "name === 'op' ? value.name : value)",
        "name === 'op' ? value.name : name === 'attrs' ? 0 : value)",
      ],
      ['wrong shape rule', 'keepdim: attrs.keepdim === true', 'keepdim: false', reductions],
    ],
  },
];
