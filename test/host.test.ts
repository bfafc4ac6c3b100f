/**
 * The host functions against their definitions and against brute force: what shape rules, constraints and views compute with.
 */
import test from 'ava';
import fc from 'fast-check';
import * as host from '../kernels/host.js';
import { HOST_FUNCTIONS } from '../kernels/host-functions.js';

const { Dimensions, RuleError } = host;

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof RuleError) return error.code;
    throw error;
  }
  return undefined;
}

const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

test('list functions', (t) => {
  t.deepEqual(host.range(3), [0, 1, 2]);
  t.deepEqual(host.range(2, 5), [2, 3, 4]);
  t.deepEqual(host.range(5, 2), []);
  t.deepEqual(host.fill(2, 7), [7, 7]);
  t.is(host.count([]), 1);
  t.is(host.count([2, 0, 3]), 0);
  t.is(host.total([]), 0);
  t.deepEqual(host.replace([2, 3, 4], [0, 2], 1), [1, 3, 1]);
  t.deepEqual(host.replace([2, 3, 4], [2, 0], [8, 9]), [9, 3, 8]);
  t.deepEqual(host.replace([2, 3], 1, 5), [2, 5]);
  t.deepEqual(host.drop([2, 3, 4], [0, 2]), [3]);
  t.deepEqual(host.insert([2, 3], [3, 0], 1), [1, 2, 3, 1]);
  t.deepEqual(host.take([1, 2, 3], -5, 2), [1, 2]);
  t.deepEqual(host.take([1, 2, 3], 2, 9), [3]);
  t.deepEqual(host.pick([5, 6, 7], [2, 0, 0]), [7, 5, 5]);
  t.deepEqual(host.flatten([[1], [], [2, 3]]), [1, 2, 3]);
  t.true(host.equals([[1], [2, 3]], [[1], [2, 3]]));
  t.false(host.equals([1], [1, 2]));
  t.false(host.equals(1, [1]));
});

test('what a list does not have is an error of the argument, never undefined', (t) => {
  for (const run of [
    () => host.at([1], 1),
    () => host.at([1], -1),
    () => host.at([1], 0.5),
    () => host.replace([1], 1, 0),
    () => host.replace([1, 2], [0, 1], [5]),
    () => host.drop([1], [3]),
    () => host.insert([1], 3, 0),
    () => host.pick([1], [1]),
    () => host.fill(-1, 0),
    () => host.fill(Number.NaN, 0),
    () => host.fill(1e12, 0),
    () => host.range(0, 1e12),
    () => host.idiv(1, 0),
    () => host.inversePermutation([0, 0]),
  ]) {
    t.is(codeOf(run), 'INVALID_ARGUMENT', String(run));
  }
});

test('division rounds down', (t) => {
  t.is(host.idiv(7, 2), 3);
  t.is(host.idiv(-7, 2), -4);
});

test('shapes broadcast as in NumPy', (t) => {
  t.deepEqual(host.broadcast(), []);
  t.deepEqual(host.broadcast([2, 1, 4], [3, 1], []), [2, 3, 4]);
  t.deepEqual(host.broadcast([0, 3], [1, 3]), [0, 3]);
  t.is(
    codeOf(() => host.broadcast([2, 3], [2, 4])),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.broadcast([0], [2])),
    'SHAPE_MISMATCH',
  );
});

test('a permutation and its inverse undo each other', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 6 }).chain((n) => fc.shuffledSubarray(host.range(n), { minLength: n })),
      (permutation) => {
        t.true(host.isPermutation(permutation, permutation.length));
        t.deepEqual(host.pick(permutation, host.inversePermutation(permutation)), host.range(permutation.length));
      },
    ),
  );
  t.false(host.isPermutation([0, 0], 2));
  t.false(host.isPermutation([0, 1], 3));
});

test('reshape fills in -1 and 0', (t) => {
  t.deepEqual(host.inferReshape([2, 6], [3, -1]), [3, 4]);
  t.deepEqual(host.inferReshape([2, 3, 4], [0, 12]), [2, 12]);
  t.deepEqual(host.inferReshape([], [1, 1]), [1, 1]);
  t.deepEqual(host.inferReshape([2, 0], [0, 0]), [2, 0]);
  for (const [shape, target] of [
    [
      [2, 3],
      [4, -1],
    ],
    [[6], [-1, -1]],
    [[6], [5]],
    [[6], [-2, -3]],
    [
      [0, 3],
      [0, -1],
    ],
  ] as const) {
    t.is(
      codeOf(() => host.inferReshape(shape, target)),
      'SHAPE_MISMATCH',
      `${shape} to ${target}`,
    );
  }
});

