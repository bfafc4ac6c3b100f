/** Faults in how calls are prepared, run and cleaned up after, and in what they run on. */
import type { Plan } from '../mutant.js';
import type { PickedFaults } from '../picked.js';
import { calls, elementwise } from './plans.js';

const books = 'wrong bookkeeping of a call';
const convert = 'wrong dtype conversion';

const writing: Plan = {
  ops: ['sgdUpdate', 'momentumUpdate', 'adamUpdate', 'batchNorm'],
  first: ['writes'],
  suites: ['autograd', 'optimizer', 'nn'],
};
const scalars: Plan = {
  ops: ['clip', 'leakyRelu', 'dropout', 'scale', 'sgdUpdate'],
  suites: ['autograd', 'optimizer', 'tensor', 'random-programs'],
};
const dtypes: Plan = { ops: [], suites: ['arguments', 'random-programs'] };
const threads: Plan = { ops: [], suites: ['threads', 'cpu-device'] };
const memory: Plan = { ops: ['add'], suites: ['cpu-device', 'memory', 'tensor'] };

export const calling: readonly PickedFaults[] = [
  {
    file: 'runtime/dispatch',
    plan: calls,
    faults: [
      [books, 'slot.storage.version++;', '', writing],
      [books, "let key = recording ? 'g' : '';", "let key = '';"],
      [books, '`${slot.layout.form.id}${dtypeTags[slot.dtype]}`', '`${slot.layout.form.id}`', { ...calls, first: ['dtype'] }],
      [books, '`${slot.layout.form.id}${dtypeTags[slot.dtype]}`', 'dtypeTags[slot.dtype]'],
      [books, "Number.isInteger(slot) ? 'n' : 'f'", "'n'", dtypes],
      [books, "scalar ? '' : typeof value", "true ? '' : typeof value"],
      [books, "op.constrainsScalars && entry.kind === 'plan'", 'false', dtypes],
      [books, '{ ...call.attrs, ...scalarsOf(call.op, attrs) }', 'call.attrs', scalars],
      [books, 'made[i].dispose();', ''],
      [books, 'results[i].dispose();', '', writing],
      [convert, 'promote(so, slot.dtype)', 'so', dtypes],
      [convert, '!isDifferentiable(so) && !Number.isInteger(slot)', 'false'],
    ],
  },
  {
    file: 'runtime/plan-cache',
    plan: { ops: [], suites: ['plan-cache'] },
    faults: [
      [books, 'this.old.delete(key);', ''],
      [books, 'forgotten.free();', ''],
      [books, 'this.set(key, old);', ''],
    ],
  },
  {
    file: 'runtime/execute',
    plan: calls,
    faults: [
      [books, 'this.isInput.has(value) || plan.outputs.indexOf(value) < place', 'false'],
      [books, 'at === index && !kept.has(value)', 'at === index'],
      [books, 'at === index && !kept.has(value)', 'false'],
      [books, '!broadcast && !readLater', '!readLater', writing],
      [books, '!broadcast && !readLater', '!broadcast', { ops: [], suites: ['written-inputs'] }],
      [books, 'if (!direct.has(value))', 'if (false)', { ops: [], suites: ['written-inputs'] }],
      [
        books,
        'value?.dispose();',
        '',
        { ops: ['indexSelect', 'gather', 'embedding', 'crossEntropy', 'nllLoss'], first: ['errors'] },
      ],
      [
        books,
        'defaultGenerator.next(count)',
        'defaultGenerator.next(0)',
        { ops: ['rand', 'dropout'], suites: ['random-ops', 'nn'] },
      ],
    ],
  },
  {
    file: 'runtime/steps/fused',
    plan: calls,
    faults: [
      [books, 'this.device.free(address);', '', { ops: ['sum', 'softmax'], suites: ['memory', 'cpu-device', 'leak'] }],
      [
        'wrong stride',
        'scratch[rows[i].scratch]',
        'scratch[0]',
        { ops: ['variance', 'softmax', 'layerNorm', 'batchNorm', 'std'], suites: ['random-programs'] },
      ],
    ],
  },
  {
    file: 'runtime/steps/step',
    plan: { ops: ['where', 'full', 'logicalAnd', 'equal', 'add'], suites: ['random-programs', 'tensor'] },
    faults: [[convert, 'Number(value !== 0)', 'value | 0', { ops: [], suites: ['integers'] }]],
  },
  {
    file: 'runtime/steps/view',
    plan: calls,
    faults: [
      [
        'wrong stride',
        'offset === 0 ? this.resultLayout : stridedLayout(this.shape, this.strides, this.offset + offset)',
        'this.resultLayout',
      ],
      [books, 'base.dispose();', ''],
    ],
  },
  {
    file: 'runtime/steps/kernel',
    plan: {
      ops: ['rowsAdd', 'indexSelectGrad', 'scatterNdAdd', 'sliceGrad', 'embedding', 'gather', 'sort'],
      suites: ['random-programs'],
    },
    faults: [
      ['overrun', "body.kind === 'kernel' && body.zeroed", 'false'],
      [books, 'out.dispose();', ''],
    ],
  },
  {
    file: 'runtime/layout',
    plan: calls,
    faults: [
      ['wrong stride', 'size !== 1 && strides[axis] !== expected', 'size > 2 && strides[axis] !== expected'],
      ['wrong stride', 'offset === 0 && isContiguous(shape, strides)', 'isContiguous(shape, strides)'],
      ['wrong stride', 'layout.offset !== offset || ', ''],
      ['wrong stride', 'strides === null ? layout.contiguous : sameNumbers(layout.strides, strides)', 'true'],
    ],
  },
  {
    file: 'runtime/tensor',
    plan: calls,
    faults: [
      ['wrong stride', 'if (reach < 0)', 'if (false)'],
      ['wrong stride', 'from -= strides[axis] * shape[axis];', 'from -= strides[axis];'],
      ['off-by-one loop bound or vector tail', 'if (index[axis] < shape[axis])', 'if (index[axis] <= shape[axis])'],
    ],
  },
  {
    file: 'runtime/copies',
    plan: {
      ops: ['reshape', 'flatten', 'sort', 'cumsum', 'gather', 'batchNorm'],
      first: ['layout'],
      suites: ['random-programs'],
    },
    faults: [
      ['wrong stride', 'tensor.storage.address + tensor.layout.offset * bytesOf[tensor.dtype]', 'tensor.storage.address'],
      ['wrong stride', '[from.strides[axis], to.strides[axis]]', '[from.strides[axis], from.strides[axis]]'],
    ],
  },
  {
    file: 'runtime/random',
    plan: { ops: ['rand'], suites: ['random', 'random-ops'] },
    faults: [
      ['wrong formula', 'offsetLow + Math.ceil(count / 4)', 'offsetLow + Math.floor(count / 4)'],
      ['wrong formula', 'offsetHigh + Math.floor(advanced / 2 ** 32)', 'offsetHigh'],
    ],
  },
  {
    file: 'kernels/call',
    plan: { ...calls, first: ['errors', 'misuse'] },
    faults: [
      ['dropped constraint', 'new Set(fitted).size !== fitted.length', 'false'],
      ['dropped constraint', 'axis < -rank || axis >= rank', 'axis < -rank || axis > rank'],
      ['dropped constraint', 'axis < -rank || axis >= rank', 'axis < -rank - 1 || axis >= rank'],
      [
        'dropped constraint',
        'value.length === 2 && value.every(Number.isSafeInteger)',
        'value.every(Number.isSafeInteger)',
        { ops: ['maxPool2d', 'conv2d', 'pad', 'unfold'], first: ['errors', 'misuse'] },
      ],
      [
        'dropped constraint',
        'negative !== undefined',
        'false',
        { ops: ['zeros', 'full', 'reshape', 'expand', 'rand'], first: ['errors', 'misuse'] },
      ],
      ['dropped constraint', '!op.attrs.some((attr) => attr.name === name)', 'false'],
      ['dropped constraint', 'allowed !== undefined && !allowed.includes(got)', 'false'],
      [
        'dropped constraint',
        'allowed === undefined && got !== expected',
        'false',
        { ops: ['where', 'maskedSelect', 'logicalAnd', 'convolution'], first: ['errors', 'misuse'] },
      ],
      ['wrong shape rule', 'axis < 0 ? axis + rank : axis', 'axis'],
      ['wrong shape rule', 'fitted.sort((a, b) => a - b)', 'fitted', dtypes],
      [
        convert,
        "allowed.includes('float64') ? 'float64' : allowed[0]",
        'allowed[0]',
        { ops: ['add', 'where', 'pow'], suites: ['autograd', 'tensor', 'random-programs'] },
      ],
    ],
  },
  {
    file: 'runtime/memory',
    plan: { ops: [], suites: ['memory'] },
    faults: [
      [books, 'outer?.push(tensor);', ''],
      [books, 'tensor.isKept || tensor.isDisposed', 'tensor.isDisposed'],
    ],
  },
  {
    file: 'runtime/storage',
    plan: memory,
    faults: [
      [books, '--this.holders <= 0', '--this.holders <= 1'],
      [books, '--this.holders <= 0', '--this.holders < 0'],
    ],
  },
  {
    file: 'runtime/devices/cpu/allocator',
    plan: memory,
    faults: [
      ['overrun', '(bytes + granule - 1) >>> 6', 'bytes >>> 6'],
      ['overrun', 'granules * granule > classSizes[index]', 'granules * granule > classSizes[index] + granule'],
      ['overrun', 'Math.ceil(bytes / pageBytes)', 'Math.floor(bytes / pageBytes)'],
      [books, 'this.stacks[index].removeRange(slab, slab + slabBytes);', ''],
    ],
  },
  {
    file: 'runtime/devices/cpu/page-runs',
    plan: memory,
    faults: [
      ['overrun', 'this.insert(found + pages, available - pages)', 'this.insert(found + pages - 1, available - pages + 1)'],
      [books, 'this.lengths[after] < 0', 'false'],
      [books, 'if (before < 0)', 'if (false)'],
    ],
  },
  {
    file: 'runtime/devices/cpu/pool',
    plan: threads,
    faults: [
      ['missing barrier', 'this.awaitWorkers(chunks - own);', 'true;'],
      ['missing barrier', 'this.threads === 1 || !this.isIdle()', 'this.threads === 1'],
      ['missing barrier', 'control[words.done] = 0;', ''],
      ['missing barrier', 'control[words.next] = 0;', ''],
      ['overrun', 'Math.min(work, (at + 1) * chunk)', '(at + 1) * chunk'],
    ],
  },
  {
    file: 'runtime/devices/cpu/worker-source',
    plan: threads,
    faults: [
      ['missing barrier', 'if (Atomics.load(control, ${words.open}) !== 0) help();', 'help();'],
      ['missing barrier', 'Atomics.add(control, ${words.active}, 1);', ''],
      ['missing barrier', 'if (Atomics.load(control, ${words.waiting}) === 1) Atomics.notify(control, ${words.done});', ''],
      ['overrun', 'Math.min(work, (at + 1) * chunk)', '(at + 1) * chunk'],
    ],
  },
  {
    file: 'runtime/devices/cpu/device',
    plan: elementwise,
    faults: [
      [books, 'this.heap.i32[word] = 0;', '', { ops: ['indexSelect', 'gather'], first: ['errors'], suites: ['cpu-device'] }],
      [
        'wrong stride',
        'u8.subarray(address, address + bytes.length)',
        'u8.subarray(address + 1, address + bytes.length + 1)',
        memory,
      ],
    ],
  },
  {
    file: 'runtime/optimizer/optimizer',
    plan: { ops: [], suites: ['optimizer'] },
    faults: [
      ['wrong formula', 'rate * batch.parameters[0].learningRate', 'rate'],
      [books, 'this.updates++;', ''],
      [books, 'parameter.peekGradient() === null || parameter.stopGradient', 'parameter.peekGradient() === null'],
    ],
  },
];
