/**
 * Kernels shared out between the threads of a GPU, on the interpreter: they give what they give item by item, whatever the number of
 * threads and groups, no thread depends on another one's turn, and what cannot be shared is left alone.
 */
import test, { type ExecutionContext } from 'ava';
import * as generated from '../generated/kernels.js';
import { add, F32, forItems, forLoop, I32, kernel, let_, load, local, param, set, store, variable } from '../kernels/build.js';
import { distribute } from '../kernels/distribute.js';
import { type FusedKernel, type FusedNode, fusedKernel } from '../kernels/fused.js';
import { barrier, exchange, groupThreads, peers, thread } from '../kernels/group.js';
import { type BufferArray, interpret } from '../kernels/interpret.js';
import { interpretGroups } from '../kernels/interpret-groups.js';
import type { Kernel } from '../kernels/ir.js';
import { type BufferSource, bind, type Machine } from '../kernels/lower/bind.js';
import { lowerFused } from '../kernels/lower/fused.js';
import { inputName, outputName } from '../kernels/lower/names.js';
import type { Dimension } from '../kernels/lower/space.js';
import type { Dtype } from '../kernels/op.js';
import { specialise } from '../kernels/specialise.js';

type Arrays = Readonly<Record<string, BufferArray>>;
type Params = Readonly<Record<string, number>>;

interface Call {
  readonly kernel: Kernel;
  readonly buffers: Arrays;
  readonly params: Params;
  readonly work: number;
}

const copyOf = (arrays: Arrays): Record<string, BufferArray> =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice()]));

/** What a kernel leaves, item by item and shared out, with fewer groups than items. */
function outcomes({ kernel, buffers, params, work }: Call): readonly [Record<string, BufferArray>, Record<string, BufferArray>] {
  const [alone, together] = [copyOf(buffers), copyOf(buffers)];
  interpret(kernel, { buffers: alone, params, begin: 0, end: work });
  const shared = distribute(kernel);
  if (shared.group === undefined) throw new Error(`${kernel.name} is not shared out`);
  const threads = groupThreads(shared.group, (name) => params[name]!);
  interpretGroups(shared, { buffers: together, params, begin: 0, end: work }, { groups: 3, threads });
  return [alone, together];
}

function agree(t: ExecutionContext, call: Call, tolerance = 0): void {
  const [alone, together] = outcomes(call);
  for (const [name, expected] of Object.entries(alone)) {
    const at = [...expected].findIndex((value, index) => !isNear(Number(together[name]![index]), Number(value), tolerance));
    if (at >= 0) t.fail(`${call.kernel.name}: ${name}[${at}] is ${together[name]![at]}, alone it is ${expected[at]}`);
  }
  t.pass();
}

const isNear = (value: number, expected: number, tolerance: number): boolean =>
  Object.is(value, expected) || Math.abs(value - expected) <= tolerance * Math.max(1, Math.abs(expected));

const numbers = (length: number): number[] => Array.from({ length }, (_, at) => ((at * 37) % 101) / 25 - 2);
const floats = (length: number): Float32Array => Float32Array.from(numbers(length));

// Fused kernels

const kept = (size: number, ...strides: readonly number[]): Dimension => ({ size, reduced: false, strides });
const reduced = (size: number, ...strides: readonly number[]): Dimension => ({ size, reduced: true, strides });

function unaryOf(dtype: Dtype, level: 'element' | 'row', nodes: readonly FusedNode[]): FusedKernel {
  const outputs = [{ node: nodes.length - 1, dtype: nodes.at(-1)!.dtype, level }] as const;
  return fusedKernel({ inputs: [{ dtype, level: 'element' }], scalars: [], nodes, outputs });
}

/** The only launch of a kernel with one input and one output of those lengths. */
function callOf(fused: FusedKernel, dimensions: readonly Dimension[], x: BufferArray, out: BufferArray): Call {
  const [launch, ...others] = bind(fused, dimensions).launches;
  if (launch === undefined || others.length > 0) throw new Error('it takes several launches');
  const buffers = { [inputName(0)]: x, [outputName(0)]: out };
  return { kernel: lowerFused(launch.kernel, launch.variant), buffers, params: launch.params, work: launch.work };
}