test('sizes of parts fill in -1', (t) => {
  t.deepEqual(host.inferSizes(5, [1, -1]), [1, 4]);
  t.deepEqual(host.inferSizes(5, [5, -1]), [5, 0]);
  for (const parts of [
    [1, 3],
    [6, -1],
    [-1, -1],
    [-2, 7],
  ])
    t.is(
      codeOf(() => host.inferSizes(5, parts)),
      'SHAPE_MISMATCH',
      String(parts),
    );
});

test('matrix products', (t) => {
  t.deepEqual(host.matmulShape([3, 4], [4, 5], false, false), [3, 5]);
  t.deepEqual(host.matmulShape([4, 3], [5, 4], true, true), [3, 5]);
  t.deepEqual(host.matmulShape([4], [4], false, false), []);
  t.deepEqual(host.matmulShape([4], [2, 4, 5], true, false), [2, 5]);
  t.deepEqual(host.matmulShape([2, 1, 3, 4], [5, 4, 2], false, false), [2, 5, 3, 2]);
  t.is(
    codeOf(() => host.matmulShape([2, 3], [2, 3], false, false)),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.matmulShape([], [2], false, false)),
    'RANK_MISMATCH',
  );
});

test('slices take what a walk from start to end takes', (t) => {
  const place = fc.integer({ min: -9, max: 9 });
  const step = fc.integer({ min: -4, max: 4 }).filter((value) => value !== 0);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), place, place, step, (size, start, end, stride) => {
      const wrap = (value: number): number => (value < 0 ? value + size : value);
      const expected: number[] = [];
      for (
        let at = stride > 0 ? Math.max(wrap(start), 0) : Math.min(wrap(start), size - 1);
        stride > 0 ? at < Math.min(wrap(end), size) : at > Math.max(wrap(end), -1);
        at += stride
      ) {
        expected.push(at);
      }
      const first = host.sliceStart(size, start, stride);
      t.deepEqual(
        host.range(host.sliceSize(size, start, end, stride)).map((index) => first + index * stride),
        expected,
      );
    }),
  );
});

/** The place of every element, row by row. */
function places(shape: readonly number[], strides: readonly number[]): readonly number[] {
  const [size, ...rest] = shape;
  if (size === undefined) return [0];
  return host.range(size).flatMap((index) => places(rest, strides.slice(1)).map((place) => place + index * (strides[0] ?? 0)));
}

test('reshaped strides show the same elements, and are refused only where none exist', (t) => {
  const layout = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 1, 1, 2)), { maxLength: 4 });
  let kept = 0;
  fc.assert(
    fc.property(layout, fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }), fc.boolean(), (axes, cut, swapped) => {
      const shape = axes.map(([size]) => size);
      const dense = host.contiguousStrides(shape);
      const strides = swapped ? dense.toReversed() : dense.map((stride, axis) => stride * (axes[axis]?.[1] ?? 1));
      const elements = host.count(shape);
      const target = host.count(cut) > 0 && elements % host.count(cut) === 0 ? [...cut, elements / host.count(cut)] : [elements];
      const result = host.reshapeStrides(shape, strides, target);
      const before = places(shape, strides);
      if (result !== null) {
        kept++;
        t.deepEqual(places(target, result), before);
        return;
      }
      // Any strides would have to begin with the step from each axis's first element to its second.
      const steps = host
        .contiguousStrides(target)
        .map((step, axis) => (target[axis] === 1 ? 0 : (before[step] ?? 0) - (before[0] ?? 0)));
      t.notDeepEqual(places(target, steps), before);
    }),
  );
  t.true(kept > 0);
  t.deepEqual(host.reshapeStrides([0, 3], [3, 1], [3, 0]), [0, 1]);
  t.deepEqual(host.reshapeStrides([2, 3], [1, 2], [6]), null);
});

test('broadcast strides repeat with stride 0', (t) => {
  t.deepEqual(host.broadcastStrides([3, 1], [1, 1], [2, 3, 4]), [0, 1, 0]);
  t.is(
    codeOf(() => host.broadcastStrides([3], [1], [2])),
    'SHAPE_MISMATCH',
  );
});

