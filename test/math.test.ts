/**
 * The expansion of transcendental functions, as WebAssembly runs it: accuracy over the whole range, special values, and equal bits
 * in lanes and alone. Bounds are what was measured, rounded up; the reference is JavaScript's Math in float64, or a table.
 */
import test from 'ava';
import {
  begin,
  binary,
  end,
  F32,
  F64,
  forLoop,
  gt,
  i32,
  if_,
  load,
  local,
  set,
  store,
  unary,
  variable,
  vectorType,
} from '../kernels/build.js';
import type { BinaryOp, Expr, Kernel, MathOp, Type } from '../kernels/ir.js';
import { expandMath } from '../kernels/math/expand.js';
import { pow } from '../kernels/scalar-math.js';
import { makeKernel, runKernel } from './wasm-harness.js';

const F32X4 = vectorType('f32', 4);
const F64X2 = vectorType('f64', 2);

type Formula = (...operands: Expr[]) => Expr;
type Floats = Float32Array | Float64Array;

/** y[i] = formula(x[i], z[i]) with as many elements at once as the type has lanes. */
function mapKernel(type: Type, formula: Formula): Kernel {
  const storage = type.scalar === 'f64' ? 'float64' : 'float32';
  const body = forLoop('i', begin, end, (i) => [store('y', i, formula(load(type, 'x', i), load(type, 'z', i)))], {
    step: type.lanes,
  });
  return makeKernel({ x: storage, z: storage, y: storage }, [body]);
}

/** Results on scalars and on vectors, whose bits must agree; the number of elements is a multiple of the lanes. */
function evaluate(formula: Formula, x: Floats, z: Floats = x): { alone: Floats; inLanes: Floats } {
  const isDouble = x instanceof Float64Array;
  const results = (isDouble ? [F64, F64X2] : [F32, F32X4]).map((type) => {
    const y = isDouble ? new Float64Array(x.length) : new Float32Array(x.length);
    runKernel(mapKernel(type, formula), { x, z, y }, { range: [0, x.length] });
    return y;
  });
  return { alone: results[0]!, inLanes: results[1]! };
}

const call =
  (name: MathOp): Formula =>
  (x) =>
    unary(name, x!);
const call2 =
  (name: BinaryOp): Formula =>
  (x, z) =>
    binary(name, x!, z!);

/** The distance of neighbouring float32 at that magnitude. */
function spacing(value: number): number {
  const exponent = Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126)));
  return 2 ** (Math.min(exponent, 127) - 23);
}

/** The error in units of the last place of a float32; infinite where a special value is missed. */
function ulps(got: number, exact: number): number {
  const rounded = Math.fround(exact);
  if (Object.is(got, rounded)) return 0;
  if (Number.isNaN(got) || Number.isNaN(rounded) || (got === 0 && rounded === 0)) return Number.POSITIVE_INFINITY;
  const limit = 2 ** 128;
  const bounded = (value: number) => Math.max(-limit, Math.min(limit, value));
  return Math.abs(bounded(got) - bounded(exact)) / spacing(bounded(exact));
}

/** Every so many'th bit pattern of float32, and those next to where formulas change. */
function samples(stride: number): Float32Array {
  const special = [0, -0, Infinity, -Infinity, NaN, 1, -1, 2 ** -149, -(2 ** -149), 2 ** -126, 3.4028234663852886e38];
  const corners = [0.25, 0.5, 0.625, 1, 1.5, 2, 2.5, 8, 10, 88.72283, 103.97, 128, 8192, 2 ** 24].flatMap((corner) =>
    [-1, -0.5, 0, 0.5, 1].flatMap((step) => [corner + step * spacing(corner), -corner + step * spacing(corner)]),
  );
  const count = Math.floor(2 ** 32 / stride);
  const length = Math.ceil((count + special.length + corners.length) / 4) * 4;
  const patterns = Uint32Array.from({ length }, (_, index) => index * stride);
  const values = new Float32Array(patterns.buffer);
  values.set([...special, ...corners], length - special.length - corners.length);
  return values;
}

function worst(got: Floats, exact: (index: number) => number): { error: number; index: number } {
  let result = { error: 0, index: 0 };
  got.forEach((value, index) => {
    const error = ulps(value, exact(index));
    if (error > result.error) result = { error, index };
  });
  return result;
}

function differing(left: Floats, right: Floats): number {
  return left.findIndex((value, index) => !Object.is(value, right[index]));
}