const input = (dtype: Dtype): FusedNode => ({ op: 'input', input: 0, dtype });
const square = (dtype: Dtype): FusedKernel =>
  unaryOf(dtype, 'element', [input(dtype), { op: 'map', map: 'mul', args: [0, 0], dtype }]);

for (const [dtype, array] of [
  ['float32', (length: number) => floats(length)],
  ['float64', (length: number) => Float64Array.from(numbers(length))],
  ['float16', (length: number) => Uint16Array.from({ length }, (_, at) => 0x3800 + (at % 700))],
  ['int64', (length: number) => BigInt64Array.from({ length }, (_, at) => BigInt(at) * 12345678901n)],
  ['uint8', (length: number) => Uint8Array.from({ length }, (_, at) => at * 7)],
] as const)
  test(`elements of ${dtype} are moved several at once, and the rest one by one`, (t) => {
    for (const length of [1, 3, 8, 257, 2050])
      agree(t, callOf(square(dtype), [kept(length, 1, 1)], array(length), array(length)));
  });

test('elements that lie apart, and rows of elements that do not follow each other, stay where they are', (t) => {
  agree(t, callOf(square('float32'), [kept(70, 3, 1)], floats(210), floats(70)));
  for (const length of [5, 37, 300])
    agree(
      t,
      callOf(square('float32'), [kept(6, length + 3, length), kept(length, 1, 1)], floats(6 * (length + 3)), floats(6 * length)),
    );
});

const softmax = unaryOf('float32', 'element', [
  input('float32'),
  { op: 'reduce', reduce: 'max', arg: 0, dtype: 'float32' },
  { op: 'map', map: 'sub', args: [0, 1], dtype: 'float32' },
  { op: 'map', map: 'exp', args: [2], dtype: 'float32' },
  { op: 'reduce', reduce: 'sum', arg: 3, dtype: 'float32' },
  { op: 'map', map: 'div', args: [3, 4], dtype: 'float32' },
]);

test('softmax of short rows by one thread, of longer ones by a warp or a block', (t) => {
  for (const length of [2, 7, 40, 150, 700]) {
    const dimensions = [kept(4, length, length), reduced(length, 1, 1)];
    agree(t, callOf(softmax, dimensions, floats(4 * length), floats(4 * length)), 1e-6);
  }
});

for (const reduce of ['sum', 'prod', 'max', 'min'] as const)
  for (const dtype of ['float32', 'int32'] as const)
    test(`${reduce} of rows of ${dtype}`, (t) => {
      const make = (length: number): BufferArray => (dtype === 'float32' ? floats(length) : Int32Array.from(numbers(length)));
      const fused = unaryOf(dtype, 'row', [input(dtype), { op: 'reduce', reduce, arg: 0, dtype }]);
      for (const length of [5, 64, 1030]) {
        const dimensions = [kept(5, length, 1), reduced(length, 1, 0)];
        agree(t, callOf(fused, dimensions, make(5 * length), make(5)), dtype === 'float32' ? 1e-5 : 0);
      }
    });

test('a sum over two dimensions is brought together once', (t) => {
  const fused = unaryOf('float32', 'row', [input('float32'), { op: 'reduce', reduce: 'sum', arg: 0, dtype: 'float32' }]);
  const dimensions = [reduced(3, 400, 0), kept(2, 200, 1), reduced(200, 1, 0)];
  agree(t, callOf(fused, dimensions, floats(1200), floats(2)), 1e-5);
});

test('a mean and what depends on it use one pair of barriers for each pass', (t) => {
  const call = callOf(softmax, [kept(4, 700, 700), reduced(700, 1, 1)], floats(2800), floats(2800));
  const text = JSON.stringify(distribute(call.kernel).body);
  t.is(text.split('"barrier"').length - 1, 4);
});

// Columns: each launch runs on what the one before has left