test('axes count from the front, and must be there', (t) => {
  t.is(host.normaliseAxis(-1, 3), 2);
  t.deepEqual(host.normaliseAxes([-1, 0], 3), [0, 2]);
  t.is(
    codeOf(() => host.normaliseAxis(3, 3)),
    'AXIS_OUT_OF_RANGE',
  );
  t.is(
    codeOf(() => host.normaliseAxis(0, 0)),
    'AXIS_OUT_OF_RANGE',
  );
  t.is(
    codeOf(() => host.normaliseAxes([1, -2], 3)),
    'INVALID_ARGUMENT',
  );
});

test('dtypes meet in the wider one', (t) => {
  t.is(host.promote('int32', 'float16'), 'float16');
  t.is(host.promote('uint8', 'int8'), 'int16');
  t.is(host.promote('float16', 'bfloat16'), 'float32');
  t.is(host.promote('bool', 'uint8'), 'uint8');
  t.true(host.isFloating('bfloat16'));
  t.false(host.isInteger('bool'));
});

test('named dimensions unify over inputs', (t) => {
  const dimensions = new Dimensions();
  dimensions.match('x', [5, 2, 3, 4], ['...b', 'm', 'k']);
  dimensions.match('y', [2, 4, 6], ['...b', 'k', 'n']);
  t.deepEqual(dimensions.group('b'), [5, 2]);
  t.deepEqual(
    ['m', 'k', 'n'].map((name) => dimensions.size(name)),
    [3, 4, 6],
  );
  t.is(
    codeOf(() => dimensions.match('z', [7, 1], ['n', 1])),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => dimensions.match('z', [3, 4, 6], ['...b', 'k', 'n'])),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => dimensions.match('z', [6], ['...b', 'k', 'n'])),
    'RANK_MISMATCH',
  );
  t.is(
    codeOf(() => dimensions.size('q')),
    'INVALID_ARGUMENT',
  );
  t.is(
    t.throws(() => dimensions.match('weight', [3, 5, 7], ['o', 'k', 2]))?.message,
    'weight of shape [3, 5, 7] does not fit [o, k, 2]: k is 4 in x and 5 here',
  );
});

test('a group that does not lead its pattern must be the same everywhere', (t) => {
  const dimensions = new Dimensions();
  dimensions.match('x', [9, 3, 1], ['n', '...c']);
  dimensions.match('index', [2, 4], ['...i']);
  t.is(
    codeOf(() => dimensions.match('updates', [2, 4, 3, 7], ['...i', '...c'])),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => dimensions.match('updates', [2, 4, 3], ['...i', '...c'])),
    'RANK_MISMATCH',
  );
  dimensions.match('updates', [2, 4, 3, 1], ['...i', '...c']);
  t.deepEqual(dimensions.group('c'), [3, 1]);
});

test('computed shapes and ranks are checked', (t) => {
  t.is(
    codeOf(() => host.checkShape([2, -1], 'out')),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.checkShape([0.5], 'out')),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.checkShape([2 ** 40, 2 ** 40], 'out')),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.checkRank([2], 2, 2, 'x')),
    'RANK_MISMATCH',
  );
  t.is(
    codeOf(() => host.checkRank([2, 3], 1, Number.POSITIVE_INFINITY, 'x')),
    undefined,
  );
  t.is(
    codeOf(() => host.checkEqualShape([2], [3], 'label')),
    'SHAPE_MISMATCH',
  );
  t.is(
    codeOf(() => host.checkEqualShape([2], [2, 1], 'label')),
    'RANK_MISMATCH',
  );
});

test('the table of host functions calls what it names', (t) => {
  t.is(HOST_FUNCTIONS.get('count')?.apply([2, 3]), 6);
  t.deepEqual(HOST_FUNCTIONS.get('range')?.parameters, [
    { name: 'from', type: 'int' },
    { name: 'to', type: 'int', optional: true },
  ]);
  t.true(HOST_FUNCTIONS.get('broadcast')?.parameters[0]?.rest);
  fc.assert(fc.property(sizes, (shape) => t.deepEqual(HOST_FUNCTIONS.get('reverse')?.apply(shape), shape.toReversed())));
});
