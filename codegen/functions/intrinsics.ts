/** The helpers of kernels/functions/language.ts as kernel IR. `lanes` and `fail` are statements and not among them. */
import {
  and,
  BOOL,
  bits,
  constant,
  convert,
  div,
  fma,
  I32,
  I64,
  max,
  min,
  ne,
  or,
  rem,
  scalarType,
  shl,
  shr,
  shru,
  unary,
} from '../../kernels/build.js';
import type { Expr, Type, UnaryOp } from '../../kernels/ir.js';

export const T = scalarType('T');

export interface Intrinsic {
  readonly arguments: number;
  /** The type its arguments must have; absent where they follow from each other or from the place of the call. */
  readonly takes?: Type;
  /** Its arguments may have any type. */
  readonly converts?: true;
  build(operands: readonly Expr[]): Expr;
}

const floatUnary = (name: UnaryOp): Intrinsic => ({ arguments: 1, build: ([x]) => unary(name, x!) });

export const intrinsics: ReadonlyMap<string, Intrinsic> = new Map<string, Intrinsic>([
  ['idiv', { arguments: 2, takes: I32, build: ([a, b]) => div(a!, b!) }],
  ['irem', { arguments: 2, takes: I32, build: ([a, b]) => rem(a!, b!) }],
  ['remainder', { arguments: 2, takes: T, build: ([a, b]) => rem(a!, b!) }],
  ['min', { arguments: 2, build: ([a, b]) => min(a!, b!) }],
  ['max', { arguments: 2, build: ([a, b]) => max(a!, b!) }],
  ['fma', { arguments: 3, build: ([a, b, c]) => fma(a!, b!, c!) }],
  ['shiftRight', { arguments: 2, takes: I32, build: ([value, count]) => shru(value!, count!) }],
  // As an index of what is stored to, see the compiler.
  ['alone', { arguments: 1, takes: I32, build: ([place]) => place! }],
  ['bits', { arguments: 1, takes: T, build: ([x]) => bits(I32, x!) }],
  ['longBits', { arguments: 1, takes: T, build: ([x]) => bits(I64, x!) }],
  ['highHalf', { arguments: 1, takes: I64, build: ([word]) => convert(I32, shr(word!, 32)) }],
  ['lowHalf', { arguments: 1, takes: I64, build: ([word]) => convert(I32, word!) }],
  ['joined', { arguments: 2, takes: I32, build: ([high, low]) => joined(high!, low!) }],
  ['abs', floatUnary('abs')],
  ['sqrt', floatUnary('sqrt')],
  ['exp', floatUnary('exp')],
  ['log', floatUnary('log')],
  ['floor', floatUnary('floor')],
  ['ceil', floatUnary('ceil')],
  ['isNan', { arguments: 1, build: ([x]) => ne(x!, x!) }],
  ['lowest', { arguments: 0, build: () => constant(T, 'lowest') }],
  ['highest', { arguments: 0, build: () => constant(T, 'highest') }],
  ['grouped', { arguments: 0, build: () => constant(BOOL, 'grouped') }],
  ['toI32', { arguments: 1, converts: true, build: ([x]) => convert(I32, x!) }],
  ['toT', { arguments: 1, converts: true, build: ([x]) => convert(T, x!) }],
  ['clampToI32', { arguments: 1, converts: true, build: ([x]) => convert(I32, clampedTo32Bits(x!)) }],
]);

const joined = (high: Expr, low: Expr): Expr => or(shl(convert(I64, high), 32), and(convert(I64, low), 0xffffffff));

function clampedTo32Bits(value: Expr): Expr {
  return value.type.scalar === 'i32'
    ? value
    : max(min(value, constant(value.type, 2147483647)), constant(value.type, -2147483648));
}