const bounds: Readonly<Record<string, readonly [reference: (x: number) => number, ulps: number]>> = {
  exp: [Math.exp, 1],
  exp2: [(x) => 2 ** x, 1.5],
  expm1: [Math.expm1, 1.75],
  log: [Math.log, 1],
  log2: [Math.log2, 1],
  log10: [Math.log10, 1],
  log1p: [Math.log1p, 1],
  sin: [Math.sin, 2],
  cos: [Math.cos, 2],
  tan: [Math.tan, 3],
  asin: [Math.asin, 2.5],
  acos: [Math.acos, 1.25],
  atan: [Math.atan, 1.5],
  sinh: [Math.sinh, 2],
  cosh: [Math.cosh, 1.5],
  tanh: [Math.tanh, 2.75],
  asinh: [Math.asinh, 2],
  acosh: [Math.acosh, 2],
  atanh: [Math.atanh, 2.25],
  cbrt: [Math.cbrt, 1],
};

const isMathOp = (name: string): name is MathOp => Object.hasOwn(bounds, name);

for (const [name, [reference, bound]] of Object.entries(bounds)) {
  test(`${name} of float32 is within ${bound} ulp everywhere, in lanes as alone`, (t) => {
    if (!isMathOp(name)) return t.fail();
    const x = samples(16411);
    const { alone, inLanes } = evaluate(call(name), x);
    const { error, index } = worst(alone, (at) => reference(x[at]!));
    t.true(error <= bound, `${name}(${x[index]}) is ${alone[index]}, off by ${error} ulp`);
    const at = differing(alone, inLanes);
    t.is(at, -1, `${name}(${x[at]}) is ${alone[at]} alone and ${inLanes[at]} in lanes`);
  });
}