/** What a fused kernel gives as the cpu binds it, item by item, and as a GPU binds it, shared out. */
function bothOf(fused: FusedKernel, dimensions: readonly Dimension[], x: Float32Array, size: number) {
  const run = (machine: Machine): Float32Array => {
    const { launches, scratch } = bind(fused, dimensions, machine);
    const out = new Float32Array(size);
    const held = scratch.map((bytes) => new Float32Array(bytes / 4));
    const arrayOf = (source: BufferSource): Float32Array =>
      source.kind === 'input' ? x : source.kind === 'output' ? out : held[source.scratch]!;
    for (const launch of launches) {
      const lowered = lowerFused(launch.kernel, launch.variant);
      const arrays = Object.fromEntries([
        ...launch.inputs.map((source, at) => [inputName(at), arrayOf(source)]),
        ...launch.outputs.map((source, at) => [outputName(at), arrayOf(source)]),
        ...launch.rows.map(({ name, scratch: at }) => [name, held[at]!]),
      ]);
      const invocation = { buffers: arrays, params: launch.params, begin: 0, end: launch.work };
      const kernel = machine === 'gpu' ? distribute(lowered) : lowered;
      if (kernel.group === undefined) interpret(kernel, invocation);
      else {
        const threads = groupThreads(kernel.group, (name) => launch.params[name]!);
        interpretGroups(kernel, invocation, { groups: 2, threads });
      }
    }
    return out;
  };
  return { cpu: run('cpu'), gpu: run('gpu'), launches: bind(fused, dimensions, 'gpu').launches };
}

const isClose = (left: Float32Array, right: Float32Array): boolean => left.every((value, at) => isNear(right[at]!, value, 2e-5));

test('columns are folded by threads above each other, long ones in parts', (t) => {
  const sum = unaryOf('float32', 'row', [input('float32'), { op: 'reduce', reduce: 'sum', arg: 0, dtype: 'float32' }]);
  for (const [rows, columns, launches] of [
    [3, 5, 1],
    [40, 70, 1],
    [2100, 3, 2],
  ] as const) {
    const dimensions = [reduced(rows, columns, 0), kept(columns, 1, 1)];
    const both = bothOf(sum, dimensions, floats(rows * columns), columns);
    t.is(both.launches.length, launches);
    t.true(isClose(both.cpu, both.gpu), `${rows} x ${columns}`);
    t.true(both.launches.every(({ variant }) => variant.columns));
  }
});

test('a copy that reads across is turned in tiles, whatever stands around it and left over', (t) => {
  const copy = unaryOf('float32', 'element', [input('float32'), { op: 'map', map: 'identity', args: [0], dtype: 'float32' }]);
  for (const [dimensions, size] of [
    [[kept(40, 1, 50), kept(50, 40, 1)], 2000],
    [[kept(32, 1, 64), kept(64, 32, 1)], 2048],
    [[kept(3, 1024, 1024), kept(8, 1, 128), kept(128, 8, 1)], 3072],
    [[kept(9, 1, 110), kept(5, 90, 22), kept(11, 9, 2)], 990],
  ] as const) {
    const both = bothOf(copy, dimensions, floats(size), size);
    t.deepEqual(both.gpu, both.cpu);
    const isTurned = dimensions.at(-1)!.strides[1] === 1;
    t.is(both.launches[0]!.variant.grouped ?? false, isTurned);
  }
});

test('softmax along columns, and elements that lie across, as a GPU has them', (t) => {
  const columns = bothOf(softmax, [reduced(50, 37, 37), kept(37, 1, 1)], floats(50 * 37), 50 * 37);
  t.true(isClose(columns.cpu, columns.gpu));
  const turned = bothOf(square('float32'), [kept(40, 1, 50), kept(50, 40, 1)], floats(2000), 2000);
  t.deepEqual(turned.gpu, turned.cpu);
});

// Kernel functions

const byName = (name: string): Kernel => {
  const found = Object.values(generated).find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`there is no kernel function ${name}`);
  return specialise(found, { T: 'float32', I: 'int32' }, true);
};

for (const name of ['cumsum', 'cumprod'])
  test(`${name} along memory and along few columns is a scan by the threads of a group, along many a column for each thread`, (t) => {
    for (const [n, inner, reverse] of [
      [9, 1, 0],
      [100, 1, 0],
      [700, 1, 0],
      [20, 6, 0],
      [300, 6, 1],
      [300, 1, 1],
      [5, 40, 1],
    ] as const) {
      const length = 3 * n * inner;
      const x = Float32Array.from({ length }, (_, at) => 1 + ((at * 37) % 11) / 1000);
      const call = { kernel: byName(name), buffers: { x, out: new Float32Array(length) }, params: { n, inner, reverse } };
      agree(t, { ...call, work: 3 * inner }, 1e-5);
    }
  });