const exactValues: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  erf: [
    [1e-30, 1.1283791670955127e-30],
    [0.001, 0.0011283787909692365],
    [0.25, 0.27632639016823696],
    [0.5, 0.5204998778130465],
    [0.9375, 0.8151024010343998],
    [1, 0.8427007929497149],
    [1.5, 0.9661051464753108],
    [2.25, 0.9985372834133188],
    [3, 0.9999779095030014],
    [3.875, 0.999999957486056],
    [-0.75, -0.7111556336535151],
    [-2.5, -0.999593047982555],
    [Infinity, 1],
    [-Infinity, -1],
    [-0, -0],
    [NaN, NaN],
  ],
  erfc: [
    [1e-30, 1],
    [0.25, 0.7236736098317631],
    [0.5, 0.4795001221869535],
    [1, 0.15729920705028513],
    [2, 0.004677734981047266],
    [3.5, 7.430983723414128e-7],
    [5, 1.537459794428035e-12],
    [7.25, 1.1466900814815012e-24],
    [9, 4.13703174651381e-37],
    [-0.5, 1.5204998778130465],
    [-3, 1.9999779095030015],
    [Infinity, 0],
    [-Infinity, 2],
    [NaN, NaN],
  ],
  erfinv: [
    [8.673617379884035e-19, 7.686793263128236e-19],
    [9.5367431640625e-7, 8.451718573121729e-7],
    [0.125, 0.11123545184094996],
    [0.25, 0.2253120550121781],
    [0.5, 0.4769362762044699],
    [0.75, 0.8134198475976185],
    [0.9375, 1.3171503349861307],
    [0.984375, 1.7094723742995115],
    [0.9990234375, 2.331467773621948],
    [0.9999923706054688, 3.164535077109896],
    [0.9999998807907104, 3.7439211627767994],
    [-0.25, -0.2253120550121781],
    [-0.875, -1.0847870400692832],
    [1.0, Infinity],
    [-1.0, -Infinity],
    [1.5, NaN],
    [-2.0, NaN],
    [Infinity, NaN],
    [NaN, NaN],
    [0.0, 0.0],
    [-0, -0],
  ],
  i0e: [
    [9.313225746154785e-10, 0.9999999990686774],
    [0.125, 0.885947524030331],
    [1.0, 0.46575960759364043],
    [2.5, 0.27004644161220276],
    [-2.5, 0.27004644161220276],
    [5.0, 0.18354081260932836],
    [7.75, 0.1458122743089143],
    [8.0, 0.14343178185685032],
    [8.25, 0.1411645506329935],
    [12.0, 0.11642622121344044],
    [-20.0, 0.08978031188482602],
    [100.0, 0.03994437929909668],
    [-1024.0, 0.012468468943396522],
    [1099511627776.0, 3.804610065474301e-7],
    [0.0, 1.0],
    [Infinity, 0.0],
    [-Infinity, 0.0],
    [NaN, NaN],
  ],
  i1e: [
    [9.313225746154785e-10, 4.656612868740584e-10],
    [0.125, 0.05526385324160324],
    [1.0, 0.20791041534970844],
    [2.5, 0.20658464953126657],
    [-2.5, -0.20658464953126657],
    [5.0, 0.16397226694454237],
    [7.75, 0.1360511000803391],
    [8.0, 0.13414249329269817],
    [8.25, 0.13231017396500142],
    [12.0, 0.11146429929018098],
    [-20.0, -0.08750622218328867],
    [100.0, 0.03974415302513025],
    [-1024.0, -0.012462379335984191],
    [1099511627776.0, 3.8046100654725703e-7],
    [0.0, 0.0],
    [Infinity, 0.0],
    [-Infinity, -0],
    [NaN, NaN],
  ],
  lgamma: [
    [2 ** -20, 13.8629430607239],
    [0.125, 2.0194183575537963],
    [0.5, 0.5723649429247001],
    [0.75, 0.20328095143129538],
    [1, 0],
    [1.25, -0.09827183642181316],
    [1.46875, -0.12146183058765041],
    [1.96875, -0.01289502598016741],
    [2, 0],
    [2.5, 0.2846828704729192],
    [3, Math.LN2],
    [5.75, 4.366716036622286],
    [7.875, 8.274252119110479],
    [8, 8.525161361065415],
    [30, 71.25703896716801],
    [1e4, 82099.71749644238],
    [2 ** 60, 4.679573591490311e19],
    [-0.5, 1.2655121234846454],
    [-1.25, 1.3664317612369763],
    [-4.75, -2.8754125604929137],
    [-20.5, -42.70719597482576],
    [-(2 ** -30), 20.794415417335934],
    [0, Infinity],
    [-0, Infinity],
    [-3, Infinity],
    [Infinity, Infinity],
    [-Infinity, Infinity],
    [NaN, NaN],
  ],
  digamma: [
    [2 ** -20, -1048576.5772140962],
    [0.125, -8.388492663295855],
    [0.5, -1.9635100260214235],
    [1, -0.5772156649015329],
    [1.25, -0.22745353337626542],
    [1.46875, 0.006865411470735777],
    [1.75, 0.24747245354686118],
    [2, 0.42278433509846713],
    [3.5, 1.103156640645243],
    [7.875, 1.9988595242685323],
    [8, 2.01564147795561],
    [30, 3.384438132685525],
    [1e4, 9.210290371142849],
    [2 ** 60, 41.58883083359672],
    [-0.25, 2.9141391202135276],
    [-1.75, -2.322691628614361],
    [-4.625, 0.3344162323735902],
    [-20.25, 6.174235633614484],
    [0, -Infinity],
    [-0, Infinity],
    [-2, NaN],
    [Infinity, Infinity],
    [NaN, NaN],
  ],
};

for (const name of ['erf', 'erfc', 'erfinv', 'lgamma', 'digamma', 'i0e', 'i1e'] as const) {
  test(`${name} has its exact values in float32 and float64`, (t) => {
    const rows = exactValues[name]!;
    const padded = [...rows, ...new Array<readonly [number, number]>((4 - (rows.length % 4)) % 4).fill(rows[0]!)];
    const given = padded.map(([argument]) => argument);
    for (const [x, bound] of [
      [Float64Array.from(given), 1e-15],
      [Float32Array.from(given), 6e-7],
    ] as const) {
      const { alone, inLanes } = evaluate(call(name), x);
      t.is(differing(alone, inLanes), -1);
      padded.forEach(([argument, exact], index) => {
        const got = alone[index]!;
        const isClose = Object.is(got, exact) || Math.abs(got - exact) <= bound * Math.max(Math.abs(exact), 0.1);
        t.true(isClose, `${name}(${argument}) is ${got}, not ${exact}`);
      });
    }
  });
}

test('erf and tanh of float32 never exceed 1', (t) => {
  const x = Float32Array.from({ length: 40000 }, (_, index) => index / 4000);
  for (const name of ['erf', 'tanh'] as const) {
    const { alone } = evaluate(call(name), x);
    t.is(Math.max(...alone), 1);
  }
});