// What is not shared

const buffers = [
  { name: 'x', storage: 'float32', access: 'read' },
  { name: 'out', storage: 'float32', access: 'readwrite' },
] as const;

test('a loop whose turns depend on each other, and one that is not marked, are left to one thread', (t) => {
  const depends = forLoop('j', 1, param('n'), (j) => [store('out', j, load(F32, 'out', add(j, -1)))], { vector: true });
  const changes = [
    variable('last', load(F32, 'x', 0)),
    forLoop('j', 0, param('n'), (j) => [set('last', load(F32, 'x', j))], { vector: true }),
  ];
  const unmarked = forLoop('j', 0, param('n'), (j) => [store('out', j, load(F32, 'x', j))]);
  for (const body of [[depends], changes, [unmarked]]) {
    const alone = kernel('alone', buffers, [{ name: 'n', type: 'i32' }], [forItems('item', body)]);
    t.is(distribute(alone), alone);
  }
});

// The interpreter of group programs

function shifting(...between: Kernel['body']): Kernel {
  const value = load(F32, 'tile', add(thread, 1));
  const body = [
    store('tile', thread, load(F32, 'x', thread)),
    ...between,
    let_('next', exchange(load(F32, 'x', thread), 'before', 1)),
    store('out', thread, local('next', F32)),
  ] as const;
  const group = { threads: 8, items: 1, shared: [{ name: 'tile', storage: 'float32', length: 9 }] } as const;
  return { ...kernel('shifting', buffers, [], [...body, let_('shifted', value)]), group };
}

test('the interpreter finds a missing barrier, and what was never written', (t) => {
  const run = (shifted: Kernel) => () =>
    interpretGroups(shifted, { buffers: { x: floats(8), out: floats(8) }, begin: 0, end: 1 }, { groups: 1, threads: 8 });
  t.throws(run(shifting()), { message: /tile\[1\] is read, and written by threads 1 and 0 with no barrier in between/ });
  t.throws(run(shifting(barrier)), { message: /tile\[8\] is read before it was written/ });
});

test('the interpreter finds threads that part before a barrier', (t) => {
  const parting = forLoop('j', 0, thread, () => [barrier]);
  const group = { threads: 4, items: 1, shared: [] };
  const parted = { ...kernel('parted', buffers, [], [parting]), group };
  const run = () =>
    interpretGroups(parted, { buffers: { x: floats(1), out: floats(1) }, begin: 0, end: 1 }, { groups: 1, threads: 4 });
  t.throws(run, { message: /threads part before a place where they meet/ });
});

test('peers are the threads of the warp with the same value', (t) => {
  const same = [let_('same', peers(load(I32, 'x', thread))), store('out', thread, local('same', I32))];
  const group = { threads: 64, items: 1, shared: [] };
  const integers = buffers.map((buffer) => ({ ...buffer, storage: 'int32' as const }));
  const x = Int32Array.from({ length: 64 }, (_, at) => (at < 32 ? at % 3 : at));
  const out = new Int32Array(64);
  interpretGroups(
    { ...kernel('peers', integers, [], same), group },
    { buffers: { x, out }, begin: 0, end: 1 },
    { groups: 1, threads: 64 },
  );
  t.is(out[0], 0b01001001001001001001001001001001);
  t.is(out[31], 0b10010010010010010010010010010010 | 0);
  t.is(out[40], 1 << 8);
});

test('two groups that write one element are found', (t) => {
  const both = {
    ...kernel('both', buffers, [], [store('out', 0, load(F32, 'x', 0))]),
    group: { threads: 1, items: 1, shared: [] },
  };
  const run = () =>
    interpretGroups(both, { buffers: { x: floats(1), out: floats(1) }, begin: 0, end: 2 }, { groups: 2, threads: 1 });
  t.throws(run, { message: /out\[0\] is written twice/ });
});