/** All pairs of the interesting values, and random ones of moderate and of any size. */
function pairs(): readonly [Float32Array, Float32Array] {
  const special = [
    0,
    -0,
    1,
    -1,
    2,
    -2,
    3,
    -3,
    0.5,
    -0.5,
    2.5,
    1e-40,
    -1e-40,
    1e30,
    -1e30,
    Infinity,
    -Infinity,
    NaN,
    16777217,
    1 + 2 ** -23,
  ];
  const listed = special.flatMap((x) => special.map((z) => [x, z] as const));
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const moderate = Array.from({ length: 40000 }, () => [random() * 20, random() * 60 - 30] as const);
  const sized = Array.from(
    { length: 40000 },
    () => [2 ** (random() * 250 - 125), 2 ** (random() * 14 - 7) * (random() < 0.5 ? -1 : 1)] as const,
  );
  const all = [...listed, ...moderate, ...sized];
  return [Float32Array.from(all, ([x]) => x), Float32Array.from(all, ([, z]) => z)];
}

test('pow of float32 is within 2 ulp, and has the special values of C', (t) => {
  const [x, z] = pairs();
  const { alone, inLanes } = evaluate(call2('pow'), x, z);
  const { error, index } = worst(alone, (at) => pow(x[at]!, z[at]!));
  t.true(error <= 2, `pow(${x[index]}, ${z[index]}) is ${alone[index]}, off by ${error} ulp`);
  t.is(differing(alone, inLanes), -1);
});

test('atan2 of float32 is within 2 ulp, and has the special values of C', (t) => {
  const [y, x] = pairs();
  const { alone, inLanes } = evaluate(call2('atan2'), y, x);
  const { error, index } = worst(alone, (at) => Math.atan2(y[at]!, x[at]!));
  t.true(error <= 2, `atan2(${y[index]}, ${x[index]}) is ${alone[index]}, off by ${error} ulp`);
  t.is(differing(alone, inLanes), -1);
});

test('the other functions of float64 are those of Math', (t) => {
  const x = Float64Array.from([-2.5, -1, -0.3, -0, 0, 0.3, 1, 7.5, 1e300, Infinity, -Infinity, NaN]);
  for (const [name, [reference]] of Object.entries(bounds)) {
    if (!isMathOp(name)) return t.fail();
    const { alone, inLanes } = evaluate(call(name), x);
    t.deepEqual(alone, x.map(reference), name);
    t.deepEqual(inLanes, alone, name);
  }
  const z = Float64Array.from([2, NaN, 0.5, 3, -1, 2, NaN, 0, 2, -1, 3, 0]);
  t.deepEqual(
    evaluate(call2('pow'), x, z).inLanes,
    x.map((value, index) => pow(value, z[index]!)),
  );
});

test('what a target computes itself is left alone', (t) => {
  const kernel = mapKernel(F32, call('exp'));
  t.deepEqual(expandMath(kernel, { isNative: () => true }), kernel);
  t.throws(() => expandMath(mapKernel(F64, call('exp')), { isNative: () => false }), { message: /no formula for exp of f64/ });
});

test('nested functions share their parts, so that the code grows with the number of functions', (t) => {
  const size = (depth: number) => {
    const formula = (x: Expr): Expr => Array.from({ length: depth }).reduce<Expr>((value) => unary('sin', value), x);
    return JSON.stringify(expandMath(mapKernel(F32, (x) => formula(x!)))).length;
  };
  t.true(size(8) < 8.5 * size(1));
});

test('the condition of a while is evaluated on every turn', (t) => {
  const x = local('x', F32);
  const count = local('count', { scalar: 'i32', lanes: 1 });
  const kernel = makeKernel({ out: 'int32' }, [
    variable('x', { op: 'const', type: F32, value: 10 }),
    variable('count', i32(0)),
    {
      do: 'while',
      condition: gt(unary('log', x), 0.5),
      body: [set('x', binary('mul', x, 0.5)), set('count', binary('add', count, 1)), if_(gt(count, 50), [{ do: 'break' }])],
    },
    store('out', 0, count),
  ]);
  const out = new Int32Array(1);
  runKernel(kernel, { out });
  // 10, 5, 2.5 are above sqrt(e), 1.25 is not.
  t.is(out[0], 3);
});
